"""Temperature scaling: one positive number that softens or sharpens all logits."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.blocks import map_rows
from temperance.calibrators.existence import require_optimum
from temperance.calibrators.newton import minimise
from temperance.calibrators.record import FitRecord
from temperance.calibrators.tables import map_sketch, temperature_lines, temperature_table
from temperance.checks import (
    as_classes,
    as_labels,
    as_logits,
    as_weights,
    refuse_masked_labels,
)
from temperance.checks import (
    refuse_probs as refuse_probs_as_logits,
)
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels import LossSums, existence_sums, loss_sums
from temperance.numerics import as_float64, row_blocks, softmax
from temperance.show import beside, to_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["TemperatureScaling"]

_FEW_ROWS = 5  # fewer served rows than this may look like probabilities by chance


@dataclass(frozen=True, slots=True)
class TemperatureScaling:
    r"""Probabilities softmax(logits / temperature), one temperature for all classes.

    Parameters
    ----------
    temperature : float
        T > 0, without unit. T > 1 softens (the model was over-confident), T < 1 sharpens.
        The predicted class and the order of classes within a row never change.
    n_classes : int, optional
        Number of columns that `apply` accepts; None accepts any.
    classes : tuple of str, optional
        Names of the columns.
    record : FitRecord, optional
        How the temperature was found; None if it was typed in.

    Raises
    ------
    InvalidInputError
        `temperature` is not a finite number above 0.

    Notes
    -----
    `fit` minimises the mean log loss, which is convex in :math:`\beta = 1/T`, by safeguarded
    Newton steps on sums over blocks of rows. Whether a finite minimum exists is decided before
    the first step: it does if and only if some label is not its row's largest logit, and the
    labels' mean logit lies above the mean of the row means.

    References
    ----------
    Guo et al. (2017), On Calibration of Modern Neural Networks, Section 4.2,
    https://arxiv.org/abs/1706.04599

    Examples
    --------
    Log-odds of 2 for class 0, which is right in 2 rows of 3: they must become log 2.

    >>> scaling = TemperatureScaling.fit([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]], [0, 1, 1])
    >>> round(scaling.temperature, 4)
    2.8854
    >>> scaling.apply([[2.0, 0.0]]).round(4)
    array([[0.6667, 0.3333]])
    """

    method: ClassVar[str] = "temperature"

    temperature: float
    n_classes: int | None = None
    classes: tuple[str, ...] | None = None
    record: FitRecord | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.temperature < inf:
            msg = f"`temperature` must be a finite number above 0, got {self.temperature}."
            raise InvalidInputError(msg)

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        prior: float = 0.0,
        classes: Sequence[object] | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        r"""Return the temperature that minimises the mean log loss.

        Parameters
        ----------
        logits : array_like, shape (n, k) or (n,)
            Raw scores, natural-log scale, any offset per row; float16, bfloat16, float32 or
            float64. -inf marks an option that does not exist in its row. Shape (n,) is the
            log-odds of class 1, read as (0, z). For probabilities pass
            `logits_from_probs(probs)`.
        labels : array_like, shape (n,)
            True classes: integers in 0..k-1 (whole floats count), or names in `classes`.
        weights : array_like, shape (n,), optional
            Finite, >= 0. A row of weight 2 counts as two rows.
        prior : float, default 0.0
            Strength >= 0, in pseudo-rows, of a prior on T = 1: adds
            :math:`\lambda (\beta - 1 - \log \beta) / W` to the mean loss, which gives one
            finite temperature on any data.
        classes : sequence of k names, optional
            Names of the columns.
        refuse_probs : bool, default True
            Raise if all values lie in [0, 1] and rows sum to 1, as probabilities do. False
            takes them for logits all the same.

        Returns
        -------
        TemperatureScaling
            A fitted calibrator with its `record`. There is no unfitted state.

        Raises
        ------
        InvalidInputError
            Wrong shape or dtype, nan or +inf, a row all -inf, a label that is out of range or
            masked, weights that are negative or all zero, logits that are probabilities.
        NoOptimumError
            No finite temperature exists; `reason` is `"no-rows"`, `"constant-logits"`,
            `"separable"` (T = 0) or `"worse-than-chance"` (T infinite).
        """
        z = as_logits(logits)
        n, k = z.shape
        names = as_classes(classes, k=k)
        y = as_labels(labels, n=n, k=k, classes=names)
        w = as_weights(weights, n=n)
        if not 0.0 <= prior < inf:
            msg = f"`prior` must be a finite number >= 0, got {prior}."
            raise InvalidInputError(msg)
        if n == 0:
            msg = "There are no rows: a temperature needs labelled rows."
            raise NoOptimumError(msg, reason="no-rows")
        if refuse_probs:
            refuse_probs_as_logits(logits)
        refuse_masked_labels(z, y)
        if prior == 0.0:
            require_optimum(map_rows(existence_sums, z, y, w))

        def sums_at(beta: float) -> LossSums:
            return map_rows(lambda *block: loss_sums(*block, beta=beta), z, y, w)

        minimum = minimise(sums_at, prior=prior)
        passes = minimum.evaluations + (prior == 0.0)
        record = FitRecord.of(minimum, n=n, prior=float(prior), passes=passes)
        return cls(record.temperature, n_classes=k, classes=names, record=record)

    def apply(self, logits: ArrayLike, *, refuse_probs: bool = True) -> NDArray[np.float64]:
        """Return calibrated probabilities.

        Parameters
        ----------
        logits : array_like, shape (n, k) or (n,)
            As in `fit`; with -inf where an option does not exist.
        refuse_probs : bool, default True
            Raise if five or more rows are all probabilities; False takes them for logits.

        Returns
        -------
        ndarray of float64, shape (n, k)
            Rows sum to 1; masked options have probability 0. The predicted class is that of
            the logits, to the last bit. A row's result does not depend on the other rows.

        Raises
        ------
        InvalidInputError
            Wrong shape, nan, +inf, another number of classes than in the fit, or
            probabilities (pass `logits_from_probs(probs)`).
        """
        z = self._checked(logits, refuse_probs=refuse_probs)
        probs = np.empty(z.shape)
        for rows in row_blocks(z):
            block = as_float64(z[rows])
            centred = block - block.max(axis=1, keepdims=True)
            with np.errstate(over="ignore"):
                out = softmax(centred / self.temperature)
            _keep_predicted_class(out, centred.argmax(axis=1))
            probs[rows] = out
        return probs

    def scale(self, logits: ArrayLike, *, refuse_probs: bool = True) -> NDArray[np.float64]:
        """Return calibrated logits, logits / temperature, in the shape they came in.

        Parameters
        ----------
        logits : array_like, shape (n, k) or (n,)
            As in `apply`.
        refuse_probs : bool, default True
            As in `apply`.

        Returns
        -------
        ndarray of float64
            Same shape; -inf stays -inf. Their softmax is `apply(logits)`.

        Raises
        ------
        InvalidInputError
            As in `apply`.

        Examples
        --------
        >>> TemperatureScaling(2.0).scale([[3.0, 1.0]])
        array([[1.5, 0.5]])
        """
        z = as_float64(self._checked(logits, refuse_probs=refuse_probs)) / self.temperature
        return z[:, 1] if np.ndim(logits) == 1 else z

    def parameters(self) -> dict[str, Any]:
        """Return the numbers that define the map, enough to apply it in any language."""
        return {"temperature": self.temperature}

    def to_dict(self) -> dict[str, Any]:
        """Return method, parameters and the facts of the fit as plain numbers and lists."""
        return {
            "method": self.method,
            **self.parameters(),
            "n_classes": self.n_classes,
            "classes": None if self.classes is None else list(self.classes),
            "record": None if self.record is None else self.record.to_dict(),
        }

    def to_frame(self, backend: str | None = None) -> Any:  # noqa: ANN401
        """Return the parameters with their 95 % intervals as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            Whose; where left out, the one that your program has imported.

        Returns
        -------
        data frame
            Columns parameter, value, low, high; the ends are missing if T was typed in.

        Raises
        ------
        InvalidInputError
            An unknown backend.
        MissingDependencyError
            The library, or narwhals, is not installed.
        """
        low, high = (None, None) if self.record is None else self.record.interval()
        columns = ("parameter", "value", "low", "high")
        row = ("temperature", self.temperature, low, high)
        return to_frame({name: [cell] for name, cell in zip(columns, row, strict=True)}, backend)

    def __str__(self) -> str:
        return "\n".join(temperature_lines(self))

    def _repr_html_(self) -> str:
        """Show what was fitted, and a picture of what it does, in a notebook."""
        return beside(map_sketch(self.temperature), temperature_table(self).to_html())

    def _checked(self, logits: ArrayLike, *, refuse_probs: bool) -> NDArray[Any]:
        z = as_logits(logits)
        if self.n_classes is not None and z.shape[1] != self.n_classes:
            msg = (
                f"`logits` must have the {self.n_classes} columns that the calibrator was fitted "
                f"on, got {z.shape[1]}."
            )
            raise InvalidInputError(msg)
        if refuse_probs and len(z) >= _FEW_ROWS:
            refuse_probs_as_logits(logits)
        return z


def _keep_predicted_class(probs: NDArray[np.float64], predicted: NDArray[np.intp]) -> None:
    """Lift a largest logit that rounding made equal to its neighbour by one bit, in place."""
    tied = np.flatnonzero(probs.argmax(axis=1) != predicted)
    probs[tied, predicted[tied]] = np.nextafter(probs[tied].max(axis=1), np.inf)
