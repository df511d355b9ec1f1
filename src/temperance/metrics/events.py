"""What a probability is of: that the prediction is right, or that the class is this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from temperance.checks.labels import class_position
from temperance.checks.numbers import value_text
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.inputs import Predictions

__all__ = ["Event", "EventName", "class_event", "named_event", "top_label_event"]

_SHOWN = 5  # names quoted in a message
EventName = str | int  # "predicted", or a class by its number or name


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Something that happens in a row or not, and the probability the model gives it."""

    name: Literal["top-label"] | int
    probability: NDArray[np.float64]  # (n,), in [0, 1]
    hit: NDArray[np.bool_]  # (n,)


def top_label_event(rows: Predictions) -> Event:
    """Return the event that the predicted class is the true one."""
    return Event("top-label", rows.confidence, rows.correct)


def class_event(rows: Predictions, number: int) -> Event:
    """Return the event that the true class is `number`."""
    return Event(number, np.ascontiguousarray(rows.probs[:, number]), rows.labels == number)


def named_event(rows: Predictions, name: EventName | None) -> Event:
    """Return the event of that name; None is class 1 of two classes, else "predicted".

    Results call the latter "top-label", which is understood too. A class is called by its name
    where the columns have names (by the rule of labels); by its number where no name is one.
    """
    k = rows.probs.shape[1]
    if name is None:
        return class_event(rows, 1) if k == 2 else top_label_event(rows)
    if isinstance(name, str) and name in ("predicted", "top-label"):
        return top_label_event(rows)
    if not isinstance(name, bool | np.bool_) and isinstance(name, str | int | np.integer):
        place = class_position(name, rows.classes)
        if 0 <= place < k:
            return class_event(rows, place)
    which = f"in 0..{k - 1}"
    if rows.classes is not None:
        more = ", ..." if k > _SHOWN else ""
        which = f"among {', '.join(map(repr, rows.classes[:_SHOWN]))}{more}"
    msg = f'`event` must be "predicted" or a class {which}, got {value_text(name)}.'
    raise InvalidInputError(msg)
