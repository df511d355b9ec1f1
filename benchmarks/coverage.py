"""How often 95 % intervals hold the truth: the tables of docs/numbers.md.

    python benchmarks/coverage.py [--samples 400] [--scores 1000] [--resamples 200]

Labels are drawn from known probabilities, over and over (`tests/coverage_worlds.py`); needs REF-B
(`shared/data`). Scores cost little, so more samples are taken. Some ten minutes.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import re
import sys
from math import sqrt
from pathlib import Path

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE / "tests"))

import coverage_worlds as worlds  # noqa: E402  (lies beside the tests)

PAGE = HERE / "docs" / "numbers.md"
SIZES = (500, 2000)
VALUES = {
    "log_loss": "log loss",
    "brier": "Brier score",
    "accuracy": "accuracy",
    "confidence": "mean confidence",
    "ece": "ECE",
    "ece_equal_mass": "ECE, bins of equal mass",
    "debiased": "root mean square, debiased",
    "smooth": "smooth ECE",
    "ks": "Kolmogorov-Smirnov",
    "flattened": "flattened ECE",
    "miscalibration": "miscalibration (CORP)",
    "class": "ECE of a class (mean of 10)",
    "frequency": "frequency of a class (mean of 10)",
    "sum of uncertainty": "Brier uncertainty, sum over classes",
}
DIFFERENCES = {
    name: VALUES.get(name, "discrimination (CORP)")
    for name in (
        "log_loss", "brier", "accuracy", "ece", "ece_equal_mass", "debiased", "smooth", "ks",
        "flattened", "miscalibration", "discrimination",
    )
}  # fmt: skip


def main() -> None:
    """Draw, measure, print, and write the tables into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--scores", type=int, default=1_000, help="samples of what costs little")
    parser.add_argument("--resamples", type=int, default=200)
    asked = parser.parse_args()
    p, models = worlds.pool()
    scores = max(asked.samples, asked.scores)
    found = {n: shares(p, models, n, asked.samples, scores, asked.resamples) for n in SIZES}
    error, of_scores = (sqrt(0.95 * 0.05 / count) for count in (asked.samples, scores))
    count = (
        f"{asked.samples:,} samples of each size, {asked.resamples} resamples each (Monte Carlo "
        f"error of a share near .95: {text(error, 3)}; of the rows marked *, of {scores:,} "
        f"samples, {text(of_scores, 3)}):"
    )
    parts = {
        "coverage": table("value", VALUES, [worlds.SURE, *models], "95 % interval of", found),
        "coverage of differences": table(
            "difference", DIFFERENCES, list(models), "95 % interval of the difference of", found
        ),
    }
    page = PAGE.read_text(encoding="utf-8")
    for name, lines in parts.items():
        block = "\n".join([count, "", *lines] if name == "coverage" else lines)
        print(block)
        part = f"<!-- {name} -->\n\n{block}\n\n<!-- /{name} -->"
        pattern = rf"<!-- {name} -->.*?<!-- /{name} -->"
        page = re.sub(pattern, lambda _, part=part: part, page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


def shares(
    p: object, models: object, n: int, samples: int, scores: int, resamples: int
) -> dict[tuple[str, str, str], float]:
    """Return the share of samples of n rows whose interval holds the truth; scores of more."""
    found = worlds.coverage(p, models, n=n, repetitions=samples, n_resamples=resamples)
    more = scores - samples
    if more > 0:
        others = worlds.coverage(
            p, models, n=n, repetitions=more, n_resamples=100, measures=worlds.PLAIN, start=samples
        )
        for key, share in others.items():
            found[key] = (samples * found[key] + more * share) / scores
    return found


def table(
    kind: str,
    measures: dict[str, str],
    names: list[str],
    head: str,
    found: dict[int, dict[tuple[str, str, str], float]],
) -> list[str]:
    """Return the lines of a table: one per measure, columns for models and sizes."""
    columns = [f"{name}, {n:,}" for name in names for n in SIZES]
    lines = [f"| {head} | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for measure, words in measures.items():
        cells = [text(found[n][kind, name, measure]) for name in names for n in SIZES]
        star = " *" if measure in worlds.PLAIN else ""
        lines.append(f"| {words}{star} | {' | '.join(cells)} |")
    return lines


def text(share: float, digits: int = 2) -> str:
    """Return a share as the page writes it: .95."""
    return f"{share:.{digits}f}".removeprefix("0")


if __name__ == "__main__":
    main()
