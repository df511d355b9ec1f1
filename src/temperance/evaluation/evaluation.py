"""What was measured, as one value that prints itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from math import isfinite
from sys import float_info
from typing import TYPE_CHECKING, Any

from temperance.calibrators.record import ScoreTest
from temperance.checks.arguments import as_sequence, as_word
from temperance.errors import InvalidInputError
from temperance.frozen import LazyFrozen, Plain, plain
from temperance.metrics.error_measures import ERROR_NAMES
from temperance.metrics.outcomes import Outcomes
from temperance.printable import capitalised, count_text
from temperance.show import Shown, Table, beside, interval_text, number_text, p_text, sketch
from temperance.significance import LEVEL, evident

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from temperance.frozen import MaybeNone
    from temperance.metrics.base_rates import BaseRates
    from temperance.metrics.corp import CorpReliability
    from temperance.metrics.decomposition import BrierParts, ScoreDecomposition
    from temperance.metrics.estimates import CalibrationError, Estimate, NullBand
    from temperance.metrics.group_tests import ClassResult, GroupResult
    from temperance.metrics.joint_tests import CalibrationTests
    from temperance.metrics.reliability import ReliabilityCurve
    from temperance.metrics.weak_calibration import WeakCalibration

__all__ = [
    "HALF_LEVEL",
    "MEASURES",
    "SCORES",
    "WEAK",
    "Evaluation",
    "RefinementSplit",
    "as_measures",
    "base_rate_words",
    "data_words",
    "direction_words",
    "doubt_words",
    "evaluation_tables",
    "group_words",
    "impossible_words",
    "is_refuted",
    "left_out_rows",
    "one_label_only",
    "percent",
    "percents_apart",
    "refutation",
    "reliability_sketch",
    "verdict_sentence",
]


@dataclass(frozen=True, slots=True)
class RefinementSplit(Plain):
    """A mean log loss = refinement + calibration, in nats, each with a 95 % interval.

    Both by out-of-fold temperature scaling: every row is scored by a temperature that never saw
    its label.
    """

    refinement: Estimate  # >= 0: the log loss that a temperature leaves; a richer map may less
    calibration: Estimate  # what the temperature removes; below 0 = there is nothing to gain
    temperature: float  # fitted on all rows


# The tables of an evaluation: what the terminal prints and a notebook shows.


SCORES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "confidence": "mean confidence",
}
TEST_NAMES = {
    "score": "score test of T = 1",
    "class-bias": "class biases",
    "joint-score": "temperature and class biases together",
    "calibration-in-the-large": "mean probability against frequency",
    "spiegelhalter": "Spiegelhalter (Brier score)",
    "cox": "Cox (intercept 0, slope 1)",
    "ece": "ECE by resampling",
    "miscalibration": "CORP miscalibration by resampling",
}
WEAK = {
    "observed_expected": ("observed : expected", "1"),
    "intercept": ("calibration intercept", "0"),
    "slope": ("calibration slope", "1"),
}
_LEFT_OUT = {
    "refinement": "log loss in two parts",
    "brier_parts": "Brier score in parts",
    "classes": "class by class",
    **ERROR_NAMES,
}
_WORST = 10  # groups shown


def evaluation_tables(evaluation: Evaluation) -> list[Table]:
    """Return all tables: scores, calibration errors, tests, and groups where there are any."""
    shows = evaluation.shows
    overview = overview_table(evaluation)
    tables = [overview] if overview.rows else []
    if shows("weak_calibration") and (weak := weak_calibration_table(evaluation)) is not None:
        tables.append(weak)
    if any(shows(name) for name in (*evaluation.errors, "corp")):
        tables.append(error_table(evaluation))
    if shows("tests"):
        tables.append(test_table(evaluation))
    if shows("groups") and evaluation.groups:
        tables.append(group_result_table(evaluation))
    if evaluation.left_out:
        tables.append(left_out_table(evaluation))
    return tables


def overview_table(evaluation: Evaluation) -> Table:
    """Scores and the split of the log loss, each with its 95 % interval."""
    shows = evaluation.shows
    rows: list[tuple[str, str, str]] = []
    for name, words in SCORES.items():
        if shows(name):
            rows.append(_row(words, getattr(evaluation, name)))
        if name == "log_loss" and shows("refinement") and evaluation.refinement is not None:
            rows += [
                _row("  a temperature removes", evaluation.refinement.calibration),
                _row("  a temperature leaves", evaluation.refinement.refinement),
            ]
    if shows("base_rates") and evaluation.base_rates is not None:
        rows = _with_base_rates(rows, evaluation.base_rates, evaluation.outcomes.frequencies)
    caption = evaluation.outcomes.size(evaluation.n, evaluation.n_classes)
    if evaluation.n_clusters not in (None, evaluation.outcomes.n_rows):
        caption += f", {count_text(evaluation.n_clusters, 'cluster')}"
    return Table(("", "value", "95 % interval"), tuple(rows), caption=caption)


def _with_base_rates(
    rows: list[tuple[str, str, str]], base: BaseRates, frequencies: str
) -> list[tuple[str, str, str]]:
    """Add below each score what the base rates alone cost, and the skill against that.

    Of scores that are not shown, at the end.
    """
    below: dict[str, list[tuple[str, str, str]]] = {}
    for name, cost, skill in (
        ("log_loss", base.log_loss, base.log_loss_skill),
        ("brier", base.brier, base.brier_skill),
    ):
        below[SCORES[name]] = [(f"  {frequencies} alone", number_text(cost), "")]
        if cost > 0.0:
            below[SCORES[name]].append(_row("  skill against these", skill))
    shown: list[tuple[str, str, str]] = []
    waiting: list[tuple[str, str, str]] = []  # behind the parts of the score
    for row in rows:
        if not row[0].startswith(" "):
            shown += waiting
            waiting = below.pop(row[0], [])
        shown.append(row)
    for score, lines in below.items():
        waiting += [(score, "", ""), *lines]
    return shown + waiting


def error_table(evaluation: Evaluation) -> Table:
    """Errors of calibration beside what chance alone would show."""
    shown = [name for name in evaluation.errors if evaluation.shows(name)]
    errors = {ERROR_NAMES[name]: evaluation.errors[name] for name in shown}
    if evaluation.shows("corp"):
        errors["CORP miscalibration"] = evaluation.corp.miscalibration
    rows = tuple(
        (
            name,
            number_text(each.value),
            "" if each.estimate is None else interval_text(each.estimate.low, each.estimate.high),
            f"<= {number_text(each.null.high)}",
        )
        for name, each in errors.items()
    )
    columns = ("calibration error", "value", "95 % interval", "if calibrated")
    caption = 'an error up to "if calibrated" is no evidence; one of twenty lies above it by chance'
    return Table(columns, rows, caption=caption)


def test_table(evaluation: Evaluation) -> Table:
    """Tests of the hypothesis that the probabilities are calibrated, and what they say as one."""
    tests = evaluation.tests
    statistics = {test.name: test.statistic for test in tests}
    n_rows = {test.name: test.n_rows for test in tests}
    rows = []
    for name, p_value in tests.adjusted_p_values.items():
        value = statistics.get(name)
        shown = "" if value is None else _statistic_text(value)
        words = p_text(p_value) if p_value is not None else "cannot be told here"
        some = n_rows.get(name)
        of_some = "" if some is None else f", on {evaluation.outcomes.rows(some)}"
        rows.append((test_name(evaluation, name) + of_some, shown, words))
    columns = ("test of calibration", "statistic", "p, corrected")
    return Table(columns, tuple(rows), caption=verdict_sentence(evaluation))


def verdict_sentence(evaluation: Evaluation) -> str:
    """Return what all tests of calibration say as one, with the p-value that decides."""
    verdict = evaluation.tests.verdict
    of = f"of {verdict.n_tests} tests, corrected for their number (Holm)"
    if verdict.calibrated:
        p_value = p_text(verdict.adjusted_p_value)
        return f"verdict: no test refutes calibration; the smallest p-value {of}: {p_value}"
    p_value = p_text(verdict.adjusted_p_value)
    by = test_name(evaluation, verdict.test)
    return f"verdict: not calibrated, by {by}: {p_value}, the smallest {of}"


def test_name(evaluation: Evaluation, name: str) -> str:
    """Return what a test is called: class biases only where there are classes."""
    return TEST_NAMES[name].replace("class biases", evaluation.outcomes.bias)


def weak_calibration_table(evaluation: Evaluation) -> Table | None:
    """What clinical studies report of the second of two classes; None for more."""
    weak = evaluation.weak_calibration
    if weak is None:
        return None
    rows = []
    for name, (shown, best) in WEAK.items():
        estimate: Estimate | None = getattr(weak, name)
        if estimate is None:
            rows.append(
                (shown, "", f"none: {evaluation.outcomes.reworded(weak.reasons[name])}", best)
            )
        else:
            rows.append((*_row(shown, estimate), best))
    outcomes, event = evaluation.outcomes, int(weak.event)
    caption = outcomes.happened(event, weak.n_events, weak.n)
    columns = (f"of {outcomes.of_class(event)}", "value", "95 % interval", "best")
    return Table(columns, tuple(rows), caption=caption)


def _statistic_text(statistic: float) -> str:
    """Return z or chi-square; infinite where an event of probability 0 happened."""
    if abs(statistic) == float_info.max:
        return f"{'-' if statistic < 0.0 else ''}inf (an impossible outcome)"
    return f"{statistic:.2f}" if abs(statistic) < 1e6 else f"{statistic:.3g}"


def group_result_table(evaluation: Evaluation) -> Table:
    """The worst groups first, with p-values corrected for their number (Holm)."""
    rows = tuple(
        (
            each.name,
            f"{each.n:,}",
            number_text(each.accuracy.value),
            number_text(each.confidence.value),
            p_text(each.score_test.adjusted_p_value) or "cannot be told here",
            "not calibrated" if each.differs else "",
        )
        for each in evaluation.groups[:_WORST]
    )
    n_more = len(evaluation.groups) - len(rows)
    several = f"{evaluation.outcomes.group}s"
    caption = f"p-values of the score test with Holm's correction for the number of {several}"
    if n_more:
        caption = f"{n_more} more {several} with larger p-values; {caption}"
    columns = (
        evaluation.outcomes.group,
        evaluation.outcomes.plural,
        "accuracy",
        "mean confidence",
        "p-value",
        "",
    )
    return Table(columns, rows, caption=caption, words=frozenset({5}))


def left_out_table(evaluation: Evaluation) -> Table:
    """What was not measured, and why."""
    rows = tuple(left_out_rows(evaluation))
    return Table(("not measured", "because"), rows, words=frozenset({1}))


def left_out_rows(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return what was not measured, in words, and why."""
    return [(_LEFT_OUT[name], reason) for name, reason in evaluation.left_out.items()]


