"""Cross-fitted temperatures of rows that come block by block, from the sums of the fit itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.calibrators.newton import minimise, nearby_minimum
from temperance.errors import NoOptimumError

if TYPE_CHECKING:
    from temperance.blocks import FoldedRows
    from temperance.kernels.loss import LossPass

__all__ = ["fold_temperatures"]

_CLOSE = 1e-8  # relative distance from the minimum of a fold's other rows


def fold_temperatures(rows: FoldedRows, *, prior: float) -> tuple[float, ...]:
    """Return for each fold the temperature of all rows but the fold's.

    The last reading of the fit left sums of each fold near the minimum of all rows, from which
    that of most of them is a certified step away: many rows need no further reading. Where the
    step is too far, the rows are read again.

    Raises
    ------
    NoOptimumError
        The other rows of a fold have no finite temperature, or there are none.
    """
    last = rows.last
    assert last is not None  # noqa: S101  (after a fit)
    found = []
    for fold in range(rows.n_folds):
        others = last.without(fold)
        if others is None:
            raise NoOptimumError(_few("there are no others."), reason="no-rows")
        beta, distance = nearby_minimum(
            others.at[-1], beta=last.betas[-1], prior=prior, widest=others.widest
        )
        if not distance <= _CLOSE:
            beta = _searched(rows, fold, prior=prior, start=last.betas[-1])
        found.append(1.0 / beta)
    return tuple(found)


def _searched(rows: FoldedRows, fold: int, *, prior: float, start: float) -> float:
    def read(betas: tuple[float, ...]) -> LossPass:
        rows.loss_pass(betas)
        assert rows.last is not None  # noqa: S101  (it has just been read)
        others = rows.last.without(fold)
        assert others is not None  # noqa: S101  (nor was it before)
        return others

    def refuse() -> None:
        raise NoOptimumError(
            _few("without them there is no finite temperature."), reason="separable"
        )

    return minimise(read, require_existence=refuse, prior=prior, start=start).beta


def _few(what: str) -> str:
    return (
        f"Cross-fitting leaves a fifth of the rows out at a time: {what} "
        "Score other rows: --test FILE."
    )
