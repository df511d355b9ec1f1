"""One thread of linear algebra per thread of ours: two kinds of threads wait for each other."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["one_thread_each"]

_lock = Lock()
_limits: list[Any] = []  # what was set aside, once for all that are inside
_inside = [0]


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Keep matrix products inside the `with` to the thread that asks for them.

    The limit is one of the process. Where several threads are inside, the first sets it and the
    last puts back what was there before; each by itself would put back the limit of another.
    """
    controller = _controller()
    with _lock:
        _inside[0] += 1
        if _inside[0] == 1 and controller is not None:
            _limits.append(controller.limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _lock:
            _inside[0] -= 1
            if not _inside[0] and _limits:
                _limits.pop().restore_original_limits()


@cache
def _controller() -> Any:  # noqa: ANN401
    """Look once at what NumPy and SciPy have loaded, each its own; None without threads."""
    import scipy.linalg  # noqa: F401, PLC0415  (loads what is to be looked at)
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415  (most uses do without)

    found = ThreadpoolController()
    return found if found.select(user_api="blas").lib_controllers else None
