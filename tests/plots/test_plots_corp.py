"""The CORP diagram draws the numbers of `corp_reliability`, whatever they are."""

import re
from itertools import combinations, pairwise

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import reference
import temperance as tp
from temperance.metrics.corp import corp_reliability
from temperance.plots import CorpDisplay, ReliabilityDisplay
from temperance.plots.square import Words
from temperance.plots.theme import INK, OVER, UNDER
from temperance.show import p_text


def rain(name):
    data = reference.shared("niamey_rain")
    return data[name], data["labels"].astype(int)


def ten_rows():
    probs = np.array([0.05, 0.1, 0.2, 0.35, 0.4, 0.55, 0.6, 0.8, 0.9, 0.95])
    return probs, np.array([0, 0, 1, 0, 1, 0, 1, 1, 1, 1])


def three_classes(seed=3, n=300):
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.ones(3), n)
    return probs, (rng.random(n)[:, None] > probs.cumsum(axis=1)).sum(axis=1).clip(max=2)


def one_probability():
    return np.full(40, 0.7), np.repeat([0, 1], [16, 24])


def all_correct():
    probs, _ = three_classes()
    return probs, probs.argmax(axis=1)


def sure_and_right():
    return np.tile([1.0, 0.0], (20, 1)), np.zeros(20, dtype=int)


def nearly_one_value():
    return 0.5 + np.linspace(0.0, 1e-9, 20), np.tile([0, 1], 10)


CASES = [
    ten_rows,
    three_classes,
    one_probability,
    all_correct,
    sure_and_right,
    nearly_one_value,
    lambda: (np.array([0.3]), np.array([1])),
    lambda: (np.zeros(5), np.zeros(5, dtype=int)),
    lambda: (np.zeros(5), np.ones(5, dtype=int)),
]


def curve_of(display):
    """All the pieces of the thick line, end to end, and the colour of each."""
    lines = [line for line in display.ax_.lines if line.get_linewidth() == 2.0]
    return (
        np.concatenate([line.get_xydata() for line in lines]),
        [(line.get_xydata(), to_hex(line.get_color())) for line in lines],
    )


def texts(display):
    return [text.get_text() for text in display.ax_.texts]


@pytest.mark.parametrize("data", [ten_rows, lambda: three_classes(n=30)])
def test_draws_the_curves_numbers(data):
    """The line and the edges of both bands go through the points of the result, in order."""
    probs, labels = data()
    display = CorpDisplay.from_predictions(probs, labels, n_resamples=100)
    corp = corp_reliability(probs, labels, n_resamples=100)
    drawn, _ = curve_of(display)
    assert (np.diff(drawn, axis=0) >= 0.0).all()
    unique, first = np.unique(drawn[:, 0], return_index=True)
    line = np.interp(corp.probability, unique, drawn[first, 1])
    np.testing.assert_allclose(line, corp.recalibrated, atol=1e-12)
    bands = [band.get_paths()[0].vertices for band in display.ax_.collections]
    for band, ends in zip(
        bands,
        [
            (corp.consistency_low, corp.consistency_high),
            (corp.confidence_low, corp.confidence_high),
        ],
        strict=True,
    ):
        for end in ends:
            wanted = np.stack([corp.probability, end], axis=1)
            gaps = np.abs(wanted[:, None] - band[None]).max(axis=2).min(axis=1)
            assert gaps.max() < 1e-12


def many_rows():
    rng = np.random.default_rng(0)
    probs = np.sort(rng.random(5000))
    return probs, (rng.random(5000) < probs**2).astype(int)


@pytest.mark.parametrize("data", [many_rows, three_classes, lambda: rain("EMOS")])
def test_many_points_are_drawn_within_a_line(data):
    """Of hundreds of probabilities, those that nobody could tell apart are left out."""
    display = CorpDisplay.from_predictions(*data(), n_resamples=100)
    corp = display.corp
    drawn, _ = curve_of(display)
    for says, happens in zip(corp.probability, corp.recalibrated, strict=True):
        around = drawn[np.abs(drawn[:, 0] - says) <= 0.004, 1]
        assert around.min() - 1e-12 <= happens <= around.max() + 1e-12
    assert len(display._repr_svg_()) < 90_000  # bytes of a report


@pytest.mark.parametrize("data", [three_classes, all_correct, lambda: rain("ENS")])
def test_is_coloured_exactly_where_it_leaves_the_band(data):
    """Between and at the points, colour says on which side of the consistency band it is."""
    display = CorpDisplay.from_predictions(*data(), n_resamples=100)
    corp = display.corp
    _, pieces = curve_of(display)
    for points, colour in pieces:
        for (x0, y0), (x1, y1) in pairwise(points):
            x, y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
            low = np.interp(x, corp.probability, corp.consistency_low)
            high = np.interp(x, corp.probability, corp.consistency_high)
            wanted = OVER if y < low - 1e-9 else UNDER if y > high + 1e-9 else INK
            assert colour == wanted


