"""The tables of an evaluation: what the terminal prints and a notebook shows."""

from __future__ import annotations

from sys import float_info
from typing import TYPE_CHECKING, Any

from temperance.metrics.all_errors import ERROR_NAMES
from temperance.printable import count_text
from temperance.show import Table, interval_text, number_text, p_text, sketch

if TYPE_CHECKING:
    from temperance.evaluate.evaluation import Evaluation
    from temperance.metrics.base_rates import BaseRates
    from temperance.metrics.estimates import Estimate

__all__ = [
    "SCORES",
    "TEST_NAMES",
    "WEAK",
    "error_table",
    "evaluation_frame",
    "evaluation_tables",
    "group_result_table",
    "left_out_rows",
    "left_out_table",
    "overview_table",
    "reliability_sketch",
    "test_name",
    "test_table",
    "verdict_sentence",
    "weak_calibration_table",
]

SCORES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "confidence": "mean confidence",
}
TEST_NAMES = {
    "score": "score test of T = 1",
    "class-bias": "class biases",
    "joint-score": "temperature and class biases together",
    "calibration-in-the-large": "mean probability against frequency",
    "spiegelhalter": "Spiegelhalter (Brier score)",
    "cox": "Cox (intercept 0, slope 1)",
    "ece": "ECE by resampling",
    "miscalibration": "CORP miscalibration by resampling",
}
WEAK = {
    "observed_expected": ("observed : expected", "1"),
    "intercept": ("calibration intercept", "0"),
    "slope": ("calibration slope", "1"),
}
_LEFT_OUT = {
    "refinement": "log loss in two parts",
    "brier_parts": "Brier score in parts",
    "classes": "class by class",
    **ERROR_NAMES,
}
_WORST = 10  # groups shown


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """Return all tables: scores, calibration errors, tests, and groups where there are any."""
    tables = [overview_table(evaluation), error_table(evaluation), test_table(evaluation)]
    if (weak := weak_calibration_table(evaluation)) is not None:
        tables.insert(1, weak)
    if evaluation.groups:
        tables.append(group_result_table(evaluation))
    if evaluation.left_out:
        tables.append(left_out_table(evaluation))
    return tables


def overview_table(evaluation: Evaluation) -> Table:
    """Scores and the split of the log loss, each with its 95 % interval."""
    rows = [_row(shown, getattr(evaluation, name)) for name, shown in SCORES.items()]
    split = evaluation.refinement
    if split is not None:
        rows[1:1] = [
            _row("  a temperature removes", split.calibration),
            _row("  a temperature leaves", split.refinement),
        ]
    if evaluation.base_rates is not None:
        rows = _with_base_rates(rows, evaluation.base_rates, evaluation.outcomes.frequencies)
    caption = evaluation.outcomes.size(evaluation.n, evaluation.n_classes)
    if evaluation.n_clusters not in (None, evaluation.outcomes.n_rows):
        caption += f", {count_text(evaluation.n_clusters, 'cluster')}"
    return Table(("", "value", "95 % interval"), tuple(rows), caption=caption)


def _with_base_rates(
    rows: list[tuple[str, str, str]], base: BaseRates, frequencies: str
) -> list[tuple[str, str, str]]:
    """Add below each score what the base rates alone cost, and the skill against that."""
    scores = {
        SCORES["log_loss"]: (base.log_loss, base.log_loss_skill),
        SCORES["brier"]: (base.brier, base.brier_skill),
    }
    found: list[tuple[str, str, str]] = []
    open_rows: list[tuple[str, str, str]] = []
    for row in rows:
        if not row[0].startswith(" "):
            found += open_rows
            open_rows = []
        found.append(row)
        if row[0] in scores:
            cost, skill = scores[row[0]]
            open_rows = [(f"  {frequencies} alone", number_text(cost), "")]
            if cost > 0.0:
                open_rows.append(_row("  skill against these", skill))
    return found + open_rows


def error_table(evaluation: Evaluation) -> Table:
    """Errors of calibration beside what chance alone would show."""
    errors = {ERROR_NAMES[name]: each for name, each in evaluation.errors.items()}
    errors["CORP miscalibration"] = evaluation.corp.miscalibration
    rows = tuple(
        (
            name,
            number_text(each.value),
            "" if each.estimate is None else interval_text(each.estimate.low, each.estimate.high),
            f"<= {number_text(each.null.high)}",
        )
        for name, each in errors.items()
    )
    columns = ("calibration error", "value", "95 % interval", "if calibrated")
    caption = 'an error up to "if calibrated" is no evidence; one of twenty lies above it by chance'
    return Table(columns, rows, caption=caption)


def test_table(evaluation: Evaluation) -> Table:
    """Tests of the hypothesis that the probabilities are calibrated, and what they say as one."""
    tests = evaluation.tests
    statistics = {test.name: test.statistic for test in tests}
    rows = []
    for name, p_value in tests.adjusted_p_values.items():
        value = statistics.get(name)
        shown = "" if value is None else _statistic_text(value)
        words = p_text(p_value) if p_value is not None else "cannot be told here"
        rows.append((test_name(evaluation, name), shown, words))
    columns = ("test of calibration", "statistic", "p, corrected")
    return Table(columns, tuple(rows), caption=verdict_sentence(evaluation))


