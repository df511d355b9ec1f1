"""Where the true token stands among those shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.checks.arguments import as_sequence
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
    tokens = as_sequence(tokens, name="tokens", rule="a sequence of tokens per row")
    labels = as_sequence(labels, name="labels", rule="a sequence of one true token per row")
    if len(tokens) != len(labels):
        msg = (
            f"`labels` must name one true token per row of `tokens`, {len(tokens)}; got "
            f"{len(labels)}."
        )
        raise InvalidInputError(msg)
    places = np.full(len(tokens), -1, dtype=np.intp)
    for row, (shown, label) in enumerate(zip(tokens, labels, strict=True)):
        texts = as_sequence(shown, name=f"tokens[{row}]", rule="a sequence of tokens")
        found = [place for place, token in enumerate(texts) if token == label]
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
