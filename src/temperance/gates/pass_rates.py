"""Whether a judged pass rate is high enough, and whether a system's is worse than another's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temperance.checks.arguments import as_share, as_word, require_type
from temperance.gates.difference import joint_level
from temperance.gates.gated import Gated, judged, passes, undecided_words
from temperance.llm.pass_rates import PassRate, PassRateComparison
from temperance.metrics.estimates import Estimate
from temperance.show import interval_text, number_text, percent_text

if TYPE_CHECKING:
    from temperance.gates.gated import GateVerdict, Undecided

__all__ = [
    "PassRateDifferenceGate",
    "PassRateGate",
    "check_pass_rate",
    "check_pass_rate_differences",
]


@dataclass(frozen=True, slots=True)
class PassRateGate(Gated):
    """The least that a corrected pass rate may be, and what the labels say of it.

    Attributes
    ----------
    system : str or None
        The system whose answers were judged; None where there is one alone.
    limit : float
        The least that the pass rate may be, in [0, 1].
    rate : Estimate
        The corrected pass rate with its interval at `level`.
    level : float
        Confidence of the interval.
    n, n_labelled : int
        Number of rows, and of those that people judged.
    verdict : {"passed", "failed", "undecided"}
        Failed: the whole interval is below the limit. Passed: all of it is on the limit or above.
        Undecided: the limit lies inside.
    passed : bool
        The verdict, or what an undecided gate is taken for.
    """

    system: str | None
    limit: float
    rate: Estimate
    level: float
    n: int
    n_labelled: int
    verdict: GateVerdict
    passed: bool

    @property
    def option(self) -> str:
        """What sets the gate."""
        return "--min-pass-rate"

    @property
    def title(self) -> str:
        """What is judged: "min_pass_rate 0.8", of a system with its name."""
        return f"{_of(self.system)}min_pass_rate {self.limit:g}"

    @property
    def cells(self) -> tuple[str, str, str]:
        """The rate, its interval, and the limit."""
        interval = interval_text(self.rate.low, self.rate.high)
        return number_text(self.rate.value), interval, f"at least {self.limit:g}"

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds."""
        return {
            "option": self.option,
            "system": self.system,
            "measure": "pass_rate",
            "limit": self.limit,
            **self.rate.to_dict(),
            "level": self.level,
            "n": self.n,
            "n_labelled": self.n_labelled,
            "verdict": self.verdict,
            "passed": self.passed,
        }

    def in_words(self, *, of_command: bool = False) -> str:
        """Say in a line how the gate ended and why; `of_command` by its options."""
        value, interval, _ = self.cells
        name = self.option if of_command else "min_pass_rate"
        text = f"gate {self.verdict}: {_of(self.system)}{name} {self.limit:g}"
        measurement = f"pass_rate is {value} ({percent_text(self.level)} interval {interval})"
        if self.verdict != "undecided":
            return f"{text}, {'and' if self.passed else 'but'} {measurement}"
        end = undecided_words(passed=self.passed, of_command=of_command)
        return (
            f"{text}, {measurement}: {self.n_labelled:,} labels cannot tell. {end}; more labels "
            "narrow the interval."
        )


