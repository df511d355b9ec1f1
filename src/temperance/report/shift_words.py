"""What a shift means, in sentences: how far T moved, what a re-fit gains, how rows look."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from temperance.calibrators.tables import regret_in_words
from temperance.numerics import two_sided_p
from temperance.printable import count_text
from temperance.shift.transfer import AS_IS, BIASED, CORRECTED, REFITTED
from temperance.show import p_text

if TYPE_CHECKING:
    from temperance.metrics.estimates import Estimate
    from temperance.shift import Transfer

__all__ = ["about_move", "about_rows", "gains"]

_WHAT = {
    AS_IS: "Taking the model as it is, without any temperature,",
    REFITTED: "Re-fitting the temperature on new rows",
    BIASED: "A map with biases of the classes, fitted on the reference as well,",
}


def about_move(found: Transfer) -> str:
    """Return by how much log T differs, in standard errors; why that is unknown; "" unlabelled."""
    if found.comparison is None:
        return ""
    if found.refitted is None:
        return (
            "The new rows have no best temperature of their own: they are too few, or the model is "
            "right on all of them."
        )
    z = found.moved
    if z is None:
        return ""
    way = "above" if z > 0.0 else "below"
    sure = "more than" if abs(z) > 1.96 else "within what"
    return (
        f"The new rows' log T lies {abs(z):.1f} standard errors {way} the reference's "
        f"({p_text(two_sided_p(z))}): {sure} chance explains."
    )


def gains(found: Transfer) -> list[str]:
    """Return a sentence per other way: its log loss against that of the reference temperature."""
    if found.comparison is None:
        return []
    differences = found.comparison.differences
    said = [
        f"{_WHAT[name]} {_change(each.log_loss)}"
        for name, each in differences.items()
        if name != CORRECTED
    ]
    if found.correction is not None:
        what = "Correcting for the class frequencies"
        against = "that map" if BIASED in differences else "the reference temperature"
        said.append(f"{what}, compared with {against} alone, {_change(found.correction)}")
    if found.refitted is None:
        return ["There is no re-fit: the new rows have no best temperature of their own.", *said]
    record = found.refitted.record
    if record is not None and record.expected_regret is not None:
        words = regret_in_words(record, record.expected_regret)
        said.append(f"Of a T fitted on the {record.n:,} new rows: {words}.")
    return said


def _change(difference: Estimate) -> str:
    low, value, high = difference.low, difference.value, difference.high
    if low == high == 0.0:
        return "changes nothing."
    if not isfinite(value):
        return "makes the log loss infinite: it rules out classes that are there."
    if high < 0.0:
        return f"gains {-value:.4f} nats of log loss per row ({-high:.4f} to {-low:.4f})."
    if low > 0.0:
        return f"loses {value:.4f} nats of log loss per row ({low:.4f} to {high:.4f})."
    return (
        f"changes the log loss by {value:+.4f} nats per row ({low:+.4f} to {high:+.4f}), which "
        "these rows cannot tell from nothing."
    )


def about_rows(found: Transfer) -> list[str]:
    """Return whether new rows look different, and what the reference is worth for them."""
    covariates = found.covariates
    if covariates is None:
        return ["With fewer than ten rows on one side there is nothing to compare."]
    auc = covariates.auc
    verdict = (
        "New rows can be told from reference rows"
        if covariates.told_apart
        else "New rows cannot be told from reference rows"
    )
    apart = (
        f"{verdict} by their probabilities: a classifier of the two has an AUC of {auc.value:.3f} "
        f"({auc.low:.3f} to {auc.high:.3f}) on rows it has not seen; 0.5 is a coin toss."
    )
    worth = (
        f"Weighed to look like the new rows, the {covariates.n_source:,} reference rows are worth "
        f"{covariates.effective_rows:,.0f} (their effective sample size)."
    )
    said = [apart, worth]
    if covariates.clipped:
        one, several = "weight of a reference row was", "weights of reference rows were"
        clipped = count_text(covariates.clipped, one, several)
        said.append(
            f"{clipped} cut to "
            f"{covariates.clip:.3g}: such rows are too rare in the reference to be weighed up."
        )
    return said
