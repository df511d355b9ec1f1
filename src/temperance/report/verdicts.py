"""Tests of calibration in words, for someone who has never heard of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.show import p_text

if TYPE_CHECKING:
    from temperance.evaluate import Evaluation

__all__ = ["verdicts"]

_LEVEL = 0.05
# what the test asks, the answer where p < 0.05, the answer where not
_WORDS = {
    "score": (
        "Too sharp or too flat? (score test of T = 1)",
        "Yes: the model is {direction}.",
        "No clear sign.",
    ),
    "class-bias": (
        "{biased} claimed too often or too seldom? (score test of {bias})",
        "Yes. A temperature cannot repair this.",
        "No clear sign.",
    ),
    "joint-score": (
        "Either of both? (joint score test)",
        "Yes.",
        "No clear sign.",
    ),
    "calibration-in-the-large": (
        "Do claims and results differ on average? (calibration in the large)",
        "Yes: on average the model is {direction}.",
        "No clear sign.",
    ),
    "spiegelhalter": (
        "Is the Brier score another than the probabilities promise? (Spiegelhalter)",
        "Yes.",
        "No clear sign.",
    ),
    "cox": (
        "Do the log-odds need another slope or intercept? (Cox)",
        "Yes.",
        "No clear sign.",
    ),
    "ece": (
        "Is the calibration error (ECE) more than chance explains? (consistency resampling)",
        "Yes.",
        "No: chance may explain it.",
    ),
    "miscalibration": (
        "Does the curve leave the diagonal further than chance explains? (consistency resampling)",
        "Yes.",
        "No: chance may explain it.",
    ),
}

_BIASED = {
    "classes": "Are some classes",
    "answers": "Are right answers",
    "labels": "Are labels, all together,",
}


def verdicts(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return question, answer and p-value of each test; a test that is undefined says why.

    p-values are corrected for their number (Holm), and the answers are theirs.
    """
    tests, adjusted = evaluation.tests, evaluation.tests.adjusted_p_values
    found: list[tuple[str, float | None, str | None, str | None]] = [
        (test.name, adjusted[test.name], test.direction, test.reason) for test in tests
    ]
    found += [(name, adjusted[name], None, None) for name in ("ece", "miscalibration")]
    rows = []
    for name, p_value, direction, reason in found:
        question, yes, no = _WORDS[name]
        if name == "class-bias":
            outcomes = evaluation.outcomes
            question = question.format(biased=_BIASED[outcomes.kind], bias=outcomes.bias)
        if p_value is None:
            answer = f"Cannot be told: {evaluation.outcomes.reworded(reason or '')}"
        else:
            answer = yes.format(direction=direction) if p_value < _LEVEL else no
        rows.append((question, answer, p_text(p_value)))
    return rows