@dataclass(frozen=True, slots=True)
class PassRateDifferenceGate(Gated):
    """A system's corrected pass rate beside that of the baseline, and whether it is worse.

    Attributes
    ----------
    system, other : str
        The system judged, and the one it is compared with.
    value, baseline : float
        The pass rate of the system, and of the other.
    difference : Estimate
        The first less the second, with its interval at `level`; below 0 is worse.
    margin : float
        How much lower it may be, >= 0.
    level : float
        Confidence of the interval, so that of all systems compared at once one is wrongly called
        worse in at most 5 % of samples.
    verdict : {"passed", "failed", "undecided"}
        Failed: worse, for the whole interval is below -margin. Passed: not worse, for all of it is
        on -margin or above. Undecided: one cannot tell.
    passed : bool
        The verdict, or what an undecided gate is taken for.
    """

    system: str
    other: str
    value: float
    baseline: float
    difference: Estimate
    margin: float
    level: float
    verdict: GateVerdict
    passed: bool

    @property
    def option(self) -> str:
        """What sets the gate."""
        return "--fail-if worse"

    @property
    def finding(self) -> str:
        """The verdict as one says it of systems: "worse", "not worse" or "cannot tell"."""
        return {"failed": "worse", "passed": "not worse", "undecided": "cannot tell"}[self.verdict]

    @property
    def title(self) -> str:
        """What is judged: "new: pass rate against old"."""
        return f"{self.system}: pass rate against {self.other}"

    @property
    def cells(self) -> tuple[str, str, str]:
        """The difference, its interval, and the margin."""
        low, high = self.difference.low, self.difference.high
        limit = f"at least -{self.margin:g}" if self.margin else "at least 0"
        value = number_text(self.difference.value, sign=True)
        return value, interval_text(low, high, sign=True), limit

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds."""
        ends = self.difference.to_dict()
        return {
            "option": self.option,
            "system": self.system,
            "other": self.other,
            "measure": "pass_rate",
            "value": self.value,
            "baseline": self.baseline,
            "difference": ends.pop("value"),
            **ends,
            "level": self.level,
            "margin": self.margin,
            "finding": self.finding,
            "verdict": self.verdict,
            "passed": self.passed,
        }

    def in_words(self, *, of_command: bool = False) -> str:
        """Say in a line how the gate ended and why; `of_command` by its options."""
        value, interval, _ = self.cells
        sides = f"{number_text(self.value)} against {number_text(self.baseline)}"
        head = f"gate {self.verdict}: {self.finding} than {self.other}"
        if self.verdict == "undecided":
            head = f"gate undecided: cannot tell whether worse than {self.other}"
        margin = f", margin {self.margin:g}" if self.margin else ""
        text = (
            f"{head}: {self.system}, pass rate {sides} (difference {value}, "
            f"{percent_text(self.level)} interval {interval}{margin})"
        )
        if self.verdict != "undecided":
            return text
        end = undecided_words(passed=self.passed, of_command=of_command)
        return f"{text}. {end}; more labels narrow the interval."


def check_pass_rate(
    found: PassRate | PassRateComparison,
    *,
    min_pass_rate: float,
    undecided: Undecided = "pass",
) -> tuple[PassRateGate, ...]:
    r"""Judge the corrected pass rate of a system, or of each of several, by the least it may be.

    Parameters
    ----------
    found : PassRate or PassRateComparison
        What `temperance.llm.pass_rate` or `compare_pass_rates` returns.
    min_pass_rate : float
        The least that the pass rate may be, in [0, 1].
    undecided : {"pass", "fail"}, default "pass"
        What a gate is taken for whose limit lies inside the interval.

    Returns
    -------
    tuple of PassRateGate
        One, or one per system.

    Raises
    ------
    InvalidInputError
        No pass rate; a limit outside [0, 1]; another `undecided`.

    Notes
    -----
    Of an interval [l, h] at the level of `found` and the least m: failed where h < m, passed where
    l >= m, else undecided. It is the interval of the corrected rate: what the judge says alone
    may lie anywhere. At 95 % a system whose true rate is m fails by chance in at most 2.5 % of
    samples, and passes in at most 2.5 %.

    Examples
    --------
    People pass 2 of 20 answers, and the judge knows which:

    >>> from temperance.llm import pass_rate
    >>> found = pass_rate([1] * 2 + [0] * 18, [1] * 2 + [0] * 18)
    >>> [gate.verdict for gate in check_pass_rate(found, min_pass_rate=0.8)]
    ['failed']
    """
    rule = "what `llm.pass_rate` or `llm.compare_pass_rates` returns"
    require_type(found, (PassRate, PassRateComparison), name="found", rule=rule)
    as_word(undecided, ("pass", "fail"), name="undecided")
    limit = as_share(min_pass_rate, name="min_pass_rate")
    rates: list[tuple[str | None, PassRate]] = (
        [(None, found)] if isinstance(found, PassRate) else list(found.rates.items())
    )
    gates = []
    for system, each in rates:
        verdict = judged(each.pass_rate, limit, largest=False)
        passed = passes(verdict, undecided)
        gates.append(
            PassRateGate(
                system, limit, each.pass_rate, each.level, each.n, each.n_labelled, verdict, passed
            )
        )
    return tuple(gates)


def check_pass_rate_differences(
    comparison: PassRateComparison,
    *,
    margin: float = 0.0,
    undecided: Undecided = "pass",
) -> tuple[PassRateDifferenceGate, ...]:
    r"""Judge whether systems pass less often than the baseline, each corrected by its own labels.

    Parameters
    ----------
    comparison : PassRateComparison
        What `temperance.llm.compare_pass_rates` returns.
    margin : float, default 0
        How much lower a pass rate may be (a non-inferiority margin), in [0, 1].
    undecided : {"pass", "fail"}, default "pass"
        What a gate is taken for where the labels cannot tell.

    Returns
    -------
    tuple of PassRateDifferenceGate
        One for each system but the baseline.

    Raises
    ------
    InvalidInputError
        No comparison; a margin outside [0, 1]; another `undecided`.

    Notes
    -----
    Of a difference (system less baseline) with interval [l, h] and a margin m: worse where
    h < -m, not worse where l >= -m, else one cannot tell. The intervals of g systems compared at
    once are at the level 1 - 0.1 / g, whatever that of the comparison: together they call a system
    worse that is not in at most 5 % of samples (Bonferroni).

    Examples
    --------
    >>> from temperance.llm import compare_pass_rates
    >>> verdicts = [1, 1, 1, 1, 1, 1, 1, 1, 1, 0] * 4 + [0, 0, 0, 0, 1] * 8
    >>> found = compare_pass_rates(verdicts, verdicts, ["old"] * 40 + ["new"] * 40)
    >>> [(gate.system, gate.finding) for gate in check_pass_rate_differences(found)]
    [('new', 'worse')]
    """
    rule = "what `llm.compare_pass_rates` returns"
    require_type(comparison, PassRateComparison, name="comparison", rule=rule)
    as_word(undecided, ("pass", "fail"), name="undecided")
    allowed = as_share(margin, name="margin")
    level = joint_level(len(comparison.differences))
    gates = []
    for system, each in comparison.differences_at(level).items():
        difference = Estimate(each.value, each.low, each.high)
        verdict = judged(difference, -allowed, largest=False)
        value, baseline = (
            comparison.rates[name].pass_rate.value for name in (system, comparison.baseline)
        )
        gates.append(
            PassRateDifferenceGate(
                system, comparison.baseline, value, baseline, difference, allowed, level,
                verdict, passes(verdict, undecided),
            )
        )  # fmt: skip
    return tuple(gates)


def _of(system: str | None) -> str:
    return "" if system is None else f"{system}: "