def reliability_sketch(evaluation: Evaluation) -> str:
    """The CORP curve on the band in which a calibrated model's curve would lie."""
    corp = evaluation.corp
    of = "correct"
    if corp.event != "top-label":
        of = evaluation.outcomes.class_name(int(corp.event))
    return sketch(
        corp.probability,
        corp.recalibrated,
        band=(corp.consistency_low, corp.consistency_high),
        name="reliability",
        words="the curve lies on the shaded band where probabilities mean what they say",
        across_name="probability said",
        up_name=f"how often {of}",
    )


def _row(name: str, estimate: Estimate) -> tuple[str, str, str]:
    return name, number_text(estimate.value), interval_text(estimate.low, estimate.high)


# What an evaluation has found, in sentences: the first lines of terminal, notebook and report.


_FEW_ROWS = 200  # rows below which the first words say how few they are
_FEW_EVENTS = 10  # rows of the rarer of two classes, or wrong predictions of more


def evaluation_words(evaluation: Evaluation) -> str:
    """Return the finding: too little data, then the verdict, groups that are off, the base rates.

    >>> from temperance.evaluation import evaluate
    >>> evaluation_words(evaluate([0.75] * 400, [1, 1, 1, 0] * 100, n_resamples=100))
    'No test refutes calibration on these 400 rows (the smallest p-value, corrected: p = 1.000).'
    """
    few = data_words(evaluation)
    if not evaluation.shows("tests"):
        verdict = f"calibration was not tested on {evaluation.outcomes.extent(evaluation.n)}."
    elif is_refuted(evaluation):
        verdict = f"{direction_words(evaluation)}: {refutation(evaluation)}."
    elif doubt := doubt_words(evaluation):
        verdict = f"{doubt}."
    else:
        smallest = p_text(evaluation.tests.verdict.adjusted_p_value)
        on = "" if few else f" on these {evaluation.outcomes.rows(evaluation.n)}"
        verdict = f"no test refutes calibration{on} (the smallest p-value, corrected: {smallest})."
    sentences = [capitalised(few + verdict)]
    if evaluation.shows("groups"):
        sentences.append(group_words(evaluation))
    if evaluation.shows("base_rates"):
        sentences.append(base_rate_words(evaluation))
    return " ".join(filter(None, sentences))


