"""The errors of every class, and those made of them, from sums per class and bin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.metrics.cells.draws import drawn_sums, null_hits
from temperance.metrics.cells.null_groups import classwise_null
from temperance.metrics.class_table import ClassResult
from temperance.metrics.errors_of_sums import binned_error
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
        draws = [Draws.split(each, self.n_resamples, doubt=self.doubt) for each in self._errors()]
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
        own = self.sums.predicted.bin_sums()
        total = float(own.weight.sum())
        gap = np.zeros(self.n_resamples)
        for first, part in self._parts(self.sums.predicted):
            rng = np.random.default_rng([self.seed, 8, 7, first])
            said = part.probability.sum(axis=0)
            gap += np.abs(said - null_hits(part, self.n_resamples, rng)).sum(axis=1)
        value = float(np.abs(own.gap).sum()) / total
        return Draws(value, _NONE, gap / total, self.doubt).without_interval()

    def _errors(self) -> Iterator[Array]:
        """Yield the error of each class, (1 + draws,): of all rows, in bins of its probability."""
        for first, part in self._parts(self.sums.each):
            for place in range(0, part.weight.shape[1], self.n_bins):
                cells = part.taken(slice(place, place + self.n_bins))
                seed = [self.seed, 8, 5, first + place]
                yield binned_error(drawn_sums(cells, self.n_resamples, seed=seed))

    def _parts(self, cells: CellSums) -> Iterator[tuple[int, CellSums]]:
        """Yield the cells of some classes at a time, after the number of the first cell."""
        step = self.n_bins * max(1, _CELLS // self.n_bins)
        for first in range(0, self.k * self.n_bins, step):
            yield first, cells.taken(slice(first, first + step))


def _share(of_class: CellSums, j: int) -> Estimate:
    """Return the share of rows whose true class is `j`."""
    hits, squares = of_class.weight[1, j : j + 1], of_class.squared_weight[1, j : j + 1]
    weight = float(of_class.weight[:, j].sum())
    squared = float(of_class.squared_weight[:, j].sum())
    return share_estimate(MeanSums(weight, squared, hits, squares, squares, squared), 0)
