"""From what the caller of a fit gives with a tensor of logits to checked tensors beside it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import torch

from temperance.checks import Positions, as_labels
from temperance.checks.dense import Dense, require_axis
from temperance.checks.labels import is_label
from temperance.checks.scores import require_shape
from temperance.checks.tensors import is_tensor, on_host
from temperance.checks.weights import checked_weights, in_effective_rows
from temperance.errors import InvalidInputError
from temperance.kernels.loss_torch import row_device

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

__all__ = ["dense_views", "label_tensor", "logit_views", "weight_tensor"]


def dense_views(logits: Tensor, *, class_axis: int) -> tuple[Tensor, Dense]:
    """Return a view of the logits with the class axis last, and how rows lie in their shape."""
    z = logits.detach()
    if z.layout != torch.strided or z.is_complex() or z.dtype == torch.bool:
        what = f"{str(z.dtype).removeprefix('torch.')} of layout {z.layout}"
        msg = f"`logits` must be a dense tensor of numbers, got {what}."
        raise InvalidInputError(msg)
    if z.device.type == "meta":
        msg = "`logits` lie on the device meta, which holds shapes and no numbers."
        raise InvalidInputError(msg)
    if z.ndim == 2 and z.shape[1] == 1 and class_axis in (-1, 1):
        z = z[:, 0]
    if str(z.dtype).startswith("torch.float8"):
        z = z.float()
    if z.ndim > 1:
        require_axis(class_axis, ndim=z.ndim)
        z = z.movedim(class_axis, -1)
    dense = Dense(tuple(z.shape[:-1] if z.ndim > 1 else z.shape), class_axis)
    require_shape(tuple(z.shape) if z.ndim < 2 else (prod(z.shape[:-1]), z.shape[-1]))
    return z, dense


def logit_views(logits: Tensor, elements: int) -> Iterator[Tensor]:
    """Yield blocks of rows, (m, k) or (m,), of at most so many elements, or of one row.

    They are views wherever a step from row to row is the same all over, as it is in one image.
    """
    if logits.ndim > 2:
        try:
            logits = logits.view(-1, logits.shape[-1])
        except RuntimeError:  # rows of several images do not lie at equal distances
            if logits[0].numel() > elements:
                for part in logits:
                    yield from logit_views(part, elements)
                return
    step = max(1, elements // max(1, logits[:1].numel()))
    for start in range(0, len(logits), step):
        part = logits[start : start + step]
        yield part if part.ndim <= 2 else part.reshape(-1, part.shape[-1])


def label_tensor(
    labels: Any,  # noqa: ANN401  (a tensor, or array_like)
    dense: Dense,
    *,
    n: int,
    k: int,
    classes: tuple[str, ...] | None,
    ignore: int | str | None,
    device: torch.device,
) -> tuple[Tensor, Tensor | None]:
    """Return labels as int64 on the device, and where rows count; None where all do.

    Integer labels in 0..k-1 do not leave their device; others go through the host.
    """
    if isinstance(labels, Positions):
        labels, classes = labels.values, None
    y = _flat(labels, dense, name="labels")
    keep = None
    if ignore is not None and y.shape == (n,):
        on_device = is_tensor(y) and not isinstance(ignore, str)
        found = y != ignore if on_device else ~is_label(_array(y), ignore)
        if not found.all():
            keep = torch.as_tensor(found, device=device)
            y = y[torch.as_tensor(found, device=y.device)] if is_tensor(y) else y[found]
            n = len(y)
    if is_tensor(y) and classes is None and y.shape == (n,) and _in_range(y, k):
        return y.to(device, torch.int64), keep
    checked = as_labels(_array(y), n=n, k=k, classes=classes)
    return torch.as_tensor(checked, dtype=torch.int64, device=device), keep


def weight_tensor(
    weights: Any,  # noqa: ANN401  (a tensor, or array_like)
    dense: Dense,
    kept: Tensor | None,
    *,
    n: int,
    device: torch.device,
) -> Tensor | None:
    """Return the weights of the rows that count in float64, where numbers per row are kept."""
    if weights is None:
        return None
    w = _array(_flat(weights, dense, name="weights"))
    if kept is not None and w.shape == (n,):
        w = w[on_host(kept.cpu())]
        n = len(w)
    checked = checked_weights(w, n=n)
    assert checked is not None  # noqa: S101  (only None stays None)
    effective = in_effective_rows(checked)
    return torch.as_tensor(effective, dtype=torch.float64, device=row_device(device))


def _flat(values: Any, dense: Dense, *, name: str) -> Any:  # noqa: ANN401
    """Return one value per row, (n,), as a tensor where it was one."""
    if not is_tensor(values):
        return dense.flat(values, name=name)
    flat = values.detach()
    if flat.ndim == 2 and flat.shape[1] == 1 and len(dense.shape) <= 1:
        flat = flat[:, 0]
    if len(dense.shape) > 1:
        dense.require(tuple(flat.shape), name=name)
        flat = flat.reshape(-1)
    return flat


def _array(values: Any) -> Any:  # noqa: ANN401
    return on_host(values.cpu()) if is_tensor(values) else values


def _in_range(labels: Tensor, k: int) -> bool:
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        return False
    return not len(labels) or bool((labels.min() >= 0) & (labels.max() < k))
