"""The store of a monitor: rows/s written and read, bytes of a row, and what a check costs.

    python benchmarks/monitor_store.py [--store postgresql://...] [--labels 1000000]

Rows of ten classes, and rows of which few options are there, in batches of 1,000; then one `check`
of `--labels` new labels. CPU time is that of this process and, of PostgreSQL on this machine, of
the server's process for its connection. The load of the machine is printed beside each wall time.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

import temperance as tp
from temperance.monitor import Registry, Settings, Store, check

if TYPE_CHECKING:
    from collections.abc import Iterator

Array = np.ndarray[Any, Any]
BATCH, MANY = 1_000, 10_000
SERVED = 2.0


def server_seconds(store: Store) -> float:
    """CPU time so far of the server's process for this connection; 0 where it is elsewhere."""
    if "postgres" not in store.name:
        return 0.0
    with store._database.transaction(writes=False) as work:  # noqa: SLF001
        pid = work.one("SELECT pg_backend_pid()")
    stat = Path(f"/proc/{0 if pid is None else pid[0]}/stat")
    if not stat.exists():
        return 0.0
    parts = stat.read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def measured(store: Store, what: str, n: int) -> Iterator[None]:
    """Print rows/s, wall and CPU time of what is done inside."""
    server, wall, cpu = server_seconds(store), time.perf_counter(), time.process_time()
    yield
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    server = server_seconds(store) - server
    print(
        f"{what:44} {n / wall:9,.0f} rows/s  {wall:6.2f} s, CPU {cpu:5.2f} s here + {server:5.2f} s"
        f" in the server, load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def bytes_of(store: Store, before: int) -> int:
    """Bytes that the store has grown by."""
    if "postgres" not in store.name:
        store._database._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # noqa: SLF001
    return store.counts().bytes - before


def few_of(rng: np.random.Generator, n: int, k: int, shown: int, rest: str) -> Array:
    """Rows of k options: the `shown` largest of each, and the others evenly or not there."""
    logits = np.full((n, k), -np.inf if rest == "none" else -12.0, dtype=np.float32)
    places = rng.permuted(np.tile(np.arange(k), (n, 1)), axis=1)[:, :shown]
    np.put_along_axis(logits, places, rng.normal(size=(n, shown)).astype(np.float32), axis=1)
    return logits


def written(store: Store, serving: str, name: str, rows: Array, **settings: Any) -> None:  # noqa: ANN401
    """Log rows, and print what that took."""
    before = bytes_of(store, 0)
    with measured(store, f"log, {name}", len(rows)):
        for first in range(0, len(rows), BATCH):
            ids = [f"{name}-{i}" for i in range(first, first + len(rows[first : first + BATCH]))]
            some = slice(first, first + BATCH)
            own = {key: value[some] for key, value in settings.items()}
            store.log(ids, rows[some], calibrator=serving, model=name, **own)
    print(f"{'':44} {bytes_of(store, before) / len(rows):9,.0f} bytes a row, with indexes")


def main() -> None:
    """Fill a store, check it, print the times."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", default=None)
    parser.add_argument("--labels", type=int, default=1_000_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name, schema(arguments.store, name) as address:
        folder = Path(name)
        tp.save(tp.TemperatureScaling(SERVED), folder / "calibrator.json")
        registry = Registry(folder / "registry")
        serving = registry.create(folder / "calibrator.json")
        store = Store.create(address, Settings(registry=str(registry.folder)))
        written(store, serving, "ten classes",
                3.0 * rng.normal(size=(100_000, 10)).astype(np.float32))  # fmt: skip
        for rest in ("none", "even"):
            words = "the rest not there" if rest == "none" else "the rest evenly"
            rows = few_of(rng, MANY, 1_000, 5, rest)
            written(store, serving, f"5 of 1,000 classes, {words}", rows)
        rows = few_of(rng, MANY, 10, 4, "none")
        written(store, serving, "4 of 10 options, the rest not there", rows)
        checked(store, registry, serving, rng, arguments.labels)
        store.close()


def checked(
    store: Store, registry: Registry, serving: str, rng: np.random.Generator, n: int
) -> None:
    """Log and label calibrated rows, and check them at once."""
    for first in range(0, n, MANY):
        size = min(MANY, n - first)
        logits = (3.0 * rng.normal(size=(size, 10))).astype(np.float32)
        labels = (logits / SERVED + rng.gumbel(size=logits.shape)).argmax(axis=1)
        ids = [f"c{i}" for i in range(first, first + size)]
        store.log(ids, logits, calibrator=serving, model="checked")
        if not first:
            with measured(store, "label", size):
                for some in range(0, size, BATCH):
                    store.label(ids[some : some + BATCH], labels[some : some + BATCH])
        else:
            store.label(ids, labels)
    with measured(store, "labelled rows read", n):
        read = sum(map(len, store.labelled()))
    assert read == n
    with measured(store, f"check of {n:,} new labels", n):
        result = check(store, registry)
    print(result.in_words())


@contextmanager
def schema(address: str | None, folder: str) -> Iterator[str]:
    """Yield where the store is: a file, or a schema of its own that is dropped at the end."""
    if address is None:
        yield f"{folder}/monitor.db"
        return
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS monitor_store CASCADE")
        connection.execute("CREATE SCHEMA monitor_store")
        yield f"{address}?options={quote('-csearch_path=monitor_store')}"
        connection.execute("DROP SCHEMA monitor_store CASCADE")


if __name__ == "__main__":
    main()