def data_words(evaluation: Evaluation) -> str:
    """Return "with only 60 rows, " where data are too few for a sure word, else ""."""
    outcomes = evaluation.outcomes
    if evaluation.zero_probability_labels:
        return ""  # what is impossible is so in one row
    if (outcomes.n_rows or evaluation.n) < _FEW_ROWS:
        return f"with only {outcomes.extent(evaluation.n)}, "
    if evaluation.n_classes == 2 and evaluation.classes:
        rarer = min(evaluation.classes, key=lambda each: each.n)
        events, extent = rarer.n, outcomes.only(rarer.number, rarer.n, evaluation.n)
    else:
        events = round(evaluation.n * (1.0 - evaluation.accuracy.value))
        extent = f"{count_text(events, 'wrong prediction')} in {outcomes.rows(evaluation.n)}"
    return "" if events >= _FEW_EVENTS else f"with only {extent}, "


HALF_LEVEL = 0.5 * LEVEL  # of the tests of all rows, and of groups, where both are looked at


def is_refuted(evaluation: Evaluation) -> bool:
    """Whether calibration is refuted: by the verdict of all tests, or by an impossible outcome.

    With groups these are two looks at the same rows, and each has half of the 5 %.
    """
    tests = evaluation.tests.verdict
    refuted = not tests.calibrated
    if evaluation.groups:
        refuted = tests.adjusted_p_value <= HALF_LEVEL
    return refuted or evaluation.zero_probability_labels > 0


