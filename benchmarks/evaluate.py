"""How long `evaluate` takes: everything, against re-running one error on resampled rows.

`python benchmarks/evaluate.py` prints medians of three runs in seconds.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

import temperance as tp

if TYPE_CHECKING:
    from collections.abc import Callable

SIZES = ((1_000, 10), (10_000, 10), (100_000, 10), (100_000, 2), (10_000, 1_000))
RESAMPLES = 1_000
REPEATED = 20  # resamples that are run; the time is scaled to RESAMPLES


def main() -> None:
    """Print one line per size."""
    columns = ("rows", "classes", "evaluate", "quick", "compare", "ECE re-run")
    print("".join(f"{column:>11}" for column in columns))
    for n, k in SIZES:
        probs, softer, labels = rows(n, k)
        sides = {"a": probs, "b": softer}
        times = (
            timed(lambda p=probs, y=labels: tp.evaluate(p, y, n_resamples=RESAMPLES)),
            timed(lambda p=probs, y=labels: tp.evaluate(p, y, n_resamples=200)),
            timed(lambda s=sides, y=labels: tp.compare(s, y, n_resamples=RESAMPLES)),
            timed(lambda p=probs, y=labels: rerun(p, y)) * RESAMPLES / REPEATED,
        )
        print(f"{n:>11,}{k:>11,}" + "".join(f"{each:>11.2f}" for each in times))


def rows(n: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Over-confident probabilities, calibrated ones, and labels drawn from the second."""
    rng = np.random.default_rng(0)
    logits = 3.0 * rng.normal(size=(n, k))
    labels = (logits / 1.5 + rng.gumbel(size=logits.shape)).argmax(axis=1)
    scaled = (tp.TemperatureScaling(t).apply(logits) for t in (1.0, 1.5))
    return *scaled, labels


def rerun(probs: np.ndarray, labels: np.ndarray) -> None:
    """One error, the obvious way: on rows drawn again."""
    rng = np.random.default_rng(0)
    for _ in range(REPEATED):
        drawn = rng.integers(0, len(labels), len(labels))
        tp.metrics.expected_calibration_error(probs[drawn], labels[drawn])


def timed(run: Callable[[], object]) -> float:
    """Return the median of three runs in seconds."""
    found = []
    for _ in range(3):
        begin = perf_counter()
        run()
        found.append(perf_counter() - begin)
    return median(found)


if __name__ == "__main__":
    main()
