"""A table of results in the user's own data frame library."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from temperance.errors import InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["BACKENDS", "to_frame"]

BACKENDS = ("pandas", "polars", "pyarrow")
_PURPOSE = "A data frame of results"


def to_frame(columns: Mapping[str, Sequence[Any]], backend: str | None = None) -> Any:  # noqa: ANN401
    """Return the columns as a data frame.

    Parameters
    ----------
    columns : mapping of name to sequence
        All of the same length.
    backend : {"pandas", "polars", "pyarrow"}, optional
        Whose frame; where left out, the first of these that your program has already imported,
        else the first that is installed.

    Raises
    ------
    InvalidInputError
        An unknown backend.
    MissingDependencyError
        narwhals is not installed, or not the library asked for, or none of the three.
    """
    if backend is not None and backend not in BACKENDS:
        msg = f"`backend` must be one of {', '.join(BACKENDS)}, got {backend!r}."
        raise InvalidInputError(msg)
    try:
        import narwhals as nw  # noqa: PLC0415
    except ImportError as error:
        package = "narwhals"
        raise MissingDependencyError(package, extra="frames", purpose=_PURPOSE) from error
    imported = [name for name in BACKENDS if name in sys.modules]
    for name in (backend,) if backend else dict.fromkeys((*imported, *BACKENDS)):
        try:
            return nw.from_dict(dict(columns), backend=name).to_native()  # type: ignore[arg-type]
        except ImportError:
            continue
    raise MissingDependencyError(
        backend or f"{', '.join(BACKENDS[:-1])} or {BACKENDS[-1]}", extra="frames", purpose=_PURPOSE
    )
