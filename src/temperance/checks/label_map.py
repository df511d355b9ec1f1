"""What the caller says labels of a file mean: other words for classes, or positions."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Self
from unicodedata import combining, normalize

import numpy as np

from temperance.checks.arguments import as_mapping
from temperance.checks.arrays import row_name
from temperance.errors import InvalidInputError
from temperance.printable import count_text, first_few

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "WORDS",
    "LabelMap",
    "class_place",
    "distinct_labels",
    "folded",
    "label_advice",
    "label_text",
    "label_value",
    "lacks_label",
    "positions_advice",
    "shown",
]

# Labels as words: what they spell, which column they name, and how messages show them.


_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,3})?")
WORDS = {"false": 0, "true": 1}
_NO_LABEL = frozenset({"", "na", "n/a", "#n/a", "<na>", "nan", "null"})


def place_of(classes: tuple[str, ...] | None, k: int | None) -> Callable[[object], int]:
    """Return what gives the column of a label, or -1: by name where there are `classes`.

    Without them by position, below `k` where it is known.
    """
    if classes is not None:
        return class_place(classes)

    def position(label: object) -> int:
        value = label_value(label)
        inside = isinstance(value, int) and value >= 0 and (k is None or value < k)
        return value if inside and isinstance(value, int) else -1

    return position


def class_place(classes: tuple[str, ...]) -> Callable[[object], int]:
    """Return what looks a label up among names: letter by letter, else by value; -1 for none."""
    exact = {name.strip(): number for number, name in enumerate(classes)}
    if len(exact) < len(classes):
        exact = {}  # some differ by the blanks around them alone
    exact |= {name: number for number, name in enumerate(classes)}
    by_value: dict[float, list[int]] = {}
    for number, name in enumerate(classes):
        if (value := label_value(name)) is not None:
            by_value.setdefault(value, []).append(number)

    def place(label: object) -> int:
        text = label_text(label)
        for spelled in (text, text.strip()):
            if spelled in exact:
                return exact[spelled]
        value = label_value(label)
        candidates = [] if value is None else by_value.get(value, [])
        return candidates[0] if len(candidates) == 1 else -1

    return place


def distinct_labels(y: NDArray[Any]) -> tuple[list[Any], NDArray[np.intp]]:
    """Return each label once, in order of appearance, and where each row's is among them."""
    if y.dtype.kind in "iubf":
        values, inverse = np.unique(y, return_inverse=True)
        return values.tolist(), inverse.reshape(-1)
    number: dict[Any, int] = {}
    inverse = np.fromiter(
        (number.setdefault((type(each) is bool, each), len(number)) for each in y.ravel().tolist()),
        dtype=np.intp,
        count=y.size,
    )
    return [each for _, each in number], inverse


