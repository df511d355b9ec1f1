"""All tests of calibration of one set of predictions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from temperance.metrics.cox import CoxTest, cox_rows
from temperance.metrics.enough_events import Events
from temperance.metrics.joint_tests import class_bias_rows, joint_score_rows
from temperance.metrics.z_tests import (
    calibration_in_the_large_rows,
    score_rows,
    spiegelhalter_rows,
)
from temperance.significance import evident, holm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.metrics.estimates import CalibrationError
    from temperance.metrics.inputs import Predictions
    from temperance.significance import CalibrationTest

__all__ = ["LEVEL", "CalibrationTests", "CalibrationVerdict", "calibration_tests"]

LEVEL = 0.05  # of the verdict


@dataclass(frozen=True, slots=True)
class CalibrationVerdict:
    """The one answer of several tests: whether any refutes calibration, read for their number."""

    calibrated: bool  # no test refutes it; that is no proof
    test: str  # the name of the test with the smallest p-value
    adjusted_p_value: float  # its p-value, corrected by Holm for the number of tests
    n_tests: int  # that the data allow

    def to_dict(self) -> dict[str, Any]:
        """Return all fields."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class CalibrationTests:
    """Tests of one hypothesis, that the probabilities are calibrated, each with other eyes.

    One in twenty of the p-values of a calibrated model is below 0.05. Shown are those corrected
    for their number (Holm), of which in at most 5 % of data sets any is; the `verdict` is the
    smallest of them. Where too few events decide, the tests whose distribution is a limit are left
    out with their reason (`Events`); those by resampling, which are exact, stay.
    """

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

    @property
    def p_values(self) -> dict[str, float | None]:
        """The p-value of each test by its name, as if it were the only one; None if undefined."""
        return {
            **{test.name: test.p_value for test in self},
            "ece": self.ece_p_value,
            "miscalibration": self.miscalibration_p_value,
        }

    @property
    def adjusted_p_values(self) -> dict[str, float | None]:
        """The same, corrected by Holm for the number of tests that are defined."""
        defined = {name: p for name, p in self.p_values.items() if p is not None}
        adjusted = dict(zip(defined, holm(list(defined.values())), strict=True))
        return {name: adjusted.get(name) for name in self.p_values}

    @property
    def verdict(self) -> CalibrationVerdict:
        """What all tests say together, at 5 %."""
        adjusted = {name: p for name, p in self.adjusted_p_values.items() if p is not None}
        p_values = self.p_values
        smallest = min(adjusted, key=lambda name: (adjusted[name], p_values[name]))
        p_value = adjusted[smallest]
        return CalibrationVerdict(p_value > LEVEL, smallest, p_value, len(adjusted))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        adjusted = self.adjusted_p_values
        found = {test.name: test.to_dict() for test in self}
        for each in found.values():
            if each["direction"] is not None:
                each["direction"] = evident(each["direction"], adjusted[each["name"]])
        found |= {name: {"p_value": self.p_values[name]} for name in ("ece", "miscalibration")}
        return {name: {**each, "adjusted_p_value": adjusted[name]} for name, each in found.items()}


def calibration_tests(
    rows: Predictions, *, ece: CalibrationError, miscalibration: CalibrationError
) -> CalibrationTests:
    """Return all tests; those that the data do not allow, or too few events, say why."""
    tests = CalibrationTests(
        score=score_rows(rows),
        class_bias=class_bias_rows(rows),
        joint=joint_score_rows(rows),
        in_the_large=calibration_in_the_large_rows(rows),
        spiegelhalter=spiegelhalter_rows(rows),
        cox=cox_rows(rows),
        ece_p_value=ece.p_value,
        miscalibration_p_value=miscalibration.p_value,
    )
    return Events.of(rows).allowed(tests)
