"""What `temperance serve` costs beside a bare echo of the same server: docs/benchmarks.md.

`python benchmarks/serving.py` starts one worker of each, sends the same bodies to both over
connections that stay open, in turn, and writes the page. `--soak SECONDS` lets slow, broken and
hostile clients in beside good ones instead, and says what became of the good requests.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import temperance as tp

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
CLASSES = 10
BATCHES = (1, 256)
CONNECTIONS = (1, 8)
SECONDS = 3.0  # of a round
ROUNDS = 5
ECHO = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
async def echo(request):
    return Response(await request.body(), media_type="application/json")
config = uvicorn.Config(
    Starlette(routes=[Route("/apply", echo, methods=["POST"])]), http="h11", ws="none",
    port=int(sys.argv[1]), log_config=None, access_log=False,
)
uvicorn.Server(config).run()
"""


class Round(NamedTuple):
    """What one round of requests took."""

    latencies: list[float]  # seconds
    wall: float
    cpu: float  # seconds of the server


class Service(NamedTuple):
    """A server of its own process."""

    name: str
    port: int
    process: int


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def running(name: str, command: list[str], port: int) -> Iterator[Service]:
    """Start a server and wait until it takes connections."""
    with subprocess.Popen([sys.executable, *command], stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(600):
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.05)
            yield Service(name, port, process.pid)
        finally:
            process.terminate()


def bodies(batch: int) -> dict[str, tuple[str, bytes]]:
    """Return the rows of a request in each form, with its content type."""
    z = np.random.default_rng(0).normal(size=(batch, CLASSES)) * 3.0
    packed = BytesIO()
    np.savez(packed, logits=z)
    return {
        "JSON": ("application/json", json.dumps({"logits": z.tolist()}).encode()),
        "npz": ("application/x-npz", packed.getvalue()),
    }


def message(kind: str, body: bytes) -> bytes:
    """Return a request as it goes over the wire."""
    head = f"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def exchange(client: socket.socket, request: bytes) -> bytes:
    """Send a request and return its answer's body; an answer that is no 200 is an error."""
    client.sendall(request)
    head, _, body = client.recv(1 << 16).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head + body
    length = int(re.search(rb"content-length: (\d+)", head.lower())[1])
    while len(body) < length:
        body += client.recv(1 << 20)
    return body


def worker(port: int, request: bytes, seconds: float, times: multiprocessing.Queue) -> None:
    """Send one request after the other over one connection."""
    latencies = []
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            exchange(client, request)
            latencies.append(time.perf_counter() - start)
    times.put(latencies)


def one_round(service: Service, request: bytes, connections: int, seconds: float) -> Round:
    """Send requests over some connections at once, from a process each."""
    times = multiprocessing.Queue()
    workers = [
        multiprocessing.Process(target=worker, args=(service.port, request, seconds, times))
        for _ in range(connections)
    ]
    before, start = cpu(service), time.perf_counter()
    for each in workers:
        each.start()
    latencies = [latency for _ in workers for latency in times.get()]
    wall, used = time.perf_counter() - start, cpu(service) - before
    for each in workers:
        each.join()
    return Round(latencies, wall, used)


