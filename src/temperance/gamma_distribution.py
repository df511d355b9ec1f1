"""The gamma distribution of scale 1 for few numbers, without the time that scipy takes to load."""

from __future__ import annotations

from math import exp, inf, isfinite, isinf, lgamma, log, log1p, pi, sqrt

from temperance.numerics import normal_quantile

__all__ = ["beyond", "gamma_quantile"]

_LARGE = 1e7  # shapes from here on are scipy's: their series have tens of thousands of terms
_NORMAL = 1e4
_STIRLING = 20.0
_EPSILON = 2.3e-16
_TINY = 1e-300
_STEPS = 60


def beyond(shape: float, x: float) -> float:
    """Return P(X >= x) of a gamma variable, in [0, 1], to some 13 digits also where it is tiny.

    Half a chi-square variable of d degrees of freedom is one of shape d / 2.

    Parameters
    ----------
    shape : float
        Above 0.
    x : float
        Any number; 1 up to 0.

    Notes
    -----
    Up to shape + 1 one less the series of P(X < x), beyond it Legendre's continued fraction.

    References
    ----------
    Gautschi (1979), A computational procedure for incomplete gamma functions,
    https://doi.org/10.1145/355972.355975

    Examples
    --------
    A gamma variable of shape 1 is exponential.

    >>> round(beyond(1.0, 2.0) / exp(-2.0), 12)
    1.0
    """
    if x <= 0.0:
        return 1.0
    if isinf(x):
        return 0.0
    if shape >= _LARGE:
        from scipy.special import gammaincc  # noqa: PLC0415

        return float(gammaincc(shape, x))
    if x < shape + 1.0:
        return 1.0 - _below(shape, x)
    return _fraction(shape, x)


def gamma_quantile(shape: float, p: float) -> float:
    """Return x with P(X < x) = p of a gamma variable, p in (0, 1/2].

    Newton steps on log P inside a bracket, from Wilson and Hilferty's cube; of a shape near 0,
    whose quantile is no number, 0. From a shape of 10,000 on, Cornish and Fisher's series in its
    square root, which is then good to all digits.

    Parameters
    ----------
    shape : float
        Above 0; infinite gives infinity.
    p : float
        In (0, 1/2].

    References
    ----------
    Wilson and Hilferty (1931), The distribution of chi-square,
    https://doi.org/10.1073/pnas.17.12.684; Fisher and Cornish (1960), The percentile points of
    distributions having known cumulants, https://doi.org/10.1080/00401706.1960.10489895

    Examples
    --------
    Of shape 1: -log(1 - p).

    >>> round(gamma_quantile(1.0, 0.025) / -log1p(-0.025), 12)
    1.0
    """
    if isinf(shape):
        return inf
    shape = float(shape)  # of plain floats, which raise where NumPy's would warn
    z = -normal_quantile(1.0 - 2.0 * p)
    if shape >= _NORMAL:
        return _nearly_normal(shape, z)
    cube = 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * sqrt(shape))
    x = shape * cube**3
    # below x the density falls short of its value without exp(-x): P <= x^a / Gamma(a + 1)
    least = exp(max((log(p) + lgamma(shape + 1.0)) / shape, -745.0))
    x = max(x, least)
    low, high = 0.0, inf
    for _ in range(_STEPS):
        found = 1.0 - beyond(shape, x) if x >= shape + 1.0 else _below(shape, x)
        if found > p:
            high = x
        else:
            low = x
        density = shape * _term(shape, x) / x
        following = inf  # a step that leaves the bracket
        if found > 0.0 and density > 0.0 and isfinite(density):
            following = x + log(p / found) * found / density
        if not low < following < high:
            following = 0.5 * (low + high) if high < inf else 2.0 * x
        if abs(following - x) <= 4.0 * _EPSILON * x or following == 0.0:
            return following
        x = following
    return x


def _nearly_normal(shape: float, z: float) -> float:
    """Return the quantile of a large shape at a standard normal one, z."""
    root = sqrt(shape)
    terms = (
        z,
        (z**2 - 1.0) / 3.0,
        (z**3 - 7.0 * z) / 36.0,
        -(3.0 * z**4 + 7.0 * z**2 - 16.0) / 810.0,
        (9.0 * z**5 + 256.0 * z**3 - 433.0 * z) / 38880.0,
    )
    return shape + sum(term * root ** (1 - order) for order, term in enumerate(terms))


def _term(shape: float, x: float) -> float:
    """x^shape e^-x / Gamma(shape + 1), without the loss of digits of large numbers."""
    if shape < _STIRLING:
        exponent = shape * log(x) - x - lgamma(shape + 1.0)
        return exp(exponent) if exponent > -745.0 else 0.0
    away = (x - shape) / shape
    exponent = shape * (log1p(away) - away) if away > -1.0 else -inf
    rest = 1.0 / (12.0 * shape) - 1.0 / (360.0 * shape**3) + 1.0 / (1260.0 * shape**5)
    exponent -= rest
    return exp(exponent) / sqrt(2.0 * pi * shape) if exponent > -745.0 else 0.0


def _below(shape: float, x: float) -> float:
    """P(X < x) by its series, for x up to about the shape."""
    total = term = 1.0
    at = shape
    while term > _EPSILON * total:
        at += 1.0
        term *= x / at
        total += term
    return min(total * _term(shape, x), 1.0)


def _fraction(shape: float, x: float) -> float:
    """P(X >= x) by a continued fraction, for x from about the shape on (Lentz's algorithm)."""
    b = x + 1.0 - shape
    c, d = 1.0 / _TINY, 1.0 / b
    value = d
    for i in range(1, 100_000):
        a = -i * (i - shape)
        b += 2.0
        d = 1.0 / (a * d + b or _TINY)
        c = b + a / c or _TINY
        value *= c * d
        if abs(c * d - 1.0) < _EPSILON:
            break
    return min(value * shape * _term(shape, x), 1.0)
