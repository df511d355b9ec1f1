"""`abstain`: the loosest threshold on the confidence whose answers keep a promised risk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor, log10, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.binning import ROUNDING, reaches
from temperance.blocks import report_step
from temperance.checks.arguments import as_level, as_number
from temperance.checks.arrays import as_numbers
from temperance.decisions.abstention import (
    Abstention,
    Outcome,
    Promise,
    ThresholdDraws,
    other_seeds,
    settled,
)
from temperance.decisions.binomial import (
    LEAST_RISK,
    POWER,
    fewest_rows,
    groups_tested,
    p_values,
    pass_probability,
    rows_needed,
    upper_limit,
)
from temperance.decisions.rows import DecisionRows
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, normal_quantile
from temperance.show import percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = [
    "GRID",
    "OF_CLUSTERS",
    "Target",
    "abstain",
    "abstain_rows",
    "check_target",
    "counts_reaching",
    "first_tried",
    "level_of_group",
    "risk_of_coverage",
]

# Where to put a threshold: the search along a fixed sequence, and the one for a coverage.


GRID: Array = np.arange(999, -1, -1) / 1000.0
GRID.setflags(write=False)
_AT_ONCE = 16  # thresholds
_LIKELY = 0.999  # probability to pass, where the search begins
_LOOKED_AT = 8  # thresholds whose need of labels is reckoned exactly


class OperatingPoint(NamedTuple):
    """A threshold and the risk that is promised there."""

    threshold: float
    max_risk: float


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What a threshold is to reach: a coverage, or a risk, perhaps from a coverage on."""

    max_risk: float | None
    min_coverage: float | None
    delta: float  # probability that the promise fails
    grid: Array  # thresholds tried for a risk, falling
    label_share: float = 1.0  # share of the labelled rows that set thresholds, the others fit

    def fewest(self, n: int) -> int:
        """Return how many of n rows the first threshold tried for a risk accepts at least."""
        assert self.max_risk is not None  # noqa: S101  (asked of a risk only)
        spotless = fewest_rows(self.max_risk, self.delta)
        return spotless if self.min_coverage is None else max(spotless, self.covering(n))

    def covering(self, n: int) -> int:
        """Return how many of n rows make the coverage."""
        return max(1, ceil((self.min_coverage or 0.0) * n * (1.0 - 1e-12)))


def fixed_sequence(
    confidence: Array, wrong: NDArray[np.bool_], target: Target
) -> OperatingPoint | None:
    """Return the loosest threshold of the grid that keeps the risk; None if none does.

    Begins at `first_tried`, and ends before the first threshold whose p-value exceeds delta.
    """
    assert target.max_risk is not None  # noqa: S101  (asked of a risk only)
    first = first_tried(confidence, target)
    if first is None:
        return None
    rows, errors = counts_reaching(confidence, wrong, target.grid)
    fails = p_values(errors[first:], rows[first:], target.max_risk) > target.delta
    passed = int(fails.argmax()) if fails.any() else len(fails)
    return (
        OperatingPoint(float(target.grid[first + passed - 1]), target.max_risk) if passed else None
    )


def first_tried(confidence: Array, target: Target) -> int | None:
    """Return the place in the grid where the search begins; no label has a say in it.

    The strictest threshold that reaches the coverage, where one is given. Else the strictest whose
    test would pass with probability .999 if confidences were right (the likeliest to pass, if none
    is so likely): of the very surest rows there are often just enough that one error fails the
    test, and the search with it. Never with fewer rows than spotless ones could pass with.
    """
    assert target.max_risk is not None  # noqa: S101  (asked of a risk only)
    falling = np.sort(confidence)[::-1]
    rows = _reached(falling, target.grid)
    enough = rows >= target.fewest(len(confidence))
    if not enough.any():
        return None
    if target.min_coverage is not None:
        return int(enough.argmax())
    claimed = np.concatenate([[0.0], np.cumsum(1.0 - falling)])
    counts, places = np.unique(rows, return_index=True)
    counts, places = (each[counts >= target.fewest(len(falling))] for each in (counts, places))
    best, likeliest = 0, -1.0
    for start in range(0, len(counts), _AT_ONCE):
        some = counts[start : start + _AT_ONCE]
        passing = pass_probability(some, claimed[some] / some, target.max_risk, target.delta)
        at = int(np.argmax(np.minimum(passing, _LIKELY)))  # the first of those likely enough
        if passing[at] > likeliest:
            best, likeliest = start + at, float(passing[at])
        if likeliest >= _LIKELY:
            break
    return int(places[best])


