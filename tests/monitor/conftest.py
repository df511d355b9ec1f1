"""A store in a file, and the same in PostgreSQL where there is one."""

import os
from urllib.parse import quote
from uuid import uuid4

import numpy as np
import pytest

import temperance as tp
from temperance.monitor import Registry, Settings, Store

POSTGRESQL = os.environ.get("TEMPERANCE_TEST_POSTGRESQL")


class Clock:
    """A clock that tests set."""

    def __init__(self, now=1_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    """Where a store can be made."""
    if request.param == "sqlite":
        yield str(tmp_path / "monitor.db")
        return
    if POSTGRESQL is None:
        pytest.skip("no PostgreSQL: TEMPERANCE_TEST_POSTGRESQL is not set")
    psycopg = pytest.importorskip("psycopg")
    schema = f"t{uuid4().hex}"
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    yield f"{POSTGRESQL}?options={quote(f'-csearch_path={schema}')}"
    with psycopg.connect(POSTGRESQL, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(tmp_path):
    """A registry whose first calibrator divides by 2."""
    file = tmp_path / "calibrator.json"
    tp.save(tp.TemperatureScaling(2.0), file)
    made = Registry(tmp_path / "registry")
    made.create(file)
    return made


@pytest.fixture
def store(address, clock, registry):
    """A store without a delay."""
    opened = Store.create(address, Settings(registry=str(registry.folder)), clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def traffic():
    """Logits (n, k), labels drawn at a temperature, and ids that begin with a word."""

    def make(n, temperature=2.0, k=4, seed=0, word="r"):
        rng = np.random.default_rng(seed)
        z = 3.0 * rng.normal(size=(n, k))
        p = np.exp(z / temperature)
        p /= p.sum(axis=1, keepdims=True)
        labels = (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=k - 1)
        return z, labels, [f"{word}{i}" for i in range(n)]

    return make


@pytest.fixture
def scores_of():
    """The bytes of all rows of a store, in their order."""

    def read(store):
        with store._database.transaction(writes=False) as work:  # noqa: SLF001
            rows = work.rows("SELECT scores FROM temperance_predictions ORDER BY seq")
        return [bytes(row[0]) for row in rows]

    return read


@pytest.fixture
def as_version_2():
    """Make of a store what the library of version 2 would have made of rows r0, r1, ..."""

    def write(store, z, precision):
        dtype = {"float32": "<f4", "float16": "<f2"}[precision]
        kind = {"float32": b"\0", "float16": b"\1"}[precision]
        rows = []
        for row in z - z.max(axis=1, keepdims=True):
            last = np.flatnonzero(np.isfinite(row))[-1]
            rows.append(kind + row[: last + 1].astype(dtype).tobytes())
        with store._database.transaction(writes=True) as work:  # noqa: SLF001
            work.add_all(
                "UPDATE temperance_predictions SET scores = ? WHERE id = ?",
                [(row, f"r{i}") for i, row in enumerate(rows)],
            )
            work.execute("ALTER TABLE temperance_models DROP COLUMN options")
            work.execute("UPDATE temperance_meta SET value = '2' WHERE key = 'version'")

    return write
