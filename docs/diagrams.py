"""Draw a diagram of each kind and write docs/plots.md, which shows them: `make docs`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from temperance.plots import to_svg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images" / "plots"
WHITE = "#ffffff"  # a page's picture cannot know whether the page is dark
ROWS = """import numpy as np
import temperance as tp

rng = np.random.default_rng(0)
logits = 3 * rng.normal(size=(4000, 4))
labels = (logits / 2 + rng.gumbel(size=logits.shape)).argmax(axis=1)

scaling = tp.TemperatureScaling.fit(logits[:2000], labels[:2000])
before = tp.TemperatureScaling(1.0).apply(logits[2000:])
after = scaling.apply(logits[2000:])
truth = labels[2000:]
"""
HEAD = f"""# Plots

Diagrams of `temperance.plots`: they draw on your own axes (`ax=`), or on a figure of their own that
opens no window, and change no setting of matplotlib. `from_predictions` takes probabilities
and labels, `from_estimator` a classifier of scikit-learn with X and y, the other constructors a
result that is there already; `.ax_` and `.figure_` are matplotlib's.
`tp.plots.to_svg(display.figure_, title=..., description=...)` makes an SVG of it for a page.
The rows below are of a model that is twice too sure:

```python
{ROWS}```
"""


class Diagram(NamedTuple):
    """One of the page: its class, what it is for, what the picture shows, and the code."""

    name: str
    words: str
    alternative: str
    code: str


DIAGRAMS = (
    Diagram(
        "CorpDisplay",
        "Reliability without bins, by isotonic regression; grey is where a calibrated model would "
        "lie on so few rows. `event=1` shows the probability of class 1 in place of the "
        "confidence.",
        "Accuracy against confidence: a stair far below the diagonal, outside the grey band",
        "display = tp.plots.CorpDisplay.from_predictions(before, truth)\n",
    ),
    Diagram(
        "ReliabilityDisplay",
        "The classical diagram with bins, each with its 95 % interval.",
        "Accuracy of each bin of confidence, with intervals, below the diagonal",
        "display = tp.plots.ReliabilityDisplay.from_predictions(before, truth)\n",
    ),
    Diagram(
        "CalibrationCurvesDisplay",
        "Up to eight models or methods on one axes; lines and markers differ, not only colours.",
        "Two calibration curves with a legend: before far from the diagonal, after on it",
        "display = tp.plots.CalibrationCurvesDisplay.from_predictions(\n"
        '    {"before": before, "after": after}, truth\n'
        ")\n",
    ),
    Diagram(
        "ConfidenceDisplay",
        "How sure the model is: a histogram, with its mean and the accuracy.",
        "Histogram of the confidence, its mean to the right of the accuracy",
        "display = tp.plots.ConfidenceDisplay.from_predictions(before, truth)\n",
    ),
    Diagram(
        "TemperatureDisplay",
        "Temperatures side by side: of months, groups, models. Orange is over-confident, blue "
        "under-confident, grey holds 1.",
        "Three temperatures with intervals on a log axis; that of law holds 1",
        'sharpness = {"law": 0.5, "medicine": 1.0, "history": 2.0}\n'
        "temperatures = {}\n"
        "for task, factor in sharpness.items():\n"
        "    fit = tp.TemperatureScaling.fit(factor * logits[:500], labels[:500])\n"
        "    temperatures[task] = tp.Estimate(fit.temperature, *fit.record.interval(0.95))\n"
        "display = tp.plots.TemperatureDisplay.from_temperatures(temperatures)\n",
    ),
    Diagram(
        "ClassBiasDisplay",
        "Which classes are predicted too often (orange), and which too rarely (blue).",
        "The bias of four classes with intervals; that of class 0 lies below 0",
        "shifted = tp.class_biases(logits + [1.0, 0.0, 0.0, 0.0], labels)\n"
        "display = tp.plots.ClassBiasDisplay.from_biases(shifted.biases)\n",
    ),
    Diagram(
        "FrequencyDisplay",
        "How often each class was true on the rows of the fit, and how often it is on new rows "
        "([shift](numbers.md#shift)).",
        "The share of four classes then and now, with intervals; two have moved",
        'then = {"cat": 0.4, "dog": 0.3, "fox": 0.2, "owl": 0.1}\n'
        "now = {\n"
        '    "cat": tp.Estimate(0.28, 0.24, 0.32),\n'
        '    "dog": tp.Estimate(0.31, 0.27, 0.35),\n'
        '    "fox": tp.Estimate(0.19, 0.16, 0.23),\n'
        '    "owl": tp.Estimate(0.22, 0.18, 0.26),\n'
        "}\n"
        "display = tp.plots.FrequencyDisplay.from_frequencies(then, now)\n",
    ),
    Diagram(
        "RiskCoverageDisplay",
        "Wrong answers among those given, against the share of rows answered "
        "([when to answer](decisions.md)).",
        "The share of wrong answers rising with the share of rows answered; a line marks the risk",
        "display = tp.plots.RiskCoverageDisplay.from_predictions(after, truth, max_risk=0.1)\n",
    ),
    Diagram(
        "CostDisplay",
        "Accuracy against cost of a cascade, over all thresholds ([cascades](cascades.md)).",
        "Accuracy against cost per row: the curve of the cascade, and a point per way of answering",
        "small = logits / 2 + 2 * rng.normal(size=logits.shape)  # it sees less\n"
        'models = {"small": small, "large": logits}\n'
        "cascade = tp.decisions.cascade(models, labels, costs=0.05)\n"
        "display = tp.plots.CostDisplay.from_cascade(cascade)\n",
    ),
    Diagram(
        "EvidenceDisplay",
        "Evidence that served probabilities went wrong, label by label ([drift](drift.md)).",
        "The log of the evidence after each label, crossing the line of the alarm",
        "from temperance.drift import Alarm, collect\n"
        "\n"
        "later = 1.5 * logits[:2000]  # too sure from here on\n"
        "served = scaling.apply(np.vstack([logits[2000:], later]))\n"
        "path = collect(served, np.concatenate([labels[2000:], labels[:2000]]))\n"
        "display = tp.plots.EvidenceDisplay.from_path(path, Alarm(alpha=0.01))\n",
    ),
)


def main() -> None:
    """Draw the pictures and write the page."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for each, figure in drawn():
        svg = to_svg(figure, title=each.name, description=each.alternative, background=WHITE)
        width = f'width="{figure.get_figwidth() * 72:g}"'
        text = svg.replace('width="100%"', width, 1) + "\n"
        (IMAGES / f"{each.name}.svg").write_text(text, encoding="utf-8")
    (ROOT / "docs" / "plots.md").write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page: what each diagram is for, its code and its picture."""
    parts = [
        f"## {each.name}\n\n{each.words}\n\n```python\n{each.code}```\n\n"
        f"![{each.alternative}](images/plots/{each.name}.svg)\n"
        for each in DIAGRAMS
    ]
    return "\n".join([HEAD, *parts])


def drawn() -> Iterator[tuple[Diagram, Figure]]:
    """Run the code of the page, and yield each diagram with its figure."""
    names: dict[str, Any] = {}
    exec(ROWS, names)  # noqa: S102  (our own code, above)
    for each in DIAGRAMS:
        exec(each.code, names)  # noqa: S102
        yield each, names["display"].figure_


if __name__ == "__main__":
    main()
