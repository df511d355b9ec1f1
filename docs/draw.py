"""Redraw the README's picture, its demo output and the tables of methods: `make docs`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from matplotlib.figure import Figure

import temperance as tp
from temperance.calibrators import method_tables
from temperance.plots import CorpDisplay, to_svg
from temperance.rows.digits import digit_rows

ROOT = Path(__file__).parents[1]
WIDTH, HEIGHT = 760.0, 494.0  # points
WHITE = "#ffffff"  # a README's picture cannot know whether the page is dark


def main() -> None:
    """Write docs/images/reliability.svg, the README's demo block and docs/methods.md's tables."""
    draw_reliability()
    write_demo()
    write_methods()


def draw_reliability() -> None:
    """Draw the digits before and after temperature scaling, side by side."""
    calibration, test = digit_rows()
    scaling = tp.TemperatureScaling.fit(calibration.logits, calibration.require_labels())
    comparison = tp.compare(
        {
            "Before": tp.TemperatureScaling(1.0).apply(test.logits),
            f"After, T = {scaling.temperature:.1f}": scaling.apply(test.logits),
        },
        test.require_labels(),
    )
    figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
    for left, (name, evaluation) in zip((52, 430), comparison.evaluations.items(), strict=True):
        axes = figure.add_axes((left / WIDTH, 44 / HEIGHT, 316 / WIDTH, 366 / HEIGHT))
        CorpDisplay.from_evaluation(evaluation, name=name, ax=axes)
    svg = to_svg(
        figure,
        title="Reliability diagrams of naive Bayes on the digits",
        description="Accuracy against confidence by isotonic regression, before and after scaling.",
        background=WHITE,
    )
    path = ROOT / "docs" / "images" / "reliability.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(svg.replace('width="100%"', f'width="{WIDTH:g}"', 1) + "\n", encoding="utf-8")


def write_demo() -> None:
    """Put what `temperance demo` prints between the README's markers."""
    with tempfile.TemporaryDirectory() as folder:
        printed = subprocess.run(
            [sys.executable, "-m", "temperance", "demo"],
            cwd=folder,
            env={**os.environ, "COLUMNS": "100"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    replace_block(ROOT / "README.md", "demo", f"```text\n{lines}\n```")


def write_methods() -> None:
    """Put what `temperance methods` shows between the markers of docs/methods.md."""
    tables = "\n\n".join(table.to_markdown() for table in method_tables())
    replace_block(ROOT / "docs" / "methods.md", "methods", tables)


def replace_block(path: Path, name: str, content: str) -> None:
    """Put text between a page's markers <!-- name --> and <!-- /name -->."""
    text = path.read_text(encoding="utf-8")
    block = f"<!-- {name} -->\n\n{content}\n\n<!-- /{name} -->"
    new = re.sub(f"<!-- {name} -->.*<!-- /{name} -->", lambda _: block, text, flags=re.DOTALL)
    path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
