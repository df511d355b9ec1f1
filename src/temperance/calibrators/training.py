"""The rows of a fit, checked once, and what every fit asks of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.blocks import ArrayRows, map_rows
from temperance.calibrators.record import FitRecord, ScoreTest
from temperance.checks import (
    Positions,
    as_classes,
    as_group_names,
    as_groups,
    as_labels,
    as_logits,
    as_weights,
    refuse_masked_labels,
)
from temperance.checks import refuse_probs as refuse_probs_as_logits
from temperance.checks.arguments import as_flag, as_float_dtype, as_number
from temperance.checks.arrays import (
    are_plain,
    is_dask_array,
    is_tensor,
    one_column,
    rows_among,
    shares_memory,
    without_copy,
)
from temperance.checks.forms import Dense, named_scores
from temperance.checks.labels import kept_labels, kept_rows, labelled_rows
from temperance.checks.row_values import in_effective_rows
from temperance.checks.scores import as_logits_unread, refuse_masks, refuse_padding, refuse_tiny
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.affine import temperature_scores
from temperance.kernels.engines import check_engine
from temperance.kernels.loss import loss_sums
from temperance.numerics import as_float64, row_blocks, two_sided_p
from temperance.printable import digits_text, first_few

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

    from temperance.blocks import LabelledRows
    from temperance.kernels.loss import LossSums

    Array = NDArray[np.float64]

__all__ = [
    "DOUBLE",
    "SINGLE",
    "Outputs",
    "Training",
    "as_prior",
    "cluster_slopes",
    "require_bends",
    "score_test_of_clusters",
    "source_of_rows",
]

# The labelled rows of a fit of a temperature, by what the caller's logits are.


def source_of_rows(
    logits: Any,  # noqa: ANN401  (of packages that are not imported here)
    labels: Any,  # noqa: ANN401
    *,
    weights: Any = None,  # noqa: ANN401
    clusters: Any = None,  # noqa: ANN401
    classes: Sequence[object] | None = None,
    engine: str = "auto",
    **options: Any,  # noqa: ANN401  (class_axis, ignore_label, refuse_probs)
) -> LabelledRows:
    """Return the arguments of a `fit` as rows, wherever they lie."""
    name = check_engine(engine)
    elsewhere = (
        "`clusters` are counted on arrays in memory: pass NumPy arrays, or leave them out and "
        "take the interval for what it is, one of rows that do not share their luck."
    )
    arguments = {"weights": weights, "classes": classes, **options}
    if is_tensor(logits):
        if name == "torch" or (name == "auto" and not shares_memory(logits)):
            if clusters is not None:
                raise InvalidInputError(elsewhere)
            from temperance.blocks.torch_rows import TorchRows  # noqa: PLC0415  (an optional package)

            return TorchRows.check(logits, labels, **arguments)
        logits = without_copy(logits, engine=name)
    if is_dask_array(logits):
        if clusters is not None:
            raise InvalidInputError(elsewhere)
        from temperance.blocks.dask_rows import DaskRows  # noqa: PLC0415  (an optional package)

        return DaskRows.check(logits, labels, engine=name, **arguments)
    return Training.check(logits, labels, clusters=clusters, engine=name, unread=True, **arguments)


_MOST_PRIOR = 1e100
_LEAST_BEND = 1e-4  # log-odds closer to 0 than this bend by less than rounding


def as_prior(prior: float) -> float:
    """Return the prior's strength, a number from 0 to 1e100: no data outweigh that."""
    rule = "a finite number >= 0, and at most 1e100"
    return as_number(prior, name="prior", rule=rule, least=0.0, most=_MOST_PRIOR)


