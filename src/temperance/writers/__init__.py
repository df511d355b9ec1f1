"""Probabilities become files here, in the formats that `temperance.readers` reads."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from temperance.checks.arguments import as_word
from temperance.errors import InvalidInputError
from temperance.file_formats import FILE_FORMATS, file_suffix, function_named, suffixes_of
from temperance.writers.content import Content
from temperance.writers.place import check_writable, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike

    from temperance.file_formats import Layout

__all__ = ["SUFFIXES", "write_probs"]

_WRITE = {suffix: each.write for each in FILE_FORMATS if each.write for suffix in each.suffixes}
_WRITE_BLOCKS = {
    suffix: each.write_blocks
    for each in FILE_FORMATS
    if each.write_blocks
    for suffix in each.suffixes
}
SUFFIXES = tuple(_WRITE)
BLOCK_SUFFIXES = tuple(_WRITE_BLOCKS)
_DENSE = suffixes_of(each for each in FILE_FORMATS if each.write and each.any_shape)


def write_probs(  # noqa: PLR0913  (a column each)
    path: str | os.PathLike[str],
    probs: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    labels: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    accepted: ArrayLike | None = None,
    band: ArrayLike | None = None,
    answered_by: ArrayLike | None = None,
    goes_on: ArrayLike | None = None,
    mask: ArrayLike | None = None,
    layout: Layout = "rows",
) -> None:
    """Write probabilities to a file that `temperance.readers.read` reads back equal.

    A .npy file holds `probs` only. A .jsonl file has no place for `classes`, nor has a table whose
    `probs` have shape (n,). In .csv and .tsv files labels, ids and groups become text.

    Parameters
    ----------
    path : path-like
        The file to write; its suffix, one of `SUFFIXES`, says the format.
    probs : array_like, shape (n, k) or (n,)
        Probabilities of the classes, or of class 1; n >= 1, k >= 2.
    classes : sequence of str, optional
        Names of the k classes (two for shape (n,)); in tables `0` to `k - 1` if not given.
    labels, ids, groups : array_like of numbers or str, shape (n,), optional
        Written as they are. Labels may be booleans; ids and groups that are become text.
    weights : array_like of float, shape (n,), optional
        Written as they are.
    accepted : array_like of bool, shape (n,), optional
        Which rows may be answered; `true` and `false` in .csv and .tsv files.
    band : array_like of str, shape (n,), optional
        Of a policy of bands: accept, review or reject.
    answered_by : array_like of str, shape (n,), optional
        Of a cascade: the model whose probabilities these are.
    goes_on : array_like of bool, shape (n,), optional
        Of a cascade: whether the next model is to be asked.
    mask : array_like of bool, shape (n, k), optional
        The options that exist. In .jsonl files those that do not exist at the end of a row are
        left out, so that ragged rows look as they did; the other formats keep every column.
    layout : {"rows", "labels", "dense"}, default "rows"
        As in `temperance.readers.read`. Of "labels", `probs` and `labels` have shape (n, l) with
        l >= 1, and `classes` names the labels; tables get a column `label_<name>` each. Of
        "dense", for .npz and .npy files, `probs` and what is beside them have any shape.

    Raises
    ------
    InvalidInputError
        `path` cannot be written, or the arrays do not fit each other or the format.
    MissingDependencyError
        The format needs a package that is not installed.
    """
    check_writable(path, SUFFIXES)
    if as_word(layout, ("rows", "labels", "dense"), name="layout") == "dense":
        check_dense(path)
    content = Content.of(
        probs,
        layout=layout,
        classes=classes,
        mask=mask,
        columns={
            "ids": ids,
            "labels": labels,
            "groups": groups,
            "weights": weights,
            "accepted": accepted,
            "band": band,
            "answered_by": answered_by,
            "goes_on": goes_on,
        },
    )
    suffix = file_suffix(path)
    with replacing(path) as temporary:
        function_named(_WRITE[suffix])(temporary, content, suffix)


def check_dense(path: str | os.PathLike[str]) -> None:
    """Raise InvalidInputError if a file of this suffix has no place for more than two axes."""
    if file_suffix(path) not in _DENSE:
        msg = (
            f"{os.fspath(path)}: outputs per pixel or token are written to {' and '.join(_DENSE)} "
            "files, in their own shape; rename it."
        )
        raise InvalidInputError(msg)


# Probabilities written block by block, for files larger than the memory.


class _BlockWriter(Protocol):
    """Appends blocks to a file; `close` makes the file whole."""

    def add(self, content: Content) -> None:
        """Append a block of rows."""

    def close(self) -> None:
        """Write what is left to write."""


@contextmanager
def writing_blocks(path: str | os.PathLike[str]) -> Iterator[_BlockWriter]:
    """Yield a value whose `add(content)` appends a block of rows to the file.

    The file takes the place of `path` when the `with` ends; if it fails or is interrupted, nothing
    is left behind and `path` stays as it was. All blocks have the columns of the first.

    Parameters
    ----------
    path : path-like
        Its suffix, one of `BLOCK_SUFFIXES`, says the format.

    Raises
    ------
    InvalidInputError
        `path` cannot be written; the format cannot grow.
    MissingDependencyError
        The format needs a package that is not installed.
    """
    check_block_suffix(path)
    suffix = file_suffix(path)
    with replacing(path) as temporary:
        writer: _BlockWriter = function_named(_WRITE_BLOCKS[suffix])(temporary, suffix)
        try:
            yield writer
        finally:
            writer.close()


def check_block_suffix(path: str | os.PathLike[str]) -> None:
    """Raise now if blocks cannot be written to `path`."""
    check_writable(path)
    if file_suffix(path) not in BLOCK_SUFFIXES:
        msg = (
            f"The file to write must have one of the suffixes {' '.join(BLOCK_SUFFIXES)} for rows "
            f"that are written block by block, got '{os.fspath(path)}'."
        )
        raise InvalidInputError(msg)
