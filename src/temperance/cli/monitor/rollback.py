"""`temperance monitor rollback`: the calibrator before serves again."""

from __future__ import annotations

from typing import Annotated

import typer

from temperance.cli.monitor.opening import StoreArgument, opened
from temperance.cli.options import JsonOption

__all__ = ["monitor_rollback"]


def monitor_rollback(
    store: StoreArgument,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="ID", help="Which one, by 6 digits of its id or more."),
    ] = None,
    why: Annotated[str, typer.Option("--why", metavar="TEXT", help="For the history.")] = "by hand",
    as_json: JsonOption = False,
) -> None:
    """Let the calibrator serve that served before the last re-fit, or another one.

    It takes effect where it is served within a second, without a restart.
    """
    from temperance.cli.console import Result
    from temperance.monitor.refitting import policy_apart

    with opened(store) as (kept, registry):
        serving = registry.rollback(to, why=why)
        warnings = policy_apart(kept, registry.load(serving))
    Result(
        lambda: {"calibrator": serving, "current": str(registry.current_path)},
        lambda: (f"{serving[:19]} serves again ({registry.current_path}).",),
        warnings=warnings,
    ).print(as_json=as_json)
