"""A folder of shards: which of its files they are, and how each is made like the first."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.alignment import column_order, spelling_of, whole_text
from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import file_suffix
from temperance.readers.dataset import ROW_COLUMNS
from temperance.readers.guard import name_list, quoted, refusing, require_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import NDArray

    from temperance.readers.dataset import Dataset, Kind

__all__ = ["ShardHeader", "Shards"]

_NUMBERS = "iuf"
_DOCUMENTS = {
    "", ".json", ".md", ".txt", ".html", ".yaml", ".yml", ".toml", ".log", ".png", ".svg", ".pdf",
    ".py",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shards:
    """The files of a folder that are read, by name, and what else lies there."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, path: str | os.PathLike[str], suffixes: Collection[str]) -> Self:
        """Return the file, or the files of a folder that have one of the suffixes.

        Hidden files are no shards: their names begin with a dot or `_`, as those of writers that
        were stopped or of Spark's `_metadata` do, or end in `~`.

        Raises
        ------
        FileFormatError
            A folder without such files, or with a sub-folder that holds some; a file that is empty
            or no regular file, which reading would wait for.
        """
        with refusing(path):
            folder = Path(path)
            if not folder.is_dir():
                require_file(folder)
                return cls((folder,))
            entries = sorted(folder.iterdir())
            of_format = [each for each in entries if file_suffix(each) in suffixes]
            shards = [each for each in of_format if not _is_hidden(each) and not each.is_dir()]
            for each in entries:
                if each.is_dir() and not _is_hidden(each):
                    _refuse_shards_below(each, suffixes)
            if not shards:
                msg = f"is a folder without files of a known format: {' '.join(suffixes)}."
                raise FileFormatError(msg)
        for each in shards:
            with refusing(each):
                require_file(each)
        hidden = [each.name for each in of_format if _is_hidden(each) and not each.is_dir()]
        others = [
            each.name
            for each in entries
            if each not in of_format
            and not _is_hidden(each)
            and not each.is_dir()
            and file_suffix(each) not in _DOCUMENTS
        ]
        notes = (
            *_left_out(folder, hidden, "whose names begin with a dot or _, or end in ~"),
            *_left_out(folder, others, "of other formats"),
        )
        return cls(tuple(shards), notes)


