"""The page of a shift: whether a temperature still holds on new rows."""

from __future__ import annotations

import re
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.calibrators.record import regret_in_words
from temperance.metrics.estimates import Estimate
from temperance.numerics import two_sided_p
from temperance.plots import CorpDisplay, FrequencyDisplay, TemperatureDisplay
from temperance.printable import capitalised, count_text, digits_text
from temperance.report.commands import Files
from temperance.report.findings import headline
from temperance.report.screen import Screen, State
from temperance.report.tables import estimate_cell, render, svg, way_tables
from temperance.report.verdict import claim_numbers, standing, state_of
from temperance.shift.diagnosis import AS_IS, AT_REFERENCE, BIASED, CORRECTED, REFITTED
from temperance.show import four_digits, interval_text, number_text, p_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from temperance.calibrators import TemperatureScaling
    from temperance.planning import Plan
    from temperance.report.screen import Glance
    from temperance.report.tables import Cell
    from temperance.shift import Diagnosis, LabelShift

__all__ = ["about_move", "about_rows", "gains", "render_shift", "write_shift"]

# What a shift means, in sentences: how far T moved, what a re-fit gains, how rows look.


_WHAT = {
    AS_IS: "Taking the model as it is, without any temperature,",
    REFITTED: "Re-fitting the temperature on new rows",
    BIASED: "A map with biases of the classes, fitted on the reference as well,",
}


def about_move(diagnosis: Diagnosis) -> str:
    """Return by how much log T differs, in standard errors; why that is unknown; "" unlabelled."""
    if diagnosis.comparison is None:
        return ""
    if diagnosis.no_optimum is not None:
        cause = diagnosis.no_optimum.cause
        return f"The new rows have no best temperature of their own: {cause}."
    z = diagnosis.moved
    if z is None:
        return ""
    way = "above" if z > 0.0 else "below"
    sure = "more than" if abs(z) > 1.96 else "within what"
    return (
        f"The new rows' log T lies {abs(z):.1f} standard errors {way} the reference's "
        f"({p_text(two_sided_p(z))}): {sure} chance explains."
    )


def gains(diagnosis: Diagnosis) -> list[str]:
    """Return a sentence per other way: its log loss against that of the reference temperature."""
    if diagnosis.comparison is None:
        return []
    differences = diagnosis.comparison.differences
    sentences = [
        f"{_WHAT[name]} {_change(each.log_loss)}"
        for name, each in differences.items()
        if name != CORRECTED
    ]
    if diagnosis.correction is not None:
        what = "Correcting for the class frequencies"
        against = "that map" if BIASED in differences else "the reference temperature"
        sentences.append(f"{what}, compared with {against} alone, {_change(diagnosis.correction)}")
    if diagnosis.refitted is None:
        return [
            "There is no re-fit: the new rows have no best temperature of their own.",
            *sentences,
        ]
    record = diagnosis.refitted.record
    if record is not None and record.expected_regret is not None:
        words = regret_in_words(record, record.expected_regret)
        sentences.append(f"Of a T fitted on the {record.n:,} new rows: {words}.")
    return sentences


def _change(difference: Estimate) -> str:
    low, value, high = difference.low, difference.value, difference.high
    if low == high == 0.0:
        return "changes nothing."
    if not isfinite(value):
        return "makes the log loss infinite: it rules out classes that are there."
    if high < 0.0:
        span = interval_text(-high, -low)
        return f"gains {number_text(-value)} nats of log loss per row ({span})."
    if low > 0.0:
        span = interval_text(low, high)
        return f"loses {number_text(value)} nats of log loss per row ({span})."
    return (
        f"changes the log loss by {number_text(value, sign=True)} nats per row "
        f"({interval_text(low, high, sign=True)}), which "
        "these rows cannot tell from nothing."
    )


def about_rows(diagnosis: Diagnosis) -> list[str]:
    """Return whether new rows look different, and what the reference is worth for them."""
    covariates = diagnosis.covariates
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
    sentences = [apart, worth]
    if covariates.clipped:
        one, several = "weight of a reference row was", "weights of reference rows were"
        clipped = count_text(covariates.clipped, one, several)
        sentences.append(
            f"{clipped} cut to {digits_text(covariates.clip, 3)}: such rows are too rare in the "
            "reference to be weighed up."
        )
    return sentences


# Class frequencies then and now: the rows of a table, and a picture of up to twenty classes.


_MOST = 20


