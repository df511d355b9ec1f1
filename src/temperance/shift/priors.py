"""The class frequencies of new rows without labels, from probabilities or from logits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import BiasCorrectedTemperatureScaling, TemperatureScaling, Training
from temperance.checks import as_classes, as_probs, as_weights
from temperance.checks.arrays import as_array, as_numbers, row_name, such_rows
from temperance.checks.forms import named_scores, refuse_other_index
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.numerics import as_float64
from temperance.shift.label_shift import LabelShift
from temperance.shift.mixture import MOST_CLASSES, fit_mixture
from temperance.shift.prior_errors import (
    PriorErrors,
    SourceErrors,
    mean_covariance,
    prior_errors,
    source_errors,
)
from temperance.significance import CalibrationTest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.checks.labels import Positions
    from temperance.shift.mixture import MixtureFit
    from temperance.shift.prior_errors import Fitted

    Array = NDArray[np.float64]

__all__ = [
    "estimate_label_shift",
    "estimate_label_shift_from_logits",
    "label_shift_of_rows",
    "source_calibrator",
]

# The class frequencies of new rows without labels, if nothing but they has moved.


_SUM_TOLERANCE = 1e-3  # of given class frequencies, as of a row of probabilities
_ROWS_PER_CLASS = 5  # fewer than this, and the chi-square test finds differences where none are
_NO_VARIANCE = 1e-10  # of the largest eigenvalue
_ROUNDING = 1e-20  # a variance this small may be rounding alone


def estimate_label_shift(
    probs: ArrayLike,
    source_priors: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    source_weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
) -> LabelShift:
    r"""Estimate the class frequencies of unlabelled rows, and correct probabilities for them.

    Holds where only the frequencies of the classes have moved and each class looks as it did
    (more flu in winter), and where `probs` are calibrated on the source: calibrate first.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Calibrated probabilities of the new rows; (n,) is the probability of class 1.
    source_priors : array_like, shape (k,), or (m, k) with m of at least 2
        Class frequencies where `probs` are calibrated, summing to 1; or the calibrated
        probabilities of m source rows, whose mean is taken and whose chance counts in the
        standard errors and in the test. (k,) is taken for known exactly.
    weights : array_like, shape (n,), optional
        Finite, >= 0. Weight 0: the row is absent; unequal weights widen the standard errors.
    source_weights : array_like, shape (m,), optional
        Of the source rows.
    classes : sequence of k names, optional
        Names of the columns.

    Returns
    -------
    LabelShift
        New class frequencies with standard errors, a test, and `apply`.

    Raises
    ------
    InvalidInputError
        Wrong shape, no rows, values outside [0, 1] or nan, frequencies that do not sum to 1,
        or a class of source frequency 0 that rows give probability to.

    Notes
    -----
    With p = `probs` and :math:`\pi` = source frequencies, maximises
    :math:`\sum_i w_i \log \sum_k p_{ik} q_k / \pi_k` over the simplex. It is concave; its
    fixed point is Saerens' EM. The standard errors come from the observed information and take
    the probabilities as they are: errors of the calibrator are not in them, and matter where the
    new rows are more than those it was fitted on (`estimate_label_shift_from_logits` counts them).
    Intervals of frequencies within five standard errors of 0 or 1 follow the likelihood itself.

    The test compares the mean probabilities of the new rows with those of the source
    (Hotelling's T^2, chi-square with k - 1 degrees of freedom). A small p-value says that
    the rows differ, not that only the class frequencies do.

    References
    ----------
    Saerens, Latinne and Decaestecker (2002), Adjusting the Outputs of a Classifier to New a
    Priori Probabilities, Neural Computation 14, https://doi.org/10.1162/089976602753284446
    Alexandari, Kundaje and Shrikumar (2020), Maximum Likelihood with Bias-Corrected Calibration
    is Hard-To-Beat at Label Shift Adaptation, https://arxiv.org/abs/1901.06852

    Examples
    --------
    Rows that the model is sure of count themselves:

    >>> shift = estimate_label_shift([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]], [0.5, 0.5])
    >>> shift.priors.round(6)
    array([0.25, 0.75])
    >>> shift.apply([[0.5, 0.5]]).round(6)  # nothing known of the row: the new frequencies
    array([[0.25, 0.75]])
    """
    probs, classes = named_scores(probs, classes, name="probs", weights=weights)
    p = as_probs(probs)
    w, k = as_weights(weights, n=len(p)), p.shape[1]
    names = as_classes(classes, k=k)
    if np.ndim(as_array(source_priors, name="source_priors")) == 2:
        source_priors, _ = named_scores(
            source_priors, classes, name="source_priors", source_weights=source_weights
        )
        source = Source.of_rows(*_source_rows(source_priors, source_weights, k=k))
    else:
        source = Source(_as_priors(source_priors, source_weights, k=k, names=names))
    return estimate(p, w, source, names)


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Class frequencies where probabilities are calibrated, and how well they are known."""

    priors: Array  # (k,)
    covariance: Array | None = None  # of `priors`; None where they are known, or k is too large
    n: int | None = None  # rows; None where the frequencies were given
    errors: Callable[[NDArray[np.bool_], MixtureFit], SourceErrors] | None = None  # if not so

    @classmethod
    def of_rows(cls, probs: Array, weights: Array | None) -> Source:
        """Return the mean of the source rows' probabilities."""
        mean = probs.mean(axis=0) if weights is None else weights @ probs / weights.sum()
        small = probs.shape[1] <= MOST_CLASSES
        return cls(mean, mean_covariance(probs, weights) if small else None, len(probs))

    def errors_at(self, present: NDArray[np.bool_], fit: MixtureFit) -> SourceErrors | None:
        """Return the errors that the source adds to a fit of the classes that are there."""
        if self.errors is not None:
            return self.errors(present, fit)
        if self.covariance is None:
            return None
        return SourceErrors(self.covariance[np.ix_(present, present)])


