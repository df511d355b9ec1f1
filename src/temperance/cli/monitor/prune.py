"""`temperance monitor prune`: rows that are old, or asked to be forgotten, leave the store."""

from __future__ import annotations

from typing import Annotated

import typer

from temperance.cli.monitor.opening import StoreArgument, as_seconds, opened
from temperance.cli.options import JsonOption

__all__ = ["monitor_prune"]


def monitor_prune(
    store: StoreArgument,
    older_than: Annotated[
        str | None,
        typer.Option("--older-than", metavar="TIME", help="Predictions of that age: 90d."),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--id", metavar="ID", help="A prediction to forget; repeat it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Delete predictions with all their labels, and give the room back.

    What evidence has made of them stays; their scores and labels do not.
    """
    from temperance.cli.console import Result
    from temperance.errors import InvalidInputError
    from temperance.printable import count_text

    if (older_than is None) == (not ids):
        msg = "Say what goes: `--older-than TIME`, or `--id ID`."
        raise InvalidInputError(msg)
    with opened(store) as (open_store, _):
        if ids:
            count, n_requests = open_store.forget(ids), len(ids)
        else:
            count = open_store.prune(as_seconds(older_than or "", option="--older-than"))
            n_requests = count
    missing = n_requests - count
    warnings = (f"{missing} of the ids were not there.",) if missing else ()
    Result(
        lambda: {"deleted": count, "not_there": missing},
        lambda: (f"{count_text(count, 'prediction')} {'is' if count == 1 else 'are'} gone.",),
        warnings=warnings,
    ).print(as_json=as_json)
