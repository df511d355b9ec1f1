"""`temperance monitor serve`: the page and the metrics, live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.monitor.opening import StoreArgument
from temperance.cli.options import JsonOption

if TYPE_CHECKING:
    from temperance.serving.server import Started

__all__ = ["monitor_serve"]


def monitor_serve(
    store: StoreArgument,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDRESS",
            help="Address to listen at; one that other machines reach needs --token-file.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="Port to listen at; 0: any that is free.")
    ] = 8081,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", metavar="FILE",
            help="A file that its owner alone may read, with the token of requests: as a bearer, "
            "or as the password that a browser asks for.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Show the page of a monitor to browsers, and its metrics to Prometheus.

    Nothing can be changed. GET / is the page, made anew each minute, /status the same as JSON,
    /metrics for Prometheus, /healthz. SIGTERM ends it.
    """
    from temperance.cli.console import note, print_json
    from temperance.monitor import Store
    from temperance.serving.monitor_pages import serve_monitor

    opened = Store.open(store)  # what is wrong is said before anything listens
    name = opened.name  # without a password
    opened.close()

    def tell(started: Started) -> None:
        """Say where the page is."""
        if as_json:
            print_json({"url": started.url, "store": name})
        note(f"the monitor is at {started.url}; Ctrl-C ends it")

    serve_monitor(store, host=host, port=port, token_file=token_file, on_start=tell)
