"""Fit labelled rows, measure on rows that the fit has not seen, compare with other ways."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, Unpack

from temperance.alignment import column_order
from temperance.alternatives import (
    BASE_RATES,
    BIASED,
    LINES,
    UNBIASED,
    ClassBiases,
    calibrated_first,
    label_way_sides,
    pooling_sides,
)
from temperance.blocks import report_work
from temperance.calibrators import (
    METHODS,
    BiasCorrectedTemperatureScaling,
    LabelPlattScaling,
    TemperatureScaling,
    Training,
    check_method,
    fold_temperatures,
    interval_of,
    out_of_fold_logits,
    temperature_of,
)
from temperance.comparison import Comparison, compare_rows
from temperance.defaults import N_RESAMPLES, QUICK_RESAMPLES
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.evaluation.block_sums import OutOfFold
from temperance.evaluation.evaluation import RefinementSplit, one_label_only
from temperance.frozen import deferred
from temperance.metrics.estimates import Estimate
from temperance.printable import count_text, digits_text
from temperance.rows.layouts import AUTO
from temperance.rows.memory import MeasureSettings, naming
from temperance.selection import BASE_RATE, select_rows
from temperance.selection.choose import LEAST_PER_PARAMETER
from temperance.show import number_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator, FitRecord, Pool
    from temperance.evaluation import Evaluation
    from temperance.planning import Plan
    from temperance.rows.blocks import BlockRows
    from temperance.rows.memory import RowFacts, Rows
    from temperance.selection import Selection

__all__ = [
    "Calibration",
    "Fitted",
    "calibrate",
    "calibrate_blocks",
    "check_test",
    "few_events",
    "fit_blocks",
    "fit_rows",
    "infinite_losses",
]


# Fit one method, or let the rows choose among all; score each row by a fit without it.


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A calibrator, and its rows' logits calibrated by fits that had not seen them."""

    calibrator: Calibrator
    out_of_fold: NDArray[np.float64] | None  # (n, k); None where other rows will be measured
    selection: Selection | None = None

    def around(self, calibrator: Calibrator) -> Fitted:
        """Return the same with the map of the file's own outputs in place of its inner one."""
        selection = self.selection
        if selection is not None:
            selection = replace(selection, calibrator=calibrator)
        return replace(self, calibrator=calibrator, selection=selection)


def fit_rows(
    rows: Rows,
    *,
    method: str,
    prior: float,
    out_of_fold: bool,
    pool: Pool = "linear",
    seed: int = 0,
) -> Fitted:
    """Fit the method on all rows, and where asked also on each fold's other rows."""
    check_method(method, prior=prior, also=(AUTO,))
    rows.layout.check_method(method)
    with naming(rows.source, rows.file_rows):
        training = rows.training(prior=prior)
        if method == AUTO:
            fitted = _select(rows, training, seed)
        else:
            fitted = _fit_method(rows, training, method, pool, out_of_fold=out_of_fold, seed=seed)
    inner = _with_floor(fitted.calibrator, rows)
    return fitted.around(rows.layout.around(inner, training, rows.classes))


def _with_floor(calibrator: Calibrator, rows: Rows) -> Calibrator:
    """Return the calibrator with a record of what the probabilities were raised to."""
    record, floored = calibrator.record, rows.floored
    if record is None or floored is None:
        return calibrator
    known = replace(record, floor=floored.floor, n_floored=floored.probabilities)
    return replace(calibrator, record=known)


def _select(rows: Rows, training: Training, seed: int) -> Fitted:
    training = training.require_learnable(zeros=True)
    with report_work(f"choosing a method on {rows.outcomes.rows(rows.n)}", rows=rows.n):
        selection, honest = select_rows(training, seed=seed, **rows.layout.choice()._asdict())
    if selection.method == BASE_RATE:
        msg = (
            "No map of these scores has a smaller log loss than knowing only how often answers are "
            "right, on rows that it has not seen. More rows or another score may; or name a map: "
            '`method="platt"` (--method platt).'
        )
        raise NoOptimumError(msg, reason="worse-than-chance")
    return Fitted(selection.calibrator, honest, selection)


