"""What to say of labels that name no column: one whole map to copy, or which to leave out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from unicodedata import combining, normalize

from temperance.checks.label_words import label_text, label_value, listed, place_of, shell_word

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["folded", "label_advice", "positions_advice"]

_MOST_PAIRS = 20  # of a map that is shown


_CALL_THEM = "; in Python also `classes=`, or call the columns by their names"


def positions_advice(distinct: Sequence[object], classes: Sequence[str]) -> str:
    """Say how whole numbers beside names of classes are read as positions; else nothing."""
    values, k = [label_value(each) for each in distinct], len(classes)
    numbers = sorted(each for each in values if isinstance(each, int))
    if len(numbers) < len(values):
        return ""
    for first, word, python in ((0, "positions", "labels"), (1, "one-based", "labels - 1")):
        if numbers[0] >= first and numbers[-1] < k + first:
            return (
                f" Are they positions of the columns, counted from {first}? Say --label-map "
                f"{word}, in Python Positions({python})."
            )
    return ""


def label_advice(
    distinct: Sequence[object],
    *,
    classes: tuple[str, ...] | None,
    k: int | None,
    given: Mapping[str, str] | None = None,
    left_out: Sequence[str] = (),
) -> str:
    """Return the way out for a file with these labels, of which some name no column.

    Parameters
    ----------
    distinct : sequence
        All labels of the file, each once.
    classes, k
        The names of the columns, None where they have none, and their number, None if unknown.
    given : mapping of str to str, optional
        The pairs of a map that has been given.
    left_out : sequence of str
        Labels of the file that need no column.

    Every map in it is whole: with it the file is read, wherever NAME stands for a class.
    """
    place, given = place_of(classes, k), given or {}
    words = [label_text(each) for each in distinct]
    pairs = {w: given[w] for w in words if w in given and place(given[w]) >= 0}
    done = {place(target) for target in pairs.values()}
    done |= {place(each) for each, word in zip(distinct, words, strict=True) if word not in given}
    lost = [
        word
        for each, word in zip(distinct, words, strict=True)
        if word not in pairs and word not in left_out and (word in given or place(each) < 0)
    ]
    lost.sort(key=lambda word: (folded(word), word))
    names = tuple(map(str, range(k or 0))) if classes is None else classes
    free = [name for at, name in enumerate(names) if at not in done]
    alike = _alike(lost, given, names, free) if classes is not None else {}
    rest = [word for word in lost if word not in alike]
    free = [name for name in free if name not in alike.values()]
    pairs |= alike
    if not rest:
        return _of_alike(alike, pairs)
    if given and len(rest) == len(free) == 1:
        return (
            f" Say {_option(pairs | {rest[0]: free[0]})}, or, where {rest[0]!r} is no class at "
            f"all, {_leaving(rest, pairs)}."
        )
    if len(rest) == len(free) == 2:
        return _either(rest, free, pairs, of_two=len(names) == len(distinct) == 2, classes=classes)
    if 1 < len(rest) == len(free) or (classes is None and len(rest) <= len(free)):
        # words by their alphabet, as programs number them
        matched = dict(zip(rest, free, strict=False))
        return (
            f" Say which word is which column, each pair as it should be: "
            f"{_option(pairs | matched)}"
            f"{'' if classes else _CALL_THEM}."
        )
    return _open(rest, names, pairs, others=len(rest) < len(words) - len(left_out))


def _of_alike(alike: Mapping[str, str], pairs: Mapping[str, str]) -> str:
    """Say that words are classes in another spelling."""
    if len(alike) == 1:
        ((word, name),) = alike.items()
        return f" Is {word!r} the class {name!r}? Then say {_option(pairs)}."
    return f" Are these classes in other letters? Then say {_option(pairs)}." if pairs else ""


def _either(
    rest: Sequence[str],
    free: Sequence[str],
    pairs: Mapping[str, str],
    *,
    of_two: bool,
    classes: tuple[str, ...] | None,
) -> str:
    """Say that two words are two columns, in either order."""
    one = _option({**pairs, rest[0]: free[0], rest[1]: free[1]})
    other = _option({**pairs, rest[0]: free[1], rest[1]: free[0]}).removeprefix("--label-map ")
    if not of_two:
        return f" Say which word is which column: {one} (or {other})."
    if classes is not None:
        return f" Two words for two classes? Say which is which: {one} (or {other})."
    return (
        f" Two words for two classes? Say which is class 1: {one} (or {other}), in Python "
        f"labels == {rest[1]!r}."
    )


def _open(
    rest: Sequence[str], names: Sequence[str], pairs: Mapping[str, str], *, others: bool
) -> str:
    """Say that words are no class, or other words for one; `others` are there beside them."""
    whole = _option({**pairs, **dict.fromkeys(rest, "NAME")})
    which = f", NAME being one of {listed(names)}" if names else ""
    if not others:
        return (
            f" Say which word is which column: {whole}{which}. Is one no class at all? "
            "Leave its pair out, and name it with --ignore-label."
        )
    return (
        f" No class at all? Leave such rows out: {_leaving(rest, pairs)}. "
        f"{'Another word for one' if len(rest) == 1 else 'Other words for some'}? Say "
        f"{whole}{which}."
    )


def _leaving(rest: Sequence[str], pairs: Mapping[str, str]) -> str:
    """Return the options that leave words out, and read the others by the pairs."""
    last = rest[-1]
    ignore = f"--ignore-label {shell_word(last)}"
    if not pairs and len(rest) == 1:
        ignore = f"{ignore} (in Python `ignore_label={last!r}`)"
    others = {**pairs, **dict.fromkeys(rest[:-1], last)}
    return f"{_option(others)} {ignore}" if others else ignore


def _option(pairs: Mapping[str, str]) -> str:
    """Return the option of a map as a shell takes it."""
    typed = [_pair(word, name) for word, name in list(pairs.items())[:_MOST_PAIRS]]
    return f"--label-map {','.join(typed)}{',...' if len(pairs) > _MOST_PAIRS else ''}"


def _pair(word: str, name: str) -> str:
    if "," in word + name or '"' in word + name:
        cell = f"{word}={name}".replace('"', '""')
        return shell_word(f'"{cell}"')
    return f"{shell_word(word)}={shell_word(name)}"


def _alike(
    lost: Sequence[str], given: Mapping[str, str], names: Sequence[str], free: Sequence[str]
) -> dict[str, str]:
    """Return the class of each word that is spelled nearly like one, or is mapped to such a word.

    A slip is only made of a class that no other label is.
    """
    plain = {folded(name): name for name in names}
    found = {}
    for word in lost:
        text = given.get(word, word)
        slips = [name for name in free if _is_slip(text, name)]
        near = plain.get(folded(text)) or (slips[0] if len(slips) == 1 else None)
        if near is not None:
            found[word] = near
    return found


def folded(text: str) -> str:
    """Return a name without what people vary: case, accents, spaces, underscores and hyphens."""
    plain = "".join(c for c in normalize("NFKD", text) if not combining(c))
    return re.sub(r"[\s_-]+", "", plain).casefold()


def _is_slip(text: str, name: str) -> bool:
    """Whether a word of six letters and more is another with one letter changed, or two swapped.

    A letter more or less may be another word: valid and invalid, male and female.
    """
    if len(text) != len(name) or len(text) < 6 or any(c.isdigit() for c in text + name):
        return False
    others = [at for at, (one, two) in enumerate(zip(text, name, strict=True)) if one != two]
    if len(others) == 2:
        first, second = others
        return second == first + 1 and text[first] == name[second] and text[second] == name[first]
    return len(others) == 1
