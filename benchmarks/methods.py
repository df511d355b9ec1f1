"""How long each method takes to fit, and how often it reads the rows.

`python benchmarks/methods.py` prints medians of three runs in seconds.
"""

from __future__ import annotations

from statistics import median
from time import perf_counter

import numpy as np

import temperance as tp

SIZES = (
    ("temperature", 50_000, 1_000),
    ("bias-corrected-temperature", 10_000, 100),
    ("vector", 10_000, 100),
    ("vector", 50_000, 1_000),
    ("matrix", 10_000, 10),
    ("matrix", 10_000, 100),
    ("platt", 1_000_000, 2),
    ("beta", 1_000_000, 2),
    ("isotonic", 1_000_000, 2),
    ("venn-abers", 100_000, 2),
)


def main() -> None:
    """Print one line per method and size."""
    print(f"{'method':>28}{'rows':>12}{'classes':>10}{'seconds':>10}{'passes':>8}")
    for method, n, k in SIZES:
        logits, labels = rows(n, k)
        times = []
        for _ in range(3):
            start = perf_counter()
            fitted = tp.METHODS[method].fit(logits, labels)  # type: ignore[attr-defined]
            times.append(perf_counter() - start)
        print(f"{method:>28}{n:>12,}{k:>10,}{median(times):>10.2f}{fitted.record.passes:>8}")


def rows(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Over-confident float32 logits whose classes are claimed too often or too rarely."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, k, n)
    logits = rng.normal(size=(n, k)).astype(np.float32)
    logits[np.arange(n), labels] += rng.normal(4.0, 2.0, n).astype(np.float32)
    logits += rng.normal(0.0, 0.5, k).astype(np.float32)
    return 2.0 * logits, labels


if __name__ == "__main__":
    main()
