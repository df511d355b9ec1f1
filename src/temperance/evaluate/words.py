"""What an evaluation has found, in sentences: the first lines of terminal, notebook and report."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from temperance.evaluate.tables import test_name
from temperance.printable import count_text
from temperance.show import p_text
from temperance.significance import evident

if TYPE_CHECKING:
    from temperance.evaluate.evaluation import Evaluation
    from temperance.metrics.group_table import GroupResult

__all__ = [
    "base_rate_words",
    "capitalised",
    "data_words",
    "direction_words",
    "evaluation_words",
    "group_words",
    "impossible_words",
    "is_refuted",
    "percent",
    "refutation",
]

_FEW_ROWS = 200  # rows below which the first words say how few they are
_FEW_EVENTS = 10  # rows of the rarer of two classes, or wrong predictions of more


def evaluation_words(evaluation: Evaluation) -> str:
    """Return the finding: too little data, then the verdict, groups that are off, the base rates.

    >>> from temperance.evaluate import evaluate
    >>> evaluation_words(evaluate([0.75] * 400, [1, 1, 1, 0] * 100, n_resamples=100))
    'No test refutes calibration on these 400 rows (the smallest p-value, corrected: p = 1.000).'
    """
    few = data_words(evaluation)
    if is_refuted(evaluation):
        verdict = f"{direction_words(evaluation)}: {refutation(evaluation)}."
    else:
        smallest = p_text(evaluation.tests.verdict.adjusted_p_value)
        on = "" if few else f" on these {evaluation.outcomes.rows(evaluation.n)}"
        verdict = f"no test refutes calibration{on} (the smallest p-value, corrected: {smallest})."
    found = [capitalised(few + verdict), group_words(evaluation), base_rate_words(evaluation)]
    return " ".join(filter(None, found))


def data_words(evaluation: Evaluation) -> str:
    """Return "with only 60 rows, " where data are too few for a sure word, else ""."""
    outcomes = evaluation.outcomes
    if (outcomes.n_rows or evaluation.n) < _FEW_ROWS:
        return f"with only {outcomes.extent(evaluation.n)}, "
    if evaluation.n_classes == 2 and evaluation.classes:
        rarer = min(evaluation.classes, key=lambda each: each.n)
        events, told = rarer.n, outcomes.only(rarer.number, rarer.n, evaluation.n)
    else:
        events = round(evaluation.n * (1.0 - evaluation.accuracy.value))
        told = f"{count_text(events, 'wrong prediction')} in {outcomes.rows(evaluation.n)}"
    return "" if events >= _FEW_EVENTS else f"with only {told}, "


def is_refuted(evaluation: Evaluation) -> bool:
    """Whether calibration is refuted: by the verdict of all tests, or by an impossible outcome."""
    return not evaluation.tests.verdict.calibrated or evaluation.zero_probability_labels > 0


def direction_words(evaluation: Evaluation) -> str:
    """Return which way a refuted model errs, where that is evident, else "not calibrated"."""
    score = evaluation.tests.score
    adjusted = evaluation.tests.adjusted_p_values[score.name]
    direction = "neither" if score.leaning is None else evident(score.leaning, adjusted)
    return "not calibrated" if direction == "neither" else f"{direction}, not calibrated"


def refutation(evaluation: Evaluation) -> str:
    """Return the evidence against calibration, where `is_refuted`."""
    if evaluation.zero_probability_labels:
        return impossible_words(evaluation)
    ece, verdict = evaluation.errors["ece"], evaluation.tests.verdict
    if ece.value > ece.null.high:
        return f"ECE {ece.value:.4f}, at most {ece.null.high:.4f} by chance"
    p_value = p_text(verdict.adjusted_p_value)
    return f"{test_name(evaluation, verdict.test)}, {p_value} corrected for {verdict.n_tests} tests"


def impossible_words(evaluation: Evaluation) -> str:
    """Return how many rows have an outcome of probability 0, and what that costs; "" of none."""
    count = evaluation.zero_probability_labels
    if not count:
        return ""
    told = f"{evaluation.outcomes.rows(count)} {'has' if count == 1 else 'have'}"
    return f"{told} {evaluation.outcomes.impossible}, so the log loss is infinite"


def group_words(evaluation: Evaluation, *, when: str = "") -> str:
    """Return how many groups are not calibrated, and the worst; "" where none is.

    `when`, for instance "After calibration", stands before it.
    """
    off = [each for each in evaluation.groups if each.differs]
    if not off:
        return ""
    groups = count_text(len(evaluation.groups), evaluation.outcomes.group)
    are = "is" if len(off) == 1 else "are"
    said = f"{len(off):,} of {groups} {are} off; worst: {_group(off[0], evaluation)}."
    return f"{when} {said}" if when else said


def _group(worst: GroupResult, evaluation: Evaluation) -> str:
    if not isfinite(worst.log_loss.value):
        return f"{worst.name} ({evaluation.outcomes.impossible})"
    claims, right = percent(worst.confidence.value), percent(worst.accuracy.value)
    return f"{worst.name} (claims {claims}, is right {right} of the time)"


def base_rate_words(evaluation: Evaluation, *, when: str = "") -> str:
    """Return that a model is worse than the base rates, where that is evident; else ""."""
    base = evaluation.base_rates
    loss = evaluation.log_loss.value
    if base is None or base.verdict != "worse" or not isfinite(loss):
        return ""
    its = f"{when} its" if when else "Its"
    return (
        f"{its} log loss of {loss:.3f} is above {base.log_loss:.3f}, what "
        f"{evaluation.outcomes.frequencies} alone would cost: it is worse than no model."
    )


def percent(share: float) -> str:
    """Percent for a sentence: 87 %, with decimals only near 0 and 100 %."""
    if not isfinite(share):
        return "an unknown share"
    for digits in (0, 1, 2):
        text = f"{100.0 * share:.{digits}f}"
        if float(text) not in {0.0, 100.0} or share in {0.0, 1.0}:
            return f"{text} %"
    return "under 0.01 %" if share < 0.5 else "over 99.99 %"


def capitalised(text: str) -> str:
    """Return a text that begins a sentence."""
    return text[0].upper() + text[1:]
