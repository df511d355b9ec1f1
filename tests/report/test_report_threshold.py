"""The page and the picture of a threshold."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import temperance as tp
from pages import CHROMIUM, check_pages, check_stands_alone, words_of
from temperance.decisions import abstain, risk_coverage
from temperance.plots import RiskCoverageDisplay
from temperance.report import ThresholdContent, render_threshold

EVIL = "<script>alert(1)</script>"


def content(kind, sample):
    """What is known of a threshold, of several kinds."""
    z, y = sample(1, n=2000)
    test, test_y = sample(2, n=1500)
    scaling = tp.TemperatureScaling(2.0)
    groups = np.array([EVIL, "b", "small"])[np.minimum(np.arange(2000) % 400, 2)]
    groups[::2] = EVIL
    groups[1::2][:900] = "b"
    target = {
        "risk": {"max_risk": 0.2},
        "coverage": {"min_coverage": 0.7},
        "both": {"max_risk": 0.2, "min_coverage": 0.2},
        "groups": {"max_risk": 0.3, "groups": groups},
        "all right": {"max_risk": 0.02},
    }[kind]
    if kind == "all right":
        y, test_y = z.argmax(axis=1), test.argmax(axis=1)
    rule = abstain(scaling.apply(z), y, **target)
    own = None if kind == "groups" else rule.measure(scaling.apply(test), test_y)
    return ThresholdContent(
        title=EVIL, rule=rule, calibrator=scaling,
        curve=risk_coverage(scaling.apply(test), test_y), test=own, use="Some rows did this.",
        facts=((EVIL, EVIL),), warnings=(EVIL,),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["risk", "coverage", "both", "groups", "all right"])
def test_page_stands_alone(kind, sample):
    """Nothing to fetch or run, names inert, the promise and its end in words."""
    made = content(kind, sample)
    page = render_threshold(made)
    check_stands_alone(page)
    words = words_of(page).replace("\u00a0", " ")
    assert made.rule.guarantee.replace(EVIL, "") in words
    assert made.rule.assumption in words
    assert "Some rows did this." in words
    if kind == "groups":
        assert "never" in words
        assert "small" in words


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_page_in_a_browser(tmp_path, sample):
    """Nothing scrolls sideways, no word leaves the picture or is hard to read."""
    check_pages(tmp_path, {"groups": (render_threshold(content("groups", sample)), 1)})


def probs_of(confidence):
    """Two classes, the first predicted."""
    return np.stack([confidence, 1 - np.asarray(confidence)], axis=1)


def test_draws_the_curves_numbers():
    """The line is the curve; the dot is its point at the threshold, with the point's interval."""
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, 300)
    wrong = rng.random(300) > confidence
    ax = Figure().subplots()
    display = RiskCoverageDisplay.from_predictions(
        probs_of(confidence), wrong, threshold=0.8, max_risk=0.1, name="net", ax=ax
    )
    curve = risk_coverage(probs_of(confidence), wrong)
    assert display.ax_ is ax
    lines = [line for line in ax.lines if len(line.get_xdata()) == 300]
    assert np.allclose(lines[0].get_xdata(), curve.coverage)
    assert np.allclose(lines[0].get_ydata(), curve.risk)
    (dot,) = [line for line in ax.lines if line.get_marker() == "o"]
    accepted = confidence >= 0.8
    assert dot.get_xdata()[0] == pytest.approx(accepted.mean())
    assert dot.get_ydata()[0] == pytest.approx(wrong[accepted].mean())
    assert any("10 %" in text.get_text() for text in ax.texts)
    assert "at the chosen threshold 0.8" in display.alt_text()[1]
    assert display._repr_svg_() is None


def test_shows_itself_in_a_notebook():
    """A figure of its own as SVG and PNG, the same bytes each time; no row may reach it."""
    given = (probs_of([0.9, 0.8, 0.7]), [0, 0, 1])
    first, second = (RiskCoverageDisplay.from_predictions(*given, threshold=0.95) for _ in "12")
    assert first._repr_svg_() == second._repr_svg_()
    assert "no row reaches 0.95" in first._repr_svg_()
    assert first._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("option", [{"max_risk": 1.5}, {"max_risk": -0.1}, {"threshold": np.nan}])
def test_bad_options(option):
    """A promise that is no share, a threshold that is no number."""
    curve = risk_coverage(probs_of([0.9]), [0])
    with pytest.raises(tp.InvalidInputError, match=f"`{next(iter(option))}` must be"):
        RiskCoverageDisplay(curve, **option)


@pytest.mark.parametrize("max_risk", [0.05, 0.2, 0.3, 0.45])
@pytest.mark.parametrize("sharp", [1.0, 4.0])
def test_the_words_of_a_promise_lie_beside_the_curve(max_risk, sharp):
    """They stood at the left, where the curve rises through the promise."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(900, 5)) * 3.0
    y = (z / 2.2 * sharp + rng.gumbel(size=z.shape)).argmax(axis=1)
    z /= 2.2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    check_words(RiskCoverageDisplay.from_predictions(p, y, threshold=0.7, max_risk=max_risk))


def test_the_words_of_a_small_promise_lie_beside_the_curve():
    """Where nearly all answers are right, the curve creeps along the line of the promise."""
    rng = np.random.default_rng(0)
    p = 1.0 / (1.0 + np.exp(5.0 - 1.8 * rng.normal(size=5_000)))
    y = (rng.random(5_000) < p**1.2).astype(int)
    check_words(RiskCoverageDisplay.from_predictions(p, y, max_risk=0.001))


def check_words(display):
    """The words of the promise are in the picture, and the curve does not run through them."""
    ax = display.ax_
    ax.figure.draw_without_rendering()
    words = next(each for each in ax.texts if each.get_text().startswith("promised"))
    box = words.get_window_extent()
    curve = max(ax.lines, key=lambda line: len(line.get_xdata()))
    ends = ax.transData.transform(np.column_stack(curve.get_data()))
    x = np.linspace(box.x0, box.x1, 200)
    y_there = np.interp(x, ends[:, 0], ends[:, 1])
    assert ((y_there < box.y0) | (y_there > box.y1)).all()
    inside = ax.get_window_extent()
    assert inside.x0 <= box.x0
    assert box.x1 <= inside.x1
    assert inside.y0 <= box.y0
