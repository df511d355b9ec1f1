"""What a calibrator maps: outputs of one model or of several, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from temperance.checks.dense import Dense

__all__ = ["Outputs"]


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Checked outputs for rows, as a calibrator maps them, and the shape in which they came."""

    scores: tuple[NDArray[Any], ...]  # (n, k) each: of one model, or of each member
    groups: NDArray[np.str_] | None = None  # (n,); "" of a row of no group
    dense: Dense | None = None
    one_column: bool = field(default=False, kw_only=True)  # they came as log-odds, (n,)

    def groups_at(self, rows: slice) -> NDArray[np.str_] | None:
        """Return the groups of some rows, (m,)."""
        return None if self.groups is None else self.groups[rows]
