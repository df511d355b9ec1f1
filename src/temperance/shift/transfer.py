"""How a temperature fitted on reference rows does on new ones, and what would do better."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.calibrators import BiasCorrectedTemperatureScaling, TemperatureScaling, Training
from temperance.checks import as_groups, as_labels, as_weights, refuse_masked_labels
from temperance.checks.arguments import as_seed
from temperance.checks.frames import refuse_other_index
from temperance.checks.labels import kept_labels, kept_rows, labelled_rows
from temperance.comparison import compare_rows
from temperance.crossfit import cross_fit
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.frozen import Frozen
from temperance.metrics.estimates import gap_estimate
from temperance.metrics.implied import paired_gaps
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import N_RESAMPLES
from temperance.numerics import log_probs
from temperance.plain import plain
from temperance.shift.covariates import covariate_weights, shape_features
from temperance.shift.priors import calibrator_of, label_shift_of_rows
from temperance.show import p_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.checks.labels import Positions
    from temperance.comparison import Comparison
    from temperance.metrics.estimates import Estimate
    from temperance.shift.covariates import CovariateWeights
    from temperance.shift.label_shift import LabelShift

    Array = NDArray[np.float64]

__all__ = ["AS_IS", "BIASED", "CORRECTED", "REFITTED", "Transfer", "transfer"]

# What to do about a shift, in words a reader can act on.


_LEVEL = 0.05
_SURE = 1.96  # standard errors
_APART = 0.95  # AUC beyond which two sets hardly overlap
_WIDE = 1.3  # an interval of T that reaches this factor up or down tells too little


def verdict_of(found: Transfer) -> tuple[str, str]:
    """Return the verdict, and the sentences that say it."""
    if found.comparison is None:
        words = (
            "Without labels of the new rows nobody can say how well the temperature does there; "
            "the rows alone tell this much."
        )
        return "no labels", f"{words} {_about_rows(found)}"
    if found.refitted is None:
        words = "Too few new rows to tell: they have no best temperature of their own."
        return "too few rows", f"{words} {_about_rows(found)}"
    again = found.comparison.differences["re-fitted on new rows"].log_loss
    corrected = found.comparison.differences["class frequencies corrected"].log_loss
    biases = _about_biases(found.comparison)
    now, then = _with_interval(found.refitted), f"{found.reference.temperature:.3g}"
    if found.frequencies_moved and corrected.value < again.value:
        assert found.correction is not None  # noqa: S101  (there are labels)
        words = (
            f"The class frequencies have moved{_chance(found)}. Correcting for them gains "
            f"{_gain(found.correction)}, against the same map without the correction; re-fitting "
            f"the temperature gains {_gain(again)}.{biases}"
        )
        return "frequencies moved", words
    if again.high < 0.0:
        words = f"Re-fit: T should be {now} instead of {then}. That gains {_gain(again)}."
        return "re-fit", f"{words}{biases} {_about_rows(found)}"
    record = found.refitted.record
    assert record is not None  # noqa: S101  (a fit leaves one)
    if log(record.interval()[1] / record.temperature) > log(_WIDE):
        words = (
            f"Too few new rows to tell: they put T at {now}, the reference at {then}. Re-fitting "
            f"gains {_gain(again)}."
        )
        return "too few rows", f"{words}{biases} {_about_rows(found)}"
    holds = "The temperature still holds"
    if found.moved is not None and abs(found.moved) > _SURE:
        holds = "The temperature has moved a little, but still holds"
    words = (
        f"{holds}: the new rows put T at {now}, the reference at {then}, and "
        "re-fitting gains nothing that could be seen."
    )
    return "holds", f"{words}{biases} {_about_rows(found)}"


def _about_biases(comparison: Comparison) -> str:
    """Return that class biases of the reference do better than its temperature, or ""."""
    found = comparison.differences.get("class biases of the reference")
    if found is None or not found.log_loss.high < 0.0:
        return ""
    return (
        " A temperature is not enough: a map with class biases, fitted on the reference as well, "
        f"gains {_gain(found.log_loss)}."
    )


def _about_frequencies(found: Transfer) -> str:
    """Return whether the class frequencies have moved, as far as these rows tell."""
    p = found.frequencies.p_value
    if found.frequencies_moved:
        given = ", if each class looks as it did" if found.comparison is None else ""
        return f"Class frequencies have moved{_chance(found)}{given}."
    if p is None:
        return "Class frequencies cannot be compared: too few rows a class."
    if p < _LEVEL:
        return (
            f"The mean probabilities of the classes have moved{_chance(found)}, but correcting for "
            "the class frequencies gains nothing that could be seen."
        )
    return "Class frequencies look unchanged."


def _chance(found: Transfer) -> str:
    p = found.frequencies.p_value
    return "" if p is None else f" ({p_text(p)})"


def _about_rows(found: Transfer) -> str:
    """Return whether class frequencies moved and rows look different."""
    words = _about_frequencies(found)
    if found.covariates is None:
        return words
    if not found.covariates.told_apart:
        return f"{words} New and reference rows cannot be told apart by their probabilities."
    auc = found.covariates.auc.value
    if auc > _APART:
        return (
            f"{words} New rows hardly overlap with reference rows (AUC {auc:.2f}): no weighting of "
            "the reference can stand in for labels of new rows."
        )
    rows = f"{found.covariates.effective_rows:,.0f} of {found.n_reference:,}"
    return (
        f"{words} New rows can be told from reference rows (AUC {auc:.2f}); "
        f"weighed to look like them, the reference is worth {rows} rows."
    )


def _with_interval(scaling: TemperatureScaling) -> str:
    record = scaling.record
    assert record is not None  # noqa: S101  (a fit leaves one)
    low, high = record.interval()
    return f"{scaling.temperature:.3g} ({low:.3g} to {high:.3g})"


def _gain(difference: Estimate) -> str:
    low, high = -difference.high, -difference.low
    return f"{-difference.value:.4f} nats per row ({low:.4f} to {high:.4f})"


AT_REFERENCE = "reference temperature"
AS_IS = "as it is"
REFITTED = "re-fitted on new rows"
BIASED = "class biases of the reference"
CORRECTED = "class frequencies corrected"
_FEWEST = 10  # rows of each side that a classifier of the two needs

Verdict = Literal["holds", "re-fit", "frequencies moved", "too few rows", "no labels"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Transfer(Frozen):
    """What is known of a temperature on rows it was not meant for; see `transfer`."""

    reference: TemperatureScaling
    n_reference: int
    n_new: int
    comparison: Comparison | None  # on new rows, cross-fitted; None without labels
    correction: Estimate | None  # log loss with class frequencies corrected, less without; or None
    refitted: TemperatureScaling | None  # on all new rows; None without labels or optimum
    frequencies: LabelShift
    covariates: CovariateWeights | None  # None with fewer than 10 rows on one side
    weighted: TemperatureScaling | None  # of reference rows weighed to look like new ones

    @property
    def verdict(self) -> Verdict:
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


def transfer(  # noqa: PLR0913  (each is something that only the user knows)
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
) -> Transfer:
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
    Transfer
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
    (`label_shift_of_logits`), where these have an optimum, else from the temperature. What the
    correction gains is measured against the same map without it: that the biases beat a plain
    temperature is no sign of a shift, for they may have done so on the reference. The verdict is
    "frequencies moved" only where the mean probabilities have moved (p < .05), the correction gains
    by itself, and its log loss is below that of the re-fitted temperature.

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
    >>> found = transfer(z[:2000], y[:2000], 2 * z[2000:], y[2000:], n_resamples=100)
    >>> found.verdict, bool(1.8 < found.refitted.temperature / found.reference.temperature < 2.2)
    ('re-fit', True)
    """
    seed = as_seed(seed)
    rows = Training.check(
        reference, labels, weights=weights, classes=classes, ignore_label=ignore_label,
        refuse_probs=refuse_probs,
    )  # fmt: skip
    fitted = TemperatureScaling.fit(
        rows.logits, rows.positions, weights=rows.weights, classes=rows.classes, refuse_probs=False
    )
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
    calibrator = calibrator_of(rows)
    probs = calibrator.apply(z, refuse_probs=False)
    frequencies = label_shift_of_rows(rows, z, new_w, calibrator)
    covariates, weighted = _weighted(rows, z, new_w, seed)
    comparison, refitted, correction = None, None, None
    if new_labels is not None:
        y = as_labels(new_labels, n=len(z), k=rows.k, classes=rows.classes)
        refuse_masked_labels(z, y)
        units = None
        if new_clusters is not None:
            units = as_groups(new_clusters, n=len(z), name="new_clusters")[1]
        target = Training(z, y, new_w, rows.classes)
        refitted, again = _refitted(target, units, seed)
        sides = {AT_REFERENCE: fitted.scale(z, refuse_probs=False), AS_IS: z}
        if again is not None:
            sides[REFITTED] = again
        same = AT_REFERENCE  # the map of the corrected probabilities, without the correction
        if isinstance(calibrator, BiasCorrectedTemperatureScaling):
            same = BIASED
            sides[BIASED] = log_probs(probs)
        sides[CORRECTED] = log_probs(_corrected(frequencies, probs))
        ways = {name: Predictions.from_logits(s, y, new_w, units) for name, s in sides.items()}
        comparison = compare_rows(ways, n_resamples=n_resamples, seed=seed)
        correction = gap_estimate(paired_gaps(ways[CORRECTED], ways[same]), 0)
    return Transfer(
        reference=fitted,
        n_reference=rows.n,
        n_new=len(z),
        comparison=comparison,
        correction=correction,
        refitted=refitted,
        frequencies=frequencies,
        covariates=covariates,
        weighted=weighted,
    )


