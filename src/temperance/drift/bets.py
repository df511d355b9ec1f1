"""Bets against the served probabilities: each a way in which they may have become wrong.

A bet tilts the served probabilities p of a row to others, q(k) ~ p(k) exp(theta s(k)). The stake
is multiplied by q(y) / p(y) when the label y arrives: by 1 on average, if p is right, whatever the
row. Several bets share the stake, so that what wins says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from temperance.checks.arguments import as_positive, as_sequence, as_word, optional_text
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen, Plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = ["MOST_CLASSES", "ODDS", "TEMPERATURES", "Bet", "Bets"]

Family = Literal["temperature", "accuracy", "class"]

TEMPERATURES = (0.5, 0.67, 0.8, 1.25, 1.5, 2.0)
ODDS = (1 / 3, 1 / 1.5, 1.5, 3.0)
MOST_CLASSES = 100  # of which each has bets of its own, unless classes are named
_FAMILIES = ("temperature", "accuracy", "class")
_SHARES = {"temperature": 2.0, "accuracy": 1.0, "class": 1.0, "group": 1.0}  # of the stake


@dataclass(frozen=True, slots=True)
class Bet(Plain):
    """One way in which probabilities may have become wrong.

    Attributes
    ----------
    family : {"temperature", "accuracy", "class"}
        What is tilted: all of a row, its most probable class, or one class in every row.
    factor : float
        Of a temperature: what it would have to be multiplied by, so that above 1 the model is
        over-confident. Else what the odds would have to be multiplied by: above 1 the class (or
        the predicted one) is true more often than its probability says.
    label : int, optional
        Which class, 0..k-1; of the family "class" alone.
    group : str, optional
        The rows it is about; None is all.

    Examples
    --------
    >>> Bet("temperature", 1.5).to_dict()
    {'family': 'temperature', 'factor': 1.5, 'label': None, 'group': None}
    """

    family: Family
    factor: float
    label: int | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        """Check the fields.

        Raises
        ------
        InvalidInputError
            An unknown family, a factor that is not finite and above 0, a label without a class.
        """
        as_word(self.family, _FAMILIES, name="family")
        as_positive(self.factor, name="factor")
        optional_text(self.group, name="group")
        whole = isinstance(self.label, int) and not isinstance(self.label, bool)
        if (self.family == "class") != (whole and (self.label or 0) >= 0):
            msg = (
                "`label` must be the number of a class, 0 or more, of a bet of the family "
                f'"class" and of no other; got {self.label!r} of "{self.family}".'
            )
            raise InvalidInputError(msg)


@dataclass(frozen=True, eq=False)
class Bets(Frozen):
    """Bets that share the stake.

    Attributes
    ----------
    bets : tuple of Bet
    shares : ndarray, shape (m,)
        Of the stake, above 0, summing to 1.

    Examples
    --------
    >>> bets = Bets.of(k=3, groups=["a", "b"])
    >>> len(bets.bets), bets.bets[0].factor, round(float(bets.shares.sum()), 12)
    (42, 0.5, 1.0)
    """

    bets: tuple[Bet, ...]
    shares: Array

    @classmethod
    def of(
        cls,
        k: int,
        *,
        labels: Sequence[int] | None = None,
        groups: Iterable[str] = (),
        temperatures: Sequence[float] = TEMPERATURES,
        odds: Sequence[float] = ODDS,
    ) -> Self:
        """Return the bets on rows of `k` classes.

        Parameters
        ----------
        k : int
            Number of classes, at least 2.
        labels : sequence of int, optional
            Classes with bets on their frequency: by default all of up to 100 (of two classes: the
            second alone, as the first is its mirror), and none of more than 100.
        groups : sequence of str, default ()
            Groups with bets on their temperature and accuracy alone.
        temperatures, odds : sequence of float
            Factors to bet on, each finite, above 0 and not 1. No `odds`: temperatures alone.

        Returns
        -------
        Bets
            Two fifths of the stake on temperatures, one each on the accuracy, the classes and the
            groups (what is absent leaves its share to the others), evenly within each.

        Raises
        ------
        InvalidInputError
            Fewer than two classes, a class that is none, a factor that is not finite, not above 0,
            or 1 (that would be no bet); no bet at all.

        Examples
        --------
        >>> [bet.factor for bet in Bets.of(k=2, temperatures=[1.5], odds=[]).bets]
        [1.5]
        """
        if not isinstance(k, int | np.integer) or isinstance(k, bool) or k < 2:
            msg = f"`k` must be a whole number of at least 2 classes, got {k!r}."
            raise InvalidInputError(msg)
        temperatures, odds = _factors(temperatures, "temperatures"), _factors(odds, "odds")
        whole = [Bet("temperature", factor) for factor in temperatures]
        accuracy = [Bet("accuracy", factor) for factor in odds]
        classes = [Bet("class", factor, label) for label in _labels(labels, k) for factor in odds]
        parts = [
            Bet(bet.family, bet.factor, group=str(group))
            for group in as_sequence(groups, name="groups", rule="names of groups", in_order=False)
            for bet in (*whole, *accuracy)
        ]
        families = {"temperature": whole, "accuracy": accuracy, "class": classes, "group": parts}
        present = {name: bets for name, bets in families.items() if bets}
        if not present:
            msg = "`temperatures` and `odds` are both empty: there is nothing to bet on."
            raise InvalidInputError(msg)
        total = sum(_SHARES[name] for name in present)
        shares = [_SHARES[name] / total / len(bets) for name, bets in present.items() for _ in bets]
        return cls(tuple(bet for bets in present.values() for bet in bets), np.array(shares))

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the bets that `to_dict` wrote."""
        bets = tuple(Bet(**each) for each in content["bets"])
        return cls(bets, np.asarray(content["shares"], dtype=np.float64))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, text and lists for JSON."""
        return {"bets": [bet.to_dict() for bet in self.bets], "shares": self.shares.tolist()}

    def __len__(self) -> int:
        return len(self.bets)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups that have bets of their own."""
        return tuple(dict.fromkeys(bet.group for bet in self.bets if bet.group is not None))

    def log_factors(
        self,
        log_probs: Array,
        labels: NDArray[np.intp],
        groups: NDArray[np.str_] | None = None,
    ) -> Array:
        """Return the log of what each row multiplies each bet's stake by, (n, m).

        Parameters
        ----------
        log_probs : ndarray, shape (n, k)
            Checked log probabilities, -inf where an option does not exist; rows sum to 1.
        labels : ndarray, shape (n,)
            Checked classes, of probability above 0.
        groups : ndarray of text, shape (n,), optional
            Group of each row, "" where it is not known. Bets on a group leave other rows at 0.

        Notes
        -----
        With temperature factor f: log p_y (1/f - 1) - log sum_k p_k^(1/f). With odds factor c of an
        event of probability e (the class, or the most probable one, the first of several):
        log(c) 1[event] - log(1 + e (c - 1)).
        """
        n = len(labels)
        factors = np.empty((n, len(self)), order="F")
        columns: dict[tuple[Family, float, int | None], Array] = {}
        of_label = log_probs[np.arange(n), labels]
        top = log_probs.argmax(axis=1)
        for place, bet in enumerate(self.bets):
            key = (bet.family, bet.factor, bet.label)
            if key not in columns:
                columns[key] = _log_factor(bet, log_probs, labels, of_label, top)
            column = columns[key]
            if bet.group is not None:
                in_group = np.zeros(n, dtype=bool) if groups is None else groups == bet.group
                column = np.where(in_group, column, 0.0)
            factors[:, place] = column
        return factors


