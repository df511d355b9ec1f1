"""Which columns of a table are scores, and which merely begin like them."""

from __future__ import annotations

import csv
import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import name_list, quoted
from temperance.readers.request import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind

__all__ = [
    "ScoreColumns",
    "as_typed",
    "find_scores",
    "likely_scores",
    "refuse_derived",
    "sounding_like_scores",
    "sounds_like_a_quantity",
    "stem_scores",
]

# Which columns of a table are scores, one per class, and what their classes are called.


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


def find_scores(names: Sequence[str], field: str | tuple[str, ...]) -> ScoreColumns | None:
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
    if not isinstance(field, str):
        return _of_list(names, field)
    if field in names:
        return ScoreColumns((field,), None)
    if field.count("*") == 1:
        start, _, end = field.partition("*")
        return _between(names, start, end)
    return (
        _marked(names, field)
        or (_of_list(names, names_typed(field)) if "," in field else None)
        or _bare(names, field)
    )


def likely_scores(names: Sequence[str]) -> tuple[Kind, str] | None:
    """Return the kind of columns whose names speak of scores, and what to type to name them."""
    for kind, words in _WORDS.items():
        columns = [name for name in names if words.intersection(words_of(name))]
        if not columns:
            continue
        start = common_start(columns)
        end = common_start([name[::-1] for name in columns])[::-1]
        for word in (start.rstrip(" _-.:"), end.lstrip(" _-.:")):
            scores = find_scores(names, word) if words.intersection(words_of(word)) else None
            if scores is not None and set(scores.columns) == set(columns):
                return kind, shlex.quote(word)
        return kind, as_typed(columns)
    return None


def sounding_like_scores(names: Sequence[str]) -> list[str]:
    """Return the columns whose names speak of one score per row, as a confidence is."""
    return [name for name in names if _SINGLE.intersection(words_of(name))]


def names_typed(text: str) -> tuple[str, ...]:
    """Return the names of a list as typed: commas between, quotation marks where a name has one."""
    return tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True)))


def as_typed(columns: Sequence[str]) -> str:
    """Return columns as a list that one can type behind an option."""
    return shlex.quote(",".join(f'"{name}"' if "," in name else name for name in columns))


def _of_list(names: Sequence[str], columns: tuple[str, ...]) -> ScoreColumns:
    missing = [name for name in columns if name not in names]
    if missing:
        msg = f"has no column {name_list(missing)}; it holds {name_list(names)}."
        raise FileFormatError(msg)
    twice = [name for name in dict.fromkeys(columns) if columns.count(name) > 1]
    if twice or not columns:
        problem = f"{name_list(twice)} twice" if columns else "none"
        msg = f"the list of score columns must name each once, got {problem}."
        raise FileFormatError(msg)
    if len(columns) == 1:
        return ScoreColumns(columns, None)
    return ScoreColumns(columns, _without_common(columns))


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
    class_names = {
        name: name[len(start) : len(name) - len(end)]
        for name in names
        if name.startswith(start) and name.endswith(end) and len(name) > len(start) + len(end)
    }
    return ScoreColumns(tuple(class_names), tuple(class_names.values())) if class_names else None


def _marked(names: Sequence[str], field: str) -> ScoreColumns | None:
    """Find names that begin with the word and a mark, else that end with a mark and it."""
    ends_marked = _SEPARATOR.fullmatch(field[-1:]) is not None
    begins_marked = _SEPARATOR.fullmatch(field[:1]) is not None
    starting: dict[str, dict[str, str]] = {}
    ending: dict[str, dict[str, str]] = {}
    for name in names:
        rest = name[len(field) :]
        if name.startswith(field) and rest and (ends_marked or _SEPARATOR.match(rest)):
            starting.setdefault("" if ends_marked else rest[0], {})[name] = _class_name(
                rest, marked=not ends_marked
            )
        rest = name[: -len(field)]
        if name.endswith(field) and rest and (begins_marked or _SEPARATOR.match(rest[-1])):
            ending.setdefault("" if begins_marked else rest[-1], {})[name] = (
                rest if begins_marked else rest[:-1]
            ).strip()
    for by_mark in (starting, ending):
        if by_mark:
            class_names = max(by_mark.values(), key=len)
            return ScoreColumns(tuple(class_names), tuple(class_names.values()), guessed=True)
    return None


