"""Measure probabilities against labels: each number when it is asked for, from one seed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.binning import BinSums, assign, bin_edges
from temperance.blocks import report_step
from temperance.calibrators import TemperatureScaling, Training, out_of_fold_logits
from temperance.checks import as_groups
from temperance.checks.arguments import as_seed
from temperance.checks.arrays import rows_among
from temperance.checks.contradictions import contradictions
from temperance.checks.forms import refuse_other_index
from temperance.checks.label_matrix import LABEL_CLASSES
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.errors import NoOptimumError
from temperance.evaluation.evaluation import Evaluation, RefinementSplit, as_measures
from temperance.frozen import DeferredDict, deferred
from temperance.metrics.base_rates import base_rates
from temperance.metrics.corp import CORP_PARTS, corp_of_event
from temperance.metrics.decomposition import brier_parts, decompose, miscalibration_p_value
from temperance.metrics.error_measures import (
    ERROR_MEASURES,
    ERROR_NAMES,
    calibration_error_of,
    class_draws,
    class_null_draws,
    error_draws,
    ks_draws,
)
from temperance.metrics.estimates import (
    gap_estimate,
    mean_estimate,
    score_estimate,
    share_estimate,
)
from temperance.metrics.events import check_bins, named_event, ranks_of
from temperance.metrics.group_tests import class_table, group_table
from temperance.metrics.implied import implied_scores, paired_gaps
from temperance.metrics.inputs import Predictions, row_measures
from temperance.metrics.joint_tests import calibration_tests
from temperance.metrics.outcomes import Outcomes
from temperance.metrics.reliability import ReliabilityCurve
from temperance.metrics.resampling import N_RESAMPLES, Resampling, check_resamples
from temperance.metrics.weak_calibration import weak_calibration_rows
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.metrics.corp import CorpReliability
    from temperance.metrics.estimates import CalibrationError, Draws
    from temperance.metrics.group_tests import GroupResult
    from temperance.metrics.implied import ImpliedSums
    from temperance.metrics.joint_tests import CalibrationTests

__all__ = [
    "Groups",
    "Measures",
    "evaluate",
    "evaluate_rows",
    "labelled_groups",
    "of_label_matrix",
    "refinement_split",
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
    measures: Sequence[str] | None = None,
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
    measures : sequence of str, optional
        What tables, words and JSON hold, for instance `("log_loss", "ece")`; by default
        everything. What is not named costs no time: "log_loss", "brier", "accuracy", "confidence",
        "ece", "ece_equal_mass", "debiased", "smooth", "ks", "classwise", "top_label_conditional",
        "flattened", "refinement", "corp", "log_parts", "brier_parts", "tests", "reliability",
        "classes", "groups", "base_rates", "weak_calibration".

    Returns
    -------
    Evaluation
        Scores, accuracy, calibration errors with null bands, decompositions, tests, classes
        and groups. `print` it, or see it drawn in a notebook. Each is computed when it is first
        read, from a copy of what was given; until all have been, the value holds the rows.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, a value outside [0, 1], a row that does not sum to 1, a label out
        of range, labels or weights of another pandas index, bad weights, an unnamed group or
        cluster, `n_bins` < 1, `n_resamples` < 100, an unknown measure.

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
    group_labels = labelled_groups(groups, labels, ignore_label, n=len(rows.labels))
    rows, row_mask = rows.weighing()
    group_labels = weighing_groups(group_labels, row_mask)
    rows = of_label_matrix(rows, group_labels).apart_from(probs, labels, weights)
    return evaluate_rows(
        rows,
        groups=group_labels,
        n_bins=n_bins,
        n_resamples=n_resamples,
        seed=seed,
        measures=measures,
    )


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


def weighing_groups(groups: Groups | None, row_mask: NDArray[np.bool_] | None) -> Groups | None:
    """Return the groups of the rows that are there, of `Predictions.weighing`."""
    if groups is None or row_mask is None:
        return groups
    names, numbers = groups
    used, numbers = np.unique(numbers[row_mask], return_inverse=True)
    return tuple(names[number] for number in used), numbers


def evaluate_rows(
    rows: Predictions,
    *,
    groups: Groups | None = None,
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    measures: Sequence[str] | None = None,
) -> Evaluation:
    """Measure checked predictions (see `evaluate`); `groups` = names and each row's number."""
    shown = as_measures(measures)
    return Measures.of(
        rows, groups=groups, n_bins=n_bins, n_resamples=n_resamples, seed=seed, shown=shown
    ).evaluation()


