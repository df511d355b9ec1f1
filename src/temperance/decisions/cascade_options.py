"""What a cascade is asked for, checked: costs, goal, kind of expert, method."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import METHODS, check_method
from temperance.decisions.goals import Goal
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_options"]

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
    rules = {
        "error_cost": (error_cost, 0.0 < error_cost < inf, "a finite number above 0"),
        "budget": (budget, budget is None or 0.0 <= budget < inf, "a finite number >= 0"),
        "min_accuracy": (
            min_accuracy,
            min_accuracy is None or 0.0 < min_accuracy < 1.0,
            "a number between 0 and 1",
        ),
        "expert_error": (
            expert_error,
            expert_error in _KINDS if isinstance(expert_error, str) else 0.0 <= expert_error < 1.0,
            f"one of {', '.join(_KINDS)}, or an error rate in [0, 1)",
        ),
    }
    for name, (value, holds, rule) in rules.items():
        if not holds:
            option = f"--{name.replace('_', '-')}"
            msg = f"`{name}` ({option}) must be {rule}, got {value}."
            raise InvalidInputError(msg)
    each = tuple(float(cost) for cost in np.atleast_1d(np.asarray(costs, dtype=np.float64)))
    if len(each) != n_models - 1:
        msg = (
            f"`costs` (--cost) must be one per model after the first: {max(n_models - 1, 0)} for "
            f"{n_models} models (the first runs on every row), got {len(each)}."
        )
        raise InvalidInputError(msg)
    bad = [cost for cost in each if not 0.0 < cost < inf]
    if bad:
        msg = (
            f"`costs` (--cost) must be finite numbers above 0, got {bad[0]:g}. Models that cost "
            "nothing more are better pooled than run one by one (see `Ensemble`)."
        )
        raise InvalidInputError(msg)
    if budget is not None and min_accuracy is not None:
        msg = (
            "`budget` and `min_accuracy` (--budget, --min-accuracy) must not be given together: "
            "each is a goal of its own."
        )
        raise InvalidInputError(msg)
    if error_cost != 1.0 and not budget is min_accuracy is None:
        msg = (
            "`error_cost` (--error-cost) has no meaning with `budget` or `min_accuracy`, which say "
            "themselves what an error may cost."
        )
        raise InvalidInputError(msg)
    check_method(method, prior=prior)
    if METHODS[method].traits.groups or METHODS[method].traits.members:
        msg = f"`method` must be one of a single model's rows, got {method!r}."
        raise InvalidInputError(msg)
    if budget is not None:
        return each, Goal("budget", float(budget))
    if min_accuracy is not None:
        return each, Goal("accuracy", float(min_accuracy))
    return each, Goal("cost", float(error_cost))
