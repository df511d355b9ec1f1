"""What all diagrams share: colours, axes without clutter, SVG, and how a display is drawn."""

from __future__ import annotations

import re
from hashlib import sha256
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any, Self
from xml.etree import ElementTree as ET

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter

from temperance.checks.arguments import require_type
from temperance.checks.labels import Positions
from temperance.errors import InvalidInputError
from temperance.printable import printable
from temperance.show import percent_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.figure import SubFigure
    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "BARS",
    "INK",
    "MUTED",
    "OVER",
    "PAPER",
    "SMALL",
    "TEXT",
    "UNDER",
    "Display",
    "Shares",
    "estimated",
    "quiet",
    "to_svg",
]

# Okabe and Ito's vermilion (darker, so that words in it can be read) and blue stay apart for
# every kind of colour vision.
OVER = "#bf5000"  # over-confident
UNDER = "#0072b2"  # under-confident
INK = "#1b1f24"  # points, titles
MUTED = "#5b636c"  # labels, ticks, gaps that chance explains
BARS = "#aab2bb"  # where the rows are
GRID = "#e3e6ea"
PAPER = "#ffffff"  # round points, so that they stand out from their bars

# A page that defines these changes the colours of an SVG, for instance for a dark screen.
CSS_VARIABLES = {
    OVER: "--plot-over",
    UNDER: "--plot-under",
    INK: "--plot-ink",
    MUTED: "--plot-muted",
    BARS: "--plot-bars",
    GRID: "--plot-grid",
    PAPER: "--plot-paper",
}

TEXT = 11.0  # points
SMALL = 10.0


def quiet(ax: Axes) -> None:
    """Make the background clear, drop the frame, draw a faint grid behind everything."""
    ax.set_facecolor("none")
    ax.set_axisbelow(True)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0, labelsize=SMALL, labelcolor=MUTED, pad=5)
    ax.grid(visible=True, color=GRID, linewidth=0.8, linestyle="-", alpha=1.0)


class Shares(Formatter):
    """Shares as "77.5 %", every tick of an axis with as many decimals as any of them needs."""

    _decimals = 0

    def format_ticks(self, values: Iterable[float]) -> list[str]:
        """Return all ticks of an axis."""
        ticks = [float(each) for each in values]
        percents = 100.0 * np.array(ticks)
        self._decimals = next(
            (each for each in range(6) if np.allclose(percents, percents.round(each), atol=1e-7)), 6
        )
        return [self(each) for each in ticks]

    def __call__(self, x: float, pos: int | None = None) -> str:  # noqa: ARG002  (its interface)
        """Return one tick; "" outside of 0 to 100 %, where a margin ends."""
        if not -1e-9 <= x <= 1.0 + 1e-9:
            return ""
        return percent_text(abs(x), self._decimals)


# A figure as SVG that can stand in an HTML page beside others, the same bytes every time.


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
    references = dict.fromkeys(name for value in values for name in _REFERENCE.findall(value))
    names = {old: f"{prefix}-{number}" for number, old in enumerate(references)}
    for element in elements:
        old = element.attrib.pop("id", None)
        if old in names:
            element.set("id", names[old])
        for key, value in element.attrib.items():
            if key != "id":
                element.set(key, _REFERENCE.sub(lambda match: names[match.group()], value))


# A fitted classifier's probabilities, and labels as positions among its classes.


def estimated(
    estimator: Any,  # noqa: ANN401  (whatever has predict_proba)
    X: Any,  # noqa: ANN401, N803  (scikit-learn's name)
    y: ArrayLike,
) -> tuple[NDArray[np.float64], Positions, list[str]]:
    """Return probabilities (n, k), labels, and names of the classes.

    Raises
    ------
    InvalidInputError
        An estimator without `predict_proba`, or a label that is none of its classes.
    """
    if not hasattr(estimator, "predict_proba"):
        msg = (
            f"`estimator` must have predict_proba, got {type(estimator).__name__}: calibrate its "
            "scores, for instance with temperance.sklearn.CalibratedClassifier."
        )
        raise InvalidInputError(msg)
    probs = np.asarray(estimator.predict_proba(X))
    known = np.asarray(getattr(estimator, "classes_", range(probs.shape[1]))).tolist()
    place = {each: number for number, each in enumerate(known)}
    label_list = np.asarray(y).tolist()
    strange = [each for each in label_list if each not in place]
    if strange:
        msg = f"`y` must hold classes of the estimator, got {strange[0]!r}, which is none."
        raise InvalidInputError(msg)
    labels = np.array([place[each] for each in label_list], dtype=np.int64)
    return probs, Positions(labels), [str(each) for each in known]


