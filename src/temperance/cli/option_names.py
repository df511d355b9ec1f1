"""Messages name an argument and its option; on the command line only the option is known."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["in_options"]

_BOTH = re.compile(r"`\w+(?:=[^`]*)?` \((--[a-z][a-z-]*(?: [^\s(),]+)?)\)")
_NAME = re.compile(r"`([a-z]+_[a-z_]+)`")


def in_options(message: str, options: Collection[str] = ()) -> str:
    """Return a message as the command line says it: by its options alone.

    A name of several words that stands without its option is that of one of the command's `options`
    if there is such a one; a single word (`labels`) may as well be a column.

    >>> in_options("`max_risk` (--max-risk) must be a number; `prior=1.0` (--prior 1) helps.")
    '`--max-risk` must be a number; `--prior 1` helps.'
    >>> in_options("`group_by` must differ from `fold_by`.", {"--group-by"})
    '`--group-by` must differ from `fold_by`.'
    """
    return _NAME.sub(lambda found: _option(found, options), _BOTH.sub(r"`\1`", message))


def _option(found: re.Match[str], options: Collection[str]) -> str:
    option = f"--{found[1].replace('_', '-')}"
    return f"`{option}`" if option in options else found[0]
