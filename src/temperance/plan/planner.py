"""`plan`: three questions about calibration, and how many labels answer each."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from temperance.binning import MOST_BINS
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
from temperance.checks.frames import named_scores
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen
from temperance.plan.counts import (
    PilotFit,
    labels_for_ece,
    labels_for_precision,
    labels_for_temperature,
    plan_sums,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


__all__ = ["Plan", "check_options", "plan"]

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
        power = f"with {_percent(self.power)} power"
        within = _percent(self.precision)
        questions = {
            "temperature": f"to see {power} that T should be {self.temperature:g} ({way})",
            "precision": f"to know T within {within} (95 % interval)",
            "ece": f"to see {power} an ECE of {self.ece:g} ({self.n_bins} bins, simulated)",
        }
        counts = {name: getattr(self, f"labels_for_{name}") for name in questions}
        shown = {k: "no number" if count is None else f"{count:,}" for k, count in counts.items()}
        width = max(map(len, shown.values()))
        lines = [
            f"{shown[name]:>{width}}  {question}"
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


def _percent(share: float) -> str:
    return f"{100.0 * share:.4g} %"
