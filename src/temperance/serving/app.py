"""The service as an ASGI application: its paths, and what becomes of a request, good or bad."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from temperance.errors import MissingDependencyError, TemperanceError
from temperance.serving.bulk import answer_arrow, answer_npz
from temperance.serving.cascade_rows import answer_cascade
from temperance.serving.decision_answers import answer_decisions, is_decision
from temperance.serving.guard import Guard
from temperance.serving.json_rows import answer_rows, as_json, parsed
from temperance.serving.limits import Limits, RefusalError
from temperance.serving.metrics import CONTENT_TYPE_LATEST, ServiceMetrics
from temperance.serving.served import Reply, Served, WatchedFile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from os import PathLike

    from starlette.types import Scope

__all__ = ["ANSWERS", "application", "log"]

log = logging.getLogger("temperance.serving")

JSON, NPZ, ARROW = "application/json", "application/x-npz", "application/vnd.apache.arrow.stream"
_AS_JSON = {"", JSON, "application/x-www-form-urlencoded"}  # the last is what curl -d says
_INLINE = 1 << 16  # bytes of a JSON body that is answered in a few ms, on the loop of requests
_INLINE_NUMBERS = 1 << 20  # that its rows may be, padded to the longest
_MOST_DIGITS = 18  # of a number of bytes
_RELOAD_SECONDS = 1.0
_WORKERS = 2  # threads of large bodies; NumPy lets the others run
_SMALL = 1 << 16  # bytes of a body that is read however many others are being read
_BODIES = 8  # so many of the largest may be in memory at once
_DRAIN_SECONDS = 2.0  # in which the rest of a refused body is read, so that its sender hears why
_PATHS = ("/apply", "/calibrator", "/healthz", "/metrics")
_ID = "x-temperance-calibrator"  # header of every answer
_OPEN = ("/healthz",)  # without a token: it says nothing of the map
_UNREAD = "temperance.unread"  # key of a request's scope: more of its body may come
_BUSY = "the service is busy; try again in a moment."
_PROBS_ADVICE = (
    "`logits` look like probabilities. Post them as `probs`; if they really are logits, add "
    '"refuse_probs": false.'
)


def _answer_json(body: bytes, served: Served, limits: Limits) -> Reply:
    content = parsed(body)
    if served.cascade is not None:
        return answer_cascade(content, served, limits)
    answer = answer_decisions if is_decision(content) else answer_rows
    return answer(content, served, limits)


ANSWERS: dict[str, Callable[[bytes, Served, Limits], Reply]] = {
    JSON: _answer_json, NPZ: answer_npz, ARROW: answer_arrow,
}  # fmt: skip


def application(
    path: str | PathLike[str],
    *,
    limits: Limits | None = None,
    token: str | None = None,
    access_log: bool = False,
) -> Starlette:
    """Return an ASGI application that serves a calibrator, a policy or a cascade.

    Parameters
    ----------
    path : path
        A `calibrator.json`, `policy.json` or `cascade.json`; it is read again when it changes.
    limits : Limits, optional
        What is taken of a request, and of all at once.
    token : str, optional
        Bearer token that requests must carry, but for `/healthz`.
    access_log : bool, default False
        Log a line per request.

    Returns
    -------
    Starlette
        `POST /apply`, `GET /calibrator`, `/healthz`, `/metrics`.

    Raises
    ------
    FileFormatError
        The file is no calibrator, no policy and no cascade.

    Examples
    --------
    >>> import tempfile, temperance as tp
    >>> path = tempfile.mkdtemp() + "/calibrator.json"
    >>> tp.save(tp.TemperatureScaling(2.0), path)
    >>> application(path).state.served.calibrator.temperature
    2.0
    """
    return _Service(Path(path), limits or Limits(), token, access_log=access_log).app


class _Service:
    """The state of one service: the watched file, what is counted, and what is worked on."""

    def __init__(self, path: Path, limits: Limits, token: str | None, *, access_log: bool) -> None:
        self.limits = limits
        self.access_log = access_log
        self.file = WatchedFile(path, self.tell_reload)
        self.metrics = ServiceMetrics(self.file.current)
        self._waiting = 0  # large bodies that are worked on, or wait for it
        self._watched = False  # outside the requests
        self._next_look = time.monotonic() + _RELOAD_SECONDS
        self._n_bytes = 0  # bytes of bodies that are being read
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="temperance-apply")
        routes = [
            Route("/apply", self.endpoint(self.apply), methods=["POST"]),
            Route("/calibrator", self.endpoint(self.calibrator)),
            Route("/healthz", self.endpoint(self.health)),
            Route("/metrics", self.endpoint(self.scrape)),
        ]
        self.app = Starlette(
            routes=routes, lifespan=self.lifespan,
            exception_handlers={HTTPException: self.endpoint(_unknown)},
        )  # fmt: skip
        self.app.router.redirect_slashes = False  # to where the client says that it is
        self.app.state.served = self.file.current
        if token is not None:
            self.app.add_middleware(
                Guard, token=token, refuse=self.endpoint(_unauthorized),
                is_open=lambda scope: _own_path(scope) in _OPEN,
            )  # fmt: skip

    async def look(self) -> None:
        """Look at the file when that is due, where nothing watches it: in a mounted application."""
        now = time.monotonic()
        if self._watched or now < self._next_look:
            return
        self._next_look = now + _RELOAD_SECONDS
        await asyncio.to_thread(self.file.check)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Watch the file for as long as the application runs."""
        self._watched = True
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_RELOAD_SECONDS)
            await asyncio.to_thread(self.file.check)

    def tell_reload(self, success: bool, words: str) -> None:  # noqa: FBT001
        """Log and count that a newer map is served, or why not."""
        log.log(logging.INFO if success else logging.WARNING, "%s", words)
        self.metrics.reloads.labels("taken" if success else "refused").inc()
        if success:
            self.metrics.describe(self.file.current)

    def endpoint(self, answer: Any) -> Any:  # noqa: ANN401  (coroutines of starlette)
        """Return what answers a request, counts it, and lets nothing through that is raised."""

        async def answered(request: Request, *raised: Exception) -> Response:
            start = time.perf_counter()
            self.metrics.in_progress.inc()
            try:
                await self.look()
                response: Response = await answer(request, *raised)
            except RefusalError as error:
                response = _error(error.status, str(error))
            except MissingDependencyError as error:
                response = _error(501, str(error))
            except TemperanceError as error:
                response = _error(400, _in_request(str(error)))
            except ClientDisconnect:
                self.metrics.hang_ups.inc()
                response = Response(status_code=400)  # which nobody reads
            except Exception:
                name = token_hex(4)
                log.exception("error %s of %s %s", name, request.method, request.url.path)
                response = _error(500, f"internal error {name}: the server's log says more.")
            finally:
                self.metrics.in_progress.dec()
            if request.scope.get(_UNREAD):
                response.headers["connection"] = "close"
            seconds = time.perf_counter() - start
            self._count(request, response.status_code, seconds)
            response.headers.setdefault(_ID, self.file.current.id)
            return response

        return answered

    def _count(self, request: Request, status: int, seconds: float) -> None:
        own = _own_path(request.scope)
        path = own if own in _PATHS else "other"
        self.metrics.requests.labels(path, str(status)).inc()
        self.metrics.seconds.labels(path).observe(seconds)
        if self.access_log:
            log.info("%s %s %d %.1f ms", request.method, path, status, 1000.0 * seconds)

    async def apply(self, request: Request) -> Response:
        """Calibrate the rows of a body, and answer in its form."""
        form = _form(request)
        deadline = asyncio.get_running_loop().time() + self.limits.max_seconds
        body = bytearray()
        try:
            await self._read(request, body, deadline)
            served = self.file.current  # this one answers, whatever the file holds by then
            work = partial(ANSWERS[form], bytes(body), served, self.limits)
            reply = (
                work()
                if form == JSON and _is_short(body)
                else await self._in_thread(work, deadline)
            )
        finally:
            self._n_bytes -= len(body)
        self.metrics.rows.inc(reply.rows)
        self.metrics.accepted.inc(reply.accepted)
        return Response(reply.content, media_type=form, headers={_ID: served.id})

    async def calibrator(self, _request: Request) -> Response:
        """Return what is served, as its file has it."""
        served = self.file.current
        content = as_json({**served.description, "content": served.content})
        return Response(content, media_type=JSON, headers={_ID: served.id})

    async def health(self, _request: Request) -> Response:
        """Say that requests are answered."""
        return Response(as_json({"status": "ok"}), media_type=JSON)

    async def scrape(self, _request: Request) -> Response:
        """Return the counts."""
        return Response(self.metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})

    async def _read(self, request: Request, body: bytearray, deadline: float) -> None:
        """Read a body into memory, or refuse it: too large, too slow, too many at once."""
        limits = self.limits
        request.scope[_UNREAD] = True
        try:
            async with asyncio.timeout_at(deadline):
                declared = request.headers.get("content-length", "")
                if declared.isdecimal():  # of many digits only the first tell
                    limits.check_bytes(int(declared.lstrip("0")[:_MOST_DIGITS] or 0))
                while request.scope[_UNREAD]:
                    chunk = await _next_chunk(request)
                    body += chunk
                    self._n_bytes += len(chunk)
                    limits.check_bytes(len(body))
                    self._check_memory(body)
        except TimeoutError:
            msg = f"the body was not there after {limits.max_seconds:g} seconds."
            raise RefusalError(408, msg) from None
        except RefusalError:
            await _drain(request)
            raise

    def _check_memory(self, body: bytearray) -> None:
        """Raise for a large body where others fill the memory that all of them may take."""
        if len(body) > _SMALL and self._n_bytes > _BODIES * self.limits.max_bytes:
            raise RefusalError(503, _BUSY)

    async def _in_thread(self, work: Callable[[], Reply], deadline: float) -> Reply:
        """Return what work gives that is too long for the loop of all requests."""
        if self._waiting >= self.limits.max_waiting:
            raise RefusalError(503, _BUSY)
        loop = asyncio.get_running_loop()
        self._waiting += 1
        working = self._pool.submit(work)
        working.add_done_callback(lambda _: _call_in(loop, self._end_work))
        try:
            async with asyncio.timeout_at(deadline):
                return await asyncio.wrap_future(working)
        except TimeoutError:
            msg = f"no answer after {self.limits.max_seconds:g} seconds: {_BUSY}"
            raise RefusalError(503, msg) from None

    def _end_work(self) -> None:
        self._waiting -= 1


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call something in the thread of a loop, unless that has ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def _own_path(scope: Scope) -> str:
    """Return the path of a request inside the application, which may be mounted in another one."""
    path: str = scope["path"]
    root = scope.get("root_path", "")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def _form(request: Request) -> str:
    """Return the content type of a body, one of those that are answered."""
    name = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    form = JSON if name in _AS_JSON else name
    encoding = request.headers.get("content-encoding", "identity")
    if form not in ANSWERS or encoding != "identity":
        what = name if form not in ANSWERS else f"content-encoding {encoding}"
        msg = f"the body must be {', '.join(ANSWERS)}, not compressed; it is {what}."
        raise RefusalError(415, msg)
    return form


