"""Measure everything, from the same resamples."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from temperance.binning import BinSums, assign, bin_edges
from temperance.checks import as_groups
from temperance.checks.arguments import as_seed
from temperance.checks.arrays import rows_among
from temperance.checks.contradictions import contradictions
from temperance.checks.frames import refuse_other_index
from temperance.checks.label_matrix import LABEL_CLASSES
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.evaluation.evaluation import Evaluation
from temperance.evaluation.refinement import refinement_split
from temperance.metrics.base_rates import base_rates
from temperance.metrics.corp import corp_draws
from temperance.metrics.decomposition import brier_parts
from temperance.metrics.error_measures import calibration_error_of, draw_errors
from temperance.metrics.estimates import mean_estimate, score_estimate, share_estimate
from temperance.metrics.events import check_bins
from temperance.metrics.group_tests import class_table, group_table
from temperance.metrics.implied import implied_scores
from temperance.metrics.inputs import Predictions
from temperance.metrics.joint_tests import calibration_tests
from temperance.metrics.outcomes import Outcomes
from temperance.metrics.reliability import ReliabilityCurve
from temperance.metrics.resampling import N_RESAMPLES, Resampling, check_resamples
from temperance.metrics.scores import row_measures
from temperance.metrics.weak_calibration import weak_calibration_rows
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.metrics.estimates import Draws

__all__ = [
    "Groups",
    "evaluate",
    "evaluate_rows",
    "labelled_groups",
    "measure",
    "of_label_matrix",
    "weighing_groups",
]

Groups = tuple[tuple[str, ...], "NDArray[np.intp]"]


def evaluate(  # noqa: PLR0913  (each is something that only the user knows)
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    renormalize: bool = False,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> Evaluation:
    """Measure probabilities against labels.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Probabilities in [0, 1], rows summing to 1; (n,) is the probability of class 1. Use
        rows that the calibrator was not fitted on. Columns of a data frame name the classes.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names of columns.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Means count a row of weight 2 as two rows, and one of weight 0 is no row;
        intervals treat weights as importance weights (they widen with unequal weights).
    groups : array_like, shape (n,), optional
        Names of parts to look at separately (a subject, a hospital), with p-values corrected
        for their number.
    clusters : array_like, shape (n,), optional
        Names of what rows belong to (a patient, a game). Rows of one cluster are resampled and
        held out together, and intervals and tests allow for what they share.
    n_bins : int, default 15
        Bins of the calibration errors and the reliability diagram.
    n_resamples : int, default 1000
        Of the intervals and null bands of the calibration errors, 100 to 20,000.
    seed : int, default 0
        Of the resampling, and of the folds of the refinement.
    renormalize : bool, default False
        Divide each row of `probs` by its sum first, as `logits_from_probs` does.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    Evaluation
        Scores, accuracy, calibration errors with null bands, decompositions, tests, classes
        and groups. `print` it, or see it drawn in a notebook.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a value outside [0, 1], a row that does not sum to 1, a label out
        of range, labels or weights of another pandas index, bad weights, an unnamed group or
        cluster, `n_bins` < 1, `n_resamples` < 100.

    References
    ----------
    Broecker and Smith (2007), Increasing the Reliability of Reliability Diagrams,
    https://doi.org/10.1175/WAF993.1 (the null band).

    Examples
    --------
    >>> evaluation = evaluate([[0.75, 0.25], [0.75, 0.25]], [0, 1])
    >>> evaluation.ece.value, evaluation.accuracy.value
    (0.25, 0.5)
    """
    refuse_other_index(probs=probs, groups=groups)
    rows = Predictions.check(
        probs, labels, weights, clusters, classes=classes, ignore_label=ignore_label,
        renormalize=renormalize,
    )  # fmt: skip
    named = labelled_groups(groups, labels, ignore_label, n=len(rows.labels))
    rows, there = rows.weighing()
    named = weighing_groups(named, there)
    rows = of_label_matrix(rows, named)
    return evaluate_rows(rows, groups=named, n_bins=n_bins, n_resamples=n_resamples, seed=seed)


def of_label_matrix(rows: Predictions, groups: Groups | None) -> Predictions:
    """Return entries of `multilabel_rows` with each one's label, its group; others as they are."""
    if rows.classes != LABEL_CLASSES or groups is None or rows.clusters is None:
        return rows
    return replace(rows, label=groups[1], n_matrix_rows=int(rows.clusters.max()) + 1)


