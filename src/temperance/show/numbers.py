"""Numbers as text, the same in the terminal, the notebook and the report."""

from __future__ import annotations

from math import isfinite, isnan

__all__ = ["interval_text", "number_text", "p_text"]


def number_text(value: float, *, sign: bool = False) -> str:
    """Return four decimals, with + where `sign` asks for it; "infinite", or "undefined", if so.

    >>> number_text(0.25), number_text(0.25, sign=True), number_text(float("nan"))
    ('0.2500', '+0.2500', 'undefined')
    >>> number_text(float("inf")), number_text(float("-inf"), sign=True)
    ('infinite', '-infinite')
    """
    if isnan(value):
        return "undefined"
    if not isfinite(value):
        return f"{'-' if value < 0.0 else '+' if sign else ''}infinite"
    return f"{value:{'+' if sign else ''}.4f}"


def interval_text(low: float, high: float, *, sign: bool = False) -> str:
    """Return "low to high"; "unknown" where neither end is finite.

    >>> interval_text(0.1, 0.3)
    '0.1000 to 0.3000'
    """
    if not isfinite(low) and not isfinite(high):
        return "unknown"
    return f"{number_text(low, sign=sign)} to {number_text(high, sign=sign)}"


def p_text(p_value: float | None) -> str:
    """Return "p = 0.031"; "p < 0.001" below that; "" where there is none.

    >>> p_text(0.0314), p_text(1e-9), p_text(None)
    ('p = 0.031', 'p < 0.001', '')
    """
    if p_value is None:
        return ""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
