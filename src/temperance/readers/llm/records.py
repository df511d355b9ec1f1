"""Calibration records: the scores of one decision, its type and the right option."""

from __future__ import annotations

from math import isinf, isnan, nan
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.llm.answer import (
    Answer,
    applied_temperature,
    id_of,
    labelled,
    right_option,
)
from temperance.readers.llm.node import SENTINEL, check_sum

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.llm.answer import Ask
    from temperance.readers.llm.node import Node

__all__ = ["records"]


_KINDS = ("logits", "probs")
_ISOLATED = ("level_logits", "level_probs")


def records(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a record."""
    type_ = line.need("type").text()
    if type_ == "refusal":
        ask.counts["refusals"] += 1
        return
    node = _scores(line, ask)
    values = [item.number() for item in node.items()]
    if len(values) < 2:
        node.refuse("scores of two options or more")
    if type_ == "noul" and len(values) != 2:
        node.refuse("the two scores of no and yes, for its type is noul")
    probs = node.path == "probs"
    if probs:
        check_sum([item.prob() for item in node.items()], node)
    else:
        values = [nan if value == SENTINEL else value for value in values]
        if all(isinf(value) for value in values):
            node.refuse("scores of which one is finite")
    label = labelled(line, ask)
    finite = [value for value in values if not (isinf(value) or isnan(value))]

    def read_label(label: Node | None) -> int | None:
        return right_option(label, lambda each: _index(each, values))

    ask.tally.count_applied(applied_temperature([line.value], type_=type_), type_)
    yield Answer(
        values,
        probs=probs,
        ceiling=nan if probs else min(finite, default=nan),
        label=read_label(label),
        read_label=read_label,
        groups={"type": type_},
        id=id_of(line, ask, line.get("id")),
    )


def _scores(line: Node, ask: Ask) -> Node:
    """Return the one list of scores that a record has."""
    isolated = [key for key in _ISOLATED if line.get(key) is not None]
    if isolated:
        msg = (
            f"`{isolated[0]}` holds levels that were each asked by themselves: their answer is no "
            "softmax of one row of logits, so it has no temperature of this kind. Leave such "
            "records out."
        )
        raise FileFormatError(msg)
    keys = [key for key in _KINDS if line.get(key) is not None]
    if ask.kind is not None:
        return line.need(ask.kind)
    if len(keys) == 2:
        msg = "has both `logits` and `probs`; say which to use with --kind."
        raise FileFormatError(msg)
    return line.need(keys[0] if keys else "logits` or `probs")


def _index(label: Node, values: list[float]) -> int:
    number = label.number()
    if isinf(number) or number != int(number) or not 0 <= number < len(values):
        label.refuse(f"the index of an option, 0 to {len(values) - 1}")
    if isinf(values[int(number)]):
        label.refuse("an option that exists, and its logit is -inf")
    return int(number)