def labelled_groups(
    groups: ArrayLike | None, labels: ArrayLike, ignore_label: float | str | None, *, n: int
) -> Groups | None:
    """Return the checked groups of the n rows that are left without those of `ignore_label`."""
    if groups is None:
        return None
    keep = labelled_rows(labels, ignore_label)
    with rows_among(keep):
        return as_groups(kept_rows(groups, keep, name="groups"), n=n)


def weighing_groups(groups: Groups | None, there: NDArray[np.bool_] | None) -> Groups | None:
    """Return the groups of the rows that are there, of `Predictions.weighing`."""
    if groups is None or there is None:
        return groups
    names, numbers = groups
    used, numbers = np.unique(numbers[there], return_inverse=True)
    return tuple(names[number] for number in used), numbers


def evaluate_rows(
    rows: Predictions,
    *,
    groups: Groups | None = None,
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
) -> Evaluation:
    """Measure checked predictions (see `evaluate`); `groups` = names and each row's number."""
    return measure(rows, groups=groups, n_bins=n_bins, n_resamples=n_resamples, seed=seed)[0]


def measure(
    rows: Predictions, *, groups: Groups | None, n_bins: int, n_resamples: int, seed: int
) -> tuple[Evaluation, dict[str, Draws]]:
    """Return the evaluation, and the draws that differences from other models need."""
    n_bins, n_resamples = check_bins(n_bins), check_resamples(n_resamples)
    resampling = Resampling(rows, n_resamples, as_seed(seed))
    edges = bin_edges(rows.confidence, n_bins=n_bins, binning="equal-width", weights=rows.weights)
    bins = assign(rows.confidence, edges)
    binned = BinSums.of(rows.confidence, rows.correct, rows.weights, bins, n_bins)
    drawn, of_classes = draw_errors(resampling, n_bins=n_bins)
    corp, log_parts, corp_parts = corp_draws(resampling)
    measures = row_measures(rows)
    means = MeanSums.of(measures, rows.weights, rows.clusters)
    implied = implied_scores(rows, measures[:, :2])
    tied, gained = rows.ties()
    outcomes = Outcomes.of(rows)
    errors = {name: calibration_error_of(name, each) for name, each in drawn.items()}
    evaluation = Evaluation(
        n=len(rows.labels),
        n_classes=rows.probs.shape[1],
        log_loss=score_estimate(means, 0, implied, 0, highest=inf),
        brier=score_estimate(means, 1, implied, 1, highest=2.0),
        accuracy=share_estimate(means, 2),
        confidence=mean_estimate(means, 3, bounds=(0.0, 1.0)),
        errors=errors,
        refinement=refinement_split(rows, seed=seed),
        corp=corp,
        log_parts=log_parts,
        brier_parts=brier_parts(resampling),
        tests=calibration_tests(rows, ece=errors["ece"], miscalibration=corp.miscalibration),
        reliability=ReliabilityCurve.from_sums(binned, edges),
        classes=class_table(rows, of_classes),
        groups=() if groups is None else group_table(rows, *groups, seed=seed),
        zero_probability_labels=int(np.count_nonzero(np.isinf(rows.log_loss))),
        n_clusters=None if rows.clusters is None else int(rows.clusters.max()) + 1,
        n_bins=n_bins,
        n_resamples=n_resamples,
        seed=seed,
        notes=contradictions(
            rows.logits,
            rows.labels,
            kind="probs" if rows.scores is None else "logits",
            classes=rows.classes,
            of_classes=outcomes.kind == "classes",
        ),
        tied_rows=tied,
        tie_neutral_accuracy=min(max(means.mean(2) + gained / means.weight, 0.0), 1.0),
        base_rates=base_rates(rows),
        weak_calibration=weak_calibration_rows(rows) if rows.probs.shape[1] == 2 else None,
        outcomes=outcomes,
    )
    return evaluation, {**drawn, **corp_parts}