def test_colour_changes_where_the_line_crosses_the_band():
    """Not only at the probabilities: each stretch between two of them is divided, too."""
    levels = np.linspace(0.04, 0.96, 12)
    happened = [np.arange(60) < round(60 * level**2) for level in levels]
    probs, labels = np.repeat(levels, 60), np.concatenate(happened).astype(int)
    display = CorpDisplay.from_predictions(probs, labels, n_resamples=100)
    corp = display.corp
    _, pieces = curve_of(display)
    assert len(pieces) > 1
    for points, colour in pieces:
        along = np.linspace(points[0, 0], points[-1, 0], 203)[1:-1]
        low, high, y = (
            np.interp(along, corp.probability, part)
            for part in (corp.consistency_low, corp.consistency_high, corp.recalibrated)
        )
        assert set(np.where(y < low, OVER, np.where(y > high, UNDER, INK))) == {colour}


def test_sides_of_the_band():
    """A model that is right too rarely is over-confident, one that always is, under-confident."""
    probs, labels = all_correct()
    wrong = (labels + 1) % 3
    for truth, colour in ((labels, UNDER), (wrong, OVER)):
        display = CorpDisplay.from_predictions(probs, truth, n_resamples=100)
        colours = {found for _, found in curve_of(display)[1]}
        assert colour in colours
        assert colours <= {colour, INK}


@pytest.mark.parametrize("data", CASES)
def test_nothing_is_nan_and_the_same_bytes_twice(data):
    """Every kind of result gives an SVG of finite numbers, the same each time."""
    probs, labels = data()
    first, second = (
        CorpDisplay.from_predictions(probs, labels, n_resamples=100, name="net") for _ in range(2)
    )
    svg = first._repr_svg_()
    assert svg == second._repr_svg_()
    assert not re.search(r"\b(nan|inf)\b", svg, re.IGNORECASE)
    assert not re.search(r"\b(nan|inf)\b", " ".join(first.alt_text()))
    assert first._repr_png_().startswith(b"\x89PNG")


