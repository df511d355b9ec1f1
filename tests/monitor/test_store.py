"""Predictions and the labels that come later: written once, joined by id, never behind a check."""

import json
import shutil
import sqlite3
import subprocess
import threading

import numpy as np
import pytest

import temperance as tp
from commands import run_in
from temperance.monitor import Labelled, Logged, Settings, Store, check
from temperance.monitor.database import _LOCK
from temperance.monitor.schema import MIGRATIONS, VERSION
from temperance.monitor.scores import packed
from temperance.writers import write_probs

ID = "sha256:" + "0" * 64


class MissingId:
    """What pandas.NA is as text."""

    def __str__(self):
        return "<NA>"


MISSING_ID = MissingId()


def rows_of(store, **settings):
    return [row for block in store.labelled(**settings) for row in block.labels.tolist()]


def test_what_is_logged_is_read(store, traffic):
    """Scores up to a shift per row and single precision, groups, names; in the order of labels."""
    z, y, ids = traffic(300)
    groups = np.where(np.arange(300) % 3, "a", "b")
    store.log(ids, z, calibrator=ID, model="m", groups=groups, times=np.arange(300.0))
    order = np.random.default_rng(1).permutation(300)
    for place in order:  # each arrives by itself
        store.label([ids[place]], [y[place]])
    (block,) = store.labelled()
    assert block.labels.tolist() == y[order].tolist()
    assert block.groups.tolist() == groups[order].tolist()
    assert set(block.models) == {"m"}
    assert set(block.calibrators) == {ID}
    assert block.times.tolist() == (order * 1_000_000).tolist()
    centred = z - z.max(axis=1, keepdims=True)
    np.testing.assert_allclose(block.logits, centred[order], rtol=2e-7, atol=1e-6)


def test_log_odds_and_probabilities(store):
    """(n,) are two options; probabilities become their logarithm."""
    store.log(["a"], [1.5], calibrator=ID, model="odds")
    store.log(["b"], probs=[[0.25, 0.75]], calibrator=ID, model="probs")
    store.label(["a", "b"], [1, 0])
    blocks = [row for block in store.labelled() for row in block.logits.tolist()]
    np.testing.assert_allclose(blocks, [[-1.5, 0.0], [np.log(1 / 3), 0.0]], rtol=1e-6)


def test_the_same_again_changes_nothing(store, traffic):
    z, y, ids = traffic(50)
    assert store.log(ids, z, calibrator=ID) == Logged(50, 0, 0, 0)
    assert store.log(ids[:20], z[:20], calibrator=ID) == Logged(0, 20, 0, 0)
    assert store.label(ids, y).new == 50
    again = store.label(ids, y)
    assert (again.new, again.repeated) == (0, 50)
    assert store.counts().labels == 50


@pytest.mark.parametrize(
    "change", [{"model": "other"}, {"calibrator": "sha256:1"}, {"groups": ["g", "g"]}, "scores"]
)
def test_an_id_is_one_prediction(store, change):
    """Other scores, model, calibrator or group under the same id: nothing is written."""
    store.log(["a", "b"], [[1.0, 0.0], [2.0, 0.0]], calibrator=ID)
    settings = {"calibrator": ID} | ({} if change == "scores" else change)
    again = [3.0, 0.0] if change == "scores" else [1.0, 0.0]
    with pytest.raises(tp.InvalidInputError, match=r"were logged before with other .*'a'"):
        store.log(["new", "a"], [[0.0, 1.0], again], **settings)
    assert store.counts().predictions == 2


def test_an_id_twice_in_one_call(store):
    """Twice the same is one; twice another is an error."""
    assert store.log(["a", "a"], [[1.0, 0.0]] * 2, calibrator=ID) == Logged(1, 1, 0, 0)
    with pytest.raises(tp.InvalidInputError, match="logged before"):
        store.log(["b", "b"], [[1.0, 0.0], [0.0, 1.0]], calibrator=ID)
    assert store.counts().predictions == 1


def test_a_label_that_comes_first_waits(store):
    """And meets its prediction; the last of several holds; one that is no option is dropped."""
    assert store.label(["a", "a", "b"], [0, 1, 7]).parked == 3
    assert store.counts().parked == 3
    logged = store.log(["a", "b", "c"], [[1.0, 0.0]] * 3, calibrator=ID)
    assert (logged.joined, logged.unknown) == (1, 1)
    assert rows_of(store) == [1]
    assert store.counts().parked == 0