def _weighted(
    rows: Training, new: NDArray[Any], new_weights: Array | None, seed: int
) -> tuple[CovariateWeights | None, TemperatureScaling | None]:
    counted = (np.count_nonzero(w) if w is not None else len(z)
               for z, w in ((rows.logits, rows.weights), (new, new_weights)))  # fmt: skip
    if min(counted) < _FEWEST:
        return None, None
    found = covariate_weights(
        shape_features(rows.logits), shape_features(new),
        source_weights=rows.weights, target_weights=new_weights, seed=seed,
    )  # fmt: skip
    own = found.weights if rows.weights is None else found.weights * rows.weights
    try:
        scaling = TemperatureScaling.fit(rows.logits, rows.labels, weights=own, refuse_probs=False)
    except NoOptimumError:
        return found, None
    return found, scaling


def _refitted(
    target: Training, clusters: NDArray[np.intp] | None, seed: int
) -> tuple[TemperatureScaling | None, Array | None]:
    """Return the temperature of the new rows, and their logits scaled by fits without them."""

    def fit(weights: Array | None) -> TemperatureScaling:
        return TemperatureScaling.fit(
            target.logits, target.labels, weights=weights, refuse_probs=False
        )

    def out_of_fold(weights: Array) -> Any:  # noqa: ANN401  (what `cross_fit` takes)
        fitted = fit(weights)
        return lambda held_out: fitted.scale(target.logits[held_out], refuse_probs=False)

    try:
        scaled = cross_fit(
            out_of_fold, target.labels,
            scores=(target.logits,), weights=target.weights, clusters=clusters, seed=seed,
        )  # fmt: skip
        return fit(target.weights), scaled
    except NoOptimumError:
        return None, None


def _corrected(frequencies: LabelShift, probs: Array) -> Array:
    try:
        return frequencies.apply(probs)
    except InvalidInputError:  # a row lies on classes of new frequency 0 alone
        return probs


def _temperature(scaling: TemperatureScaling | None) -> dict[str, Any] | None:
    if scaling is None or scaling.record is None:
        return None
    return {"temperature": scaling.temperature, "interval": list(scaling.record.interval())}
