"""What a reader returns, the names it looks for, and rows that lack a value."""

from __future__ import annotations

import codecs
import dataclasses
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np

from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import Layout
from temperance.printable import count_text
from temperance.readers.guard import name_list, quoted, refusing, require_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "LEAVE_OUT",
    "ROW_COLUMNS",
    "UNLABELLED",
    "Dataset",
    "Fields",
    "Kind",
    "Layout",
    "Missing",
    "file_digest",
    "joined_digest",
    "lacking_rows",
    "refuse_missing",
    "sha256_of",
    "without_missing",
    "without_zeros",
]

# What a reader returns, and the names it looks for.


Kind = Literal["logits", "probs"]
# What a row may have beside its scores.
ROW_COLUMNS = ("labels", "weights", "groups", "clusters", "ids")


@dataclass(frozen=True, slots=True)
class Fields:
    """The names to look for in a file; None means the usual name of the format.

    In files of language models (`format` of `read`) a name may be a path, `doc.answer`.

    Attributes
    ----------
    label, weight, group, id, cluster : str or None
        Key or column of the labels, weights, groups, ids and clusters. Usual names: `label`,
        `weight`, `group`, `id`, `cluster`, or their plurals. `"none"` says that there is none,
        where a name is so near (`Weight`, `sample_weight`) that one would be asked.
    label_id : str or None
        Key or column of the ids in the file of labels (`labels` of `read`), where these have
        another name there than in the file. None: as `id` says, or `id`.
    logits, probs : str, tuple of str or None
        Key or column of the scores; at most one of the two. In tables also what the columns of the
        classes begin or end with: `"Stated Prob"` finds `Stated Prob A` and `Stated Prob B`,
        `"prob"` finds `A_prob`; `*` stands for the class in `"p_*_mean"`; and the columns
        themselves, a tuple or a text with commas, in the order of the classes. So does `label`
        begin the names where there is a column per label.
    delimiter : str or None
        Of text tables (.csv, .tsv), as the next two: the character between cells. None: the one
        that parts the header line, of comma, tab, semicolon and bar; `notes` say an unusual one.
    decimal : {".", ","} or None
        The decimal mark. None: the point, and the comma in a column where nothing speaks against.
    encoding : str or None
        As Python names it, `"cp1252"`. None: UTF-8, or the UTF-16 or UTF-32 that the first bytes
        show.

    Raises
    ------
    InvalidInputError
        `delimiter`, `decimal` or `encoding` is none, or the two marks are the same.
    """

    label: str | None = None
    weight: str | None = None
    group: str | None = None
    id: str | None = None
    logits: str | tuple[str, ...] | None = None
    probs: str | tuple[str, ...] | None = None
    cluster: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    label_id: str | None = None

    def __post_init__(self) -> None:
        """Check the marks; names are looked for in the file."""
        delimiter, decimal, encoding = self.delimiter, self.decimal, self.encoding
        if delimiter is not None and (
            not isinstance(delimiter, str) or len(delimiter) != 1 or delimiter in _NO_DELIMITERS
            or delimiter.isalnum()
        ):  # fmt: skip
            msg = (
                "`delimiter` (--delimiter) must be one character that no number has, as ; or a "
                f"tab, got {quoted(delimiter)}."
            )
            raise InvalidInputError(msg)
        if decimal is not None and (decimal not in (".", ",") or decimal == delimiter):
            msg = (
                "`decimal` (--decimal) must be a point or a comma, and not what parts the cells, "
                f"got {quoted(decimal)}."
            )
            raise InvalidInputError(msg)
        if encoding is not None and not _is_encoding(encoding):
            msg = (
                "`encoding` (--encoding) must be an encoding of text that Python knows, as utf-16 "
                f"or cp1252, got {quoted(encoding)}."
            )
            raise InvalidInputError(msg)

    @property
    def text_options(self) -> dict[str, str]:
        """What is said of text tables, by its name."""
        options = {name: getattr(self, name) for name in ("delimiter", "decimal", "encoding")}
        return {name: value for name, value in options.items() if value is not None}

    def of_labels(self) -> Fields:
        """Return the same for a file of labels: their name, that of the ids, and the marks."""
        name = self.id if self.label_id is None else self.label_id
        return Fields(label=self.label, id=name, label_id=self.label_id, **self.text_options)

    def refuse_text_options(self, suffix: str) -> None:
        """Raise where something is said of text tables, but a file of this suffix is none."""
        for name in self.text_options:
            msg = f"is a {suffix} file; `{name}` (--{name}) is for .csv and .tsv."
            raise FileFormatError(msg)


