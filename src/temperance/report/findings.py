"""The finding in one sentence, for someone who has never heard of a calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import temperature_of
from temperance.printable import count_text
from temperance.show import p_text

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator, FitRecord
    from temperance.compare import Comparison
    from temperance.evaluate import Evaluation
    from temperance.metrics.reliability import ReliabilityCurve
    from temperance.significance import ScoreTest

__all__ = ["explain_calibrator", "explain_test", "headline", "split_sentence"]

_ENOUGH = 30  # rows that a statement about one confidence level rests on
_FEW = 100  # rows below which the sentence says how few they are


def headline(
    comparison: Comparison | None, evaluation: Evaluation, calibrator: Calibrator | None = None
) -> str:
    """Return the finding in one or two sentences.

    Where the model's own error lies within its null band, there is nothing to find. Else the
    sentence is about the bin that matters most (its share times its gap, among bins of 30 rows
    whose gap chance does not explain) and about what the calibrated probabilities of that level
    do; without such a bin, about mean confidence and accuracy. Of a calibrator of scores that claim
    no probability, it is about what the scores tell beyond the base rate.
    """
    if comparison is not None and calibrator is not None and not calibrator.reads_probabilities:
        return _score_headline(comparison)
    after = None if comparison is None else comparison.evaluations["after"]
    few = f"With only {count_text(evaluation.n, 'row')}, " if evaluation.n < _FEW else ""
    if evaluation.ece.value <= evaluation.ece_null.high:
        sentence = (
            "this model's probabilities are as good as these "
            f"{count_text(evaluation.n, 'row')} can tell: its calibration error is within what "
            "chance explains."
        )
        if comparison is not None:
            sentence += _unneeded(comparison)
        return _capitalised(few + sentence)
    level = _worst_level(evaluation.reliability)
    if level is None:
        sentence = (
            f"on average this model claims {_percent(evaluation.confidence.value)} and is right "
            f"{_percent(evaluation.accuracy.value)} of the time"
        )
        later = None if after is None else f"it claims {_percent(after.confidence.value)}"
    else:
        sentence = (
            f"when this model says {_percent(level.says)}, it is right "
            f"{_percent(level.right)} of the time"
        )
        later = None if after is None else _after(after.reliability, level.says)
    return _capitalised(few + sentence + _ending(comparison, later))


def _score_headline(comparison: Comparison) -> str:
    """Return the finding of a map of scores that claim nothing themselves: what they tell.

    "before" is the base rate: what one would say of every answer without the scores.
    """
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    differences = comparison.differences["after"]
    few = f"With only {count_text(after.n, 'row')}, " if after.n < _FEW else ""
    rate = f"the {before.log_loss.value:.3f} of knowing only how often answers are right"
    own = f"{after.log_loss.value:.3f}"
    told = {
        "better": "the scores tell right answers from wrong ones: with their map the log loss is "
        f"{own}, below {rate}.",
        "worse": f"with the map of these scores the log loss is {own}, above {rate}: do not use "
        "it.",
        "cannot tell": "these rows cannot tell whether the scores say anything: with their map the "
        f"log loss is {own}, beside {rate}.",
    }[differences.verdict("log_loss")]
    return _capitalised(few + told)


def split_sentence(evaluation: Evaluation, calibrator: Calibrator | None = None) -> str:
    """Return what of the log loss a temperature removes, and what it cannot; "" if unknown."""
    split = evaluation.refinement
    claims = calibrator is None or calibrator.reads_probabilities
    if split is None or not claims:
        return ""
    loss = f"Of its log loss of {evaluation.log_loss.value:.3f}, "
    if split.calibration.low <= 0.0:
        return loss + "these rows show nothing that a temperature would clearly remove."
    return (
        f"{loss}{split.calibration.value:.3f} is miscalibration that a temperature removes; "
        f"{split.refinement.value:.3f} is what the model does not know."
    )


def explain_calibrator(calibrator: Calibrator) -> str:
    """Return what a calibrator does to a row, and what it keeps."""
    if calibrator.name == "temperature":
        temperature = temperature_of(calibrator)
        assert temperature is not None  # noqa: S101  (the method has one)
        return _explain_temperature(temperature)
    traits = calibrator.own_traits
    keeps = "never changes" if traits.keeps_class else "may change"
    return f"What the method does: {traits.summary}. The predicted class {keeps}."


def _explain_temperature(temperature: float) -> str:
    odds = 19.0 ** (1.0 / temperature)  # 95 % is odds of 19 to 1
    what = "softens" if temperature > 1.0 else "sharpens"
    return (
        f"Every logit is divided by {temperature:.4g}, which {what} the probabilities: between two "
        f"classes, a claim of 95 % becomes {_percent(odds / (1.0 + odds))}. The predicted class "
        "and the order of the classes never change."
    )


def explain_test(record: FitRecord) -> str:
    """Return the score test of T = 1 in words."""
    return _test_in_words(record.score_test)


def _test_in_words(test: ScoreTest) -> str:
    p = p_text(test.p_value)
    if test.p_value < 0.05:
        return f"The model is {test.direction}; chance alone would hardly show this ({p})."
    return f"There is no clear sign of over- or under-confidence ({p})."


@dataclass(frozen=True, slots=True)
class _Level:
    says: float
    right: float


def _worst_level(curve: ReliabilityCurve) -> _Level | None:
    """Return the bin that matters most, if any bin's gap is clear."""
    gap = np.abs(curve.confidence - curve.accuracy)
    clear = (curve.confidence < curve.accuracy_low) | (curve.confidence > curve.accuracy_high)
    clear &= curve.count >= _ENOUGH
    if not clear.any():
        return None
    worst = int(np.argmax(np.where(clear, curve.share * gap, -1.0)))
    return _Level(float(curve.confidence[worst]), float(curve.accuracy[worst]))


