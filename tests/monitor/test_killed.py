"""A process that is killed loses nothing that was acknowledged, and leaves nothing half written."""

import os
import random
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import temperance as tp
from temperance.monitor import Registry, Store, check
from temperance.monitor.messages import deliver

AWAY = "out of reach"
WORK = {
    "log": """
for i in range(10_000):
    store.log([f"{run}-{i}-{j}" for j in range(50)], rng.normal(size=(50, 4)), calibrator=serving)
    print(i, flush=True)
""",
    "label": """
for i in range(10_000):
    names = [f"{i}-{j}" for j in range(20)]
    store.log(names, rng.normal(size=(20, 4)), calibrator=serving)
    store.label(names, [0] * 20)
    print(i, flush=True)
""",
    "check": """
for i in range(10_000):
    names = [f"{i}-{j}" for j in range(20)]
    store.log(names, np.tile([3.0, 0, 0, 0], (20, 1)), calibrator=serving)
    store.label(names, [0, 1] * 10)
    check(store, registry)
    print(i, flush=True)
""",
    "promote": """
for i in range(10_000):
    registry.promote(registry.add(tp.TemperatureScaling(2.0 + i % 7)), why="test")
    print(i, flush=True)
""",
    "refit": """
z = rng.normal(size=(400, 4)) * 3
p = np.exp(z / 5)
y = ((p / p.sum(axis=1, keepdims=True)).cumsum(axis=1) < rng.random((400, 1))).sum(axis=1)
store.log([f"{run}-{j}" for j in range(400)], z, calibrator=serving)
store.label([f"{run}-{j}" for j in range(400)], y.clip(max=3))
for i in range(10_000):
    refit(store, registry, last=50 + i % 350, force=True)
    print(i, flush=True)
""",
    "prune": """
for i in range(10_000):
    names = [f"{i}-{j}" for j in range(20)]
    store.log(names, rng.normal(size=(20, 4)), calibrator=serving)
    store.label(names, [0] * 20)
    store.forget(names[:10])
    print(i, flush=True)
""",
}
HEAD = """
import sys
import numpy as np
import temperance as tp
from temperance.monitor import Registry, Store, check, refit
store, registry, run = Store.open(sys.argv[1]), Registry(sys.argv[2]), sys.argv[3]
rng, serving = np.random.default_rng(0), registry.current()
print("ready", flush=True)
"""


