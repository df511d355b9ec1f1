"""The inner loops alone, beside NumPy's own: fits in readings, `apply` beside softmax, measuring.

`python benchmarks/kernels.py` writes four tables into docs/benchmarks.md. CPU seconds, medians of
calls in one process in which everything is loaded and compiled; what is compared takes turns, so
that a slow moment of the machine meets all.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import re
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

import temperance as tp
from temperance.blocks import rows as sampling
from temperance.kernels.engines import preferring
from temperance.metrics.implied import implied_scores, paired_gaps
from temperance.metrics.inputs import Predictions, row_measures
from temperance.metrics.z_tests import score_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from temperance.calibrators.record import TemperatureRecord

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
FITS = (
    (10_000, 10), (100_000, 10), (2_000_000, 10), (50_000, 100), (50_000, 1_000), (2_000, 50_000),
    (500, 128_000),
)  # fmt: skip
LONG_ROWS = (
    (50_000, 100, "float32"), (50_000, 100, "float64"), (50_000, 256, "float32"),
    (50_000, 1_000, "float32"), (50_000, 1_000, "float64"), (8_000, 5_000, "float32"),
)  # fmt: skip
SAMPLES = 9  # data sets, to count readings; the last is timed
ANSWERS = ((1, 10), (1_000_000, 10), (50_000, 1_000))
TRUE_TEMPERATURE = 2.5
RUNS = 7
CALLS = 1_000  # of what takes microseconds, in one run


def main() -> None:
    """Time all, print, and write the page."""
    tables = {"readings": fits(), "apply": answers()}
    if find_spec("numba"):
        tables["one reading"] = one_reading()
        tables["measuring"] = measuring()
    for name, lines in tables.items():
        table = "\n".join(lines)
        print(table)
        text = PAGE.read_text(encoding="utf-8")
        part = f"<!-- {name} -->\n\n{table}\n\n<!-- /{name} -->"
        text = re.sub(rf"<!-- {name} -->.*<!-- /{name} -->", part, text, flags=re.DOTALL)
        PAGE.write_text(text, encoding="utf-8")


def fits() -> list[str]:
    """Fits of one temperature on float32, by engine, in times of `logits.sum(axis=1)`."""
    engines = ["numpy", *(["numba"] if find_spec("numba") else [])]
    lines = [
        f"| rows x classes | `sum(axis=1)`, ms | {' | '.join(engines)} | readings |",
        f"|---|---:|{'---:|' * len(engines)}---:|",
    ]
    for n, k in FITS:
        logits, labels = rows(n, k)
        work: dict[str, Callable[[], object]] = {"sum": lambda z=logits: z.sum(axis=1)}
        for engine in engines:
            tp.TemperatureScaling.fit(logits, labels, engine=engine)  # loads and compiles
            work[engine] = lambda z=logits, y=labels, engine=engine: tp.TemperatureScaling.fit(
                z, y, engine=engine
            )
        taken = medians(work)
        record = tp.TemperatureScaling.fit(logits, labels, engine=engines[-1]).record
        cells = (f"{shown(1e3 * taken[e])} ms ({taken[e] / taken['sum']:.1f}x)" for e in engines)
        of_sum = shown(1e3 * taken["sum"])
        lines.append(f"| {n:,} x {k:,} | {of_sum} | {' | '.join(cells)} | {record.passes} |")
    return lines


def one_reading() -> list[str]:
    """Fits that may end with their first reading, beside the same without series."""
    lines = [
        "| rows x classes | ten derivatives | three | times less | readings of nine |",
        "|---|---:|---:|---:|---:|",
    ]
    for n, k, dtype in LONG_ROWS:
        counts = []
        for seed in range(SAMPLES):
            logits, labels = rows(n, k, seed=seed)
            logits = logits.astype(dtype)
            counts.append(without_or_with_series(logits, labels, series=True).passes)
        work = {
            series: lambda z=logits, y=labels, series=series: without_or_with_series(
                z, y, series=series
            )
            for series in (True, False)
        }
        work[False]()
        one, two = medians(work, runs=9).values()
        spread = ", ".join(f"{counts.count(p)} x {p}" for p in sorted(set(counts)))
        lines.append(
            f"| {n:,} x {k:,} {dtype} | {shown(1e3 * one)} | {shown(1e3 * two)} | {two / one:.2f} "
            f"| {spread} |"
        )
    return lines


def measuring() -> list[str]:
    """What scores, intervals and the score test take of each row, of two models beside each other.

    Blocks come as those of a large file do: in pieces of about two million numbers.
    """
    lines = ["| classes | NumPy | compiled | times less |", "|---:|---:|---:|---:|"]
    for k in (10, 100, 1_000):
        logits, labels = rows((1 << 21) // k, k)
        calibrated = logits.astype(np.float64) / TRUE_TEMPERATURE
        work = {
            engine: lambda z=logits, a=calibrated, y=labels, engine=engine: two_models(
                z, a, y, engine
            )
            for engine in ("numpy", "numba")
        }
        work["numba"]()
        taken = [1e6 * seconds / len(labels) for seconds in medians(work).values()]
        lines.append(
            f"| {k:,} | {shown(taken[0])} us | {shown(taken[1])} us | {taken[0] / taken[1]:.1f} |"
        )
    return lines


def two_models(logits: np.ndarray, calibrated: np.ndarray, labels: np.ndarray, engine: str) -> None:
    """Sum what both models' rows score, expect, and differ in."""
    with preferring(engine):
        after, before = (
            Predictions.from_logits(each, labels, None) for each in (calibrated, logits)
        )
        paired_gaps(after, before)
        for each in (after, before):
            implied_scores(each, row_measures(each)[:, :2])
            score_rows(each)