def frequency_rows(diagnosis: Diagnosis) -> list[tuple[str, str, Cell, Cell | None, str]]:
    """Return name, reference, new, counted (with labels) and a word; of many, what moved most."""
    shift = diagnosis.frequencies
    estimates = _estimates(shift)
    shown = np.arange(len(estimates))
    if len(shown) > _MOST:
        moved = np.abs(shift.priors - shift.source_priors)
        shown = np.argsort(-moved, kind="stable")[:_MOST]
    class_results = None
    if diagnosis.comparison is not None:
        class_results = next(iter(diagnosis.comparison.evaluations.values())).classes
    return [
        (
            _name(shift, c),
            number_text(float(shift.source_priors[c])),
            estimate_cell(estimates[c]),
            None if class_results is None else estimate_cell(class_results[c].frequency),
            "" if shift.unchanged else _word(estimates[c], float(shift.source_priors[c])),
        )
        for c in shown.tolist()
    ]


def frequency_picture(shift: LabelShift) -> str:
    """Return the picture; "" of more than twenty classes."""
    if len(shift.priors) > _MOST:
        return ""
    names = [_name(shift, c) for c in range(len(shift.priors))]
    display = FrequencyDisplay.from_frequencies(
        dict(zip(names, shift.source_priors.tolist(), strict=True)),
        dict(zip(names, _estimates(shift), strict=True)),
    )
    return svg(display, "frequencies")


def _estimates(shift: LabelShift) -> list[Estimate]:
    """Return each frequency with its interval, all in [0, 1]."""
    ends = shift.interval().clip(0.0, 1.0)
    values = shift.priors.clip(0.0, 1.0)
    return [
        Estimate(value, min(low, value), max(high, value))
        for value, (low, high) in zip(values.tolist(), ends.tolist(), strict=True)
    ]


def _name(shift: LabelShift, c: int) -> str:
    return shift.classes[c] if shift.classes else str(c)


def _word(estimate: Estimate, before: float) -> str:
    if estimate.low <= before <= estimate.high:
        return ""
    return "more often" if estimate.value > before else "less often"


_SIDES = {"With the reference's T": AT_REFERENCE, "Fitted again": REFITTED}
_SHORT = {BIASED: "class biases", CORRECTED: "frequencies corrected"}  # above a diagram
_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")


def write_shift(
    path: str | PathLike[str],
    diagnosis: Diagnosis,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    plan: Plan | None = None,
    files: Files | None = None,
) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    text = render_shift(diagnosis, title=title, facts=facts, plan=plan, files=files)
    write_text(path, text)


def render_shift(
    diagnosis: Diagnosis,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    plan: Plan | None = None,
    files: Files | None = None,
) -> str:
    """Return the page as text.

    Parameters
    ----------
    diagnosis, title, facts
    plan : Plan, optional
        How many labels would settle what is open.
    files : Files, optional
        What the command of the next step is written with; its rows are the reference, and the new
        ones.
    """
    first, *rest = _SENTENCE.split(diagnosis.in_words())
    evaluations = {} if diagnosis.comparison is None else diagnosis.comparison.evaluations
    at_reference = next(iter(evaluations.values()), None)
    return render(
        "shift.html.j2",
        title=title,
        finding=first,
        split=" ".join(rest),
        screen=_screen(diagnosis, plan, files or Files()),
        at_reference=None if at_reference is None else headline(None, at_reference),
        evaluation=at_reference,
        refitted=diagnosis.refitted is not None,
        temperatures=temperature_rows(diagnosis),
        forest=_forest(diagnosis),
        moved=about_move(diagnosis),
        figures=[
            svg(CorpDisplay.from_evaluation(each, name=_SHORT.get(name, name)), f"corp-{number}")
            for number, (name, each) in enumerate(evaluations.items())
        ],
        ways=[] if diagnosis.comparison is None else way_tables(diagnosis.comparison),
        gains=gains(diagnosis),
        frequencies=diagnosis.frequencies,
        p=p_text(diagnosis.frequencies.p_value),
        classes=frequency_rows(diagnosis),
        frequency_figure=frequency_picture(diagnosis.frequencies),
        looks=about_rows(diagnosis),
        plan=plan,
        facts=facts,
    )


_STATES: dict[str, tuple[str, Literal["good", "bad", "open"]]] = {
    "holds": ("It still holds", "good"),
    "re-fit": ("It has moved: fit again", "bad"),
    "frequencies moved": ("Class frequencies have moved", "bad"),
    "no optimum": ("The new rows have no best temperature", "bad"),
    "too few rows": ("Cannot tell with {}", "open"),
    "no labels": ("Cannot tell without labels", "open"),
}


