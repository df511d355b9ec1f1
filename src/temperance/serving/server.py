"""The service as a process: its socket, its token, slow heads, and a clean end."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import stat
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from temperance.checks.arguments import as_number
from temperance.errors import FileFormatError, InvalidInputError
from temperance.serving.app import application
from temperance.serving.json_rows import as_json
from temperance.serving.limits import Limits

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from os import PathLike
    from types import FrameType

    from starlette.applications import Starlette

__all__ = ["Started", "run", "serve", "token_for"]

_SHORTEST_TOKEN = 16
_KEEP_ALIVE = 15  # seconds between two requests of one connection
_MOST_CONNECTIONS = 900
_OTHER_FILES = 100
_BACKLOG = 64  # connections that are taken before the data of others is looked at
_QUEUE = 1024  # connections that wait for that in the system's queue
_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


class Started(NamedTuple):
    """A service that takes requests."""

    url: str
    content: dict[str, Any]  # what it applies, with the keys of every answer


def serve(
    path: str | PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    token_file: str | PathLike[str] | None = None,
    limits: Limits | None = None,
    access_log: bool = False,
    on_start: Callable[[Started], None] | None = None,
) -> None:
    """Serve a calibrator or a policy until a signal ends it; requests under way are answered.

    Parameters
    ----------
    path : path
        A `calibrator.json` or `policy.json`; it is read again when it changes.
    host : str, default "127.0.0.1"
        Address to listen at. One that other machines reach needs a `token_file`.
    port : int, default 8080
        0 takes any that is free.
    token_file : path, optional
        A file that its owner alone may read, with the token that requests must carry.
    limits : Limits, optional
        What is taken of a request, and of all at once.
    access_log : bool, default False
        Log a line per request.
    on_start : callable, optional
        Called with a `Started` when requests are taken.

    Raises
    ------
    FileFormatError
        The file is no calibrator and no policy, the token file no token.
    InvalidInputError
        No such address, a port that is taken, an open address without a token, a token file that
        others can read.
    """
    limits = limits or Limits()
    token = token_for(host, port, token_file)
    app = application(path, limits=limits, token=token, access_log=access_log)
    run(app, app.state.served.description, host=host, port=port, limits=limits, on_start=on_start)


def token_for(host: str, port: int, token_file: str | PathLike[str] | None) -> str | None:
    """Return the token that requests must carry, or raise where an open address has none."""
    as_number(port, name="port", rule="from 0 to 65535", least=0, most=65535, option="--port")
    token = None if token_file is None else read_token(Path(token_file))
    if token is None and not is_loopback(host):
        msg = (
            f"`host` (--host) {host} can be reached from other machines: `token_file` "
            "(--token-file) must name a file with the token that requests carry."
        )
        raise InvalidInputError(msg)
    return token


def run(
    app: Starlette,
    content: dict[str, Any],
    *,
    host: str,
    port: int,
    limits: Limits,
    on_start: Callable[[Started], None] | None,
) -> None:
    """Serve an application until a signal ends it; requests under way are answered."""
    config = uvicorn.Config(
        app, http=_protocol(limits.max_seconds), ws="none", lifespan="on", log_config=None,
        access_log=False, server_header=False, timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, round(limits.max_seconds)), backlog=_BACKLOG,
    )  # fmt: skip
    with bound_socket(host, port) as listening:
        name = f"[{host}]" if ":" in host else host
        started = Started(f"http://{name}:{listening.getsockname()[1]}", content)
        server = _Server(config, lambda: None if on_start is None else on_start(started))
        server.run(sockets=[listening])


def read_token(path: Path) -> str:
    """Return the token of a file that its owner alone may read, or raise."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        why = "it holds no ASCII text" if isinstance(error, ValueError) else error.strerror
        msg = f"{path}: is no token file: {why}."
        raise FileFormatError(msg) from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        msg = f"{path}: others can read the token: chmod 600 {path}."
        raise InvalidInputError(msg)
    if len(text) < _SHORTEST_TOKEN or not all(c.isalnum() or c in "-._~+/=" for c in text):
        msg = (
            f"{path}: must hold one token of {_SHORTEST_TOKEN} letters, digits or -._~+/= or more, "
            "as `openssl rand -hex 32` makes them."
        )
        raise FileFormatError(msg)
    return text


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Open a socket that listens at an address, or say why it cannot."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        msg = f"`host` (--host) {host} is no address of this machine: {error}."
        raise InvalidInputError(msg) from error
    # asyncio sends answers at once (TCP_NODELAY) only where the socket names its protocol
    with socket.socket(family, kind, protocol) as listening:
        try:
            if os.name == "posix":  # elsewhere it would share a port that is taken
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or error
            msg = f"`port` (--port) {port} of {host} cannot be listened at: {why}."
            raise InvalidInputError(msg) from error
        yield listening


class _Server(uvicorn.Server):
    """A server that says when it takes requests, and whose end by a signal is an end like any."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and tell."""
        await super().startup(sockets=sockets)
        for listening in sockets or ():
            listening.listen(_QUEUE)
        self.on_start()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let signals end the server: the first when all requests are answered, a second at once.

        Those that the process ignores (`nohup`) stay ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
        before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) != signal.SIG_IGN}
        for number in before:
            signal.signal(number, self.handle_exit)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """End when all requests are answered; asked twice, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True


class _Protocol(H11Protocol):
    """HTTP whose clients must send the head of a request in time.

    Where connections run out, the one that has waited longest for its head makes room.
    """

    head_seconds: float
    waiting: dict[_Protocol, asyncio.TimerHandle]  # of all connections, the longest first

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection; if there are too many, let another go."""
        super().connection_made(transport)
        if len(self.connections) > _most_connections():
            longest = next(iter(self.waiting), self)
            longest.give_up()
        if not transport.is_closing():
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those of a head do not win it more time."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self.conn.their_state is h11.IDLE:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let the connection go."""
        self._stop_waiting()
        super().connection_lost(exc)

    def give_up(self) -> None:
        """Close the connection: no head has come."""
        self._stop_waiting()
        if not self.transport.is_closing():
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP as all else that is refused: with JSON."""
        body = as_json({"error": f"{msg.rstrip('.')}."})
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body), h11.EndOfMessage(),
        ):  # fmt: skip
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _wait(self) -> None:
        if self not in self.waiting:
            self.waiting[self] = self.loop.call_later(self.head_seconds, self.give_up)

    def _stop_waiting(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer is not None:
            timer.cancel()


def _protocol(head_seconds: float) -> type[_Protocol]:
    """Return the protocol of one server, whose clients have so long for the head of a request."""
    return type("_Protocol", (_Protocol,), {"head_seconds": head_seconds, "waiting": {}})


@cache
def _most_connections() -> int:
    """Return how many connections leave files for all else that a process opens."""
    try:
        import resource  # noqa: PLC0415  (of POSIX)
    except ImportError:
        return _MOST_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = soft == resource.RLIM_INFINITY
    return _MOST_CONNECTIONS if unlimited else max(8, min(_MOST_CONNECTIONS, soft - _OTHER_FILES))
