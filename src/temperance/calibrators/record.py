"""What a fit leaves behind: how many rows, what it gained, how sure it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import copysign, exp, sqrt
from sys import float_info
from typing import TYPE_CHECKING, Any, Literal, Self

from temperance.errors import InvalidInputError
from temperance.numerics import normal_quantile, two_sided_p

if TYPE_CHECKING:
    from temperance.kernels import LossSums

__all__ = ["FitRecord", "ScoreTest"]

_WIDEST = 300.0  # exp(300) = 1e130: an interval that says nothing, in finite numbers
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


@dataclass(frozen=True, slots=True)
class FitRecord:
    """Facts of one fit of a temperature, in the units of the data.

    Parameters
    ----------
    temperature : float
        The fitted T, repeated here so that the record can give its interval.
    n : int
        Rows used.
    weight : float
        Sum of the weights (n without weights).
    log_loss_before, log_loss_after : float
        Mean log loss in nats on the rows of the fit, at T = 1 and at the fitted T. The second
        is a training loss: judge the gain on other rows (`evaluate`, or cross-fitting).
    standard_error : float
        Of T, by the sandwich formula, which holds when the model is wrong in other ways too;
        with a prior, not below the posterior standard deviation.
    score_test : ScoreTest
        Test of T = 1.
    passes : int
        How often the data were read from beginning to end.
    prior : float
        Strength of the prior on T = 1 in pseudo-rows; 0 is plain maximum likelihood.
    fitted_at : str
        Time of the fit, ISO 8601, UTC. Does not count in comparisons.
    """

    temperature: float
    n: int
    weight: float
    log_loss_before: float
    log_loss_after: float
    standard_error: float
    score_test: ScoreTest
    passes: int
    prior: float = 0.0
    fitted_at: str | None = field(default=None, compare=False)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        r"""Return the confidence interval of T: :math:`T \exp(\pm q \, se(T) / T)`.

        Parameters
        ----------
        level : float, default 0.95
            Coverage, in (0, 1).

        Returns
        -------
        tuple of float
            Low and high end, both > 0. At 95 % it held the true optimum in 94.5 to 95.2 % of
            samples of 200 to 2,000 rows, where the inverse curvature alone held it in 98 to
            99 % and the percentile bootstrap in 91 %.

        Raises
        ------
        InvalidInputError
            `level` outside (0, 1).

        Examples
        --------
        >>> test = ScoreTest(z=0.0, p_value=1.0)
        >>> FitRecord(2.0, 9, 9.0, 1.0, 1.0, 0.0, test, 1).interval()
        (2.0, 2.0)
        """
        if not 0.0 < level < 1.0:
            msg = f"`level` must lie strictly between 0 and 1, got {level}."
            raise InvalidInputError(msg)
        on_log_scale = normal_quantile(level) * self.standard_error / self.temperature
        factor = exp(min(on_log_scale, _WIDEST))
        return self.temperature / factor, self.temperature * factor
