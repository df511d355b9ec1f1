"""What an evaluation keeps of its rows, so that another model can be compared on the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from math import isfinite, sqrt
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from temperance.frozen import Frozen
from temperance.metrics.estimates import Estimate
from temperance.metrics.implied import implied_scores
from temperance.metrics.inputs import row_measures
from temperance.metrics.outcomes import Outcomes
from temperance.numerics import t_quantile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from temperance.metrics.inputs import Predictions

    Array = NDArray[np.float64]

__all__ = ["MEANS", "MOST_GROUPS", "RowSums"]

MEANS = ("log_loss", "brier", "accuracy")  # measures that are means over rows
MOST_GROUPS = 128
_UNSEEN = 2.0  # times the squared error that rows show: beyond, they have not shown all there is


@dataclass(frozen=True, slots=True, eq=False)
class RowSums(Frozen):
    """Sums of three scores over groups of rows, and a digest of the rows.

    Rows (or clusters) are dealt to at most 128 groups, in turn, in the order of their ids where
    they have any. Two models on the same rows have the same groups, and the differences of their
    sums hold what pairing tells: the errors of hard rows, which both models make, fall away.
    """

    matched_by: Literal["id", "order"]
    rows_sha256: str  # of ids, labels, weights and clusters: what makes rows the same
    weight: Array  # (m,): sum of the weights of each group
    sums: Mapping[str, Array]  # of each mean its weighted sums, (m,); infinite ones are left out
    implied: Mapping[str, float]  # standard error of each mean by the model's own probabilities

    @classmethod
    def of(cls, rows: Predictions, ids: NDArray[Any] | None = None) -> Self | None:
        """Return the sums of checked predictions; None where rows cannot be known again.

        Labels of answers are of the model that gave them, so answers need ids.
        """
        n = len(rows.labels)
        known = ids is not None and len(ids) == n
        if not known and Outcomes.of(rows).kind == "answers":
            return None
        names = np.asarray(ids).astype(str) if known else None
        order = np.arange(n) if names is None else np.argsort(names, kind="stable")
        unit = order if rows.clusters is None else rows.clusters[order]
        unit = _in_turn(unit)
        group = unit % MOST_GROUPS
        weights = np.ones(n) if rows.weights is None else rows.weights
        w = weights[order]
        scores = row_measures(rows)
        total: dict[str, Array] = {
            name: np.bincount(group, w * scores[order, column]).astype(np.float64)
            for column, name in enumerate(MEANS)
        }
        return cls(
            matched_by="order" if names is None else "id",
            rows_sha256=_digest(rows, order, unit, names, w),
            weight=np.bincount(group, w).astype(np.float64),
            sums={name: each for name, each in total.items() if np.isfinite(each).all()},
            implied=_implied(rows, scores, weights),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds."""
        return {
            "matched_by": self.matched_by,
            "rows_sha256": self.rows_sha256,
            "weight": self.weight.tolist(),
            "sums": {name: each.tolist() for name, each in self.sums.items()},
            "implied_error": dict(self.implied),
        }

    def same_rows(self, other: RowSums | None) -> bool:
        """Whether both are of the same rows: their ids, labels, weights and clusters."""
        return (
            other is not None
            and self.rows_sha256 == other.rows_sha256
            and len(self.weight) == len(other.weight)
        )

    def same_scores(self, other: RowSums | None) -> bool:
        """Whether all sums are equal: the same probabilities of what was true of each row."""
        return (
            other is not None
            and self.sums.keys() == other.sums.keys()
            and all(np.array_equal(self.sums[name], other.sums[name]) for name in self.sums)
        )

    def difference(self, other: RowSums, measure: str, level: float) -> Estimate | None:
        r"""Return a mean less that of another model on the same rows; None where one is infinite.

        .. math:: d = \frac{\sum_g D_g}{W}, \qquad
           SE^2 = \frac{m}{m - 1} \frac{\sum_g (D_g - d W_g)^2}{W^2}

        with D_g the difference of the sums of group g, W_g its weight: the variance of random
        groups (Wolter 2007, Introduction to Variance Estimation, chapter 2), with Student's t of
        m - 1 degrees of freedom. Where a model's own probabilities imply more than twice the
        squared error that its rows show, errors are so rare that these have not shown them all:
        then what both models imply is added.
        """
        if measure not in self.sums or measure not in other.sums:
            return None
        gap, total = self.sums[measure] - other.sums[measure], float(self.weight.sum())
        value = float(gap.sum()) / total
        if self.same_scores(other):
            return Estimate(0.0, 0.0, 0.0)
        squared = self.squared_error(gap)
        sides = [(self.squared_error(each.sums[measure]), each.implied[measure] ** 2)
                 for each in (self, other)]  # fmt: skip
        if any(implied > _UNSEEN * squared_gap for squared_gap, implied in sides):
            squared += sum(implied for _, implied in sides)
        m = int(np.count_nonzero(self.weight))
        half = t_quantile(level, m - 1.0) * sqrt(squared) if m > 1 else float("inf")
        return Estimate(value, value - half, value + half)

    def squared_error(self, sums: Array) -> float:
        """Return the squared standard error of a mean from sums of the groups."""
        total, m = float(self.weight.sum()), int(np.count_nonzero(self.weight))
        gap = sums - float(sums.sum()) / total * self.weight
        return m / max(m - 1, 1) * float(gap @ gap) / total**2


def _in_turn(units: NDArray[np.intp]) -> NDArray[np.intp]:
    """Number units 0, 1, 2 in the order in which they first appear."""
    _, first, place = np.unique(units, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.intp)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[place]


def _digest(
    rows: Predictions,
    order: NDArray[np.intp],
    unit: NDArray[np.intp],
    names: NDArray[np.str_] | None,
    weights: Array,
) -> str:
    """Return a digest of what makes rows the same, in their order; not of what a model says."""
    outcomes = Outcomes.of(rows)
    content = sha256(f"{outcomes.kind} {len(order)}".encode())
    if names is not None:
        content.update("\0".join(names[order].tolist()).encode(errors="surrogatepass"))
    if outcomes.kind != "answers":
        labels = rows.labels[order]
        called = labels if rows.classes is None else np.asarray(rows.classes, dtype=object)[labels]
        text = "\0".join(map(str, called.tolist()))
        content.update(b"\1" + text.encode(errors="surrogatepass"))
    content.update(b"\1" + weights.astype("<f8").tobytes() + unit.astype("<i8").tobytes())
    return content.hexdigest()


def _implied(rows: Predictions, scores: Array, weights: Array) -> dict[str, float]:
    """Return the standard errors of the means that the probabilities themselves imply."""
    of_scores = implied_scores(rows, scores[:, :2])
    right = rows.confidence * (1.0 - rows.confidence)
    squared = {
        "log_loss": of_scores.squared_error(0),
        "brier": of_scores.squared_error(1),
        "accuracy": float(weights**2 @ right) / float(weights.sum()) ** 2,
    }
    return {name: sqrt(each) if isfinite(each) else 0.0 for name, each in squared.items()}
