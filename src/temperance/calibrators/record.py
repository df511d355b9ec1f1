"""What a fit leaves behind: how many rows, what it gained, how sure it is, whole and in parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import copysign, exp, inf, isfinite, sqrt
from sys import float_info
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from temperance.checks.arguments import as_level
from temperance.frozen import Plain
from temperance.numerics import t_quantile, two_sided_p
from temperance.printable import digits_text
from temperance.show import p_text
from temperance.significance import Direction, evident

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from temperance.kernels.loss import LossSums
    from temperance.readers.json_object import JsonObject

__all__ = [
    "FitRecord",
    "GroupTemperatures",
    "LabelLine",
    "LabelLines",
    "MapParts",
    "ModelWeights",
    "ScoreTest",
    "ShrunkPart",
    "TemperatureRecord",
    "ends_text",
    "now",
    "regret_in_words",
    "sharpness_in_words",
]

# Whether the model needs a temperature at all.


@dataclass(frozen=True, slots=True)
class ScoreTest(Plain):
    r"""Test of T = 1 that needs no fit: whether probabilities are as sharp as labels allow.

    Parameters
    ----------
    z : float
        Standard normal under calibration; above 0 = over-confident, below = under-confident.
    p_value : float
        Two-sided, in [0, 1]; small = the probabilities are too sharp or too flat.

    Notes
    -----
    :math:`Z = \sum_i w_i g_i / \sqrt{\sum_i w_i^2 v_i}` with
    :math:`g_i = E_{p_i}[z_i] - z_{i y_i}` and :math:`v_i = \mathrm{Var}_{p_i}[z_i]` at T = 1.
    With z = log p this is Spiegelhalter's (1986) test for the logarithmic score,
    https://doi.org/10.1002/sim.4780050506
    """

    json_keys: ClassVar[tuple[str, ...]] = ("z", "p_value", "direction")

    z: float
    p_value: float

    @classmethod
    def from_sums(cls, at_one: LossSums) -> Self:
        """Return the test from the sums at inverse temperature 1."""
        if at_one.model_variance > 0.0:
            z = at_one.slope / sqrt(at_one.model_variance)
        else:  # every probability is 0 or 1 to the last bit: one error refutes that
            z = 0.0 if at_one.slope == 0.0 else copysign(float_info.max, at_one.slope)
        return cls(z=z, p_value=two_sided_p(z))

    @classmethod
    def of_certain_error(cls) -> Self:
        """Return the test where something happened that had probability 0: refuted."""
        return cls(z=float_info.max, p_value=0.0)

    @property
    def leaning(self) -> Direction:
        """Which way the probabilities lean, by the sign of z alone: chance may be why."""
        if self.z == 0.0:
            return "neither"
        return "over-confident" if self.z > 0 else "under-confident"

    @property
    def direction(self) -> Direction:
        """Which way the probabilities err; "neither" without evidence, where p >= 0.05."""
        return evident(self.leaning, self.p_value)


def sharpness_in_words(test: ScoreTest) -> str:
    """Return what the score test of T = 1 says: the one sentence of terminal, notebook and page.

    >>> sharpness_in_words(ScoreTest(z=-3.3, p_value=0.00097))
    'the model is under-confident (score test of T = 1: z = -3.3, p < 0.001)'
    >>> sharpness_in_words(ScoreTest(z=0.3, p_value=0.754))
    'no clear sign of over- or under-confidence (score test of T = 1: z = 0.3, p = 0.754)'
    """
    z = f"{test.z + 0.0:.1f}".replace("-0.0", "0.0") if abs(test.z) < 1e6 else "beyond measure"
    shown = f"(score test of T = 1: z = {z}, {p_text(test.p_value)})"
    if test.direction == "neither":
        return f"no clear sign of over- or under-confidence {shown}"
    return f"the model is {test.direction} {shown}"


# What a fit leaves behind: how many rows, what it gained, how sure it is.


_WIDEST = 300.0  # exp(300) = 1e130: an interval that says nothing, in finite numbers


def now() -> str:
    """Return the time, ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRecord:
    """Facts of one fit, in the units of the data.

    Parameters
    ----------
    n : int
        Rows used.
    weight : float
        Effective number of rows, (sum w)^2 / sum w^2 of their weights; n without weights.
    log_loss_before, log_loss_after : float
        Mean log loss in nats on the rows of the fit, of the model as it is and of the fitted map;
        the first is infinite where the model gave probability 0 to what happened.
        The second is a training loss: judge the gain on other rows (`evaluate`, or
        cross-fitting).
    score_test : ScoreTest
        Test of T = 1 on the model as it is.
    passes : int
        How often the data were read from beginning to end.
    prior : float
        Strength of the prior on the unchanged map in pseudo-rows; 0 is plain maximum likelihood.
    floor : float or None
        What smaller probabilities were raised to before the fit, by `--floor`; `temperance apply`
        raises those of new rows likewise. None where none were.
    n_floored : int or None
        How many probabilities were raised; None where nobody counted.
    fitted_at : str
        Time of the fit, ISO 8601, UTC. Does not count in comparisons.
    """

    n: int
    weight: float
    log_loss_before: float
    log_loss_after: float
    score_test: ScoreTest
    passes: int
    prior: float = 0.0
    floor: float | None = None
    n_floored: int | None = None
    fitted_at: str | None = field(default_factory=now, compare=False)

    @property
    def of_temperature(self) -> TemperatureRecord | None:
        """The same record where it says how sure a temperature is; None of other fits."""
        return None

    @property
    def parts(self) -> Mapping[str, ShrunkPart]:
        """How sure the temperature of each group is; {} of other fits."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers."""
        return {
            "n": self.n,
            "weight": self.weight,
            "fitted_at": self.fitted_at,
            "log_loss_before": self.log_loss_before if isfinite(self.log_loss_before) else None,
            "log_loss_after": self.log_loss_after,
            "score_test": self.score_test.to_dict(),
            "prior": self.prior,
            "passes": self.passes,
            **({} if self.floor is None else {"floor": self.floor, "n_floored": self.n_floored}),
        }

    @classmethod
    def from_json(cls, fit: JsonObject, *, temperature: float | None) -> FitRecord:
        """Return the record that `to_dict` wrote; with a `temperature`, its standard error too."""
        test, fitted_at = fit.section("score_test"), fit.values.get("fitted_at")
        score_test = ScoreTest(z=test.number("z"), p_value=test.share("p_value"))
        p_value = two_sided_p(score_test.z)
        test.require_equal("p_value", p_value, because=f"the p-value of z = {score_test.z:g}")
        if test.get("direction") != score_test.leaning:  # older files: the sign of z alone
            test.require_equal(
                "direction", score_test.direction, because="what z and its p-value show"
            )
        test.require_all_asked()
        common: dict[str, Any] = {
            "n": fit.integer("n"),
            "weight": fit.not_negative("weight"),
            "log_loss_before": fit.not_negative("log_loss_before")
            if fit.has("log_loss_before")
            else inf,
            "log_loss_after": fit.not_negative("log_loss_after"),
            "score_test": score_test,
            "passes": fit.integer("passes"),
            "prior": fit.not_negative("prior"),
            "floor": _optional(fit, "floor"),
            "n_floored": fit.integer("n_floored", least=0) if fit.has("n_floored") else None,
            "fitted_at": fitted_at if isinstance(fitted_at, str) else None,
        }
        of_temperature = ("temperature_standard_error", "temperature_interval")
        if temperature is None or not any(fit.has(key) for key in of_temperature):
            return FitRecord(**common)
        record = TemperatureRecord(
            **common,
            temperature=temperature,
            standard_error=_unbounded(fit, "temperature_standard_error"),
            expected_regret=_optional(fit, "expected_regret"),
            error_bound=_optional(fit, "error_bound"),
            degrees_of_freedom=_optional(fit, "degrees_of_freedom"),
        )
        ends = list(record.interval())
        fit.require_equal(
            "temperature_interval",
            ends,
            because="as `temperature`, `temperature_standard_error` and, of clusters, "
            "`degrees_of_freedom` make it",
        )
        return record


