"""What an alarm is about: since when, what became wrong, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import TemperatureScaling
from temperance.errors import InvalidInputError
from temperance.frozen import Plain
from temperance.numerics import logit
from temperance.printable import capitalised, digits_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.drift.bets import Bet, Bets

    Array = NDArray[np.float64]

__all__ = ["Cause", "Onset", "cause_of", "estimate_onset"]

_RANGE = 4.0  # nats below the best start: holds the true one in .94 to .99 of simulated changes
_ELSEWHERE = 1.0  # nats of the same bet on the other rows, up to which it is "only" in a group
_LARGEST = 12.0  # of the log of a factor of odds


@dataclass(frozen=True, slots=True)
class Onset(Plain):
    """Where a change began, in rows from 0.

    Attributes
    ----------
    row : int
        First row after the change, by the largest likelihood.
    low, high : int
        A range that held the true one in .94 to .99 of simulated sudden changes (temperatures,
        class frequencies, rare events, heavy tails), each found by an alarm at alpha = 0.01.
    """

    row: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Cause(Plain):
    """Which bet won, and what that says.

    Attributes
    ----------
    bet : Bet
        The winner.
    factor : float
        The factor that fits the rows since the onset best (the bet's own is one of a grid).
    log_evidence : float
        Log of what the bet made of a stake of 1 since the onset, in nats.
    only : bool or None
        Of a bet on a group: whether the same bet gains nothing on the other rows since.
    words, advice : str
        What became wrong, and what to do, a sentence each.
    """

    bet: Bet
    factor: float
    log_evidence: float
    only: bool | None
    words: str
    advice: str


def estimate_onset(log_factors: Array) -> Onset:
    """Return where the best start of one bet is, and the range of starts nearly as good.

    Parameters
    ----------
    log_factors : ndarray, shape (n,)
        Of one bet (a column of `Bets.log_factors`), of all rows since the last reset, n >= 1.

    Returns
    -------
    Onset
        The row s with the largest sum of log factors from s on; the range holds every s whose sum
        is within 4 nats of it.

    Raises
    ------
    InvalidInputError
        No rows.

    Examples
    --------
    >>> estimate_onset(np.array([-2.0, -2.0, 5.0, 5.0])).to_dict()
    {'row': 2, 'low': 0, 'high': 2}
    """
    if not len(log_factors):
        msg = "`log_factors` must have at least one row: nothing began on none."
        raise InvalidInputError(msg)
    since = log_factors[::-1].cumsum()[::-1]
    best = int(since.argmax())
    close = np.flatnonzero(since >= since[best] - _RANGE)
    return Onset(best, int(close[0]), int(close[-1]))


def cause_of(
    bets: Bets,
    leader: int,
    log_probs: Array,
    labels: NDArray[np.intp],
    groups: NDArray[np.str_] | None = None,
    *,
    classes: tuple[str, ...] | None = None,
) -> Cause:
    """Return what the winning bet says of the rows since the onset.

    Parameters
    ----------
    bets : Bets
    leader : int
        Position of the winner (`Evidence.leader`).
    log_probs, labels, groups
        As in `Bets.log_factors`, of the rows since the onset, at least one.
    classes : tuple of str, optional
        Names of the columns.
    """
    bet = bets.bets[leader]
    own = np.ones(len(labels), dtype=bool)
    only = None
    if bet.group is not None:
        own = np.zeros(len(labels), dtype=bool) if groups is None else groups == bet.group
        others = _alone(bets, leader).log_factors(log_probs[~own], labels[~own])
        only = bool(others.sum() <= _ELSEWHERE)
    won = _alone(bets, leader).log_factors(log_probs[own], labels[own])
    factor = _best_factor(bet, log_probs[own], labels[own])
    words, advice = _words(bet, factor, only=only, classes=classes)
    return Cause(bet, factor, float(won.sum()), only, words, advice)


def _alone(bets: Bets, place: int) -> Bets:
    """Return one bet on all rows."""
    bet = bets.bets[place]
    everywhere = type(bet)(bet.family, bet.factor, bet.label)
    return type(bets)((everywhere,), np.ones(1))


def _best_factor(bet: Bet, log_probs: Array, labels: NDArray[np.intp]) -> float:
    """Return the factor of largest likelihood; of odds, within e^-12 to e^12."""
    if bet.family == "temperature":
        return TemperatureScaling.fit(log_probs, labels, prior=1.0, refuse_probs=False).temperature
    from scipy.optimize import brentq  # noqa: PLC0415  (slow to import)
    from scipy.special import expit  # noqa: PLC0415

    rows = np.arange(len(labels))
    event = log_probs.argmax(axis=1) if bet.label is None else np.full(len(labels), bet.label)
    number = np.count_nonzero(labels == event)
    with np.errstate(divide="ignore"):  # of an event that is sure
        odds = logit(np.exp(log_probs[rows, event]))

    def surplus(change: float) -> float:
        """Return how many more events the changed odds expect than happened: rising."""
        return float(expit(odds + change).sum()) - number

    if surplus(-_LARGEST) >= 0.0 or surplus(_LARGEST) <= 0.0:
        return exp(_LARGEST if number else -_LARGEST)
    return exp(brentq(surplus, -_LARGEST, _LARGEST, xtol=1e-9))


def _words(
    bet: Bet, factor: float, *, only: bool | None, classes: tuple[str, ...] | None
) -> tuple[str, str]:
    """Return what became wrong, and what to do."""
    where = "" if bet.group is None else f"{'only ' if only else ''}in group {bet.group!r}, "
    up = factor > 1.0
    if bet.family == "temperature":
        high, size = ("high", factor) if up else ("low", 1.0 / factor)
        by, times = digits_text(size, 2), digits_text(factor, 2)
        words = f"confidence is too {high} by a factor of {by} (of the temperature)."
        advice = f"Fit again: the temperature wants to be about {times} times as large."
        if bet.group is not None:
            advice = "Fit again with a temperature for each group (group-temperature)."
        return capitalised(where + words), advice
    odds = f"{digits_text(factor, 2)} times" if up else f"1/{digits_text(1.0 / factor, 2)} of"
    if bet.family == "accuracy":
        words = (
            f"the most probable class is right {'more' if up else 'less'} often than its "
            f"probability says: its odds are {odds} what they should be by it."
        )
        advice = "Fit again, and look at the model and its inputs: it is not only its sureness."
        return capitalised(where + words), advice
    name = f"class {bet.label}" if classes is None else repr(classes[bet.label or 0])
    words = (
        f"{name} became {'more' if up else 'less'} frequent than its probability says: its odds "
        f"are {odds} what they say."
    )
    advice = (
        "Fit again with biases of the classes (bias-corrected-temperature); if inputs of a class "
        "became more frequent and nothing else changed, `temperance shift` estimates by how much."
    )
    return capitalised(where + words), advice
