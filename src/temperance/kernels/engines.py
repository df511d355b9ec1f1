"""Which code computes the moments of rows: NumPy, or numba where it is installed and pays."""

from __future__ import annotations

import importlib.util
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, get_args

from temperance.checks.arguments import as_word
from temperance.errors import InvalidInputError, MissingDependencyError
from temperance.kernels.loss import row_moments

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from temperance.kernels.loss import RowMoments, RowMomentsKernel
    from temperance.kernels.score_moments import CompiledMoments

__all__ = [
    "Engine",
    "check_engine",
    "compiled_label_draws",
    "compiled_moments",
    "moments_kernel",
    "preferred_engine",
    "preferring",
]

Engine = Literal["auto", "numpy", "numba", "torch"]
_COMPILED = "temperance.kernels.loss_numba"
_WORTH_LOADING = 1 << 24  # elements; below, NumPy is done before numba is imported
_WORTH_CALLING = 1 << 14
_WORTH_MEASURING = 1 << 23  # elements; NumPy reads them ten times to measure two models
_WORTH_DRAWING = 1 << 22  # labels of many classes, of which NumPy draws ten million a second
_preferred: ContextVar[Engine] = ContextVar("_preferred", default="auto")


def check_engine(engine: str) -> Engine:
    """Return the engine's name, or say which there are."""
    return as_word(engine, get_args(Engine), name="engine")  # type: ignore[return-value]


@contextmanager
def preferring(engine: str) -> Iterator[None]:
    """Take this engine for every fit inside the `with` that names none ("auto")."""
    token = _preferred.set(check_engine(engine))
    try:
        moments_kernel("auto", elements=0)  # a missing package is told before any work
        yield
    finally:
        _preferred.reset(token)


def preferred_engine() -> Engine:
    """Return the engine that `preferring` names, for work that is done elsewhere."""
    return _preferred.get()


def moments_kernel(engine: Engine, *, elements: int, series: bool = False) -> RowMomentsKernel:
    """Return the function of an engine for arrays of so many elements.

    With `series` the compiled one also takes what a `LossSeries` at the last inverse temperature is
    made of. NumPy's does not: a power of each number costs it about as much as the exp that is
    spared.

    "auto" takes numba where it is loaded already, or is installed and the work is worth the
    second that loading it takes.
    """
    if engine == "auto":
        engine = _preferred.get()
    if engine == "torch":
        msg = '`engine` "torch" works on torch tensors; these logits are an array.'
        raise InvalidInputError(msg)
    if engine == "numba" or (engine == "auto" and _pays(elements)):
        return partial(_numba(), series=True) if series else _numba()
    return row_moments


def compiled_moments(elements: int) -> CompiledMoments | None:
    """Return the compiled moments of scores where they pay for so many numbers, or None."""
    preferred = _preferred.get()
    pays = _pays(elements, loading=_WORTH_MEASURING)
    if preferred != "numba" and not (preferred == "auto" and pays):
        return None
    from temperance.kernels import score_moments_numba  # noqa: PLC0415

    return score_moments_numba


def compiled_label_draws(n_labels: int) -> CompiledDraws | None:
    """Return the compiled draws of labels of many classes where so many pay, or None."""
    preferred = _preferred.get()
    if preferred != "numba" and not (preferred == "auto" and _pays(n_labels, _WORTH_DRAWING)):
        return None
    from temperance.kernels.label_draws_numba import fill_labels  # noqa: PLC0415

    return cast("CompiledDraws", fill_labels)


def _pays(elements: int, loading: int = _WORTH_LOADING) -> bool:
    if hasattr(sys.modules.get(_COMPILED), "row_moments"):  # loaded, and not in vain
        return elements >= _WORTH_CALLING
    return elements >= loading and importlib.util.find_spec("numba") is not None


class CompiledDraws(Protocol):
    """Fills labels (draws, m) from cumulative probabilities (m, k) and heights (draws, m)."""

    def __call__(
        self,
        cumulative: NDArray[np.float64],
        heights: NDArray[np.float64],
        labels: NDArray[np.integer],
    ) -> None: ...


class _SeriesKernel(Protocol):
    def __call__(
        self, logits: NDArray[Any], betas: tuple[float, ...], *, series: bool = False
    ) -> RowMoments: ...


def _numba() -> _SeriesKernel:
    try:
        from temperance.kernels.loss_numba import row_moments as compiled  # noqa: PLC0415
    except ImportError as error:
        package = "numba"
        purpose = 'The engine "numba"'
        raise MissingDependencyError(package, extra="fast", purpose=purpose) from error
    return compiled
