"""What a test of calibration says: its statistic, its p-value, its direction."""

from __future__ import annotations

from dataclasses import dataclass
from math import copysign, sqrt
from sys import float_info
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from temperance.checks.arrays import as_numbers
from temperance.errors import InvalidInputError
from temperance.frozen import Plain
from temperance.numerics import two_sided_p

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = ["LEVEL", "CalibrationTest", "chi_square_p", "evident", "holm"]

LEVEL = 0.05  # a p-value below it is evidence

Direction = Literal[
    "over-confident",
    "under-confident",
    "over-predicted",  # of a class: it comes true less often than its probabilities say
    "under-predicted",
    "neither",
]
_NO_CHANCE = "nothing is left to chance: no row's score can differ from what is expected"


@dataclass(frozen=True, slots=True)
class CalibrationTest(Plain):
    """A test of the hypothesis that the probabilities are calibrated, and what it says.

    Parameters
    ----------
    name : str
        Which test, for instance `"score"` or `"cox"`.
    statistic : float or None
        Standard normal under calibration (z), or chi-square where `degrees_of_freedom` is given.
        The largest float where the data are impossible under the probabilities. None where
        the test is undefined on these data.
    degrees_of_freedom : int or None
        Of the chi-square distribution; None for z.
    p_value : float or None
        In [0, 1]: how often calibrated probabilities give a statistic as extreme (both signs
        count for z). Small = not calibrated. None where the test is undefined.
    leaning : str or None
        Which way the probabilities lean, by the sign of the statistic alone: chance may be why.
        None where the test has no direction.
    reason : str or None
        Why the test is undefined; None where it is defined.
    n_rows : int or None
        How many rows it looks at, where that are not all: a test of many classes together.
    """

    json_keys: ClassVar[tuple[str, ...]] = (
        "name", "statistic", "degrees_of_freedom", "p_value", "direction", "reason", "n_rows",
    )  # fmt: skip

    name: str
    statistic: float | None
    degrees_of_freedom: int | None
    p_value: float | None
    leaning: Direction | None = None
    reason: str | None = None
    n_rows: int | None = None

    @property
    def direction(self) -> Direction | None:
        """Which way the probabilities err; "neither" without evidence, where p >= 0.05.

        None where the test has no direction.
        """
        return None if self.leaning is None else evident(self.leaning, self.p_value)

    @classmethod
    def normal(
        cls, name: str, total: float, variance: float, signs: tuple[Direction, Direction]
    ) -> Self:
        """Return the test of a sum with mean 0; `signs` = directions of z < 0 and of z > 0."""
        if variance == 0.0:
            if total == 0.0:
                return cls.undefined(name, _NO_CHANCE)
            z = copysign(float_info.max, total)  # an event of probability 0 happened
        else:
            z = total / sqrt(variance)
        leaning = "neither" if z == 0.0 else signs[z > 0.0]
        return cls(name, z, None, two_sided_p(z), leaning)

    @classmethod
    def chi_square(cls, name: str, statistic: float, degrees_of_freedom: int) -> Self:
        """Return the test of a chi-square statistic; undefined for 0 degrees of freedom."""
        if degrees_of_freedom == 0:
            return cls.undefined(name, _NO_CHANCE)
        p_value = chi_square_p(statistic, degrees_of_freedom)
        return cls(name, statistic, degrees_of_freedom, p_value)

    @classmethod
    def undefined(cls, name: str, reason: str) -> Self:
        """Return a test that the data do not allow."""
        return cls(name, None, None, None, reason=reason)


def evident(leaning: Direction, p_value: float | None) -> Direction:
    """Return the direction that a test may be said to show: none where p >= 0.05.

    >>> evident("over-confident", 0.003), evident("over-confident", 0.754)
    ('over-confident', 'neither')
    """
    return leaning if p_value is not None and p_value < LEVEL else "neither"


def chi_square_p(statistic: float, degrees_of_freedom: int) -> float:
    """P(chi-square >= statistic), accurate far into the tail."""
    from scipy.special import chdtrc  # noqa: PLC0415

    return float(chdtrc(degrees_of_freedom, statistic))


def holm(p_values: Sequence[float]) -> list[float]:
    r"""p-values adjusted for their number, so that all may be read at one level.

    Parameters
    ----------
    p_values : sequence of float
        Each in [0, 1], in any order; of tests that may depend on each other in any way.

    Returns
    -------
    list of float
        In the same order, in [0, 1], never below the p-value itself. Calling significant what
        is at most 0.05 errs in at most 5 % of data sets, however many tests there are.

    Raises
    ------
    InvalidInputError
        A p-value outside [0, 1] or nan.

    Notes
    -----
    With :math:`p_{(1)} \le \ldots \le p_{(m)}`, the i-th is
    :math:`\max_{j \le i} \min(1, (m - j + 1) p_{(j)})`.

    References
    ----------
    Holm (1979), A Simple Sequentially Rejective Multiple Test Procedure, Scandinavian Journal
    of Statistics 6, 65-70, https://www.jstor.org/stable/4615733

    Examples
    --------
    >>> holm([0.5, 0.0625, 0.25])  # 3 x 0.0625, then 2 x 0.25, then 0.5
    [0.5, 0.1875, 0.5]
    """
    values = as_numbers(p_values, name="p_values")
    if values.ndim != 1:
        msg = f"`p_values` must have shape (m,), got {values.shape}."
        raise InvalidInputError(msg)
    p_values = values.tolist()
    bad = [p for p in p_values if not 0.0 <= p <= 1.0]
    if bad:
        msg = f"`p_values` must lie in [0, 1]; found {bad[0]} ({len(bad)} such values)."
        raise InvalidInputError(msg)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    by_size = sorted(range(len(p_values)), key=lambda index: p_values[index])
    for smaller, index in enumerate(by_size):
        largest = max(largest, min(1.0, (len(p_values) - smaller) * float(p_values[index])))
        adjusted[index] = largest
    return adjusted