def test_corrections_keep_their_history(store, address):
    """The newest label holds; the first is still there, and counted."""
    store.log(["a"], [[1.0, 0.0, 0.0]], calibrator=ID)
    store.label(["a"], [0])
    assert store.label(["a"], [2]).corrected == 1
    assert store.label(["a", "a"], [1, 2]).corrected == 2
    assert rows_of(store) == [2]
    counts = store.counts()
    assert (counts.labels, counts.corrections) == (1, 3)
    again = store.label(["a", "a"], [1, 2])  # the same call
    assert (again.repeated, again.corrected, store.counts().corrections) == (2, 0, 3)
    assert store.label(["a", "a"], [2, 1]).corrected == 1  # another one
    assert rows_of(store) == [1]


def test_a_correction_after_a_check_is_not_weighed_twice(store, clock):
    """Evidence has seen the first label; re-fits see the newest."""
    store.log(["a", "b"], [[1.0, 0.0]] * 2, calibrator=ID)
    store.label(["a"], [0])
    clock.now += 10
    window = store.check_window()
    assert store.keep_check(window, {}, [])
    store.label(["a", "b"], [1, 1])
    clock.now += 10
    cursor, now = store.check_window()
    assert rows_of(store, after=cursor, until=now) == [1]  # of b alone
    assert rows_of(store) == [1, 1]


def test_a_label_counts_when_its_delay_is_over(address, clock, registry):
    store = Store.create(address, Settings(registry=str(registry.folder), delay=100), clock=clock)
    store.log(["a", "b"], [[1.0, 0.0]] * 2, calibrator=ID, times=[clock.now, clock.now - 95])
    store.label(["a", "b"], [0, 1])
    assert rows_of(store) == []
    clock.now += 6
    assert rows_of(store) == [1]
    clock.now += 95
    assert rows_of(store) == [1, 0]  # in the order in which they became usable
    store.close()


def test_a_clock_that_goes_backwards_hides_no_label(store, clock):
    """A label never lands behind what was checked."""
    store.log(["a", "b"], [[1.0, 0.0]] * 2, calibrator=ID)
    store.label(["a"], [0])
    window = store.check_window()
    assert store.keep_check(window, {}, [])
    clock.now -= 3600
    store.label(["b"], [1])
    clock.now += 7200
    cursor, now = store.check_window()
    assert rows_of(store, after=cursor, until=now) == [1]


@pytest.mark.parametrize("delay", [0.0, 86_400.0])
def test_labels_count_although_the_clock_was_set_back(address, registry, clock, traffic, delay):
    """By a year: they count as their delay is over, and not a year later."""
    settings = Settings(registry=str(registry.folder), delay=delay)
    store = Store.create(address, settings, clock=clock)
    clock.now += 365 * 86_400
    z, y, ids = traffic(30)
    store.log(ids[:10], z[:10], calibrator=registry.current())
    store.label(ids[:10], y[:10])
    clock.now += delay + 1
    assert check(store, registry).n_labels == 10
    assert store.seconds_behind() == 0.0
    clock.now -= 365 * 86_400
    store.log(ids[10:20], z[10:20], calibrator=registry.current())
    store.label(ids[10:20], y[10:20])
    clock.now += delay / 2
    early = check(store, registry)
    assert early.n_labels == (10 if delay else 20)
    assert any(word.startswith("the clock is 365.0 days behind") for word in early.warnings)
    clock.now += delay / 2 + 1
    assert check(store, registry).n_labels == 20
    assert (store.counts().waiting, store.counts().matured_labelled) == (0, 10)
    store.label(ids[20:], y[20:])
    store.log(ids[20:], z[20:], calibrator=registry.current())
    clock.now += 367 * 86_400
    assert check(store, registry).n_labels == 30
    assert store.seconds_behind() == 0.0
    store.close()


def test_two_clocks_do_not_run_away(store, clock):
    """Two machines, 30 s apart, by turns: the order of labels is never ahead of the faster one."""
    for turn in range(12):
        clock.now += 1.0 + (30.0 if turn % 2 else -30.0)
        store.log([f"r{turn}"], [[1.0, 0.0]], calibrator=ID)
        store.label([f"r{turn}"], [0])
        assert store.seconds_behind() <= 30.0 + 1e-3


