"""The finding in a few sentences, for someone who has never heard of a calibration error."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import TemperatureScaling, temperature_of
from temperance.calibrators.record import sharpness_in_words
from temperance.checks.answer_scores import ANSWER_CLASSES
from temperance.checks.label_matrix import LABEL_CLASSES
from temperance.evaluation.evaluation import (
    base_rate_words,
    data_words,
    direction_words,
    doubt_words,
    group_words,
    impossible_words,
    is_refuted,
    percent,
    refutation,
)
from temperance.metrics.outcomes import Outcomes
from temperance.printable import capitalised, digits_text
from temperance.show import number_text, p_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.calibrators import Calibrator, FitRecord
    from temperance.calibrators.record import ScoreTest
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation
    from temperance.metrics.reliability import ReliabilityCurve

__all__ = ["explain_calibrator", "explain_test", "headline", "split_sentence"]

_FEW_ANSWERS = 200
_ENOUGH = 30  # rows that a statement about one confidence level rests on


def headline(
    comparison: Comparison | None,
    evaluation: Evaluation,
    calibrator: Calibrator | None = None,
    *,
    score_test: ScoreTest | None = None,
    advice: str = "",
) -> str:
    """Return the finding in a few sentences, the first lines of terminal, JSON and report.

    How few the data are stands first. Where no test refutes the model, all of them read as one,
    there is nothing to find. Else the sentence is about the bin that matters most (its share times
    its gap, among bins of 30 rows whose gap chance does not explain) and about what the calibrated
    probabilities of that level do; without such a bin, about mean confidence and accuracy. What is
    left after calibration, the groups that are off, and class frequencies that would do better
    follow. Of a calibrator of scores that claim no probability, it is about what the scores tell
    beyond the base rate.

    Parameters
    ----------
    comparison : Comparison or None
        "before" and "after"; None of a model by itself.
    evaluation : Evaluation
        Of the model as it is.
    calibrator : Calibrator, optional
        What made "after".
    score_test : ScoreTest, optional
        Of the fit, whose result is shown below: the headline does not contradict it.
    advice : str, optional
        What to try where calibration is still refuted, such as "try --method auto".
    """
    if comparison is not None and calibrator is not None and not calibrator.reads_probabilities:
        return _score_headline(comparison)
    after = None if comparison is None else comparison.evaluations["after"]
    final, when = (evaluation, "") if after is None else (after, "After calibration")
    groups = group_words(final, when=when)
    sentences = [
        _of_model(comparison, evaluation, score_test, praised=not groups),
        _left(comparison, evaluation, advice),
        groups,
        base_rate_words(final, when=when),
    ]
    return capitalised(data_words(evaluation) + " ".join(filter(None, sentences)))


def _of_model(
    comparison: Comparison | None,
    evaluation: Evaluation,
    score_test: ScoreTest | None,
    *,
    praised: bool,
) -> str:
    """Return what was found of the model, and whether calibration changes it."""
    if evaluation.zero_probability_labels:
        return f"{impossible_words(evaluation)}: this model is not calibrated."
    if not is_refuted(evaluation):
        few = bool(data_words(evaluation))  # which stands before, and has said how many
        n = evaluation.outcomes.rows(evaluation.n)
        test = _alone(comparison, evaluation, score_test)
        if doubt := doubt_words(evaluation):
            sentence = f"{doubt}."
        elif test is not None:
            unsettled = "nothing is settled" if few else f"these {n} do not settle it"
            sentence = (
                f"{unsettled}: the score test of T = 1 alone finds this model "
                f"{test.direction} ({p_text(test.p_value)}), all tests as one do not refute it "
                f"({p_text(evaluation.tests.verdict.adjusted_p_value)}, corrected)."
            )
        elif praised:
            evidence = "one can tell" if few else f"these {n} can tell"
            sentence = (
                f"this model's probabilities are as good as {evidence}: no test of calibration "
                "refutes them."
            )
        else:
            together = "all of them" if few else f"all {n}"
            sentence = f"over {together} together no test of calibration refutes this model."
        return sentence + ("" if comparison is None else _unneeded(comparison, test))
    level = _worst_level(evaluation.reliability)
    if level is not None:
        sentence = (
            f"when this model says {percent(level.says)}, it is right "
            f"{percent(level.right)} of the time"
        )
    else:
        sentence = (
            f"this model is {direction_words(evaluation)}: {refutation(evaluation)}; on average "
            f"it claims {percent(evaluation.confidence.value)} and is right "
            f"{percent(evaluation.accuracy.value)} of the time"
        )
    return sentence + _ending(comparison, level)


def _alone(
    comparison: Comparison | None, evaluation: Evaluation, score_test: ScoreTest | None
) -> ScoreTest | None:
    """Return the score test where it finds a direction by itself, and a fit is at stake."""
    tests = [] if comparison is None else [score_test, evaluation.score_test]
    return next((each for each in tests if each and each.direction != "neither"), None)


def _left(comparison: Comparison | None, evaluation: Evaluation, advice: str) -> str:
    """Return what refutes the calibrated probabilities; "" where nothing does."""
    if comparison is None:
        return ""
    after = comparison.evaluations["after"]
    if not is_refuted(after):
        return ""
    still = "Still not" if is_refuted(evaluation) else "After calibration it is not"
    what = "" if after.zero_probability_labels else f": {refutation(after)}"
    return f"{still} calibrated{what}{f'; {advice}' if advice else ''}."


def _score_headline(comparison: Comparison) -> str:
    """Return the finding of a map of scores that claim nothing themselves: what they tell.

    "before" is the base rate: what one would say of every answer without the scores.
    """
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    differences = comparison.differences["after"]
    few = f"With only {after.outcomes.rows(after.n)}, " if after.n < _FEW_ANSWERS else ""
    known = number_text(before.log_loss.value, 3)
    rate = f"the {known} of knowing only how often answers are right"
    own = number_text(after.log_loss.value, 3)
    sentence = {
        "better": "the scores tell right answers from wrong ones: with their map the log loss is "
        f"{own}, below {rate}.",
        "worse": f"with the map of these scores the log loss is {own}, above {rate}: do not use "
        "it.",
        "the same": f"the map of these scores says the base rate of every answer: {own}.",
        "cannot tell": "these answers cannot tell whether the scores say anything: with their map "
        f"the log loss is {own}, beside {rate}.",
    }[differences.verdict("log_loss")]
    return capitalised(few + sentence)


def split_sentence(
    evaluation: Evaluation,
    other_losses: Mapping[str, float] | None = None,
    calibrator: Calibrator | None = None,
) -> str:
    """Return what a temperature removes of the log loss and leaves, and what no model would cost.

    `other_losses` holds log losses of other maps by name, on the same rows and by fits that had not
    seen them: the smallest is told where it is below what a temperature leaves. "" if nothing is
    known, and of a `calibrator` of scores that claim no probability.
    """
    if calibrator is not None and not calibrator.reads_probabilities:
        return ""
    parts = [
        _split(evaluation),
        *_best_other(evaluation, other_losses or {}),
        *_base_rates(evaluation),
    ]
    text = "; ".join(filter(None, parts))
    return f"{capitalised(text)}." if text else ""


def _split(evaluation: Evaluation) -> str:
    split = evaluation.refinement
    if split is None:
        return ""
    loss = f"of its log loss of {number_text(evaluation.log_loss.value, 3)}, "
    if split.calibration.low <= 0.0:
        nothing = "show nothing that a temperature would clearly remove"
        return f"{loss}these {evaluation.outcomes.plural} {nothing}"
    return (
        f"{loss}{number_text(split.calibration.value, 3)} is miscalibration that a temperature "
        f"removes; a temperature leaves {number_text(split.refinement.value, 3)}"
    )


def _best_other(evaluation: Evaluation, losses: Mapping[str, float]) -> list[str]:
    """Return what the best other map leaves, where that is less."""
    others = {name: loss for name, loss in losses.items() if name != TemperatureScaling.method}
    if evaluation.refinement is None or not others:
        return []
    best = min(others, key=others.__getitem__)
    if others[best] >= min(evaluation.refinement.refinement.value, evaluation.log_loss.value):
        return []
    return [f"the best map tried, {best}, leaves {number_text(others[best], 3)}"]


def _base_rates(evaluation: Evaluation) -> list[str]:
    base = evaluation.base_rates
    if base is None or base.log_loss == 0.0:
        return []
    cost = number_text(base.log_loss, 3)
    sentence = f"knowing only {evaluation.outcomes.base_rates} would cost {cost}"
    skill = base.log_loss_skill.value
    if isfinite(skill):
        sentence += f" (skill of this model: {number_text(skill, 3)})"
    return [sentence]


def explain_calibrator(calibrator: Calibrator) -> str:
    """Return what a calibrator does to a row, and what it keeps."""
    if calibrator.name == "temperature":
        temperature = temperature_of(calibrator)
        assert temperature is not None  # noqa: S101  (the method has one)
        return _explain_temperature(temperature, calibrator)
    traits = calibrator.own_traits
    keeps = "never changes" if traits.keeps_class else "may change"
    predicted = capitalised(_outcomes(calibrator).predicted)
    return f"What the method does: {traits.summary}. {predicted} {keeps}."


def _explain_temperature(temperature: float, calibrator: Calibrator) -> str:
    odds = 19.0 ** (1.0 / temperature)  # 95 % is odds of 19 to 1
    what = "softens" if temperature > 1.0 else "sharpens"
    outcomes = _outcomes(calibrator)
    classes = outcomes.kind == "classes"
    keeps = "and the order of the classes never change" if classes else "never changes"
    return (
        f"Every logit is divided by {digits_text(temperature, 4)}, which {what} the probabilities: "
        f"{'between two classes, ' if classes else ''}a claim of 95 % becomes "
        f"{percent(odds / (1.0 + odds))}. {capitalised(outcomes.predicted)} {keeps}."
    )


def _outcomes(calibrator: Calibrator) -> Outcomes:
    """Return what a calibrator's probabilities are of."""
    names = {"answers": ANSWER_CLASSES, "multilabel": LABEL_CLASSES}.get(calibrator.kind)
    return Outcomes(names)


