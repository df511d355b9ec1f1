"""Three bands, accept, review and reject, each with promises that hold at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from temperance.blocks import report_step
from temperance.checks.arguments import as_level, as_word
from temperance.decisions.band_promises import RATES, BandCounts, BandPromises
from temperance.decisions.band_search import Cuts, find_cuts
from temperance.decisions.binomial import groups_tested
from temperance.decisions.rows import (
    COMPOSITES,
    PREDICTED,
    Composite,
    DecisionEvent,
    DecisionRows,
)
from temperance.decisions.rule import DecisionRule, banded, end_of
from temperance.errors import InvalidInputError
from temperance.frozen import Plain, plain
from temperance.show import Shown, Table, number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.metrics.events import EventName

    Array = NDArray[np.float64]

__all__ = ["BANDS", "Bands", "GroupBands", "bands", "bands_rows", "searches"]

BANDS = np.array(["review", "accept", "reject"])  # by 1 where accepted, 2 where rejected
BANDS.setflags(write=False)


@dataclass(frozen=True, slots=True)
class GroupBands(Plain):
    """Where the bands of all rows, or of a group, begin, with the rows that set them."""

    group: str | None  # None: all rows
    accept_from: float | None  # accepted from this score on; None: never
    reject_to: float | None  # rejected up to this score; None: never
    counts: BandCounts  # of the rows that set both
    accept_reason: str | None = None  # why there is none, where one was asked for
    reject_reason: str | None = None
    lowest_accepted: float | None = None  # scores of those rows beside the thresholds
    highest_declined: float | None = None  # not accepted
    highest_rejected: float | None = None
    lowest_kept: float | None = None  # not rejected

    @classmethod
    def of(
        cls, group: str | None, score: Array, positive: NDArray[np.bool_], cuts: Cuts
    ) -> GroupBands:
        """Return the bands of these rows."""
        accepted, rejected = banded(score, cuts.accept_from, cuts.reject_to)
        has_accept, has_reject = cuts.accept_from is not None, cuts.reject_to is not None
        return cls(
            group,
            cuts.accept_from,
            cuts.reject_to,
            BandCounts.of(positive, accepted, rejected),
            cuts.accept_reason,
            cuts.reject_reason,
            end_of(score[accepted], least=True) if has_accept else None,
            end_of(score[~accepted], least=False) if has_accept else None,
            end_of(score[rejected], least=False) if has_reject else None,
            end_of(score[~rejected], least=True) if has_reject else None,
        )


@dataclass(frozen=True, slots=True)
class Bands(DecisionRule[BandCounts], Shown):
    """When to accept, when to reject and when to review, with what is promised; see `bands`.

    A row is accepted where its score is at least `accept_from`, rejected where it is at most
    `reject_to`, and reviewed between; one that differs by rounding alone, up to 1e-6, is at it.
    """

    own: ClassVar[str] = "bands"

    parts: tuple[GroupBands, ...]  # one for all rows, or one per group
    promises: BandPromises
    confidence: float  # probability over such rows that all promises hold, in all groups
    event: DecisionEvent
    n_given: int  # labelled rows given
    clustered: bool  # one row per cluster was drawn, or every cluster is one answer
    calibrator: Calibrator | None = field(
        default=None, compare=False, repr=False, kw_only=True
    )  # whose probabilities it is about, of a policy; None: those that were given

    @property
    def ends(self) -> tuple[GroupBands, ...]:
        """Where the bands of all rows begin, or of each group."""
        return self.parts

    @property
    def threshold(self) -> float | None:
        """From which score on rows are accepted; None where each group has its own, or none are."""
        return None if self.per_group else self.parts[0].accept_from

    @property
    def counts(self) -> BandCounts:
        """What became of the rows that set the thresholds; their truth helped to choose."""
        first, *rest = (each.counts for each in self.parts)
        for each in rest:
            first = first.merge(each)
        return first

    def decide(self, score: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.str_]:
        """Return the band of each row, (n,): "accept", "review" or "reject".

        Parameters
        ----------
        score : array_like, shape (n,)
            What thresholds are on: the largest calibrated probability, that of the class decided
            about, or that of a whole composite answer.
        groups : array_like of str, shape (n,), optional
            Needed where every group has its own bands. Rows of no group, or of one that no promise
            was made for, are reviewed.

        Raises
        ------
        InvalidInputError
            Groups are needed and not given, or their shape or index is not that of `score`.

        Examples
        --------
        >>> sure, unsure = [[0.1, 0.9]] * 300 + [[0.95, 0.05]] * 300, [[0.6, 0.4]] * 100
        >>> truth = [1] * 300 + [0] * 300 + [0, 1] * 50
        >>> found = bands(sure + unsure, truth, event=1, min_precision=0.98,
        ...               min_negative_predictive_value=0.98)
        >>> found.decide([0.9, 0.4, 0.05]).tolist()
        ['accept', 'review', 'reject']
        """
        accepted, rejected = self._banded(score, groups)
        return BANDS[accepted + 2 * rejected]

    def accepts(self, score: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Return which rows are accepted, (n,).

        Parameters
        ----------
        score, groups
            As in `decide`.

        Raises
        ------
        InvalidInputError
            As in `decide`.
        """
        return self._banded(score, groups)[0]

    def _counted(
        self,
        wrong: NDArray[np.bool_],
        accepted: NDArray[np.bool_],
        rejected: NDArray[np.bool_],
    ) -> BandCounts:
        return BandCounts.of(~wrong, accepted, rejected)

    @property
    def guarantee(self) -> str:
        """The promises in one sentence."""
        words = self.event.words
        clauses = "; ".join(self.promises.in_words(name, words) for name in self.promises.limits)
        where = f" in each of {len(self.parts)} groups" if self.per_group else f" {self._places()}"
        rest = "" if not self.per_group else " A group without a band has its rows reviewed."
        return f"With {percent_text(self.confidence)} confidence,{where}: {clauses}.{rest}"

    def _places(self) -> str:
        part, score = self.parts[0], self.event.score_name
        ends = []
        if part.accept_from is not None:
            ends.append(f"accepting where {score} >= {part.accept_from:.6g}")
        if part.reject_to is not None:
            ends.append(f"rejecting where {score} <= {part.reject_to:.6g}")
        return " and ".join(ends)

    @property
    def assumption(self) -> str:
        """What must be true for it to hold."""
        what = "answers" if self.event.composite is not None else ""
        return self._assumption(what, "thresholds", "promises are", "promises")

    def to_dict(self) -> dict[str, Any]:
        """Return thresholds, promises and counts as plain numbers."""
        first = self.parts[0]
        return {
            "accept_from": None if self.per_group else first.accept_from,
            "reject_to": None if self.per_group else first.reject_to,
            "score": self.event.score_name,
            "event": self.event.name,
            "composite": self.event.composite,
            "promises": self.promises.limits,
            "confidence": self.confidence,
            "guarantee": self.guarantee,
            "assumption": self.assumption,
            "n": self.counts.n,
            "n_given": self.n_given,
            "clustered": self.clustered,
            "rows": self.counts.to_dict(),
            "groups": plain(self.parts) if self.per_group else None,
        }

    def tables(self) -> tuple[Table, ...]:
        """One row per promise and group."""
        rows = []
        for part in self.parts:
            name = "all rows" if part.group is None else part.group
            for promise in self.promises.limits:
                band = RATES[promise].band
                end = part.reject_to if band == "reject" else part.accept_from
                sign = "<=" if band == "reject" else ">="
                bad, whole = part.counts.bad(promise)
                rate = part.counts.rate(promise)
                limit = getattr(self.promises, promise)
                most = ">=" if RATES[promise].least else "<="
                rows.append((
                    name, band,
                    "never" if end is None else f"{sign} {end:.6g}",
                    f"{RATES[promise].name} {most} {percent_text(limit)}",
                    f"{bad:,} of {whole:,}",
                    "none" if rate is None or end is None else number_text(rate.value),
                ))  # fmt: skip
        columns = ("rows", "band", self.event.score_name, "promised", "bad rows", "rate seen")
        c = self.counts
        return (
            Table(
                columns, tuple(rows), words=frozenset({1, 3}),
                caption=f"{c.n:,} rows set the thresholds: {c.accepted:,} accepted, {c.reviewed:,} "
                f"reviewed, {c.rejected:,} rejected; the rates seen there flatter",
            ),
        )  # fmt: skip

    def table(self) -> Table:
        """Return one row per promise and group."""
        return self.tables()[0]

    def columns(self) -> dict[str, list[Any]]:
        """Return one row per group: thresholds and counts."""
        table: dict[str, list[Any]] = {
            name: [getattr(part, name) for part in self.parts]
            for name in ("group", "accept_from", "reject_to")
        }
        for name in ("n", "positives", "accepted", "accepted_positives", "rejected",
                     "rejected_positives"):  # fmt: skip
            table[name] = [getattr(part.counts, name) for part in self.parts]
        return table

    def __str__(self) -> str:
        return "\n\n".join((self.guarantee, self.table().to_text(), self.assumption))


