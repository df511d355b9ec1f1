"""Where bands begin: thresholds tried in fixed sequences, several promises at once.

Promises that pull a threshold the same way are tested together: the largest of their p-values is
one p-value of "some promise is broken here" (an intersection-union test), and costs nothing.
Promises that pull it in opposite ways, the two ends of the scale, and groups are searched apart,
each at its share of the level (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from temperance.binning import ROUNDING
from temperance.decisions.abstain import Target, counts_reaching, first_tried
from temperance.decisions.band_promises import RATES
from temperance.decisions.binomial import fewest_rows, p_values, rows_needed
from temperance.show import percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from temperance.decisions.band_promises import BandPromises

    Array = NDArray[np.float64]

__all__ = ["BAND_GRID", "Cuts", "GridRange", "find_cuts"]

_ENDS = np.array([2e-5, 5e-5, 1e-4, 2e-4, 5e-4])  # rare events, and models that are all but certain
BAND_GRID: Array = np.concatenate([1.0 - _ENDS, np.arange(999, 0, -1) / 1000.0, _ENDS[::-1], [0.0]])
BAND_GRID.setflags(write=False)
_LOOKED_AT = 12  # thresholds whose need of labels is reckoned exactly


class GridRange(NamedTuple):
    """The grid's places at which the promises of a side hold, first to last; or why none does."""

    first: int
    last: int
    reason: str | None = None
    needed: int | None = None  # labelled rows that would do, where none does; None: no number

    @property
    def holds(self) -> bool:
        """Whether there is any."""
        return self.reason is None


