"""Rows answered by rules that never saw them: of other folds, or of the rows of the fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from temperance.crossfit import fold_fits
from temperance.decisions.deferral import answered_by, lost_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.decisions.cascade_rows import CascadeRows
    from temperance.decisions.deferral import Deferral
    from temperance.decisions.expected_loss import LossKind

    Array = NDArray[np.float64]

__all__ = ["Answers", "Part", "answers_of", "cross_fitted", "isotonic", "of_test"]


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Which model answers each row, whether it is wrong, and what was spent."""

    answered: NDArray[np.intp]  # (n,)
    lost: Array  # (n,): 1 where wrong, else 0; or the error rate of a model without outputs
    spent: Array  # (n,)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Rows to find rules on, and the rows that these rules are measured on."""

    fit: Deferral
    places: NDArray[np.intp]  # of the measured rows, among all that are measured
    confidences: tuple[Array, ...]  # of the measured rows, as `Deferral` has them
    losses: tuple[Array, ...]

    @classmethod
    def of(cls, fit: Deferral, measured: Deferral, places: NDArray[np.intp]) -> Part:
        """Return the part that measures these places of `measured`."""
        return cls(
            fit,
            places,
            tuple(each[places] for each in measured.confidences),
            tuple(each[places] for each in measured.losses),
        )


def isotonic(parts: Sequence[Part]) -> list[Part]:
    """Return the same parts, with what is expected of a next model fitted to the confidence."""
    return [replace(part, fit=replace(part.fit, kind="isotonic")) for part in parts]


def cross_fitted(
    rows: CascadeRows,
    costs: tuple[float, ...],
    kind: LossKind,
    fit: Callable[[Array | None], tuple[Calibrator, ...]],
    *,
    seed: int = 0,
) -> tuple[list[Part], list[Part]]:
    """Return the parts of raw and of calibrated confidences, one per fold."""
    raw: list[Part] = []
    calibrated: list[Part] = []
    nothing = [None] * rows.deciding
    w = np.ones(rows.n) if rows.weights is None else rows.weights
    for held_out, calibrators in fold_fits(
        fit, rows.labels,
        scores=rows.logits, weights=rows.weights, clusters=rows.clusters, seed=seed,
    ):  # fmt: skip
        others, places = np.where(held_out, 0.0, w), np.flatnonzero(held_out)
        for parts, own in ((raw, nothing), (calibrated, calibrators)):
            found = rows.deferral(own, costs, kind, others)
            parts.append(Part.of(found, found, places))
    return raw, calibrated


def of_test(
    rows: CascadeRows,
    test: CascadeRows,
    costs: tuple[float, ...],
    kind: LossKind,
    calibrators: Sequence[Calibrator],
) -> tuple[list[Part], list[Part]]:
    """Return the parts of raw and of calibrated confidences: rules of the fit, on test rows."""
    places = np.arange(test.n)
    return tuple(  # type: ignore[return-value]
        [Part.of(rows.deferral(own, costs, kind), test.deferral(own, costs, kind), places)]
        for own in ([None] * rows.deciding, calibrators)
    )


def answers_of(parts: Sequence[Part], price: Callable[[Deferral], float]) -> Answers:
    """Return the answers of every part's rules, each at the price that its own rows give."""
    n = sum(len(part.places) for part in parts)
    answered, lost, spent = np.empty(n, dtype=np.intp), np.empty(n), np.empty(n)
    for part in parts:
        own = answered_by(part.fit.rules(price(part.fit)), part.confidences)
        answered[part.places] = own
        lost[part.places] = lost_by(own, part.losses)
        spent[part.places] = np.r_[0.0, np.cumsum(part.fit.costs)][own]
    return Answers(answered, lost, spent)
