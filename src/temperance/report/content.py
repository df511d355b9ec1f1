"""What a report is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.compare import Comparison
    from temperance.evaluate import Evaluation
    from temperance.plan import Plan
    from temperance.report.class_biases import ClassBiases
    from temperance.select import Selection

__all__ = ["ReportContent"]


@dataclass(frozen=True, slots=True, eq=False)
class ReportContent:
    """Everything a report shows; it measures nothing itself."""

    title: str
    evaluation: Evaluation  # of the model as it is
    comparison: Comparison | None  # "before" and "after"; None without a calibrator
    calibrator: Calibrator | None
    evaluated_on: Literal["cross-fitted", "test", "given"]
    facts: tuple[tuple[str, str], ...]  # label and value, in the order shown
    warnings: tuple[str, ...] = ()
    selection: Selection | None = None  # how the method was chosen
    plan: Plan | None = None  # labels that would settle what is open
    members: tuple[str, ...] = ()  # names of an ensemble's models
    class_biases: ClassBiases | None = None  # where they were fitted, or tried
    tried: dict[str, float] = field(default_factory=dict)  # log loss of each map tried, by its name
    advice: str = ""  # what to try where calibration is still refuted
    label_ways: Comparison | None = None  # of a label matrix: other ways, on the same rows
    pooling: Comparison | None = None  # ways of pooling them; the ensemble's own is the first
