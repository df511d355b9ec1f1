"""One JSON object per line, as long as its row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from temperance.writers.content import classes_entry

if TYPE_CHECKING:
    from pathlib import Path

    from temperance.writers.content import Content

__all__ = ["JsonlBlocks", "write_jsonl"]


def write_jsonl(path: Path, content: Content, _suffix: str) -> None:
    """Write a line per row; options that do not exist at its end are left out."""
    lengths = None
    if content.mask is not None:  # up to the last option that exists
        lengths = content.mask.shape[1] - np.argmax(content.mask[:, ::-1], axis=1)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for i, row in enumerate(content.probs):
            options = row if lengths is None else row[: lengths[i]]
            record = {name: column[i].tolist() for name, column in content.columns.items()}
            names = classes_entry(content) if i == 0 else {}
            file.write(json.dumps({**record, "probs": options.tolist(), **names}) + "\n")


class JsonlBlocks:
    """A file of JSON objects that grows by its lines."""

    def __init__(self, path: Path, _suffix: str) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._begun = False

    def add(self, content: Content) -> None:
        """Append a line per row."""
        columns = {name: column.tolist() for name, column in content.columns.items()}
        for i, probs in enumerate(content.probs.tolist()):
            record = {name: values[i] for name, values in columns.items()}
            names = {} if self._begun else classes_entry(content)
            self._begun = True
            self._file.write(json.dumps({**record, "probs": probs, **names}) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()
