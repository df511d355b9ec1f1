"""Rows that are not draws of their own: of weight 0, of one id, copies, alike neighbours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from temperance.checks import as_known_names
from temperance.errors import InvalidInputError
from temperance.metrics.alike import copies_of, more_alike_than_chance, neighbours_alike

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.rows.memory import Rows

__all__ = ["RepeatedIds", "weighing_rows", "with_repeats"]

RepeatedIds = Literal["cluster", "keep", "error"]  # what rows of one id, and copies, are

_WHAT = "`fields.cluster` (--cluster-column NAME) says which rows belong together"
_KEEP = '`repeated_ids="keep"` (--repeated-ids keep)'
_MERGE = '`repeated_ids="cluster"` (--repeated-ids cluster)'


def weighing_rows(rows: Rows) -> Rows:
    """Return the rows without those of weight 0, which take no part in anything."""
    if rows.weights is None or rows.weights.all():
        return rows
    row_mask = rows.weights > 0.0
    left_out = rows.n - np.count_nonzero(row_mask)
    have = "has weight 0 and takes" if left_out == 1 else "have weight 0 and take"
    note = f"{rows.source}: {left_out:,} of {rows.n:,} rows {have} no part."
    return replace(rows.part(row_mask), notes=(*rows.notes, note))


def with_repeats(rows: Rows, how: RepeatedIds) -> Rows:
    """Return the rows with ids that repeat, and copies, as clusters; and with notes of them.

    Clusters that the file has are left as they are. Images and matrices of labels have clusters of
    their own, which an id that repeats joins.
    """
    ids = rows.layout.row_ids(rows.ids, rows.n)
    own = rows.layout.row_numbers
    joined = rows.clusters is not None and (own is None or not _are_rows(rows.clusters, own))
    if ids is not None:
        names = as_known_names(ids, n=len(ids), name="ids")
        _, first, number, times = np.unique(
            names, return_index=True, return_inverse=True, return_counts=True
        )
        number = np.where(names == "", len(first) + np.arange(len(names)), number)  # no id: its own
        repeated = int((times - 1)[names[first] != ""].sum())
        if repeated:
            return _of_ids(rows, names, number, repeated, how, joined=joined)
    if rows.clusters is not None or rows.labels is None or rows.n < 2:
        return rows
    copies = copies_of(rows.logits, rows.labels)
    if copies is not None:
        return _of_copies(rows, copies.n, copies.clusters, how)
    if more_alike_than_chance(neighbours_alike(rows.logits, rows.labels)):
        note = (
            f"{rows.source}: neighbouring rows are right and wrong together more often than rows "
            "further apart. If they belong together (one document, patient, question), each is "
            f"not a draw of its own, and intervals are too narrow: {_WHAT}."
        )
        return replace(rows, notes=(*rows.notes, note))
    return rows


def _are_rows(clusters: NDArray[np.intp], of_entry: NDArray[np.intp]) -> bool:
    return bool((clusters == np.unique(of_entry, return_inverse=True)[1]).all())


def _of_ids(
    rows: Rows,
    names: NDArray[np.str_],
    number: NDArray[np.intp],
    repeated: int,
    how: RepeatedIds,
    *,
    joined: bool,
) -> Rows:
    times = np.bincount(number)
    example = str(names[int(np.argmax(times[number] > 1))])
    text = (
        f"{rows.source}: {repeated:,} of {len(names):,} rows "
        f"{'has' if repeated == 1 else 'have'} the id of an earlier row "
        f"({example!r} stands {times[number[names == example][0]]:,} times)"
    )
    if how == "error":
        msg = f"{text}. Give each row an id of its own, or say {_MERGE} or {_KEEP}."
        raise InvalidInputError(msg)
    own = rows.layout.row_numbers
    of_each = number if own is None else number[own]
    if joined and rows.clusters is not None:
        pairs = np.unique(np.stack([of_each, rows.clusters]), axis=1)
        if pairs.shape[1] == len(np.unique(of_each)):  # rows of one id are in one cluster already
            return rows
    if joined:
        return replace(rows, notes=(*rows.notes, f"{text}; the clusters of the file are taken."))
    if how == "keep":
        note = f"{text}; each counts as a draw of its own, by {_KEEP}."
        return replace(rows, notes=(*rows.notes, note))
    clusters = np.unique(of_each, return_inverse=True)[1]
    note = (
        f"{text}: rows of one id are one cluster, of {int(clusters.max()) + 1:,}. Are they "
        f"different things? Say {_KEEP}."
    )
    return replace(rows, clusters=clusters, notes=(*rows.notes, note))


def _of_copies(rows: Rows, n: int, clusters: NDArray[np.intp], how: RepeatedIds) -> Rows:
    text = (
        f"{rows.source}: {n:,} of {rows.n:,} rows {'is a copy' if n == 1 else 'are copies'} of "
        "others (the same scores and label, "
        "more often than by chance)"
    )
    if how == "error":
        msg = f"{text}. Leave them out, or say {_MERGE} or {_KEEP}."
        raise InvalidInputError(msg)
    if how == "keep":
        note = f"{text}; each counts as a draw of its own, by {_KEEP}."
        return replace(rows, notes=(*rows.notes, note))
    note = (
        f"{text}: a row and its copies are one cluster, of {int(clusters.max()) + 1:,}. Are they "
        f"different things? Say {_KEEP}."
    )
    return replace(rows, clusters=clusters, notes=(*rows.notes, note))
