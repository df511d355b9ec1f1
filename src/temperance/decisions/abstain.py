"""`abstain`: the loosest threshold on the confidence whose answers keep a promised risk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.checks.arrays import as_numbers
from temperance.decisions.abstention import Abstention, Promise, percent
from temperance.decisions.binomial import fewest_rows
from temperance.decisions.outcome import Outcome
from temperance.decisions.rows import DecisionRows
from temperance.decisions.search import GRID, Found, fixed_sequence, for_coverage, labels_needed
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["abstain", "abstain_rows", "check_target"]


def abstain(
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
    labels : array_like of int, shape (n,)
        True classes in 0..k-1.
    max_risk : float, optional
        Largest share of errors among the accepted rows, in (0, 1). Either this or `min_coverage`.
    min_coverage : float, optional
        Share of these rows to accept at least, in (0, 1]. The threshold is then set without looking
        at a label, and the risk promised is an upper limit. (The smallest `max_risk` that reaches a
        coverage would be chosen by the labels, and its promise would not hold.)
    confidence : float, default 0.95
        Probability over rows such as these that the promise holds, in (0, 1).
    weights : array_like, shape (n,), optional
        Must be equal, or 0 for rows that do not count: no exact promise for weighted rows is known.
    groups : array_like of str, shape (n,), optional
        Every group gets a threshold of its own, and the promises hold for all of them at once, by
        Bonferroni: each is made at confidence 1 - (1 - confidence) / m. Of a target risk, m counts
        the groups large enough to have a promise at all; that takes no label. The others, rows of
        no group, and groups that come later are never accepted.
    clusters : array_like, shape (n,), optional
        Names of what rows belong together. Such rows do not err independently, so one row of each
        cluster is drawn and the others are not used: the risk is that of a cluster's random row.
    thresholds : array_like, shape (m,), optional
        Tried in this order, which must fall strictly, in [0, 1]; fixed before looking at labels.
        Without it .999, .998, ..., 0. Only for `max_risk`.
    seed : int, default 0
        Of the row drawn from each cluster.

    Returns
    -------
    Abstention
        Threshold, promise in words and its assumption, and counts of the rows that set it.

    Raises
    ------
    InvalidInputError
        As in `log_loss`; an option outside its range, none or both of risk and coverage, weights
        that differ; or rows that do not support the target: the message says how many would.

    Notes
    -----
    Learn then Test with a fixed sequence: among the :math:`n_t` rows of confidence :math:`\ge t`
    the number of errors :math:`e_t` is binomial with the risk :math:`R(t)`, so
    :math:`p_t = P(\mathrm{Bin}(n_t, r^*) \le e_t)` is a p-value of :math:`R(t) > r^*`. Thresholds
    are tried from strict to loose, and the last one before the first :math:`p_t > \delta` is
    taken; as every one is tested only if all stricter ones have passed, there is nothing to pay for
    trying many. The first is where :math:`n_t \ge \log\delta / \log(1 - r^*)`: with fewer rows not
    even a spotless record is enough. Where that is depends on the confidences alone; the promise
    is exact if risk does not fall as more rows are accepted, and in simulations held otherwise too.

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
    rows = DecisionRows.check(
        probs, labels, weights=weights, groups=groups, clusters=clusters, seed=seed
    )
    return abstain_rows(
        rows, max_risk=max_risk, min_coverage=min_coverage, confidence=confidence,
        thresholds=thresholds,
    )  # fmt: skip


def abstain_rows(
    rows: DecisionRows,
    *,
    max_risk: float | None,
    min_coverage: float | None,
    confidence: float,
    thresholds: ArrayLike | None = None,
) -> Abstention:
    """Return the thresholds of rows that are checked, and of a target that is."""
    delta = 1.0 - confidence
    grid = GRID if thresholds is None else _as_grid(thresholds, max_risk)
    if rows.groups is None:
        promises = [_promise(None, rows, max_risk, min_coverage, delta, grid)]
    else:
        named = rows.groups != ""
        if not named.any():
            msg = "`groups` must name the group of some rows; no row has one."
            raise InvalidInputError(msg)
        names = np.unique(rows.groups[named]).tolist()
        parts = {name: rows.taken(rows.groups == name) for name in names}
        share = delta / _n_tested([part.n for part in parts.values()], max_risk, delta)
        promises = [
            _promise(name, part, max_risk, min_coverage, share, grid)
            for name, part in parts.items()
        ]
    if all(each.threshold is None for each in promises):
        raise InvalidInputError(_refusal(promises, max_risk, confidence))
    return Abstention(
        tuple(promises), confidence, max_risk, min_coverage, rows.n_given, rows.clustered
    )


def check_target(max_risk: float | None, min_coverage: float | None, confidence: float) -> None:
    """Raise InvalidInputError unless there is one target, in its range."""
    if (max_risk is None) == (min_coverage is None):
        msg = (
            "Give either `max_risk` (--max-risk), the share of errors to stay below, or "
            "`min_coverage` (--min-coverage), the share of rows to accept; "
            f"got {'neither' if max_risk is None else 'both'}."
        )
        raise InvalidInputError(msg)
    rules = {
        "max_risk": (max_risk, max_risk is None or 0.0 < max_risk < 1.0, "between 0 and 1"),
        "min_coverage": (
            min_coverage, min_coverage is None or 0.0 < min_coverage <= 1.0, "above 0, at most 1"
        ),
        "confidence": (confidence, 0.0 < confidence < 1.0, "between 0 and 1"),
    }  # fmt: skip
    for name, (value, holds, rule) in rules.items():
        if not holds:
            option = name.replace("_", "-")
            msg = f"`{name}` (--{option}) must be a number {rule}, got {value}."
            if name == "max_risk" and value == 0.0:
                msg += " No number of labels can promise that no answer is ever wrong."
            raise InvalidInputError(msg)


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


def _n_tested(sizes: list[int], max_risk: float | None, delta: float) -> int:
    """Return how many groups can have a promise: the m largest, each with rows enough at delta/m.

    Sizes are known without a label, so they may decide.
    """
    if max_risk is None:
        return len(sizes)
    counts = [
        m
        for m, size in enumerate(sorted(sizes, reverse=True), start=1)
        if size >= fewest_rows(max_risk, delta / m)
    ]
    return max(counts, default=1)


def _promise(
    group: str | None,
    rows: DecisionRows,
    max_risk: float | None,
    min_coverage: float | None,
    delta: float,
    grid: Array,
) -> Promise:
    found: Found | None
    reason = None
    if max_risk is None:
        assert min_coverage is not None  # noqa: S101  (one of both is given)
        found = for_coverage(rows.confidence, rows.wrong, min_coverage=min_coverage, delta=delta)
    else:
        found = fixed_sequence(
            rows.confidence, rows.wrong, max_risk=max_risk, delta=delta, grid=grid
        )
        if found is None:
            reason = _reason(rows, max_risk, delta, grid)
    accepted = np.zeros(rows.n, dtype=bool) if found is None else rows.confidence >= found.threshold
    return Promise(
        group=group,
        threshold=None if found is None else found.threshold,
        max_risk=None if found is None else found.max_risk,
        outcome=Outcome.of(accepted, rows.wrong),
        reason=reason,
    )


def _reason(rows: DecisionRows, max_risk: float, delta: float, grid: Array) -> str:
    """Say why no threshold keeps the risk, and how many labels would let one."""
    fewest = fewest_rows(max_risk, delta)
    loosest = int(np.count_nonzero(rows.confidence >= grid[-1]))
    if loosest < fewest:
        why = (
            f"it takes at least {fewest:,} accepted rows, none of them wrong, and there are "
            f"{loosest:,}"
        )
    else:
        kept = -np.partition(-rows.confidence, fewest - 1)[fewest - 1]
        first = float(grid[int(np.argmax(grid <= kept))])
        chosen = rows.confidence >= first
        wrong = int(np.count_nonzero(rows.wrong & chosen))
        why = (
            f"of the {np.count_nonzero(chosen):,} most confident rows (>= {first:g}) {wrong:,} "
            f"are wrong, {percent(wrong / np.count_nonzero(chosen))}"
        )
    needed = labels_needed(rows.confidence, rows.wrong, max_risk=max_risk, delta=delta, grid=grid)
    if needed is None:
        return (
            f"{why}. No number of labels would do: no threshold's risk lies below the target here"
        )
    return f"{why}. About {needed:,} labelled rows would do, as these go (power 80 %)"


def _refusal(promises: list[Promise], max_risk: float | None, confidence: float) -> str:
    target = f"`max_risk` {max_risk:g} cannot be promised with {percent(confidence)} confidence"
    first = max(promises, key=lambda each: each.outcome.n)
    if first.group is None:
        return f"{target}: {first.reason}. Or allow a larger risk."
    return (
        f"{target} for any of {len(promises)} groups; in the largest, {first.group!r}, "
        f"{first.reason}. Or make one promise for all rows, without `groups`."
    )
