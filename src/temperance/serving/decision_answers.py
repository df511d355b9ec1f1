"""A decision model's response, posted as it is: it comes back with calibrated probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from temperance.alignment import column_order
from temperance.errors import InvalidInputError
from temperance.printable import count_text
from temperance.readers.guard import quoted
from temperance.readers.llm.arrays import bounded_probs
from temperance.readers.llm.decisions import Option, ShownOptions, TypedAnswer, typed_answers
from temperance.readers.llm.node import Node
from temperance.readers.request import padded_rows
from temperance.serving.json_rows import as_json
from temperance.serving.served import Reply, RequestRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.serving.limits import Limits
    from temperance.serving.served import Served

__all__ = ["answer_decisions", "is_decision"]

_WAYS = (  # to make groups of parts, as `--group-by` has them; the first where none is known
    ("type",), ("type", "options"), ("options", "type"), ("name",), ("type", "name"),
    ("name", "type"), ("options",), ("name", "options"), ("type", "name", "options"),
)  # fmt: skip
_ROUNDING = 1e-6  # of a number that repeats another one of the answer


def is_decision(content: dict[str, Any]) -> bool:
    """Whether an object is a response of a decision model, and no rows."""
    if any(key in content for key in ("logits", "probs", "scores")):
        return False
    inside = content.get("response")
    if any(key in content for key in ("answers", "probabilities", "noul")):
        return True
    return isinstance(content.get("type"), str) or isinstance(inside, dict)


def answer_decisions(content: dict[str, Any], served: Served, limits: Limits) -> Reply:
    """Return a response with calibrated probabilities.

    Parameters
    ----------
    content : dict
        A response of OpenAI Decisions, or of a vendor with probabilities as `{label: p}`; its
        probabilities are replaced in place.
    served : Served
        The map. Its groups, and those of a policy, are the types of answers, or what `--group-by`
        makes of types, names and numbers of options; its classes are matched by their names.
    limits : Limits
        How many answers are taken.

    Returns
    -------
    Reply
        The same JSON: `probabilities`, `probability` of a predicate and `noul` are calibrated,
        `confidence` where it was the largest probability or that of the choice, `score` where it
        was the most probable level or their mean; what else they were is null, as `warnings` says.
        `choice` is the most probable option where it was that, and else stays. With a policy each
        answer has `accepted`, which of a refusal is false, and with one of bands `band`, which of a
        refusal is review. A composite policy decides all answers of the response together; with a
        refusal among them they are for review.

    Raises
    ------
    FileFormatError
        An answer of an unknown type, or whose probabilities are none.
    InvalidInputError
        What the calibrator refuses.
    RefusalError
        Too many answers.
    """
    answers = typed_answers(Node(content))
    limits.check_rows(len(answers))
    entries = [_AnswerWithOptions(each, each.shown) for each in answers if each.shown is not None]
    warnings: list[str] = []
    if entries:
        probs, bands = _calibrated(entries, served, limits)
        for number, each in enumerate(entries):
            warnings += _write(each, probs[number])
            if bands is not None:
                _decide(each.answer, bands[number], served)
        warnings += served.warnings(_groups(entries, served))
    if served.policy is not None:
        refusals = [each for each in answers if each.shown is None]
        for answer in answers if refusals and served.composite else refusals:
            _decide(answer, "review", served)
    content.update(served.description)
    if warnings:
        content["warnings"] = warnings
    count = 0 if served.policy is None else sum(each.content["accepted"] for each in answers)
    return Reply(as_json(content), len(answers), count)


class _AnswerWithOptions(NamedTuple):
    """An answer that is no refusal, and its options."""

    answer: TypedAnswer
    shown: ShownOptions

    @property
    def words(self) -> str:
        """The answer as messages call it."""
        name = self.answer.name
        return f"an answer of type {self.answer.type}" if name is None else f"answer {quoted(name)}"


def _decide(answer: TypedAnswer, band: str, served: Served) -> None:
    """Write what the policy decides of an answer."""
    answer.content["accepted"] = band == "accept"
    if served.has_bands:
        answer.content["band"] = band


def _calibrated(
    entries: list[_AnswerWithOptions], served: Served, limits: Limits
) -> tuple[list[list[float]], list[str] | None]:
    """Return the probabilities of each answer's options, in their order, and the bands of each."""
    calibrator = served.calibrator
    if calibrator.kind != "logits" or calibrator.traits.members:
        what = "an ensemble" if calibrator.traits.members else calibrator.kind
        msg = f"a decision is one row of probabilities; the calibrator is of {what}."
        raise InvalidInputError(msg)
    rows = bounded_probs([each.shown.probs for each in entries])
    orders = [_order(each, calibrator) for each in entries]
    ordered = [_in_order(row, order) for row, order in zip(rows, orders, strict=True)]
    lengths = np.array([len(row) for row in ordered], dtype=np.int64)
    flat = np.array([each for row in ordered for each in row], dtype=np.float64)
    limits.check_options(len(lengths), int(lengths.max()))
    values, ragged = padded_rows(flat, lengths, "probs")
    mask = np.arange(values.shape[1]) >= lengths[:, np.newaxis] if ragged else None
    by_type = calibrator.traits.groups or served.thresholds_per_group
    groups = _groups(entries, served) if by_type else None
    document = ["response"] * len(entries) if served.composite else None
    answered = served.answer(RequestRows("probs", values, groups, mask, clusters=document))
    probs = [row[:length].tolist() for row, length in zip(answered.probs, lengths, strict=True)]
    back = [None if order is None else np.argsort(order) for order in orders]
    bands = None if answered.bands is None else answered.bands.tolist()
    return [_in_order(row, order) for row, order in zip(probs, back, strict=True)], bands


