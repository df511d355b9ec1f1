"""Limits that an evaluation must keep, judged by the evidence for them and not by luck."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, Self

from temperance.checks.arguments import as_not_negative, as_number, as_word, require_type
from temperance.evaluation import Evaluation
from temperance.gates.gated import Gated, judged, passes, undecided_words
from temperance.metrics.outcomes import Outcomes
from temperance.printable import digits_text
from temperance.show import number_text

if TYPE_CHECKING:
    from temperance.gates.gated import GateVerdict, Undecided
    from temperance.metrics.estimates import Estimate

__all__ = ["Gate", "as_limits", "check_gates"]

_ROWS = Outcomes()
# What a measure can be at the most; a log loss anything.
_LARGEST = {"ece": 1.0, "accuracy": 1.0, "pass_rate": 1.0, "brier": 2.0}


@dataclass(frozen=True, slots=True)
class Gate(Gated):
    """One limit, the measure with its 95 % interval, and what these say of one another.

    Attributes
    ----------
    name : str
        The argument that sets the limit: "max_ece" is the most that `ece` may be, "min_accuracy"
        the least that `accuracy` may be.
    measure : str
        The field of an `Evaluation` that is limited.
    limit, value, low, high : float
        The limit, the measure, and the ends of its interval.
    n : int
        Number of rows.
    verdict : {"passed", "failed", "undecided"}
        Failed: the whole interval is beyond the limit, or the measure is undefined. Passed: the
        whole interval is within the limit, or on it. Undecided: the limit lies inside the interval,
        so that other rows of the same kind might as well have said the contrary.
    passed : bool
        The verdict, or what an undecided gate is taken for.
    outcomes : Outcomes
        What the rows are: of classes, entries of a label matrix, answers.
    """

    name: str
    measure: str
    limit: float
    value: float
    low: float
    high: float
    n: int
    verdict: GateVerdict
    passed: bool
    outcomes: Outcomes = _ROWS

    @classmethod
    def of(
        cls,
        name: str,
        limit: float,
        estimate: Estimate,
        *,
        n: int,
        undecided: Undecided = "pass",
        outcomes: Outcomes = _ROWS,
    ) -> Self:
        """Judge an estimate from `n` rows by the limit of a name, `max_...` or `min_...`."""
        verdict: GateVerdict = "failed"  # nan, of what no row can tell, keeps no limit
        if not isnan(estimate.value):
            verdict = judged(estimate, limit, largest=name.startswith("max_"))
        return cls(
            name=name,
            measure=_measure(name),
            limit=limit,
            value=estimate.value,
            low=estimate.low,
            high=estimate.high,
            n=n,
            verdict=verdict,
            passed=passes(verdict, undecided),
            outcomes=outcomes,
        )

    @property
    def option(self) -> str:
        """What `temperance evaluate` calls the limit: --max-ece."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def title(self) -> str:
        """What is judged: "max_ece 0.05"."""
        return f"{self.name} {self.limit:g}"

    @property
    def cells(self) -> tuple[str, str, str]:
        """What was measured, its 95 % interval, and the limit."""
        interval = f"{_number(self.low)} to {_number(self.high)}" if self.low < self.high else ""
        most = "at most" if self.name.startswith("max_") else "at least"
        return _number(self.value), interval, f"{most} {self.limit:g}"

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds; an infinite or undefined number is None."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        finite = {name: each if isfinite(each) else None for name, each in numbers.items()}
        content = {"option": self.option, **asdict(self), **finite}
        del content["name"], content["outcomes"]
        return content

    def in_words(self, *, of_command: bool = False) -> str:
        """Say in a line how the gate ended and why; `of_command` by its options."""
        measurement = f"{self.measure} is {_number(self.value)}"
        if isfinite(self.value) and self.low < self.high:
            measurement += f" (95 % interval {_number(self.low)} to {_number(self.high)})"
        text = f"gate {self.verdict}: {self.option if of_command else self.name} {self.limit:g}"
        if self.verdict != "undecided":
            return f"{text}, {'and' if self.passed else 'but'} {measurement}"
        end = undecided_words(passed=self.passed, of_command=of_command)
        return (
            f"{text}, {measurement}: {self.outcomes.rows(self.n)} cannot tell. {end}; "
            f"more {self.outcomes.plural} narrow the interval."
        )


