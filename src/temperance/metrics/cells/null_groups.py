"""A calibrated world of all classes at once: a label per row, groups that change their sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.binning import assign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.metrics.cells.class_sums import Binned
    from temperance.metrics.inputs import Predictions

    Array = NDArray[np.float64]

__all__ = ["classwise_null", "null_gaps"]

_MOST_GROUPS = 256
_FEWEST_GROUPS = 64
_NUMBERS = 1 << 17  # groups x classes
_AT_ONCE = 1 << 21  # draws x cells
_PER_STEP = 4  # doubles that one step of Philox makes


def null_gaps(rows: Predictions, binned: Binned, *, first: int, seed: int) -> Array:
    """Return sum w (p - k) per group, class and bin, (groups, k n_bins), with k drawn from p.

    The label of a row and its group depend on the seed and the row's number alone: `first` is
    that of the first row of the block.
    """
    n, k = rows.probs.shape
    n_bins, n_groups, w = binned.n_bins, _n_groups(k), rows.weights
    labels = _null_labels(rows.probs, first=first, seed=seed)
    group = (first + np.arange(n)) % n_groups
    gaps = np.zeros((n_groups, k, n_bins))
    low = binned.low if w is None else w[:, None] * binned.low
    gaps[:, :, 0] = _by_group(low, first, n_groups)
    high = binned.probability if w is None else w[binned.row] * binned.probability
    np.add.at(gaps, (group[binned.row], binned.column, binned.bins), high)
    bins = assign(rows.probs[np.arange(n), labels], binned.edges)
    np.subtract.at(gaps, (group, labels, bins), 1.0 if w is None else w)
    return gaps.reshape(n_groups, k * n_bins)


def classwise_null(
    gaps: Array, k: int, total: float, n_draws: int, *, seed: Sequence[int]
) -> Array:
    """Return classwise errors of calibrated worlds, (draws,): groups of rows change their sign.

    That keeps the covariance of the sums, over classes too: each row has one true class.
    """
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], size=(n_draws, len(gaps)))
    step = max(1, _AT_ONCE // n_draws)
    error = np.zeros(n_draws)
    for start in range(0, gaps.shape[1], step):
        error += np.abs(signs @ gaps[:, start : start + step]).sum(axis=1)
    return np.asarray(error / (k * total))


def _n_groups(k: int) -> int:
    return max(_FEWEST_GROUPS, min(_MOST_GROUPS, _NUMBERS // k))


def _by_group(values: Array, first: int, n_groups: int) -> Array:
    """Return sums over rows of one group, (groups, k): row i is of group (first + i) mod groups."""
    lead = first % n_groups
    sums = np.zeros((n_groups, values.shape[1]))
    head = values[: n_groups - lead]
    sums[lead : lead + len(head)] = head
    whole = (len(values) - len(head)) // n_groups
    end = len(head) + whole * n_groups
    sums += values[len(head) : end].reshape(whole, *sums.shape).sum(axis=0)
    sums[: len(values) - end] += values[end:]
    return sums


def _null_labels(probs: Array, *, first: int, seed: int) -> NDArray[np.intp]:
    """Return one label per row, drawn from its probabilities."""
    stream = np.random.Philox(np.random.SeedSequence([seed, 7]))
    stream.advance(first // _PER_STEP)
    skipped = first % _PER_STEP
    uniform = np.random.Generator(stream).random(skipped + len(probs))[skipped:]
    cumulative = probs.cumsum(axis=1)
    reached = cumulative[:, :-1] <= (uniform * cumulative[:, -1])[:, None]
    return np.asarray(reached.sum(axis=1))
