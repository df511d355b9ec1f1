"""Whether probabilities are calibrated, are not, or cannot be told to be on so few rows."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

from temperance.calibrators import interval_of, temperature_of
from temperance.evaluation.evaluation import (
    HALF_LEVEL,
    data_words,
    direction_words,
    doubt_words,
    is_refuted,
    percents_apart,
    refutation,
)
from temperance.printable import capitalised, count_text
from temperance.report.screen import Screen, State
from temperance.report.tables import error_cell, estimate_cell
from temperance.show import four_digits, number_text, p_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.calibrators import Calibrator
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation
    from temperance.planning import Plan
    from temperance.report.commands import Files
    from temperance.report.screen import Glance

__all__ = ["Standing", "claim_numbers", "evaluation_screen", "standing", "state_of", "tolerance"]

_MOST = 0.05  # calibration error that "calibrated" may leave open
_OF_ERRORS = 0.5  # the same as a share of how often the model is wrong, where that is less
Step = tuple[str, str]  # a sentence, and a command or ""
_TEMPERATURE_NAMES = {
    "group-temperature": "Common temperature",
    "ensemble": "Temperature of the pool",
}
_CSS: dict[str, Literal["good", "bad", "open"]] = {
    "calibrated": "good",
    "not calibrated": "bad",
    "cannot tell": "open",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """A verdict and, without a full stop, the reason for it."""

    word: Literal["calibrated", "not calibrated", "cannot tell"]
    why: str


def tolerance(evaluation: Evaluation) -> float:
    """Return the calibration error that "calibrated" has to rule out.

    0.05, or half the share of wrong predictions where that is less: a model that is wrong in one
    row of a hundred must not be twice as wrong as it says and still be called calibrated.
    """
    return min(_MOST, _OF_ERRORS * (1.0 - evaluation.accuracy.value))


def standing(evaluation: Evaluation) -> Standing:
    """Return the verdict on one set of probabilities.

    Not calibrated: all tests as one, or an impossible outcome, refute it, or a group is off. With
    groups these are two looks at the same rows: each has half of the 5 %, its p-value after Holm's
    correction, and between that and 5 % one cannot tell. Calibrated: nothing refutes it, no group
    is off, and the 95 % interval of the calibration error (ECE) ends below `tolerance`, so that
    what may be left is known to be small; not on fewer than 200 rows or 10 rows of the rarer
    outcome. Cannot tell: the rest. No refutation alone is no proof, for few rows refute nothing.
    """
    if is_refuted(evaluation):
        direction = direction_words(evaluation).removesuffix("not calibrated").strip(", ")
        lead = f"{direction}: " if direction else ""
        return Standing("not calibrated", f"{lead}{refutation(evaluation)}")
    off = [each for each in evaluation.groups if each.differs]
    groups = count_text(len(evaluation.groups), evaluation.outcomes.group)
    if off:
        where = f"in {len(off):,} of {groups}"
        p_values = (each.score_test.adjusted_p_value for each in off)
        p_value = min((p for p in p_values if p is not None), default=1.0)
        if p_value <= HALF_LEVEL:
            together = doubt_words(evaluation) or "over all together no test refutes it"
            return Standing("not calibrated", f"{where}; {together}")
        return Standing("cannot tell", f"{p_text(p_value)} {where}: chance may explain it")
    if doubt := doubt_words(evaluation):
        return Standing("cannot tell", doubt)
    rows, most, limit = evaluation.outcomes.plural, evaluation.ece.high, tolerance(evaluation)
    few = data_words(evaluation)
    if not few and most <= limit:
        return Standing(
            "calibrated",
            f"no test refutes it; a calibration error above {number_text(limit)} is ruled out",
        )
    why = few.strip(", ") or f"on {evaluation.outcomes.rows(evaluation.n)}"
    return Standing(
        "cannot tell",
        f"no test refutes it {why}, but these {rows} leave room for a calibration error up to "
        f"{number_text(most)}",
    )


def state_of(who: str, evaluation: Evaluation) -> State:
    """Return the verdict as the first screen shows it."""
    state = standing(evaluation)
    word: str = state.word
    if word == "cannot tell":
        word += f" with {evaluation.outcomes.rows(evaluation.n)}"
    return State(who, capitalised(word), capitalised(state.why), _CSS[state.word])


def evaluation_screen(
    claims: Mapping[str, Evaluation],
    comparison: Comparison | None,
    calibrator: Calibrator | None,
    plan: Plan | None,
    files: Files,
    *,
    untried: str = "",
) -> Screen:
    """Return the first screen of a report: of what claims probabilities, in the order given."""
    final = list(claims.values())[-1]
    lone = len(claims) == 1 and comparison is None
    step, command = _next_step(claims, comparison, calibrator, plan, files, untried)
    return Screen(
        states=[state_of("" if lone else name, each) for name, each in claims.items()],
        glance=[
            *_map(calibrator),
            *_worst_group(final, after=comparison is not None),
            ("What to do next", "", step, command),
        ],
        sides=list(claims),
        numbers=claim_numbers(claims),
    )


def _map(calibrator: Calibrator | None) -> list[Glance]:
    if calibrator is None:
        return []
    temperature, interval = temperature_of(calibrator), interval_of(calibrator)
    if temperature is None:
        return [("Map", calibrator.name, "", "")]
    name = _TEMPERATURE_NAMES.get(calibrator.name, "Temperature")
    if interval is None:
        return [(name, four_digits(temperature), "interval unknown", "")]
    words = "{} to {} (95\u00a0%). ".format(*map(four_digits, interval))
    if interval[0] <= 1.0 <= interval[1]:
        words += "1 would change nothing, and may be right"
    else:
        words += "Above 1: too sure" if temperature > 1.0 else "Below 1: not sure enough"
    return [(name, four_digits(temperature), f"{words}.", "")]


def _worst_group(final: Evaluation, *, after: bool) -> list[Glance]:
    if not final.groups:
        return []
    worst, group = final.groups[0], final.outcomes.group
    off = sum(each.differs for each in final.groups)
    of = count_text(len(final.groups), group)
    when = " after calibration" if after else ""
    p = p_text(worst.score_test.adjusted_p_value)
    claims, right = percents_apart(worst.confidence.value, worst.accuracy.value)
    verdict = f"{off:,} of {of} off{when}" if off else f"none of {of} is clearly off{when}"
    words = f"claims {claims}, is right {right}{f' ({p}, corrected)' if p else ''}; {verdict}."
    return [(f"Worst {group}", worst.name, words, "")]


def claim_numbers(claims: Mapping[str, Evaluation]) -> list[dict[str, Any]]:
    """Return the three numbers that matter, with what chance allows."""
    first = next(iter(claims.values()))
    outcomes = first.outcomes
    name, meaning = "Claimed, and true", "Mean probability of what is predicted; how often right."
    if first.n_classes == 2 and first.classes:
        event = outcomes.of_class(1)
        meaning = f"Mean probability of {event}; how often true."
    rows = [
        {
            "name": name,
            "meaning": meaning,
            "values": [_claimed(each) for each in claims.values()],
        },
        {
            "name": "Calibration error (ECE)",
            "meaning": "Mean gap of claim and truth. 0 is best.",
            "values": [error_cell(each.errors["ece"]) for each in claims.values()],
        },
    ]
    losses = []
    for each in claims.values():
        value, interval, _ = estimate_cell(each.log_loss)
        base = each.base_rates
        alone = "" if base is None else f"base rates alone: {number_text(base.log_loss)}"
        losses.append((value, interval, alone))
    meaning = "The price of being wrong and sure. Lower is better."
    return [*rows, {"name": "Log loss", "meaning": meaning, "values": losses}]


def _claimed(evaluation: Evaluation) -> tuple[str, str, str]:
    claims, true = evaluation.confidence.value, evaluation.accuracy
    if evaluation.n_classes == 2 and evaluation.classes:
        event = evaluation.classes[1]
        claims, true = event.probability, event.frequency
    text = "{} claimed, {} true".format(*percents_apart(claims, true.value))
    if not (isfinite(true.low) and isfinite(true.high)):
        return text, "", ""
    low, high = (f"{100.0 * end:.1f}" for end in (true.low, true.high))
    return text, "", f"chance: {low} to {high} % true"


def _next_step(
    claims: Mapping[str, Evaluation],
    comparison: Comparison | None,
    calibrator: Calibrator | None,
    plan: Plan | None,
    files: Files,
    untried: str,
) -> Step:
    """Return what to do, as a sentence for everybody, and the command for those who have one."""
    final = list(claims.values())[-1]
    verdict = standing(final).word
    if comparison is None or calibrator is None:
        return _of_model(final, plan, files)
    gain = comparison.differences["after"].verdict("log_loss")
    if gain == "worse":
        return "Leave this map out: it makes the probabilities worse.", ""
    if verdict == "not calibrated":
        return _richer(final, calibrator, untried, files)
    before = standing(next(iter(claims.values()))).word
    if before == "calibrated" and gain != "better":
        return "Use the model as it is: there is nothing to repair.", ""
    if "cannot tell" in {before, verdict} and gain != "better":
        return _more_labels(final, plan, files)
    step = f"Use the map on every new {final.outcomes.one}, and fit it again when the data change."
    return step, files.apply("calibrated")


def _of_model(final: Evaluation, plan: Plan | None, files: Files) -> Step:
    """Return what to do with a model by itself."""
    verdict, many = standing(final).word, final.outcomes.plural
    if verdict == "not calibrated":
        step = (
            f"Learn a map from labelled {many} like these; it is tried on {many} it has not seen."
        )
        return step, files.fit()
    if verdict == "calibrated":
        step = "Use the probabilities as they are, and look again when the data change."
        return step, files.look_again()
    return _more_labels(final, plan, files)


def _more_labels(final: Evaluation, plan: Plan | None, files: Files) -> Step:
    more = f"Label more {final.outcomes.plural}"
    step = f"{more}: these cannot tell."
    if plan is not None and plan.labels_for_ece is not None:
        many = f"{plan.labels_for_ece:,}"
        step = f"{more}: {many} would show a calibration error of {plan.ece:g}."
    return step, files.plan()


def _richer(final: Evaluation, calibrator: Calibrator, untried: str, files: Files) -> Step:
    """Return which map may repair what is left."""
    method = untried
    if (
        not is_refuted(final)
        and calibrator.name == "temperature"
        and final.outcomes.kind == "classes"
    ):
        method = "group-temperature"
        step = f"Try a map with a temperature for each {final.outcomes.group}."
    elif untried:
        step = f"Try richer maps than this one, each on {final.outcomes.plural} it has not seen."
    else:
        common = f"look for what the {final.outcomes.plural} below have in common"
        return f"No map that was tried repairs it: {common}.", ""
    return step, files.fit("--method", *method.split())
