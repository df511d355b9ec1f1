"""Several NumPy arrays in a .npz file, each under its key."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import quoted
from temperance.readers.joined import refuse_joined_archives
from temperance.readers.keyed_arrays import KeyedArrays, rows_of_arrays
from temperance.readers.npy import decoded, mapped, read_header

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.readers.request import Request, Rows

__all__ = ["read_npz"]

# No DEFLATE stream grows by more than this.
_LARGEST_EXPANSION = 1032
_WORTH_MAPPING = 1 << 26  # bytes


def read_npz(path: Path, request: Request) -> Rows:
    """Read the arrays of a .npz file that are asked for."""
    with zipfile.ZipFile(path) as archive:
        refuse_joined_archives(archive)
        return rows_of_arrays(_Members(archive), request)


class _Members(KeyedArrays):
    """The arrays of an open archive by key; one is read when it is asked for."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        self._members = {name.removesuffix(".npy"): name for name in names}
        if len(self._members) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            msg = f"holds {quoted(twice)} more than once; which of them counts?"
            raise FileFormatError(msg)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the arrays, in order."""
        return tuple(self._members)

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Return the shape that the header says; None of an array that will be refused."""
        try:
            info = self._info(key)
            with self._archive.open(info) as member:
                return read_header(f"`{key}`", member, info.file_size).shape
        except (FileFormatError, ValueError):
            return None

    def read(self, key: str) -> NDArray[Any]:
        """Return one array, once its header, its member and the archive agree about its size."""
        info = self._info(key)
        with self._archive.open(info) as member:
            header = read_header(f"`{key}`", member, info.file_size)
            if info.compress_type != zipfile.ZIP_STORED or info.file_size < _WORTH_MAPPING:
                array = np.empty(math.prod(header.shape), header.dtype)
                _fill(array, member)
                return decoded(array.reshape(header.shape, order=header.order))
        with Path(str(self._archive.filename)).open("rb") as file:
            file.seek(info.header_offset + 26)  # two lengths, then the name and what is beside it
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
            file.seek(info.header_offset + 30 + name + extra)
            size = file.tell() + info.file_size
            return decoded(mapped(file, read_header(f"`{key}`", file, size)))

    def _info(self, key: str) -> zipfile.ZipInfo:
        """Return what the archive says of an array, once its size can be true."""
        info = self._archive.getinfo(self._members[key])
        largest = {
            zipfile.ZIP_STORED: info.compress_size,
            zipfile.ZIP_DEFLATED: info.compress_size * _LARGEST_EXPANSION,
        }
        archive_size = self._archive.start_dir
        if info.compress_type not in largest:
            msg = f"`{key}` is compressed in a way NumPy does not write; use np.savez_compressed."
            raise FileFormatError(msg)
        if info.compress_size > archive_size or info.file_size > largest[info.compress_type]:
            msg = f"`{key}` claims {info.file_size} bytes, more than the file can hold."
            raise FileFormatError(msg)
        return info


def _fill(array: NDArray[Any], member: IO[bytes]) -> None:
    """Read the numbers of an array; the last bytes make the archive check its sum of them all."""
    view: Any = memoryview(array.view(np.uint8).data if array.nbytes else b"")
    at = 0
    while at < len(view) and (count := member.readinto(view[at:])):  # type: ignore[attr-defined]
        at += count
    if at < len(view) or member.read(1):
        msg = "is cut off or damaged."
        raise FileFormatError(msg)