def doubt_words(evaluation: Evaluation) -> str:
    """Return what all tests as one show, where that is enough only without groups; else ""."""
    if evaluation.tests.verdict.calibrated or is_refuted(evaluation):
        return ""
    p_value = p_text(evaluation.tests.verdict.adjusted_p_value)
    groups = count_text(len(evaluation.groups), evaluation.outcomes.group)
    return f"all tests as one have {p_value}, with {groups} looked at too: chance may explain it"


def one_label_only(evaluation: Evaluation) -> bool:
    """Whether one label fills all rows: maps richer than a temperature would learn its place."""
    return evaluation.base_rates is not None and evaluation.base_rates.log_loss == 0.0


def direction_words(evaluation: Evaluation) -> str:
    """Return which way a refuted model errs, where that is evident, else "not calibrated"."""
    score = evaluation.tests.score
    adjusted = evaluation.tests.adjusted_p_values[score.name]
    direction = "neither" if score.leaning is None else evident(score.leaning, adjusted)
    return "not calibrated" if direction == "neither" else f"{direction}, not calibrated"


def refutation(evaluation: Evaluation) -> str:
    """Return the evidence against calibration, where `is_refuted`."""
    if evaluation.zero_probability_labels:
        return impossible_words(evaluation)
    ece, verdict = evaluation.errors["ece"], evaluation.tests.verdict
    if ece.value > ece.null.high:
        return f"ECE {ece.value:.4f}, at most {ece.null.high:.4f} by chance"
    p_value = p_text(verdict.adjusted_p_value)
    return f"{test_name(evaluation, verdict.test)}, {p_value} corrected for {verdict.n_tests} tests"