def bands(  # noqa: PLR0913  (each is something that only the user knows)
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    event: EventName = PREDICTED,
    min_precision: float | None = None,
    max_false_positive_rate: float | None = None,
    min_recall: float | None = None,
    min_negative_predictive_value: float | None = None,
    max_false_negative_rate: float | None = None,
    confidence: float = 0.95,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    composite: Composite | None = None,
    seed: int = 0,
    answers: bool = False,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> Bands:
    r"""Return where to accept, review and reject, so that all promises hold at once.

    Parameters
    ----------
    probs, labels, weights, seed, answers, classes, ignore_label
        As in `abstain`.
    event : "predicted", str or int, default "predicted"
        What is decided about. A class ("yes"), by its name or number: rows are scored by its
        probability, accepted as it or rejected as not it, and positive are those of the class.
        "predicted": rows are scored by their largest probability, and positive if that is right.
    min_precision : float, optional
        Least share of the positive among the accepted, in (0, 1).
    max_false_positive_rate : float, optional
        Largest share of the negative rows that are accepted.
    min_recall : float, optional
        Least share of the positive rows that are accepted.
    min_negative_predictive_value : float, optional
        Least share of the negative among the rejected.
    max_false_negative_rate : float, optional
        Largest share of the positive rows that are rejected.
    confidence : float, default 0.95
        Probability over rows such as these that all promises hold, in (0, 1).
    groups : array_like of str, shape (n,), optional
        Every group (a question, say) gets bands of its own; all promises of all groups hold at
        once. Groups too small for any promise are reviewed whole.
    clusters : array_like, shape (n,), optional
        Names of what rows belong together: one row of each, drawn by `seed`, counts.
    composite : {"product", "minimum"}, optional
        The rows of a cluster are one answer (all questions of one document), right if all its rows
        are: scored by the product of their confidences, or the least. Not with a class as
        `event`, nor with `groups`.

    Returns
    -------
    Bands
        Thresholds, promises in words, counts of the rows that set them.

    Raises
    ------
    InvalidInputError
        As in `abstain`; no promise, or one out of its range; promises that exclude each other on
        these rows, a band that would be empty, or rows that do not support a promise: the message
        says how many labelled rows would.

    Notes
    -----
    With :math:`b` bad rows among the :math:`m` of a promise's denominator at a threshold and
    :math:`r` the largest share allowed, :math:`P(\mathrm{Bin}(m, r) \le b)` is a p-value of "the
    promise is broken here". Precision and false-positive rate both ask for a high threshold: the
    larger of their p-values is one of "either is broken" (Berger 1982), and thresholds are tried
    from strict to loose until it exceeds the level, as in `abstain`; precision decides where to
    begin. Recall asks for a low one, and is searched from loose to strict. The rejecting
    threshold is searched as the accepting one, of 1 - score. Each of these up to three searches, in
    each of the groups, has the level (1 - confidence) / m, m their number (Bonferroni). False
    positives, false negatives and recall cannot fall and rise again along their search, and their
    promises are exact whatever the scores; precision and negative predictive value as `abstain`.

    Where both bands could begin anywhere and would overlap, stricter thresholds, which the
    searches have passed too, part them: those nearest to 1/2.

    References
    ----------
    Angelopoulos, Bates, Candes, Jordan and Lei (2021), Learn then Test, https://arxiv.org/abs/2110.01052;
    Berger (1982), Multiparameter Hypothesis Testing and Acceptance Sampling, Technometrics 24(4)

    Examples
    --------
    Two promises on both ends, each at level .025: .98^183 < .025, so 183 spotless rows will do.

    >>> p = np.repeat([0.9, 0.5, 0.1], 183)
    >>> y = np.concatenate([np.ones(183), np.arange(183) % 2, np.zeros(183)]).astype(int)
    >>> found = bands(p, y, event=1, min_precision=0.98, min_negative_predictive_value=0.98)
    >>> found.parts[0].accept_from, round(found.parts[0].reject_to, 3)
    (0.501, 0.499)
    """
    promises = BandPromises.check(
        min_precision=min_precision, max_false_positive_rate=max_false_positive_rate,
        min_recall=min_recall, min_negative_predictive_value=min_negative_predictive_value,
        max_false_negative_rate=max_false_negative_rate,
    )  # fmt: skip
    as_level(confidence, name="confidence", option="--confidence")
    if composite is not None:
        as_word(composite, COMPOSITES, name="composite")
    rows = DecisionRows.check(
        probs, labels, weights=weights, groups=groups, clusters=clusters, seed=seed,
        answers=answers, event=event, composite=composite, classes=classes,
        ignore_label=ignore_label,
    )  # fmt: skip
    return bands_rows(rows, promises, confidence=confidence)


def bands_rows(rows: DecisionRows, promises: BandPromises, *, confidence: float) -> Bands:
    """Return the bands of rows that are checked, or raise InvalidInputError."""
    parts = _parts(rows, promises, 1.0 - confidence)
    for band in promises.bands:
        if all(getattr(each, _ENDS[band]) is None for each in parts):
            message = _refusal(parts, band, confidence)
            if rows.event.composite is not None:
                message = message.replace("labelled rows would", "labelled answers would")
            elif rows.clustered:
                each = "labelled rows, each of another cluster, would"
                message = message.replace("labelled rows would", each)
            raise InvalidInputError(message)
    return Bands(tuple(parts), promises, confidence, rows.event, rows.n_given, rows.clustered)


_ENDS = {"accept": "accept_from", "reject": "reject_to"}


def _parts(rows: DecisionRows, promises: BandPromises, delta: float) -> list[GroupBands]:
    sides = len(promises.sides)
    if rows.groups is None:
        cuts = find_cuts(rows.confidence, ~rows.wrong, promises, delta / sides)
        return [GroupBands.of(None, rows.confidence, ~rows.wrong, cuts)]
    groups = rows.by_group()
    level = delta / searches([each.n for each in groups.values()], promises, delta)
    parts = []
    for number, (name, of) in enumerate(groups.items(), start=1):
        cuts = find_cuts(of.confidence, ~of.wrong, promises, level)
        parts.append(GroupBands.of(name, of.confidence, ~of.wrong, cuts))
        report_step("bands of groups", number, len(groups))
    return parts


def searches(sizes: Sequence[int], promises: BandPromises, delta: float) -> int:
    """Return how many searches share the level: those of each group that is large enough."""
    shares = [max(promises.bad_shares(side).values()) for side in promises.sides]
    return groups_tested(sizes, shares, delta) * len(shares)


def _refusal(parts: Sequence[GroupBands], band: str, confidence: float) -> str:
    """Return the message of rows that allow no such band anywhere."""
    first = max(parts, key=lambda each: each.counts.n)
    reason = getattr(first, f"{band}_reason")
    goal = f"no band to {band} can be promised with {percent_text(confidence)} confidence"
    if first.group is None:
        return f"{goal}: {reason}. A lesser promise may hold."
    return (
        f"{goal} in any of {len(parts)} groups; in the largest, {first.group!r}: {reason}. Or make "
        "one promise for all rows, without `groups` (--per-group)."
    )
