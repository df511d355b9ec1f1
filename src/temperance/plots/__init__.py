"""Diagrams of what is measured elsewhere: they draw numbers and compute none.

Nothing here uses pyplot or changes a setting of matplotlib: a diagram is drawn on the axes it
is given, or on a new figure of its own, which a notebook shows.
"""

from temperance.plots.class_bias import ClassBiasDisplay
from temperance.plots.confidence import ConfidenceDisplay
from temperance.plots.corp import CorpDisplay
from temperance.plots.cost import CostDisplay
from temperance.plots.curves import CalibrationCurvesDisplay
from temperance.plots.evidence import EvidenceDisplay
from temperance.plots.frequency import FrequencyDisplay
from temperance.plots.reliability import ReliabilityDisplay
from temperance.plots.risk_coverage import RiskCoverageDisplay
from temperance.plots.temperature import TemperatureDisplay
from temperance.plots.theme import to_svg

__all__ = [
    "CalibrationCurvesDisplay",
    "ClassBiasDisplay",
    "ConfidenceDisplay",
    "CorpDisplay",
    "CostDisplay",
    "EvidenceDisplay",
    "FrequencyDisplay",
    "ReliabilityDisplay",
    "RiskCoverageDisplay",
    "TemperatureDisplay",
    "to_svg",
]