@dataclass(frozen=True, slots=True)
class ShardHeader:
    """What the first file says of all: kind, columns, and what is beside the scores."""

    source: str
    kind: Kind
    shape: tuple[int, ...]  # of the scores without their rows
    classes: tuple[str, ...] | None
    ragged: bool
    dtypes: tuple[tuple[str, np.dtype[Any]], ...]
    of_rows: bool = True  # a class per row or a matrix of labels; False: any shape

    @classmethod
    def of(cls, first: Dataset, *, of_rows: bool = True) -> Self:
        """Return the header of the first file, or of its first block."""
        dtypes = tuple(
            (name, values.dtype)
            for name in ROW_COLUMNS
            if (values := getattr(first, name)) is not None
        )
        shape = first.values.shape[1:]
        return cls(
            first.source, first.kind, shape, first.classes, first.ragged, dtypes, of_rows=of_rows
        )

    def aligned(self, part: Dataset) -> Dataset:
        """Return the rows of another file with the columns in the order of the first.

        Raises
        ------
        FileFormatError
            The file differs from the first in kind, number of columns, names of classes, or in
            what is beside the scores. The message names both files.
        """
        with refusing(part.source):
            if part.kind != self.kind:
                msg = f"holds {part.kind}, but {self.source} {self.kind}."
                raise FileFormatError(msg)
            part = self._with_columns(part)
            shape = part.values.shape[1:]
            if shape != self.shape and not (self.ragged or part.ragged):
                counts = [_count(each) for each in (shape, self.shape)]
                msg = f"has {counts[0]}, but {self.source} has {counts[1]}."
                raise FileFormatError(msg)
            return replace(part, **self._columns_of(part))

    def _with_columns(self, part: Dataset) -> Dataset:
        if (part.classes is None) != (self.classes is None):
            names, none = (self.source, "it") if part.classes is None else ("it", self.source)
            class_names = name_list(self.classes or part.classes or ())
            msg = (
                f"{names} names its classes ({class_names}), but {none} does not, so that nothing "
                "says which column is which; name them in every file, or in none."
            )
            raise FileFormatError(msg)
        try:
            order = column_order(part.classes, self.classes, whose=self.source)
        except InvalidInputError as error:
            raise FileFormatError(str(error)) from error
        if order is None:
            return part
        if not self.of_rows:
            msg = (
                f"its classes ({name_list(part.classes or ())}) are in another order than those of "
                f"{self.source} ({name_list(self.classes or ())}); write both in one order."
            )
            raise FileFormatError(msg)
        return part.with_columns(order)

    def _columns_of(self, part: Dataset) -> dict[str, Any]:
        """Return what is beside the scores in the kind of the first file."""
        dtypes = dict(self.dtypes)
        columns: dict[str, Any] = {}
        for name in ROW_COLUMNS:
            values = getattr(part, name)
            if (values is not None) != (name in dtypes):
                which = "has no" if values is None else "has"
                msg = f"{which} {name}, unlike {self.source}."
                raise FileFormatError(msg)
            if values is not None:
                columns[name] = self._alike(name, values, dtypes[name])
        return columns

    def _alike(self, name: str, values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return values in the kind of the first file's: whole floats as integers, "1" as 1."""
        kind = values.dtype.kind
        if kind == dtype.kind or name == "weights":
            return values
        if dtype.kind == "U":
            return np.array([spelling_of(each) for each in values.ravel().tolist()]).reshape(
                values.shape
            )
        if kind == "U" or (kind in _NUMBERS and dtype.kind in _NUMBERS):
            converted = _converted(values, dtype)
            if converted is not None:
                return converted
        example = quoted(values.ravel()[0].item() if values.size else "")
        msg = (
            f"its {name} are {_kind(values.dtype)} (such as {example}), but those of "
            f"{self.source} are {_kind(dtype)}; write both in one way."
        )
        raise FileFormatError(msg)


def _converted(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return values of another kind as `dtype`; None where one of them would change."""
    if values.dtype.kind == "U":
        texts = [each.strip() for each in values.ravel().tolist()]
        numbers = _from_text(texts, dtype)
        return None if numbers is None else numbers.reshape(values.shape)
    with np.errstate(invalid="ignore"):
        converted = values.astype(dtype)
    return converted if np.array_equal(converted, values) else None


def _from_text(texts: list[str], dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Return texts as what they spell, in one spelling only: a label 07 is a name, not 7."""
    if dtype.kind == "b":
        by_text = {"true": True, "false": False}
        values = [by_text.get(each.lower()) for each in texts]
        return None if None in values else np.array(values, dtype=np.bool_)
    shortest = [whole_text(each) for each in texts]
    number = float if dtype.kind == "f" else int
    try:
        numbers = [number(each) for each in shortest]
        if [spelling_of(each) for each in numbers] == shortest:
            return np.array(numbers, dtype=dtype)
    except (ValueError, OverflowError):
        pass
    return None


def _kind(dtype: np.dtype[Any]) -> str:
    return {"U": "text", "b": "true and false"}.get(dtype.kind, f"numbers ({dtype})")


def _count(columns: tuple[int, ...]) -> str:
    if len(columns) == 1:
        return f"{columns[0]} columns"
    return " x ".join(map(str, columns)) if columns else "a single column"


def _is_hidden(path: Path) -> bool:
    return path.name.startswith((".", "_")) or path.name.endswith("~")


def _refuse_shards_below(folder: Path, suffixes: Collection[str]) -> None:
    """Raise where a sub-folder holds files that would be left out."""
    for directory, below, files in os.walk(folder):
        below[:] = [each for each in below if not _is_hidden(Path(each))]
        shards = [
            each for each in files if file_suffix(each) in suffixes and not _is_hidden(Path(each))
        ]
        if shards:
            msg = (
                f"has a sub-folder {quoted(folder.name)} with files of a known format, such as "
                f"{quoted(os.path.join(os.path.relpath(directory, folder.parent), min(shards)))}, "  # noqa: PTH118
                "which would be left out; put all files into one folder, or name the sub-folder."
            )
            raise FileFormatError(msg)


def _left_out(folder: Path, names: Iterable[str], which: str) -> tuple[str, ...]:
    files = list(names)
    if not files:
        return ()
    return (f"{folder}: left out {len(files):,} of its files, {which}: {name_list(files)}.",)