def impossible_words(evaluation: Evaluation) -> str:
    """Return how many rows have an outcome of probability 0, and what that costs; "" of none."""
    count = evaluation.zero_probability_labels
    if not count:
        return ""
    rows = evaluation.outcomes.rows(count)
    if count == evaluation.n > 1:
        rows = f"all {rows}"
    subject = f"{rows} {'has' if count == 1 else 'have'}"
    return f"{subject} {evaluation.outcomes.impossible}, so the log loss is infinite"


def group_words(evaluation: Evaluation, *, when: str = "") -> str:
    """Return how many groups are not calibrated, and the worst; "" where none is.

    `when`, for instance "After calibration", stands before it.
    """
    off = [each for each in evaluation.groups if each.differs]
    if not off:
        return ""
    groups = count_text(len(evaluation.groups), evaluation.outcomes.group)
    are = "is" if len(off) == 1 else "are"
    text = f"{len(off):,} of {groups} {are} off; worst: {_group(off[0], evaluation)}."
    return f"{when} {text}" if when else text


def _group(worst: GroupResult, evaluation: Evaluation) -> str:
    if not isfinite(worst.log_loss.value):
        return f"{worst.name} ({evaluation.outcomes.impossible})"
    claims, right = percent(worst.confidence.value), percent(worst.accuracy.value)
    return f"{worst.name} (claims {claims}, is right {right} of the time)"


def base_rate_words(evaluation: Evaluation, *, when: str = "") -> str:
    """Return that a model is worse than the base rates, where that is evident; else ""."""
    base = evaluation.base_rates
    loss = evaluation.log_loss.value
    if base is None or base.verdict != "worse" or not isfinite(loss):
        return ""
    its = f"{when} its" if when else "Its"
    return (
        f"{its} log loss of {number_text(loss, 3)} is above "
        f"{number_text(base.log_loss, 3)}, what "
        f"{evaluation.outcomes.frequencies} alone would cost: it is worse than no model."
    )


def percent(share: float) -> str:
    """Percent for a sentence: 87 %, with decimals only near 0 and 100 %."""
    if not isfinite(share):
        return "an unknown share"
    for digits in (0, 1, 2):
        text = f"{100.0 * share:.{digits}f}"
        if float(text) not in {0.0, 100.0} or share in {0.0, 1.0}:
            return f"{text} %"
    return "under 0.01 %" if share < 0.5 else "over 99.99 %"


def percents_apart(claimed: float, true: float) -> tuple[str, str]:
    """Percents beside each other, with as many decimals, up to two, as keep them apart.

    >>> percents_apart(0.85, 0.7), percents_apart(0.0079, 0.0102), percents_apart(0.5, 0.5)
    (('85 %', '70 %'), ('0.8 %', '1.0 %'), ('50 %', '50 %'))
    """
    shares = (claimed, true)
    for digits in (0, 1, 2):
        texts = (f"{100.0 * claimed:.{digits}f}", f"{100.0 * true:.{digits}f}")
        rounded = any(
            float(text) in {0.0, 100.0} and share not in {0.0, 1.0}
            for text, share in zip(texts, shares, strict=True)
        )
        if texts[0] != texts[1] and not rounded and all(map(isfinite, shares)):
            return f"{texts[0]} %", f"{texts[1]} %"
    return percent(claimed), percent(true)


# The measures that can be asked for, by the field that holds each, or the name of the error.
MEASURES = (
    *SCORES, *ERROR_NAMES, "refinement", "corp", "log_parts", "brier_parts", "tests",
    "reliability", "classes", "groups", "base_rates", "weak_calibration",
)  # fmt: skip
_PLAIN = {  # field -> key in JSON
    "base_rates": "base_rates",
    "log_parts": "log_parts",
    "refinement": "log_loss_parts",
    "brier_parts": "brier_parts",
    "weak_calibration": "weak_calibration",
    "groups": "groups",
    "classes": "per_class",
    "reliability": "reliability",
}
_CURVES = ("classes", "reliability")


