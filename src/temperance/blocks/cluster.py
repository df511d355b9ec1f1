"""Connect to the workers that `--dask` names."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from temperance.errors import InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["connected"]


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
        No scheduler answers at the address.
    """
    if scheduler is None:
        yield
        return
    try:
        from distributed import Client  # noqa: PLC0415
        from distributed.comm.addressing import parse_address  # noqa: PLC0415
        from distributed.comm.registry import get_backend  # noqa: PLC0415

        from temperance.blocks.dask_workers import PATIENCE  # noqa: PLC0415
    except ImportError as error:
        msg = "distributed"
        raise MissingDependencyError(msg, extra="dask", purpose="--dask") from error
    ours: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": None}
    try:
        if scheduler == "local":
            client: Any = Client(**ours)  # type: ignore[no-untyped-call]
        else:
            get_backend(parse_address(scheduler)[0])  # a client of another kind would not close
            client = Client(scheduler, timeout=PATIENCE)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        msg = (
            f"The Dask scheduler at {scheduler} does not answer within {PATIENCE} s. Give the "
            'address that `dask scheduler` prints, such as tcp://host:8786, or "local".'
        )
        raise InvalidInputError(msg) from error
    with client:
        yield
