"""Whether new labels refute what a policy promised, as a gate: of a threshold, and of bands."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from temperance.checks.arguments import as_mapping, as_word
from temperance.decisions.abstention import Abstention, Outcome
from temperance.decisions.band_promises import RATES, BandCounts
from temperance.decisions.bands import Bands, GroupBands
from temperance.decisions.binomial import clopper_pearson
from temperance.errors import InvalidInputError
from temperance.gates.difference import joint_level
from temperance.gates.gated import Gated, judged, passes, undecided_words
from temperance.show import percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.gates.gated import GateVerdict, Undecided
    from temperance.metrics.estimates import Estimate

__all__ = [
    "BandGate", "NewLabelsGate", "PromiseGate", "check_promises", "guarantee_in_words",
    "promise_gates", "with_groups",
]  # fmt: skip

C = TypeVar("C", Outcome, BandCounts)
_FINDINGS = {"failed": "broken", "passed": "kept", "undecided": "cannot tell"}


class NewLabelsGate(Gated):
    """Base of the gates of promises, which new labels judge: their words and their JSON."""

    __slots__ = ()

    group: str | None
    level: float

    @property
    def finding(self) -> str:
        """The verdict as one says it of a promise."""
        return _FINDINGS[self.verdict]

    @property
    def option(self) -> str:
        """What sets the gate."""
        return "--fail-if broken"

    @property
    def title(self) -> str:
        """What is judged: "risk at most 2 %", of a group with its name."""
        group = "" if self.group is None else f"{self.group}: "
        return f"{group}{self._name} {self._limit}"

    @property
    def cells(self) -> tuple[str, str, str]:
        """The rate of the new rows, its interval, and what was promised."""
        if self._estimate is None:
            return self._none, "", self._limit
        low, high = (percent_text(end, 2) for end in (self._estimate.low, self._estimate.high))
        return percent_text(self._estimate.value, 2), f"{low} to {high}", self._limit

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds."""
        ends = {"value": None, "low": None, "high": None}
        return {
            "option": self.option,
            "group": self.group,
            **self._content(),
            **(ends if self._estimate is None else self._estimate.to_dict()),
            "level": self.level,
            "finding": self.finding,
            "verdict": self.verdict,
            "passed": self.passed,
        }

    def in_words(self, *, of_command: bool = False) -> str:
        """Say in a line how the gate ended and why; `of_command` by its options."""
        value, interval, _ = self.cells
        text = f"gate {self.verdict}: promise {self.finding}, {self.title}; {self._counts}"
        if interval:
            text += f", {value} ({percent_text(self.level)} interval {interval})"
        if self.verdict != "undecided":
            return text
        end = undecided_words(passed=self.passed, of_command=of_command)
        text = text.replace("promise cannot tell", "cannot tell whether the promise is kept")
        return f"{text}. {end}; more labelled rows narrow the interval."

    @property
    @abstractmethod
    def _name(self) -> str:
        """What is promised: "risk"."""

    @property
    @abstractmethod
    def _limit(self) -> str:
        """How much of it: "at most 2 %"."""

    @property
    @abstractmethod
    def _estimate(self) -> Estimate | None:
        """What the new rows show of it; None where no row does."""

    @property
    @abstractmethod
    def _none(self) -> str:
        """What stands for an estimate where there is none."""

    @property
    @abstractmethod
    def _counts(self) -> str:
        """The rows against the promise, of how many."""

    @abstractmethod
    def _content(self) -> dict[str, Any]:
        """The promise and the counts, as JSON holds them."""


