"""The pages of decisions: of a threshold, when to answer, and of a cascade, which model answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from temperance.calibrators import temperature_of
from temperance.decisions.abstention import outcome_cells
from temperance.decisions.cascade_result import (
    CALIBRATED,
    GAINS,
    RAW,
    alone,
    gains,
    range_text,
    verdict,
)
from temperance.gates.promise import guarantee_in_words, promise_gates, with_groups
from temperance.plots import CostDisplay, RiskCoverageDisplay
from temperance.printable import count_text, digits_text
from temperance.report.commands import Files
from temperance.report.screen import Screen, State
from temperance.report.tables import estimate_cell, render, svg
from temperance.show import interval_text, number_text, percent_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike

    from temperance.calibrators import Calibrator
    from temperance.decisions import Abstention, Cascade, Outcome, RiskCoverage
    from temperance.decisions.abstention import Promise
    from temperance.gates import PromiseGate
    from temperance.metrics.estimates import Estimate
    from temperance.report.screen import Glance
    from temperance.report.tables import Cell

__all__ = [
    "ThresholdContent",
    "render_cascade",
    "render_threshold",
    "write_cascade",
    "write_threshold",
]

# The page of a threshold: when to answer, when to abstain, and what is promised of the answers.


_SET = "Rows that set the threshold"


@dataclass(frozen=True, slots=True, eq=False)
class ThresholdContent:
    """Everything the page shows; it measures nothing itself."""

    title: str
    rule: Abstention
    calibrator: Calibrator
    curve: RiskCoverage  # of the test rows; without any, of those that set the threshold
    test: Outcome | None
    use: str  # which rows were used for what
    facts: tuple[tuple[str, str], ...]
    test_groups: Mapping[str, Outcome] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    files: Files = field(default_factory=Files)  # what the command of the next step is written with


def write_threshold(path: str | PathLike[str], content: ThresholdContent) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    write_text(path, render_threshold(content))


def render_threshold(content: ThresholdContent) -> str:
    """Return the page as text."""
    rule = content.rule
    promised = None if rule.per_group else rule.promised_risk
    display = RiskCoverageDisplay(content.curve, threshold=rule.threshold, max_risk=promised).plot()
    temperature = temperature_of(content.calibrator)
    gates = _gates(content)
    return render(
        "threshold.html.j2",
        title=content.title,
        screen=_threshold_screen(content, gates),
        finding=guarantee_in_words(
            rule, with_groups(content.test, content.test_groups)
        ).replace(" %", "\u00a0%"),
        split=_answered(content),
        warnings=content.warnings,
        per_group=rule.per_group,
        min_coverage=rule.min_coverage,
        by_risk=rule.max_risk is not None,
        level=percent_text(rule.confidence),
        missed=percent_text(1.0 - rule.confidence),
        calibrator=content.calibrator.name
        + ("" if temperature is None else f", T = {digits_text(temperature, 4)}"),
        tested=content.test is not None,
        figure=svg(display, "risk-coverage"),
        outcomes=_outcomes(content),
        promises=_promises(content, gates),
        areas=[
            ("AUGRC", "Mean risk of a wrong answer over all coverages. To compare models by.",
             estimate_cell(content.curve.augrc)),
            ("AURC", "Mean share of wrong answers; ruled by the most confident rows.",
             estimate_cell(content.curve.aurc)),
            ("Risk, all answered", "Share of wrong answers without abstaining.",
             (number_text(content.curve.error_rate), "", "")),
        ],
        assumption=rule.assumption,
        use=content.use,
        facts=content.facts,
    )  # fmt: skip


def _answered(content: ThresholdContent) -> str:
    """Return how many rows are answered, and how many answers are wrong."""
    counts = content.test or content.rule.outcome
    rows = "test rows" if content.test else "rows that set it"
    text = f"Of {counts.n:,} {rows}, {_percent(counts.coverage.value)} are answered"
    risk = counts.risk
    if risk is None:
        return f"{text}: none."
    return (
        f"{text}; {_percent(risk.value, 2)} of the answers are wrong "
        f"({_percent(risk.low, 2)} to {_percent(risk.high, 2)})."
    )


def _outcomes(content: ThresholdContent) -> list[dict[str, Any]]:
    by_name = {_SET: content.rule.outcome, "Test rows": content.test}
    return [
        {"name": name, **_cells(outcome)}
        for name, outcome in by_name.items()
        if outcome is not None
    ]


def _gates(content: ThresholdContent) -> tuple[PromiseGate, ...]:
    """Return what the test rows say of each promise; nothing without rows of a promise."""
    return promise_gates(content.rule, with_groups(content.test, content.test_groups))


_KEPT: dict[str, tuple[str, Literal["good", "bad", "open"]]] = {
    "broken": ("Broken on the test rows", "bad"),
    "cannot tell": ("Cannot tell with {} test rows", "open"),
    "kept": ("Kept on the test rows", "good"),
}


def _threshold_screen(content: ThresholdContent, gates: tuple[PromiseGate, ...]) -> Screen:
    """Return the promise and what test rows say of it, what is answered, and what to do next."""
    rule = content.rule
    name, counts = ("Test rows", content.test) if content.test else (_SET, rule.outcome)
    return Screen(
        states=[_promise_state(content, gates)],
        glance=[*_answered_from(rule), *_worst_promise(gates), _use_policy(content, gates)],
        sides=[name],
        numbers=_threshold_numbers(content, counts),
    )


def _promise_state(content: ThresholdContent, gates: tuple[PromiseGate, ...]) -> State:
    """Return whether the promise is kept; without test rows that it is made, and of what."""
    rule = content.rule
    who = f"At most {percent_text(rule.promised_risk)} of the answers wrong"
    if not gates:
        origin = f"{percent_text(rule.confidence)} sure, whatever the model"
        return State(
            who, "Promised", f"{origin}; only labels that had no say in it can test it", "good"
        )
    finding = next(each for each in _KEPT if any(gate.finding == each for gate in gates))
    of = sorted((gate for gate in gates if gate.finding == finding), key=_worry)
    word, css = _KEPT[finding]
    outcome, (share, _, _) = of[0].outcome, of[0].cells
    sentence = f"{outcome.errors:,} of {outcome.accepted:,} answers are wrong, {share}"
    if rule.per_group:
        sentence = (
            f"In {len(of):,} of {count_text(len(gates), 'group')}, worst {of[0].group}: {sentence}"
        )
    n = 0 if content.test is None else content.test.n
    return State(who, word.format(f"{n:,}"), sentence, css)


def _answered_from(rule: Abstention) -> list[Glance]:
    """Return the confidence from which on rows are answered; of groups how many ever are."""
    if rule.per_group:
        share = f"{len(rule.promised_groups):,} of {count_text(len(rule.promises), 'group')}"
        return [("Groups that are answered", share, "each from its own confidence on.", "")]
    at = rule.promises[0].threshold
    if at == 0.0:
        return [("Answer", "every row", "the promise holds for all of them.", "")]
    words = "of confidence on; what is below goes to somebody else."
    return [("Answer from", f"{at:.4g}", words, "")]


def _worst_promise(gates: tuple[PromiseGate, ...]) -> list[Glance]:
    """Return the group whose promise the test rows speak against the most."""
    if len(gates) < 2:
        return []
    worst = min(gates, key=_worry)
    value, interval, limit = worst.cells
    sentence = f"{value} of its answers are wrong ({interval or 'none'}), {limit} was promised."
    return [("Worst group", str(worst.group), sentence, "")]


def _worry(gate: PromiseGate) -> tuple[int, float]:
    """Return how early a promise comes among those to worry about: broken, then by its risk."""
    order = ("broken", "cannot tell", "kept")
    over = 0.0 if gate.risk is None else gate.risk.value / max(gate.max_risk, 1e-9)
    return order.index(gate.finding), -over


def _use_policy(content: ThresholdContent, gates: tuple[PromiseGate, ...]) -> Glance:
    """Return the next step: let it decide, or set it again where its promise is broken."""
    files = content.files
    if any(gate.finding == "broken" for gate in gates):
        step = "Do not rely on it: set the threshold again, on recent labelled rows."
        if "--policy" in dict(files.settings):  # which would be measured once more
            files = replace(files, settings=tuple(_asked(content.rule)))
        return "What to do next", "", step, files.again("threshold", files.new_rows)
    step = "Let it decide on new rows; test it on new labels from time to time."
    return "What to do next", "", step, files.apply("decided")


_USUAL = 0.95  # the confidence of a threshold of which no other is asked


def _asked(rule: Abstention) -> Iterator[tuple[str, str]]:
    """Yield the options that ask for the same promise again."""
    if rule.max_risk is not None:
        yield "--max-risk", f"{rule.max_risk:g}"
    if rule.min_coverage is not None:
        yield "--min-coverage", f"{rule.min_coverage:g}"
    if rule.confidence != _USUAL:
        yield "--confidence", f"{rule.confidence:g}"
    if rule.per_group:
        yield "--per-group", ""


def _threshold_numbers(content: ThresholdContent, outcome: Outcome) -> list[dict[str, Any]]:
    """Return what is answered, what of it is wrong, and what would be without abstaining."""
    curve, risk = content.curve, outcome.risk
    wrong = ("none answered", "", "") if risk is None else _share(risk)
    if not content.rule.per_group and risk is not None:
        wrong = (*wrong[:2], f"promised: at most {percent_text(content.rule.promised_risk)}")
    rows = (
        ("Answered", "Share of the rows that reach the threshold.", _share(outcome.coverage)),
        ("Wrong", "Share of the answers that are wrong. Lower is better.", wrong),
        ("Wrong, if all were answered", "What declining to answer is compared with.",
         (_percent(curve.error_rate, 2), "", "")),
    )  # fmt: skip
    return [{"name": name, "meaning": meaning, "values": [cell]} for name, meaning, cell in rows]


def _share(estimate: Estimate) -> Cell:
    """Return a share in percent with its interval."""
    low, high = (f"{100.0 * end:.2f}" for end in (estimate.low, estimate.high))
    return _percent(estimate.value, 2), f"{low} to {high}\u00a0%", ""


def _promises(content: ThresholdContent, gates: tuple[PromiseGate, ...]) -> list[dict[str, Any]]:
    """Return one row per group, what to worry about first.

    Those whose promise the test rows break, then those that are never answered, then the others by
    how near their risk comes to what was promised.
    """
    rule, test = content.rule, content.test_groups
    if not rule.per_group:
        return []
    by_group = {gate.group: gate for gate in gates}

    def worry(promise: Promise) -> tuple[int, float]:
        gate = by_group.get(promise.group)
        if gate is not None and gate.finding == "broken":
            return 0, _worry(gate)[1]
        if promise.threshold is None:
            return 1, -float(promise.outcome.n)
        if gate is not None:
            return 2, _worry(gate)[1]
        risk = promise.outcome.risk
        return 2, 0.0 if risk is None else -risk.value / max(promise.max_risk or 0.0, 1e-9)

    rows = []
    for each in sorted(rule.promises, key=worry):
        outcome = test.get(each.group or "") if test else each.outcome
        gate = by_group.get(each.group)
        rows.append(
            {
                "name": each.group,
                "threshold": "never" if each.threshold is None else f"{each.threshold:.4g}",
                "promised": ""
                if each.max_risk is None
                else f"at most {_percent(each.max_risk, None)}",
                "reason": each.reason,
                "finding": "" if gate is None else gate.finding,
                **({} if outcome is None else _cells(outcome)),
            }
        )
    return rows


def _cells(outcome: Outcome) -> dict[str, Any]:
    rows, _, wrong, _ = outcome_cells(outcome)
    risk = outcome.risk
    return {
        "rows": rows,
        "coverage": estimate_cell(outcome.coverage),
        "wrong": wrong,
        "risk": ("none answered", "", "")
        if risk is None
        else (f"{risk.value:.4f}", interval_text(risk.low, risk.high), ""),
    }


def _percent(share: float, decimals: int | None = 1) -> str:
    return percent_text(share, decimals).replace(" ", "\u00a0")


# The page of a cascade: when rows go on to the next model, and what that costs.


_SENTENCE = re.compile(r"(?<=[.]) (?=[A-Z])")
_HOW = {
    "cross-fitted": "Cross-fitted: the rows were cut into five parts, and the rows of each part "
    "were answered by rules found on the other four, calibrators included.",
    "test": "Measured on test rows that the rules have not seen.",
}
_EXPECTED = {
    "constant": "its mean error, the same for every row",
    "isotonic": "its error given the confidence so far (isotonic)",
    "logistic": "its error given the confidence so far (logistic)",
}


def write_cascade(
    path: str | PathLike[str],
    cascade: Cascade,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
    files: Files | None = None,
) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    text = render_cascade(cascade, title=title, facts=facts, warnings=warnings, files=files)
    write_text(path, text)


def render_cascade(
    cascade: Cascade,
    *,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    warnings: Sequence[str] = (),
    files: Files | None = None,
) -> str:
    """Return the page as text; with `files` the first screen names the command of a next step."""
    first, *rest = _SENTENCE.split(cascade.in_words())
    policy = cascade.policy
    return render(
        "cascade.html.j2",
        title=title,
        screen=_cascade_screen(cascade, files or Files()),
        finding=first.replace(" %", "\u00a0%"),
        split=" ".join(rest).replace(" %", "\u00a0%"),
        warnings=warnings,
        how=_HOW[cascade.evaluated_on],
        figure=svg(CostDisplay.from_cascade(cascade), "cost"),
        stages=_stages(cascade),
        ways=_ways(cascade),
        gain=GAINS[cascade.goal.kind].capitalize(),
        goal=cascade.goal,
        price=policy.price,
        hindsight=cascade.hindsight,
        two=len(policy.names) == 2 and cascade.method == "temperature",
        expected=_EXPECTED[policy.rules[-1].expected.to_dict()["kind"]],
        n=cascade.n,
        n_clusters=cascade.n_clusters,
        method=cascade.method,
        facts=facts,
    )


_WORTH: dict[str, tuple[str, Literal["good", "bad", "open"]]] = {
    "better": ("{}", "good"),
    "worse": ("{}", "bad"),
    "cannot tell": ("Cannot tell", "open"),
    "the same": ("The same", "open"),
}


def _cascade_screen(cascade: Cascade, files: Files) -> Screen:
    """Return whether it pays, what calibration was worth, what each way costs, and what to do."""
    ways = {name: way for name, way in cascade.ways.items() if name != RAW}
    own, priced = cascade.ways[CALIBRATED], cascade.goal.kind == "cost"
    rows = [
        ("Errors", "Share of wrong answers.", {n: _cell(w.error) for n, w in ways.items()}),
        ("Models cost", "Per row, beyond the first model.",
         {n: _cell(w.spent) for n, w in ways.items()}),
    ]  # fmt: skip
    if priced:
        costs = {n: ("", "", "") if w.cost is None else _cell(w.cost) for n, w in ways.items()}
        rows.append(("Total", "Per row, errors and models. Lower is better.", costs))
    further = _percent(1.0 - own.answered[0])
    return Screen(
        states=[_pays(cascade), _calibration_pays(cascade)],
        glance=[
            ("Rows that go on", further, f"past {cascade.policy.names[0]}.", ""),
            _use_cascade(cascade, files),
        ],
        sides=["This cascade" if name == CALIBRATED else name for name in ways],
        numbers=[
            {"name": name, "meaning": meaning, "values": list(cells.values())}
            for name, meaning, cells in rows
        ],
    )


def _best_alone(cascade: Cascade) -> tuple[str, Estimate]:
    """Return the model that costs least by itself, and what the cascade saves against it."""
    saved = gains(cascade)
    costs = {
        name: way.cost.value
        for name, way in cascade.ways.items()
        if name in {alone(each) for each in cascade.policy.names} and way.cost is not None
    }
    best = min(costs, key=costs.__getitem__)
    return best, saved[best]


def _pays(cascade: Cascade) -> State:
    """Return whether it beats the best model alone, or keeps to its budget or accuracy."""
    goal, way = cascade.goal, cascade.ways[CALIBRATED]
    if goal.kind == "cost":
        best, gain = _best_alone(cascade)
        gains = {
            "better": f"Saves {number_text(gain.value)} per row",
            "worse": f"Do not use it: costs {number_text(-gain.value)} more per row",
        }
        word, css = _WORTH[verdict(gain)]
        return State(
            f"Against {best}",
            word.format(gains.get(verdict(gain), "")),
            f"What it saves: {number_text(gain.value, sign=True)} per row "
            f"({interval_text(gain.low, gain.high, sign=True)}, 95\u00a0%)",
            css,
        )
    if goal.kind == "budget":
        name, least, most, value = "Budget", way.spent.low, way.spent.high, way.spent
        met, missed = most <= goal.value, least > goal.value
    else:
        name, value = "Accuracy", way.error
        met, missed = 1.0 - value.high >= goal.value, 1.0 - value.low < goal.value
    words = ("Kept", "good") if met else ("Missed", "bad") if missed else ("Cannot tell", "open")
    what = "spent per row" if goal.kind == "budget" else "of answers wrong"
    ends = interval_text(value.low, value.high)
    why = f"{number_text(value.value)} {what} ({ends}, 95\u00a0%)"
    return State(f"{name} of {goal.value:g}", words[0], why, words[1])  # type: ignore[arg-type]


def _calibration_pays(cascade: Cascade) -> State:
    worth = cascade.worth
    unit = {"cost": "per row", "budget": "errors per row", "accuracy": "of cost per row"}
    finding, per = verdict(worth), unit[cascade.goal.kind]
    verb = "Saved" if finding == "better" else "Lost"
    word, css = _WORTH[finding]
    ends = interval_text(worth.low, worth.high, sign=True)
    saved = number_text(worth.value, sign=True)
    why = f"What it saves against raw confidences: {saved} {per} ({ends}, 95\u00a0%)"
    return State(
        "Calibration", word.format(f"{verb} {number_text(abs(worth.value))} {per}"), why, css
    )


def _use_cascade(cascade: Cascade, files: Files) -> Glance:
    """Return the next step: a model alone, the file of the cascade, or its use on new rows."""
    name = "What to do next"
    if cascade.goal.kind == "cost":
        best, gain = _best_alone(cascade)
        if verdict(gain) == "worse":
            return name, "", f"Use {best.removesuffix(' alone')} for every row.", ""
    if files.result:
        step = f"Give it what {cascade.policy.names[0]} says of new rows: it tells which go on."
        return name, "", step, replace(files, rows=files.rows[:1]).apply("decided")
    step = "Write the cascade to a file that decides on new rows."
    return name, "", step, files.again("cascade", files.rows, "-o", "cascade.json")


def _stages(cascade: Cascade) -> list[dict[str, Any]]:
    policy = cascade.policy.to_dict()["stages"]
    return [
        {
            "name": each["model"],
            "calibrator": each["calibrator"]["method"]
            if each["temperature"] is None
            else f"T = {number_text(each['temperature'])}",
            "range": range_text(rule),
            "next": each["next"],
            "cost": f"{each['cost']:g}",
        }
        for each, rule in zip(policy, cascade.policy.rules, strict=True)
    ]


def _ways(cascade: Cascade) -> list[dict[str, Any]]:
    saved = gains(cascade)
    return [
        {
            "name": name,
            "sent": f"{way.answered[-1]:.1%}".replace("%", "\u00a0%"),
            "error": _cell(way.error),
            "spent": _cell(way.spent),
            "cost": None if way.cost is None else _cell(way.cost),
            "gain": estimate_cell(saved[name], sign=True) if name in saved else None,
            "verdict": verdict(saved[name]) if name in saved else "",
        }
        for name, way in cascade.ways.items()
    ]


def _cell(estimate: Estimate) -> Cell:
    """Return a value with its interval, where anything is left to chance."""
    if number_text(estimate.low) == number_text(estimate.high):
        return number_text(estimate.value), "", ""
    return estimate_cell(estimate)
