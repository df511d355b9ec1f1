"""Structured vector scaling: a factor and a bias per class, shrunk towards temperature scaling."""

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

__all__ = ["VectorScaling"]


@dataclass(frozen=True, slots=True, eq=False)
class VectorScaling(Calibrator):
    r"""Probabilities softmax(factors * x + bias), x = log of smoothed, temperature-scaled ones.

    Parameters
    ----------
    base : TemperatureScaling
        From logits to x: a temperature, and a share of the uniform distribution.
    factors : ndarray, shape (k,)
        Factor of each class; 1 changes nothing.
    bias : ndarray, shape (k,)
        Added to each class's logit; sums to 0. Above 0 = the model claims the class too rarely.

    Raises
    ------
    InvalidInputError
        `factors` and `bias` are not two lists of k finite numbers.

    Notes
    -----
    With v = factors - 1 and W the number of rows, with weights the
    effective one, (sum w)^2 / sum w^2, the fit minimises

    .. math:: \frac1W \sum_i w_i \log\frac{1}{p_{i y_i}}
              + \frac{k}{W} \lVert v \rVert^2 + \frac{k}{W} \lVert b \rVert^2,

    convex, by L-BFGS. x = log((1 - s) softmax(z / T) + s / k), s = 1 / (W + 1), with T by
    temperature scaling (with a prior of one pseudo-row where no T is best). Few rows per class
    leave little but the temperature. The predicted class may change.

    References
    ----------
    Berta, Holzmueller, Jordan and Bach (2026), Structured Matrix Scaling for Multi-Class
    Calibration, https://arxiv.org/abs/2511.03685

    Examples
    --------
    Class 0 is claimed with 50 % and comes true in three rows of four: its bias is above 0.

    >>> scaling = VectorScaling.fit([[0.0, 0.0]] * 400, [0, 0, 0, 1] * 100)
    >>> bool(scaling.bias[0] > 0), scaling.apply([[0.0, 0.0]]).round(2)
    (True, array([[0.75, 0.25]]))
    """

    method: ClassVar[str] = "vector"
    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="a factor and a bias per class, shrunk towards one temperature",
        parameters="2 k + 1",
        learned=(1, 2),
        labels="10 a class",
        cost="n k, 30 passes",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="no",
        classes="any, natively",
        risk="low",
        source="Berta et al. 2026",
    )

    base: TemperatureScaling
    factors: NDArray[np.float64]
    bias: NDArray[np.float64]

    def __post_init__(self) -> None:
        require_base(self.base)
        for name in ("factors", "bias"):
            values = frozen_numbers(getattr(self, name), name=name, least=2)
            object.__setattr__(self, name, values)
        if len(self.factors) != len(self.bias):
            msg = (
                f"`factors` ({len(self.factors)}) and `bias` ({len(self.bias)}) must be as many, "
                "one per class."
            )
            raise InvalidInputError(msg)
        self.require_width(len(self.bias))

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
        """Return the factors and biases that minimise the penalised mean log loss.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`.

        Returns
        -------
        VectorScaling
            Exists for separable data and for classes without rows: the penalty sees to it.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`.
        NoOptimumError
            There are no rows, or one label fills all of them.
        """
        rows = Training.check(
            logits, labels, weights=weights, classes=classes, class_axis=class_axis,
            ignore_label=ignore_label, refuse_probs=refuse_probs,
        )  # fmt: skip
        rows.require_two_labels(cls.method)
        base, passes = smoothed_temperature(rows)
        ridge = rows.k / rows.weight
        found = AffineProblem(
            rows, base.scaled, partial(_penalty, ridge=ridge), (2.0 * ridge, 2.0 * ridge)
        ).solve(np.ones(rows.k))
        fitted = cls(base, found.linear, found.bias, **rows.common)
        record = rows.record(fitted.scaled, passes=passes + found.passes)
        return replace(fitted, record=record)

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        return affine_logits(log_smoothed(self.base, block), self.factors, self.bias)

    def parameters(self) -> dict[str, Any]:
        """Return the base's temperature and smoothing, factors and biases."""
        return {
            "base_temperature": self.base.temperature,
            "smoothing": self.base.smoothing,
            "factors": self.factors.tolist(),
            "bias": self.bias.tolist(),
        }

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        return cls(
            base_from(parameters), parameters.numbers("factors"), parameters.numbers("bias"),
            **common,
        )  # fmt: skip

    def facts(self) -> list[tuple[str, str]]:
        """Return the base's temperature and the range of factors and biases."""
        return [
            ("base temperature", f"{self.base.temperature:.4f}"),
            ("factors", f"{self.factors.min():.3f} to {self.factors.max():.3f}"),
            ("biases", f"{self.bias.min():.3f} to {self.bias.max():.3f}"),
        ]


def _penalty(
    factors: NDArray[np.float64], bias: NDArray[np.float64], *, ridge: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    v = factors - 1.0
    return ridge * float(v @ v + bias @ bias), 2.0 * ridge * v, 2.0 * ridge * bias