def _class_name(rest: str, *, marked: bool) -> str:
    """Return the class after its word: `_cat`, ` cat`, `[cat]` and `: cat` are cat."""
    bracketed = _IN_BRACKETS.fullmatch(rest.strip())
    if bracketed:
        return bracketed[1]
    return (rest[1:] if marked else rest).strip() or rest


def _bare(names: Sequence[str], field: str) -> ScoreColumns | None:
    """Find two names or more that begin, else that end, with the word."""
    if not field:
        return None
    longer = [name for name in names if len(name) > len(field)]
    starting = {name: name[len(field) :].strip() for name in longer if name.startswith(field)}
    ending = {name: name[: -len(field)].strip() for name in longer if name.endswith(field)}
    for class_names in (starting, ending):
        if len(class_names) > 1:
            return ScoreColumns(tuple(class_names), tuple(class_names.values()), guessed=True)
    return None


# Columns that merely begin like the scores: a margin beside the logits is no further class.


# Words for what is made of scores. Words that classes are called by, such as `loss`, `other` or
# `true`, are left to the numbers.
_OTHER_QUANTITIES = frozenset(
    {
        "margin", "max", "maximum", "min", "minimum", "sum", "mean", "avg", "average", "median",
        "std", "stdev", "stddev", "var", "variance", "entropy", "logsumexp", "lse", "argmax",
        "pred", "predicted", "prediction", "top1", "top2", "topk", "diff", "difference", "conf",
        "confidence", "uncertainty", "norm", "temperature",
    }
)  # fmt: skip
_FEWEST_ROWS = 8  # from which numbers are evidence
_ROWS_LOOKED_AT = 256
_MOST_COLUMNS = 2000  # for which numbers are looked at
_ROUNDING = 0.01  # of a column's standard deviation, that printed digits may differ
_SHOWN = 8  # columns listed in a message


def refuse_derived(
    columns: Sequence[str],
    classes: Sequence[str],
    values: NDArray[Any],
    labels: NDArray[Any] | None,
    kind: Kind,
) -> None:
    """Raise if a column that counts as a class by its name only is something else.

    A column is asked about if no label is its class, and either its name holds a word for what is
    made of scores (margin, max, entropy, ...), or its numbers are no score: they are a function of
    the other columns in every row (largest, margin, mean, entropy, ...), whole numbers beside
    fractions, or one number, not 0 and not a mask, beside numbers that differ. Numbers count as
    evidence from 8 rows on. Rows that are distributions over all columns hold classes only.

    Parameters
    ----------
    columns, classes : sequence of str
        The columns, and what their names say of the class.
    values : ndarray, shape (n, k)
    labels : ndarray or None
    kind : {"logits", "probs"}
    """
    if len(columns) < 2:
        return
    mentioned = _mentioned(labels)
    silent = [j for j, name in enumerate(classes) if name.strip().casefold() not in mentioned]
    if not silent:
        return
    rows = _some(values)
    if _are_distributions(rows, kind):
        return
    for j in silent:
        reason = "its name says so" if sounds_like_a_quantity(classes[j]) else None
        if reason is None and len(rows) >= _FEWEST_ROWS and len(columns) <= _MOST_COLUMNS:
            reason = _what_it_is(rows, j, kind)
        if reason is not None:
            raise _question(columns, j, reason, kind)


def _mentioned(labels: NDArray[Any] | None) -> frozenset[str]:
    if labels is None:
        return frozenset()
    texts = [str(value).strip() for value in np.unique(labels).tolist()]
    plain = [text.removesuffix(".0") for text in texts]
    return frozenset(text.casefold() for text in (*texts, *plain))


