"""How long starting takes, and fits of files larger than the memory: docs/benchmarks.md.

Starting is timed with compiled files in their caches, and without: Python's of this package, which
an installer makes, and numba's, which the first use makes. Python's of other packages are there.
`python benchmarks/start.py [FOLDER]` then writes a file of 20 GB (real numbers, no sparse file)
into FOLDER, or a temporary one, fits it in a process of its own, and takes its memory every 20 ms.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from waiting import cpu_seconds
from waiting import write as files

SOURCE = Path(__file__).parents[1] / "src"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
ROWS, CLASSES = 5_000_000, 1_000  # float32: 20 GB
COMPILED = """
import numpy as np, temperance as tp
z = np.random.default_rng(0).standard_normal((1_000, 10), dtype=np.float32)
tp.TemperatureScaling.fit(z, np.arange(1_000) % 10, engine="numba")
"""
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "import temperance": ["-c", "import temperance"],
    "import sklearn.calibration": ["-c", "import sklearn.calibration"],
    "fit of ten rows": [
        "-c",
        "import temperance as tp; tp.TemperatureScaling.fit([[2.0, 0.0]] * 10, [0] * 7 + [1] * 3)",
    ],
    "a fit by the compiled kernel": ["-c", COMPILED],
    "temperance --version": ["-m", "temperance", "--version"],
    "temperance fit of 5,000 x 10": ["-m", "temperance", "fit", "cal.npz"],
}
STARTS = 5
FIT = """
import json, resource, time
import numpy as np
import temperance as tp
logits = np.load("logits.npy", mmap_mode="r")
labels = np.load("labels.npy")
start = time.perf_counter()
fitted = tp.TemperatureScaling.fit(logits, labels, engine="{engine}")
print(json.dumps({{"seconds": time.perf_counter() - start, "passes": fitted.record.passes,
                  "temperature": fitted.temperature}}))
"""


def main() -> None:
    """Time the starts, fit the large file, print, and write the page."""
    lines = starts()
    print("\n".join(lines))
    folder = sys.argv[1] if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory(dir=folder) as place:
        lines += ["", *large(Path(place))]
    text = PAGE.read_text(encoding="utf-8")
    block = "<!-- start -->\n\n" + "\n".join(lines) + "\n\n<!-- /start -->"
    PAGE.write_text(
        re.sub("<!-- start -->.*<!-- /start -->", lambda _: block, text, flags=re.DOTALL),
        encoding="utf-8",
    )


def starts() -> list[str]:
    """Return the table of starts: CPU seconds with compiled files, and without those of ours."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    without: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as place:
        files(Path(place))
        source = Path(place) / "source"
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
        for turn in range(STARTS + 1):  # in turn, so that a slow moment of the machine meets all
            for name, arguments in COMMANDS.items():
                cached = cpu_seconds(arguments, place)
                if turn:  # the first fills the caches
                    times[name].append(cached)
                    without[name].append(cpu_seconds(arguments, place, **uncompiled(source)))
    base = median(times["import numpy"])
    lines = [
        "| what | CPU seconds | times `import numpy` | without compiled files |",
        "|---|---:|---:|---:|",
    ]
    for name, taken in times.items():
        first = median(without[name])
        lines.append(f"| {name} | {median(taken):.3f} | {median(taken) / base:.2f} | {first:.3f} |")
    return lines


def uncompiled(source: Path) -> dict[str, str]:
    """Return an environment in which this package has just been unpacked into `source`."""
    for place in [*source.rglob("__pycache__"), source / "numba"]:
        shutil.rmtree(place, ignore_errors=True)
    return {"PYTHONPATH": str(source), "NUMBA_CACHE_DIR": str(source / "numba")}


def large(folder: Path) -> list[str]:
    """Return the lines about a file of 20 GB: memory of its own, and the speed of the disk."""
    write(folder)
    size = (folder / "logits.npy").stat().st_size
    reading = read_once(folder / "logits.npy")
    speed = f"takes {reading:.0f} s to read once ({size / 1e9 / reading:.2f} GB/s)."
    lines = [
        f"A memory-mapped file of {ROWS:,} x {CLASSES:,} float32 ({size / 1e9:.0f} GB) {speed}",
        "",
        "| engine | seconds | readings | GB/s | memory at most, MiB |",
        "|---|---:|---:|---:|---:|",
    ]
    for engine in ("numba", "numpy"):
        found, memory = watched(folder, FIT.format(engine=engine))
        rate = found["passes"] * size / 1e9 / found["seconds"]
        lines.append(
            f"| {engine} | {found['seconds']:.0f} | {found['passes']} | {rate:.2f} | {memory:.0f} |"
        )
        print(lines[-1], found, flush=True)
    return lines


def write(folder: Path) -> None:
    """Write logits and labels drawn at T = 2.5, a block at a time."""
    rng = np.random.default_rng(0)
    logits = np.lib.format.open_memmap(
        folder / "logits.npy", "w+", dtype=np.float32, shape=(ROWS, CLASSES)
    )
    labels = np.empty(ROWS, dtype=np.int64)
    step = 10_000
    for start in range(0, ROWS, step):
        block = rng.standard_normal((step, CLASSES), dtype=np.float32)
        block *= 3.0
        logits[start : start + step] = block
        noise = -np.log(rng.standard_exponential((step, CLASSES), dtype=np.float32) + 1e-30)
        labels[start : start + step] = (block / 2.5 + noise).argmax(axis=1)
    logits.flush()
    np.save(folder / "labels.npy", labels)


def read_once(path: Path) -> float:
    """Return the seconds that reading a file takes, 4 MiB at a time."""
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        room = bytearray(1 << 22)
        while file.readinto(room):
            pass
    return time.perf_counter() - start


def watched(folder: Path, code: str) -> tuple[dict[str, float], float]:
    """Run code in a process of its own; return what it prints, and its memory at most, MiB."""
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    status, most = Path(f"/proc/{process.pid}/status"), 0.0
    while process.poll() is None:
        found = re.search(r"VmHWM:\s+(\d+)", status.read_text(encoding="ascii"))
        most = max(most, int(found[1]) / 1024 if found else 0.0)
        time.sleep(0.02)
    assert process.stdout is not None
    return json.loads(process.stdout.read()), most


if __name__ == "__main__":
    main()
