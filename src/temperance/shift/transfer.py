"""How a temperature fitted on reference rows does on new ones, and what would do better."""

from __future__ import annotations

from dataclasses import dataclass
from math import log, sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.calibrators import (
    BiasCorrectedTemperatureScaling,
    TemperatureScaling,
    Training,
)
from temperance.checks import as_groups, as_labels, as_weights, refuse_masked_labels
from temperance.checks.frames import refuse_other_index
from temperance.checks.ignored import kept_labels, kept_rows, labelled_rows
from temperance.checks.numbers import as_seed
from temperance.compare import compare_rows
from temperance.crossfit import cross_fit
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.frozen import Frozen
from temperance.metrics.estimates import gap_estimate
from temperance.metrics.implied import paired_gaps
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import N_RESAMPLES
from temperance.numerics import log_probs
from temperance.shift.covariates import covariate_weights
from temperance.shift.features import shape_features
from temperance.shift.priors_from_logits import calibrator_of, label_shift_of_rows
from temperance.shift.verdict import verdict_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.checks.labels import Positions
    from temperance.compare import Comparison
    from temperance.metrics.estimates import Estimate
    from temperance.shift.covariates import CovariateWeights
    from temperance.shift.label_shift_result import LabelShift

    Array = NDArray[np.float64]

__all__ = ["AS_IS", "AT_REFERENCE", "BIASED", "CORRECTED", "REFITTED", "Transfer", "transfer"]

AT_REFERENCE = "reference temperature"
AS_IS = "as it is"
REFITTED = "re-fitted on new rows"
BIASED = "class biases of the reference"
CORRECTED = "class frequencies corrected"
_LEVEL = 0.05
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
            "correction": None if self.correction is None else self.correction.to_dict(),
            "class_frequencies": self.frequencies.to_dict(),
            "covariates": None if self.covariates is None else self.covariates.to_dict(),
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
    z, _ = fitted.checked(new, class_axis=-1, refuse_probs=refuse_probs)
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