@dataclass(frozen=True, slots=True, eq=False)
class Training(ArrayRows):
    """Checked rows of a fit, at least one; their weights add up to their effective number."""

    clusters: NDArray[np.intp] | None = None  # (n,): numbers 0..m-1 of rows that belong together
    groups: NDArray[np.str_] | None = None  # (n,): each row's group
    members: tuple[NDArray[Any], ...] | None = None  # of several models, (n, k) each
    prior: float = field(default=0.0, kw_only=True)  # in pseudo-rows that say: no change
    counted: NDArray[np.bool_] | None = field(default=None, kw_only=True)  # of all rows: these

    def __post_init__(self) -> None:
        if self.weights is not None:
            object.__setattr__(self, "weights", in_effective_rows(self.weights))

    @classmethod
    def check(  # noqa: PLR0913  (each is something that only the user knows)
        cls,
        logits: ArrayLike,
        labels: ArrayLike | Positions,
        *,
        weights: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: float | str | None = None,
        refuse_probs: bool = True,
        engine: str = "auto",
        unread: bool = False,
        zeros: bool = False,
        prior: float = 0.0,
    ) -> Self:
        """Return the arguments of a `fit` as arrays, or raise.

        With `zeros` a label may have logit -inf: for methods that need no logarithm of it.
        `unread` logits are only looked at for their shape: a fit that reads nothing but sums sees
        there whether a value was bad, and then asks `refuse_bad_values` which one.
        """
        strength = as_prior(prior)
        as_flag(refuse_probs, name="refuse_probs")
        outputs: Any = logits
        columns = classes
        y: Any = labels
        w: Any = weights
        c: Any = clusters
        of_last_axis = isinstance(class_axis, int) and class_axis == -1
        if of_last_axis and are_plain(logits, labels, weights, clusters, groups):
            outputs = one_column(outputs)
        else:
            scores, columns = named_scores(
                logits, classes, name="logits", labels=labels, weights=weights, clusters=clusters,
                groups=groups,
            )  # fmt: skip
            outputs, y, w, c = _flat(scores, labels, weights, clusters, class_axis=class_axis)
        keep = labelled_rows(y, ignore_label, may_be_none=True)
        rows, w, c = (
            kept_rows(each, keep, name=name)
            for each, name in ((outputs, "logits"), (w, "weights"), (c, "clusters"))
        )
        with rows_among(keep):
            z = as_logits_unread(rows) if unread else as_logits(rows)
            n, k = z.shape
            names = as_classes(columns, k=k)
            y = as_labels(kept_labels(y, keep), n=n, k=k, classes=names)
            w = None if w is None else as_weights(w, n=n)
            _require_rows(n)
            if refuse_probs:
                refuse_probs_as_logits(rows)
                if outputs.ndim > 1:
                    refuse_padding(z, y)
            if not unread:
                _require_learnable(z, y, names, zeros=zeros)
            units = None if c is None else as_groups(c, n=n, name="clusters")[1]
            of_row = kept_rows(groups, keep, name="groups")
            of_row = None if of_row is None else as_group_names(of_row, n=n)
        return cls(
            z, y, w, names, units, of_row, prior=strength, counted=keep,
            engine=check_engine(engine),
        )  # fmt: skip

    def refuse_bad_values(self) -> None:
        """Raise as for any rows; a row is named by its place among all, ignored ones too."""
        with rows_among(self.counted):
            ArrayRows.refuse_bad_values(self)

    def require_learnable(self, *, zeros: bool) -> Self:
        """Return the rows, or raise: there are none, a label has logit -inf, logits are tiny.

        With `zeros` a label may have logit -inf: for methods that need no logarithm of it.
        """
        _require_rows(self.n)
        _require_learnable(self.logits, self.labels, self.classes, zeros=zeros)
        return self

    def class_name(self, number: int) -> str:
        """Return what a class is called: its name, or its number where classes have none."""
        return self.classes[number] if self.classes else str(number)

    def weighing(self, weights: NDArray[np.float64] | None) -> Self:
        """Return the same rows with other weights, of which one at least is above 0."""
        return replace(self, weights=weights)

    def taken(self, places: NDArray[np.intp]) -> Self:
        """Return the rows at these places, with all that is known of each."""
        clusters = self.clusters
        if clusters is not None:
            clusters = np.unique(clusters[places], return_inverse=True)[1]
        return replace(
            self,
            counted=None,
            logits=self.logits[places],
            labels=self.labels[places],
            weights=None if self.weights is None else self.weights[places],
            clusters=clusters,
            groups=None if self.groups is None else self.groups[places],
            members=None if self.members is None else tuple(z[places] for z in self.members),
        )

    @property
    def weight(self) -> float:
        """Effective number of rows, (sum w)^2 / sum w^2; that of rows without weights."""
        return float(self.n if self.weights is None else self.weights.sum())

    @property
    def effective_rows(self) -> float:
        """How many rows of equal weight would be known as well: (sum w)^2 / sum w^2."""
        return self.weight

    @property
    def positions(self) -> Positions:
        """The labels as another fit takes them: never looked up among the names of classes."""
        return Positions(self.labels)

    @property
    def common(self) -> dict[str, Any]:
        """What every fitted calibrator remembers of its rows."""
        return {"n_classes": self.k, "classes": self.classes}

    def class_weights(self) -> NDArray[np.float64]:
        """Return the weight of the rows of each class, (k,)."""
        return np.bincount(self.labels, self.weights, minlength=self.k).astype(np.float64)

    def events_per_parameter(self, n_parameters: int) -> float:
        """Return how many events there are for each number that is learned; infinite for none.

        Effective rows; of two classes, those of the rarer one (Peduzzi et al. 1996): the rows of
        the other say little. Weights count by their ratios.
        """
        if n_parameters == 0:
            return float("inf")
        events = self.effective_rows
        if self.k == 2:
            events *= float(self.class_weights().min() / self.class_weights().sum())
        return events / n_parameters

    def require_every_class(self, *, hint: str) -> None:
        """Raise `NoOptimumError` if a class has no row: its bias would run away to -infinity."""
        missing = np.flatnonzero(self.class_weights() == 0.0)
        if len(missing):
            names = first_few([self.class_name(c) for c in missing.tolist()], 5)
            msg = (
                f"{len(missing)} of {self.k} classes {'has' if len(missing) == 1 else 'have'} "
                f"no row ({names}): the "
                f"loss falls for ever as they are ruled out. {hint}"
            )
            raise NoOptimumError(msg, reason="empty-class")

    def require_two_labels(self, method: str) -> None:
        """Raise `NoOptimumError` if one label fills all rows that count: only its place is learnt.

        A penalty would still give one answer: that the class is always true.
        """
        present = np.flatnonzero(self.class_weights())
        if len(present) > 1:
            return
        which = self.class_name(present[0])
        msg = (
            f"One label, {which}, fills "
            f"{'the one row' if self.n == 1 else f'all {self.n:,} rows'}: {method}, which "
            "learns about every "
            "class, would learn its place and nothing else. Where the true option stands in one "
            "place by convention, use temperature, or shuffle the options of each row."
        )
        raise NoOptimumError(msg, reason="empty-class")

    def refuse_masks(self, method: str) -> None:
        """Raise if an option is masked, for methods that need every logit of a row."""
        refuse_masks(self.logits, method)

    def _as_it_is(self) -> tuple[float, ScoreTest]:
        """Return the mean log loss of the model as it is, and the test of T = 1."""
        rows, zero = self, self.zero_labels()
        if zero.any():
            has_weight = np.ones(self.n, dtype=bool) if self.weights is None else self.weights > 0.0
            if (zero & has_weight).any():
                return inf, ScoreTest.of_certain_error()
            rows = self.taken(np.flatnonzero(has_weight))
        start = rows.at_one()
        return start.loss / start.weight, ScoreTest.from_sums(start)

    def zero_labels(self) -> NDArray[np.bool_]:
        """Return which rows have a label of logit -inf, probability 0."""
        return np.isneginf(as_float64(self.logits[np.arange(self.n), self.labels]))

    def widest(self) -> float:
        """Return the largest difference within a row, over options that exist."""
        return _widest(self.logits)

    def at_one(self) -> LossSums:
        """Return the sums of the log loss and its derivatives at T = 1."""
        return self.loss_pass((1.0,)).at[0]

    def record(
        self,
        scaled: Callable[[NDArray[np.float64]], NDArray[np.float64]],
        *,
        passes: int,
        prior: float = 0.0,
    ) -> FitRecord:
        """Return the facts of the fit of a map that turns blocks of logits into calibrated ones."""

        def after(
            logits: NDArray[Any], labels: NDArray[np.intp], weights: NDArray[np.float64] | None
        ) -> LossSums:
            return loss_sums(scaled(as_float64(logits)), labels, weights, beta=1.0)

        end = map_rows(after, self.logits, self.labels, self.weights)
        before, test = self._as_it_is()
        if self.clusters is not None and isfinite(before):
            test = score_test_of_clusters(self.logits, self.labels, self.weights, self.clusters)
        return FitRecord(
            n=self.n,
            weight=end.weight,
            log_loss_before=before,
            log_loss_after=end.loss / end.weight,
            score_test=test,
            passes=passes + 2,
            prior=prior,
        )


