"""Measure probabilities against labels: every number with its uncertainty."""

from temperance.evaluation.blocks import evaluate_blocks, measure_blocks
from temperance.evaluation.evaluation import Evaluation
from temperance.evaluation.measure import (
    Groups,
    evaluate,
    evaluate_rows,
    labelled_groups,
    measure,
    of_label_matrix,
    weighing_groups,
)

__all__ = [
    "Evaluation",
    "Groups",
    "evaluate",
    "evaluate_blocks",
    "evaluate_rows",
    "labelled_groups",
    "measure",
    "measure_blocks",
    "of_label_matrix",
    "weighing_groups",
]
