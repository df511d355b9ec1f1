"""Temperance makes a classifier's probabilities mean what they say.

The path of data: arrays (or files, through `temperance.readers`) are checked, a calibrator is
fitted, applied, and its probabilities are evaluated on rows it has not seen; then they are shown
(`temperance.plots`, `temperance.report`) and kept (`save`, `load`). Everything that touches data
is a sum over rows. Importing this package loads NumPy and nothing heavier.
"""

from temperance import metrics, shift
from temperance.calibrators import (
    METHODS,
    BetaCalibration,
    BiasCorrectedTemperatureScaling,
    Calibrator,
    Ensemble,
    FitRecord,
    GroupTemperatureScaling,
    Identity,
    IsotonicCalibration,
    MatrixScaling,
    MultilabelScaling,
    PlattScaling,
    TemperatureScaling,
    VectorScaling,
    VennAbers,
)
from temperance.checks import logits_from_probs
from temperance.checks.dense import dense_rows
from temperance.checks.label_matrix import label_logits_from_probs, multilabel_rows
from temperance.compare import Comparison, Differences, compare
from temperance.errors import (
    FileFormatError,
    InvalidInputError,
    MissingDependencyError,
    NoOptimumError,
    TemperanceError,
)
from temperance.evaluate import Evaluation, evaluate
from temperance.export import load, save
from temperance.metrics.estimates import Estimate, NullBand
from temperance.plan import Plan, plan
from temperance.select import Candidate, Selection, select
from temperance.significance import ScoreTest
from temperance.version import __version__

__all__ = [
    "METHODS",
    "BetaCalibration",
    "BiasCorrectedTemperatureScaling",
    "Calibrator",
    "Candidate",
    "Comparison",
    "Differences",
    "Ensemble",
    "Estimate",
    "Evaluation",
    "FileFormatError",
    "FitRecord",
    "GroupTemperatureScaling",
    "Identity",
    "InvalidInputError",
    "IsotonicCalibration",
    "MatrixScaling",
    "MissingDependencyError",
    "MultilabelScaling",
    "NoOptimumError",
    "NullBand",
    "Plan",
    "PlattScaling",
    "ScoreTest",
    "Selection",
    "TemperanceError",
    "TemperatureScaling",
    "VectorScaling",
    "VennAbers",
    "__version__",
    "compare",
    "dense_rows",
    "evaluate",
    "label_logits_from_probs",
    "load",
    "logits_from_probs",
    "metrics",
    "multilabel_rows",
    "plan",
    "save",
    "select",
    "shift",
]
