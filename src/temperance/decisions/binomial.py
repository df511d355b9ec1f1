"""Exact statements about a share of errors among independent rows."""

from __future__ import annotations

from math import ceil, log, log1p
from typing import TYPE_CHECKING

from temperance.metrics.estimates import Estimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "LEAST_RISK",
    "POWER",
    "clopper_pearson",
    "fewest_rows",
    "groups_tested",
    "p_values",
    "pass_probability",
    "rows_needed",
    "upper_limit",
]

POWER = 0.8
LEAST_RISK = 1e-9  # below it no set of labels is large enough for a promise
_MOST = 10**9  # rows: beyond this the answer is "no number"


def p_values(
    errors: NDArray[np.int64], rows: NDArray[np.int64], max_risk: float
) -> NDArray[np.float64]:
    """Return the probability of so few errors in so many rows if the risk were `max_risk`."""
    from scipy.special import bdtr  # noqa: PLC0415

    return bdtr(errors, rows, max_risk)  # type: ignore[no-any-return]


def pass_probability(
    rows: NDArray[np.int64], risks: NDArray[np.float64], max_risk: float, delta: float
) -> NDArray[np.float64]:
    """Return how likely so many rows of such a risk have a p-value of at most `delta`, (m,)."""
    import numpy as np  # noqa: PLC0415
    from scipy.special import bdtr, bdtrik  # noqa: PLC0415

    allowed = np.floor(np.nan_to_num(bdtrik(delta, rows, max_risk), nan=-1.0)).clip(-1.0, rows)
    allowed += bdtr(np.minimum(allowed + 1.0, rows), rows, max_risk) <= delta
    allowed -= bdtr(np.maximum(allowed, 0.0), rows, max_risk) > delta
    passing = bdtr(np.maximum(allowed, 0.0), rows, np.clip(risks, 1e-300, 1.0))
    return np.asarray(np.where(allowed >= 0.0, passing, 0.0))


def fewest_rows(max_risk: float, delta: float) -> int:
    """Return the number of rows from which `max_risk` can be excluded if none is wrong.

    The smallest n with (1 - max_risk)^n <= delta.

    >>> fewest_rows(0.02, 0.05)
    149
    """
    return max(1, ceil(log(delta) / log1p(-max_risk)))


def groups_tested(sizes: Sequence[int], shares: Sequence[float], delta: float) -> int:
    """Return how many groups can have a promise: the m largest, each with rows enough for one.

    Each of the promises, that of no more than these `shares` of rows are bad, has the level delta
    over m times their number. Sizes are known without a label, so they may decide.

    >>> groups_tested([200, 149, 30], [0.02], 0.05)
    1
    """
    counts = [
        m
        for m, size in enumerate(sorted(sizes, reverse=True), start=1)
        if size >= min(fewest_rows(share, delta / (m * len(shares))) for share in shares)
    ]
    return max(counts, default=1)


def clopper_pearson(errors: int, rows: int, level: float = 0.95) -> Estimate:
    """Return a share with its exact two-sided interval; rows >= 1.

    Clopper and Pearson (1934), https://doi.org/10.1093/biomet/26.4.404

    >>> share = clopper_pearson(0, 10)
    >>> round(share.high, 4)  # 1 - 0.025^(1/10)
    0.3085
    """
    outside = 0.5 * (1.0 - level)
    low = 1.0 - upper_limit(rows - errors, rows, outside)
    share = errors / rows
    return Estimate(share, min(low, share), max(upper_limit(errors, rows, outside), share))


def upper_limit(errors: int, rows: int, delta: float) -> float:
    """Return the risk that lies above the true one in all but `delta` of samples."""
    from scipy.special import betaincinv  # noqa: PLC0415

    if errors >= rows:
        return 1.0
    return float(betaincinv(errors + 1.0, rows - errors, 1.0 - delta))


def rows_needed(risk: float, max_risk: float, delta: float, *, power: float = POWER) -> int | None:
    """Return how many rows exclude `max_risk` with probability `power` if the risk is `risk`.

    None where `risk` is not below `max_risk`, or the number is beyond 10^9.
    """
    least = fewest_rows(max_risk, delta)
    if not risk < max_risk:
        return None
    low, high = least - 1, least
    while not _excludes(high, risk, max_risk, delta, power):
        low, high = high, 2 * high
        if high > _MOST:
            return None
    while high - low > max(1, high // 1000):  # to a thousandth: the power rises by saw teeth
        middle = (low + high) // 2
        if _excludes(middle, risk, max_risk, delta, power):
            high = middle
        else:
            low = middle
    return high


def _excludes(rows: int, risk: float, max_risk: float, delta: float, power: float) -> bool:
    """Whether `power` of samples of so many rows have few enough errors."""
    from scipy.special import bdtr  # noqa: PLC0415

    low, high = -1, rows  # the largest number of errors with a p-value of at most delta
    while high - low > 1:
        middle = (low + high) // 2
        if bdtr(middle, rows, max_risk) <= delta:
            low = middle
        else:
            high = middle
    return low >= 0 and bool(bdtr(low, rows, risk) >= power)
