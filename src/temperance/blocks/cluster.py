"""Connect to the workers that `--dask` names."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from temperance.checks.arguments import value_text
from temperance.errors import InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["connected"]

_ADDRESS = 'Give the address that `dask scheduler` prints, such as tcp://host:8786, or "local".'


@contextmanager
def connected(scheduler: str | None) -> Iterator[None]:
    """Let the workers of a scheduler do what Dask computes inside the `with`.

    `scheduler` is an address, or "local": as many processes as processors, on this machine; None
    connects to nothing.

    Raises
    ------
    MissingDependencyError
        dask.distributed is not installed.
    InvalidInputError
        `scheduler` is no address (said at once), or no scheduler answers there.
    """
    if scheduler is None:
        yield
        return
    try:
        from distributed import Client  # noqa: PLC0415

        from temperance.blocks.dask_workers import PATIENCE  # noqa: PLC0415
    except ImportError as error:
        msg = "distributed"
        raise MissingDependencyError(msg, extra="dask", purpose="--dask") from error
    ours: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": None}
    if scheduler != "local":
        _check_address(scheduler)
    try:
        if scheduler == "local":
            client: Any = Client(**ours)  # type: ignore[no-untyped-call]
        else:
            client = Client(scheduler, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        msg = f"The Dask scheduler at {scheduler} does not answer within {PATIENCE} s. {_ADDRESS}"
        raise InvalidInputError(msg) from error
    with client:
        yield


def _check_address(scheduler: str) -> None:
    """Raise at once for what no scheduler can have as its address; a client would go on trying."""
    from distributed.comm.addressing import parse_address, parse_host_port  # noqa: PLC0415
    from distributed.comm.registry import get_backend  # noqa: PLC0415

    try:
        scheme, place = parse_address(scheduler)
        get_backend(scheme)
        host, port = parse_host_port(place)
    except ValueError as error:
        msg = (
            f"`--dask` must be the address of a scheduler, got {value_text(scheduler)}: "
            f"{error}. {_ADDRESS}"
        )
        raise InvalidInputError(msg) from error
    if not host or not 0 < port < 2**16:
        msg = (
            f"`--dask` must be the address of a scheduler, got {value_text(scheduler)}: it needs a "
            f"host, and a port from 1 to {2**16 - 1}. {_ADDRESS}"
        )
        raise InvalidInputError(msg)
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:
        msg = f"`--dask` names the host {value_text(host)}, which is not known here. {_ADDRESS}"
        raise InvalidInputError(msg) from error