# What all displays share: the axes they draw on, and how a notebook shows them.


_PNG_DPI = 200.0


class Display:
    """A diagram that remembers its axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Where it is drawn; set by `plot`.
    figure_ : matplotlib.figure.Figure
        The figure of `ax_`.
    """

    ax_: Axes
    figure_: Figure | SubFigure
    _own: Figure | None = None  # the figure, if this display made it
    _margins: tuple[float, float, float, float]  # left, right, bottom, top of the axes, points
    _size: tuple[float, float]  # width and height of a new figure, points

    def plot(self, ax: Axes | None = None) -> Self:
        """Draw the diagram.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure where left out.

        Returns
        -------
        display
            Itself.
        """
        self._draw(self._begin(ax))
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,  # noqa: ANN401  (whatever has predict_proba)
        X: Any,  # noqa: ANN401, N803  (scikit-learn's name)
        y: ArrayLike,
        **options: Any,  # noqa: ANN401
    ) -> Self:
        """Draw a fitted classifier's `predict_proba` on labelled rows.

        Parameters
        ----------
        estimator : classifier
            Fitted, with `predict_proba` and `classes_`, as in scikit-learn.
        X : array_like, shape (n, m)
            Rows that it was not fitted on.
        y : array_like, shape (n,)
            Their labels, as in `classes_`.
        **options
            Of `from_predictions`.

        Returns
        -------
        display
            Drawn, with the estimator's class as its name unless `name` is given.

        Raises
        ------
        InvalidInputError
            An estimator without `predict_proba`, a display that is not of predictions, or as in
            `from_predictions`.
        """
        make = getattr(cls, "from_predictions", None)
        if make is None:
            msg = f"`{cls.__name__}` shows no predictions: see how its other makers are called."
            raise InvalidInputError(msg)
        probs, labels, classes = estimated(estimator, X, y)
        settings = {"name": type(estimator).__name__, "classes": classes}
        display: Self = make(probs, labels, **{**settings, **options})
        return display

    def _draw(self, ax: Axes) -> None:
        raise NotImplementedError

    def _begin(self, ax: Axes | None) -> Axes:
        """Return the axes to draw on; a new figure belongs to no window and no notebook cell."""
        if ax is None:
            (width, height), (left, right, bottom, top) = self._size, self._margins
            figure = Figure(figsize=(width / _POINTS, height / _POINTS), facecolor="none")
            ax = figure.add_axes(
                (
                    left / width,
                    bottom / height,
                    (width - left - right) / width,
                    (height - bottom - top) / height,
                )
            )
            self._own = figure
        else:
            require_type(ax, Axes, name="ax", rule="the axes of a Matplotlib figure, or None")
            self._own = None
        self.ax_, self.figure_ = ax, ax.figure
        return ax

    def alt_text(self) -> tuple[str, str]:
        """Return a title and a description for those who do not see the diagram."""
        raise NotImplementedError

    def _repr_svg_(self) -> str | None:
        """Show a figure of our own in a notebook; axes of the user are shown already."""
        if self._own is None:
            return None
        title, description = self.alt_text()
        svg = to_svg(self._own, title=title, description=description, background=PAPER)
        width = self._own.get_figwidth() * _POINTS * 4.0 / 3.0  # CSS pixels
        return svg.replace('width="100%"', f'width="{width:.0f}"', 1)

    def _repr_png_(self) -> bytes | None:
        if self._own is None:
            return None
        file = BytesIO()
        self._own.savefig(file, format="png", dpi=_PNG_DPI, facecolor=PAPER, edgecolor="none")
        return file.getvalue()
