"""Fit every candidate out of fold, and choose the simplest that is as good as the best."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from math import ceil, inf, log
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import (
    METHODS,
    Identity,
    Outputs,
    TemperatureScaling,
    Training,
    check_method,
    fit_method,
)
from temperance.checks.arguments import as_sequence
from temperance.checks.labels import refuse_masked_labels
from temperance.crossfit import N_FOLDS, fold_fits
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.metrics.estimates import gap_estimate, mean_estimate
from temperance.metrics.implied import GapSums, paired_gaps
from temperance.metrics.inputs import Predictions
from temperance.numerics import as_float64, row_blocks
from temperance.selection.selection import OF_ZEROS, Candidate, Selection
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.checks.labels import Positions

    Array = NDArray[np.float64]

__all__ = [
    "LEAST_PER_PARAMETER",
    "SIMPLEST_FIRST",
    "Fold",
    "Rule",
    "Trial",
    "Trials",
    "select",
    "select_rows",
]

# Which methods fit the size of the data, from the simplest to the richest.


# From few numbers to many, of what `select` chooses among. The order decides ties.
SIMPLEST_FIRST = (
    "identity",
    "temperature",
    "platt",
    "beta",
    "bias-corrected-temperature",
    "group-temperature",
    "vector",
    "matrix",
    "isotonic",
    "venn-abers",
)


# What a map learns from fewer rows per number is worse on other rows than a temperature, and too
# few tell so (see the method page). Of two classes, rows of the rarer one. It holds for each fit of
# the cross-fitting, on four folds of five.
LEAST_PER_PARAMETER = {True: 10, False: 20}
_SHARE_OF_A_FIT = 1.0 - 1.0 / N_FOLDS
# Smooth maps of more numbers, and steps, win from these sizes on.
_LEAST_ROWS = {"beta": 1_000, "isotonic": 10_000}
_MATRIX_CLASSES = 100
_PER_CLASS = {"bias-corrected-temperature", "vector", "matrix"}
_AS_PLATT = {"bias-corrected-temperature", "vector", "matrix"}


def methods_in_order(
    methods: Sequence[str] | None, *, order: Sequence[str] = SIMPLEST_FIRST
) -> tuple[str, ...]:
    """Return the methods to try, identity among them, the simplest first."""
    names: Sequence[str] = order
    if methods is not None:
        names = as_sequence(methods, name="methods", rule="a sequence of names of methods")
    for name in names:
        if not isinstance(name, str) or name not in order:
            check_method(name)
        if name not in order:
            msg = f"`methods` must be of one model, got {name!r}: {', '.join(order)}."
            raise InvalidInputError(msg)
    return tuple(name for name in order if name in {*names, order[0]})


def reason_left_out(
    method: str, rows: Training, *, n_groups: int, is_named: bool, zeros: bool = False
) -> str | None:
    """Return why a method is not tried on these rows; None if it is.

    One that the caller has named (`is_named`) is tried wherever it can be fitted at all. So are
    those that take `zeros`, where labels have probability 0: there are no others then.
    """
    if method not in METHODS or (zeros and method == SIMPLEST_FIRST[0]):  # what is to be beaten
        return None
    traits = METHODS[method].traits
    if traits.binary and rows.k > 2:
        return "for two classes"
    if traits.groups and n_groups < 2:
        return "needs groups" if n_groups == 0 else "needs two groups"
    if zeros:
        return None if traits.zeros else OF_ZEROS
    if not traits.masks and _masked(rows):
        return "cannot take options of logit -inf"
    return None if is_named else _too_few(method, rows)


def _too_few(method: str, rows: Training) -> str | None:
    """Return why a method is not worth trying on so few rows."""
    k = rows.k
    if method == "venn-abers":
        return "for its interval; ask for it by name"
    if k == 2 and method in _AS_PLATT:
        return "two classes: platt says the same"
    if k > 2 and method == "isotonic":
        return "one-vs-rest fails with many classes"
    if k > _MATRIX_CLASSES and method == "matrix":
        return f"more than {_MATRIX_CLASSES} classes"
    if method in _PER_CLASS and not rows.class_weights().all():
        return "a class has no row"
    return few_per_parameter(method, rows)


def few_per_parameter(method: str, rows: Training) -> str | None:
    """Return what a method needs to learn its numbers from; None where there is enough."""
    if rows.effective_rows < (least := _LEAST_ROWS.get(method, 0)):
        return f"needs {least:,} rows"
    n_parameters = METHODS[method].traits.n_parameters(rows.k)
    least = LEAST_PER_PARAMETER[rows.k == 2]
    if rows.events_per_parameter(n_parameters) * _SHARE_OF_A_FIT >= least:
        return None
    what = "rows of the rarer class" if rows.k == 2 else "rows"
    return f"needs {ceil(least * n_parameters / _SHARE_OF_A_FIT):,} {what}"


def _masked(rows: Training) -> bool:
    return any(
        bool(np.isneginf(as_float64(rows.logits[block])).any()) for block in row_blocks(rows.logits)
    )


# One candidate: fitted five times, each time scored on the rows left out.


FEW_ROWS = 200  # effective rows below which a prior holds the temperature
FEW_ROWS_PRIOR = 3.0  # in pseudo-rows: more costs models far from T = 1 (see the method page)
_SMOOTHED = 50  # effective rows below which smoothing caps the loss of a single row too


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A method's calibrators, one per fold, and every row's log loss by the one without it."""

    method: str
    prior: float
    folds: tuple[Fold, ...]
    losses: Array  # (n,)
    no_optimum: str | None = None  # why a fold without a prior had none
    # of a temperature without a prior: |log T| over its standard error, by fold, and of all rows
    distances: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows held out, (n,) of True and False, the fit on the others, and its gain on these rows."""

    held_out: NDArray[np.bool_]
    calibrator: Calibrator
    gaps: GapSums  # of the calibrated rows from the rows as they are


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """The rows that all candidates are fitted and scored on."""

    rows: Training  # their prior is of all methods that take one
    seed: int  # of the folds

    def of(self, method: str) -> Trial:
        """Return a method's trial, with a prior in all folds if one of them needs it.

        Raises `NoOptimumError` where even that does not help.
        """
        if not METHODS[method].traits.prior:
            return self._cross_fitted(method, 0.0)
        try:
            plain = self._cross_fitted(method, 0.0)
        except NoOptimumError as error:
            with_prior = self._cross_fitted(method, max(self.rows.prior, 1.0))
            return replace(with_prior, no_optimum=error.reason)
        if self.rows.prior == 0.0:
            return plain
        return replace(self._cross_fitted(method, self.rows.prior), distances=plain.distances)

    def fit(self, method: str, weights: Array | None, prior: float) -> Calibrator:
        """Return the method fitted with these weights."""
        rows = self.weighing(weights, prior)
        if method == TemperatureScaling.method and self.rows.effective_rows < _SMOOTHED:
            return TemperatureScaling.from_rows(rows).with_smoothing()
        return fit_method(method, rows)

    def weighing(self, weights: Array | None, prior: float) -> Training:
        """Return the rows with these weights, and this prior where one is meant."""
        return replace(self.rows, weights=weights, prior=prior)

    def scores(self) -> tuple[NDArray[Any], ...]:
        """Return what tells rows apart: their logits, and their groups by number."""
        if self.rows.groups is None:
            return (self.rows.logits,)
        return self.rows.logits, np.unique(self.rows.groups, return_inverse=True)[1]

    def scale(self, calibrator: Calibrator, mask: NDArray[np.bool_]) -> Array:
        """Return calibrated logits of the rows taken."""
        groups = None if self.rows.groups is None else self.rows.groups[mask]
        return calibrator.calibrated_logits(Outputs((self.rows.logits[mask],), groups))

    def unchanged(self, held_out: NDArray[np.bool_]) -> NDArray[Any]:
        """Return the logits of the rows held out that a map must beat: their own."""
        return self.rows.logits[held_out]

    def _cross_fitted(self, method: str, prior: float) -> Trial:
        rows = self.rows
        losses = np.empty(rows.n)
        folds = []
        for held_out, calibrator in fold_fits(
            lambda weights: self._fit_without(method, weights, prior),
            rows.labels, scores=self.scores(), weights=rows.weights, clusters=rows.clusters,
            seed=self.seed,
        ):  # fmt: skip
            scaled = self.scale(calibrator, held_out)
            after, before = (
                self._predictions(z, held_out) for z in (scaled, self.unchanged(held_out))
            )
            losses[held_out] = after.log_loss
            if rows.weights is not None:
                losses[held_out & (rows.weights == 0.0)] = 0.0  # 0 * inf
            folds.append(Fold(held_out, calibrator, paired_gaps(after, before)))
        distances = None
        if method == "temperature":
            distances = tuple(
                _distance(each)
                for each in (
                    *(fold.calibrator for fold in folds),
                    self.fit(method, rows.weights, prior),
                )
            )
        return Trial(method, prior, tuple(folds), losses, distances=distances)

    def _fit_without(self, method: str, weights: Array | None, prior: float) -> Calibrator:
        """Return the method fitted without a fold; what learns nothing also where a label is 0."""
        if method == Identity.method:
            return Identity(**self.rows.common)
        return self.fit(method, weights, prior)

    def _predictions(self, logits: NDArray[Any], mask: NDArray[np.bool_]) -> Predictions:
        rows, clusters = self.rows, self.rows.clusters
        if clusters is not None:
            clusters = np.unique(clusters[mask], return_inverse=True)[1]
        weights = None if rows.weights is None else rows.weights[mask]
        return Predictions.from_logits(logits, rows.labels[mask], weights, clusters)


def _distance(fitted: Calibrator) -> float:
    """Return |log T| over its standard error, which counts clusters where rows have some."""
    record = fitted.temperature_record
    assert record is not None  # noqa: S101  (of a temperature)
    error = record.standard_error / record.temperature
    distance = abs(log(record.temperature))
    return distance / error if error > 0.0 else (inf if distance > 0.0 else 0.0)


# The one-standard-error rule: the simplest map that the data cannot tell from the best.


_NEAR, _NOTHING = 2.0, 0.001  # standard errors, nats per row: what T would gain is about z^2 / 2 n


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """Trials of several methods on the same rows; the first is identity, the last the richest."""

    results: Sequence[Trial]
    weights: NDArray[np.float64] | None
    clusters: NDArray[np.intp] | None

    def simplest(self, *, without: int | None = None) -> int:
        """Return the number of the choice, made without the losses of the rows of one fold.

        Identity where T = 1 lies within one standard error of the fitted temperature (or within two
        where no more than .001 nats are at stake), else the temperature; and instead of that the
        first method whose mean log loss exceeds the smallest of them all by at most one standard
        error of the paired difference. A method of which a fold had no optimum is never the choice.
        """
        means = self._means(without)
        allowed = [n for n, each in enumerate(self.results) if n > 0 and each.no_optimum is None]
        of_temperature = [n for n in allowed if self.results[n].method == "temperature"]
        if of_temperature:
            allowed = allowed if self._leaves_one(of_temperature[0], without) else [0, *allowed[1:]]
        else:
            allowed = [0, *allowed]
        if np.isinf(self._means(None)[0]):  # by a row of any fold: also where that one is left out
            allowed = [number for number in allowed if number > 0] or [0]
        best = min(allowed, key=lambda number: means[number])
        for number in allowed:
            behind = means[number] - means[best]
            if number == best or behind <= self._error(number, best, without):
                return number
        return best

    def _leaves_one(self, number: int, without: int | None) -> bool:
        """Whether the temperature is more than one standard error from 1, on a log scale."""
        trial = self.results[number]
        assert trial.distances is not None  # noqa: S101  (every trial of a temperature has them)
        distance = trial.distances[-1 if without is None else without]
        n = (
            float(len(trial.losses))
            if self.weights is None
            else float(self.weights.sum() ** 2 / (self.weights @ self.weights))
        )
        nothing = distance <= _NEAR and distance**2 / (2.0 * n) <= _NOTHING
        return distance > 1.0 and not nothing

    def _gap_sums(self, number: int, without: int | None) -> GapSums:
        folds = (each for place, each in enumerate(self.results[number].folds) if place != without)
        return reduce(GapSums.merge, (each.gaps for each in folds))

    def candidate(self, number: int) -> Candidate:
        """Return what is known of a method: its loss, and its paired differences."""
        trial, means = self.results[number], self._means(None)
        best = int(means.argmin())
        same = np.isinf(means[number]) and np.isinf(means[best])
        return Candidate(
            method=trial.method,
            log_loss=mean_estimate(self._sums(trial.losses, None), 0, bounds=(0.0, inf)),
            difference=gap_estimate(self._gap_sums(number, None), 0),
            behind=0.0 if same else float(means[number] - means[best]),
            behind_standard_error=self._error(number, best, None),
            prior=trial.prior,
            no_optimum=trial.no_optimum,
        )

    def _means(self, without: int | None) -> NDArray[np.float64]:
        return np.array([self._sums(trial.losses, without).mean(0) for trial in self.results])

    def _error(self, number: int, other: int, without: int | None) -> float:
        """Return the standard error of the paired difference; 0 where it is infinite."""
        gaps = self._gaps(number, other)
        return self._sums(gaps, without).standard_error(0) if np.isfinite(gaps).all() else 0.0

    def _gaps(self, number: int, other: int) -> NDArray[np.float64]:
        """Return the difference of each row's losses; 0 where both are infinite."""
        own, theirs = self.results[number].losses, self.results[other].losses
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(own - theirs, nan=0.0, posinf=inf, neginf=-inf)

    def _sums(self, values: NDArray[np.float64], without: int | None) -> MeanSums:
        if without is None:
            return MeanSums.of(values[:, None], self.weights, self.clusters)
        keep = ~self.results[0].folds[without].held_out
        weights = None if self.weights is None else self.weights[keep]
        clusters = None
        if self.clusters is not None:
            clusters = np.unique(self.clusters[keep], return_inverse=True)[1]
        return MeanSums.of(values[keep][:, None], weights, clusters)


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
    rows = Training.check(
        logits, labels, weights=weights, groups=groups, clusters=clusters, classes=classes,
        ignore_label=ignore_label, refuse_probs=refuse_probs, zeros=True,
    )  # fmt: skip
    return select_rows(rows, methods=methods, are_named=methods is not None, seed=seed)[0]


