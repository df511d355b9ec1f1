"""Ways to calibrate a label matrix, side by side: the map, a line per label, base rates alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import LabelPlattScaling, fit_entries
from temperance.compare import Comparison, compare_rows
from temperance.crossfit import cross_fit
from temperance.errors import NoOptimumError
from temperance.metrics.resampling import QUICK_RESAMPLES
from temperance.show import number_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.cli.rows import Rows

    Array = NDArray[np.float64]
    Fit = Callable[[Array | None], Callable[[Rows], Array]]

__all__ = ["BASE_RATES", "LINES", "compare_label_ways", "label_way_warnings", "label_ways_dict"]

BASE_RATES = "base rate of each label, without the model"
LINES = "slope and intercept per label"


def compare_label_ways(
    rows: Rows, test: Rows | None, after: NDArray[np.float64] | None, *, method: str, seed: int = 0
) -> Comparison | None:
    """Compare the calibrated rows (`after`, the first) with a line per label and with base rates.

    On the test rows, or cross-fitted; rows are held out with all their labels. None of other files
    than label matrices.
    """
    if rows.entries is None:
        return None
    assert after is not None  # noqa: S101  (of rows in memory)
    measured = test or rows
    sides = {method: measured.predictions(after)}
    ways: dict[str, Fit] = {BASE_RATES: lambda weights: _base_rates(rows, weights)}
    if method != LabelPlattScaling.method:
        ways[LINES] = lambda weights: _lines(rows, weights)
    for name, fit in ways.items():
        try:
            sides[name] = measured.predictions(_unseen(rows, test, fit, seed=seed))
        except NoOptimumError:
            continue
    return compare_rows(sides, n_resamples=QUICK_RESAMPLES)


def label_way_warnings(ways: Comparison | None) -> tuple[str, ...]:
    """Return what users should hear where a line per label, or no model at all, does better."""
    if ways is None:
        return ()
    own = ways.baseline
    losses = {name: number_text(each.log_loss.value) for name, each in ways.evaluations.items()}
    found = []
    if LINES in ways.differences and ways.differences[LINES].verdict("log_loss") == "better":
        found.append(
            f"{own} leaves a log loss of {losses[own]}; a slope and an intercept per label leave "
            f"{losses[LINES]}, for they can also move a label that is claimed too often or too "
            f"rarely: fit with --method {LabelPlattScaling.method}, or --method auto."
        )
    if BASE_RATES in ways.differences:
        against = ways.differences[BASE_RATES]
        if against.verdict("log_loss") == "better":
            found.append(
                f"after {own} the log loss of {losses[own]} is worse than that of no model: "
                f"knowing only how often each label applies would cost {losses[BASE_RATES]}."
            )
    return tuple(found)


def label_ways_dict(ways: Comparison) -> dict[str, Any]:
    """Return the log loss of each way, and its difference from the first."""
    return {
        name: {
            "log_loss": evaluation.log_loss.to_dict(),
            "difference": None
            if name == ways.baseline
            else ways.differences[name].log_loss.to_dict(),
        }
        for name, evaluation in ways.evaluations.items()
    }


def _unseen(rows: Rows, test: Rows | None, fit: Fit, *, seed: int) -> Array:
    """Return the logits of test rows, or of all rows by fits without them."""
    if test is not None:
        return fit(rows.weights)(test)

    def out_of_fold(weights: Array) -> Callable[[NDArray[np.bool_]], Array]:
        apply = fit(weights)
        return lambda held_out: apply(rows.taken(held_out))

    numbers = np.unique(rows.require_entries().groups, return_inverse=True)[1]
    return cross_fit(
        out_of_fold, rows.require_labels(), scores=(rows.logits, numbers),
        weights=rows.weights, clusters=rows.clusters, seed=seed,
    )  # fmt: skip


def _lines(rows: Rows, weights: Array | None) -> Callable[[Rows], Array]:
    fitted = fit_entries(
        LabelPlattScaling.method, rows.logits, rows.require_positions(),
        rows.require_entries().groups, weights=weights,
    )  # fmt: skip
    return lambda others: others.scaled_by(fitted)


def _base_rates(rows: Rows, weights: Array | None) -> Callable[[Rows], Array]:
    """Return a map to the log-odds of how often each label applies, half a row added each way."""
    w = np.ones(rows.n) if weights is None else weights
    total, squares = float(w.sum()), float(w @ w)
    w = w * (total / squares)  # weights count by their ratios
    names, number = np.unique(rows.require_entries().groups, return_inverse=True)
    positive = np.bincount(number, w * rows.require_labels(), len(names)) + 0.5
    negative = np.bincount(number, w, len(names)) - positive + 1.0
    odds = dict(zip(names.tolist(), np.log(positive / negative).tolist(), strict=True))
    rarest = min(odds.values())  # of a label that the fit has no row of

    def apply(others: Rows) -> Array:
        of_label = others.group_names
        assert of_label is not None  # noqa: S101  (names of labels)
        z = np.array([odds.get(str(name), rarest) for name in of_label.tolist()])
        return np.stack([np.zeros_like(z), z], axis=1)

    return apply
