"""Whether a threshold is an answer or the luck of a draw: what other draws of the rows find."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temperance.decisions.abstention import Promise, percent
from temperance.decisions.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Draws", "other_seeds", "settled"]

_DRAWS = 5  # with the one that counts


@dataclass(frozen=True, slots=True)
class Draws:
    """What the same search finds where chance deals the rows otherwise.

    A draw is a split of rows into those of the fit and those of the threshold, or one row of each
    cluster. The first seed is that of the draw that counts; the others promise nothing.
    """

    what: str  # is drawn: "splits", or "draws of one row a cluster"
    seeds: tuple[int, ...]
    kept: tuple[int, ...]  # promises with a threshold, per seed: 0 or 1, or a number of groups
    thresholds: tuple[float | None, ...]  # per seed; None without one, or with one per group
    risks: tuple[float | None, ...]  # largest risk promised, per seed; None where nothing is
    coverages: tuple[float, ...]  # share accepted of the rows that set it, per seed

    @classmethod
    def of(cls, what: str, draws: Mapping[int, Sequence[Promise]]) -> Draws:
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
        return sum(each > 0 for each in self.kept)

    @property
    def differ(self) -> bool:
        """Whether some of the draws have a threshold and others have none."""
        return 0 < self.with_threshold < len(self.seeds)

    def in_words(self) -> str:
        """Return how much the draw decided, in a sentence."""
        n, m = len(self.seeds), self.with_threshold
        of = f"{m} of {n} {self.what} (seeds {_listed(self.seeds)})"
        if m == 0:
            return f"None of {n} {self.what} (seeds {_listed(self.seeds)}) has a threshold."
        shares = [c for c, each in zip(self.coverages, self.kept, strict=True) if each]
        parts = [f"{_range([percent(_rounded(c)) for c in shares])} of the rows that set it"]
        thresholds = [each for each in self.thresholds if each is not None]
        risks = [each for each in self.risks if each is not None]
        if thresholds:
            at = _range([f"{each:.4g}" for each in thresholds])
            return (
                f"{of} {'has' if m == 1 else 'have'} a threshold: {at}, for {parts[0]}, and a "
                f"promised risk of {_range([percent(each) for each in risks])}."
            )
        groups = _range([str(each) for each in self.kept if each])
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
                    "kept": kept,
                    "threshold": threshold,
                    "max_risk": risk,
                    "coverage": coverage,
                }
                for seed, kept, threshold, risk, coverage in zip(
                    self.seeds, self.kept, self.thresholds, self.risks, self.coverages, strict=True
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
    kept = []
    for each in promises:
        same = {seed: p for seed, draw in others.items() for p in draw if p.group == each.group}
        count = 1 + sum(p.threshold is not None for p in same.values())
        n = 1 + len(others)
        if each.threshold is None or 2 * count > n:
            kept.append(each)
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
        kept.append(Promise(each.group, None, None, none, why))
    return kept


def _coverage(promises: Sequence[Promise]) -> float:
    rows = sum(each.outcome.n for each in promises)
    return sum(each.outcome.accepted for each in promises) / rows if rows else 0.0


def _rounded(share: float) -> float:
    return float(f"{share:.3g}")


def _range(texts: list[str]) -> str:
    """Return "a to b" of texts that begin with a number, or the one that all are."""
    ordered = sorted(texts, key=lambda text: float(text.split()[0]))
    return ordered[0] if ordered[0] == ordered[-1] else f"{ordered[0]} to {ordered[-1]}"


def _listed(seeds: tuple[int, ...]) -> str:
    ordered = sorted(seeds)
    if ordered[-1] - ordered[0] == len(ordered) - 1:  # in a row; a seed may be of any size
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))