def check_gates(
    evaluation: Evaluation,
    *,
    max_ece: float | None = None,
    max_log_loss: float | None = None,
    max_brier: float | None = None,
    min_accuracy: float | None = None,
    undecided: Undecided = "pass",
) -> tuple[Gate, ...]:
    r"""Judge the 95 % intervals of an evaluation by limits, as a gate for CI does.

    Parameters
    ----------
    evaluation : Evaluation
        Of rows that no fit has seen (`evaluate`, or a side of `compare`).
    max_ece, max_log_loss, max_brier : float, optional
        The most that the expected calibration error, the log loss (nats) and the Brier score may
        be, finite and >= 0, and no more than the measure can be: 1, and 2 of the Brier score.
    min_accuracy : float, optional
        The least that the accuracy may be, in [0, 1].
    undecided : {"pass", "fail"}, default "pass"
        What a gate is taken for whose limit lies inside the interval.

    Returns
    -------
    tuple of Gate
        One per limit given; `all(gate.passed for gate in gates)` says whether all are kept.

    Raises
    ------
    InvalidInputError
        No evaluation; a limit that is no finite number >= 0, or one that every evaluation keeps, or
        none can (5 for 5 %); another `undecided`.

    Notes
    -----
    Of an interval [l, h] and the most a measure may be, m: failed where l > m, passed where
    h <= m, else undecided. Of the least, m: failed where h < m, passed where l >= m. An undefined
    measure fails, and so does an infinite one that has a most; an end that is undefined is no end.
    A model whose truth lies on the limit fails by chance in 2.5 % of samples, and passes in 2.5 %.

    Examples
    --------
    Half of 40 rows are right, and each claims 1/2: the error is 0, and the accuracy may be .4.

    >>> from temperance import evaluate
    >>> evaluation = evaluate([[0.5, 0.5]] * 40, [0, 1] * 20, n_resamples=200)
    >>> for gate in check_gates(evaluation, max_brier=0.4, min_accuracy=0.45):
    ...     print(gate.verdict, gate.measure, gate.value, gate.passed)
    failed brier 0.5 False
    undecided accuracy 0.5 True
    """
    require_type(evaluation, Evaluation, name="evaluation", rule="what `evaluate` returns")
    as_word(undecided, ("pass", "fail"), name="undecided")
    limits = as_limits(
        max_ece=max_ece, max_log_loss=max_log_loss, max_brier=max_brier, min_accuracy=min_accuracy
    )
    return tuple(
        Gate.of(
            name,
            limit,
            getattr(evaluation, _measure(name)),
            n=evaluation.n,
            undecided=undecided,
            outcomes=evaluation.outcomes,
        )
        for name, limit in limits.items()
    )


def as_limits(**limits: float | None) -> dict[str, float]:
    """Return those of the limits that are there, by their names, each one that may be broken."""
    return {
        name: as_amount(limit, name=name, measure=_measure(name))
        for name, limit in limits.items()
        if limit is not None
    }


def as_amount(value: object, *, name: str, measure: str) -> float:
    """Return a number that a measure can be: finite, >= 0, and a share of 1 as a share."""
    most = _LARGEST.get(measure)
    if most is None:
        return as_not_negative(value, name=name)
    rule = f"a finite number >= 0 and <= {most:g}"
    hint = "A percentage? 5 % is 0.05." if most > 1.0 else ""  # of shares the check asks itself
    return as_number(value, name=name, rule=rule, least=0.0, most=most, hint=hint)


def _measure(name: str) -> str:
    """Return the field of an evaluation that a name limits: max_log_loss, log_loss."""
    return name.partition("_")[2]


def _number(value: float) -> str:
    return digits_text(value, 4) if isfinite(value) else number_text(value)
