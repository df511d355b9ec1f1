"""Class biases in the report: which class is claimed too often, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temperance.plots import ClassBiasDisplay
from temperance.report.page import svg
from temperance.report.ways import way_tables
from temperance.show import interval_text, number_text

if TYPE_CHECKING:
    from temperance.compare import Comparison
    from temperance.metrics.estimates import Estimate

__all__ = ["BIASED", "UNBIASED", "ClassBiases", "class_bias_section"]

UNBIASED = "one temperature"
BIASED = "temperature and class biases"
_MEASURES = ("log_loss", "ece", "accuracy")


@dataclass(frozen=True, slots=True, eq=False)
class ClassBiases:
    """Biases of a bias-corrected temperature, and what they gain over a temperature alone."""

    biases: dict[str, Estimate]  # of each class, in its order
    temperature: float  # beside the biases
    comparison: Comparison  # UNBIASED, the baseline, and BIASED, on rows that no fit has seen

    def to_dict(self) -> dict[str, Any]:
        """Return each bias, and the differences from a temperature alone."""
        return {
            "temperature": self.temperature,
            "biases": {name: each.to_dict() for name, each in self.biases.items()},
            "differences": self.comparison.differences[BIASED].to_dict(),
        }


def class_bias_section(found: ClassBiases | None) -> dict[str, Any] | None:
    """Return picture, table and sentences; None where no biases were fitted."""
    if found is None:
        return None
    return {
        "temperature": f"{found.temperature:.4g}",
        "figure": svg(ClassBiasDisplay.from_biases(found.biases), "biases"),
        "rows": [
            {
                "name": name,
                "bias": (
                    number_text(each.value, sign=True),
                    interval_text(each.low, each.high, sign=True),
                    "",
                ),
                "word": _word(each),
            }
            for name, each in found.biases.items()
        ],
        "tables": way_tables(found.comparison, measures=_MEASURES),
        "cost": _cost(found.comparison),
    }


def _word(bias: Estimate) -> str:
    if bias.low <= 0.0 <= bias.high:
        return "cannot tell"
    return "claimed too often" if bias.high < 0.0 else "claimed too rarely"


def _cost(comparison: Comparison) -> str:
    """Return what the biases gain in log loss: what it costs to leave them out."""
    differences = comparison.differences[BIASED]
    found, told = differences.log_loss, differences.verdict("log_loss")
    if told in {"cannot tell", "the same"}:
        ends = interval_text(found.low, found.high, sign=True)
        return (
            "These rows cannot tell whether it helps to correct the biases: the log loss changes "
            f"by {number_text(found.value, sign=True)} nats per row ({ends})."
        )
    low, high = sorted((abs(found.low), abs(found.high)))
    much = f"{number_text(abs(found.value))} nats of log loss per row ({interval_text(low, high)})"
    if told == "worse":
        return f"Correcting the biases costs {much} on rows that the fit has not seen: leave them."
    return f"Left uncorrected, the biases cost {much} that no temperature saves."
