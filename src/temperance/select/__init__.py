"""Which map? A cross-fitted choice among methods that may well choose to change nothing."""

from temperance.select.choose import select, select_rows
from temperance.select.labels import LabelTrials, select_labels
from temperance.select.scores import BASE_RATE, SCORE_METHODS, ScoreTrials
from temperance.select.selection import Candidate, Selection

__all__ = [
    "BASE_RATE",
    "SCORE_METHODS",
    "Candidate",
    "LabelTrials",
    "ScoreTrials",
    "Selection",
    "select",
    "select_labels",
    "select_rows",
]
