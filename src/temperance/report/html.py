"""One self-contained HTML page: no script, no network, good on a phone, in the dark, on paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, log
from typing import TYPE_CHECKING, Any, Literal

from temperance.alternatives import BIASED
from temperance.calibrators import (
    ends_text,
    interval_of,
    temperature_of,
)
from temperance.calibrators.label_platt import number_cells
from temperance.evaluation.evaluation import left_out_rows, verdict_sentence
from temperance.metrics.estimates import Estimate, biased_classes
from temperance.plots import (
    ClassBiasDisplay,
    ConfidenceDisplay,
    CorpDisplay,
    ReliabilityDisplay,
    TemperatureDisplay,
)
from temperance.printable import capitalised, count_text, digits_text
from temperance.report.commands import Files
from temperance.report.findings import explain_calibrator, explain_test, headline, split_sentence
from temperance.report.ordered import ordered_section
from temperance.report.tables import (
    class_rows,
    error_rows,
    group_rows,
    render,
    score_rows,
    svg,
    way_tables,
    weak_rows,
)
from temperance.report.verdict import evaluation_screen
from temperance.selection.selection import not_tried, selection_cells, unchanged_text
from temperance.show import four_digits, interval_text, number_text, p_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from os import PathLike

    from temperance.alternatives import ClassBiases
    from temperance.calibrators import Calibrator
    from temperance.calibrators.record import LabelLines, ShrunkPart
    from temperance.comparison import Comparison
    from temperance.evaluation import Evaluation
    from temperance.planning import Plan
    from temperance.report.ordered import OrderedLevels
    from temperance.selection import Selection

__all__ = [
    "ReportContent",
    "class_bias_section",
    "group_section",
    "render_report",
    "write_report",
]

# What a report is made of.


@dataclass(frozen=True, slots=True, eq=False)
class ReportContent:
    """Everything a report shows; it measures nothing itself."""

    title: str
    evaluation: Evaluation  # of the model as it is
    comparison: Comparison | None  # "before" and "after"; None without a calibrator
    calibrator: Calibrator | None
    evaluated_on: Literal["cross-fitted", "test", "given"]
    facts: tuple[tuple[str, str], ...]  # label and value, in the order shown
    warnings: tuple[str, ...] = ()
    selection: Selection | None = None  # how the method was chosen
    plan: Plan | None = None  # labels that would settle what is open
    members: tuple[str, ...] = ()  # names of an ensemble's models
    class_biases: ClassBiases | None = None  # where they were fitted, or tried
    tried: dict[str, float] = field(default_factory=dict)  # log loss of each map tried, by its name
    untried: str = ""  # method to try where calibration is still refuted, with its options
    files: Files = field(default_factory=Files)  # what the command of the next step is written with
    label_ways: Comparison | None = None  # of a label matrix: other ways, on the same rows
    ordered: dict[str, OrderedLevels] = field(default_factory=dict)  # of levels: side -> measured
    pooling: Comparison | None = None  # ways of pooling them; the ensemble's own is the first


# Class biases in the report: which class is claimed too often, and what that costs.


_MEASURES = ("log_loss", "ece", "accuracy")


def class_bias_section(class_biases: ClassBiases | None) -> dict[str, Any] | None:
    """Return picture, table and sentences; None where no biases were fitted."""
    if class_biases is None:
        return None
    biases = class_biases.biases
    are_biased = biased_classes(biases)
    return {
        "temperature": digits_text(class_biases.temperature, 4),
        "figure": svg(ClassBiasDisplay.from_biases(biases), "biases"),
        "rows": [
            {
                "name": name,
                "bias": (
                    number_text(each.value, sign=True),
                    interval_text(each.low, each.high, sign=True),
                    "",
                ),
                "word": _word(each) if are_biased[name] else "cannot tell",
            }
            for name, each in biases.items()
        ],
        "tables": way_tables(class_biases.comparison, measures=_MEASURES),
        "cost": _cost(class_biases.comparison),
    }


def _word(bias: Estimate) -> str:
    return "claimed too often" if bias.value < 0.0 else "claimed too rarely"


def _cost(comparison: Comparison) -> str:
    """Return what the biases gain in log loss: what it costs to leave them out."""
    differences = comparison.differences[BIASED]
    gap, verdict = differences.log_loss, differences.verdict("log_loss")
    if verdict in {"cannot tell", "the same"}:
        ends = interval_text(gap.low, gap.high, sign=True)
        return (
            "These rows cannot tell whether it helps to correct the biases: the log loss changes "
            f"by {number_text(gap.value, sign=True)} nats per row ({ends})."
        )
    low, high = sorted((abs(gap.low), abs(gap.high)))
    much = f"{number_text(abs(gap.value))} nats of log loss per row ({interval_text(low, high)})"
    if verdict == "worse":
        return f"Correcting the biases costs {much} on rows that the fit has not seen: leave them."
    return f"Left uncorrected, the biases cost {much} that no temperature saves."


# An ensemble in the report: the weights of its models, and other ways of pooling them.


_POOLS = {
    "linear": "the weighted mean of the models' probabilities",
    "log": "the weighted mean of the models' log probabilities",
}
_VERDICTS = {
    "better": "is better by",
    "worse": "is worse by",
    "cannot tell": "cannot be told from that:",
    "the same": "is the same:",
}


def pooling_section(content: ReportContent) -> dict[str, Any] | None:
    """Return weights, tables and the sentence that says what they show; None of other methods."""
    ensemble, pooling = content.calibrator, content.pooling
    pooled = None if ensemble is None else ensemble.parts.models
    if pooled is None:
        return None
    names = content.members or tuple(f"model {i + 1}" for i in range(len(pooled.weights)))
    return {
        "pool": _POOLS[pooled.pool],
        "weights": [
            (name, f"{weight:.3f}")
            for name, weight in zip(names, pooled.weights.tolist(), strict=True)
        ],
        "tables": [] if pooling is None else way_tables(pooling, measures=_MEASURES),
        "sentence": "" if pooling is None else _sentence(pooling),
    }


def _sentence(pooling: Comparison) -> str:
    """Return how the ensemble does against every other kind of way, by log loss."""
    own = pooling.evaluations[pooling.baseline].log_loss.value
    alone = [name for name in pooling.differences if name.endswith(" alone")]
    best = min(alone, key=lambda name: pooling.evaluations[name].log_loss.value)
    ways = [name for name in pooling.differences if name not in alone]
    phrases = "; ".join(_against(pooling, name) for name in (*ways, best))
    return (
        f"The log loss of \u201c{pooling.baseline}\u201d is {number_text(own)}; against it, "
        f"{phrases}."
    )


def _against(pooling: Comparison, name: str) -> str:
    differences = pooling.differences[name]
    gap = differences.log_loss
    ends = interval_text(gap.low, gap.high, sign=True)
    verdict = _VERDICTS[differences.verdict("log_loss")]
    return f"\u201c{name}\u201d {verdict} {number_text(gap.value, sign=True)} ({ends})"


# Tests of calibration in words, for someone who has never heard of them.


_LEVEL = 0.05
# what the test asks, the answer where p < 0.05, the answer where not
_WORDS = {
    "score": (
        "Too sharp or too flat? (score test of T = 1)",
        "Yes: the model is {direction}.",
        "No clear sign.",
    ),
    "class-bias": (
        "{biased} claimed too often or too seldom? (score test of {bias})",
        "Yes. A temperature cannot repair this.",
        "No clear sign.",
    ),
    "joint-score": (
        "Either of both? (joint score test)",
        "Yes.",
        "No clear sign.",
    ),
    "calibration-in-the-large": (
        "Do claims and results differ on average? (calibration in the large)",
        "Yes: {direction} on average.",
        "No clear sign.",
    ),
    "spiegelhalter": (
        "Is the Brier score another than the probabilities promise? (Spiegelhalter)",
        "Yes.",
        "No clear sign.",
    ),
    "cox": (
        "Do the log-odds need another slope or intercept? (Cox)",
        "Yes.",
        "No clear sign.",
    ),
    "ece": (
        "Is the calibration error (ECE) more than chance explains? (consistency resampling)",
        "Yes.",
        "No: chance may explain it.",
    ),
    "miscalibration": (
        "Does the curve leave the diagonal further than chance explains? (consistency resampling)",
        "Yes.",
        "No: chance may explain it.",
    ),
}

_BIASED = {
    "classes": "Are some classes",
    "answers": "Are right answers",
    "labels": "Are labels, all together,",
}


def verdicts(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    """Return question, answer and p-value of each test; a test that is undefined says why.

    p-values are corrected for their number (Holm), and the answers are theirs.
    """
    tests, adjusted = evaluation.tests, evaluation.tests.adjusted_p_values
    entries: list[tuple[str, float | None, str | None, str | None]] = [
        (test.name, adjusted[test.name], test.direction, test.reason) for test in tests
    ]
    entries += [(name, adjusted[name], None, None) for name in ("ece", "miscalibration")]
    rows = []
    for name, p_value, direction, reason in entries:
        question, yes, no = _WORDS[name]
        if name == "class-bias":
            outcomes = evaluation.outcomes
            question = question.format(biased=_BIASED[outcomes.kind], bias=outcomes.bias)
        if p_value is None:
            answer = f"Cannot be told: {evaluation.outcomes.reworded(reason or '')}"
        else:
            answer = yes.format(direction=direction) if p_value < _LEVEL else no
        rows.append((question, answer, p_text(p_value)))
    return rows


# One temperature per group in the report: a table, a picture, and who was too small.


_MOST = 30
_SMALL = 20  # names of groups that are too small


def group_section(calibrator: Calibrator | None) -> dict[str, Any] | None:
    """Return what the report shows of the groups' temperatures; None of other methods."""
    known = None if calibrator is None else calibrator.parts.groups
    if calibrator is None or known is None:
        return None
    pooled, parts = known.pooled, known.parts

    def farthest(name: str) -> tuple[float, int, str]:
        n = parts[name].n if name in parts else 0
        return -abs(log(known.temperatures[name] / pooled)), -n, name

    shown = sorted(known.temperatures, key=farthest)[:_MOST]
    estimates = {name: _estimate(known.temperatures[name], parts.get(name)) for name in shown}
    small = [
        f"{name} ({count_text(parts[name].n, 'row')})" if name in parts else name
        for name in known.small_groups
    ]
    return {
        "what": "label" if calibrator.kind == "multilabel" else "group",
        "pooled": digits_text(pooled, 4),
        "factor": digits_text(exp(known.spread), 3) if known.spread else "",
        "known": bool(parts),
        "rows": [_row(name, estimates[name], parts.get(name), pooled) for name in shown],
        "more": len(known.temperatures) - len(shown),
        "small": small[:_SMALL],
        "more_small": len(small) - len(small[:_SMALL]),
        "figure": _forest(estimates, pooled) if known.spread else "",
    }


