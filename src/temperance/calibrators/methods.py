"""The table of all methods, by their names on the command line and in JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators.affine import MatrixScaling, VectorScaling
from temperance.calibrators.beta import BetaCalibration
from temperance.calibrators.bias_corrected_temperature import BiasCorrectedTemperatureScaling
from temperance.calibrators.ensemble import Ensemble
from temperance.calibrators.group_temperature import GroupTemperatureScaling
from temperance.calibrators.identity import Identity
from temperance.calibrators.isotonic import IsotonicCalibration
from temperance.calibrators.platt import PlattScaling
from temperance.calibrators.temperature import TemperatureScaling
from temperance.calibrators.training import as_prior
from temperance.calibrators.venn_abers import VennAbers
from temperance.checks.arguments import as_word
from temperance.errors import InvalidInputError
from temperance.show import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from temperance.calibrators.calibrator import Calibrator
    from temperance.checks import Positions

__all__ = ["METHODS", "apply_rows", "check_method", "fit_by_name", "method_tables", "scale_rows"]

METHODS: dict[str, type[Calibrator]] = {
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


# Fit and apply any method by its name, on rows that are checked.


def check_method(method: str, *, prior: float = 0.0, also: Sequence[str] = ()) -> None:
    """Raise `InvalidInputError` if there is no such method, or if it takes no prior."""
    as_word(method, [*METHODS, *also], name="method")
    if as_prior(prior) and method in METHODS and not METHODS[method].traits.prior:
        takes = ", ".join(name for name, each in METHODS.items() if each.traits.prior)
        msg = f"`prior` (--prior) has no meaning for {method}. Methods that take one: {takes}."
        raise InvalidInputError(msg)


def fit_by_name(
    method: str,
    logits: NDArray[Any],
    labels: Positions,
    *,
    weights: NDArray[np.float64] | None = None,
    groups: NDArray[Any] | None = None,
    clusters: NDArray[np.intp] | None = None,
    classes: Sequence[object] | None = None,
    prior: float = 0.0,
    smooth: bool = False,
) -> Calibrator:
    """Return the calibrator that `METHODS[method].fit` gives.

    `groups` go where they are taken, and `clusters` with them: the shrinkage of groups counts them.
    """
    check_method(method, prior=prior)
    kind = METHODS[method]
    if kind.traits.members:
        msg = f"{method} takes the outputs of several models: fit A.npz B.npz --method {method}."
        raise InvalidInputError(msg)
    settings: dict[str, Any] = {"weights": weights, "classes": classes, "refuse_probs": False}
    if kind.traits.prior:
        settings["prior"] = prior
    if smooth:  # of a temperature
        settings["smooth"] = True
    if kind.traits.groups:
        if groups is None:
            msg = (
                f"`groups` must be given for {method}: the name of each row's group "
                "(--group-column names their column)."
            )
            raise InvalidInputError(msg)
        settings |= {"groups": groups, "clusters": clusters}
    fitted: Calibrator = kind.fit(logits, labels, **settings)  # type: ignore[attr-defined]
    return fitted


def apply_rows(
    calibrator: Calibrator, logits: NDArray[Any], groups: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return the calibrated probabilities of rows; `groups` go where they are taken."""
    if calibrator.traits.groups:
        return calibrator.apply(logits, groups=groups, refuse_probs=False)  # type: ignore[call-arg]
    return calibrator.apply(logits, refuse_probs=False)


def scale_rows(
    calibrator: Calibrator, logits: NDArray[Any], groups: NDArray[Any] | None = None
) -> NDArray[np.float64]:
    """Return the calibrated logits of rows; `groups` go where they are taken."""
    if calibrator.traits.groups:
        return calibrator.scale(logits, groups=groups, refuse_probs=False)  # type: ignore[call-arg]
    return calibrator.scale(logits, refuse_probs=False)


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
