"""What the report's tables hold: text, made from the numbers of the evaluations."""

from __future__ import annotations

import re
from functools import cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from matplotlib.figure import Figure

from temperance.evaluation.evaluation import WEAK, percents_apart
from temperance.metrics.outcomes import Outcomes
from temperance.plots import to_svg
from temperance.printable import printable
from temperance.report.screen import NO_SCREEN
from temperance.show import interval_text, number_text, p_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.comparison import Comparison, Differences
    from temperance.evaluation import Evaluation
    from temperance.metrics.estimates import CalibrationError, Estimate
    from temperance.metrics.group_tests import ClassResult
    from temperance.plots.theme import Display

__all__ = [
    "Cell",
    "class_rows",
    "compared_group_rows",
    "error_rows",
    "estimate_cell",
    "group_rows",
    "render",
    "score_rows",
    "svg",
    "way_tables",
    "weak_rows",
    "without_options",
]

# What all pages share: their templates, and diagrams as SVG.


def render(template: str, **content: Any) -> str:  # noqa: ANN401
    """Return a page as text; a name that the template needs and does not get is an error."""
    context = {"split": "", "warnings": (), "screen": NO_SCREEN, **content, "contents": []}
    context["warnings"] = [without_options(each) for each in context["warnings"]]
    context["facts"] = [(name, without_options(value)) for name, value in context["facts"]]
    return _environment().get_template(template).render(**context)


_SAY = re.compile(r"(?: [A-Z][^.?!`]*\?)? Say `--[^`]*`\.")  # a question, and what to type if so
_ASIDE = re.compile(r" \(--[^()]*\)")
_ARGUMENT = re.compile(r"`([a-z_]+)` \(--[^()]*\)")  # a name of Python, and its option
_OPTION = re.compile(r"`--([a-z][a-z-]*)(?: ([^`]+))?`")


def without_options(text: str) -> str:
    """Return a sentence without what it says to those alone who have a command line.

    What it says of options in brackets is left out, and so is a question whose answer is an option
    to type; an option inside the sentence, and an argument
    of Python with its option behind it, are read as words.

    >>> without_options("a.npz has no ids (--id-column names them).")
    'a.npz has no ids.'
    >>> without_options("fit with `--method platt`, or `--method auto`.")
    'fit with method platt, or method auto.'
    >>> without_options("`min_precision` (--min-precision): of 31 rows 7 are negative")
    'min precision: of 31 rows 7 are negative'
    >>> without_options("2 rows are copies. Different things? Say `--repeated-ids keep`.")
    '2 rows are copies.'
    """
    named = _ARGUMENT.sub(lambda match: match[1].replace("_", " "), _SAY.sub("", text))
    return _OPTION.sub(_option_words, _ASIDE.sub("", named))


def _option_words(match: re.Match[str]) -> str:
    value = match[2] or ""
    return f"{match[1].replace('-', ' ')} {'' if value.isupper() else value}".rstrip()


