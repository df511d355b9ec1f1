"""One answer as a format's reader finds it, with its place and what its line says beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import fsum, isfinite, isnan, nan
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

from temperance.errors import FileFormatError
from temperance.readers.llm.node import is_right

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.readers.dataset import Fields
    from temperance.readers.llm.llm_format import GroupPart, LlmFormat
    from temperance.readers.llm.node import Node

__all__ = [
    "SEVERAL",
    "SUMMARIES",
    "Answer",
    "Ask",
    "Option",
    "OwnScore",
    "Readings",
    "Row",
    "Tally",
    "applied_temperature",
    "id_of",
    "label_of",
    "labelled",
    "right_option",
    "scored_answer",
]

# What an answer says of a temperature that its server has applied already.


# The most specific first: of a question by its name, of a type of questions, of all.
_BY_NAME = ("temperature_by_question", "temperature_by_name")
_BY_TYPE = ("temperature_by_type", "temperatures")
_OF_ALL = ("temperature_applied", "applied_temperature", "calibration_temperature", "temperature")
_OTHER = ("temperature_by_options",)  # a formula, not a number
# What was sent, and what is no word about the answer.
_OTHER_KEYS = frozenset({
    "answers", "probabilities", "legend", "request", "questions", "body", "state", "input",
    "prompt", "usage", "label", "labels", "gold", "doc", "metadata",
})  # fmt: skip
_DEPTH = 2  # objects inside the answer or the response that a server keeps its own words in


class AppliedTemperature(NamedTuple):
    """A temperature that stands beside an answer, and under which key."""

    key: str  # path inside the response or the answer
    temperature: float | None  # None where only the fact is told


def applied_temperature(
    places: Sequence[Any], *, type_: str, name: str | None = None
) -> AppliedTemperature | None:
    """Return what the first of the places says of an answer of this type and name.

    Places are JSON objects: the answer, then what it stands in. A temperature of 1 is none; one of
    0 is of sampling, not of calibration.
    """
    for place in places:
        objects = list(_objects(place, "", _DEPTH))
        for keys, entry in ((_BY_NAME, name), (_BY_TYPE, type_), (_OF_ALL, type_), (_OTHER, None)):
            for path, content in objects:
                for key in keys:
                    if key in content:
                        number = _temperature_in(content[key], entry, other=keys is _OTHER)
                        if number == 1.0:
                            return None
                        if number is not None:
                            return AppliedTemperature(path + key, number or None)
    return None


def _objects(value: Any, path: str, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: ANN401
    """Yield an object and those in it, outermost first, with the paths that lead to them."""
    if not isinstance(value, dict):
        return
    yield path, value
    if depth:
        for key, inside in value.items():
            if key not in _OTHER_KEYS:
                yield from _objects(inside, f"{path}{key}.", depth - 1)


def _temperature_in(value: Any, entry: str | None, *, other: bool) -> float | None:  # noqa: ANN401
    """Return the temperature that a value says; 0 where it says that, not which; None if neither.

    An object holds one per name or type; a list is one per something that is not known here.
    """
    if isinstance(value, dict) and not other:
        value = value.get(entry) if entry is not None else None
    if value is True or (other and isinstance(value, dict) and value):
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value) if abs(value) < 1e300 else 0.0
    return number if isfinite(number) and number > 0.0 else None


# One row as a format's reader finds it, and what the readers count beside.


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


# Returns the place of the option that a label is, SEVERAL, or what it may mean.
ReadLabel = Callable[["Node"], "int | Readings | None"]


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
    filter_named: bool = True  # of lm-eval: older files list a document once per filter, unnamed
    repeats_differ: bool = False  # of lm-eval: scored several times, and not always alike
    own: OwnScore | None = None
    read_label: ReadLabel | None = None  # what a label from elsewhere means in this row


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

    def count_applied(self, applied: AppliedTemperature | None, type_: str) -> None:
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
    own_labels: bool = True  # False: labels come from another file
    score: str | None = None  # of whole answers: of their tokens, or the path of a key
    as_number: Callable[[str], float | None] | None = None  # of scores that are texts
    tally: Tally = field(default_factory=Tally)

    @property
    def counts(self) -> Counter[str]:
        """Of what is left out, bounded or doubted."""
        return self.tally.counts


# An answer with its place in the files, and what its line says beside it.


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `where` is how messages call its line."""

    answer: Answer
    file: str  # the task, or the name of the file, that goes before its id in a folder
    place: int  # of its line among the file's, counted from 0
    where: str
    weight: float | None = None
    group: str | None = None
    cluster: str | None = None


# What a line says of its answers: the label and the id, under usual keys or a named one.


_USUAL = ("label", "gold")


def label_of(node: Node, ask: Ask, *more: str) -> Node | None:
    """Return the label that a line, or an answer in it, has; None if there is none.

    `more` are keys that are usual beside `label` and `gold`.
    """
    if not ask.own_labels:
        return None
    if ask.fields.label is not None:
        return node.find(ask.fields.label)
    labels = [each for each in map(node.get, (*_USUAL, *more)) if each is not None]
    if len(labels) > 1:
        one, other, *_ = (each.path.rpartition(".")[2] for each in labels)
        msg = f"has both `{one}` and `{other}`; say which to use with --label-field."
        raise FileFormatError(msg)
    return labels[0] if labels else None


def labelled(line: Node, ask: Ask) -> Node | None:
    """Return the label of a line; None if there is none, unless its key was named."""
    label = label_of(line, ask)
    if label is None and ask.fields.label is not None and ask.own_labels:
        line.need(ask.fields.label)
    return label


def right_option(label: Node | None, index: Callable[[Node], int]) -> int | None:
    """Return which option is right, by what gives the index of one label; None without a label.

    SEVERAL of a list of labels that are different options.
    """
    if label is None:
        return None
    if not isinstance(label.value, list):
        return index(label)
    indices = {index(each) for each in label.items()}
    if not indices:
        label.refuse("one label or more")
    return indices.pop() if len(indices) == 1 else SEVERAL


def id_of(line: Node, ask: Ask, *usual: Node | None) -> int | str | None:
    """Return the id: under the key that was named, or the first of the usual ones there is.

    Where labels come from another file, the name may be that file's alone.
    """
    nodes = [node for node in usual if node is not None]
    if ask.fields.id is not None:
        own = line.find(ask.fields.id)
        if own is not None or ask.own_labels or not nodes:
            return (own or line.need(ask.fields.id)).name()
    return nodes[0].name() if nodes else None


# A whole answer by one score, in place of its options.


SUMMARIES: dict[str, Callable[[Sequence[float]], float]] = {"mean": fmean, "sum": fsum, "min": min}


def scored_answer(
    line: Node,
    ask: Ask,
    log_probs: Callable[[], list[float]],
    right: Node | None,
    ids: Sequence[Node | None],
) -> Answer:
    """Return an answer by what is asked for of the log-probabilities of its tokens.

    nan where one of them is not known. `right` is what the line itself says of its truth.
    """
    values = log_probs()
    if not values:
        msg = "has no tokens to take a score of."
        raise FileFormatError(msg)
    assert ask.score is not None  # noqa: S101  (of scores)
    score = nan if any(map(isnan, values)) else SUMMARIES[ask.score](values)
    if not ask.own_labels:
        right = None
    elif right is None:
        right = line.find(ask.fields.label or "correct")
    return Answer(
        [score],
        label=None if right is None else is_right(right),
        read_label=is_right,
        id=id_of(line, ask, line.get("custom_id"), line.get("id"), *ids),
    )
