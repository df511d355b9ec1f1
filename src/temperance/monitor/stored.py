"""What a store says: of rows it was given, of all it holds, and the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.frozen import Frozen, Plain
from temperance.monitor.scores import unpacked, unpacked_few
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from temperance.monitor.database import Transaction

__all__ = ["BLOCK", "KINDS", "Counts", "Labelled", "Logged", "StoredRows", "blocks_of"]


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
    not_shown : int
        Of those that were written, labels of options that their prediction does not show.
    """

    new: int
    repeated: int
    corrected: int
    parked: int
    not_shown: int = 0


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
    not_shown : int
        Labels of options that their prediction does not show; no evidence is in them.
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
    not_shown: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class StoredRows(Frozen):
    """Rows in the order in which their labels became usable, or of their time without labels.

    Attributes
    ----------
    logits : ndarray of float32, shape (n, k)
        What the calibrator takes, the largest of each row 0; -inf where an option does not exist,
        or is not shown. Of numbered options, those that a row shows, by number.
    labels : ndarray of int, shape (n,)
        Columns of `logits`; -1 where there is none.
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

    def taken(self, rows: NDArray[Any] | slice) -> Self:
        """Return some of the rows; a slice copies nothing."""
        values = [getattr(self, name)[rows] for name in self.__dataclass_fields__]
        return type(self)(*values)


BLOCK = 50_000  # rows read at a time,
_NUMBERS = 10_000_000  # and the numbers in them
_MODELS = "SELECT number, name, k, options FROM temperance_models"
KINDS = "nnnnntb"  # of what `blocks_of` takes: whole numbers, text, bytes


def blocks_of(work: Transaction, pages: Iterable[Sequence[Any]]) -> Iterator[StoredRows]:
    """Yield rows in blocks, of pages of columns.

    They are label, model, calibrator, time, time of use, group and scores, in this order, and then
    what else there is.
    """
    models = {row[0]: row[1:] for row in work.rows(_MODELS)}
    calibrators = dict(work.rows("SELECT number, id FROM temperance_calibrators"))
    widest = max((k for _, k, _ in models.values()), default=1)
    most = max(1, min(BLOCK, _NUMBERS // widest))
    for columns in pages:
        for first in range(0, len(columns[0]), most):
            some = [each[first : first + most] for each in columns]
            labels, model, calibrator, times, usable, parts, scores = some[: len(KINDS)]
            present = dict.fromkeys(np.unique(model).tolist())
            width = max(models[each][1] for each in present)
            numbered = [each for each in present if models[each][2] == "numbered"]
            if numbered:
                labels = labels.copy()
                logits = _with_numbered(scores, labels, np.isin(model, numbered), width)
            else:
                logits = unpacked(scores, width)
            yield StoredRows(
                logits,
                labels,
                _texts(parts),
                _names(model, {number: name for number, (name, _, _) in models.items()}),
                _names(calibrator, calibrators),
                times,
                usable,
            )


def _with_numbered(
    scores: Sequence[bytes],
    labels: NDArray[np.int64],
    numbered: NDArray[np.bool_],
    width: int,
) -> NDArray[np.float32]:
    """Return the logits of rows some of which have numbered options; labels become columns."""
    logits = np.full((len(scores), width), -np.inf, dtype=np.float32)
    whole, few = np.flatnonzero(~numbered), np.flatnonzero(numbered)
    logits[whole] = unpacked([scores[place] for place in whole.tolist()], width)
    logits[few], options = unpacked_few([scores[place] for place in few.tolist()], width)
    is_label = (options == labels[few, None]) & (options >= 0)
    labels[few] = np.where(is_label.any(axis=1), is_label.argmax(axis=1), -1)
    return logits


def _texts(values: Sequence[str | None]) -> NDArray[np.str_]:
    """Return values of few kinds as text, None as ""."""
    kinds = {each: place for place, each in enumerate(dict.fromkeys(values))}
    texts = np.array([each or "" for each in kinds])
    if len(kinds) == 1:
        return np.broadcast_to(texts, (len(values),))
    return texts[np.fromiter(map(kinds.__getitem__, values), dtype=np.intp, count=len(values))]


def _names(numbers: NDArray[np.int64], names: Mapping[int, str]) -> NDArray[np.str_]:
    """Return the names of numbers, of which there are few."""
    kinds, places = np.unique(numbers, return_inverse=True)
    texts = np.array([names[each] for each in kinds.tolist()])
    if len(kinds) == 1:  # one text, however many rows
        return np.broadcast_to(texts, (len(numbers),))
    return texts[places]
