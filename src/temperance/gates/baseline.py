"""The measures of an older model, as `evaluate --json` printed them, and a gate by them."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import numpy as np

from temperance.checks.arguments import as_word, require_type
from temperance.errors import FileFormatError, InvalidInputError
from temperance.evaluation import Evaluation
from temperance.formats.calibrator_json import check_version
from temperance.frozen import Frozen
from temperance.gates.difference import (
    JUDGED,
    DifferenceGate,
    as_margins,
    degrees_of,
    joint_level,
    widened,
)
from temperance.gates.row_sums import MEANS, RowSums
from temperance.metrics.estimates import Estimate
from temperance.printable import count_text
from temperance.readers.json_object import json_file, shown

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from temperance.gates.gated import Undecided
    from temperance.readers.json_object import JsonObject

__all__ = ["Baseline", "baseline_head", "check_baseline"]

_FORMAT, _VERSION = "temperance/evaluation", 1
_KINDS = {
    "classes": "rows of one class each",
    "answers": "answers that are right or wrong",
    "labels": "entries of a label matrix",
}


@dataclass(frozen=True, slots=True, eq=False)
class Baseline(Frozen):
    """What a gate needs of an older evaluation.

    Attributes
    ----------
    name : str
        The file, as messages name it.
    n, n_classes : int
        Numbers of rows and classes.
    kind : {"classes", "answers", "labels"}
        What the rows are.
    classes : tuple of str or None
        Names of the classes, where they have any.
    n_bins : int
        Bins of the ECE.
    n_clusters : int or None
        Number of clusters, where rows have any.
    measures : mapping of str to Estimate
        `log_loss` (nats), `brier`, `ece`, `accuracy`, each with its 95 % interval.
    row_sums : RowSums or None
        What pairs it with other models on the same rows; None where the file holds none.
    """

    name: str
    n: int
    n_classes: int
    kind: str
    classes: tuple[str, ...] | None
    n_bins: int
    n_clusters: int | None
    measures: Mapping[str, Estimate]
    row_sums: RowSums | None = None

    @classmethod
    def of(
        cls, evaluation: Evaluation, row_sums: RowSums | None = None, *, name: str = "the baseline"
    ) -> Self:
        """Return an evaluation as a baseline for others."""
        return cls(
            name=name,
            n=evaluation.n,
            n_classes=evaluation.n_classes,
            kind=evaluation.outcomes.kind,
            classes=evaluation.outcomes.names,
            n_bins=evaluation.n_bins,
            n_clusters=evaluation.n_clusters,
            measures={measure: getattr(evaluation, measure) for measure in JUDGED},
            row_sums=row_sums,
        )

    @classmethod
    def read(cls, path: str | PathLike[str]) -> Self:
        """Return what `temperance evaluate FILE --json > old.json` wrote.

        Parameters
        ----------
        path : path-like
            The file.

        Raises
        ------
        FileFormatError
            No JSON, or JSON of something else, without one of the four measures, or of a newer
            version than this library reads.
        """
        top = json_file(path)
        _require_evaluation(top)
        outcomes = top.section("outcomes")
        names = outcomes.get("names")
        clusters = top.get("n_clusters")
        return cls(
            name=Path(path).name,
            n=top.integer("n"),
            n_classes=top.integer("classes"),
            kind=outcomes.text("kind"),
            classes=None if names is None else outcomes.texts("names"),
            n_bins=top.integer("n_bins"),
            n_clusters=None if clusters is None else top.integer("n_clusters"),
            measures={measure: _estimate(top, measure) for measure in JUDGED},
            row_sums=_row_sums(top),
        )


def baseline_head() -> dict[str, Any]:
    """Return what says of JSON that it is an evaluation, and of which version."""
    return {"format": _FORMAT, "format_version": _VERSION}


def check_baseline(
    evaluation: Evaluation,
    baseline: Baseline,
    *,
    row_sums: RowSums | None = None,
    margins: Mapping[str, float] | None = None,
    undecided: Undecided = "pass",
    name: str = "this model",
) -> tuple[DifferenceGate, ...]:
    r"""Judge whether an evaluation is worse than an older one: a gate for CI.

    Parameters
    ----------
    evaluation : Evaluation
        Of the model judged.
    baseline : Baseline
        Of the model it must not be worse than: `Baseline.read("old.json")`, or `Baseline.of`.
    row_sums : RowSums, optional
        What pairs rows with those of the baseline; the command has them. Without, or where the rows
        are others, both are two samples.
    margins : mapping of str to float, optional
        How much worse a measure may be (a non-inferiority margin), as in `check_differences`.
    undecided : {"pass", "fail"}, default "pass"
        What a gate is taken for where the rows cannot tell.
    name : str, default "this model"
        What messages call the model judged.

    Returns
    -------
    tuple of DifferenceGate
        Of log loss, Brier score, ECE and accuracy.

    Raises
    ------
    InvalidInputError
        The baseline is of other classes, another kind of rows, or an ECE of other bins; a bad
        margin or `undecided`.

    Notes
    -----
    Same rows (the digest of their ids, labels, weights and clusters is the same): log loss, Brier
    score and accuracy are paired group by group (`RowSums.difference`). Else the interval comes
    from both intervals, [l, h] of the new value v and [l', h'] of the old one v' (Newcombe 1998,
    method 10, for shares; Zou and Donner 2008 for any measure):

    .. math:: v - v' - \sqrt{(v - l)^2 + (h' - v')^2}, \quad v - v' + \sqrt{(h - v)^2 + (v' - l')^2}

    The ECEs of two models may move against each other on shared rows (one too sure, one not sure
    enough), so of these the distances themselves add up. All four gates together call a model
    worse that is not in at most 5 % of samples: see `check_differences`.

    References
    ----------
    Newcombe (1998), Interval estimation for the difference between independent proportions,
    Statistics in Medicine 17; Zou and Donner (2008), Construction of confidence limits about effect
    measures, Statistics in Medicine 27.

    Examples
    --------
    >>> from temperance import evaluate
    >>> old = evaluate([[0.1, 0.9]] * 400, [0] * 40 + [1] * 360, n_resamples=100)
    >>> new = evaluate([[0.4, 0.6]] * 400, [0] * 40 + [1] * 360, n_resamples=100)
    >>> [gate.finding for gate in check_baseline(new, Baseline.of(old))]
    ['worse', 'worse', 'worse', 'cannot tell']
    """
    require_type(evaluation, Evaluation, name="evaluation", rule="what `evaluate` returns")
    require_type(baseline, Baseline, name="baseline", rule="what `Baseline.read` returns")
    as_word(undecided, ("pass", "fail"), name="undecided")
    allowed = as_margins(margins)
    _require_alike(evaluation, baseline)
    level, old_sums = joint_level(len(JUDGED)), baseline.row_sums
    same = row_sums is not None and row_sums.same_rows(old_sums)

    def difference(measure: str) -> tuple[Estimate, bool]:
        if row_sums is not None and old_sums is not None and same and measure in MEANS:
            paired = row_sums.difference(old_sums, measure, level)
            if paired is not None:
                return paired, True
        own, old = getattr(evaluation, measure), baseline.measures[measure]
        if row_sums is not None and same and row_sums.same_scores(old_sums) and own == old:
            return Estimate(0.0, 0.0, 0.0), True
        return _apart(
            widened(own, level, degrees_of(evaluation.n_clusters)),
            widened(old, level, degrees_of(baseline.n_clusters)),
            opposed=measure == "ece",
        ), False

    gates = []
    for measure in JUDGED:
        estimate, paired = difference(measure)
        gates.append(
            DifferenceGate.judge(
                estimate, undecided=undecided, of="baseline", model=name, other=baseline.name,
                measure=measure, value=getattr(evaluation, measure).value,
                baseline=baseline.measures[measure].value, margin=allowed.get(measure, 0.0),
                level=level, paired=paired, n=evaluation.n, outcomes=evaluation.outcomes,
            )
        )  # fmt: skip
    return tuple(gates)


def _apart(own: Estimate, old: Estimate, *, opposed: bool) -> Estimate:
    """Return the difference of two measures from their intervals; `opposed`: ends add up."""
    value = own.value - old.value
    if not isfinite(value):
        return Estimate(value, value, value)
    together = (lambda a, b: a + b) if opposed else hypot
    below = together(own.value - own.low, old.high - old.value)
    above = together(own.high - own.value, old.value - old.low)
    return Estimate(value, value - below, value + above)


def _require_alike(evaluation: Evaluation, baseline: Baseline) -> None:
    """Raise where measures are of other things, so that a difference would mean nothing."""
    outcomes = evaluation.outcomes
    if baseline.kind != outcomes.kind:
        msg = (
            f"{baseline.name}: is of {_KINDS[baseline.kind]}, these are {_KINDS[outcomes.kind]}: "
            "measures of the two say nothing of each other. Give a baseline of the same kind."
        )
        raise InvalidInputError(msg)
    if baseline.n_classes != evaluation.n_classes:
        msg = (
            f"{baseline.name}: is of {count_text(baseline.n_classes, 'class', 'classes')}, these "
            f"rows of {evaluation.n_classes}: their measures say nothing of each other. Give a "
            "baseline of the same classes."
        )
        raise InvalidInputError(msg)
    if baseline.classes and outcomes.names and {*baseline.classes} != {*outcomes.names}:
        other = next(each for each in outcomes.names if each not in baseline.classes)
        msg = (
            f"{baseline.name}: is of other classes than these rows, whose class {shown(other)} it "
            "lacks. Give a baseline of the same classes."
        )
        raise InvalidInputError(msg)
    if baseline.n_bins != evaluation.n_bins:
        msg = (
            f"{baseline.name}: has its ECE in {baseline.n_bins} bins, these rows in "
            f"{evaluation.n_bins}. Set `n_bins={baseline.n_bins}` (--bins {baseline.n_bins})."
        )
        raise InvalidInputError(msg)


def _require_evaluation(top: JsonObject) -> None:
    """Raise FileFormatError for JSON of anything but an evaluation with all its measures."""
    if top.has("format"):
        if top.get("format") != _FORMAT:
            _refuse(top, f"it is {shown(top.get('format'))}")
        check_version(top, _VERSION)
    elif not all(top.has(key) for key in ("n", "classes", "outcomes")):
        _refuse(top, "it lacks `n`, `classes` or `outcomes`")
    if missing := [name for name in JUDGED if not isinstance(top.get(name), dict)]:
        _refuse(top, f"it lacks {', '.join(f'`{name}`' for name in missing)}")
    if top.section("outcomes").get("kind") not in _KINDS:
        top.section("outcomes").refuse("kind", f"one of {', '.join(_KINDS)}")


def _refuse(top: JsonObject, problem: str) -> NoReturn:
    msg = (
        f"{top.where}: a baseline must be what `temperance evaluate OLD --json` prints, with all "
        f"its measures, but {problem}. Of outputs of an older model on the same rows: temperance "
        "compare OLD NEW --fail-if worse."
    )
    raise FileFormatError(msg)


def _estimate(top: JsonObject, measure: str) -> Estimate:
    """Return a measure; null is an infinite log loss, or an end that is unknown."""
    section = top.section(measure)
    if not section.has("value"):
        if measure != "log_loss" or not top.get("zero_probability_labels"):
            section.refuse("value", "a number")
        return Estimate(inf, inf, inf)
    value = section.not_negative("value")
    low = section.number("low") if section.has("low") else -inf
    high = section.number("high") if section.has("high") else inf
    if not low <= value <= high:
        section.refuse("value", "a number from `low` to `high`")
    return Estimate(value, low, high)


def _row_sums(top: JsonObject) -> RowSums | None:
    """Return the sums over groups of rows; None of a file without them."""
    if not top.has("row_sums"):
        return None
    section = top.section("row_sums")
    weight = section.numbers("weight")
    if not len(weight) or (weight < 0.0).any() or not weight.sum() > 0.0:
        section.refuse("weight", "a list of numbers >= 0, not all 0")
    sums, implied = section.section("sums"), section.section("implied_error")
    return RowSums(
        matched_by="id" if section.get("matched_by") == "id" else "order",
        rows_sha256=section.text("rows_sha256"),
        weight=weight,
        sums={
            name: np.asarray(sums.numbers(name, shape=(len(weight),)))
            for name in MEANS
            if sums.has(name)
        },
        implied={name: implied.not_negative(name) for name in MEANS},
    )
