"""Rows that are not draws of their own: of weight 0, of one id, copies, alike neighbours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.checks import as_known_names
from temperance.crossfit import row_hashes
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, centred_rows, row_blocks, row_maxima

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.rows.memory import Rows

    Array = NDArray[np.float64]

__all__ = [
    "Copies",
    "RepeatedIds",
    "copies_of",
    "more_alike_than_chance",
    "neighbours_alike",
    "weighing_rows",
    "with_repeats",
]

# Copies of other rows, and neighbours that are alike: what chance does not explain.


_RARE = 1e-4  # probability that ties by chance look like copies
_DOUBT = 0.7  # of the disagreements expected, for they are estimated
_SHARE = 0.01  # of the rows; fewer copies hardly matter
_SATURATED = 1e-6  # a row that leaves the other classes less than this is rounded to certainty
_FEW = 30  # rows of one score; of more, their own hit rate explains how often they are right
_DIGITS = 5  # significant digits of a score that does not return by chance
_WINDOWS = (8, 32, 128)  # rows; neighbours are compared with rows so near
_LEAST_WINDOWS = 20
_ALIKE = 3.5  # standard errors, of the largest of all that are looked at
_LEAST = -10.0  # log-probability of a label; a smaller one counts as this
_SORTED = 1 / 3  # of turning points, 2/3 in rows that come by chance; fewer are a sorted file


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Rows with the scores and the label of an earlier row, too many to be so by chance."""

    n: int  # how many
    clusters: NDArray[np.intp]  # (n_rows,): of each row and its copies, 0..m-1


