"""How long `evaluate` takes: everything, against re-running one error on resampled rows.

`python benchmarks/evaluate.py` prints medians of three runs in seconds.

`python benchmarks/evaluate.py --blocks [ROWS ...]` measures files of 100 classes that are made for
it (float32 logits, memory-mapped): `evaluate_blocks`, and `evaluate` of the probabilities, each in
a process of its own, with the peak of its own memory (mapped pages of the file are the system's to
take back), less what it has after importing and loading the labels.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

import temperance as tp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = ((1_000, 10), (10_000, 10), (100_000, 10), (100_000, 2), (10_000, 1_000))
RESAMPLES = 1_000
REPEATED = 20  # resamples that are run; the time is scaled to RESAMPLES
LARGE = (100_000, 1_000_000)
CLASSES = 100
STEP = 10_000  # rows of a block


def main() -> None:
    """Print one line per size, in memory or block by block."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, nargs="*", metavar="ROWS")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child is not None:
        measure_file(options.child[0], Path(options.child[1]))
    elif options.blocks is not None:
        of_files(options.blocks or LARGE)
    else:
        in_memory()


def of_files(sizes: tuple[int, ...] | list[int]) -> None:
    """Print wall time, processor time and memory of both functions for each size."""
    columns = ("rows", "classes", "function", "seconds", "CPU s", "MiB")
    print("".join(f"{column:>17}" for column in columns))
    for n in sizes:
        with tempfile.TemporaryDirectory() as folder:
            make_file(n, Path(folder))
            for name in ("evaluate_blocks", "evaluate"):
                command = [sys.executable, __file__, "--child", name, folder]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                figures = done.stdout.split() if done.returncode == 0 else ["did not finish"]
                print(f"{n:>17,}{CLASSES:>17,}{name:>17}" + "".join(f"{f:>17}" for f in figures))


def make_file(n: int, folder: Path) -> None:
    """Write over-confident float32 logits, and labels, some rows at a time."""
    rng = np.random.default_rng(0)
    logits = np.lib.format.open_memmap(folder / "logits.npy", "w+", np.float32, (n, CLASSES))
    labels = np.empty(n, dtype=np.int64)
    for start in range(0, n, STEP):
        block = 3.0 * rng.normal(size=(min(STEP, n - start), CLASSES))
        labels[start : start + STEP] = (block / 1.5 + rng.gumbel(size=block.shape)).argmax(axis=1)
        logits[start : start + STEP] = block
    logits.flush()
    np.save(folder / "labels.npy", labels)


def measure_file(name: str, folder: Path) -> None:
    """Print seconds, processor seconds and MiB of one evaluation of a file."""
    labels = np.load(folder / "labels.npy")
    logits = np.load(folder / "logits.npy", mmap_mode="r")
    function = getattr(tp, name)
    with peak_memory() as peak:
        begin, work = perf_counter(), time.process_time()
        if name == "evaluate":
            function(tp.Identity().apply(logits), labels)
        else:
            starts = range(0, len(labels), STEP)
            function(((logits[i : i + STEP], labels[i : i + STEP]) for i in starts), kind="logits")
        taken, worked = perf_counter() - begin, time.process_time() - work
    print(f"{taken:.1f} {worked:.1f} {peak[0]:.0f}")


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Give the most anonymous memory that was seen, in MiB beyond what there was (Linux)."""

    def used() -> float:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return float(next(x for x in lines if x.startswith("RssAnon")).split()[1]) / 1024

    def watch() -> None:
        while not done.wait(0.005):
            peak[0] = max(peak[0], used() - before)

    before, peak, done = used(), [0.0], threading.Event()
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def in_memory() -> None:
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