def without_or_with_series(
    logits: np.ndarray, labels: np.ndarray, *, series: bool
) -> TemperatureRecord:
    """Return the record of a fit by the compiled kernel."""
    chosen = sampling.worth_series
    if not series:
        sampling.worth_series = lambda _n, _k: False
    try:
        return tp.TemperatureScaling.fit(logits, labels, engine="numba").record
    finally:
        sampling.worth_series = chosen


def shown(number: float) -> str:
    """Return three digits, and all of a whole number."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def answers() -> list[str]:
    """`apply` of float32 logits beside the softmax of others."""
    scaling, lines = tp.TemperatureScaling(TRUE_TEMPERATURE), []
    for n, k in ANSWERS:
        z, _ = rows(n, k)
        work = {"temperance": lambda z=z: scaling.apply(z), **softmax_of_others(z)}
        if not lines:
            lines = [f"| rows x classes | {' | '.join(work)} |", f"|---|{'---:|' * len(work)}"]
        taken = medians(work, calls=CALLS if n == 1 else 1)
        cells = (f"{1e6 * t:.1f} us" if n == 1 else f"{1e3 * t:.0f} ms" for t in taken.values())
        lines.append(f"| {n:,} x {k:,} | {' | '.join(cells)} |")
    return lines


def softmax_of_others(z: np.ndarray) -> dict[str, Callable[[], object]]:
    """Softmax of logits over a temperature, by SciPy and torch, and torch's of the bare logits."""
    from scipy.special import softmax

    work: dict[str, Callable[[], object]] = {
        "scipy: softmax(z / T)": lambda: softmax(z / TRUE_TEMPERATURE, axis=1)
    }
    if find_spec("torch"):
        import torch

        from temperance.torch import as_module

        torch.set_num_threads(1)
        without_gradients = torch.no_grad()(lambda call, t: call(t))
        t = torch.from_numpy(z)
        work["torch: softmax(z / T)"] = lambda: torch.softmax(t / TRUE_TEMPERATURE, 1)
        work["torch: softmax(z)"] = lambda: torch.softmax(t, 1)
        module = as_module(tp.TemperatureScaling(TRUE_TEMPERATURE))
        work["torch: as_module"] = lambda: without_gradients(module, t)
    return work


def rows(n: int, k: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return float32 logits 2.5 times too large for their labels."""
    rng = np.random.default_rng(seed)
    logits, labels = np.empty((n, k), dtype=np.float32), np.empty(n, dtype=np.int64)
    step = max(1, 1_000_000 // k)
    for start in range(0, n, step):
        block = 3.0 * rng.standard_normal((min(step, n - start), k), dtype=np.float32)
        logits[start : start + step] = block
        noise = rng.gumbel(size=block.shape)
        labels[start : start + step] = (block / TRUE_TEMPERATURE + noise).argmax(axis=1)
    return logits, labels


def medians(
    work: dict[Any, Callable[[], object]], *, calls: int = 1, runs: int = RUNS
) -> dict[Any, float]:
    """Return the median CPU seconds of a call of each, called in turn."""
    taken: dict[Any, list[float]] = {name: [] for name in work}
    for _ in range(runs):
        for name, call in work.items():
            start = process_time()
            for _ in range(calls):
                call()
            taken[name].append((process_time() - start) / calls)
    return {name: median(seconds) for name, seconds in taken.items()}


if __name__ == "__main__":
    main()
