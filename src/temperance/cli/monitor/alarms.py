"""What `temperance monitor check` and `run` share: a check that is printed, written and posted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from temperance.cli.monitor.opening import opened

__all__ = ["JUnitOption", "WebhookOption", "run_check"]

JUnitOption = Annotated[
    Path | None,
    typer.Option("--junit", metavar="FILE.xml", help="The result as a test, for CI."),
]
WebhookOption = Annotated[
    str | None,
    typer.Option(
        "--webhook", metavar="URL", help="Where each alarm is posted, once, as one JSON object."
    ),
]


def run_check(store: str, *, junit: Path | None, webhook: str | None, as_json: bool) -> bool:
    """Check, print, write and post; return whether there is an alarm."""
    from temperance.cli.console import Headline, Result
    from temperance.monitor import check
    from temperance.monitor.messages import as_webhook, deliver, junit_xml
    from temperance.writers.place import check_writable, write_text

    if junit is not None:
        check_writable(junit, {".xml"})
    if webhook is not None:
        as_webhook(webhook)
    with opened(store) as (open_store, registry):
        outcome = check(open_store, registry)
        undelivered = deliver(open_store, webhook) if webhook is not None else ()
    if junit is not None:
        write_text(junit, junit_xml(outcome))
    Result(
        outcome.to_dict,
        lambda: (Headline(outcome.in_words()), *outcome.tables()),
        warnings=(*outcome.warnings, *undelivered),
        files={"junit": junit},
    ).print(as_json=as_json)
    return outcome.alarm