def test_a_label_that_comes_while_a_check_looks_is_behind_no_cursor(store, clock):
    """It is usable later than all that the check has looked at, whatever the clock says."""
    store.log(["a", "b"], [[1.0, 0.0]] * 2, calibrator=ID)
    store.label(["a"], [0])
    window = store.check_window()
    clock.now -= 60
    store.label(["b"], [1])  # before the check keeps what it found
    assert rows_of(store, after=window[0], until=window[1]) == [0]
    assert store.keep_check(window, {}, [])
    clock.now += 120
    cursor, now = store.check_window()
    assert rows_of(store, after=cursor, until=now) == [1]


def test_of_two_checks_at_once_one_is_kept(store):
    window = store.check_window()
    assert store.keep_check(window, {}, [("m", ID, 1.0, False, {"n": 1})])
    assert not store.keep_check((window[0], window[1] + 5), {}, [])
    assert store.checks() == [{"n": 1}]


def test_models_keep_their_options(store):
    store.log(["a"], [[1.0, 0.0]], calibrator=ID, model="m", classes=["no", "yes"])
    with pytest.raises(tp.InvalidInputError, match="rows have 3 options, those of model 'm' had 2"):
        store.log(["b"], [[1.0, 0.0, 0.0]], calibrator=ID, model="m")
    with pytest.raises(tp.InvalidInputError, match="classes of model 'm' were 'no', 'yes'"):
        store.log(["b"], [[1.0, 0.0]], calibrator=ID, model="m", classes=["yes", "no"])
    store.log(["b"], [[1.0, 0.0, 0.0]], calibrator=ID, model="m2")
    assert store.label(["a", "b"], ["yes", 2]).new == 2
    assert store.classes("m") == ("no", "yes")
    assert store.classes("m2") is None


def test_ragged_rows(address, clock, registry):
    """Rows of different length, under one model, where the store is told so."""
    settings = Settings(registry=str(registry.folder), ragged=True)
    store = Store.create(address, settings, clock=clock)
    store.log(["a"], [[1.0, 0.0]], calibrator=ID)
    store.log(["b", "c"], [[1.0, 0.0, 2.0], [0.0, 1.0, -np.inf]], calibrator=ID)
    with pytest.raises(tp.InvalidInputError, match="an option that its prediction does not have"):
        store.label(["c"], [2])
    store.label(["a", "b", "c"], [1, 2, 1])
    (block,) = store.labelled()
    assert np.isneginf(block.logits).tolist() == [[False, False, True], [False] * 3,
                                                  [False, False, True]]  # fmt: skip
    store.close()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2], r"the label of id 'b' is 2, which is none of the classes of its model \(0\.\.1\)"),
        ([1, "x"], "the label of id 'b' is 'x'"),
        ([1, None], "`labels` must be classes"),
        ([1, [2]], "`labels` must be classes"),
        ([1], "one per id: 1 of 2"),
        ([1, -1], "is -1"),
    ],
)
def test_labels_that_are_none(store, labels, message):
    """Nothing of the call is written."""
    store.log(["a", "b"], [[1.0, 0.0]] * 2, calibrator=ID)
    with pytest.raises(tp.InvalidInputError, match=message):
        store.label(["a", "b"], labels)
    assert store.counts().labels == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ids": ["a", None], "logits": [[1.0, 0.0]] * 2}, "`ids` must all be there; row 1"),
        ({"ids": ["a", MISSING_ID], "logits": [[1.0, 0.0]] * 2}, "`ids` must all be there; row 1"),
        ({"ids": "ab", "logits": [[1.0, 0.0]] * 2}, "`ids`"),
        ({"ids": ["a"], "logits": [[1.0, 0.0]] * 2}, "one per row: 1 of 2"),
        ({"ids": ["a"], "logits": [[np.nan, 0.0]]}, "`logits`"),
        ({"ids": ["a"], "probs": [[0.7, 0.7]]}, "sum"),
        ({"ids": ["a"]}, "one of both"),
        ({"ids": ["a"], "logits": [[1.0, 0.0]], "probs": [[0.5, 0.5]]}, "one of both"),
        ({"ids": ["a"], "logits": [[1.0, 0.0]], "times": [1e13]}, "not in milliseconds"),
        ({"ids": ["a"], "logits": [[1.0, 0.0]], "groups": ["a", "b"]}, "groups"),
    ],
)
def test_predictions_that_are_none(store, arguments, message):
    with pytest.raises(tp.InvalidInputError, match=message):
        store.log(**arguments, calibrator=ID)
    assert store.counts().predictions == 0


