"""Log-probabilities of the most likely tokens of each row, as servers show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks.arrays import as_array, as_numbers, is_tensor, row_name, such_rows
from temperance.checks.probs import sum_tolerance
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["SENTINEL", "ShownTokens", "as_token_logprobs", "rounding_of"]


# No float32 probability is smaller than e^-88, so what lies below was never measured: servers write
# -100, -1000, -9999 or the smallest float for "impossible".
SENTINEL = -88.0
_SINGLE = float(np.finfo(np.float32).eps)  # no model computes its softmax in more
# Of dtypes that hold a number with an error that counts: what they take for 0, at most.
_NARROW = {"float16": 2.0**-25, "bfloat16": 2.0**-134, "float32": 2.0**-150}
_EPSILON = {"float16": 2.0**-10, "bfloat16": 2.0**-7}  # others: float32, whatever holds them


@dataclass(frozen=True, slots=True, eq=False)
class ShownTokens:
    """Checked log-probabilities of the tokens of each row."""

    logprobs: Array  # (n, k): -inf where no token, or no number for it, is shown
    sentinels: NDArray[np.bool_]  # (n, k): a token, but -9999.0 or the like, no log-probability
    dtype: str  # in which the numbers came

    @classmethod
    def check(cls, logprobs: ArrayLike | Sequence[Any], *, name: str = "logprobs") -> Self:
        """Return the rows, ragged ones padded, or raise."""
        array = as_numbers(_padded(logprobs), name=name)
        if array.ndim != 2 or array.size == 0:
            msg = (
                f"`{name}` must be rows of log-probabilities, shape (n, k) or lists of different "
                f"lengths, got shape {array.shape}."
            )
            raise InvalidInputError(msg)
        dtype = _dtype_name(logprobs, array)
        values = as_token_logprobs(as_float64(array), rounding_of(dtype), name=name)
        sentinels = (values <= SENTINEL) & np.isfinite(values)
        values = np.where(sentinels, -np.inf, values)
        _require_shown(values, name=name)
        _require_sums(values, sum_tolerance(dtype), name=name)
        return cls(values, sentinels, dtype)

    @property
    def rounding(self) -> float:
        """Relative error of a probability, per unit of its log-probability."""
        return rounding_of(self.dtype)

    @property
    def log_rounding(self) -> Array:
        """Largest error of each log-probability that its dtype explains, (n, k); 0 of float64."""
        if self.dtype not in _NARROW:
            return np.zeros_like(self.logprobs)
        size = np.abs(np.where(self.shown, self.logprobs, 0.0))
        return np.where(self.shown, 0.5 * self.rounding * size + _NARROW[self.dtype], 0.0)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.logprobs)

    @property
    def shown(self) -> NDArray[np.bool_]:
        """Which places hold a token with a log-probability, (n, k)."""
        return np.isfinite(self.logprobs)

    def positions(self, labels: ArrayLike, *, name: str = "labels") -> NDArray[np.intp]:
        """Return each row's place of the true token, -1 where it is not shown, or raise."""
        y = as_array(labels, name=name, ignorable=False)
        if y.shape != (self.n,):
            msg = f"`{name}` must have shape ({self.n},), one per row, got {y.shape}."
            raise InvalidInputError(msg)
        unknown = np.isnan(y) if y.dtype.kind == "f" else np.zeros(self.n, dtype=bool)
        if unknown.any():
            msg = (
                f"`{name}` must have every value, but {row_name(int(unknown.argmax()))} is nan "
                f"({such_rows(unknown)}). Leave these rows out of all arrays; -1 is for a true "
                "token that is not shown."
            )
            raise InvalidInputError(msg)
        whole = y.dtype.kind in "iu" or (y.dtype.kind == "f" and bool((y == np.floor(y)).all()))
        if not whole:
            msg = (
                f"`{name}` must be the places of the true tokens among those shown, whole numbers "
                f"from 0 on, -1 where it is not shown; got dtype {y.dtype}. "
                "`label_positions(tokens, labels)` finds them."
            )
            raise InvalidInputError(msg)
        k = self.logprobs.shape[1]
        outside = (y < -1) | (y >= k)
        at = np.where(outside, 0, y).astype(np.intp)
        rows = np.arange(self.n)
        nothing = ~self.shown[rows, at] & ~self.sentinels[rows, at] & (y >= 0)
        bad = outside | nothing
        if bad.any():
            row = int(bad.argmax())
            count = int((self.shown | self.sentinels)[row].sum())
            msg = (
                f"`{name}` must be the places of the true tokens among those shown; "
                f"{row_name(row)} has {y[row]} and shows {count} tokens ({such_rows(bad)}). "
                "-1 says that the true token is not shown."
            )
            raise InvalidInputError(msg)
        return np.where((y >= 0) & self.shown[rows, at], at, -1)