def _row(name: str, estimate: Estimate, part: ShrunkPart | None, pooled: float) -> dict[str, str]:
    """Return one group; shrunk is by how much of its distance it was moved to the pooled T."""
    row = {"name": name, "value": number_text(estimate.value), "n": "", "alone": "", "interval": "",
           "shrunk": ""}  # fmt: skip
    if part is None:
        return row
    row["n"] = f"{part.n:,}"
    row["alone"] = "none" if part.alone is None else number_text(part.alone)
    if part.interval is not None:
        row["interval"] = ends_text(*part.interval)
    if part.alone is not None and part.alone != pooled:
        share = log(estimate.value / pooled) / log(part.alone / pooled)
        row["shrunk"] = f"{1.0 - min(max(share, 0.0), 1.0):.0%}".replace("%", "\u00a0%")
    return row


def _estimate(temperature: float, part: ShrunkPart | None) -> Estimate:
    low, high = (temperature, temperature) if part is None or not part.interval else part.interval
    return Estimate(temperature, min(low, temperature), max(high, temperature))


def _forest(estimates: dict[str, Estimate], pooled: float) -> str:
    ordered = dict(sorted(estimates.items(), key=lambda item: item[1].value))
    return svg(TemperatureDisplay.from_temperatures(ordered, pooled=pooled), "groups")


