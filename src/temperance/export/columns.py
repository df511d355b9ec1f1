"""The operations of a map on columns, in whatever language adds, divides and takes exponentials.

`ColumnMap.expressions` puts the words of a `Language` together, operation by operation. A row in
which a logit is nothing (NULL, nan) has no probabilities: "nothing" goes through every step, those
too that databases would skip it in ("greatest", a case without a match).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.calibrators import as_calibrator
from temperance.calibrators import operations as ops
from temperance.calibrators.two_classes import MOST_LOG_ODDS
from temperance.checks import as_known_names, logits_from_probs
from temperance.checks.arguments import value_text
from temperance.checks.label_matrix import label_logits_from_probs
from temperance.errors import InvalidInputError
from temperance.export.parity import (
    MADE_ROWS,
    STRICTLY_INSIDE,
    check_parity,
    made_rows,
    probs_of_kind,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.calibrators.operations import Operation
    from temperance.export.language import Language
    from temperance.export.parity import Parity

    Array = NDArray[np.float64]

__all__ = ["ColumnMap", "ColumnProof", "right_of_missing"]

_LEAST_EXPONENT = -700.0  # exp(-700) = 1e-304: below, some databases raise "underflow"
_LEAST_LOG = -1e200  # of a probability of 0: finite, and so divided by any temperature
_TOLERANCE = 1e-12
_MOST_NUMBERS = 20_000  # knots of curves and numbers of a matrix, in one query
_OWN = "temperance_"  # how the names of steps begin
_MOST_PROB = 1.001  # of a class: `apply` takes rows that add up to nearly as much
_MOST_LOGIT = 1e100  # `apply` takes none beyond
_MOST_CASES = 8  # of one CASE, before pieces are found by halving


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A calibrator between columns: what it reads, what it adds."""

    calibrator: Calibrator
    columns: tuple[str, ...]  # in the order of the classes; one: of class 1
    outputs: tuple[str, ...]
    inputs: str  # "logits" or "probs"
    group_column: str | None

    @classmethod
    def of(
        cls,
        calibrator: Calibrator,
        columns: Sequence[str] | None,
        *,
        inputs: str,
        group_column: str | None,
    ) -> Self:
        """Return the map, or raise InvalidInputError where columns cannot hold it."""
        as_calibrator(calibrator)
        prefix = "logit_" if inputs == "logits" else "prob_"
        names = _input_columns(calibrator, prefix) if columns is None else _as_names(columns)
        _check(calibrator, names, inputs=inputs, group_column=group_column)
        outputs = _output_names(calibrator, names, prefix)
        input_names = {name.lower() for name in (*names, group_column or "")}
        if input_names & {name.lower() for name in outputs}:
            outputs = tuple(f"calibrated_{name}" for name in outputs)
        return cls(calibrator, names, outputs, inputs, group_column)

    def expressions(self, t: Language) -> dict[str, Any]:
        """Return the calibrated probability of each class, in a language, by its column's name."""
        values = self._logits(t, t.bind("input", [t.column(name) for name in self.columns]))
        exists = self._exists(t, values)
        if len(self.columns) > 1 and ops.loses_offsets(self.calibrator.operations()):
            (largest,) = t.bind("largest", [t.call("greatest", *values)])
            values = t.bind("x", [t.binary(x, "-", largest) for x in values])
        for step in self.calibrator.operations():
            match step:
                case ops.DivideByGroup():
                    values = self._divide_by_group(t, values, step)
                case ops.Smooth():
                    values = _smooth(t, values, step, exists)
                case ops.Affine() if exists is not None and len(exists) == len(values):
                    values = _masked(t, _affine(t, values, step), exists)
                case _:
                    values = _WRITTEN[type(step)](t, values, step)
        if exists is not None:
            products = [t.binary(p, "*", e) for p, e in zip(values, exists, strict=True)]
            values = _normalize(t, t.bind("share", products), ops.Normalize())
        return dict(zip(self.outputs, values, strict=True))

    def _logits(self, t: Language, values: list[Any]) -> list[Any]:
        """Return the logits of columns of them, or of probabilities; (0, x) of one column.

        Those of options that do not exist are -1e200 and less; nothing is what is no logit.
        """
        of_one, of_labels = len(values) == 1, self.calibrator.kind == "multilabel"
        values = t.bind("x", [self._valid(t, x) for x in values])
        if self.inputs == "probs":
            logs = [_log(t, p) for p in values]
            if of_labels or of_one:
                rest = [_log(t, t.binary(t.number(1.0), "-", p)) for p in values]
                logs = [t.binary(p, "-", q) for p, q in zip(logs, rest, strict=True)]
            values = t.bind("logit", logs)
        if self.calibrator.traits.masks and not of_labels and not of_one:  # no option: no row
            (most,) = t.bind("most", [t.call("greatest", *values)])
            none = (most, "<=", _LEAST_LOG, t.nothing())
            values = t.bind("x", [t.first_of([none], x) for x in values])
        return values if of_labels or not of_one else [t.number(0.0), *values]

    def _valid(self, t: Language, x: Any) -> Any:  # noqa: ANN401
        """Return x, or nothing where it is no logit, no probability, or none that the map takes.

        There is no logit beyond 1e200; nan is beyond it too, where it is the largest number.
        """
        of_labels, of_probs = self.calibrator.kind == "multilabel", self.inputs == "probs"
        takes_missing = self.calibrator.traits.masks and not of_labels
        cases = [(x, ">=", -_LEAST_LOG, t.nothing())]
        if of_labels and of_probs:
            cases.append((x, ">=", 1.0, t.nothing()))
        if of_probs and not of_labels:
            cases.append((x, ">=", _MOST_PROB, t.nothing()))
        if of_probs:
            cases.append((x, "<" if takes_missing else "<=", 0.0, t.nothing()))
        elif not takes_missing:
            cases.append((x, "<=", _LEAST_LOG, t.nothing()))
        return t.first_of(cases, x if of_probs else t.at_least(x, _LEAST_LOG))

    def _exists(self, t: Language, values: list[Any]) -> list[Any] | None:
        """Return 1 for each option that exists, 0 for others; None where no operation asks."""
        one, zero = t.number(1.0), t.number(0.0)
        operations, masks = self.calibrator.operations(), self.calibrator.traits.masks
        if self.calibrator.kind == "multilabel" or not masks or right_of_missing(operations):
            return None
        if len(self.columns) == 1:
            x = values[1]
            flags = [t.first_of([(x, ">=", -_LEAST_LOG, zero)], one),
                     t.first_of([(x, "<=", _LEAST_LOG, zero)], one)]  # fmt: skip
        else:
            flags = [t.first_of([(x, "<=", _LEAST_LOG, zero)], one) for x in values]
        return t.bind("exists", flags)

    def _divide_by_group(
        self, t: Language, values: list[Any], step: ops.DivideByGroup
    ) -> list[Any]:
        by = t.number(step.pooled)
        if self.group_column is not None:
            by = t.of_name(self.group_column, dict(step.by), step.pooled)
        (by,) = t.bind("temperature", [by])
        return t.bind("x", [t.binary(x, "/", by) for x in values])

    def proof(
        self, verify: ArrayLike | None, *, groups: ArrayLike | None, words: str | None
    ) -> ColumnProof:
        """Return a user's rows, checked, or made ones, for these columns."""
        if verify is None:
            return ColumnProof(self, *self._made())
        scores = np.asarray(verify, dtype=np.float64)
        scores = scores[:, None] if scores.ndim == 1 else scores
        if scores.ndim != 2 or scores.shape[1] != len(self.columns):
            msg = (
                f"`verify` must have {len(self.columns)} columns, as `columns` says, got shape "
                f"{np.shape(verify)}."
            )
            raise InvalidInputError(msg)
        known = np.full(len(scores), "")
        if groups is not None:
            known = as_known_names(groups, n=len(scores))
        return ColumnProof(self, scores, known, words or f"{len(scores):,} rows")

    def _made(self) -> tuple[Array, NDArray[np.str_], str]:
        kind, width = self.calibrator.kind, len(self.columns)
        columns = 2 if width == 1 and kind == "logits" else width
        pieces = [] if self.inputs == "probs" else _log_odds_of_pieces(self.calibrator.operations())
        logits, words = made_rows(columns, kind=kind, n=max(MADE_ROWS, 2 * len(pieces)))
        for row, (c, odds) in enumerate(pieces):  # the log-odds of one class, all others alike
            logits[2 * row] = 0.0
            logits[2 * row, c] = odds + np.log(columns - 1)
        masks = self.calibrator.traits.masks and kind == "logits"
        if masks:  # some options do not exist
            logits[5::50, 0] = -np.inf
        scores = probs_of_kind(logits, kind) if self.inputs == "probs" else logits
        if scores.shape[1] != width:
            last = scores[:, 1] if self.inputs == "probs" else scores[:, 1] - scores[:, 0]
            last = np.where(np.isinf(last), 0.0, last)
            scores = last[:, None]
        if self.inputs == "probs" and not masks:
            scores = np.clip(scores, *STRICTLY_INSIDE)
        of_groups = self.calibrator.parts.groups
        names = np.array(["" if of_groups is None else "a new group"])
        if of_groups is not None:
            names = np.array([*of_groups.temperatures, *names])
        return scores, names[np.arange(len(scores)) % len(names)], words