@dataclass(frozen=True, slots=True)
class PromiseGate(NewLabelsGate):
    """One promise of a threshold, and what new labels say of it.

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
    def _name(self) -> str:
        return "risk"

    @property
    def _limit(self) -> str:
        return f"at most {percent_text(self.max_risk)}"

    @property
    def _estimate(self) -> Estimate | None:
        return self.risk

    @property
    def _none(self) -> str:
        return "none accepted"

    @property
    def _counts(self) -> str:
        return f"{self.outcome.errors:,} of {self.outcome.accepted:,} accepted are wrong"

    def _content(self) -> dict[str, Any]:
        return {
            "max_risk": self.max_risk,
            "threshold": self.threshold,
            "n": self.outcome.n,
            "accepted": self.outcome.accepted,
            "errors": self.outcome.errors,
        }


@dataclass(frozen=True, slots=True)
class BandGate(NewLabelsGate):
    """One promise of a band, and what new labels say of it.

    Attributes
    ----------
    group : str or None
        The group that it was made for; None: all rows.
    promise : str
        Its name, as `temperance.decisions.bands` takes it: "min_precision", say.
    limit : float
        What was promised of that rate, in (0, 1): the least it may be, or the most.
    threshold : float
        The score from which on rows are accepted; of promises of what is rejected, up to which.
    counts : BandCounts
        Of the new rows, by truth and band.
    level : float
        Confidence of the exact (Clopper-Pearson) interval of the rate.
    rate : Estimate or None
        The rate of the new rows, with that interval; None where it is of no row.
    finding : {"broken", "kept", "cannot tell"}
        What these say.
    verdict : {"failed", "passed", "undecided"}
        Failed: broken, for the whole interval is beyond the limit. Passed: kept. Undecided: one
        cannot tell.
    passed : bool
        The verdict, or what an undecided gate is taken for.
    """

    group: str | None
    promise: str
    limit: float
    threshold: float
    counts: BandCounts
    level: float
    rate: Estimate | None
    verdict: GateVerdict
    passed: bool

    @property
    def band(self) -> str:
        """The band that the threshold begins: "accept" or "reject"."""
        return RATES[self.promise].band

    @property
    def _name(self) -> str:
        return RATES[self.promise].name

    @property
    def _limit(self) -> str:
        return f"at {'least' if RATES[self.promise].least else 'most'} {percent_text(self.limit)}"

    @property
    def _estimate(self) -> Estimate | None:
        return self.rate

    @property
    def _none(self) -> str:
        return "of no row"

    @property
    def _counts(self) -> str:
        bad, whole = self.counts.bad(self.promise)
        return f"{bad:,} of {whole:,} rows against it"

    def _content(self) -> dict[str, Any]:
        bad, whole = self.counts.bad(self.promise)
        return {
            "promise": self.promise,
            "limit": self.limit,
            "band": self.band,
            "threshold": self.threshold,
            "n": self.counts.n,
            "bad": bad,
            "of": whole,
        }


@overload
def check_promises(
    rule: Abstention,
    outcomes: Mapping[str | None, Outcome],
    *,
    undecided: Undecided = "pass",
) -> tuple[PromiseGate, ...]: ...
@overload
def check_promises(
    rule: Bands,
    outcomes: Mapping[str | None, BandCounts],
    *,
    undecided: Undecided = "pass",
) -> tuple[BandGate, ...]: ...
def check_promises(
    rule: Abstention | Bands,
    outcomes: Mapping[str | None, Outcome] | Mapping[str | None, BandCounts],
    *,
    undecided: Undecided = "pass",
) -> tuple[PromiseGate | BandGate, ...]:
    """Judge the promises of a threshold, or of bands, by labelled rows that had no say in them.

    Parameters
    ----------
    rule : Abstention or Bands
        What `temperance.decisions.abstain` or `bands` returns.
    outcomes : mapping of group to Outcome or BandCounts
        Of the new rows (`rule.measure`); without groups of the key None.
    undecided : {"pass", "fail"}, default "pass"
        What a gate is taken for where the rows cannot tell.

    Returns
    -------
    tuple of PromiseGate or BandGate
        One for each promise that there are new rows for; of bands one for each of their rates, in
        each group that has the band.

    Raises
    ------
    InvalidInputError
        No rule, counts of another kind of rule, no rows of any promise, another `undecided`.

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
    as_word(undecided, ("pass", "fail"), name="undecided")
    by_group = as_mapping(
        outcomes, name="outcomes", rule="a mapping of group (None: all) to what `measure` returns"
    )
    if not isinstance(rule, Abstention | Bands):
        msg = (
            "`rule` must be what `decisions.abstain` or `decisions.bands` returns, got "
            f"{type(rule).__name__}."
        )
        raise InvalidInputError(msg)
    _require_counts(by_group, Outcome if isinstance(rule, Abstention) else BandCounts)
    gates = promise_gates(rule, by_group, undecided)
    if not gates:
        msg = "`outcomes` must hold rows of a promise, but has none: no promise can be judged."
        raise InvalidInputError(msg)
    return gates


