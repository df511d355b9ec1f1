"""Paired differences of models on the same rows, in memory or block by block, as one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, Literal

from temperance.blocks import calling
from temperance.checks.arguments import as_mapping
from temperance.checks.forms import frame_names, refuse_other_index
from temperance.errors import InvalidInputError
from temperance.evaluation import (
    Measures,
    as_measures,
    labelled_groups,
    measure_blocks,
    of_label_matrix,
    weighing_groups,
)
from temperance.evaluation.evaluation import SCORES, reliability_sketch
from temperance.frozen import DeferredDict, Frozen, plain
from temperance.metrics.corp import CORP_PARTS
from temperance.metrics.error_measures import ERROR_MEASURES, ERROR_NAMES, error_gap
from temperance.metrics.estimates import gap_estimate
from temperance.metrics.implied import paired_gaps
from temperance.metrics.inputs import Predictions
from temperance.metrics.resampling import N_RESAMPLES
from temperance.printable import and_list
from temperance.show import Shown, Table, beside, interval_text, number_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import ArrayLike

    from temperance.blocks import FileParts
    from temperance.calibrators import Calibrator
    from temperance.evaluation import Evaluation, Groups
    from temperance.evaluation.block_sums import OutOfFold
    from temperance.metrics.estimates import Draws, Estimate
    from temperance.metrics.implied import GapSums

__all__ = [
    "Comparison",
    "Differences",
    "baseline_name",
    "compare",
    "compare_blocks",
    "compare_rows",
    "difference_cells",
    "difference_tables",
    "in_words",
    "measure_table",
    "ways_table",
]

# What was compared, as one value that prints itself.


# The tables of a comparison: what the terminal prints and a notebook shows.


MEASURE_NAMES = {
    **SCORES,
    **ERROR_NAMES,
    "ks": "KS error",
    "miscalibration": "miscalibration",
    "discrimination": "discrimination",
}

_SHORT = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "ece": "calibration error",
}


def value_of(evaluation: Evaluation, measure: str) -> float:
    """Return the value of a measure that `Differences.measures` names."""
    if measure in evaluation.errors:
        return float(evaluation.errors[measure].value)
    if measure in {"miscalibration", "discrimination"}:
        return float(getattr(evaluation.corp.decomposition, measure))
    return float(getattr(evaluation, measure).value)


def difference_cells(differences: Differences, measure: str) -> tuple[str, str]:
    """Return a difference with its interval, and the verdict."""
    gap = differences.measures[measure]
    if differences.verdict(measure) == "the same":
        return "", "the same"
    if not isfinite(gap.value):  # of both infinite undefined, of one infinite
        return number_text(gap.value, sign=True), differences.verdict(measure)
    interval = interval_text(gap.low, gap.high, sign=True)
    return f"{number_text(gap.value, sign=True)} ({interval})", differences.verdict(measure)


def difference_tables(comparison: Comparison) -> list[Table]:
    """Return one table per set: its values beside the baseline's, difference and verdict."""
    return [
        _table(comparison, name, differences)
        for name, differences in comparison.differences.items()
    ]


def in_words(comparison: Comparison) -> str:
    """Return one sentence per set: where it is better or worse than the baseline.

    Sets with an infinite log loss are named first.
    """
    infinite = [
        name for name, each in comparison.evaluations.items() if each.zero_probability_labels
    ]
    sentences = [f"The log loss of {and_list(infinite)} is infinite."] if infinite else []
    return " ".join(
        [
            *sentences,
            *(
                _sentence(name, comparison, differences)
                for name, differences in comparison.differences.items()
            ),
        ]
    )


def _sentence(name: str, comparison: Comparison, differences: Differences) -> str:
    baseline = comparison.baseline
    rows = comparison.evaluations[baseline].outcomes.plural
    verdicts = {m: differences.verdict(m) for m in _SHORT if m in differences.measures}
    measures = {
        verdict: [_SHORT[m] for m, each in verdicts.items() if each == verdict]
        for verdict in ("better", "worse")
    }
    better, worse = (and_list(names) for names in measures.values())
    if better and worse:
        return f"{name} is better than {baseline} in {better}, but worse in {worse}."
    if better or worse:
        how = "better" if better else "worse"
        return f"{name} is {how} than {baseline} in {better or worse}."
    if set(verdicts.values()) == {"the same"}:
        return f"{name} and {baseline} are the same on these {rows}."
    return f"These {rows} cannot tell {name} from {baseline}."


