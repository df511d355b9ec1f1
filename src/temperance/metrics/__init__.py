"""Measures of probabilities: plain functions of (probs, labels), each a mergeable sum."""

from temperance.metrics.calibration_error import expected_calibration_error
from temperance.metrics.reliability import ReliabilityCurve, reliability_curve
from temperance.metrics.scores import accuracy, brier_score, log_loss

__all__ = [
    "ReliabilityCurve",
    "accuracy",
    "brier_score",
    "expected_calibration_error",
    "log_loss",
    "reliability_curve",
]
