"""What a cascade is asked for, checked: costs, goal, kind of expert, method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import METHODS, check_method
from temperance.checks.arrays import as_array
from temperance.checks.numbers import as_level, as_number
from temperance.decisions.goals import Goal
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_error_rate", "check_options"]

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
    given = np.atleast_1d(np.asarray(costs, dtype=object))  # as given: NumPy makes 1 and "a" texts
    hint = "Models that cost nothing more are better pooled than run one by one (see `Ensemble`)."
    each = tuple(as_cost(cost, name="costs", option="--cost", hint=hint) for cost in given.tolist())
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
