"""Temperatures of parts of the data, shrunk towards the one of all by how much each part knows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators.temperature import temperature_record
from temperance.errors import NoOptimumError
from temperance.numerics import as_float64

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.calibrators.record import TemperatureRecord
    from temperance.calibrators.training import Training

__all__ = ["Part", "between_variance", "shrunk_fit", "shrunk_parts"]


@dataclass(frozen=True, slots=True)
class Part:
    """The temperature of one part of the data; None where the part is too small for its own."""

    temperature: float
    interval: tuple[float, float] | None
    n: int


def between_variance(
    log_temperatures: NDArray[np.float64], standard_errors: NDArray[np.float64]
) -> float:
    r"""Return the variance of log T between parts, beyond what their errors explain; >= 0.

    Paule and Mandel's: the :math:`\tau^2` at which
    :math:`\sum_g (x_g - \bar x)^2 / (s_g^2 + \tau^2) = m - 1`, with :math:`\bar x` weighted
    likewise; 0 where the spread is smaller than that already, or with fewer than two parts.

    References
    ----------
    DerSimonian and Kacker (2007), Random-effects model for meta-analysis of clinical trials,
    https://doi.org/10.1016/j.cct.2006.04.004
    """
    x, variance = log_temperatures, standard_errors**2
    if len(x) < 2:
        return 0.0

    def excess(between: float) -> float:
        weight = 1.0 / (variance + between)
        mean = float(weight @ x) / float(weight.sum())
        return float(weight @ (x - mean) ** 2) - (len(x) - 1)

    if excess(0.0) <= 0.0:
        return 0.0
    from scipy.optimize import brentq  # noqa: PLC0415  (only where groups differ)

    high = float(((x - x.mean()) ** 2).sum())  # every weight is below 1 / high there
    return float(brentq(excess, 0.0, high, xtol=1e-14, rtol=1e-12))


def shrunk_fit(rows: Training, *, pooled: float, strength: float) -> TemperatureRecord:
    r"""Return the temperature of a part with a prior of `strength` on the `pooled` one.

    Minimises :math:`\sum_i w_i \ell_i(\beta) + \lambda (b - 1 - \log b)` with
    :math:`b = \beta / \beta_0`: convex, and near the pooled value the prior
    :math:`\log T \sim N(\log T_0, 1 / \lambda)`. One finite answer on any data.
    """
    scaled = replace(rows, logits=as_float64(rows.logits) / pooled)
    record = temperature_record(scaled, prior=strength)
    return replace(
        record,
        temperature=record.temperature * pooled,
        standard_error=record.standard_error * pooled,
    )


def shrunk_parts(
    parts: Sequence[Training | None], *, sizes: Sequence[int], pooled: float
) -> tuple[list[Part], float]:
    """Return every part's temperature, and the standard deviation of log T between parts.

    A part that is None gets the pooled temperature. How much parts differ is seen from those
    that have an optimum of their own.
    """
    logs, errors = [], []
    for rows in parts:
        try:
            record = None if rows is None else temperature_record(rows)
        except NoOptimumError:
            record = None
        if record is not None:
            logs.append(log(record.temperature))
            errors.append(record.standard_error / record.temperature)
    between = between_variance(np.array(logs), np.array(errors))
    strength = inf if between == 0.0 else 1.0 / between
    return [
        _part(rows, n, pooled, strength) for rows, n in zip(parts, sizes, strict=True)
    ], between**0.5


def _part(rows: Training | None, n: int, pooled: float, strength: float) -> Part:
    if rows is None or strength == inf:
        return Part(pooled, None, n)
    record = shrunk_fit(rows, pooled=pooled, strength=strength)
    return Part(record.temperature, record.interval(), n)