def with_groups(outcome: C | None, groups: Mapping[str, C]) -> dict[str | None, C]:
    """Return the outcomes that `check_promises` takes: of all rows (None), and of each group."""
    outcomes: dict[str | None, C] = {} if outcome is None else {None: outcome}
    outcomes.update(groups.items())
    return outcomes


@overload
def promise_gates(
    rule: Abstention, by_group: Mapping[str | None, Any], undecided: Undecided = "pass"
) -> tuple[PromiseGate, ...]: ...
@overload
def promise_gates(
    rule: Bands, by_group: Mapping[str | None, Any], undecided: Undecided = "pass"
) -> tuple[BandGate, ...]: ...
def promise_gates(
    rule: Abstention | Bands, by_group: Mapping[str | None, Any], undecided: Undecided = "pass"
) -> tuple[PromiseGate | BandGate, ...]:
    """Return what `check_promises` does; nothing where no row is of any promise."""
    if isinstance(rule, Abstention):
        return _of_thresholds(rule, by_group, undecided)
    return _of_bands(rule, by_group, undecided)


def guarantee_in_words(rule: Abstention | Bands, by_group: Mapping[str | None, Any]) -> str:
    """Return what a rule guarantees; where new rows refute it, that comes first."""
    if any(gate.verdict == "failed" for gate in promise_gates(rule, by_group)):
        return f"Broken on new labels: {rule.guarantee[:1].lower()}{rule.guarantee[1:]}"
    return rule.guarantee


def _require_counts(by_group: Mapping[Any, Any], kind: type) -> None:
    for group, counts in by_group.items():
        if not isinstance(counts, kind):
            msg = (
                f"`outcomes` must hold what `measure` of this rule returns, {kind.__name__}, but "
                f"of {group!r} has {type(counts).__name__}."
            )
            raise InvalidInputError(msg)


def _of_thresholds(
    rule: Abstention, by_group: Mapping[str | None, Outcome], undecided: Undecided
) -> tuple[PromiseGate, ...]:
    own_promises = [
        (each, each.threshold, each.max_risk, by_group[each.group])
        for each in rule.promises
        if each.threshold is not None and each.max_risk is not None and each.group in by_group
    ]
    level = joint_level(max(len(own_promises), 1))
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


def _of_bands(
    rule: Bands, by_group: Mapping[str | None, BandCounts], undecided: Undecided
) -> tuple[BandGate, ...]:
    own_promises = [
        (part, name, limit, threshold, by_group[part.group])
        for part in rule.parts
        for name, limit in rule.promises.limits.items()
        if (threshold := _end(part, name)) is not None and part.group in by_group
    ]
    level = joint_level(max(len(own_promises), 1))
    gates = []
    for part, name, limit, threshold, counts in own_promises:
        bad, whole = counts.bad(name)
        verdict: GateVerdict = "undecided"
        rate = None
        if whole:
            least = RATES[name].least
            rate = clopper_pearson(whole - bad if least else bad, whole, level)
            verdict = judged(rate, limit, largest=not least)
        gates.append(
            BandGate(
                part.group, name, limit, threshold, counts, level, rate,
                verdict, passes(verdict, undecided),
            )
        )  # fmt: skip
    return tuple(gates)


def _end(part: GroupBands, promise: str) -> float | None:
    return part.reject_to if RATES[promise].band == "reject" else part.accept_from
