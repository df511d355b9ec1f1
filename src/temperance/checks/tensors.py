"""Arrays of other packages, known by their type, so that nobody imports those packages for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["is_dask_array", "is_tensor", "on_host", "shares_memory", "without_copy"]


def is_tensor(values: object) -> bool:
    """Whether this is a torch tensor, or of a subclass such as a parameter."""
    return _is(values, "torch", "Tensor")


def is_dask_array(values: object) -> bool:
    """Whether this is a Dask array."""
    return _is(values, "dask", "Array")


def on_host(tensor: Any) -> NDArray[Any]:  # noqa: ANN401  (a tensor, whose type is not imported)
    """Return the numbers of a tensor without its gradient: a view, but a copy of bfloat16.

    A tensor on another device than the CPU raises `TypeError` with torch's own way out; one
    without numbers (on the device meta), or not dense, raises `TypeError` too.
    """
    given = tensor.detach()
    if given.device.type == "meta":
        msg = "it is on the device meta, which holds shapes and no numbers: pass one with data."
        raise TypeError(msg)
    if str(given.layout) != "torch.strided":
        msg = f"its layout is {given.layout}: pass `.to_dense()`."
        raise TypeError(msg)
    narrow = str(given.dtype).startswith(("torch.bfloat16", "torch.float8"))
    array: NDArray[Any] = (given.float() if narrow else given).numpy()
    return array


def shares_memory(tensor: Any) -> bool:  # noqa: ANN401
    """Whether NumPy can look at a tensor as it lies: dense, on the CPU, in a dtype that it has."""
    return (
        tensor.device.type == "cpu"
        and str(tensor.layout) == "torch.strided"
        and not tensor.is_complex()
        and not str(tensor.dtype).startswith(("torch.bfloat16", "torch.float8"))
    )


def without_copy(tensor: Any, *, engine: str) -> NDArray[Any]:  # noqa: ANN401
    """Return the view of a tensor that an engine for arrays can work on, or raise."""
    where, dtype = tensor.device.type, str(tensor.dtype).removeprefix("torch.")
    ways_out = 'leave `engine` out, or "torch"'
    if where != "cpu":
        msg = (
            f"`engine` {engine!r} works on the CPU, but `logits` lie on {where}: {ways_out}, which "
            "stays there, or pass `logits.cpu()`."
        )
        raise InvalidInputError(msg)
    if dtype == "bfloat16":
        msg = (
            f"`engine` {engine!r} needs NumPy, which has no bfloat16: {ways_out}, or pass "
            "`logits.float()`."
        )
        raise InvalidInputError(msg)
    return on_host(tensor)


def _is(values: object, package: str, name: str) -> bool:
    return any(
        each.__name__ == name and each.__module__.partition(".")[0] == package
        for each in type(values).__mro__
    )
