"""All tests of calibration of one set of predictions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from temperance.metrics.cox import CoxTest, cox_rows
from temperance.metrics.joint_tests import class_bias_rows, joint_score_rows
from temperance.metrics.z_tests import (
    calibration_in_the_large_rows,
    score_rows,
    spiegelhalter_rows,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.metrics.estimates import CalibrationError
    from temperance.metrics.inputs import Predictions
    from temperance.significance import CalibrationTest

__all__ = ["CalibrationTests", "calibration_tests"]


@dataclass(frozen=True, slots=True)
class CalibrationTests:
    """Tests of one hypothesis, that the probabilities are calibrated, each with other eyes."""

    score: CalibrationTest  # of T = 1: too sharp or too flat
    class_bias: CalibrationTest  # of classes said too often or too seldom
    joint: CalibrationTest  # of both at once
    in_the_large: CalibrationTest  # mean probability against frequency
    spiegelhalter: CalibrationTest  # of the Brier score
    cox: CoxTest  # of a logistic line through the log-odds
    ece_p_value: float  # by consistency resampling
    miscalibration_p_value: float  # of the CORP curve, by consistency resampling

    def __iter__(self) -> Iterator[CalibrationTest]:
        """Yield the tests that have a statistic."""
        return iter([getattr(self, field.name) for field in fields(self)[:-2]])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            **{test.name: test.to_dict() for test in self},
            "ece": {"p_value": self.ece_p_value},
            "miscalibration": {"p_value": self.miscalibration_p_value},
        }


def calibration_tests(
    rows: Predictions, *, ece: CalibrationError, miscalibration: CalibrationError
) -> CalibrationTests:
    """Return all tests; those that the data do not allow say why."""
    return CalibrationTests(
        score=score_rows(rows),
        class_bias=class_bias_rows(rows),
        joint=joint_score_rows(rows),
        in_the_large=calibration_in_the_large_rows(rows),
        spiegelhalter=spiegelhalter_rows(rows),
        cox=cox_rows(rows),
        ece_p_value=ece.p_value,
        miscalibration_p_value=miscalibration.p_value,
    )
