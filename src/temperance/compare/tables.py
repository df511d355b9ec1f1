"""The tables of a comparison: what the terminal prints and a notebook shows."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

from temperance.evaluate.tables import SCORES
from temperance.metrics.all_errors import ERROR_NAMES
from temperance.show import Table, interval_text, number_text

if TYPE_CHECKING:
    from temperance.compare.comparison import Comparison, Differences
    from temperance.evaluate import Evaluation

__all__ = [
    "MEASURE_NAMES",
    "comparison_frame",
    "difference_cells",
    "difference_tables",
    "in_words",
    "value_of",
]

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
