"""A year of traffic on one machine: false alarms, delays to detection, speed and size.

    python benchmarks/monitor_soak.py [--scale 0.1]

Ten classes, two groups, 10 million predictions (times `--scale`); labels come after 3 days on
average and count after 7. On days 100, 190 and 280 something changes: the temperature (times 1.3),
the frequency of class 3 (odds times 2), the temperature of one group (times 1.6). Checked every
night; after an alarm, re-fits are tried each night until one earns its place. Beside it, on the
same nights and labels: a threshold on the ECE (the 95 % quantile of the first 60 nights), and a
z-test of 5 %, and, where probcal is installed, its monitor (alpha 0.01, as ours) of the
binary part: whether the predicted class is right, of its confidence.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

try:
    from probcal.monitor import CalibrationMonitor
except ImportError:
    CalibrationMonitor = None

import temperance as tp
from temperance.metrics import expected_calibration_error
from temperance.monitor import Registry, Settings, Store, StoredRows, check, refit
from temperance.monitor.checking import served_log_probs

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = np.ndarray[Any, Any]
DAY = 86_400.0
DAYS, K = 365, 10
CHANGES = {100: "temperature", 190: "class", 280: "group"}
DELAY, MEAN_DELAY = 7.0, 3.0  # days
BATCH, FEWEST = 5_000, 50


def truth(logits: Array, groups: Array, day: int, fitted: float) -> Array:
    """What labels are drawn from: the calibrated world of each period, and its change."""
    scaled = logits / fitted
    if 100 <= day < 190:
        scaled = scaled / 1.3
    elif 190 <= day < 280:
        scaled = scaled / 1.3
        scaled[:, 3] += np.log(2.0)
    elif day >= 280:
        scaled = scaled / 1.3
        scaled[:, 3] += np.log(2.0)
        scaled[groups == "south"] /= 1.6
    return scaled


def nightly(rows: StoredRows, registry: Registry) -> tuple[float, float]:
    """ECE and z of Spiegelhalter's kind of the night's labels under what was served."""
    log_probs = served_log_probs(rows, registry, str(rows.calibrators[0]))
    p = np.exp(log_probs)
    p /= p.sum(axis=1, keepdims=True)
    y = rows.labels
    score = -log_probs[np.arange(len(y)), y]
    mean = -(p * log_probs).sum(axis=1)
    variance = (p * log_probs**2).sum(axis=1) - mean**2
    z = (score - mean).sum() / np.sqrt(variance.sum())
    return float(expected_calibration_error(p, y)), float(z)


class Binary:
    """probcal's monitor of the predicted class, begun anew with each calibrator that serves.

    Its alarm stays: the night on which it first rings is the one that counts.
    """

    def __init__(self) -> None:
        self.serving, self.monitor, self.ringing = "", None, False
        self.alarms: list[tuple[int, str]] = []
        self.spent, self.n = 0.0, 0

    def night(self, day: int, rows: StoredRows, registry: Registry) -> None:
        """Weigh the labels of a night."""
        serving = str(rows.calibrators[0])
        if serving != self.serving:
            self.serving, self.monitor = serving, CalibrationMonitor(0.01, plug_in_window=30)
            self.ringing = False
        p = np.exp(served_log_probs(rows, registry, serving))
        start = time.perf_counter()
        step = self.monitor.update(
            (p.argmax(axis=1) == rows.labels).astype(float), p.max(axis=1).clip(1e-9, 1 - 1e-9)
        )
        self.spent += time.perf_counter() - start
        self.n += len(rows)
        if step.alarm and not self.ringing:
            self.ringing = True
            self.alarms.append((day, "the predicted class"))


@dataclass
class Year:
    """What came of it."""

    n_labels: int = 0
    spent: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("log", "label", "check", "refit"), 0.0)
    )
    alarms: list[tuple[int, str]] = field(default_factory=list)
    promotions: list[tuple[int, str, int]] = field(default_factory=list)
    eces: list[tuple[int, float]] = field(default_factory=list)
    zs: list[tuple[int, float]] = field(default_factory=list)
    binary: Binary | None = None if CalibrationMonitor is None else field(default_factory=Binary)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Add the time of what is done inside."""
        start = time.perf_counter()
        yield
        self.spent[what] += time.perf_counter() - start


def night(year: Year, day: int, store: Store, registry: Registry) -> None:
    """Measure as others do, check, and fit again where there is an alarm."""
    cursor, until = store.check_window()
    rows = next(store.labelled(after=cursor, until=until), None)
    if rows is not None:
        own = rows.taken(np.flatnonzero(rows.calibrators == rows.calibrators[-1]))
        if len(own) > FEWEST:
            ece, z = nightly(own, registry)
            year.eces.append((day, ece))
            year.zs.append((day, z))
            if year.binary is not None:
                year.binary.night(day, own, registry)
    with year.timed("check"):
        result = check(store, registry)
    if not result.alarm or result.cause is None:
        return
    year.alarms.append((day, result.cause))
    method = None
    if "group" in result.cause:
        method = "group-temperature"
    elif "frequent" in result.cause:
        method = "bias-corrected-temperature"
    with year.timed("refit"), suppress(tp.InvalidInputError):  # too few labels: the next night
        outcome = refit(store, registry, method=method)
        if outcome.promoted:
            year.promotions.append((day, outcome.method, outcome.n))


