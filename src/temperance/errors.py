"""Everything this library raises on purpose. Catch `TemperanceError` to catch all of it."""

from __future__ import annotations

from typing import Literal

from temperance.printable import printable

__all__ = [
    "FileFormatError",
    "InvalidInputError",
    "MissingDependencyError",
    "NoOptimumError",
    "NoOptimumReason",
    "StoreError",
    "TemperanceError",
]

NoOptimumReason = Literal[
    "no-rows", "constant-logits", "separable", "worse-than-chance", "empty-class"
]


class TemperanceError(Exception):
    """Base of all errors of this library; a message is one line that a terminal can show."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class InvalidInputError(TemperanceError, ValueError):
    """An argument has the wrong shape, kind or value; the message names the argument."""


class NoOptimumError(TemperanceError, ArithmeticError):
    """The loss has no finite minimiser on the given data; nothing was fitted.

    Attributes
    ----------
    reason : str
        `"no-rows"`, `"constant-logits"` (every temperature is equally good), `"separable"`
        (the best temperature is 0), `"worse-than-chance"` (the best temperature is infinite) or
        `"empty-class"` (a class that the method must learn about has no row).
    """

    def __init__(self, message: str, *, reason: NoOptimumReason) -> None:
        super().__init__(message)
        self.reason: NoOptimumReason = reason


class MissingDependencyError(TemperanceError, ImportError):
    """An optional package is not installed; the message names the extra that brings it."""

    def __init__(self, package: str, *, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed: "
            f'pip install "temperance[{extra}]".'
        )


class FileFormatError(TemperanceError, ValueError):
    """A file is unreadable, of another format, or from a newer version than this library."""


class StoreError(TemperanceError, OSError):
    """The store of a monitor is locked, full, damaged or out of reach; nothing was written."""
