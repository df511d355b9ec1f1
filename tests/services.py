"""A service under test: its application called in this process, and a process of its own."""

import asyncio
import http.client
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """An answer of HTTP."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        """Return what the body holds."""
        return json.loads(self.body)


async def request(app, method, path, body=b"", headers=(), *, chunks=None, hold=None):
    """Call an ASGI application as a server does, and return its answer.

    `chunks` are pieces of a body whose length the head does not say; after the last of them comes
    nothing but, where `hold` is "leave", the end of the connection, or, where it is "wait", nothing
    at all.
    """
    head = {"content-length": str(len(body))} if chunks is None else {}
    head |= {"content-type": "application/json"} | dict(headers)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "state": {},
        "headers": [(k.encode(), v.encode()) for k, v in head.items() if v is not None],
    }  # fmt: skip
    pieces = [body] if chunks is None else list(chunks)
    sent = []

    async def receive():
        if pieces:
            piece = pieces.pop(0)
            more = bool(pieces) or hold is not None
            return {"type": "http.request", "body": piece, "more_body": more}
        if hold == "wait":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    start, *rest = sent
    headers = {k.decode(): v.decode() for k, v in start["headers"]}
    return Reply(start["status"], headers, b"".join(each.get("body", b"") for each in rest))


def call(app, method, path, body=b"", headers=(), **more):
    """Call an application once, outside any loop."""
    return asyncio.run(request(app, method, path, body, headers, **more))


def post(app, content, headers=(), **more):
    """Post JSON, or bytes as they are, to /apply."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return call(app, "POST", "/apply", body, headers, **more)


@dataclass(frozen=True)
class Process:
    """A service in a process of its own."""

    host: str
    port: int
    process: subprocess.Popen
    told: dict  # what it printed when it began

    def ask(self, method, path, body=None, headers=()):
        """Send a request over a connection of its own."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Reply(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


@contextmanager
def served(folder, *arguments, command=("serve",)):
    """Run `temperance serve ...` in a folder, at a free port, until the `with` ends."""
    words = map(str, [*command, *arguments])
    command = [sys.executable, "-m", "temperance", *words, "--port", "0"]
    with subprocess.Popen(  # noqa: S603  (our own command)
        [*command, "--json"], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            lines = []
            while not lines or lines[-1] != "}\n":
                line = process.stdout.readline()
                assert line, process.stderr.read()
                lines.append(line)
            told = json.loads("".join(lines))
            address = urlsplit(told["url"])
            yield Process(address.hostname, address.port, process, told)
        finally:
            if process.poll() is None:
                process.kill()
