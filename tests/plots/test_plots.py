"""Diagrams: on the user's axes or their own figure, and nobody's global state."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import reference
import temperance as tp
from temperance.plots import ConfidenceDisplay, ReliabilityDisplay, to_svg
from temperance.plots.theme import Shares


@pytest.fixture
def data(sample):
    """Probabilities of an over-confident model, with labels."""
    z, y = sample(n=500)
    return reference.softmax(z), y


def test_draws_on_the_users_axes(data):
    """With `ax`, that axes and its figure are used, and a notebook is not shown it twice."""
    figure = Figure()
    ax = figure.subplots()
    display = ReliabilityDisplay.from_predictions(*data, ax=ax, name="net")
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert ax.get_title(loc="left") == "net"
    assert display._repr_svg_() is None


def test_draws_the_curves_numbers(data):
    """One point per bin, at the curve's confidence and accuracy."""
    display = ReliabilityDisplay.from_predictions(*data)
    curve = tp.metrics.reliability_curve(*data)
    points = [
        (line.get_xdata()[0], line.get_ydata()[0])
        for line in display.ax_.lines
        if line.get_marker() == "o"
    ]
    assert np.allclose(points, np.stack([curve.confidence, curve.accuracy], axis=1))
    heights = np.array([bar.get_height() for bar in display.ax_.patches])
    assert np.allclose(heights / heights.sum(), curve.share)


def test_shows_itself_in_a_notebook(data):
    """Without `ax` there is a figure of its own, as SVG and PNG, the same bytes every time."""
    displays = [ReliabilityDisplay.from_predictions(*data) for _ in range(2)]
    first, second = (display._repr_svg_() for display in displays)
    assert first == second
    assert first.startswith("<svg")
    assert displays[0]._repr_png_().startswith(b"\x89PNG")


def test_matplotlibs_state_is_left_alone(data):
    """Drawing and writing change no setting and register no figure with pyplot."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    before, figures = dict(mpl.rcParams), plt.get_fignums()
    evaluation = tp.evaluate(*data)
    for kind in (ReliabilityDisplay, ConfidenceDisplay):
        kind.from_evaluation(evaluation)._repr_svg_()
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == figures


def test_svg_escapes_text():
    """A name with markup stays a name."""
    svg = to_svg(Figure(), title="<b>", description="a & b")
    assert "<b>" not in svg
    assert "a &amp; b" in svg


@pytest.mark.parametrize(
    ("ticks", "words"),
    [
        ([0.7, 0.725, 0.75], ["70.0 %", "72.5 %", "75.0 %"]),
        ([0.0, 0.1, 0.2], ["0 %", "10 %", "20 %"]),
        ([0.0, 0.0025, 0.005], ["0.00 %", "0.25 %", "0.50 %"]),
        ([-0.25, 0.0, 1.0, 1.25], ["", "0 %", "100 %", ""]),
    ],
)
def test_ticks_of_shares_say_where_they_are(ticks, words):
    """72.5 % is not 72 %; all of an axis have as many decimals."""
    assert Shares().format_ticks(ticks) == words
