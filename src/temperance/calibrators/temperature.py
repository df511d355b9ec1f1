"""Temperature scaling: one positive number that softens or sharpens all logits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.blocks import StreamRows, calling
from temperance.calibrators.calibrator import Method, Traits, keep_predicted_class
from temperance.calibrators.operations import Divide, Smooth, Softmax
from temperance.calibrators.temperature_fit import count_clusters, temperature_record
from temperance.calibrators.training import Training, as_prior, source_of_rows
from temperance.checks import as_classes
from temperance.checks.arguments import as_flag, as_number, as_positive
from temperance.checks.labels import class_names
from temperance.kernels.engines import check_engine
from temperance.numerics import log_probs, softmax, tempered_softmax

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.blocks import LabelledRows
    from temperance.calibrators.operations import Operation
    from temperance.calibrators.record import TemperatureRecord
    from temperance.calibrators.training import Outputs
    from temperance.checks.labels import Positions
    from temperance.frozen import MaybeNone
    from temperance.readers.json_object import JsonObject

__all__ = ["TemperatureScaling"]

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
    centred = block - block.max(axis=1, keepdims=True)
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
