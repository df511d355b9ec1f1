"""The table of all methods, by their names on the command line and in JSON, and fits by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators.affine import MatrixScaling, VectorScaling
from temperance.calibrators.beta import BetaCalibration
from temperance.calibrators.bias_corrected_temperature import BiasCorrectedTemperatureScaling
from temperance.calibrators.ensemble import Ensemble
from temperance.calibrators.group_temperature import GroupTemperatureScaling
from temperance.calibrators.identity import Identity
from temperance.calibrators.isotonic import IsotonicCalibration
from temperance.calibrators.platt import PlattScaling
from temperance.calibrators.temperature import TemperatureScaling
from temperance.calibrators.training import Outputs, Training, as_prior
from temperance.calibrators.venn_abers import VennAbers
from temperance.checks.arguments import as_word
from temperance.crossfit import cross_fit
from temperance.errors import InvalidInputError
from temperance.show import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from temperance.calibrators.calibrator import Calibrator, Method

__all__ = [
    "METHODS",
    "calibrated_rows",
    "check_method",
    "fit_method",
    "method_tables",
    "out_of_fold_logits",
]

METHODS: dict[str, type[Method]] = {
    each.method: each
    for each in (
        Identity,
        TemperatureScaling,
        BiasCorrectedTemperatureScaling,
        GroupTemperatureScaling,
        VectorScaling,
        MatrixScaling,
        PlattScaling,
        BetaCalibration,
        IsotonicCalibration,
        VennAbers,
        Ensemble,
    )
}


# Fit any method by its name, on rows that are checked.


def check_method(method: str, *, prior: float = 0.0, also: Sequence[str] = ()) -> None:
    """Raise `InvalidInputError` if there is no such method, or if it takes no prior."""
    as_word(method, [*METHODS, *also], name="method")
    if as_prior(prior) and method in METHODS and not METHODS[method].traits.prior:
        takes = ", ".join(name for name, each in METHODS.items() if each.traits.prior)
        msg = f"`prior` (--prior) has no meaning for {method}. Methods that take one: {takes}."
        raise InvalidInputError(msg)


def fit_method(method: str, rows: Training) -> Calibrator:
    """Return the calibrator of this name that checked rows teach."""
    check_method(method, prior=rows.prior)
    return METHODS[method].from_rows(rows)


# The comparison of all methods as tables: the command and the documentation show the same.


def method_tables() -> list[Table]:
    """Return three tables, one row per method: what it does, what it needs, what it keeps."""
    traits = {name: each.traits for name, each in METHODS.items()}
    return [
        Table(
            ("method", "type", "what it does", "source"),
            tuple((name, t.type, t.summary, t.source) for name, t in traits.items()),
            words=frozenset({1, 2, 3}),
        ),
        Table(
            ("method", "learns", "labels wanted", "over-fitting", "cost of a fit"),
            tuple((name, t.parameters, t.labels, t.risk, t.cost) for name, t in traits.items()),
            caption="n rows of k classes",
            words=frozenset({1, 2, 3, 4}),
        ),
        Table(
            ("method", "class", "order", "ranking", "classes", "gaps"),
            tuple(
                (
                    name,
                    _yes(t.keeps_class),
                    _yes(t.keeps_order),
                    t.keeps_ranking,
                    t.classes,
                    _yes(t.masks),
                )
                for name, t in traits.items()
            ),
            caption=(
                "Keeps the predicted class, the order of the classes in a row, the ranking of rows "
                "by a class; takes how many classes; takes options that do not exist (-inf)"
            ),
            words=frozenset(range(1, 6)),
        ),
    ]


def _yes(fact: bool) -> str:  # noqa: FBT001
    return "yes" if fact else "no"


# Rows calibrated by fits that have not seen them.


def out_of_fold_logits(
    rows: Training, learn: Callable[[Training], Calibrator], *, seed: int = 0
) -> NDArray[np.float64]:
    """Return each row's logits, (n, k), calibrated by what the rows without its fold teach.

    `learn` gets the rows with the weights of a fold at 0; five folds, drawn by `seed` from what
    rows hold, clusters whole (see `cross_fit`). Raises what `learn` raises.
    """
    scores = rows.members or (rows.logits,)
    if rows.groups is not None:
        scores = (*scores, np.unique(rows.groups, return_inverse=True)[1])
    return cross_fit(
        lambda weights: partial(calibrated_rows, learn(rows.weighing(weights)), rows),
        rows.labels, scores=scores, weights=rows.weights, clusters=rows.clusters, seed=seed,
    )  # fmt: skip


def calibrated_rows(
    calibrator: Calibrator, rows: Training, which: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the calibrated logits of some of the rows, (m, k)."""
    groups = rows.groups if calibrator.traits.groups else None
    scores = tuple(each[which] for each in rows.members or (rows.logits,))
    return calibrator.calibrated_logits(Outputs(scores, None if groups is None else groups[which]))