def killed(work, address, registry, run, seconds):
    """Run some work until it is killed; return how many rounds it acknowledged."""
    arguments = [address, str(registry.folder), str(run)]
    with subprocess.Popen(
        [sys.executable, "-c", HEAD + WORK[work], *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        rounds = process.stdout.read().splitlines()
    return len([each for each in rounds if each.isdigit()])


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("work", WORK)
def test_sigkill(work, store, address, registry):
    """At moments nobody chose: what was said to be there is there, whole, and work goes on."""
    moments = random.Random(work)  # noqa: S311
    for run in range(2):
        before = store.counts()
        rounds = killed(work, address, registry, run, moments.uniform(0.02, 0.3))
        after = store.counts()
        rows = after.predictions - before.predictions
        if work == "log":
            assert rows % 50 == 0
            assert rows >= 50 * rounds
        elif work in ("promote", "refit"):
            serving = registry.current()
            assert Registry(registry.folder).load(serving).method == "temperature"
            assert len(registry.history()) >= rounds
        elif work == "prune":
            assert rows % 10 == 0
            store.forget([f"{i}-{j}" for i in range(rounds + 2) for j in range(20)])
        else:
            names = [f"{i}-{j}" for i in range(rounds) for j in range(20)]
            assert rows % 20 == 0
            assert store.label(names, [0] * len(names)).parked == 0
            check(store, registry)
            store.forget([f"{i}-{j}" for i in range(rounds + 2) for j in range(20)])
    result = check(store, registry)
    assert np.isfinite(result.log_evidence)
    promoted = registry.promote(registry.add(tp.TemperatureScaling(9.0)), why="after")
    assert registry.current() == promoted


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_migration_that_is_killed_is_none(tmp_path, monkeypatch):
    """The step is one transaction: the store is of the old version, or of the new."""
    from temperance.monitor import schema, store
    from temperance.monitor.settings import Settings

    path = tmp_path / "old.db"
    monkeypatch.setattr(schema, "VERSION", 1)
    monkeypatch.setattr(store, "VERSION", 1)
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
    Store.create(path, Settings(registry="r")).close()
    code = """
import os, signal, sys
from temperance.monitor import schema, Store
real = schema.MIGRATIONS
schema.MIGRATIONS = (real[0], (*real[1], "SELECT killed()"), *real[2:])
from temperance.monitor import database
def opened(self, of=database._SQLite._opened):
    connection = of(self)
    connection.create_function("killed", 0, lambda: os.kill(os.getpid(), signal.SIGKILL))
    return connection
database._SQLite._opened = opened
Store.open(sys.argv[1])
"""
    ended = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    with sqlite3.connect(path) as old:
        tables = {row[0] for row in old.execute("SELECT name FROM sqlite_master")}
        version = old.execute("SELECT value FROM temperance_meta WHERE key = 'version'").fetchone()
    assert version == ("1",)
    assert "temperance_messages" not in tables
    code = (
        "import sys; from temperance.monitor import Store; print(Store.open(sys.argv[1]).counts())"
    )
    assert subprocess.run([sys.executable, "-c", code, str(path)], check=False).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_migration_that_is_killed_among_rows_is_none(store, address, scores_of, as_version_2):
    """Of the rows that are written again all are, or none: in either database."""
    z = np.full((50, 40), -np.inf)
    z[:, :2], z[:, 39] = 0.0, np.arange(50.0)
    store.log([f"r{i}" for i in range(50)], z, calibrator="sha256:1")
    as_version_2(store, z, "float32")
    old = scores_of(store)
    code = """
import os, signal, sys
from temperance.monitor import schema, Store
real, calls = schema.repacked, []
def again(rows, k):
    calls.append(rows)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(rows, k)
schema.repacked, schema._AT_ONCE = again, 10
Store.open(sys.argv[1])
"""
    ended = subprocess.run([sys.executable, "-c", code, address], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert scores_of(store) == old
    with store._database.transaction(writes=False) as work:  # noqa: SLF001
        version = work.one("SELECT value FROM temperance_meta WHERE key = 'version'")
    assert version == ("2",)
    again = Store.open(address)
    assert sum(map(len, scores_of(again))) < 0.2 * sum(map(len, old))
    again.close()


def test_a_store_out_of_reach_loses_no_row(address, store, registry, monkeypatch):
    """Rows wait while it is locked, and are written once it is not."""
    monkeypatch.setattr("temperance.monitor.monitor._SECONDS", 0.02)
    monitor = tp.Monitor(address)
    real, calls = monitor._store.log, count()  # noqa: SLF001

    def sometimes(*values, **settings):
        if next(calls) < 3:
            raise tp.StoreError(AWAY)
        return real(*values, **settings)

    monkeypatch.setattr(monitor._store, "log", sometimes)  # noqa: SLF001
    for i in range(30):
        monitor.log(f"r{i}", [1.0, 0.0])
    monitor.flush()
    assert monitor.counts().predictions == 30
    assert (monitor.written, monitor.lost, monitor.dropped) == (30, 0, 0)
    monitor.close()


def test_a_server_that_ends_its_connections_loses_no_row(address, store, registry):
    """As one does that is stopped and started again; its rows are written once it answers."""
    if "://" not in address:
        pytest.skip("a file has no server")
    psycopg = pytest.importorskip("psycopg")
    monitor = tp.Monitor(address)
    monitor.log("first", [1.0, 0.0])
    monitor.flush()
    with psycopg.connect(address, autocommit=True) as other:
        for turn in range(3):
            pid = monitor._store._database._connection.info.backend_pid  # noqa: SLF001
            assert other.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone() == (True,)
            for i in range(20):
                monitor.log(f"{turn}-{i}", [1.0, float(i)])
            monitor.flush()
    assert monitor.counts().predictions == monitor.written == 61
    assert (monitor.lost, monitor.refused) == (0, 0)
    monitor.close()


class Server:
    """A PostgreSQL of our own on loopback, that can be stopped and started."""

    def __init__(self, folder, programs):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.programs, self.data = programs, folder / "data"
        self.options = f"-h 127.0.0.1 -p {port} -k ''"
        self.address = f"postgresql://postgres@127.0.0.1:{port}/postgres?connect_timeout=5"
        self._run("initdb", "-A", "trust", "-U", "postgres", "-E", "UTF8")
        self.start()

    def _run(self, program, *arguments):
        command = [str(self.programs / program), "-D", str(self.data), *arguments]
        if os.getuid() == 0:  # a server refuses to be root's
            su = shutil.which("su")
            command = [su, "postgres", "-s", "/bin/sh", "-c", shlex.join(command)]
        # nothing that lives on may hold a pipe
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    def start(self):
        log = str(self.data / "log")
        self._run("pg_ctl", "-w", "-s", "-l", log, "-o", self.options, "start")

    def stop(self, mode):
        self._run("pg_ctl", "-w", "-s", "-m", mode, "stop")


@pytest.fixture
def server(tmp_path):
    pytest.importorskip("psycopg")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not programs:
        pytest.skip("no PostgreSQL: there is no /usr/lib/postgresql/*/bin/pg_ctl")
    if (
        os.getuid() == 0
        and subprocess.run([shutil.which("id"), "postgres"], check=False).returncode
    ):
        pytest.skip("no user postgres, whose a server could be")
    with tempfile.TemporaryDirectory() as folder:  # that its user can reach
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        made = Server(Path(folder), programs[-1].parent)
        yield made
        with suppress(subprocess.CalledProcessError):
            made.stop("immediate")


def test_a_server_that_is_stopped_under_load_loses_no_row(server, registry, traffic, monkeypatch):
    """As its administrator does, and as a crash does: what was taken is there once, in the end."""
    monkeypatch.setattr("temperance.monitor.monitor._LONGEST_PAUSE", 0.2)
    monkeypatch.setattr("temperance.monitor.database._PAUSE", 0.02)
    monitor = tp.Monitor.create(
        server.address, registry.folder.parent / "calibrator.json", registry=registry.folder
    )
    z, labels, ids = traffic(200)
    monitor.log(ids, z)
    monitor.flush()
    sent, goes_on = [0] * 3, threading.Event()

    def load(thread):
        while not goes_on.is_set():
            monitor.log(f"{thread}-{sent[thread]}", z[sent[thread] % 200])
            sent[thread] += 1
            time.sleep(0.001)

    threads = [threading.Thread(target=load, args=(i,)) for i in range(len(sent))]
    for thread in threads:
        thread.start()
    before = 0
    for mode in ("fast", "immediate"):
        time.sleep(0.5)
        server.stop(mode)
        with pytest.raises(tp.StoreError, match=r"tried again\. The last try: postgresql://"):
            monitor.flush(5.0)
        before = sum(sent)
        server.start()
        assert monitor.label(ids, labels).merge(monitor.label(ids, labels)).repeated >= 200
    while sum(sent) == before:
        time.sleep(0.01)
    goes_on.set()
    for thread in threads:
        thread.join()
    monitor.flush()
    counts = monitor.counts()
    assert counts.predictions == monitor.written == 200 + sum(sent)
    assert (counts.labels, counts.corrections, counts.parked) == (200, 0, 0)
    assert (monitor.lost, monitor.refused, monitor.dropped) == (0, 0, 0)
    assert monitor.check().n_labels == 200
    monitor.close()


def test_the_last_good_one_serves_while_its_file_is_damaged(address, store, registry):
    """Rows are kept under its id, as `temperance serve` goes on with it; a good file is taken."""
    monitor = tp.Monitor(address)

    def log_later(name):
        """Log a row when the file is looked at again."""
        monitor._serving = (-np.inf, monitor._serving[1])  # noqa: SLF001
        monitor.log(name, [1.0, 0.0])

    log_later("a")
    registry.current_path.write_text("{")
    log_later("b")
    with pytest.raises(tp.FileFormatError, match="rollback STORE --to"):
        monitor.check()
    second = registry.promote(registry.add(tp.TemperatureScaling(3.0)), why="repaired")
    log_later("c")
    monitor.label(["a", "b", "c"], [0, 0, 0])
    served = [row for rows in store.labelled() for row in rows.calibrators.tolist()]
    assert [served.count(each) for each in (registry.history()[0].id, second)] == [2, 1]
    monitor.close()
    registry.current_path.write_text("{")
    with tp.Monitor(address) as late, pytest.raises(tp.FileFormatError, match="rollback STORE"):
        late.log("d", [1.0, 0.0])  # nobody knows what serves


def test_rows_of_a_file_that_was_copied_there_are_weighed(address, store, registry, tmp_path):
    """Whoever replaces current.json by hand gets evidence about what then serves."""
    tp.save(tp.TemperatureScaling(5.0), tmp_path / "new.json")
    registry.current_path.write_bytes((tmp_path / "new.json").read_bytes())
    with tp.Monitor(address) as monitor:
        monitor.log(["a", "b"], [[1.0, 0.0]] * 2)
        monitor.label(["a", "b"], [0, 1])
        result = monitor.check()
    assert (result.calibrator, result.n_labels) == (registry.current(), 2)
    assert registry.load(result.calibrator) == tp.TemperatureScaling(5.0)


def test_a_store_that_stays_away_is_said_at_the_end(tmp_path, registry, monkeypatch):
    """close() gives up after a while, counts what is lost, and raises."""
    monkeypatch.setattr("temperance.monitor.monitor._LAST", 0.1)
    monitor = tp.Monitor.create(
        tmp_path / "a.db", tmp_path / "calibrator.json", registry=registry.folder
    )

    def never(*_values, **_settings):
        raise tp.StoreError(AWAY)

    monkeypatch.setattr(monitor._store, "log", never)  # noqa: SLF001
    monitor.log(["a", "b"], [[1.0, 0.0]] * 2)
    with pytest.raises(tp.StoreError, match="out of reach"):
        monitor.close()
    assert monitor.lost == 2


def test_rows_that_are_refused_raise_once(address, store, registry):
    """At the next call; the others are written."""
    monitor = tp.Monitor(address)
    monitor.log("a", [1.0, 0.0])
    monitor.log("b", [np.nan, 0.0])
    with pytest.raises(tp.InvalidInputError, match="`logits`"):
        monitor.flush()
    monitor.log("c", [0.0, 1.0])
    monitor.flush()
    assert monitor.counts().predictions >= 1
    monitor.close()
    with pytest.raises(tp.InvalidInputError, match="is closed"):
        monitor.log("d", [0.0, 1.0])


def test_threads_log_at_once(address, store, registry):
    """Eight of them: every row is there once."""
    monitor = tp.Monitor(address, capacity=100)

    def log(thread):
        for i in range(200):
            monitor.log(f"{thread}-{i}", [float(i), 0.0, 1.0])

    threads = [threading.Thread(target=log, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    monitor.flush()
    assert monitor.counts().predictions == monitor.written == 1600
    monitor.close()


def test_a_flush_waits_for_what_was_given_before(tmp_path, registry, monkeypatch):
    """Not for rows that come meanwhile, without which a busy service would wait for ever."""
    monkeypatch.setattr("temperance.monitor.monitor._SECONDS", 0.01)
    calibrator = tmp_path / "calibrator.json"
    monitor = tp.Monitor.create(tmp_path / "a.db", calibrator, registry=registry.folder)
    real, turns, busy = monitor._store.log, [], [True]  # noqa: SLF001

    def joined_by_another(*values, **settings):
        logged = real(*values, **settings)
        if busy and len(turns) < 100:
            turns.append("later")
            monitor.log(f"later-{len(turns)}", [1.0, 0.0])  # the queue is never empty
        return logged

    monkeypatch.setattr(monitor._store, "log", joined_by_another)  # noqa: SLF001
    monitor.log("first", [1.0, 0.0])
    monitor.flush()
    assert len(turns) < 100
    assert monitor.label(["first"], [0]).new == 1
    busy.clear()
    monitor.close()


def test_a_full_queue_drops_where_it_is_told_to(address, store, registry, monkeypatch, tmp_path):
    made = tmp_path / "c.json"
    tp.save(tp.TemperatureScaling(2.0), made)
    monitor = tp.Monitor.create(
        address, made, registry=registry.folder, capacity=5, when_full="drop"
    )
    gate, real = threading.Event(), monitor._store.log  # noqa: SLF001

    def held(*values, **settings):
        gate.wait(20)
        return real(*values, **settings)

    monkeypatch.setattr(monitor._store, "log", held)  # noqa: SLF001
    for i in range(50):
        monitor.log(f"r{i}", [1.0, 0.0])
    dropped = monitor.dropped
    assert dropped >= 40 - 5
    gate.set()
    monitor.flush()
    assert monitor.counts().predictions == 50 - dropped
    monitor.close()


def test_what_waits_is_written_at_exit(tmp_path, registry):
    """Without close(): the process ends as it should."""
    code = (
        "import sys, temperance as tp\n"
        "monitor = tp.Monitor.create(sys.argv[1], sys.argv[2], registry=sys.argv[3])\n"
        "for i in range(500):\n    monitor.log(f'r{i}', [float(i), 0.0])\n"
    )
    arguments = [str(tmp_path / "e.db"), str(tmp_path / "calibrator.json"), str(registry.folder)]
    subprocess.run([sys.executable, "-c", code, *arguments], check=True)
    opened = Store.open(tmp_path / "e.db")
    assert opened.counts().predictions == 500
    opened.close()


class Receiver:
    """A receiver of webhooks that answers as it is told."""

    def __init__(self, answers):
        self.bodies, self.answers = [], list(answers)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.bodies.append((self.headers["Idempotency-Key"], body))
                code = receiver.answers.pop(0) if receiver.answers else 200
                if code:
                    self.send_response(code)
                    self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    made = []

    def make(*answers):
        made.append(Receiver(answers))
        return made[-1]

    yield make
    for each in made:
        each.server.shutdown()
        each.server.server_close()


@pytest.fixture
def alarmed(store, registry, clock, traffic, monkeypatch):
    monkeypatch.setattr("temperance.monitor.messages._PAUSE", 0.01)
    z, y, ids = traffic(300, 6.0)
    store.log(ids, z, calibrator=registry.current())
    store.label(ids, y)
    clock.now += 1
    assert check(store, registry).alarm
    return store


@pytest.mark.parametrize("answers", [(), (500, 500), (0, 200)])
def test_an_alarm_is_delivered_once(alarmed, registry, receiver, answers):
    """Tried again where it is not taken (500, cut off), and never after it was."""
    hook = receiver(*answers)
    assert deliver(alarmed, hook.url) == ()
    assert check(alarmed, registry).alarm
    assert deliver(alarmed, hook.url) == ()
    assert len(hook.bodies) == len(answers) + (0 if answers == (0, 200) else 1)
    assert len({name for name, _ in hook.bodies}) == 1


def test_an_alarm_waits_for_a_receiver_that_is_down(alarmed, receiver):
    down = receiver()
    down.server.shutdown()
    down.server.server_close()
    (warning,) = deliver(alarmed, down.url)
    assert "the next check tries again" in warning
    hook = receiver()
    assert deliver(alarmed, hook.url) == ()
    assert len(hook.bodies) == 1
