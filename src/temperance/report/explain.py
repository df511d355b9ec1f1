"""What a temperature and its test mean, in plain words."""

from __future__ import annotations

from math import exp, isfinite, log
from typing import TYPE_CHECKING, Literal

from temperance.report.wording import decimals_for, number, p_in_words, percent, rows

if TYPE_CHECKING:
    from temperance.calibrators import FitRecord, ScoreTest

__all__ = [
    "EVALUATED_ON",
    "EvaluatedOn",
    "direction_in_words",
    "temperature_in_words",
    "temperature_interval_in_words",
    "temperature_text",
]

EvaluatedOn = Literal["cross-fitted", "test", "given"]

EVALUATED_ON: dict[EvaluatedOn, str] = {
    "cross-fitted": (
        "Cross-fitted: the rows were cut into parts, and every row was scored by a map that never "
        "saw it, because that map was fitted on the other parts. The numbers after calibration "
        "are therefore what new rows of the same kind can expect. The calibrator that was saved "
        "is fitted on all rows."
    ),
    "test": (
        "On a separate test set: the calibrator was fitted on other rows and saw none of these, "
        "so the numbers after calibration are what new rows of the same kind can expect."
    ),
    "given": (
        "On the rows as given: nothing was held back here. If the model, or a calibrator, was "
        "fitted on these rows, the numbers flatter it."
    ),
}

_SAME = 0.005  # distance of T from 1 that changes no percentage worth telling
_NOTABLE = 0.05


def temperature_text(temperature: float) -> str:
    """Return a temperature to four digits.

    >>> temperature_text(1.735877), temperature_text(12.0), temperature_text(0.0123)
    ('1.736', '12', '0.0123')
    """
    return f"{temperature:.4g}"


def temperature_in_words(temperature: float) -> str:
    """Return what dividing the logits by a temperature does to a claim."""
    shown = temperature_text(temperature)
    start = f"A temperature of {shown} divides every logit by {shown}."
    if abs(temperature - 1.0) < _SAME:
        return f"{start} That leaves the probabilities practically as they are."
    claim = 0.95 if temperature > 1.0 else 0.7
    margin = log(claim / (1.0 - claim)) / temperature
    becomes = 1.0 / (1.0 + exp(-margin)) if margin < 500.0 else 1.0 - 1e-16  # noqa: PLR2004
    verb = "softens" if temperature > 1.0 else "sharpens"
    places = decimals_for(claim, becomes)
    return (
        f"{start} That {verb} the probabilities: where two classes compete, a claim of "
        f"{percent(claim)} becomes {percent(becomes, places)}, and 50 % stays 50 %."
    )


def temperature_interval_in_words(record: FitRecord) -> str:
    """Return how sure the fit is of its temperature."""
    if not isfinite(record.standard_error):
        return f"{rows(record.n)} do not tell how sure this temperature is."
    low, high = record.interval()
    text = (
        f"Fitted on {rows(record.n)}; with 95 % confidence the best temperature lies between "
        f"{temperature_text(low)} and {temperature_text(high)}"
    )
    return f"{text}, which includes 1: no change at all." if low <= 1.0 <= high else f"{text}."


def direction_in_words(test: ScoreTest | None) -> str:
    """Return which way the probabilities err, and how sure that is."""
    if test is None:
        return (
            "The test for over- or under-confidence needs a probability above 0 for every true "
            "class, so it cannot be given here."
        )
    p = p_in_words(test.p_value)
    if test.p_value >= _NOTABLE or test.direction == "neither":
        return f"A test that needs no bins sees no clear over- or under-confidence ({p})."
    sharp = "sharper" if test.direction == "over-confident" else "flatter"
    size = f"z = {number(test.z, 1)}, " if isfinite(test.z) else ""
    return (
        f"A test that needs no bins calls these probabilities {test.direction} ({size}{p}): they "
        f"are {sharp} than the labels allow."
    )
