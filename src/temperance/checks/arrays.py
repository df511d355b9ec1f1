"""What every check shares: from anything array-like to a numeric array, or a clear refusal.

Missing values (masked entries, None, nan among text, NA, NaT, nulls) are refused here, for scores,
labels, weights, groups and clusters alike: NumPy itself would drop a mask, or spell None and nan
as words that a class may be called.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from temperance.checks.arguments import value_text
from temperance.errors import InvalidInputError
from temperance.numerics import BLOCK_ELEMENTS
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LARGEST_LOGIT",
    "are_plain",
    "as_array",
    "as_numbers",
    "as_optional",
    "bounded",
    "count_rows",
    "frozen_array",
    "frozen_numbers",
    "is_dask_array",
    "is_small_matrix",
    "is_tensor",
    "missing_entries",
    "on_host",
    "one_column",
    "row_name",
    "rows_among",
    "rows_from",
    "rows_of_file",
    "shares_memory",
    "such_rows",
    "without_copy",
]

LARGEST_LOGIT = 1e100  # squares and sums of anything larger may overflow float64

# Arrays of other packages, known by their type, so that nobody imports those packages for it.


def is_tensor(values: object) -> bool:
    """Whether this is a torch tensor, or of a subclass such as a parameter."""
    return _is(values, "torch", "Tensor")


def is_dask_array(values: object) -> bool:
    """Whether this is a Dask array."""
    return _is(values, "dask", "Array")


def on_host(tensor: Any) -> NDArray[Any]:  # noqa: ANN401  (a tensor, whose type is not imported)
    """Return the numbers of a tensor without its gradient: a view, but a copy of bfloat16.

    A tensor on another device than the CPU raises `TypeError` with torch's own way out; one
    without numbers (on the device meta), or not dense, raises `TypeError` too.
    """
    detached = tensor.detach()
    if detached.device.type == "meta":
        msg = "it is on the device meta, which holds shapes and no numbers: pass one with data."
        raise TypeError(msg)
    if str(detached.layout) != "torch.strided":
        msg = f"its layout is {detached.layout}: pass `.to_dense()`."
        raise TypeError(msg)
    narrow = str(detached.dtype).startswith(("torch.bfloat16", "torch.float8"))
    array: NDArray[Any] = (detached.float() if narrow else detached).numpy()
    return array


def shares_memory(tensor: Any) -> bool:  # noqa: ANN401
    """Whether NumPy can look at a tensor as it lies: dense, on the CPU, in a dtype that it has."""
    return (
        tensor.device.type == "cpu"
        and str(tensor.layout) == "torch.strided"
        and not tensor.is_complex()
        and not str(tensor.dtype).startswith(("torch.bfloat16", "torch.float8"))
    )


def without_copy(tensor: Any, *, engine: str) -> NDArray[Any]:  # noqa: ANN401
    """Return the view of a tensor that an engine for arrays can work on, or raise."""
    where, dtype = tensor.device.type, str(tensor.dtype).removeprefix("torch.")
    ways_out = 'leave `engine` out, or "torch"'
    if where != "cpu":
        msg = (
            f"`engine` {engine!r} works on the CPU, but `logits` lie on {where}: {ways_out}, which "
            "stays there, or pass `logits.cpu()`."
        )
        raise InvalidInputError(msg)
    if dtype == "bfloat16":
        msg = (
            f"`engine` {engine!r} needs NumPy, which has no bfloat16: {ways_out}, or pass "
            "`logits.float()`."
        )
        raise InvalidInputError(msg)
    return on_host(tensor)


def _is(values: object, package: str, name: str) -> bool:
    return any(
        each.__name__ == name and each.__module__.partition(".")[0] == package
        for each in type(values).__mro__
    )


_MISSING_TYPES = {"NAType", "NaTType"}  # of pandas, known by name so that it is not imported
_LEAVE_OUT = "Leave these rows out of all arrays, or give them a value."
_WAYS_OUT = {
    "labels": "Leave these rows out of all arrays, or fill them with the label of "
    "`ignore_label` (--ignore-label)."
}


_PLAIN = "fd"  # float32 and float64, as most logits are
_places: ContextVar[Callable[[int], int] | None] = ContextVar("_places", default=None)
_among: ContextVar[NDArray[np.intp] | None] = ContextVar("_among", default=None)


@contextmanager
def rows_of_file(places: NDArray[np.intp] | None = None) -> Iterator[None]:
    """Name rows by their number in a file, counted from 1, in messages made inside the `with`.

    `places` says which rows of the file, counted from 0, the checked ones are; None: all.
    """
    token = _places.set((lambda row: row) if places is None else (lambda row: int(places[row])))
    try:
        yield
    finally:
        _places.reset(token)


@contextmanager
def rows_from(first: int) -> Iterator[None]:
    """Go on with the count of rows of a file in a block that begins with this row, from 0.

    Where no file is meant, rows are those of the block.
    """
    place = _places.get()
    token = _places.set(None if place is None else lambda row: place(first + row))
    try:
        yield
    finally:
        _places.reset(token)


@contextmanager
def rows_among(keep: NDArray[np.bool_] | None) -> Iterator[None]:
    """Name rows by their place among all that were given, where only those of `keep` are left."""
    token = _among.set(None if keep is None else np.flatnonzero(keep))
    try:
        yield
    finally:
        _among.reset(token)


def row_name(row: int, first: int = 0) -> str:
    """Return how messages name a row of an array: counted from 0, as arrays are.

    Rows of a file are counted from 1, as people count them (see `rows_of_file`).
    """
    rows = _among.get()
    if rows is not None:
        row, first = int(rows[first + row]), 0
    place = _places.get()
    return f"row {first + row}" if place is None else f"row {first + place(row) + 1} (from 1)"


def count_rows(bad: NDArray[np.bool_]) -> int:
    """Return how many rows have a bad entry."""
    return int(np.count_nonzero(bad if bad.ndim <= 1 else bad.reshape(len(bad), -1).any(axis=1)))


def such_rows(bad: NDArray[np.bool_] | np.bool_ | int) -> str:
    """Return how many rows have a bad entry, in words: "1 such row"."""
    return count_text(bad if isinstance(bad, int) else count_rows(np.asarray(bad)), "such row")


def as_array(values: ArrayLike, *, name: str, ignorable: bool = True) -> NDArray[Any]:
    """Return an array of any dtype, or say why `values` is none; a tensor loses its gradient.

    A value that is missing is refused with its row, the number of such rows, and the way out.
    Floats keep their nan, which the checks of numbers refuse. Labels that are not `ignorable` go
    where no `ignore_label` is taken.
    """
    array, missing = _with_missing(values, name=name)
    if missing is not None and missing.any():
        rows = missing.reshape(len(missing), -1).any(axis=1) if missing.ndim > 1 else missing
        what = "is masked" if _masked(values) is not None else "is missing"
        where = row_name(int(rows.argmax())) if missing.ndim else "the only value"
        way_out = _WAYS_OUT.get(name, _LEAVE_OUT) if ignorable else _LEAVE_OUT
        msg = (
            f"`{name}` must have every value, but {where} {what} ({such_rows(missing)}). {way_out}"
        )
        raise InvalidInputError(msg)
    return array


def as_optional(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """Return an array in which a missing value is None, of dtype object if there is any."""
    array, missing = _with_missing(values, name=name)
    if missing is None or not missing.any():
        return array
    array = array.astype(object)
    array[missing] = None
    return array


def as_numbers(values: ArrayLike, *, name: str) -> NDArray[Any]:
    """Return an array of booleans, integers or floats (bfloat16 kept as it is, float8 as float32).

    Of dtype object, as nullable columns of data frames become, where all entries are numbers.
    """
    if type(values) is np.ndarray and values.dtype.char in _PLAIN:  # has no way to miss a value
        return values
    array = as_array(values, name=name)
    if array.dtype.kind == "O" and all(isinstance(each, Real | np.bool_) for each in array.flat):
        try:
            return array.astype(np.float64)
        except OverflowError as error:
            msg = f"`{name}` must hold numbers that a float can hold ({error})."
            raise InvalidInputError(msg) from error
    if array.dtype.name.startswith("float8"):  # of ml_dtypes
        return array.astype(np.float32)
    if array.dtype.kind not in "iufb" and array.dtype.name != "bfloat16":
        if array.dtype.kind == "O" and array.ndim == 0:
            raise _no_array(values, name=name)
        hint = " Convert it with .astype(float) first." if array.dtype.kind == "O" else ""
        msg = f"`{name}` must hold numbers, got dtype {array.dtype}.{hint}"
        raise InvalidInputError(msg)
    return array


def _no_array(values: object, *, name: str) -> InvalidInputError:
    """Return what to say of one object in the place of an array, which NumPy takes as it is."""
    hint = ""
    if hasattr(values, "toarray"):  # sparse matrices of SciPy
        hint = " Write out its zeros: .toarray()."
    elif isinstance(values, Iterable):
        hint = " Make an array of it first: np.array(list(values))."
    return InvalidInputError(
        f"`{name}` must be an array of numbers, got {type(values).__name__}.{hint}"
    )


def one_column(values: NDArray[Any]) -> NDArray[Any]:
    """Return a single column (n, 1), as networks with one output have it, as (n,)."""
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def are_plain(scores: object, *row_values: object) -> bool:
    """Whether scores are numbers, (n, k) or (n,), and what there is per row arrays or lists.

    Nothing of them names columns or rows, as frames do, and rows are not spread over other axes.
    """
    if type(scores) is not np.ndarray or scores.ndim > 2 or scores.dtype.kind not in "fiu":
        return False
    return all(each is None or type(each) in {np.ndarray, list, tuple} for each in row_values)


def is_small_matrix(values: object) -> TypeGuard[NDArray[Any]]:
    """Whether this is a plain array, (n, k) with k >= 2, of which one look sees all."""
    if type(values) is not np.ndarray or values.ndim != 2:
        return False
    return values.shape[1] > 1 and values.size <= BLOCK_ELEMENTS


def bounded(z: NDArray[Any], most: float) -> bool:
    """Whether the ends of floats, (n,) or (n, k), say that all lie within +-`most`, none is nan.

    In single precision, which has no number below -1e100, -inf is none either where another entry
    of its row is finite. False where only a look at every value can tell.
    """
    if z.dtype.char not in _PLAIN or not z.size:
        return False
    highest, lowest = np.maximum.reduce(z, axis=None), np.minimum.reduce(z, axis=None)
    if float(highest) <= most and float(lowest) >= -most:
        return True
    if z.dtype.char == "d" or z.ndim == 1:
        return False
    largest = np.maximum.reduce(z, axis=1)
    return bool(np.isfinite(largest).all())


def missing_entries(array: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which entries of an array of objects are None, nan, NA, NaT or masked."""
    return np.fromiter((_is_missing(each) for each in array.flat), bool, array.size).reshape(
        array.shape
    )


