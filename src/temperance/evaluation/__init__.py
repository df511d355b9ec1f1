"""Measure probabilities against labels: every number with its uncertainty."""

from temperance.evaluation.blocks import evaluate_blocks, measure_blocks
from temperance.evaluation.evaluation import Evaluation, as_measures
from temperance.evaluation.measure import (
    Groups,
    Measures,
    evaluate,
    evaluate_rows,
    labelled_groups,
    of_label_matrix,
    weighing_groups,
)

__all__ = [
    "Evaluation",
    "Groups",
    "Measures",
    "as_measures",
    "evaluate",
    "evaluate_blocks",
    "evaluate_rows",
    "labelled_groups",
    "measure_blocks",
    "of_label_matrix",
    "weighing_groups",
]
