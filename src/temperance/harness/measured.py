"""What harnesses show of a set of answers: the calibration error and what chance explains of it."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np

from temperance.evaluation import evaluate
from temperance.numerics import softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.evaluation import Evaluation

__all__ = ["MEASURES", "measure_of", "option_rows"]

# Name that a harness shows -> what `evaluate` calls it.
MEASURES = {
    "ece": lambda evaluation: evaluation.ece.value,
    "ece_null_high": lambda evaluation: evaluation.ece_null.high,
    "ece_p_value": lambda evaluation: evaluation.errors["ece"].p_value,
    "log_loss": lambda evaluation: evaluation.log_loss.value,
}


def option_rows(
    log_probs: Sequence[Sequence[float]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the probabilities of each row's options, (n, k); 0 where a row has fewer."""
    most = max(map(len, log_probs))
    padded = np.full((len(log_probs), most), -np.inf)
    for row, options in enumerate(log_probs):
        padded[row, : len(options)] = options
    return softmax(padded)


def measure_of(
    items: Sequence[tuple[int, Sequence[float]]], name: str, *, n_bins: int = 15
) -> float:
    """Return one measure of (right option, log-probabilities of the options); nan of none."""
    if not items:
        return nan
    labels, log_probs = zip(*items, strict=True)
    evaluation: Evaluation = evaluate(
        option_rows(log_probs), labels, n_bins=n_bins, measures=("ece",)
    )
    return float(MEASURES[name](evaluation))
