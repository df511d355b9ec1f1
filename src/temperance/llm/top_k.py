"""A temperature from the few most likely tokens that a server shows, and what it can then say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators import TemperatureRecord, TemperatureScaling
from temperance.checks import as_weights
from temperance.checks.arguments import as_sequence
from temperance.checks.arrays import as_numbers, row_name, such_rows
from temperance.checks.probs import sum_tolerance
from temperance.checks.shown_tokens import ShownTokens
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.frozen import Plain
from temperance.numerics import as_float64
from temperance.printable import count_text
from temperance.show import percent_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    Array = NDArray[np.float64]

__all__ = ["TopKBounds", "TopKTemperature", "label_positions"]

# Bounds on the probabilities of shown tokens, where the rest of the vocabulary is unseen.


@dataclass(frozen=True, slots=True, eq=False)
class TopKBounds:
    """Between which ends each shown token's probability lies; see `TopKTemperature.apply`."""

    low: NDArray[np.float64]  # (n, k): in [0, 1]; 0 where no token is shown
    high: NDArray[np.float64]  # (n, k): in [0, 1], >= low; 0 where no token is shown
    exact: NDArray[np.bool_]  # (n,): all options are shown; low = high, to the dtype's rounding
    one_sided: NDArray[np.bool_]  # (n,): nothing is known from below, for want of `vocabulary`

    def __post_init__(self) -> None:
        for values in (self.low, self.high, self.exact, self.one_sided):
            values.setflags(write=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists for JSON; the low end of one-sided rows is None."""
        two_sided = ~self.one_sided
        return {
            "low": [
                row if of else None for row, of in zip(self.low.tolist(), two_sided, strict=True)
            ],
            "high": self.high.tolist(),
            "exact": self.exact.tolist(),
            "one_sided": self.one_sided.tolist(),
        }

    def __str__(self) -> str:
        n = len(self.low)
        top = f"most likely token, mean: at most {self.high.max(axis=1).mean():.4f}"
        if not self.one_sided.any():
            top += f", at least {self.low.max(axis=1).mean():.4f}"
        parts = [count_text(n, "row"), f"{np.count_nonzero(self.exact):,} exact"]
        if self.one_sided.any():
            parts.append(
                f"{np.count_nonzero(self.one_sided):,} bounded from above only (no `vocabulary`)"
            )
        return f"{', '.join(parts)}; {top}"


# Where the true token stands among those shown.


def label_positions(tokens: Sequence[Sequence[str]], labels: Sequence[str]) -> NDArray[np.intp]:
    """Return the place of each row's true token among those shown, -1 where it is not.

    Parameters
    ----------
    tokens : n sequences of str (or token numbers)
        The tokens whose log-probabilities `TopKTemperature.fit` gets, in the same order.
    labels : sequence of n str (or token numbers)
        The true tokens, compared to the last character: " A" is not "A".

    Returns
    -------
    ndarray of int, shape (n,)
        From 0; -1 where the true token is not shown.

    Raises
    ------
    InvalidInputError
        Another number of labels than of rows, or a true token that a row shows twice: add up the
        probabilities of its entries first.

    Examples
    --------
    >>> label_positions([["yes", "no"], ["no", "maybe"]], ["no", "yes"])
    array([ 1, -1])
    """
    tokens = as_sequence(tokens, name="tokens", rule="a sequence of tokens per row")
    labels = as_sequence(labels, name="labels", rule="a sequence of one true token per row")
    if len(tokens) != len(labels):
        msg = (
            f"`labels` must name one true token per row of `tokens`, {len(tokens)}; got "
            f"{len(labels)}."
        )
        raise InvalidInputError(msg)
    places = np.full(len(tokens), -1, dtype=np.intp)
    for row, (row_tokens, label) in enumerate(zip(tokens, labels, strict=True)):
        texts = as_sequence(row_tokens, name=f"tokens[{row}]", rule="a sequence of tokens")
        matches = [place for place, token in enumerate(texts) if token == label]
        if len(matches) > 1:
            msg = (
                f"`tokens` of a row must differ; {row_name(row)} shows its true token {label!r} "
                f"{len(matches)} times. Add up their probabilities (logaddexp of their "
                "log-probabilities) and keep one."
            )
            raise InvalidInputError(msg)
        if matches:
            places[row] = matches[0]
    return places


# What the tokens that are not shown can hold after a temperature: bounds on a sum.
#
# Symbols: p = a shown probability, b = 1 / T, tau = the smallest shown, m = 1 - sum of the shown,
# V = size of the vocabulary, k = number of the shown, tail = :math:`\sum p^b` over the others.


@dataclass(frozen=True, slots=True, eq=False)
class Tail:
    """Of each row: what is known of the tokens that are not shown."""

    mass: Array  # (n,): their probability m, as the numbers have it
    least: Array  # (n,): with its rounding, m is at least this
    most: Array  # (n,): and at most this
    smallest: Array  # (n,): log tau, which none of them exceeds
    others: Array  # (n,): V - k; infinite where V is unknown
    complete: NDArray[np.bool_]  # (n,): there are none

    @classmethod
    def of(cls, tokens: ShownTokens, vocabulary: NDArray[np.float64]) -> Self:
        """Return what the shown tokens leave; `vocabulary` is V of each row, infinite if unknown.

        Raises `InvalidInputError` where V - k tokens below tau could not hold what is left.
        """
        z, shown = tokens.logprobs, tokens.shown
        p = np.exp(z)
        count = shown.sum(axis=1)
        mass = 1.0 - p.sum(axis=1)
        entropy = -(p * np.where(shown, z, 0.0)).sum(axis=1)
        # Where a row sums to more than 1, its rounding is at least as large as that.
        rounding = np.maximum(tokens.rounding * (1.0 + entropy), -mass)
        smallest = np.where(shown, z, np.inf).min(axis=1)
        others = vocabulary - count
        complete = others == 0.0  # a sum of 1 does not say so: it hides 1e-7, or 1e-16, of many
        least = np.where(complete, 0.0, np.maximum(mass - rounding, 0.0))
        most = np.where(complete, 0.0, np.maximum(mass, 0.0) + rounding)
        room = np.where(others > 0.0, others, 0.0) * np.exp(smallest)
        _require_room(mass, room, vocabulary, sum_tolerance(tokens.dtype))
        mass = np.where(complete, 0.0, np.maximum(mass, 0.0))
        return cls(mass, np.minimum(least, room), most, smallest, others, complete)

    def log_sums(self, beta: float) -> tuple[Array, Array]:
        r"""Return the logarithms of the least and the most that the tail can be at b, (n,) each.

        For b < 1 :math:`m \tau^{b-1} \le tail \le (V-k)^{1-b} m^b`: the first because each
        p^b = p p^(b - 1) with p at most tau, the second by the power mean; reversed for b > 1.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            log_least, log_most = np.log(self.least), np.log(self.most)
            log_others = np.log(self.others)
            spread = np.where(self.complete, 0.0, (1.0 - beta) * log_others)
        narrow = (beta - 1.0) * self.smallest
        if beta < 1.0:
            return log_least + narrow, np.where(self.complete, -np.inf, spread + beta * log_most)
        if beta > 1.0:
            return np.where(self.complete, -np.inf, spread + beta * log_least), log_most + narrow
        with np.errstate(divide="ignore"):
            log_mass = np.log(self.mass)
        return log_mass, log_mass


def _require_room(mass: Array, room: Array, vocabulary: Array, tolerance: float) -> None:
    full = mass > room + tolerance
    if full.any():
        row = int(full.argmax())
        msg = (
            f"`logprobs` must be of the most likely tokens: {row_name(row)} leaves {mass[row]:.4g} "
            f"of the probability to others of which none may exceed its smallest, and of a "
            f"`vocabulary` of {vocabulary[row]:.0f} they can hold {room[row]:.4g} at most "
            f"({such_rows(full)}). Is the vocabulary larger, or is a token shown "
            "that is not among the most likely, as the sampled one may be? Leave it out."
        )
        raise InvalidInputError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopKTemperature(Plain):
    r"""The temperature of a whole vocabulary, from rows that show only its most likely tokens.

    Parameters
    ----------
    scaling : TemperatureScaling
        The temperature itself, with its record: `save(found.scaling, "calibrator.json")` writes it
        as any other, and `TopKTemperature(scaling=load(path))` has it back.
    n : int, optional
        Rows given to the fit; None if the temperature was typed in.
    n_not_shown : int, optional
        Those of them that were dropped, because their true token is not among the shown ones.
    n_sentinels : int, optional
        Tokens that stand there with -100, -9999.0 or the like (below -88) instead of a
        log-probability, and count as not shown.

    Notes
    -----
    If the probabilities of all tokens are softmax(z / T), then *given that the true token is among
    the shown* its probability is the softmax of their log-probabilities divided by T: what is
    unseen cancels. So the likelihood of the rows whose true token is shown needs neither the
    rest's probabilities nor the size of the vocabulary, and is exact. Lumping the rest into one
    more class is not, for that class does not keep its form under a temperature: where the
    truth is 1.50 it gives 1.34.

    The shown tokens must be the most likely ones, whichever is the true one. Servers that add the
    sampled token to the list (vLLM does, in last place) break that: leave it out.

    Examples
    --------
    Two shown tokens of .5 and .25, log-odds of log 2; the first is right in 4 rows of 5, so T
    makes them log 4. One true token was not shown.

    >>> rows = [[-0.6931, -1.3863]] * 6
    >>> scaling = TopKTemperature.fit(rows, [0, 0, 0, 0, 1, -1])
    >>> round(scaling.temperature, 4), scaling.n, scaling.n_not_shown
    (0.5, 6, 1)
    """

    json_keys: ClassVar[tuple[str, ...]] = (
        "temperature", "n", "n_not_shown", "n_sentinels", "record",
    )  # fmt: skip

    scaling: TemperatureScaling
    n: int | None = None
    n_not_shown: int | None = None
    n_sentinels: int | None = None

    @classmethod
    def fit(
        cls,
        logprobs: ArrayLike | Sequence[Any],
        labels: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        prior: float = 0.0,
    ) -> Self:
        """Return the temperature that makes the true tokens likeliest among those shown.

        Parameters
        ----------
        logprobs : array_like, shape (n, k), or n sequences of different lengths
            Natural logarithms of the probabilities of each row's most likely tokens, in any order,
            of the whole vocabulary's softmax (before any sampling temperature); -inf pads short
            rows. What lies below -88, as -100 and -9999.0, with which servers say "impossible",
            counts as not shown: no float32 probability is that small.
        labels : array_like of int, shape (n,)
            Place of the true token among those shown, from 0; -1 where it is not shown.
            `label_positions(tokens, labels)` finds them.
        weights : array_like, shape (n,), optional
            Finite, >= 0; only their ratios matter, as in `TemperatureScaling.fit`.
        prior : float, default 0.0
            As in `TemperatureScaling.fit`.

        Returns
        -------
        TopKTemperature
            With the `record` of the rows that were kept: interval, standard error, score test.

        Raises
        ------
        InvalidInputError
            Log-probabilities above 0, nan, rows that sum to more than 1 (within 1e-3; 5e-3 in
            float16, 2e-2 in bfloat16) or show nothing, labels that name no shown token.
        NoOptimumError
            As in `TemperatureScaling.fit`; `"no-rows"` where no true token is shown,
            `"constant-logits"` where no row shows two tokens of different probability.
        """
        tokens = ShownTokens.check(logprobs)
        positions = tokens.positions(labels)
        w = as_weights(weights, n=tokens.n)
        is_shown = positions >= 0
        if not is_shown.any():
            msg = (
                "No row is left: in none is the true token among those shown. Ask for more "
                "log-probabilities per token (top_logprobs=20)."
            )
            raise NoOptimumError(msg, reason="no-rows")
        z = tokens.logprobs[is_shown]
        if z.shape[1] == 1:  # one token shown: no row says anything, as the fit will say
            z = np.pad(z, ((0, 0), (0, 1)), constant_values=-np.inf)
        scaling = TemperatureScaling.fit(
            z, positions[is_shown],
            weights=None if w is None else w[is_shown], prior=prior, refuse_probs=False,
        )  # fmt: skip
        return cls(
            scaling=TemperatureScaling(scaling.temperature, record=scaling.record),
            n=tokens.n,
            n_not_shown=int(np.count_nonzero(~is_shown)),
            n_sentinels=int(np.count_nonzero(tokens.sentinels)),
        )

    @property
    def temperature(self) -> float:
        """T > 0; above 1 the model was over-confident."""
        return self.scaling.temperature

    @property
    def record(self) -> TemperatureRecord | None:
        """How T was found, from the rows whose true token is shown; None if it was typed in."""
        return self.scaling.record

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the confidence interval of T (see `TemperatureRecord.interval`).

        Parameters
        ----------
        level : float, default 0.95
            Coverage, in (0, 1).

        Returns
        -------
        tuple of float
            Low and high end.

        Raises
        ------
        InvalidInputError
            `level` outside (0, 1), or a temperature that was typed in.
        """
        if self.record is None:
            msg = "`interval` needs a fitted temperature; this one was typed in."
            raise InvalidInputError(msg)
        return self.record.interval(level)

    def apply(
        self, logprobs: ArrayLike | Sequence[Any], *, vocabulary: ArrayLike | None = None
    ) -> TopKBounds:
        r"""Return between which ends each shown token's calibrated probability lies.

        Parameters
        ----------
        logprobs : array_like, shape (n, k), or n sequences of different lengths
            As in `fit`.
        vocabulary : int, or array_like of int, shape (n,), optional
            V, the number of tokens (or of options, in a row of its own) of which the k shown are
            the most likely. V = k says that all are shown.

        Returns
        -------
        TopKBounds
            `low` and `high`, (n, k). Both ends hold for *every* vocabulary that could have shown
            this; the truth need not reach them. Equal (`exact`) where all options are shown, which
            only V = k says: a row that sums to 1 may hide what rounding hides, 1e-7 in float32, and
            at T = 2 a hundred thousand tokens make a tenth of that. Without `vocabulary` and with
            T > 1 nothing is known from below (`one_sided`): a long enough tail may take all.

        Raises
        ------
        InvalidInputError
            As in `fit`; a `vocabulary` below k, or too small to hold what the shown tokens leave.

        Notes
        -----
        With b = 1 / T, :math:`S = \sum p^b` over the shown tokens, m the probability that they
        leave and tau the smallest of them, a token has :math:`p^b / (S + R)` where

        .. math:: m \tau^{b-1} \le R \le (V-k)^{1-b} m^b

        for b < 1, and the reverse for b > 1. m is taken as known to float32's rounding (to that of
        float16 or bfloat16 where the numbers come in these), and each number of float32, float16 or
        bfloat16 to half a unit of its last place; both ends allow for that. A token with -9999.0
        lies between 0 and what min(tau, m) has as its end, for it is one of the others. Dividing by
        S alone, as if the k tokens were all there is, overstates every probability if T > 1, often
        twofold.

        References
        ----------
        Hardy, Littlewood and Polya (1934), Inequalities, Section 2.9 (power means)

        Examples
        --------
        A token of .5 shown and .5 left, T = 2: of two tokens it stays .5; of 51 the fifty others
        may be .01 each, with a weight of 50 sqrt(.01) = 5 against its sqrt(.5).

        >>> halved = TopKTemperature(scaling=TemperatureScaling(2.0))
        >>> bounds = halved.apply([[-0.6931472]], vocabulary=51)
        >>> bounds.low.round(3), bounds.high.round(3)
        (array([[0.124]]), array([[0.5]]))
        """
        tokens = ShownTokens.check(logprobs)
        sizes = _sizes(vocabulary, tokens)
        tail = Tail.of(tokens, sizes)
        beta = 1.0 / self.temperature
        scaled, rounding = beta * tokens.logprobs, beta * tokens.log_rounding
        log_shown = np.logaddexp.reduce(scaled - rounding, axis=1)  # at least
        log_least, log_most = tail.log_sums(beta)
        most_shown = np.logaddexp.reduce(scaled + rounding, axis=1)
        low = np.exp(scaled - rounding - np.logaddexp(most_shown, log_most)[:, None])
        high = np.exp(scaled + rounding - np.logaddexp(log_shown, log_least)[:, None])
        high = np.minimum(high, 1.0)
        if tokens.sentinels.any():  # one of the others: at most the smallest shown, and all of m
            with np.errstate(divide="ignore"):
                log_one = beta * np.minimum(tail.smallest, np.log(tail.most))
            log_sum = np.logaddexp(log_shown, np.maximum(log_least, log_one))
            high = np.where(tokens.sentinels, np.exp(log_one - log_sum)[:, None], high)
        one_sided = ~tail.complete & np.isinf(tail.others) & (beta < 1.0)
        return TopKBounds(low, high, tail.complete, one_sided)

    def __str__(self) -> str:
        if not self.n:
            return str(self.scaling)
        count = self.n - (self.n_not_shown or 0)
        share = (
            f"the true token is shown in {count:,} of {count_text(self.n, 'row')} "
            f"({percent_text(count / self.n, 0)})"
        )
        return f"{self.scaling}\n{share}; the others were left out"


def _sizes(vocabulary: ArrayLike | None, tokens: ShownTokens) -> Array:
    """Return V of each row as floats, infinite where it is not given."""
    if vocabulary is None:
        return np.full(tokens.n, np.inf)
    numbers = as_numbers(vocabulary, name="vocabulary")
    sizes = as_float64(numbers)
    if sizes.shape not in ((), (tokens.n,)) or numbers.dtype.kind == "b":
        msg = (
            f"`vocabulary` must be one number, or one per row, shape ({tokens.n},); got shape "
            f"{sizes.shape}."
        )
        raise InvalidInputError(msg)
    each = np.broadcast_to(sizes, (tokens.n,))
    count = (tokens.shown | tokens.sentinels).sum(axis=1)
    bad = ~(np.isfinite(each) & (each == np.floor(each)) & (each >= count))
    if bad.any():
        row = int(bad.argmax())
        msg = (
            "`vocabulary` must be a whole number, at least that of the tokens shown; "
            f"{row_name(row)} shows {count[row]} and has {each[row]:g} ({such_rows(bad)})."
        )
        raise InvalidInputError(msg)
    return each
