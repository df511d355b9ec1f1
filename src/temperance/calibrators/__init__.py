"""One fitted, frozen value class per file; the file name is the method's name."""

from temperance.calibrators.record import FitRecord
from temperance.calibrators.temperature import TemperatureScaling

__all__ = ["METHODS", "FitRecord", "TemperatureScaling"]

METHODS = {TemperatureScaling.method: TemperatureScaling}
