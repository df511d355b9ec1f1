"""Numbers in words: never nan or inf, never 100 % for what is not certain."""

from __future__ import annotations

from math import isfinite, isnan

__all__ = ["decimals_for", "number", "p_in_words", "percent", "points", "rows"]

_MOST = 2  # decimals of a percentage


def percent(share: float, decimals: int = 0) -> str:
    """Return a share as "95 %"; what only rounds to 0 or 100 % says so.

    >>> percent(0.9512), percent(0.99999), percent(1.0)
    ('95 %', 'over 99 %', '100 %')
    """
    text = f"{100.0 * share:.{decimals}f}"
    step = 10.0**-decimals
    if share < 1.0 and float(text) >= 100.0:
        return f"over {100.0 - step:.{decimals}f} %"
    if share > 0.0 and float(text) <= 0.0:
        return f"under {step:.{decimals}f} %"
    return "100 %" if share == 1.0 else "0 %" if share == 0.0 else f"{text} %"


def decimals_for(*shares: float) -> int:
    """Return the fewest decimals, 0 to 2, that keep different shares apart, and off 0 and 100 %.

    >>> decimals_for(0.95, 0.87), decimals_for(0.997, 0.975), decimals_for(0.951, 0.949)
    (0, 1, 1)
    """
    for decimals in range(_MOST):
        rounded = {round(100.0 * share, decimals) for share in shares}
        near_end = any(0.0 < min(share, 1.0 - share) < 10.0 ** (-2 - decimals) for share in shares)
        if len(rounded) == len(set(shares)) and not near_end:
            return decimals
    return _MOST


def number(value: float, decimals: int = 4) -> str:
    """Return a measure, "infinite" where it is.

    >>> number(0.22697), number(float("-inf")), number(-0.00001)
    ('0.2270', 'minus infinite', '0.0000')
    """
    if isnan(value):
        return "unknown"
    if not isfinite(value):
        return "infinite" if value > 0 else "minus infinite"
    text = f"{value:.{decimals}f}"
    if float(text) == 0.0:
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def points(share: float) -> str:
    """Return a difference of shares as "1.7 percentage points".

    >>> points(-0.0167), points(0.01)
    ('1.7 percentage points', '1.0 percentage points')
    """
    decimals = 1 if abs(share) >= 0.0005 else 2  # noqa: PLR2004 (half of 0.1 %)
    return f"{100.0 * abs(share):.{decimals}f} percentage points"


def rows(n: int) -> str:
    """Return "1 row", "5,000 rows"."""
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def p_in_words(p_value: float) -> str:
    """Return "p < 0.001", "p = 0.004", "p = 0.42".

    >>> p_in_words(1e-9), p_in_words(0.0042), p_in_words(0.4217), p_in_words(0.9999)
    ('p < 0.001', 'p = 0.004', 'p = 0.42', 'p > 0.99')
    """
    if isnan(p_value):
        return "p unknown"
    if p_value < 0.001:  # noqa: PLR2004
        return "p < 0.001"
    if p_value > 0.99:  # noqa: PLR2004
        return "p > 0.99"
    return f"p = {p_value:.2f}" if p_value >= 0.1 else f"p = {p_value:.3f}"  # noqa: PLR2004
