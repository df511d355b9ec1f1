"""A JSON file for people and programs, written all or not at all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from temperance.errors import InvalidInputError
from temperance.printable import as_json_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

__all__ = ["write_json"]


def write_json(path: str | PathLike[str], content: Mapping[str, Any], *, given: str) -> None:
    """Write an object; `given` names the arguments that may hold what JSON cannot.

    Raises
    ------
    InvalidInputError
        The file cannot be written, or a value is none of JSON's.
    """
    try:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        msg = f"{given} must hold what JSON can: {error}."
        raise InvalidInputError(msg) from error
    write_text(path, as_json_text(text) + "\n")
