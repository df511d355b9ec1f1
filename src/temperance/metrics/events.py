"""What a probability is of: that the prediction is right, or that the class is this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from temperance.checks.numbers import value_text
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.inputs import Predictions

__all__ = ["Event", "EventName", "class_event", "named_event", "top_label_event"]

EventName = Literal["top-label"] | int


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that happens in a row or not, and the probability the model gives it."""

    name: EventName
    probability: NDArray[np.float64]  # (n,), in [0, 1]
    hit: NDArray[np.bool_]  # (n,)


def top_label_event(rows: Predictions) -> Event:
    """Return the event that the predicted class is the true one."""
    return Event("top-label", rows.confidence, rows.correct)


def class_event(rows: Predictions, number: int) -> Event:
    """Return the event that the true class is `number`."""
    return Event(number, np.ascontiguousarray(rows.probs[:, number]), rows.labels == number)


def named_event(rows: Predictions, name: EventName | None) -> Event:
    """Return the event of that name; None is class 1 of two classes, else the top label."""
    k = rows.probs.shape[1]
    if name is None:
        name = 1 if k == 2 else "top-label"
    if isinstance(name, str) and name == "top-label":
        return top_label_event(rows)
    if isinstance(name, bool) or not isinstance(name, (int, np.integer)) or not 0 <= name < k:
        msg = f'`event` must be "top-label" or a class in 0..{k - 1}, got {value_text(name)}.'
        raise InvalidInputError(msg)
    return class_event(rows, int(name))
