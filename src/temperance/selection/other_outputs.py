"""The choice of a map where outputs are no probabilities of classes: label matrices, and scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators import (
    LABEL_METHODS,
    Calibrator,
    Identity,
    MultilabelScaling,
    entry_rows,
    fit_entries,
)
from temperance.calibrators.operations import Affine, LogOdds, Softmax, WithZero
from temperance.checks.answer_scores import base_rate_logits
from temperance.checks.arguments import as_sequence, as_word
from temperance.checks.label_matrix import Entries
from temperance.errors import NoOptimumError
from temperance.selection.choose import Trial, Trials, select_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Traits
    from temperance.calibrators.operations import Operation
    from temperance.readers.json_object import JsonObject
    from temperance.selection.selection import Selection

    Array = NDArray[np.float64]

__all__ = ["BASE_RATE", "SCORE_METHODS", "BaseRate", "LabelTrials", "ScoreTrials", "select_labels"]

# The choice of a map for label matrices: rows are held out whole, with all their labels.


@dataclass(frozen=True, slots=True, eq=False)
class LabelTrials(Trials):
    """Trials on entries of a label matrix; groups are the labels' names, clusters the rows."""

    def fit(self, method: str, weights: NDArray[np.float64] | None, prior: float) -> Calibrator:
        """Return the method fitted with these weights."""
        return fit_entries(method, self.weighing(weights, prior))


def select_labels(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    methods: Sequence[str] | None = None,
    classes: Sequence[object] | None = None,
    ignore_label: int | str | None = None,
    refuse_probs: bool = True,
    seed: int = 0,
) -> Selection:
    """Choose a map for a label matrix by cross-fitted log loss; it may be to change nothing.

    Parameters
    ----------
    logits, labels, weights, classes, ignore_label, refuse_probs
        As in `MultilabelScaling.fit`.
    clusters : array_like, shape (n,), optional
        Which rows belong together, such as images of one patient. Default: each row by itself.
    methods : sequence of str, optional
        Among "temperature", "group-temperature" (one per label) and "platt" (a line per label);
        identity always with them. Default: all.
    seed : int, default 0
        Of the folds, >= 0.

    Returns
    -------
    Selection
        Its `calibrator` is a `MultilabelScaling`; losses are means over entries, errors count
        rows (clusters).

    Raises
    ------
    InvalidInputError
        As in `MultilabelScaling.fit`, or another method.
    NoOptimumError
        There is only one row, or all are of one cluster.

    Notes
    -----
    The rules of `select`. All entries of a row are held out with it: its labels may share their
    luck.

    Examples
    --------
    Labels that apply less often than claimed, by a factor of about 7 in the odds: no temperature
    moves 1/2.

    >>> import numpy as np
    >>> z = np.tile([[0.0, 2.0], [-1.0, 1.0], [0.0, 1.0], [-1.0, 2.0]], (50, 1))
    >>> y = (np.random.default_rng(0).random(z.shape) < 1 / (1 + np.exp(2 - z))).astype(int)
    >>> select_labels(z, y).method
    'platt'
    """
    entries = Entries.check(
        logits, labels, weights=weights, clusters=clusters, classes=classes,
        ignore_label=ignore_label, refuse_probs=refuse_probs,
    )  # fmt: skip
    if methods is not None:
        methods = as_sequence(methods, name="methods", rule="a sequence of names of methods")
        methods = [as_word(each, LABEL_METHODS, name="methods") for each in methods]
    if not len(entries.labels):
        msg = "There are no rows: a fit needs labelled rows."
        raise NoOptimumError(msg, reason="no-rows")
    entries = replace(entries, clusters=np.unique(entries.clusters, return_inverse=True)[1])
    rows = entry_rows(entries)
    selection, _ = select_rows(
        rows, methods=methods, are_named=methods is not None,
        seed=seed, trials_of=LabelTrials, order=tuple(LABEL_METHODS),
    )  # fmt: skip
    calibrator = MultilabelScaling.around(
        selection.calibrator, rows, n_labels=entries.keep.shape[1], classes=entries.classes
    )
    return replace(selection, calibrator=calibrator)


# The choice among maps of scores that are no probabilities: each must beat the base rate.


BASE_RATE = "base-rate"
SCORE_METHODS = (BASE_RATE, "platt", "beta", "isotonic", "venn-abers")


@dataclass(frozen=True, slots=True, eq=False)
class BaseRate(Calibrator):
    """The same log-odds for every row: what is known without the scores. Never saved."""

    method: ClassVar[str] = BASE_RATE
    traits: ClassVar[Traits] = Identity.traits

    log_odds: float

    def scaled(self, block: Array) -> Array:
        """Return (0, log-odds) for each row."""
        return np.tile([0.0, self.log_odds], (len(block), 1))

    def parameters(self) -> dict[str, Any]:
        """Return the log-odds."""
        return {"log_odds": self.log_odds}

    def operations(self) -> tuple[Operation, ...]:
        """Return the log-odds whatever the row is, and the softmax of (0, it)."""
        return (LogOdds(), Affine((0.0,), (self.log_odds,)), WithZero(), Softmax())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the map of `parameters()`."""
        return cls(log_odds=parameters.number("log_odds"), **common)


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTrials(Trials):
    """Trials on scores whose own sigmoids mean nothing: the base rate stands where they would."""

    def of(self, method: str) -> Trial:
        """Return a method's trial, or that of the base rate."""
        if method == BASE_RATE:
            return self._cross_fitted(method, 0.0)
        return Trials.of(self, method)

    def fit(self, method: str, weights: Array | None, prior: float) -> Calibrator:
        """Return the method fitted with these weights."""
        if method == BASE_RATE:
            return BaseRate(log_odds=float(base_rate_logits(self.rows.labels, weights)[0, 1]))
        return Trials.fit(self, method, weights, prior)

    def unchanged(self, held_out: NDArray[np.bool_]) -> Array:
        """Return the base rate of the other rows, for each of those held out."""
        weights = np.ones(self.rows.n) if self.rows.weights is None else self.rows.weights
        others = np.where(held_out, 0.0, weights)
        return base_rate_logits(self.rows.labels, others)[held_out]