def require_bends(widest: float, *, method: str) -> None:
    """Raise where log-odds are so small that p and 1 - p are straight lines, to rounding.

    For methods that see more than differences: of a straight line they cannot tell one bend from
    another, and their numbers would cancel.
    """
    if 0.0 < widest < _LEAST_BEND:
        msg = (
            f"`logits` of {method} must differ by more than {_LEAST_BEND:g} in some row; they "
            f"differ by {digits_text(widest, 3)} at most. Multiply them by one number first, so "
            "that they differ by about 1, here and wherever the map is applied."
        )
        raise InvalidInputError(msg)


def _flat(
    scores: Any,  # noqa: ANN401  (array_like)
    labels: ArrayLike | Positions,
    weights: ArrayLike | None,
    clusters: ArrayLike | None,
    *,
    class_axis: int,
) -> tuple[Any, Any, Any, Any]:
    """Return logits (n, k) or (n,), and what there is per row (n,), of arrays of any shape."""
    outputs, dense = Dense.of(scores, class_axis=class_axis)
    w = None if weights is None else dense.flat(weights, name="weights")
    if clusters is not None and len(dense.shape) > 1:
        clusters = dense.spread(clusters, name="clusters")
    return outputs, dense.labels(labels), w, clusters


def _require_rows(n: int) -> None:
    if n == 0:
        msg = "There are no rows: a fit needs labelled rows."
        raise NoOptimumError(msg, reason="no-rows")