def _after(curve: ReliabilityCurve, says: float) -> str | None:
    """Return how often calibrated predictions of the same level are right, if enough exist."""
    held = (curve.lower < says) & (says <= curve.upper) & (curve.count >= _ENOUGH)
    if not held.any():
        return None
    at = int(held.argmax())
    right, now = _percent(float(curve.accuracy[at])), _percent(float(curve.confidence[at]))
    return f"when it says {now}, it is right {right} of the time"


def _ending(comparison: Comparison | None, later: str | None) -> str:
    if comparison is None:
        return "."
    after, verdict = comparison.evaluations["after"], comparison.differences["after"]
    if verdict.verdict("log_loss") == "worse":
        return ". Calibration made the probabilities worse: do not use it."
    if later is None:
        later = (
            f"it claims {_percent(after.confidence.value)} on average and is right "
            f"{_percent(after.accuracy.value)}"
        )
    if verdict.verdict("log_loss") == "cannot tell":
        return f"; after calibration, {later}, but these rows cannot tell whether that is better."
    if verdict.verdict("ece") == "worse":
        return (
            f"; after calibration, {later}. The log loss is better, yet the calibration error is "
            "larger: one temperature is not the right map for this model."
        )
    return f"; after calibration, {later}."


def _unneeded(comparison: Comparison) -> str:
    verdict = comparison.differences["after"].verdict("log_loss")
    return {
        "better": " A temperature still improves the log loss.",
        "worse": " A temperature makes the log loss worse: leave it out.",
        "cannot tell": " There is nothing that a temperature would clearly improve.",
    }[verdict]


def _percent(share: float) -> str:
    """Percent for a sentence: 87 %, with decimals only near 0 and 100 %."""
    if not isfinite(share):
        return "an unknown share"
    for digits in (0, 1, 2):
        text = f"{100.0 * share:.{digits}f}"
        if float(text) not in {0.0, 100.0} or share in {0.0, 1.0}:
            return f"{text} %"
    return "under 0.01 %" if share < 0.5 else "over 99.99 %"


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]
