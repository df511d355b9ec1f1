"""Language models: temperatures from top-k log-probabilities, whole answers, judges' verdicts."""

from temperance.calibrators.answers import AnswerConfidence
from temperance.checks.answer_scores import AnswerScale
from temperance.llm.judge_plan import PassRatePlan, plan_pass_rate
from temperance.llm.pass_rates import (
    PassRate,
    PassRateComparison,
    RateDifference,
    compare_pass_rates,
    pass_rate,
)
from temperance.llm.rates import RatesByScore, rates_by_score
from temperance.llm.sequences import SequenceScores, answer_log_odds, sequence_scores
from temperance.llm.top_k import TopKBounds, TopKTemperature, label_positions

__all__ = [
    "AnswerConfidence",
    "AnswerScale",
    "PassRate",
    "PassRateComparison",
    "PassRatePlan",
    "RateDifference",
    "RatesByScore",
    "SequenceScores",
    "TopKBounds",
    "TopKTemperature",
    "answer_log_odds",
    "compare_pass_rates",
    "label_positions",
    "pass_rate",
    "plan_pass_rate",
    "rates_by_score",
    "sequence_scores",
]