def main() -> None:
    """Run the year and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=float, default=1.0)
    per_day = max(20, round(10_000_000 * parser.parse_args().scale / DAYS))
    rng, year, now = np.random.default_rng(0), Year(), [0.0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tp.save(tp.TemperatureScaling(2.0, n_classes=K), folder / "calibrator.json")
        registry = Registry(folder / "registry")
        registry.create(folder / "calibrator.json")
        settings = Settings(
            registry=str(registry.folder), delay=DELAY * DAY, groups=("north", "south")
        )
        store = Store.create(folder / "monitor.db", settings, clock=lambda: now[0])
        coming: list[list[tuple[int, Array, Array]]] = [[] for _ in range(DAYS + 60)]
        for day in range(DAYS):
            now[0] = day * DAY
            logits = (3.0 * rng.normal(size=(per_day, K))).astype(np.float32)
            groups = np.array(["north", "south"])[rng.integers(2, size=per_day)]
            scaled = truth(logits.astype(np.float64), groups, day, 2.0)
            labels = (scaled + rng.gumbel(size=scaled.shape)).argmax(axis=1)
            delays = rng.exponential(MEAN_DELAY, per_day).clip(max=40).astype(int)
            with year.timed("log"):
                for first in range(0, per_day, BATCH):
                    some = slice(first, first + BATCH)
                    ids = [f"{day}-{i}" for i in range(first, min(first + BATCH, per_day))]
                    store.log(ids, logits[some], calibrator=registry.current(), groups=groups[some])
            for delay in np.unique(delays):
                coming[day + delay].append((day, np.flatnonzero(delays == delay), labels))
            now[0] = (day + 0.9) * DAY
            with year.timed("label"):
                for of_day, places, truths in coming[day]:
                    for first in range(0, len(places), BATCH):
                        own = places[first : first + BATCH]
                        store.label([f"{of_day}-{i}" for i in own], truths[own].tolist())
                        year.n_labels += len(own)
            coming[day] = []
            night(year, day, store, registry)
        report(year, per_day, store)
        store.close()


def report(year: Year, per_day: int, store: Store) -> None:
    """Print the tables."""
    n, spent, alarms, promotions = per_day * DAYS, year.spent, year.alarms, year.promotions
    n_labels, eces, zs = year.n_labels, year.eces, year.zs
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{n:,} predictions, {n_labels:,} labels; {store.counts().bytes / 1e6:,.0f} MB, "
          f"{store.counts().bytes / n:.0f} bytes each; peak memory {memory:,.0f} MB")  # fmt: skip
    rates = {"log": n, "label": n_labels, "check": n_labels}
    print("; ".join(f"{name} {count / spent[name]:,.0f} rows/s" for name, count in rates.items()),
          f"; re-fits {spent['refit']:.1f} s")  # fmt: skip
    print(f"{len(alarms)} nights with an alarm, {len(promotions)} re-fits served")
    quiet = [day for day, _ in alarms if day < 100 + DELAY - 1]
    print(f"monitor: nights with an alarm before anything changed: {len(quiet)}")
    for change, what in CHANGES.items():
        first = next((each for each in alarms if each[0] >= change), None)
        served = next((each for each in promotions if each[0] >= change), None)
        if first is None:
            print(f"  day {change} ({what}): not found")
        else:
            print(f"  day {change} ({what}): alarm on day {first[0]}: {first[1]} "
                  f"re-fit served from day {served[0] if served else None}, {served}")  # fmt: skip
    if (beside := year.binary) is not None:
        quiet = [day for day, _ in beside.alarms if day < 100 + DELAY - 1]
        firsts = [next((d for d, _ in beside.alarms if d >= c + DELAY), None) for c in CHANGES]
        print(f"probcal's monitor, of the predicted class: false alarms before day 107: "
              f"{len(quiet)}; all: {[day for day, _ in beside.alarms]}; first after each change "
              f"could be seen: {firsts}; {beside.n / beside.spent:,.0f} rows/s")  # fmt: skip
    start = [value for day, value in eces if day < 60]
    threshold = float(np.quantile(start, 0.95)) if start else np.inf
    for name, days in (
        ("nightly ECE over its 95 % quantile", {d for d, v in eces if v > threshold and d >= 60}),
        ("nightly z-test of 5 %", {d for d, v in zs if abs(v) > 1.96}),
    ):
        false = [d for d in days if d < 100 + DELAY]
        found = [min((d for d in days if d >= c + DELAY), default=None) for c in CHANGES]
        print(f"{name}: nights with a false alarm before day 107: {len(false)}; "
              f"first alarms after the changes could be seen: {found}")  # fmt: skip


if __name__ == "__main__":
    main()