@dataclass(frozen=True, slots=True)
class ColumnProof:
    """The rows that a map of columns is proved on, as those columns."""

    of: ColumnMap
    scores: Array  # (n, columns)
    groups: NDArray[np.str_]  # (n,)
    words: str

    def table(self) -> dict[str, NDArray[Any]]:
        """Return the columns by name."""
        columns: dict[str, NDArray[Any]] = {
            name: np.ascontiguousarray(self.scores[:, i]) for i, name in enumerate(self.of.columns)
        }
        if self.of.group_column is not None:
            columns[self.of.group_column] = self.groups
        return columns

    def check(self, exported: NDArray[Any], *, target: str) -> Parity:
        """Return the parity of probabilities, (n, k), or raise ParityError."""
        scores = self.scores[:, 0] if self.scores.shape[1] == 1 else self.scores
        of_labels = self.of.calibrator.kind == "multilabel"
        if of_labels:
            scores = self.scores
        if self.of.inputs == "probs":
            scores = (label_logits_from_probs if of_labels else logits_from_probs)(scores)
        groups = None if self.of.group_column is None else self.groups
        probs = self.of.calibrator.apply(
            scores, groups=groups, refuse_probs=False, dtype=np.float64
        )
        expected = np.stack([1.0 - probs, probs], axis=1) if probs.ndim == 1 else probs
        return check_parity(
            expected, np.asarray(exported, dtype=np.float64), target=target, rows=self.words,
            tolerance=_TOLERANCE,
        )  # fmt: skip