def _require_learnable(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    classes: tuple[str, ...] | None,
    *,
    zeros: bool,
) -> None:
    if not zeros:
        refuse_masked_labels(logits, labels, classes=classes)
    refuse_tiny(_widest(logits))


def _widest(logits: NDArray[Any]) -> float:
    """Return the largest difference within a row, over options that exist."""
    widest = 0.0
    for rows in row_blocks(logits):
        z = as_float64(logits[rows])
        smallest = np.where(np.isneginf(z), inf, z).min(axis=1)
        widest = max(widest, float((z.max(axis=1) - smallest).max()))
    return widest


# Slopes of the log loss summed by cluster, and the test of T = 1 whose draws are clusters.


def score_test_of_clusters(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    weights: Array | None,
    clusters: NDArray[np.intp],
) -> ScoreTest:
    """Return the test of T = 1 with clusters, not rows, as draws of their own."""
    of_cluster, _ = cluster_slopes(logits, labels, weights, clusters, beta=1.0)
    spread = sqrt(float(of_cluster @ of_cluster))
    score = float(of_cluster.sum()) / spread if spread > 0.0 else 0.0
    return ScoreTest(z=score, p_value=two_sided_p(score))


def cluster_slopes(
    logits: NDArray[Any],
    labels: NDArray[np.intp],
    weights: Array | None,
    clusters: NDArray[np.intp],
    *,
    beta: float,
) -> tuple[Array, Array]:
    """Return the sums of the slopes and of the curvatures in beta of each cluster, (m,) each."""
    m = int(clusters.max()) + 1
    slopes, curvatures = np.zeros(m), np.zeros(m)
    for rows in row_blocks(logits):
        slope, variance = temperature_scores(beta * as_float64(logits[rows]), labels[rows])
        w = np.ones(len(slope)) if weights is None else weights[rows]
        slopes += np.bincount(clusters[rows], w * slope / beta, m)
        curvatures += np.bincount(clusters[rows], w * variance / beta**2, m)
    return slopes, curvatures


# What a calibrator maps: outputs of one model or of several, checked.


SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Checked outputs for rows, as a calibrator maps them, and the shape in which they came."""

    scores: tuple[NDArray[Any], ...]  # (n, k) each: of one model, or of each member
    groups: NDArray[np.str_] | None = None  # (n,); "" of a row of no group
    dense: Dense | None = None
    one_column: bool = field(default=False, kw_only=True)  # they came as log-odds, (n,)

    def dtype_for(self, kind: str, dtype: DTypeLike | None) -> np.dtype[Any]:
        """Return the dtype of what is made of them: the one asked for, else float32 or float64.

        Logits of classes in float32 and narrower stay in float32. What is made of answers and of
        labels is float64: strictly between 0 and 1.
        """
        if dtype is not None:
            return as_float_dtype(dtype)
        narrow = kind == "logits" and all(z.itemsize < DOUBLE.itemsize for z in self.scores)
        return SINGLE if narrow else DOUBLE

    def groups_at(self, rows: slice) -> NDArray[np.str_] | None:
        """Return the groups of some rows, (m,)."""
        return None if self.groups is None else self.groups[rows]
