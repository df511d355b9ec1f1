"""An answer with its place in the files, and what its line says beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temperance.readers.llm.answer import Answer

__all__ = ["Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One row; `where` is how messages call its line."""

    answer: Answer
    file: str  # the task, or the name of the file, that goes before its id in a folder
    line: int
    where: str
    weight: float | None = None
    group: str | None = None
    cluster: str | None = None
