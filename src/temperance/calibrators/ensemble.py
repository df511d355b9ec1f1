"""Several models of the same rows: pooled with fitted weights, then calibrated together."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np

from temperance.blocks import map_rows
from temperance.calibrators.calibrator import Method, Traits
from temperance.calibrators.operations import Divide, Softmax, WeightedPool
from temperance.calibrators.record import MapParts, ModelWeights
from temperance.calibrators.temperature import temperature_record
from temperance.calibrators.training import Outputs, Training
from temperance.checks import as_logits
from temperance.checks import refuse_probs as refuse_probs_as_logits
from temperance.checks.arguments import as_flag, as_positive, as_sequence, as_word
from temperance.checks.arrays import frozen_numbers, rows_among
from temperance.checks.forms import frame_names, named_scores, refuse_other_index
from temperance.checks.labels import class_names, kept_labels, kept_rows, labelled_rows
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, centred_rows, row_blocks, softmax
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.operations import Operation
    from temperance.calibrators.record import TemperatureRecord
    from temperance.checks.labels import Positions
    from temperance.frozen import MaybeNone
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["Ensemble", "Pool", "as_members", "joint_error", "pooled_logits"]

# Weights of an ensemble's members: on the simplex, of the smallest log loss.


Pool = Literal["linear", "log"]

_NOTHING = 1e-9  # a weight below this is 0
_STEEPEST = 1e4  # of the log pool: beyond it rows are told apart without error


def pooled_logits(members: Sequence[NDArray[Any]], weights: Array, *, pool: Pool) -> Array:
    """Return log of the weighted mean of probabilities, or the weighted mean of their logs."""
    pooled = np.empty(members[0].shape)
    for rows in row_blocks(pooled):
        logs = member_logs([as_float64(z[rows]) for z in members], pool)
        if pool == "log":
            masked = np.isneginf(logs[0])
            parts = [w * np.where(masked, 0.0, each) for w, each in zip(weights, logs, strict=True)]
            pooled[rows] = np.where(masked, -np.inf, np.sum(parts, axis=0))
        else:
            with np.errstate(divide="ignore"):
                terms = [np.log(w) + each for w, each in zip(weights, logs, strict=True)]
            pooled[rows] = np.logaddexp.reduce(terms, axis=0)
    return pooled


def fit_member_weights(members: Sequence[NDArray[Any]], rows: Training, *, pool: Pool) -> Array:
    """Return the weights, (m,), of the smallest mean log loss; with the log pool, at its best T."""
    weights = _linear(members, rows) if pool == "linear" else _log(members, rows)
    weights = np.where(weights < _NOTHING * weights.sum(), 0.0, weights)
    return np.asarray(weights / weights.sum())


def _linear(members: Sequence[NDArray[Any]], rows: Training) -> Array:
    """Minimise the mean of -log sum_m w_m p_m(label), convex in w, on the simplex."""
    from scipy.optimize import minimize  # noqa: PLC0415

    of_label = np.empty((rows.n, len(members)))  # log-probability of each row's label
    for block in row_blocks(members[0]):
        for m, z in enumerate(members):
            logs = log_softmax(as_float64(z[block]))
            of_label[block, m] = logs[np.arange(len(logs)), rows.labels[block]]
    top = of_label.max(axis=1, keepdims=True)
    p = np.exp(of_label - top)
    w = np.ones(rows.n) if rows.weights is None else rows.weights
    w = w / w.sum()

    m = len(members)
    least = 1e-12  # no label may have probability 0 on the way

    def loss(at: Array) -> tuple[float, Array]:
        mixed = p @ np.maximum(at, least)  # rounding may take a step over the bound
        return -float(w @ np.log(mixed)), -((w / mixed) @ p)

    # As constraints, not as `bounds`: of those older SciPy warns when rounding has left them.
    result = minimize(
        loss, np.full(m, 1.0 / m), jac=True, method="SLSQP",
        constraints=[
            {"type": "eq", "fun": lambda at: at.sum() - 1.0, "jac": np.ones_like},
            {"type": "ineq", "fun": lambda at: at - least, "jac": lambda _: np.eye(m)},
        ],
        options={"ftol": 1e-15, "maxiter": 1000},
    )  # fmt: skip
    return np.asarray(np.maximum(result.x, 0.0))


def _log(members: Sequence[NDArray[Any]], rows: Training) -> Array:
    """Minimise the mean log loss of softmax(sum_m u_m log p_m) over u = w / T >= 0, convex."""
    from scipy.optimize import minimize  # noqa: PLC0415

    m, total = len(members), rows.weight
    unit = _mean_width(members)  # so that the search starts, and ends, alike on any scale

    def loss(at: Array) -> tuple[float, Array]:
        value, slope = 0.0, np.zeros(m)
        for block in row_blocks(members[0]):
            logs = member_logs([as_float64(z[block]) for z in members], "log")
            exists = ~np.isneginf(logs[0])
            finite = np.stack([np.where(exists, each, 0.0) for each in logs]) / unit
            pooled = np.where(exists, np.tensordot(at, finite, axes=1), -np.inf)
            log_p = log_softmax(pooled)
            residual = np.exp(log_p)
            places = np.arange(len(log_p)), rows.labels[block]
            residual[places] -= 1.0
            w = np.ones(len(log_p)) if rows.weights is None else rows.weights[block]
            value -= float(w @ log_p[places])
            slope += np.einsum("i,ij,mij->m", w, residual, finite)
        return value / total, slope / total

    result = minimize(
        loss, np.full(m, 1.0 / m), jac=True, method="L-BFGS-B", bounds=[(0.0, _STEEPEST)] * m,
        options={"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000},
    )  # fmt: skip
    u: Array = result.x
    return u if u.sum() > 0.0 else np.full(m, 1.0 / m)


def member_logs(members: Sequence[Array], pool: Pool) -> list[Array]:
    """Return what is pooled of each member's block: logs of probabilities, -inf where masked.

    Of the log pool up to a number per row, which no probability sees: so no digit is lost in it.
    """
    if pool == "linear":
        return [log_softmax(z) for z in members]
    return [np.asarray(centred_rows(z)) for z in members]


def _mean_width(members: Sequence[NDArray[Any]]) -> float:
    """Return the mean difference within a row, over options that exist; 1 where there is none."""
    total, count = 0.0, 0
    for z in members:
        for block in row_blocks(z):
            centred = member_logs([as_float64(z[block])], "log")[0]
            total -= float(np.where(np.isneginf(centred), 0.0, centred).min(axis=1).sum())
            count += len(centred)
    return total / count if total > 0.0 else 1.0


def log_softmax(z: Array) -> Array:
    """Log-probabilities of a block, -inf where an option does not exist."""
    with np.errstate(divide="ignore"):
        centred = centred_rows(z)
        return np.asarray(centred - np.log(np.exp(centred).sum(axis=1, keepdims=True)))


# How sure the temperature of a pool is when the members' weights were fitted on the same rows.


_LEAST = 1e-300  # a weight of 0 here, where its logarithm is taken
_ALIKE = 1e-10  # curvature below this, relative to the largest: members that say the same


@dataclass(frozen=True, slots=True, eq=False)
class _PoolSums(MergeableSums):
    """Sums over rows at the fitted weights and inverse temperature b, of m members."""

    weights: Array  # (m, m): second derivative of the loss that chose the weights
    cross: Array  # (m,): derivative of the slope in b, by the weights
    curvature: float  # that by b
    products: Array  # (1 + m, 1 + m): of the slope in b and the scores of the weights


def joint_error(
    members: Sequence[NDArray[Any]],
    rows: Training,
    weights: Array,
    *,
    temperature: float,
    pool: Pool,
    prior: float,
) -> float:
    r"""Return the standard error of b = 1 / T, with that of the fitted weights in it.

    Notes
    -----
    Two sets of equations are solved together: the weights' (of the linear pool at T = 1, of the log
    pool at its T) and that of b. A row moves the weights by v = K s, with its score s and K the
    inverse Hessian on steps that keep their sum, and b by
    :math:`-(g + c' v) / L''`, with its slope g, the curvature L'' and c = the derivative of L' by
    the weights: the sandwich of both. A member of weight 0 counts as free to move: held there, the
    interval would be too short on few rows.
    """
    w, beta = np.maximum(weights, _LEAST), 1.0 / temperature

    def kernel(*arrays: Any) -> _PoolSums:  # noqa: ANN401  (blocks of members, labels, weights)
        *block, labels, of_rows = arrays
        logs = np.stack(member_logs([as_float64(z) for z in block], pool))
        return _block_sums(logs, labels, of_rows, w, beta, pool)

    first, *others = members
    sums = map_rows(kernel, first, *others, rows.labels, rows.weights)
    inverse = _inverse(sums.weights, log=pool == "log")
    if pool == "log":  # from u = w b to w, which sums to 1
        inverse = (inverse - np.outer(w, inverse.sum(axis=0))) / beta
    moves = np.concatenate([[1.0], sums.cross @ inverse])
    return sqrt(float(moves @ sums.products @ moves)) / (sums.curvature + prior / beta**2)


def _block_sums(
    logs: Array,
    labels: NDArray[np.intp],
    of_rows: Array | None,
    w: Array,
    beta: float,
    pool: Pool,
) -> _PoolSums:
    """Return the sums of one block of the members' `member_logs`, (m, rows, k)."""
    at = np.arange(len(labels)), labels
    z, by_weight = _pooled(logs, w, pool)
    p = softmax(beta * z)
    z = np.where(np.isneginf(z), 0.0, z - z[at][:, None])
    slope = np.einsum("ij,ij->i", p, z)
    deviation = p * (z - slope[:, None])
    mean, of_label = np.einsum("ij,mij->im", p, by_weight), by_weight[:, *at].T
    cross = mean - of_label + beta * np.einsum("ij,mij->im", deviation, by_weight)
    omega = np.ones(len(labels)) if of_rows is None else of_rows
    if pool == "log":
        scores = of_label - mean
        second = np.einsum("i,ij,mij,nij->mn", omega, p, by_weight, by_weight, optimize=True)
        second -= (mean.T * omega) @ mean
    else:
        scores = of_label
        second = (scores.T * omega) @ scores
    both = omega[:, None] * np.column_stack([slope, scores])
    return _PoolSums(
        second, omega @ cross, float(omega @ np.einsum("ij,ij->i", deviation, z)), both.T @ both
    )


