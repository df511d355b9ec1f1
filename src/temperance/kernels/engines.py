"""Which code computes the moments of rows: NumPy, or numba where it is installed and pays."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING, Literal, get_args

from temperance.errors import InvalidInputError, MissingDependencyError
from temperance.kernels.loss_numpy import row_moments

if TYPE_CHECKING:
    from temperance.kernels.loss import RowMomentsKernel

__all__ = ["Engine", "check_engine", "moments_kernel"]

Engine = Literal["auto", "numpy", "numba", "torch"]
_COMPILED = "temperance.kernels.loss_numba"
_WORTH_LOADING = 1 << 27  # elements; below, NumPy is done before numba is imported
_WORTH_CALLING = 1 << 14


def check_engine(engine: str) -> Engine:
    """Return the engine's name, or say which there are."""
    for known in get_args(Engine):
        if engine == known:
            return known  # type: ignore[no-any-return]
    msg = f"`engine` must be one of {', '.join(get_args(Engine))}, got {engine!r}."
    raise InvalidInputError(msg)


def moments_kernel(engine: Engine, *, elements: int) -> RowMomentsKernel:
    """Return the function of an engine for arrays of so many elements.

    "auto" takes numba where it is loaded already, or is installed and the work is worth the
    second that loading it takes.
    """
    if engine == "torch":
        msg = '`engine` "torch" works on torch tensors; these logits are an array.'
        raise InvalidInputError(msg)
    if engine == "numba" or (engine == "auto" and _pays(elements)):
        return _numba()
    return row_moments


def _pays(elements: int) -> bool:
    if _COMPILED in sys.modules:
        return elements >= _WORTH_CALLING
    return elements >= _WORTH_LOADING and importlib.util.find_spec("numba") is not None


def _numba() -> RowMomentsKernel:
    try:
        from temperance.kernels.loss_numba import row_moments as compiled  # noqa: PLC0415
    except ImportError as error:
        package = "numba"
        purpose = 'The engine "numba"'
        raise MissingDependencyError(package, extra="fast", purpose=purpose) from error
    return compiled