def _is_short(body: bytearray) -> bool:
    """Whether a JSON body is answered in a few ms, whatever it is."""
    if len(body) > _INLINE:
        return False
    rows, numbers = body.count(b"[") + body.count(b"{"), body.count(b",")
    return rows * max(numbers - rows, 1) <= _INLINE_NUMBERS


async def _next_chunk(request: Request) -> bytes:
    """Return what comes next of a body, and note whether that was the last."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    request.scope[_UNREAD] = message.get("more_body", False)
    chunk: bytes = message.get("body", b"")
    return chunk


async def _drain(request: Request) -> None:
    """Read what is still sent of a refused body: one that waits for leave to send is not asked."""
    with suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while request.scope[_UNREAD] and "expect" not in request.headers:
                await _next_chunk(request)


def _error(status: int, message: str) -> Response:
    headers = {"retry-after": "1"} if status == 503 else {}
    return Response(as_json({"error": message}), status, headers, media_type=JSON)


_OPTIONS = re.compile(r" \(--[^)]*\)")
_ADVICE = re.compile(
    r"(?: [^.?]*\?)? (?:[^.?]* )?`?--[^.?]*[.?]"
)  # of options, and the question before it


def _in_request(message: str) -> str:
    """Return a message of the library as who posts rows can use it: without options.

    >>> _in_request("`probs` must sum to 1; row 0 does not. Rounded? `--renormalize` divides.")
    '`probs` must sum to 1; row 0 does not.'
    """
    if message.startswith("`logits` look like probabilities"):
        return _PROBS_ADVICE
    return _ADVICE.sub("", _OPTIONS.sub("", message))


async def _unknown(_request: Request, error: HTTPException) -> Response:
    """Answer a path, or a method, that there is not."""
    response = _error(error.status_code, f"{error.detail}. There is POST /apply, and GET "
                      f"{', '.join(_PATHS[1:])}.")  # fmt: skip
    response.headers.update(error.headers or {})
    return response


async def _unauthorized(request: Request) -> Response:
    """Refuse a request without the token."""
    request.scope[_UNREAD] = True
    await _drain(request)
    response = _error(401, "the header Authorization must be Bearer and the service's token.")
    response.headers["www-authenticate"] = "Bearer"
    return response