def _table(comparison: Comparison, name: str, differences: Differences) -> Table:
    baseline, own = comparison.evaluations[comparison.baseline], comparison.evaluations[name]
    rows = [
        (
            MEASURE_NAMES[measure],
            number_text(value_of(baseline, measure)),
            number_text(value_of(own, measure)),
            *difference_cells(differences, measure),
        )
        for measure in differences.measures
    ]
    columns = ("", comparison.baseline, name, "difference (95 %)", "verdict")
    rows_of = own.outcomes
    one, extent = rows_of.one, rows_of.extent(own.n)
    caption = f"{extent}; differences are paired, {one} by {one}"
    return Table(columns, tuple(rows), caption=caption, words=frozenset({4}))


Verdict = Literal["better", "worse", "cannot tell", "the same"]
_LARGE_IS_BETTER = {"accuracy", "discrimination"}


@dataclass(frozen=True, slots=True)
class Differences(Frozen):
    """One set of probabilities less the baseline, on the same rows, with 95 % intervals.

    `measures` holds `log_loss`, `brier`, `accuracy`, every calibration error, and the
    `miscalibration` and `discrimination` of the Brier score of the CORP diagram's event. Below 0
    is better, but for accuracy and discrimination.
    """

    measures: Mapping[str, Estimate]

    @property
    def log_loss(self) -> Estimate:
        """Difference of the log losses; below 0 = better."""
        return self.measures["log_loss"]

    @property
    def brier(self) -> Estimate:
        """Difference of the Brier scores; below 0 = better."""
        return self.measures["brier"]

    @property
    def ece(self) -> Estimate:
        """Difference of the expected calibration errors; below 0 = better."""
        return self.measures["ece"]

    @property
    def accuracy(self) -> Estimate:
        """Difference of the accuracies; above 0 = better."""
        return self.measures["accuracy"]

    def verdict(self, measure: str) -> Verdict:
        """Return "better" or "worse" if the interval leaves out 0, else "cannot tell".

        "The same" where there is no difference and no doubt of it. Two infinite log losses have no
        difference: nan, of which one cannot tell either.
        """
        difference = self.measures[measure]
        if difference.low == difference.high == 0.0:
            return "the same"
        if isnan(difference.value) or difference.low <= 0.0 <= difference.high:
            return "cannot tell"
        better = (difference.value < 0.0) != (measure in _LARGE_IS_BETTER)
        return "better" if better else "worse"

    def to_dict(self) -> dict[str, Any]:
        """Return value, low, high and verdict of each measure."""
        return {
            name: {**difference.to_dict(), "verdict": self.verdict(name)}
            for name, difference in self.measures.items()
        }


