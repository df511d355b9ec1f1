"""Where the true token stands among those shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["label_positions"]


def label_positions(tokens: Sequence[Sequence[str]], labels: Sequence[str]) -> NDArray[np.intp]:
    """Return the place of each row's true token among those shown, -1 where it is not.

    Parameters
    ----------
    tokens : n sequences of str (or token numbers)
        The tokens whose log-probabilities `TopKTemperature.fit` gets, in the same order.
    labels : sequence of n str (or token numbers)
        The true tokens, compared to the last character: " A" is not "A".

    Returns
    -------
    ndarray of int, shape (n,)
        From 0; -1 where the true token is not shown.

    Raises
    ------
    InvalidInputError
        Another number of labels than of rows, or a true token that a row shows twice: add up the
        probabilities of its entries first.

    Examples
    --------
    >>> label_positions([["yes", "no"], ["no", "maybe"]], ["no", "yes"])
    array([ 1, -1])
    """
    if isinstance(labels, str) or len(tokens) != len(labels):
        count = "one text" if isinstance(labels, str) else f"{len(labels)}"
        msg = f"`labels` must name one true token per row of `tokens`, {len(tokens)}; got {count}."
        raise InvalidInputError(msg)
    places = np.full(len(tokens), -1, dtype=np.intp)
    for row, (shown, label) in enumerate(zip(tokens, labels, strict=True)):
        if isinstance(shown, str):
            msg = f"`tokens` must hold a sequence of tokens per row; row {row} is one text."
            raise InvalidInputError(msg)
        found = [place for place, token in enumerate(shown) if token == label]
        if len(found) > 1:
            msg = (
                f"`tokens` of a row must differ; row {row} shows its true token {label!r} "
                f"{len(found)} times. Add up their probabilities (logaddexp of their "
                "log-probabilities) and keep one."
            )
            raise InvalidInputError(msg)
        if found:
            places[row] = found[0]
    return places
