"""Tests of calibration from sums: all but Cox's line are sums over rows anyway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.kernels.joint import JointSums, joint_sums
from temperance.metrics.all_tests import CalibrationTests
from temperance.metrics.cells.line_sums import LineSums
from temperance.metrics.joint_tests import joint_test, too_many_classes
from temperance.metrics.row_scores import impossible, log_odds, taken
from temperance.metrics.z_tests import (
    SHARPNESS,
    brier_terms,
    in_the_large_signs,
    residuals,
    temperature_scores_of,
)
from temperance.significance import CalibrationTest
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.estimates import CalibrationError
    from temperance.metrics.events import Event, EventName
    from temperance.metrics.inputs import Predictions

__all__ = ["CalibrationTestSums", "ScoreSums"]


@dataclass(frozen=True, slots=True)
class ScoreSums(MergeableSums):
    """A sum of scores of mean 0 under calibration, and its variance."""

    degrees = {"variance": 2}  # noqa: RUF012

    total: float  # sum w s
    variance: float  # sum w^2 Var s

    @classmethod
    def of(
        cls,
        scores: NDArray[np.float64],
        variances: NDArray[np.float64],
        weights: NDArray[np.float64] | None,
    ) -> Self:
        """Return the sums of a block of rows."""
        if weights is None:
            return cls(float(scores.sum()), float(variances.sum()))
        return cls(float(weights @ scores), float((weights * weights) @ variances))


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationTestSums(MergeableSums):
    """Sums over the rows of weight above 0."""

    impossible: int  # rows whose true class has probability 0, which the next two leave out
    temperature: ScoreSums
    joint: JointSums | None  # None for more classes than `joint_tests` takes
    brier: ScoreSums  # of the event, as the next two
    large: ScoreSums
    line: LineSums

    @classmethod
    def of(cls, rows: Predictions, event: Event) -> Self:
        """Return the sums of a block of rows, and of the event that some tests look at."""
        odds = log_odds(rows, event)
        residual, c, opposite = residuals(odds, event.hit)
        possible = np.isfinite(rows.log_loss)
        count = int(np.count_nonzero(~possible))
        joint, temperature = _scores(taken(rows, np.flatnonzero(possible)) if count else rows)
        return cls(
            impossible=count,
            temperature=temperature,
            joint=joint,
            brier=ScoreSums.of(*brier_terms(residual, c, opposite), rows.weights),
            large=ScoreSums.of(residual, c * opposite, rows.weights),
            line=LineSums.of(odds, event.hit, rows.weights),
        )

    def tests(
        self, k: int, event: EventName, *, ece: CalibrationError, miscalibration: CalibrationError
    ) -> CalibrationTests:
        """Return all tests; those that the data do not allow say why."""
        return CalibrationTests(
            score=self._score(),
            class_bias=self._joint("class-bias", k, first=1),
            joint=self._joint("joint-score", k, first=0),
            in_the_large=CalibrationTest.normal(
                "calibration-in-the-large",
                self.large.total,
                self.large.variance,
                in_the_large_signs(event),
            ),
            spiegelhalter=CalibrationTest.normal(
                "spiegelhalter", self.brier.total, self.brier.variance, SHARPNESS
            ),
            cox=self.line.test(),
            ece_p_value=ece.p_value,
            miscalibration_p_value=miscalibration.p_value,
        )

    def _score(self) -> CalibrationTest:
        if reason := impossible(self.impossible):
            return CalibrationTest.undefined("score", reason)
        scores = self.temperature
        return CalibrationTest.normal("score", scores.total, scores.variance, SHARPNESS)

    def _joint(self, name: str, k: int, *, first: int) -> CalibrationTest:
        if reason := too_many_classes(k) or impossible(self.impossible):
            return CalibrationTest.undefined(name, reason)
        assert self.joint is not None  # noqa: S101  (not too many classes)
        return joint_test(name, self.joint.score, self.joint.covariance, first=first)


def _scores(rows: Predictions) -> tuple[JointSums | None, ScoreSums]:
    """Return the sums of scores of all parameters, if there are not too many, and of T's alone."""
    if too_many_classes(rows.probs.shape[1]):
        return None, ScoreSums.of(*temperature_scores_of(rows), rows.weights)
    joint = joint_sums(rows.logits, rows.labels, rows.weights)
    return joint, ScoreSums(-float(joint.score[0]), joint.temperature_variance)
