"""A figure as SVG that can stand in an HTML page beside others, the same bytes every time."""

from __future__ import annotations

import re
from hashlib import sha256
from io import StringIO
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from matplotlib.backends.backend_svg import RendererSVG

from temperance.plots.theme import CSS_VARIABLES
from temperance.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["to_svg"]

_POINTS = 72.0
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_ANCHORS = {"left": "start", "center": "middle", "right": "end"}
_FONT = "var(--plot-font, system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif)"
_UNSURE = re.compile("[^\u0000-\u052f\u2000-\u22ff]")
_SPACES = "\n\u00a0"  # of words; those of names are escaped
_REFERENCE = re.compile(r"(?<=url\(#)[^)]+(?=\))|(?<=^#).+")


def to_svg(
    figure: Figure,
    *,
    title: str,
    description: str,
    id_prefix: str | None = None,
    background: str | None = None,
) -> str:
    """Draw a figure as one `<svg>` element.

    Text stays text, in the font of the page. The colours of `temperance.plots` become CSS
    variables (`--plot-ink`, `--plot-over`, ...) that fall back to themselves. No setting of
    matplotlib is changed, not even for a moment, so other threads may draw at the same time.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Not a figure that another thread draws.
    title : str
        Short name of the picture, for screen readers.
    description : str
        What it shows, in words.
    id_prefix : str, optional
        Start of all ids in the SVG; a digest of its content where left out. Two SVGs in one page
        need different prefixes, which the same picture twice has only if you choose them.
    background : str, optional
        A colour; clear where left out.

    Returns
    -------
    str
        Without XML prolog, script, external reference, metadata or style sheet; as wide as what
        it stands in.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> to_svg(Figure(), title="Nothing", description="An empty picture.")[:26]
    '<svg xmlns="http://www.w3.'
    """
    title, description = printable(title, keep=_SPACES), printable(description, keep=_SPACES)
    width, height = (side * _POINTS for side in figure.get_size_inches())
    root = ET.fromstring(_draw(figure, width, height))  # noqa: S314 (matplotlib wrote it)
    _drop_namespaces_and_styles(root)
    _use_css_variables(root)
    _rename_ids(root, "plot")  # matplotlib's own are random
    body = "".join(ET.tostring(child, encoding="unicode") for child in root)
    digest = sha256(f"{title}\0{description}\0{body}".encode()).hexdigest()
    prefix = f"plot-{digest[:10]}" if id_prefix is None else id_prefix
    _rename_ids(root, prefix)
    svg = ET.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {width:g} {height:g}",
            "width": "100%",
            "role": "img",
            "aria-labelledby": f"{prefix}-title {prefix}-desc",
            "style": f"font-family: {_FONT}; stroke-linejoin: round; stroke-linecap: butt",
        },
    )
    ET.SubElement(svg, "title", {"id": f"{prefix}-title"}).text = title
    ET.SubElement(svg, "desc", {"id": f"{prefix}-desc"}).text = description
    if background is not None:
        ET.SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": background})
    svg.extend(root)
    return ET.tostring(svg, encoding="unicode")


class _Renderer(RendererSVG):
    """Writes text as text: by default matplotlib asks a global setting and draws outlines."""

    def draw_text(
        self,
        gc: Any,  # noqa: ANN401
        x: float,
        y: float,
        s: str,
        prop: Any,  # noqa: ANN401
        angle: float,
        ismath: Any = False,  # noqa: ANN401, ARG002, FBT002
        mtext: Any = None,  # noqa: ANN401
    ) -> None:
        """Write one line; other fonts have other widths, so it keeps its anchor, not its left."""
        red, green, blue = (round(255 * part) for part in gc.get_rgb()[:3])
        style = {
            "fill": f"#{red:02x}{green:02x}{blue:02x}",
            "font-size": f"{prop.get_size_in_points():g}px",
        }
        if prop.get_weight() in {"bold", "semibold"}:
            style["font-weight"] = "600"
        if mtext is not None and angle == 0.0:
            x = mtext.get_transform().transform(mtext.get_unitless_position())[0]
            style["text-anchor"] = _ANCHORS[mtext.get_horizontalalignment()]
        place = {"x": f"{x:.2f}", "y": f"{y:.2f}"}
        if angle != 0.0:
            place["transform"] = f"rotate({-angle:.2f} {x:.2f} {y:.2f})"
        css = "; ".join(f"{key}: {value}" for key, value in style.items())
        s = printable(s, keep=_SPACES)
        self.writer.element("text", s, attrib={**place, "style": css})  # type: ignore[no-untyped-call]

    def get_text_width_height_descent(
        self,
        s: str,
        prop: Any,  # noqa: ANN401
        ismath: Any,  # noqa: ANN401
    ) -> tuple[float, float, float]:
        """Measure letters that matplotlib's own font may lack as M: the page's font has them."""
        known = _UNSURE.sub("M", printable(s, keep=_SPACES))
        return super().get_text_width_height_descent(known, prop, ismath)  # type: ignore[no-any-return, no-untyped-call]


def _draw(figure: Figure, width: float, height: float) -> str:
    file = StringIO()
    dpi = figure.dpi
    figure.dpi = _POINTS  # one unit of the SVG is one point
    try:
        renderer = _Renderer(width, height, file, image_dpi=dpi, metadata=_NO_METADATA)  # type: ignore[no-untyped-call]
        figure.draw(renderer)
        renderer.finalize()  # type: ignore[no-untyped-call]
    finally:
        figure.dpi = dpi
    return file.getvalue()


def _drop_namespaces_and_styles(root: ET.Element) -> None:
    """In a page, `xlink:` means nothing, and a style sheet would style the whole page."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [name for name in element.attrib if name.startswith("{")]:
            element.set(name.rpartition("}")[2], element.attrib.pop(name))
        for child in [child for child in element if child.tag.endswith("style")]:
            element.remove(child)


def _use_css_variables(root: ET.Element) -> None:
    for element in root.iter():
        style = element.get("style", "")
        for colour, variable in CSS_VARIABLES.items():
            style = style.replace(colour, f"var({variable}, {colour})")
        if style:
            element.set("style", style)


def _rename_ids(root: ET.Element, prefix: str) -> None:
    """Number the ids that are referred to in their order, drop the others (names of groups)."""
    elements = list(root.iter())
    values = [value for element in elements for value in element.attrib.values()]
    wanted = dict.fromkeys(name for value in values for name in _REFERENCE.findall(value))
    names = {old: f"{prefix}-{number}" for number, old in enumerate(wanted)}
    for element in elements:
        old = element.attrib.pop("id", None)
        if old in names:
            element.set("id", names[old])
        for key, value in element.attrib.items():
            if key != "id":
                element.set(key, _REFERENCE.sub(lambda found: names[found.group()], value))
