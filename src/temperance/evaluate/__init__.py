"""Measure probabilities against labels: every number with its uncertainty."""

from temperance.evaluate.blocks import evaluate_blocks, measure_blocks
from temperance.evaluate.evaluation import Evaluation
from temperance.evaluate.measure import (
    Groups,
    evaluate,
    evaluate_rows,
    labelled_groups,
    measure,
    row_measures,
    weighing_groups,
)
from temperance.evaluate.side_sums import paired_gaps

__all__ = [
    "Evaluation",
    "Groups",
    "evaluate",
    "evaluate_blocks",
    "evaluate_rows",
    "labelled_groups",
    "measure",
    "measure_blocks",
    "paired_gaps",
    "row_measures",
    "weighing_groups",
]
