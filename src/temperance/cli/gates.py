"""Limits that an evaluation must keep, for use in CI."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.checks.numbers import as_not_negative
from temperance.cli.console import note
from temperance.show import number_text

if TYPE_CHECKING:
    from temperance.evaluate import Evaluation

__all__ = ["Gate", "MaxBrier", "MaxEce", "MaxLogLoss", "MinAccuracy", "check_gates", "enforce"]


def _limit(name: str, what: str) -> Any:  # noqa: ANN401  (typer's option object)
    panel = "Gates (exit code 1 when one fails)"
    return typer.Option(name, metavar="X", help=what, rich_help_panel=panel)


MaxEce = Annotated[float | None, _limit("--max-ece", "Largest calibration error.")]
MaxLogLoss = Annotated[float | None, _limit("--max-log-loss", "Largest log loss.")]
MaxBrier = Annotated[float | None, _limit("--max-brier", "Largest Brier score.")]
MinAccuracy = Annotated[float | None, _limit("--min-accuracy", "Smallest accuracy.")]


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit and whether the value keeps it; a value on the limit passes."""

    option: str
    measure: str
    limit: float
    value: float
    passed: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON; an infinite or undefined value is None."""
        return {**asdict(self), "value": self.value if isfinite(self.value) else None}


def check_gates(evaluation: Evaluation, limits: dict[str, float | None]) -> list[Gate]:
    """Return a gate for each limit given, e.g. `{"max-ece": 0.05, "min-accuracy": None}`."""
    gates = []
    for option, wanted in limits.items():
        if wanted is None:
            continue
        limit = as_not_negative(wanted, name=f"--{option}")
        side, _, measure = option.partition("-")
        measure = measure.replace("-", "_")
        estimate = getattr(evaluation, measure)
        # nan, of what no row can tell, keeps no limit
        passed = estimate.value <= limit if side == "max" else estimate.value >= limit
        gates.append(Gate(f"--{option}", measure, limit, estimate.value, bool(passed)))
    return gates


def enforce(gates: list[Gate]) -> None:
    """Print each failed gate and end with exit code 1 if there is any."""
    failed = [gate for gate in gates if not gate.passed]
    for gate in failed:
        value = f"{gate.value:.6g}" if isfinite(gate.value) else number_text(gate.value)
        note(f"gate failed: {gate.option} {gate.limit:g}, but {gate.measure} is {value}")
    if failed:
        raise typer.Exit(1)
