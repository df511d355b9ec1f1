"""Language models: a temperature from top-k log-probabilities, confidence in whole answers."""

from temperance.calibrators.answers import AnswerConfidence
from temperance.checks.answer_scores import AnswerScale
from temperance.llm.log_odds import answer_log_odds
from temperance.llm.positions import label_positions
from temperance.llm.rates import RatesByScore, rates_by_score
from temperance.llm.sequences import SequenceScores, sequence_scores
from temperance.llm.top_k import TopKTemperature
from temperance.llm.top_k_bounds import TopKBounds

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
