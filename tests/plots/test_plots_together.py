"""Several models on one axes, displays of estimators, and the event of two classes."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import reference
import temperance as tp
from temperance.plots import (
    CalibrationCurvesDisplay,
    ClassBiasDisplay,
    ConfidenceDisplay,
    CorpDisplay,
    ReliabilityDisplay,
    RiskCoverageDisplay,
)


class Classifier:
    """What a fitted classifier of scikit-learn shows of itself."""

    classes_ = np.array(["no", "yes"])

    def __init__(self, sharp=1.0):
        self.sharp = sharp

    def predict_proba(self, x):
        p = 1.0 / (1.0 + np.exp(-self.sharp * np.asarray(x)[:, 0]))
        return np.stack([1.0 - p, p], axis=1)


@pytest.fixture
def rows():
    """Inputs and labels; the classifier above is right with `sharp` 1."""
    rng = np.random.default_rng(0)
    x = 2.0 * rng.normal(size=(600, 1))
    y = np.where(rng.random(600) < 1.0 / (1.0 + np.exp(-x[:, 0])), "yes", "no")
    return x, y


def test_curves_are_those_of_corp(sample):
    """Each line is the isotonic curve of its model; the legend names all, with what they miss."""
    z, y = sample(n=400)
    probs = {"raw": reference.softmax(z), "half": reference.softmax(z / 2.0)}
    ax = Figure().subplots()
    display = CalibrationCurvesDisplay.from_predictions(probs, y, ax=ax)
    assert display.ax_ is ax
    lines = [line for line in ax.lines if not line.get_label().startswith("_")]
    for line, (name, each) in zip(lines, probs.items(), strict=True):
        corp = tp.metrics.corp_reliability(each, y, n_resamples=100)
        assert np.allclose(line.get_xdata(), corp.probability)
        assert np.allclose(line.get_ydata(), corp.recalibrated)
        shown = f"{name} (miscalibration {corp.decomposition.miscalibration:.4f})"
        assert line.get_label() == shown
        assert name in display.alt_text()[1]
    comparison = tp.compare(probs, y, n_resamples=100)
    again = CalibrationCurvesDisplay.from_comparison(comparison, name="both")
    assert [line.get_label() for line in again.ax_.lines[1:]] == [
        each.get_label() for each in lines
    ]
    assert again._repr_svg_() == again._repr_svg_()


def test_curves_are_told_apart_without_colour():
    """No two of the most that there may be share a marker."""
    probs = {f"model {i}": [0.2, 0.5, 0.9] for i in range(8)}
    ax = CalibrationCurvesDisplay.from_predictions(probs, [0, 1, 1]).ax_
    assert len({line.get_marker() for line in ax.lines[1:]}) == 8
    with pytest.raises(tp.InvalidInputError, match="from 1 to 8 curves, got 9"):
        CalibrationCurvesDisplay.from_predictions({**probs, "one more": [0.2, 0.5, 0.9]}, [0, 1, 1])
    with pytest.raises(tp.InvalidInputError, match="from 1 to 8 curves, got 0"):
        CalibrationCurvesDisplay.from_predictions({}, [0, 1, 1])


def test_the_legend_lies_inside_the_figure_and_off_the_curves():
    """With eight long names: below the square, where no line is."""
    probs = {f"{i} a name that never ends, of a model" * 3: [0.2, 0.5, 0.9] for i in range(8)}
    display = CalibrationCurvesDisplay.from_predictions(probs, [0, 1, 1], name="All of them")
    figure = display.figure_
    figure.draw_without_rendering()
    box, square = display.ax_.get_legend().get_window_extent(), display.ax_.get_window_extent()
    label = display.ax_.xaxis.label.get_window_extent()
    assert box.y1 <= label.y0
    assert box.y0 >= figure.bbox.y0
    assert box.x1 <= figure.bbox.x1
    title = display.ax_.title.get_window_extent()
    assert title.y1 <= figure.bbox.y1
    assert square.width == pytest.approx(square.height, rel=0.02)


def test_curves_of_different_events_are_refused():
    corp = tp.metrics.corp_reliability
    curves = {
        "a": corp([0.2, 0.9], [0, 1], n_resamples=100),
        "b": corp([0.2, 0.9], [0, 1], n_resamples=100, event="predicted"),
    }
    with pytest.raises(tp.InvalidInputError, match="of one event, got 1, top-label"):
        CalibrationCurvesDisplay(curves)


@pytest.mark.parametrize(
    "kind", [CorpDisplay, ReliabilityDisplay, ConfidenceDisplay, RiskCoverageDisplay]
)
def test_from_estimator_is_from_predictions(kind, rows):
    """The same picture as from `predict_proba` and labels by hand, named after the estimator."""
    x, y = rows
    shown = kind.from_estimator(Classifier(), x, y)
    by_hand = kind.from_predictions(
        Classifier().predict_proba(x), y, classes=["no", "yes"], name="Classifier"
    )
    assert shown._repr_svg_() == by_hand._repr_svg_()


def test_from_estimators_of_several_names(rows):
    """A mapping of classifiers gives a curve each; of the event by its name."""
    x, y = rows
    display = CalibrationCurvesDisplay.from_estimator(
        {"as it is": Classifier(), "too sharp": Classifier(3.0)}, x, y
    )
    names = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert names[0].startswith("as it is")
    assert names[1].startswith("too sharp")
    assert display.ax_.get_xlabel() == "Probability of class yes"


def test_bad_estimators(rows):
    x, y = rows
    with pytest.raises(tp.InvalidInputError, match="must have predict_proba, got int"):
        CorpDisplay.from_estimator(3, x, y)
    with pytest.raises(tp.InvalidInputError, match="got 'maybe', which is none"):
        CorpDisplay.from_estimator(Classifier(), x[:1], ["maybe"])
    with pytest.raises(tp.InvalidInputError, match="shows no predictions"):
        ClassBiasDisplay.from_estimator(Classifier(), x, y)


def test_two_classes_show_the_event(rows):
    """Binned, too, what is drawn is how often class 1 happens; "predicted" still can be asked."""
    x, y = rows
    probs, labels = Classifier().predict_proba(x), (y == "yes").astype(int)
    display = ReliabilityDisplay.from_predictions(probs, labels)
    curve = tp.metrics.reliability_curve(probs, labels, event=1)
    points = [each.get_xdata()[0] for each in display.ax_.lines if each.get_marker() == "o"]
    assert np.allclose(points, curve.confidence)
    assert display.ax_.get_xlabel() == "Probability of class 1"
    predicted = ReliabilityDisplay.from_predictions(probs, labels, event="predicted")
    assert predicted.ax_.get_xlabel() == "Confidence: what the model says"


def test_confidence_of_predictions(sample):
    """Histogram, mean and accuracy are those of the rows."""
    z, y = sample(n=400)
    p = reference.softmax(z)
    display = ConfidenceDisplay.from_predictions(p, y)
    assert display.confidence == pytest.approx(p.max(axis=1).mean())
    assert display.accuracy.value == pytest.approx((p.argmax(axis=1) == y).mean())
    assert display.accuracy.low < display.accuracy.value < display.accuracy.high
