"""What is said about the rows of a file, in results and reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temperance.readers import Kind

__all__ = ["RowFacts"]


@dataclass(frozen=True, slots=True)
class RowFacts:
    """Where rows come from and how many they are; the rows themselves may never be in memory."""

    source: str
    sha256: str
    kind: Kind
    n: int
    n_classes: int
    described: str  # file and size in words
    weighted: bool
    members: tuple[str, ...] = ()  # names of an ensemble's models
