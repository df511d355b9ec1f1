"""The table of all methods, by their names on the command line and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.calibrators.identity import Identity
from temperance.calibrators.temperature import TemperatureScaling

if TYPE_CHECKING:
    from temperance.calibrators.calibrator import Calibrator

__all__ = ["METHODS"]

METHODS: dict[str, type[Calibrator]] = {
    each.method: each
    for each in (
        Identity,
        TemperatureScaling,
    )
}