def _fit_method(
    rows: Rows, training: Training, method: str, pool: Pool, *, out_of_fold: bool, seed: int
) -> Fitted:
    training = training.require_learnable(zeros=METHODS[method].traits.zeros)
    learn = partial(rows.layout.learn, method, pool=pool)
    with report_work(f"fitting on {rows.outcomes.rows(rows.n)}", rows=rows.n):
        calibrator = learn(training)
    if not out_of_fold:
        return Fitted(calibrator, None)
    with report_work("cross-fitting", rows=rows.n):
        return Fitted(calibrator, out_of_fold_logits(training, learn, seed=seed))


# Which rows may measure a fit.


def check_test(rows: Rows | BlockRows, test: Rows | BlockRows) -> None:
    """Refuse test rows that are the fit's, or of other classes."""
    if _same(rows, test):
        msg = (
            f"`test` (--test) must hold other rows than the fit's, but {test.source} is the "
            f"same as {rows.source}. Leave it out: the measures are then cross-fitted."
        )
        raise InvalidInputError(msg)
    if not rows.ragged and not test.ragged and test.n_classes != rows.n_classes:
        msg = (
            f"{test.source}: has {count_text(test.n_classes, 'class', 'classes')}, but "
            f"{rows.source} has {rows.n_classes}."
        )
        raise InvalidInputError(msg)
    with naming(test.source):
        column_order(test.classes, rows.classes, whose=rows.source)


def _same(rows: Rows | BlockRows, test: Rows | BlockRows) -> bool:
    """Whether bytes are the same; of large files, whether their path is."""
    own, other = rows.in_memory, test.in_memory
    if own is not None and other is not None:
        return own.sha256 == other.sha256
    return Path(rows.source).resolve() == Path(test.source).resolve()


# A fit with its measures.


_FEW_LABELS = 200  # fewer leave a temperature open; the warning says how far


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """A fitted calibrator with its measures on rows it has not seen."""

    calibrator: Calibrator
    comparison: Comparison  # "before" and "after"
    evaluated_on: Literal["cross-fitted", "test"]
    rows: RowFacts  # of the fit
    test: RowFacts | None
    warnings: tuple[str, ...]
    pooling: Comparison | None = None  # of an ensemble: other ways of pooling, on the same rows
    selection: Selection | None = None  # how the method was chosen; None where it was named
    class_biases: ClassBiases | None = None  # where they were fitted, or a report will show them
    label_ways: Comparison | None = None  # of a label matrix: other ways, on the same rows
    plan: Plan | None = None  # labels still needed, where a report will say it
    may_choose: bool = True  # whether whoever sees it can choose another method

    @property
    def record(self) -> FitRecord:
        """What the fit left behind."""
        record = self.calibrator.record
        assert record is not None  # noqa: S101  (a fit leaves one)
        return record

    @property
    def tried(self) -> dict[str, float]:
        """Log loss of each map tried, on the rows measured, by fits that had not seen them."""
        losses = {self.calibrator.name: self.comparison.evaluations["after"].log_loss.value}
        if self.class_biases is not None:
            biased = self.class_biases.comparison.evaluations[BIASED]
            losses["a temperature with class biases"] = biased.log_loss.value
        if self.selection is not None and self.evaluated_on == "cross-fitted":
            losses |= {
                each.method: each.log_loss.value
                for each in self.selection.tried
                if each.log_loss is not None and each.method != "identity"
            }
        return losses

    @property
    def untried(self) -> str | None:
        """The method to try where these rows still refute calibration.

        None where all were tried, and where one label fills all rows: every richer map would
        learn its place.
        """
        one_label = one_label_only(self.comparison.evaluations["before"])
        if not self.may_choose or self.selection is not None or one_label:
            return None
        return self.calibrator.richer_method


