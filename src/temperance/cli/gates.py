"""Limits that an evaluation must keep, for use in CI: judged by evidence, not by luck."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from math import isfinite, isnan
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from temperance.checks.numbers import as_not_negative
from temperance.cli.console import note
from temperance.errors import InvalidInputError
from temperance.metrics.outcomes import Outcomes
from temperance.show import number_text

if TYPE_CHECKING:
    from temperance.evaluate import Evaluation
    from temperance.metrics.estimates import Estimate

__all__ = [
    "Gate",
    "MaxBrier",
    "MaxEce",
    "MaxLogLoss",
    "MinAccuracy",
    "Undecided",
    "UndecidedOption",
    "check_gates",
    "enforce",
    "given_limits",
]

_PANEL = "Gates (exit code 1 when one fails)"
GateVerdict = Literal["passed", "failed", "undecided"]

_ROWS = Outcomes()


class Undecided(StrEnum):
    """What a gate is of which the rows cannot tell."""

    passing = "pass"
    failing = "fail"


def _limit(name: str, what: str) -> Any:  # noqa: ANN401  (typer's option object)
    return typer.Option(name, metavar="X", help=what, rich_help_panel=_PANEL)


MaxEce = Annotated[float | None, _limit("--max-ece", "Largest calibration error.")]
MaxLogLoss = Annotated[float | None, _limit("--max-log-loss", "Largest log loss.")]
MaxBrier = Annotated[float | None, _limit("--max-brier", "Largest Brier score.")]
MinAccuracy = Annotated[float | None, _limit("--min-accuracy", "Smallest accuracy.")]
UndecidedOption = Annotated[
    Undecided | None,
    typer.Option(
        "--undecided",
        help="Of a limit within the 95 % interval, where these rows cannot tell.",
        show_default="pass",
        rich_help_panel=_PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit, the measure with its 95 % interval, and what these say of one another.

    Failed: the whole interval is beyond the limit, or the measure is undefined. Passed: the whole
    interval is within the limit, or on it. Undecided: the limit lies inside the interval, so that
    other rows of the same kind might as well have said the contrary.
    """

    option: str
    measure: str
    limit: float
    value: float
    low: float
    high: float
    n: int  # rows
    verdict: GateVerdict
    passed: bool  # the verdict, or what an undecided gate is taken for
    outcomes: Outcomes = _ROWS  # what the rows are

    @classmethod
    def of(
        cls,
        option: str,
        limit: float,
        estimate: Estimate,
        *,
        n: int,
        undecided: Undecided,
        outcomes: Outcomes = _ROWS,
    ) -> Gate:
        """Judge an estimate by the limit of an option, `--max-...` or `--min-...`."""
        verdict = _verdict(estimate, limit, largest=option.startswith("--max-"))
        return cls(
            option=option,
            measure=_measure(option),
            limit=limit,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            n=n,
            verdict=verdict,
            passed=verdict == "passed"
            or (verdict == "undecided" and undecided is Undecided.passing),
            outcomes=outcomes,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON; an infinite or undefined number is None."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        finite = {name: each if isfinite(each) else None for name, each in numbers.items()}
        found = {**asdict(self), **finite}
        del found["outcomes"]
        return found

    def __str__(self) -> str:
        """Say in a line how the gate ended and why."""
        measured = f"{self.measure} is {_number(self.value)}"
        if isfinite(self.value) and self.low < self.high:
            measured += f" (95 % interval {_number(self.low)} to {_number(self.high)})"
        told = f"gate {self.verdict}: {self.option} {self.limit:g}"
        if self.verdict != "undecided":
            return f"{told}, {'and' if self.passed else 'but'} {measured}"
        end = "passes" if self.passed else "fails"
        chosen = "pass" if self.passed else "fail"
        return (
            f"{told}, {measured}: {self.outcomes.rows(self.n)} cannot tell. It {end} "
            f"(--undecided {chosen}); more {self.outcomes.plural} narrow the interval."
        )


def _verdict(estimate: Estimate, limit: float, *, largest: bool) -> GateVerdict:
    """Return where an interval lies; nan, of what no row can tell, keeps no limit."""
    low, high = estimate.low, estimate.high
    if isnan(estimate.value) or (low > limit if largest else high < limit):
        return "failed"
    # an end that is nan is no end: the interval has no limits
    return "passed" if (high <= limit if largest else low >= limit) else "undecided"


def _number(value: float) -> str:
    return f"{value:.4g}" if isfinite(value) else number_text(value)


def given_limits(undecided: Undecided | None = None, **limits: float | None) -> dict[str, float]:
    """Return the limits that were given, e.g. of `max_ece=0.05`, checked, by their options."""
    options = {f"--{name.replace('_', '-')}": limit for name, limit in limits.items()}
    given = {
        option: as_not_negative(limit, name=option)
        for option, limit in options.items()
        if limit is not None
    }
    if undecided is not None and not given:
        msg = f"--undecided {undecided} needs a limit that it is about: {', '.join(options)}."
        raise InvalidInputError(msg)
    return given


def check_gates(
    evaluation: Evaluation, limits: dict[str, float], undecided: Undecided | None = None
) -> list[Gate]:
    """Return a gate for each limit, by its option, e.g. `{"--max-ece": 0.05}`."""
    taken = undecided or Undecided.passing
    return [
        Gate.of(
            option,
            limit,
            getattr(evaluation, _measure(option)),
            n=evaluation.n,
            undecided=taken,
            outcomes=evaluation.outcomes,
        )
        for option, limit in limits.items()
    ]


def _measure(option: str) -> str:
    """Return the field of an evaluation that an option limits: --max-log-loss, log_loss."""
    return option.removeprefix("--").partition("-")[2].replace("-", "_")


def enforce(gates: list[Gate]) -> None:
    """Print a line for each gate and end with exit code 1 if any does not pass."""
    for gate in gates:
        note(str(gate))
    if not all(gate.passed for gate in gates):
        raise typer.Exit(1)
