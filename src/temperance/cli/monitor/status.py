"""`temperance monitor status`: what the store holds, and what serves."""

from __future__ import annotations

from temperance.cli.monitor.opening import StoreArgument, opened
from temperance.cli.options import JsonOption

__all__ = ["monitor_status"]


def monitor_status(store: StoreArgument, as_json: JsonOption = False) -> None:
    """Say what the store holds, how late labels come, and which calibrators have served."""
    from temperance.cli.console import Result
    from temperance.monitor.overview import overview

    with opened(store) as (open_store, registry):
        state = overview(open_store, registry)
    Result(state.to_dict, state.tables, warnings=state.warnings).print(as_json=as_json)
