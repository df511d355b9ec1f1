"""What becomes of requests that are too much, too slow, of strangers, or of a fault of ours."""

import asyncio
import json
import logging
import re
import threading

import pytest

import temperance as tp

pytest.importorskip("starlette")
pytest.importorskip("prometheus_client")

from services import call, post, request
from temperance.serving import app as serving_app
from temperance.serving.app import JSON, NPZ, application
from temperance.serving.limits import Limits
from temperance.serving.served import Reply

ROWS = {"logits": [[2.0, 0.5], [1.0, 3.0]]}


@pytest.fixture
def path(tmp_path):
    """Save a calibrator."""
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    return tmp_path / "c.json"


# --- what is served, and its id ----------------------------------------------------------------


def test_the_calibrator_is_shown_as_its_file_has_it(path):
    """With its id, which its answers have too."""
    service = application(path)
    shown = call(service, "GET", "/calibrator").json()
    assert shown["content"] == json.loads(path.read_text())
    assert shown["calibrator"]["id"] == tp.content_id(tp.load(path))
    assert shown["calibrator"]["library"] == f"temperance {tp.__version__}"
    assert post(service, ROWS).json()["calibrator"] == shown["calibrator"]


def test_the_id_is_of_the_map_not_of_its_file(path):
    """Spaces, order, 2 for 2.0 and what is said of the fit change nothing; another number does."""

    def id_of(content):
        path.write_text(json.dumps(content, indent=7).replace(": 2.0", ": 2"))
        return post(application(path), ROWS).json()["calibrator"]["id"]

    content = json.loads(path.read_text())
    first = id_of(content)
    content["fit"]["model"] = "another"
    assert id_of(dict(reversed(content.items()))) == first
    content["parameters"]["temperature"] = 2.5
    assert id_of(content) != first


@pytest.mark.parametrize(("method", "path_", "status"), [
    ("GET", "/", 404), ("GET", "/apply", 405), ("DELETE", "/calibrator", 405),
    ("GET", "/docs", 404), ("POST", "/apply/", 404), ("GET", "/healthz/", 404),
    ("HEAD", "/healthz", 200), ("GET", "/healthz", 200),
])  # fmt: skip
def test_paths(path, method, path_, status):
    """What there is not is said as JSON."""
    reply = call(application(path), method, path_)
    assert reply.status == status
    if status != 200:
        assert "POST /apply" in reply.json()["error"]
    assert "x-temperance-calibrator" in reply.headers


@pytest.mark.parametrize(("header", "status"), [
    ({"content-type": None}, 200), ({"content-type": "application/json; charset=utf-8"}, 200),
    ({"content-type": "application/x-www-form-urlencoded"}, 200),
    ({"content-type": "text/csv"}, 415), ({"content-encoding": "gzip"}, 415),
])  # fmt: skip
def test_content_types(path, header, status):
    """JSON, and what `curl -d` calls it; others are named."""
    assert post(application(path), ROWS, header).status == status


# --- limits --------------------------------------------------------------------------------------


def test_a_body_that_is_too_large(path):
    """413, whether its length is said or not; one that fits is answered."""
    service = application(path, limits=Limits(max_bytes=100))
    assert post(service, ROWS).status == 200
    for chunks in (None, [b"{" * 60, b"x" * 60]):
        reply = post(service, b"x" * 101, chunks=chunks)
        assert reply.status == 413
        assert "100 bytes" in reply.json()["error"]


@pytest.mark.parametrize("length", ["9" * 18, "1" * 5000])
def test_a_length_that_is_no_length(path, length):
    """It is refused before a byte is read, however many digits it has."""
    assert post(application(path), ROWS, {"content-length": length}).status == 413
    padded = "0" * 5000 + str(len(json.dumps(ROWS)))
    assert post(application(path), ROWS, {"content-length": padded}).status == 200


