"""How long people wait for a command or a call, beside what they would type instead.

`python benchmarks/waiting.py` writes the table into docs/benchmarks.md. CPU seconds of a process
of its own, imports included: what a laptop spends, whatever else runs on it. Everything is run in
turn, so that a slow moment of the machine meets all; compiled files lie in their caches.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
RUNS = 5
COMMANDS = [
    "--version",
    "--help",
    "fit --help",
    "fit cal.npz",
    "fit cal.npz --test test.npz --quick",
    "fit cal.npz --only-fit",
    "fit cal.npz --method auto",
    "fit cal.npz --report report.html",
    "evaluate test.npz",
    "evaluate test.npz --json",
    "compare test.npz other.npz",
    "fit mid.npz --quick -o mid.json",
    "apply calibrator.json rows.csv -o probs.csv",
]
START = """
import numpy as np
import temperance as tp
z = np.load("{file}.npz")
logits, labels = z["logits"], z["labels"]
probs = np.exp(logits - logits.max(axis=1, keepdims=True))
probs /= probs.sum(axis=1, keepdims=True)
"""
CALLS = {  # what -> the file, and the lines
    'tp.evaluate(..., measures=("log_loss", "ece")), 10,000 x 10': (
        "ten",
        'print(tp.evaluate(probs, labels, measures=("log_loss", "ece")))',
    ),
    "print(tp.evaluate(...)), 1,000 x 10": ("one", "print(tp.evaluate(probs, labels))"),
    "print(tp.evaluate(...)), 10,000 x 10": ("ten", "print(tp.evaluate(probs, labels))"),
    "print(tp.evaluate(...)), 10,000 x 1,000": ("wide", "print(tp.evaluate(probs, labels))"),
    "tp.select(...), 10,000 x 10": ("ten", "tp.select(logits, labels)"),
}
SKLEARN = """
import numpy as np
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss
z, t = np.load("cal.npz"), np.load("test.npz")
fit = minimize_scalar(
    lambda b: log_loss(z["labels"], np.exp(log_softmax(b * z["logits"], axis=1))), (0.1, 1.0)
)
p = np.exp(log_softmax(fit.x * t["logits"], axis=1))
hit = p.argmax(axis=1) == t["labels"]
rng, losses, eces = np.random.default_rng(0), [], []
for _ in range(1000):
    rows = rng.integers(0, len(p), len(p))
    losses.append(log_loss(t["labels"][rows], p[rows], labels=range(10)))
    edges = np.linspace(0.0, 1.0, 16)
    bins = np.digitize(p[rows].max(axis=1), edges[1:-1])
    gap = np.bincount(bins, p[rows].max(axis=1) - hit[rows], 15)
    eces.append(np.abs(gap).sum() / len(p))
print(np.quantile(losses, [0.025, 0.975]), np.quantile(eces, [0.025, 0.975]))
plt.plot(*calibration_curve(hit, p.max(axis=1), n_bins=15)[::-1])
plt.savefig("curve.png")
"""
TORCHMETRICS = """
import numpy as np, torch
from torchmetrics.classification import MulticlassCalibrationError
from torchmetrics.wrappers import BootStrapper
t = np.load("test.npz")
p = torch.softmax(torch.tensor(t["logits"]), 1)
metric = BootStrapper(MulticlassCalibrationError(10), num_bootstraps=1000, quantile=0.975)
metric.update(p, torch.tensor(t["labels"]))
print(metric.compute())
"""
NETCAL = """
import numpy as np
from netcal.metrics import ECE
from netcal.scaling import TemperatureScaling
from scipy.special import softmax
z, t = np.load("cal.npz"), np.load("test.npz")
scaling = TemperatureScaling()
scaling.fit(softmax(z["logits"], axis=1), z["labels"])
p = scaling.transform(softmax(t["logits"], axis=1))
print(ECE(15).measure(softmax(t["logits"], axis=1), t["labels"]), ECE(15).measure(p, t["labels"]))
"""
INSTEAD = {
    "scikit-learn and matplotlib: a fit, two bootstrap intervals, a curve": (SKLEARN, "sklearn"),
    "torchmetrics: one bootstrap interval of the ECE": (TORCHMETRICS, "torchmetrics"),
    "netcal: a fit and two numbers without an interval": (NETCAL, "netcal"),
}


def main() -> None:
    """Time everything in turn, print, and write the table into the page."""
    jobs = {"import numpy": ["-c", "import numpy"]}
    jobs |= {f"temperance {line}": ["-m", "temperance", *line.split()] for line in COMMANDS}
    for name, (file, lines) in CALLS.items():
        jobs[name] = ["-c", START.format(file=file) + lines]
    for name, (code, package) in INSTEAD.items():
        if find_spec(package) is not None:
            jobs[name] = ["-c", code]
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        times: dict[str, list[float]] = {name: [] for name in jobs}
        for turn in range(RUNS + 1):
            for name, arguments in jobs.items():
                seconds = cpu_seconds(arguments, place)
                if turn:  # the first fills the caches
                    times[name].append(seconds)
    base = median(times["import numpy"])
    lines = ["| what is typed | CPU seconds | times `import numpy` |", "|---|---:|---:|"]
    for name, taken in times.items():
        shown = name if name in INSTEAD else f"`{name}`"
        lines.append(f"| {shown} | {median(taken):.2f} | {median(taken) / base:.1f} |")
    print("\n".join(lines))
    text = PAGE.read_text(encoding="utf-8")
    block = "<!-- waiting -->\n\n" + "\n".join(lines) + "\n\n<!-- /waiting -->"
    pattern = "<!-- waiting -->.*<!-- /waiting -->"
    page = re.sub(pattern, lambda _: block, text, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


def cpu_seconds(arguments: list[str], place: str, **variables: str) -> float:
    """Return what a fresh interpreter spends, all its threads together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # else every run compiles all of our source
    subprocess.run(
        [sys.executable, *arguments], check=True, capture_output=True, cwd=place, env=environment
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write(folder: Path) -> None:
    """Write files of logits with labels drawn at T = 1.5."""
    rng = np.random.default_rng(0)
    sizes = {
        "cal": (5_000, 10), "test": (5_000, 10), "one": (1_000, 10), "ten": (10_000, 10),
        "wide": (10_000, 1_000), "mid": (200_000, 100),
    }  # fmt: skip
    for name, shape in sizes.items():
        dtype = np.float32 if name == "mid" else np.float64
        logits = 2.0 * rng.standard_normal(shape)
        labels = (logits / 1.5 + rng.gumbel(size=shape)).argmax(axis=1)
        np.savez(folder / f"{name}.npz", logits=logits.astype(dtype), labels=labels)
        if name == "test":
            np.savez(folder / "other.npz", logits=0.8 * logits, labels=labels)
    header = ",".join(f"logit_{j}" for j in range(10))
    rows = 2.0 * rng.standard_normal((100_000, 10))
    np.savetxt(folder / "rows.csv", rows, delimiter=",", header=header, comments="")


if __name__ == "__main__":
    main()
