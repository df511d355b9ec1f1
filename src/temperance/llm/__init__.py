"""Language models: a temperature from top-k log-probabilities, confidence in whole answers."""

from temperance.calibrators.answers import AnswerConfidence
from temperance.checks.answer_scores import AnswerScale
from temperance.llm.rates import RatesByScore, rates_by_score
from temperance.llm.sequences import SequenceScores, answer_log_odds, sequence_scores
from temperance.llm.top_k import TopKBounds, TopKTemperature, label_positions

__all__ = [
    "AnswerConfidence",
    "AnswerScale",
    "RatesByScore",
    "SequenceScores",
    "TopKBounds",
    "TopKTemperature",
    "answer_log_odds",
    "label_positions",
    "rates_by_score",
    "sequence_scores",
]
