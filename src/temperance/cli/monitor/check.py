"""`temperance monitor check`: what the labels that came say of what was served."""

from __future__ import annotations

import typer

from temperance.cli.monitor.alarms import JUnitOption, WebhookOption, run_check
from temperance.cli.monitor.opening import StoreArgument
from temperance.cli.options import JsonOption

__all__ = ["monitor_check"]


def monitor_check(
    store: StoreArgument,
    junit: JUnitOption = None,
    webhook: WebhookOption = None,
    as_json: JsonOption = False,
) -> None:
    """Weigh the labels that became usable since the last check; exit code 1 on an alarm.

    It may run as often as you like: evidence grows label by label, and the promise on false alarms
    is about all looks together. An alarm stays until another calibrator serves.
    """
    if run_check(store, junit=junit, webhook=webhook, as_json=as_json):
        raise typer.Exit(1)
