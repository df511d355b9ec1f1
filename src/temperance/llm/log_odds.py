"""Scores of answers as log-odds, for any calibrator of two classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.checks.answer_scores import AnswerScale

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["answer_log_odds"]


def answer_log_odds(scores: ArrayLike, *, scale: str, of: int | None = None) -> NDArray[np.float64]:
    r"""Return log-odds that rise with the scores: what calibrators of two classes take.

    Parameters
    ----------
    scores : array_like, shape (n,)
        One per answer; the larger, the more confident.
    scale : {"logprob", "probability", "fraction", "percent", "count", "real"}
        What the scores are: "logprob", natural logarithms of probabilities, <= 0 (sum, mean or
        minimum over an answer's tokens); "probability", measured, in [0, 1], as P(True);
        "fraction" and "percent", stated in words, in [0, 1] and [0, 100]; "count", how many of
        `of` samples agree; "real", any number, taken as it is.
    of : int, optional
        The number of samples, for "count".

    Returns
    -------
    ndarray of float64, shape (n,)
        Finite.

    Raises
    ------
    InvalidInputError
        Another scale, scores outside it, nan; percentages that all lie in [0, 1].

    Notes
    -----
    Of p = exp(score) and of a probability :math:`\log p - \log(1 - p)`; 1 - p, and a probability
    p, count as :math:`2^{-24}` at least, half the last place of float32, for rounding makes them 0.
    Of a count r of m, and of a stated percentage as r of m = 100, the empirical logit
    :math:`\log((r + 1/2) / (m - r + 1/2))`: "100 %" is what people say from about 99.5 % on.

    References
    ----------
    Cox (1970), The Analysis of Binary Data, Section 3.2 (the empirical logistic transform)

    Examples
    --------
    >>> answer_log_odds([50.0, 100.0], scale="percent").round(3)
    array([0.   , 5.303])
    >>> answer_log_odds([3], scale="count", of=3).round(3)
    array([1.946])
    """
    return AnswerScale(scale, of).log_odds(scores)
