"""Where structured scaling starts: temperature-scaled probabilities, smoothed, none of them 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators.temperature import TemperatureScaling
from temperance.calibrators.temperature_fit import temperature_record
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.numerics import log_probs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators.training import Training
    from temperance.readers.json_object import JsonObject

__all__ = ["base_from", "log_smoothed", "require_base", "smoothed_temperature"]


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


def require_base(base: object) -> None:
    """Raise InvalidInputError unless this is a temperature."""
    if not isinstance(base, TemperatureScaling):
        msg = f"`base` must be a TemperatureScaling, got {type(base).__name__}."
        raise InvalidInputError(msg)


def log_smoothed(base: TemperatureScaling, block: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the base's probabilities, which no offset of a row changes.

    Without smoothing a probability may be too small for a float: its logarithm is not.
    """
    if base.smoothing > 0.0:
        return base.scaled(block)
    with np.errstate(over="ignore"):
        z = (block - block.max(axis=1, keepdims=True)) / base.temperature
    return np.asarray(z - log_probs(np.exp(z).sum(axis=1, keepdims=True)))


def base_from(parameters: JsonObject) -> TemperatureScaling:
    """Return the base that a file's parameters describe."""
    temperature = parameters.number("base_temperature")
    if temperature <= 0.0:
        parameters.refuse("base_temperature", "a finite number above 0")
    return TemperatureScaling(temperature, smoothing=parameters.number("smoothing"))
