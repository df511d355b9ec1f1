"""`temperance monitor run`: checks at intervals, for those without a scheduler."""

from __future__ import annotations

from typing import Annotated

import typer

from temperance.cli.monitor.alarms import WebhookOption, run_check
from temperance.cli.monitor.opening import StoreArgument, as_seconds, opened
from temperance.cli.options import JsonOption

__all__ = ["monitor_run"]


def monitor_run(
    store: StoreArgument,
    every: Annotated[
        str, typer.Option("--every", metavar="TIME", help="From check to check: 15m, 1h.")
    ] = "1h",
    refit: Annotated[
        bool, typer.Option("--refit", help="After an alarm, fit again; it must earn its place.")
    ] = False,
    webhook: WebhookOption = None,
    times: Annotated[
        int | None,
        typer.Option("--times", min=1, max=1_000_000, metavar="N", help="Stop after N checks."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check again and again, a line each; Ctrl-C ends it.

    A store that is out of reach, or a file of the registry that becomes damaged, is an error of
    that check alone; the next one looks at the same labels.
    """
    import time

    from temperance.cli.console import note
    from temperance.errors import FileFormatError, InvalidInputError, NoOptimumError, StoreError
    from temperance.monitor import refit as fit_again

    pause = as_seconds(every, option="--every")
    if pause < 1.0:
        msg = f"`--every` must be at least 1s, got {every!r}."
        raise InvalidInputError(msg)
    count = 0
    while times is None or count < times:
        if count:
            time.sleep(pause)
        count += 1
        try:
            alarm = run_check(store, junit=None, webhook=webhook, as_json=as_json)
        except (StoreError, FileFormatError) as error:
            if count == 1 and not isinstance(error, StoreError):
                raise
            note(f"warning: {error}")
            continue
        if alarm and refit:
            try:
                with opened(store) as (open_store, registry):
                    note(fit_again(open_store, registry).words)
            except (FileFormatError, InvalidInputError, NoOptimumError, StoreError) as error:
                note(f"warning: no re-fit: {error}")
