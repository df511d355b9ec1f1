"""The service as a process: how it begins, how it ends, and who may be rude to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import temperance as tp

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from services import served
from temperance.serving.server import bound_socket, is_loopback

posix = pytest.mark.skipif(os.name != "posix", reason="signals and modes of POSIX")
ROWS = json.dumps({"logits": [[2.0, 0.5, 1.0], [1.0, 3.0, 0.0]]})
TOKEN = "correct-horse-battery"  # noqa: S105


@pytest.fixture
def folder(tmp_path):
    """A folder with a calibrator and a token."""
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    token = tmp_path / "token"
    token.write_text(f"{TOKEN}\n")
    token.chmod(0o600)
    return tmp_path


WRONG = [
    ("serve none.json", "none.json: cannot be read"),
    ("serve token", "token: not a JSON file"),
    ("serve c.json --host 0.0.0.0", "`--token-file` must name a file"),
    ("serve c.json --host ::", "`--token-file` must name a file"),
    ("serve c.json --token-file none", "none: is no token file: No such file"),
    ("serve c.json --token-file c.json", "others can read the token"),
    ("serve c.json --token-file short", "must hold one token of 16"),
    ("serve c.json --port 65536", "`--port` must be from 0 to 65535"),
    ("serve c.json --host 192.0.2.1 --token-file token", "cannot be listened at"),
    ("serve c.json --host no.such.host.invalid --token-file token", "is no address"),
    ("serve c.json --max-rows 0", "`--max-rows`"),
    ("serve c.json --max-seconds nan", "`--max-seconds`"),
]


@posix
@pytest.mark.parametrize(("line", "words"), WRONG, ids=[line for line, _ in WRONG])
def test_wrong_starts(folder, run, line, words):
    """Exit code 2 and one line, before anything listens."""
    (folder / "c.json").chmod(0o644)
    short = folder / "short"
    short.write_text("secret")
    short.chmod(0o600)
    assert words in run(*line.split(), code=2).stderr


def test_a_port_that_is_taken(folder, run):
    """One line that names it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = run("serve", "c.json", "--port", port, code=2).stderr
    assert f"`--port` {port} of 127.0.0.1 cannot be listened at" in said


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
    ("0.0.0.0", False),  # noqa: S104
    ("::", False), ("192.168.0.7", False), ("example.org", False),
    ("localhost.example.org", False), ("", False),
])  # fmt: skip
def test_what_is_loopback(host, loopback):
    """Anything else demands a token."""
    assert is_loopback(host) == loopback


def test_answers_do_not_wait_for_the_client_to_confirm_their_heads():
    """asyncio sets TCP_NODELAY on connections of a socket that names its protocol, on no other."""
    with bound_socket("127.0.0.1", 0) as listening:
        assert listening.proto == socket.IPPROTO_TCP


def connected(process):
    return socket.create_connection((process.host, process.port), timeout=10)


@posix
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_request_under_way_is_answered_before_the_end(folder, name):
    """The signal comes between the two halves of its body; exit code 0, and no connection after."""
    head = f"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ROWS)}\r\n\r\n"
    with served(folder, "c.json") as process, connected(process) as client:
        client.sendall(head.encode() + ROWS[:10].encode())
        assert process.ask("GET", "/healthz").status == 200
        process.process.send_signal(getattr(signal, name))
        refused = False
        for _ in range(100):
            try:
                connected(process).close()
            except ConnectionRefusedError:
                refused = True
                break
            time.sleep(0.02)
        assert refused
        client.sendall(ROWS[10:].encode())
        answer = b""
        while part := client.recv(1 << 16):
            answer += part
        assert answer.startswith(b"HTTP/1.1 200")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["calibrator"]["temperature"] == 2.0
        _, said = process.process.communicate(timeout=10)
    assert process.process.returncode == 0
    assert "Traceback" not in said


REWRITE = """
import json, pathlib, time
path = pathlib.Path("c.json")
content = json.loads(path.read_text())
texts = [json.dumps(content | {"parameters": {"temperature": t}}) for t in (2.0, 3.0)]
print("writing", flush=True)
while True:
    for text in texts:
        path.write_text(text[: len(text) // 2])  # in place, half of it first
        path.write_text(text)
        time.sleep(0.005)
        beside = path.with_suffix(".new")
        beside.write_text(text)
        beside.replace(path)
        time.sleep(0.005)
"""


def test_answers_are_of_one_map_or_the_other_while_the_file_is_rewritten(folder):
    """No request fails; id, temperature and probabilities of an answer are of the same map."""
    z = json.loads(ROWS)["logits"]
    known = {t: tp.TemperatureScaling(t).apply(z) for t in (2.0, 3.0)}
    ids = {}
    writing = [sys.executable, "-c", REWRITE]
    with (
        served(folder, "c.json") as process,
        subprocess.Popen(writing, cwd=folder, stdout=subprocess.PIPE) as writer,
    ):
        writer.stdout.readline()
        try:
            end = time.monotonic() + 60.0
            while time.monotonic() < end and len(ids) < 2:
                reply = process.ask("POST", "/apply", ROWS)
                assert reply.status == 200, reply.body
                content = reply.json()
                t, own = (content["calibrator"][key] for key in ("temperature", "id"))
                assert np.array_equal(content["probs"], known[t])
                assert reply.headers["x-temperance-calibrator"] == own
                assert ids.setdefault(t, own) == own
        finally:
            writer.kill()
        counts = process.ask("GET", "/metrics").body.decode()
    assert set(ids) == {2.0, 3.0}
    assert counts.count("temperance_calibrator_info{") == 1


