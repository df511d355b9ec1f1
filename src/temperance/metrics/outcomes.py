"""What rows are and what may come true of each, in the words that every result uses."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from temperance.checks.answer_scores import ANSWER_CLASSES
from temperance.checks.forms import frame_names
from temperance.checks.label_matrix import LABEL_CLASSES
from temperance.frozen import Plain
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike

    from temperance.metrics.inputs import Predictions

__all__ = ["Outcomes"]

OutcomeKind = Literal["classes", "answers", "labels"]
_ANSWERS = ("wrong answer", "right answer")
_ENTRIES = ("negative entry", "negative entries"), ("positive entry", "positive entries")


@dataclass(frozen=True, slots=True)
class Outcomes(Plain):
    """Rows of classes, answers that are right or wrong, or entries of a label matrix.

    The one place that names a class in a sentence.

    Parameters
    ----------
    names : tuple of str or None
        Of the classes, in the order of the columns. `ANSWER_CLASSES` are those of answers, and
        `LABEL_CLASSES` those of entries. None: their numbers.
    n_rows, n_labels : int or None
        Of the label matrix; None of anything else.

    Examples
    --------
    >>> Outcomes(("cat", "dog")).class_name(1), Outcomes().class_name(1)
    ('class dog', 'class 1')
    >>> Outcomes(LABEL_CLASSES, n_rows=1500, n_labels=14).size(21000, 2)
    '1,500 rows x 14 labels (21,000 entries)'
    """

    json_keys: ClassVar[tuple[str, ...]] = ("kind", "names", "n_rows", "n_labels")

    names: tuple[str, ...] | None = None
    n_rows: int | None = None
    n_labels: int | None = None

    @classmethod
    def of(cls, rows: Predictions) -> Self:
        """Return what checked rows are."""
        if rows.label is None:
            return cls(rows.classes)
        return cls(rows.classes, rows.n_matrix_rows, len(np.unique(rows.label)))

    @classmethod
    def named(cls, probs: ArrayLike, classes: Sequence[object] | None) -> Self:
        """Return the classes that `classes`, or the columns of a data frame, name."""
        names = frame_names(probs) if classes is None else tuple(map(str, classes))
        return cls(names)

    @property
    def kind(self) -> OutcomeKind:
        """What a row is: one of several classes, an answer, or an entry of a label matrix."""
        if self.names == ANSWER_CLASSES:
            return "answers"
        return "labels" if self.names == LABEL_CLASSES else "classes"

    def rows(self, n: int) -> str:
        """Return "400 rows", "400 answers" or "400 entries"."""
        return count_text(n, *self._noun)

    @property
    def plural(self) -> str:
        """What several rows are called: "rows", "answers" or "entries"."""
        one, *several = self._noun
        return several[0] if several else f"{one}s"

    @property
    def _noun(self) -> tuple[str, ...]:
        return {"classes": ("row",), "answers": ("answer",), "labels": ("entry", "entries")}[
            self.kind
        ]

    @property
    def one(self) -> str:
        """What one of them is called: "row", "answer" or "entry"."""
        return self._noun[0]

    @property
    def group(self) -> str:
        """What a group is called: of a label matrix "label"."""
        return "group" if self.n_labels is None else "label"

    def extent(self, n: int) -> str:
        """Return how many were measured; of a label matrix its rows x labels beside them."""
        rows = self.rows(n)
        if self.n_rows is None or self.n_labels is None:
            return rows
        return f"{count_text(self.n_rows, 'row')} x {count_text(self.n_labels, 'label')} ({rows})"

    def size(self, n: int, n_classes: int) -> str:
        """Return the same, with the number of classes where there are several to tell apart."""
        if self.kind != "classes":
            return self.extent(n)
        return f"{self.rows(n)}, {count_text(n_classes, 'class', 'classes')}"

    def class_name(self, number: int) -> str:
        """Return what a class is called in a sentence: "class 1", "class dog", "a right answer"."""
        if self.kind == "answers":
            return f"a {_ANSWERS[number]}"
        if self.kind == "labels":
            return "a label that applies" if number else "a label that does not apply"
        return f"class {number if self.names is None else self.names[number]}"

    def of_class(self, number: int) -> str:
        """Return the same behind "of": "class 1", "right answers", "labels that apply"."""
        if self.kind == "answers":
            return f"{_ANSWERS[number]}s"
        if self.kind == "labels":
            return "labels that apply" if number else "labels that do not apply"
        return self.class_name(number)

    def happened(self, number: int, n_events: int, n: int) -> str:
        """Return how often a class was true, as a sentence without its full stop."""
        if self.kind == "classes":
            return f"{self.class_name(number)} happened in {n_events:,} of {self.rows(n)}"
        is_what = {
            "answers": ("wrong", "right"),
            "labels": ("negative", "positive"),
        }[self.kind][number]
        are = "is" if n_events == 1 else "are"
        return f"{n_events:,} of {self.rows(n)} {are} {is_what}"

    def only(self, number: int, n_events: int, n: int) -> str:
        """Return "3 rows of class 1 in 400 rows", "3 right answers among 400"."""
        if self.kind == "classes":
            return f"{self.rows(n_events)} of {self.class_name(number)} in {self.rows(n)}"
        noun = (_ANSWERS[number],) if self.kind == "answers" else _ENTRIES[number]
        return f"{count_text(n_events, *noun)} among {n:,}"

    def short_name(self, number: int) -> str:
        """Return what a class is called in a table of classes: its name, or its number."""
        return str(number) if self.names is None else self.names[number]

    @property
    def impossible(self) -> str:
        """What a row of infinite log loss has."""
        what = "a true class" if self.kind == "classes" else "an outcome"
        return f"{what} of probability 0"

    @property
    def option(self) -> str:
        """What a row is one of: a class, or an outcome."""
        return "class" if self.kind == "classes" else "outcome"

    @property
    def options(self) -> str:
        """The same of several: classes, or outcomes."""
        return "classes" if self.kind == "classes" else "outcomes"

    @property
    def predicted(self) -> str:
        """What has the largest probability of a row."""
        return "the predicted class" if self.kind == "classes" else "the likelier outcome"

    @property
    def bias(self) -> str:
        """What a shift of the log-odds as a whole repairs, as a test is called."""
        return {
            "classes": "class biases",
            "answers": "share of right answers",
            "labels": "share of labels that apply",
        }[self.kind]

    @property
    def base_rates(self) -> str:
        """What a model that looks at nothing may know: "how often each class is true"."""
        return {
            "classes": "how often each class is true",
            "answers": "how often answers are right",
            "labels": "how often each label applies",
        }[self.kind]

    @property
    def frequencies(self) -> str:
        """The same as a thing that may cost something: "the class frequencies"."""
        return {
            "classes": "the class frequencies",
            "answers": "the share of right answers",
            "labels": "the base rate of each label",
        }[self.kind]

    def reworded(self, text: str) -> str:
        """Return a text about rows, such as the reason why a test says nothing, in these words."""
        return re.sub(r"\brow(s?)\b", lambda match: self.plural if match[1] else self.one, text)
