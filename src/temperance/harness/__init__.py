"""Calibration beside accuracy in lm-evaluation-harness and in Hugging Face evaluate.

Importing this package loads nothing; each harness is imported where its name is used.
"""

from typing import TYPE_CHECKING

from temperance.loading import loading

if TYPE_CHECKING:
    from temperance.harness.evaluate_module import CalibrationMetric
    from temperance.harness.lm_eval_task import CalibratedTask

__all__ = ["CalibratedTask", "CalibrationMetric"]

__getattr__ = loading(
    __name__,
    {
        "CalibratedTask": "temperance.harness.lm_eval_task",
        "CalibrationMetric": "temperance.harness.evaluate_module",
    },
)
