"""Evidence that served probabilities are not calibrated: a value that grows with each label.

A test martingale: the product of the factors of `bets`. Under the hypothesis that the served
probabilities are right given all that was known when they were served, it is a fair game, and
reaches 1/alpha at any time with probability at most alpha (Ville). One may look after every label.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, log
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks.arguments import as_positive, as_share
from temperance.drift.bets import Bets
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["Alarm", "Evidence", "EvidencePath"]


@dataclass(frozen=True, slots=True)
class Alarm:
    """When evidence is enough: one of two promises.

    Attributes
    ----------
    alpha : float, optional
        Largest probability of a false alarm, ever, in (0, 1): the change e-process reaches 1/alpha.
    run_length : float, optional
        Least mean number of labels until a false alarm, above 1: the mixture of Shiryaev-Roberts
        e-detectors reaches it. It finds a change sooner, late in a long stream, but it will
        raise a false alarm some day.

    Examples
    --------
    >>> Alarm().alpha, Alarm(run_length=10_000).threshold  # log(10,000)
    (0.01, 9.210340371976184)
    """

    alpha: float | None = None
    run_length: float | None = None

    def __post_init__(self) -> None:
        """Check the promise; of neither, alpha is 0.01.

        Raises
        ------
        InvalidInputError
            Both, or one that is out of its range.
        """
        if self.alpha is not None and self.run_length is not None:
            msg = "`alpha` (--alpha) and `run_length` (--run-length) are two promises; give one."
            raise InvalidInputError(msg)
        if self.run_length is not None:
            if as_positive(self.run_length, name="run_length") <= 1.0:
                msg = f"`run_length` (--run-length) must be above 1 label, got {self.run_length!r}."
                raise InvalidInputError(msg)
        elif self.alpha is None:
            object.__setattr__(self, "alpha", 0.01)
        elif not 0.0 < as_share(self.alpha, name="alpha") < 1.0:
            msg = f"`alpha` must be above 0 and below 1, got {self.alpha!r}."
            raise InvalidInputError(msg)

    @property
    def threshold(self) -> float:
        """What the log of the evidence has to reach."""
        return -log(self.alpha) if self.alpha is not None else log(self.run_length or inf)


@dataclass(frozen=True, eq=False)
class Evidence(Frozen):
    """Evidence of some labelled rows in their order: small, and mergeable.

    Attributes
    ----------
    bets : Bets
    n : int
        Rows so far.
    log_mass : float
        Log of the stake that is still kept for later starts: 1/(n + 1) of rows taken one by one.
    log_products : ndarray, shape (m,)
        Log of the stake of each bet that was made on all rows.
    log_restarts : ndarray, shape (m,)
        Log of the stake of each bet, of which row t was a start with a share of 1/(t (t + 1)).
    log_sums : ndarray, shape (m,)
        Log of the Shiryaev-Roberts e-detector of each bet: a stake of 1 at every row.
    log_maxima : ndarray, shape (m,)
        Log of the CUSUM e-detector of each bet: the best start so far.
    starts : ndarray of int, shape (m,)
        That start, counted in rows from 0.
    peak : float
        Largest `log_evidence` so far (of merged evidence: at the ends of its parts).
    """

    bets: Bets
    n: int
    log_mass: float
    log_products: Array
    log_restarts: Array
    log_sums: Array
    log_maxima: Array
    starts: NDArray[np.int64]
    peak: float

    @classmethod
    def none(cls, bets: Bets) -> Self:
        """Return the evidence of no row: a stake of 1."""
        m = len(bets)
        nothing = np.full(m, -inf)
        return cls(
            bets, 0, 0.0, np.zeros(m), nothing, nothing, nothing, np.zeros(m, dtype=np.int64), 0.0
        )

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the evidence that `to_dict` wrote."""
        m = {name: _array(content[name]) for name in _PER_BET}
        return cls(
            Bets.from_dict(content), int(content["n"]), float(content["log_mass"]), **m,
            starts=np.asarray(content["starts"], dtype=np.int64), peak=float(content["peak"]),
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and lists for JSON; None is minus infinity."""
        numbers = {
            name: [None if each == -inf else each for each in getattr(self, name).tolist()]
            for name in _PER_BET
        }
        rest = {"n": self.n, "log_mass": self.log_mass, "peak": self.peak}
        return self.bets.to_dict() | rest | numbers | {"starts": self.starts.tolist()}

    @property
    def log_martingale(self) -> float:
        """Log of the test martingale: the stake of all bets, made on all rows.

        At any time at least log(1/alpha) with probability at most alpha, if the rows are
        calibrated. After a long calibrated time it is low, and a change is found late.
        """
        return float(_log_sum(self.bets.shares, self.log_products))

    @property
    def log_evidence(self) -> float:
        """Log of the change e-process: bets that may start at any row, of one stake of 1.

        It holds the same promise as the martingale, and is never below -log(n + 1): a change after
        n rows has to make good 2 log(n) nats, not all that was lost before.
        """
        return float(np.logaddexp(_log_sum(self.bets.shares, self.log_restarts), self.log_mass))

    @property
    def log_run_length(self) -> float:
        """Log of the mixture of Shiryaev-Roberts e-detectors.

        The mean number of calibrated rows until it reaches log(A) is at least A.
        """
        return float(_log_sum(self.bets.shares, self.log_sums))

    @property
    def log_cusum(self) -> float:
        """Log of the mixture of CUSUM e-detectors: the same promise, and later alarms."""
        return float(_log_sum(self.bets.shares, self.log_maxima))

    @property
    def leader(self) -> int:
        """Position of the bet whose share of the stake, of later starts too, is the largest."""
        return int(np.argmax(np.log(self.bets.shares) + self.log_restarts))

    def value(self, alarm: Alarm) -> float:
        """Return the log of the evidence that an alarm looks at."""
        return self.log_evidence if alarm.alpha is not None else self.log_run_length

    def then(self, log_factors: Array) -> EvidencePath:
        """Return the evidence after each of some more rows, of their `Bets.log_factors` (r, m)."""
        return self.through([log_factors])

    def through(self, parts: Iterable[Array]) -> EvidencePath:
        """Return the same of rows whose factors come in parts, none of which is kept."""
        paths = [np.empty((4, 0))]
        last = self
        for part in parts:
            for start in range(0, len(part), _CHUNK):
                last, path = last._after(part[start : start + _CHUNK])
                paths.append(path)
        return EvidencePath(self, last, *np.concatenate(paths, axis=1))

    def _after(self, log_factors: Array) -> tuple[Self, Array]:
        """Return the evidence after some rows, and its four logs after each, (4, r)."""
        r = len(log_factors)
        sums = log_factors.cumsum(axis=0)
        before = np.vstack([np.zeros(len(self.bets)), sums[:-1]])
        step = np.arange(self.n + 2, self.n + r + 2, dtype=np.float64)
        # of the mass that is left after t rows, the next takes 1 in t + 2: one by one, 1/(t (t+1))
        mass = np.concatenate([[1.0], (self.n + 1.0) / step])
        row_mass = mass[:-1] / step
        starting = np.stack([self.log_restarts - self.log_mass, self.log_sums, self.log_maxima])
        if np.abs(sums).max() < _SMALL and starting.max() < _SMALL:
            products = np.exp(sums)
            stakes = _in_numbers(products, starting, row_mass)
            high = self.log_products.max()  # what is far below it counts for nothing
            with np.errstate(divide="ignore"):  # of a stake too small for float64
                logs, ends = np.log(stakes @ self.bets.shares), np.log(stakes[:, -1])
                shares = self.bets.shares * np.exp(self.log_products - high)
                martingale = np.log(products @ shares) + high
        else:
            stakes = _in_logs(sums, before, starting, row_mass)
            logs, ends = _log_sum(self.bets.shares, stakes), stakes[:, -1]
            martingale = _log_sum(self.bets.shares, self.log_products + sums)
        evidence = np.logaddexp(logs[0], np.log(mass[1:])) + self.log_mass
        best = r - 1 - before[::-1].argmin(axis=0)  # the last, where several are as good
        later = -before[best, np.arange(len(best))] >= self.log_maxima
        after = replace(
            self,
            n=self.n + r,
            log_mass=self.log_mass + log(mass[-1]),
            log_products=self.log_products + sums[-1],
            log_restarts=ends[0] + self.log_mass,
            log_sums=ends[1],
            log_maxima=ends[2],
            starts=np.where(later, self.n + best, self.starts),
            peak=max(self.peak, float(evidence.max())),
        )
        return after, np.stack([evidence, martingale, logs[1], logs[2]])

    def merge(self, other: Self) -> Self:
        """Return the evidence of the rows of both, those of `other` after these; associative.

        The martingale of both is what one reading of all rows gives, in any order; so are the
        detectors, in this order. The change e-process holds its promise with other shares of the
        stake at each start: what is left of this one's goes to the starts of the other's.

        Raises
        ------
        InvalidInputError
            The bets differ.
        """
        same = self.bets.bets == other.bets.bets
        if not same or not np.array_equal(self.bets.shares, other.bets.shares):
            msg = "evidence of different bets cannot be merged; collect both with the same `bets`."
            raise InvalidInputError(msg)
        products = other.log_products
        carried = self.log_maxima + products
        merged = replace(
            self,
            n=self.n + other.n,
            log_mass=self.log_mass + other.log_mass,
            log_products=self.log_products + products,
            log_restarts=np.logaddexp(
                self.log_restarts + products, self.log_mass + other.log_restarts
            ),
            log_sums=np.logaddexp(self.log_sums + products, other.log_sums),
            log_maxima=np.maximum(carried, other.log_maxima),
            starts=np.where(other.log_maxima >= carried, self.n + other.starts, self.starts),
        )
        # the highest that is known to be on the path of both
        return replace(merged, peak=max(self.peak, merged.log_evidence))


_PER_BET = ("log_products", "log_restarts", "log_sums", "log_maxima")


@dataclass(frozen=True, eq=False)
class EvidencePath(Frozen):
    """Evidence after each row.

    Attributes
    ----------
    first, last : Evidence
        Before and after all rows.
    log_evidence, log_martingale, log_run_length, log_cusum : ndarray, shape (n,)
        As those of `Evidence`, after each row.

    Examples
    --------
    A sure model that is wrong three times in four; the bet that it should be less sure wins:

    >>> from temperance.drift import collect
    >>> path = collect([[0.99, 0.01]] * 8, [0, 1, 1, 1, 0, 1, 1, 1])
    >>> path.last.n, path.crossing(Alarm(alpha=0.01)), path.last.bets.bets[path.last.leader].factor
    (8, 5, 2.0)
    """

    first: Evidence
    last: Evidence
    log_evidence: Array
    log_martingale: Array
    log_run_length: Array
    log_cusum: Array

    def __len__(self) -> int:
        return len(self.log_evidence)

    def crossing(self, alarm: Alarm) -> int | None:
        """Return the position (from 0) of the first row at which an alarm is raised, or None."""
        values = self.log_evidence if alarm.alpha is not None else self.log_run_length
        over = np.flatnonzero(values >= alarm.threshold)
        return int(over[0]) if len(over) else None


_CHUNK = 512  # rows, of which the sums of log factors seldom leave what float64 can hold
_SMALL = 300.0  # nats, up to which numbers stand for their logs


def _in_numbers(products: Array, starting: Array, row_mass: Array) -> Array:
    """Return the stakes of restarts, detectors and CUSUMs after each row, (3, r, m).

    Where E_t is the product of the factors up to row t: E_t (start + sum_s taken_s / E_(s-1)),
    with 1 in place of `row_mass` for the detectors, and the largest in place of the sum for CUSUMs.
    """
    inverse, start = np.empty_like(products), np.exp(starting)
    inverse[0] = 1.0
    np.divide(1.0, products[:-1], out=inverse[1:])
    stakes = np.empty((3, *products.shape))
    np.cumsum(inverse * row_mass[:, None], axis=0, out=stakes[0])
    np.cumsum(inverse, axis=0, out=stakes[1])
    stakes[:2] += start[:2, None]
    np.maximum(np.maximum.accumulate(inverse, axis=0), start[2], out=stakes[2])
    stakes *= products
    return stakes


def _in_logs(sums: Array, before: Array, starting: Array, row_mass: Array) -> Array:
    """Return the logs of the same, for sums of any size."""

    def running(ufunc: np.ufunc, start: Array, values: Array) -> Array:
        return np.asarray(ufunc.accumulate(np.vstack([start, values]), axis=0)[1:] + sums)

    return np.stack([
        running(np.logaddexp, starting[0], np.log(row_mass)[:, None] - before),
        running(np.logaddexp, starting[1], -before),
        running(np.maximum, starting[2], -before),
    ])  # fmt: skip


def _log_sum(shares: Array, logs: Array) -> Any:  # noqa: ANN401  (a number, or an array)
    """Return log sum_j shares_j exp(logs_j) over the last axis."""
    high = logs.max(axis=-1)
    shift = np.where(np.isfinite(high), high, 0.0)
    with np.errstate(divide="ignore"):  # of no row: log 0
        return np.log(np.exp(logs - shift[..., None]) @ shares) + shift


def _array(values: list[float | None]) -> Array:
    return np.array([-inf if each is None else each for each in values], dtype=np.float64)
