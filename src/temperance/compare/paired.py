"""Measure several sets of probabilities on the same rows, resampled together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.checks.arguments import as_mapping
from temperance.checks.frames import frame_names, refuse_other_index
from temperance.compare.comparison import Comparison, Differences
from temperance.errors import InvalidInputError
from temperance.evaluate import labelled_groups, measure, of_label_matrix, weighing_groups
from temperance.metrics.error_measures import ERROR_NAMES, NO_INTERVAL
from temperance.metrics.estimates import Draws, gap_estimate
from temperance.metrics.implied import paired_gaps
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import N_RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from temperance.evaluate import Groups
    from temperance.metrics.estimates import Estimate
    from temperance.metrics.implied import GapSums

__all__ = ["compare", "compare_rows", "differences_of"]


def compare(
    probs: Mapping[str, ArrayLike],
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> Comparison:
    """Measure several sets of probabilities on the same rows, and their paired differences.

    Parameters
    ----------
    probs : mapping of name to array_like, shape (n, k) or (n,)
        The first one is the baseline, e.g. `{"before": p0, "after": p1}`. Columns of data frames
        are matched by name to those of the first.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names of columns; the same for all.
    weights : array_like, shape (n,), optional
        Finite, >= 0.
    groups, clusters : array_like, shape (n,), optional
        As in `evaluate`.
    n_bins : int, default 15
        Bins of the calibration errors.
    n_resamples : int, default 1000
        Of the intervals of the calibration errors, 100 to 20,000.
    seed : int, default 0
        Of the resampling; all sets are resampled together.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    Comparison
        An `Evaluation` of each, and the `Differences` of each from the baseline. The intervals
        are of paired differences, far narrower than two intervals side by side suggest.

    Raises
    ------
    InvalidInputError
        Fewer than two sets, sets of different shape or names, or as in `evaluate`.

    Notes
    -----
    Differences of means (log loss, Brier score, accuracy): normal interval of the paired
    differences. Miscalibration and discrimination: basic bootstrap, 2 d - q(97.5 %) to
    2 d - q(2.5 %). Calibration errors: d - own bias - 1.96 standard errors to d + the baseline's
    bias + 1.96 standard errors, because each may be too large by up to its bias. Classwise and
    top-label-conditional errors are left out: their intervals do not hold the truth.

    Examples
    --------
    >>> p, q = [[0.9, 0.1], [0.9, 0.1]], [[0.8, 0.2], [0.8, 0.2]]
    >>> compare({"before": p, "after": q}, [0, 1]).differences["after"].verdict("log_loss")
    'cannot tell'
    """
    rule = 'a mapping of name to probabilities, of two or more: {"a": probs, "b": probs}'
    probs = as_mapping(probs, name="probs", rule=rule)
    if len(probs) < 2:
        msg = f"`probs` must hold at least two sets to compare, got {len(probs)}."
        raise InvalidInputError(msg)
    refuse_other_index(**{f"probs[{name!r}]": each for name, each in probs.items()}, groups=groups)
    known = (
        classes
        if classes is not None
        else next((names for each in probs.values() if (names := frame_names(each))), None)
    )
    rows = {
        name: Predictions.check(
            values, labels, weights, clusters, classes=known, ignore_label=ignore_label
        )
        for name, values in probs.items()
    }
    (first, baseline), *others = rows.items()
    for name, other in others:
        if other.probs.shape != baseline.probs.shape:
            msg = (
                f"`probs` must all have the same shape; {first!r} has {baseline.probs.shape}, "
                f"{name!r} has {other.probs.shape}."
            )
            raise InvalidInputError(msg)
    named = labelled_groups(groups, labels, ignore_label, n=len(baseline.labels))
    there = baseline.weighing()[1]
    rows = {name: each.weighing()[0] for name, each in rows.items()}
    named = weighing_groups(named, there)
    rows = {name: of_label_matrix(each, named) for name, each in rows.items()}
    return compare_rows(rows, groups=named, n_bins=n_bins, n_resamples=n_resamples, seed=seed)


def compare_rows(
    rows: Mapping[str, Predictions],
    *,
    groups: Groups | None = None,
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare checked predictions of the same rows (see `compare`)."""
    measured = {
        name: measure(each, groups=groups, n_bins=n_bins, n_resamples=n_resamples, seed=seed)
        for name, each in rows.items()
    }
    first = next(iter(rows))
    return Comparison(
        evaluations={name: evaluation for name, (evaluation, _) in measured.items()},
        differences={
            name: differences_of(
                paired_gaps(rows[name], rows[first]), measured[name][1], measured[first][1]
            )
            for name in rows
            if name != first
        },
    )


def differences_of(
    gaps: GapSums, draws: dict[str, Draws], baseline: dict[str, Draws]
) -> Differences:
    """Return the differences that sums of paired gaps, and draws of both sets, make known."""
    of_means = {
        name: gap_estimate(gaps, column)
        for column, name in enumerate(("log_loss", "brier", "accuracy"))
    }
    return Differences({**of_means, **_of_draws(draws, baseline)})


def _of_draws(draws: dict[str, Draws], baseline: dict[str, Draws]) -> dict[str, Estimate]:
    differences = {}
    for name, own in draws.items():
        if name in NO_INTERVAL:
            continue
        of = Draws.error_difference if name in ERROR_NAMES else Draws.difference
        # of a debiased error, the square is resampled and the root is shown
        both = [each.root() if name == "debiased" else each for each in (own, baseline[name])]
        differences[name] = of(both[0], both[1])
    return differences
