"""Measures from merged sums: rows are counted in cells, and resamples are drawn of the cells."""

from temperance.metrics.cells.cell_sums import CellSums
from temperance.metrics.cells.class_results import ClassErrors
from temperance.metrics.cells.class_sums import MOST_CLASSES, Binned, ClassSums
from temperance.metrics.cells.event_sums import EventSums
from temperance.metrics.cells.flattened_sums import FlattenedSums
from temperance.metrics.cells.grid import ProbabilityGrid
from temperance.metrics.cells.score_sums import CalibrationTestSums

__all__ = [
    "MOST_CLASSES",
    "Binned",
    "CalibrationTestSums",
    "CellSums",
    "ClassErrors",
    "ClassSums",
    "EventSums",
    "FlattenedSums",
    "ProbabilityGrid",
]
