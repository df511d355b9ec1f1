"""Labels meet their predictions: which option each names, and what was there before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks import as_labels
from temperance.checks.arguments import value_text
from temperance.errors import InvalidInputError
from temperance.monitor.inputs import few
from temperance.monitor.scores import unpacked

if TYPE_CHECKING:
    from temperance.monitor.database import Transaction

__all__ = ["Prediction", "checked_labels", "newest_labels", "predictions_of"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a label has to know of its prediction."""

    seq: int
    time: int
    k: int
    classes: str | None
    scores: bytes


def predictions_of(work: Transaction, names: list[str]) -> dict[str, Prediction]:
    """Return the predictions of these ids that are there, by id."""
    condition, value = work.among("p.id", names)
    rows = work.rows(
        "SELECT p.id, p.seq, p.time, m.k, m.classes, p.scores FROM temperance_predictions p"
        f" JOIN temperance_models m ON m.number = p.model WHERE {condition}", (value,),
    )  # fmt: skip
    return {
        name: Prediction(seq, time, k, classes, bytes(scores))
        for name, seq, time, k, classes, scores in rows
    }


def newest_labels(work: Transaction, predictions: list[int]) -> dict[int, tuple[int, int, int]]:
    """Return seq, label and time of use of the label that holds, by prediction."""
    condition, value = work.among("prediction", predictions)
    rows = work.rows(
        f"SELECT prediction, seq, label, usable_at FROM temperance_labels WHERE {condition}"
        " AND newest = 1", (value,),
    )  # fmt: skip
    return {row[0]: row[1:] for row in rows}


def checked_labels(
    names: list[str], values: list[object], predictions: dict[str, Prediction]
) -> list[int]:
    """Return each label as a class of its prediction, -1 where there is none yet, or raise."""
    numbers = np.full(len(names), -1, dtype=np.intp)
    kinds: dict[tuple[int, str | None], list[int]] = {}
    for place, name in enumerate(names):
        if (row := predictions.get(name)) is not None:
            kinds.setdefault((row.k, row.classes), []).append(place)
    for (k, classes), places in kinds.items():
        known = None if classes is None else tuple(json.loads(classes))
        given: Any = [values[place] for place in places]
        try:
            own = as_labels(given, n=len(places), k=k, classes=known)
        except InvalidInputError as error:
            wrong = [place for place in places if not _is_label(values[place], k, known)]
            options = f"0..{k - 1}" if known is None else few(known)
            what = "classes" if known is None else "classes by name"
            first = wrong[0] if wrong else places[0]
            msg = (
                f"the label of id {names[first]!r} is {value_text(values[first])}, which is none "
                f"of the {what} of its model ({options}); {max(1, len(wrong))} such labels."
            )
            raise InvalidInputError(msg) from error
        numbers[places] = own
        logits = unpacked([predictions[names[place]].scores for place in places], k)
        absent = np.isneginf(logits[np.arange(len(places)), own])
        if absent.any():
            bad = places[int(absent.argmax())]
            msg = (
                f"the label of id {names[bad]!r} is {value_text(values[bad])}, an option that its "
                f"prediction does not have, or to which it gives 0 ({np.count_nonzero(absent)} "
                "such labels). Which prediction is it of?"
            )
            raise InvalidInputError(msg)
    return [int(each) for each in numbers]


def _is_label(value: Any, k: int, classes: tuple[str, ...] | None) -> bool:  # noqa: ANN401
    try:
        as_labels([value], n=1, k=k, classes=classes)
    except InvalidInputError:
        return False
    return True
