"""`temperance monitor metrics`: the state of a monitor for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from temperance.cli.monitor.opening import StoreArgument, opened

__all__ = ["monitor_metrics"]


def monitor_metrics(
    store: StoreArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE.prom",
            help="For node_exporter's textfile collector; stdout where left out.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Write counts, evidence and alarms as Prometheus reads them.

    Nothing is checked: they are those of the last `temperance monitor check`.
    """
    from temperance.monitor.messages import prometheus_text
    from temperance.monitor.overview import overview
    from temperance.writers.place import write_text

    with opened(store) as (open_store, registry):
        text = prometheus_text(overview(open_store, registry))
    if output is None:
        typer.echo(text, nl=False)
    else:
        write_text(output, text)
