"""What users hand to a store becomes ids, scores, times and labels here, or an error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from temperance.alignment import spelling_of
from temperance.checks import as_logits, logits_from_probs
from temperance.checks.arguments import as_flag, as_sequence, value_text
from temperance.checks.arrays import row_name, such_rows
from temperance.checks.shown_tokens import ShownTokens
from temperance.errors import InvalidInputError
from temperance.monitor.scores import MOST_OPTIONS, packed, packed_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.monitor.scores import Precision

__all__ = [
    "EARLIEST", "ONE_OF_BOTH", "Options", "Scores", "as_ids", "as_options", "as_scores",
    "as_times", "as_values", "few", "microseconds", "refuse_columns", "refuse_numbers",
]  # fmt: skip

_SHOWN = 3  # names in a message
ONE_OF_BOTH = "give `logits` or `probs`, one of both: what the calibrator takes."
_NO_ID = frozenset({"", "None", "nan", "<NA>", "NaT"})  # what is missing, of Python and of pandas
_MICRO = 1_000_000
_LONGEST = 2000  # bytes of an id: an index of PostgreSQL takes 2,700
EARLIEST, _LATEST = -6.2e10, 1e11  # seconds since 1970: from year 5, and before milliseconds


def microseconds(seconds: float) -> int:
    """Return a time or a length of time in whole microseconds."""
    return round(seconds * _MICRO)


def as_ids(ids: object) -> list[str]:
    """Return ids as text; numbers are ids too, 7 and 7.0 the same.

    A table program that met an empty cell has made 7.0 of 7: its labels belong to the row 7.
    """
    values = ids.tolist() if isinstance(ids, np.ndarray) else ids
    rule = "a sequence of names or numbers, one per row"
    names = [
        each if isinstance(each, str) else spelling_of(each)
        for each in as_sequence(values, name="ids", rule=rule)
    ]
    empty = [place for place, name in enumerate(names) if name in _NO_ID]
    if empty:
        msg = f"`ids` must all be there; row {empty[0]} has none ({such_rows(len(empty))})."
        raise InvalidInputError(msg)
    for place, name in enumerate(names):
        if len(name) > _LONGEST // 4 or not name.isprintable():
            _refuse_unwritable(name, place)
    return names


def _refuse_unwritable(name: str, place: int) -> None:
    """Raise if an id is none that both databases can hold."""
    try:
        size = len(name.encode())
    except UnicodeEncodeError:  # half a character, of surrogates
        size = None
    if size is None or size > _LONGEST or "\0" in name:
        msg = (
            f"`ids` must be text of at most {_LONGEST:,} bytes of UTF-8, without a NUL; row "
            f"{place} holds {value_text(name)}."
        )
        raise InvalidInputError(msg)


def as_scores(logits: ArrayLike | None, probs: ArrayLike | None) -> NDArray[Any]:
    """Return what a calibrator takes as checked logits, (n, k)."""
    if (logits is None) == (probs is None):
        raise InvalidInputError(ONE_OF_BOTH)
    return as_logits(logits if logits is not None else logits_from_probs(probs))  # type: ignore[arg-type]


Options = Literal["all", "shown", "numbered"]


@dataclass(frozen=True, slots=True)
class Scores:
    """Checked scores of rows.

    Attributes
    ----------
    logits : ndarray, shape (n, k)
    options : {"all", "shown", "numbered"}
        Whether a column is an option and labels are those that are there (`all`), or may be others
        too, which are only not shown; or whether the options of each row are numbers of its own.
    numbers : ndarray of int, shape (n, k), or None
        Of numbered options: which each column of a row is; -1 where the row shows fewer.
    """

    logits: NDArray[Any]
    options: Options
    numbers: NDArray[np.int64] | None

    @classmethod
    def check(
        cls, logits: ArrayLike | None, probs: ArrayLike | None, options: object, *, top_k: bool
    ) -> Self:
        """Return what was given as checked scores, or raise."""
        as_flag(top_k, name="top_k")
        if options is None:
            return cls(as_scores(logits, probs), "shown" if top_k else "all", None)
        if logits is None or probs is not None:
            msg = "`options` go with `logits`: the log-probabilities of the likeliest tokens."
            raise InvalidInputError(msg)
        shown = ShownTokens.check(logits, name="logits")
        numbers = np.where(shown.shown, as_options(options, shown.logprobs.shape), -1)
        _refuse_numbers(numbers, shown.shown)
        return cls(shown.logprobs, "numbered", numbers)

    @property
    def k(self) -> int:
        """Columns; of numbered options, the most that a row shows."""
        if self.numbers is None:
            return int(self.logits.shape[1])
        return max(2, int((self.numbers >= 0).sum(axis=1).max(initial=0)))

    def packed(self, precision: Precision) -> list[bytes]:
        """Return each row as bytes."""
        if self.numbers is None:
            return packed(self.logits, precision)
        return packed_few(self.numbers, self.logits, precision)


def as_options(options: object, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return numbers of options, of rows that may differ in length, padded as their scores are."""
    rule = f"whole numbers from 0 to {MOST_OPTIONS - 1:,}, one per score"
    values = options.tolist() if isinstance(options, np.ndarray) else options
    rows = [
        as_sequence(row, name="options", rule=f"rows of {rule}")
        for row in as_sequence(values, name="options", rule=f"rows of {rule}")
    ]
    numbers = np.full(shape, -1, dtype=np.int64)
    for place, row in enumerate(rows[: shape[0]]):
        whole = all(isinstance(each, int | np.integer) for each in row)
        if not whole or len(row) > shape[1] or not all(-1 <= each < MOST_OPTIONS for each in row):
            msg = f"`options` must be {rule}; {row_name(place)} is {value_text(list(row))}."
            raise InvalidInputError(msg)
        numbers[place, : len(row)] = row
    if len(rows) != shape[0]:
        msg = (
            f"`options` must be one row of numbers per row of `logits`: {len(rows)} of {shape[0]}."
        )
        raise InvalidInputError(msg)
    return numbers


