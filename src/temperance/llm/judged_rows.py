"""A judge's verdicts on many rows, people's labels of a few, and the ways to the pass rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from temperance.checks.arrays import as_numbers, as_optional, row_name, such_rows
from temperance.checks.forms import refuse_other_index
from temperance.checks.row_values import as_groups, as_weights
from temperance.crossfit import folds_of
from temperance.errors import InvalidInputError
from temperance.logistic_regression import fit_logistic
from temperance.metrics.bounded_mean import BoundedMean, Term, UnitSums, term_of, total_of
from temperance.metrics.estimates import Estimate
from temperance.numerics import as_float64, logit
from temperance.printable import count_text
from temperance.show import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = [
    "JUDGE_METHODS",
    "AdjustedCount",
    "Corrected",
    "JudgedRows",
    "adjusted_count",
    "corrected",
    "scaled_term",
]

JUDGE_METHODS = ("ppi", "calibrated", "stratified", "adjusted-count")
_LEAST = 10  # labels
_FEW_VERDICTS = 20  # strata
_CLOSEST = 1e-6  # of a score to 0 and 1, where its log-odds are taken
_RIDGE = 1.0  # of the map of scores: as much as four rows near one half say
_GRID = 1000  # steps of a pass rate that an adjusted count looks at
_CERTAIN = 0.9999  # coverage of rates outside of which means are not explained by chance


# The rows, checked.


class Piece(NamedTuple):
    """One mean: the sums of its units, the range of its numbers, and who moves it."""

    sums: UnitSums
    low: float
    high: float
    influence: Array  # (units,)

    def term(self, level: float, times: float = 1.0) -> Term:
        """Return it as a term of a sum."""
        return term_of(self.sums, self.ends(level), self.influence, times=times)

    def ends(self, level: float) -> tuple[float, float]:
        """Return its interval."""
        return self.sums.ends(self.low, self.high, level)

    def estimate(self, level: float) -> Estimate:
        """Return it with its interval."""
        low, high = self.ends(level)
        return Estimate(self.sums.mean, min(low, self.sums.mean), max(high, self.sums.mean))


@dataclass(frozen=True, slots=True, eq=False)
class JudgedRows:
    """Verdicts, and labels of some of the rows; all checked."""

    verdicts: Array  # (n,), in [0, 1]
    labels: Array  # (n,), in [0, 1]; nan where nobody was asked
    weights: Array  # (n,), >= 0
    units: NDArray[np.intp]  # (n,): the row's cluster, or the row itself
    n_units: int
    clustered: bool

    @classmethod
    def check(
        cls,
        verdicts: ArrayLike,
        labels: ArrayLike,
        weights: ArrayLike | None,
        clusters: ArrayLike | None,
    ) -> JudgedRows:
        """Return the arguments as arrays, or raise InvalidInputError."""
        refuse_other_index(verdicts=verdicts, labels=labels, weights=weights, clusters=clusters)
        f = _in_unit(as_numbers(verdicts, name="verdicts"), name="verdicts", blank=False)
        n = len(f)
        y = _in_unit(_with_blanks(labels), name="labels", blank=True)
        if len(y) != n:
            msg = f"`labels` must have shape ({n},), one per verdict, got ({len(y)},)."
            raise InvalidInputError(msg)
        w = as_weights(weights, n=n)
        units = np.arange(n) if clusters is None else as_groups(clusters, n=n, name="clusters")[1]
        count = int(units.max(initial=-1)) + 1
        return cls(f, y, np.ones(n) if w is None else w, units, count, clusters is not None)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows people judged, (n,)."""
        return ~np.isnan(self.labels)

    @property
    def binary(self) -> bool:
        """Whether all labels are pass or fail, no grade between."""
        y = self.labels[self.labelled]
        return bool(((y == 0.0) | (y == 1.0)).all())

    def require_labels(self) -> None:
        """Raise where too few rows are labelled."""
        count = int(np.count_nonzero(self.labelled))
        if count < _LEAST:
            msg = (
                f"`labels` must be known for at least {_LEAST} rows, which people have judged; "
                f"{count} of {count_text(len(self.labels), 'row')} "
                f"{'has' if count == 1 else 'have'} one. `temperance plan` says how many are worth "
                "it."
            )
            raise InvalidInputError(msg)

    def part(self, rows: NDArray[np.bool_]) -> JudgedRows:
        """Return some of the rows, their units as they are."""
        columns = {name: getattr(self, name)[rows] for name in ("verdicts", "labels", "weights")}
        return replace(self, units=self.units[rows], **columns)

    def piece(
        self,
        values: Array,
        rows: NDArray[np.bool_],
        ends: tuple[float, float] = (0.0, 1.0),
        *,
        weights: Array | None = None,
    ) -> Piece:
        """Return the mean of `values` (n,) over some rows."""
        w = (self.weights if weights is None else weights)[rows]
        x, unit = values[rows], self.units[rows]
        sums = UnitSums.of_rows(x, w, unit if self.clustered else None)
        influence = np.bincount(unit, w * (x - sums.mean), minlength=self.n_units) / w.sum()
        return Piece(sums, *ends, influence)