def test_a_small_body_that_is_much_work_does_not_stop_the_others(path, monkeypatch):
    """One short of 64 KiB, whose rows are long when they are padded, waits among the large ones."""
    names = []
    answer = serving_app.ANSWERS[JSON]

    def watched(*arguments):
        names.append(threading.current_thread().name)
        return answer(*arguments)

    monkeypatch.setitem(serving_app.ANSWERS, JSON, watched)
    service = application(path)
    for rows in ([[0.0]] * 300 + [[0.0] * 9000], [[0.0] * 10] * 256):
        assert post(service, {"logits": rows}).status == 200
    assert ["temperance-apply" in name for name in names] == [True, False]


def test_too_many_rows(path):
    """413 with both numbers."""
    service = application(path, limits=Limits(max_rows=2))
    assert post(service, ROWS).status == 200
    reply = post(service, {"logits": [[1, 2]] * 3})
    assert reply.status == 413
    assert "3 rows; at most 2" in reply.json()["error"]


def test_a_body_that_does_not_come(path):
    """408 after the time is over."""
    service = application(path, limits=Limits(max_seconds=0.05))
    reply = post(service, b"", chunks=[b'{"logits"'], hold="wait")
    assert reply.status == 408
    assert "0.05 seconds" in reply.json()["error"]


def test_a_client_that_leaves(path, caplog):
    """It is counted, and nothing is said of it."""
    service = application(path)
    post(service, b"", chunks=[b'{"logits"'], hold="leave")
    assert "temperance_hang_ups_total 1.0" in call(service, "GET", "/metrics").body.decode()
    assert not caplog.records


@pytest.fixture
def held(monkeypatch):
    """Let bodies of .npz be worked on until the event is set."""
    go = threading.Event()

    def slow(_body, _served, _limits):
        assert go.wait(10)
        return Reply(b"done", 1)

    monkeypatch.setitem(serving_app.ANSWERS, NPZ, slow)
    yield go
    go.set()


def test_too_many_at_once(path, held):
    """503 for the one more; those under way are answered, and small ones beside them."""
    service = application(path, limits=Limits(max_waiting=3))
    npz = {"content-type": NPZ}

    async def all_of_them():
        waiting = [asyncio.create_task(request(service, "POST", "/apply", b"x", npz))
                   for _ in range(3)]  # fmt: skip
        await asyncio.sleep(0.05)
        refused = await request(service, "POST", "/apply", b"x", npz)
        small = await request(service, "POST", "/apply", json.dumps(ROWS).encode())
        held.set()
        later = await asyncio.gather(*waiting)
        again = await request(service, "POST", "/apply", b"x", npz)
        return refused, small, later, again

    refused, small, later, again = asyncio.run(all_of_them())
    assert refused.status == 503
    assert refused.headers["retry-after"] == "1"
    assert "busy" in refused.json()["error"]
    assert small.status == 200
    assert [each.body for each in later] == [b"done"] * 3
    assert again.status == 200


def test_work_that_takes_too_long(path, held):
    """503 when the time is over."""
    service = application(path, limits=Limits(max_seconds=0.05))
    reply = post(service, b"x", {"content-type": NPZ})
    assert reply.status == 503
    assert "0.05 seconds" in reply.json()["error"]


def test_bodies_that_fill_the_memory(path):
    """Large ones are refused while others are being read; small ones are not."""
    service = application(path, limits=Limits(max_bytes=100_000))
    part = [b"x" * 90_000]

    async def many():
        slow = [
            asyncio.create_task(request(service, "POST", "/apply", chunks=list(part), hold="wait"))
            for _ in range(8)
        ]
        await asyncio.sleep(0.05)
        refused = await request(service, "POST", "/apply", chunks=[*part, b""])
        small = await request(service, "POST", "/apply", json.dumps(ROWS).encode())
        for each in slow:
            each.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        last = await request(service, "POST", "/apply", b"x" * 90_000)
        return refused.status, small.status, last.status

    assert asyncio.run(many()) == (503, 200, 400)


# --- strangers -----------------------------------------------------------------------------------

TOKEN = "correct-horse-battery"  # noqa: S105