def _finite(value: float | None) -> float | None:
    """Return a number that JSON can hold; None, null, where it is infinite or not known."""
    return value if value is not None and value < inf else None


def _unbounded(fit: JsonObject, key: str) -> float:
    """Return a number >= 0; null is infinite: of one cluster nothing says how sure it is."""
    return fit.not_negative(key) if fit.get(key) is not None else inf


def _optional(fit: JsonObject, key: str) -> float | None:
    return fit.not_negative(key) if fit.has(key) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TemperatureRecord(FitRecord):
    """Facts of one fit of a temperature, with how sure it is.

    Parameters
    ----------
    temperature : float
        The fitted T, repeated here so that the record can give its interval.
    standard_error : float
        Of T, by the sandwich formula, which holds when the model is wrong in other ways too;
        with a prior, not below the posterior standard deviation.
    expected_regret : float or None
        What it costs on new rows, in nats of log loss per row, that T was found from these rows
        and not from endless ones: the curvature of the mean loss in 1/T times half the squared
        standard error of 1/T. About 1 / (2 n) where the model is right but for T.
        None in files older than this number.
    error_bound : float or None
        The exact minimum of the loss on these rows is no further than this from T, relative to it:
        what the last reading of the rows certified, and at least 2.2e-16, as T is rounded itself.
        Rounding of the sums comes on top. None where nothing was certified. It is made of what
        rounding leaves of a slope, so equal records may differ in it.
    degrees_of_freedom : float or None
        Of the standard error where rows belong together: the effective number of clusters less 1.
        None where they do not.
    """

    temperature: float
    standard_error: float
    expected_regret: float | None
    error_bound: float | None = field(default=None, compare=False)
    degrees_of_freedom: float | None = None

    @property
    def of_temperature(self) -> TemperatureRecord:
        """The same record."""
        return self

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        r"""Return the confidence interval of T: :math:`T \exp(\pm q \, se(T) / T)`.

        With q the normal quantile; of clusters, that of Student's t.

        Parameters
        ----------
        level : float, default 0.95
            Coverage, in (0, 1).

        Returns
        -------
        tuple of float
            Low and high end, both > 0. At 95 % it held the true optimum in 94.5 to 95.2 % of
            samples of 200 to 2,000 rows, where the inverse curvature alone held it in 98 to
            99 % and the percentile bootstrap in 91 %.

        Raises
        ------
        InvalidInputError
            `level` outside (0, 1).

        Examples
        --------
        >>> test = ScoreTest(z=0.0, p_value=1.0)
        >>> TemperatureRecord(
        ...     n=9, weight=9.0, log_loss_before=1.0, log_loss_after=1.0, score_test=test, passes=1,
        ...     temperature=2.0, standard_error=0.0, expected_regret=0.0,
        ... ).interval()
        (2.0, 2.0)
        """
        level = as_level(level, name="level")
        degrees = self.degrees_of_freedom
        on_log_scale = t_quantile(level, inf if degrees is None else degrees)
        on_log_scale *= self.standard_error / self.temperature
        factor = exp(min(on_log_scale, _WIDEST))
        return self.temperature / factor, self.temperature * factor

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, with the 95 % interval of the temperature."""
        degrees = self.degrees_of_freedom
        return {
            **FitRecord.to_dict(self),
            **({} if degrees is None else {"degrees_of_freedom": degrees}),
            "temperature_standard_error": self.standard_error
            if self.standard_error < inf
            else None,
            "temperature_interval": list(self.interval(0.95)),
            "expected_regret": _finite(self.expected_regret),
            "error_bound": self.error_bound,
        }


def regret_in_words(record: TemperatureRecord, regret: float) -> str:
    """What the width of the interval costs on new rows."""
    _, high = record.interval(0.95)
    return (
        f"not knowing it better (a factor of {digits_text(high / record.temperature, 3)} up or "
        f"down) costs about {digits_text(regret, 2)} nats of log loss per new row"
    )


def ends_text(low: float, high: float, digits: int = 4) -> str:
    """Return an interval of T in words: "1.2 to 1.5", "up to 1.5", "1.2 and more", "any"."""
    low_text, high_text = digits_text(low, digits), digits_text(high, digits)
    if low == 0.0:
        return "any" if high == inf else f"up to {high_text}"
    return f"{low_text} and more" if high == inf else f"{low_text} to {high_text}"


# What a calibrator knows of the parts of its data: models, groups, labels.


@dataclass(frozen=True, slots=True)
class ShrunkPart:
    """The temperature of one part of the data, and how far it was shrunk."""

    temperature: float
    interval: tuple[float, float] | None  # 95 %, of its own rows; None where they are too few
    n: int  # rows
    alone: float | None  # of these rows alone; None where they are too few, or have no optimum

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "n": self.n,
            "temperature": self.temperature,
            "temperature_interval": None if self.interval is None else _ends_to_json(self.interval),
            "temperature_alone": self.alone,
        }

    @classmethod
    def from_json(cls, part: JsonObject) -> Self:
        """Return the part that `to_dict` wrote."""
        ends = None
        if part.has("temperature_interval"):
            ends = _ends(part)
        has_alone = part.has("temperature_alone")
        shrunk = cls(
            part.number("temperature"), ends, part.integer("n"),
            part.number("temperature_alone") if has_alone else None,
        )  # fmt: skip
        part.require_all_asked()
        return shrunk


def _ends_to_json(interval: tuple[float, float]) -> list[float | None]:
    """Return both ends; None for an endless high one, as JSON has no infinity."""
    low, high = interval
    return [low, None if high == inf else high]


def _ends(part: JsonObject) -> tuple[float, float]:
    ends = part.get("temperature_interval")
    if isinstance(ends, list) and len(ends) == 2 and ends[1] is None:
        if type(ends[0]) not in (int, float) or not 0.0 <= ends[0] <= float_info.max:
            part.refuse("temperature_interval", "two numbers, null a high one without end")
        return float(ends[0]), inf
    low, high = part.numbers("temperature_interval", shape=(2,)).tolist()
    return low, high


class ModelWeights(NamedTuple):
    """How several models are pooled."""

    pool: str  # "linear" or "log"
    weights: NDArray[np.float64]  # (m,), summing to 1


class GroupTemperatures(NamedTuple):
    """One temperature per group, or per label."""

    pooled: float  # T of all rows
    temperatures: Mapping[str, float]  # T of each group that has one
    spread: float  # standard deviation of log T between groups, beyond chance
    small_groups: tuple[str, ...]  # of too few rows: they have the pooled T
    parts: Mapping[str, ShrunkPart]  # how sure each of them is; {} where nobody has kept it


class LabelLine(NamedTuple):
    """The line of one label: calibrated logit = slope * logit + intercept."""

    name: str
    slope: float
    slope_interval: tuple[float, float] | None  # 95 %; None where it is not known
    intercept: float
    intercept_interval: tuple[float, float] | None
    few_events: bool  # mostly the common line


class LabelLines(NamedTuple):
    """One line per label, that farthest from the common line first."""

    slope: float  # of the common line
    intercept: float
    lines: tuple[LabelLine, ...]


class MapParts(NamedTuple):
    """What a map has for each part of its data; None where it has nothing of the kind."""

    class_bias: NDArray[np.float64] | None = None  # (k,): added to logits beside a temperature
    models: ModelWeights | None = None
    groups: GroupTemperatures | None = None
    labels: LabelLines | None = None
