"""One NumPy array in a .npy file, memory-mapped, and the header that .npz members share."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.dataset import Fields, Kind
from temperance.readers.request import Request, Rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["check_header", "decoded", "read_npy", "rows_of_array"]

_LAST_CODE_POINT = 0x10FFFF


def read_npy(path: Path, request: Request) -> Rows:
    """Read the only array of a .npy file: the scores, or the labels if only these are wanted."""
    with path.open("rb") as file:
        check_header("the array", file, path.stat().st_size)
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return rows_of_array(array if request.scores else decoded(array), request)


def rows_of_array(array: NDArray[Any], request: Request) -> Rows:
    """Return the only array of a file as the scores, or as the labels if only these are wanted."""
    if not request.scores:
        return Rows(labels=array)
    fields = request.fields
    if replace(fields, logits=None, probs=None) != Fields():
        msg = (
            "holds a single array, which has no names to look for; save several under their keys "
            "in a .npz instead."
        )
        raise FileFormatError(msg)
    named: Kind = "logits" if fields.probs is None else "probs"  # of a label matrix, only this says
    return Rows(kind=request.kind or named, values=array)


def check_header(what: str, file: BinaryIO, size: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of an array of plain numbers or text, as long as its header says.

    Reads the header only, so that a false one cannot make NumPy allocate memory for it.
    `size` is the number of bytes in `file`.
    """
    version = np.lib.format.read_magic(file)
    if version not in {(1, 0), (2, 0)}:
        msg = f"{what} has a .npy header of version {version[0]}.{version[1]}; known: 1.0, 2.0."
        raise FileFormatError(msg)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    _check_dtype(what, dtype)
    declared = math.prod(shape) * max(dtype.itemsize, 1)
    held = size - file.tell()
    if declared != held or min(shape, default=0) < 0:
        msg = (
            f"{what} should take {declared} bytes (shape {shape}, {dtype}), "
            f"but the file holds {held}; it is cut off or damaged."
        )
        raise FileFormatError(msg)
    return shape, dtype


def decoded(array: NDArray[Any]) -> NDArray[Any]:
    """Byte strings as text; anything else as it is, once text is known to be text."""
    if array.dtype.kind == "S":
        return np.strings.decode(array, "utf-8")
    if array.dtype.kind == "U" and array.size:
        code_point = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
        if np.ascontiguousarray(array).view(code_point).max() > _LAST_CODE_POINT:
            msg = "holds text with characters that do not exist; it is damaged."
            raise FileFormatError(msg)
    return array


def _check_dtype(what: str, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        msg = (
            f"{what} holds pickled Python objects, which are refused because loading them can run "
            "code; save plain numbers or text instead: "
            "np.asarray(array.tolist()) gives such an array, or raises where rows differ in length."
        )
        raise FileFormatError(msg)
    if dtype.kind != "V":
        return
    if dtype.names is None and dtype.subdtype is None and dtype.itemsize <= 2:
        msg = (
            f"{what} has dtype {dtype.str}, which is what NumPy makes of bfloat16 or float8; "
            "save it as float32: np.save(path, array.astype(np.float32))."
        )
    else:
        msg = f"{what} is a structured array ({dtype}); save each of its fields as an array."
    raise FileFormatError(msg)
