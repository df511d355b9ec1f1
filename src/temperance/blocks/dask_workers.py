"""Whether the current Dask cluster has workers; without any, a computation would wait for ever."""

from __future__ import annotations

import sys
from time import monotonic, sleep
from typing import Any

import dask

from temperance.errors import InvalidInputError

__all__ = ["PATIENCE", "require_workers"]

PATIENCE = 10  # seconds in which the first worker may come


def require_workers() -> None:
    """Raise if there is a current client whose cluster has no worker, and none comes soon."""
    client = _current_client()
    if client is None or client.asynchronous:
        return
    address = client.scheduler.address if client.scheduler else "the address of its scheduler"
    try:
        _require_connection(client)
        client.wait_for_workers(1, timeout=PATIENCE)
    except TimeoutError as error:
        msg = (
            f"The Dask cluster at {address} has no workers, and none came within {PATIENCE} s: "
            f"start some (`dask worker {address}`), with this library installed."
        )
        raise InvalidInputError(msg) from error
    except OSError as error:
        msg = f"The Dask scheduler at {address} does not answer: {error}"
        raise InvalidInputError(msg) from error


def _require_connection(client: Any) -> None:  # noqa: ANN401
    """Raise where a lost connection does not come back soon; the client itself waits longer."""
    end = monotonic() + PATIENCE
    while client.status == "connecting":
        if monotonic() > end:
            msg = f"no connection within {PATIENCE} s."
            raise OSError(msg)
        sleep(0.05)


def _current_client() -> Any:  # noqa: ANN401  (distributed may be absent)
    distributed = sys.modules.get("distributed")
    if distributed is None or dask.config.get("scheduler", None) not in (
        None, "dask.distributed", "distributed",
    ):  # fmt: skip
        return None
    try:
        return distributed.Client.current()
    except ValueError:  # there is none
        return None