def test_labels_of_ids_that_a_table_made_fractions_find_their_rows(store):
    """A left join that met an empty cell makes 7.0 of 7, in pandas: one id, never parked."""
    store.log(np.arange(3), [[1.0, 0.0]] * 3, calibrator=ID)
    assert store.label(np.array([0.0, 1.0]), [0, 1]).new == 2
    assert store.label([2.0, 2.5], [0, 1]) == Labelled(1, 0, 0, 1)


def test_no_rows_are_nothing(store):
    assert store.log([], np.empty((0, 3)), calibrator=ID) == Logged(0, 0, 0, 0)
    assert store.label([], []).new == 0


def test_old_rows_leave(store, clock, traffic):
    z, y, ids = traffic(100)
    store.log(ids, z, calibrator=ID, times=clock.now - np.arange(100.0) * 86_400)
    store.label(ids, y)
    store.label(["parked"], [0])
    clock.now += 1
    assert store.prune(30 * 86_400) == 70
    counts = store.counts()
    assert (counts.predictions, counts.labels, counts.parked) == (30, 30, 1)
    clock.now += 31 * 86_400
    store.prune(30 * 86_400)
    assert store.counts().parked == 0
    with pytest.raises(tp.InvalidInputError, match="`older_than`"):
        store.prune(0)


def test_rows_are_forgotten(store, tmp_path, traffic):
    """Predictions, labels, history and parked labels; the bytes too."""
    z, y, _ = traffic(40)
    secret = [f"patient-{i}-very-secret" for i in range(40)]
    store.log(secret, z, calibrator=ID)
    store.label(secret, y)
    store.label(secret[:5], (y[:5] + 1) % 4)
    store.label(["patient-parked"], [0])
    assert store.forget([*secret, "patient-parked", "nobody"]) == 40
    counts = store.counts()
    assert (counts.predictions, counts.labels, counts.corrections, counts.parked) == (0, 0, 0, 0)
    store.close()
    for file in tmp_path.glob("monitor.db*"):
        assert b"very-secret" not in file.read_bytes()


def test_the_last_labels(store, traffic):
    z, y, ids = traffic(100)
    store.log(ids, z, calibrator=ID)
    store.label(ids, y)
    assert rows_of(store, last=7) == y[-7:].tolist()


def test_rows_without_labels(store, traffic):
    z, y, ids = traffic(60)
    store.log(ids, z, calibrator=ID, times=np.arange(60.0))
    store.label(ids[:50], y[:50])
    (block,) = store.unlabelled(last=1000)
    assert block.times.tolist() == [1_000_000 * t for t in range(59, 49, -1)]
    assert set(block.labels) == {-1}
    assert sum(map(len, store.unlabelled(last=3))) == 3
    store.label(ids[57:], y[57:])
    assert sum(map(len, store.unlabelled(last=5))) == 2  # of the last five predictions


def test_settings_are_kept(address, registry):
    """The same again opens it; others are refused, and named."""
    settings = Settings(registry=str(registry.folder), delay=60, groups=("a", "b"), alpha=0.05)
    Store.create(address, settings).close()
    opened = Store.open(address)
    assert opened.settings == settings
    opened.close()
    Store.create(address, settings).close()
    other = Settings(registry=str(registry.folder), delay=61)
    with pytest.raises(tp.InvalidInputError, match=r"other settings is there \(delay: 60"):
        Store.create(address, other)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"delay": -1}, "delay"),
        ({"alpha": 2}, "alpha"),
        ({"alpha": 0.1, "run_length": 100}, "two promises"),
        ({"precision": "int8"}, "precision"),
        ({"ragged": "yes"}, "ragged"),
    ],
)
def test_settings_that_are_none(settings, message):
    with pytest.raises(tp.InvalidInputError, match=message):
        Settings(registry="r", **settings)


@pytest.mark.parametrize("address", ["", 3, "mysql://host/db"])
def test_addresses_that_are_none(address):
    with pytest.raises(tp.InvalidInputError, match="`store` must be a path"):
        Store.open(address)