def select_rows(
    rows: Training,
    *,
    methods: Sequence[str] | None = None,
    are_named: bool = False,
    seed: int = 0,
    trials_of: type[Trials] = Trials,
    order: Sequence[str] = SIMPLEST_FIRST,
) -> tuple[Selection, NDArray[np.float64]]:
    """Select on checked rows (see `select`); also return calibrated logits that are honest.

    Row by row, (n, k): from the method that would be chosen without the losses of the row's fold,
    fitted without that fold. So no row has a say in the choice that it is scored by. Methods
    that the user has named (`are_named`) are tried on however few rows. `order` is of all that may
    be tried, from few numbers to many, and `trials_of` fits them.
    """
    zeros = int(rows.zero_labels().sum())
    if zeros and (_are_decisions(rows) or not _with_weight(rows.zero_labels(), rows).any()):
        refuse_masked_labels(rows.logits, rows.labels, classes=rows.classes)
    if rows.effective_rows < FEW_ROWS:
        rows = replace(rows, prior=max(rows.prior, FEW_ROWS_PRIOR))
    trials = trials_of(rows, seed)
    n_groups = 0 if rows.groups is None else len(set(rows.groups.tolist()))
    results: list[Trial] = []
    reasons: dict[str, str] = {}
    names = methods_in_order(methods, order=order)
    for method in names:
        reason = reason_left_out(
            method, rows, n_groups=n_groups, is_named=are_named, zeros=zeros > 0
        )
        if reason is None:
            try:
                results.append(trials.of(method))
            except NoOptimumError as error:
                reason = f"no optimum ({error.reason})"
        if reason is not None:
            reasons[method] = reason
    if zeros and not _worth_having(results, rows):
        refuse_masked_labels(rows.logits, rows.labels, classes=rows.classes)
    if not results:  # not even identity: nothing is left once the only fold is held out
        what = "there is only one row" if rows.clusters is None else "all rows are of one cluster"
        msg = (
            f"A method is chosen by rows held out, which leaves none to fit on: {what}. Give more "
            "rows or smaller clusters, or name a method and rows to score it on "
            "(--method temperature --prior 1 --test FILE)."
        )
        raise NoOptimumError(msg, reason="no-rows")
    rule = Rule(results, rows.weights, rows.clusters)
    choice = results[rule.simplest()]
    candidates = {trial.method: rule.candidate(number) for number, trial in enumerate(results)}
    selection = Selection(
        calibrator=trials.fit(choice.method, rows.weights, choice.prior),
        candidates=tuple(
            candidates.get(method) or Candidate(method, left_out=reasons[method])
            for method in names
        ),
        n=rows.n,
        n_folds=len(choice.folds),
        zero_labels=zeros,
    )
    return selection, _honest(rule, trials)


