"""The table of all methods, by their names on the command line and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.calibrators.beta import BetaCalibration
from temperance.calibrators.bias_corrected_temperature import BiasCorrectedTemperatureScaling
from temperance.calibrators.ensemble import Ensemble
from temperance.calibrators.group_temperature import GroupTemperatureScaling
from temperance.calibrators.identity import Identity
from temperance.calibrators.isotonic import IsotonicCalibration
from temperance.calibrators.matrix import MatrixScaling
from temperance.calibrators.platt import PlattScaling
from temperance.calibrators.temperature import TemperatureScaling
from temperance.calibrators.vector import VectorScaling
from temperance.calibrators.venn_abers import VennAbers

if TYPE_CHECKING:
    from temperance.calibrators.calibrator import Calibrator

__all__ = ["METHODS"]

METHODS: dict[str, type[Calibrator]] = {
    each.method: each
    for each in (
        Identity,
        TemperatureScaling,
        BiasCorrectedTemperatureScaling,
        GroupTemperatureScaling,
        VectorScaling,
        MatrixScaling,
        PlattScaling,
        BetaCalibration,
        IsotonicCalibration,
        VennAbers,
        Ensemble,
    )
}