def test_no_store(tmp_path):
    with pytest.raises(tp.InvalidInputError, match="no store is there"):
        Store.open(tmp_path / "none.db")
    (tmp_path / "text.db").write_text("hello " * 1000)
    with pytest.raises(tp.StoreError, match="damaged, or no store"):
        Store.open(tmp_path / "text.db")
    with pytest.raises(tp.StoreError, match="cannot be opened"):
        Store.create(tmp_path / "no" / "a.db", Settings(registry="r"))


def test_a_store_of_the_first_version_is_brought_up_to_date(tmp_path, traffic):
    """Its rows stay."""
    path = tmp_path / "old.db"
    words = {"identity": "INTEGER PRIMARY KEY AUTOINCREMENT", "bytes": "BLOB", "whole": "INTEGER"}
    z, _, ids = traffic(5)
    with sqlite3.connect(path) as old:
        for statement in MIGRATIONS[0]:
            old.execute(statement.format(**words))
        old.execute("INSERT INTO temperance_meta VALUES ('version', '1')")
        content = json.dumps(Settings(registry="r").to_dict())
        old.execute("INSERT INTO temperance_meta VALUES ('settings', ?)", (content,))
        old.execute("INSERT INTO temperance_models (name, k) VALUES ('model', 4)")
        old.execute("INSERT INTO temperance_calibrators (id) VALUES (?)", (ID,))
        old.executemany(
            "INSERT INTO temperance_predictions (id, time, model, calibrator, scores)"
            " VALUES (?, 0, 1, 1, ?)", list(zip(ids, packed(z, "float32"), strict=True)),
        )  # fmt: skip
    store = Store.open(path)
    assert store.counts().predictions == 5
    assert store.undelivered() == []
    assert store.log(ids, z, calibrator=ID).repeated == 5
    store.close()
    with sqlite3.connect(path) as now:
        version = now.execute("SELECT value FROM temperance_meta WHERE key = 'version'").fetchone()
    assert version == (str(VERSION),)


def test_a_newer_store_is_refused(store, address):
    with store._database.transaction(writes=True) as work:  # noqa: SLF001
        work.execute("UPDATE temperance_meta SET value = '99' WHERE key = 'version'")
    with pytest.raises(tp.FileFormatError, match="version 99, newer than this library"):
        Store.open(address)


def test_two_writers_at_once(address, store, traffic):
    """Each with a connection of its own; all rows of both are there, and no label is lost."""
    z, y, ids = traffic(600)
    failures = []

    def write(start):
        own = Store.open(address)
        try:
            for first in range(start, 600, 40):
                some = slice(first, first + 20)
                own.log(ids[some], z[some], calibrator=ID)
                own.label(ids[some], y[some])
        except tp.TemperanceError as error:
            failures.append(error)
        own.close()

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    counts = store.counts()
    assert (counts.predictions, counts.labels) == (600, 600)


def test_a_locked_store_says_who(tmp_path, registry, monkeypatch):
    monkeypatch.setattr("temperance.monitor.database._BUSY_SECONDS", 0.2)
    store = Store.create(tmp_path / "a.db", Settings(registry=str(registry.folder)))
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(tp.StoreError, match=r"another process has been writing .*fuser"):
        store.log(["a"], [[1.0, 0.0]], calibrator=ID)
    other.execute("ROLLBACK")
    other.close()
    assert store.log(["a"], [[1.0, 0.0]], calibrator=ID).new == 1
    store.close()


def test_a_locked_server_says_who(address, store, monkeypatch):
    """Nobody waits for ever."""
    if "://" not in address:
        pytest.skip("a file has no server")
    psycopg = pytest.importorskip("psycopg")
    monkeypatch.setattr("temperance.monitor.database._BUSY_SECONDS", 0.2)
    with psycopg.connect(address) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({_LOCK}, hashtext(current_schema()))")
        with pytest.raises(tp.StoreError, match=r"another process has been writing .*pg_stat"):
            store.log(["a"], [[1.0, 0.0]], calibrator=ID)
        assert store.counts().predictions == 0  # readers do not wait
    assert store.log(["a"], [[1.0, 0.0]], calibrator=ID).new == 1


