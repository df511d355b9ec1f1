"""What a store says: of rows it was given, of all it holds, and the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from temperance.frozen import Frozen
from temperance.plain import Plain
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Counts", "Labelled", "Logged", "StoredRows"]


@dataclass(frozen=True, slots=True)
class Logged(MergeableSums, Plain):
    """What became of some predictions.

    Attributes
    ----------
    new, repeated : int
        Rows that were written, and rows that were there already, the same.
    joined : int
        Labels that had come before their prediction, and have met it now.
    unknown : int
        Labels that had come before, and that are no option of their prediction: dropped.
    """

    new: int
    repeated: int
    joined: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Labelled(MergeableSums, Plain):
    """What became of some labels.

    Attributes
    ----------
    new, repeated, corrected : int
        Labels that were written; that were there already; that replaced another one.
    parked : int
        Labels whose prediction has not come yet.
    """

    new: int
    repeated: int
    corrected: int
    parked: int


@dataclass(frozen=True, slots=True)
class Counts(Plain):
    """What a store holds.

    Attributes
    ----------
    predictions, labels, corrections, parked : int
        Rows; rows with a label; labels that were replaced; labels without a prediction.
    matured, matured_labelled : int
        Rows older than the delay, and those of them with a label.
    waiting : int
        Labels that no check has looked at, as their delay is not over or no check has run since.
    first, last : int or None
        Times of the first and the last prediction, in microseconds since 1970.
    median_delay : float or None
        Seconds from a prediction to its label, of the last 10,000 labels.
    bytes : int
        Of the database.
    """

    predictions: int
    labels: int
    corrections: int
    parked: int
    matured: int
    matured_labelled: int
    waiting: int
    first: int | None
    last: int | None
    median_delay: float | None
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class StoredRows(Frozen):
    """Rows in the order in which their labels became usable, or of their time without labels.

    Attributes
    ----------
    logits : ndarray of float32, shape (n, k)
        What the calibrator takes, the largest of each row 0; -inf where an option does not exist.
    labels : ndarray of int, shape (n,)
        -1 where there is none.
    groups, models, calibrators : ndarray of text, shape (n,)
        "" for a row without group; names of models, ids of calibrators.
    times, usable : ndarray of int, shape (n,)
        Of the prediction, and from when on the label may be looked at (0 without a label), in
        microseconds.
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.intp]
    groups: NDArray[np.str_]
    models: NDArray[np.str_]
    calibrators: NDArray[np.str_]
    times: NDArray[np.int64]
    usable: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def taken(self, rows: NDArray[Any]) -> Self:
        """Return some of the rows."""
        values = [getattr(self, name)[rows] for name in self.__dataclass_fields__]
        return type(self)(*values)