def _log_odds_of_pieces(operations: Sequence[Operation]) -> list[tuple[int, float]]:
    """Return a class and log-odds inside each piece of its curve, and beyond both ends.

    Between knots, where the last digit of the log-odds decides nothing.
    """
    curves: list[Array] = []
    for step in operations:
        match step:
            case ops.Curves():
                curves = [np.array(knots) for knots in step.log_odds]
            case ops.Steps():
                curves = [np.unique([*step.lower_from, *step.upper_to])]
    first = 1 if len(curves) == 1 else 0  # one curve is that of the second class
    pieces: list[tuple[int, float]] = []
    for c, knots in enumerate(curves, start=first):
        inside = knots[:-1] / 2.0 + knots[1:] / 2.0
        points = (knots[0] - 1.0, *inside, knots[-1] + 1.0)
        pieces += [(c, float(x)) for x in points if abs(x) <= _MOST_LOGIT]
    return pieces


def right_of_missing(operations: Sequence[Operation]) -> bool:
    """Whether operations are right of a row whose options do not all exist, as they stand.

    Divisions and biases are; a curve is if it has learned what a probability of 0 means.
    """
    for step in operations:
        match step:
            case ops.Curves() if not any(x[0] <= -MOST_LOG_ODDS for x in step.log_odds):
                return False
            case ops.Steps() if step.lower_from[0] > -MOST_LOG_ODDS:
                return False
            case ops.Affine() if any(weight != 1.0 for weight in step.weights):
                return False
            case ops.Smooth() | ops.BetaCurve():
                return False
            case _:
                pass
    return True


def _input_columns(calibrator: Calibrator, prefix: str) -> tuple[str, ...]:
    if calibrator.n_classes is None:
        msg = (
            "The calibrator takes any number of classes: name their columns, in order (`columns`, "
            "--columns a,b,c)."
        )
        raise InvalidInputError(msg)
    names = calibrator.classes or tuple(str(c) for c in range(calibrator.n_classes))
    return tuple(f"{prefix}{name}" for name in names)


def _as_names(columns: Sequence[str]) -> tuple[str, ...]:
    if isinstance(columns, str) or not all(isinstance(name, str) for name in columns):
        msg = f"`columns` must be a list of names, got {value_text(columns)}."
        raise InvalidInputError(msg)
    return tuple(columns)