# --- the rude --------------------------------------------------------------------------------


def drip(process, text, pause=0.1):
    """Send a text a few bytes at a time; return what comes back before the connection ends."""
    with connected(process) as client:
        client.settimeout(0.0)
        answer = b""
        for byte in text:
            try:
                client.sendall(bytes([byte]))
                answer += client.recv(1 << 16) or b"<end>"
            except BlockingIOError:
                pass
            except OSError:
                return answer
            if answer:
                return answer
            time.sleep(pause)
        return answer


def rude(process, number):
    """Be one of the clients that no service wants; the connection ends either way."""
    large = b"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    half = f"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: {len(ROWS)}\r\n\r\n".encode()
    pieces = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET /" + b"a" * 100_000, large + b"{" * 200_000, half + ROWS[:9].encode(), b"",
        b"POST /apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        half + ROWS.encode(),  # and does not wait for the answer
        b"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nNaN",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
    ]  # fmt: skip
    try:
        with connected(process) as client:
            client.sendall(pieces[number % len(pieces)])
            if number % 3 == 0:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    except OSError:
        pass


@posix
def test_a_head_and_a_body_that_drip_are_cut_off(folder):
    """When the time is over: without an answer, or with 408; others are answered meanwhile."""
    with served(folder, "c.json", "--max-seconds", "1") as process:
        answers = {}
        texts = {"head": b"GET /healthz HTTP/1.1\r\nHost: " + b"x" * 100,
                 "body": b"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n"
                 + b" " * 99}  # fmt: skip

        def send(name):
            answers[name] = drip(process, texts[name][:-40], 0.05)

        start = time.monotonic()
        threads = [threading.Thread(target=send, args=(name,)) for name in texts]
        for each in threads:
            each.start()
        while any(each.is_alive() for each in threads):
            assert process.ask("POST", "/apply", ROWS).status == 200
            time.sleep(0.2)
        assert time.monotonic() - start < 20
    assert answers["head"] in (b"<end>", b"")
    assert answers["body"].startswith((b"HTTP/1.1 408", b"<end>"))


def test_what_is_no_http_is_told_so_in_json(folder):
    """As all else that is refused."""
    with served(folder, "c.json") as process:
        for head in (b"GET /healthz\r\n\r\n", b"\x16\x03\x01\x02garbage\r\n\r\n",
                     b"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"):  # fmt: skip
            with connected(process) as client:
                client.sendall(head)
                answer = b"".join(iter(lambda: client.recv(4096), b""))
            start, _, body = answer.partition(b"\r\n\r\n")
            assert start.startswith(b"HTTP/1.1 400")
            assert json.loads(body) == {"error": "Invalid HTTP request received."}


@pytest.mark.slow
def test_rude_clients_lose_no_good_request(folder, request):
    """Every good request is answered right beside slow, broken and hostile ones, with one id.

    In full for a minute, else for three seconds; the service then still ends as it should.
    """
    seconds = 60.0 if "slow" in request.config.getoption("markexpr") else 3.0
    expected = tp.TemperatureScaling(2.0).apply(json.loads(ROWS)["logits"])
    stop, sent = threading.Event(), [0]

    def be_rude(first):
        number = first
        while not stop.is_set():
            rude(process, number)
            number += 1
            sent[0] += 1

    def be_slow():
        while not stop.is_set():
            drip(process, b"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", 0.02)

    with served(folder, "c.json", "--max-seconds", "2") as process:
        threads = [threading.Thread(target=be_rude, args=(n,)) for n in range(3)]
        threads += [threading.Thread(target=be_slow) for _ in range(5)]
        for each in threads:
            each.start()
        good, end = 0, time.monotonic() + seconds
        try:
            while time.monotonic() < end or good < 20 or sent[0] < 20:
                reply = process.ask("POST", "/apply", ROWS)
                assert reply.status == 200, reply.body
                assert np.array_equal(reply.json()["probs"], expected)
                good += 1
        finally:
            stop.set()
            for each in threads:
                each.join()
        process.process.terminate()
        _, said = process.process.communicate(timeout=30)
    assert "Traceback" not in said
    if sys.platform != "win32":
        assert process.process.returncode == 0


@posix
def test_a_token_over_the_wire(folder):
    """It is asked for where it is given, on loopback too."""
    with served(folder, "c.json", "--host", "127.0.0.1", "--token-file", "token") as process:
        assert process.ask("POST", "/apply", ROWS).status == 401
        header = {"Authorization": f"Bearer {TOKEN}"}
        assert process.ask("POST", "/apply", ROWS, header).status == 200
        large = process.ask("POST", "/apply", b"x" * 5_000_000)
        assert large.status == 401
        assert process.ask("POST", "/apply", b"x" * 17_000_000, header).status == 413
