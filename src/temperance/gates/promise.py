"""Whether new labels refute what a threshold promised, as a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temperance.checks.arguments import as_mapping, as_word, require_type
from temperance.decisions.abstention import Abstention, Outcome
from temperance.decisions.binomial import clopper_pearson
from temperance.errors import InvalidInputError
from temperance.gates.difference import joint_level
from temperance.gates.gated import Gated, judged, passes, undecided_words
from temperance.show import percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.gates.gated import GateVerdict, Undecided
    from temperance.metrics.estimates import Estimate

__all__ = ["PromiseGate", "check_promises"]


@dataclass(frozen=True, slots=True)
class PromiseGate(Gated):
    """One promise, and what new labels say of it.

    Attributes
    ----------
    group : str or None
        The group that it was made for; None: all rows.
    max_risk : float
        The promised upper limit of the share of wrong answers, in [0, 1].
    threshold : float
        The confidence from which on rows are answered.
    outcome : Outcome
        Of the new rows: how many, how many accepted, how many of these wrong.
    level : float
        Confidence of the exact (Clopper-Pearson) interval of the risk.
    risk : Estimate or None
        Share of the accepted that are wrong, with that interval; None where none was accepted.
    finding : {"broken", "kept", "cannot tell"}
        What these say.
    verdict : {"failed", "passed", "undecided"}
        Failed: broken, for the whole interval is above the promised risk. Passed: kept. Undecided:
        one cannot tell.
    passed : bool
        The verdict, or what an undecided gate is taken for.
    """

    group: str | None
    max_risk: float
    threshold: float
    outcome: Outcome
    level: float
    risk: Estimate | None
    verdict: GateVerdict
    passed: bool

    @property
    def finding(self) -> str:
        """The verdict as one says it of a promise."""
        return {"failed": "broken", "passed": "kept", "undecided": "cannot tell"}[self.verdict]

    @property
    def option(self) -> str:
        """What sets the gate."""
        return "--fail-if broken"

    @property
    def title(self) -> str:
        """What is judged: "risk at most 2 %", of a group with its name."""
        group = "" if self.group is None else f"{self.group}: "
        return f"{group}risk at most {percent_text(self.max_risk)}"

    @property
    def cells(self) -> tuple[str, str, str]:
        """The risk of the accepted, its interval, and what was promised."""
        limit = f"at most {percent_text(self.max_risk)}"
        if self.risk is None:
            return "none accepted", "", limit
        low, high = (percent_text(end, 2) for end in (self.risk.low, self.risk.high))
        return percent_text(self.risk.value, 2), f"{low} to {high}", limit

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds."""
        ends = {"value": None, "low": None, "high": None}
        return {
            "option": self.option,
            "group": self.group,
            "max_risk": self.max_risk,
            "threshold": self.threshold,
            "n": self.outcome.n,
            "accepted": self.outcome.accepted,
            "errors": self.outcome.errors,
            **(ends if self.risk is None else self.risk.to_dict()),
            "level": self.level,
            "finding": self.finding,
            "verdict": self.verdict,
            "passed": self.passed,
        }

    def in_words(self, *, of_command: bool = False) -> str:
        """Say in a line how the gate ended and why; `of_command` by its options."""
        value, interval, _ = self.cells
        counts = f"{self.outcome.errors:,} of {self.outcome.accepted:,} accepted are wrong"
        if interval:
            counts += f", {value} ({percent_text(self.level)} interval {interval})"
        text = f"gate {self.verdict}: promise {self.finding}, {self.title}; {counts}"
        if self.verdict != "undecided":
            return text
        end = undecided_words(passed=self.passed, of_command=of_command)
        text = text.replace("promise cannot tell", "cannot tell whether the promise is kept")
        return f"{text}. {end}; more labelled rows narrow the interval."


def check_promises(
    rule: Abstention,
    outcomes: Mapping[str | None, Outcome],
    *,
    undecided: Undecided = "pass",
) -> tuple[PromiseGate, ...]:
    """Judge the promises of a threshold by labelled rows that had no say in it.

    Parameters
    ----------
    rule : Abstention
        What `temperance.decisions.abstain` returns.
    outcomes : mapping of group to Outcome
        Of the new rows (`rule.measure`); without groups of the key None.
    undecided : {"pass", "fail"}, default "pass"
        What a gate is taken for where the rows cannot tell.

    Returns
    -------
    tuple of PromiseGate
        One for each promise that there are new rows for.

    Raises
    ------
    InvalidInputError
        No rule, no rows of any promise, another `undecided`.

    Notes
    -----
    With m promises judged at once each interval is exact (Clopper and Pearson 1934) at the level
    1 - 0.1 / m: a promise that is kept is called broken in at most 5 % of samples, all together. A
    promise itself is broken with a probability of at most 1 - `rule.confidence`; that is told from
    chance as well.

    Examples
    --------
    >>> from temperance.decisions import abstain
    >>> rule = abstain([[0.9, 0.1]] * 300, [0] * 300, max_risk=0.02)
    >>> seen = rule.measure([[0.9, 0.1]] * 100, [1] * 10 + [0] * 90)
    >>> [(gate.finding, gate.risk.value) for gate in check_promises(rule, {None: seen})]
    [('broken', 0.1)]
    """
    require_type(rule, Abstention, name="rule", rule="what `decisions.abstain` returns")
    as_word(undecided, ("pass", "fail"), name="undecided")
    by_group = as_mapping(
        outcomes, name="outcomes", rule="a mapping of group (None: all) to Outcome"
    )
    own_promises = [
        (each, each.threshold, each.max_risk, by_group[each.group])
        for each in rule.promises
        if each.threshold is not None and each.max_risk is not None and each.group in by_group
    ]
    if not own_promises:
        msg = "`outcomes` must hold rows of a promise, but has none: no promise can be judged."
        raise InvalidInputError(msg)
    level = joint_level(len(own_promises))
    gates = []
    for promise, threshold, max_risk, outcome in own_promises:
        verdict: GateVerdict = "undecided"
        risk = None
        if outcome.accepted:
            risk = clopper_pearson(outcome.errors, outcome.accepted, level)
            verdict = judged(risk, max_risk)
        gates.append(
            PromiseGate(
                promise.group, max_risk, threshold, outcome, level, risk,
                verdict, passes(verdict, undecided),
            )
        )  # fmt: skip
    return tuple(gates)
