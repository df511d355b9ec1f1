"""The page and the metrics of a monitor over HTTP: read-only, made by our own templates."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from temperance.errors import TemperanceError
from temperance.monitor import Registry, Store
from temperance.monitor.messages import prometheus_text
from temperance.monitor.overview import overview
from temperance.serving.guard import Guard
from temperance.serving.limits import Limits
from temperance.serving.server import run, token_for

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from os import PathLike

    from starlette.requests import Request

    from temperance.serving.server import Started

__all__ = ["monitor_application", "serve_monitor"]

log = logging.getLogger("temperance.serving")

_SECONDS = 10.0  # seconds for which what was made is given again
_REFRESH = 60  # seconds after which a browser asks again
_HEAD = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def serve_monitor(
    store: str,
    *,
    host: str = "127.0.0.1",
    port: int = 8081,
    token_file: str | PathLike[str] | None = None,
    on_start: Callable[[Started], None] | None = None,
) -> None:
    """Show a monitor to browsers and to Prometheus until a signal ends it.

    Parameters
    ----------
    store : str
        A file, or postgresql://...
    host, port, token_file, on_start
        As in `temperance.serving.serve`.

    Raises
    ------
    InvalidInputError
        There is no store; an open address without a token; a port that is taken.
    StoreError
        The store cannot be opened.
    """
    token = token_for(host, port, token_file)
    app = monitor_application(store, token=token)
    run(app, {"store": store}, host=host, port=port, limits=Limits(), on_start=on_start)


def monitor_application(store: str, *, token: str | None = None) -> Starlette:
    """Return an ASGI application with the page (/), /status, /metrics and /healthz of a store.

    Parameters
    ----------
    store : str
        A file, or postgresql://...
    token : str, optional
        What requests must carry, but for /healthz: as a bearer token, or as the password that a
        browser asks for (the name does not count).

    Raises
    ------
    InvalidInputError
        There is no store.
    """
    pages = _CachedPages(store)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        pages.close()

    routes = [
        Route("/", _endpoint(pages, _page)),
        Route("/status", _endpoint(pages, _status)),
        Route("/metrics", _endpoint(pages, _metrics)),
        Route("/healthz", lambda _: JSONResponse({"status": "ok"})),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    if token is not None:
        app.add_middleware(
            Guard, token=token, refuse=_unauthorized, password=True,
            is_open=lambda scope: scope["path"] == "/healthz",
        )  # fmt: skip
    return app


class _CachedPages:
    """A store that is looked at, and what was made of it a moment ago."""

    def __init__(self, address: str) -> None:
        self._store = Store.open(address)
        self._registry = Registry(self._store.settings.registry)
        self._responses: dict[str, tuple[float, Response]] = {}
        self._one = threading.Lock()

    def close(self) -> None:
        """Let the store go."""
        self._store.close()

    def get(self, name: str, make: Callable[[Store, Registry], Response]) -> Response:
        """Return what was made within the last seconds, or make it; one at a time."""
        with self._one:
            at, response = self._responses.get(name, (0.0, Response()))
            if not at or time.monotonic() - at > _SECONDS:
                response = make(self._store, self._registry)
                self._responses[name] = (time.monotonic(), response)
        return response


def _endpoint(pages: _CachedPages, make: Callable[[Store, Registry], Response]) -> Any:  # noqa: ANN401
    async def answered(_: Request) -> Response:
        try:
            return await asyncio.to_thread(pages.get, make.__name__, make)
        except TemperanceError as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        except Exception:
            name = token_hex(4)
            log.exception("error %s", name)
            words = f"internal error {name}: the server's log says more."
            return JSONResponse({"error": words}, status_code=500)

    return answered


def _page(store: Store, registry: Registry) -> Response:
    from temperance.report import render_monitor  # noqa: PLC0415  (loads matplotlib)

    return HTMLResponse(render_monitor(store, registry, refresh=_REFRESH), headers=_HEAD)


def _status(store: Store, registry: Registry) -> Response:
    return JSONResponse(overview(store, registry).to_dict(), headers=_HEAD)


def _metrics(store: Store, registry: Registry) -> Response:
    return PlainTextResponse(
        prometheus_text(overview(store, registry)), media_type="text/plain; version=0.0.4"
    )


async def _unauthorized(_: Request) -> Response:
    words = {"error": "a token is wanted: Authorization: Bearer TOKEN, or as the password."}
    head = {"WWW-Authenticate": 'Basic realm="temperance", charset="UTF-8"'}
    return JSONResponse(words, status_code=401, headers=head)
