"""The page of a policy: bands, accept, review and reject, and the coverage at several risks."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from temperance.calibrators import temperature_of
from temperance.decisions.band_promises import RATES, BandCounts
from temperance.decisions.binomial import clopper_pearson
from temperance.decisions.coverage_table import short_reason
from temperance.gates.promise import guarantee_in_words, promise_gates, with_groups
from temperance.plots import RiskCoverageDisplay
from temperance.plots.bands import BandsDisplay
from temperance.printable import capitalised, count_text, digits_text
from temperance.report.screen import Screen, State
from temperance.report.tables import render, svg, without_options
from temperance.show import percent_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from os import PathLike

    from temperance.calibrators import Calibrator
    from temperance.decisions import Bands, CoverageTable, RiskCoverage
    from temperance.decisions.bands import GroupBands
    from temperance.decisions.rows import DecisionRows
    from temperance.gates import BandGate
    from temperance.metrics.estimates import Estimate
    from temperance.report.tables import Cell

__all__ = ["BandsContent", "PolicyContent", "render_policy", "write_policy"]

_BANDS = ("accept", "review", "reject")
_VERBS = {"accept": "accepted", "review": "reviewed", "reject": "rejected"}
BandFinding = Literal["broken", "kept", "cannot tell"]
_ON_TEST: dict[BandFinding, str] = {  # the worst first
    "broken": "broken on the test rows",
    "cannot tell": "too few test rows to tell",
    "kept": "kept on the test rows",
}
_CSS: dict[str, Literal["good", "bad", "open"]] = {
    "broken": "bad",
    "kept": "good",
    "cannot tell": "open",
}


@dataclass(frozen=True, slots=True, eq=False)
class BandsContent:
    """Bands, the rows that are drawn, and what became of test rows."""

    rule: Bands
    rows: DecisionRows  # the test rows; without any, those that set the thresholds
    test: BandCounts | None
    test_groups: Mapping[str, BandCounts] = field(default_factory=dict)

    @property
    def gates(self) -> tuple[BandGate, ...]:
        """What test rows say of each promise, in each group; nothing without rows of a promise."""
        return promise_gates(self.rule, with_groups(self.test, self.test_groups))

    @property
    def guarantee(self) -> str:
        """What is promised; that test rows refute it comes first."""
        return guarantee_in_words(self.rule, with_groups(self.test, self.test_groups))

    def finding(self, promise: str) -> BandFinding:
        """Return what test rows say of a promise; of groups the worst that they say of any."""
        findings = {gate.finding for gate in self.gates if gate.promise == promise}
        return next((each for each in _ON_TEST if each in findings), "cannot tell")

    @property
    def counts(self) -> BandCounts:
        """What became of the test rows; without any, of those that set the thresholds."""
        return self.test or self.rule.counts


@dataclass(frozen=True, slots=True, eq=False)
class PolicyContent:
    """Everything the page shows; it measures nothing itself."""

    title: str
    bands: BandsContent | None  # None: the table alone
    table: CoverageTable | None  # None: of composite answers, of which a row is a part
    curve: RiskCoverage | None
    calibrator: Calibrator
    chosen_risk: float | None  # risk of the table whose policy is written
    use: str  # which rows were used for what
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...] = ()
    policy: str = ""  # files, as the next step's command names them
    file: str = ""
    same: str = ""  # options that mean the same again


def write_policy(path: str | PathLike[str], content: PolicyContent) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    write_text(path, render_policy(content))


def render_policy(content: PolicyContent) -> str:
    """Return the page as text."""
    bands, temperature = content.bands, temperature_of(content.calibrator)
    return render(
        "policy.html.j2",
        title=content.title,
        screen=_bands_screen(content, bands) if bands else _table_screen(content),
        finding=_spaced(bands.guarantee if bands else _table_finding(content)),
        split=_spaced(_split(bands)) if bands else "",
        warnings=content.warnings,
        tested=bands is not None and bands.test is not None,
        score="" if bands is None else bands.rule.event.score_name,
        figure="" if bands is None else _bands_figure(bands),
        words={} if bands is None else bands.rule.event.words,
        bands=[] if bands is None or bands.rule.per_group else list(_band_rows(bands)),
        promises=[] if bands is None else list(_promise_rows(bands)),
        groups=[] if bands is None or not bands.rule.per_group else _group_rows(bands),
        coverage=list(_coverage_rows(content)),
        level="" if content.table is None else percent_text(content.table.confidence),
        both="" if content.table is None else _both(content.table.confidence),
        curve=_curve_figure(content),
        searches="" if bands is None else _searches(bands.rule),
        assumption=_assumption(content),
        use=content.use,
        calibrator=content.calibrator.name
        + ("" if temperature is None else f", T = {digits_text(temperature, 4)}"),
        facts=content.facts,
    )


# The first screen.


def _bands_screen(content: PolicyContent, bands: BandsContent) -> Screen:
    """Return each band with its share and its promises, where it begins, and what to do next."""
    rule = bands.rule
    sides = {"Rows that set the thresholds": rule.counts}
    if bands.test is not None:
        sides = {"Test rows": bands.test, **sides}
    return Screen(
        states=[_state(bands, name) for name in _BANDS if name in ("review", *rule.promises.bands)],
        glance=[*_begins(rule), ("What to do next", "", *_next_of_bands(content, bands))],
        sides=list(sides),
        numbers=[
            {
                "name": _VERBS[name].capitalize(),
                "meaning": "",
                "values": [_share(*_count(counts, name)) for counts in sides.values()],
            }
            for name in _BANDS
        ],
    )


def _state(bands: BandsContent, name: str) -> State:
    """Return how many rows a band holds, what is promised of them, and whether it is kept."""
    rule, counts = bands.rule, bands.counts
    of = "test rows" if bands.test else "rows"
    share = percent_text(_count(counts, name)[0] / max(counts.n, 1), 1)
    if name == "review":
        return State("Review", f"{share} of {of}", "For people: nothing is promised of them")
    own = [each for each in rule.promises.limits if RATES[each].band == name]
    clauses = "; ".join(rule.promises.in_words(each, rule.event.words) for each in own)
    why = capitalised(clauses)
    if bands.test is None:
        return State(name.capitalize(), f"{share} of {of}", why, "good")
    findings = [bands.finding(each) for each in own]
    worst = next(each for each in _ON_TEST if each in findings)
    return State(name.capitalize(), f"{share} of {of}", f"{why}: {_ON_TEST[worst]}", _CSS[worst])


def _begins(rule: Bands) -> Iterator[tuple[str, str, str, str]]:
    score = rule.event.score_name
    if rule.per_group:
        share = f"{len(rule.promised_groups):,} of {count_text(len(rule.parts), 'group')}"
        yield "Groups with a band", share, f"each from a {score} of its own on.", ""
        return
    part = rule.parts[0]
    if part.accept_from is not None:
        yield "Accept from", f"{part.accept_from:.4g}", f"of {score} on.", ""
    if part.reject_to is not None:
        yield "Reject up to", f"{part.reject_to:.4g}", f"of {score}.", ""


def _next_of_bands(content: PolicyContent, bands: BandsContent) -> tuple[str, str]:
    rule = bands.rule
    if any(gate.finding == "broken" for gate in bands.gates):
        command = " ".join(
            filter(None, ("temperance policy new-labels.npz", content.same, _options(rule)))
        )
        return "Do not rely on it: set the bands again, on recent labelled rows.", command
    step = "Let it decide on new rows, and set it again after a re-fit or when the data change."
    if bands.test is None:
        step = "Test it on labels that had no say, then let it decide on new rows."
    policy = shlex.quote(content.policy)
    return step, f"temperance apply {policy} new-rows.npz -o decided.npz"


def _options(rule: Bands) -> str:
    limits = rule.promises.limits.items()
    return " ".join(f"{RATES[name].option} {value:g}" for name, value in limits)


def _table_screen(content: PolicyContent) -> Screen:
    """Return the share of rows that each risk allows to answer, and what to do next."""
    assert content.table is not None  # noqa: S101  (there are no bands)
    states = [
        State(f"At most {row['risk']} wrong", row["word"], row["why"], row["css"])
        for row in _coverage_rows(content)
    ]
    file = shlex.quote(content.file)
    rules = zip(content.table.risks, content.table.rules, strict=True)
    allowed_risks = [risk for risk, rule in rules if rule is not None]
    if content.chosen_risk is not None:
        step = "Let the chosen policy decide on new rows, and test it on new labels."
        command = f"temperance apply {shlex.quote(content.policy)} new-rows.npz -o decided.npz"
    elif allowed_risks:
        step = "Choose a risk; its policy is written, and its promise holds though you looked."
        words = ("temperance policy", file, content.same, f"--choose {allowed_risks[0]:g}")
        command = " ".join(filter(None, words))
    else:
        step, command = "Label more rows: these allow none of the promises.", ""
    return Screen(states=states, glance=[("What to do next", "", step, command)])


def _table_finding(content: PolicyContent) -> str:
    assert content.table is not None  # noqa: S101  (there are no bands)
    sure = percent_text(content.table.confidence)
    if content.chosen_risk is not None:
        return (
            f"With {sure} confidence, at most {percent_text(content.chosen_risk)} of the answers "
            "of the chosen policy are wrong."
        )
    return (
        f"How many rows can be answered at each risk, all promised at once with {sure} confidence."
    )


# Tables and figures.


def _count(counts: BandCounts, name: str) -> tuple[int, int]:
    return getattr(counts, _VERBS[name]), counts.n


def _band_rows(bands: BandsContent) -> Iterator[dict[str, Any]]:
    part = bands.rule.parts[0]
    where = {
        "accept": "never" if part.accept_from is None else f">= {part.accept_from:.6g}",
        "review": "the others",
        "reject": "never" if part.reject_to is None else f"<= {part.reject_to:.6g}",
    }
    for name in _BANDS:
        yield {
            "name": name.capitalize(),
            "where": where[name],
            "count": f"{_count(bands.counts, name)[0]:,}",
            "share": _share(*_count(bands.counts, name)),
        }


def _promise_rows(bands: BandsContent) -> Iterator[dict[str, Any]]:
    """Yield each promise with what was seen of it."""
    rule, counts = bands.rule, bands.counts
    for name, limit in rule.promises.limits.items():
        bad, whole = counts.bad(name)
        rate = counts.rate(name)
        sign = "at least" if RATES[name].least else "at most"
        clause = rule.promises.in_words(name, rule.event.words)
        yield {
            "band": RATES[name].band.capitalize(),
            "name": RATES[name].name.capitalize(),
            "meaning": f"{capitalised(clause)}.",
            "promised": f"{sign} {percent_text(limit)}",
            "bad": f"{bad:,} of {whole:,}",
            "rate": ("none", "", "") if rate is None else _estimate(rate),
            "finding": "" if bands.test is None else bands.finding(name),
        }


def _group_rows(bands: BandsContent) -> list[dict[str, Any]]:
    """Return one row per group, what to worry about first.

    Those with a promise that the test rows break, then those that lack a band, then the others by
    how few of their rows are decided without a look.
    """
    findings: dict[str | None, list[str]] = {}
    for gate in bands.gates:
        findings.setdefault(gate.group, []).append(gate.finding)

    def worst(part: GroupBands) -> BandFinding | None:
        return next((each for each in _ON_TEST if each in findings.get(part.group, ())), None)

    def counts_of(part: GroupBands) -> BandCounts:
        return part.counts if tested is None else tested.get(part.group or "", none)

    def order(part: GroupBands) -> tuple[bool, int, float]:
        lacking = sum(each is not None for each in (part.accept_reason, part.reject_reason))
        counts = counts_of(part)
        return worst(part) != "broken", -lacking, -counts.reviewed / max(counts.n, 1)

    none = BandCounts(0, 0, 0, 0, 0, 0)
    tested = None if bands.test is None else bands.test_groups
    rows = []
    for part in sorted(bands.rule.parts, key=order):
        counts = counts_of(part)
        rows.append(
            {
                "name": part.group,
                "accept": "never" if part.accept_from is None else f">= {part.accept_from:.4g}",
                "reject": "never" if part.reject_to is None else f"<= {part.reject_to:.4g}",
                "finding": worst(part) or "",
                "rows": f"{counts.n:,}",
                "shares": [
                    percent_text(_count(counts, name)[0] / counts.n, 1) if counts.n else "none"
                    for name in _BANDS
                ],
                "reasons": [
                    capitalised(without_options(each))
                    for each in (part.accept_reason, part.reject_reason)
                    if each
                ],
            }
        )
    return rows


def _coverage_rows(content: PolicyContent) -> Iterator[dict[str, Any]]:
    table = content.table
    if table is None:
        return
    for risk, rule, reason in zip(table.risks, table.rules, table.reasons, strict=True):
        row: dict[str, Any] = {"risk": percent_text(risk), "chosen": risk == content.chosen_risk}
        if rule is None:
            short = short_reason(reason)
            yield row | {
                "threshold": "none", "share": ("0 %", "", ""), "wrong": "", "reason": short,
                "word": "Not with these rows", "why": capitalised(short), "css": "open",
            }  # fmt: skip
            continue
        counts, at = rule.outcome, f"{rule.threshold:.4g}"
        yield row | {
            "threshold": f">= {at}", "share": _share(counts.accepted, counts.n), "reason": "",
            "wrong": f"{counts.errors:,} of {counts.accepted:,}", "css": "good",
            "word": f"{percent_text(counts.accepted / counts.n, 1)} answered",
            "why": f"From a confidence of {at} on",
        }  # fmt: skip


def _bands_figure(bands: BandsContent) -> str:
    rule, rows = bands.rule, bands.rows
    part = None if rule.per_group else rule.parts[0]
    display = BandsDisplay(
        rows.confidence, ~rows.wrong,
        accept_from=None if part is None else part.accept_from,
        reject_to=None if part is None else part.reject_to,
        score_name=rule.event.score_name, words=rule.event.words,
    )  # fmt: skip
    return svg(display.plot(), "bands")


def _curve_figure(content: PolicyContent) -> str:
    if content.curve is None or content.table is None:
        return ""
    rule = None if content.chosen_risk is None else content.table.choose(content.chosen_risk)
    display = RiskCoverageDisplay(
        content.curve,
        threshold=None if rule is None else rule.threshold,
        max_risk=content.chosen_risk,
    )
    return svg(display.plot(), "risk-coverage")


# Words and cells.


def _split(bands: BandsContent) -> str:
    """Return what became of the rows, in a sentence."""
    counts, words = bands.counts, bands.rule.event.words
    rows = "test rows" if bands.test else "rows that set the thresholds"
    yes = percent_text(counts.positives / max(counts.n, 1), 1)
    return (
        f"Of {counts.n:,} {rows}, of which {yes} {words['are_yes']}, {counts.accepted:,} are "
        f"accepted, {counts.reviewed:,} reviewed and {counts.rejected:,} rejected."
    )


def _assumption(content: PolicyContent) -> str:
    """Return what must be true for the promises to hold."""
    if content.bands is not None:
        return content.bands.rule.assumption
    assert content.table is not None  # noqa: S101  (there are no bands)
    known = [rule.assumption for rule in content.table.rules if rule is not None]
    return known[0] if known else ""


def _searches(rule: Bands) -> str:
    sides = len(rule.promises.sides)
    if sides == 1 and not rule.per_group:
        return "So the promise holds for such rows, whatever the model."
    total = sides * len(rule.parts) if rule.per_group else sides
    searches = count_text(total, "search", "searches")
    return (
        f"{searches} share the level (Bonferroni), so all promises hold at once for such rows, "
        "whatever the model."
    )


def _both(confidence: float) -> str:
    return percent_text(max(0.0, 1.0 - 2.0 * (1.0 - confidence)))


def _share(part: int, whole: int) -> Cell:
    return _estimate(clopper_pearson(part, whole)) if whole else ("none", "", "")


def _estimate(share: Estimate) -> Cell:
    low, high = (f"{100.0 * end:.1f}" for end in (share.low, share.high))
    return _spaced(percent_text(share.value, 1)), _spaced(f"{low} to {high} %"), ""


def _spaced(text: str) -> str:
    return text.replace(" %", "\u00a0%")