def label_text(value: object) -> str:
    """Return a label as text."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def label_value(label: object) -> int | float | None:
    """Return the number that a label is or spells; None of other text. True is 1, False 0."""
    if isinstance(label, bool | np.bool_ | int | np.integer):
        return int(label)
    if isinstance(label, float | np.floating):
        number: int | float | None = float(label)
    else:
        text = label_text(label).strip()
        number = int(text) if _INTEGER.fullmatch(text) else WORDS.get(text.lower())
        if number is None and _FLOAT.fullmatch(text):
            number = float(text)
    if isinstance(number, float):
        return None if not isfinite(number) else int(number) if number.is_integer() else number
    return number


def shown(label: object) -> str:
    """Return a label as messages quote it: text in quotation marks."""
    is_text = isinstance(label, str | bytes)
    return repr(label_text(label)) if is_text else label_text(label)


def shell_word(text: str) -> str:
    """Return a word as a shell takes it."""
    return text if re.fullmatch(r"[\w.+-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def lacks_label(cell: str, classes: Collection[str]) -> bool:
    """Whether a label is blank or says that it holds no value, and is no class of that name."""
    text = cell.strip()
    return text.casefold() in _NO_LABEL and text not in classes


# What to say of labels that name no column: one whole map to copy, or which to leave out.


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
    mapping: Mapping[str, str] | None = None,
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
    place, mapping = place_of(classes, k), mapping or {}
    words = [label_text(each) for each in distinct]
    pairs = {w: mapping[w] for w in words if w in mapping and place(mapping[w]) >= 0}
    occupied = {place(target) for target in pairs.values()}
    occupied |= {
        place(each) for each, word in zip(distinct, words, strict=True) if word not in mapping
    }
    lost = [
        word
        for each, word in zip(distinct, words, strict=True)
        if word not in pairs and word not in left_out and (word in mapping or place(each) < 0)
    ]
    lost.sort(key=lambda word: (folded(word), word))
    names = tuple(map(str, range(k or 0))) if classes is None else classes
    free = [name for at, name in enumerate(names) if at not in occupied]
    alike = _alike(lost, mapping, names, free) if classes is not None else {}
    rest = [word for word in lost if word not in alike]
    free = [name for name in free if name not in alike.values()]
    pairs |= alike
    if not rest:
        return _of_alike(alike, pairs)
    if mapping and len(rest) == len(free) == 1:
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
    which = f", NAME being one of {first_few(names)}" if names else ""
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
    lost: Sequence[str], mapping: Mapping[str, str], names: Sequence[str], free: Sequence[str]
) -> dict[str, str]:
    """Return the class of each word that is spelled nearly like one, or is mapped to such a word.

    A slip is only made of a class that no other label is.
    """
    plain = {folded(name): name for name in names}
    matches = {}
    for word in lost:
        text = mapping.get(word, word)
        slips = [name for name in free if _is_slip(text, name)]
        near = plain.get(folded(text)) or (slips[0] if len(slips) == 1 else None)
        if near is not None:
            matches[word] = near
    return matches


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


@dataclass(frozen=True, slots=True)
class LabelMap:
    """What the labels of a file mean: other words for the classes, or positions of the columns.

    Parameters
    ----------
    pairs : tuple of (str, str)
        A label and the class it means, by name where columns have names, else by its position.
        Labels that are classes already need no pair.
    first : int, optional
        Labels are positions counted from this number, 0 or 1. Not together with `pairs`.
    left_out : tuple of str, optional
        Labels, as they are meant, whose rows are left out later, and that may be no class
        (`ignore_label`). If not given, all words on the right of a pair may be such.

    Raises
    ------
    InvalidInputError
        A label is mapped twice, or `pairs` and `first` are given, or neither.

    Examples
    --------
    >>> LabelMap.parse("no=0,yes=1").applied(np.array(["yes", "no"]), None)
    array(['1', '0'], dtype='<U1')
    >>> LabelMap.parse("one-based").applied(np.array([2, 1]), ("cat", "dog"))
    array(['dog', 'cat'], dtype='<U3')
    """

    pairs: tuple[tuple[str, str], ...] = ()
    first: int | None = None
    left_out: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if bool(self.pairs) == (self.first is not None) or self.first not in (None, 0, 1):
            raise InvalidInputError(_MAP_RULE)
        targets: dict[object, str] = {}
        for label, target in self.pairs:
            if targets.setdefault(_key(label), target) != target:
                msg = (
                    f"`label_map` (--label-map) must map a label once; {label!r} stands there "
                    "twice."
                )
                raise InvalidInputError(msg)

    @classmethod
    def parse(cls, text: str, *, left_out: tuple[str, ...] | None = None) -> Self:
        """Return what a command line says: `no=0,yes=1`, `positions` or `one-based`.

        A pair with a comma in it stands in quotation marks, as a cell of a table does.
        """
        if text in _FIRST:
            return cls(first=_FIRST[text], left_out=left_out)
        cells = next(csv.reader([text], skipinitialspace=True), [])
        pairs = [cell.rpartition("=") for cell in cells or [""]]
        if not all(middle and label.strip() and target.strip() for label, middle, target in pairs):
            msg = f"{_MAP_RULE[:-1]}, got {text!r}."
            raise InvalidInputError(msg)
        return cls(
            tuple((label.strip(), target.strip()) for label, _, target in pairs), left_out=left_out
        )

    @classmethod
    def of(cls, source: Mapping[Any, Any] | str | LabelMap) -> LabelMap:
        """Return the map that a caller of `read` means: a mapping, or the text of `parse`."""
        if isinstance(source, LabelMap):
            return source
        if isinstance(source, str):
            return cls.parse(source)
        source = as_mapping(
            source, name="label_map", rule="a mapping of labels to classes, or text"
        )
        return cls(tuple((label_text(label), label_text(to)) for label, to in source.items()))

    def applied(self, labels: NDArray[Any], classes: tuple[str, ...] | None) -> NDArray[Any]:
        """Return the labels of a file, of any shape, as they are meant."""
        distinct, inverse = distinct_labels(labels)
        if self.first is not None:
            return self._as_positions(labels, distinct, inverse, classes)
        pair_of = self._pairs_of(distinct, classes)
        targets = [
            label_text(each) if pair is None else pair[1]
            for each, pair in zip(distinct, pair_of, strict=True)
        ]
        return np.array(targets, dtype=np.str_)[inverse].reshape(labels.shape)

    def unused(self, words: Iterable[object], classes: tuple[str, ...] | None) -> tuple[str, ...]:
        """Return the labels of the pairs that are none of the words of a file."""
        pair_of = self._pairs_of(list(words), classes)
        keys = {_key(pair[0]) for pair in pair_of if pair is not None}
        return tuple(label for label, _ in self.pairs if _key(label) not in keys)

    def unclear(
        self, labels: NDArray[Any], classes: tuple[str, ...] | None, k: int | None
    ) -> NDArray[np.bool_]:
        """Return which labels, of any shape, mean no class after this map and are not left out.

        `k` is the number of columns, where it is known.
        """
        distinct, inverse = distinct_labels(labels)
        if self.first is not None:
            return np.zeros(labels.shape, dtype=bool)  # `applied` asks each of them
        place = place_of(classes, k)
        bad = [
            place(each if pair is None else pair[1]) < 0
            and not self._is_left_out(each, None if pair is None else pair[1])
            for each, pair in zip(distinct, self._pairs_of(distinct, classes), strict=True)
        ]
        return np.array(bad, dtype=bool)[inverse].reshape(labels.shape)

    def refusal(
        self,
        labels: NDArray[Any],
        words: Iterable[object],
        classes: tuple[str, ...] | None,
        k: int | None,
    ) -> InvalidInputError:
        """Say which of these labels are unclear, with all words of their file and a whole map."""
        unclear = self.unclear(labels, classes, k).ravel()
        row = int(unclear.argmax())
        label = labels.ravel()[row]
        distinct = list(words)
        (pair,) = self._pairs_of([label], classes)
        what = "is in no pair of the map and no class"
        if pair is not None:
            what = f"it maps to {pair[1]}, no class"
        columns = _columns(classes, k)
        unused = self.unused(distinct, classes)
        extra = f" No row has the label {first_few(unused)}, which the map names." if unused else ""
        mapping = {
            label_text(each): pair[1]
            for each, pair in zip(distinct, self._pairs_of(distinct, classes), strict=True)
            if pair is not None
        }
        left_out = [
            label_text(each)
            for each in distinct
            if label_text(each) not in mapping and self._is_left_out(each, None)
        ]
        advice = label_advice(distinct, classes=classes, k=k, mapping=mapping, left_out=left_out)
        msg = (
            f"`label_map` (--label-map) must say of every label which class it is; "
            f"{row_name(row)} holds {shown(label)}, which {what} "
            f"({count_text(int(np.count_nonzero(unclear)), 'such row')}). Labels of the file: "
            f"{first_few(list(map(label_text, distinct)))}; {columns}.{extra}{advice}"
        )
        return InvalidInputError(msg)

    def _is_left_out(self, label: object, target: str | None) -> bool:
        """Whether a label, with what it is mapped to if it is, may be no class."""
        if self.left_out is None:
            return target is not None
        return _key(label if target is None else target) in {_key(each) for each in self.left_out}

    def _pairs_of(
        self, distinct: Sequence[object], classes: tuple[str, ...] | None
    ) -> list[tuple[str, str] | None]:
        """Return the pair of each label: letter by letter, else by value; None where none is.

        A label that is the name of a class letter by letter is not looked up by value.
        """
        exact = {pair[0]: pair for pair in self.pairs}
        by_value = {v: pair for pair in self.pairs if (v := label_value(pair[0])) is not None}
        pairs: list[tuple[str, str] | None] = []
        for each in distinct:
            text, value = label_text(each), label_value(each)
            pair = exact.get(text) or exact.get(text.strip())
            if pair is None and value is not None and text not in (classes or ()):
                pair = by_value.get(value)
            pairs.append(pair)
        return pairs

    def _as_positions(
        self,
        labels: NDArray[Any],
        distinct: list[Any],
        inverse: NDArray[np.intp],
        classes: tuple[str, ...] | None,
    ) -> NDArray[Any]:
        last = "the last" if classes is None else len(classes) - 1 + (self.first or 0)
        place_of_name = place_of(classes, None)
        k = None if classes is None else len(classes)
        targets: list[int | str] = []
        for number, label in enumerate(distinct):
            value = label_value(label)
            place = -1 if not isinstance(value, int) else value - (self.first or 0)
            if place >= 0 and (k is None or place < k):
                targets.append(place if classes is None else classes[place])
            elif self.left_out and self._is_left_out(label, None) and place_of_name(label) < 0:
                as_number = classes is None and isinstance(value, int)
                targets.append(value if as_number and isinstance(value, int) else label_text(label))
            else:
                row = int((inverse == number).argmax())
                msg = (
                    f"`label_map` (--label-map) says that labels are positions {self.first} to "
                    f"{last}, but {row_name(row)} holds {label_text(label)!r}."
                )
                raise InvalidInputError(msg)
        of_numbers = classes is None and all(isinstance(each, int) for each in targets)
        kind = np.int64 if of_numbers else np.str_
        return np.array(targets, dtype=kind)[inverse].reshape(labels.shape)


def _key(label: object) -> object:
    """Return what makes two labels the same: their value, else their text."""
    value = label_value(label)
    return label_text(label).strip() if value is None else value


def _columns(classes: tuple[str, ...] | None, k: int | None) -> str:
    if classes is not None:
        return f"classes: {first_few(classes)}"
    return f"the columns have no names, only positions{'' if k is None else f' 0 to {k - 1}'}"


_FIRST = {"positions": 0, "one-based": 1}
_MAP_RULE = (
    "`label_map` (--label-map) must say what labels mean: as no=0,yes=1 (a class by name, where "
    'columns have no names by position), or "positions" (labels count the columns from 0), or '
    '"one-based" (from 1).'
)
