"""`temperance monitor report`: one page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from temperance.cli.monitor.opening import StoreArgument, opened
from temperance.cli.options import JsonOption

__all__ = ["monitor_report"]


def monitor_report(
    store: StoreArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.html", help="Where the page goes.")
    ] = Path("monitor.html"),
    as_json: JsonOption = False,
) -> None:
    """Write a page: evidence, reliability, temperatures, groups, versions.

    It needs no network. Nothing is weighed: it shows what the last `temperance monitor check` left.
    """
    from temperance.cli.console import Result
    from temperance.report import write_monitor
    from temperance.writers.place import check_writable

    check_writable(output, {".html", ".htm"})
    with opened(store) as (open_store, registry):
        write_monitor(output, open_store, registry)
    Result(dict, list, files={"report": output}).print(as_json=as_json)
