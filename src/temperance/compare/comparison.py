"""What was compared, as one value that prints itself."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, Literal

from temperance.evaluate.evaluation import SCORES, reliability_sketch
from temperance.frozen import Frozen
from temperance.metrics.error_measures import ERROR_NAMES
from temperance.show import Table, beside, interval_text, number_text, to_frame

if TYPE_CHECKING:
    from temperance.evaluate import Evaluation
    from temperance.metrics.estimates import Estimate

__all__ = [
    "Comparison",
    "Differences",
    "Verdict",
    "difference_cells",
    "difference_tables",
    "in_words",
]

# The tables of a comparison: what the terminal prints and a notebook shows.


MEASURE_NAMES = {
    **SCORES,
    **ERROR_NAMES,
    "ks": "KS error",
    "miscalibration": "miscalibration",
    "discrimination": "discrimination",
}

_SHORT = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "ece": "calibration error",
}


def value_of(evaluation: Evaluation, measure: str) -> float:
    """Return the value of a measure that `Differences.measures` names."""
    if measure in evaluation.errors:
        return float(evaluation.errors[measure].value)
    if measure in {"miscalibration", "discrimination"}:
        return float(getattr(evaluation.corp.decomposition, measure))
    return float(getattr(evaluation, measure).value)


def difference_cells(differences: Differences, measure: str) -> tuple[str, str]:
    """Return a difference with its interval, and the verdict."""
    found = differences.measures[measure]
    if differences.verdict(measure) == "the same":
        return "", "the same"
    if not isfinite(found.value):  # of both infinite undefined, of one infinite
        return number_text(found.value, sign=True), differences.verdict(measure)
    interval = interval_text(found.low, found.high, sign=True)
    return f"{number_text(found.value, sign=True)} ({interval})", differences.verdict(measure)


def difference_tables(comparison: Comparison) -> list[Table]:
    """Return one table per set: its values beside the baseline's, difference and verdict."""
    return [
        _table(comparison, name, differences)
        for name, differences in comparison.differences.items()
    ]


def in_words(comparison: Comparison) -> str:
    """Return one sentence per set: where it is better or worse than the baseline.

    Sets with an infinite log loss are named first.
    """
    infinite = [
        name for name, each in comparison.evaluations.items() if each.zero_probability_labels
    ]
    found = [f"The log loss of {_listed(infinite)} is infinite."] if infinite else []
    return " ".join(
        [
            *found,
            *(
                _sentence(name, comparison, differences)
                for name, differences in comparison.differences.items()
            ),
        ]
    )


def _sentence(name: str, comparison: Comparison, differences: Differences) -> str:
    baseline = comparison.baseline
    rows = comparison.evaluations[baseline].outcomes.plural
    verdicts = {m: differences.verdict(m) for m in ("log_loss", "brier", "accuracy", "ece")}
    found = {
        verdict: [_SHORT[m] for m, each in verdicts.items() if each == verdict]
        for verdict in ("better", "worse")
    }
    better, worse = (_listed(names) for names in found.values())
    if better and worse:
        return f"{name} is better than {baseline} in {better}, but worse in {worse}."
    if better or worse:
        how = "better" if better else "worse"
        return f"{name} is {how} than {baseline} in {better or worse}."
    if set(verdicts.values()) == {"the same"}:
        return f"{name} and {baseline} are the same on these {rows}."
    return f"These {rows} cannot tell {name} from {baseline}."


def _listed(names: list[str]) -> str:
    """Return "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _table(comparison: Comparison, name: str, differences: Differences) -> Table:
    baseline, own = comparison.evaluations[comparison.baseline], comparison.evaluations[name]
    rows = [
        (
            MEASURE_NAMES[measure],
            number_text(value_of(baseline, measure)),
            number_text(value_of(own, measure)),
            *difference_cells(differences, measure),
        )
        for measure in differences.measures
    ]
    columns = ("", comparison.baseline, name, "difference (95 %)", "verdict")
    rows_of = own.outcomes
    one, extent = rows_of.one, rows_of.extent(own.n)
    caption = f"{extent}; differences are paired, {one} by {one}"
    return Table(columns, tuple(rows), caption=caption, words=frozenset({4}))


def comparison_frame(comparison: Comparison) -> dict[str, list[Any]]:
    """Return the columns of a data frame of all differences."""
    names = ("name", "measure", "value", "baseline", "difference", "low", "high", "verdict")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    baseline = comparison.evaluations[comparison.baseline]
    for name, differences in comparison.differences.items():
        for measure, difference in differences.to_dict().items():
            own = comparison.evaluations[name]
            values = (name, measure, value_of(own, measure), value_of(baseline, measure))
            rest = (difference["value"], difference["low"], difference["high"])
            for column, value in zip(names, (*values, *rest, difference["verdict"]), strict=True):
                columns[column].append(value)
    return columns


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
