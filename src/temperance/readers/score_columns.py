"""Which columns of a table are scores, one per class, and what their classes are called."""

from __future__ import annotations

import csv
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.guard import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.readers.dataset import Kind

__all__ = [
    "ScoreColumns",
    "as_typed",
    "common_start",
    "likely_scores",
    "listed",
    "named_scores",
    "sounding_like_scores",
    "stem_scores",
]

_SEPARATOR = re.compile(r"[\W_]")
_WORDS: dict[Kind, frozenset[str]] = {
    "probs": frozenset(
        {"prob", "probs", "proba", "probas", "probability", "probabilities", "softmax"}
    ),
    "logits": frozenset({"logit", "logits"}),
}
_SINGLE = frozenset(
    {"score", "scores", "confidence", "confidences", "conf", "certainty", "prob", "probability"}
)
_IN_BRACKETS = re.compile(r"[\[({](.+)[\])}]")


@dataclass(frozen=True, slots=True)
class ScoreColumns:
    """Columns in the order of their classes; no classes of scores in one column.

    `guessed` says that a column counts as a class only because its name begins or ends as asked.
    """

    columns: tuple[str, ...]
    classes: tuple[str, ...] | None
    guessed: bool = False


def stem_scores(names: Sequence[str], stem: str) -> ScoreColumns | None:
    """Find the columns `stem_<class>`."""
    start = f"{stem}_"
    columns = tuple(name for name in names if name.startswith(start))
    if not columns:
        return None
    return ScoreColumns(columns, tuple(name[len(start) :] for name in columns), guessed=True)


def named_scores(names: Sequence[str], given: str | tuple[str, ...]) -> ScoreColumns | None:
    """Find the columns that the caller's word for them means; None if there are none.

    In this order: a column of that name; `*` for the class in `p_*_mean`; columns that begin with
    the word and a mark (`Stated Prob` finds `Stated Prob A`) or end with a mark and the word
    (`prob` finds `A_prob`); a list of columns, commas between; two columns or more that begin or
    end with the word (`p` finds `pA`, `pB`).

    Raises
    ------
    FileFormatError
        A list names a column that is not there, or names one twice.
    """
    if not isinstance(given, str):
        return _of_list(names, given)
    if given in names:
        return ScoreColumns((given,), None)
    if given.count("*") == 1:
        start, _, end = given.partition("*")
        return _between(names, start, end)
    return (
        _marked(names, given)
        or (_of_list(names, listed(given)) if "," in given else None)
        or _bare(names, given)
    )


def likely_scores(names: Sequence[str]) -> tuple[Kind, str] | None:
    """Return the kind of columns whose names speak of scores, and what to type to name them."""
    for kind, words in _WORDS.items():
        found = [name for name in names if words.intersection(_words(name))]
        if not found:
            continue
        start = common_start(found)
        end = common_start([name[::-1] for name in found])[::-1]
        for word in (start.rstrip(" _-.:"), end.lstrip(" _-.:")):
            scores = named_scores(names, word) if words.intersection(_words(word)) else None
            if scores is not None and set(scores.columns) == set(found):
                return kind, shlex.quote(word)
        return kind, as_typed(found)
    return None


def sounding_like_scores(names: Sequence[str]) -> list[str]:
    """Return the columns whose names speak of one score per row, as a confidence is."""
    return [name for name in names if _SINGLE.intersection(_words(name))]


def _words(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word.casefold() for word in re.split(r"[\W_]+", apart) if word]


def listed(text: str) -> tuple[str, ...]:
    """Return the names of a list as typed: commas between, quotation marks where a name has one."""
    return tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True)))


def as_typed(columns: Sequence[str]) -> str:
    """Return columns as a list that one can type behind an option."""
    return shlex.quote(",".join(f'"{name}"' if "," in name else name for name in columns))


