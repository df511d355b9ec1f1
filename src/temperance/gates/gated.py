"""What every gate is: a verdict of the evidence, what it is taken for, and how that is said."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from typing import Any

    from temperance.metrics.estimates import Estimate

__all__ = ["GateVerdict", "Gated", "Undecided", "judged", "passes", "undecided_words"]

GateVerdict = Literal["passed", "failed", "undecided"]
Undecided = Literal["pass", "fail"]


class Gated(ABC):
    """Base of a gate: failed or passed where the rows say so, undecided where they cannot tell."""

    __slots__ = ()

    verdict: GateVerdict
    passed: bool

    @property
    @abstractmethod
    def option(self) -> str:
        """What sets the gate on the command line."""

    @property
    @abstractmethod
    def title(self) -> str:
        """What is judged, as a test is called: one line, different for each gate of a command."""

    @property
    @abstractmethod
    def cells(self) -> tuple[str, str, str]:
        """What was measured, its interval, and what it must be, as a table shows them."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds: `option`, `verdict` and `passed` beside the numbers."""

    @abstractmethod
    def in_words(self, *, of_command: bool = False) -> str:
        """Say in a line how the gate ended and why; `of_command` by its options."""

    def __str__(self) -> str:
        return self.in_words()


def judged(estimate: Estimate, limit: float, *, largest: bool = True) -> GateVerdict:
    """Return where an interval lies of a limit, the most a measure may be, or else the least.

    >>> from temperance.metrics.estimates import Estimate
    >>> judged(Estimate(0.3, 0.2, 0.4), 0.1), judged(Estimate(0.3, 0.2, 0.4), 0.25)
    ('failed', 'undecided')
    """
    low, high = estimate.low, estimate.high
    if low > limit if largest else high < limit:
        return "failed"
    # an end that is nan is no end: the interval has no limits
    return "passed" if (high <= limit if largest else low >= limit) else "undecided"


def passes(verdict: GateVerdict, undecided: Undecided) -> bool:
    """Return whether a verdict passes, an undecided one by what it is to be taken for."""
    return verdict == "passed" or (verdict == "undecided" and undecided == "pass")


def undecided_words(*, passed: bool, of_command: bool) -> str:
    """Return what becomes of a gate that the rows do not decide.

    >>> undecided_words(passed=True, of_command=True)
    'It passes (--undecided pass)'
    """
    end, choice = ("passes", "pass") if passed else ("fails", "fail")
    rule = f"--undecided {choice}" if of_command else f'undecided="{choice}"'
    return f"It {end} ({rule})"
