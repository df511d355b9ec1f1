"""`cascade`: which rows a cheap model answers, and which go on to a better one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.calibrators import METHODS, check_method
from temperance.checks.arguments import as_level, as_number, as_sequence
from temperance.checks.arrays import as_array
from temperance.decisions.cascade_measures import (
    N_PRICES,
    Goal,
    RowOutcomes,
    Yardstick,
    answers_of,
    cross_fitted,
    isotonic_folds,
    of_test,
)
from temperance.decisions.cascade_policy import CascadePolicy, CascadeRows, names_of
from temperance.decisions.cascade_result import CALIBRATED, RAW, Cascade, alone
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.decisions.cascade_measures import CascadeFold
    from temperance.decisions.deferral import LossKind

__all__ = ["cascade", "check_options"]

# What a cascade is asked for, checked: costs, goal, kind of expert, method.


_MOST = 1e100  # of a cost: squares of it stay finite
_KINDS = ("constant", "isotonic", "logistic")


def check_options(
    n_models: int,
    *,
    costs: float | Sequence[float],
    budget: float | None,
    min_accuracy: float | None,
    error_cost: float,
    expert_error: str | float,
    method: str,
    prior: float,
) -> tuple[tuple[float, ...], Goal]:
    """Return the costs and the goal, or raise InvalidInputError."""
    error_cost = as_cost(error_cost, name="error_cost", option="--error-cost")
    if budget is not None:
        rule = f"a number, at most {_MOST:g} and >= 0"
        budget = as_number(
            budget, name="budget", option="--budget", rule=rule, least=0.0, most=_MOST
        )
    if min_accuracy is not None:
        min_accuracy = as_level(min_accuracy, name="min_accuracy", option="--min-accuracy")
    if not isinstance(expert_error, str) or expert_error not in _KINDS:
        as_error_rate(expert_error)
    as_array(costs, name="costs")  # nothing is missing
    values = np.atleast_1d(np.asarray(costs, dtype=object))  # as given: NumPy makes 1 and "a" texts
    hint = "Models that cost nothing more are better pooled than run one by one (see `Ensemble`)."
    each = tuple(
        as_cost(cost, name="costs", option="--cost", hint=hint) for cost in values.tolist()
    )
    if len(each) != n_models - 1:
        msg = (
            f"`costs` (--cost) must be one per model after the first: {max(n_models - 1, 0)} for "
            f"{n_models} models (the first runs on every row), got {len(each)}."
        )
        raise InvalidInputError(msg)
    if budget is not None and min_accuracy is not None:
        msg = (
            "`budget` (--budget) and `min_accuracy` (--min-accuracy) must not be given together: "
            "each is a goal of its own."
        )
        raise InvalidInputError(msg)
    if error_cost != 1.0 and not budget is min_accuracy is None:
        msg = (
            "`error_cost` (--error-cost) has no meaning with `budget` (--budget) or "
            "`min_accuracy` (--min-accuracy), which say themselves what an error may cost."
        )
        raise InvalidInputError(msg)
    check_method(method, prior=prior)
    if METHODS[method].traits.groups or METHODS[method].traits.members:
        msg = f"`method` (--method) must be one of a single model's rows, got {method!r}."
        raise InvalidInputError(msg)
    if budget is not None:
        return each, Goal("budget", float(budget))
    if min_accuracy is not None:
        return each, Goal("accuracy", float(min_accuracy))
    return each, Goal("cost", float(error_cost))


def as_error_rate(value: object) -> float:
    """Return a known error rate of the expert."""
    rule = f"one of {', '.join(_KINDS)}, or an error rate in [0, 1)"
    return as_number(
        value, name="expert_error", option="--expert-error", rule=rule, least=0.0, below=1.0
    )


def as_cost(value: object, *, name: str, option: str, hint: str = "") -> float:
    """Return a cost, a number above 0 whose squares a float can hold."""
    rule = f"a number from {1.0 / _MOST:g} to {_MOST:g}, above 0"
    return as_number(
        value, name=name, option=option, rule=rule, least=1.0 / _MOST, most=_MOST, hint=hint
    )


def cascade(  # noqa: PLR0913  (each is something that only the user knows)
    models: Mapping[str, ArrayLike],
    labels: ArrayLike,
    *,
    costs: float | Sequence[float],
    budget: float | None = None,
    min_accuracy: float | None = None,
    error_cost: float = 1.0,
    expert_error: Literal["constant", "isotonic", "logistic"] | float = "constant",
    method: str = "temperature",
    prior: float = 0.0,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    test: tuple[Any, ...] | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
    seed: int = 0,
) -> Cascade:
    r"""Find the confidence below which a row goes on to the next model, and what that is worth.

    Parameters
    ----------
    models : mapping of name to array_like, shape (n, k) each
        Logits of two models or more on the same rows, cheap first, as in `TemperatureScaling.fit`;
        for probabilities pass `logits_from_probs(probs)`. Every model is run only on rows that
        the one before sends on, so all but the last decide.
    labels : array_like, shape (n,)
        True classes.
    costs : float or sequence of float
        Of each model after the first, what running it on a row costs; above 0. In errors (0.01: a
        hundred rows cost as much as one error) unless `error_cost` says otherwise.
    budget : float, optional
        Most mean cost per row, >= 0: fewest errors within it, instead of the least cost.
    min_accuracy : float, optional
        Least accuracy, in (0, 1): the least mean cost that reaches it.
    error_cost : float, default 1.0
        What an error costs, above 0, in the unit of `costs`. Not with a budget or a target.
    expert_error : {"constant", "isotonic", "logistic"} or float, default "constant"
        What is expected of the next model before it is run: its mean error; or a curve of it over
        the confidence so far, falling ("isotonic"), or an S-curve that may rise ("logistic"). A
        number in [0, 1) is the error rate of a last model that has no outputs here, a person say;
        it has a cost, no entry in `models`, and is called "expert".
    method : str, default "temperature"
        Which calibrator makes the confidences honest; a name in `METHODS`.
    prior : float, default 0.0
        Of the calibrator.
    weights, clusters : array_like, shape (n,), optional
        Weights of rows, finite and >= 0; which rows belong together.
    test : tuple (models, labels), (models, labels, weights) or (..., weights, clusters), optional
        Other rows of the same models to measure on, instead of cross-fitting.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out, of `test` too.
    refuse_probs : bool, default True
        As in `TemperatureScaling.fit`.
    seed : int, default 0
        Of the folds, >= 0. They depend on what rows hold, not on their order.

    Returns
    -------
    Cascade
        Rules found on all rows (`policy`), and what they cost on rows that the rules measured
        never saw, beside raw thresholds and each model alone.

    Raises
    ------
    InvalidInputError
        Bad outputs, labels or weights; labels of one class only; fewer than two models, or of
        different rows or classes; costs that are not above 0 or not one per later model; both a
        budget and an accuracy, or one out of range; an accuracy that no thresholds reach (it says
        which one they do); an unknown method or `expert_error`.
    NoOptimumError
        A model has no best calibrator on some part of the rows (always right, say): `prior=1.0`.

    Notes
    -----
    With calibrated confidence c, a row is sent on where

    .. math:: 1 - c > E[\mathrm{loss\ of\ the\ next} \mid c] + \lambda \kappa

    with :math:`\kappa` the cost of the next model and :math:`\lambda` = 1 / `error_cost`, or the
    price that a budget or an accuracy implies. Of two models, "constant" gives the threshold
    c < 1 - e - :math:`\lambda \kappa`, e the expert's error rate. Of more, rules are found from the
    last model back (the loss of the next is then what its own rule makes of the row). Ties stay.

    Cross-fitted: calibrators, expected losses and prices of a row come from other folds. Raw
    thresholds are found in the same way from the models' own confidences. Deferral by the cheap
    model's confidence alone fails where the expert is good at other rows than the hard ones, where
    labels are noisy and where data shift; a fitted `expert_error` mends part of that.

    References
    ----------
    Chow (1970), On optimum recognition error and reject tradeoff,
    https://doi.org/10.1109/TIT.1970.1054406; Jitkrittum et al. (2023), When Does Confidence-Based
    Cascade Deferral Suffice?, https://arxiv.org/abs/2307.02764

    Examples
    --------
    A cheap model is right in 3 of 4 rows at log-odds 1 and always at log-odds 9; an expert that
    errs in 2 rows of 100 and costs a tenth of an error is worth asking below 1 - .02 - .1 = .88.

    >>> cheap = [[0.0, 1.0]] * 400 + [[0.0, 9.0]] * 400
    >>> labels = [1, 1, 1, 0] * 100 + [1] * 400
    >>> result = cascade({"cheap": cheap}, labels, costs=0.1, expert_error=0.02, prior=1.0)
    >>> round(result.policy.rules[0].threshold, 6)
    0.88
    >>> result.policy.route({"cheap": cheap})[[0, 400]].tolist()  # number of the model that answers
    [1, 0]
    >>> round(result.ways["calibrated thresholds"].cost.value, 6)  # half of the rows x (.02 + .1)
    0.06
    """
    expert_rate = None if isinstance(expert_error, str) else as_error_rate(expert_error)
    kind: LossKind = expert_error if isinstance(expert_error, str) else "constant"
    names = names_of(models, expert_rate)
    each, goal = check_options(
        len(names), costs=costs, budget=budget, min_accuracy=min_accuracy, error_cost=error_cost,
        expert_error=expert_error, method=method, prior=prior,
    )  # fmt: skip
    rows = CascadeRows.check(
        models, labels, weights, clusters, expert_rate, refuse_probs=refuse_probs, classes=classes,
        ignore_label=ignore_label,
    )  # fmt: skip
    fit = partial(rows.calibrators, method, prior)
    calibrators = fit(rows.weights)
    on_all = rows.deferral(calibrators, each, kind)
    price = goal.price(on_all)
    if test is None:
        evaluation_rows = rows
        raw, calibrated = cross_fitted(rows, each, kind, fit, seed=seed)
    else:
        evaluation_rows = _test_rows(
            rows, test, refuse_probs=refuse_probs, ignore_label=ignore_label
        )
        raw, calibrated = of_test(rows, evaluation_rows, each, kind, calibrators)
    policy = CascadePolicy(
        names=names, calibrators=calibrators, rules=on_all.rules(price), costs=each, price=price,
        last=rows.last_calibrator(method, prior),
    )  # fmt: skip
    as_they_are = rows.deferral([None] * rows.deciding, each, kind)
    return _measure(
        policy, goal, evaluation_rows, {CALIBRATED: calibrated, RAW: raw},
        {CALIBRATED: on_all.prices(N_PRICES), RAW: as_they_are.prices(N_PRICES)},
        kind=kind, known_expert=expert_rate is not None, method=method,
        evaluated_on="cross-fitted" if test is None else "test",
    )  # fmt: skip


def _measure(
    policy: CascadePolicy,
    goal: Goal,
    rows: CascadeRows,
    folds: dict[str, Sequence[CascadeFold]],
    prices: dict[str, NDArray[np.float64]],
    *,
    kind: LossKind,
    known_expert: bool,
    method: str,
    evaluated_on: Literal["cross-fitted", "test"],
) -> Cascade:
    """Return what a policy costs on rows that it never saw, beside the other ways.

    `folds` and `prices` are of thresholds of calibrated and of raw confidences, by these names.
    """
    stick = Yardstick(rows, goal.value if goal.kind == "cost" else None, len(policy.names))
    of_goal = partial(goal.price, reachable=False)
    answers = {name: answers_of(each, of_goal) for name, each in folds.items()}
    answers |= _alone(rows, policy.names, policy.costs, kind)
    own = answers[CALIBRATED]
    gain = None
    if not known_expert and kind == "constant":
        fitted = answers_of(isotonic_folds(folds[CALIBRATED]), of_goal)
        gain = stick.worth(fitted, own, goal, policy.price)
    return Cascade(
        policy=policy,
        goal=goal,
        ways={name: stick.way(each) for name, each in answers.items()},
        differences={
            name: stick.differences(own, each) for name, each in answers.items() if each is not own
        },
        worth=stick.worth(own, answers[RAW], goal, policy.price),
        curve=stick.curve(folds[CALIBRATED], prices[CALIBRATED]),
        raw_curve=stick.curve(folds[RAW], prices[RAW]),
        isotonic_gain=gain,
        hindsight=stick.hindsight(folds[CALIBRATED]),
        last_error=None if known_expert else stick.lost_by_last(own),
        method=method,
        n=rows.n,
        n_clusters=None if rows.clusters is None else int(rows.clusters.max()) + 1,
        evaluated_on=evaluated_on,
    )


def _test_rows(
    rows: CascadeRows,
    test: tuple[Any, ...],
    *,
    refuse_probs: bool,
    ignore_label: float | str | None,
) -> CascadeRows:
    """Return the rows of `test`, of the same models as `rows`."""
    rule = "(models, labels), then weights and clusters if there are any"
    parts = as_sequence(test, name="test", rule=rule)
    if not 2 <= len(parts) <= 4:
        msg = f"`test` must be {rule}, got {len(parts)} of them."
        raise InvalidInputError(msg)
    return rows.check_like(*parts, refuse_probs=refuse_probs, ignore_label=ignore_label)


def _alone(
    rows: CascadeRows, names: Sequence[str], costs: tuple[float, ...], kind: LossKind
) -> dict[str, RowOutcomes]:
    """Return what each model does if it answers every row."""
    losses = rows.deferral([None] * rows.deciding, costs, kind).losses
    return {
        alone(name): RowOutcomes(np.full(rows.n, j), lost, np.full(rows.n, cost))
        for j, (name, lost, cost) in enumerate(zip(names, losses, (0.0, *costs), strict=True))
    }
