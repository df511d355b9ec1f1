"""Forest plots of temperatures and class frequencies: what is drawn where, what is refused."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

import temperance as tp
from temperance import Estimate
from temperance.plots import ClassBiasDisplay, FrequencyDisplay, TemperatureDisplay, to_svg
from temperance.plots.dots import fitting, fitting_apart, width_of
from temperance.plots.theme import INK, MUTED, OVER, UNDER

GIVEN = {
    "May": Estimate(2.0, 1.7, 2.4),
    "June": Estimate(0.6, 0.5, 0.7),
    "July": Estimate(1.1, 0.9, 1.3),
    "August": 1.4,
}


def marks(display, marker):
    """Places and colours of the markers of a kind, from the top down."""
    lines = [line for line in display.ax_.lines if line.get_marker() == marker]
    lines = [line for line in lines if line.get_transform() == display.ax_.transData]
    lines.sort(key=lambda line: line.get_ydata()[0])
    return [(line.get_xdata()[0], line.get_markeredgecolor(), line.get_color()) for line in lines]


def bars(display):
    """Ends of the horizontal bars, from the top down."""
    lines = [line for line in display.ax_.lines if len(line.get_xdata()) == 2]
    lines = [line for line in lines if line.get_ydata()[0] == line.get_ydata()[1]]
    lines.sort(key=lambda line: line.get_ydata()[0])
    return [tuple(line.get_xdata()) for line in lines]


def test_temperatures_on_the_users_axes():
    """Dots at the values, bars at the ends, colours by the side of 1, names and numbers beside."""
    ax = Figure().subplots()
    display = TemperatureDisplay.from_temperatures(GIVEN, pooled=1.5, name="net", ax=ax)
    assert display.ax_ is ax
    assert ax.get_xscale() == "log"
    assert [at for at, _, _ in marks(display, "o")] == [2.0, 0.6, 1.1, 1.4]
    assert bars(display) == [(1.7, 2.4), (0.5, 0.7), (0.9, 1.3), (1.4, 1.4)]
    assert [colour for _, _, colour in marks(display, "o")][:3] == [OVER, UNDER, MUTED]
    assert marks(display, "o")[3][1] == MUTED  # hollow: no interval
    assert [text.get_text() for text in ax.get_yticklabels()] == [*GIVEN]
    written = [text.get_text() for text in ax.texts]
    assert written == ["2.00", "0.60", "1.10", "1.40", "T = 1", "pooled 1.50", "net"]
    assert ax.texts[-1].xyann[0] == 0.0  # the name does not reach into a neighbour's axes
    assert ax.yaxis_inverted()
    assert display._repr_svg_() is None


def test_temperatures_of_calibrators(sample):
    """A fitted calibrator brings its own interval, a typed-in one none."""
    fitted = tp.TemperatureScaling.fit(*sample())
    display = TemperatureDisplay.from_temperatures(
        {"fit": fitted, "typed in": tp.TemperatureScaling(3.0)}
    )
    low, high = fitted.record.interval()
    assert display.temperatures["fit"] == Estimate(fitted.temperature, low, high)
    assert bars(display) == [(low, high), (3.0, 3.0)]
    title, words = display.alt_text()
    assert title == "Temperatures"
    assert f"fit {fitted.temperature:.3g} ({low:.3g} to {high:.3g}); typed in 3." in words


def test_an_endless_bar_is_cut():
    """A bar over six decades ends in two arrows, and the dots stay apart."""
    display = TemperatureDisplay.from_temperatures(
        {"few rows": Estimate(1.5, 1e-3, 1e3), "many": Estimate(2.0, 1.9, 2.1)}
    )
    low, high = display.ax_.get_xlim()
    assert 0.05 < low < 0.2
    assert 10 < high < 30
    for marker, end in (("<", low), (">", high)):
        assert [at for at, _, _ in marks(display, marker)] == [end]
    assert bars(display)[1] == (1.9, 2.1)


@pytest.mark.parametrize("center", [0.003, 0.4, 1.0, 1.7, 30.0, 4000.0])
@pytest.mark.parametrize("factor", [1.02, 1.3, 2.0, 6.0, 100.0, 1e6])
def test_ticks(center, factor):
    """At any range there are two to eight ticks, not closer than a twentieth of the axis; 1 is
    in sight, and so are all dots."""
    values = {"a": center / math.sqrt(factor), "b": center * math.sqrt(factor)}
    ax = TemperatureDisplay.from_temperatures(values).ax_
    low, high = ax.get_xlim()
    assert all(low < each < high for each in (*values.values(), 1.0))
    ticks = np.log([tick for tick in ax.get_xticks() if low <= tick <= high])
    assert 2 <= len(ticks) <= 8
    assert np.diff(ticks).min() > np.log(high / low) / 20
    labels = [ax.xaxis.get_major_formatter()(tick, None) for tick in np.exp(ticks)]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize(
    ("given", "pooled", "message"),
    [
        ({}, None, "at least one temperature"),
        ({"a": 0.0}, None, "'a' must be a finite number above 0"),
        ({"a": float("inf")}, None, "above 0"),
        ({"a": float("nan")}, None, "above 0"),
        ({"a": Estimate(2.0, 2.1, 3.0)}, None, "within its interval"),
        ({"a": tp.Identity()}, None, "identity has none"),
        ({"a": 1.0}, -1.0, "`pooled` must"),
    ],
)
def test_bad_temperatures(given, pooled, message):
    """None, not finite, not positive, outside its interval, a method without one."""
    with pytest.raises(tp.InvalidInputError, match=message):
        TemperatureDisplay.from_temperatures(given, pooled=pooled)


def test_frequencies():
    """Diamonds at what was, dots at what is; black where the interval leaves out what was."""
    was = {"cat": 0.5, "dog": 0.3, "fish": 0.2}
    now = {"fish": Estimate(0.1, 0.05, 0.15), "cat": Estimate(0.55, 0.45, 0.65), "dog": 0.35}
    display = FrequencyDisplay.from_frequencies(was, now, name="June", ax=Figure().subplots())
    assert [at for at, _, _ in marks(display, "D")] == [0.2, 0.5, 0.3]
    assert [at for at, _, _ in marks(display, "o")] == [0.1, 0.55, 0.35]
    assert bars(display) == [(0.05, 0.15), (0.45, 0.65), (0.35, 0.35)]
    assert [colour for _, _, colour in marks(display, "o")][:2] == [INK, MUTED]
    assert marks(display, "o")[2][1] == INK  # hollow: no interval
    title, words = display.alt_text()
    assert title == "Class frequencies: June"
    assert "fish was 20.0%, is 10.0% (5.0% to 15.0%); cat" in words
    assert "dog was 30.0%, is 35.0%." in words


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ({}, {}, "at least one"),
        ({"a": 0.5}, {"b": 0.5}, "0 of them the same"),
        ({"a": 1.5}, {"a": 0.5}, r"shares in \[0, 1\]"),
        ({"a": 0.5}, {"a": float("nan")}, r"shares in \[0, 1\]"),
    ],
)
def test_bad_frequencies(was, now, message):
    """None, other classes, no share."""
    with pytest.raises(tp.InvalidInputError, match=message):
        FrequencyDisplay.from_frequencies(was, now)


def test_names_of_all_kinds():
    """Markup, mathematics and letters that matplotlib's font lacks come through as they are."""
    names = ["<b>&", "$x$", "\u72ac", "\u0e41\u0e21\u0e27"]
    display = TemperatureDisplay.from_temperatures(dict.fromkeys(names, 2.0), name="$\\frac$ <i>")
    svg = to_svg(display.figure_, title="t", description="d")
    for name in ("&lt;b&gt;&amp;", "$x$", "\u72ac", "\u0e41\u0e21\u0e27", "$\\frac$ &lt;i&gt;"):
        assert f">{name}</text>" in svg
    assert "<b>" not in svg
    broken = {"$\\frac$": 0.5}  # as mathematics
    for kind in (TemperatureDisplay.from_temperatures(broken),
                 FrequencyDisplay.from_frequencies(broken, broken)):  # fmt: skip
        assert kind._repr_png_().startswith(b"\x89PNG")


