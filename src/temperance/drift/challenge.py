"""A new calibrator against the serving one, on labels that neither was fitted on."""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING

import numpy as np

from temperance.checks.arguments import as_count, as_share
from temperance.drift.collect import log_probs_of, require_possible
from temperance.errors import InvalidInputError
from temperance.frozen import Plain
from temperance.metrics.inputs import Predictions
from temperance.numerics import log_probs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["Challenge", "challenge", "prequential_log_probs"]


@dataclass(frozen=True, slots=True)
class Challenge(Plain):
    """What labels say of a challenger against the champion.

    Attributes
    ----------
    n : int
        Rows that neither was fitted on.
    log_evidence : float
        Log of the product of challenger's over champion's probability of what came true, in nats:
        an e-value against "the champion is calibrated". 1/alpha at any time has probability at
        most alpha if it is.
    peak : float
        The largest that it was after any row.
    mean_gain : float
        Mean log loss of the champion less that of the challenger, in nats per row: above 0 the
        challenger is better. The other way round, -`log_evidence` is what speaks for the champion.
    standard_error : float
        Of the mean gain; undefined (nan) for one row.
    """

    n: int
    log_evidence: float
    peak: float
    mean_gain: float
    standard_error: float

    @classmethod
    def of_gains(cls, gains: Array) -> Challenge:
        """Return it of each row's log ratio of probabilities, (n,), n >= 1."""
        spread = float(gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else float("nan")
        path = gains.cumsum()
        return cls(len(gains), float(path[-1]), float(path.max()), float(gains.mean()), spread)

    def earned(self, alpha: float = 0.05) -> bool:
        """Return whether the evidence for the challenger, after all rows, reaches 1/alpha.

        Raises
        ------
        InvalidInputError
            `alpha` outside (0, 1).

        Examples
        --------
        >>> Challenge(3, 3.1, 3.1, 1.0, 0.1).earned(), Challenge(3, 2.9, 3.1, 1.0, 0.1).earned()
        (True, False)
        """
        if not 0.0 < as_share(alpha, name="alpha") < 1.0:
            msg = f"`alpha` must be above 0 and below 1, got {alpha!r}."
            raise InvalidInputError(msg)
        return self.log_evidence >= -log(alpha)


def challenge(champion: ArrayLike, challenger: ArrayLike, labels: ArrayLike) -> Challenge:
    """Compare the probabilities of two calibrators on labels that neither was fitted on.

    Parameters
    ----------
    champion, challenger : array_like, shape (n, k) or (n,)
        Probabilities of the same rows, served and proposed.
    labels : array_like, shape (n,)
        What came true.

    Raises
    ------
    InvalidInputError
        What `evaluate` would refuse; another shape; a label to which either gives 0.

    Examples
    --------
    >>> one = challenge([[0.9, 0.1]] * 2, [[0.6, 0.4]] * 2, [0, 1])
    >>> round(one.log_evidence, 6)  # log(.6/.9) + log(.4/.1)
    0.980829
    """
    old = Predictions.check(champion, labels, None)
    new = Predictions.check(challenger, labels, None)
    if old.shape != new.shape:
        msg = f"`challenger` has shape {new.shape}, `champion` {old.shape}: give the same rows."
        raise InvalidInputError(msg)
    for rows in (old, new):
        require_possible(log_probs(rows.of_label))
    return Challenge.of_gains(np.log(new.of_label) - np.log(old.of_label))


def prequential_log_probs(
    fit: Callable[[NDArray[np.intp]], Callable[[NDArray[np.intp]], NDArray[np.floating]]],
    n: int,
    *,
    first: int,
    blocks: int = 10,
) -> Sequence[tuple[NDArray[np.intp], Array]]:
    """Return the log probabilities of rows by maps that were fitted on the rows before them.

    Parameters
    ----------
    fit : callable
        `fit(rows)` fits on rows 0.., and returns a function of other rows that gives their logits,
        (m, k).
    n, first, blocks : int
        Rows, in the order of their labels; how many the first fit has; into how many blocks the
        rest is cut, each of which is scored by a fit on all rows before it.

    Returns
    -------
    sequence of (rows, log_probs)
        Places of the rows of each block, and their log probabilities (m, k).

    Raises
    ------
    InvalidInputError
        No row is left after the first fit.
    """
    first = as_count(first, name="first")
    blocks = as_count(blocks, name="blocks")
    if n <= first:
        msg = f"`first` must leave rows to compare on: {first} of {n} are for the first fit."
        raise InvalidInputError(msg)
    scored = []
    for rows in np.array_split(np.arange(first, n), min(blocks, n - first)):
        scaled = fit(np.arange(rows[0]))
        scored.append((rows, log_probs_of(scaled(rows))))
    return scored
