"""One fitted, frozen value class per file; the file name is the method's name."""

from temperance.calibrators.affine import MatrixScaling, VectorScaling
from temperance.calibrators.answers import ANSWER_METHODS, AnswerConfidence
from temperance.calibrators.beta import BetaCalibration
from temperance.calibrators.bias_corrected_temperature import (
    BiasCorrectedTemperatureScaling,
    class_bias_errors,
)
from temperance.calibrators.calibrator import (
    Calibrator,
    Method,
    Traits,
    as_calibrator,
    interval_of,
    temperature_of,
)
from temperance.calibrators.ensemble import Ensemble, Pool, as_members, pooled_logits
from temperance.calibrators.group_temperature import GroupTemperatureRecord, GroupTemperatureScaling
from temperance.calibrators.identity import Identity
from temperance.calibrators.isotonic import IsotonicCalibration
from temperance.calibrators.label_platt import LabelPlattScaling
from temperance.calibrators.methods import (
    METHODS,
    calibrated_rows,
    check_method,
    fit_method,
    method_tables,
    out_of_fold_logits,
)
from temperance.calibrators.multilabel import (
    LABEL_METHODS,
    MultilabelScaling,
    entry_rows,
    fit_entries,
)
from temperance.calibrators.platt import PlattScaling
from temperance.calibrators.record import FitRecord, TemperatureRecord, ends_text
from temperance.calibrators.temperature import TemperatureScaling, count_clusters, fold_temperatures
from temperance.calibrators.training import Outputs, Training
from temperance.calibrators.venn_abers import VennAbers

__all__ = [
    "ANSWER_METHODS",
    "LABEL_METHODS",
    "METHODS",
    "AnswerConfidence",
    "BetaCalibration",
    "BiasCorrectedTemperatureScaling",
    "Calibrator",
    "Ensemble",
    "FitRecord",
    "GroupTemperatureRecord",
    "GroupTemperatureScaling",
    "Identity",
    "IsotonicCalibration",
    "LabelPlattScaling",
    "MatrixScaling",
    "Method",
    "MultilabelScaling",
    "Outputs",
    "PlattScaling",
    "Pool",
    "TemperatureRecord",
    "TemperatureScaling",
    "Training",
    "Traits",
    "VectorScaling",
    "VennAbers",
    "as_calibrator",
    "as_members",
    "calibrated_rows",
    "check_method",
    "class_bias_errors",
    "count_clusters",
    "ends_text",
    "entry_rows",
    "fit_entries",
    "fit_method",
    "fold_temperatures",
    "interval_of",
    "method_tables",
    "out_of_fold_logits",
    "pooled_logits",
    "temperature_of",
]
