"""`temperance monitor init`: a store, and the calibrator that serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from temperance.cli.monitor.opening import StoreArgument, as_seconds
from temperance.cli.options import JsonOption

__all__ = ["monitor_init"]


def monitor_init(
    store: StoreArgument,
    calibrator_file: Annotated[
        Path,
        typer.Option(
            "--calibrator", metavar="FILE.json", help="The calibrator that serves, of `fit`."
        ),
    ],
    delay: Annotated[
        str,
        typer.Option(
            "--delay",
            metavar="TIME",
            help="How old a prediction must be before its label counts: 12h, 7d. Long enough that "
            "all labels of its day can have come.",
        ),
    ] = "0",
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha", metavar="P", help="False alarms, ever, with this probability at most: 0.01."
        ),
    ] = None,
    run_length: Annotated[
        float | None,
        typer.Option(
            "--run-length",
            metavar="N",
            help="Instead: at least N labels on average until a false alarm; faster, late in a "
            "long stream.",
        ),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", metavar="NAME", help="A group with bets of its own; repeat it."),
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option(
            "--registry", metavar="FOLDER", help="Of calibrators; STORE.registry beside a file."
        ),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            "--policy", metavar="policy.json", help="A threshold to set again after each re-fit."
        ),
    ] = None,
    half: Annotated[
        bool, typer.Option("--float16", help="Keep scores in half the room, in half precision.")
    ] = False,
    ragged: Annotated[
        bool, typer.Option("--ragged", help="Rows differ in their options; no bets on classes.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a store for predictions and labels, and put the calibrator into a registry.

    The same call again changes nothing. `temperance serve REGISTRY/current.json` serves what the
    registry says, and follows it.
    """
    from temperance.cli.console import Result
    from temperance.decisions import load_policy
    from temperance.errors import InvalidInputError
    from temperance.monitor import Registry, Store, create
    from temperance.monitor.refitting import policy_apart

    if policy is not None:
        if not policy.exists():
            msg = f"`--policy` {policy}: no such file."
            raise InvalidInputError(msg)
        load_policy(policy)  # or an error, before anything is made
    serving = create(
        store, calibrator_file, registry=registry, delay=as_seconds(delay, option="--delay"),
        alpha=alpha, run_length=run_length, groups=tuple(group or ()),
        precision="float16" if half else "float32", ragged=ragged,
        policy=policy,
    )  # fmt: skip
    opened = Store.open(store)
    settings = opened.settings
    warnings = policy_apart(opened, Registry(settings.registry).load(serving))
    opened.close()
    current = Path(settings.registry) / "current.json"
    Result(
        lambda: {"store": opened.name, "calibrator": serving, "current": str(current),
                 "settings": settings.to_dict()},
        lambda: (
            f"{opened.name} is ready, and {serving[:19]} serves.",
            f"serve it: temperance serve {current}",
            f"log rows: temperance monitor log {opened.name} FILE",
        ),
        warnings=warnings,
    ).print(as_json=as_json)  # fmt: skip
