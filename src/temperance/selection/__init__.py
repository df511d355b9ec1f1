"""Which map? A cross-fitted choice among methods that may well choose to change nothing."""

from temperance.selection.choose import select, select_rows
from temperance.selection.other_outputs import (
    BASE_RATE,
    SCORE_METHODS,
    LabelTrials,
    ScoreTrials,
    select_labels,
)
from temperance.selection.selection import Candidate, Selection

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