def _of_list(names: Sequence[str], wanted: tuple[str, ...]) -> ScoreColumns:
    missing = [name for name in wanted if name not in names]
    if missing:
        msg = f"has no column {named(missing)}; it holds {named(names)}."
        raise FileFormatError(msg)
    twice = [name for name in dict.fromkeys(wanted) if wanted.count(name) > 1]
    if twice or not wanted:
        found = f"{named(twice)} twice" if wanted else "none"
        msg = f"the list of score columns must name each once, got {found}."
        raise FileFormatError(msg)
    if len(wanted) == 1:
        return ScoreColumns(wanted, None)
    return ScoreColumns(wanted, _without_common(wanted))


def _without_common(columns: tuple[str, ...]) -> tuple[str, ...]:
    """Cut off what all names begin and end with, up to a mark: `prob_a, prob_b` is a and b."""
    start = common_start(columns)
    start = start[: _last_mark(start)]
    rests = [name[len(start) :] for name in columns]
    end = common_start([name[::-1] for name in rests])
    end = end[: _last_mark(end)][::-1]
    classes = tuple(name[: len(name) - len(end)].strip() for name in rests)
    return classes if all(classes) and len(set(classes)) == len(classes) else columns


def common_start(names: Sequence[str]) -> str:
    """Return what all names begin with."""
    low, high = min(names), max(names)
    length = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return low[:length]


def _last_mark(text: str) -> int:
    """Return the length of the text up to its last mark: a sign, as in `-1`, is none."""
    marks = [m.end() for m in re.finditer(r"[^\w+-]|_", text)]
    return marks[-1] if marks else 0


def _between(names: Sequence[str], start: str, end: str) -> ScoreColumns | None:
    found = {
        name: name[len(start) : len(name) - len(end)]
        for name in names
        if name.startswith(start) and name.endswith(end) and len(name) > len(start) + len(end)
    }
    return ScoreColumns(tuple(found), tuple(found.values())) if found else None


def _marked(names: Sequence[str], given: str) -> ScoreColumns | None:
    """Find names that begin with the word and a mark, else that end with a mark and it."""
    ends_marked = _SEPARATOR.fullmatch(given[-1:]) is not None
    begins_marked = _SEPARATOR.fullmatch(given[:1]) is not None
    starting: dict[str, dict[str, str]] = {}
    ending: dict[str, dict[str, str]] = {}
    for name in names:
        rest = name[len(given) :]
        if name.startswith(given) and rest and (ends_marked or _SEPARATOR.match(rest)):
            starting.setdefault("" if ends_marked else rest[0], {})[name] = _class_name(
                rest, marked=not ends_marked
            )
        rest = name[: -len(given)]
        if name.endswith(given) and rest and (begins_marked or _SEPARATOR.match(rest[-1])):
            ending.setdefault("" if begins_marked else rest[-1], {})[name] = (
                rest if begins_marked else rest[:-1]
            ).strip()
    for by_mark in (starting, ending):
        if by_mark:
            found = max(by_mark.values(), key=len)
            return ScoreColumns(tuple(found), tuple(found.values()), guessed=True)
    return None


def _class_name(rest: str, *, marked: bool) -> str:
    """Return the class after its word: `_cat`, ` cat`, `[cat]` and `: cat` are cat."""
    bracketed = _IN_BRACKETS.fullmatch(rest.strip())
    if bracketed:
        return bracketed[1]
    return (rest[1:] if marked else rest).strip() or rest


def _bare(names: Sequence[str], given: str) -> ScoreColumns | None:
    """Find two names or more that begin, else that end, with the word."""
    if not given:
        return None
    longer = [name for name in names if len(name) > len(given)]
    starting = {name: name[len(given) :].strip() for name in longer if name.startswith(given)}
    ending = {name: name[: -len(given)].strip() for name in longer if name.endswith(given)}
    for found in (starting, ending):
        if len(found) > 1:
            return ScoreColumns(tuple(found), tuple(found.values()), guessed=True)
    return None