def _in_unit(values: NDArray[Any], *, name: str, blank: bool) -> Array:
    x = as_float64(values)
    if x.ndim != 1 or len(x) == 0:
        msg = f"`{name}` must have shape (n,) with n >= 1, got {x.shape}."
        raise InvalidInputError(msg)
    bad = ~((x >= 0.0) & (x <= 1.0))
    if blank:
        bad &= ~np.isnan(x)
    if bad.any():
        row = int(bad.argmax())
        what = "1 or true for pass, 0 or false for fail, or a score between"
        but = ", or None where nobody was asked" if blank else ""
        msg = (
            f"`{name}` must be {what}{but}; {row_name(row)} holds {x[row]:g} ({such_rows(bad)}). "
            "Of grades from a to b take (grade - a) / (b - a)."
        )
        raise InvalidInputError(msg)
    return x


def _with_blanks(labels: ArrayLike) -> NDArray[Any]:
    """Return labels as numbers, nan where there is none."""
    values = as_optional(labels, name="labels")
    if values.dtype.kind == "O" and values.ndim:
        values = np.array([np.nan if each is None else each for each in values.tolist()])
    return as_numbers(values, name="labels")


# The ways to the rate.


class Corrected(NamedTuple):
    """The means whose sum is the rate, and how far verdicts are trusted."""

    residual: Piece  # of labels less trusted verdicts, over labelled rows
    verdict: Piece  # of verdicts, over all rows
    tuning: float
    labels: Piece  # of labels alone

    def rate(self, level: float) -> BoundedMean:
        """Return the rate with its interval."""
        terms = [self.residual.term(level)]
        if self.tuning > 0.0:
            terms.append(self.verdict.term(level, self.tuning))
        return total_of(terms)


def corrected(rows: JudgedRows, method: str) -> Corrected:
    """Return the parts of a prediction-powered rate."""
    f, y, is_labelled = rows.verdicts, rows.labels, rows.labelled
    weights = rows.weights
    if method == "calibrated":
        f = _calibrated(rows)
    elif method == "stratified":
        weights = _stratum_weights(rows)
    tuning = _tuning(f[is_labelled], y[is_labelled], weights[is_labelled])
    every = np.ones(len(f), dtype=bool)
    return Corrected(
        rows.piece(y - tuning * f, is_labelled, (-tuning, 1.0), weights=weights),
        rows.piece(f, every),
        tuning,
        rows.piece(y, is_labelled, weights=weights),
    )


def _tuning(f: Array, y: Array, w: Array) -> float:
    """Slope of labels on verdicts, cut to [0, 1]: it makes the residuals vary least."""
    f = f - np.average(f, weights=w)
    spread = float(w @ (f * f))
    return 0.0 if spread == 0.0 else float(np.clip((w * f) @ y / spread, 0.0, 1.0))


def _calibrated(rows: JudgedRows) -> Array:
    """Return P(pass | score), of each labelled row by a map that has not seen its fold."""
    odds = logit(np.clip(rows.verdicts, _CLOSEST, 1.0 - _CLOSEST))
    features = np.stack([np.ones_like(odds), odds], axis=1)
    places = np.flatnonzero(rows.labelled)
    y = rows.labels[places]
    folds = folds_of(
        (y >= 0.5).astype(np.intp),
        scores=(odds[places], y),
        clusters=rows.units[places] if rows.clustered else None,
    )
    maps = [
        fit_logistic(
            features[places[folds != fold]],
            y[folds != fold],
            rows.weights[places[folds != fold]],
            ridge=_RIDGE,
            centre=np.array([0.0, 1.0]),
        ).coefficients
        for fold in range(int(folds.max()) + 1)
    ]
    probs = 1.0 / (1.0 + np.exp(-np.clip(features @ np.array(maps).T, -700.0, 700.0)))
    mapped = probs.mean(axis=1)
    mapped[places] = probs[places, folds]
    return np.asarray(mapped)