def _with_weight(which: NDArray[np.bool_], rows: Training) -> NDArray[np.bool_]:
    """Return these rows without those of weight 0."""
    return which if rows.weights is None else which & (rows.weights > 0.0)


def _are_decisions(rows: Training) -> bool:
    """Whether every probability is 0 or 1."""
    return bool((np.isneginf(rows.logits).sum(axis=1) == rows.k - 1).all())


def _worth_having(results: Sequence[Trial], rows: Training) -> bool:
    """Whether a map loses less, on rows that it has not seen, than the classes' frequencies."""
    shares = rows.class_weights() / rows.class_weights().sum()
    entropy = -float(np.sum(shares * np.log(np.where(shares > 0.0, shares, 1.0))))
    losses = [np.average(each.losses, weights=rows.weights) for each in results[1:]]
    return any(loss < entropy for loss in losses)


def _honest(rule: Rule, trials: Trials) -> NDArray[np.float64]:
    """Return each row's calibrated logits by the method chosen, and fitted, without its fold."""
    outputs = np.empty(trials.rows.logits.shape)
    folds = rule.results[0].folds
    for number, fold in enumerate(folds):
        choice = rule.simplest(without=number) if len(folds) > 1 else 0
        calibrator = rule.results[choice].folds[number].calibrator
        outputs[fold.held_out] = trials.scale(calibrator, fold.held_out)
    return outputs
