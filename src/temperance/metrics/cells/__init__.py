"""Measures from merged sums: rows are counted in cells, and resamples are drawn of the cells."""

from temperance.metrics.cells.cell_sums import CellSums, ProbabilityGrid
from temperance.metrics.cells.class_sums import MOST_CLASSES, Binned, ClassErrors, ClassSums
from temperance.metrics.cells.measure_sums import (
    CalibrationTestSums,
    EventSums,
    FlattenedSums,
    JointRows,
)

__all__ = [
    "MOST_CLASSES",
    "Binned",
    "CalibrationTestSums",
    "CellSums",
    "ClassErrors",
    "ClassSums",
    "EventSums",
    "FlattenedSums",
    "JointRows",
    "ProbabilityGrid",
]
