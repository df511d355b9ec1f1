"""What every check shares: from anything array-like to a numeric array, or a clear refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.tensors import is_tensor, on_host
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["as_array", "as_numbers", "one_column", "row_name"]


def row_name(row: int, first: int = 0) -> str:
    """Return how messages name a row of an array: counted from 0, as arrays are."""
    return f"row {first + row}"


def as_array(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """Return an array of any dtype, or say why `values` is none; a tensor loses its gradient."""
    try:
        return on_host(values) if is_tensor(values) else np.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, tensors on a GPU
        msg = f"`{name}` is not an array: {' '.join(str(error).split())}"
        raise InvalidInputError(msg) from error


def as_numbers(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """Return an array of booleans, integers or floats (bfloat16 kept as it is)."""
    array = as_array(values, name=name)
    if array.dtype.kind not in "iufb" and array.dtype.name != "bfloat16":
        hint = " Convert it with .astype(float) first." if array.dtype.kind == "O" else ""
        msg = f"`{name}` must hold numbers, got dtype {array.dtype}.{hint}"
        raise InvalidInputError(msg)
    return array


def one_column(values: NDArray[Any]) -> NDArray[Any]:
    """Return a single column (n, 1), as networks with one output have it, as (n,)."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
