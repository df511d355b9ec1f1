"""What a test of calibration says: its statistic, its p-value, its direction."""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, sqrt
from sys import float_info
from typing import TYPE_CHECKING, Any, Literal, Self

from temperance.numerics import two_sided_p

if TYPE_CHECKING:
    from temperance.kernels import LossSums

__all__ = ["ScoreTest"]

Direction = Literal["over-confident", "under-confident", "neither"]


@dataclass(frozen=True, slots=True)
class ScoreTest:
    r"""Test of T = 1 that needs no fit: whether probabilities are as sharp as labels allow.

    Parameters
    ----------
    z : float
        Standard normal under calibration; above 0 = over-confident, below = under-confident.
    p_value : float
        Two-sided, in [0, 1]; small = the probabilities are too sharp or too flat.

    Notes
    -----
    :math:`Z = \sum_i w_i g_i / \sqrt{\sum_i w_i^2 v_i}` with
    :math:`g_i = E_{p_i}[z_i] - z_{i y_i}` and :math:`v_i = \mathrm{Var}_{p_i}[z_i]` at T = 1.
    With z = log p this is Spiegelhalter's (1986) test for the logarithmic score,
    https://doi.org/10.1002/sim.4780050506
    """

    z: float
    p_value: float

    @classmethod
    def from_sums(cls, at_one: LossSums) -> Self:
        """Return the test from the sums at inverse temperature 1."""
        if at_one.model_variance > 0.0:
            z = at_one.slope / sqrt(at_one.model_variance)
        else:  # every probability is 0 or 1 to the last bit: one error refutes that
            z = 0.0 if at_one.slope == 0.0 else copysign(float_info.max, at_one.slope)
        return cls(z=z, p_value=two_sided_p(z))

    @property
    def direction(self) -> Direction:
        """Which way the probabilities err, by the sign of z alone (look at `p_value` too)."""
        if self.z == 0.0:
            return "neither"
        return "over-confident" if self.z > 0 else "under-confident"

    def to_dict(self) -> dict[str, Any]:
        """Return z, p_value and direction."""
        return {"z": self.z, "p_value": self.p_value, "direction": self.direction}
