"""A calibrator in MLflow: logged as a model that any of its servers runs, with what was measured.

Importing this package loads nothing; MLflow is imported where it is used.
"""

from typing import TYPE_CHECKING

from temperance.loading import loading

if TYPE_CHECKING:
    from temperance.mlflow.tracking import LoggedCalibrator, load_calibrator, log_calibrator

__all__ = ["LoggedCalibrator", "load_calibrator", "log_calibrator"]

__getattr__ = loading(__name__, dict.fromkeys(__all__, "temperance.mlflow.tracking"))