def copies_of(logits: NDArray[Any], labels: NDArray[np.intp]) -> Copies | None:
    """Return the copies among rows (n, k); None where there are none, or chance explains them.

    Scores of few values tie by chance, and the labels of such ties differ as labels do. Copies
    are told from them by any of three signs: every row is there the same number of times; labels
    of ties agree where many would differ by chance; or the scores have so many digits that they
    do not return by chance, and no tie has two labels.
    """
    _, of_scores = np.unique(row_hashes([logits]), return_inverse=True)
    pairs = of_scores * np.int64(int(labels.max(initial=0)) + 1) + labels
    _, of_row, times = np.unique(pairs, return_inverse=True, return_counts=True)
    n = len(labels) - len(times)
    if n < max(2.0, _SHARE * len(labels)):
        return None
    every = int(np.gcd.reduce(times))
    if every > 1 and 2.0 ** -len(times) < _RARE:
        return _numbered(of_row, times // every)
    if _labels_agree(logits, labels, of_scores) or (
        _one_label_each(of_scores, len(times)) and _many_digits(logits, of_row, times) >= n / 2
    ):
        return _numbered(of_row, np.ones_like(times))
    return None


def _numbered(of_row: NDArray[np.intp], times: NDArray[np.intp]) -> Copies:
    """Return so many clusters of each distinct row: which of equal rows is where is all one."""
    order = np.argsort(of_row, kind="stable")
    start = np.r_[0, np.cumsum(np.bincount(of_row))[:-1]]
    place = np.empty(len(of_row), dtype=np.intp)
    place[order] = np.arange(len(of_row)) - start[of_row[order]]
    first = np.r_[0, np.cumsum(times)[:-1]]
    clusters = first[of_row] + place % times[of_row]
    return Copies(len(of_row) - int(times.sum()), clusters)


def _one_label_each(of_scores: NDArray[np.intp], n_pairs: int) -> bool:
    return int(of_scores.max()) + 1 == n_pairs


def _labels_agree(
    logits: NDArray[Any], labels: NDArray[np.intp], of_scores: NDArray[np.intp]
) -> bool:
    """Whether far fewer ties are right once and wrong once than their hit rate lets expect.

    The hit rate is that of scores of like confidence: few, for those of a tree's leaves differ much
    from one another. Of a score that many rows have, the rows themselves tell its hit rate, and it
    explains how often they are right. A label among several largest is right, in any order of them.
    """
    right = logits[np.arange(len(labels)), labels] == row_maxima(logits)
    sizes = np.bincount(of_scores)
    hits = np.bincount(of_scores, right, len(sizes))
    _, first = np.unique(of_scores, return_index=True)
    order = np.argsort(_confidence(logits[first]), kind="stable")
    rate = np.empty(len(sizes))
    rate[order] = _moving_mean((hits / sizes)[order])  # a row counts once, and so do its copies
    ties = (sizes > 1) & (sizes <= _FEW)
    minority = np.minimum(hits, sizes - hits)[ties].sum()
    return _below(int(minority), _DOUBT * _minorities(sizes[ties], rate[ties]).sum())


def _minorities(sizes: NDArray[np.intp], rate: Array) -> Array:
    """Return the mean of min(x, m - x), x of a binomial distribution."""
    expected = np.zeros(len(sizes))
    for m in np.unique(sizes):
        own = np.flatnonzero(sizes == m)
        p = np.clip(rate[own], 1e-300, 1.0)
        total, ways = np.zeros(len(own)), 1.0
        for x in range(int(m) + 1):
            total += min(x, m - x) * ways * p**x * (1.0 - p) ** (m - x)
            ways *= (m - x) / (x + 1)
        expected[own] = total
    return expected


def _moving_mean(values: Array) -> Array:
    """Return the mean of each value and its neighbours, a twentieth of all and at least 5."""
    half = max(2, len(values) // 40)
    places = np.arange(len(values))
    start, stop = np.maximum(places - half, 0), np.minimum(places + half + 1, len(values))
    total = np.r_[0.0, np.cumsum(values)]
    return np.asarray((total[stop] - total[start]) / (stop - start))


def _below(count: int, mean: float) -> bool:
    """Whether a Poisson number of this mean is so small all but never."""
    if mean > 100.0:
        return count < mean - 4.0 * sqrt(mean)
    term = total = exp(-mean)
    for x in range(1, count + 1):
        term *= mean / x
        total += term
    return total < _RARE


def _many_digits(logits: NDArray[Any], of_row: NDArray[np.intp], times: NDArray[np.intp]) -> int:
    """Return how many rows tie with an earlier one in scores that are neither short nor certain."""
    _, first = np.unique(of_row, return_index=True)
    first = first[times > 1]
    z = as_float64(logits[first])
    p = np.exp(z - np.logaddexp.reduce(z, axis=1, keepdims=True))
    unsure = 1.0 - row_maxima(p) > _SATURATED
    long = np.zeros(len(first), dtype=bool)
    for values in (z, p):  # files hold logits or probabilities
        scale = 10.0 ** (_DIGITS - 2 - np.floor(np.log10(np.where(values == 0, 1, np.abs(values)))))
        scaled = np.where(np.isfinite(values), values, 0.0) * np.where(
            np.isfinite(scale), scale, 1.0
        )
        short = np.abs(scaled - np.rint(scaled)) < 1e-4
        fine = ~short.all(axis=1)
        long = fine if values is z else long & fine
    return int((times[times > 1] - 1)[unsure & long].sum())


def neighbours_alike(logits: NDArray[Any], labels: NDArray[np.intp]) -> float | None:
    """Return how many standard errors neighbours are more alike than rows near by; None if few.

    Of each row: whether it is right, less what its confidence, label and predicted class let
    expect; and so for its log loss. The products of rows at most an eighth of a window apart are
    compared with those of all pairs in it, in windows of 8, 32 and 128 rows, so that nothing that
    changes slowly counts: files may be sorted or grouped. The standard error is that of the
    windows, as they differ. A file sorted so finely that the residuals themselves run up and down
    is not looked at.
    """
    n = len(labels)
    if n < _WINDOWS[0] * _LEAST_WINDOWS:
        return None
    widths = [width for width in _WINDOWS if n // width >= _LEAST_WINDOWS]
    values = [
        _excess(residual[start : start + n // width * width].reshape(-1, width))
        for residual in _residuals(logits, labels)
        for width in widths
        for start in (0, n % width)
    ]
    return max(values, default=None)


def _excess(windows: Array) -> float:
    """Return by how many standard errors near products exceed those of all pairs."""
    width = windows.shape[1]
    near = range(1, width // 8 + 1)
    products = sum((windows[:, lag:] * windows[:, :-lag]).sum(axis=1) for lag in near)
    # the mean of that sum over all orders of the rows of a window
    chance = (windows.sum(axis=1) ** 2 - (windows**2).sum(axis=1)) / (width * (width - 1))
    gap = products - chance * sum(width - lag for lag in near)
    spread = sqrt(float(gap @ gap))
    return float(gap.sum()) / spread if spread > 0.0 else 0.0


def more_alike_than_chance(likeness: float | None) -> bool:
    """Whether neighbours belong together, as far as one can tell."""
    return likeness is not None and likeness > _ALIKE


def _residuals(logits: NDArray[Any], labels: NDArray[np.intp]) -> list[Array]:
    """Return what of being right, and of the log loss, is peculiar to each row; none if sorted."""
    confidence, predicted = _confidence(logits), logits.argmax(axis=1)
    of_label = as_float64(logits[np.arange(len(labels)), labels])
    of_label = np.maximum(of_label - row_maxima(logits) + confidence, _LEAST)
    keys = (confidence, of_label, as_float64(logits[:, 0]))
    if any(_turning_points(np.round(key, 9)) < _SORTED for key in keys):
        return []
    ranks = np.unique(np.round(confidence, 9), return_inverse=True)[1]
    bins = ranks * max(1, min(20, len(labels) // 50)) // (int(ranks.max()) + 1)
    residuals = []
    for values in ((predicted == labels).astype(np.float64), of_label):
        residual = values
        for _ in range(3):
            for parts in (bins, labels, predicted):
                sizes = np.bincount(parts)
                residual = residual - (np.bincount(parts, residual) / np.maximum(sizes, 1))[parts]
        residuals.append(residual)
    return residuals


def _confidence(logits: NDArray[Any]) -> Array:
    """Return the log of each row's largest probability."""
    confidence = np.empty(len(logits))
    for rows in row_blocks(logits):
        z = as_float64(logits[rows])
        z = centred_rows(z)
        confidence[rows] = -np.log(np.exp(z, out=z).sum(axis=1))
    return confidence


def _turning_points(values: Array) -> float:
    """Return the share of inner values above or below both neighbours; equal neighbours are one."""
    values = values[np.r_[True, values[1:] != values[:-1]]]
    if len(values) < 3:
        return 1.0
    steps = values[1:] > values[:-1]
    return float((steps[1:] != steps[:-1]).mean())


# What follows for the rows of a file.


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
