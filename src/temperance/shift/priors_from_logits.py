"""Class frequencies of new rows from logits: calibrated inside, and the doubt of that counted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from temperance.calibrators import (
    BiasCorrectedTemperatureScaling,
    TemperatureScaling,
    Training,
)
from temperance.checks import as_weights
from temperance.checks.frames import refuse_other_index
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.shift.calibrator_errors import source_errors
from temperance.shift.mixture import MOST_CLASSES
from temperance.shift.priors import Source, estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from temperance.checks.labels import Positions
    from temperance.shift.calibrator_errors import Fitted
    from temperance.shift.label_shift_result import LabelShift
    from temperance.shift.mixture import MixtureFit
    from temperance.shift.source_errors import SourceErrors

    Array = NDArray[np.float64]

__all__ = ["calibrator_of", "label_shift_of_logits", "label_shift_of_rows"]


def label_shift_of_logits(
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

    As `label_shift`, with the calibrator's own doubt in the standard errors and intervals.

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

    >>> shift = label_shift_of_logits(
    ...     [1.0] * 250 + [-1.0] * 150, [-1.0] * 4 + [1.0] * 4, [0, 0, 0, 1, 0, 1, 1, 1]
    ... )
    >>> shift.priors.round(4), shift.standard_errors.round(2)
    (array([0.25, 0.75]), array([0.35, 0.35]))
    """
    rows = Training.check(
        logits, labels, weights=weights, classes=classes, ignore_label=ignore_label,
        refuse_probs=refuse_probs,
    )  # fmt: skip
    calibrator = calibrator_of(rows)
    refuse_other_index(new=new, new_weights=new_weights)
    z, _ = calibrator.checked(new, class_axis=-1, refuse_probs=refuse_probs)
    return label_shift_of_rows(rows, z, as_weights(new_weights, n=len(z)), calibrator)


def label_shift_of_rows(
    rows: Training, new: NDArray[Any], new_weights: Array | None, calibrator: Fitted
) -> LabelShift:
    """Return the estimate from checked rows and a calibrator fitted on the source, `rows`."""
    if len(new) == 0:
        msg = "`new` must have at least one row."
        raise InvalidInputError(msg)
    probs = calibrator.apply(new, refuse_probs=False)
    source = Source.of_rows(calibrator.apply(rows.logits, refuse_probs=False), rows.weights)

    def errors(there: NDArray[np.bool_], fit: MixtureFit) -> SourceErrors:
        counted = (new, probs, new_weights)
        if new_weights is not None:
            kept = new_weights > 0.0
            counted = (new[kept], probs[kept], new_weights[kept])
        return source_errors(rows, calibrator, source.priors, counted, there, fit)

    if rows.k <= MOST_CLASSES:
        source = replace(source, errors=errors)
    found = estimate(probs, new_weights, source, rows.classes)
    return replace(found, calibrator=calibrator)


def calibrator_of(rows: Training) -> Fitted:
    """Return a calibrator with class biases, which label shift asks for; else the temperature."""
    try:
        return BiasCorrectedTemperatureScaling.fit(
            rows.logits,
            rows.positions,
            weights=rows.weights,
            classes=rows.classes,
            refuse_probs=False,
        )
    except NoOptimumError:
        return TemperatureScaling.fit(
            rows.logits,
            rows.positions,
            weights=rows.weights,
            classes=rows.classes,
            refuse_probs=False,
        )
