"""What to do about a shift, in words a reader can act on."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from temperance.show import p_text

if TYPE_CHECKING:
    from temperance.calibrators import TemperatureScaling
    from temperance.compare import Comparison
    from temperance.metrics.estimates import Estimate
    from temperance.shift.transfer import Transfer

__all__ = ["verdict_of"]

_LEVEL = 0.05
_SURE = 1.96  # standard errors
_APART = 0.95  # AUC beyond which two sets hardly overlap
_WIDE = 1.3  # an interval of T that reaches this factor up or down tells too little


def verdict_of(found: Transfer) -> tuple[str, str]:
    """Return the verdict, and the sentences that say it."""
    if found.comparison is None:
        words = (
            "Without labels of the new rows nobody can say how well the temperature does there; "
            "the rows alone tell this much."
        )
        return "no labels", f"{words} {_about_rows(found)}"
    if found.refitted is None:
        words = "Too few new rows to tell: they have no best temperature of their own."
        return "too few rows", f"{words} {_about_rows(found)}"
    again = found.comparison.differences["re-fitted on new rows"].log_loss
    corrected = found.comparison.differences["class frequencies corrected"].log_loss
    biases = _about_biases(found.comparison)
    now, then = _with_interval(found.refitted), f"{found.reference.temperature:.3g}"
    if found.frequencies_moved and corrected.value < again.value:
        assert found.correction is not None  # noqa: S101  (there are labels)
        words = (
            f"The class frequencies have moved{_chance(found)}. Correcting for them gains "
            f"{_gain(found.correction)}, against the same map without the correction; re-fitting "
            f"the temperature gains {_gain(again)}.{biases}"
        )
        return "frequencies moved", words
    if again.high < 0.0:
        words = f"Re-fit: T should be {now} instead of {then}. That gains {_gain(again)}."
        return "re-fit", f"{words}{biases} {_about_rows(found)}"
    record = found.refitted.record
    assert record is not None  # noqa: S101  (a fit leaves one)
    if log(record.interval()[1] / record.temperature) > log(_WIDE):
        words = (
            f"Too few new rows to tell: they put T at {now}, the reference at {then}. Re-fitting "
            f"gains {_gain(again)}."
        )
        return "too few rows", f"{words}{biases} {_about_rows(found)}"
    holds = "The temperature still holds"
    if found.moved is not None and abs(found.moved) > _SURE:
        holds = "The temperature has moved a little, but still holds"
    words = (
        f"{holds}: the new rows put T at {now}, the reference at {then}, and "
        "re-fitting gains nothing that could be seen."
    )
    return "holds", f"{words}{biases} {_about_rows(found)}"


def _about_biases(comparison: Comparison) -> str:
    """Return that class biases of the reference do better than its temperature, or ""."""
    found = comparison.differences.get("class biases of the reference")
    if found is None or not found.log_loss.high < 0.0:
        return ""
    return (
        " A temperature is not enough: a map with class biases, fitted on the reference as well, "
        f"gains {_gain(found.log_loss)}."
    )


def _about_frequencies(found: Transfer) -> str:
    """Return whether the class frequencies have moved, as far as these rows tell."""
    p = found.frequencies.p_value
    if found.frequencies_moved:
        given = ", if each class looks as it did" if found.comparison is None else ""
        return f"Class frequencies have moved{_chance(found)}{given}."
    if p is None:
        return "Class frequencies cannot be compared: too few rows a class."
    if p < _LEVEL:
        return (
            f"The mean probabilities of the classes have moved{_chance(found)}, but correcting for "
            "the class frequencies gains nothing that could be seen."
        )
    return "Class frequencies look unchanged."


def _chance(found: Transfer) -> str:
    p = found.frequencies.p_value
    return "" if p is None else f" ({p_text(p)})"


def _about_rows(found: Transfer) -> str:
    """Return whether class frequencies moved and rows look different."""
    words = _about_frequencies(found)
    if found.covariates is None:
        return words
    if not found.covariates.told_apart:
        return f"{words} New and reference rows cannot be told apart by their probabilities."
    auc = found.covariates.auc.value
    if auc > _APART:
        return (
            f"{words} New rows hardly overlap with reference rows (AUC {auc:.2f}): no weighting of "
            "the reference can stand in for labels of new rows."
        )
    rows = f"{found.covariates.effective_rows:,.0f} of {found.n_reference:,}"
    return (
        f"{words} New rows can be told from reference rows (AUC {auc:.2f}); "
        f"weighed to look like them, the reference is worth {rows} rows."
    )


def _with_interval(scaling: TemperatureScaling) -> str:
    record = scaling.record
    assert record is not None  # noqa: S101  (a fit leaves one)
    low, high = record.interval()
    return f"{scaling.temperature:.3g} ({low:.3g} to {high:.3g})"


def _gain(difference: Estimate) -> str:
    low, high = -difference.high, -difference.low
    return f"{-difference.value:.4f} nats per row ({low:.4f} to {high:.4f})"
