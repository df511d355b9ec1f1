"""No change: what every other method must beat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from temperance.calibrators.calibrator import Method, Traits
from temperance.calibrators.operations import Softmax
from temperance.calibrators.training import Training

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.checks.labels import Positions
    from temperance.readers.json_object import JsonObject

__all__ = ["Identity"]


@dataclass(frozen=True, slots=True, eq=False)
class Identity(Method):
    """The probabilities softmax(logits), unchanged: what is best where calibration does not pay.

    Examples
    --------
    >>> Identity().apply([[0.0, 0.0]])
    array([[0.5, 0.5]])
    """

    method: ClassVar[str] = "identity"
    traits: ClassVar[Traits] = Traits(
        type="none",
        summary="nothing: softmax of the logits",
        parameters="0",
        labels="0",
        cost="none",
        keeps_class=True,
        keeps_order=True,
        keeps_ranking="yes",
        classes="any, natively",
        risk="none",
        source="",
        any_width=True,
    )

    def __post_init__(self) -> None:
        self.require_width()

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
        """Return the map that changes nothing, with the facts of the rows.

        Parameters
        ----------
        logits, labels, weights, classes, class_axis, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`.

        Returns
        -------
        Identity
            With its `record`: the log loss before and after are the same.

        Raises
        ------
        InvalidInputError
            As in `TemperatureScaling.fit`.
        NoOptimumError
            There are no rows.
        """
        rows = Training.check(
            logits, labels, weights=weights, classes=classes, class_axis=class_axis,
            ignore_label=ignore_label, refuse_probs=refuse_probs,
        )  # fmt: skip
        return cls.from_rows(rows)

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the calibrator of rows that have been checked (see `fit`)."""
        fitted = cls(**rows.common)
        return replace(fitted, record=rows.record(fitted.scaled, passes=0))

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the block."""
        return block

    def parameters(self) -> dict[str, Any]:
        """Return no number."""
        return {}

    def operations(self) -> tuple[Operation, ...]:
        """Return the softmax."""
        return (Softmax(),)

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401, ARG003
        """Return the map that changes nothing."""
        return cls(**common)
