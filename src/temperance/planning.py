"""How many labels would show an error of calibration, from sums over unlabelled rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil, inf, log, sqrt
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from temperance.binning import MOST_BINS, assign
from temperance.blocks import map_rows
from temperance.checks import as_logits, as_weights
from temperance.checks import refuse_probs as refuse_probs_as_logits
from temperance.checks.arguments import (
    as_count,
    as_flag,
    as_number,
    as_positive,
    as_seed,
    require_type,
)
from temperance.checks.forms import named_scores
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen
from temperance.numerics import as_float64, centred_rows, normal_quantile, softmax
from temperance.show import percent_text
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Plan", "check_options", "plan"]

# Numbers of labels from sums over unlabelled rows: an integer, or in words why there is none.


# What one block of unlabelled rows contributes to a plan.


@dataclass(frozen=True, slots=True, eq=False)
class PlanSums(MergeableSums):
    """Sums over rows: p = softmax(z), q = softmax(z / T), m = E_p[z] - E_q[z], w = weight."""

    rows: int  # of weight above 0
    spread: float  # sum w (max z - min z) over options that exist
    weight: float  # sum w
    squared_weight: float  # sum w^2
    variance: float  # sum w Var_p[z]
    noise: float  # sum w^2 Var_p[z]: variance of the score if p is the truth
    slope: float  # sum w m: mean of the score if q is the truth
    squared_slope: float  # sum w^2 (Var_q[z] + m^2)
    cell_weight: NDArray[np.float64]  # sum w of the rows of each cell of confidence
    cell_confidence: NDArray[np.float64]  # sum w max p


def plan_sums(
    logits: NDArray[Any], weights: NDArray[np.float64] | None, *, temperature: float, n_cells: int
) -> PlanSums:
    """Return the sums of one block of rows."""
    z = as_float64(logits)
    z = centred_rows(z)
    with np.errstate(over="ignore"):
        q = softmax(z / temperature)
    p = softmax(z)
    z = np.where(np.isneginf(z), 0.0, z)  # 0 * -inf is 0 here: a masked option has p = q = 0
    w = np.ones(len(z)) if weights is None else weights
    slope = ((p - q) * z).sum(axis=1)
    variance, true_variance = (
        np.maximum((r * z * z).sum(axis=1) - (r * z).sum(axis=1) ** 2, 0.0) for r in (p, q)
    )
    confidence = p.max(axis=1)
    cells = assign(confidence, np.arange(n_cells + 1) / n_cells)
    return PlanSums(
        rows=int(np.count_nonzero(w)),
        spread=float(w @ -z.min(axis=1)),
        weight=float(w.sum()),
        squared_weight=float(w @ w),
        variance=float(w @ variance),
        noise=float((w * w) @ variance),
        slope=float(w @ slope),
        squared_slope=float((w * w) @ (true_variance + slope * slope)),
        cell_weight=np.bincount(cells, w, minlength=n_cells).astype(np.float64),
        cell_confidence=np.bincount(cells, w * confidence, minlength=n_cells).astype(np.float64),
    )


# Numbers of labels from sums over rows: an integer, or in words why there is none.


_LEVEL = 0.95
_MOST = 10**12  # labels: beyond this the answer is "no number"
_DRAWS = 4000  # simulated samples per number of labels tried
_BLOCK = 1 << 18  # cells times samples simulated at once
_CLOSE = 1.01  # where the search ends: closer than the simulation's own error


@runtime_checkable
class PilotFit(Protocol):
    """What `plan` reads from a first fit; `FitRecord`, a calibrator's `record`, has it."""

    @property
    def n(self) -> int:
        """Rows of the fit."""

    @property
    def temperature(self) -> float:
        """The fitted temperature."""

    @property
    def standard_error(self) -> float:
        """Of the temperature."""


def labels_for_temperature(sums: PlanSums, power: float) -> int | str:
    """Labels with which the score test of T = 1 rejects as often as `power` says."""
    mean = abs(sums.slope) / sums.rows
    null = sqrt(sums.noise / sums.rows)
    alternative = sqrt(max(sums.squared_slope / sums.rows - mean * mean, 0.0))
    quantile = normal_quantile(2.0 * power - 1.0)  # below 0 for a power below one half
    return _square(max(normal_quantile(_LEVEL) * null + quantile * alternative, 0.0), mean)


