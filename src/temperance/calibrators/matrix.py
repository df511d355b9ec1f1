"""Structured matrix scaling: every logit moves every class, shrunk towards temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.affine import (
    AffineProblem,
    base_from,
    log_smoothed,
    require_base,
    smoothed_temperature,
)
from temperance.calibrators.calibrator import Calibrator, Traits, frozen_numbers
from temperance.calibrators.training import Training
from temperance.errors import InvalidInputError
from temperance.kernels.affine import affine_logits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.temperature import TemperatureScaling
    from temperance.checks.labels import Positions
    from temperance.readers.json_object import JsonObject

__all__ = ["MatrixScaling"]

_LEAST = -1e200  # of x: its products with numbers of the matrix stay finite


@dataclass(frozen=True, slots=True, eq=False)
class MatrixScaling(Calibrator):
    r"""Probabilities softmax(matrix @ x + bias), x = log of smoothed, temperature-scaled ones.

    Parameters
    ----------
    base : TemperatureScaling
        From logits to x: a temperature, and a share of the uniform distribution.
    matrix : ndarray, shape (k, k)
        Row c holds what each x adds to class c; the unit matrix changes nothing.
    bias : ndarray, shape (k,)
        Added to each class's logit; sums to 0. Above 0 = the model claims the class too rarely.

    Raises
    ------
    InvalidInputError
        `matrix` is not k x k, or `bias` not k finite numbers.

    Notes
    -----
    With D = matrix - 1 (the unit matrix) and W the number of rows, with weights the
    effective one, (sum w)^2 / sum w^2, the fit minimises

    .. math:: \frac1W \sum_i w_i \log\frac{1}{p_{i y_i}}
              + \frac{k}{W} \lVert \mathrm{diag} D \rVert^2
              + \frac{k (k - 1)}{W} \lVert \mathrm{offdiag} D \rVert^2
              + \frac{k}{W} \lVert b \rVert^2,

    convex, by L-BFGS; x as in `VectorScaling`. Every logit of a row must be finite.

    References
    ----------
    Berta, Holzmueller, Jordan and Bach (2026), Structured Matrix Scaling for Multi-Class
    Calibration, https://arxiv.org/abs/2511.03685

    Examples
    --------
    >>> scaling = MatrixScaling.fit([[0.0, 0.0]] * 400, [0, 0, 0, 1] * 100)
    >>> scaling.apply([[0.0, 0.0]]).round(2)
    array([[0.75, 0.25]])
    """

    method: ClassVar[str] = "matrix"
    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="a matrix of factors and biases, shrunk towards one temperature",
        parameters="k^2 + k + 1",
        learned=(1, 1, 1),
        labels="50 a class",
        cost="n k^2, 100 passes",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="no",
        classes="to 100, natively",
        risk="some",
        source="Berta et al. 2026",
        masks=False,
    )

    base: TemperatureScaling
    matrix: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __post_init__(self) -> None:
        require_base(self.base)
        matrix = frozen_numbers(self.matrix, name="matrix", axes=2)
        bias = frozen_numbers(self.bias, name="bias")
        k = len(bias)
        if matrix.shape != (k, k) or k < 2:
            msg = (
                f"`matrix` must be k x k and `bias` have k >= 2 numbers, got shapes {matrix.shape} "
                f"and {bias.shape}."
            )
            raise InvalidInputError(msg)
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "bias", bias)
        self.require_width(k)

    @classmethod
    def fit(
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        weights: ArrayLike | None = None,
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        """Return the matrix and biases that minimise the penalised mean log loss.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`.

        Returns
        -------
        MatrixScaling
            Exists for separable data and for classes without rows: the penalty sees to it.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`, and a logit of -inf.
        NoOptimumError
            There are no rows, or one label fills all of them.
        """
        rows = Training.check(
            logits, labels, weights=weights, classes=classes, class_axis=class_axis,
            ignore_label=ignore_label, refuse_probs=refuse_probs,
        )  # fmt: skip
        rows.refuse_masks(cls.method)
        rows.require_two_labels(cls.method)
        base, passes = smoothed_temperature(rows)
        ridge = rows.k / rows.weight
        found = AffineProblem(
            rows, base.scaled, partial(_penalty, ridge=ridge), (2.0 * ridge, 2.0 * ridge)
        ).solve(np.eye(rows.k))
        fitted = cls(base, found.linear, found.bias, **rows.common)
        record = rows.record(fitted.scaled, passes=passes + found.passes)
        return replace(fitted, record=record)

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        x = np.maximum(log_smoothed(self.base, block), _LEAST)
        return affine_logits(x, self.matrix, self.bias)

    def parameters(self) -> dict[str, Any]:
        """Return the base's temperature and smoothing, matrix and biases."""
        return {
            "base_temperature": self.base.temperature,
            "smoothing": self.base.smoothing,
            "matrix": self.matrix.tolist(),
            "bias": self.bias.tolist(),
        }

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        return cls(
            base_from(parameters), parameters.numbers("matrix", shape=(None, None)),
            parameters.numbers("bias"), **common,
        )  # fmt: skip

    def facts(self) -> list[tuple[str, str]]:
        """Return the base's temperature and the sizes of matrix and biases."""
        diagonal = self.matrix.diagonal()
        beside = self.matrix - np.diag(diagonal)
        return [
            ("base temperature", f"{self.base.temperature:.4f}"),
            ("diagonal", f"{diagonal.min():.3f} to {diagonal.max():.3f}"),
            ("beside it", f"{beside.min():.3f} to {beside.max():.3f}"),
            ("biases", f"{self.bias.min():.3f} to {self.bias.max():.3f}"),
        ]


def _penalty(
    matrix: NDArray[np.float64], bias: NDArray[np.float64], *, ridge: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    k = len(bias)
    away = matrix - np.eye(k)
    strength = ridge * (k - 1.0 - (k - 2.0) * np.eye(k))  # k - 1 beside the diagonal, 1 on it
    value = float((strength * away**2).sum() + ridge * (bias @ bias))
    return value, 2.0 * strength * away, 2.0 * ridge * bias
