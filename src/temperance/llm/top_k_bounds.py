"""Bounds on the probabilities of shown tokens, where the rest of the vocabulary is unseen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["TopKBounds"]


@dataclass(frozen=True, slots=True, eq=False)
class TopKBounds:
    """Between which ends each shown token's probability lies; see `TopKTemperature.apply`."""

    low: NDArray[np.float64]  # (n, k): in [0, 1]; 0 where no token is shown
    high: NDArray[np.float64]  # (n, k): in [0, 1], >= low; 0 where no token is shown
    exact: NDArray[np.bool_]  # (n,): all options are shown; low = high, to the dtype's rounding
    one_sided: NDArray[np.bool_]  # (n,): nothing is known from below, for want of `vocabulary`

    def __post_init__(self) -> None:
        for values in (self.low, self.high, self.exact, self.one_sided):
            values.setflags(write=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists for JSON; the low end of one-sided rows is None."""
        known = ~self.one_sided
        return {
            "low": [row if of else None for row, of in zip(self.low.tolist(), known, strict=True)],
            "high": self.high.tolist(),
            "exact": self.exact.tolist(),
            "one_sided": self.one_sided.tolist(),
        }

    def __str__(self) -> str:
        n = len(self.low)
        top = f"most likely token, mean: at most {self.high.max(axis=1).mean():.4f}"
        if not self.one_sided.any():
            top += f", at least {self.low.max(axis=1).mean():.4f}"
        parts = [count_text(n, "row"), f"{np.count_nonzero(self.exact):,} exact"]
        if self.one_sided.any():
            parts.append(
                f"{np.count_nonzero(self.one_sided):,} bounded from above only (no `vocabulary`)"
            )
        return f"{', '.join(parts)}; {top}"