# Quotation marks, ends of lines, and what numbers are made of.
_NO_DELIMITERS = "\"'\r\n\0.+-_%"


def _is_encoding(name: object) -> bool:
    """Whether Python reads text of this encoding (rot13 and hex are none)."""
    try:
        codecs.lookup(name)  # type: ignore[arg-type]
        "a".encode(name)  # type: ignore[arg-type]
    except (LookupError, TypeError, ValueError):
        return False
    return True


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """The rows of one file, as they are there; what the numbers mean is checked elsewhere.

    Attributes
    ----------
    kind : {"logits", "probs"}
        What `values` holds, by its name in the file or by the caller's word.
    values : ndarray, shape (n, k) or (n,)
        Scores in the dtype of the file; memory-mapped for .npy. Of the layout "dense", any shape.
    labels : ndarray or None
        Integers, floats, booleans or text, as in the file. Of the layout "labels" a matrix, its
        columns in the order of the scores.
    weights, groups, clusters, ids : ndarray or None
        One per row; of the layout "dense" as the file has them.
    classes : tuple of str or None
        Class names in column order.
    ragged : bool
        Rows have different numbers of options; the missing ones are `-inf` (logits) or 0 (probs).
    kind_forced : bool
        The caller gave `kind`.
    source : str
        The path as given.
    first : int
        Number of the first row in the file, of a block of rows.
    files : tuple of Path
        The files of a folder; empty where `source` is a file.
    notes : tuple of str
        What its user should hear of how the file was read: unusual marks of a text table, rows or
        files left out, options
        censored, refusals, ids that do not match, each counted; and where rows of two files were
        paired by their order.
    percent : bool
        Scores were written with percent signs, `52.69%`; `values` holds what they say, 0.5269.
    left_out : tuple of int
        Which rows of the file, counted from 0, were left out because a value is missing.
    """

    kind: Kind
    values: NDArray[Any]
    labels: NDArray[Any] | None
    weights: NDArray[Any] | None
    groups: NDArray[Any] | None
    clusters: NDArray[Any] | None
    ids: NDArray[Any] | None
    classes: tuple[str, ...] | None
    ragged: bool
    kind_forced: bool
    source: str
    first: int = 0
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    percent: bool = False
    left_out: tuple[int, ...] = ()

    def with_columns(self, order: NDArray[np.intp], *, class_axis: int | None = None) -> Dataset:
        """Return the rows with the classes, which have names, in another order.

        Labels are names then, and stay what they are. `class_axis` is that of the layout "dense".
        """
        classes = None if self.classes is None else tuple(self.classes[j] for j in order)
        if class_axis is not None:
            values = np.take(self.values, order, axis=class_axis)
        elif self.values.ndim == 1:  # log-odds, or the probability, of the second of two classes
            values = -self.values if self.kind == "logits" else 1 - self.values
        else:
            values = self.values[:, order]
        labels = self.labels
        if labels is not None and labels.ndim == 2 and class_axis is None:
            labels = labels[:, order]
        return replace(self, values=values, labels=labels, classes=classes)

    def with_rows(self, places: NDArray[np.intp]) -> Dataset:
        """Return the rows at these places, with all that is beside them."""
        columns: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[places]
            for name in ROW_COLUMNS
        }
        return replace(self, values=self.values[places], **columns)

    def sha256(self) -> str:
        """Hexadecimal SHA-256 digest of the file's bytes, or of the digests of a folder's files.

        Raises
        ------
        FileFormatError
            The file can no longer be read.
        """
        return sha256_of(self.files or (Path(self.source),))


def sha256_of(files: Sequence[Path]) -> str:
    """Return the digest of one file's bytes, or of the digests of several."""
    return joined_digest([file_digest(path) for path in files])


