"""Labels meet their predictions: which option each names, and what was there before."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.alignment import whole_text
from temperance.checks import as_labels
from temperance.checks.arguments import value_text
from temperance.errors import InvalidInputError
from temperance.monitor.inputs import few
from temperance.monitor.scores import MOST_OPTIONS, unpacked, unpacked_few
from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.monitor.database import Transaction
    from temperance.monitor.inputs import Options

__all__ = [
    "Prediction", "checked_labels", "newest_labels", "predictions_of", "spelled_as_logged",
    "told_again",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a label has to know of its prediction."""

    seq: int
    time: int
    k: int
    classes: str | None
    scores: bytes
    options: Options


def predictions_of(work: Transaction, names: list[str]) -> dict[str, Prediction]:
    """Return the predictions of these ids that are there, by id."""
    condition, value = work.among("p.id", names)
    rows = work.rows(
        "SELECT p.id, p.seq, p.time, m.k, m.classes, p.scores, m.options"
        " FROM temperance_predictions p JOIN temperance_models m ON m.number = p.model"
        f" WHERE {condition}", (value,),
    )  # fmt: skip
    return {
        name: Prediction(seq, time, k, classes, bytes(scores), options)
        for name, seq, time, k, classes, scores, options in rows
    }


def spelled_as_logged(
    work: Transaction, names: list[str], predictions: dict[str, Prediction]
) -> list[str]:
    """Return ids as their predictions have them, which are added: "7" for a "7.0" that is nowhere.

    A table program that met an empty cell has written 7.0 for 7, and its labels would wait for
    ever. "1.0" beside "1" are two ids.
    """
    given = set(names)
    shorter = {
        name: whole
        for name in given
        if name not in predictions and (whole := whole_text(name)) not in given
    }
    if not shorter:
        return names
    found = predictions_of(work, list(shorter.values()))
    predictions.update(found)
    return [shorter[name] if shorter.get(name) in found else name for name in names]


def newest_labels(work: Transaction, predictions: list[int]) -> dict[int, tuple[int, int, int]]:
    """Return seq, label and time of use of the label that holds, by prediction."""
    condition, value = work.among("prediction", predictions)
    rows = work.rows(
        f"SELECT prediction, seq, label, usable_at FROM temperance_labels WHERE {condition}"
        " AND newest = 1", (value,),
    )  # fmt: skip
    return {row[0]: row[1:] for row in rows}


def told_again(
    work: Transaction,
    names: list[str],
    numbers: list[int],
    predictions: dict[str, Prediction],
) -> set[int]:
    """Return the predictions of which a call tells several labels, as another one did before.

    They are the last ones of their history, in its order: a file of corrections read twice.
    """
    labels_of: dict[int, list[int]] = {}
    for name, number in zip(names, numbers, strict=True):
        if name in predictions:
            own = labels_of.setdefault(predictions[name].seq, [])
            if own[-1:] != [number]:
                own.append(number)
    several = {seq: own for seq, own in labels_of.items() if len(own) > 1}
    if not several:
        return set()
    condition, value = work.among("prediction", list(several))
    sql = f"SELECT prediction, label FROM temperance_labels WHERE {condition} ORDER BY seq"
    history: dict[int, list[int]] = {}
    for seq, label in work.rows(sql, (value,)):
        history.setdefault(seq, []).append(label)
    return {seq for seq, own in several.items() if history.get(seq, [])[-len(own) :] == own}


def checked_labels(
    names: list[str], values: list[object], predictions: dict[str, Prediction]
) -> list[int]:
    """Return each label as a class of its prediction, or raise.

    -1 where there is no prediction yet; -1 less the class where the prediction does not show it.
    """
    numbers = np.full(len(names), -1, dtype=np.int64)
    kinds: dict[tuple[int, str | None, Options], list[int]] = {}
    for place, name in enumerate(names):
        if (row := predictions.get(name)) is not None:
            kinds.setdefault((row.k, row.classes, row.options), []).append(place)
    for (k, classes, options), places in kinds.items():
        some = [(names[place], values[place]) for place in places]
        scores = [predictions[name].scores for name, _ in some]
        if options == "numbered":
            numbers[places] = _of_numbered(some, scores, k)
        else:
            numbers[places] = _of_columns(some, scores, k, classes, shown=options == "shown")
    return [int(each) for each in numbers]


def _of_columns(
    some: list[tuple[str, object]], scores: list[bytes], k: int, classes: str | None, *, shown: bool
) -> NDArray[np.int64]:
    """Return the labels, by id, of rows of which each column is an option."""
    known = None if classes is None else tuple(json.loads(classes))
    values: Any = [value for _, value in some]
    try:
        own = as_labels(values, n=len(some), k=k, classes=known)
    except InvalidInputError as error:
        wrong = [each for each in some if not _is_label(each[1], k, known)]
        options = f"0..{k - 1}" if known is None else few(known)
        what = "classes" if known is None else "classes by name"
        name, value = wrong[0] if wrong else some[0]
        count = count_text(max(1, len(wrong)), "such label")
        msg = (
            f"the label of id {name!r} is {value_text(value)}, which is none "
            f"of the {what} of its model ({options}); {count}."
        )
        raise InvalidInputError(msg) from error
    absent = np.isneginf(unpacked(scores, k)[np.arange(len(some)), own])
    if absent.any() and not shown:
        name, value = some[int(absent.argmax())]
        count = count_text(int(np.count_nonzero(absent)), "such label")
        msg = (
            f"the label of id {name!r} is {value_text(value)}, an option that its "
            f"prediction does not have, or to which it gives 0 "
            f"({count}). Which prediction is it of? Where rows leave options out that may come "
            "true, log them as such (`top_k=True`; of language models --missing shown)."
        )
        raise InvalidInputError(msg)
    return np.where(absent, -1 - own, own)


def _of_numbered(some: list[tuple[str, object]], scores: list[bytes], k: int) -> NDArray[np.int64]:
    """Return the labels, by id, of rows whose options are numbers of their own."""
    wrong = [
        each
        for each in some
        if not isinstance(each[1], int)
        or isinstance(each[1], bool)
        or not 0 <= each[1] < MOST_OPTIONS
    ]
    if wrong:
        msg = (
            f"the label of id {wrong[0][0]!r} is {value_text(wrong[0][1])}, and the options of its "
            f"model are whole numbers from 0; {count_text(len(wrong), 'such label')}."
        )
        raise InvalidInputError(msg)
    own = np.array([value for _, value in some], dtype=np.int64)
    absent = ~(unpacked_few(scores, k)[1] == own[:, None]).any(axis=1)
    return np.where(absent, -1 - own, own)


def _is_label(value: Any, k: int, classes: tuple[str, ...] | None) -> bool:  # noqa: ANN401
    try:
        as_labels([value], n=1, k=k, classes=classes)
    except InvalidInputError:
        return False
    return True
