"""What `abstain` returns: thresholds, what is promised at each, and on which assumption."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.decisions.binomial import clopper_pearson
from temperance.decisions.rows import DecisionEvent
from temperance.decisions.rule import DecisionRule
from temperance.frozen import Plain, plain
from temperance.show import Table, interval_text, number_text, percent_text
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.metrics.estimates import Estimate

__all__ = [
    "Abstention",
    "Outcome",
    "Promise",
    "ThresholdDraws",
    "other_seeds",
    "outcome_cells",
    "settled",
]

# What became of rows at a threshold: how many were accepted, and how many of these were wrong.


@dataclass(frozen=True, slots=True)
class Outcome(MergeableSums, Plain):
    """Counts of independent rows; those of two sets of rows add up with `merge`."""

    json_keys: ClassVar[tuple[str, ...]] = ("n", "accepted", "errors", "coverage", "risk")

    n: int
    accepted: int
    errors: int  # among the accepted

    @classmethod
    def of(cls, accepted: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> Self:
        """Return the counts of rows (n,)."""
        count = int(np.count_nonzero(accepted))
        return cls(len(accepted), count, int(np.count_nonzero(wrong & accepted)))

    @property
    def coverage(self) -> Estimate:
        """Share of the rows accepted, with its exact (Clopper-Pearson) 95 % interval."""
        return clopper_pearson(self.accepted, self.n)

    @property
    def risk(self) -> Estimate | None:
        """Share of errors among the accepted, with its exact 95 % interval; None without any."""
        return clopper_pearson(self.errors, self.accepted) if self.accepted else None


@dataclass(frozen=True, slots=True)
class Promise:
    """One threshold and its promise, on all rows or on those of a group."""

    group: str | None  # None: all rows
    threshold: float | None  # accept where the confidence is at least this; None: never
    max_risk: float | None  # promised upper limit of the share of errors; None without a threshold
    outcome: Outcome  # of the rows that set the threshold
    reason: str | None = None  # why there is no threshold
    lowest_accepted: float | None = None  # confidence among those rows; None: none, or not known
    highest_declined: float | None = None

    @property
    def accept_from(self) -> float | None:
        """The threshold."""
        return self.threshold

    @property
    def reject_to(self) -> None:
        """Nothing is rejected: what is not accepted is for review."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "group": self.group,
            "threshold": self.threshold,
            "max_risk": self.max_risk,
            "rows": self.outcome.to_dict(),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Abstention(DecisionRule[Outcome]):
    """When to answer and when to abstain, with what is promised of the answers.

    A row is accepted where the largest of its calibrated probabilities is at least the threshold;
    one that is less by rounding alone, up to 1e-6, is at the threshold.
    """

    own: ClassVar[str] = "threshold"

    promises: tuple[Promise, ...]  # one for all rows, or one per group
    confidence: float  # probability over such rows that the promise (of groups: all of them) holds
    max_risk: float | None  # the target; None where only a coverage was asked for
    min_coverage: float | None  # the coverage asked for, of these rows
    n_given: int  # labelled rows given
    clustered: bool  # one row per cluster was drawn: `promises` rest on those
    draws: ThresholdDraws | None = field(
        default=None, compare=False
    )  # None: chance dealt no rows, or a file
    calibrator: Calibrator | None = field(
        default=None, compare=False, repr=False, kw_only=True
    )  # whose probabilities it is about, of a policy; None: those that were given

    @property
    def event(self) -> DecisionEvent:
        """What thresholds are on the probability of: that the answer is right."""
        return DecisionEvent()

    @property
    def ends(self) -> tuple[Promise, ...]:
        """The threshold of all rows, or of each group."""
        return self.promises

    @property
    def threshold(self) -> float | None:
        """The one threshold; None where each group has its own."""
        return None if self.per_group else self.promises[0].threshold

    @property
    def promised_risk(self) -> float:
        """The largest risk promised anywhere."""
        return max(each.max_risk for each in self.promises if each.max_risk is not None)

    @property
    def outcome(self) -> Outcome:
        """What became of the rows that set the thresholds; their errors helped to choose."""
        first, *rest = (each.outcome for each in self.promises)
        for each in rest:
            first = first.merge(each)
        return first

    def accepts(self, confidence: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Return which rows are accepted, (n,): by their largest calibrated probability.

        Parameters
        ----------
        confidence : array_like, shape (n,)
            Largest calibrated probability of each row.
        groups : array_like of str, shape (n,), optional
            Needed where every group has its own threshold. Rows of no group, or of one that no
            promise was made for, are not accepted.

        Raises
        ------
        InvalidInputError
            Groups are needed and not given, or their shape or index is not that of `confidence`.

        Examples
        --------
        >>> from temperance.decisions import abstain
        >>> rule = abstain([[0.9, 0.1]] * 300, [0] * 300, max_risk=0.02)
        >>> rule.accepts([0.95, 0.85])
        array([ True,  True])
        """
        return self._banded(confidence, groups, name="confidence")[0]

    def decide(self, confidence: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.str_]:
        """Return the band of each row, (n,): "accept", else "review".

        Parameters
        ----------
        confidence, groups
            As in `accepts`.

        Raises
        ------
        InvalidInputError
            As in `accepts`.
        """
        return np.where(self.accepts(confidence, groups), "accept", "review")

    @property
    def counts(self) -> Outcome:
        """The same as `outcome`, as every rule calls it."""
        return self.outcome

    def _counted(
        self,
        wrong: NDArray[np.bool_],
        accepted: NDArray[np.bool_],
        rejected: NDArray[np.bool_],  # noqa: ARG002  (none is)
    ) -> Outcome:
        return Outcome.of(accepted, wrong)

    @property
    def guarantee(self) -> str:
        """The promise in one sentence."""
        sure, risk = percent_text(self.confidence), percent_text(self.promised_risk)
        if not self.per_group:
            at = self.promises[0].threshold
            where = "of all answers" if at == 0.0 else f"of the answers with confidence >= {at:.6g}"
            return f"With {sure} confidence, at most {risk} {where} are wrong."
        count = sum(each.threshold is not None for each in self.promises)
        share = "the share promised for it" if self.max_risk is None else risk
        of = "the one group" if count == 1 else f"each of {count} groups"
        at_once = "" if count == 1 else ", in all of them at once"
        never = len(self.promises) - count
        rest = " One other group is" if never == 1 else f" {never} other groups are"
        return (
            f"With {sure} confidence, in {of} at most {share} of the answers at or above the "
            f"group's threshold are wrong{at_once}." + (f"{rest} never answered." if never else "")
        )

    @property
    def assumption(self) -> str:
        """What must be true for it to hold."""
        return self._assumption("", "threshold", "promise is", "thresholds")

    def to_dict(self) -> dict[str, Any]:
        """Return thresholds, promises and counts as plain numbers."""
        return {
            "threshold": self.threshold,
            "max_risk": self.promised_risk,
            "min_coverage": self.min_coverage,
            "confidence": self.confidence,
            "guarantee": self.guarantee,
            "assumption": self.assumption,
            "n": self.outcome.n,
            "n_given": self.n_given,
            "clustered": self.clustered,
            "rows": self.outcome.to_dict(),
            "groups": plain(self.promises) if self.per_group else None,
            "draws": plain(self.draws),
        }

    def table(self) -> Table:
        """Return one row per threshold."""
        rows = []
        for each in self.promises:
            name = "all rows" if each.group is None else each.group
            at = "never" if each.threshold is None else f"{each.threshold:.6g}"
            promised = "" if each.max_risk is None else f"<= {percent_text(each.max_risk)}"
            rows.append((name, at, promised, *outcome_cells(each.outcome)))
        return Table(
            ("accept", "confidence >=", "risk promised", "rows", "accepted", "wrong", "risk seen"),
            tuple(rows),
            caption="rows that set the threshold: the risk seen there flatters",
        )

    def __str__(self) -> str:
        paragraphs = [self.guarantee, self.table().to_text(), self.assumption]
        return "\n\n".join(
            paragraphs if self.draws is None else [*paragraphs, self.draws.in_words()]
        )

    def _repr_html_(self) -> str:
        """Show the promise and its table in a notebook."""
        note = "" if self.draws is None else f"<p>{self.draws.in_words()}</p>"
        return (
            f"<p><b>{self.guarantee}</b></p>{self.table().to_html()}<p>{self.assumption}</p>{note}"
        )


def outcome_cells(outcome: Outcome, *, interval: bool = False) -> tuple[str, ...]:
    """Return rows, share accepted, errors and risk as text."""

    def shown(share: Estimate) -> str:
        ends = f" ({interval_text(share.low, share.high)})" if interval else ""
        return f"{number_text(share.value)}{ends}"

    risk = outcome.risk
    return (
        f"{outcome.n:,}",
        shown(outcome.coverage),
        f"{outcome.errors:,} of {outcome.accepted:,}",
        "none accepted" if risk is None else shown(risk),
    )


# Whether a threshold is an answer or the luck of a draw: what other draws of the rows find.


_DRAWS = 5  # with the one that counts


@dataclass(frozen=True, slots=True)
class ThresholdDraws:
    """What the same search finds where chance deals the rows otherwise.

    A draw is a split of rows into those of the fit and those of the threshold, or one row of each
    cluster. The first seed is that of the draw that counts; the others promise nothing.
    """

    what: str  # is drawn: "splits", or "draws of one row a cluster"
    seeds: tuple[int, ...]
    n_thresholds: tuple[int, ...]  # promises with a threshold, per seed: 0, 1 or some of the groups
    thresholds: tuple[float | None, ...]  # per seed; None without one, or with one per group
    risks: tuple[float | None, ...]  # largest risk promised, per seed; None where nothing is
    coverages: tuple[float, ...]  # share accepted of the rows that set it, per seed

    @classmethod
    def of(cls, what: str, draws: Mapping[int, Sequence[Promise]]) -> ThresholdDraws:
        """Return what the promises of each seed have in common; none at all: no fit."""
        return cls(
            what,
            tuple(draws),
            tuple(sum(p.threshold is not None for p in each) for each in draws.values()),
            tuple(
                each[0].threshold if len(each) == 1 and each[0].group is None else None
                for each in draws.values()
            ),
            tuple(
                max((p.max_risk for p in each if p.max_risk is not None), default=None)
                for each in draws.values()
            ),
            tuple(_coverage(each) for each in draws.values()),
        )

    @property
    def with_threshold(self) -> int:
        """How many of the draws have a threshold, at least of one group."""
        return sum(each > 0 for each in self.n_thresholds)

    @property
    def differ(self) -> bool:
        """Whether some of the draws have a threshold and others have none."""
        return 0 < self.with_threshold < len(self.seeds)

    def in_words(self) -> str:
        """Return how much the draw decided, in a sentence."""
        n, m = len(self.seeds), self.with_threshold
        of = f"{m} of {n} {self.what} (seeds {_seed_text(self.seeds)})"
        if m == 0:
            return f"None of {n} {self.what} (seeds {_seed_text(self.seeds)}) has a threshold."
        shares = [c for c, each in zip(self.coverages, self.n_thresholds, strict=True) if each]
        parts = [f"{_range([percent_text(_rounded(c)) for c in shares])} of the rows that set it"]
        thresholds = [each for each in self.thresholds if each is not None]
        risks = [each for each in self.risks if each is not None]
        if thresholds:
            at = _range([f"{each:.4g}" for each in thresholds])
            return (
                f"{of} {'has' if m == 1 else 'have'} a threshold: {at}, for {parts[0]}, and a "
                f"promised risk of {_range([percent_text(each) for each in risks])}."
            )
        groups = _range([str(each) for each in self.n_thresholds if each])
        return f"{of} {'has' if m == 1 else 'have'} thresholds, of {groups} groups, for {parts[0]}."

    def to_dict(self) -> dict[str, Any]:
        """Return one entry per draw, the one that counts first."""
        return {
            "what": self.what,
            "with_threshold": self.with_threshold,
            "of": len(self.seeds),
            "in_words": self.in_words(),
            "each": [
                {
                    "seed": seed,
                    "kept": n_thresholds,
                    "threshold": threshold,
                    "max_risk": risk,
                    "coverage": coverage,
                }
                for seed, n_thresholds, threshold, risk, coverage in zip(
                    self.seeds,
                    self.n_thresholds,
                    self.thresholds,
                    self.risks,
                    self.coverages,
                    strict=True,
                )
            ],
        }


def other_seeds(seed: int) -> tuple[int, ...]:
    """Return the seeds of the draws beside this one: the first of 0, 1, 2, ... that are not it."""
    return tuple(each for each in range(_DRAWS) if each != seed)[: _DRAWS - 1]


def settled(
    promises: Sequence[Promise], others: Mapping[int, Sequence[Promise]], what: str
) -> list[Promise]:
    """Return the promises, without those that fewer than half of all draws can make.

    Nothing is added: a promise that stands is the one that its own draw makes, at its own level. So
    it fails no more often than it would alone.
    """
    results = []
    for each in promises:
        same = {seed: p for seed, draw in others.items() for p in draw if p.group == each.group}
        count = 1 + sum(p.threshold is not None for p in same.values())
        n = 1 + len(others)
        if each.threshold is None or 2 * count > n:
            results.append(each)
            continue
        of = "" if each.group is None else " for this group"
        why = (
            f"only {count} of {n} {what} {'has' if count == 1 else 'have'} a threshold{of}: chance "
            "in the draw would decide, not the rows"
        )
        reasons = ((seed, p.reason) for seed, p in same.items() if p.reason is not None)
        seed, reason = next(reasons, (None, None))
        if reason is not None:
            why += f". With seed {seed}, {reason}"
        none = Outcome(each.outcome.n, 0, 0)
        results.append(Promise(each.group, None, None, none, why))
    return results


def _coverage(promises: Sequence[Promise]) -> float:
    rows = sum(each.outcome.n for each in promises)
    return sum(each.outcome.accepted for each in promises) / rows if rows else 0.0


def _rounded(share: float) -> float:
    return float(f"{share:.3g}")


def _range(texts: list[str]) -> str:
    """Return "a to b" of texts that begin with a number, or the one that all are."""
    ordered = sorted(texts, key=lambda text: float(text.split()[0]))
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"


def _seed_text(seeds: tuple[int, ...]) -> str:
    ordered = sorted(seeds)
    if ordered[-1] - ordered[0] == len(ordered) - 1:  # in a row; a seed may be of any size
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))