def _output_names(calibrator: Calibrator, columns: tuple[str, ...], prefix: str) -> tuple[str, ...]:
    """Return `prob_cat`: of the classes, else of the columns that go in."""
    names = columns
    if calibrator.classes is not None:
        names = calibrator.classes
    elif len(columns) == 1 and calibrator.kind == "logits":
        names = ("0", "1")
    elif all(name.startswith(prefix) for name in columns):
        names = tuple(name.removeprefix(prefix) for name in columns)
    return tuple(f"prob_{name}" for name in names)


def _check(
    calibrator: Calibrator, columns: tuple[str, ...], *, inputs: str, group_column: str | None
) -> None:
    """Raise InvalidInputError where a map cannot be written over these columns."""
    if calibrator.traits.members:
        msg = (
            "An ensemble reads the outputs of several models, and columns hold those of one: use "
            "`temperance apply`."
        )
        raise InvalidInputError(msg)
    if calibrator.kind == "answers":
        msg = "A calibrator of answers reads one score per answer: use `temperance apply`."
        raise InvalidInputError(msg)
    if group_column is not None and calibrator.parts.groups is None:
        msg = (
            f"`group_column` (--group-column) has no meaning for the method {calibrator.name}, "
            "which has no groups."
        )
        raise InvalidInputError(msg)
    for name in (*columns, *(() if group_column is None else (group_column,))):
        if not name or "\0" in name or name.lower().startswith(_OWN):
            msg = (
                f"`columns` (--columns) must be names, not {name!r}: none is empty, holds NUL or "
                f"begins with {_OWN!r}, as those of the steps do."
            )
            raise InvalidInputError(msg)
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        msg = f"`columns` name {twice!r} twice."
        raise InvalidInputError(msg)
    k, n_columns = calibrator.n_classes, len(columns)
    of_one = n_columns == 1 and k in {None, 2} and calibrator.kind == "logits"
    if not of_one and (n_columns < 1 + (calibrator.kind == "logits") or k not in {None, n_columns}):
        odds = "log-odds" if inputs == "logits" else "probability"
        one = f", or 1 with the {odds} of class 1" if k in {None, 2} else ""
        msg = (
            f"`columns` must name {k or 'two or more'} columns, one per class{one}, "
            f"got {n_columns}."
        )
        raise InvalidInputError(msg)
    numbers = sum(_numbers(step, n_columns) for step in calibrator.operations())
    if numbers > _MOST_NUMBERS:
        msg = (
            f"The map of method {calibrator.name} has {numbers:,} numbers, more than the "
            f"{_MOST_NUMBERS:,} that a query is written with. Use a temperature, or "
            "`temperance apply`."
        )
        raise InvalidInputError(msg)


def _log(t: Language, p: Any) -> Any:  # noqa: ANN401
    """The logarithm of a probability, finite where it is 0."""
    return t.first_of([(p, "<=", 0.0, t.number(_LEAST_LOG))], t.call("ln", p))


def _divide(t: Language, values: list[Any], step: ops.Divide) -> list[Any]:
    by = step.by * len(values) if len(step.by) == 1 else step.by
    pairs = zip(values, by, strict=True)
    return t.bind("x", [t.binary(x, "/", t.number(each)) for x, each in pairs])


def _exponentials(t: Language, values: list[Any]) -> tuple[list[Any], Any, Any]:
    """Return exp(x - largest) of each column, their sum, and the largest."""
    (largest,) = t.bind("largest", [t.call("greatest", *values)])
    gaps = t.bind("gap", [t.binary(x, "-", largest) for x in values])
    zero = t.number(0.0)
    least = _LEAST_EXPONENT
    powers = [t.first_of([(gap, "<", least, zero)], t.call("exp", gap)) for gap in gaps]
    powers = t.bind("power", powers)
    (total,) = t.bind("total", [t.sum(*powers)])
    return powers, total, largest


def _exp(t: Language, x: Any) -> Any:  # noqa: ANN401
    """Return exp(x), above 0, as a logarithm is taken of sums of it."""
    return t.call("exp", t.at_least(x, _LEAST_EXPONENT))


def _softmax(t: Language, values: list[Any], _: ops.Softmax) -> list[Any]:
    powers, total, _largest = _exponentials(t, values)
    return [t.binary(each, "/", total) for each in powers]


