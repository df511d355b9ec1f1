"""The sums of rows in torch tensors, on the device that holds them.

float16 and bfloat16 are computed in float32. What belongs to a row is added up in the precision of
its logits, rows in double precision; a device without double precision hands a row's sums, never
its logits, to the host. One transfer per block brings the sums to Python.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch

from temperance.kernels.loss import SINGLE_BYTES, ExistenceSums, LossPass, LossSums

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["existence_sums", "loss_pass", "row_device", "wide"]

_SHORT = 48  # columns; shorter rows are turned over
_FLOOR = {torch.float32: -87.0, torch.float64: -700.0}  # exp of less counts nothing


class _Moments(NamedTuple):
    """`kernels.loss.RowMoments` as tensors."""

    largest: Tensor
    smallest: Tensor
    sums: list[tuple[Tensor, ...]]


@torch.no_grad()
def loss_pass(
    logits: Tensor, labels: Tensor, weights: Tensor | None, *, betas: tuple[float, ...]
) -> LossPass:
    """Return the sums of one block of rows, (m, k), at each inverse temperature > 0.

    `labels` are int64 on the device of the logits, `weights` float64 on `row_device` of it.
    """
    moments = _row_moments(logits, betas)
    gap = wide(logits.gather(1, labels[:, None]).squeeze(1)) - moments.largest
    w = torch.ones_like(gap) if weights is None else weights
    sums = [-(w * gap).sum(), (moments.largest - moments.smallest).amax()]
    for of_beta, beta in zip(moments.sums, betas, strict=True):
        sums += _loss_sums(of_beta, gap, w, beta)
    sums.append((w * w).sum())
    to_largest, widest, *rest, squared_weight = torch.stack(sums).tolist()
    each = len(rest) // len(betas)
    at = tuple(LossSums(*rest[i : i + each]) for i in range(0, len(rest), each))
    single = logits.element_size() <= SINGLE_BYTES
    return LossPass(len(gap), to_largest, widest, at, squared_weight, single=single)


@torch.no_grad()
def existence_sums(logits: Tensor, labels: Tensor, weights: Tensor | None) -> ExistenceSums:
    """Return the sums of one block of rows that decide whether an optimum exists."""
    z = wide(logits)
    z = z - z.amax(1, keepdim=True)
    of_label = z.gather(1, labels.to(z.device)[:, None]).squeeze(1)
    exists = ~z.isneginf()
    z = z.where(exists, 0.0)
    mean, smallest = z.sum(1) / exists.sum(1), z.amin(1)
    w = torch.ones_like(mean) if weights is None else weights
    sums = [w.sum(), -(w * of_label).sum(), (w * (mean - of_label)).sum(), -(w * smallest).sum()]
    return ExistenceSums(*torch.stack(sums).tolist())


def row_device(device: torch.device) -> torch.device:
    """Return where numbers per row are kept: the device, or the host where it has no float64."""
    return device if _has_float64(device) else torch.device("cpu")


def wide(values: Tensor) -> Tensor:
    """Return values in double precision, on their device or, where it has none, on the host."""
    return values.to(row_device(values.device)).double()


@cache
def _has_float64(device: torch.device) -> bool:
    try:
        torch.ones(1, dtype=torch.float64, device=device).sum()
    except (TypeError, RuntimeError):  # MPS, some GPUs
        return False
    return True


def _row_moments(logits: Tensor, betas: tuple[float, ...]) -> _Moments:
    z = logits if logits.dtype in _FLOOR else _single(logits)
    across = z.shape[1] > _SHORT
    if not across:
        z = z.T.contiguous()
    axis = 1 if across else 0
    largest, smallest = z.amax(axis), z.amin(axis)  # a nan stays
    if smallest.isneginf().any():
        smallest = z.where(~z.isneginf(), torch.inf).amin(axis)
    z = z - largest.unsqueeze(axis)
    return _Moments(wide(largest), wide(smallest), [_powers(z, beta, axis) for beta in betas])


def _single(logits: Tensor) -> Tensor:
    """Return small floats in single precision, integers in the widest that there is."""
    if logits.is_floating_point() or not _has_float64(logits.device):
        return logits.float()
    return logits.double()


def _powers(z: Tensor, beta: float, axis: int) -> tuple[Tensor, ...]:
    """Sum over each row of exp(s) and of exp(s) times s, s^2 and s^3, where s = beta z."""
    s = (z * beta).clamp_(min=_FLOOR[z.dtype])  # a nan stays
    e = s.exp()
    sums = [e.sum(axis)]
    for _ in range(3):
        e *= s
        sums.append(e.sum(axis))
    return tuple(wide(each) for each in sums)


def _loss_sums(moments: tuple[Tensor, ...], gap: Tensor, w: Tensor, beta: float) -> list[Tensor]:
    """Return the fields of `LossSums` in order; the formulas are those of `kernels.loss`."""
    total = moments[0]
    mean, square, cube = (each / total for each in moments[1:])
    variance = (square - mean * mean).clamp(min=0.0)
    third = cube - mean * (3.0 * square - 2.0 * mean * mean)
    g = mean / beta - gap
    wg, wwv = w * g, w * w * variance
    return [
        w.sum(),
        (w * total.log()).sum() - beta * (w * gap).sum(),
        wg.sum(),
        (w * variance).sum() / beta**2,
        (w * third).sum() / beta**3,
        (wg * wg).sum(),
        2.0 * (g * wwv).sum() / beta**2,
        wwv.sum() / beta**2,
    ]