def test_dots_where_there_are_few_probabilities():
    """A single probability has a dot, its frequency, and bands that can be seen."""
    display = CorpDisplay.from_predictions(*one_probability(), n_resamples=100)
    dots = [line.get_xydata()[0] for line in display.ax_.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(dots, [[0.7, 0.6]])
    for band in display.ax_.collections:
        assert np.ptp(band.get_paths()[0].vertices[:, 0]) > 0.03
        assert np.ptp(band.get_paths()[0].vertices[:, 1]) > 0.1


def test_strip_holds_all_rows():
    """Probabilities in steps of 5 % each have a bar of their own, as tall as their share."""
    probs = np.repeat([0.05, 0.1, 0.3, 1.0], [1, 2, 3, 4])
    display = CorpDisplay.from_predictions(probs, probs > 0.5, n_resamples=100)
    bars = [bar for bar in display.ax_.patches if bar.get_height() > 0.0]
    middles = [bar.get_x() + 0.5 * bar.get_width() for bar in bars]
    heights = np.array([bar.get_height() for bar in bars])
    np.testing.assert_allclose(middles, [0.05, 0.1, 0.3, 1.0])
    np.testing.assert_allclose(heights / heights.sum(), [0.1, 0.2, 0.3, 0.4])
    assert "40 %" in texts(display)


def test_says_what_the_probability_is_of():
    """The axes speak of the prediction, or of one class, which is never called confident."""
    probs, labels = three_classes()
    top = CorpDisplay.from_predictions(probs, labels, n_resamples=100)
    assert top.ax_.get_xlabel() == "Confidence: what the model says"
    assert top.ax_.get_ylabel() == "Accuracy: how often it is right"
    assert {"over-confident", "under-confident", "if calibrated"} <= set(texts(top))
    one = CorpDisplay.from_predictions(probs, labels, event=2, n_resamples=100)
    assert one.ax_.get_xlabel() == "Probability of class 2: what the model says"
    assert one.ax_.get_ylabel() == "How often class 2 happens"
    assert {"probability too high", "probability too low"} <= set(texts(one))
    assert not any("confident" in text for text in texts(one))


def test_prints_the_published_decomposition():
    """Niamey rain, ENS: .066 and .044 (Dimitriadis, Gneiting and Jordan 2021, figure 2)."""
    probs, labels = rain("ENS")
    display = CorpDisplay.from_predictions(probs, labels, name="ENS")
    printed = next(text for text in texts(display) if text.startswith("miscalibration"))
    numbers = [float(number) for number in re.findall(r"0\.\d{4}", printed)]
    assert [round(number, 3) for number in numbers] == [0.066, 0.044]
    assert "(p < 0.001)" in printed
    assert display.ax_.get_title(loc="left") == "ENS"
    assert printed.replace("\n", ", ") in display.alt_text()[1]


def test_from_evaluation_draws_its_corp():
    """What `evaluate` measured is drawn as it is, on the axes given."""
    probs, labels = three_classes()
    evaluation = tp.evaluate(probs, labels, n_resamples=100)
    figure = Figure()
    ax = figure.subplots()
    display = CorpDisplay.from_evaluation(evaluation, name="net", ax=ax)
    assert display.corp is evaluation.corp
    adjusted = p_text(evaluation.tests.adjusted_p_values["miscalibration"])
    assert any(f"({adjusted}, corrected)" in text for text in texts(display))
    assert f"({adjusted}, corrected)" in display.alt_text()[1]
    assert display.ax_ is ax
    assert display.figure_ is figure
    assert display._repr_svg_() is None
    assert display.alt_text()[0] == "CORP reliability diagram: net"


def test_alt_text_counts_the_predictions_outside():
    """The share of rows where the curve is below or above the band, in whole per cent."""
    corp = CorpDisplay.from_predictions(*rain("ENS")).corp
    low = corp.share[corp.recalibrated < corp.consistency_low].sum()
    text = CorpDisplay(corp).alt_text()[1]
    assert f"too low for {low:.0%} of the predictions and too high for 0%" in text


def test_words_keep_away_from_the_curve():
    """The distance of words from points is that from their rectangle, turned or not."""
    points = np.array([[0.5, 0.5]])
    assert Words("x" * 10, 0.5, 0.5).distance(points) == 0.0
    assert Words("x" * 10, 0.6, 0.5, "left").distance(points) == pytest.approx(0.1)
    assert Words("x" * 10, 0.4, 0.4, "right", "top").distance(points) == pytest.approx(0.02**0.5)
    turned = Words("x" * 10, 0.4, 0.6, rotation=45.0)
    assert turned.distance(points) == pytest.approx(0.02**0.5)


def test_words_move_out_of_the_curves_way():
    """A word of a corner that the curve runs through stands elsewhere."""
    probs, labels = np.linspace(0.02, 0.98, 100), np.ones(100, dtype=int)
    labels[:2] = 0, 0  # the curve runs at the very top, over nearly the whole width
    display = CorpDisplay.from_predictions(probs, labels, n_resamples=100)
    low = next(text for text in display.ax_.texts if text.get_text() == "probability too low")
    assert low.get_position()[1] < 0.97


@pytest.mark.parametrize("name", ["EMOS", "ENS", "EPC", "Logistic"])
def test_words_of_the_band_are_beside_the_curve(name):
    """No point of the curve lies within the words, whose box is measured, not estimated."""
    display = CorpDisplay.from_predictions(*rain(name), n_resamples=100)
    display.figure_.draw_without_rendering()
    words = next(text for text in display.ax_.texts if text.get_text() == "if calibrated")
    foot = display.ax_.transData.transform(words.get_position())
    words.set_rotation(0.0)
    box = words.get_window_extent()
    drawn, _ = curve_of(display)
    fine = np.linspace(drawn[:-1], drawn[1:], 50).reshape(-1, 2)
    moved = (display.ax_.transData.transform(fine) - foot) @ np.array([[1, -1], [1, 1]]) * 0.5**0.5
    inside = (np.abs(moved[:, 0]) < 0.5 * box.width) & (
        np.abs(moved[:, 1] - (0.5 * (box.y0 + box.y1) - foot[1])) < 0.5 * box.height
    )
    assert not inside.any()


def test_words_of_the_binned_diagram_move_too():
    """An interval that reaches into a corner sends the word of that corner elsewhere."""
    probs = np.repeat([[0.15, 0.85]], 20, axis=0)
    display = ReliabilityDisplay.from_predictions(probs, np.zeros(20, dtype=int))
    low = next(text for text in display.ax_.texts if text.get_text() == "probability too high")
    assert low.get_position()[1] > 0.03


def _rises_late(x):
    return np.where(x < 0.9, 0.02, 0.95)


KINDS = {
    "half": lambda x: x / 2,
    "cubed": lambda x: x**3,
    "never": lambda x: np.full_like(x, 0.04),
    "late": _rises_late,
    "mirrored": lambda x: 1.0 - _rises_late(1.0 - x),
    "always": lambda x: np.full_like(x, 0.96),
    "root": lambda x: x**0.3,
    "middle": lambda x: np.full_like(x, 0.5),
    "sigmoid": lambda x: 1.0 / (1.0 + np.exp(-12.0 * (x - 0.5))),
    "low step": lambda x: np.where(x < 0.5, 0.02, 0.2),
    "step": lambda x: np.where(x < 0.5, 0.1, 0.45),
    "below": lambda x: np.maximum(x - 0.45, 0.0),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("event", [1, "predicted"])
def test_no_words_cross_the_curve(kind, event):
    """As drawn: no point of the line lies in the box of any words within the square."""
    rng = np.random.default_rng(5)
    says = rng.random(1_500)
    labels = (rng.random(1_500) < KINDS[kind](says)).astype(int)
    display = CorpDisplay.from_predictions(says, labels, event=event, n_resamples=100)
    figure = display.figure_
    renderer = FigureCanvasAgg(figure).get_renderer()
    pieces = [line for line in display.ax_.lines if line.get_linewidth() == 2.0]
    dense = []
    for line in pieces:
        across, up = display.ax_.transData.transform(line.get_xydata()).T
        steps = np.linspace(0, len(across) - 1, 5_000)
        dense.append([np.interp(steps, np.arange(len(across)), each) for each in (across, up)])
    across, up = np.concatenate(dense, axis=1)
    words = {
        text.get_text(): text.get_window_extent(renderer)
        for text in display.ax_.texts
        if "too" in text.get_text() or "confident" in text.get_text()
    }
    assert len(words) == 2
    for box in words.values():
        inside = (across > box.x0) & (across < box.x1) & (up > box.y0) & (up < box.y1)
        assert not inside.any()


def _crossed(display):
    """Words of a binned diagram that a gap, an interval or a point runs through, as drawn."""
    renderer = FigureCanvasAgg(display.figure_).get_renderer()
    to_pixels = display.ax_.transData.transform
    lines = [each for each in display.ax_.lines if each.get_linestyle() in {"-", "None"}]
    crossed = []
    for text in display.ax_.texts:
        foot = to_pixels(text.get_position())
        angle = np.deg2rad(text.get_rotation())
        text.set_rotation(0.0)
        box = text.get_window_extent(renderer)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for line in lines:
            x, y = np.asarray(line.get_xdata()), np.asarray(line.get_ydata())
            middle = to_pixels(np.stack([np.linspace(*x[[0, -1]], 300),
                                         np.linspace(*y[[0, -1]], 300)], axis=1))  # fmt: skip
            half = 0.5 * line.get_linewidth() * display.figure_.dpi / 72
            for side in (-half, half):
                dots = (middle + np.array([side, 0.0]) - foot) @ turn + foot
                if ((dots > (box.x0, box.y0)) & (dots < (box.x1, box.y1))).all(axis=1).any():
                    crossed.append(text.get_text())
    return crossed


BINNED = {  # share of each bin that is right
    "on it": np.linspace(0.05, 0.95, 8),
    "far above": np.minimum(np.linspace(0.05, 0.95, 8) + 0.4, 1.0),
    "far below": np.maximum(np.linspace(0.05, 0.95, 8) - 0.4, 0.0),
    "about": np.clip(np.linspace(0.05, 0.95, 8) + 0.2 * np.cos(3.0 * np.arange(8)), 0.0, 1.0),
    "few": np.array([0.1, 0.9]),
}


@pytest.mark.parametrize("rows", [20, 200, 2_000])
@pytest.mark.parametrize("kind", BINNED)
def test_no_words_cross_the_bins(kind, rows):
    """Neither the diagonal's nor the corners', whether bins are wide or the intervals short."""
    right = BINNED[kind]
    says = np.repeat(np.linspace(0.05, 0.95, len(right)), rows)
    labels = (np.tile(np.arange(rows), len(right)) < np.repeat(right * rows, rows)).astype(int)
    display = ReliabilityDisplay.from_predictions(says, labels)
    words = [text.get_text() for text in display.ax_.texts]
    for each in ("calibrated", "too low", "too high"):
        assert any(text.endswith(each) for text in words)
    assert _crossed(display) == []


def test_words_of_wide_bins_share_no_place():
    """Where intervals fill the square, words are shorter or left out, and none lies on another."""
    rng = np.random.default_rng(0)
    says = 1.0 / (1.0 + np.exp(5.0 - 1.8 * rng.normal(size=5_000)))
    labels = (rng.random(5_000) < says**1.2).astype(int)
    display = ReliabilityDisplay.from_predictions(says, labels)
    assert _crossed(display) == []
    renderer = FigureCanvasAgg(display.figure_).get_renderer()
    boxes = [text.get_window_extent(renderer) for text in display.ax_.texts]
    assert len(boxes) >= 4
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