def _groups(entries: list[_AnswerWithOptions], served: Served) -> list[str]:
    """Return the group of each answer, made of the parts that most known groups are made of.

    Of its type, unless its name or the number of its options, as `--group-by` puts them together,
    say more to the map or the policy.
    """
    parts = served.calibrator.parts.groups
    known = set() if parts is None else {*parts.temperatures, *parts.small_groups}
    if served.policy is not None:
        known |= set(served.policy.rule.promised_groups)
    of_parts = [
        {
            "type": each.answer.type,
            "name": each.answer.name or "unnamed",
            "options": count_text(len(each.shown.options), "option"),
        }
        for each in entries
    ]
    ways = [[", ".join(own[part] for part in way) for own in of_parts] for way in _WAYS]
    return max(ways, key=lambda names: sum(name in known for name in names))


def _order(entry: _AnswerWithOptions, calibrator: Calibrator) -> NDArray[np.intp] | None:
    """Return where the calibrator's classes are among the options; None where in place."""
    names = tuple(option.text for option in entry.shown.options)
    if calibrator.n_classes not in (None, len(names)):
        msg = f"{entry.words} has {len(names)} options, the calibrator {calibrator.n_classes}."
        raise InvalidInputError(msg)
    try:
        return column_order(names, calibrator.classes, whose="the calibrator", what="options")
    except InvalidInputError as error:
        msg = f"{entry.words}: {error}"
        raise InvalidInputError(msg) from error


def _in_order(row: list[float], order: NDArray[np.intp] | None) -> list[float]:
    return row if order is None else [row[place] for place in order]


def _write(entry: _AnswerWithOptions, probs: list[float]) -> list[str]:
    """Put probabilities, and what was made of them, in their places; return what to say of it."""
    content, shown = entry.answer.content, entry.shown
    before = dict(zip(shown.options, shown.probs, strict=True))
    after = dict(zip(shown.options, probs, strict=True))
    for place, key, option in entry.answer.places():
        own, whole = Node(place[key]).prob(), before[option]
        # an option that stands there twice has its share in each place
        place[key] = after[option] if own == whole else after[option] * own / whole
    derived = {
        "confidence": _confidence(content, before, after),
        "score": _score(content, before, after),
    }
    choice = _choice_of(content, before)
    if choice is not None and before[choice] == max(before.values()):
        content["choice"] = _best(after, choice).value
    warnings = []
    for key, value in derived.items():
        if content.get(key) is None:
            continue
        if value is None:
            warnings.append(f"`{key}` of {entry.words} is null: what it was made of is not known.")
        content[key] = value
    return warnings


def _choice_of(content: dict[str, Any], probs: dict[Option, float]) -> Option | None:
    """Return the option that an answer says it chose, if it is one."""
    value = content.get("choice")
    option = Option(type(value), value) if isinstance(value, str | bool | int) else None
    return option if option in probs else None


def _best(probs: dict[Option, float], choice: Option) -> Option:
    """Return the most probable option; of several the one that was chosen."""
    return choice if probs[choice] == max(probs.values()) else max(probs, key=probs.__getitem__)


def _confidence(
    content: dict[str, Any], before: dict[Option, float], after: dict[Option, float]
) -> float | None:
    """Return the largest probability, or that of the choice, whichever the confidence was."""
    confidence, choice = content.get("confidence"), _choice_of(content, before)
    if _is_number(confidence, max(before.values())):
        return max(after.values())
    if choice is not None and _is_number(confidence, before[choice]):
        return after[choice]
    return None


def _score(
    content: dict[str, Any], before: dict[Option, float], after: dict[Option, float]
) -> float | None:
    """Return the most probable level, or the mean level, whichever the score was."""
    score = content.get("score")
    levels = {option: option.value for option in before if option.type is int}
    if len(levels) < len(before):
        return None
    best = max(before, key=before.__getitem__)
    if _is_number(score, float(levels[best])):
        level = float(levels[_best(after, best)])
        return int(level) if isinstance(score, int) else level
    whole = sum(before.values())
    if _is_number(score, sum(float(levels[each]) * p for each, p in before.items()) / whole):
        return sum(float(levels[each]) * p for each, p in after.items())
    return None


def _is_number(value: Any, number: float) -> bool:  # noqa: ANN401  (what JSON holds)
    """Whether a value is this number, but for rounding."""
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return is_one and abs(value - number) <= _ROUNDING * max(1.0, abs(number))