def _log_softmax(t: Language, values: list[Any], _: ops.LogSoftmax) -> list[Any]:
    _powers, total, largest = _exponentials(t, values)
    (offset,) = t.bind("offset", [t.sum(largest, t.call("ln", total))])
    return t.bind("x", [t.binary(x, "-", offset) for x in values])


def _smooth(
    t: Language, values: list[Any], step: ops.Smooth, exists: list[Any] | None
) -> list[Any]:
    """The uniform share is one of the options that exist."""
    probs = _softmax(t, values, ops.Softmax())
    share, ones = t.number(1.0 - step.share), exists or [t.number(1.0)] * len(values)
    (uniform,) = t.bind("uniform", [t.binary(t.number(step.share), "/", t.sum(*ones))])
    mixed = [
        t.sum(t.binary(p, "*", share), t.binary(e, "*", uniform))
        for p, e in zip(probs, ones, strict=True)
    ]
    return _masked(t, [t.call("ln", each) for each in t.bind("p", mixed)], exists)


def _masked(t: Language, values: list[Any], exists: list[Any] | None) -> list[Any]:
    """Keep the options that do not exist where they are, far below all others."""
    if exists is not None:
        least, pairs = t.number(_LEAST_LOG), zip(values, exists, strict=True)
        values = [t.first_of([(e, "<", 1.0, least)], x) for x, e in pairs]
    return t.bind("x", values)


def _affine(t: Language, values: list[Any], step: ops.Affine) -> list[Any]:
    mixed: list[Any] = []
    for weights, bias in zip(step.weights, step.bias, strict=True):
        if isinstance(weights, tuple):
            terms = zip(values, weights, strict=True)
        else:
            terms = zip([values[len(mixed)]], [weights], strict=True)
        products = [x if w == 1.0 else t.binary(x, "*", t.number(w)) for x, w in terms]
        mixed.append(t.sum(*products, t.number(bias)))
    return t.bind("x", mixed)


def _log_odds(t: Language, values: list[Any], _: ops.LogOdds) -> list[Any]:
    return t.bind("x", [t.binary(values[1], "-", values[0])])


def _one_vs_rest(t: Language, values: list[Any], _: ops.OneVsRest) -> list[Any]:
    """Log-odds of each class; the others' exponentials are summed without it, digit for digit."""
    rest = [t.call("greatest", *_without(values, c)) for c in range(len(values))]
    rest = t.bind("rest", rest)
    first, second = t.bind("most", [t.call("greatest", *rest), t.call("least", *rest)])
    powers = t.bind("power", [_exp(t, t.binary(x, "-", first)) for x in values])
    # Beside a largest class that stands alone all others may be too small to see: its others are
    # measured by the largest among themselves.
    gaps = t.bind("gap", [t.binary(x, "-", second) for x in values])
    zero = t.number(0.0)
    small = t.bind("small", [t.first_of([(g, "<=", 0.0, _exp(t, g))], zero) for g in gaps])
    (of_others,) = t.bind("others", [t.call("ln", t.sum(*small))])
    odds = []
    for c, (x, gap) in enumerate(zip(values, gaps, strict=True)):
        total = t.sum(*_without(powers, c))
        as_others = t.binary(t.binary(x, "-", first), "-", t.call("ln", total))
        alone = t.binary(gap, "-", of_others)
        odds.append(t.first_of([(gap, "<=", 0.0, as_others)], alone))
    return t.bind("x", odds)


def _without(values: list[Any], c: int) -> list[Any]:
    return values[:c] + values[c + 1 :]


def _log_sigmoid(t: Language, x: Any) -> Any:  # noqa: ANN401
    """Return log(1 / (1 + exp(-x))): min(x, 0) - log(1 + exp(-|x|))."""
    size = t.call("greatest", x, t.binary(t.number(0.0), "-", x))
    rest = t.call("ln", t.sum(t.number(1.0), _exp(t, t.binary(t.number(0.0), "-", size))))
    return t.binary(t.call("least", x, t.number(0.0)), "-", rest)


def _beta(t: Language, values: list[Any], step: ops.BetaCurve) -> list[Any]:
    (x,) = values
    log_p, log_not_p = _log_sigmoid(t, x), _log_sigmoid(t, t.binary(t.number(0.0), "-", x))
    terms = t.binary(t.number(step.a), "*", log_p), t.binary(t.number(-step.b), "*", log_not_p)
    return t.bind("x", [t.sum(*terms, t.number(step.c))])


