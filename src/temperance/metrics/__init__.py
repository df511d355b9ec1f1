"""Measures of probabilities: plain functions of (probs, labels), each a mergeable sum."""

from temperance.metrics.binless_calibration_error import (
    ks_calibration_error,
    smooth_calibration_error,
)
from temperance.metrics.calibration_error import (
    classwise_calibration_error,
    debiased_calibration_error,
    expected_calibration_error,
    flattened_calibration_error,
    sweep_calibration_error,
    top_label_conditional_calibration_error,
)
from temperance.metrics.corp import CorpReliability, corp_reliability
from temperance.metrics.cox import CoxTest, cox_test
from temperance.metrics.decomposition import (
    MurphyDecomposition,
    ScoreDecomposition,
    murphy_decomposition,
    score_decomposition,
)
from temperance.metrics.group_tests import GroupTest, group_score_tests
from temperance.metrics.joint_tests import class_bias_test, joint_score_test
from temperance.metrics.ordinal import (
    OrdinalMeasures,
    cumulative_calibration_error,
    ordinal_measures,
    ranked_probability_score,
    within_accuracy,
)
from temperance.metrics.reliability import ReliabilityCurve, reliability_curve
from temperance.metrics.scores import accuracy, brier_score, log_loss
from temperance.metrics.weak_calibration import WeakCalibration, weak_calibration
from temperance.metrics.z_tests import (
    calibration_in_the_large_test,
    score_test,
    spiegelhalter_test,
)
from temperance.significance import CalibrationTest, holm

__all__ = [
    "CalibrationTest",
    "CorpReliability",
    "CoxTest",
    "GroupTest",
    "MurphyDecomposition",
    "OrdinalMeasures",
    "ReliabilityCurve",
    "ScoreDecomposition",
    "WeakCalibration",
    "accuracy",
    "brier_score",
    "calibration_in_the_large_test",
    "class_bias_test",
    "classwise_calibration_error",
    "corp_reliability",
    "cox_test",
    "cumulative_calibration_error",
    "debiased_calibration_error",
    "expected_calibration_error",
    "flattened_calibration_error",
    "group_score_tests",
    "holm",
    "joint_score_test",
    "ks_calibration_error",
    "log_loss",
    "murphy_decomposition",
    "ordinal_measures",
    "ranked_probability_score",
    "reliability_curve",
    "score_decomposition",
    "score_test",
    "smooth_calibration_error",
    "spiegelhalter_test",
    "sweep_calibration_error",
    "top_label_conditional_calibration_error",
    "weak_calibration",
    "within_accuracy",
]
