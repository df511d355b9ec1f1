"""One thread of linear algebra per thread of ours: two kinds of threads wait for each other."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["one_thread_each"]


def one_thread_each() -> AbstractContextManager[Any]:
    """Keep matrix products inside the `with` to the thread that asks for them."""
    controller = _controller()
    return nullcontext() if controller is None else controller.limit(limits=1, user_api="blas")


@cache
def _controller() -> Any:  # noqa: ANN401
    """Look once at what NumPy and SciPy have loaded, each its own; None without threads."""
    import scipy.linalg  # noqa: F401, PLC0415  (loads what is to be looked at)
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415  (most uses do without)

    found = ThreadpoolController()
    return found if found.select(user_api="blas").lib_controllers else None
