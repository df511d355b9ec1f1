"""Temperature scaling: one positive number that softens or sharpens all logits, and its fit."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import exp, expm1, inf, log1p, sqrt
from sys import float_info
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self, TypeVar

import numpy as np

from temperance.blocks import ArrayRows, StreamRows, calling, unreported
from temperance.calibrators.calibrator import Method, Traits, keep_predicted_class
from temperance.calibrators.operations import Divide, Smooth, Softmax
from temperance.calibrators.record import ScoreTest, TemperatureRecord
from temperance.calibrators.training import (
    Training,
    as_prior,
    cluster_slopes,
    score_test_of_clusters,
    source_of_rows,
)
from temperance.checks import as_classes
from temperance.checks.arguments import as_flag, as_number, as_positive
from temperance.checks.contradictions import one_based_labels
from temperance.checks.labels import class_names
from temperance.checks.scores import refuse_tiny
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.engines import check_engine
from temperance.kernels.loss import ORDER
from temperance.numerics import centred_rows, log_probs, softmax, tempered_softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.blocks import FoldedRows, LabelledRows
    from temperance.calibrators.operations import Operation
    from temperance.calibrators.training import Outputs
    from temperance.checks.labels import Positions
    from temperance.frozen import MaybeNone
    from temperance.kernels.loss import ExistenceSums, LossPass, LossSeries, LossSums
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = [
    "ROUGH",
    "Closeness",
    "Minimum",
    "TemperatureScaling",
    "count_clusters",
    "fold_temperatures",
    "minimise",
    "nearby_minimum",
    "refuse_constant_logits",
    "temperature_record",
]

_SINGLE_RANGE = 1e-30, 1e30  # temperatures whose inverse is a normal number in single precision


@dataclass(frozen=True, slots=True, eq=False)
class TemperatureScaling(Method):
    r"""Probabilities softmax(logits / temperature), one temperature for all classes.

    Parameters
    ----------
    temperature : float
        T > 0, without unit. T > 1 softens (the model was over-confident), T < 1 sharpens.
        The predicted class and the order of classes within a row never change.
    smoothing : float, default 0.0
        Share in [0, 1) of the uniform distribution over a row's options in its probabilities: no
        option that exists falls below smoothing / k, so no label can cost more than the logarithm
        of k / smoothing.
    n_classes : int, optional
        Number of columns that `apply` accepts; None accepts any.
    classes : tuple of str, optional
        Names of the columns.
    record : TemperatureRecord, optional
        How the temperature was found; None if it was typed in.

    Raises
    ------
    InvalidInputError
        `temperature` is not a finite number above 0, `smoothing` not in [0, 1).

    Notes
    -----
    `fit` minimises the mean log loss, which is convex in :math:`\beta = 1/T`, by safeguarded
    steps on sums over blocks of rows. It starts where a sample of the rows has its minimum, so that
    large data are read two or three times; the last reading certifies how far the minimum can be
    (`record.error_bound`). A finite minimum exists if and only if some label is not its row's
    largest logit, and the labels' mean logit lies above the mean of the row means.

    References
    ----------
    Guo et al. (2017), On Calibration of Modern Neural Networks, Section 4.2,
    https://arxiv.org/abs/1706.04599; smoothing: Berta, Bach and Jordan (2025), Rethinking Early
    Stopping: Refine, Then Calibrate, https://arxiv.org/abs/2501.19195

    Examples
    --------
    Log-odds of 2 for class 0, which is right in 2 rows of 3: they must become log 2.

    >>> scaling = TemperatureScaling.fit([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]], [0, 1, 1])
    >>> round(scaling.temperature, 4)
    2.8854
    >>> scaling.apply([[2.0, 0.0]]).round(4)
    array([[0.6667, 0.3333]])
    """

    method: ClassVar[str] = "temperature"
    counts_clusters: ClassVar[bool] = True

    traits: ClassVar[Traits] = Traits(
        type="parametric",
        summary="logits / T",
        parameters="1",
        learned=(1,),
        labels="50",
        cost="n k, 2 to 5 passes",
        keeps_class=True,
        keeps_order=True,
        keeps_ranking="if k = 2",
        classes="any, natively",
        risk="very low",
        source="Guo et al. 2017",
        prior=True,
        any_width=True,
    )

    temperature: float
    smoothing: float = field(default=0.0, kw_only=True)
    record: TemperatureRecord | MaybeNone = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        temperature = as_positive(self.temperature, name="temperature")
        object.__setattr__(self, "temperature", temperature)
        smoothing = as_number(
            self.smoothing, name="smoothing", rule="a number in [0, 1)", least=0.0, below=1.0
        )
        object.__setattr__(self, "smoothing", smoothing)
        self.require_width()

    @classmethod
    def fit(  # noqa: PLR0913  (each is something that only the user knows)
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        weights: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        prior: float = 0.0,
        smooth: bool = False,
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
        engine: str = "auto",
    ) -> Self:
        r"""Return the temperature that minimises the mean log loss.

        Parameters
        ----------
        logits : array_like, shape (n, k), (n,) or (..., k)
            Raw scores, natural-log scale, any offset per row; float16, bfloat16, float32 or
            float64. -inf marks an option that does not exist in its row. Shape (n,) is the
            log-odds of class 1, read as (0, z). The columns of a data frame (pandas, polars,
            pyarrow) are the classes by name. For probabilities pass
            `logits_from_probs(probs)`. A torch tensor stays on its device; of a Dask array, cut
            along its first axis, workers send sums.
        labels : array_like, shape (n,), or that of `logits` without the class axis
            True classes: integers in 0..k-1 (whole floats count), or names in `classes`.
        weights : array_like, shape (n,), optional
            Finite, >= 0, on any scale: only their ratios matter. Where rows are counted (priors,
            smoothing, penalties) they are worth (sum w)^2 / sum w^2 rows, n where all are equal.
            Numbers of equal rows are no weights: repeat the rows, `np.repeat(logits, counts,
            axis=0)` and `np.repeat(labels, counts)`.
        clusters : array_like, shape (n,), optional
            Names of what rows belong to (a patient, an image; of dense outputs one per image, or
            one per label). They do not change T; its interval and its test count them, not rows.
        prior : float, default 0.0
            Strength >= 0, in pseudo-rows, of a prior on T = 1: adds
            :math:`\lambda (\beta - 1 - \log \beta) / W` to the mean loss, which gives one
            finite temperature on any data.
        smooth : bool, default False
            Mix 1 part in W + 1 of the uniform distribution into the probabilities ("Laplace
            smoothing"): an extra safety for some ten rows, where T itself may be far off.
        classes : sequence of k names, optional
            Names of the columns; those of a data frame are matched to them.
        class_axis : int, default -1
            Which axis of `logits` holds the classes: 1 is PyTorch's of dense outputs,
            (n, k, height, width).
        ignore_label : int, optional
            Rows (pixels, tokens) of this label are left out; often 255 or -100.
        refuse_probs : bool, default True
            Raise if all values lie in [0, 1] and rows sum to 1, as probabilities do. False
            takes them for logits all the same.
        engine : {"auto", "numpy", "numba", "torch"}, default "auto"
            What computes the sums. "auto" takes torch for tensors on another device, where they
            stay, and for bfloat16 ones. Of arrays, and of other tensors, whose memory it shares, it
            takes numba where it is loaded already, or installed and worth its second of loading
            (from 134 million numbers on), else NumPy. All engines use every processor and give the
            same T, to 1e-9 (float64) or 1e-6 (float32 and less).

        Returns
        -------
        TemperatureScaling
            A fitted calibrator with its `record`. There is no unfitted state.

        Raises
        ------
        InvalidInputError
            Wrong shape or dtype, nan or +inf, a row all -inf, a label that is out of range or
            masked, columns of other names than `classes`, labels or weights of another pandas
            index, weights that are negative or all zero, logits that are probabilities, a row
            without a cluster.
        NoOptimumError
            No finite temperature exists; `reason` is `"no-rows"`, `"constant-logits"`,
            `"separable"` (T = 0) or `"worse-than-chance"` (T infinite).
        """
        strength = as_prior(prior)
        rows = source_of_rows(
            logits, labels, weights=weights, clusters=clusters, classes=classes,
            class_axis=class_axis, ignore_label=ignore_label, refuse_probs=refuse_probs,
            engine=engine,
        )  # fmt: skip
        fitted = cls.of_rows(rows, prior=strength, smooth=smooth)
        if clusters is None or fitted.record is None:
            return fitted
        assert isinstance(rows, Training)  # noqa: S101  (clusters are counted in memory alone)
        return replace(fitted, record=count_clusters(fitted.record, rows))

    @classmethod
    def from_rows(cls, rows: Training) -> Self:
        """Return the temperature of rows that have been checked, in memory (see `fit`)."""
        fitted = cls.of_rows(rows, prior=rows.prior)
        assert fitted.record is not None  # noqa: S101  (a fit leaves one)
        if rows.clusters is None:
            return fitted
        return replace(fitted, record=count_clusters(fitted.record, rows))

    @classmethod
    def fit_blocks(
        cls,
        blocks: Iterable[Any] | Callable[[], Iterable[Any]],
        *,
        prior: float = 0.0,
        smooth: bool = False,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
        refuse_probs: bool = True,
        engine: str = "auto",
        progress: Callable[[int], object] | None = None,
    ) -> Self:
        """Return the temperature of rows that come in blocks, for data larger than the memory.

        Parameters
        ----------
        blocks : iterable, or function that returns one
            Gives (logits, labels) or (logits, labels, weights), each as in `fit`, a block at a
            time: a list, a data loader, a function that opens files, or what
            `temperance.readers.read_blocks(path)` returns. Every reading (three, seldom
            more) must give the same rows. A generator can be read only once: pass the
            function that makes it.
        prior, smooth, classes, ignore_label, refuse_probs, engine
            As in `fit`.
        progress : callable, optional
            Called as `progress(rows)` after each block, with the number of rows read so far: all of
            them once per reading.

        Returns
        -------
        TemperatureScaling
            As from `fit` on all rows at once. In memory are a few blocks, and a sample of at most
            8 million numbers.

        Raises
        ------
        InvalidInputError
            As in `fit`, with the number of the block; blocks of other widths, or other rows when
            read again.
        NoOptimumError
            As in `fit`.

        Examples
        --------
        >>> halves = [([[2.0, 0.0]], [0]), ([[2.0, 0.0], [0.0, 2.0]], [1, 1])]
        >>> round(TemperatureScaling.fit_blocks(halves).temperature, 4)
        2.8854
        """
        strength = as_prior(prior)
        names = None if classes is None else class_names(classes)
        as_flag(refuse_probs, name="refuse_probs")
        rows = StreamRows(
            blocks, names, check_engine(engine), refuse_probs, ignore_label=ignore_label
        )
        with calling(progress):
            return cls.of_rows(rows, prior=strength, smooth=smooth)

    @classmethod
    def of_rows(cls, rows: LabelledRows, *, prior: float = 0.0, smooth: bool = False) -> Self:
        """Return the temperature of rows that have been checked, wherever they lie (see `fit`)."""
        record = temperature_record(rows, prior=prior)
        smoothing = 1.0 / (record.weight + 1.0) if as_flag(smooth, name="smooth") else 0.0
        return cls(
            record.temperature, smoothing=smoothing, n_classes=rows.k,
            classes=as_classes(rows.classes, k=rows.k), record=record,
        )  # fmt: skip

    def with_smoothing(self) -> Self:
        """Return the same temperature, smoothed as `fit(smooth=True)` does."""
        assert self.record is not None  # noqa: S101  (of a fit)
        return replace(self, smoothing=1.0 / (self.record.weight + 1.0))

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of checked logits."""
        if self.smoothing == 0.0:
            with np.errstate(over="ignore"):
                return np.asarray(block / self.temperature)
        return log_probs(_smoothed(block, self.temperature, self.smoothing))

    def block_probs(
        self,
        block: NDArray[np.float64],
        groups: NDArray[np.str_] | None = None,  # noqa: ARG002  (there are none)
    ) -> NDArray[np.float64]:
        """Return the calibrated probabilities of a block of checked logits."""
        probs = _smoothed(block, self.temperature, self.smoothing)
        keep_predicted_class(probs, block.argmax(axis=1))
        return probs

    def fill_probs(self, probs: NDArray[Any], outputs: Outputs, rows: slice) -> None:
        """Write the calibrated probabilities of some rows, in their precision where it is that."""
        block, low, high = outputs.scores[0][rows], *_SINGLE_RANGE
        if self.smoothing or block.dtype != probs.dtype or not low <= self.temperature <= high:
            Method.fill_probs(self, probs, outputs, rows)
        elif not tempered_softmax(block, self.temperature, probs):
            keep_predicted_class(probs, block.argmax(axis=1))

    def parameters(self) -> dict[str, Any]:
        """Return the temperature, and the smoothing if there is any."""
        own = {"temperature": self.temperature}
        return {**own, "smoothing": self.smoothing} if self.smoothing else own

    def operations(self) -> tuple[Operation, ...]:
        """Return a division, the uniform share where there is one, and the softmax."""
        smooth = (Smooth(self.smoothing),) if self.smoothing else ()
        return (Divide((self.temperature,)), *smooth, Softmax())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        smoothing = parameters.number("smoothing") if parameters.has("smoothing") else 0.0
        return cls(parameters.number("temperature"), smoothing=smoothing, **common)

    def facts(self) -> list[tuple[str, str]]:
        """Return the smoothing, if there is any."""
        return [("smoothing", f"{self.smoothing:.2g}")] if self.smoothing else []


def _smoothed(
    block: NDArray[np.float64], temperature: float, smoothing: float
) -> NDArray[np.float64]:
    """softmax(block / temperature), mixed with the uniform distribution over each row's options."""
    centred = centred_rows(block)
    with np.errstate(over="ignore"):
        centred /= temperature
    probs = softmax(centred)
    if smoothing > 0.0:
        probs *= 1.0 - smoothing
        if np.isfinite(centred.sum()):
            probs += smoothing / block.shape[1]
        else:
            exists = ~np.isneginf(block)
            probs += smoothing * exists / exists.sum(axis=1, keepdims=True)
    return probs


# Whether one finite temperature minimises the log loss, told from two sums before any step.


_PRIOR_HINT = "`prior=1.0` (--prior 1) gives a finite answer on any data."
_CONSTANT = (
    "No temperature is better than another: in every row all logits are equal. "
    "Check that these are the model's outputs."
)
_ROUNDING = 1e-12  # a slope below this, relative to the spread of the logits, is zero


def require_optimum(sums: ExistenceSums) -> None:
    """Raise `NoOptimumError` unless one finite positive temperature minimises the loss."""
    if sums.spread == 0.0:
        raise NoOptimumError(_CONSTANT, reason="constant-logits")
    if sums.gap_to_largest == 0.0:
        msg = (
            "No finite temperature: every label has its row's largest logit, so the smaller T, "
            f"the better (separable data; best T = 0). More rows with errors would settle it; "
            f"{_PRIOR_HINT}"
        )
        raise NoOptimumError(msg, reason="separable")
    if sums.gap_to_mean >= -_ROUNDING * sums.spread:
        msg = (
            "No finite temperature: the labels are no better than chance under these logits, so "
            "the larger T, the better. Are rows and labels in the same order, and do the columns "
            f"match the labels? {_PRIOR_HINT}"
        )
        raise NoOptimumError(msg, reason="worse-than-chance")


def _require_optimum_of(rows: LabelledRows) -> None:
    """Raise `NoOptimumError` as `require_optimum` does; of labels that seem to count from 1, so."""
    try:
        require_optimum(rows.existence_sums())
    except NoOptimumError as error:
        note = None
        if error.reason == "worse-than-chance" and isinstance(rows, ArrayRows):
            note = one_based_labels(rows.logits, rows.labels, rows.classes)
        if note is None:
            raise
        msg = f"No finite temperature: the labels are no better than chance, and {note}"
        raise NoOptimumError(msg, reason=error.reason) from error


def refuse_constant_logits(rows: Training) -> None:
    """Raise `NoOptimumError` if no logit differs from the others of its row."""
    if rows.existence_sums().spread == 0.0:
        raise NoOptimumError(_CONSTANT, reason="constant-logits")


# How sure a temperature is where rows belong together: errors that count clusters.


R = TypeVar("R", bound="TemperatureRecord")
_NOTHING_LEFT = 1e-12  # share of the curvature that is rounding


def count_clusters(record: R, rows: Training) -> R:
    r"""Return the record with errors that count the rows' clusters, each a draw of its own.

    The sandwich formula (Liang and Zeger 1986): slopes of the loss are added up within a cluster
    before they are squared; so they are in the score test. Where clusters have several rows, the
    interval takes Student's t of G - 1 degrees of freedom, with G = (sum w)^2 / sum w^2 their
    effective number, and each cluster's slope stands for the one that it would have about the
    temperature of the *other* clusters.

    Notes
    -----
    With :math:`S_g` and :math:`V_g` the slope and the curvature in beta of cluster g, the squared
    error of beta is :math:`\sum_g (S_g / (1 - V_g / V))^2 / V^2`: to first order,
    :math:`S_g / (V - V_g)` is how far beta moves when g is left out (the jackknife; "CR3"). For
    equal clusters it is G / (G - 1) times the plain error. The fit bends towards each cluster,
    and the slopes of few clusters are skewed: the factor sqrt(G / (G - 1)) held the truth in .92
    of samples of 8 clusters where this holds it in .93 to .95.

    References
    ----------
    Bell and McCaffrey (2002), Bias Reduction in Standard Errors for Linear Regression with
    Multi-Stage Samples, Survey Methodology 28, 169-181
    """
    weights, clusters = rows.weights, rows.clusters
    if clusters is None:
        return record
    beta = 1.0 / record.temperature
    slopes, curvatures = cluster_slopes(rows.logits, rows.labels, weights, clusters, beta=beta)
    likelihood = float(curvatures.sum())
    curvature = likelihood + record.prior / beta**2
    degrees = _degrees_of_freedom(weights, clusters)
    error = inf
    if degrees is None:
        error = sqrt(float(slopes @ slopes)) / curvature
    elif degrees > 0.0:
        error = _error_between(slopes, curvatures, curvature)
    if record.prior > 0.0:
        error = max(error, 1.0 / sqrt(curvature))
    return replace(
        record,
        standard_error=record.temperature**2 * error,
        expected_regret=0.5 * error**2 * likelihood / record.weight if error < inf else None,
        score_test=score_test_of_clusters(rows.logits, rows.labels, weights, clusters),
        degrees_of_freedom=degrees,
    )


def _error_between(slopes: Array, curvatures: Array, curvature: float) -> float:
    """Return the standard error of beta by the jackknife; infinite if one cluster is all."""
    remainder = 1.0 - curvatures / curvature  # what the others know
    if float(remainder.min()) <= _NOTHING_LEFT:
        return inf
    influence = slopes / remainder
    return sqrt(float(influence @ influence)) / curvature


def _degrees_of_freedom(weights: Array | None, clusters: NDArray[np.intp]) -> float | None:
    """Return the effective number of clusters less 1; None where each has but one row."""
    m = int(clusters.max()) + 1
    if m == len(clusters):
        return None
    of_cluster = np.bincount(clusters, weights, m)
    return float(of_cluster.sum() ** 2 / (of_cluster @ of_cluster)) - 1.0


# The fit of one temperature on labelled rows, wherever they lie.


_EXTREME = (
    "`logits` are so small, or so large, that no temperature from 1e-100 to 1e100 is the best: "
    "multiply all of them by one number first, so that they differ by about 1."
)


def temperature_record(rows: LabelledRows, *, prior: float = 0.0) -> TemperatureRecord:
    """Return the temperature that minimises the log loss, with its record.

    The search starts where a sample of the rows has its minimum, so that all rows are read two or
    three times.
    """
    minimum = _minimum(rows, prior=prior, start=_start(rows, prior=prior))
    return _record_of(minimum, prior=prior, readings=rows.sample_readings)


def _record_of(minimum: Minimum, *, prior: float, readings: int) -> TemperatureRecord:
    """Return the record of a minimum; `readings` of all rows came before the search."""
    start, end, beta = minimum.start, minimum.end, minimum.beta
    temperature = 1.0 / beta
    curvature = end.curvature + prior / beta**2
    error = sqrt(end.squared_slope) / curvature  # of beta: the sandwich
    if prior > 0.0:  # on the few rows that need a prior the sandwich is too narrow
        error = max(error, 1.0 / sqrt(curvature))
    return TemperatureRecord(
        temperature=temperature,
        n=minimum.n,
        weight=end.weight,
        log_loss_before=start.loss / start.weight,
        log_loss_after=end.loss / end.weight,
        standard_error=temperature**2 * error,
        expected_regret=0.5 * error**2 * end.curvature / end.weight,
        score_test=ScoreTest.from_sums(start),
        passes=minimum.readings + readings,
        prior=prior,
        error_bound=max(minimum.distance, float_info.epsilon) if minimum.distance < inf else None,
    )


def _start(rows: LabelledRows, *, prior: float) -> float:
    """Return the minimum of a sample; 1 where there is no sample, or no minimum on it."""
    sample = rows.sample()
    if sample is None:
        return 1.0
    try:
        with unreported():  # these rows are among those that are read
            start = _start(sample, prior=prior)
            return _minimum(sample, prior=prior, start=start, closeness=ROUGH).beta
    except NoOptimumError:
        return 1.0
    except InvalidInputError:  # which row of all rows is it?
        rows.refuse_bad_values()
        raise


def _minimum(
    rows: LabelledRows, *, prior: float, start: float, closeness: Closeness | None = None
) -> Minimum:
    def read(betas: tuple[float, ...]) -> LossPass:
        try:
            sums = rows.loss_pass(betas)
        except (OverflowError, ZeroDivisionError) as error:  # powers of a temperature
            rows.refuse_bad_values()
            raise InvalidInputError(_EXTREME) from error
        if not sums.finite:
            rows.refuse_bad_values()
            msg = "`logits` differ so much within a row that their log loss overflows."
            raise InvalidInputError(msg)
        refuse_tiny(sums.widest)
        return sums

    return minimise(
        read,
        require_existence=lambda: _require_optimum_of(rows),
        prior=prior,
        start=start,
        closeness=closeness,
    )


# Cross-fitted temperatures of rows that come block by block, from the sums of the fit itself.


_CLOSE = 1e-8  # relative distance from the minimum of a fold's other rows


def fold_temperatures(rows: FoldedRows, *, prior: float) -> tuple[float, ...]:
    """Return for each fold the temperature of all rows but the fold's.

    The last reading of the fit left sums of each fold near the minimum of all rows, from which
    that of most of them is a certified step away: many rows need no further reading. Where the
    step is too far, the rows are read again.

    Raises
    ------
    NoOptimumError
        The other rows of a fold have no finite temperature, or there are none.
    """
    last = rows.last
    assert last is not None  # noqa: S101  (after a fit)
    temperatures = []
    for fold in range(rows.n_folds):
        others = last.without(fold)
        if others is None:
            raise NoOptimumError(_few("there are no others."), reason="no-rows")
        beta, distance = nearby_minimum(others, beta=last.betas[-1], prior=prior)
        if not distance <= _CLOSE:
            beta = _searched(rows, fold, prior=prior, start=last.betas[-1])
        temperatures.append(1.0 / beta)
    return tuple(temperatures)


def _searched(rows: FoldedRows, fold: int, *, prior: float, start: float) -> float:
    def read(betas: tuple[float, ...]) -> LossPass:
        rows.loss_pass(betas)
        assert rows.last is not None  # noqa: S101  (it has just been read)
        others = rows.last.without(fold)
        assert others is not None  # noqa: S101  (nor was it before)
        return others

    def refuse() -> None:
        raise NoOptimumError(
            _few("without them there is no finite temperature."), reason="separable"
        )

    return minimise(read, require_existence=refuse, prior=prior, start=start).beta


def _few(what: str) -> str:
    return (
        f"Cross-fitting leaves a fifth of the rows out at a time: {what} "
        "Score other rows: --test FILE."
    )


# The search: minimise the convex loss in the inverse temperature: few readings, a certified end.


_FURTHEST = 3.0  # change of log b in a step far from the minimum: a factor of 20
_STEPS = 8  # of Newton on a polynomial
_SLIGHT = 1e-13  # a step, relative to b, that is rounding
_FAR = 0.3  # a step, relative to b, over which the bound of a prior's derivatives holds
_LOW = 0.01  # this far below its start the search asks first whether a minimum exists


class Closeness(NamedTuple):
    """Where a search ends, relative to b."""

    distance: float  # no further from the minimum, as the last reading certifies
    last_step: float  # sums are carried over it by their derivatives


ROUGH = Closeness(inf, 0.05)  # on a sample: what is left is far below the sample's own error
_DOUBLE = Closeness(1e-10, 2e-5)
_SINGLE = Closeness(1e-7, 1e-3)  # six digits are promised; the logits have seven


@dataclass(frozen=True, slots=True)
class Minimum:
    """Where the loss is smallest, and what was seen on the way there."""

    beta: float  # inverse temperature at the minimum
    distance: float  # no further is the exact minimum, relative to `beta`, but for rounding
    n: int  # rows
    start: LossSums  # sums at beta = 1; of a rough search, where it started
    end: LossSums  # sums at `beta`
    readings: int  # of all rows


def minimise(
    read: Callable[[tuple[float, ...]], LossPass],
    *,
    require_existence: Callable[[], None],
    prior: float = 0.0,
    start: float = 1.0,
    closeness: Closeness | None = None,
) -> Minimum:
    r"""Return the minimum over b > 0 of :math:`W L(b) + \lambda (b - 1 - \log b)`.

    `read(betas)` reads all rows once; `require_existence()` raises where there is no minimum, and
    is called only if the search runs towards 0 or infinity. Steps are of third order and stay
    inside the bracket of opposite slopes. The search ends at a small step whose end is certified to
    be as close to the minimum as asked: within 1e-10 of it, and where all logits are of single
    precision or less within 1e-7, at a step of 2e-5 or 1e-3 of b. Where the first reading brings
    derivatives of high order, it ends at their minimum if that is certified to be as close, and
    what is reported there is the series of each sum.

    Notes
    -----
    A row's derivatives in b are cumulants of its logits, so with R the widest row
    :math:`|L'''| \le R L''` and :math:`|L''''| \le R^2 L''`. The minimum therefore lies within
    :math:`D = -\log(1 - R |L'| / L'') / R` of any b, and after a step d the slope is that of the
    third-order expansion up to :math:`R^2 L'' e^{R |d|} |d|^3 / 6`. What longer series leave out is
    bounded by `LossSeries.curvature_error`.
    """
    exists = prior > 0.0
    first = read((start,) if closeness is ROUGH or start == 1.0 else (1.0, start))
    if first.gap_to_largest == 0.0 and not exists:
        require_existence()
    low, high, beta, step, readings = 0.0, inf, start, inf, 1
    sums = first.at[-1]
    close = closeness or (_SINGLE if first.single else _DOUBLE)
    if first.series is not None:
        step, distance = _step_by_series(first, first.series, start, prior)
        if distance <= close.distance:
            end = first.series.after(step, weight=sums.weight, beta=start)
            return Minimum(start * (1.0 + step), distance, first.n, first.at[0], end, readings)
        step = inf
    while True:
        here = _Local.of(sums, beta, prior, first.widest)
        before, step = step, here.step()
        distance = here.distance_after(step)
        settled = distance <= close.distance
        if abs(step) <= close.last_step * beta and (settled or abs(step) >= 0.5 * abs(before)):
            break  # or rounding keeps the steps from shrinking
        low, high = (beta, high) if here.slope < 0.0 else (low, beta)
        proposed = _inside(beta + step, low, high)
        if proposed <= _LOW * start and low == 0.0 and not exists:
            require_existence()
            exists = True
        beta = proposed
        sums = read((beta,)).at[0]
        readings += 1
    return Minimum(beta + step, distance, first.n, first.at[0], sums.moved(step), readings)


def nearby_minimum(sums: LossPass, *, beta: float, prior: float) -> tuple[float, float]:
    """Return the minimum that sums at a `beta` close to it point to, and its distance at most.

    The distance is relative to the minimum, and infinite where the sums cannot tell.
    """
    if sums.series is not None:
        step, distance = _step_by_series(sums, sums.series, beta, prior)
        return beta * (1.0 + step), distance
    here = _Local.of(sums.at[-1], beta, prior, sums.widest)
    step = here.step()
    return beta + step, here.distance_after(step)


@dataclass(frozen=True, slots=True)
class _Local:
    """Derivatives of the loss with its prior at one b, and how fast they can change."""

    beta: float
    slope: float
    curvature: float
    third: float
    rate: float  # R: bounds |L'''| / L'' and the root of |L''''| / L''

    @classmethod
    def of(cls, sums: LossSums, beta: float, prior: float, widest: float) -> _Local:
        return cls(
            beta,
            sums.slope + prior * (1.0 - 1.0 / beta),
            sums.curvature + prior / beta**2,
            sums.third - 2.0 * prior / beta**3,
            max(widest, 3.0 / beta) if prior > 0.0 else widest,
        )

    def step(self) -> float:
        """Return Newton's step, corrected by the third derivative.

        Where that says much, the step is Newton's in :math:`b^p`, with the p for which the slope is
        straight to second order: 1 + b L''' / L''. For models that are far too sure it is about -1:
        their slope is about straight in T = 1 / b.
        """
        if self.curvature <= 0.0:
            return inf if self.slope < 0.0 else -inf
        newton = -self.slope / self.curvature
        bend = 0.5 * self.third * newton / self.curvature
        if abs(bend) < 0.5:
            return newton / (1.0 + bend)
        power, relative = 1.0 + self.beta * self.third / self.curvature, newton / self.beta
        if power * relative <= -1.0:
            return newton
        in_logarithm = log1p(power * relative) / power if power else relative
        return self.beta * expm1(min(max(in_logarithm, -_FURTHEST), _FURTHEST))

    def distance_after(self, step: float) -> float:
        """Return a bound of the distance to the minimum after a step, relative to b."""
        reach = self.rate * abs(self.slope) / self.curvature if self.curvature > 0.0 else inf
        if not (reach < 0.9 and self.rate * abs(step) < 1.0 and self.beta + step > 0.0):
            return inf
        if self.rate == 0.0:
            return 0.0
        furthest = max(-log1p(-reach) / self.rate, abs(step))
        slope = abs(self.slope + step * (self.curvature + 0.5 * step * self.third))
        rest = (
            self.curvature * exp(self.rate * abs(step)) * (self.rate * step) ** 2 * abs(step) / 6.0
        )
        flattest = self.curvature * exp(-self.rate * furthest)
        return (slope + rest) / flattest / (self.beta + step)


def _step_by_series(
    sums: LossPass, series: LossSeries, beta: float, prior: float
) -> tuple[float, float]:
    """Return the step to the minimum by derivatives of high order, and the distance left at most.

    Both are relative to b, the first to that of the series; the distance is infinite where the
    step is too long for them.
    """
    here = _Local.of(sums.at[-1], beta, prior, sums.widest)
    step = here.step() / beta
    for _ in range(_STEPS):
        if not abs(step) <= _FAR:
            return step, inf
        slope = series.slope(step) + prior * (beta - 1.0 / (1.0 + step))
        curvature = series.curvature(step) + prior / (1.0 + step) ** 2
        if not curvature > 0.0:
            return step, inf
        step -= slope / curvature
        if abs(slope) <= _SLIGHT * curvature:
            break
    missing = series.curvature_error(step, widest=beta * sums.widest)
    slope = series.slope(step) + prior * (beta - 1.0 / (1.0 + step))
    furthest = abs(slope) + missing * abs(step) / ORDER
    flattest = series.curvature(step) + prior / (1.0 + step) ** 2 - missing
    reach = beta * here.rate * furthest / flattest if flattest > 0.0 else inf
    if not reach < 1.0 or not abs(step) <= _FAR:
        return step, inf
    return step, -log1p(-reach) / (beta * here.rate) / (1.0 + step)


def _inside(target: float, low: float, high: float) -> float:
    """Return the target where it lies inside (low, high), else a point that surely does."""
    if low < target < high and target < inf:
        return target if low == 0.0 or target <= 1e3 * low else 1e3 * low
    if high == inf:
        return 2.0 * low
    return sqrt(low * high) if low > 0.0 else high / 4.0