def calibrate(
    rows: Rows,
    test: Rows | BlockRows | None = None,
    *,
    method: str = TemperatureScaling.method,
    prior: float = 0.0,
    n_bins: int = 15,
    seed: int = 0,
    n_resamples: int = N_RESAMPLES,
    pool: Pool = "linear",
    planned: bool = False,
    measures: tuple[str, ...] | None = None,
) -> Calibration:
    """Fit on labelled rows, and measure before and after on rows that the fit has not seen.

    Parameters
    ----------
    rows : Rows
        Rows of the fit.
    test : Rows or BlockRows, optional
        Other rows, that are measured; without them those of the fit are, cross-fitted: each by a
        fit without its fold.
    method : str, default "temperature"
        A name of `METHODS` that takes rows of their layout, or "auto": the rows choose.
    prior : float, default 0.0
        Pseudo-rows on no change, >= 0.
    n_bins, n_resamples, seed, measures
        As in `evaluate`; `seed` is that of the folds too.
    pool : {"linear", "log"}, default "linear"
        Of several models: the mean of what.
    planned : bool, default False
        Whether to say how many labels are still needed, and what class biases there are.

    Returns
    -------
    Calibration
        The calibrator, learned from all `rows`, the comparison of "before" and "after", and where
        the rows allow it other ways on the same rows.

    Raises
    ------
    InvalidInputError
        If the rows have no labels, the method is none of them, or is not for their layout.
    NoOptimumError
        If the method has no optimum on them, or on those without a fold.

    Examples
    --------
    Logits 3 times too large: T is near 3, and the log loss falls.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from temperance.rows.reading import read_rows
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(2000, 3))
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    >>> with TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "rows.npz", logits=3 * z, labels=y)
    ...     rows = read_rows(Path(folder) / "rows.npz")
    >>> calibration = calibrate(rows, n_resamples=200)
    >>> calibration.comparison.differences["after"].verdict("log_loss")
    'better'
    >>> round(calibration.calibrator.temperature)
    3
    """
    fitted = fit_rows(
        rows, method=method, prior=prior, pool=pool, out_of_fold=test is None, seed=seed
    )
    calibrator, out_of_fold = fitted.calibrator, fitted.out_of_fold
    settings: MeasureSettings = {
        "n_bins": n_bins,
        "n_resamples": n_resamples,
        "seed": seed,
        "measures": measures,
    }
    if test is not None:
        measurement = test.measure_after(calibrator, **settings)
    else:
        assert out_of_fold is not None  # noqa: S101  (it was asked for)
        measurement = rows.measure_scaled(out_of_fold, **settings)
    comparison = measurement.comparison
    if test is None and calibrator.name == TemperatureScaling.method and prior == 0.0:
        comparison = _with_split(comparison, temperature_of(calibrator))
    comparison = _without_parts(comparison, measures)
    ways = _Ways()
    of_test = None if test is None else test.in_memory
    if test is None or of_test is not None:
        ways = _ways(
            rows, of_test, fitted, measurement.after, pool=pool, planned=planned, seed=seed
        )
    return Calibration(
        calibrator=calibrator,
        comparison=comparison,
        evaluated_on="cross-fitted" if test is None else "test",
        rows=rows.facts,
        test=None if test is None else measurement.facts,
        selection=fitted.selection,
        **ways._asdict(),
        warnings=(
            *fit_warnings(calibrator, comparison),
            *few_events(calibrator, rows),
            *label_way_warnings(ways.label_ways),
            *_not_pooled(rows, ways.pooling),
            *interval_warnings(calibrator, rows),
            *infinite_losses(rows if test is None else test, comparison.evaluations["before"]),
            *(() if test is None else rows.notes),  # else they are among those of the measures
            *measurement.warnings,
        ),
    )


# What users should hear.


def few_events(calibrator: Calibrator, rows: Rows) -> tuple[str, ...]:
    """Return a warning if a map has learned its numbers from few events each."""
    if not rows.layout.counts_events:
        return ()
    training = Training(rows.logits, rows.require_labels(), rows.weights, rows.classes)
    n_parameters = calibrator.traits.n_parameters(training.k)
    each = training.events_per_parameter(n_parameters)
    least = LEAST_PER_PARAMETER[training.k == 2]
    if each >= least or each == 0.0:  # one label alone has a warning of its own
        return ()
    what = "rows of the rarer class" if training.k == 2 else "rows"
    msg = (
        f"{calibrator.method} has learned {count_text(n_parameters, 'number')} from "
        f"{each * n_parameters:,.0f} {what}, {digits_text(each, 2)} for each; from fewer than "
        f'{least} it follows chance: `method="auto"` (--method auto) leaves such maps out.'
    )
    return (msg,)