# Label matrices in the report: each label's line, and what other ways leave.


_MOST_LABELS = 100
_LABEL_MEASURES = ("log_loss", "ece")


def label_section(content: ReportContent) -> dict[str, Any] | None:
    """Return lines and tables; None of other calibrators."""
    scaling, ways = content.calibrator, content.label_ways
    lines = None if scaling is None else scaling.parts.labels
    if lines is None and ways is None:
        return None
    return {
        "lines": None if lines is None else _lines(lines),
        "tables": [] if ways is None else way_tables(ways, measures=_LABEL_MEASURES),
    }


def _lines(lines: LabelLines) -> dict[str, Any]:
    return {
        "slope": digits_text(lines.slope, 4),
        "intercept": digits_text(lines.intercept, 4),
        "rows": [
            {
                "name": each.name,
                "slope": number_cells(each.slope, each.slope_interval),
                "intercept": number_cells(each.intercept, each.intercept_interval),
                "note": "few events: near the common line" if each.few_events else "",
            }
            for each in lines.lines[:_MOST_LABELS]
        ],
        "more": len(lines.lines[_MOST_LABELS:]),
    }


_HOW = {
    "cross-fitted": (
        "Cross-fitted: the {rows} were cut into five parts, and each part was scored by a fit on "
        "the other four. Every {one} was scored by a map that never saw it."
    ),
    "test": "Measured on test {rows} that the fit has not seen.",
    "given": "Measured on the {rows} given. Make sure that the calibrator was not fitted on them.",
}


