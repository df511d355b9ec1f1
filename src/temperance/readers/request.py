"""What a reader of one format is asked for, and gives back: arrays that fit each other."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.dataset import ROW_COLUMNS, Fields, Kind, Layout
from temperance.readers.guard import name_list, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from temperance.readers.dataset import Dataset, Missing

__all__ = [
    "NONE",
    "FileRows",
    "Request",
    "Role",
    "TextScores",
    "check_length",
    "check_shapes",
    "check_texts",
    "choose",
    "is_word",
    "near_names",
    "number_said",
    "option_for",
    "padded_rows",
    "padded_texts",
    "refuse_near_names",
    "role_name",
    "words_of",
]

# What a reader of one format is asked for and gives back, and which name means what.


# Which name of a file holds what: ours, as one or many, or one so near that its user is asked.


Role = Literal["label", "weight", "group", "cluster", "id"]
NONE = "none"  # in place of a name: the file has no such column, whatever its names look like

# Other words for the same thing; a word stands for its plural too.
_WORDS: dict[Role, frozenset[str]] = {
    "label": frozenset({"label", "target", "truth", "gold"}),
    "weight": frozenset({"weight", "wt", "wgt"}),
    "group": frozenset({"group", "grp"}),
    "cluster": frozenset({"cluster"}),
    "id": frozenset({"id"}),
}
_WHOLE_NAMES: dict[Role, frozenset[str]] = {
    "label": frozenset({"ytrue", "yval", "ytest", "groundtruth", "trueclass", "goldclass", "gt"}),
    "weight": frozenset(),
    "group": frozenset(),
    "cluster": frozenset(),
    "id": frozenset(),
}
# Words that change nothing about what a column holds: a `sample_weight` is a weight, but a
# `birth_weight` is something else.
_SAMPLES = frozenset(
    {
        "sample", "samples", "row", "rows", "case", "example", "instance", "observation", "obs",
        "record", "survey", "importance",
    }
)  # fmt: skip
_PARTS = frozenset(
    {
        "val", "valid", "validation", "test", "train", "dev", "eval", "cal", "calib",
        "calibration", "holdout", "oof",
    }
)  # fmt: skip
_QUALIFIERS: dict[Role, frozenset[str]] = {
    "label": _PARTS | _SAMPLES | {"true", "gold", "correct", "y", "id", "idx", "index", "column"},
    "weight": _PARTS | _SAMPLES | {"column"},
    "group": _PARTS | _SAMPLES | {"id", "name", "column"},
    "cluster": _PARTS | _SAMPLES | {"id", "name", "column"},
    "id": _PARTS | {"column"},  # a `sample_id` may be many things, and ids change no number
}
_SHORTEST_TYPO = 5  # letters of a word in which one may be wrong
_MEANING: dict[Role, str] = {
    "label": "the labels",
    "weight": "the weights of the rows",
    "group": "the groups",
    "cluster": "the clusters",
    "id": "the ids of the rows",
}


def role_name(
    role: Role, names: Collection[str], field: str | None, *, word: str = "column"
) -> str | None:
    """Return the column or key of `names` that holds `role`, None if there is none.

    `field` is its user's word for it; `none` says that there is none. Otherwise it is called as the
    role or its plural: `weight` or `weights`.

    Raises
    ------
    FileFormatError
        `field` is not there; both `weight` and `weights` are.
    """
    if field is not None:
        if field in names:
            return field
        if field == NONE:
            return None
        near = [name for name in names if _letters(name) == _letters(field)]
        hint = f" Did you mean {quoted(near[0])}?" if near else ""
        msg = f"has no {word} `{field}`; it holds {name_list(names)}.{hint}"
        raise FileFormatError(msg)
    candidates = [name for name in (role, f"{role}s") if name in names]
    if len(candidates) > 1:
        msg = (
            f"has both `{candidates[0]}` and `{candidates[1]}`; say which to use with "
            f"{option_for(role, candidates[0])} or {option_for(role, candidates[1])}."
        )
        raise FileFormatError(msg)
    return candidates[0] if candidates else None


def refuse_near_names(
    names: Iterable[str],
    matches: Mapping[Role, str | None],
    role_fields: Mapping[Role, str | None],
    *,
    used: Collection[str] = (),
    word: str = "column",
) -> None:
    """Raise if a role has no name of its own while a name nearly is it.

    Parameters
    ----------
    names : iterable of str
        All columns or keys of the file.
    matches : mapping
        The roles that are wanted, each with the name that holds it, None where there is none.
    role_fields : mapping
        What the user said of each role; one that is named, or said to be `none`, is not asked
        about.
    used : collection of str
        Names that hold something else, such as scores.
    word : str
        What the format calls a name: column or key.
    """
    with_role = {*used, *(name for name in matches.values() if name is not None)}
    rest = [name for name in names if name not in with_role]
    for role, name in matches.items():
        if name is not None or role_fields.get(role) is not None:
            continue
        near = near_names(role, rest)
        if near:
            msg = (
                f"has no {word} `{role}`, but {name_list(near)}: if it holds {_MEANING[role]}, say "
                f"{option_for(role, near[0])}; if not, {option_for(role, NONE)}."
            )
            raise FileFormatError(msg)


def near_names(role: Role, names: Iterable[str]) -> list[str]:
    """Return the names that are nearly the role's, but not one of its own.

    Nearly: other capitals, blanks or marks (`Weight`, `WEIGHT `); one letter wrong, doubled, left
    out or two exchanged in a word of five letters or more, its first letter right (`weigths`);
    another word for it (`target`); and words beside it that change nothing (`sample_weight`).
    """
    return [name for name in names if name not in (role, f"{role}s") and _is_near(role, name)]


def option_for(role: Role, name: str) -> str:
    """Return the option that names the role's column, as one types it."""
    return f"--{role}-column {shlex.quote(name)}"


