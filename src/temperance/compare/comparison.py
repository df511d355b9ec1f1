"""What was compared, as one value that prints itself."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import isnan
from typing import TYPE_CHECKING, Any, Literal

from temperance.compare.tables import comparison_frame, difference_tables
from temperance.evaluate.tables import reliability_sketch
from temperance.frozen import Frozen
from temperance.show import beside, to_frame

if TYPE_CHECKING:
    from temperance.evaluate import Evaluation
    from temperance.metrics.estimates import Estimate

__all__ = ["Comparison", "Differences", "Verdict"]

Verdict = Literal["better", "worse", "cannot tell", "the same"]
_LARGE_IS_BETTER = {"accuracy", "discrimination"}


@dataclass(frozen=True, slots=True)
class Differences(Frozen):
    """One set of probabilities less the baseline, on the same rows, with 95 % intervals.

    `measures` holds `log_loss`, `brier`, `accuracy`, every calibration error, and the
    `miscalibration` and `discrimination` of the Brier score of the CORP diagram's event. Below 0
    is better, but for accuracy and discrimination.
    """

    measures: dict[str, Estimate]

    @property
    def log_loss(self) -> Estimate:
        """Difference of the log losses; below 0 = better."""
        return self.measures["log_loss"]

    @property
    def brier(self) -> Estimate:
        """Difference of the Brier scores; below 0 = better."""
        return self.measures["brier"]

    @property
    def ece(self) -> Estimate:
        """Difference of the expected calibration errors; below 0 = better."""
        return self.measures["ece"]

    @property
    def accuracy(self) -> Estimate:
        """Difference of the accuracies; above 0 = better."""
        return self.measures["accuracy"]

    def verdict(self, measure: str) -> Verdict:
        """Return "better" or "worse" if the interval leaves out 0, else "cannot tell".

        "The same" where there is no difference and no doubt of it. Two infinite log losses have no
        difference: nan, of which one cannot tell either.
        """
        difference = self.measures[measure]
        if difference.low == difference.high == 0.0:
            return "the same"
        if isnan(difference.value) or difference.low <= 0.0 <= difference.high:
            return "cannot tell"
        better = (difference.value < 0.0) != (measure in _LARGE_IS_BETTER)
        return "better" if better else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Return value, low, high and verdict of each measure."""
        return {
            name: {**difference.to_dict(), "verdict": self.verdict(name)}
            for name, difference in self.measures.items()
        }


@dataclass(frozen=True, slots=True, eq=False)
class Comparison(Frozen):
    """Several sets of probabilities measured on the same rows; the first is the baseline."""

    evaluations: dict[str, Evaluation]
    differences: dict[str, Differences]  # of each set but the baseline

    @property
    def baseline(self) -> str:
        """Name of the set that the others are compared with."""
        return next(iter(self.evaluations))

    def to_dict(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers for JSON; `curves` as in `Evaluation.to_dict`."""
        return {
            "baseline": self.baseline,
            "evaluations": {name: e.to_dict(curves=curves) for name, e in self.evaluations.items()},
            "differences": {name: d.to_dict() for name, d in self.differences.items()},
        }

    def to_frame(self, backend: str | None = None) -> Any:  # noqa: ANN401
        """Return every difference with its interval and verdict as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            Whose; where left out, the one that your program has imported.

        Returns
        -------
        data frame
            Columns name, measure, value, baseline, difference, low, high, verdict.

        Raises
        ------
        InvalidInputError
            An unknown backend.
        MissingDependencyError
            The library, or narwhals, is not installed.
        """
        return to_frame(comparison_frame(self), backend)

    def __str__(self) -> str:
        return "\n\n".join(table.to_text() for table in difference_tables(self))

    def _repr_html_(self) -> str:
        """Show each set's reliability diagram, and the differences, in a notebook."""
        sketches = (
            f"<div>{escape(name)}</div>{reliability_sketch(each)}"
            for name, each in self.evaluations.items()
        )
        tables = (table.to_html() for table in difference_tables(self))
        return beside(*sketches) + beside(*tables)