def write_report(path: str | PathLike[str], content: ReportContent) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    write_text(path, render_report(content))


def render_report(content: ReportContent) -> str:
    """Return the page as text."""
    sides = _sides(content)
    differences = None if content.comparison is None else content.comparison.differences["after"]
    evaluation = content.evaluation
    # a base rate has no confidences to draw or to test
    claims = sides if _reads_probabilities(content) else {"After": sides["After"]}
    impossible = max(each.zero_probability_labels for each in sides.values())
    one = "answer" if evaluation.outcomes.kind == "answers" else "row"  # labels share their row
    return render(
        "template.html.j2",
        title=content.title,
        finding=_finding(content).replace(" %", "\u00a0%"),
        parts=split_sentence(evaluation, content.tried, content.calibrator),
        screen=evaluation_screen(
            claims,
            content.comparison,
            content.calibrator,
            content.plan,
            content.files,
            untried=content.untried,
        ),
        off=any(each.differs for each in list(sides.values())[-1].groups),
        reads_probabilities=_reads_probabilities(content),
        warnings=content.warnings,
        facts=content.facts,
        how=_HOW[content.evaluated_on].format(one=one, rows=f"{one}s"),
        evaluation=evaluation,
        sides=list(sides),
        figures=_figures(claims),
        scores=score_rows(sides, differences),
        errors=error_rows(sides, differences),
        classes=class_rows(sides),
        groups=group_rows(sides),
        weak=weak_rows(claims),
        verdicts=[
            (name, _measure_sentence(verdict_sentence(each))) for name, each in claims.items()
        ],
        questions=_questions(claims),
        biased=_significant(list(sides.values())[-1].tests.adjusted_p_values["class-bias"]),
        plan=content.plan,
        scales=content.calibrator is None or temperature_of(content.calibrator) is not None,
        outcomes=evaluation.outcomes,
        unit=one,
        of_event=evaluation.outcomes.of_class(1) if evaluation.n_classes == 2 else "",
        selection=content.selection,
        not_tried="" if content.selection is None else not_tried(content.selection),
        unchanged="" if content.selection is None else unchanged_text(content.selection),
        candidates=[] if content.selection is None else selection_cells(content.selection),
        calibrator=_calibrator(content),
        ordered=ordered_section(content.ordered),
        pooling=pooling_section(content),
        class_biases=class_bias_section(content.class_biases),
        group_temperatures=group_section(content.calibrator),
        labels=label_section(content),
        left_out=left_out_rows(evaluation),
        infinite="" if not impossible else evaluation.outcomes.rows(impossible),
    )


