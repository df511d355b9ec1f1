"""One row as a format's reader finds it, and what the readers count beside."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import nan
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from temperance.readers.dataset import Fields
    from temperance.readers.llm.applied_temperature import Applied
    from temperance.readers.llm.llm_format import GroupPart, LlmFormat

__all__ = ["SEVERAL", "Answer", "Ask", "Option", "OwnScore", "Readings", "Tally"]

SEVERAL = -1  # for a label: more than one option is right, and the row is left out


class Readings(NamedTuple):
    """The label if a target is an index, and if it is an option's text."""

    by_index: int | None
    by_text: int | None
    digits: bool  # only then the target can be an index


class OwnScore(NamedTuple):
    """What the file itself says of a row: was the likeliest option the right one."""

    best: tuple[int, ...]  # places of the largest score; several, if they tie
    right: float  # 0 or 1; a fraction where several options are right


class Option(NamedTuple):
    """An option with its JSON type: the boolean true is not the text "true"."""

    type: type
    value: str | bool | int

    @property
    def text(self) -> str:
        """The option in words."""
        return str(self.value).lower() if self.type is bool else str(self.value)


@dataclass(slots=True)
class Answer:
    """Scores of a row's options; what is not known of them is nan, and at most `ceiling`."""

    scores: list[float]
    probs: bool = False  # the scores are probabilities, not logits
    ceiling: float = nan
    label: int | None = None
    readings: Readings | None = None  # of a target that is a text, until all rows have been seen
    options: tuple[Option, ...] = ()  # empty where they have no names
    ordered: bool = True  # options keep their places: their order means something
    groups: dict[GroupPart, str] = field(default_factory=dict)
    id: int | str | None = None
    document: str | None = None  # of lm-eval: what tells two documents of one number apart
    own: OwnScore | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """What the readers count, and examples of it as the files have them."""

    counts: Counter[str] = field(default_factory=Counter)
    filters: set[str] = field(default_factory=set)  # of lm-eval, that were not asked for
    stand_ins: set[str] = field(default_factory=set)  # what servers wrote for "impossible"
    instead: set[str] = field(default_factory=set)  # tokens where no option is shown
    near_options: set[str] = field(default_factory=set)  # tokens that are options in other case
    respelled: set[str] = field(default_factory=set)  # labels that are options in other words
    applied: set[str] = field(default_factory=set)  # temperatures that answers say were applied

    def count_applied(self, applied: Applied | None, type_: str) -> None:
        """Count an answer that says it has been divided by a temperature."""
        if applied is not None:
            self.counts["with a temperature"] += 1
            of = "" if applied.temperature is None else f", {type_} {applied.temperature:g}"
            self.applied.add(f"`{applied.key}`{of}")


@dataclass(frozen=True, slots=True)
class Ask:
    """What a format's reader is told, and where it counts what is out of the way."""

    format: LlmFormat
    fields: Fields
    task: str | None  # of lm-eval, from the name of the file
    kind: str | None = None  # of records that hold both logits and probs
    tally: Tally = field(default_factory=Tally)

    @property
    def counts(self) -> Counter[str]:
        """Of what is left out, bounded or doubted."""
        return self.tally.counts
