"""The workers of the current Dask cluster: whether there are any, and what they compute, merged."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import reduce
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, TypeVar, cast

import dask
from dask.base import compute
from dask.delayed import delayed

from temperance.errors import InvalidInputError, NoOptimumError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dask.delayed import Delayed

__all__ = ["PATIENCE", "Complaint", "computed", "each_computed", "map_parts", "merge_tree"]

A = TypeVar("A")
P = TypeVar("P")
S = TypeVar("S")
PATIENCE = 10  # seconds in which the first worker may come
_TOGETHER = 16  # results that one task merges


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a chunk: sent back as a value, so that the first chunk's is told."""

    message: str


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


def map_parts(function: Callable[[int, P], S | None], parts: Sequence[P]) -> S:
    """Return the merged results of `function(number, part)`, each computed by a worker."""
    tasks = [delayed(function)(number, part) for number, part in enumerate(parts)]
    (sums,) = computed(merge_tree(tasks))
    if sums is None:
        msg = "There are no rows: no part has one that counts."
        raise NoOptimumError(msg, reason="no-rows")
    return cast("S", sums)


def each_computed(function: Callable[[A], S], items: Sequence[A]) -> list[S]:
    """Return `function(item)` of each item, each computed by a worker."""
    return list(computed(*(delayed(function)(item) for item in items)))


def computed(*results: Delayed) -> tuple[Any, ...]:
    """Return results of the current client, or of Dask's default scheduler."""
    require_workers()
    values: tuple[Any, ...] = compute(*results)
    return values


def merge_tree(parts: list[Delayed]) -> Delayed:
    """Return the promise of the merged results, merged in their order."""
    while len(parts) > 1:
        starts = range(0, len(parts), _TOGETHER)
        parts = [delayed(merge_sums)(parts[i : i + _TOGETHER]) for i in starts]
    (whole,) = parts
    return whole


def merge_sums(parts: list[Any]) -> Any:  # noqa: ANN401  (sums of one kind, complaints, None)
    """Return the first complaint there is, else the merged sums; None where there are none."""
    results = [part for part in parts if part is not None]
    complaints = (part for part in results if isinstance(part, Complaint))
    if (first := next(complaints, None)) is not None:
        return first
    return reduce(lambda left, right: left.merge(right), results) if results else None
