"""What new rows say of a temperature where they have no best one of their own."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np

from temperance.frozen import Plain
from temperance.numerics import row_log_losses, row_maxima

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from temperance.calibrators import Training
    from temperance.errors import NoOptimumReason

    Array = NDArray[np.float64]

__all__ = ["NoOptimum"]

# An e-value of 40 comes in 2.5 % of samples of a calibrated temperature at most: of T = 0 and of an
# infinite T together in 5 %.
_SURE = log(40.0)


@dataclass(frozen=True, slots=True)
class NoOptimum(Plain):
    """Why new rows have no best temperature, and whether that refutes the reference's.

    Attributes
    ----------
    reason : str
        As of `NoOptimumError`: `"separable"` (the smaller T, the better), `"worse-than-chance"`
        (the larger, the better), `"constant-logits"` (none is better than another) or `"no-rows"`
        (one row, or one cluster, of which none can be left out to score a re-fit).
    log_evidence : float
        Natural log of an e-value against the reference temperature on the new rows: of the limit
        that T tends to, T = 0 or infinity, against it. 0 where it tends to neither.
    """

    reason: NoOptimumReason
    log_evidence: float

    @classmethod
    def of(
        cls,
        reason: NoOptimumReason,
        rows: Training,
        at_reference: Array,
        clusters: Any,  # noqa: ANN401
    ) -> NoOptimum:
        r"""Weigh the limit of T against the reference temperature, row by row.

        With p of the reference temperature and q of the limit (1 / k on each of k options for an
        infinite T, 1 / m on each of the m largest logits for T = 0), both known before the labels
        are, :math:`e = \prod q(y_i) / p(y_i)` has a mean of at most 1 where the reference
        temperature is calibrated: e >= 40 comes in 2.5 % of samples at most, of any number of rows.
        Powers up to 1 keep that (Jensen): a row counts with its weight divided by the largest, and
        a cluster with the mean of its rows.

        References
        ----------
        Ramdas et al. (2023), Game-theoretic statistics and safe anytime-valid inference,
        https://doi.org/10.1214/23-STS894
        """
        if reason not in {"separable", "worse-than-chance"}:
            return cls(reason, 0.0)
        z = rows.logits
        exists = ~np.isneginf(z)
        if reason == "separable":
            exists = z == row_maxima(z)[:, None]
        gains = row_log_losses(at_reference, rows.labels) - np.log(exists.sum(axis=1))
        if rows.weights is not None:
            gains = gains * (rows.weights / rows.weights.max())
        if clusters is not None:
            gains = np.bincount(clusters, gains) / np.maximum(np.bincount(clusters), 1)
        return cls(reason, float(gains.sum()))

    @property
    def sure(self) -> bool:
        """Whether the reference temperature is refuted, at 5 %."""
        return self.log_evidence >= _SURE

    @property
    def tells(self) -> bool:
        """Whether it says something that more rows like these would not change."""
        return self.sure or self.reason == "constant-logits"

    @property
    def cause(self) -> str:
        """Why there is no best temperature, as half a sentence of the new rows."""
        return {
            "separable": "every label has its row's largest logit",
            "worse-than-chance": "the labels are no better than chance under the logits",
            "constant-logits": "in each of them all logits are equal",
            "no-rows": "none can be left out to score a re-fit of the others",
        }[self.reason]

    def in_words(self) -> str:
        """Return what it means, in a sentence or three."""
        if self.reason == "constant-logits":
            return (
                f"No temperature is better than another on the new rows: {self.cause}. Check that "
                "these are the model's outputs."
            )
        if not self.sure:
            return (
                "Too few new rows to tell: they have no best temperature of their own, for "
                f"{self.cause}."
            )
        if self.reason == "separable":
            return (
                "The temperature does not hold: the new rows have no best temperature of their "
                f"own, for {self.cause}, more often than the reference's allows. Until rows with "
                "errors come, the smaller T, the better."
            )
        return (
            f"The temperature does not hold, and none does: on the new rows {self.cause}. Are rows "
            "and labels in the same order, and do the columns match the labels? If so, the model "
            "does not work there, which no temperature mends."
        )
