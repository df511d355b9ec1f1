"""A map as a short list of operations on numbers, for programs that are not this one.

What every export writes (a graph, a query, a module) is written once per operation, not once per
calibrator: `Calibrator.operations()` says which of them a map is made of, in order. The input is a
row of logits, (n, k), all of whose options exist unless an operation says what becomes of -inf;
the output are its calibrated probabilities. `apply` computes the same with its own, faster code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "Affine", "BetaCurve", "Curves", "Divide", "DivideByGroup", "LogOdds", "LogSoftmax",
    "Normalize", "OneVsRest", "Operation", "Sigmoid", "Smooth", "Softmax", "Steps",
    "WeightedPool", "WithComplement", "WithZero", "divisor_of", "loses_offsets",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Divide:
    """Divide every column by one number, or each by its own: x / by. -inf stays."""

    by: tuple[float, ...]  # one, or k


@dataclass(frozen=True, slots=True)
class DivideByGroup:
    """Divide a row by the number of its group; by `pooled` where the group has none."""

    pooled: float
    by: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Smooth:
    """Mix a row's probabilities with the uniform ones: log((1 - share) softmax(x) + share / k).

    Options that do not exist (-inf) stay so, and are not counted in k.
    """

    share: float  # in (0, 1)


@dataclass(frozen=True, slots=True)
class LogSoftmax:
    """Log-probabilities: x - log sum exp x. -inf stays."""


@dataclass(frozen=True, slots=True)
class Affine:
    """Add a bias to each column times its factor, or to a mixture of all columns.

    y_c = weights_c x_c + bias_c, or y_c = sum_d weights_cd x_d + bias_c. With factors, -inf stays;
    a mixture takes no x below -1e200 for lower than that.
    """

    weights: tuple[float, ...] | tuple[tuple[float, ...], ...]  # k factors, or k rows of k
    bias: tuple[float, ...]  # k


@dataclass(frozen=True, slots=True)
class LogOdds:
    """The log-odds of class 1 of two: x_1 - x_0, (n, 1)."""


@dataclass(frozen=True, slots=True)
class OneVsRest:
    """The log-odds of each class against all others: x_c - log sum of exp x_d over d != c."""


@dataclass(frozen=True, slots=True)
class BetaCurve:
    """Log-odds o of probability p become a log p - b log(1 - p) + c."""

    a: float
    b: float
    c: float


@dataclass(frozen=True, slots=True)
class Curves:
    """Log-odds become probabilities: per column a line through knots, constant beyond its ends."""

    log_odds: tuple[tuple[float, ...], ...]  # per column, rising
    probabilities: tuple[tuple[float, ...], ...]  # per column, not falling


@dataclass(frozen=True, slots=True)
class Steps:
    """Log-odds o become one probability between two: p1 / (1 - p0 + p1).

    p0 is the `lower` whose `lower_from` is the last at or below o, 0 below all of them; p1 the
    `upper` whose `upper_to` is the first at or above o, 1 above all of them.
    """

    lower_from: tuple[float, ...]  # rising
    lower: tuple[float, ...]
    upper_to: tuple[float, ...]  # rising
    upper: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class WithZero:
    """Log-odds, (n, 1), become the logits (0, x) of two classes."""


@dataclass(frozen=True, slots=True)
class WithComplement:
    """A probability, (n, 1), becomes those of two classes, (1 - p, p)."""


@dataclass(frozen=True, slots=True)
class Softmax:
    """Probabilities that add up to 1 in each row; of -inf, 0."""


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """A probability for each column on its own: 1 / (1 + exp(-x))."""


@dataclass(frozen=True, slots=True)
class Normalize:
    """Divide each row by its sum."""


@dataclass(frozen=True, slots=True)
class WeightedPool:
    """One row of the rows of several models: the weighted mean of log-probabilities, or its kind.

    pool "log": sum of weights_m log softmax(x_m). pool "linear": the logarithm of
    sum of weights_m softmax(x_m).
    """

    pool: str
    weights: tuple[float, ...]


Operation = (
    Divide | DivideByGroup | Smooth | LogSoftmax | Affine | LogOdds | OneVsRest | BetaCurve
    | Curves | Steps | WithZero | WithComplement | Softmax | Sigmoid | Normalize
    | WeightedPool
)  # fmt: skip


def loses_offsets(operations: Sequence[Operation]) -> bool:
    """Whether a row's largest logit is to be subtracted first, by who computes in floating point.

    No probability of classes depends on an offset common to a row, but a quotient or a logarithm
    of numbers near 1e6 has few digits left for their differences. Maps that begin with a
    difference, or with the softmax, lose none; each label of a sigmoid has an offset of its own.

    >>> loses_offsets((Divide((1.7,)), Softmax())), loses_offsets((Divide((1.7,)), Sigmoid()))
    (True, False)
    """
    first, last = operations[0], operations[-1]
    return isinstance(first, Divide | DivideByGroup | LogSoftmax) and not isinstance(last, Sigmoid)


def divisor_of(operations: tuple[Operation, ...]) -> float | None:
    """Return the one number that a map divides all logits by before its link; None if it does more.

    >>> divisor_of((Divide((1.7,)), Softmax())), divisor_of((Divide((1.0, 2.0)), Softmax()))
    (1.7, None)
    """
    match operations:
        case (Divide(by=(number,)), Softmax() | Sigmoid()):
            return number
        case _:
            return None
