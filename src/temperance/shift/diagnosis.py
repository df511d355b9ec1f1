"""How a temperature fitted on reference rows does on new ones, and what would do better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.calibrators import (
    TemperatureScaling,
    Training,
    out_of_fold_logits,
)
from temperance.checks import as_groups, as_labels, as_weights, refuse_masked_labels
from temperance.checks.arguments import as_seed
from temperance.checks.forms import refuse_other_index
from temperance.checks.labels import kept_labels, kept_rows, labelled_rows
from temperance.comparison import compare_rows
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.frozen import Frozen, plain
from temperance.metrics.estimates import gap_estimate
from temperance.metrics.implied import paired_gaps
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import N_RESAMPLES
from temperance.numerics import log_probs
from temperance.printable import digits_text
from temperance.shift.covariates import covariate_weights, shape_features
from temperance.shift.no_optimum import NoOptimum
from temperance.shift.priors import label_shift_of_rows, source_calibrator
from temperance.show import interval_text, number_text, p_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.checks.labels import Positions
    from temperance.comparison import Comparison
    from temperance.errors import NoOptimumReason
    from temperance.metrics.estimates import Estimate
    from temperance.shift.covariates import CovariateWeights
    from temperance.shift.label_shift import LabelShift

    Array = NDArray[np.float64]

__all__ = ["AS_IS", "AT_REFERENCE", "BIASED", "CORRECTED", "REFITTED", "Diagnosis", "diagnose"]

# What to do about a shift, in words a reader can act on.


_LEVEL = 0.05
_SURE = 1.96  # standard errors
_APART = 0.95  # AUC beyond which two sets hardly overlap
_WIDE = 1.3  # an interval of T that reaches this factor up or down tells too little


def verdict_of(diagnosis: Diagnosis) -> tuple[str, str]:
    """Return the verdict, and the sentences that say it."""
    if diagnosis.comparison is None:
        words = (
            "Without labels of the new rows nobody can say how well the temperature does there; "
            "the rows alone tell this much."
        )
        return "no labels", f"{words} {_about_rows(diagnosis)}"
    if diagnosis.refitted is None:
        none = diagnosis.no_optimum
        assert none is not None  # noqa: S101  (there are labels, and nothing was fitted to them)
        verdict = "no optimum" if none.tells else "too few rows"
        return verdict, f"{none.in_words()} {_about_rows(diagnosis)}"
    again = diagnosis.comparison.differences["re-fitted on new rows"].log_loss
    corrected = diagnosis.comparison.differences["class frequencies corrected"].log_loss
    biases = _about_biases(diagnosis.comparison)
    now = _with_interval(diagnosis.refitted)
    then = digits_text(diagnosis.reference.temperature, 3)
    if diagnosis.frequencies_moved and corrected.value < again.value:
        assert diagnosis.correction is not None  # noqa: S101  (there are labels)
        words = (
            f"The class frequencies have moved{_chance(diagnosis)}. Correcting for them gains "
            f"{_gain(diagnosis.correction)}, against the same map without the correction; "
            f"re-fitting the temperature gains {_gain(again)}.{biases}"
        )
        return "frequencies moved", words
    if again.high < 0.0:
        words = f"Re-fit: T should be {now} instead of {then}. That gains {_gain(again)}."
        return "re-fit", f"{words}{biases} {_about_rows(diagnosis)}"
    record = diagnosis.refitted.record
    assert record is not None  # noqa: S101  (a fit leaves one)
    if log(record.interval()[1] / record.temperature) > log(_WIDE):
        words = (
            f"Too few new rows to tell: they put T at {now}, the reference at {then}. Re-fitting "
            f"gains {_gain(again)}."
        )
        return "too few rows", f"{words}{biases} {_about_rows(diagnosis)}"
    holds = "The temperature still holds"
    if diagnosis.moved is not None and abs(diagnosis.moved) > _SURE:
        holds = "The temperature has moved a little, but still holds"
    words = (
        f"{holds}: the new rows put T at {now}, the reference at {then}, and "
        "re-fitting gains nothing that could be seen."
    )
    return "holds", f"{words}{biases} {_about_rows(diagnosis)}"


def _about_biases(comparison: Comparison) -> str:
    """Return that class biases of the reference do better than its temperature, or ""."""
    biased = comparison.differences.get("class biases of the reference")
    if biased is None or not biased.log_loss.high < 0.0:
        return ""
    return (
        " A temperature is not enough: a map with class biases, fitted on the reference as well, "
        f"gains {_gain(biased.log_loss)}."
    )


def _about_frequencies(diagnosis: Diagnosis) -> str:
    """Return whether the class frequencies have moved, as far as these rows tell."""
    p = diagnosis.frequencies.p_value
    if diagnosis.frequencies_moved:
        condition = ", if each class looks as it did" if diagnosis.comparison is None else ""
        return f"Class frequencies have moved{_chance(diagnosis)}{condition}."
    if p is None:
        return "Class frequencies cannot be compared: too few rows a class."
    if p < _LEVEL:
        return (
            f"The mean probabilities of the classes have moved{_chance(diagnosis)}, but correcting "
            "for the class frequencies gains nothing that could be seen."
        )
    if diagnosis.comparison is not None:  # the labels may say otherwise
        return "The mean probabilities of the classes look unchanged."
    return "Class frequencies look unchanged."


def _chance(diagnosis: Diagnosis) -> str:
    p = diagnosis.frequencies.p_value
    return "" if p is None else f" ({p_text(p)})"


def _about_rows(diagnosis: Diagnosis) -> str:
    """Return whether class frequencies moved and rows look different."""
    words = _about_frequencies(diagnosis)
    if diagnosis.covariates is None:
        return words
    if not diagnosis.covariates.told_apart:
        return f"{words} New and reference rows cannot be told apart by their probabilities."
    auc = diagnosis.covariates.auc.value
    if auc > _APART:
        return (
            f"{words} New rows hardly overlap with reference rows (AUC {auc:.2f}): no weighting of "
            "the reference can stand in for labels of new rows."
        )
    rows = f"{diagnosis.covariates.effective_rows:,.0f} of {diagnosis.n_reference:,}"
    return (
        f"{words} New rows can be told from reference rows (AUC {auc:.2f}); "
        f"weighed to look like them, the reference is worth {rows} rows."
    )


def _with_interval(scaling: TemperatureScaling) -> str:
    record = scaling.record
    assert record is not None  # noqa: S101  (a fit leaves one)
    low, high = (digits_text(end, 3) for end in record.interval())
    return f"{digits_text(scaling.temperature, 3)} ({low} to {high})"


def _gain(difference: Estimate) -> str:
    low, high = -difference.high, -difference.low
    return f"{number_text(-difference.value)} nats per row ({interval_text(low, high)})"


AT_REFERENCE = "reference temperature"
AS_IS = "as it is"
REFITTED = "re-fitted on new rows"
BIASED = "class biases of the reference"
CORRECTED = "class frequencies corrected"
_FEWEST = 10  # rows of each side that a classifier of the two needs

DiagnosisVerdict = Literal[
    "holds", "re-fit", "frequencies moved", "no optimum", "too few rows", "no labels"
]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Diagnosis(Frozen):
    """What is known of a temperature on rows it was not meant for; see `diagnose`."""

    reference: TemperatureScaling
    n_reference: int
    n_new: int
    comparison: Comparison | None  # on new rows, cross-fitted; None without labels
    correction: Estimate | None  # log loss with class frequencies corrected, less without; or None
    refitted: TemperatureScaling | None  # on all new rows; None without labels or optimum
    frequencies: LabelShift
    covariates: CovariateWeights | None  # None with fewer than 10 rows on one side
    weighted: TemperatureScaling | None  # of reference rows weighed to look like new ones
    no_optimum: NoOptimum | None = None  # why the new rows have no best temperature, if so

    @property
    def verdict(self) -> DiagnosisVerdict:
        """Return the verdict as one word or two; `in_words` says it in full."""
        return verdict_of(self)[0]  # type: ignore[return-value]

    @property
    def moved(self) -> float | None:
        """Z of log T between new and reference rows; None where T was not re-fitted."""
        if self.refitted is None or self.refitted.record is None or self.reference.record is None:
            return None
        errors = [r.standard_error / r.temperature for r in
                  (self.refitted.record, self.reference.record)]  # fmt: skip
        ratio = log(self.refitted.temperature / self.reference.temperature)
        return ratio / sqrt(errors[0] ** 2 + errors[1] ** 2)

    @property
    def frequencies_moved(self) -> bool | None:
        """Whether the class frequencies have moved; None where that cannot be tested.

        The mean probabilities must have moved by more than chance (p < .05). With labels,
        correcting for it must have paid as well: in log loss, against the same map without the
        correction. Where too few rows a class allow no test, that gain must be sure (95 %).
        """
        p, gain = self.frequencies.p_value, self.correction
        if p is None:
            return None if gain is None else gain.high < 0.0
        return p < _LEVEL and (gain is None or gain.value < 0.0)

    def in_words(self) -> str:
        """Return what to do, and why, in a few sentences."""
        return verdict_of(self)[1]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "verdict": self.verdict,
            "in_words": self.in_words(),
            "n_reference": self.n_reference,
            "n_new": self.n_new,
            "reference": _temperature(self.reference),
            "refitted": _temperature(self.refitted),
            "weighted": _temperature(self.weighted),
            "no_optimum": plain(self.no_optimum),
            "moved": self.moved,
            "comparison": None
            if self.comparison is None
            else self.comparison.to_dict(curves=False),
            "frequencies_moved": self.frequencies_moved,
            "correction": plain(self.correction),
            "class_frequencies": self.frequencies.to_dict(),
            "covariates": plain(self.covariates),
        }

    def __str__(self) -> str:
        parts = [self.in_words(), str(self.frequencies)]
        parts += [str(each) for each in (self.comparison, self.covariates) if each is not None]
        return "\n\n".join(parts)


def diagnose(  # noqa: PLR0913  (each is something that only the user knows)
    reference: ArrayLike,
    labels: ArrayLike | Positions,
    new: ArrayLike,
    new_labels: ArrayLike | Positions | None = None,
    *,
    weights: ArrayLike | None = None,
    new_weights: ArrayLike | None = None,
    new_clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    n_resamples: int = N_RESAMPLES,
    refuse_probs: bool = True,
    seed: int = 0,
) -> Diagnosis:
    """Fit a temperature on reference rows and see how it does on new ones.

    Parameters
    ----------
    reference, new : array_like, shapes (n, k) and (m, k), or (n,) and (m,)
        Logits of the same model, as in `TemperatureScaling.fit`.
    labels : array_like, shape (n,)
        True classes of the reference rows.
    new_labels : array_like, shape (m,), optional
        Of the new rows. Without them only class frequencies, and whether the rows look alike,
        can be told: not how well the probabilities do.
    weights, new_weights : array_like, shapes (n,) and (m,), optional
        Of the rows; finite, >= 0.
    new_clusters : array_like, shape (m,), optional
        Which new rows belong together.
    classes : sequence of k names, optional
        Names of the columns.
    ignore_label : int or str, optional
        Rows of this label are left out, of both sides.
    n_resamples : int, default 1000
        Of the intervals of calibration errors.
    refuse_probs : bool, default True
        As in `TemperatureScaling.fit`, of both sides.
    seed : int, default 0
        Of the folds and of the resamples, >= 0.

    Returns
    -------
    Diagnosis
        Measures of the new rows at the reference temperature, as they are, with the temperature
        re-fitted (cross-fitted), with class biases fitted on the reference, and with class
        frequencies corrected, all paired; the temperatures with intervals; class frequencies; and
        a verdict.

    Raises
    ------
    InvalidInputError
        As in `TemperatureScaling.fit`; new rows of other width.
    NoOptimumError
        The reference rows have no best temperature.

    Notes
    -----
    Class frequencies come from probabilities with class biases fitted on the reference rows
    (`estimate_label_shift_from_logits`), where these have an optimum, else from the temperature.
    What the correction gains is measured against the same map without it: that the biases beat a
    plain temperature is no sign of a shift, for they may have done so on the reference. The verdict
    is "frequencies moved" only where the mean probabilities have moved (p < .05), the correction
    gains by itself, and its log loss is below that of the re-fitted temperature. It is "no optimum"
    where no temperature is best on the new rows, and that refutes the reference's (`NoOptimum`).

    The weighted temperature is that of reference rows weighed by `covariate_weights` of
    `shape_features`.

    References
    ----------
    Ovadia et al. (2019), Can You Trust Your Model's Uncertainty?, https://arxiv.org/abs/1906.02530

    Examples
    --------
    New rows whose logits are twice as sharp, for labels drawn as before:

    >>> rng = np.random.default_rng(0)
    >>> z = 3 * rng.normal(size=(4000, 3))
    >>> y = (z / 1.5 + rng.gumbel(size=z.shape)).argmax(axis=1)
    >>> diagnosis = diagnose(z[:2000], y[:2000], 2 * z[2000:], y[2000:], n_resamples=100)
    >>> ratio = diagnosis.refitted.temperature / diagnosis.reference.temperature
    >>> diagnosis.verdict, bool(1.8 < ratio < 2.2)
    ('re-fit', True)
    """
    seed = as_seed(seed)
    rows = Training.check(
        reference, labels, weights=weights, classes=classes, ignore_label=ignore_label,
        refuse_probs=refuse_probs,
    )  # fmt: skip
    fitted = TemperatureScaling.from_rows(rows)
    refuse_other_index(
        new=new, new_labels=new_labels, new_weights=new_weights, new_clusters=new_clusters
    )
    z = fitted.outputs(new, refuse_probs=refuse_probs).scores[0]
    if len(z) == 0:
        msg = "`new` must have at least one row."
        raise InvalidInputError(msg)
    if new_labels is not None and (keep := labelled_rows(new_labels, ignore_label)) is not None:
        new_labels, z = kept_labels(new_labels, keep), kept_rows(z, keep, name="new")
        new_weights = kept_rows(new_weights, keep, name="new_weights")
        new_clusters = kept_rows(new_clusters, keep, name="new_clusters")
    new_w = as_weights(new_weights, n=len(z))
    calibrator = source_calibrator(rows)
    probs = calibrator.apply(z, refuse_probs=False, dtype=np.float64)
    frequencies = label_shift_of_rows(rows, z, new_w, calibrator)
    covariates, weighted = _weighted(rows, z, new_w, seed)
    labelled = None
    if new_labels is not None:
        maps = {AT_REFERENCE: fitted.scale(z, refuse_probs=False, dtype=np.float64), AS_IS: z}
        if calibrator.parts.class_bias is not None:
            maps[BIASED] = log_probs(probs)
        maps[CORRECTED] = log_probs(_corrected(frequencies, probs))
        target, clusters = _labelled(z, new_labels, new_w, new_clusters, like=rows)
        labelled = _with_labels(target, maps, clusters, n_resamples=n_resamples, seed=seed)
    comparison, correction, refitted, no_optimum = labelled or (None, None, None, None)
    return Diagnosis(
        reference=fitted,
        n_reference=rows.n,
        n_new=len(z),
        comparison=comparison,
        correction=correction,
        refitted=refitted,
        frequencies=frequencies,
        covariates=covariates,
        weighted=weighted,
        no_optimum=no_optimum,
    )


def _labelled(
    new: Array,
    labels: ArrayLike | Positions,
    weights: Array | None,
    clusters: ArrayLike | None,
    *,
    like: Training,
) -> tuple[Training, NDArray[np.intp] | None]:
    """Return the new rows with their labels, of the classes of the reference; and clusters."""
    y = as_labels(labels, n=len(new), k=like.k, classes=like.classes)
    refuse_masked_labels(new, y)
    units = None
    if clusters is not None:
        units = as_groups(clusters, n=len(new), name="new_clusters")[1]
    return Training(new, y, weights, like.classes), units


def _with_labels(
    target: Training,
    maps: dict[str, Array],
    clusters: NDArray[np.intp] | None,
    *,
    n_resamples: int,
    seed: int,
) -> tuple[Comparison, Estimate, TemperatureScaling | None, NoOptimum | None]:
    """Return what the labels of the new rows tell, of maps that were learned without them.

    Paired measures of the maps and of a re-fitted temperature (cross-fitted); what correcting the
    class frequencies gains against the same map without it; the temperature of all new rows, or why
    they have none.
    """
    refitted, again, reason = _refitted(target, clusters, seed)
    order = (AT_REFERENCE, AS_IS, REFITTED, BIASED, CORRECTED)
    if again is not None:
        maps = {**maps, REFITTED: again}
    predictions = {
        name: Predictions.from_logits(
            maps[name], target.labels, target.weights, clusters, classes=target.classes
        )
        for name in order
        if name in maps
    }
    comparison = compare_rows(predictions, n_resamples=n_resamples, seed=seed)
    uncorrected = predictions[BIASED if BIASED in maps else AT_REFERENCE]
    gain = gap_estimate(paired_gaps(predictions[CORRECTED], uncorrected), 0)
    no_optimum = None
    if reason is not None:
        no_optimum = NoOptimum.of(reason, target, maps[AT_REFERENCE], clusters)
    return comparison, gain, refitted, no_optimum


def _weighted(
    rows: Training, new: NDArray[Any], new_weights: Array | None, seed: int
) -> tuple[CovariateWeights | None, TemperatureScaling | None]:
    counts = (np.count_nonzero(w) if w is not None else len(z)
               for z, w in ((rows.logits, rows.weights), (new, new_weights)))  # fmt: skip
    if min(counts) < _FEWEST:
        return None, None
    covariates = covariate_weights(
        shape_features(rows.logits), shape_features(new),
        source_weights=rows.weights, target_weights=new_weights, seed=seed,
    )  # fmt: skip
    own = covariates.weights if rows.weights is None else covariates.weights * rows.weights
    try:
        scaling = TemperatureScaling.from_rows(rows.weighing(own))
    except NoOptimumError:
        return covariates, None
    return covariates, scaling


def _refitted(
    target: Training, clusters: NDArray[np.intp] | None, seed: int
) -> tuple[TemperatureScaling | None, Array | None, NoOptimumReason | None]:
    """Return the temperature of the new rows, their logits scaled by fits without them; or why not.

    Where the rows have a best temperature and some folds have none (one error in thousands of
    rows), all folds are fitted with a prior.
    """
    rows = replace(target, clusters=clusters)
    try:
        refitted = TemperatureScaling.from_rows(rows)
    except NoOptimumError as error:
        return None, None, error.reason
    try:
        return refitted, out_of_fold_logits(rows, TemperatureScaling.from_rows, seed=seed), None
    except NoOptimumError:
        held = replace(rows, prior=1.0)
    try:
        return refitted, out_of_fold_logits(held, TemperatureScaling.from_rows, seed=seed), None
    except NoOptimumError:  # one row, or one cluster
        return None, None, "no-rows"


def _corrected(frequencies: LabelShift, probs: Array) -> Array:
    try:
        return frequencies.apply(probs)
    except InvalidInputError:  # a row lies on classes of new frequency 0 alone
        return probs


def _temperature(scaling: TemperatureScaling | None) -> dict[str, Any] | None:
    if scaling is None or scaling.record is None:
        return None
    return {"temperature": scaling.temperature, "interval": list(scaling.record.interval())}
