"""How sure a model is of each row: the scores by which rows are accepted first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.checks.arrays import as_numbers, such_rows
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["SCORES", "row_scores"]


def row_scores(probs: Array, score: str | ArrayLike) -> Array:
    """Return each row's score, (n,): a named one of its probabilities (n, k), or the caller's."""
    if isinstance(score, str):
        if score not in SCORES:
            msg = (
                f"`score` must be one of {', '.join(SCORES)}, or an array of one number per row "
                f"(for instance logits.max(axis=1)), got {score!r}."
            )
            raise InvalidInputError(msg)
        return SCORES[score](probs)
    values = as_float64(as_numbers(score, name="score"))
    if values.shape != (len(probs),):
        msg = f"`score` must have shape ({len(probs)},), one per row, got {values.shape}."
        raise InvalidInputError(msg)
    if (unknown := np.isnan(values)).any():
        row = int(unknown.argmax())
        msg = f"`score` must hold numbers; row {row} has nan ({such_rows(unknown)})."
        raise InvalidInputError(msg)
    return values


def _confidence(probs: Array) -> Array:
    """Largest probability."""
    return np.asarray(probs.max(axis=1))


def _margin(probs: Array) -> Array:
    """Largest probability less the second largest."""
    two = np.partition(probs, -2, axis=1)[:, -2:]
    return np.asarray(two[:, 1] - two[:, 0])


def _negative_entropy(probs: Array) -> Array:
    """Sum of p log p, 0 for p = 0: at most 0, and 0 for a certain row."""
    logs = np.log(probs, out=np.zeros_like(probs), where=probs > 0.0)
    return np.asarray((probs * logs).sum(axis=1))


SCORES: dict[str, Callable[[Array], Array]] = {
    "confidence": _confidence,
    "margin": _margin,
    "entropy": _negative_entropy,
}