@dataclass(frozen=True, eq=False)
class Measures:
    """What can be measured of checked predictions; each number is computed when it is asked for."""

    rows: Predictions
    groups: Groups | None
    n_bins: int
    n_resamples: int
    seed: int
    shown: tuple[str, ...] | None = None  # what tables hold; None = everything
    _draws: dict[str, Draws] = field(default_factory=dict)  # errors of the predicted class so far

    @classmethod
    def of(
        cls,
        rows: Predictions,
        *,
        groups: Groups | None,
        n_bins: int,
        n_resamples: int,
        seed: int,
        shown: tuple[str, ...] | None,
    ) -> Self:
        """Return the measures, or raise InvalidInputError for settings that are out of range."""
        seed = int(as_seed(seed))
        return cls(rows, groups, check_bins(n_bins), check_resamples(n_resamples), seed, shown)

    def evaluation(self) -> Evaluation:
        """Return them as one value, whose fields are computed when they are first read."""
        rows = self.rows
        outcomes = Outcomes.of(rows)
        return Evaluation(
            n=len(rows.labels),
            n_classes=rows.shape[1],
            log_loss=deferred(
                lambda: score_estimate(self._means, 0, self._implied, 0, highest=inf)
            ),
            brier=deferred(lambda: score_estimate(self._means, 1, self._implied, 1, highest=2.0)),
            accuracy=deferred(lambda: share_estimate(self._means, 2)),
            confidence=deferred(lambda: mean_estimate(self._means, 3, bounds=(0.0, 1.0))),
            errors=DeferredDict(
                ERROR_NAMES, lambda name: calibration_error_of(name, self.draws(name))
            ),
            refinement=deferred(lambda: refinement_split(rows, seed=self.seed)),
            corp=deferred(lambda: self._corp[0]),
            log_parts=deferred(lambda: decompose(rows, [named_event(rows, None)], score="log")),
            brier_parts=deferred(lambda: brier_parts(self._resampling())),
            tests=deferred(self._tests),
            reliability=deferred(self._reliability),
            classes=deferred(lambda: class_table(rows, self._of_classes[1])),
            groups=deferred(self._groups),
            zero_probability_labels=int(np.count_nonzero(np.isinf(rows.log_loss))),
            n_clusters=None if rows.clusters is None else int(rows.clusters.max()) + 1,
            n_bins=self.n_bins,
            n_resamples=self.n_resamples,
            seed=self.seed,
            notes=deferred(lambda: self._notes(outcomes)),
            tied_rows=deferred(lambda: self._ties[0]),
            tie_neutral_accuracy=deferred(
                lambda: min(max(self._means.mean(2) + self._ties[1] / self._means.weight, 0.0), 1.0)
            ),
            base_rates=deferred(lambda: base_rates(rows)),
            weak_calibration=deferred(
                lambda: weak_calibration_rows(rows) if rows.shape[1] == 2 else None
            ),
            outcomes=outcomes,
            measures=self.shown,
        )

    def _shows(self, name: str) -> bool:
        return self.shown is None or name in self.shown

    def draws(self, name: str) -> Draws:
        """Return the draws of a calibration error, or of a part of the CORP decomposition."""
        if name in CORP_PARTS:
            return self._corp[1][name]
        if ERROR_MEASURES[name].of is None:
            there = "_of_classes" in vars(self)
            return (self._of_classes[0] if there else self._of_cells)[name]
        if name == "ks" and name not in self._draws and self._shows("corp"):
            _ = self._corp  # of the same sums, mostly
        if name not in self._draws:
            self._draws[name] = error_draws(self._shared, name, n_bins=self.n_bins)
            report_step("measuring errors", len(self._draws), len(ERROR_MEASURES))
        return self._draws[name]

    def _resampling(self) -> Resampling:
        """Return resamples for one measure: what they hold goes with it."""
        return Resampling(self.rows, self.n_resamples, self.seed)

    @cached_property
    def _shared(self) -> Resampling:
        """Resamples for the measures of the predicted class: some bytes a row are kept."""
        return self._resampling()

    @cached_property
    def _corp(self) -> tuple[CorpReliability, dict[str, Draws]]:
        """The CORP diagram, and the draws of its parts; those of ks too, where ranks serve both."""
        event = named_event(self.rows, None)
        ranked = self._shared.sums(event, *ranks_of(event.probability))
        diagram = corp_of_event(self._shared, event, ranked)
        if event.name == "top-label" and self._shows("ks") and "ks" not in self._draws:
            self._draws["ks"] = ks_draws(self._shared, ranked)
        return diagram

    @cached_property
    def _of_cells(self) -> dict[str, Draws]:
        """The draws of the errors of all classes' cells, without each class's own."""
        return class_null_draws(self._shared.apart(), n_bins=self.n_bins)

    @cached_property
    def _of_classes(self) -> tuple[dict[str, Draws], list[CalibrationError]]:
        """The draws of the errors of all classes' cells, and each class's own error."""
        return class_draws(self._shared.apart(), n_bins=self.n_bins)

    @cached_property
    def _row_measures(self) -> NDArray[np.float64]:
        return row_measures(self.rows)

    @cached_property
    def _means(self) -> MeanSums:
        return MeanSums.of(self._row_measures, self.rows.weights, self.rows.clusters)

    @cached_property
    def _implied(self) -> ImpliedSums:
        return implied_scores(self.rows, self._row_measures[:, :2])

    @cached_property
    def _ties(self) -> tuple[int, float]:
        return self.rows.ties()

    def _tests(self) -> CalibrationTests:
        """Return the tests; where the CORP curve is wanted too, its draws are then kept."""
        if self._shows("corp") or "_corp" in vars(self):
            by_curve = self.draws("miscalibration").p_value()
        else:
            by_curve = miscalibration_p_value(self._shared)
        return calibration_tests(
            self.rows, ece_p_value=self.draws("ece").p_value(), miscalibration_p_value=by_curve
        )

    def _reliability(self) -> ReliabilityCurve:
        rows = self.rows
        edges = bin_edges(
            rows.confidence, n_bins=self.n_bins, binning="equal-width", weights=rows.weights
        )
        bins = assign(rows.confidence, edges)
        sums = BinSums.of(rows.confidence, rows.correct, rows.weights, bins, self.n_bins)
        return ReliabilityCurve.from_sums(sums, edges)

    def _groups(self) -> tuple[GroupResult, ...]:
        return () if self.groups is None else group_table(self.rows, *self.groups, seed=self.seed)

    def _notes(self, outcomes: Outcomes) -> tuple[str, ...]:
        rows = self.rows
        return contradictions(
            rows.logits,
            rows.labels,
            kind="probs" if rows.scores is None else "logits",
            classes=rows.classes,
            of_classes=outcomes.kind == "classes",
        )