def _curves(t: Language, values: list[Any], step: ops.Curves) -> list[Any]:
    lines = zip(values, step.log_odds, step.probabilities, strict=True)
    return t.bind("p", [_curve(t, x, knots, levels) for x, knots, levels in lines])


def _curve(t: Language, x: Any, knots: tuple[float, ...], levels: tuple[float, ...]) -> Any:  # noqa: ANN401
    """Return the line through knots at x, constant beyond the first and the last."""
    pieces = [t.number(levels[0])]
    for i, end in enumerate(knots[1:]):
        slope = (levels[i + 1] - levels[i]) / (end - knots[i])
        if isinf(slope):  # no number lies between such knots
            pieces.append(t.number(levels[i + 1]))
            continue
        risen = t.binary(t.binary(x, "-", t.number(knots[i])), "*", t.number(slope))
        pieces.append(t.sum(t.number(levels[i]), risen))
    return _piece(t, x, "<=", knots, [*pieces, t.number(levels[-1])])


def _piece(t: Language, x: Any, sign: str, ends: Sequence[float], pieces: Sequence[Any]) -> Any:  # noqa: ANN401
    """Return the piece of the first end, of rising ones, that x is below; beyond them the last.

    Found by halving: of 5,000 pieces a row asks some twenty, and brackets lie ten deep.
    """
    if len(ends) <= _MOST_CASES:
        cases = [(x, sign, end, piece) for end, piece in zip(ends, pieces, strict=False)]
        return t.first_of(cases, pieces[-1])
    half = len(ends) // 2
    below = _piece(t, x, sign, ends[: half - 1], pieces[:half])
    return t.first_of(
        [(x, sign, ends[half - 1], below)], _piece(t, x, sign, ends[half:], pieces[half:])
    )


def _steps(t: Language, values: list[Any], step: ops.Steps) -> list[Any]:
    (x,) = values
    lower = _piece(t, x, "<", step.lower_from, [t.number(p) for p in (0.0, *step.lower)])
    upper = _piece(t, x, "<=", step.upper_to, [t.number(p) for p in (*step.upper, 1.0)])
    low, high = t.bind("bound", [lower, upper])
    total = t.sum(t.binary(t.number(1.0), "-", low), high)
    return t.bind("p", [t.binary(high, "/", total)])


def _with_complement(t: Language, values: list[Any], _: ops.WithComplement) -> list[Any]:
    return [t.binary(t.number(1.0), "-", values[0]), values[0]]


def _sigmoid(t: Language, values: list[Any], _: ops.Sigmoid) -> list[Any]:
    """1 / (1 + exp(-x)), whose exponent no database calls too large."""
    zero, least = t.number(0.0), _LEAST_EXPONENT
    negative = [t.binary(zero, "-", t.at_least(x, least)) for x in values]
    powers = [_exp(t, each) for each in negative]
    return [t.binary(t.number(1.0), "/", t.sum(t.number(1.0), each)) for each in powers]


def _normalize(t: Language, values: list[Any], _: ops.Normalize) -> list[Any]:
    (total,) = t.bind("total", [t.sum(*values)])
    return [t.binary(each, "/", total) for each in values]


_WRITTEN: dict[type, Callable[[Language, list[Any], Any], list[Any]]] = {
    ops.Divide: _divide,
    ops.LogSoftmax: _log_softmax,
    ops.Affine: _affine,
    ops.LogOdds: _log_odds,
    ops.OneVsRest: _one_vs_rest,
    ops.BetaCurve: _beta,
    ops.Curves: _curves,
    ops.Steps: _steps,
    ops.WithZero: lambda t, values, _: [t.number(0.0), *values],
    ops.WithComplement: _with_complement,
    ops.Softmax: _softmax,
    ops.Sigmoid: _sigmoid,
    ops.Normalize: _normalize,
}


def _numbers(step: Operation, k: int) -> int:
    """How many numbers an operation on k columns is written with."""
    match step:
        case ops.Affine():
            return int(np.size(step.weights)) + len(step.bias)
        case ops.Curves():
            return 2 * sum(len(each) for each in step.log_odds)
        case ops.Steps():
            return 2 * (len(step.lower) + len(step.upper))
        case ops.Divide() | ops.DivideByGroup():
            return len(step.by)
        case ops.OneVsRest():
            return k * k
        case _:
            return 1