def test_long_names_keep_both_ends():
    """What is too wide loses its middle, and wide letters count as such; short names stay."""
    assert fitting("short name", 130.0) == "short name"
    shown = fitting("the beginning of a name of a class and its very end", 130.0)
    assert shown.startswith("the beg")
    assert shown.endswith("ery end")
    assert len(fitting("\u72ac" * 99, 130.0)) == len(fitting("W" * 99, 130.0)) < len(shown)
    assert fitting("two\n lines", 130.0) == "two lines"


def test_matplotlibs_state_is_left_alone():
    """Drawing changes no setting and registers no figure; the same bytes every time."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    before, figures = dict(mpl.rcParams), plt.get_fignums()
    drawn = [
        (TemperatureDisplay.from_temperatures(GIVEN)._repr_svg_(),
         FrequencyDisplay.from_frequencies({"a": 1.0}, {"a": 1.0})._repr_svg_())
        for _ in range(2)
    ]  # fmt: skip
    assert drawn[0] == drawn[1]
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == figures


@pytest.mark.parametrize(
    "names",
    [
        [f"Genus_{i // 5:02d} species-{i:03d} (subsp. vulgaris)" for i in range(100)],
        [f"{i} {'long ' * 20}" for i in range(12)],
        [f"{'long ' * 20}{i}" for i in range(12)],
        [f"{'x' * 50}{i}{'y' * 50}" for i in range(12)],
        ["x" * 80, "x" * 81, "x" * 80 + "y"],
    ],
)
def test_shortened_names_are_told_apart(names):
    """No two names look the same, and each fits its place."""
    shown = fitting_apart(names, 130.0)
    assert len({*shown}) == len(names)
    assert all(width_of(each) * 10.0 <= 130.0 + 1e-9 for each in shown)
    display = ClassBiasDisplay.from_biases(dict.fromkeys(names, 0.1))
    assert [text.get_text() for text in display.ax_.get_yticklabels()] == shown


def test_one_name_twice_stays_the_same():
    """Names that are equal are no reason to look further."""
    assert fitting_apart(["a" * 80, "a" * 80, "b"], 60.0)[2] == "b"


def test_a_bias_of_nothing_has_no_sign_below_0():
    """What rounds to 0 is +0.00."""
    display = ClassBiasDisplay.from_biases({"a": -0.001, "b": 0.001})
    assert [text.get_text() for text in display.ax_.texts][:2] == ["+0.00", "+0.00"]


def test_a_bias_is_coloured_where_its_class_is_called_biased():
    """Of ten classes one interval beside 0 is chance; with the table beside it, one rule."""
    barely, surely = Estimate(-2.1, -4.1, -0.1), Estimate(9.0, 7.0, 11.0)
    rest = dict.fromkeys("cdefghij", Estimate(0.0, -1.0, 1.0))
    dots = marks(ClassBiasDisplay.from_biases({"a": barely, "b": surely, **rest}), "o")
    assert [colour for *_, colour in dots] == [MUTED, UNDER] + 8 * [MUTED]
    alone = marks(ClassBiasDisplay.from_biases({"a": barely}), "o")
    assert [colour for *_, colour in alone] == [OVER]
