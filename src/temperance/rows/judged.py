"""Files of a judge's verdicts, and of people's labels, as arrays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.alignment import id_texts
from temperance.checks.label_map import distinct_labels, label_text
from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import FILE_FORMATS, format_of, function_named, suffixes_of
from temperance.printable import count_text, first_few
from temperance.readers.dataset import Fields, file_digest
from temperance.readers.guard import refusing, require_file
from temperance.readers.jsonl import json_lines
from temperance.readers.llm.node import Node
from temperance.readers.request import Request

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["JudgedColumns", "JudgedFile", "read_judged"]

_LABEL, _ID, _LABEL_ID = "--label-column", "--id-column", "--label-id-column"  # what names columns
_WORDS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0}


@dataclass(frozen=True, slots=True)
class JudgedColumns:
    """Which column holds what; None where there is none."""

    verdict: str = "verdict"
    label: str = "label"
    system: str | None = None
    cluster: str | None = None
    weight: str | None = None
    id: str = "id"
    passing: tuple[str, ...] = ()  # words that mean pass; all others then mean fail
    label_id: str | None = None  # in the file of labels; None: as `id`


@dataclass(frozen=True, slots=True, eq=False)
class JudgedFile:
    """One row per verdict; labels are nan where nobody was asked."""

    verdicts: NDArray[np.float64]  # (n,)
    labels: NDArray[np.float64]  # (n,)
    systems: NDArray[Any] | None
    clusters: NDArray[Any] | None
    weights: NDArray[Any] | None
    source: str
    sha256: str
    notes: tuple[str, ...]

    @property
    def n_labelled(self) -> int:
        """Rows that people judged."""
        return int(np.count_nonzero(~np.isnan(self.labels)))


def read_judged(
    path: Path, columns: JudgedColumns, *, labels: Path | None = None, labelled: bool = True
) -> JudgedFile:
    """Return the verdicts of a file, and the labels beside them or, by id, in another file.

    Rows without a verdict are left out and counted. Without `labelled`, a file without a column of
    labels has none.

    Raises
    ------
    FileFormatError
        The file cannot be read, or lacks a column; ids that name no row, or two.
    InvalidInputError
        Words that are neither true nor false where `columns` does not say which mean pass.
    """
    values = _column(path, columns.verdict, "--judge-column")
    verdicts = _numbers(values, columns, path, columns.verdict)
    has = ~np.isnan(verdicts)
    if not has.any():
        msg = f"{path}: no row has a verdict (column `{columns.verdict}`, --judge-column)."
        raise FileFormatError(msg)
    notes = []
    if not has.all():
        count = count_text(int(np.count_nonzero(~has)), "row")
        notes.append(
            f"{path}: left out {count} without a verdict. Where the judge fails on other answers "
            "than the rest, the pass rate is not of all of them."
        )
    others = {
        role: None if name is None else _column(path, name, option)
        for role, name, option in (
            ("systems", columns.system, "--system-column"),
            ("clusters", columns.cluster, "--cluster-column"),
            ("weights", columns.weight, "--weight-column"),
        )
    }  # fmt: skip
    own = np.full(len(verdicts), np.nan)
    if labels is None and (labelled or _has(path, columns.label)):
        own = _numbers(_column(path, columns.label, _LABEL), columns, path, columns.label)
    elif labels is not None:
        own, more = _joined(path, labels, columns, len(verdicts))
        notes.extend(more)
    columns_of = {role: None if each is None else each[has] for role, each in others.items()}
    return JudgedFile(
        verdicts[has], own[has], **columns_of, source=str(path), sha256=file_digest(path),
        notes=tuple(notes),
    )  # fmt: skip


def _column(path: Path, name: str, option: str) -> Any:  # noqa: ANN401  (an array of any dtype)
    """Return a column as labels are read, masked where a row has none; `option` names another."""
    try:
        return _read_column(path, name)
    except FileFormatError as error:
        if not any(f"has no {word} `{name}`" in str(error) for word in ("column", "key")):
            raise
        msg = f"{error} Another is named by {option}."
        raise FileFormatError(msg) from error


def _read_column(path: Path, name: str) -> Any:  # noqa: ANN401
    with refusing(path):
        require_file(path)
        format_ = format_of(path)
        if format_ is None:
            msg = f"must have one of the suffixes {' '.join(suffixes_of(FILE_FORMATS))}."
            raise FileFormatError(msg)
        if ".jsonl" in format_.suffixes:
            return _key(path, name)
        request = Request(fields=Fields(label=name), scores=False, ids=False, na="drop")
        values = function_named(format_.read)(path, request).labels
        if values.ndim != 1:
            msg = f"`{name}` must hold one value per row, got shape {values.shape}."
            raise FileFormatError(msg)
    return values


def _key(path: Path, name: str) -> Any:  # noqa: ANN401
    """Return what stands under a key, or a path of keys, of each line; lines may lack it."""
    nodes = [Node(record).find(name) for _, record in json_lines(path)]
    values: NDArray[Any] = np.empty(len(nodes), dtype=object)
    values[:] = ["" if each is None else each.value for each in nodes]
    missing = np.array([isinstance(each, str) and not each.strip() for each in values])
    if missing.all():
        msg = f"has no key `{name}` in any of its {count_text(len(nodes), 'line')}."
        raise FileFormatError(msg)
    nested = [isinstance(each, dict | list) for each in values]
    if any(nested):
        msg = f"`{name}` must hold one value per line; line {nested.index(True) + 1} holds more."
        raise FileFormatError(msg)
    return np.ma.array(values, mask=missing)


def _has(path: Path, name: str) -> bool:
    try:
        _column(path, name, _LABEL)
    except FileFormatError:
        return False
    return True


def _numbers(
    values: NDArray[Any], columns: JudgedColumns, path: Path, name: str
) -> NDArray[np.float64]:
    """Return verdicts or labels as numbers, nan where there is none."""
    missing = np.ma.getmaskarray(values)
    data = np.ma.getdata(values)
    if data.dtype.kind in "iufb" and not columns.passing:
        return np.where(missing, np.nan, data.astype(np.float64))
    distinct, place = distinct_labels(data)
    texts = [label_text(each).strip() for each in distinct]
    if columns.passing:
        numbers = [float(text in columns.passing) for text in texts]
    else:
        numbers = [_number(text) for text in texts]
    result = np.array(numbers)[place]
    unknown = sorted({texts[i] for i in np.unique(place[~missing]) if np.isnan(numbers[i])})
    if unknown:
        msg = (
            f"{path}: `{name}` must hold 1 or true for pass, 0 or false for fail, or scores; it "
            f"holds {first_few(unknown)}. Say which words mean pass: --pass {unknown[-1]}."
        )
        raise InvalidInputError(msg)
    return np.where(missing, np.nan, result)


def _number(text: str) -> float:
    try:
        return _WORDS.get(text.casefold(), float(text) if text.casefold() not in _WORDS else 0.0)
    except ValueError:
        return float("nan")


def _joined(
    path: Path, labels: Path, columns: JudgedColumns, n: int
) -> tuple[NDArray[np.float64], list[str]]:
    """Return the labels of another file at the rows of their ids."""
    own = id_texts(_column(path, columns.id, _ID), source=str(path))
    name, option = columns.id, _ID
    if columns.label_id is not None:
        name, option = columns.label_id, _LABEL_ID
    theirs = id_texts(_column(labels, name, option), source=str(labels))
    values = _numbers(_column(labels, columns.label, _LABEL), columns, labels, columns.label)
    place = {each: number for number, each in enumerate(own)}
    for ids, source in ((own, path), (theirs, labels)):
        again = [each for each, count in Counter(ids).items() if count > 1]
        if again:
            msg = f"{source}: ids must name one row each; more than once: {first_few(again)}."
            raise FileFormatError(msg)
    joined = np.full(n, np.nan)
    unmatched = [each for each in theirs if each not in place]
    if len(unmatched) == len(theirs):
        msg = (
            f"{labels}: no id is one of {path}: {first_few(theirs[:3])} and {first_few(own[:3])}. "
            "Ids must be spelled alike; --id-column names their column in both, --label-id-column "
            "that of labels alone."
        )
        raise FileFormatError(msg)
    for each, value in zip(theirs, values, strict=True):
        if each in place:
            joined[place[each]] = value
    if not unmatched:
        return joined, []
    lost = f"{count_text(len(unmatched), 'label')} of ids that {path} lacks"
    return joined, [f"{labels}: {lost}: {first_few(unmatched[:5])}."]