def cpu(service: Service) -> float:
    """Return the CPU seconds of a server so far."""
    stat = Path(f"/proc/{service.process}/stat").read_text(encoding="utf-8")
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def timed(services: list[Service]) -> list[str]:
    """Return the table: each form, batch and number of connections, the servers in turn."""
    lines = [
        "| server | body | rows | connections | requests/s | p50, ms | p99, ms | CPU, us each |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    for batch in BATCHES:
        for form, (kind, body) in bodies(batch).items():
            for connections in CONNECTIONS if form == "JSON" else CONNECTIONS[:1]:
                request, rounds = message(kind, body), {each: [] for each in services}
                for each in services:
                    one_round(each, request, connections, 0.3)  # warm
                for _ in range(ROUNDS):
                    for each in services:
                        rounds[each].append(one_round(each, request, connections, SECONDS))
                for each in services:
                    lines.append(line(each, form, batch, connections, rounds[each]))
                    print(lines[-1])
    return lines


def line(service: Service, form: str, batch: int, connections: int, rounds: list[Round]) -> str:
    """Return a row of the table: medians over the rounds."""
    per_second = median(len(each.latencies) / each.wall for each in rounds)
    p50, p99 = (
        median(float(np.percentile(each.latencies, q)) for each in rounds) * 1e3 for q in (50, 99)
    )
    used = median(each.cpu / len(each.latencies) for each in rounds) * 1e6
    return (
        f"| {service.name} | {form} | {batch} | {connections} | {per_second:,.0f} | {p50:.2f} | "
        f"{p99:.2f} | {used:,.0f} |"
    )


# --- a soak ------------------------------------------------------------------------------------


def rude(port: int, number: int) -> None:
    """Be a client that no service wants: not HTTP, too much, half of it, gone before the answer."""
    body = bodies(1)["JSON"][1]
    whole = message("application/json", body)
    large = b"POST /apply HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
    texts = (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"GET /" + b"a" * 100_000,
        large + b"{" * 200_000, whole[:-9], whole, b"",
        b"POST /apply HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        message("application/json", b'{"logits": [[NaN, 1]]}'), message("application/x-npz", b"PK"),
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        client.sendall(texts[number % len(texts)])
        if number % 3 == 0:  # reset it
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def be_rude(port: int, seconds: float, sent: multiprocessing.Queue) -> None:
    """Be one rude client after the other, beside twenty slow ones."""
    end, number = time.monotonic() + seconds, 0
    slow = [threading.Thread(target=drip, args=(port, end), daemon=True) for _ in range(20)]
    for each in slow:
        each.start()
    while time.monotonic() < end:
        with suppress(OSError):
            rude(port, number)
        number += 1
        time.sleep(0.002)
    sent.put(number)


def drip(port: int, end: float) -> None:
    """Send a request byte by byte, again and again."""
    whole = message("application/json", bodies(256)["JSON"][1])
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                for byte in whole:
                    client.sendall(bytes([byte]))
                    time.sleep(0.05)
        except OSError:
            pass


def soak(port: int, path: Path, seconds: float) -> str:
    """Send good requests beside rude clients, while the file changes; return what became of them.

    Every answer must be that of one of the two maps.
    """
    z = json.loads(bodies(1)["JSON"][1])["logits"]
    known = {t: tp.TemperatureScaling(t).apply(z).tolist() for t in (1.7, 2.5)}
    request = message(*bodies(1)["JSON"])
    sent = multiprocessing.Queue()
    others = [multiprocessing.Process(target=be_rude, args=(port, seconds, sent)) for _ in range(2)]
    for each in others:
        each.start()
    end, latencies, lost, changed = time.monotonic() + seconds, [], 0, 0.0
    while (now := time.monotonic()) < end:
        if now - changed > 0.5:
            tp.save(tp.TemperatureScaling((1.7, 2.5)[len(latencies) % 2]), path)
            changed = now
        start = time.perf_counter()
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
                answer = json.loads(exchange(client, request))
            assert answer["probs"] == known[answer["calibrator"]["temperature"]]
        except (OSError, AssertionError, TypeError):
            lost += 1
        latencies.append(time.perf_counter() - start)
    number = sum(sent.get() for _ in others)
    p50, p99, most = (float(np.percentile(latencies, q)) * 1e3 for q in (50, 99, 100))
    return (
        f"In {seconds:.0f} s, {len(latencies):,} good requests on connections of their own beside "
        f"{number:,} broken or hostile ones and 40 clients that send a byte every 50 ms, while the "
        f"file changed twice a second: {lost} lost, p50 {p50:.1f} ms, p99 {p99:.1f} ms, the "
        f"slowest {most:.0f} ms."
    )


def busy() -> str:
    """Return how much else the machine had to do."""
    return (
        f"The machine's load average was {os.getloadavg()[2]:.1f} on {os.cpu_count()} processors: "
        "the last column repeats, the others are those of a busy machine."
    )


def main() -> None:
    """Time both servers, or soak ours, print, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        path, port, echo = Path(folder) / "calibrator.json", free_port(), free_port()
        tp.save(tp.TemperatureScaling(1.7), path)
        serve = ["-m", "temperance", "serve", str(path), "--port", str(port)]
        with running("temperance serve", [*serve, "--max-seconds", "5"], port) as ours:
            if "--soak" in sys.argv:
                print(soak(port, path, float(sys.argv[sys.argv.index("--soak") + 1])))
                return
            with running("echo", ["-c", ECHO, str(echo)], echo) as bare:
                lines = timed([ours, bare])
            lines += ["", soak(port, path, 60.0), "", busy()]
            print("\n".join(lines[-3:]))
    text = PAGE.read_text(encoding="utf-8")
    block = "<!-- serving -->\n\n" + "\n".join(lines) + "\n\n<!-- /serving -->"
    text = re.sub("<!-- serving -->.*<!-- /serving -->", lambda _: block, text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