class Cuts(NamedTuple):
    """Where the bands begin, and why one is missing."""

    accept_from: float | None
    reject_to: float | None
    accept_reason: str | None = None
    reject_reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Band:
    """Counts at each threshold of the grid, of rows that reach it from the side of a band."""

    rows: NDArray[np.int64]  # (m,): reach it
    bad: NDArray[np.int64]  # (m,): of these, of the other truth
    n: int
    n_bad: int  # rows of the other truth
    score: Array

    @classmethod
    def of(cls, score: Array, good: NDArray[np.bool_]) -> _Band:
        rows, bad = counts_reaching(score, ~good, BAND_GRID)
        return cls(rows, bad, len(score), int(np.count_nonzero(~good)), score)

    def counts_of(self, name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the bad rows of a promise and its denominator, at each threshold."""
        rate = RATES[name]
        if rate.side == "recall":
            n_good = self.n - self.n_bad
            missed = n_good - (self.rows - self.bad)
            return missed, np.full(len(self.rows), n_good, dtype=np.int64)
        whole = self.rows if rate.of_band else np.full_like(self.rows, self.n_bad)
        return self.bad, whole


def find_cuts(
    score: Array, positive: NDArray[np.bool_], promises: BandPromises, delta: float
) -> Cuts:
    """Return where the bands begin on these rows, each side searched at level `delta`.

    The loosest thresholds: most rows accepted and rejected. Where only a recall is promised, the
    strictest that keeps it.
    """
    upper, lower = _Band.of(score, positive), _Band.of(1.0 - score, ~positive)
    accept, accept_reason = _accepting(upper, promises, delta)
    reject = _searched(lower, promises.bad_shares("reject"), delta)
    reject_reason = reject.reason
    if "reject" not in promises.bands:
        reject_reason = None
    i = None if accept is None else accept.last
    j = reject.last if reject.holds and "reject" in promises.bands else None
    if accept is not None and j is not None:
        pair = _apart(accept, reject)
        if pair is None:
            why = (
                "the bands overlap wherever they begin: the same rows would be accepted and "
                "rejected. Promise one of them"
            )
            return Cuts(None, None, why, why)
        i, j = pair
    return Cuts(
        None if i is None else float(BAND_GRID[i]),
        None if j is None else round(float(1.0 - BAND_GRID[j]), 12),
        accept_reason,
        reject_reason,
    )


def _accepting(
    band: _Band, promises: BandPromises, delta: float
) -> tuple[GridRange | None, str | None]:
    """Return the places at which everything promised of accepted rows holds, or why none."""
    strict, recall = promises.bad_shares("accept"), promises.bad_shares("recall")
    if not strict and not recall:
        return None, None
    if not recall:
        places = _searched(band, strict, delta)
        return (places, None) if places.holds else (None, places.reason)
    both = {**strict, **recall}
    loose = _searched_up(band, recall, delta, both)
    if not strict:
        # the strictest threshold of those that hold is the one that is wanted
        return (GridRange(loose.first, loose.first), None) if loose.holds else (None, loose.reason)
    places = _searched(band, strict, delta, both)
    for each in (places, loose):
        if not each.holds:
            return None, each.reason
    if places.last < loose.first:
        return None, _excluding(band, promises, places, loose, delta)
    return GridRange(max(places.first, loose.first), places.last), None


def _searched(
    band: _Band,
    shares: Mapping[str, float],
    delta: float,
    stated: Mapping[str, float] | None = None,
) -> GridRange:
    """Return the thresholds, strict to loose, before the first at which some promise fails.

    The labels that would do are those of all that is `stated` of the band, this and more.
    """
    stated = stated or shares
    if not shares:
        return GridRange(0, -1)
    first: int | None = 0
    precise = next((share for name, share in shares.items() if RATES[name].of_band), None)
    if precise is not None:
        first = first_tried(band.score, Target(precise, None, delta, BAND_GRID))
    if first is None:
        return _failed(band, shares, stated, delta, None)
    fails = _joint(band, shares)[first:] > delta
    passed = int(fails.argmax()) if fails.any() else len(fails)
    last = first + passed - 1
    if not passed or not band.rows[last]:
        return _failed(band, shares, stated, delta, first)
    return GridRange(first, last)


def _searched_up(
    band: _Band, shares: Mapping[str, float], delta: float, stated: Mapping[str, float]
) -> GridRange:
    """Return the thresholds, loose to strict, before the first at which the recall fails."""
    fails = (_joint(band, shares) > delta)[::-1]
    passed = int(fails.argmax()) if fails.any() else len(fails)
    end = len(fails)
    if passed:
        return GridRange(end - passed, end - 1)
    return _failed(band, shares, stated, delta, end - 1)


def _joint(band: _Band, shares: Mapping[str, float]) -> Array:
    """Return the p-value of "one of the promises is broken", at each threshold."""
    largest = np.zeros(len(BAND_GRID))
    for name, share in shares.items():
        bad, whole = band.counts_of(name)
        of_rows = p_values(np.minimum(bad, whole), np.maximum(whole, 1), share)
        largest = np.maximum(largest, np.where(whole > 0, of_rows, 1.0))
    return largest


def _apart(accept: GridRange, reject: GridRange) -> tuple[int, int] | None:
    """Return places of both thresholds that leave no row in both bands, least review first.

    The loosest of both where they are apart. Else every stricter one has been tested too: of the
    pairs that just do not touch the one nearest to 1/2, where the prediction changes.
    """
    if 1.0 - BAND_GRID[reject.last] < BAND_GRID[accept.last] - 2.0 * ROUNDING:
        return accept.last, reject.last
    places = np.arange(accept.first, accept.last + 1)
    # the loosest rejection below each acceptance: 1 - grid[j] < grid[i]
    below = (1.0 - BAND_GRID[places])[:, np.newaxis] + 2.0 * ROUNDING < BAND_GRID
    loosest = np.minimum(below.sum(axis=1) - 1, reject.last)
    possible = loosest >= reject.first
    if not possible.any():
        return None
    wasted = np.where(possible, reject.last - loosest + (accept.last - places), np.inf)
    least = np.flatnonzero(possible & (wasted <= wasted.min() + 1))
    best = least[np.abs(BAND_GRID[places[least]] - 0.5).argmin()]
    return int(places[best]), int(loosest[best])


# Why rows do not support promises, and how many labels would.


def _failed(
    band: _Band,
    shares: Mapping[str, float],
    stated: Mapping[str, float],
    delta: float,
    first: int | None,
) -> GridRange:
    needed = _labels_needed(band, stated, delta)
    why = _why(band, shares, delta, first)
    return GridRange(0, -1, f"{why}. {_would_do(needed, stated)}", needed)


def _would_do(needed: int | None, stated: Mapping[str, float]) -> str:
    if needed is None:
        what = "it"
        if len(stated) > 1:
            what = f"{' and '.join(f'`{name}` ({RATES[name].option})' for name in stated)} at once"
        return f"No number of labels would do: at no threshold do these rows keep {what}"
    return f"About {needed:,} labelled rows would do, as these go (power 80 %)"


def _why(band: _Band, shares: Mapping[str, float], delta: float, first: int | None) -> str:
    """Say which promise fails at the first threshold tried."""
    place = len(BAND_GRID) - 1 if first is None else first
    joint = _joint(band, shares)
    if first is not None and not band.rows[first] and joint[first] <= delta:
        loosest = BAND_GRID[np.flatnonzero(joint <= delta)[-1]]
        none = f"no row reaches {loosest:g}"
        if any(RATES[name].side == "reject" for name in shares):
            none = f"no row is as low as {1.0 - loosest:g}"
        return f"the band is empty: {none}, the loosest that holds"
    for name, share in shares.items():
        bad, whole = (int(each[place]) for each in band.counts_of(name))
        fewest = fewest_rows(share, delta)
        what = _DENOMINATORS[name]
        if whole < fewest:
            return (
                f"`{name}` ({RATES[name].option}) takes at least {fewest:,} {what}, none of them "
                f"{_BAD[name]}, and there {'is' if whole == 1 else 'are'} {whole:,}"
            )
        if first is None or p_values(np.array([bad]), np.array([whole]), share)[0] > delta:
            where = f" (score {_at(place)} and more)" if RATES[name].of_band else ""
            if where and RATES[name].side == "reject":
                where = f" (score {1.0 - BAND_GRID[place]:g} and less)"
            return (
                f"`{name}` ({RATES[name].option}): of {whole:,} {what}{where} {bad:,} "
                f"{'is' if bad == 1 else 'are'} {_BAD[name]}, {percent_text(bad / whole)}"
            )
    return "no threshold has rows enough"


_DENOMINATORS = {
    "min_precision": "accepted rows",
    "max_false_positive_rate": "negative rows",
    "min_recall": "positive rows",
    "min_negative_predictive_value": "rejected rows",
    "max_false_negative_rate": "positive rows",
}
_BAD = {
    "min_precision": "negative",
    "max_false_positive_rate": "accepted",
    "min_recall": "missed",
    "min_negative_predictive_value": "positive",
    "max_false_negative_rate": "rejected",
}


def _labels_needed(band: _Band, shares: Mapping[str, float], delta: float) -> int | None:
    """Return about how many labelled rows would allow all these promises at some threshold.

    At a threshold each promise needs so many rows of its denominator (power 80 %, the rate taken as
    (bad + 1/2) / (rows + 1), or bad / rows if only that is below the limit), and so many more rows
    as the denominator is a share of all; the largest counts, and the smallest of these over
    thresholds. None where no threshold keeps all of them.
    """
    rows, at = np.unique(band.rows, return_index=True)
    at = at[rows > 0]
    if not len(at):
        return None
    rough = np.zeros(len(at))
    rates: dict[str, tuple[Array, Array]] = {}
    for name, share in shares.items():
        bad, whole = (each[at].astype(np.float64) for each in band.counts_of(name))
        careful, plain = (bad + 0.5) / (whole + 1.0), bad / np.maximum(whole, 1.0)
        rate = np.where(careful < share, careful, plain)
        of_all = whole / band.n
        gap = share - rate
        with np.errstate(divide="ignore", invalid="ignore"):
            need = (share * (1.0 - share) * 8.0 / gap**2 + fewest_rows(share, delta)) / of_all
        rough = np.maximum(rough, np.where((gap > 0.0) & (whole > 0), need, np.inf))
        rates[name] = rate, of_all
    sizes = []
    for place in np.argsort(rough, kind="stable")[:_LOOKED_AT]:
        if not np.isfinite(rough[place]):
            break
        each = [
            _need(float(rates[name][0][place]), float(rates[name][1][place]), share, delta)
            for name, share in shares.items()
        ]
        if None not in each:
            sizes.append(max(size for size in each if size is not None))
    return min(sizes, default=None)


def _need(rate: float, of_all: float, share: float, delta: float) -> int | None:
    needed = rows_needed(rate, share, delta)
    return None if needed is None else ceil(needed / of_all)


def _excluding(
    band: _Band, promises: BandPromises, strict: GridRange, loose: GridRange, delta: float
) -> str:
    """Say where promises about one threshold exclude each other."""
    shares = {**promises.bad_shares("accept"), **promises.bad_shares("recall")}
    names = " and ".join(f"`{name}` ({RATES[name].option})" for name in shares)
    n_good = band.n - band.n_bad
    recall = (band.rows - band.bad)[strict.last] / n_good
    risk = band.bad[loose.first] / max(int(band.rows[loose.first]), 1)
    return (
        f"{names} exclude each other on these rows: one needs a threshold of {_at(strict.last)} or "
        f"more, where the recall seen is {percent_text(float(recall))}, the other one of "
        f"{_at(loose.first)} or less, where the precision seen is {percent_text(1.0 - float(risk))}"
        f". {_would_do(_labels_needed(band, shares, delta), shares)}"
    )


def _at(place: int) -> str:
    return f"{BAND_GRID[place]:g}"