@pytest.mark.parametrize("sent", [
    None, "", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
    f"Basic {TOKEN}", "Bearer \xff", f"Bearer {TOKEN.upper()}",
])  # fmt: skip
def test_a_wrong_token(path, sent):
    """401 without a word of what is served; health is for all."""
    service = application(path, token=TOKEN)
    header = {} if sent is None else {"authorization": sent}
    for method, path_ in (("POST", "/apply"), ("GET", "/calibrator"), ("GET", "/metrics"),
                          ("GET", "/nothing")):  # fmt: skip
        reply = call(service, method, path_, json.dumps(ROWS).encode(), header)
        assert reply.status == 401
        assert reply.headers["www-authenticate"] == "Bearer"
        assert set(reply.json()) == {"error"}
    assert call(service, "GET", "/healthz", headers=header).status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_right_token(path, scheme):
    """The name of the scheme may be written in any case."""
    service = application(path, token=TOKEN)
    assert post(service, ROWS, {"authorization": f"{scheme} {TOKEN}"}).status == 200


# --- mounted in another application -----------------------------------------------------------


def test_mounted_it_is_the_same(path, monkeypatch):
    """Paths are its own, health needs no token, and a newer map is served: no lifespan is run."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    monkeypatch.setattr(serving_app, "_RELOAD_SECONDS", 0.0)
    outer = Starlette(routes=[Mount("/inner", app=application(path, token=TOKEN))])
    header = {"authorization": f"Bearer {TOKEN}"}
    body = json.dumps(ROWS).encode()
    assert call(outer, "GET", "/inner/healthz").status == 200
    assert call(outer, "GET", "/inner/metrics").status == 401
    assert call(outer, "POST", "/inner/apply", body, header).status == 200
    tp.save(tp.TemperatureScaling(3.0), path)
    newer = call(outer, "POST", "/inner/apply", body, header).json()
    assert newer["calibrator"]["temperature"] == 3.0
    counts = call(outer, "GET", "/inner/metrics", headers=header).body
    assert b'temperance_requests_total{path="/apply",status="200"} 2.0' in counts


# --- faults --------------------------------------------------------------------------------------


def test_a_fault_of_ours_is_in_the_log_and_nowhere_else(path, monkeypatch, caplog):
    """500 with a name that leads to the traceback."""

    def broken(*_arguments):
        msg = "secret of the house"
        raise ZeroDivisionError(msg)

    monkeypatch.setitem(serving_app.ANSWERS, JSON, broken)
    reply = post(application(path), ROWS)
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert b"Traceback" not in reply.body
    name = re.search("error ([0-9a-f]{8})", reply.json()["error"])[1]
    assert name in caplog.text
    assert "secret of the house" in caplog.text


def test_what_is_counted(path):
    """Requests by status, rows, seconds, the map: in Prometheus's format."""
    parse = pytest.importorskip("prometheus_client.parser").text_string_to_metric_families
    service = application(path)
    post(service, ROWS)
    post(service, b"nothing")
    call(service, "GET", "/robots.txt")
    reply = call(service, "GET", "/metrics")
    assert reply.headers["content-type"].startswith("text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parse(reply.body.decode()) for sample in family.samples
    }  # fmt: skip
    requests = "temperance_requests_total"
    assert samples[requests, ("path", "/apply"), ("status", "200")] == 1
    assert samples[requests, ("path", "/apply"), ("status", "400")] == 1
    assert samples[requests, ("path", "other"), ("status", "404")] == 1
    assert samples["temperance_rows_total",] == 2
    assert samples["temperance_request_seconds_count", ("path", "/apply")] == 2
    info = [dict(key[1:]) for key in samples if key[0] == "temperance_calibrator_info"]
    told = post(service, ROWS).json()["calibrator"]
    assert info == [{name: str(value) for name, value in told.items()}]


@pytest.mark.parametrize("wanted", [False, True])
def test_the_access_log(path, caplog, wanted):
    """A line per request where it is asked for, and none otherwise."""
    caplog.set_level(logging.INFO)
    post(application(path, access_log=wanted), ROWS)
    lines = [each.getMessage() for each in caplog.records]
    assert [re.sub(r"[\d.]+ ms", "", line) for line in lines] == ["POST /apply 200 "] * wanted
