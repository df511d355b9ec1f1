"""Temperance makes a classifier's probabilities mean what they say.

The path of data: arrays (or files, through `temperance.readers`) are checked, a calibrator is
fitted, applied, and its probabilities are evaluated on rows it has not seen; then they are shown
(`temperance.plots`, `temperance.report`) and kept (`save`, `load`). Everything that touches data
is a sum over rows. Importing this package loads nothing: each name loads its part, and NumPy, when
it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from temperance.version import __version__

if TYPE_CHECKING:
    from temperance import decisions, llm, metrics, plots, readers, shift, writers
    from temperance.alternatives import ClassBiases, class_biases, compare_pooling
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
    from temperance.checks import Positions, logits_from_probs, masked_logits
    from temperance.checks.dense import dense_rows
    from temperance.checks.label_matrix import label_logits_from_probs, multilabel_rows
    from temperance.comparison import Comparison, Differences, compare, compare_blocks
    from temperance.errors import (
        FileFormatError,
        InvalidInputError,
        MissingDependencyError,
        NoOptimumError,
        TemperanceError,
    )
    from temperance.evaluation import Evaluation, evaluate, evaluate_blocks
    from temperance.formats import load, save
    from temperance.metrics.estimates import Estimate, NullBand
    from temperance.planning import Plan, plan
    from temperance.selection import Candidate, Selection, select, select_labels
    from temperance.significance import ScoreTest

_PARTS = ("decisions", "llm", "metrics", "plots", "readers", "shift", "writers")
_HOMES = {  # public name -> the module that it is in
    "BetaCalibration": "temperance.calibrators",
    "BiasCorrectedTemperatureScaling": "temperance.calibrators",
    "Calibrator": "temperance.calibrators",
    "Candidate": "temperance.selection",
    "ClassBiases": "temperance.alternatives",
    "Comparison": "temperance.comparison",
    "Differences": "temperance.comparison",
    "Ensemble": "temperance.calibrators",
    "Estimate": "temperance.metrics.estimates",
    "Evaluation": "temperance.evaluation",
    "FileFormatError": "temperance.errors",
    "FitRecord": "temperance.calibrators",
    "GroupTemperatureScaling": "temperance.calibrators",
    "Identity": "temperance.calibrators",
    "InvalidInputError": "temperance.errors",
    "IsotonicCalibration": "temperance.calibrators",
    "METHODS": "temperance.calibrators",
    "MatrixScaling": "temperance.calibrators",
    "MissingDependencyError": "temperance.errors",
    "MultilabelScaling": "temperance.calibrators",
    "NoOptimumError": "temperance.errors",
    "NullBand": "temperance.metrics.estimates",
    "Plan": "temperance.planning",
    "PlattScaling": "temperance.calibrators",
    "ScoreTest": "temperance.significance",
    "Selection": "temperance.selection",
    "TemperanceError": "temperance.errors",
    "TemperatureScaling": "temperance.calibrators",
    "VectorScaling": "temperance.calibrators",
    "VennAbers": "temperance.calibrators",
    "Positions": "temperance.checks",
    "class_biases": "temperance.alternatives",
    "compare": "temperance.comparison",
    "compare_blocks": "temperance.comparison",
    "compare_pooling": "temperance.alternatives",
    "dense_rows": "temperance.checks.dense",
    "evaluate": "temperance.evaluation",
    "evaluate_blocks": "temperance.evaluation",
    "label_logits_from_probs": "temperance.checks.label_matrix",
    "load": "temperance.formats",
    "logits_from_probs": "temperance.checks",
    "masked_logits": "temperance.checks",
    "multilabel_rows": "temperance.checks.label_matrix",
    "plan": "temperance.planning",
    "save": "temperance.formats",
    "select": "temperance.selection",
    "select_labels": "temperance.selection",
}

__all__ = [
    "METHODS",
    "BetaCalibration",
    "BiasCorrectedTemperatureScaling",
    "Calibrator",
    "Candidate",
    "ClassBiases",
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
    "Positions",
    "ScoreTest",
    "Selection",
    "TemperanceError",
    "TemperatureScaling",
    "VectorScaling",
    "VennAbers",
    "__version__",
    "class_biases",
    "compare",
    "compare_blocks",
    "compare_pooling",
    "decisions",
    "dense_rows",
    "evaluate",
    "evaluate_blocks",
    "label_logits_from_probs",
    "llm",
    "load",
    "logits_from_probs",
    "masked_logits",
    "metrics",
    "multilabel_rows",
    "plan",
    "plots",
    "readers",
    "save",
    "select",
    "select_labels",
    "shift",
    "writers",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Return a public name, from the part that it lives in (PEP 562)."""
    if name in _PARTS:
        return import_module(f"temperance.{name}")
    if name not in _HOMES:
        msg = f"module 'temperance' has no attribute {name!r}"
        raise AttributeError(msg)
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