def test_several_make_the_same_store_at_once(address, registry):
    """It is made once, and all have it."""
    settings, made = Settings(registry=str(registry.folder)), []

    def make():
        made.append(Store.create(address, settings))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [each.counts().predictions for each in made] == [0] * 4
    for each in made:
        each.close()


def test_a_full_disk_writes_nothing(tmp_path, registry, traffic):
    store = Store.create(tmp_path / "a.db", Settings(registry=str(registry.folder)))
    z, _, ids = traffic(3000)
    store.log(ids[:10], z[:10], calibrator=ID)
    connection = store._database._opened()  # noqa: SLF001
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(tp.StoreError, match="the disk is full; make room"):
        store.log(ids[10:], z[10:], calibrator=ID)
    connection.execute("PRAGMA max_page_count = 1000000")
    assert store.counts().predictions == 10
    assert store.log(ids, z, calibrator=ID) == Logged(2990, 10, 0, 0)
    store.close()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run([shutil.which("umount"), "-l", str(folder)], check=True)


def test_a_disk_that_is_full(small_disk, registry, traffic):
    """What was acknowledged stays; with room, the same rows are taken."""
    store = Store.create(small_disk / "a.db", Settings(registry=str(registry.folder)))
    z, _, ids = traffic(50_000)
    written = 0
    with pytest.raises(tp.StoreError, match="the disk is full; make room"):  # noqa: PT012
        for first in range(0, 50_000, 500):
            store.log(ids[first : first + 500], z[first : first + 500], calibrator=ID)
            written += 500
    assert written
    assert store.counts().predictions == written
    more = [shutil.which("mount"), "-o", "remount,size=64m", str(small_disk)]
    subprocess.run(more, check=True)
    assert store.log(ids, z, calibrator=ID) == Logged(50_000 - written, written, 0, 0)
    store.close()


def test_rows_leave_although_the_disk_is_full(small_disk, registry, traffic, clock):
    """What was done is said, and the same command again does the rest."""
    store = Store.create(small_disk / "a.db", Settings(registry=str(registry.folder)), clock=clock)
    z, _, ids = traffic(3000)
    store.log(ids, z, calibrator=ID)
    store._database._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)")  # noqa: SLF001
    filler = small_disk / "filler"
    free = shutil.disk_usage(small_disk).free
    filler.write_bytes(b"x" * (free - 60_000))
    with pytest.raises(tp.StoreError, match=r"rows are deleted, but .*`temperance monitor prune`"):
        store.forget(ids[:10])
    assert store.counts().predictions == 2990
    filler.unlink()
    before = store.counts().bytes
    clock.now += 100.0
    assert store.prune(50.0) == 2990
    assert store.counts().bytes < 0.5 * before
    store.close()


def test_labels_that_wait_are_counted_once(store):
    """The same again changes nothing; another one is the one that holds."""
    for _ in range(2):
        assert store.label(["a", "b", "a"], [0, 1, 0]).parked == 3
    assert store.counts().parked == 2
    store.label(["a"], [1])
    assert store.log(["a", "b"], [[1.0, 0.0]] * 2, calibrator=ID).joined == 2
    assert sorted(rows_of(store)) == [1, 1]


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_rows_of_the_second_version_are_written_again(
    address, clock, registry, precision, scores_of, as_version_2
):
    """In fewer bytes, no number of them another; logged again they are the same rows."""
    settings = Settings(registry=str(registry.folder), ragged=True, precision=precision)
    store = Store.create(address, settings, clock=clock)
    rng = np.random.default_rng(0)
    z = 3.0 * rng.normal(size=(40, 30))
    z[:20][rng.random((20, 30)) < 0.8] = -np.inf
    z[20:30][rng.random((10, 30)) < 0.8] = -9.0
    z[:, 0] = 1.0
    ids = [f"r{i}" for i in range(40)]
    store.log(ids, z, calibrator=ID)
    store.label(ids, [0] * 40)
    (before,) = store.labelled()
    now = scores_of(store)
    as_version_2(store, z, precision)
    old = scores_of(store)
    store.close()
    again = Store.open(address, clock=clock)
    assert scores_of(again) == now
    assert sum(map(len, now)) < 0.7 * sum(map(len, old))
    (after,) = again.labelled()
    assert np.array_equal(after.logits, before.logits)
    assert again.log(ids, z, calibrator=ID) == Logged(0, 40, 0, 0)
    assert again.top_k_models() == frozenset()
    again.close()