def for_coverage(confidence: Array, wrong: NDArray[np.bool_], target: Target) -> OperatingPoint:
    """Return the strictest threshold that accepts this share of the rows, and a risk for it.

    No label has a say in the threshold: it is the k-th largest confidence. Given that, the k - 1
    rows above it are independent draws from what it accepts, and their exact upper limit holds
    (where confidences differ; nearly, where many are equal). The limit taken is that of all
    accepted rows less a right one, which is never below.
    """
    k = target.covering(len(confidence))
    threshold = float(np.partition(confidence, len(confidence) - k)[len(confidence) - k])
    accepted = reaches(confidence, threshold)
    errors, rows = int(np.count_nonzero(wrong & accepted)), int(np.count_nonzero(accepted))
    return OperatingPoint(threshold, risk_of_coverage(errors, rows, target.delta))


def risk_of_coverage(errors: int, rows: int, delta: float) -> float:
    """Return the risk promised of the rows that a coverage accepts, of which some are wrong."""
    return _rounded_up(upper_limit(errors, rows - 1, delta))


def labels_needed(confidence: Array, wrong: NDArray[np.bool_], target: Target) -> int | None:
    """Return about how many labelled rows would allow the promise at some threshold.

    At each threshold the risk is taken to be (errors + 1/2) / (rows + 1), or errors / rows if only
    that is below the target; the rows needed (power 80 %) are divided by the coverage, and the
    smallest number counts. None where no threshold's risk is below the target.
    """
    max_risk, delta = target.max_risk, target.delta
    assert max_risk is not None  # noqa: S101  (asked of a risk only)
    rows, errors = counts_reaching(confidence, wrong, target.grid)
    least = 1 if target.min_coverage is None else target.covering(len(confidence))
    rows, first = np.unique(rows, return_index=True)
    errors, rows = errors[first][rows >= least], rows[rows >= least]
    careful, plain = (errors + 0.5) / (rows + 1.0), errors / rows
    risks = np.where(careful < max_risk, careful, plain)
    below = np.flatnonzero(risks < max_risk)
    if not len(below):
        return None
    share = rows[below] / len(confidence)
    rough = np.maximum(
        _rough_need(risks[below], max_risk, delta), float(fewest_rows(max_risk, delta))
    )
    sizes = []
    for place in np.argsort(rough / share, kind="stable")[:_LOOKED_AT]:
        needed = rows_needed(float(risks[below[place]]), max_risk, delta)
        if needed is not None:
            sizes.append(ceil(needed / float(share[place])))
    return min(sizes, default=None)


def _rough_need(risks: Array, max_risk: float, delta: float) -> Array:
    """Return `rows_needed` with normal instead of binomial counts, (m,)."""
    sure, power = (normal_quantile(2.0 * p - 1.0) for p in (1.0 - delta, POWER))
    spread = sure * sqrt(max_risk * (1.0 - max_risk)) + power * np.sqrt(risks * (1.0 - risks))
    return np.asarray((np.maximum(spread, 0.0) / (max_risk - risks)) ** 2)


def _rounded_up(share: float) -> float:
    """Return a limit with three digits, so that it can be read and still holds."""
    unit = 10.0 ** (floor(log10(share)) - 2)
    return min(ceil(share / unit) * unit, 1.0)


