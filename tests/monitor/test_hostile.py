"""Rows, addresses and answers that nobody means: said once, and in the way of nothing else."""

import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import temperance as tp
from temperance.cli.monitor.opening import as_seconds
from temperance.monitor import Registry, Settings, Store, check
from temperance.monitor.database import database_at
from temperance.monitor.messages import as_webhook, deliver, junit_xml

CONFUSED = {
    "nan": {"logits": [np.nan, 0.0]},
    "text": {"logits": "cat"},
    "nothing": {},
    "two kinds of scores": {"logits": [1.0, 0.0], "probs": [0.5, 0.5]},
    "NUL": {"ids": "a\0b", "logits": [1.0, 0.0]},
    "half a character": {"ids": "a\ud800", "logits": [1.0, 0.0]},
    "a long id": {"ids": "é" * 1001, "logits": [1.0, 0.0]},
    "half a model": {"logits": [1.0, 0.0], "model": "\udfff"},
    "too few ids": {"ids": ["a"], "logits": [[1.0, 0.0]] * 2},
    "too few groups": {"ids": ["a", "b"], "logits": [[1.0, 0.0]] * 2, "groups": ["x"]},
    "a number of groups": {"ids": ["a", "b"], "logits": [[1.0, 0.0]] * 2, "groups": 3},
    "another id": {"ids": "before", "logits": [5.0, 0.0]},
    "columns": {"logits": [1.0, 0.0, 2.0], "model": "three"},
}


@pytest.fixture
def monitor(address, store, registry):
    store.log(["before"], [[1.0, 0.0]], calibrator=registry.current())
    registry.promote(registry.add(tp.TemperatureScaling(3.0, n_classes=2)), why="two classes")
    opened = tp.Monitor(address)
    yield opened
    opened.close()


@pytest.mark.parametrize("row", CONFUSED.values(), ids=CONFUSED)
def test_a_refused_row_takes_no_other_with_it(monitor, row):
    """The rows around it are written, it is counted, and the thread lives on."""
    for i in range(20):
        monitor.log(f"r{i}", [float(i), 0.0])
    monitor.log(**{"ids": "bad", **row})
    for i in range(20, 40):
        monitor.log(f"r{i}", [float(i), 0.0])
    with pytest.raises(tp.InvalidInputError):
        monitor.flush(20)
    monitor.log("after", [1.0, 0.0])
    monitor.flush(20)
    assert monitor.counts().predictions == 42
    assert monitor.written == 41
    assert monitor.refused >= 1
    assert monitor.lost == 0


def test_what_is_no_array_is_said_at_once(monitor):
    with pytest.raises(tp.InvalidInputError, match="must be an array of numbers"):
        monitor.log("a", [[1.0, 2.0], [3.0]])
    for moment in ("yesterday", -9e10):
        with pytest.raises(tp.InvalidInputError, match="`time` must be"):
            monitor.log("a", [1.0, 2.0], time=moment)
    with pytest.raises(tp.FileFormatError, match="no calibrator"):
        monitor.log("a", [1.0, 2.0], calibrator="sha256:1")


def test_a_row_is_that_of_the_call(monitor):
    """Lists that change afterwards change nothing."""
    ids, rows, groups = ["a", "b"], [[1.0, 0.0], [0.0, 1.0]], ["g", "h"]
    monitor.log(ids, rows, groups=groups)
    ids[0], rows[0][0], groups[0] = "c", 9.0, "i"
    assert monitor.label(["a", "b"], [0, 1]).new == 2
    (block,) = monitor._store.labelled()  # noqa: SLF001
    assert block.groups.tolist() == ["g", "h"]
    assert block.logits[0].tolist() == [0.0, -1.0]


def test_rows_that_are_tried_again_count_once(monitor, monkeypatch):
    """Those of another model, written before the store went, are not written twice."""
    monkeypatch.setattr("temperance.monitor.monitor._PAUSE", 0.01)
    real, failures = monitor._store.log, iter([True, False])  # noqa: SLF001

    def away(*values, **settings):
        if settings["model"] == "second" and next(failures, False):
            raise tp.StoreError("away")  # noqa: EM101
        return real(*values, **settings)

    monkeypatch.setattr(monitor._store, "log", away)  # noqa: SLF001
    monitor.log("a", [1.0, 0.0], model="first")
    monitor.log("b", [1.0, 0.0], model="second")
    monitor.flush(20)
    assert monitor.written == 2