def test_rows_are_read_in_pages(store, traffic, monkeypatch):
    """All of them once, in their order, with groups of any text; the last page may be full."""
    monkeypatch.setattr("temperance.monitor.store.BLOCK", 7)
    z, y, ids = traffic(63)
    names = ["", "é", "a,b", "日本", 'x"y', "'"]
    groups = np.array([names[i % 6] for i in range(63)])
    store.log(ids, z, calibrator=ID, groups=groups, times=np.arange(63.0))
    order = np.random.default_rng(0).permutation(63)
    for first in range(0, 63, 9):  # nine of one time each
        some = order[first : first + 9]
        store.label([ids[i] for i in some], y[some])
    blocks = list(store.labelled())
    assert [len(block) for block in blocks] == [7] * 9
    wanted = np.concatenate([order[first : first + 9] for first in range(0, 63, 9)])
    assert np.concatenate([block.times for block in blocks]).tolist() == (wanted * 10**6).tolist()
    assert np.concatenate([block.groups for block in blocks]).tolist() == groups[wanted].tolist()
    assert np.concatenate([block.labels for block in blocks]).tolist() == y[wanted].tolist()


def test_what_is_read_is_one_moment(store, address, traffic, monkeypatch):
    """A label that is corrected between two pages is in the rows once."""
    monkeypatch.setattr("temperance.monitor.store.BLOCK", 10)
    z, y, ids = traffic(40)
    store.log(ids, z, calibrator=ID)
    store.label(ids, y)
    window = store.check_window()
    assert store.keep_check(window, {}, [])
    reading = store.labelled()
    first = next(reading)
    other = Store.open(address)
    assert other.label(ids[:1], (y[:1] + 1) % 4).corrected == 1
    other.close()
    labels = [*first.labels.tolist(), *[each for block in reading for each in block.labels]]
    assert labels == y.tolist()


def test_counts_of_a_clock_that_went_back(store, clock, address):
    """A label from later is of a row that is old enough, and of one that is not."""
    store.log(["a", "b"], [[1.0, 0.0]] * 2, calibrator=ID, times=[clock.now - 50, clock.now + 50])
    clock.now += 100
    store.label(["a", "b"], [0, 1])
    clock.now -= 100
    counts = store.counts()
    assert (counts.matured, counts.matured_labelled, counts.labels) == (1, 1, 2)


def test_a_label_of_7_0_as_text_finds_the_prediction_7(store):
    """A table program wrote it so; where both ids stand, they are two, and others wait."""
    store.log(["7", "8", "1", "1.0"], [[1.0, 0.0]] * 4, calibrator=ID)
    assert store.label(["7.0", "8.00", "9.0"], [0, 1, 1]) == Labelled(2, 0, 0, 1)
    assert store.label(["7"], [0]) == Labelled(0, 1, 0, 0)
    assert store.label(["1", "1.0"], [0, 1]) == Labelled(2, 0, 0, 0)
    assert store.label(["1.0"], [1]) == Labelled(0, 1, 0, 0)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_rows_that_lack_a_label_are_left_out_of_a_file(tmp_path, suffix):
    """`--na drop` of the command, which the error names, did not end without an error."""
    file = tmp_path / "calibrator.json"
    tp.save(tp.TemperatureScaling(2.0), file)
    run_in(tmp_path, "monitor", "init", "s.db", "--calibrator", file)
    scores = {"probs": [[0.5, 0.5]] * 2, "ids": [1, 2], "classes": ["a", "b"]}
    write_probs(tmp_path / "log.csv", **scores)
    run_in(tmp_path, "monitor", "log", "s.db", "log.csv")
    rows = (
        "id,label\n1,\n2,b\n"
        if suffix == ".csv"
        else '{"id": 1, "label": null}\n{"id": 2, "label": "b"}\n'
    )
    (tmp_path / f"labels{suffix}").write_text(rows, encoding="utf-8")
    words = ("monitor", "label", "s.db", f"labels{suffix}")
    assert "--na drop" in run_in(tmp_path, *words, code=2).stderr
    done = run_in(tmp_path, *words, "--na", "drop")
    assert "1 labels written" in done.stdout
    assert "1 of 2 rows was left out" in done.stderr
