"""What a fit of a temperature asks of labelled rows, wherever they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from temperance.blocks.folds import FoldPass
    from temperance.kernels.loss import ExistenceSums, LossPass

__all__ = ["FoldedRows", "LabelledRows"]


class LabelledRows(Protocol):
    """Logits with labels, and perhaps weights, that are read as sums and never as a whole."""

    @property
    def sample_readings(self) -> int:
        """How often `sample` reads all rows."""
        ...

    def loss_pass(self, betas: tuple[float, ...]) -> LossPass:
        """Return the sums of all rows at these inverse temperatures, in one reading."""
        ...

    def existence_sums(self) -> ExistenceSums:
        """Return the sums that decide whether an optimum exists, in one reading."""
        ...

    def sample(self) -> LabelledRows | Self | None:
        """Return some rows from all over, to start a search with; None where that saves nothing."""
        ...

    def refuse_bad_values(self) -> None:
        """Raise `InvalidInputError` that names the first bad row, after sums were not finite."""
        ...


class FoldedRows(LabelledRows, Protocol):
    """Labelled rows whose last reading left the sums of each fold."""

    k: int
    classes: tuple[str, ...] | None
    n_folds: int
    last: FoldPass | None
