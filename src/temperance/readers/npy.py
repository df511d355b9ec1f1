"""One NumPy array in a .npy file, memory-mapped, and the header that .npz members share."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.dataset import Fields, Kind
from temperance.readers.request import Request, Rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["Header", "decoded", "mapped", "read_header", "read_npy", "rows_of_array"]

_LAST_CODE_POINT = 0x10FFFF
_LONGEST_HEADER = 1 << 16  # bytes; NumPy refuses to parse less than that


def read_npy(path: Path, request: Request) -> Rows:
    """Read the only array of a .npy file: the scores, or the labels if only these are wanted."""
    with path.open("rb") as file:
        array = mapped(file, read_header("the array", file, path.stat().st_size))
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


class Header(NamedTuple):
    """What the head of an array says of it."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]


def read_header(what: str, file: IO[bytes], size: int) -> Header:
    """Return the header of an array of plain numbers or text that is as long as it says.

    Reads the header only, so that a false one cannot make NumPy allocate memory for it.
    `size` is the number of bytes in `file`, whose place is at the numbers then.
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
    shape, fortran, dtype = read(_of_python_3(file, 2 if version == (1, 0) else 4))
    _check_dtype(what, dtype)
    declared = math.prod(shape) * max(dtype.itemsize, 1)
    held = size - file.tell()
    if declared != held or min(shape, default=0) < 0:
        msg = (
            f"{what} should take {declared} bytes (shape {shape}, {dtype}), "
            f"but the file holds {held}; it is cut off or damaged."
        )
        raise FileFormatError(msg)
    return Header(shape, "F" if fortran else "C", dtype)


def _of_python_3(file: IO[bytes], width: int) -> BytesIO:
    """Return the rest of a header, its length in `width` bytes first, as Python 3 writes it.

    Python 2 wrote long numbers as 22L, which NumPy reads with a warning.
    """
    length = file.read(width)
    text = file.read(min(int.from_bytes(length, "little"), _LONGEST_HEADER))
    if b"L" in text and len(text) == int.from_bytes(length, "little"):
        text = re.sub(rb"(?<=\d)L(?=[,) ])", b"", text)
        length = len(text).to_bytes(width, "little")
    return BytesIO(length + text)


def mapped(file: IO[bytes], header: Header) -> NDArray[Any]:
    """Return the array that begins at the place in a file, without reading it."""
    return np.memmap(file, header.dtype, "r", file.tell(), header.shape, header.order)


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
