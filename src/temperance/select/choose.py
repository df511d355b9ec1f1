"""Fit every candidate out of fold, and choose the simplest that is as good as the best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import Training
from temperance.checks import as_group_names, as_groups
from temperance.checks.arrays import rows_among
from temperance.checks.frames import refuse_other_index
from temperance.checks.ignored import kept_rows, labelled_rows
from temperance.checks.labels import refuse_masked_labels
from temperance.errors import NoOptimumError
from temperance.select.candidates import SIMPLEST_FIRST, left_out, wanted
from temperance.select.rule import Rule
from temperance.select.selection import Candidate, Selection
from temperance.select.trials import FEW_ROWS, FEW_ROWS_PRIOR, Trial, Trials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.checks.labels import Positions

__all__ = ["select", "select_rows"]


def select(
    logits: ArrayLike,
    labels: ArrayLike | Positions,
    *,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    methods: Sequence[str] | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
    seed: int = 0,
) -> Selection:
    r"""Choose a calibrator by cross-fitted log loss; the choice may be to change nothing.

    Parameters
    ----------
    logits : array_like, shape (n, k) or (n,)
        As in `TemperatureScaling.fit`.
    labels : array_like, shape (n,)
        True classes.
    weights : array_like, shape (n,), optional
        Finite, >= 0; only their ratios matter, as in `TemperatureScaling.fit`.
    groups : array_like, shape (n,), optional
        Names; with at least two, a temperature per group is a candidate.
    clusters : array_like, shape (n,), optional
        Which rows belong together: they are held out together, and count once in the errors.
    methods : sequence of str, optional
        Names to choose among, identity always with them. Default: what fits the data's size.
    classes : sequence of k names, optional
        Names of the columns.
    ignore_label : int or str, optional
        Rows of this label are left out.
    refuse_probs : bool, default True
        As in `TemperatureScaling.fit`.
    seed : int, default 0
        Of the folds, >= 0. They depend on what rows hold, not on their order.

    Returns
    -------
    Selection
        The chosen calibrator, fitted on all rows, and the table of candidates.

    Raises
    ------
    InvalidInputError
        As in `TemperatureScaling.fit`, or an unknown method. Labels have probability 0 (logit
        -inf), and no method that takes them is tried, or none beats the frequencies of the classes.
    NoOptimumError
        There are no rows, or all are of one cluster.

    Notes
    -----
    Each row is scored by fits on the other four of five folds (shuffled,
    stratified by class, clusters whole). Two one-standard-error rules: of identity and temperature,
    identity stays where T = 1 lies within one standard error of the fitted T on a log scale, or
    within two where the gain, about z^2 / (2 n), is at most .001 nats;
    and with L the mean log loss of a candidate and L* the smallest, the simplest with L - L* at
    most one standard error of the paired difference is chosen. Never by a calibration error: a
    map that forgets the model has none.

    Unless named in `methods`, a map is tried where each fit has 20 effective rows for each number
    that it learns; of two classes 10 of the rarer one. Fewer than 200 rows hold the temperature by
    a prior of three pseudo-rows on no change, fewer than 50 also by smoothing. A candidate of which
    a fold has no optimum is shown with a prior, and never chosen.

    Where labels have probability 0, only isotonic, and of two classes venn-abers, are tried (they
    need no logarithm), on however few rows, and must beat the frequencies of the classes; a floor
    (`logits_from_probs(probs, floor="auto")`) lets the others take part.

    References
    ----------
    Breiman, Friedman, Olshen and Stone (1984), Classification and Regression Trees, Section 3.4.3
    (the one-standard-error rule)

    Examples
    --------
    Log-odds of 2 come true in three rows of five: T = 2 / log 1.5 = 4.93 is worth having.

    >>> selection = select([2.0] * 500, [1, 1, 1, 0, 0] * 100, methods=["temperature"])
    >>> selection.method, selection.verdict, round(selection.calibrator.temperature, 2)
    ('temperature', 'better', 4.93)
    """
    refuse_other_index(logits=logits, groups=groups, clusters=clusters)
    rows = Training.check(
        logits, labels, weights=weights, classes=classes, ignore_label=ignore_label,
        refuse_probs=refuse_probs, zeros=True,
    )  # fmt: skip
    keep = labelled_rows(labels, ignore_label)
    names, units = None, None
    with rows_among(keep):
        if groups is not None:
            names = as_group_names(kept_rows(groups, keep, name="groups"), n=rows.n)
        if clusters is not None:
            given = kept_rows(clusters, keep, name="clusters")
            units = as_groups(given, n=rows.n, name="clusters")[1]
    return select_rows(
        rows, groups=names, clusters=units, methods=methods, chosen=methods is not None, seed=seed
    )[0]


def select_rows(
    rows: Training,
    *,
    groups: NDArray[Any] | None = None,
    clusters: NDArray[np.intp] | None = None,
    methods: Sequence[str] | None = None,
    chosen: bool = False,
    prior: float = 0.0,
    seed: int = 0,
    trials_of: type[Trials] = Trials,
    order: Sequence[str] = SIMPLEST_FIRST,
) -> tuple[Selection, NDArray[np.float64]]:
    """Select on checked rows (see `select`); also return calibrated logits that are honest.

    Row by row, (n, k): from the method that would be chosen without the losses of the row's fold,
    fitted without that fold. So no row has a say in the choice that it is scored by. `chosen`
    methods, named by the user, are tried on however few rows. `order` is of all that may be tried,
    from few numbers to many, and `trials_of` fits them.
    """
    zeros = int(rows.zero_labels().sum())
    if zeros and (_are_decisions(rows) or not _counted(rows.zero_labels(), rows).any()):
        refuse_masked_labels(rows.logits, rows.labels, classes=rows.classes)
    strength = max(prior, FEW_ROWS_PRIOR) if rows.effective_rows < FEW_ROWS else prior
    trials = trials_of(rows, groups, clusters, strength, seed)
    n_groups = 0 if groups is None else len(set(groups.tolist()))
    tried: list[Trial] = []
    reasons: dict[str, str] = {}
    names = wanted(methods, order=order)
    for method in names:
        reason = left_out(method, rows, n_groups=n_groups, chosen=chosen, zeros=zeros > 0)
        if reason is None:
            try:
                tried.append(trials.of(method))
            except NoOptimumError as error:
                reason = f"no optimum ({error.reason})"
        if reason is not None:
            reasons[method] = reason
    if zeros and not _worth_having(tried, rows):
        refuse_masked_labels(rows.logits, rows.labels, classes=rows.classes)
    if not tried:  # not even identity: nothing is left once the only fold is held out
        what = "there is only one row" if clusters is None else "all rows are of one cluster"
        msg = (
            f"A method is chosen by rows held out, which leaves none to fit on: {what}. Give more "
            "rows or smaller clusters, or name a method and rows to score it on "
            "(--method temperature --prior 1 --test FILE)."
        )
        raise NoOptimumError(msg, reason="no-rows")
    rule = Rule(tried, rows.weights, clusters)
    choice = tried[rule.simplest()]
    found = {trial.method: rule.candidate(number) for number, trial in enumerate(tried)}
    selection = Selection(
        calibrator=trials.fit(choice.method, rows.weights, choice.prior),
        candidates=tuple(
            found.get(method) or Candidate(method, left_out=reasons[method]) for method in names
        ),
        n=rows.n,
        n_folds=len(choice.folds),
        zero_labels=zeros,
    )
    return selection, _honest(rule, trials)


def _counted(which: NDArray[np.bool_], rows: Training) -> NDArray[np.bool_]:
    """Return these rows without those of weight 0."""
    return which if rows.weights is None else which & (rows.weights > 0.0)


def _are_decisions(rows: Training) -> bool:
    """Whether every probability is 0 or 1."""
    return bool((np.isneginf(rows.logits).sum(axis=1) == rows.k - 1).all())


def _worth_having(tried: Sequence[Trial], rows: Training) -> bool:
    """Whether a map loses less, on rows that it has not seen, than the classes' frequencies."""
    shares = rows.class_weights() / rows.class_weights().sum()
    known = -float(np.sum(shares * np.log(np.where(shares > 0.0, shares, 1.0))))
    losses = [np.average(each.losses, weights=rows.weights) for each in tried[1:]]
    return any(loss < known for loss in losses)


def _honest(rule: Rule, trials: Trials) -> NDArray[np.float64]:
    """Return each row's calibrated logits by the method chosen, and fitted, without its fold."""
    outputs = np.empty(trials.rows.logits.shape)
    folds = rule.tried[0].folds
    for number, fold in enumerate(folds):
        choice = rule.simplest(without=number) if len(folds) > 1 else 0
        calibrator = rule.tried[choice].folds[number].calibrator
        outputs[fold.held_out] = trials.scale(calibrator, fold.held_out)
    return outputs