def estimate(
    p: Array, w: Array | None, source: Source, names: tuple[str, ...] | None
) -> LabelShift:
    """Return the class frequencies of checked rows."""
    n, pi = len(p), source.priors
    if n == 0:
        msg = "`probs` must have at least one row: no frequencies can be seen in none."
        raise InvalidInputError(msg)
    _refuse_impossible(p, w, pi, names)
    present = pi > 0.0
    weighted = (p if w is None else p[w > 0.0])[:, present]
    weights = None if w is None else w[w > 0.0]
    fit = fit_mixture(weighted, pi[present], weights)
    errors = prior_errors(fit, pi[present], weighted, weights, source.errors_at(present, fit))
    covariance = None if source.covariance is None else source.covariance[np.ix_(present, present)]
    return LabelShift(
        priors=_spread(fit.priors, present, 0.0),
        source_priors=pi,
        errors=_spread_errors(errors, present),
        test=_test(weighted, weights, pi[present], covariance, source.n),
        n=n,
        effective_rows=fit.sums.weight**2 / fit.sums.squared_weight,
        n_source=source.n,
        passes=fit.passes,
        gap=fit.gap,
        gain=fit.sums.value / fit.sums.weight,
        classes=names,
    )


def _source_rows(
    source: ArrayLike, weights: ArrayLike | None, *, k: int
) -> tuple[Array, Array | None]:
    rows = as_probs(source, name="source_priors")
    if rows.shape[1] != k:
        msg = f"`source_priors` must have the {k} columns of `probs`, got {rows.shape[1]}."
        raise InvalidInputError(msg)
    if len(rows) < 2:
        msg = (
            f"`source_priors` of shape (m, k) must hold at least 2 source rows, got {len(rows)}. "
            "For class frequencies pass shape (k,)."
        )
        raise InvalidInputError(msg)
    return rows, as_weights(weights, n=len(rows))