def as_token_logprobs(values: Array, rounding: float, *, name: str) -> Array:
    """Return log-probabilities (any shape), at most 0 each; -inf is allowed, nan is not."""
    bad = ~(values <= 8.0 * rounding)  # nan too
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        hint = ""
        if np.isnan(values).any():
            hint = " Leave missing tokens out, or pad with -inf."
        elif ((values >= 0.0) & (values <= 1.0)).all():
            hint = " Are these probabilities? Take their logarithm."
        elif np.nanmax(values) > 0.0:
            hint = " Are these logits? Take log_softmax over the whole vocabulary first."
        msg = (
            f"`{name}` must be log-probabilities, at most 0; {row_name(first[0])} holds "
            f"{values[first]:g} ({such_rows(bad)}).{hint}"
        )
        raise InvalidInputError(msg)
    return np.minimum(values, 0.0)


def rounding_of(dtype: str) -> float:
    """Return the relative error of numbers that came in this dtype."""
    return _EPSILON.get(dtype, _SINGLE)


def _dtype_name(original: object, array: NDArray[Any]) -> str:
    torch_bfloat16 = str(getattr(original, "dtype", "")) == "torch.bfloat16"
    return "bfloat16" if torch_bfloat16 else array.dtype.name


def _padded(rows: ArrayLike | Sequence[Any]) -> Any:  # noqa: ANN401  (an array, or what is none)
    """Return lists of different lengths as one array, padded with -inf; all else as it is."""
    if isinstance(rows, np.ndarray) or is_tensor(rows) or not hasattr(rows, "__len__"):
        return rows
    try:
        lengths = [len(row) for row in rows]  # type: ignore[arg-type, union-attr]
    except TypeError:  # numbers, not rows
        return rows
    widest = max(lengths, default=0)
    if not lengths or min(lengths) == widest:
        return rows
    parts = [as_array(row, name="logprobs") for row in rows]  # type: ignore[union-attr]
    kinds = {part.dtype for part in parts if part.size}
    padded = np.full((len(parts), widest), -np.inf, np.result_type(*kinds, np.float16))
    for row, part in enumerate(parts):
        if part.ndim != 1:
            where = row_name(row)
            msg = f"`logprobs` must hold one list of numbers per row; {where} is nested deeper."
            raise InvalidInputError(msg)
        padded[row, : len(part)] = part
    return padded


def _require_shown(values: Array, *, name: str) -> None:
    empty = np.isneginf(values).all(axis=1)
    if empty.any():
        msg = (
            f"`{name}` must show at least one token per row; "
            f"{row_name(int(empty.argmax()))} shows none ({such_rows(empty)}). Leave them out."
        )
        raise InvalidInputError(msg)


def _require_sums(values: Array, tolerance: float, *, name: str) -> None:
    sums = np.exp(values).sum(axis=1)
    over = sums > 1.0 + tolerance
    if over.any():
        row = int(over.argmax())
        msg = (
            f"`{name}` of a row must be of different tokens, whose probabilities sum to at most 1 "
            f"(within {tolerance:g}); {row_name(row)} sums to {sums[row]:.6g} "
            f"({such_rows(over)}). Is a token listed twice, or are these logits?"
        )
        raise InvalidInputError(msg)