def sounds_like_a_quantity(name: str) -> bool:
    """Whether a name holds a word for what is made of scores, such as a margin or their sum."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return any(word.casefold() in _OTHER_QUANTITIES for word in re.split(r"[\W_]+", apart))


def _some(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return some rows from all over the array, as float64, without rows of NaN."""
    step = max(1, len(values) // _ROWS_LOOKED_AT)
    rows = np.asarray(values[::step], dtype=np.float64)
    return rows[~np.isnan(rows).any(axis=1)]


def _are_distributions(rows: NDArray[np.float64], kind: Kind) -> bool:
    """Whether each row is a whole: probabilities that sum to 1, or their logarithms."""
    with np.errstate(all="ignore"):
        total = rows.sum(axis=1) if kind == "probs" else np.exp(rows).sum(axis=1)
        low = 0.0 if kind == "probs" else -np.inf
        return bool(len(rows) and (np.abs(total - 1) < 1e-3).all() and (rows >= low).all())


def _what_it_is(  # noqa: PLR0911  (one for each kind of number)
    rows: NDArray[np.float64], j: int, kind: Kind
) -> str | None:
    """Say what the numbers of a column are, if they are no scores of a class."""
    column, others = rows[:, j], np.delete(rows, j, axis=1)
    if not np.isfinite(column).all() or not np.isfinite(others).any(axis=1).all():
        return None
    if not (others != others[0]).any():
        return None
    if (column == column[0]).all():
        usual = column[0] == 0 or column[0] <= others[np.isfinite(others)].min()
        return None if usual else f"it holds {column[0]:g} in every row"
    fractions = (others != np.floor(others)).any(axis=0)
    if (column == np.floor(column)).all() and fractions.all():
        return "it holds whole numbers only, the others fractions"
    if others.shape[1] < 2:
        return None
    first = slice(0, _FEWEST_ROWS)
    few = dict(_functions(others[first], kind))
    for name, values in _functions(others, kind) if _any_equal(few, column[first]) else ():
        if _equal(column, values):
            return f"it is {name} of the others in every row"
    return None


def _any_equal(functions: dict[str, NDArray[Any]], column: NDArray[np.float64]) -> bool:
    return any(_equal(column, values) for values in functions.values())


def _equal(column: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
    tolerance = _ROUNDING * column.std() + 1e-12 * np.abs(column).max()
    with np.errstate(all="ignore"):
        return bool((np.abs(column - values) <= tolerance).all())


def _functions(others: NDArray[np.float64], kind: Kind) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield what people write beside scores, each by its name."""
    with np.errstate(all="ignore"):
        ordered = np.sort(others, axis=1)
        largest = ordered[:, -1]
        exponentials = np.exp(others - largest[:, np.newaxis])
        total = exponentials.sum(axis=1)
        probs = others if kind == "probs" else exponentials / total[:, np.newaxis]
        entropy = -np.where(probs > 0, probs * np.log(probs), 0.0).sum(axis=1)
        ordered_probs = np.sort(probs, axis=1)
        logsumexp = largest + np.log(total)
        mean: Callable[..., NDArray[Any]] = np.mean
        functions = {
            "the largest": largest,
            "the smallest": ordered[:, 0],
            "the margin": largest - ordered[:, -2],
            "the second largest": ordered[:, -2],
            "the sum": others.sum(axis=1),
            "the mean": mean(others, axis=1),
            "the median": np.median(others, axis=1),
            "the standard deviation": others.std(axis=1),
            "the standard deviation (n - 1)": others.std(axis=1, ddof=1),
            "the log-sum-exp": logsumexp,
            "the energy": -logsumexp,
            "the entropy": entropy,
            "the entropy in bits": entropy / np.log(2),
            "the entropy over its largest": entropy / np.log(others.shape[1]),
            "the confidence": ordered_probs[:, -1],
            "1 minus the confidence": 1 - ordered_probs[:, -1],
            "the margin of the probabilities": ordered_probs[:, -1] - ordered_probs[:, -2],
        }
    if others.shape[1] == 2:  # of two columns the second largest is the smallest
        del functions["the second largest"]
    yield from functions.items()


def _pattern(columns: Sequence[str]) -> str:
    """Return what all columns begin or end with, and `*` for the rest: all of them are classes."""
    start = common_start(columns)
    end = common_start([name[len(start) :][::-1] for name in columns])[::-1]
    return f"{start}*{end}" if start or end else ",".join(columns)


def _question(columns: Sequence[str], j: int, reason: str, kind: Kind) -> FileFormatError:
    rest = [name for i, name in enumerate(columns) if i != j]
    option = f"--{kind}-column"
    every = as_typed([_pattern(columns)])
    spelling = as_typed(rest) if len(rest) <= _SHOWN else "and the list of those that are"
    return FileFormatError(
        f"column {quoted(columns[j])} is named like the {kind}, but may be no class: no label is, "
        f"and {reason}. If it is none, name those that are, {option} {spelling}; if it is one, "
        f"say {option} {every}."
    )
