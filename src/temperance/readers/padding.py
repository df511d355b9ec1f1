"""Rows and texts of different lengths as rectangular arrays, within a sane amount of memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind

__all__ = ["padded_rows", "padded_texts"]

# An array may hold this many cells, or this many times the cells that the file fills.
_ALWAYS_FINE = 2**24
_LARGEST_GROWTH = 32


def padded_rows(
    flat: NDArray[Any], lengths: NDArray[np.int64], kind: Kind
) -> tuple[NDArray[Any], bool]:
    """Rows laid end to end as an array (n, k) of the longest, and whether they are ragged.

    Options a row lacks are filled with `-inf` (logits) or 0 (probs).
    """
    n, k = len(lengths), int(lengths.max())
    if (lengths == k).all():
        return flat.reshape(n, k), False
    longest = f"`{kind}` of row {int(lengths.argmax())} (counted from 0) has {k} options"
    _check_growth(longest, n * k, len(flat))
    dtype = flat.dtype if flat.dtype.kind == "f" else np.dtype(np.float64)
    values = np.full((n, k), -np.inf if kind == "logits" else 0.0, dtype=dtype)
    values[np.arange(k) < lengths[:, np.newaxis]] = flat
    return values, True


def padded_texts(name: str, texts: Sequence[str]) -> NDArray[np.str_]:
    """Texts as one array of the longest."""
    longest = max(map(len, texts), default=0)
    description = f"the longest text of `{name}` has {longest} characters"
    _check_growth(description, len(texts) * longest, sum(map(len, texts)))
    return np.array(texts, dtype=np.str_)


def _check_growth(what: str, cells: int, filled: int) -> None:
    if cells > max(_ALWAYS_FINE, _LARGEST_GROWTH * filled):
        msg = (
            f"{what}, so many more than most rows that the padded array would need {cells} cells "
            f"for {filled} in the file; shorten it or split the file."
        )
        raise FileFormatError(msg)