def _with_missing(values: ArrayLike, *, name: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return an array, and which of its entries are missing where its kind can say so."""
    try:
        masked = _masked(values)
        if masked is not None:
            return np.asarray(masked.data), np.ma.getmaskarray(masked)
        array = on_host(values) if is_tensor(values) else np.asarray(values)
        if array.dtype.kind in "UST" and isinstance(values, list | tuple):
            objects = np.asarray(values, dtype=object)  # None and nan have become words
            missing = missing_entries(objects)
            return (objects, missing) if missing.any() else (array, None)
    except (ValueError, TypeError, RuntimeError, OverflowError, NotImplementedError) as error:
        # ragged lists; tensors on a GPU, sparse, without data (meta)
        msg = f"`{name}` is not an array: {' '.join(str(error).split())}"
        if "inhomogeneous" in msg:  # NumPy's word for it
            msg += (
                " Rows of different lengths? Make them one length: logits by -inf (an option that "
                "does not exist), probabilities by 0."
            )
        raise InvalidInputError(msg) from error
    if array.dtype.kind == "O":
        return array, missing_entries(array)
    if array.dtype.kind in "mM":
        return array, np.isnat(array)
    return array, _nulls(values)


def _masked(values: object) -> np.ma.MaskedArray[Any, Any] | None:
    """Return a masked array as it is, and a list that holds one as the masked array it stands for.

    NumPy's own `asarray` drops the masks of both, and warns of masked numbers.
    """
    if isinstance(values, np.ma.MaskedArray):
        return values
    if not isinstance(values, list | tuple):
        return None
    parts = [_masked(each) for each in values]
    if all(part is None for part in parts):
        return None
    data = [
        each if part is None else None if part is np.ma.masked else part.data
        for each, part in zip(values, parts, strict=True)
    ]
    masks = [
        np.zeros(np.shape(each), dtype=bool) if part is None else np.ma.getmaskarray(part)
        for each, part in zip(values, parts, strict=True)
    ]
    return np.ma.array(np.array(data), mask=np.array(masks))


def _nulls(values: Any) -> NDArray[np.bool_] | None:  # noqa: ANN401
    """Return where a column of Arrow or Polars holds null, which NumPy's floats show as nan."""
    count = getattr(values, "null_count", None)
    count = count() if callable(count) else count
    if not isinstance(count, int) or not count:
        return None
    return np.asarray(values.is_null(), dtype=bool)


def _is_missing(value: object) -> bool:
    if value is None or value is np.ma.masked:
        return True
    if isinstance(value, float | np.floating | np.datetime64 | np.timedelta64):
        return bool(value != value)  # noqa: PLR0124  (nan, NaT)
    return type(value).__name__ in _MISSING_TYPES


def frozen_numbers(
    values: ArrayLike, *, name: str, axes: int = 1, least: int = 1, most: float = 1e100
) -> NDArray[np.float64]:
    """Return numbers of a map as a frozen copy, or raise.

    They may not exceed `most`, as logits may not exceed 1e100: products and sums of the two stay
    finite.
    """
    array = as_array(values, name=name)
    fits = array.ndim == axes and array.dtype.kind in "iuf" and min(array.shape) >= least
    if not fits or not np.isfinite(array).all() or (np.abs(array) > most).any():
        what = "a list of k" if axes == 1 else "k x k"
        at_least = f" >= {least}" if least > 1 else ""
        msg = (
            f"`{name}` must be {what}{at_least} finite numbers, none beyond {most:g}; got "
            f"{value_text(array.tolist())}."
        )
        raise InvalidInputError(msg)
    return frozen_array(array)


def frozen_array(values: ArrayLike) -> NDArray[np.float64]:
    """Return a float64 copy that cannot be written to."""
    array = np.array(values, dtype=np.float64)
    array.setflags(write=False)
    return array
