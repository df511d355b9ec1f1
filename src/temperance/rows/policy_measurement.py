"""What a policy promised, measured on labelled rows that had no say in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from temperance.alignment import column_order
from temperance.blocks import report_work
from temperance.calibrators import temperature_of
from temperance.decisions import Abstention, BandCounts, Bands, Outcome
from temperance.decisions.rows import DecisionEvent, DecisionRows, confidence_of
from temperance.errors import InvalidInputError
from temperance.file_formats import column_advice
from temperance.formats import load_facts
from temperance.gates import check_promises
from temperance.gates.promise import guarantee_in_words, with_groups
from temperance.metrics.selective import risk_coverage_of
from temperance.printable import first_few
from temperance.rows.memory import naming
from temperance.rows.policy import bands_table
from temperance.rows.threshold import outcome_table, predictions_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from temperance.calibrators import Calibrator
    from temperance.decisions import DecisionPolicy, RiskCoverage
    from temperance.gates import Gated
    from temperance.gates.gated import Undecided
    from temperance.metrics.inputs import Predictions
    from temperance.rows.memory import Rows
    from temperance.show import Table

__all__ = ["BandsMeasurement", "PolicyMeasurement", "ThresholdMeasurement", "measure_policy"]

_NEW = "new labels"
C = TypeVar("C", Outcome, BandCounts)


@dataclass(frozen=True, slots=True, eq=False)
class PolicyMeasurement(ABC, Generic[C]):
    """What a policy, with the thresholds that it has, did to labelled rows that it had not seen."""

    rows: Rows
    policy: DecisionPolicy
    source: str  # of the policy
    outcome: C
    groups: dict[str, C]  # {} where the thresholds are for all rows
    decided: DecisionRows  # the rows, scored, each counting once
    predictions: Predictions
    warnings: tuple[str, ...] = field(default=())

    @property
    def calibrator(self) -> Calibrator:
        """What turns scores into the probabilities that thresholds are on."""
        return self.policy.calibrator

    @property
    def headline(self) -> str:
        """What was promised; that these rows refute it comes first."""
        return guarantee_in_words(self.policy.rule, with_groups(self.outcome, self.groups))

    @property
    def use(self) -> str:
        """Which rows were used for what, in words."""
        return (
            f"{self.source} was set before; {self.rows.n:,} labelled rows of {self.rows.source}, "
            "which had no say in it, measure it."
        )

    @property
    def report_facts(self) -> tuple[tuple[str, str], ...]:
        """What a page says of the rows."""
        facts = self.policy.facts
        known = [
            ("Test rows", self.rows.described),
            ("SHA-256 of that file", self.rows.sha256),
            ("Policy", self.source),
        ]
        names = {"data": "Set on", "data_sha256": "SHA-256 of those rows", "set_at": "Set at"}
        known += [(words, str(facts[key])) for key, words in names.items() if facts.get(key)]
        return tuple(known)

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """Return what the terminal shows."""

    @abstractmethod
    def promises_kept(self, undecided: Undecided = "pass") -> Sequence[Gated]:
        """Return what the rows say of each promise, as gates."""

    def _content(self, rule: dict[str, Any], **outcomes: Any) -> dict[str, Any]:  # noqa: ANN401
        groups = {name: each.to_dict() for name, each in self.groups.items()}
        return {
            **rule,
            **outcomes,
            "measured_on": _NEW,
            "new": {**self.outcome.to_dict(), "groups": groups},
            "method": self.calibrator.name,
            "temperature": temperature_of(self.calibrator),
        }


class ThresholdMeasurement(PolicyMeasurement[Outcome]):
    """A threshold, or one of each group, measured."""

    __slots__ = ()

    @property
    def rule(self) -> Abstention:
        """Its thresholds."""
        rule = self.policy.rule
        assert isinstance(rule, Abstention)  # noqa: S101  (`measure_policy` made it)
        return rule

    @property
    def curve(self) -> RiskCoverage:
        """Risk at every coverage of the rows."""
        return risk_coverage_of(
            self.predictions, confidence_of(self.predictions), name="confidence"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        numbers = self.outcome.to_dict()
        return self._content(
            self.rule.to_dict(), coverage=numbers["coverage"], risk=numbers["risk"]
        )

    def tables(self) -> list[Table]:
        """Return what the terminal shows."""
        return [self.rule.table(), outcome_table(_NEW, self.outcome, self.groups)]

    def promises_kept(self, undecided: Undecided = "pass") -> Sequence[Gated]:
        """Return what the rows say of each promise, as gates."""
        return check_promises(
            self.rule, with_groups(self.outcome, self.groups), undecided=undecided
        )


class BandsMeasurement(PolicyMeasurement[BandCounts]):
    """Bands, or those of each group, measured."""

    __slots__ = ()

    @property
    def rule(self) -> Bands:
        """Its bands."""
        rule = self.policy.rule
        assert isinstance(rule, Bands)  # noqa: S101  (`measure_policy` made it)
        return rule

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        return self._content(self.rule.to_dict())

    def tables(self) -> list[Table]:
        """Return what the terminal shows."""
        return [self.rule.table(), bands_table(_NEW, self.rule, self.outcome, self.groups)]

    def promises_kept(self, undecided: Undecided = "pass") -> Sequence[Gated]:
        """Return what the rows say of each promise, as gates."""
        return check_promises(
            self.rule, with_groups(self.outcome, self.groups), undecided=undecided
        )


def measure_policy(
    rows: Rows, policy: DecisionPolicy, source: Path, *, seed: int = 0
) -> ThresholdMeasurement | BandsMeasurement:
    """Measure the promises of a policy, read from `source`, on other labelled rows.

    Raises
    ------
    InvalidInputError
        The rows are those that set it, are of other classes than the calibrator, or lack the groups
        that it decides by, or the clusters whose rows are one answer.
    """
    rule = policy.rule
    if policy.facts.get("data_sha256") == rows.sha256:
        what, verb = "threshold", "promise is"
        if isinstance(rule, Bands):
            what, verb = "bands", "promises are"
        msg = (
            f"{rows.source}: holds the labels that set the {what} of {source}; only others can say "
            f"whether its {verb} kept."
        )
        raise InvalidInputError(msg)
    rows.check_fits(policy.calibrator, str(source))
    if rule.per_group and rows.groups is None:
        msg = (
            f"{rows.source}: has no groups, by which {source} decides. "
            f"{column_advice(rows.source, 'group')}"
        )
        raise InvalidInputError(msg)
    if rule.event.composite is not None and rows.clusters is None:
        msg = (
            f"{rows.source}: has no clusters, whose rows are one answer for {source}. "
            f"{column_advice(rows.source, 'cluster')}"
        )
        raise InvalidInputError(msg)
    with naming(rows.source), report_work("measuring"):
        predictions = predictions_of(rows, policy.calibrator)
        decided = DecisionRows.of(
            predictions, rows.group_names if rule.per_group else None, seed=seed,
            event=_event(rule.event, rows, policy.calibrator),
        )  # fmt: skip
        warnings = (*rows.notes, *_of_fit(rows, source), *_of_groups(rule, decided))
        if isinstance(rule, Bands):
            return BandsMeasurement(
                rows, policy, str(source), rule.counts_of(decided),
                rule.outcomes_of_groups(decided), decided, predictions, warnings,
            )  # fmt: skip
        return ThresholdMeasurement(
            rows, policy, str(source), rule.counts_of(decided),
            rule.outcomes_of_groups(decided), decided, predictions, warnings,
        )  # fmt: skip


def _event(event: DecisionEvent, rows: Rows, calibrator: Calibrator) -> DecisionEvent:
    """Return the event by its column among these rows, whose classes may have another order."""
    order = column_order(rows.classes, calibrator.classes, whose="the calibrator")
    if event.column is None or order is None:
        return event
    return replace(event, column=int(order[event.column]))


def _of_fit(rows: Rows, source: Path) -> tuple[str, ...]:
    """Return a warning where these labels fitted the calibrator of the policy."""
    if load_facts(source).get("data_sha256") != rows.sha256:
        return ()
    text = f"the calibrator of {source} was fitted on {rows.source}: what is measured flatters it."
    return (text,)


def _of_groups(rule: Abstention | Bands, decided: DecisionRows) -> tuple[str, ...]:
    """Return a warning of groups with promises that no row is of: nothing is said of these."""
    if decided.groups is None:
        return ()
    here = set(decided.groups.tolist())
    absent = [name for name in rule.promised_groups if name not in here]
    if not absent:
        return ()
    text = (
        f"{len(absent)} of {len(rule.promised_groups)} promised groups have no row here: "
        f"{first_few(absent, 5)}"
    )
    return (f"{text}; of their promises nothing is said.",)