def fit_warnings(calibrator: Calibrator, comparison: Comparison) -> tuple[str, ...]:
    """Return what users should hear about a fit and its measures."""
    warnings = []
    record, interval = calibrator.record, interval_of(calibrator)
    labelled = [f"labelled {each}" for each in calibrator.unit]
    if record is not None and record.n < _FEW_LABELS and interval is not None:
        warnings.append(
            f"only {count_text(record.n, *labelled)}: the temperature is known only to lie between "
            f"{digits_text(interval[0], 3)} and {digits_text(interval[1], 3)}."
        )
        known = calibrator.temperature_record
        if known is not None and known.expected_regret is not None:
            warnings[-1] += (
                " Not knowing it better costs new rows about "
                f"{digits_text(known.expected_regret, 2)} nats of log loss each."
            )
    if comparison.differences["after"].verdict("log_loss") == "worse":
        warnings.append(
            "the calibrated probabilities are worse than the model's own: do not use them."
            if calibrator.reads_probabilities
            else "the map's probabilities are worse than the base rate alone: do not use them."
        )
    return tuple(warnings)


def _not_pooled(rows: Rows, pooling: Comparison | None) -> tuple[str, ...]:
    if rows.layout.n_models == 1 or pooling is not None:
        return ()
    return ("a model has no best temperature of its own: ways of pooling were not compared.",)


def interval_warnings(calibrator: Calibrator, rows: Rows) -> tuple[str, ...]:
    """Return a warning if the interval of a temperature takes each row as a draw of its own."""
    if rows.clusters is None or calibrator.counts_clusters or interval_of(calibrator) is None:
        return ()
    method = calibrator.method
    return (f"the interval of T of {method} counts rows, not clusters: it is too narrow.",)


def infinite_losses(
    rows: Rows | BlockRows,
    evaluation: Evaluation,
    logits: NDArray[np.float64] | None = None,
    *,
    name: str | None = None,
) -> tuple[str, ...]:
    """Return a warning where true classes have probability 0, which names rows in memory.

    `logits` are the ones evaluated, and `name` whose, where these are not the rows' own.
    """
    count = evaluation.zero_probability_labels
    if not count:
        return ()
    which = rows.impossible_rows(logits)
    outcomes = evaluation.outcomes
    has = "has" if count == 1 else "have"
    text = f"{outcomes.rows(count)} {has} {outcomes.impossible}{which}"
    return (f"{name or rows.source}: {text}: the log loss is infinite.",)


def label_way_warnings(ways: Comparison | None) -> tuple[str, ...]:
    """Return what users should hear where a line per label, or no model at all, does better."""
    if ways is None:
        return ()
    own = ways.baseline
    losses = {name: number_text(each.log_loss.value) for name, each in ways.evaluations.items()}
    warnings = []
    if LINES in ways.differences and ways.differences[LINES].verdict("log_loss") == "better":
        warnings.append(
            f"{own} leaves a log loss of {losses[own]}; a slope and an intercept per label leave "
            f"{losses[LINES]}, for they can also move a label that is claimed too often or too "
            f'rarely: fit with `method="{LabelPlattScaling.method}"` '
            f'(--method {LabelPlattScaling.method}), or `method="auto"` (--method auto).'
        )
    if BASE_RATES in ways.differences:
        against = ways.differences[BASE_RATES]
        if against.verdict("log_loss") == "better":
            warnings.append(
                f"after {own} the log loss of {losses[own]} is worse than that of no model: "
                f"knowing only how often each label applies would cost {losses[BASE_RATES]}."
            )
    return tuple(warnings)


# Other ways, on the same rows.


class _Ways(NamedTuple):
    """What else is said of a fit, where its rows allow it; each by the name of its field."""

    pooling: Comparison | None = None
    label_ways: Comparison | None = None
    plan: Plan | None = None
    class_biases: ClassBiases | None = None


def _ways(
    rows: Rows,
    test: Rows | None,
    fitted: Fitted,
    after: NDArray[np.float64] | None,
    *,
    pool: Pool,
    planned: bool,
    seed: int,
) -> _Ways:
    """Compare with other ways; `after` are the calibrated logits of the rows measured."""
    calibrator = fitted.calibrator
    pooling = label_ways = biases = None
    if rows.layout.n_models > 1:
        with report_work("comparing ways of pooling"):
            pooling = compare_pooling(rows, test, after, pool=pool, seed=seed)
    if rows.outcomes.kind == "labels":
        with report_work("comparing ways"):
            label_ways = compare_label_ways(rows, test, after, method=calibrator.name, seed=seed)
    plan = (test or rows).label_plan(calibrator) if planned else None
    if planned or fitted.selection is None:
        with report_work("class biases"):
            biases = class_biases_of(rows, test, calibrator, fitted.selection, after, seed=seed)
    return _Ways(pooling, label_ways, plan, biases)