def _as_priors(
    priors: ArrayLike, weights: ArrayLike | None, *, k: int, names: tuple[str, ...] | None
) -> Array:
    """Return class frequencies (k,) that sum to 1."""
    if weights is not None:
        msg = "`source_weights` belong to `source_priors` of shape (m, k); leave them out."
        raise InvalidInputError(msg)
    pi = as_float64(as_numbers(priors, name="source_priors"))
    if pi.shape != (k,):
        msg = (
            f"`source_priors` must have shape ({k},), one frequency per class, or (m, {k}), got "
            f"{pi.shape}."
        )
        raise InvalidInputError(msg)
    bad = ~((pi >= 0.0) & (pi <= 1.0))
    if bad.any():
        first = int(bad.argmax())
        name = names[first] if names else first
        msg = f"`source_priors` must lie in [0, 1]; class {name} has {pi[first]:g}."
        raise InvalidInputError(msg)
    if abs(pi.sum() - 1.0) > _SUM_TOLERANCE:
        msg = (
            f"`source_priors` must sum to 1 within {_SUM_TOLERANCE:g}, got {pi.sum():.6g}. "
            "Divide counts by their sum."
        )
        raise InvalidInputError(msg)
    return np.asarray(pi / pi.sum())


def _refuse_impossible(
    p: Array, weights: Array | None, pi: Array, names: tuple[str, ...] | None
) -> None:
    """Refuse a class that the source does not have and rows are said to be of."""
    w = np.ones(len(p)) if weights is None else weights
    impossible = (w @ p > 0.0) & (pi == 0.0)
    if impossible.any():
        first = int(impossible.argmax())
        rows = (p[:, first] > 0.0) & (w > 0.0)
        row = int(rows.argmax())
        msg = (
            f"`source_priors` must be above 0 for every class that rows may be of; class "
            f"{names[first] if names else first} has 0, and {row_name(row)} gives it probability "
            f"{p[row, first]:g} ({such_rows(rows)}). A class that the source "
            "never had cannot be corrected for: leave its column out."
        )
        raise InvalidInputError(msg)


def _test(
    p: Array, w: Array | None, pi: Array, covariance: Array | None, n_source: int | None
) -> CalibrationTest:
    """Whether mean probabilities differ from the source's by more than chance."""
    name, k = "class-frequencies", len(pi)
    n = len(p) if w is None else float(w.sum() ** 2 / (w @ w))
    fewest = min(n, n if n_source is None else n_source)
    if k > MOST_CLASSES or fewest < _ROWS_PER_CLASS * k:
        reason = f"too few rows for {k} classes: the test wants {_ROWS_PER_CLASS} per class"
        return CalibrationTest.undefined(name, reason)
    away = (p.mean(axis=0) if w is None else w @ p / w.sum()) - pi
    spread = mean_covariance(p, w)
    if covariance is not None:
        spread = spread + covariance
    values, vectors = np.linalg.eigh(spread)
    varies = values > _NO_VARIANCE * max(values[-1], _ROUNDING)
    along = vectors.T @ away
    rank = min(int(np.count_nonzero(varies)), k - 1)
    statistic = float((along[varies] ** 2 / values[varies]).sum())
    return CalibrationTest.chi_square(name, statistic, rank)


def _spread(values: Array, present: NDArray[np.bool_], empty: float) -> Array:
    """Values of the classes that are there, among all classes."""
    full = np.full(len(present), empty)
    full[present] = values
    return full


def _spread_errors(errors: PriorErrors, present: NDArray[np.bool_]) -> PriorErrors:
    """Errors of all classes: one that neither side has is 0 for certain."""
    boundary = np.ones(len(present), dtype=bool)
    boundary[present] = errors.on_boundary
    curves = replace(errors.curves, classes=np.flatnonzero(present)[errors.curves.classes])
    return PriorErrors(_spread(errors.variance, present, 0.0), boundary, curves)


# Class frequencies of new rows from logits: calibrated inside, and the doubt of that counted.