def _pooled(logs: Array, w: Array, pool: Pool) -> tuple[Array, Array]:
    """Return pooled logits (rows, k), and their derivatives by the weights, (m, rows, k)."""
    exists = ~np.isneginf(logs[0])
    if pool == "log":
        by_weight = np.where(exists, logs, 0.0)
        return np.where(exists, np.tensordot(w, by_weight, axes=1), -np.inf), by_weight
    z = np.logaddexp.reduce(np.log(w)[:, None, None] + logs, axis=0)
    return z, np.exp(logs - np.where(exists, z, 0.0))


def _inverse(second: Array, *, log: bool) -> Array:
    """Inverse of the Hessian; of the linear pool, on steps that keep the weights' sum."""
    if log:
        return np.asarray(np.linalg.pinv(second, rcond=_ALIKE, hermitian=True))
    k = len(second)
    basis = np.linalg.svd(np.eye(k) - 1.0 / k)[0][:, : k - 1]
    inside = basis.T @ second @ basis
    return np.asarray(basis @ np.linalg.pinv(inside, rcond=_ALIKE, hermitian=True) @ basis.T)


_ROUNDING = 1e-9  # how far the weights of a file may be from a sum of 1

_MEMBERS = "the logits of two models or more, a list of arrays (n, k) or one array (models, n, k)"