def counts_reaching(
    confidence: Array, wrong: NDArray[np.bool_], grid: Array
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many rows each threshold accepts, and how many of these are wrong."""
    order = np.argsort(-confidence, kind="stable")
    rows = _reached(confidence[order], grid)
    so_far = np.concatenate([[0], wrong[order].cumsum()])
    return rows, so_far[rows].astype(np.int64)


def _reached(falling: Array, grid: Array) -> NDArray[np.int64]:
    """Return how many of the confidences reach each threshold, as `reaches` has it."""
    return np.searchsorted(-falling, ROUNDING - grid, side="right").astype(np.int64)


# Why rows do not support a promise, and how many labels would.


def reason(rows: DecisionRows, target: Target, group: str | None) -> str:
    """Say why no threshold keeps the risk, and how many labels would let one."""
    fewest, grid = target.fewest(rows.n), target.grid
    loosest = int(np.count_nonzero(rows.confidence >= grid[-1]))
    if loosest < fewest:
        why = (
            f"it takes at least {fewest:,} accepted rows, none of them wrong, and there are "
            f"{loosest:,}"
        )
    else:
        first = float(grid[first_tried(rows.confidence, target) or 0])
        accepted = rows.confidence >= first
        best, wrong = int(np.count_nonzero(accepted)), int(np.count_nonzero(rows.wrong & accepted))
        why = (
            f"of the {best:,} most confident rows (>= {first:g}) {wrong:,} "
            f"{'is' if wrong == 1 else 'are'} wrong, {percent_text(wrong / best)}"
        )
    needed = labels_needed(rows.confidence, rows.wrong, target)
    if needed is None:
        return (
            f"{why}. No number of labels would do: no threshold's risk lies below the target here"
        )
    of = "" if group is None else " of this group"
    if rows.clustered:
        of += ", each of another cluster,"
    if target.label_share == 1.0:
        return f"{why}. About {needed:,} labelled rows{of} would do, as these go (power 80 %)"
    labelled = ceil(needed / target.label_share)
    return (
        f"{why}. About {labelled:,} labelled rows{of} would do, as these go (power 80 %): "
        f"{needed:,} of them for the threshold, the others for the fit"
    )


def refusal(promises: Sequence[Promise], target: Target, confidence: float) -> str:
    """Return the message of rows that allow no promise at all."""
    goal = (
        f"`max_risk` (--max-risk) {target.max_risk:g} cannot be promised with "
        f"{percent_text(confidence)} confidence"
    )
    if target.min_coverage is not None:
        goal += f" at a coverage of {percent_text(target.min_coverage)}"
    first = max(promises, key=lambda each: each.outcome.n)
    if first.group is None:
        return f"{goal}: {first.reason}. Or allow a larger risk."
    return (
        f"{goal} for any of {len(promises)} groups; in the largest, {first.group!r}, "
        f"{first.reason}. Or make one promise for all rows, without `groups` (--per-group)."
    )


OF_CLUSTERS = "draws of one row a cluster"


def abstain(  # noqa: PLR0913  (each is something that only the user knows)
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    max_risk: float | None = None,
    min_coverage: float | None = None,
    confidence: float = 0.95,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    thresholds: ArrayLike | None = None,
    seed: int = 0,
    answers: bool = False,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> Abstention:
    r"""Return the threshold on the confidence from which on answers keep a promised error rate.

    The promise is one about new rows and exact for any number of labels: it needs no model to be
    right, only rows that come as these did. A good calibrator makes the threshold readable and the
    coverage better; the promise does not depend on it.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Calibrated probabilities; (n,) is the probability of class 1. The calibrator must have been
        fitted on other rows.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`.
    max_risk : float, optional
        Largest share of errors among the accepted rows, in (0, 1).
    min_coverage : float, optional
        Share of these rows to accept at least, in (0, 1]. Without `max_risk` the threshold is set
        with no look at a label, and the risk promised is an upper limit. (The smallest `max_risk`
        that reaches a coverage would be chosen by the labels, and its promise would not hold.) With
        `max_risk` the search begins at this coverage: choose it before you look. It helps where
        many labels meet a model whose surest answers are not spotless.
    confidence : float, default 0.95
        Probability over rows such as these that the promise holds, in (0, 1).
    weights : array_like, shape (n,), optional
        Must be equal, or 0 for rows that do not count: no exact promise for weighted rows is known.
    groups : array_like of str, shape (n,), optional
        Every group gets a threshold of its own, and the promises hold for all of them at once, by
        Bonferroni: each is made at confidence 1 - (1 - confidence) / m. Of a target risk, m counts
        the groups large enough to have a promise at all; that takes no label. The others, and
        groups that come later, are never accepted.
    clusters : array_like, shape (n,), optional
        Names of what rows belong together. Such rows do not err independently, so one row of each
        cluster is drawn and the others are not used: the risk is that of a cluster's random row.
        Four more draws are looked at, and where most of the five have no threshold, there is none
        (Notes).
    thresholds : array_like, shape (m,), optional
        Tried in this order, which must fall strictly, in [0, 1]; fixed before looking at labels.
        Without it .999, .998, ..., 0. Only for `max_risk`.
    seed : int, default 0
        Of the row drawn from each cluster.
    answers : bool, default False
        `probs` are the probabilities (n,) that whole answers are right, as of
        `llm.AnswerConfidence`, and `labels` whether they are. An answer counts as wrong by its
        label alone, not by whether its probability is below one half.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.

    Returns
    -------
    Abstention
        Threshold, promise in words and its assumption, and counts of the rows that set it.

    Raises
    ------
    InvalidInputError
        As in `log_loss`; an option outside its range, neither risk nor coverage, weights that
        differ; or rows that do not support the target: the message says how many would; or a
        threshold that most draws of one row a cluster do not have.

    Notes
    -----
    Learn then Test with a fixed sequence: among the :math:`n_t` rows of confidence :math:`\ge t`
    the number of errors :math:`e_t` is binomial with the risk :math:`R(t)`, so
    :math:`p_t = P(\mathrm{Bin}(n_t, r^*) \le e_t)` is a p-value of :math:`R(t) > r^*`. Thresholds
    are tried from strict to loose, and the last one before the first :math:`p_t > \delta` is
    taken; as every one is tested only if all before it have passed, there is nothing to pay for
    trying many. With :math:`n_t < \log\delta / \log(1 - r^*)` not even a spotless record is enough,
    and right there a single error ends the search. So it begins at the strictest threshold that
    would pass with probability .999 if confidences were right (the likeliest, if there is none), or
    where `min_coverage` says; near 0, that is the first with rows enough. On 2,000 simulated rows
    that are calibrated, a target of 20 % is refused in under 2 % of samples this way, and in 26 %
    that way. Where to begin depends on confidences alone, on no label. The promise is exact if risk
    does not fall as more rows are accepted; in simulations it held otherwise too.

    A threshold that one draw of rows has and most others have not is luck, and no answer: it is
    kept where more than half of five draws (the seeds 0 to 4, with `seed` in place of one) have
    one, and `draws` says how far they differ. That only takes promises away: the one that stands
    is that of its own draw, and fails no more often than it would alone.

    For `min_coverage`: the Clopper-Pearson upper limit at a threshold set by confidences alone.

    References
    ----------
    Angelopoulos, Bates, Candes, Jordan and Lei (2021), Learn then Test: Calibrating Predictive
    Algorithms to Achieve Risk Control, section 2 and proposition 5,
    https://arxiv.org/abs/2110.01052

    Examples
    --------
    No error in 149 rows excludes a risk of 2 % at 95 % confidence: .98^149 < .05.

    >>> rule = abstain([[0.9, 0.1]] * 149, [0] * 149, max_risk=0.02)
    >>> rule.guarantee
    'With 95 % confidence, at most 2 % of all answers are wrong.'
    """
    check_target(max_risk, min_coverage, confidence)

    def rows_of(by: int) -> DecisionRows:
        return DecisionRows.check(
            probs, labels, weights=weights, groups=groups, clusters=clusters, seed=by,
            answers=answers, classes=classes, ignore_label=ignore_label,
        )  # fmt: skip

    rows = rows_of(seed)
    others = {} if clusters is None else {each: rows_of(each) for each in other_seeds(seed)}
    return abstain_rows(
        rows, max_risk=max_risk, min_coverage=min_coverage, confidence=confidence,
        thresholds=thresholds, seed=seed, others=others,
    )  # fmt: skip


def abstain_rows(
    rows: DecisionRows,
    *,
    max_risk: float | None,
    min_coverage: float | None,
    confidence: float,
    thresholds: ArrayLike | None = None,
    seed: int = 0,
    others: Mapping[int, DecisionRows | None] | None = None,
    what: str = OF_CLUSTERS,
    label_share: float = 1.0,
) -> Abstention:
    """Return the thresholds of rows that are checked, and of a target that is.

    `others` are the rows of other draws by their seeds, None where they allow no fit; `what` is
    drawn. A threshold that most draws do not have is refused. `label_share` is the share of the
    labelled rows that these are, where others fit the calibrator.
    """
    delta = 1.0 - confidence
    grid = GRID if thresholds is None else _as_grid(thresholds, max_risk)
    target = Target(max_risk, min_coverage, delta, grid, label_share)
    promises = _promises(rows, target)
    draws, draw_note = None, ""
    if others:
        alternatives: dict[int, list[Promise]] = {
            by: [] if each is None else _promises(each, target) for by, each in others.items()
        }
        draws = ThresholdDraws.of(what, {seed: promises, **alternatives})
        if all(each.threshold is None for each in promises):
            draw_note = f" {draws.in_words()}"
            if draws.with_threshold:
                draw_note += " To choose a seed by that would void the promise."
        promises = settled(promises, alternatives, what)
    if all(each.threshold is None for each in promises):
        raise InvalidInputError(refusal(promises, target, confidence) + draw_note)
    return Abstention(
        tuple(promises), confidence, max_risk, min_coverage, rows.n_given, rows.clustered, draws
    )


def _promises(rows: DecisionRows, target: Target) -> list[Promise]:
    """Return the promise of all rows, or of each group; without a threshold where there is none."""
    if rows.groups is None:
        return [_promise(None, rows, target)]
    parts = rows.by_group()
    share = level_of_group([each.n for each in parts.values()], target.max_risk, target.delta)
    of_group = replace(target, delta=share)
    promises = []
    for number, (name, part) in enumerate(parts.items(), start=1):
        promises.append(_promise(name, part, of_group))
        report_step("thresholds of groups", number, len(parts))
    return promises


def check_target(
    max_risk: float | None,
    min_coverage: float | None,
    confidence: float,
    *,
    option: str = "--max-risk",
) -> None:
    """Raise InvalidInputError unless there is a target, in its range."""
    if max_risk is None and min_coverage is None:
        msg = (
            "Give `max_risk` (--max-risk), the share of errors to stay below, or `min_coverage` "
            "(--min-coverage), the share of rows to accept, or both."
        )
        raise InvalidInputError(msg)
    if max_risk is not None:
        hint = ""
        if type(max_risk) in (int, float) and max_risk == 0.0:
            hint = "No number of labels can promise that no answer is ever wrong."
        rule = f"a number between {LEAST_RISK:g} and 1"
        as_number(
            max_risk, name="max_risk", option=option, rule=rule, least=LEAST_RISK, below=1.0,
            hint=hint,
        )  # fmt: skip
    if min_coverage is not None:
        rule = "a number above 0, at most 1"
        as_number(
            min_coverage,
            name="min_coverage",
            option="--min-coverage",
            rule=rule,
            above=0.0,
            most=1.0,
        )
    as_level(confidence, name="confidence", option="--confidence")


def _as_grid(thresholds: ArrayLike, max_risk: float | None) -> Array:
    grid = as_float64(as_numbers(thresholds, name="thresholds"))
    if max_risk is None:
        msg = "`thresholds` are tried for `max_risk`; with `min_coverage` leave them out."
        raise InvalidInputError(msg)
    inside = grid.ndim == 1 and len(grid) > 0 and bool(((grid >= 0.0) & (grid <= 1.0)).all())
    if not inside or (np.diff(grid) >= 0.0).any():
        msg = "`thresholds` must be numbers in [0, 1] that fall strictly, at least one."
        raise InvalidInputError(msg)
    return grid


def level_of_group(sizes: Sequence[int], max_risk: float | None, delta: float) -> float:
    """Return the level of each group's promise: of a coverage all groups have one."""
    return delta / (len(sizes) if max_risk is None else groups_tested(sizes, [max_risk], delta))


def _promise(group: str | None, rows: DecisionRows, target: Target) -> Promise:
    point: OperatingPoint | None
    why = None
    if target.max_risk is None:
        point = for_coverage(rows.confidence, rows.wrong, target)
    else:
        point = fixed_sequence(rows.confidence, rows.wrong, target)
        if point is None:
            why = reason(rows, target, group)
    threshold = np.inf if point is None else point.threshold
    accepted = reaches(rows.confidence, threshold)
    above, below = rows.confidence[accepted], rows.confidence[~accepted]
    return Promise(
        group=group,
        threshold=None if point is None else point.threshold,
        max_risk=None if point is None else point.max_risk,
        outcome=Outcome.of(accepted, rows.wrong),
        reason=why,
        lowest_accepted=float(above.min()) if point is not None and len(above) else None,
        highest_declined=float(below.max()) if point is not None and len(below) else None,
    )