def _log_factor(
    bet: Bet,
    log_probs: Array,
    labels: NDArray[np.intp],
    of_label: Array,
    top: NDArray[np.intp],
) -> Array:
    if bet.family == "temperature":
        tilted = np.exp(log_probs * (1.0 / bet.factor))
        return np.asarray(of_label * (1.0 / bet.factor - 1.0) - np.log(tilted.sum(axis=1)))
    if bet.family == "accuracy":
        happened, of_event = labels == top, log_probs[np.arange(len(top)), top]
    else:
        happened, of_event = labels == bet.label, log_probs[:, bet.label or 0]
    spread = np.log1p(np.exp(of_event) * (bet.factor - 1.0))
    return np.asarray(log(bet.factor) * happened - spread)


def _factors(values: Sequence[float], name: str) -> list[float]:
    factors = [as_positive(each, name=name) for each in as_sequence(values, name=name, rule=_RULE)]
    if 1.0 in factors:
        msg = f"`{name}` must not hold 1: that is the probabilities as they are, and no bet."
        raise InvalidInputError(msg)
    return factors


_RULE = "a sequence of numbers above 0"


def _labels(labels: Sequence[int] | None, k: int) -> list[int]:
    if labels is None:
        return [1] if k == 2 else list(range(k if k <= MOST_CLASSES else 0))
    sequence = as_sequence(labels, name="labels", rule="a sequence of classes 0..k-1")
    for label in sequence:
        whole = isinstance(label, int | np.integer) and not isinstance(label, bool)
        if not whole or not 0 <= label < k:
            msg = f"`labels` must be classes 0..{k - 1}, got {label!r}."
            raise InvalidInputError(msg)
    return [int(label) for label in sequence]
