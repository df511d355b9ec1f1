"""NumPy arrays: probabilities alone in a .npy file, or with all else in a .npz file."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import numpy as np

from temperance.writers.content import DECIDED

if TYPE_CHECKING:
    from pathlib import Path

    from temperance.writers.content import Content

__all__ = ["NpyBlocks", "write_npy", "write_npz"]


def write_npz(path: Path, content: Content, _suffix: str) -> None:
    """Write every column under its name in the plural."""
    arrays = {
        name if name in DECIDED else f"{name.removesuffix('s')}s": column
        for name, column in content.columns.items()
    }
    if content.classes is not None:
        arrays["classes"] = np.array(content.classes)
    with path.open("wb") as file:  # a path would get a suffix
        np.savez(file, allow_pickle=False, probs=content.probs, **arrays)


def write_npy(path: Path, content: Content, _suffix: str) -> None:
    """Write the probabilities alone."""
    with path.open("wb") as file:
        np.save(file, content.probs, allow_pickle=False)


class NpyBlocks:
    """One array that grows: its header is written again with the number of rows."""

    def __init__(self, path: Path, _suffix: str) -> None:
        self._file: IO[bytes] = path.open("wb")
        self._header: dict[str, Any] = {}
        self._n = 0

    def add(self, content: Content) -> None:
        """Append the probabilities of a block."""
        probs = np.ascontiguousarray(content.probs)
        if not self._header:
            self._header = np.lib.format.header_data_from_array_1_0(probs)
            np.lib.format.write_array_header_1_0(self._file, self._header)
        self._n += len(probs)
        self._file.write(probs.tobytes())

    def close(self) -> None:
        """Write the header again, with the number of rows."""
        if self._header:
            self._file.seek(0)
            shape = (self._n, *self._header["shape"][1:])
            np.lib.format.write_array_header_1_0(self._file, {**self._header, "shape": shape})
        self._file.close()
