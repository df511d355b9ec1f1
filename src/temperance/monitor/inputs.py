"""What users hand to a store becomes ids, scores, times and labels here, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks import as_logits, logits_from_probs
from temperance.checks.arguments import as_sequence, value_text
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator

__all__ = [
    "EARLIEST", "as_ids", "as_scores", "as_times", "as_values", "few", "microseconds",
    "refuse_columns",
]  # fmt: skip

_SHOWN = 3  # names in a message
_MICRO = 1_000_000
_LONGEST = 2000  # bytes of an id: an index of PostgreSQL takes 2,700
EARLIEST, _LATEST = -6.2e10, 1e11  # seconds since 1970: from year 5, and before milliseconds


def microseconds(seconds: float) -> int:
    """Return a time or a length of time in whole microseconds."""
    return round(seconds * _MICRO)


def as_ids(ids: object) -> list[str]:
    """Return ids as text; numbers are ids too."""
    values = ids.tolist() if isinstance(ids, np.ndarray) else ids
    rule = "a sequence of names or numbers, one per row"
    names = [str(each) for each in as_sequence(values, name="ids", rule=rule)]
    empty = [place for place, name in enumerate(names) if name in ("", "None", "nan")]
    if empty:
        msg = f"`ids` must all be there; row {empty[0]} has none ({len(empty)} such rows)."
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
        msg = "give `logits` or `probs`, one of both: what the calibrator takes."
        raise InvalidInputError(msg)
    return as_logits(logits if logits is not None else logits_from_probs(probs))  # type: ignore[arg-type]


def refuse_columns(calibrator: Calibrator, logits: NDArray[Any], *, model: str) -> None:
    """Raise if rows (n, k) are none that a calibrator takes; trailing -inf are no options."""
    k, width = calibrator.n_classes, logits.shape[1]
    if k is not None and (width < k or not np.isneginf(logits[:, k:]).all()):
        msg = (
            f"rows of model {model!r} have {width} options, and the calibrator that served them "
            f"takes {k}: log them by the id of their own (`calibrator`, --calibrator-id). Rows "
            "that are in the store already leave it by `temperance monitor prune`."
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