def _is_near(role: Role, name: str) -> bool:
    if _letters(name) in _WHOLE_NAMES[role]:
        return True
    words = words_of(name)
    core = [word for word in words if word not in _QUALIFIERS[role]]
    if role == "id":
        return len(core) == 1 and core[0] in ("id", "ids")
    return len(core) == 1 and any(is_word(core[0], term) for term in _WORDS[role])


def is_word(word: str, term: str) -> bool:
    """Whether it is the word or its plural, but for one slip of the keyboard."""
    return any(
        word == form or (len(form) >= _SHORTEST_TYPO and _one_slip(word, form))
        for form in (term, f"{term}s")
    )


def _one_slip(word: str, form: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two neighbours are exchanged."""
    if not word or word[0] != form[0] or abs(len(word) - len(form)) > 1:
        return False
    start = 0
    while start < min(len(word), len(form)) and word[start] == form[start]:
        start += 1
    left, right = word[start:], form[start:]
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        or (left[:2] == right[:2][::-1] and left[2:] == right[2:])
    )


def words_of(name: str) -> list[str]:
    """Cut `sample_weight`, `Sample Weight` and `sampleWeight` into small words."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word.casefold() for word in re.split(r"[\W_]+", apart) if word]


def _letters(name: str) -> str:
    return "".join(re.split(r"[\W_]+", name)).casefold()


# What a reader of one format is asked for and gives back, and which scores it takes.


IDS = ("id", "ids")  # usual names of the column or key that says which row is which


class TextScores(Protocol):
    """What scores that are texts say, as `95 %` and `high`."""

    @property
    def words(self) -> Sequence[tuple[str, float]]:
        """The words that stand for numbers; none where only percentages may be texts."""

    @property
    def rule_of_texts(self) -> str:
        """What a text may be."""

    def as_number(self, text: str) -> float | None:
        """Return the number; None of a text that says none."""


def number_said(key: str, value: Any, texts: TextScores) -> Any:  # noqa: ANN401
    """Return what a score that may be a text says; others as they are."""
    if not isinstance(value, str):
        return value
    number = texts.as_number(value)
    if number is None:
        msg = f"`{key}` must hold {texts.rule_of_texts}, got {quoted(value)}."
        raise FileFormatError(msg)
    return number


@dataclass(frozen=True, slots=True)
class Request:
    """What to read: the names, and whether scores and labels are wanted at all."""

    kind: Kind | None = None
    fields: Fields = Fields()  # noqa: RUF009 - a frozen value
    scores: bool = True
    labels: bool = True
    ids: bool = True  # beside labels alone; where there are scores, they are read
    layout: Layout = "rows"
    classes: tuple[str, ...] | None = None  # of scores read before, whose labels these are
    na: Missing = "refuse"
    texts: TextScores | None = None  # what scores that are texts say

    def id_name(self, names: Collection[str]) -> str | None:
        """Return which of the names in a file of labels alone holds the ids, if one does."""
        usual = IDS if self.fields.label_id is None else ()
        candidates = (self.fields.id, *usual) if self.ids else ()
        return next((each for each in candidates if each in names), None)

    def role_fields(self) -> dict[Role, str | None]:
        """What the caller said of each column beside the scores."""
        fields = self.fields
        return {
            "label": fields.label, "weight": fields.weight, "group": fields.group,
            "cluster": fields.cluster, "id": fields.id,
        }  # fmt: skip

    def score_keys(self) -> dict[Kind, str]:
        """Kinds of scores to look for, each with its key, in formats that hold them under one."""
        keys: dict[Kind, str] = {}
        for kind, name in self.score_names().items():
            if name is not None and not isinstance(name, str):
                msg = f"holds {kind} under one key, not in a list of columns; name that key."
                raise FileFormatError(msg)
            keys[kind] = name or kind
        return keys

    def score_names(self) -> dict[Kind, str | tuple[str, ...] | None]:
        """Kinds of scores to look for, each with the name the caller gave it."""
        if self.fields.logits is not None:
            return {"logits": self.fields.logits}
        if self.fields.probs is not None:
            return {"probs": self.fields.probs}
        return {"logits": None, "probs": None}


@dataclass(frozen=True, slots=True, eq=False)
class FileRows:
    """The content of a file; what was not asked for or is not there is None."""

    kind: Kind = "logits"
    values: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None
    groups: NDArray[Any] | None = None
    clusters: NDArray[Any] | None = None
    ids: NDArray[Any] | None = None
    classes: tuple[str, ...] | None = None
    ragged: bool = False
    percent: bool = False  # scores had percent signs; they are read as what they say
    notes: tuple[str, ...] = ()  # how the file was taken, where it might be taken otherwise


def choose(present: Collection[Kind], kind: Kind | None) -> tuple[Kind, Kind]:
    """Of the kinds present (one or two), the one to take and the one it counts as.

    The caller's `kind` picks one of two, and overrides the name of the only one.
    """
    if len(present) == 2:
        if kind is None:
            msg = (
                "holds both logits and probabilities; say which to use: --kind logits or --kind "
                'probs (kind="logits" or kind="probs" in Python), or name their column or key '
                "with --logits-column or --probs-column."
            )
            raise FileFormatError(msg)
        return kind, kind
    (file_kind,) = present
    return file_kind, kind or file_kind


# Rows of different lengths as rectangular arrays, and arrays of one file that fit each other.


# Rows and texts of different lengths as rectangular arrays, within a sane amount of memory.


# An array may hold this many cells, or this many times the cells that the file fills.
_ALWAYS_FINE = 2**24
_LARGEST_GROWTH = 32


def padded_rows(
    flat: NDArray[Any], lengths: NDArray[np.int64], kind: Kind
) -> tuple[NDArray[Any], bool]:
    """Rows laid end to end as an array (n, k) of the longest, and whether they are ragged.

    Options a row lacks are filled with `-inf` (logits) or 0 (probs).
    """
    n, k = len(lengths), int(lengths.max())
    if (lengths == k).all():
        return flat.reshape(n, k), False
    longest = f"`{kind}` of row {int(lengths.argmax())} (counted from 0) has {k} options"
    _check_growth(longest, n * k, len(flat))
    dtype = flat.dtype if flat.dtype.kind == "f" else np.dtype(np.float64)
    values = np.full((n, k), -np.inf if kind == "logits" else 0.0, dtype=dtype)
    values[np.arange(k) < lengths[:, np.newaxis]] = flat
    return values, True


def padded_texts(name: str, texts: Sequence[str]) -> NDArray[np.str_]:
    """Texts as one array of the longest."""
    longest = max(map(len, texts), default=0)
    description = f"the longest text of `{name}` has {longest} characters"
    _check_growth(description, len(texts) * longest, sum(map(len, texts)))
    return np.array(texts, dtype=np.str_)


def _check_growth(what: str, cells: int, filled: int) -> None:
    if cells > max(_ALWAYS_FINE, _LARGEST_GROWTH * filled):
        msg = (
            f"{what}, so many more than most rows that the padded array would need {cells} cells "
            f"for {filled} in the file; shorten it or split the file."
        )
        raise FileFormatError(msg)


# Whether the arrays of one file fit each other.


_FIRST_HALF, _LAST_HALF = 0xD800, 0xDFFF  # of a character in UTF-16


def check_shapes(rows: FileRows, layout: Layout) -> FileRows:
    """Return rows whose arrays fit each other, single columns (n, 1) as (n,), or refuse them.

    Scores must be a matrix of numbers, and what is beside them as long. Of the layout "dense" any
    shape will do: which axes must fit depends on that of the classes. Text must be text that can be
    written again.
    """
    check_texts(rows)
    if rows.values is None:
        return rows if layout != "rows" else replace(rows, labels=_one_column(rows.labels))
    if layout == "dense":
        _check_values(rows, layout)
        return rows
    if layout == "rows":
        names = ("values", *ROW_COLUMNS)
        columns: dict[str, Any] = {name: _one_column(getattr(rows, name)) for name in names}
        rows = replace(rows, **columns)
    _check_values(rows, layout)
    values = rows.values
    assert values is not None  # noqa: S101  (of scores)
    n, *rest = values.shape
    for name in ROW_COLUMNS:
        column = getattr(rows, name)
        if column is not None:
            check_length(name, column, n)
            if layout == "rows" or name != "labels":
                _check_column(name, column)
    if rows.classes is not None:
        _check_classes(rows.classes, rest[0] if rest else 2)
    return rows


def _one_column(array: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return (n, 1) as (n,), as data sets and networks of one output are saved."""
    return array[:, 0] if array is not None and array.shape[1:] == (1,) else array


def _check_column(name: str, column: NDArray[Any]) -> None:
    if column.ndim == 1:
        return
    msg = f"`{name}` must have one entry per row, got shape {column.shape}."
    if name == "labels" and column.ndim == 2:
        msg += (
            " One-hot rows? Save the place of the 1 in each row instead. Several labels per row? "
            "--kind multilabel."
        )
    raise FileFormatError(msg)


def check_texts(rows: FileRows | Dataset) -> None:
    """Refuse text with half a character: no UTF-8 file, and no terminal, can hold it."""
    for name in ROW_COLUMNS:
        _check_text(name, getattr(rows, name))
    if rows.classes is not None:
        _check_text("classes", np.array(rows.classes))


def _check_text(name: str, column: NDArray[Any] | None) -> None:
    if column is None or column.dtype.kind != "U" or not column.size:
        return
    flat = np.ascontiguousarray(column).ravel()
    points = flat.view(np.dtype(np.uint32).newbyteorder(column.dtype.byteorder))
    halves = (points >= _FIRST_HALF) & (points <= _LAST_HALF)
    if halves.any():
        entry = int(halves.argmax()) // (len(points) // len(flat))
        msg = (
            f"`{name}` must be text that UTF-8 can hold; entry {entry} (from 0) is {flat[entry]!r}."
        )
        raise FileFormatError(msg)


def check_length(name: str, column: NDArray[Any], n: int) -> None:
    """Refuse a column that has not one entry per row."""
    length = len(column) if column.ndim else 1
    if length != n or not column.ndim:
        msg = f"`{name}` must have one entry per row; there are {length} for {n} rows of scores."
        raise FileFormatError(msg)


def _check_values(rows: FileRows, layout: Layout) -> None:
    values, kind = rows.values, rows.kind
    assert values is not None  # noqa: S101  (of scores)
    if values.dtype.kind not in "iuf":
        msg = f"`{kind}` must hold numbers, got dtype {values.dtype}."
        raise FileFormatError(msg)
    if layout != "dense" and values.ndim not in {1, 2}:
        msg = f"`{kind}` must have shape (n, k) or (n,), got {values.shape}.{_more_axes(rows)}"
        raise FileFormatError(msg)
    if layout == "dense" and values.ndim < 2:
        msg = f"`{kind}` must have two axes or more for --class-axis, got shape {values.shape}."
        raise FileFormatError(msg)
    if not values.size:
        what = "rows" if not len(values) else "columns"
        msg = f"has no {what}: `{kind}` has shape {values.shape}."
        raise FileFormatError(msg)


def _more_axes(rows: FileRows) -> str:
    """Say what the axes beyond two may be: pixels, which have labels of their own, or models."""
    values, labels = rows.values, rows.labels
    if values is None or values.ndim < 3:
        return ""
    pixels = (
        " Outputs per pixel or token? Name the axis of the classes, as --class-axis 1 (fit, apply, "
        "evaluate and compare take it)."
    )
    members = (
        " Outputs of several models, or passes, for the same rows? Average their probabilities, or "
        "save each as a file of its own: temperance fit a.npz b.npz --method ensemble."
    )
    if labels is None:
        return members + pixels if values.ndim == 3 else pixels
    return members if labels.ndim == 1 or labels.shape[1:] == (1,) else pixels


def _check_classes(classes: tuple[str, ...], k: int) -> None:
    if len(classes) != k:
        msg = f"`classes` must name every column; there are {len(classes)} names for {k} columns."
        raise FileFormatError(msg)
    if len(set(classes)) < k:
        twice = next(name for name in classes if classes.count(name) > 1)
        msg = f"`classes` must differ; {quoted(twice)} occurs more than once."
        raise FileFormatError(msg)
