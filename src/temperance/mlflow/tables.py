"""The table that a logged model takes, and the one that it gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator

__all__ = ["GROUP", "SCORE", "input_columns", "output_columns", "predicted"]

GROUP, SCORE, CORRECT = "group", "score", "prob_correct"


def input_columns(calibrator: Calibrator) -> tuple[str, ...] | None:
    """Return the columns of numbers: `logit_<class>`, of answers `score`; None of any width."""
    if calibrator.kind == "answers":
        return (SCORE,)
    names = _classes(calibrator)
    return None if names is None else tuple(f"logit_{name}" for name in names)


def output_columns(calibrator: Calibrator) -> tuple[str, ...] | None:
    """Return the columns of probabilities: `prob_<class>`; None of any width."""
    if calibrator.kind == "answers":
        return (CORRECT,)
    names = _classes(calibrator)
    return None if names is None else tuple(f"prob_{name}" for name in names)


def _classes(calibrator: Calibrator) -> tuple[str, ...] | None:
    if calibrator.classes is not None:
        return calibrator.classes
    k = calibrator.n_classes
    return None if k is None else tuple(str(c) for c in range(k))


def predicted(calibrator: Calibrator, rows: Any) -> Any:  # noqa: ANN401  (a table or an array)
    """Return the calibrated probabilities of a table, as a table; of an array, as an array."""
    columns = input_columns(calibrator)
    if columns is None or not hasattr(rows, "columns"):
        return calibrator.apply(np.asarray(rows), refuse_probs=False, dtype=np.float64)
    missing = [name for name in columns if name not in rows.columns]
    if missing:
        msg = (
            f"The table lacks the column {missing[0]!r}; the model reads {', '.join(columns)}, in "
            "any order."
        )
        raise InvalidInputError(msg)
    scores = rows[list(columns)].to_numpy(dtype=np.float64)
    settings: dict[str, Any] = {}
    if calibrator.traits.groups and GROUP in rows.columns:
        settings["groups"] = rows[GROUP].to_numpy()
    if calibrator.kind == "answers":
        probs = calibrator.apply(scores[:, 0])[:, None]
    else:
        probs = calibrator.apply(scores, refuse_probs=False, dtype=np.float64, **settings)
    table = type(rows)(dict(zip(output_columns(calibrator) or (), probs.T, strict=True)))
    if hasattr(rows, "index"):  # what joins the two goes by it
        table.index = rows.index
    return table
