"""Fit and apply any method by its name, on rows that are checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators.methods import METHODS
from temperance.calibrators.training import as_prior
from temperance.checks.arguments import as_word
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from temperance.calibrators.calibrator import Calibrator
    from temperance.checks import Positions

__all__ = ["apply_rows", "check_method", "fit_by_name", "scale_rows"]


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
