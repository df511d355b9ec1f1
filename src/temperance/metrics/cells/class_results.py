"""The errors of every class, and those made of them, from sums per class and bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.cells.draws import drawn_sums
from temperance.metrics.cells.null_groups import classwise_null
from temperance.metrics.class_table import ClassResult
from temperance.metrics.estimates import Draws, share_estimate
from temperance.sums import MeanSums

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.metrics.cells.cell_sums import CellSums
    from temperance.metrics.cells.class_sums import ClassSums
    from temperance.metrics.estimates import CalibrationError, Estimate

    Array = NDArray[np.float64]

__all__ = ["ClassErrors"]

_CELLS = 256  # drawn at once
_NONE: Array = np.empty(0)  # draws that are not looked at


@dataclass(frozen=True, slots=True, eq=False)
class ClassErrors:
    """The merged sums of all classes, ready to be read."""

    sums: ClassSums
    k: int
    n_bins: int
    n_resamples: int
    seed: int
    doubt: float  # 1 / effective number of rows

    def table(self) -> tuple[ClassResult, ...]:
        """Return every class in its order; what is drawn is drawn for each class by itself."""
        total = float(self.sums.predicted.weight.sum())
        draws = [
            Draws.split(each, self.n_resamples, doubt=self.doubt)
            for gaps, weights in self._drawn(self.sums.each, stream=5)
            for each in (gaps / weights).T
        ]
        of_class = self.sums.each.regrouped(np.repeat(np.arange(self.k), self.n_bins), self.k)
        n, probability = of_class.count[1], of_class.probability.sum(axis=0) / total
        return tuple(
            ClassResult(
                number=j,
                n=int(n[j]),
                frequency=_share(of_class, j),
                probability=float(probability[j]),
                error=draws[j].calibration_error(),
            )
            for j in range(self.k)
        )

    def classwise(self) -> CalibrationError:
        """Return the mean error of the classes; the null draws are of all classes together."""
        total = float(self.sums.predicted.weight.sum())
        value = float(np.abs(self.sums.each.bin_sums().gap).sum()) / (self.k * total)
        null = classwise_null(
            self.sums.null_gap, self.k, total, self.n_resamples, seed=[self.seed, 8, 6]
        )
        return Draws(value, _NONE, null, self.doubt).without_interval()

    def by_top_label(self) -> CalibrationError:
        """Return the error of the predicted class in bins within each predicted class."""
        gap, weight = np.zeros(1 + 2 * self.n_resamples), np.zeros(1 + 2 * self.n_resamples)
        for gaps, weights in self._drawn(self.sums.predicted, stream=7):
            gap += gaps.sum(axis=1)
            weight += weights.sum(axis=1)
        return Draws.split(gap / weight, self.n_resamples, doubt=self.doubt).without_interval()

    def _drawn(self, cells: CellSums, *, stream: int) -> Iterator[tuple[Array, Array]]:
        """Yield sums of absolute gaps and of weights of some classes, (1 + draws, classes)."""
        step = max(1, _CELLS // self.n_bins)
        for first in range(0, self.k, step):
            part = cells.taken(slice(first * self.n_bins, (first + step) * self.n_bins))
            seed = [self.seed, 8, stream, first]
            found = drawn_sums(part, self.n_resamples, seed=seed)
            shape = (len(found.weight), -1, self.n_bins)
            gaps = np.abs(found.gap).reshape(shape).sum(axis=2)
            yield gaps, found.weight.reshape(shape).sum(axis=2)


def _share(of_class: CellSums, j: int) -> Estimate:
    """Return the share of rows whose true class is `j`."""
    hits, squares = of_class.weight[1, j : j + 1], of_class.squared_weight[1, j : j + 1]
    weight = float(of_class.weight[:, j].sum())
    squared = float(of_class.squared_weight[:, j].sum())
    return share_estimate(MeanSums(weight, squared, hits, squares, squares, squared), 0)
