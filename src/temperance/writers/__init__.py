"""Probabilities become files here, in the formats that `temperance.readers` reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.checks.arguments import as_word
from temperance.writers.content import WRITERS, Content
from temperance.writers.place import check_dense, check_writable, file_suffix, replacing

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from temperance.writers.content import Layout

__all__ = ["SUFFIXES", "write_probs"]

SUFFIXES: tuple[str, ...] = tuple(WRITERS)


def write_probs(
    path: str | os.PathLike[str],
    probs: ArrayLike,
    *,
    classes: Sequence[str] | None = None,
    labels: ArrayLike | None = None,
    ids: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    accepted: ArrayLike | None = None,
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
        },
    )
    with replacing(path) as temporary:
        WRITERS[file_suffix(path)](temporary, content)