_MOST_CLASSES = 26  # letters; a picture of more says little


def class_biases_of(
    rows: Rows,
    test: Rows | None,
    calibrator: Calibrator,
    selection: Selection | None,
    after: NDArray[np.float64] | None,
    *,
    seed: int = 0,
) -> ClassBiases | None:
    """Return the biases where they were fitted, or tried; None elsewhere, or without an optimum.

    `after`: logits that the calibrator made of the measured rows, which it has not seen.
    """
    fitted = None if calibrator.parts.class_bias is None else calibrator
    candidates = set() if selection is None else {each.method for each in selection.tried}
    if not rows.layout.has_places or rows.n_classes > _MOST_CLASSES:
        return None
    if fitted is None and BiasCorrectedTemperatureScaling.method not in candidates:
        return None
    training, evaluation_rows = rows.training(), test or rows
    try:
        if fitted is None:
            fitted = BiasCorrectedTemperatureScaling.from_rows(training)
        if selection is not None:  # `after` is of the choice, made anew without each fold
            after = _scaled(BiasCorrectedTemperatureScaling, rows, test, seed=seed)
        prior = 0.0 if fitted.record is None else fitted.record.prior
        alone = _scaled(TemperatureScaling, rows, test, prior=prior, seed=seed)
    except NoOptimumError:
        return None
    assert after is not None  # noqa: S101  (of the fitted calibrator, or just made)
    sides = {
        UNBIASED: evaluation_rows.predictions(alone),
        BIASED: evaluation_rows.predictions(after),
    }
    return ClassBiases.of(fitted, training, sides)


def _scaled(
    method: type[TemperatureScaling | BiasCorrectedTemperatureScaling],
    rows: Rows,
    test: Rows | None,
    *,
    prior: float = 0.0,
    seed: int,
) -> NDArray[np.float64]:
    """Return the logits of test rows, or of all rows by fits without them."""
    training = rows.training(prior=prior)
    if test is not None:
        return test.scaled_by(method.from_rows(training))
    return out_of_fold_logits(training, method.from_rows, seed=seed)


def compare_pooling(
    rows: Rows,
    test: Rows | None,
    after: NDArray[np.float64] | None,
    *,
    pool: Pool,
    seed: int = 0,
) -> Comparison | None:
    """Compare the ensemble (`after`) with calibrating each member first, and with each member.

    On the test rows, or cross-fitted. None where a member has no temperature of its own.
    """
    evaluation_rows = test or rows
    assert after is not None  # noqa: S101  (of test rows, or out of fold)
    try:
        others = None if test is None else test.require_members()
        first = calibrated_first(rows.training(), others, pool=pool, seed=seed)
    except NoOptimumError:
        return None
    members = dict(zip(rows.layout.names, evaluation_rows.require_members(), strict=True))
    sides = pooling_sides(after, first, evaluation_rows.logits, members)
    predictions = {name: evaluation_rows.predictions(logits) for name, logits in sides.items()}
    return compare_rows(predictions, n_resamples=QUICK_RESAMPLES)


def compare_label_ways(
    rows: Rows, test: Rows | None, after: NDArray[np.float64] | None, *, method: str, seed: int = 0
) -> Comparison:
    """Compare the calibrated rows (`after`, the first) with a line per label and with base rates.

    On the test rows, or cross-fitted; rows are held out with all their labels.
    """
    assert after is not None  # noqa: S101  (of rows in memory)
    evaluation_rows, of_test = test or rows, None if test is None else test.training()
    sides = label_way_sides(rows.training(), of_test, after, method=method, seed=seed)
    predictions = {name: evaluation_rows.predictions(logits) for name, logits in sides.items()}
    return compare_rows(predictions, n_resamples=QUICK_RESAMPLES)


# The same on rows that are read block by block: a temperature, cross-fitted.


_FOLDS = 5


