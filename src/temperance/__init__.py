"""Temperance makes a classifier's probabilities mean what they say.

The path of data: arrays (or files, through `temperance.readers`) are checked, a calibrator is
fitted, applied, and its probabilities are evaluated on rows it has not seen; then they are shown
(`temperance.plots`, `temperance.report`) and kept (`save`, `load`). Everything that touches data
is a sum over rows. Importing this package loads nothing: each name loads its part, and NumPy, when
it is first used.
"""

from typing import TYPE_CHECKING

from temperance.loading import loading
from temperance.version import __version__

if TYPE_CHECKING:
    from temperance import (
        decisions,
        drift,
        export,
        llm,
        metrics,
        monitor,
        plots,
        readers,
        rows,
        shift,
        writers,
    )
    from temperance.alternatives import (
        ClassBiases,
        class_biases,
        compare_label_ways,
        compare_pooling,
    )
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
    from temperance.calibrators.record import ScoreTest
    from temperance.checks import Positions, logits_from_probs, masked_logits
    from temperance.checks.forms import dense_rows
    from temperance.checks.label_matrix import label_logits_from_probs, multilabel_rows
    from temperance.comparison import Comparison, Differences, compare, compare_blocks
    from temperance.errors import (
        FileFormatError,
        InvalidInputError,
        MissingDependencyError,
        NoOptimumError,
        StoreError,
        TemperanceError,
    )
    from temperance.evaluation import Evaluation, evaluate, evaluate_blocks
    from temperance.formats import content_id, load, save
    from temperance.gates import Gate, check_gates
    from temperance.metrics.estimates import Estimate, NullBand
    from temperance.monitor import Monitor
    from temperance.planning import Plan, plan
    from temperance.selection import Candidate, Selection, select, select_labels

_PARTS = (
    "decisions",
    "drift",
    "export",
    "gates",
    "llm",
    "metrics",
    "monitor",
    "plots",
    "readers",
    "rows",
    "shift",
    "writers",
)
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
    "Gate": "temperance.gates",
    "GroupTemperatureScaling": "temperance.calibrators",
    "Identity": "temperance.calibrators",
    "InvalidInputError": "temperance.errors",
    "IsotonicCalibration": "temperance.calibrators",
    "METHODS": "temperance.calibrators",
    "MatrixScaling": "temperance.calibrators",
    "MissingDependencyError": "temperance.errors",
    "Monitor": "temperance.monitor",
    "MultilabelScaling": "temperance.calibrators",
    "NoOptimumError": "temperance.errors",
    "NullBand": "temperance.metrics.estimates",
    "Plan": "temperance.planning",
    "PlattScaling": "temperance.calibrators",
    "ScoreTest": "temperance.calibrators.record",
    "StoreError": "temperance.errors",
    "Selection": "temperance.selection",
    "TemperanceError": "temperance.errors",
    "TemperatureScaling": "temperance.calibrators",
    "VectorScaling": "temperance.calibrators",
    "VennAbers": "temperance.calibrators",
    "Positions": "temperance.checks",
    "check_gates": "temperance.gates",
    "class_biases": "temperance.alternatives",
    "compare": "temperance.comparison",
    "compare_blocks": "temperance.comparison",
    "compare_label_ways": "temperance.alternatives",
    "compare_pooling": "temperance.alternatives",
    "content_id": "temperance.formats",
    "dense_rows": "temperance.checks.forms",
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
    "Gate",
    "GroupTemperatureScaling",
    "Identity",
    "InvalidInputError",
    "IsotonicCalibration",
    "MatrixScaling",
    "MissingDependencyError",
    "Monitor",
    "MultilabelScaling",
    "NoOptimumError",
    "NullBand",
    "Plan",
    "PlattScaling",
    "Positions",
    "ScoreTest",
    "Selection",
    "StoreError",
    "TemperanceError",
    "TemperatureScaling",
    "VectorScaling",
    "VennAbers",
    "__version__",
    "check_gates",
    "class_biases",
    "compare",
    "compare_blocks",
    "compare_label_ways",
    "compare_pooling",
    "content_id",
    "decisions",
    "dense_rows",
    "drift",
    "evaluate",
    "evaluate_blocks",
    "export",
    "gates",
    "label_logits_from_probs",
    "llm",
    "load",
    "logits_from_probs",
    "masked_logits",
    "metrics",
    "monitor",
    "multilabel_rows",
    "plan",
    "plots",
    "readers",
    "rows",
    "save",
    "select",
    "select_labels",
    "shift",
    "writers",
]


__getattr__ = loading(__name__, _HOMES | dict.fromkeys(_PARTS, __name__))


def __dir__() -> list[str]:
    return sorted(__all__)
