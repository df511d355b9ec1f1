"""Values that contradict what their columns say: padding, ranks, decisions, one label for all.

Each rule looks at what the values themselves cannot be if the columns are classes, and asks for
odds that chance does not give, so that legitimate data pass (simulated in the tests).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from temperance.checks.arrays import as_numbers, count_rows, one_column, row_name
from temperance.checks.scores import (
    Floor,
    Floored,
    as_logits,
    as_probs,
    masked_logits,
    sum_tolerance,
)
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, is_mapped, let_go, log_probs
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "AS_THEY_ARE",
    "ScoreRules",
    "are_decisions",
    "contradictions",
    "one_label",
    "only_label",
    "padding_value",
    "ranked_columns",
    "refuse_padding",
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
                ends = dict.fromkeys(f"{end(sums[off]):.4g}" for end in (np.min, np.max))
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


_AT_ONCE = 32  # of these rows, before their pages are let go
_SAMPLE = 1 << 18  # numbers looked at: rows from all over, so that large data cost no more
_CANDIDATES = 3  # values tried as padding: those that beat the label most often
_FEWEST = 5  # rows in which padding must be the largest
_DOMINANT = 5  # times as frequent as any other value
_FEW_LABELS = 0.25  # of those expected by lot: real logits that the dtype rounds to the same number
_CHANCE = 1e-6  # of no label at all where the padding is largest, if it were an option
_CHANCE_TRAILING = 1e-3  # the same, where the value only ever fills the ends of rows
_NEAR = 0.1  # of the median gap: this close to a tie
_CLOSE_CALLS = 20  # near ties that all fell to the same side: 2^-20 by chance
_FEWEST_DECISIONS = 2
_DECISIONS = (
    "every probability is exactly 0 or 1: these are decisions, not probabilities; all they tell is "
    "how often they are right."
)


@dataclass(frozen=True, slots=True)
class Padding:
    """A number that stands for options that do not exist."""

    value: float
    cells: int  # that hold it
    labels: int  # that hold it as well: real logits that the dtype rounds to the same number
    rows: int  # in which it is the largest
    first: int  # of these


def padding_value(logits: NDArray[Any], labels: NDArray[np.intp] | None) -> Padding | None:
    """Return the number that stands for options that do not exist, if there is one.

    Logits (n, k), labels (n,) or None. It is one number that

    * is never the logit of a label, although it is the largest of its row in 5 rows or more (by
      itself: rows that hold nothing else do not count). If its cells were options, the label would
      be among them at least as often as by lot, as they are on top: the chance that it never is
      (Chernoff's bound) must be below 1e-6, or 1e-3 where the number only ever fills the ends of
      rows, to different lengths, as padding does. A quarter of the labels expected by lot may
      hold it all the same, as narrow dtypes round real logits to the same number;
    * is five times as frequent as any other number, as no measured logit is;
    * if it is 0, does not stand in the same columns of every row, as that of a reference class.

    So a floor (log 1e-10, a ReLU's 0) passes, as it never is the largest; so do a ceiling, which
    is the label's where it is on top, and quantised logits, of which no value stands out. Without
    labels only a number is padding that is the largest of 5 rows or more, five times as frequent
    as any other, and only ever fills the ends of rows, to different lengths.
    """
    step = _step(*logits.shape)
    padding = _padding(_every(logits, step), None if labels is None else labels[::step])
    if padding is None or step == 1:
        return padding
    return _padding_of(logits, labels, padding.value)


def refuse_padding(logits: NDArray[Any], labels: NDArray[np.intp] | None) -> None:
    """Raise if one number stands for options that do not exist, and takes part as a logit."""
    padding = padding_value(logits, labels)
    if padding is None:
        return
    value = repr(padding.value).removesuffix(".0")
    say_so = (
        f"Say so: masked_logits(logits, mask_value={value}), on the command line --mask-value "
        f"{value}."
        if not padding.labels
        else "Some real logits are rounded to the same number: save padding as -inf instead."
    )
    msg = (
        f"`logits` hold {value} {padding.cells:,} times, {_where(labels, padding)} as the largest "
        f"of {padding.rows:,} of {count_text(len(logits), 'row')} (first "
        f"{row_name(padding.first)}): padding "
        f"for options that do not exist? {say_so} If they really are logits: "
        "`refuse_probs=False`, on the command line --kind logits."
    )
    raise InvalidInputError(msg)


def ranked_columns(scores: NDArray[Any]) -> str | None:
    """Say that columns are ranks, as in lists of the top k, rather than classes; else None.

    Scores (n, k). They are where the first (or the last) column is the largest of every row, and
    20 rows or more are near ties (closer than a tenth of the usual gap) that all fell to the same
    side; where whole rows are sorted, near ties of all neighbouring columns count. A class that is
    always the most probable one, as without a rare event, has no near ties, or loses some of them.
    """
    v = _every(scores, _step(*scores.shape))
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
    if kind == "probs" and are_decisions(logits):
        notes.append(_DECISIONS)
    return tuple(note for note in notes if note is not None)


def _step(n: int, k: int) -> int:
    """Return how many rows lie between those looked at, which hold about `_SAMPLE` numbers."""
    return max(1, n * k // _SAMPLE)


def _every(scores: NDArray[Any], step: int) -> NDArray[np.float64]:
    """Return every so many rows; of a mapped file no page stays in memory."""
    if step == 1 or not is_mapped(scores):
        return as_float64(scores[::step])
    sample = np.empty((-(-len(scores) // step), scores.shape[1]))
    for first in range(0, len(sample), _AT_ONCE):
        rows = slice(first * step, (first + _AT_ONCE) * step)
        block = scores[rows]
        sample[first : first + _AT_ONCE] = as_float64(block[::step])
        let_go(block)
    return sample


def _padding(v: NDArray[np.float64], y: NDArray[np.intp] | None) -> Padding | None:
    if not len(v):
        return None
    top = v.max(axis=1)
    above_label = v[:, -1] == top if y is None else top > v[np.arange(len(v)), y]
    values, counts = np.unique(top[above_label], return_counts=True)
    for at in np.argsort(-counts, kind="stable")[:_CANDIDATES]:
        if counts[at] < _FEWEST:
            return None
        if _is_padding(v, y, top, values[at]):
            return _padding_of(v, y, float(values[at]))
    return None


def _is_padding(
    v: NDArray[np.float64],
    y: NDArray[np.intp] | None,
    top: NDArray[np.float64],
    value: np.float64,
) -> bool:
    cells = v == value
    if value == 0.0 and (cells == cells[0]).all():
        return False
    of_row, options = cells.sum(axis=1), (v > -np.inf).sum(axis=1)
    largest = (top == value) & (of_row < options)
    if np.count_nonzero(largest) < _FEWEST:
        return False
    at_the_end = np.cumprod(cells[:, ::-1], axis=1).sum(axis=1)
    trailing = bool((at_the_end == of_row).all()) and len(np.unique(of_row)) > 1
    if y is None and not trailing:
        return False
    if y is not None:
        expected = float((of_row[largest] / options[largest]).sum())
        labels = int(np.count_nonzero(cells[np.arange(len(v)), y]))
        if labels > _FEW_LABELS * expected:
            return False
        chance = labels - expected - (labels * log(labels / expected) if labels else 0.0)
        if chance > log(_CHANCE_TRAILING if trailing else _CHANCE):
            return False
    others = v[~cells & (v > -np.inf)]
    return bool(of_row.sum() >= _DOMINANT * np.unique(others, return_counts=True)[1].max())


def _padding_of(logits: NDArray[Any], labels: NDArray[np.intp] | None, value: float) -> Padding:
    """Return how often the number stands for an option in all rows."""
    cells = logits == value
    largest = (logits.max(axis=1) == value) & ~cells.all(axis=1)
    of_label = 0 if labels is None else np.count_nonzero(cells[np.arange(len(labels)), labels])
    return Padding(
        value=value,
        cells=int(np.count_nonzero(cells)),
        labels=int(of_label),
        rows=int(np.count_nonzero(largest)),
        first=int(largest.argmax()),
    )


def _where(labels: NDArray[np.intp] | None, padding: Padding) -> str:
    if labels is None:
        return "only at the ends of rows, of different lengths, and yet"
    times = {0: "never", 1: "once"}.get(padding.labels, f"{padding.labels:,} times")
    return f"{times} for a label, and yet"


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