def test_who_waits_for_room_learns_that_it_is_closed(address, store, registry, monkeypatch):
    """A row that no thread would write any more is not taken in."""
    monkeypatch.setattr("temperance.monitor.monitor._LAST", 0.1)
    monitor = tp.Monitor(address, capacity=1)
    away = threading.Event()

    def never(*_values, **_settings):
        away.set()
        raise tp.StoreError("away")  # noqa: EM101

    monkeypatch.setattr(monitor._store, "log", never)  # noqa: SLF001
    monitor.log("a", [1.0, 0.0])
    assert away.wait(20)
    monitor.log("b", [1.0, 0.0])  # the first is being written
    errors = []

    def wait():
        try:
            monitor.log("c", [1.0, 0.0])
        except tp.TemperanceError as error:
            errors.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    with pytest.raises(tp.StoreError, match="away"):
        monitor.close()
    waiting.join(20)
    assert len(errors) == 1
    assert monitor.lost == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_process_opens_its_own(tmp_path, registry):
    """Rows of the child would wait for a thread that only its parent has."""
    code = """
import os, sys, warnings
import temperance as tp
warnings.simplefilter("ignore")
monitor = tp.Monitor.create(sys.argv[1], sys.argv[2], registry=sys.argv[3])
child = os.fork()
if not child:
    try:
        monitor.log("a", [1.0, 0.0])
    except tp.InvalidInputError:
        os._exit(7)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    arguments = [str(tmp_path / "f.db"), str(tmp_path / "calibrator.json"), str(registry.folder)]
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    assert ended.stdout == "7\n"


@pytest.mark.parametrize("k", [3, 5])
def test_columns_that_the_calibrator_does_not_take(store, registry, clock, k):
    """Rows of a store that hold them are named by a check."""
    four = registry.promote(registry.add(tp.TemperatureScaling(2.0, n_classes=4)), why="four")
    store.log(["a"], [np.arange(float(k))], calibrator=four, model=f"m{k}")
    store.label(["a"], [k - 1])
    clock.now += 1
    with pytest.raises(tp.InvalidInputError, match=rf"'m{k}' have {k} options, .* takes 4"):
        check(store, registry)


@pytest.mark.parametrize("label", [10**30, -(10**30)])
def test_labels_that_no_integer_holds(store, registry, label):
    store.log(["a"], [[1.0, 0.0, 2.0]], calibrator=registry.current())
    with pytest.raises(tp.InvalidInputError, match="none of the classes"):
        store.label(["a"], [label])
    with pytest.raises(tp.InvalidInputError, match="`labels` must be integers"):
        tp.TemperatureScaling.fit(np.eye(3), [0, 1, label])


@pytest.mark.parametrize(
    "settings", [{"delay": 1e15}, {"groups": ("a", "a")}, {"groups": ("",)}, {"groups": "north"}]
)
def test_settings_that_no_one_means(settings):
    with pytest.raises(tp.InvalidInputError, match=r"`(delay|groups)`"):
        Settings(registry="r", **settings)


@pytest.mark.parametrize(
    "text", ["99999999999999999999d", "9" * 400 + "s", "-1d", "1e3s", "", "7", "0.5"]
)
def test_lengths_of_time_that_no_one_means(text):
    with pytest.raises(tp.InvalidInputError, match="`--every` must be a length of time"):
        as_seconds(text, option="--every")


def test_no_delay_needs_no_unit():
    """Seconds are as likely to be meant by 7 as days are; by 0 there is one length."""
    assert as_seconds("0", option="--delay") == as_seconds("0d", option="--delay") == 0.0


def test_a_database_of_something_else(tmp_path, registry):
    """It is refused, by whoever opens it, and stays as it is."""
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE customers (name TEXT)")
    before = path.read_bytes()
    settings = Settings(registry=str(registry.folder))
    for use in (lambda: Store.open(path), lambda: Store.create(path, settings)):
        with pytest.raises(tp.StoreError, match="no store of a monitor, but a database of some"):
            use()
    assert path.read_bytes() == before
    assert sorted(each.name for each in tmp_path.glob("other.db*")) == ["other.db"]


def test_an_empty_file_is_a_place_for_a_store(tmp_path, registry):
    """As one is left by a command that was killed, or for which the disk was full."""
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(tp.InvalidInputError, match="no store is there"):
        Store.open(path)
    Store.create(path, Settings(registry=str(registry.folder))).close()
    Store.open(path).close()


@pytest.mark.parametrize(
    ("key", "value"),
    [("version", "x"), ("version", ""), ("version", "-1"), ("settings", "{"), ("settings", "{}"),
     ("settings", '{"groups": [], "registry": "r", "of_tomorrow": 1}')],
)  # fmt: skip
def test_a_store_whose_words_cannot_be_read(store, address, key, value):
    """Damaged, or of a library that says more: an error that says so."""
    with store._database.transaction(writes=True) as work:  # noqa: SLF001
        work.execute("UPDATE temperance_meta SET value = ? WHERE key = ?", (value, key))
    with pytest.raises(tp.FileFormatError, match=f"{key}.*from a copy"):
        Store.open(address)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("postgresql://u:secret@h/db", "postgresql://h/db"),
        ("postgresql://h/db?password=secret", "postgresql://h/db"),
        ("postgresql:///db?host=h&pass%77ord=secret&user=u", "postgresql:///db?host=h&user=u"),
        ("postgres://u:s@cret@h,i/db?sslpassword=x", "postgres://h,i/db"),
    ],
)
def test_a_password_is_in_no_message(address, name):
    """Names go into messages, pages and webhooks."""
    assert database_at(address).name == name


# What is sent to other programs.


@pytest.fixture
def alarmed(address, registry, clock, traffic, monkeypatch):
    monkeypatch.setattr("temperance.monitor.messages._PAUSE", 0.01)
    opened = []

    def make(model):
        store = Store.create(address, Settings(registry=str(registry.folder)), clock=clock)
        opened.append(store)
        z, y, ids = traffic(300, 6.0)
        store.log(ids, z, calibrator=registry.current(), model=model)
        store.label(ids, y)
        clock.now += 1
        return store, check(store, registry)

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def answering():
    """A server that gives each request one answer, and keeps what was asked."""
    sockets = []

    def make(answer_of):
        requests = []
        listening = socket.create_server(("127.0.0.1", 0))
        sockets.append(listening)

        def serve():
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    requests.append(connection.recv(65536))
                    connection.sendall(answer_of(requests[-1]))

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listening.getsockname()[1]}/hook", requests

    yield make
    for each in sockets:
        each.shutdown(socket.SHUT_RDWR)
        each.close()


def test_an_answer_that_sends_elsewhere_is_none(alarmed, answering):
    """What would follow it is a GET, without the alarm."""
    store, _ = alarmed("model")

    def moved(request):
        if request.startswith(b"POST"):
            return b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    url, requests = answering(moved)
    (warning,) = deliver(store, url)
    assert "status 302" in warning
    assert len(store.undelivered()) == 1
    assert all(each.startswith(b"POST") for each in requests)


@pytest.mark.parametrize("answer", [b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000])
def test_an_answer_that_is_no_http(alarmed, answering, answer):
    store, _ = alarmed("model")
    url, _ = answering(lambda _: answer)
    (warning,) = deliver(store, url)
    assert "the next check tries again" in warning


@pytest.mark.parametrize("model", ["модель", "a\nb", "a\x01b", '<b>"&'])
def test_models_of_any_name_are_delivered(alarmed, answering, model):
    """The name is in a head, in XML and in JSON."""
    store, result = alarmed(model)
    url, requests = answering(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert deliver(store, url) == ()
    assert len(requests) == 1
    case = ET.fromstring(junit_xml(result)).find("testcase")  # noqa: S314  (our own)
    assert case.get("name").startswith(model[:1])


def test_two_that_post_at_once_post_once(alarmed, answering, address):
    store, _ = alarmed("model")
    going, late = threading.Event(), threading.Event()

    def slow(_):
        going.set()
        late.wait(5)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    url, requests = answering(slow)
    first = threading.Thread(target=deliver, args=(store, url))
    first.start()
    assert going.wait(20)
    other = Store.open(address)
    (warning,) = deliver(other, url)
    late.set()
    first.join()
    assert "another check is posting" in warning
    assert deliver(other, url) == ()
    assert len(requests) == 1
    other.close()


@pytest.mark.parametrize(
    "url", ["http://h:abc/", "http://h:99999/", "http://[::1", "http://a b/", "http://h/\n", "x"]
)
def test_addresses_that_are_none(url):
    with pytest.raises(tp.InvalidInputError, match="--webhook"):
        as_webhook(url)


def test_an_alarm_is_told_of_its_own_labels(store, registry, clock, traffic, monkeypatch):
    """Labels that become usable while a check works are those of the next one."""
    z, y, ids = traffic(600, 6.0)
    store.log(ids, z, calibrator=registry.current())
    store.label(ids[:300], y[:300])
    clock.now += 10
    real = store.labelled

    def as_others_write(**settings):
        rows = list(real(**settings))
        if "last" not in settings:
            monkeypatch.setattr(store, "labelled", real)
            clock.now += 10
            store.label(ids[300:], y[300:])
        return iter(rows)

    monkeypatch.setattr(store, "labelled", as_others_write)
    (stream,) = check(store, Registry(registry.folder)).streams
    assert stream.n_labels == 300
    assert stream.since["label"] <= 300
    assert stream.since["raised_at"] == "1970-01-12T13:46:40+00:00"


def test_no_label_lands_behind_a_check(store, registry, address):
    """One whose transaction was open when a check looked is weighed by the next one."""
    store.log(["a", "b"], [[1.0, 0.0]] * 2, calibrator=registry.current())
    writer = Store.open(address)
    real, going = writer._arrival, threading.Event()  # noqa: SLF001

    def slow(work):
        arrived = real(work)
        going.set()
        time.sleep(0.3)
        return arrived

    writer._arrival = slow  # noqa: SLF001
    writing = threading.Thread(target=writer.label, args=(["a"], [0]))
    writing.start()
    assert going.wait(20)
    other = Store.open(address)
    check(other, registry)
    writing.join()
    assert check(other, registry).n_labels == 1
    writer.close()
    other.close()


@pytest.mark.parametrize("row", [CONFUSED["nothing"], CONFUSED["two kinds of scores"]])
def test_scores_are_given_once(monitor, row):
    """Neither, or both of which one would be taken in silence: the error names the two."""
    monitor.log("bad", **row)
    with pytest.raises(tp.InvalidInputError, match="`logits` or `probs`, one of both"):
        monitor.flush(20)
