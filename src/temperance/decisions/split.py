"""A policy from one set of labels: some rows fit the calibrator, the others set the threshold."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from temperance.calibrators import METHODS, Outputs, Training, check_method, fit_method
from temperance.checks.arguments import as_flag, as_number, as_seed
from temperance.checks.labels import kept_rows, labelled_rows
from temperance.crossfit import content_order
from temperance.decisions.abstain import OF_CLUSTERS, abstain_rows, check_target
from temperance.decisions.abstention import other_seeds
from temperance.decisions.policy import DecisionPolicy
from temperance.decisions.rows import DecisionRows, counting
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.metrics.inputs import Predictions
from temperance.printable import count_text
from temperance.selection import select_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.checks import Positions
    from temperance.decisions.abstention import Abstention

__all__ = [
    "Deal",
    "as_fit_share",
    "deals_of",
    "fit_policy",
    "fit_share_of",
    "split_rows",
    "threshold_of",
]

AUTO = "auto"
T = TypeVar("T")
_SPLITS = "splits"


def split_rows(
    labels: NDArray[np.intp],
    share: float,
    *,
    seed: int,
    scores: Sequence[NDArray[Any]] = (),
    clusters: NDArray[np.intp] | None = None,
) -> NDArray[np.bool_]:
    """Return which rows are to be fitted on, (n,): about `share` of them.

    Stratified: of every class the same share, within one row. Rows of one cluster stay together;
    then clusters are dealt, and not stratified. Drawn by `seed` from what rows hold (`scores`), or
    the numbers of clusters, not from where they stand. Stratified, the errors among the rows left
    vary a little less than a binomial number does: a promise made of them errs on the safe side.
    """
    rng = np.random.default_rng(seed)
    if clusters is not None:
        count = int(clusters.max()) + 1
        dealt = rng.permutation(count) < share * count
        return np.asarray(dealt[clusters])
    order = rng.permutation(len(labels))
    if scores:
        order = content_order(scores, columns=(labels,))[order]
    by_class = order[np.argsort(labels[order], kind="stable")]
    # Walking through the classes, a row is taken whenever the taken ones fall behind the share.
    steps = np.floor(share * np.arange(len(labels) + 1) + rng.random())
    mask = np.zeros(len(labels), dtype=bool)
    mask[by_class] = np.diff(steps) > 0.0
    return mask


class Deal(NamedTuple):
    """The rows as chance deals them: what was fitted on some, and what decides of the others."""

    calibrator: Calibrator
    rows: DecisionRows  # that set the threshold, calibrated
    fitted: NDArray[np.bool_] | None  # (n,): the rows of the fit; None where none were dealt to it
    notes: tuple[str, ...] = ()  # of the fit, for who reads the threshold


def deals_of(
    deal: Callable[[int], Deal], *, several: bool, seed: int
) -> tuple[Deal, dict[int, DecisionRows | None]]:
    """Return the deal of this seed, and of `several` the threshold's rows of four others.

    Chance has a part where rows are split, and where one row of each cluster is drawn. None where
    another deal allows no fit.
    """
    own = deal(seed)
    others: dict[int, DecisionRows | None] = {}
    for each in other_seeds(seed) if several else ():
        try:
            others[each] = deal(each).rows
        except (NoOptimumError, InvalidInputError):
            others[each] = None
    return own, others


def threshold_of(
    own: Deal,
    others: Mapping[int, DecisionRows | None],
    *,
    fit_share: float,
    max_risk: float | None,
    min_coverage: float | None,
    confidence: float,
    seed: int,
) -> Abstention:
    """Return the threshold of a deal; one that most deals do not have is refused (`abstain`)."""
    split = own.fitted is not None
    return abstain_rows(
        own.rows, max_risk=max_risk, min_coverage=min_coverage, confidence=confidence, seed=seed,
        others=others, what=_SPLITS if split else OF_CLUSTERS,
        label_share=1.0 - fit_share if split else 1.0,
    )  # fmt: skip


def fit_share_of(fitted: NDArray[np.bool_], learn: Callable[[], T]) -> T:
    """Return what is learned from the share of rows dealt to the fit, or say why nothing is.

    Raises InvalidInputError where all rows, or none, were dealt to it, and NoOptimumError as
    `learn`.
    """
    n, count = len(fitted), int(np.count_nonzero(fitted))
    if count in (0, n):
        none = "none for the fit" if count == 0 else "none for the threshold"
        msg = (
            f"{count_text(n, 'row', 'rows')} cannot be split by `fit_share` (--fit-share): {none} "
            "would be left (rows of one cluster stay together). Give more rows or clusters, or "
            "another share, or fit on other rows: `abstain` (--calibrator)."
        )
        raise InvalidInputError(msg)
    try:
        return learn()
    except NoOptimumError as error:
        allow = count_text(count, "row to fit on allows", "rows to fit on allow")
        msg = (
            f"the {allow} no fit: {error} Or fit on other rows (--calibrator), on a larger "
            "`fit_share` (--fit-share), or on none: `abstain` (--as-is)."
        )
        raise NoOptimumError(msg, reason=error.reason) from error


def as_fit_share(fit_share: float) -> float:
    """Return the share of rows to fit on, or raise InvalidInputError."""
    return as_number(
        fit_share, name="fit_share", option="--fit-share", rule="a number between 0 and 1",
        above=0.0, below=1.0,
    )  # fmt: skip


def fit_policy(  # noqa: PLR0913  (each is something that only the user knows)
    logits: ArrayLike,
    labels: ArrayLike | Positions,
    *,
    max_risk: float | None = None,
    min_coverage: float | None = None,
    confidence: float = 0.95,
    method: str = "temperature",
    fit_share: float = 0.2,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    per_group: bool = False,
    clusters: ArrayLike | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
    seed: int = 0,
) -> DecisionPolicy:
    """Return a calibrator and a threshold that keeps a promise, from labels used once each.

    Parameters
    ----------
    logits : array_like, shape (n, k) or (n,)
        As in `TemperatureScaling.fit`; for probabilities pass `logits_from_probs(probs)`.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names in `classes`; no fit of the model has seen them.
    max_risk, min_coverage, confidence
        As in `abstain`.
    method : str, default "temperature"
        What is fitted, one of `METHODS` for one model, or "auto" as in `select`.
    fit_share : float, default 0.2
        Of the rows, fitted on; in (0, 1). The others set the threshold.
    weights : array_like, shape (n,), optional
        Equal, or 0: a row of weight 0 takes no part.
    groups : array_like of str, shape (n,), optional
        Of "group-temperature", and of `per_group`.
    per_group : bool, default False
        A threshold for every group; all promises hold at once.
    clusters : array_like, shape (n,), optional
        Which rows belong together: they are dealt together, and one row of each cluster counts.
    classes : sequence of k names, optional
        Of the columns.
    ignore_label : int or str, optional
        Rows of this label are left out.
    refuse_probs : bool, default True
        As in `TemperatureScaling.fit`.
    seed : int, default 0
        Of the split, and of the row drawn from each cluster; >= 0.

    Returns
    -------
    DecisionPolicy
        Its `rule.draws` says what four other splits would have given, its `facts` how many rows
        were used for what.

    Raises
    ------
    InvalidInputError
        As in `TemperatureScaling.fit` and `abstain`; another method or share; too few rows to
        split; `per_group` without groups.
    NoOptimumError
        The rows dealt to the fit allow none.

    Notes
    -----
    The split is stratified: of every class the same share within one row; rows of one cluster stay
    together. It is drawn by `seed` from what rows hold, not from where they stand. Of five splits
    (the seeds 0 to 4, with `seed` in place of one) more than half must have a threshold; the
    promise is that of the split of `seed`, and fails no more often than it would alone.

    References
    ----------
    Angelopoulos, Bates, Candes, Jordan and Lei (2021), Learn then Test, https://arxiv.org/abs/2110.01052

    Examples
    --------
    Of 500 rows 100 fit T and 400 set the threshold. Nine in ten log-odds of 3 come true, and half
    of those of 1: one error in ten is promised of no more than the first.

    >>> z = np.repeat([3.0, 1.0], 250)
    >>> y = np.concatenate([np.arange(250) % 20 > 0, np.arange(250) % 2 > 0]).astype(int)
    >>> policy = fit_policy(z, y, max_risk=0.1)
    >>> policy.facts["n_fit"], policy.facts["n_threshold"]
    (100, 400)
    >>> policy.apply([3.0, 1.0]).accepted
    array([ True, False])
    """
    check_target(max_risk, min_coverage, confidence)
    check_method(method, also=(AUTO,))
    if method in METHODS and METHODS[method].traits.members:
        msg = f"`method` must be one for the outputs of one model, got {method!r}."
        raise InvalidInputError(msg)
    share, seed = as_fit_share(fit_share), as_seed(seed)
    if as_flag(per_group, name="per_group") and groups is None:
        msg = "`per_group` (--per-group) needs `groups`, the names of each row's group."
        raise InvalidInputError(msg)
    rows = Training.check(
        logits, labels, weights=weights, clusters=clusters, groups=groups, classes=classes,
        ignore_label=ignore_label, refuse_probs=refuse_probs, zeros=True,
    )  # fmt: skip
    if weights is not None:
        values = kept_rows(weights, labelled_rows(labels, ignore_label), name="weights")
        rows = replace(rows.taken(counting(np.asarray(values, dtype=np.float64))), weights=None)
    deal = partial(_dealt, rows, method, share, per_group)
    own, others = deals_of(deal, several=True, seed=seed)
    rule = threshold_of(
        own, others, fit_share=share, max_risk=max_risk, min_coverage=min_coverage,
        confidence=confidence, seed=seed,
    )  # fmt: skip
    assert own.fitted is not None  # noqa: S101  (rows were dealt to the fit)
    n_fit = int(np.count_nonzero(own.fitted))
    facts: dict[str, Any] = {
        "n_fit": n_fit,
        "n_threshold": rows.n - n_fit,
        "split": {"share": share, "seed": seed, "stratified": rows.clusters is None},
        "seed": seed,
    }
    return DecisionPolicy(own.calibrator, rule, facts)


def _dealt(rows: Training, method: str, share: float, per_group: bool, seed: int) -> Deal:  # noqa: FBT001
    """Return the deal of a seed: some rows to the fit, and what it makes of the others."""
    fitted = split_rows(
        rows.labels, share, seed=seed, scores=(rows.logits,), clusters=rows.clusters
    )
    calibrator = fit_share_of(fitted, lambda: _learned(rows.taken(np.flatnonzero(fitted)), method))
    others = rows.taken(np.flatnonzero(~fitted))
    groups = others.groups if calibrator.traits.groups else None
    probs = calibrator.probabilities(Outputs((others.logits,), groups))
    losses = np.zeros(others.n)  # not looked at
    predictions = Predictions(probs, others.labels, None, losses, clusters=others.clusters)
    names = others.groups if per_group else None
    return Deal(calibrator, DecisionRows.of(predictions, names, seed=seed), fitted)


def _learned(rows: Training, method: str) -> Calibrator:
    """Return the calibrator of a method, or the one that the rows choose."""
    if method == AUTO:
        return select_rows(rows)[0].calibrator
    return fit_method(method, rows.require_learnable(zeros=METHODS[method].traits.zeros))