@cache
def _environment() -> jinja2.Environment:
    """Return the one that compiles each template once, however many pages are made."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        extensions=["jinja2.ext.do"],  # sections put themselves on the table of contents
    )


_BEFORE_UNIT = re.compile(r"(?<=\d) (?=%)")
_AROUND_SIGN = re.compile(r"(?<![^\s(])(?:([pTz]) )?([<>]=?|=) (?=[\d-])")


def _shown(value: Any) -> Any:  # noqa: ANN401  (what a template prints)
    """Return text without what HTML cannot hold or what turns a line; markup stays as it is.

    "95 %", "p = 0.04" and ">= 0.9" stay on one line.
    """
    if isinstance(value, str) and not hasattr(value, "__html__"):
        text = _BEFORE_UNIT.sub("\u00a0", printable(value, keep="\n\u00a0"))
        return _AROUND_SIGN.sub(
            lambda match: f"{match[1]}\u00a0{match[2]}\u00a0" if match[1] else f"{match[2]}\u00a0",
            text,
        )
    return value


def svg(display: Display, id_prefix: str) -> str:
    """Return a diagram as it stands in a page."""
    title, description = display.alt_text()
    figure = display.figure_
    assert isinstance(figure, Figure)  # noqa: S101  (its own: no axes were given)
    return to_svg(figure, title=title, description=description, id_prefix=id_prefix)


_SCORES = (
    ("log_loss", "Log loss", "The price of being wrong and sure. Lower is better."),
    (
        "brier",
        "Brier score",
        "Squared distance of probabilities and truth, 0 to 2. Lower is better.",
    ),
    ("accuracy", "Accuracy", "Share of right predictions. Higher is better."),
    ("confidence", "Mean confidence", "What the model claims on average. Best equal to accuracy."),
)
_ERRORS = {
    "ece": ("Calibration error (ECE)", "Mean gap of claim and accuracy, in bins of equal width."),
    "ece_equal_mass": ("ECE, equal mass", "The same, in bins of equally many {rows}."),
    "debiased": ("Root mean square, debiased", "Large gaps weigh more; what chance adds is off."),
    "smooth": ("Smooth ECE", "Without bins: the gap smoothed over neighbours."),
    "ks": ("Kolmogorov-Smirnov", "Without bins: the largest gap of the running totals."),
    "classwise": ("Classwise ECE", "Every {option}'s own probability, not only the predicted one."),
    "top_label_conditional": ("ECE by top label", "Each predicted {option} by itself."),
    "flattened": ("Flattened ECE", "All {several} in one set of bins; small where these are many."),
    "miscalibration": (
        "CORP miscalibration",
        "What the best rising curve saves of the Brier score.",
    ),
}
_WORST = 10

Cell = tuple[str, str, str]  # value, interval, what chance explains


def score_rows(sides: dict[str, Evaluation], differences: Differences | None) -> list[Any]:
    """Scores of each side, and their differences; skill against the base rates alone."""
    rows = [
        {
            "name": name,
            "meaning": meaning,
            "values": [estimate_cell(getattr(each, key)) for each in sides.values()],
            **difference_cells(differences, key),
        }
        for key, name, meaning in _SCORES
    ]
    bases = [each.base_rates for each in sides.values()]
    first = next(iter(sides.values()))
    for at, key, name, cost in (
        (1, "log_loss_skill", "Skill of the log loss", "log_loss"),
        (3, "brier_skill", "Skill of the Brier score", "brier"),
    ):
        if any(base is None or not getattr(base, cost) > 0.0 for base in bases):
            continue
        meaning = (
            f"Share saved of what {first.outcomes.frequencies} alone would cost, "
            f"{number_text(getattr(bases[0], cost))}. Below 0 is worse than no model."
        )
        cells = [estimate_cell(getattr(base, key)) for base in bases]
        empty = difference_cells(None, key)
        rows.insert(at, {"name": name, "meaning": meaning, "values": cells, **empty})
    return rows


def error_rows(sides: dict[str, Evaluation], differences: Differences | None) -> list[Any]:
    """Calibration errors of each side beside what chance explains."""
    rows = []
    outcomes = next(iter(sides.values())).outcomes
    words = {"rows": outcomes.plural, "option": outcomes.option, "several": outcomes.options}
    for key, (name, meaning) in _ERRORS.items():
        if any(key in each.left_out for each in sides.values()):
            continue
        errors = [
            each.corp.miscalibration if key == "miscalibration" else each.errors[key]
            for each in sides.values()
        ]
        values = [error_cell(each) for each in errors]
        rows.append(
            {
                "name": name,
                "meaning": meaning.format(**words),
                "values": values,
                **difference_cells(differences, key),
            }
        )
    return rows


def class_rows(sides: dict[str, Evaluation]) -> list[Any]:
    """Return the ten classes whose error exceeds chance the most, by the first side."""
    first, *others = sides.values()

    def excess(each: ClassResult) -> float:
        return each.error.value - each.error.null.high

    worst = sorted(first.classes, key=excess, reverse=True)[:_WORST]
    return [
        {
            "name": first.outcomes.short_name(each.number),
            "n": f"{each.n:,}",
            "frequency": estimate_cell(each.frequency),
            "sides": [
                (number_text(own.probability), error_cell(own.error))
                for own in (each, *(other.classes[each.number] for other in others))
            ],
        }
        for each in worst
    ]


def weak_rows(sides: dict[str, Evaluation]) -> list[tuple[str, list[str], str]]:
    """Return ratio, intercept and slope of each side, for two classes, else nothing."""
    numbers = [each.weak_calibration for each in sides.values()]
    outcomes = next(iter(sides.values())).outcomes if sides else Outcomes()
    rows = []
    for name, (shown, best) in WEAK.items():
        cells = []
        for weak in numbers:
            if weak is None:
                return []
            own: Estimate | None = getattr(weak, name)
            if own is None:
                cells.append(f"none: {outcomes.reworded(weak.reasons[name])}")
            else:
                cells.append(f"{number_text(own.value)} ({interval_text(own.low, own.high)})")
        rows.append((shown.capitalize(), cells, best))
    return rows


def group_rows(sides: dict[str, Evaluation]) -> list[Any]:
    """Return every group, those that chance explains least first, by the last side."""
    of_name = [{each.name: each for each in side.groups} for side in sides.values()]
    *_, last = sides.values()
    return [
        {
            "name": each.name,
            "n": f"{each.n:,}",
            "accuracy": estimate_cell(each.accuracy),
            "sides": [
                (
                    number_text(own.confidence.value),
                    p_text(own.score_test.adjusted_p_value) or "cannot be told",
                    own.differs,
                )
                for own in (side[each.name] for side in of_name)
            ],
        }
        for each in last.groups
    ]


def compared_group_rows(sides: Mapping[str, Evaluation]) -> list[Any]:
    """Return every group with a cell per model; first those that any model fits worst."""
    of_name = [{each.name: each for each in side.groups} for side in sides.values()]

    def worry(name: str) -> tuple[float, int]:
        p_values = [own[name].score_test.adjusted_p_value for own in of_name]
        return min((1.0 if p is None else p) for p in p_values), -of_name[0][name].n

    rows = []
    for name in sorted(of_name[0], key=worry):
        own = [groups[name] for groups in of_name]
        cells = [
            (
                "{} claimed, {} right".format(
                    *percents_apart(each.confidence.value, each.accuracy.value)
                ),
                p_text(each.score_test.adjusted_p_value) or "cannot be told",
                each.differs,
            )
            for each in own
        ]
        rows.append({"name": name, "n": f"{own[0].n:,}", "sides": cells})
    return rows


def estimate_cell(estimate: Estimate, *, sign: bool = False) -> Cell:
    """Return a value with its interval."""
    value = number_text(estimate.value, sign=sign)
    if not isfinite(estimate.value):
        return value, "", ""
    if not (isfinite(estimate.low) and isfinite(estimate.high)):
        return value, "interval unknown", ""
    return value, interval_text(estimate.low, estimate.high, sign=sign), ""


def error_cell(error: CalibrationError) -> Cell:
    """Return an error with its interval, and what chance explains."""
    value, interval, _ = ("", "", "") if error.estimate is None else estimate_cell(error.estimate)
    chance = f"chance: up to {number_text(error.null.high)}"
    return value or number_text(error.value), interval, chance


def difference_cells(differences: Differences | None, key: str) -> dict[str, Any]:
    """Return difference and verdict; mean confidence is no score, some errors have no interval."""
    if differences is None or key not in differences.measures:
        return {"difference": None, "verdict": ""}
    verdict = differences.verdict(key)
    if verdict == "the same":
        return {"difference": None, "verdict": verdict}
    return {"difference": estimate_cell(differences.measures[key], sign=True), "verdict": verdict}


# Several ways to the same rows' probabilities as tables: one per measure, a row per way.


_MEASURES = {
    "log_loss": ("Log loss", "The price of being wrong and sure. Lower is better."),
    "brier": ("Brier score", "Squared distance of probabilities and truth. Lower is better."),
    "ece": ("Calibration error (ECE)", "Mean gap of claim and accuracy, in bins of equal width."),
    "miscalibration": (
        "CORP miscalibration",
        "What the best rising curve saves of the Brier score.",
    ),
    "accuracy": ("Accuracy", "Share of right predictions. Higher is better."),
}


def way_tables(comparison: Comparison, *, measures: tuple[str, ...] = (*_MEASURES,)) -> list[Any]:
    """Return name, meaning and rows of each measure; differences are from the first way."""
    return [
        {
            "name": _MEASURES[measure][0],
            "meaning": _MEASURES[measure][1],
            "rows": [
                {
                    "name": name,
                    "value": _value(evaluation, measure),
                    **difference_cells(comparison.differences.get(name), measure),
                }
                for name, evaluation in comparison.evaluations.items()
            ],
        }
        for measure in measures
    ]


def _value(evaluation: Evaluation, measure: str) -> Cell:
    if measure == "miscalibration":
        return error_cell(evaluation.corp.miscalibration)
    if measure in evaluation.errors:
        return error_cell(evaluation.errors[measure])
    return estimate_cell(getattr(evaluation, measure))