def _refuse_numbers(numbers: NDArray[np.int64], shown: NDArray[np.bool_]) -> None:
    """Raise where a score has no number, or a row the same one twice."""
    ordered = np.sort(np.where(shown, numbers, -1 - np.arange(numbers.shape[1])), axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    lacking = (shown & (numbers < 0)).any(axis=1)
    if (twice | lacking).any():
        row = int((twice | lacking).argmax())
        msg = (
            "`options` must be a different number for each score that is shown; "
            f"{row_name(row)} has {value_text(numbers[row].tolist())}."
        )
        raise InvalidInputError(msg)


def refuse_columns(calibrator: Calibrator, logits: NDArray[Any], *, model: str) -> None:
    """Raise if rows (n, k) are none that a calibrator takes; trailing -inf are no options."""
    k, width = calibrator.n_classes, logits.shape[1]
    if k is not None and (width < k or not np.isneginf(logits[:, k:]).all()):
        msg = (
            f"rows of model {model!r} have {width} options, and the calibrator that served them "
            f"takes {k}: a model with other options wants a calibrator of its own, in a store of "
            "its own (`temperance monitor init`), or in this registry, by its id (`calibrator`, "
            "--calibrator-id). Rows that are in the store already leave it by `temperance monitor "
            "prune`."
        )
        raise InvalidInputError(msg)


def refuse_numbers(calibrator: Calibrator, *, model: str) -> None:
    """Raise if a calibrator has columns of its own, for which numbered options are none."""
    if calibrator.n_classes is not None:
        msg = (
            f"the options of model {model!r} are numbers of its rows' own, and the calibrator that "
            f"served them is of {calibrator.n_classes} columns: it takes one that has none, as "
            "`TemperatureScaling(t)` and `TopKTemperature.scaling`."
        )
        raise InvalidInputError(msg)


def as_times(times: ArrayLike, n: int) -> list[int]:
    """Return times as whole microseconds since 1970."""
    try:
        values = np.asarray(times, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.zeros(())  # of no row
    if values.shape != (n,) or not ((values >= EARLIEST) & (values <= _LATEST)).all():
        msg = (
            f"`times` must be seconds since 1970, of shape ({n},) and finite (not in milliseconds)."
        )
        raise InvalidInputError(msg)
    return [microseconds(each) for each in values.tolist()]


def as_values(labels: object) -> list[object]:
    """Return labels as text and numbers; what they mean is for their predictions to say."""
    values = labels.tolist() if isinstance(labels, np.ndarray) else labels
    own = as_sequence(values, name="labels", rule="a sequence of classes, one per id")
    for each in own:
        if each is None or not isinstance(each, str | int | float | np.generic):
            msg = f"`labels` must be classes, 0..k-1 or names; one is {value_text(each)}."
            raise InvalidInputError(msg)
    return [each.item() if isinstance(each, np.generic) else each for each in own]


def few(names: Sequence[object]) -> str:
    """Return the first names, and how many more there are."""
    more = f", ... {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more