def _why(diagnosis: Diagnosis) -> str:
    """Return the reason of the verdict, which says by itself that there is no best temperature."""
    if diagnosis.verdict == "no optimum" and diagnosis.no_optimum is not None:
        return capitalised(diagnosis.no_optimum.cause)
    return about_move(diagnosis).rstrip(".")


def _screen(diagnosis: Diagnosis, plan: Plan | None, files: Files) -> Screen:
    """Return whether the temperature holds, what it was and is, and what to do next."""
    evaluations = {} if diagnosis.comparison is None else diagnosis.comparison.evaluations
    word, css = _STATES[diagnosis.verdict]
    states = [
        State(
            "The reference's temperature",
            word.format(count_text(diagnosis.n_new, "new row")),
            _why(diagnosis),
            css,
        )
    ]
    at_reference = next(iter(evaluations.values()), None)
    if at_reference is not None:
        states.append(state_of("New rows, with that temperature", at_reference))
    scalings = {"Temperature then": diagnosis.reference, "Temperature now": diagnosis.refitted}
    glance: list[Glance] = [
        (
            name,
            four_digits(scaling.temperature),
            f"{_ends(scaling)} (95\u00a0%).",
            "",
        )
        for name, scaling in scalings.items()
        if scaling is not None and scaling.record is not None
    ]
    ways = {name: evaluations[key] for name, key in _SIDES.items() if key in evaluations}
    return Screen(
        states=states,
        glance=[*glance, _next_step(diagnosis, plan, files)],
        sides=list(ways),
        numbers=claim_numbers(ways) if ways else (),
    )


def _ends(scaling: TemperatureScaling) -> str:
    """Return the 95 % interval of a fit on the rows."""
    assert scaling.record is not None  # noqa: S101  (a fit leaves one)
    low, high = map(four_digits, scaling.record.interval())
    return f"{low} to {high}"


def _next_step(diagnosis: Diagnosis, plan: Plan | None, files: Files) -> Glance:
    """Return to fit again, to label, or to go on and look again."""
    name, new = "What to do next", replace(files, rows=files.rows[1:])
    verdict = diagnosis.verdict
    evaluations = {} if diagnosis.comparison is None else diagnosis.comparison.evaluations
    if verdict == "re-fit":
        return name, "", "Fit the temperature again, on the new rows.", new.fit()
    if verdict == "frequencies moved":
        step = "Fit a map with class biases on the new rows: a temperature cannot follow this."
        return name, "", step, new.fit("--method", "bias-corrected-temperature")
    if verdict == "holds":
        if evaluations and standing(next(iter(evaluations.values()))).word == "not calibrated":
            step = "It holds, and is not enough: try richer maps, each on rows it has not seen."
            return name, "", step, new.fit("--method", "auto")
        step = "Go on with this temperature, and look again at later rows."
        again = files.line("shift", (*files.rows[:1], *new.new_rows), "--report", "shift.html")
        return name, "", step, again
    if verdict == "no optimum":
        step = "Check that rows, columns and labels of the new rows belong together."
        return name, "", step, new.line("evaluate", new.rows, "--report", "evaluate.html")
    step = "Label some of the new rows, drawn at random."
    if plan is not None and plan.labels_for_ece is not None:
        step += f" {plan.labels_for_ece:,} would show a calibration error of {plan.ece:g}."
    return name, "", step, new.plan()


def temperature_rows(diagnosis: Diagnosis) -> list[dict[str, str]]:
    """Return each temperature with its interval and the rows it comes from."""
    weighed = "" if diagnosis.covariates is None else f"{diagnosis.covariates.effective_rows:,.0f}"
    by_name = {
        "Of the reference": (diagnosis.reference, f"{diagnosis.n_reference:,}"),
        "Re-fitted on the new rows": (diagnosis.refitted, f"{diagnosis.n_new:,}"),
        "Of the reference, weighed to look like the new rows": (
            diagnosis.weighted,
            f"worth {weighed} of {diagnosis.n_reference:,}",
        ),
    }
    return [
        {
            "name": name,
            "value": number_text(scaling.temperature),
            "interval": _ends(scaling),
            "rows": rows,
        }
        for name, (scaling, rows) in by_name.items()
        if scaling is not None and scaling.record is not None
    ]


def _forest(diagnosis: Diagnosis) -> str:
    scalings: dict[str, TemperatureScaling | None] = {
        "reference": diagnosis.reference,
        "re-fitted, new rows": diagnosis.refitted,
        "reference, weighed": diagnosis.weighted,
    }
    known: dict[str, Any] = {name: each for name, each in scalings.items() if each is not None}
    return svg(TemperatureDisplay.from_temperatures(known), "temperatures")
