"""A temperature fit, side by side with other packages on the same arrays: docs/benchmarks.md.

`python benchmarks/fit.py` (or `make bench`) runs every package in a process of its own, writes the
table and the pictures. Packages that are not installed are left out.
"""

from __future__ import annotations

import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import fitters
import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SIZES = ((10_000, 10), (2_000_000, 10), (50_000, 1_000), (2_000, 50_000))
GROWTH = (
    ((1_000, 100), (10_000, 100), (100_000, 100), (1_000_000, 100)),  # with n
    ((10_000, 2), (10_000, 10), (10_000, 100), (10_000, 1_000), (10_000, 10_000)),  # with k
)
TRUE_TEMPERATURE = 2.5
LONG = 3.0  # seconds: what takes longer is run once
RUNS = 5


def main() -> None:
    """Run all packages at all sizes, print, and write the page and the pictures."""
    with tempfile.TemporaryDirectory() as folder:
        rows = []
        for n, k in SIZES:
            for dtype in ("float32", "float64"):
                if n * k > 6e7 and dtype == "float64":
                    continue  # 400 MB and more: single precision shows it
                path = Path(folder) / "data.npz"
                make(path, n, k, dtype)
                rows += measured(path, n, k, dtype)
        growth = [grown(Path(folder), sizes) for sizes in GROWTH]
    write_table(rows)
    draw(growth)


def make(path: Path, n: int, k: int, dtype: str) -> None:
    """Write logits that are 2.5 times too large for their labels, and the exact temperature."""
    rng = np.random.default_rng(0)
    logits = np.empty((n, k), dtype=dtype)
    labels = np.empty(n, dtype=np.int64)
    step = max(1, 4_000_000 // k)
    for start in range(0, n, step):
        block = 3.0 * rng.standard_normal((min(step, n - start), k))
        logits[start : start + step] = block
        noise = rng.gumbel(size=block.shape)
        labels[start : start + step] = (block / TRUE_TEMPERATURE + noise).argmax(axis=1)
    np.savez(path, logits=logits, labels=labels, exact=exact_temperature(logits, labels))


def exact_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Newton's method on exact double-precision sums, written apart from the library."""
    beta = 1.0 / TRUE_TEMPERATURE
    step = max(1, 2_000_000 // logits.shape[1])
    for _ in range(6):
        slope = curvature = 0.0
        for start in range(0, len(labels), step):
            z = logits[start : start + step].astype(np.float64)
            z -= z.max(axis=1, keepdims=True)
            p = np.exp(beta * z)
            p /= p.sum(axis=1, keepdims=True)
            mean = (p * z).sum(axis=1)
            slope += (mean - z[np.arange(len(z)), labels[start : start + step]]).sum()
            curvature += ((p * z * z).sum(axis=1) - mean**2).sum()
        beta -= slope / curvature
    return 1.0 / beta


def measured(path: Path, n: int, k: int, dtype: str) -> list[dict[str, object]]:
    """Return one row per package: seconds, memory, distance from the exact temperature."""
    rows = []
    for name in fitters.FITTERS:
        found = run(name, path)
        if found is None:
            continue
        row = {"n": n, "k": k, "dtype": dtype, "package": name, **found}
        print(json.dumps(row), flush=True)
        rows.append(row)
    return rows


def run(name: str, path: Path) -> dict[str, object] | None:
    """Run one package in a fresh process; None where it is not installed."""
    command = [sys.executable, __file__, "--one", name, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=3600)
    if done.returncode == fitters.NOT_INSTALLED:
        return None
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:120]}
    return json.loads(done.stdout.splitlines()[-1])


def one(name: str, path: str) -> None:
    """Fit with one package, in this process, and print what it took."""
    try:
        fit = fitters.FITTERS[name]()
    except ImportError:
        sys.exit(fitters.NOT_INSTALLED)
    with np.load(path) as file:
        logits, labels, exact = file["logits"], file["labels"], float(file["exact"])
    few = np.linspace(0, len(labels) - 1, min(len(labels), 200)).astype(int)
    fit(logits[few], labels[few])  # imports and compilation are not what is measured
    sums = timed(lambda: logits.sum(axis=1))
    before = peak()
    times, cpu, temperature = [], [], float("nan")
    for _ in range(RUNS):
        start, used = perf_counter(), process_time()
        temperature = fit(logits, labels)
        times.append(perf_counter() - start)
        cpu.append(process_time() - used)
        if times[-1] > LONG:
            break
    found = {
        "seconds": median(times), "least": min(times), "most": max(times), "cpu": median(cpu),
        "extra_mib": max(peak() - before, 0.0), "temperature": temperature,
        "error_of_t": abs(temperature / exact - 1.0), "sums": median(times) / sums,
    }  # fmt: skip
    print(json.dumps(found))


