"""Whether rows hold enough chance for tests whose distribution is a limit: events, not rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from sys import float_info
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.checks.weights import in_effective_rows
from temperance.printable import count_text
from temperance.significance import CalibrationTest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.kernels.joint import JointSums
    from temperance.metrics.all_tests import CalibrationTests
    from temperance.metrics.inputs import Predictions
    from temperance.sums import MeanSums

__all__ = ["Events"]

_FEWEST = 3.0  # wrong predictions, expected or seen
_FEWEST_PER_CLASS = 0.5
_NEVER = 0.01  # events of all classes together that are never to be expected


@dataclass(frozen=True, slots=True)
class Events:
    r"""How many outcomes that chance decides there are, expected by the probabilities or seen.

    Parameters
    ----------
    n : int
        Rows.
    expected, seen : float
        Wrong predictions, in effective rows; expected is the sum of 1 - confidence.
    per_class : float
        The harmonic mean over classes of the variance of the number of rows of a class,
        :math:`\sum_i p_{ij} (1 - p_{ij})`, or of the distance of that number from its expectation
        where that is larger. Classes of a variance below 0.01 / k do not count.

    Notes
    -----
    Where fewer than three predictions are wrong, and fewer than three should be, one error decides
    a sum: labels drawn from the probabilities of two to 100 rows then had a corrected
    p-value below .05 in up to .23 of samples (ten classes, 99.7 % right, 100 rows). A chi-square
    statistic has variance 2 d + :math:`\sum_j 1 / v_j`, so its distribution needs v_j of about 1/2
    or more. With both rules the family of tests held .05.
    """

    n: int
    expected: float
    seen: float
    per_class: float

    @classmethod
    def of(cls, rows: Predictions) -> Self:
        """Return the events of rows."""
        w = np.ones(len(rows.labels))
        if rows.weights is not None:
            w = in_effective_rows(rows.weights)
        variance = (w * w) @ (rows.probs * (1.0 - rows.probs))
        happened = np.bincount(rows.labels, w, rows.probs.shape[1])
        return cls(
            len(w),
            float(w @ (1.0 - rows.confidence)),
            float(w @ ~rows.correct),
            _per_class(variance, np.abs(happened - w @ rows.probs)),
        )

    @classmethod
    def of_sums(
        cls, n: int, means: MeanSums, joint: JointSums | None, *, accuracy: int, confidence: int
    ) -> Self:
        """Return the events of sums; `accuracy` and `confidence` are places in `means`."""
        scale = means.weight / means.squared_weight
        rows = scale * means.weight
        per_class = 0.0
        if joint is not None:
            variance = scale * scale * joint.covariance.diagonal()[1:]
            per_class = _per_class(variance, scale * np.abs(joint.score[1:]))
        return cls(
            n, rows * (1.0 - means.mean(confidence)), rows * (1.0 - means.mean(accuracy)), per_class
        )

    @property
    def too_few(self) -> str | None:
        """Why no test of a sum over rows is to be read; None if one may be."""
        if max(self.expected, self.seen) >= _FEWEST:
            return None
        rows = count_text(self.n, "row")
        return (
            f"too few wrong predictions to say ({self.seen:.3g} of {rows}, {self.expected:.2g} "
            f"expected; {_FEWEST:g} or more are needed)"
        )

    @property
    def too_few_per_class(self) -> str | None:
        """Why no test of every class is to be read; None if one may be."""
        if self.too_few or self.per_class >= _FEWEST_PER_CLASS:
            return self.too_few
        return (
            f"too few rows a class to say (the number of a class varies by chance with variance "
            f"{self.per_class:.2g}; {_FEWEST_PER_CLASS:g} or more is needed)"
        )

    def allowed(self, tests: CalibrationTests) -> CalibrationTests:
        """Return the tests without those that so few events do not allow.

        A test that an impossible outcome decides stays: that has probability 0 on any rows.
        """
        return replace(
            tests,
            score=_unless(tests.score, self.too_few),
            class_bias=_unless(tests.class_bias, self.too_few_per_class),
            joint=_unless(tests.joint, self.too_few_per_class),
            in_the_large=_unless(tests.in_the_large, self.too_few),
            spiegelhalter=_unless(tests.spiegelhalter, self.too_few),
        )


def _per_class(variance: NDArray[np.float64], gap: NDArray[np.float64]) -> float:
    counted = variance > _NEVER / len(variance)
    if not counted.any():
        return 0.0
    return float(1.0 / np.mean(1.0 / np.maximum(variance, gap)[counted]))


def _unless(test: CalibrationTest, reason: str | None) -> CalibrationTest:
    if reason is None or test.statistic is None or abs(test.statistic) == float_info.max:
        return test
    return CalibrationTest.undefined(test.name, reason)
