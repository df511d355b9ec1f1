"""What tests of calibration share: rows that count, log-odds of an event, sums as z."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from temperance.numerics import as_float64, row_blocks
from temperance.printable import count_text
from temperance.significance import CalibrationTest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.events import Event
    from temperance.metrics.inputs import Predictions
    from temperance.significance import Direction

__all__ = [
    "counted",
    "impossible",
    "impossible_labels",
    "log_odds",
    "n_clusters",
    "taken",
    "two_probs",
    "z_test",
]

_ONE_CLUSTER = "all rows are one cluster, and chance is seen between clusters only"


def counted(rows: Predictions) -> Predictions:
    """Return the rows of weight above 0, their weights divided by the largest.

    No test depends on the scale of the weights; squares of large ones might overflow.
    """
    if rows.weights is None:
        return rows
    weights = rows.weights / rows.weights.max()
    keep = weights > 0
    if keep.all():
        return replace(rows, weights=weights)
    return taken(replace(rows, weights=weights), np.flatnonzero(keep))


def taken(rows: Predictions, places: NDArray[np.intp]) -> Predictions:
    """Return the rows at these places."""
    weights, scores, clusters = rows.weights, rows.scores, rows.clusters
    return replace(
        rows,
        probs=rows.probs[places],
        labels=rows.labels[places],
        weights=None if weights is None else weights[places],
        log_loss=rows.log_loss[places],
        scores=None if scores is None else scores[places],
        label=None if rows.label is None else rows.label[places],
        clusters=None if clusters is None else np.unique(clusters[places], return_inverse=True)[1],
    )


def n_clusters(rows: Predictions) -> int | None:
    """Return the number of clusters; None without clusters."""
    return None if rows.clusters is None else int(rows.clusters.max()) + 1


def impossible_labels(rows: Predictions) -> str | None:
    """Return why no score exists if true classes have probability 0; None if none has."""
    return impossible(int(np.count_nonzero(np.isinf(rows.log_loss))))


def impossible(count: int) -> str | None:
    """Return why no score exists if so many rows have a true class of probability 0."""
    if not count:
        return None
    return f"{count_text(count, 'row has', 'rows have')} a true class of probability 0"


def log_odds(rows: Predictions, event: Event) -> NDArray[np.float64]:
    """Log-odds of the event in each row, (n,), from the logits and not from a rounded probability.

    Infinite where the event, or its opposite, has probability 0.
    """
    logits = rows.logits
    of_top = event.name == "top-label"
    columns = rows.predicted if of_top else np.full(len(rows.labels), event.name, dtype=np.intp)
    odds = np.empty(len(columns))
    for block in row_blocks(logits):
        others = np.array(logits[block], dtype=np.float64)
        at_event = (np.arange(len(others)), columns[block])
        of_event = as_float64(others[at_event])
        others[at_event] = -np.inf
        largest = others.max(axis=1)
        shift = np.where(np.isneginf(largest), 0.0, largest)
        with np.errstate(divide="ignore"):  # the event is the only option: log 0
            rest = np.log(np.exp(others - shift[:, None]).sum(axis=1))
        odds[block] = of_event - shift - rest
    return odds


def two_probs(odds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the probabilities of an event and of its opposite, each to full precision."""
    small = np.exp(-np.abs(odds))
    likely, unlikely = 1.0 / (1.0 + small), small / (1.0 + small)
    happens = odds > 0
    return np.where(happens, likely, unlikely), np.where(happens, unlikely, likely)


def z_test(
    name: str,
    scores: NDArray[np.float64],
    variances: NDArray[np.float64],
    rows: Predictions,
    signs: tuple[Direction, Direction],
) -> CalibrationTest:
    """Test that scores of (counted) rows have mean 0.

    `variances` are those under the null; with clusters, the squares of their sums take the place.
    """
    weighted = scores if rows.weights is None else rows.weights * scores
    if rows.clusters is not None:
        if n_clusters(rows) == 1:
            return CalibrationTest.undefined(name, _ONE_CLUSTER)
        sums = np.bincount(rows.clusters, weighted)
        variance = float(sums @ sums)
    elif rows.weights is not None:
        variance = float((rows.weights * rows.weights) @ variances)
    else:
        variance = float(variances.sum())
    return CalibrationTest.normal(name, float(weighted.sum()), variance, signs)