# What of the log loss a temperature removes, and what it leaves.


def refinement_split(rows: Predictions, *, seed: int = 0) -> RefinementSplit | None:
    r"""Split the log loss by cross-fitted temperature scaling.

    `seed` draws the folds. None where a true class has probability 0: the log loss is infinite
    before and after. Where plain fits have no optimum (few rows, all right), a prior of one
    pseudo-row on T = 1 helps.

    Notes
    -----
    Calibration = L(p) - L(g(p)), refinement = L(g(p)), with g fitted out of fold: a lower bound
    on the true calibration error of the log loss, since one temperature is not every map.

    References
    ----------
    Berta, Bach and Jordan (2025), Rethinking Early Stopping: Refine, Then Calibrate,
    https://arxiv.org/abs/2501.19195
    """
    if np.isinf(rows.log_loss).any():
        return None
    for prior in (0.0, 1.0):
        try:
            fitted, scaled = _cross_fitted(rows, prior, seed)
        except NoOptimumError:
            continue
        after = Predictions.from_logits(scaled, rows.labels, rows.weights, rows.clusters)
        losses = after.log_loss[:, None]
        sums = MeanSums.of(losses, rows.weights, rows.clusters)
        return RefinementSplit(
            refinement=score_estimate(sums, 0, implied_scores(after, losses), 0, highest=inf),
            calibration=gap_estimate(paired_gaps(rows, after), 0),
            temperature=fitted.temperature,
        )
    return None


def _cross_fitted(
    rows: Predictions, prior: float, seed: int
) -> tuple[TemperatureScaling, NDArray[np.float64]]:
    training = Training(
        rows.logits, rows.labels, rows.weights, clusters=rows.clusters, prior=prior
    ).require_learnable(zeros=False)
    scaled = out_of_fold_logits(training, TemperatureScaling.from_rows, seed=seed)
    return TemperatureScaling.from_rows(training), scaled