@dataclass(frozen=True, slots=True, eq=False)
class Comparison(Frozen, Shown):
    """Several sets of probabilities measured on the same rows; the first is the baseline."""

    evaluations: dict[str, Evaluation]
    differences: dict[str, Differences]  # of each set but the baseline

    @property
    def baseline(self) -> str:
        """Name of the set that the others are compared with."""
        return next(iter(self.evaluations))

    def to_dict(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers for JSON; `curves` as in `Evaluation.to_dict`."""
        return {
            "baseline": self.baseline,
            "evaluations": {name: e.to_dict(curves=curves) for name, e in self.evaluations.items()},
            "differences": plain(self.differences),
        }

    def columns(self) -> dict[str, list[Any]]:
        """Return every difference with its interval and verdict.

        Columns name, measure, value, baseline, difference, low, high, verdict.
        """
        names = ("name", "measure", "value", "baseline", "difference", "low", "high", "verdict")
        columns: dict[str, list[Any]] = {name: [] for name in names}
        baseline = self.evaluations[self.baseline]
        for name, differences in self.differences.items():
            for key, difference in differences.to_dict().items():
                own = self.evaluations[name]
                values = (name, key, value_of(own, key), value_of(baseline, key))
                rest = (difference["value"], difference["low"], difference["high"])
                for column, value in zip(
                    names, (*values, *rest, difference["verdict"]), strict=True
                ):
                    columns[column].append(value)
        return columns

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        return tuple(difference_tables(self))

    def _repr_html_(self) -> str:
        """Show each set's reliability diagram, and the differences, in a notebook."""
        sketches = (
            f"<div>{escape(name)}</div>{reliability_sketch(each)}"
            for name, each in self.evaluations.items()
        )
        return beside(*sketches) + Shown._repr_html_(self)


# Measure several sets of probabilities on the same rows, resampled together.


def compare(  # noqa: PLR0913  (as `evaluate`)
    probs: Mapping[str, ArrayLike],
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    measures: Sequence[str] | None = None,
) -> Comparison:
    """Measure several sets of probabilities on the same rows, and their paired differences.

    Parameters
    ----------
    probs : mapping of name to array_like, shape (n, k) or (n,)
        The first one is the baseline, e.g. `{"before": p0, "after": p1}`. Columns of data frames
        are matched by name to those of the first.
    labels : array_like, shape (n,)
        True classes in 0..k-1, or names of columns; the same for all.
    weights : array_like, shape (n,), optional
        Finite, >= 0.
    groups, clusters : array_like, shape (n,), optional
        As in `evaluate`.
    n_bins : int, default 15
        Bins of the calibration errors.
    n_resamples : int, default 1000
        Of the intervals of the calibration errors, 100 to 20,000.
    seed : int, default 0
        Of the resampling; all sets are resampled together.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.
    ignore_label : int or str, optional
        Rows of this label are left out.
    measures : sequence of str, optional
        What is shown and compared, as in `evaluate`; by default everything. "corp" stands for its
        miscalibration and discrimination.

    Returns
    -------
    Comparison
        An `Evaluation` of each, and the `Differences` of each from the baseline. The intervals
        are of paired differences, far narrower than two intervals side by side suggest.

    Raises
    ------
    InvalidInputError
        Fewer than two sets, sets of different shape or names, or as in `evaluate`.

    Notes
    -----
    Differences of means (log loss, Brier score, accuracy): normal interval of the paired
    differences. Miscalibration and discrimination: basic bootstrap, 2 d - q(97.5 %) to
    2 d - q(2.5 %). Calibration errors: d - own bias - 1.96 standard errors to d + the baseline's
    bias + 1.96 standard errors, because each may be too large by up to its bias. Classwise and
    top-label-conditional errors are left out: their intervals do not hold the truth.

    Examples
    --------
    >>> p, q = [[0.9, 0.1], [0.9, 0.1]], [[0.8, 0.2], [0.8, 0.2]]
    >>> compare({"before": p, "after": q}, [0, 1]).differences["after"].verdict("log_loss")
    'cannot tell'
    """
    rule = 'a mapping of name to probabilities, of two or more: {"a": probs, "b": probs}'
    probs = as_mapping(probs, name="probs", rule=rule)
    if len(probs) < 2:
        msg = f"`probs` must hold at least two sets to compare, got {len(probs)}."
        raise InvalidInputError(msg)
    refuse_other_index(**{f"probs[{name!r}]": each for name, each in probs.items()}, groups=groups)
    known = (
        classes
        if classes is not None
        else next((names for each in probs.values() if (names := frame_names(each))), None)
    )
    rows = {
        name: Predictions.check(
            values, labels, weights, clusters, classes=known, ignore_label=ignore_label
        )
        for name, values in probs.items()
    }
    (first, baseline), *others = rows.items()
    for name, other in others:
        if other.shape != baseline.shape:
            msg = (
                f"`probs` must all have the same shape; {first!r} has {baseline.shape}, "
                f"{name!r} has {other.shape}."
            )
            raise InvalidInputError(msg)
    group_labels = labelled_groups(groups, labels, ignore_label, n=len(baseline.labels))
    row_mask = baseline.weighing()[1]
    rows = {name: each.weighing()[0] for name, each in rows.items()}
    group_labels = weighing_groups(group_labels, row_mask)
    rows = {
        name: of_label_matrix(each, group_labels).apart_from(probs[name], labels, weights)
        for name, each in rows.items()
    }
    return compare_rows(
        rows,
        groups=group_labels,
        n_bins=n_bins,
        n_resamples=n_resamples,
        seed=seed,
        measures=measures,
    )


def compare_rows(
    rows: Mapping[str, Predictions],
    *,
    groups: Groups | None = None,
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    measures: Sequence[str] | None = None,
) -> Comparison:
    """Compare checked predictions of the same rows (see `compare`)."""
    shown = as_measures(measures)
    sides = {
        name: Measures.of(
            each, groups=groups, n_bins=n_bins, n_resamples=n_resamples, seed=seed, shown=shown
        )
        for name, each in rows.items()
    }
    (_, baseline), *others = sides.items()
    names = [name for name in PAIRED if _is_shown(name, shown)]
    return Comparison(
        evaluations={name: each.evaluation() for name, each in sides.items()},
        differences={
            name: differences_of(
                paired_gaps(each.rows, baseline.rows), names, each.draws, baseline.draws
            )
            for name, each in others
        },
    )


def _is_shown(name: str, shown: Sequence[str] | None) -> bool:
    return shown is None or ("corp" if name in CORP_PARTS else name) in shown


_MEANS = ("log_loss", "brier", "accuracy")  # the columns of paired gaps
# Errors without an interval have no difference either: it would not hold the truth.
_ERRORS = tuple(name for name, each in ERROR_MEASURES.items() if each.interval)
PAIRED = (*_MEANS, *_ERRORS, *CORP_PARTS)


def differences_of(
    gaps: GapSums,
    names: Iterable[str],
    draws: Callable[[str], Draws],
    baseline: Callable[[str], Draws],
) -> Differences:
    """Return the differences that are named: of means from sums of paired gaps, else from draws.

    Each is computed when it is looked up.
    """

    def difference(name: str) -> Estimate:
        if name in _MEANS:
            return gap_estimate(gaps, _MEANS.index(name))
        return error_gap(name, draws(name), baseline(name))

    return Differences(DeferredDict(names, difference))


# Paired differences of rows that come block by block, in one reading.


def compare_blocks(  # noqa: PLR0913  (as `evaluate_blocks`)
    blocks: Iterable[Any] | Callable[[], Iterable[Any]] | FileParts,
    calibrators: Mapping[str, Calibrator | Sequence[Calibrator] | OutOfFold | None],
    *,
    kind: Literal["probs", "logits"] = "logits",
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
    measures: Sequence[str] | None = None,
    n_rows: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Comparison:
    """Measure rows that come in blocks before and after calibrators, in one reading.

    Parameters
    ----------
    blocks : iterable, or function that returns one
        As in `evaluate_blocks`: (scores, labels) or (scores, labels, weights), a block at a time.
    calibrators : mapping of name to Calibrator, sequence of Calibrator, or None
        What is applied to each block; None leaves it as it is. The first one is the baseline,
        e.g. `{"before": None, "after": calibrator}`. Of a sequence of m, block i takes the one at
        place i modulo m: fits that have not seen that block, for instance.
    kind : {"logits", "probs"}, default "logits"
        What the scores are.
    n_bins, n_resamples, seed, classes, ignore_label, refuse_probs, measures, n_rows
        As in `evaluate_blocks`.
    progress : callable, optional
        As in `evaluate_blocks`.

    Returns
    -------
    Comparison
        As from `compare`, of evaluations as from `evaluate_blocks`.

    Raises
    ------
    InvalidInputError
        Fewer than two calibrators, an empty sequence, or as in `evaluate_blocks`.

    Notes
    -----
    Log loss, Brier score and accuracy: normal interval of the paired differences of the rows, as
    in `compare`. Everything else is resampled for each side by itself, so its difference has the
    interval of two independent samples: wider than that of `compare`, and never too narrow where
    errors of the same rows rise and fall together.

    Examples
    --------
    >>> from temperance import TemperatureScaling
    >>> blocks = [([[2.0, 0.0]], [0]), ([[2.0, 0.0], [0.0, 2.0]], [1, 1])]
    >>> sides = {"before": None, "after": TemperatureScaling(2.8854)}
    >>> compared = compare_blocks(blocks, sides)
    >>> round(compared.differences["after"].log_loss.value, 4)
    -0.1571
    """
    rule = "a mapping of name to calibrator (None: as they are), of two or more"
    calibrators = as_mapping(calibrators, name="calibrators", rule=rule)
    if len(calibrators) < 2:
        msg = f"`calibrators` must name at least two sides to compare, got {len(calibrators)}."
        raise InvalidInputError(msg)
    for name, each in calibrators.items():
        if isinstance(each, Sequence) and not each:
            msg = f"`calibrators` has no calibrator for {name!r}; None leaves rows as they are."
            raise InvalidInputError(msg)
    with calling(progress):
        measurement = measure_blocks(
            blocks, tuple(calibrators.values()), kind=kind, n_bins=n_bins, n_resamples=n_resamples,
            seed=seed, classes=classes, ignore_label=ignore_label, refuse_probs=refuse_probs,
            measures=as_measures(measures), n_rows=n_rows,
        )  # fmt: skip
    _, *others = calibrators
    shown = measurement.evaluations[0].measures
    return Comparison(
        evaluations=dict(zip(calibrators, measurement.evaluations, strict=True)),
        differences={
            name: differences_of(
                gaps,
                [each for each in PAIRED if _is_shown(each, shown) and each in (*_MEANS, *draws)],
                draws.__getitem__,
                measurement.draws[0].__getitem__,
            )
            for name, gaps, draws in zip(
                others, measurement.gaps, measurement.draws[1:], strict=True
            )
        },
    )


# The short tables that commands print of a comparison.


_MEASURES = {"log_loss": "log loss", "brier": "Brier score", "ece": "ECE", "accuracy": "accuracy"}
_BY_CHANCE = "  by chance"  # the ECE that chance alone would show
_HOW = {
    "cross-fitted": "cross-fitted: every {one} scored by a fit on other rows",
    "test": "of the test file",
    "given": "as given",
}


def measure_table(comparison: Comparison, *, evaluated_on: str, calibrator: Calibrator) -> Table:
    """Before, after, and their paired difference with its 95 % interval."""
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    differences = comparison.differences["after"]
    rows: list[tuple[str, ...]] = []
    for name, shown in _MEASURES.items():
        rows.append(
            (
                shown,
                number_text(getattr(before, name).value),
                number_text(getattr(after, name).value),
                *difference_cells(differences, name),
            )
        )
        if name == "ece":
            rows.append((_BY_CHANCE, _at_most(before), _at_most(after), "", ""))
    return Table(
        columns=(
            "",
            baseline_name(calibrator).replace("-", " "),
            "after",
            "difference (95 %)",
            "verdict",
        ),
        rows=tuple(rows),
        caption=f"{before.outcomes.extent(before.n)}, {_how(before, evaluated_on)}",
        words=frozenset({4}),
    )


def _how(evaluation: Evaluation, evaluated_on: str) -> str:
    """Return how rows, answers or entries were measured."""
    outcomes = evaluation.outcomes
    return _HOW[evaluated_on].format(one=outcomes.one)


def baseline_name(calibrator: Calibrator) -> str:
    """Return what "before" is: of scores that claim no probability, the base rate."""
    return "before" if calibrator.reads_probabilities else "base-rate"


def _at_most(evaluation: Evaluation) -> str:
    return f"<= {number_text(evaluation.ece_null.high)}"


def ways_table(comparison: Comparison, *, caption: str = "") -> Table:
    """One row per way: its log loss, ECE and accuracy, and its paired log loss difference."""
    rows = []
    for name, evaluation in comparison.evaluations.items():
        cells = ("", "")
        if name != comparison.baseline:
            cells = difference_cells(comparison.differences[name], "log_loss")
        values = (evaluation.log_loss.value, evaluation.ece.value, evaluation.accuracy.value)
        rows.append((name, *(number_text(value) for value in values), *cells))
    return Table(
        ("", "log loss", "ECE", "accuracy", "log loss less the first (95 %)", "verdict"),
        tuple(rows),
        caption=caption,
        words=frozenset({5}),
    )
