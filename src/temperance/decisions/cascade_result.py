"""A cascade as one value that prints itself: its rules, and what they are worth."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

from temperance.decisions.cascade_tables import RAW, cascade_columns, cascade_table, rule_table
from temperance.decisions.cascade_words import in_words, warnings_of
from temperance.frozen import Frozen
from temperance.show import to_frame

if TYPE_CHECKING:
    from temperance.decisions.cascade_measures import CostCurve, Measure, Way
    from temperance.decisions.cascade_policy import CascadePolicy
    from temperance.decisions.goals import Goal
    from temperance.metrics.estimates import Estimate

__all__ = ["CALIBRATED", "RAW", "Cascade", "alone"]

CALIBRATED = "calibrated thresholds"


def alone(name: str) -> str:
    """Return what the way is called in which one model answers every row."""
    return f"{name} alone"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Cascade(Frozen):
    """When rows go on to the next model, and what that costs on other rows; see `cascade`."""

    policy: CascadePolicy  # found on all rows of the fit
    goal: Goal
    ways: dict[str, Way]  # "calibrated thresholds", "raw thresholds", each model alone
    differences: dict[str, dict[Measure, Estimate]]  # calibrated thresholds less each other way
    worth: (
        Estimate  # of calibration, per row: raw less calibrated thresholds, above 0 = it paid. In
    )
    # total cost; with a budget in errors at equal cost, with a target in cost at equal accuracy
    curve: CostCurve  # of calibrated thresholds, over all prices
    raw_curve: CostCurve
    hindsight: float | None  # total cost of the best threshold for the very rows measured: what no
    # threshold found without them can hope for; None of more than two models, or without a price
    isotonic_gain: Estimate | None  # what a fitted expert error would save, as `worth`; where the
    # mean was expected of every row
    last_error: Estimate | None  # of the last model on rows that come to it; None without any
    method: str  # of the calibrators
    n: int  # rows measured
    n_clusters: int | None
    evaluated_on: Literal["cross-fitted", "test"]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know before the rules are used."""
        return warnings_of(self)

    def in_words(self) -> str:
        """Return the rule, what it costs and what calibration was worth in a few sentences."""
        return in_words(self)

    def to_dict(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers for JSON; `curves`: with the cost curves."""
        drawn = {"curve": self.curve.to_dict(), "raw_curve": self.raw_curve.to_dict()}
        return {
            "models": list(self.policy.names),
            "costs": list(self.policy.costs),
            "goal": self.goal.to_dict(),
            "method": self.method,
            **self.policy.to_dict(),
            "ways": {name: way.to_dict() for name, way in self.ways.items()},
            "differences": {
                name: {measure: each.to_dict() for measure, each in found.items()}
                for name, found in self.differences.items()
            },
            "calibration_worth": self.worth.to_dict(),
            "hindsight": self.hindsight,
            "isotonic_gain": None if self.isotonic_gain is None else self.isotonic_gain.to_dict(),
            "last_error": None if self.last_error is None else self.last_error.to_dict(),
            "n": self.n,
            "n_clusters": self.n_clusters,
            "evaluated_on": self.evaluated_on,
            "headline": self.in_words(),
            "warnings": list(self.warnings),
            **(drawn if curves else {}),
        }

    def to_frame(self, backend: str | None = None) -> Any:  # noqa: ANN401
        """Return one row per way of answering as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            Whose; where left out, the one that your program has imported.

        Returns
        -------
        data frame
            Columns way, measure, value, low, high, difference, difference_low, difference_high:
            measure is error, spent or cost; differences are calibrated thresholds less the way.

        Raises
        ------
        InvalidInputError
            An unknown backend.
        MissingDependencyError
            The library, or narwhals, is not installed.
        """
        return to_frame(cascade_columns(self), backend)

    def __str__(self) -> str:
        tables = (rule_table(self), cascade_table(self))
        return "\n\n".join([self.in_words(), *(table.to_text() for table in tables)])

    def _repr_html_(self) -> str:
        """Show rules and ways in a notebook."""
        tables = "".join(table.to_html() for table in (rule_table(self), cascade_table(self)))
        return f"<p>{escape(self.in_words())}</p>{tables}"