def explain_test(record: FitRecord) -> str:
    """Return the score test of T = 1 in words."""
    return capitalised(f"{sharpness_in_words(record.score_test)}.")


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
    in_bin = (curve.lower < says) & (says <= curve.upper) & (curve.count >= _ENOUGH)
    if not in_bin.any():
        return None
    at = int(in_bin.argmax())
    right, now = percent(float(curve.accuracy[at])), percent(float(curve.confidence[at]))
    return f"when it says {now}, it is right {right} of the time"


def _ending(comparison: Comparison | None, level: _Level | None) -> str:  # noqa: PLR0911
    if comparison is None:
        return "."
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    verdict, rows = comparison.differences["after"], before.outcomes.plural
    by_log_loss = verdict.verdict("log_loss")
    if by_log_loss == "worse":
        return ". Calibration made the probabilities worse: do not use it."
    if is_refuted(after):  # no word of a level that may be right
        return (
            "; "
            + {
                "the same": "calibration leaves the probabilities as they are.",
                "cannot tell": f"these {rows} cannot tell whether calibration is better.",
                "better": (
                    "calibration lowers the log loss from "
                    f"{number_text(before.log_loss.value, 3)} to "
                    f"{number_text(after.log_loss.value, 3)}."
                ),
            }[by_log_loss]
        )
    later = None if level is None else _after(after.reliability, level.says)
    if later is None:
        later = (
            f"it claims {percent(after.confidence.value)} on average and is right "
            f"{percent(after.accuracy.value)}"
        )
    if by_log_loss == "the same":
        return "; calibration leaves the probabilities as they are."
    if by_log_loss == "cannot tell":
        return f"; after calibration, {later}, but these {rows} cannot tell whether that is better."
    if verdict.verdict("ece") == "worse":
        return (
            f"; after calibration, {later}. The log loss is better, yet the calibration error is "
            "larger: this is not the right map for this model."
        )
    return f"; after calibration, {later}."


def _unneeded(comparison: Comparison, test: ScoreTest | None) -> str:
    verdict = comparison.differences["after"].verdict("log_loss")
    if verdict == "cannot tell" and test is not None:
        return " They cannot tell whether calibration makes it better."
    return {
        "better": " Calibration still improves the log loss.",
        "worse": " Calibration makes the log loss worse: leave it out.",
        "cannot tell": " There is nothing that calibration would clearly improve.",
        "the same": " Calibration leaves the probabilities as they are.",
    }[verdict]