def estimate_label_shift_from_logits(
    new: ArrayLike,
    logits: ArrayLike,
    labels: ArrayLike | Positions,
    *,
    new_weights: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
) -> LabelShift:
    """Calibrate on labelled source rows, then estimate the class frequencies of new rows.

    As `estimate_label_shift`, with the calibrator's own doubt in the standard errors and intervals.

    Parameters
    ----------
    new : array_like, shape (m, k) or (m,)
        Logits of the new rows.
    logits, labels : array_like, shapes (n, k) or (n,), and (n,)
        Source rows of the same model, as in `TemperatureScaling.fit`.
    new_weights, weights : array_like, shapes (m,) and (n,), optional
        Finite, >= 0.
    classes : sequence of k names, optional
        Names of the columns.
    ignore_label : int or str, optional
        Source rows of this label are left out.
    refuse_probs : bool, default True
        As in `TemperatureScaling.fit`, of both.

    Returns
    -------
    LabelShift
        Its `calibrator` has a bias per class; a temperature alone where the biases have no
        optimum. `apply` takes the calibrator's probabilities.

    Raises
    ------
    InvalidInputError
        As in `TemperatureScaling.fit`; new rows of other width, or none.
    NoOptimumError
        The source rows have no best temperature.

    Notes
    -----
    The source's frequencies are the means of its calibrated probabilities. One source row moves
    them, the temperature and the biases together; the estimate's derivative in each turns that into
    its error (delta method, sandwich).

    References
    ----------
    Alexandari, Kundaje and Shrikumar (2020), Maximum Likelihood with Bias-Corrected Calibration
    is Hard-To-Beat at Label Shift Adaptation, https://arxiv.org/abs/1901.06852

    Examples
    --------
    Log-odds of 1 in 1/4 of class 0 and in 3/4 of class 1, and now in 5/8 of all rows: class 1 has
    become 3/4 of them. With eight source rows nobody can be sure.

    >>> shift = estimate_label_shift_from_logits(
    ...     [1.0] * 250 + [-1.0] * 150, [-1.0] * 4 + [1.0] * 4, [0, 0, 0, 1, 0, 1, 1, 1]
    ... )
    >>> shift.priors.round(4), shift.standard_errors.round(2)
    (array([0.25, 0.75]), array([0.35, 0.35]))
    """
    rows = Training.check(
        logits, labels, weights=weights, classes=classes, ignore_label=ignore_label,
        refuse_probs=refuse_probs,
    )  # fmt: skip
    calibrator = source_calibrator(rows)
    refuse_other_index(new=new, new_weights=new_weights)
    z = calibrator.outputs(new, refuse_probs=refuse_probs).scores[0]
    return label_shift_of_rows(rows, z, as_weights(new_weights, n=len(z)), calibrator)


def label_shift_of_rows(
    rows: Training, new: NDArray[Any], new_weights: Array | None, calibrator: Fitted
) -> LabelShift:
    """Return the estimate from checked rows and a calibrator fitted on the source, `rows`."""
    if len(new) == 0:
        msg = "`new` must have at least one row."
        raise InvalidInputError(msg)
    probs = calibrator.apply(new, refuse_probs=False, dtype=np.float64)
    known = calibrator.apply(rows.logits, refuse_probs=False, dtype=np.float64)
    source = Source.of_rows(known, rows.weights)

    def errors(present: NDArray[np.bool_], fit: MixtureFit) -> SourceErrors:
        new_rows = (new, probs, new_weights)
        if new_weights is not None:
            mask = new_weights > 0.0
            new_rows = (new[mask], probs[mask], new_weights[mask])
        return source_errors(rows, calibrator, source.priors, new_rows, present, fit)

    if rows.k <= MOST_CLASSES:
        source = replace(source, errors=errors)
    shift = estimate(probs, new_weights, source, rows.classes)
    return replace(shift, calibrator=calibrator)


def source_calibrator(rows: Training) -> Fitted:
    """Return a calibrator with class biases, which label shift asks for; else the temperature."""
    try:
        return BiasCorrectedTemperatureScaling.from_rows(rows)
    except NoOptimumError:
        return TemperatureScaling.from_rows(rows)