def _stratum_weights(rows: JudgedRows) -> Array:
    """Return weights under which labelled rows have the verdicts of all rows."""
    verdicts, stratum = np.unique(rows.verdicts, return_inverse=True)
    if len(verdicts) > _FEW_VERDICTS:
        msg = (
            f"`verdicts` must take at most {_FEW_VERDICTS} values where `method` (--method) is "
            f"stratified, got {len(verdicts):,}: round them, or label rows drawn at random (ppi)."
        )
        raise InvalidInputError(msg)
    is_labelled = rows.labelled
    every = np.bincount(stratum, rows.weights, minlength=len(verdicts))
    own = np.bincount(stratum[is_labelled], rows.weights[is_labelled], minlength=len(verdicts))
    if (own == 0.0).any():
        empty = float(verdicts[int((own == 0.0).argmax())])
        msg = (
            f"`labels` must be known for rows of every verdict where `method` (--method) is "
            f"stratified; no row of the verdict {empty:g} has one."
        )
        raise InvalidInputError(msg)
    return np.asarray(rows.weights * (every / own)[stratum])


class AdjustedCount(NamedTuple):
    """Mean verdicts of the rows without labels, and of those that people passed and failed."""

    verdict: Piece
    passed: Piece  # its mean: the true positive rate
    failed: Piece  # its mean: the false positive rate

    def rate(self, level: float) -> BoundedMean:
        """Return the rate that explains the mean verdict, and all those that may.

        Where none does at `level`, those that do at .9999; that none does there is no chance.
        """
        tpr, fpr = self.passed.sums.mean, self.failed.sums.mean
        if tpr <= fpr:
            msg = (
                "`verdicts` tell nothing here: the judge passes "
                f"{number_text(tpr)} of what people pass and {number_text(fpr)} of what they fail. "
                "Take a better judge, or the labels alone."
            )
            raise InvalidInputError(msg)
        verdict_rate = self.verdict.sums.mean
        value = min(max((verdict_rate - fpr) / (tpr - fpr), 0.0), 1.0)
        terms = [piece.term(level) for piece in self]
        plausible = _plausible(terms, value)
        if not plausible:  # by chance, if the three means lie so far from the truth
            terms = [piece.term(max(level, _CERTAIN)) for piece in self]
            plausible = _plausible(terms, value)
        if not plausible:
            msg = (
                "`verdicts` of the rows without labels have a mean of "
                f"{number_text(verdict_rate)}, which no pass rate explains: the judge passes "
                f"{number_text(tpr)} of what people pass and {number_text(fpr)} of what they fail. "
                "The labelled rows are of another kind."
            )
            raise InvalidInputError(msg)
        low = max(min([*plausible, value]) - 1.0 / _GRID, 0.0)
        high = min(max([*plausible, value]) + 1.0 / _GRID, 1.0)
        gap = total_of(
            [terms[0], scaled_term(terms[1], -value), scaled_term(terms[2], value - 1.0)]
        )
        return BoundedMean(value, low, high, gap.influence / (tpr - fpr))


def _gap(terms: Sequence[Term], rate: float) -> BoundedMean:
    """Return the mean verdict less what a pass rate explains of it."""
    verdict, passed, failed = terms
    return total_of([verdict, scaled_term(passed, -rate), scaled_term(failed, rate - 1.0)])


def _plausible(terms: Sequence[Term], value: float) -> list[float]:
    """Return the pass rates, of a grid and `value`, that explain the mean verdict."""
    gaps = ((rate, _gap(terms, rate)) for rate in [step / _GRID for step in range(_GRID + 1)])
    rates = [rate for rate, gap in gaps if gap.low <= 0.0 <= gap.high]
    gap = _gap(terms, value)
    return [*rates, value] if gap.low <= 0.0 <= gap.high else rates


def scaled_term(term: Term, factor: float) -> Term:
    """Return a term times any number."""
    ends = (factor * term.below, factor * term.above)
    if factor < 0.0:
        ends = (-ends[1], -ends[0])
    return Term(factor * term.value, *ends, factor * term.influence)


def adjusted_count(rows: JudgedRows) -> AdjustedCount:
    """Return the parts of an adjusted count, or say what it lacks."""
    is_labelled, y, f = rows.labelled, rows.labels, rows.verdicts
    if is_labelled.all():
        msg = (
            "`labels` must be missing in the rows whose pass rate is wanted where `method` "
            "(--method) is adjusted-count: labelled rows serve to know the judge alone."
        )
        raise InvalidInputError(msg)
    if not rows.binary:
        msg = (
            "`labels` must be pass or fail where `method` (--method) is adjusted-count, not grades "
            "between: take ppi."
        )
        raise InvalidInputError(msg)
    for word, value in (("pass", 1.0), ("fail", 0.0)):
        if not (y[is_labelled] == value).any():
            msg = (
                f"`labels` must hold a row that people {word} where `method` (--method) is "
                "adjusted-count; there is none."
            )
            raise InvalidInputError(msg)
    return AdjustedCount(*(rows.piece(f, which) for which in (~is_labelled, y == 1.0, y == 0.0)))
