"""`temperance monitor refit`: fit again, and serve the result if it has earned it."""

from __future__ import annotations

from typing import Annotated

import typer

from temperance.cli.monitor.opening import StoreArgument, as_moment, as_seconds, opened
from temperance.cli.options import JsonOption

__all__ = ["monitor_refit"]


def monitor_refit(
    store: StoreArgument,
    last: Annotated[
        int | None,
        typer.Option(
            "--last", min=1, metavar="N", help="The last N labels; else those since the onset."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="ISO", help="Predictions from then on."),
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", metavar="NAME", help="Default: that of the serving one."),
    ] = None,
    half_life: Annotated[
        str | None,
        typer.Option("--half-life", metavar="TIME", help="In which a row's weight halves: 30d."),
    ] = None,
    alpha: Annotated[
        float,
        typer.Option("--alpha", metavar="P", help="Promoted in vain with this probability."),
    ] = 0.05,
    force: Annotated[bool, typer.Option("--force", help="Promote whatever evidence says.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fit on the labels of late; serve the result if labels that neither saw speak for it.

    Each block of the window is scored by a fit on the rows before it, beside what was served. Exit
    code 1: it has not earned its place, and what serves goes on.
    """
    from temperance.cli.console import Headline, Result
    from temperance.monitor import refit
    from temperance.monitor.inputs import microseconds
    from temperance.printable import digits_text

    with opened(store) as (open_store, registry):
        outcome = refit(
            open_store, registry, last=last, method=method, alpha=alpha, force=force,
            since=None if since is None else microseconds(as_moment(since, option="--since")),
            half_life=(
                None if half_life is None else as_seconds(half_life, option="--half-life") / 86_400
            ),
        )  # fmt: skip
    before, now = outcome.champion_temperature, outcome.temperature
    shown: list[str] = [Headline(outcome.words)]
    if before is not None and now is not None:
        change = f"temperature {digits_text(before, 4)} before, {digits_text(now, 4)} now"
        shown.append(f"{change}, from {outcome.n:,} labels")
    if outcome.policy is not None:
        shown.append(outcome.policy)
    Result(outcome.to_dict, lambda: shown).print(as_json=as_json)
    if not outcome.promoted:
        raise typer.Exit(1)