def labels_for_precision(sums: PlanSums, precision: float, pilot: PilotFit | None) -> int | str:
    """Labels with which the 95 % interval of log T is +-log(1 + precision)."""
    width = log(1.0 + precision) / normal_quantile(_LEVEL)
    if pilot is not None:
        return _square(pilot.standard_error * sqrt(pilot.n), pilot.temperature * width)
    return _square(sqrt(sums.noise * sums.rows), sums.variance * width)


def labels_for_ece(
    sums: PlanSums, ece: float, power: float, *, n_bins: int, seed: int
) -> int | str:
    """Labels with which a true error of `ece` lies above its null band as often as `power` says.

    Rows of one cell count as equally confident. Samples are simulated by how many rows fall in
    each cell and how many of them are right, so a sample of any size costs the same.
    """
    (occupied,) = np.nonzero(sums.cell_weight)
    share = sums.cell_weight[occupied] / sums.cell_weight.sum()
    confidence = np.minimum(sums.cell_confidence[occupied] / sums.cell_weight[occupied], 1.0)
    gap = _gap(confidence, share, ece)
    if gap is None:
        mean = confidence @ share
        return f"accuracy cannot lie {ece:g} below a mean confidence of {mean:.3g}"
    accuracy = np.maximum(confidence - gap, 0.0)
    bins = occupied // (len(sums.cell_weight) // n_bins)
    first_cells = np.flatnonzero(np.diff(bins, prepend=-1))  # of each bin
    at_once = max(1, _BLOCK // len(occupied))

    def is_enough(n: int, n_draws: int) -> bool:
        rng = np.random.default_rng([seed, 5])
        calibrated, erring = np.empty(n_draws), np.empty(n_draws)
        for start in range(0, n_draws, at_once):
            draws = slice(start, min(start + at_once, n_draws))
            rows = rng.multinomial(n, share, draws.stop - start)
            for error, truth in ((calibrated, confidence), (erring, accuracy)):
                excess = rows * confidence - rng.binomial(rows, truth)
                error[draws] = np.abs(np.add.reduceat(excess, first_cells, axis=1)).sum(axis=1) / n
        null_band = np.quantile(calibrated, _LEVEL) * (1.0 + 1e-12)  # equal but for rounding
        return bool((erring > null_band).mean() >= power)

    needed = _least(is_enough)
    unequal = sums.rows * sums.squared_weight / sums.weight**2  # 1 where all weights are equal
    return f"more than {_MOST:,} labels" if needed is None else ceil(needed * unequal)


def _gap(confidence: NDArray[np.float64], share: NDArray[np.float64], ece: float) -> float | None:
    """Distance by which accuracy must lie below confidence, but not below 0, to be `ece` off."""
    order = np.argsort(confidence)
    c, s = np.append(0.0, confidence[order]), np.append(0.0, share[order])
    reached = (c * s).cumsum() + c * (1.0 - s.cumsum())  # the error if the gap is c
    return float(np.interp(ece, reached, c)) if ece <= reached[-1] else None


def _least(is_enough: Callable[[int, int], bool]) -> int | None:
    """Smallest number that is enough: doubling on few draws, then bisection on many."""
    low, high = 0, 1
    while not is_enough(high, _DRAWS // 8):
        low, high = high // 2, 2 * high  # half: the few draws may have misjudged `high`
        if high > _MOST:
            return None
    while not is_enough(high, _DRAWS):
        low, high = high, 2 * high
    while high - low > 1 and high > _CLOSE * low:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle, _DRAWS) else (middle, high)
    return high


def _square(numerator: float, denominator: float) -> int | str:
    """Labels for a ratio that shrinks with their root, or why there are none."""
    ratio = numerator / denominator if denominator > 0.0 else inf
    if not ratio * ratio <= _MOST:
        return f"more than {_MOST:,} labels"
    return max(1, ceil(ratio * ratio))


# `plan`: three questions about calibration, and how many labels answer each.


_CELLS = 60  # cells of confidence, at least; rows of one cell count as equally confident


@dataclass(frozen=True, slots=True)
class Plan(Frozen):
    """Numbers of labels, one per question; None where no number answers it (see `reasons`).

    They hold for rows drawn at random from where the rows planned from came.
    """

    labels_for_temperature: int | None  # to see, with `power`, that T is `temperature`
    labels_for_precision: int | None  # for a 95 % interval T / (1 + precision) to T (1 + precision)
    labels_for_ece: int | None  # to see, with `power`, a calibration error of `ece`
    reasons: dict[str, str]  # why there is no number: "temperature", "precision", "ece"
    n: int  # rows planned from
    n_classes: int
    temperature: float
    precision: float
    ece: float
    power: float
    n_bins: int
    pilot_rows: int | None  # labelled rows of the first fit; None if there was none

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        facts = asdict(self)
        return {"n": facts.pop("n"), "classes": facts.pop("n_classes"), **facts}

    def __str__(self) -> str:
        """Return the answers as sentences, one a line."""
        way = "over-confident" if self.temperature > 1.0 else "under-confident"
        power = f"with {percent_text(self.power)} power"
        within = percent_text(self.precision)
        questions = {
            "temperature": f"to see {power} that T should be {self.temperature:g} ({way})",
            "precision": f"to know T within {within} (95 % interval)",
            "ece": f"to see {power} an ECE of {self.ece:g} ({self.n_bins} bins, simulated)",
        }
        counts = {name: getattr(self, f"labels_for_{name}") for name in questions}
        texts = {k: "no number" if count is None else f"{count:,}" for k, count in counts.items()}
        width = max(map(len, texts.values()))
        lines = [
            f"{texts[name]:>{width}}  {question}"
            + (f": {self.reasons[name]}" if name in self.reasons else "")
            for name, question in questions.items()
        ]
        return "\n".join(["labels needed, if the probabilities are calibrated now:", *lines])


def plan(
    logits: ArrayLike,
    *,
    temperature: float = 1.1,
    precision: float = 0.05,
    ece: float = 0.02,
    power: float = 0.8,
    weights: ArrayLike | None = None,
    pilot: PilotFit | None = None,
    n_bins: int = 15,
    seed: int = 0,
    refuse_probs: bool = True,
) -> Plan:
    r"""Return how many labels three questions about calibration need, from unlabelled outputs.

    The probabilities are taken to be calibrated, and an error of the given size is put in. So
    pass the best outputs there are, scaled by a first fit if there is one: an over-confident
    model's own outputs mislead (a VGG on CIFAR-10: 7,209 labels to see T = 1.1 and 290 to see an
    error of 0.02, against 1,074 and 790 after scaling).

    Parameters
    ----------
    logits : array_like, shape (n, k) or (n,)
        As in `TemperatureScaling.fit`: rows like those that will be labelled, the more the
        better. For probabilities pass `logits_from_probs(probs)`.
    temperature : float, default 1.1
        The error to see in the first question: the labels come from softmax(logits / T).
        Above 1 the model is over-confident, below 1 under-confident.
    precision : float, default 0.05
        Half-width of the second question's 95 % interval, T / (1 + precision) to
        T (1 + precision).
    ece : float, default 0.02
        The error to see in the third question, in (0, 1): accuracy lies this far below
        confidence at every confidence.
    power : float, default 0.8
        Probability of seeing an error that is there, in (0.05, 1).
    weights : array_like, shape (n,), optional
        Finite, >= 0, importance weights: rows are labelled at random, then weighted.
    pilot : FitRecord, optional
        The `record` of a temperature fitted on some labelled rows. Its sandwich standard error
        then answers the second question; without it, the one of a model that is exactly right.
    n_bins : int, default 15
        Bins of equal width of the calibration error.
    seed : int, default 0
        Of the simulation behind the third question (standard deviation of its answer: 2 to 3 %).
    refuse_probs : bool, default True
        Raise if all values lie in [0, 1] and rows sum to 1, as probabilities do.

    Returns
    -------
    Plan
        Three numbers of labels, fewer is cheaper; None with a reason where none is enough.

    Raises
    ------
    InvalidInputError
        Bad logits or weights, no rows, logits constant in every row (no label can tell one
        temperature from another), an option outside its range, a temperature of 1.

    Notes
    -----
    With p = softmax(z), q = softmax(z / T), g = E_p[z] - z_label and quantiles u of the normal:

    1. two-sided 5 % score test of T = 1 (`ScoreTest`):
       :math:`n = ((u_{0.975} \sqrt{v_0} + u_{power} s_1) / \mu)^2` with :math:`\mu = E_q g`,
       :math:`s_1^2 = Var_q g` and :math:`v_0` = mean of :math:`Var_p z`. A normal
       approximation: below 100 labels the power was up to .06 off.
    2. :math:`n = (u_{0.975} s / \log(1 + precision))^2`, where :math:`s / \sqrt n` is the
       standard error of log T: :math:`s^2 = 1 / v_0`, or from the pilot.
    3. the smallest n at which, in simulated samples, the calibration error lies above the 95 %
       quantile that calibrated labels give (`evaluate` calls it the null band) as often as
       `power` says. An equal error that sits in the confident rows alone takes fewer labels;
       in the uncertain rows, whose labels scatter more, it takes more (on that VGG the
       power was .86 and .65 instead of .80).

    Examples
    --------
    Log-odds of 0.8 against labels drawn at log-odds of 0.4:

    >>> answer = plan([[0.8, 0.0]] * 10, temperature=2.0, ece=0.1)
    >>> answer.labels_for_temperature, answer.labels_for_precision
    (209, 11788)
    """
    logits, _ = named_scores(logits, name="logits", weights=weights)
    z = as_logits(logits)
    n, k = z.shape
    if pilot is not None:
        require_type(pilot, PilotFit, name="pilot", rule="the record of a fitted temperature")
    check_options(temperature, precision, ece, power, n_bins)
    w = as_weights(weights, n=n)
    if n == 0:
        msg = "`logits` must have at least one row: nothing can be planned from none."
        raise InvalidInputError(msg)
    if as_flag(refuse_probs, name="refuse_probs"):
        refuse_probs_as_logits(logits)
    n_bins = int(n_bins)
    n_cells = n_bins * ceil(_CELLS / n_bins)
    sums = map_rows(
        lambda *block: plan_sums(*block, temperature=temperature, n_cells=n_cells), z, w
    )
    if sums.spread == 0.0:
        msg = (
            "`logits` are constant in every row: no number of labels can tell one temperature "
            "from another. Check that these are the model's outputs."
        )
        raise InvalidInputError(msg)
    counts = {
        "temperature": labels_for_temperature(sums, power),
        "precision": labels_for_precision(sums, precision, pilot),
        "ece": labels_for_ece(sums, ece, power, n_bins=n_bins, seed=as_seed(seed)),
    }
    answers = {
        f"labels_for_{name}": None if isinstance(c, str) else c for name, c in counts.items()
    }
    reasons = {name: c for name, c in counts.items() if isinstance(c, str)}
    return Plan(
        **answers, reasons=reasons, n=n, n_classes=k,
        temperature=float(temperature), precision=float(precision), ece=float(ece),
        power=float(power), n_bins=n_bins, pilot_rows=None if pilot is None else pilot.n,
    )  # fmt: skip


def check_options(
    temperature: float, precision: float, ece: float, power: float, n_bins: int
) -> None:
    """Raise InvalidInputError if an option of `plan` lies outside its range."""
    as_positive(temperature, name="temperature")
    as_positive(precision, name="precision")
    rule = "a number between 0 and 1"
    as_number(ece, name="ece", option="--error", rule=rule, above=0.0, below=1.0)
    rule = "a number between 0.05 and 1"
    as_number(power, name="power", rule=rule, above=0.05, below=1.0)
    as_count(n_bins, name="n_bins", most=MOST_BINS)
    if temperature == 1.0:
        msg = "`temperature` (--temperature) must differ from 1: at 1 there is no error to see."
        raise InvalidInputError(msg)