def verdict_sentence(evaluation: Evaluation) -> str:
    """Return what all tests of calibration say as one, with the p-value that decides."""
    verdict = evaluation.tests.verdict
    of = f"of {verdict.n_tests} tests, corrected for their number (Holm)"
    if verdict.calibrated:
        p_value = p_text(verdict.adjusted_p_value)
        return f"verdict: no test refutes calibration; the smallest p-value {of}: {p_value}"
    p_value = p_text(verdict.adjusted_p_value)
    by = test_name(evaluation, verdict.test)
    return f"verdict: not calibrated, by {by}: {p_value}, the smallest {of}"


def test_name(evaluation: Evaluation, name: str) -> str:
    """Return what a test is called: class biases only where there are classes."""
    return TEST_NAMES[name].replace("class biases", evaluation.outcomes.bias)


def weak_calibration_table(evaluation: Evaluation) -> Table | None:
    """What clinical studies report of the second of two classes; None for more."""
    weak = evaluation.weak_calibration
    if weak is None:
        return None
    rows = []
    for name, (shown, best) in WEAK.items():
        found: Estimate | None = getattr(weak, name)
        if found is None:
            rows.append(
                (shown, "", f"none: {evaluation.outcomes.reworded(weak.reasons[name])}", best)
            )
        else:
            rows.append((*_row(shown, found), best))
    outcomes, event = evaluation.outcomes, int(weak.event)
    caption = outcomes.happened(event, weak.n_events, weak.n)
    columns = (f"of {outcomes.of_class(event)}", "value", "95 % interval", "best")
    return Table(columns, tuple(rows), caption=caption)


def _statistic_text(statistic: float) -> str:
    """Return z or chi-square; infinite where an event of probability 0 happened."""
    if abs(statistic) == float_info.max:
        return f"{'-' if statistic < 0.0 else ''}inf (an impossible outcome)"
    return f"{statistic:.2f}" if abs(statistic) < 1e6 else f"{statistic:.3g}"


def group_result_table(evaluation: Evaluation) -> Table:
    """The worst groups first, with p-values corrected for their number (Holm)."""
    rows = tuple(
        (
            each.name,
            f"{each.n:,}",
            number_text(each.accuracy.value),
            number_text(each.confidence.value),
            p_text(each.score_test.adjusted_p_value) or "cannot be told here",
            "not calibrated" if each.differs else "",
        )
        for each in evaluation.groups[:_WORST]
    )
    left = len(evaluation.groups) - len(rows)
    several = f"{evaluation.outcomes.group}s"
    caption = f"p-values of the score test with Holm's correction for the number of {several}"
    if left:
        caption = f"{left} more {several} with larger p-values; {caption}"
    columns = (
        evaluation.outcomes.group,
        evaluation.outcomes.plural,
        "accuracy",
        "mean confidence",
        "p-value",
        "",
    )
    return Table(columns, rows, caption=caption, words=frozenset({5}))


def left_out_table(evaluation: Evaluation) -> Table:
    """What was not measured, and why."""
    rows = tuple(left_out_rows(evaluation))
    return Table(("not measured", "because"), rows, words=frozenset({1}))


def left_out_rows(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return what was not measured, in words, and why."""
    return [(_LEFT_OUT[name], reason) for name, reason in evaluation.left_out.items()]


def reliability_sketch(evaluation: Evaluation) -> str:
    """The CORP curve on the band in which a calibrated model's curve would lie."""
    corp = evaluation.corp
    of = "correct"
    if corp.event != "top-label":
        of = evaluation.outcomes.class_name(int(corp.event))
    return sketch(
        corp.probability,
        corp.recalibrated,
        band=(corp.consistency_low, corp.consistency_high),
        name="reliability",
        words="the curve lies on the shaded band where probabilities mean what they say",
        across_name="probability said",
        up_name=f"how often {of}",
    )


def evaluation_frame(evaluation: Evaluation) -> dict[str, list[Any]]:
    """Return the columns of a data frame of all measures."""
    names = ("value", "low", "high", "null_mean", "null_high", "p_value", "adjusted_p_value")
    measures: dict[str, dict[str, Any]] = {
        name: getattr(evaluation, name).to_dict() for name in SCORES
    }
    if evaluation.refinement is not None:
        measures["refinement"] = evaluation.refinement.refinement.to_dict()
        measures["calibration"] = evaluation.refinement.calibration.to_dict()
    if (base := evaluation.base_rates) is not None:
        measures["base_rate_log_loss"] = {"value": base.log_loss}
        measures["log_loss_skill"] = base.log_loss_skill.to_dict()
        measures["base_rate_brier"] = {"value": base.brier}
        measures["brier_skill"] = base.brier_skill.to_dict()
    measures |= {name: each.to_dict() for name, each in evaluation.errors.items()}
    measures["miscalibration"] = evaluation.corp.miscalibration.to_dict()
    adjusted = evaluation.tests.adjusted_p_values
    for name in ("ece", "miscalibration"):
        measures[name] = {**measures[name], "adjusted_p_value": adjusted[name]}
    if evaluation.weak_calibration is not None:
        found = {name: getattr(evaluation.weak_calibration, name) for name in WEAK}
        measures |= {name: each.to_dict() for name, each in found.items() if each is not None}
    columns: dict[str, list[Any]] = {"measure": list(measures)}
    return columns | {name: [each.get(name) for each in measures.values()] for name in names}


def _row(name: str, estimate: Estimate) -> tuple[str, str, str]:
    return name, number_text(estimate.value), interval_text(estimate.low, estimate.high)