def file_digest(path: Path) -> str:
    """Return the hexadecimal SHA-256 digest of a file's bytes."""
    with refusing(path):
        require_file(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def joined_digest(digests: Sequence[str]) -> str:
    """Return the digest of one file as it is, and of several files that of their digests."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


# Rows that lack a value: refused, or left out whole and counted.


Missing = Literal["refuse", "drop"]
LEAVE_OUT = 'Leave such rows out with --na drop (na="drop" in Python).'
UNLABELLED = " Where no labels are needed, as by apply, --label-column none leaves theirs unread."
_NAMES = ("groups", "clusters")
_COLUMNS = ("values", *ROW_COLUMNS)


def refuse_missing(
    count: int, n: int, columns: Sequence[str], first: str, *, hint: str = ""
) -> NoReturn:
    """Raise, with the count, the columns, the first place and the option that leaves rows out."""
    lack = "lacks" if count == 1 else "lack"
    advice = LEAVE_OUT
    if count == n:
        advice = "No row has them all: fill them, or name another column."
    msg = (
        f"{count:,} of {count_text(n, 'row')} {lack} a value of {name_list(columns)} (blank, NA or "
        f"NaN); the first is {first}. {advice}{hint}"
    )
    raise FileFormatError(msg)


def without_missing(dataset: Dataset, *, every: bool = False) -> Dataset:
    """Return the rows that have all their values, and a note that counts the others.

    Missing are masked entries and NaN, in scores, labels, weights, groups, clusters and ids, and
    groups and clusters of empty text. That no row is left is an error, unless `every` row may be
    left out, as of a block.
    """
    n = len(dataset.values)
    missing = np.zeros(n, dtype=np.bool_)
    for name in _COLUMNS:
        array = getattr(dataset, name)
        if array is not None:
            missing[lacking_rows(array)] = True
            if name in _NAMES and array.dtype.kind in "US":
                missing |= np.ma.getdata(array) == array.dtype.type()
    arrays: dict[str, Any] = {name: _plain(getattr(dataset, name)) for name in _COLUMNS}
    whole = dataclasses.replace(dataset, **arrays)
    return _without(whole, missing, "lacks a value", "lack a value", "--na drop", every=every)


def without_zeros(dataset: Dataset) -> Dataset:
    """Return the rows with a probability above 0, and a note that counts the others.

    A row of zeros says nothing of its options: where rows are divided by their sums, it is missing.
    """
    if dataset.kind != "probs" or dataset.values.ndim != 2:
        return dataset
    zeros = np.asarray(~dataset.values.any(axis=1), dtype=np.bool_)
    options = "--na drop --renormalize"
    return _without(dataset, zeros, "holds zeros only", "hold zeros only", options)


def _without(
    dataset: Dataset,
    missing: NDArray[np.bool_],
    lacks: str,
    lack: str,
    options: str,
    *,
    every: bool = False,
) -> Dataset:
    """Leave rows out, and say how many for what and by which options."""
    n, count = len(missing), int(np.count_nonzero(missing))
    if not count:
        return dataset
    if count == n and not every:
        msg = f"has no row that counts: each {lacks}, and all {n:,} would be left out ({options})."
        raise FileFormatError(msg)
    columns: dict[str, Any] = {
        name: None if (array := getattr(dataset, name)) is None else array[~missing]
        for name in _COLUMNS
    }
    were = f"was left out, which {lacks}" if count == 1 else f"were left out, which {lack}"
    note = f"{count:,} of {count_text(n, 'row')} {were} ({options})."
    places = np.delete(np.arange(n + len(dataset.left_out)), list(dataset.left_out))
    left_out = sorted({*dataset.left_out, *places[missing].tolist()})
    return dataclasses.replace(
        dataset, **columns, notes=(*dataset.notes, note), left_out=tuple(left_out)
    )


def lacking_rows(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Say which rows have a masked entry or a NaN, (n,)."""
    lacking: NDArray[np.bool_] = np.ma.getmaskarray(array)
    if array.dtype.kind == "f":
        lacking = lacking | np.isnan(np.ma.getdata(array))
    return np.asarray(lacking.reshape(len(array), -1).any(axis=1))


def _plain(array: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return the entries without their mask."""
    return None if array is None else np.ma.getdata(array)
