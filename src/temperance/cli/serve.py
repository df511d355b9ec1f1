"""`temperance serve`: a calibrator or a policy over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.options import JsonOption

if TYPE_CHECKING:
    from temperance.serving.server import Started

__all__ = ["serve"]


def serve(
    calibrator_file: Annotated[
        Path,
        typer.Argument(
            metavar="CALIBRATOR",
            help="A calibrator.json of `temperance fit`, a cascade.json, or a policy.json of "
            "`temperance threshold`.",
        ),
    ],
    host: Annotated[
        str,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Address to listen at; one that other machines reach needs --token-file.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="Port to listen at; 0: any that is free.")
    ] = 8080,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="A file that its owner alone may read, with the token that requests carry "
            "(Authorization: Bearer ...).",
        ),
    ] = None,
    max_bytes: Annotated[
        int, typer.Option("--max-bytes", metavar="N", help="Largest body, in bytes.")
    ] = 1 << 24,
    max_rows: Annotated[
        int, typer.Option("--max-rows", metavar="N", help="Most rows of a request.")
    ] = 100_000,
    max_seconds: Annotated[
        float,
        typer.Option("--max-seconds", metavar="S", help="Longest time from a head to its answer."),
    ] = 30.0,
    access_log: Annotated[
        bool, typer.Option("--access-log", help="Print a line per request on stderr.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Calibrate rows that are posted over HTTP, by a calibrator or a policy.

    POST /apply takes {"logits": [[...], ...]} (or probs; npz and Arrow in bulk; the response of a
    decision model as it is; of a cascade {"logits": {"small": [...], "large": [...]}}), GET
    /calibrator, /healthz and /metrics tell of the service. A file that changes is read again,
    without a restart; SIGTERM ends it when all requests are answered.
    """
    from temperance.cli.console import note, print_json
    from temperance.printable import digits_text
    from temperance.serving import Limits
    from temperance.serving import serve as run

    def tell(started: Started) -> None:
        """Say where the service is, and what it applies."""
        if as_json:
            print_json({"url": started.url, **started.content})
        name, method, temperature, _ = started.content["calibrator"].values()
        of = "" if temperature is None else f", T = {digits_text(temperature, 4)}"
        note(f"serving {calibrator_file} ({method}{of}) at {started.url}: POST {started.url}/apply")
        note(f"id {name}; Ctrl-C ends it")

    _log_to_stderr()
    run(
        calibrator_file, host=host, port=port, token_file=token_file,
        limits=Limits(max_bytes=max_bytes, max_rows=max_rows, max_seconds=max_seconds),
        access_log=access_log, on_start=tell,
    )  # fmt: skip


def _log_to_stderr() -> None:
    """Print what the service logs, a line each; of its HTTP library only what is an error."""
    import logging

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    own, http = logging.getLogger("temperance.serving"), logging.getLogger("uvicorn.error")
    for logger, level in ((own, logging.INFO), (http, logging.ERROR)):
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(level)
