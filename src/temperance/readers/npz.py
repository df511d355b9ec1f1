"""Several NumPy arrays in a .npz file, each under its key."""

from __future__ import annotations

import math
import zipfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import named
from temperance.readers.npy import decoded, mapped, read_header
from temperance.readers.request import Request, Rows, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind

__all__ = ["read_npz"]

# No DEFLATE stream grows by more than this.
_LARGEST_EXPANSION = 1032
_WORTH_MAPPING = 1 << 26  # bytes


def read_npz(path: Path, request: Request) -> Rows:
    """Read the arrays of a .npz file that are asked for."""
    with zipfile.ZipFile(path) as archive:
        return _Arrays(archive).rows(request)


class _Arrays:
    """The arrays of an open archive by key."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._members = {
            name.removesuffix(".npy"): name for name in archive.namelist() if name.endswith(".npy")
        }

    def rows(self, request: Request) -> Rows:
        """Pick the keys and read them."""
        fields = request.fields
        if not request.scores:
            id_key = request.id_name(self._members)
            return Rows(
                labels=self._required("labels", fields.label),
                ids=None if id_key is None else self._read(id_key),
            )
        key, kind = self._score_key(request)
        classes = self._optional("classes", None)
        return Rows(
            kind=kind,
            values=self._read(key),
            labels=self._optional("labels", fields.label) if request.labels else None,
            weights=self._optional("weights", fields.weight),
            groups=self._optional("groups", fields.group),
            clusters=self._optional("clusters", fields.cluster),
            ids=self._optional("ids", fields.id),
            classes=None if classes is None else tuple(map(str, classes.ravel().tolist())),
        )

    def _score_key(self, request: Request) -> tuple[str, Kind]:
        keys = request.score_keys()
        present = [kind for kind, key in keys.items() if key in self._members]
        if not present:
            raise self._missing("` or `".join(keys.values()))
        taken, kind = choose(present, request.kind)
        return keys[taken], kind

    def _required(self, usual: str, name: str | None) -> NDArray[Any]:
        key = usual if name is None else name
        if key not in self._members:
            raise self._missing(key)
        return self._read(key)

    def _optional(self, usual: str, name: str | None) -> NDArray[Any] | None:
        if name is None and usual not in self._members:
            return None
        return self._required(usual, name)

    def _missing(self, wanted: str) -> FileFormatError:
        return FileFormatError(f"has no key `{wanted}`; it holds {named(self._members)}.")

    def _read(self, key: str) -> NDArray[Any]:
        """One array, once its header, its member and the archive agree about its size."""
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
            return decoded(
                mapped(file, read_header(f"`{key}`", file, file.tell() + info.file_size))
            )


def _fill(array: NDArray[Any], member: IO[bytes]) -> None:
    """Read the numbers of an array; the last bytes make the archive check its sum of them all."""
    view: Any = memoryview(array.view(np.uint8).data if array.nbytes else b"")
    at = 0
    while at < len(view) and (count := member.readinto(view[at:])):  # type: ignore[attr-defined]
        at += count
    if at < len(view) or member.read(1):
        msg = "is cut off or damaged."
        raise FileFormatError(msg)
