"""What every rule on a score is: where bands begin, of all rows or of each group, and for whom."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np

from temperance.binning import reaches
from temperance.checks import as_known_names
from temperance.checks.forms import refuse_other_index
from temperance.checks.row_values import numbers_by_name
from temperance.decisions.rows import DecisionEvent, DecisionRows
from temperance.errors import InvalidInputError
from temperance.numerics import places_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator

__all__ = ["DecisionRule", "Ends", "banded", "end_of"]


class MergeableCounts(Protocol):
    """Counts of rows, which add up."""

    @property
    def n(self) -> int:
        """Rows."""

    def merge(self, other: Self) -> Self:
        """Return the counts of both."""


class Ends(Protocol):
    """Where the bands of all rows, or of a group, begin."""

    @property
    def group(self) -> str | None:
        """Of which rows; None: all."""

    @property
    def accept_from(self) -> float | None:
        """From which score on rows are accepted; None: never."""

    @property
    def reject_to(self) -> float | None:
        """Up to which score rows are rejected; None: never."""


C = TypeVar("C", bound=MergeableCounts)


class DecisionRule(ABC, Generic[C]):
    """Base of rules: thresholds on a score, with what is promised of the rows beyond them."""

    __slots__ = ()
    own: ClassVar[str]  # what every group has of its own, in messages

    n_given: int  # labelled rows given
    clustered: bool  # one row per cluster was drawn, or every cluster is one answer

    @property
    @abstractmethod
    def ends(self) -> Sequence[Ends]:
        """Where the bands of all rows begin, or of each group."""

    if TYPE_CHECKING:  # a field of some rules, which a property here would give a default

        @property
        def event(self) -> DecisionEvent:
            """What thresholds are on the probability of."""

        @property
        def calibrator(self) -> Calibrator | None:
            """Whose probabilities the promise is about, of a policy."""

    @property
    @abstractmethod
    def counts(self) -> C:
        """What became of the rows that set the thresholds; their truth helped to choose."""

    @abstractmethod
    def _counted(
        self,
        wrong: NDArray[np.bool_],
        accepted: NDArray[np.bool_],
        rejected: NDArray[np.bool_],
    ) -> C:
        """Return the counts of rows (n,) by their truth and their band."""

    def counts_of(self, rows: DecisionRows) -> C:
        """Return what became of other rows that are checked."""
        return self._counted(rows.wrong, *self._banded(rows.confidence, rows.groups))

    def outcomes_of_groups(self, rows: DecisionRows) -> dict[str, C]:
        """Return what became of each group of other rows that are checked; {} without groups."""
        if rows.groups is None:
            return {}
        accepted, rejected = self._banded(rows.confidence, rows.groups)
        distinct, numbers = np.unique(rows.groups, return_inverse=True)
        return {
            str(name): self._counted(rows.wrong[of], accepted[of], rejected[of])
            for name, of in zip(distinct, places_of(numbers, len(distinct)), strict=True)
        }

    @property
    def per_group(self) -> bool:
        """Whether every group has thresholds of its own."""
        return self.ends[0].group is not None

    @property
    def promised_groups(self) -> tuple[str, ...]:
        """The groups that have a threshold."""
        both = ((str(p.group), p.accept_from, p.reject_to) for p in self.ends)
        return tuple(name for name, *ends in both if ends != [None, None])

    def measure(
        self,
        probs: ArrayLike,
        labels: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        seed: int = 0,
        answers: bool = False,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
    ) -> C:
        """Return what became of other labelled rows, whose intervals are honest.

        Parameters
        ----------
        probs : array_like, shape (n, k) or (n,)
            Calibrated probabilities.
        labels : array_like, shape (n,)
            True classes in 0..k-1, or names in `classes`.
        weights, groups, clusters : array_like, shape (n,), optional
            As in `abstain`.
        seed : int, default 0
            Of the row drawn from each cluster.
        answers : bool, default False
            As in `abstain`.
        classes : sequence of str, optional
            Names of the columns, as labels may use them.
        ignore_label : int or str, optional
            Rows of this label are left out.

        Returns
        -------
        Outcome or BandCounts
            Counts, and every share with its exact 95 % interval.

        Raises
        ------
        InvalidInputError
            As in `abstain`, and as in `accepts`.
        """
        rows = DecisionRows.check(
            probs, labels, weights=weights, groups=groups, clusters=clusters, seed=seed,
            answers=answers, event=self.event.name, composite=self.event.composite,
            classes=classes, ignore_label=ignore_label,
        )  # fmt: skip
        return self.counts_of(rows)

    def _banded(
        self, score: ArrayLike, groups: ArrayLike | None, *, name: str = "score"
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which rows are accepted and which rejected, (n,) each."""
        refuse_other_index(**{name: score, "groups": groups})
        s = np.asarray(score, dtype=np.float64)
        if not self.per_group:
            return banded(s, self.ends[0].accept_from, self.ends[0].reject_to)
        if groups is None:
            msg = (
                f"`groups` must be given: every group has its own {self.own} (--group-column names "
                "their column)."
            )
            raise InvalidInputError(msg)
        names = as_known_names(groups, n=len(s))
        if len(names) == 1:  # a service's row: no table of all groups is made for it
            own_name = names.item()
            own = next((each for each in self.ends if each.group == own_name), None)
            ends = (None, None) if own is None else (own.accept_from, own.reject_to)
            return banded(s, *ends)
        starts = {str(p.group): p.accept_from for p in self.ends if p.accept_from is not None}
        stops = {str(p.group): p.reject_to for p in self.ends if p.reject_to is not None}
        return banded(
            s,
            numbers_by_name(names, starts, unknown=np.inf) if starts else None,
            numbers_by_name(names, stops, unknown=-np.inf) if stops else None,
        )

    def _assumption(self, what: str, thresholds: str, promises: str, others: str) -> str:
        """Return what must be true for the promise to hold."""
        unit = what or ("clusters (one row of each)" if self.clustered else "rows")
        return (
            f"New {unit} must come as the {self.counts.n:,} that set the {thresholds} came, "
            "independent of each other. The labels of those must have had no other use: neither to "
            f"fit the calibrator nor to try other {others}. After a re-fit, with another model or "
            f"on other data the {promises} void: set the {thresholds} again."
        )


def banded(
    score: NDArray[np.float64], accept_from: ArrayLike | None, reject_to: ArrayLike | None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which rows are accepted and which rejected; None and infinite are never reached."""
    never = np.zeros(len(score), dtype=bool)
    accepted = never if accept_from is None else reaches(score, accept_from)
    rejected = never if reject_to is None else reaches(-score, np.negative(reject_to))
    return accepted, rejected


def end_of(scores: NDArray[np.float64], *, least: bool) -> float | None:
    """Return the least of some scores, or the largest; None of none."""
    if not len(scores):
        return None
    return float(scores.min() if least else scores.max())
