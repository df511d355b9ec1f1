"""A small square picture for a notebook: a curve over [0, 1] against the diagonal, as SVG."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from temperance.printable import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["beside", "sketch"]

_SIDE, _LEFT, _TOP = 160, 26, 8  # pixels
_MOST = 120  # points of a curve
_TEXT = 'fill="currentColor" font-size="11" font-family="sans-serif"'


def sketch(
    across: NDArray[np.float64],
    up: NDArray[np.float64],
    *,
    name: str,
    words: str,
    band: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    across_name: str,
    up_name: str,
) -> str:
    """Return an `<svg>` without script or style sheet, in the colours of the page.

    Parameters
    ----------
    across, up : ndarray, shape (m,)
        The curve, ascending in `across`; both in [0, 1].
    name, words : str
        Title and description for those who do not see it.
    band : pair of ndarray, shape (m,), optional
        Lower and upper end over `across`, shaded.
    across_name, up_name : str
        Of the axes.
    """
    name, words = escape(printable(name)), escape(printable(words))
    keep = np.unique(np.linspace(0, len(across) - 1, min(len(across), _MOST)).astype(int))
    x = across[keep]
    shaded = ""
    if band is not None:
        there_and_back = np.r_[x, x[::-1]], np.r_[band[0][keep], band[1][keep][::-1]]
        shaded = f'<polygon points="{_points(*there_and_back)}" fill="currentColor" opacity=".15"/>'
    edge, bottom = _LEFT + _SIDE, _TOP + _SIDE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{edge + 10}" height="{bottom + 34}" '
        f'role="img" aria-label="{name}: {words}">'
        f"<title>{name}: {words}</title>"
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" '
        f'stroke="currentColor" opacity=".35"/>'
        f'<path d="M{_LEFT} {bottom}L{edge} {_TOP}" stroke="currentColor" opacity=".35" '
        f'stroke-dasharray="3 3"/>{shaded}'
        f'<polyline points="{_points(x, up[keep])}" fill="none" stroke="#0072b2" '
        f'stroke-width="2.5" stroke-linejoin="round"/>'
        f'<text x="{_LEFT}" y="{bottom + 13}" {_TEXT}>0</text>'
        f'<text x="{edge}" y="{bottom + 13}" text-anchor="end" {_TEXT}>1</text>'
        f'<text x="{_LEFT + _SIDE / 2:g}" y="{bottom + 27}" text-anchor="middle" {_TEXT}>'
        f"{escape(across_name)}</text>"
        f'<text transform="translate({_LEFT - 10} {_TOP + _SIDE / 2:g}) rotate(-90)" '
        f'text-anchor="middle" {_TEXT}>{escape(up_name)}</text></svg>'
    )


def beside(*parts: str) -> str:
    """Return pieces of HTML side by side, below one another where there is no room."""
    cells = "".join(f"<div>{part}</div>" for part in parts)
    return (
        '<div style="display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start">'
        f"{cells}</div>"
    )


def _points(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    across = _LEFT + _SIDE * np.clip(x, 0.0, 1.0)
    down = _TOP + _SIDE * (1.0 - np.clip(y, 0.0, 1.0))
    return " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))