def calibrate_blocks(
    rows: BlockRows,
    test: Rows | BlockRows | None,
    *,
    prior: float,
    **settings: Unpack[MeasureSettings],
) -> Calibration:
    """Fit a temperature to rows that stay in their file, in a few readings, and measure it.

    Parameters
    ----------
    rows : BlockRows
        Rows of the fit (`large_rows`).
    test : Rows, BlockRows or None
        Other rows, that are measured; None: those of the fit, by fits without the fold of each.
    prior : float
        Pseudo-rows on T = 1, >= 0.
    **settings
        `n_bins`, `n_resamples`, `seed`, and perhaps `measures`, as in `evaluate`.

    Returns
    -------
    Calibration
        As of `calibrate`, without what needs rows in memory (plan, class biases).

    Raises
    ------
    InvalidInputError, NoOptimumError
        As `calibrate`; a file that cannot be read is a FileFormatError.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import numpy as np
    >>> from temperance.readers import read_blocks
    >>> from temperance.rows.blocks import BlockRows
    >>> rng = np.random.default_rng(0)
    >>> z = rng.normal(size=(2000, 3))
    >>> y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    >>> with TemporaryDirectory() as folder:
    ...     np.savez(Path(folder) / "rows.npz", logits=3 * z, labels=y)
    ...     file = read_blocks(Path(folder) / "rows.npz")
    ...     rows = BlockRows(file, next(iter(file)), ignore_label=None, on_cluster=False)
    ...     fit = calibrate_blocks(rows, None, prior=0.0, n_bins=15, n_resamples=200, seed=0)
    >>> round(fit.calibrator.temperature)
    3
    """
    calibrator, folds = fit_blocks(
        rows, prior=prior, n_folds=_FOLDS if test is None else 1, seed=settings["seed"]
    )
    if test is None:
        without = tuple(TemperatureScaling(temperature) for temperature in folds)
        out_of_fold = OutOfFold(without, settings["seed"])
        measurement = rows.measure_cross_fitted(out_of_fold, **settings)
        facts = measurement.facts
        comparison = _with_split(measurement.comparison, calibrator.temperature)
    else:
        with rows.digest() as digest:
            measurement = test.measure_after(calibrator, **settings)
            assert calibrator.record is not None  # noqa: S101  (a fit leaves one)
            facts = rows.facts(calibrator.record.n, sha256=digest())
        comparison = measurement.comparison
    return Calibration(
        calibrator=calibrator,
        comparison=comparison,
        evaluated_on="cross-fitted" if test is None else "test",
        rows=facts,
        test=None if test is None else measurement.facts,
        warnings=(
            *fit_warnings(calibrator, comparison),
            *infinite_losses(rows if test is None else test, comparison.evaluations["before"]),
            *(() if test is None else rows.warnings()),  # else they are among the measures'
            *measurement.warnings,
        ),
    )


def fit_blocks(
    rows: BlockRows, *, prior: float, n_folds: int, seed: int
) -> tuple[TemperatureScaling, tuple[float, ...]]:
    """Return the calibrator, and where there are folds the temperature without each."""
    name = rows.file.path.name
    with naming(rows.source), rows.progress("fitting on") as again:
        to_fit = rows.to_fit(
            n_folds=n_folds,
            seed=seed,
            on_reading=lambda number: again(f"fitting on {name}, reading {number}"),
        )
        calibrator = TemperatureScaling.of_rows(to_fit, prior=prior)
        folds = fold_temperatures(to_fit, prior=prior) if n_folds > 1 else ()
    floor = rows.rules.least.fixed
    if floor is not None and calibrator.record is not None:
        calibrator = replace(calibrator, record=replace(calibrator.record, floor=floor))
    return calibrator, folds


def _with_split(comparison: Comparison, temperature: float | None) -> Comparison:
    """Say what of the log loss a temperature removes: the sides differ by cross-fitted ones."""
    before, after = comparison.evaluations["before"], comparison.evaluations["after"]
    if temperature is None or before.zero_probability_labels:
        return comparison

    def split() -> RefinementSplit:
        gained = comparison.differences["after"].log_loss
        calibration = Estimate(-gained.value, -gained.high, -gained.low)
        return RefinementSplit(after.log_loss, calibration, temperature)

    missing = {name: why for name, why in before.left_out.items() if name != "refinement"}
    known = before.but(refinement=deferred(split), left_out=missing)
    return replace(comparison, evaluations={"before": known, "after": after})


def _without_parts(comparison: Comparison, measures: tuple[str, ...] | None) -> Comparison:
    """Return the same; where not all is wanted, no parts of the calibrated rows' log loss."""
    if measures is None:
        return comparison
    shown = tuple(name for name in measures if name not in {"refinement", "base_rates"})
    after = comparison.evaluations["after"].but(measures=shown)
    return replace(comparison, evaluations={**comparison.evaluations, "after": after})
