"""Where structured scaling starts: temperature-scaled probabilities, smoothed, none of them 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.calibrators.temperature import TemperatureScaling
from temperance.calibrators.temperature_fit import temperature_record
from temperance.errors import NoOptimumError

if TYPE_CHECKING:
    from temperance.calibrators.training import Training
    from temperance.readers.json_object import JsonObject

__all__ = ["base_from", "smoothed_temperature"]


def smoothed_temperature(rows: Training) -> tuple[TemperatureScaling, int]:
    """Return the fitted temperature with smoothing 1 / (W + 1), and the passes it took.

    Where no temperature is best, a prior of one pseudo-row on T = 1 gives one.
    """
    try:
        record = temperature_record(rows)
    except NoOptimumError:
        record = temperature_record(rows, prior=1.0)
    base = TemperatureScaling(record.temperature, smoothing=1.0 / (rows.weight + 1.0))
    return base, record.passes


def base_from(parameters: JsonObject) -> TemperatureScaling:
    """Return the base that a file's parameters describe."""
    return TemperatureScaling(
        parameters.number("base_temperature"), smoothing=parameters.number("smoothing")
    )
