"""What all pages share: their templates, and diagrams as SVG."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from matplotlib.figure import Figure

from temperance.plots import to_svg
from temperance.printable import printable

if TYPE_CHECKING:
    from temperance.plots.display import Display

__all__ = ["render", "svg"]


def render(template: str, **content: Any) -> str:  # noqa: ANN401
    """Return a page as text; a name that the template needs and does not get is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return environment.get_template(template).render(**content)


def _shown(value: Any) -> Any:  # noqa: ANN401  (what a template prints)
    """Return text without what HTML cannot hold or what turns a line; markup stays as it is."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value, keep="\n\u00a0")
    return value


def svg(display: Display, id_prefix: str) -> str:
    """Return a diagram as it stands in a page."""
    title, description = display.alt_text()
    figure = display.figure_
    assert isinstance(figure, Figure)  # noqa: S101  (its own: no axes were given)
    return to_svg(figure, title=title, description=description, id_prefix=id_prefix)