def as_measures(names: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return the names of measures, or raise InvalidInputError."""
    if names is None:
        return None
    rule = 'names of measures, of one or more: ("log_loss", "ece")'
    several = as_sequence(names, name="measures", rule=rule, in_order=False)
    if not several:
        msg = f"`measures` must be {rule}, got none."
        raise InvalidInputError(msg)
    return tuple(as_word(each, MEASURES, name="measures") for each in several)


def _none() -> None:
    """Be the default of a field that may be deferred, which must leave nothing in the class."""


@dataclass(frozen=True, eq=False)
class Evaluation(LazyFrozen, Shown):
    """What probabilities are worth on labelled rows; every `Estimate` has a 95 % interval.

    A field that takes long is computed when it is first read.
    """

    n: int  # rows
    n_classes: int
    log_loss: Estimate  # nats, >= 0; 0 is best; infinite if a true class has probability 0
    brier: Estimate  # summed over classes, in [0, 2]; 0 is best
    accuracy: Estimate  # in [0, 1]; 1 is best
    confidence: Estimate  # mean probability of the predicted class; best where it = accuracy
    errors: Mapping[str, CalibrationError]  # calibration errors by name, in [0, 1]; 0 is best
    refinement: RefinementSplit | MaybeNone  # of the log loss; None where that is infinite
    corp: CorpReliability  # of class 1 of two classes, of the predicted class of more
    log_parts: ScoreDecomposition  # of the log score of the same event
    brier_parts: BrierParts | None  # of `brier`; None for more than 200 classes
    tests: CalibrationTests  # of the hypothesis that the probabilities are calibrated
    reliability: ReliabilityCurve  # numbers of the binned diagram, in the bins of `ece`
    classes: tuple[ClassResult, ...]
    groups: tuple[GroupResult, ...]  # worst first; empty without `groups`
    zero_probability_labels: int  # rows whose true class has probability 0
    n_clusters: int | None
    n_bins: int
    n_resamples: int
    seed: int
    left_out: dict[str, str] = field(default_factory=dict)  # what was not measured, and why
    grid_error: dict[str, float] = field(default_factory=dict)  # of values from cells: at most this
    notes: tuple[str, ...] = field(
        default_factory=tuple
    )  # what the rows say against their columns: ranks, a single label
    tied_rows: int = field(
        default_factory=int
    )  # rows with several most probable classes: the first counts as predicted
    tie_neutral_accuracy: float | None = field(
        default_factory=_none
    )  # if each of these counts for its share
    base_rates: BaseRates | None = field(
        default_factory=_none
    )  # what knowing only the class frequencies would cost
    weak_calibration: WeakCalibration | None = field(
        default_factory=_none
    )  # of class 1 of two classes
    outcomes: Outcomes = field(default_factory=Outcomes)  # what rows are, and names of classes
    measures: tuple[str, ...] | None = None  # names of what is shown; None: everything

    def __hash__(self) -> int:
        return hash((Evaluation, self.n, self.n_classes, self.n_bins, self.n_resamples, self.seed))

    def shows(self, measure: str) -> bool:
        """Whether tables, words and JSON hold a measure; another can be read all the same."""
        return self.measures is None or measure in self.measures

    @property
    def ece(self) -> Estimate:
        """Expected calibration error of the predicted class, in [0, 1]; 0 is best."""
        estimate = self.errors["ece"].estimate
        assert estimate is not None  # noqa: S101  (its interval holds)
        return estimate

    @property
    def ece_null(self) -> NullBand:
        """The ECE that a perfectly calibrated model would show here."""
        return self.errors["ece"].null

    @property
    def score_test(self) -> ScoreTest | None:
        """Test of T = 1; None if a true class has probability 0, or of too few wrong rows."""
        test = self.tests.score
        if test.statistic is None or test.p_value is None or self.zero_probability_labels:
            return None
        return ScoreTest(test.statistic, test.p_value)

    def to_dict(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers for JSON; an infinite log loss is None (see the zero count).

        Without `curves`, only numbers that a person would read: no points of a diagram and no
        class by class. Of `measures` where some were asked for, which the key "measures" names.
        """
        if curves and self.shows("classes"):
            _ = self.classes  # of the same cells as the classwise error, which are summed once
        content = {
            "n": self.n,
            "classes": self.n_classes,
            "outcomes": self.outcomes.to_dict(),
            **{name: getattr(self, name).to_dict() for name in SCORES if self.shows(name)},
        }
        if self.shows("ece"):
            content |= {"ece": self.ece.to_dict(), "ece_null": self.ece_null.to_dict()}
        content |= {"n_bins": self.n_bins, "zero_probability_labels": self.zero_probability_labels}
        content |= {"tied_rows": self.tied_rows, "tie_neutral_accuracy": self.tie_neutral_accuracy}
        content["calibration_errors"] = {
            name: self.errors[name].to_dict() if name in self.errors else None
            for name in ERROR_NAMES
            if self.shows(name)
        }
        if self.shows("corp"):
            content["corp"] = self.corp.to_dict(curves=curves)
        if self.shows("tests"):
            content |= {"score_test": plain(self.score_test), "tests": self.tests.to_dict()}
            content["verdict"] = self.tests.verdict.to_dict()
        for name, key in _PLAIN.items():
            if self.shows(name) and (curves or name not in _CURVES):
                content[key] = plain(getattr(self, name))
        if "log_parts" in content:  # the log score of an impossible event is infinite
            parts = content["log_parts"].items()
            content["log_parts"] = {key: part if isfinite(part) else None for key, part in parts}
        return content | {
            "n_clusters": self.n_clusters,
            "n_resamples": self.n_resamples,
            "seed": self.seed,
            "left_out": self.left_out,
            "grid_error": self.grid_error,
            "notes": list(self.notes),
            "measures": None if self.measures is None else list(self.measures),
        }

    def in_words(self) -> str:
        """Return the finding in a few sentences.

        First where there is too little data; the verdict of all tests; how many groups are off,
        and the worst; whether knowing only the class frequencies would be better.
        """
        return evaluation_words(self)

    def columns(self) -> dict[str, list[Any]]:
        """Return every measure with its interval.

        Columns measure, value, low, high, null_mean, null_high, p_value, adjusted_p_value; missing
        where a measure has none. A `p_value` is read as if it were the only one (one in twenty of a
        calibrated model is below .05); the `adjusted_p_value`, of the two that are among the tests
        of calibration, is corrected for their number (Holm).
        """
        names = ("value", "low", "high", "null_mean", "null_high", "p_value", "adjusted_p_value")
        shows = self.shows
        measures: dict[str, dict[str, Any]] = {
            name: getattr(self, name).to_dict() for name in SCORES if shows(name)
        }
        if shows("refinement") and self.refinement is not None:
            measures["refinement"] = self.refinement.refinement.to_dict()
            measures["calibration"] = self.refinement.calibration.to_dict()
        if shows("base_rates") and (base := self.base_rates) is not None:
            measures["base_rate_log_loss"] = {"value": base.log_loss}
            measures["log_loss_skill"] = base.log_loss_skill.to_dict()
            measures["base_rate_brier"] = {"value": base.brier}
            measures["brier_skill"] = base.brier_skill.to_dict()
        measures |= {name: plain(self.errors[name]) for name in self.errors if shows(name)}
        if shows("corp"):
            measures["miscalibration"] = self.corp.miscalibration.to_dict()
        if shows("tests"):
            adjusted = self.tests.adjusted_p_values
            for name in ("ece", "miscalibration"):
                if name in measures:
                    measures[name]["adjusted_p_value"] = adjusted[name]
        if shows("weak_calibration") and (weak := self.weak_calibration) is not None:
            numbers = {name: getattr(weak, name) for name in WEAK}
            measures |= {name: each.to_dict() for name, each in numbers.items() if each is not None}
        columns: dict[str, list[Any]] = {"measure": list(measures)}
        return columns | {name: [each.get(name) for each in measures.values()] for name in names}

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        return tuple(evaluation_tables(self))

    def __str__(self) -> str:
        notes = (f"note: {note}" for note in self.notes)
        return "\n\n".join([self.in_words(), Shown.__str__(self), *notes])

    def _repr_html_(self) -> str:
        """Show the finding, a reliability diagram and the tables in a notebook."""
        tables = (table.to_html() for table in self.tables())
        return f"<p>{escape(self.in_words())}</p>" + beside(reliability_sketch(self), *tables)