@dataclass(frozen=True, slots=True, eq=False)
class Ensemble(Method):
    r"""Probabilities softmax(pool / T) of several models' outputs for the same rows.

    Parameters
    ----------
    temperature : float
        T > 0 of the pool. Pooling softens, so T is often below 1.
    weights : ndarray, shape (m,)
        Of the m members: >= 0, summing to 1.
    pool : {"linear", "log"}
        "linear": pool = log of the weighted mean of the members' probabilities; "log": weighted
        mean of their log-probabilities.

    Raises
    ------
    InvalidInputError
        `temperature` not above 0, `weights` negative or not summing to 1, another `pool`.

    Notes
    -----
    Weights minimise the log loss. Of the log pool they are fitted together with T (one convex
    problem in w / T); of the linear pool at T = 1 (convex in w), T afterwards. A mean of calibrated
    probabilities is under-confident, so members are pooled first and calibrated together. Where
    weights were fitted, the standard error of T is that of the joint fit (sandwich); the expected
    regret is that of T alone.

    References
    ----------
    Rahaman and Thiery (2021), Uncertainty Quantification and Deep Ensembles,
    https://arxiv.org/abs/2007.08792; Ranjan and Gneiting (2010), Combining probability forecasts,
    https://doi.org/10.1111/j.1467-9868.2009.00726.x

    Examples
    --------
    >>> model = Ensemble(1.0, [0.5, 0.5], pool="linear")
    >>> members = [np.log([[0.9, 0.1]]), np.log([[0.5, 0.5]])]
    >>> model.apply(members).round(4)
    array([[0.7, 0.3]])
    """

    method: ClassVar[str] = "ensemble"
    traits: ClassVar[Traits] = Traits(
        type="pool, parametric",
        summary="several models: weighted mean (or log mean), then / T",
        parameters="models",
        labels="100",
        cost="models n k, 10 passes",
        keeps_class=False,
        keeps_order=False,
        keeps_ranking="no",
        classes="any, natively",
        risk="very low",
        source="Rahaman and Thiery 2021",
        prior=True,
        members=True,
    )

    richer_method: ClassVar[str | None] = None

    temperature: float
    weights: NDArray[np.float64]
    pool: Pool = field(default="linear", kw_only=True)
    record: TemperatureRecord | MaybeNone = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        temperature = as_positive(self.temperature, name="temperature")
        object.__setattr__(self, "temperature", temperature)
        w = frozen_numbers(self.weights, name="weights")
        if len(w) < 2 or not (w >= 0.0).all() or abs(w.sum() - 1.0) > _ROUNDING:
            msg = f"`weights` must be two or more numbers >= 0 that sum to 1, got {w}."
            raise InvalidInputError(msg)
        object.__setattr__(self, "weights", w)
        _check_pool(self.pool)
        self.require_width()

    @classmethod
    def fit(
        cls,
        members: Sequence[ArrayLike] | ArrayLike,
        labels: ArrayLike | Positions,
        *,
        pool: Pool = "linear",
        member_weights: Literal["fitted", "equal"] = "fitted",
        weights: ArrayLike | None = None,
        prior: float = 0.0,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        """Return the members' weights and the temperature of their pool.

        Parameters
        ----------
        members : sequence of m >= 2 array_like, each of shape (n, k) or (n,)
            The models' logits for the same rows and classes, in the same order. An option that
            does not exist (-inf) must be missing in all of them.
        labels : array_like, shape (n,)
            True classes.
        pool : {"linear", "log"}, default "linear"
            How probabilities are pooled.
        member_weights : {"fitted", "equal"}, default "fitted"
            Weights of the members: those of the smallest log loss, or all the same.
        weights : array_like, shape (n,), optional
            Of the rows; finite, >= 0; only their ratios matter, as in `TemperatureScaling.fit`.
        prior : float, default 0.0
            As in `TemperatureScaling.fit`, on the pool's temperature.
        classes, ignore_label, refuse_probs
            As in `TemperatureScaling.fit`.

        Returns
        -------
        Ensemble
            Its `record` is that of the pool's temperature: "before" is the pool at T = 1.

        Raises
        ------
        InvalidInputError
            Fewer than two members, or members that differ in rows, classes or missing options; and
            as in `TemperatureScaling.fit`.
        NoOptimumError
            As in `TemperatureScaling.fit`, of the pool.
        """
        rows = cls.checked_rows(
            members, labels, weights=weights, prior=prior, classes=classes,
            ignore_label=ignore_label, refuse_probs=refuse_probs,
        )  # fmt: skip
        return cls.from_rows(rows, pool=pool, member_weights=member_weights)

    @classmethod
    def checked_rows(
        cls,
        members: Sequence[ArrayLike] | ArrayLike,
        labels: ArrayLike | Positions,
        *,
        weights: ArrayLike | None = None,
        prior: float = 0.0,
        classes: Sequence[object] | None = None,
        ignore_label: float | str | None = None,
        refuse_probs: bool = True,
    ) -> Training:
        """Return the arguments of `fit` as rows with `members`; their logits are the first's."""
        arrays, columns = named_members(members, classes, labels=labels, weights=weights)
        keep = labelled_rows(labels, ignore_label)
        arrays = [kept_rows(each, keep, name=f"members[{i}]") for i, each in enumerate(arrays)]
        with rows_among(keep):
            stacked = as_members(arrays, refuse_probs=refuse_probs)
            rows = Training.check(
                stacked[0], kept_labels(labels, keep), prior=prior,
                weights=kept_rows(weights, keep, name="weights"), classes=columns,
                refuse_probs=False,
            )  # fmt: skip
        return replace(rows, members=tuple(stacked))

    @classmethod
    def from_rows(
        cls,
        rows: Training,
        *,
        pool: Pool = "linear",
        member_weights: Literal["fitted", "equal"] = "fitted",
    ) -> Self:
        """Return the calibrator of rows that have been checked (see `fit`); they have members."""
        _check_pool(pool)
        as_word(member_weights, ("fitted", "equal"), name="member_weights")
        stacked, strength = rows.members, rows.prior
        if stacked is None:
            msg = (
                f"{cls.method} takes the outputs of several models: fit A.npz B.npz --method "
                f"{cls.method}."
            )
            raise InvalidInputError(msg)
        of_members = np.full(len(stacked), 1.0 / len(stacked))
        if member_weights == "fitted":
            of_members = fit_member_weights(stacked, rows, pool=pool)
        pooled = replace(rows, logits=pooled_logits(stacked, of_members, pool=pool))
        record = temperature_record(pooled, prior=strength)
        if member_weights == "fitted":
            error = joint_error(
                stacked, rows, of_members, temperature=record.temperature, pool=pool, prior=strength
            ) * record.temperature**2  # fmt: skip
            if strength > 0.0:  # as of a temperature alone: not below the posterior one
                error = max(error, record.standard_error)
            record = replace(record, standard_error=error)
        return cls(record.temperature, of_members, pool=pool, **rows.common, record=record)

    @property
    def parts(self) -> MapParts:
        """How the models are pooled."""
        return MapParts(models=ModelWeights(self.pool, self.weights))

    @property
    def n_models(self) -> int:
        """How many models it takes the outputs of."""
        return len(self.weights)

    def outputs(
        self,
        logits: Sequence[ArrayLike] | ArrayLike,
        *,
        groups: ArrayLike | None = None,
        class_axis: int = -1,
        refuse_probs: bool = True,
    ) -> Outputs:
        """Return the arguments of `apply`, checked: the members, as many as in the fit."""
        if groups is not None:
            self.refuse_groups()
        if class_axis != -1:
            msg = (
                f"`class_axis` (--class-axis) must be -1 of members, (n, k) each; got {class_axis}."
            )
            raise InvalidInputError(msg)
        arrays, _ = named_members(logits, self.classes)
        stacked = as_members(arrays, refuse_probs=refuse_probs)
        if len(stacked) != len(self.weights):
            msg = (
                f"`members` must be the {len(self.weights)} models of the fit, in that order, got "
                f"{len(stacked)}."
            )
            raise InvalidInputError(msg)
        if self.n_classes is not None and stacked[0].shape[1] != self.n_classes:
            msg = (
                f"`members` must have the {self.n_classes} columns of the fit, got "
                f"{stacked[0].shape[1]}."
            )
            raise InvalidInputError(msg)
        return Outputs(tuple(stacked))

    def block_of(self, outputs: Outputs, rows: slice) -> NDArray[np.float64]:
        """Return the pooled logits of some rows, (m, k)."""
        members = [each[rows] for each in outputs.scores]
        return pooled_logits(members, self.weights, pool=self.pool)

    def scaled(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the calibrated logits of a block of pooled ones."""
        with np.errstate(over="ignore"):
            return np.asarray(centred_rows(block) / self.temperature)

    def parameters(self) -> dict[str, Any]:
        """Return the pool, the members' weights and the temperature."""
        return {
            "temperature": self.temperature,
            "pool": self.pool,
            "weights": self.weights.tolist(),
        }

    def operations(self) -> tuple[Operation, ...]:
        """Return the pool of the members, a division, and the softmax."""
        pool = WeightedPool(self.pool, tuple(self.weights.tolist()))
        return (pool, Divide((self.temperature,)), Softmax())

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`."""
        pool: Any = parameters.text("pool")
        weights = parameters.numbers("weights")
        return cls(parameters.number("temperature"), weights, pool=pool, **common)

    def facts(self) -> list[tuple[str, str]]:
        """Return the pool and the members' weights."""
        weights = ", ".join(f"{weight:.3f}" for weight in self.weights)
        return [("pool", self.pool), ("weights", weights)]


def named_members(
    members: Sequence[ArrayLike] | ArrayLike,
    classes: Sequence[object] | None,
    **row_values: Any,  # noqa: ANN401  (array_like, Positions or None)
) -> tuple[list[Any], tuple[str, ...] | None]:
    """Return the columns of members that are data frames in one order, and their classes."""
    arrays = as_sequence(members, name="members", rule=_MEMBERS)
    columns = None if classes is None else class_names(classes)
    columns = columns or next((names for each in arrays if (names := frame_names(each))), None)
    refuse_other_index(**{f"members[{i}]": each for i, each in enumerate(arrays)}, **row_values)
    return [
        named_scores(each, columns, name=f"members[{i}]")[0] for i, each in enumerate(arrays)
    ], (columns)


def as_members(
    members: Sequence[ArrayLike] | ArrayLike, *, refuse_probs: bool
) -> list[NDArray[Any]]:
    """Return the members' logits, (n, k) each, or raise: too few, or not of the same rows."""
    arrays = as_sequence(members, name="members", rule=_MEMBERS)
    if len(arrays) < 2 or np.ndim(arrays[0]) == 0:
        count = 1 if arrays and np.ndim(arrays[0]) == 0 else len(arrays)
        msg = f"`members` must be {_MEMBERS}; got {count}."
        raise InvalidInputError(msg)
    stacked = [as_logits(each, name=f"members[{i}]") for i, each in enumerate(arrays)]
    first = stacked[0]
    for i, (z, raw) in enumerate(zip(stacked, arrays, strict=True)):
        if z.shape != first.shape:
            msg = (
                f"`members` must be outputs for the same rows and classes; members[0] has "
                f"{first.shape}, members[{i}] has {z.shape}."
            )
            raise InvalidInputError(msg)
        if as_flag(refuse_probs, name="refuse_probs") and len(z):
            refuse_probs_as_logits(raw)
        for rows in row_blocks(z):
            own, theirs = (np.isneginf(as_float64(m[rows])) for m in (z, first))
            differ = (own != theirs).any(axis=1)
            if differ.any():
                row = rows.start + int(differ.argmax())
                msg = (
                    f"`members` must lack the same options (-inf); in row {row} members[{i}] and "
                    "members[0] differ."
                )
                raise InvalidInputError(msg)
    return stacked


def _check_pool(pool: str) -> None:
    as_word(pool, ("linear", "log"), name="pool")