def _finding(content: ReportContent) -> str:
    """Return the first sentences; what is said of the fit's rows below is not contradicted."""
    record = None if content.calibrator is None else content.calibrator.record
    of_fit = record is not None and content.evaluated_on != "given"
    return headline(
        content.comparison,
        content.evaluation,
        content.calibrator,
        score_test=record.score_test if record is not None and of_fit else None,
    )


def _sides(content: ReportContent) -> dict[str, Evaluation]:
    if content.comparison is None:
        return {"As it is": content.evaluation}
    evaluations = content.comparison.evaluations
    first = "Before" if _reads_probabilities(content) else "Base rate alone"
    return {first: evaluations["before"], "After": evaluations["after"]}


def _questions(claims: dict[str, Evaluation]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each test's question once, with an answer and a p-value per side."""
    sides = [verdicts(each) for each in claims.values()]
    return [
        (rows[0][0], [(answer, p) for _, answer, p in rows]) for rows in zip(*sides, strict=True)
    ]


def _reads_probabilities(content: ReportContent) -> bool:
    """Whether the model's outputs claim a confidence; a score to learn a map from does not."""
    return content.calibrator is None or content.calibrator.reads_probabilities


def _figures(sides: dict[str, Evaluation]) -> dict[str, list[str]]:
    """Draw each side's diagrams; the kinds stand in one row each."""
    figures: dict[str, list[str]] = {"corp": [], "reliability": [], "confidence": []}
    for number, (name, each) in enumerate(sides.items()):
        displays = {
            "corp": CorpDisplay(
                each.corp,
                name=name,
                event_name=_event_name(each),
                adjusted_p_value=each.tests.adjusted_p_values["miscalibration"],
            ).plot(),
            "reliability": ReliabilityDisplay.from_evaluation(each, name=name),
            "confidence": ConfidenceDisplay.from_evaluation(each, name=name),
        }
        for kind, display in displays.items():
            figures[kind].append(svg(display, f"{kind}-{number}"))
    return figures


def _event_name(evaluation: Evaluation) -> str | None:
    """Return what the event of the CORP diagram is called; None of the predicted class."""
    event = evaluation.corp.event
    return None if event == "top-label" else evaluation.outcomes.class_name(int(event))


def _measure_sentence(verdict: str) -> str:
    """Return a verdict as a sentence of a page."""
    return capitalised(verdict.removeprefix("verdict: "))


def _significant(p_value: float | None) -> bool:
    return p_value is not None and p_value < 0.05


def _calibrator(content: ReportContent) -> dict[str, Any] | None:
    """What was fitted, with its temperature if the method has one."""
    calibrator = content.calibrator
    if calibrator is None:
        return None
    record, interval = calibrator.record, interval_of(calibrator)
    temperature = temperature_of(calibrator)
    return {
        "name": calibrator.name,
        "value": "" if temperature is None else four_digits(temperature),
        "interval": "" if interval is None else "{} to {}".format(*map(four_digits, interval)),
        "n": None if record is None else record.n,
        "does": explain_calibrator(calibrator),
        "facts": calibrator.facts(),
        "test": None
        if record is None or not calibrator.reads_probabilities
        else explain_test(record),
    }