def timed(call: object) -> float:
    """Return the median of five runs in seconds."""
    times = []
    for _ in range(5):
        start = perf_counter()
        call()  # type: ignore[operator]
        times.append(perf_counter() - start)
    return median(times)


def peak() -> float:
    """Return the largest memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def grown(folder: Path, sizes: tuple[tuple[int, int], ...]) -> list[dict[str, object]]:
    """Return the times of the fast packages at growing sizes, single precision."""
    rows = []
    for n, k in sizes:
        make(folder / "data.npz", n, k, "float32")
        for name in ("temperance, numba", "temperance, numpy", "scikit-learn"):
            found = run(name, folder / "data.npz")
            if found is not None and "seconds" in found:
                rows.append({"n": n, "k": k, "package": name, **found})
                print(json.dumps(rows[-1]), flush=True)
    return rows


def write_table(rows: list[dict[str, object]]) -> None:
    """Write the table between the marks of the page."""
    head = (
        "| rows x classes | package | seconds (least to most) | CPU seconds | times `sum(axis=1)` "
        "| memory beyond the data, MiB | T off by |\n|---|---|---:|---:|---:|---:|---:|\n"
    )
    lines = []
    for row in rows:
        size = f"{row['n']:,} x {row['k']:,} {row['dtype']}"
        if "error" in row:
            lines.append(f"| {size} | {row['package']} | {row['error']} | | | | |")
            continue
        lines.append(
            "| {size} | {package} | {seconds:.4g} ({least:.4g} to {most:.4g}) | {cpu:.4g} | "
            "{sums:.3g} | {extra_mib:.0f} | {error_of_t:.1e} |".format(size=size, **row)
        )
    packages = {name: fitters.PACKAGES.get(name) for name in fitters.FITTERS}
    known = sorted({p for p in packages.values() if p and installed(p)})
    where = (
        f"{os.cpu_count()} processors, Python {platform.python_version()}; "
        + ", ".join(f"{p} {version(p)}" for p in known)
        + ". Medians of up to five runs (one where it takes more than 3 s), every package in a "
        "process of its own, after a small fit that loads and compiles.\n\n"
    )
    text = PAGE.read_text(encoding="utf-8")
    block = f"<!-- fit -->\n\n{where}{head}" + "\n".join(lines) + "\n\n<!-- /fit -->"
    PAGE.write_text(
        re.sub("<!-- fit -->.*<!-- /fit -->", lambda _: block, text, flags=re.DOTALL),
        encoding="utf-8",
    )


def installed(package: str) -> bool:
    """Whether a package is there."""
    try:
        version(package)
    except ModuleNotFoundError:
        return False
    return True


def draw(growth: list[list[dict[str, object]]]) -> None:
    """Draw seconds against rows and against classes, on logarithmic axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    for axes, rows, key in zip(figure.subplots(1, 2), growth, ("n", "k"), strict=True):
        for name, marker in zip(
            dict.fromkeys(row["package"] for row in rows), "os^Dv", strict=False
        ):
            own = [row for row in rows if row["package"] == name]
            x, y = [row[key] for row in own], [row["seconds"] for row in own]
            axes.plot(x, y, marker=marker, label=name)
        other = "100 classes" if key == "n" else "10,000 rows"
        axes.set(
            xscale="log", yscale="log", ylabel="seconds of a fit",
            xlabel=("rows" if key == "n" else "classes") + f" ({other}, float32)",
        )  # fmt: skip
        axes.grid(which="major", color="#dddddd")
        axes.legend(frameon=False)
    figure.savefig(PAGE.parent / "images" / "fit.svg", metadata={"Date": None})


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:])
    else:
        main()
