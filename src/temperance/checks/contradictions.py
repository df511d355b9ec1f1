"""Scores by what the caller says of them, and what contradicts it: ranks, decisions, one label.

Each rule looks at what the values themselves cannot be if the columns are classes, and asks for
odds that chance does not give, so that legitimate data pass (simulated in the tests).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from temperance.checks.arrays import as_numbers, count_rows, one_column
from temperance.checks.probs import Floor, Floored, as_probs, sum_tolerance
from temperance.checks.scores import as_logits, masked_logits, sample_step, spread_rows
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, log_probs
from temperance.printable import count_text, digits_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AS_THEY_ARE",
    "ScoreRules",
    "are_decisions",
    "contradictions",
    "one_based_labels",
    "one_label",
    "only_label",
    "ranked_columns",
]

# What the caller says of scores before they become logits: masks, sums, printed zeros.


_HALF = 0.5  # of the smallest positive probability, where all are 1
_AS_IN_FIT = "as in the fit of the calibrator; `floor=0` (--floor 0) leaves them"


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """How scores become logits; by default as they are.

    Parameters
    ----------
    mask_below, mask_value : float, optional
        Of logits, as in `masked_logits`.
    renormalize : bool, default False
        Of probabilities, as in `logits_from_probs`.
    floor : Floor, optional
        Of probabilities, as in `logits_from_probs`; None where nothing was said.
    fitted_floor : float, optional
        What the probabilities of a calibrator's fit were raised to: holds where `floor` is None.

    Raises
    ------
    InvalidInputError
        A mask that is no number.
    """

    mask_below: float | None = None
    mask_value: float | None = None
    renormalize: bool = False
    floor: Floor | None = None
    fitted_floor: float | None = None

    def __post_init__(self) -> None:
        for name, value in (
            ("`mask_below` (--mask-below)", self.mask_below),
            ("`mask_value` (--mask-value)", self.mask_value),
        ):
            if value is not None and not value < np.inf:
                msg = f"{name} must be a number below infinity, got {value}."
                raise InvalidInputError(msg)

    @property
    def options(self) -> tuple[str, ...]:
        """What is not as by default: each argument, and its option on the command line."""
        return (*self._of_logits, *self._of_probs)

    def logits(self, scores: ArrayLike, kind: Literal["logits", "probs"]) -> NDArray[Any]:
        """Return checked logits (n, k) of scores of this kind, or say which rule is not for it."""
        wrong = self._of_probs if kind == "logits" else self._of_logits
        if wrong:
            other = "probabilities" if kind == "logits" else "logits"
            msg = (
                f"{wrong[0]} is for {other}, but these are {kind}; `kind` (--kind) says otherwise."
            )
            raise InvalidInputError(msg)
        if kind == "probs":
            return log_probs(as_probs(scores, renormalize=self.renormalize, floor=self.least))
        if self._of_logits:
            scores = masked_logits(scores, mask_below=self.mask_below, mask_value=self.mask_value)
        return as_logits(scores)

    def notes(self, scores: ArrayLike, logits: NDArray[Any]) -> tuple[str, ...]:
        """Return what was done to scores that became these logits, counted."""
        notes = []
        numbers = one_column(as_numbers(scores, name="scores"))
        if self._of_logits:
            masks = np.isneginf(logits) & ~np.isneginf(as_float64(numbers))
            notes.append(
                f"{count_text(int(np.count_nonzero(masks)), 'logit')} in "
                f"{count_text(count_rows(masks), 'row')} "
                "were taken for "
                f"options that do not exist, by {' and '.join(self._of_logits)}."
            )
        if self.renormalize and numbers.ndim == 2:
            sums = as_float64(numbers).sum(axis=1)
            off = np.abs(sums - 1.0) > sum_tolerance(numbers.dtype.name)
            if off.any():
                ends = dict.fromkeys(digits_text(end(sums[off]), 4) for end in (np.min, np.max))
                notes.append(
                    f"{np.count_nonzero(off):,} of {count_text(len(sums), 'row')} did not sum "
                    f"to 1, but to {' to '.join(ends)}: each was divided by its sum, "
                    "by `renormalize` (--renormalize)."
                )
        return tuple(notes)

    @property
    def least(self) -> Floor:
        """The floor that holds."""
        return self.floor or Floor(self.fitted_floor or 0.0)

    def with_floor(self, floored: Floored) -> Self:
        """Return the rules for other rows of a model: a floor "auto" is what it was found to be."""
        if self.floor is None or not self.floor.auto:
            return self
        return replace(self, floor=Floor(floored.floor))

    def floored(self, scores: ArrayLike, kind: Literal["logits", "probs"]) -> Floored | None:
        """Return what was raised of these scores, counted; None where nothing is."""
        if kind == "logits" or not self.least.raises:
            return None
        p, sums = as_float64(one_column(as_numbers(scores, name="scores"))), None
        if p.ndim == 1:
            p = np.stack([1.0 - p, p], axis=1)
        else:
            sums = p.sum(axis=1)
            p = p / sums[:, None]
        return self.least.count(p, sums if self.renormalize else None)

    def floored_labels(self, scores: ArrayLike, kind: Literal["logits", "probs"]) -> Floored | None:
        """Return what was raised of probabilities of independent labels, counted."""
        if kind == "logits" or not self.least.raises:
            return None
        return self.least.count_labels(as_float64(as_numbers(scores, name="scores")))

    def refuse_of_probs(self) -> None:
        """Raise if a rule is for probabilities, of what are logits."""
        if self._of_probs:
            msg = (
                f"{self._of_probs[0]} is for probabilities, but these are logits; `kind` (--kind) "
                "says otherwise."
            )
            raise InvalidInputError(msg)

    def note(self, floored: Floored | None) -> tuple[str, ...]:
        """Return what is said of the probabilities that were raised."""
        if floored is None or (self.floor is None and not floored.probabilities):
            return ()
        if self.floor is None:
            return (f"{floored}, {_AS_IN_FIT}.",)
        hard = ""
        if self.floor.auto and floored.floor == _HALF:
            hard = (
                " No probability lies between 0 and 1: these are answers without a confidence, and "
                "what is said of them as they are is said of this number. Say another, or fit a "
                "map, which takes the share of right answers in its place."
            )
        return (f"{floored}, by `floor` (--floor).{hard}",)

    @property
    def of_blocks(self) -> tuple[str, ...]:
        """What is said of rows that are read block by block, where nothing is counted."""
        notes: tuple[str, ...] = ()
        if self.options:
            notes = (f"scores were read with {' and '.join(self.options)}.",)
        if self.floor is None and self.fitted_floor:
            floor = f"probabilities below {self.fitted_floor:.4g} are raised to it"
            notes += (f"{floor}, {_AS_IN_FIT}.",)
        return notes

    @property
    def _of_logits(self) -> tuple[str, ...]:
        pairs = (("mask_below", self.mask_below), ("mask_value", self.mask_value))
        return tuple(_argument(name, repr(value)) for name, value in pairs if value is not None)

    @property
    def _of_probs(self) -> tuple[str, ...]:
        floor: tuple[str, ...] = ()
        if self.floor is not None and self.floor.raises:
            floor = (_argument("floor", str(self.floor)),)
        return (*(("`renormalize` (--renormalize)",) if self.renormalize else ()), *floor)


def _argument(name: str, value: str) -> str:
    """Return an argument with its value, and the same as an option."""
    return f"`{name}={value}` (--{name.replace('_', '-')} {value})"


AS_THEY_ARE = ScoreRules()


_NEAR = 0.1  # of the median gap: this close to a tie
_CLOSE_CALLS = 20  # near ties that all fell to the same side: 2^-20 by chance
_FEWEST_DECISIONS = 2
_EVIDENT = 5.0  # standard errors
_DECISIONS = (
    "every probability is exactly 0 or 1: these are decisions, not probabilities; all they tell is "
    "how often they are right."
)


def ranked_columns(scores: NDArray[Any]) -> str | None:
    """Say that columns are ranks, as in lists of the top k, rather than classes; else None.

    Scores (n, k). They are where the first (or the last) column is the largest of every row, and
    20 rows or more are near ties (closer than a tenth of the usual gap) that all fell to the same
    side; where whole rows are sorted, near ties of all neighbouring columns count. A class that is
    always the most probable one, as without a rare event, has no near ties, or loses some of them.
    """
    v = spread_rows(scores, sample_step(*scores.shape))
    for sign, end in ((1, "first"), (-1, "last")):
        ordered = v[:, ::sign]
        with np.errstate(invalid="ignore"):  # -inf - -inf
            steps = ordered[:, :-1] - ordered[:, 1:]
            to_best = ordered[:, :1] - ordered[:, 1:].max(axis=1, keepdims=True)
        if (to_best < 0).any():
            continue
        is_sorted = not (steps < 0).any()
        if _close_calls(steps if is_sorted else to_best) >= _CLOSE_CALLS:
            how = " and every row is sorted" if is_sorted and v.shape[1] > 2 else ""
            return (
                f"the {end} column is the largest of every row{how}: are the columns ranks, as in "
                "lists of the top k, and not classes? Labels must then be ranks as well, and what "
                "is measured or fitted class by class (biases, vector, matrix) has no meaning."
            )
    return None


def only_label(
    labels: NDArray[np.intp], *, k: int, classes: Sequence[str] | None = None
) -> str | None:
    """Say that one label fills all rows; None where there are two, or a single row."""
    if len(labels) < 2 or k < 2 or (labels != labels[0]).any():
        return None
    return one_label(classes[labels[0]] if classes else labels[0], n=len(labels))


def one_label(label: object, *, n: int) -> str:
    """Say what it means that this label fills all n rows."""
    return (
        f"one label, {label}, fills {'the one row' if n == 1 else f'all {n:,} rows'}: nothing "
        "can be said class by class (errors, "
        "biases and tests of single classes). Where the true option stands in one place by "
        "convention, shuffle the options of each row."
    )


def one_based_labels(
    logits: NDArray[Any], labels: NDArray[np.intp], classes: Sequence[str] | None = None
) -> str | None:
    """Say that labels seem to count the columns from 1 rather than from 0; else None.

    Logits (n, k) of columns without names, or with "0".."k-1", labels 0..k-1. They seem to where no
    row has label 0, and the column before the label's is the largest of its row so much more often
    than the label's own that chance does it once in 3 million times (z >= 5 of the rows where just
    one of both is). A class 0 that is never true beside labels that are right leaves the model
    right as well.
    """
    k = logits.shape[1]
    if k < 3 or not len(labels) or labels.min() < 1:
        return None
    if classes is not None and list(classes) != [str(c) for c in range(k)]:
        return None
    step = sample_step(*logits.shape)
    top = spread_rows(logits, step).argmax(axis=1)
    own = labels[::step][: len(top)]
    before, right = np.count_nonzero(top == own - 1), np.count_nonzero(top == own)
    if before - right <= _EVIDENT * np.sqrt(before + right):
        return None
    return (
        f"no row has label 0, and the model's largest score is in the column before the label's "
        f"in {before:,} of {len(own):,} rows, in the label's own in {right:,}: do the labels count "
        "the columns from 1? Say --label-map one-based, in Python labels - 1."
    )


def are_decisions(log_probs: NDArray[Any]) -> bool:
    """Whether all probabilities are exactly 0 or 1 (of two rows or more), given their logs."""
    if len(log_probs) < _FEWEST_DECISIONS:
        return False
    few = log_probs[:_FEWEST_DECISIONS]
    return _zero_or_one(few) and _zero_or_one(log_probs)


def contradictions(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    *,
    kind: str = "logits",
    classes: Sequence[str] | None = None,
    of_classes: bool = True,
) -> tuple[str, ...]:
    """Return what labelled rows say against their columns, a sentence each.

    Logits (n, k), the logarithm of what were `kind` "probs". Without `of_classes` the columns are
    no and yes, of answers or of labels, and cannot be ranks or options.
    """
    k = logits.shape[1]
    notes: list[str | None] = []
    if of_classes:
        notes = [ranked_columns(logits), only_label(labels, k=k, classes=classes)]
        notes.append(one_based_labels(logits, labels, classes))
    if kind == "probs" and are_decisions(logits):
        notes.append(_DECISIONS)
    return tuple(note for note in notes if note is not None)


def _close_calls(gaps: NDArray[np.float64]) -> int:
    """Return how many gaps, of all columns, are above 0 and below a tenth of their median."""
    own = np.sort(np.where(np.isfinite(gaps) & (gaps > 0), gaps, np.inf), axis=0)
    number = np.count_nonzero(own < np.inf, axis=0)
    column = np.flatnonzero(number)
    if not len(column):
        return 0
    own, number = own[:, column], number[column]
    place = np.arange(len(column))
    median = 0.5 * (own[(number - 1) // 2, place] + own[number // 2, place])
    return int(np.count_nonzero(own < _NEAR * median))


def _zero_or_one(log_probs: NDArray[Any]) -> bool:
    return bool(((log_probs == 0.0) | np.isneginf(log_probs)).all())
