"""Whether one finite temperature minimises the log loss, told from two sums before any step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import NoOptimumError

if TYPE_CHECKING:
    from temperance.calibrators.training import Training
    from temperance.kernels.loss import ExistenceSums

__all__ = ["refuse_constant_logits", "require_optimum"]

_PRIOR_HINT = "`prior=1.0` (--prior 1) gives a finite answer on any data."
_CONSTANT = (
    "No temperature is better than another: in every row all logits are equal. "
    "Check that these are the model's outputs."
)
_ROUNDING = 1e-12  # a slope below this, relative to the spread of the logits, is zero


def require_optimum(sums: ExistenceSums) -> None:
    """Raise `NoOptimumError` unless one finite positive temperature minimises the loss."""
    if sums.spread == 0.0:
        raise NoOptimumError(_CONSTANT, reason="constant-logits")
    if sums.gap_to_largest == 0.0:
        msg = (
            "No finite temperature: every label has its row's largest logit, so the smaller T, "
            f"the better (separable data; best T = 0). More rows with errors would settle it; "
            f"{_PRIOR_HINT}"
        )
        raise NoOptimumError(msg, reason="separable")
    if sums.gap_to_mean >= -_ROUNDING * sums.spread:
        msg = (
            "No finite temperature: the labels are no better than chance under these logits, so "
            "the larger T, the better. Are rows and labels in the same order, and do the columns "
            f"match the labels? {_PRIOR_HINT}"
        )
        raise NoOptimumError(msg, reason="worse-than-chance")


def refuse_constant_logits(rows: Training) -> None:
    """Raise `NoOptimumError` if no logit differs from the others of its row."""
    if rows.existence_sums().spread == 0.0:
        raise NoOptimumError(_CONSTANT, reason="constant-logits")
