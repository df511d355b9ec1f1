"""One fitted, frozen value class per file; the file name is the method's name."""

from temperance.calibrators.by_name import apply_rows, check_method, fit_by_name, scale_rows
from temperance.calibrators.calibrator import Calibrator
from temperance.calibrators.identity import Identity
from temperance.calibrators.methods import METHODS
from temperance.calibrators.record import FitRecord, TemperatureRecord
from temperance.calibrators.tables import interval_of, temperature_of
from temperance.calibrators.temperature import TemperatureScaling
from temperance.calibrators.traits import Traits

__all__ = [
    "METHODS",
    "Calibrator",
    "FitRecord",
    "Identity",
    "TemperatureRecord",
    "TemperatureScaling",
    "Traits",
    "apply_rows",
    "check_method",
    "fit_by_name",
    "interval_of",
    "scale_rows",
    "temperature_of",
]
