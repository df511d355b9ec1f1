"""Labelled rows as torch tensors, which stay on their device; only sums leave it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, prod
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch

from temperance.blocks.rows import merged, sampled_rows, worth_sampling
from temperance.checks import Positions, as_classes, as_labels, as_logits, refuse_masked_labels
from temperance.checks.arguments import as_flag
from temperance.checks.arrays import is_tensor, on_host
from temperance.checks.forms import Dense, require_axis
from temperance.checks.labels import is_label
from temperance.checks.row_values import checked_weights, in_effective_rows
from temperance.checks.scores import (
    LOOK_LIKE_PROBS,
    refuse_padding,
    refuse_shares,
    require_shape,
    sums_of_probs,
)
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.kernels.loss_torch import existence_sums, loss_pass, row_device, wide

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from temperance.kernels.loss import ExistenceSums, LossPass

__all__ = ["TorchRows"]

# From what the caller of a fit gives with a tensor of logits to checked tensors beside it.


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
        mask = y != ignore if on_device else ~is_label(_array(y), ignore)
        if not mask.all():
            keep = torch.as_tensor(mask, device=device)
            y = y[torch.as_tensor(mask, device=y.device)] if is_tensor(y) else y[mask]
            n = len(y)
    if is_tensor(y) and classes is None and y.shape == (n,) and _in_range(y, k):
        return y.to(device, torch.int64), keep
    checked = as_labels(_array(y), n=n, k=k, classes=classes)
    return torch.as_tensor(checked, dtype=torch.int64, device=device), keep


def weight_tensor(
    weights: Any,  # noqa: ANN401  (a tensor, or array_like)
    dense: Dense,
    keep: Tensor | None,
    *,
    n: int,
    device: torch.device,
) -> Tensor | None:
    """Return the weights of the rows that count in float64, where numbers per row are kept."""
    if weights is None:
        return None
    w = _array(_flat(weights, dense, name="weights"))
    if keep is not None and w.shape == (n,):
        w = w[on_host(keep.cpu())]
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


_BLOCK = 1 << 19  # elements: a block and what is made of it stay in the cache of the processor
_SAMPLE = 1 << 18  # numbers that are asked whether one of them is padding
_FEW = 64  # rows that mostly settle whether these are probabilities
_THREADS = 2  # while one is in Python, torch's own threads work for the other
_DEVICE_BLOCK = 1 << 24  # 64 MiB in single precision: a GPU is busy, and starts few kernels


@dataclass(frozen=True, slots=True, eq=False)
class TorchRows:
    """Rows of a fit, at least one, read block by block in their own dtype."""

    logits: Tensor  # (..., k) in any strides, or (n,) for two classes
    labels: Tensor  # (n,), int64, on the device of the logits
    weights: Tensor | None  # (n,), float64, there too (on the host where it has no float64)
    keep: Tensor | None  # (all rows,): those that count; None keeps all
    classes: tuple[str, ...] | None = None

    @classmethod
    def check(
        cls,
        logits: Tensor,
        labels: Any,  # noqa: ANN401  (a tensor, or array_like)
        *,
        weights: Any = None,  # noqa: ANN401
        classes: Sequence[object] | None = None,
        class_axis: int = -1,
        ignore_label: int | str | None = None,
        refuse_probs: bool = True,
    ) -> Self:
        """Return the arguments of a `fit`, or raise; logits are not copied, nor read."""
        z, dense = dense_views(logits, class_axis=class_axis)
        k = 2 if z.ndim == 1 else z.shape[-1]
        names = as_classes(classes, k=k)
        n = z.numel() if z.ndim == 1 else z.numel() // k
        y, keep = label_tensor(
            labels, dense, n=n, k=k, classes=names, ignore=ignore_label, device=z.device
        )
        w = weight_tensor(weights, dense, keep, n=n, device=z.device)
        rows = cls(z, y, w, keep, names)
        if rows.n == 0:
            msg = "There are no rows: a fit needs labelled rows."
            raise NoOptimumError(msg, reason="no-rows")
        if as_flag(refuse_probs, name="refuse_probs"):
            rows.refuse_probs()
            rows.refuse_contradictions()
        return rows

    @property
    def sample_readings(self) -> int:
        """How often `sample` reads all rows: it picks some."""
        return 0

    @property
    def n(self) -> int:
        """Number of rows that count."""
        return len(self.labels)

    @property
    def k(self) -> int:
        """Number of classes."""
        return 2 if self.logits.ndim == 1 else self.logits.shape[-1]

    def loss_pass(self, betas: tuple[float, ...]) -> LossPass:
        """Return the sums of all rows at these inverse temperatures, in one reading."""

        def of_block(block: _Block) -> tuple[int, LossPass]:
            return len(block.labels), loss_pass(*block[:3], betas=betas)

        return merged(of_block, self._blocks(), threads=self._threads)

    def existence_sums(self) -> ExistenceSums:
        """Return the sums that decide whether an optimum exists, in one reading."""

        def of_block(block: _Block) -> tuple[int, ExistenceSums]:
            return len(block.labels), existence_sums(*block[:3])

        return merged(of_block, self._blocks(), threads=self._threads)

    def sample(self) -> Self | None:
        """Return runs of rows from all over, copied; None of few rows, and where all weigh 0."""
        if not worth_sampling(self.n, self.k):
            return None
        row_bytes = self.k * self.logits.element_size()
        places = torch.from_numpy(sampled_rows(self.n, row_bytes=row_bytes, k=self.k))
        weights = None if self.weights is None else self.weights[places.to(self.weights.device)]
        if weights is not None and not weights.any():
            return None
        places = places.to(self.logits.device)
        among_all = places if self.keep is None else self.keep.nonzero()[:, 0][places]
        where = torch.unravel_index(among_all, self.logits.shape[: max(self.logits.ndim - 1, 1)])
        return replace(
            self, logits=self.logits[where], labels=self.labels[places], weights=weights, keep=None
        )

    def refuse_bad_values(self) -> None:
        """Raise where a logit is nan, infinite or too large, or a label's option is missing.

        Only a block whose sums are not finite goes to the host, to be looked at.
        """
        for block in self._blocks():
            z, y, _, first = block
            if not loss_pass(z, y, None, betas=(1.0,)).finite:
                as_logits(on_host(z.cpu()), first=first)
                refuse_masked_labels(on_host(z.cpu()), on_host(y.cpu()), first=first)

    def refuse_probs(self) -> None:
        """Raise if all values lie in [0, 1] and rows sum to 1."""
        low, high, error = inf, -inf, 0.0
        columns = slice(1, None) if self.logits.ndim == 1 else slice(None)
        few = next(self._blocks()).logits[:_FEW, columns]
        if not (few.min().item() >= 0.0 and few.max().item() <= 1.0):
            return  # the usual case
        for block in self._blocks():
            z = wide(block.logits[:, columns])
            low, high = min(low, z.min().item()), max(high, z.max().item())
            if not (low >= 0.0 and high <= 1.0):
                return
            error += (z.sum(1) - 1.0).abs().sum().item() if z.shape[1] > 1 else 0.0
        if sums_of_probs(low, high, error, n=self.n):
            raise InvalidInputError(LOOK_LIKE_PROBS)

    def refuse_contradictions(self) -> None:
        """Raise if the first rows hold padding, or shares of a whole."""
        if self.logits.ndim == 1:
            return
        z, y, _, _ = next(self._blocks())
        few = slice(max(1, _SAMPLE // self.k))
        some = on_host(z[few].cpu())
        refuse_shares(some)
        refuse_padding(some, on_host(y[few].cpu()))

    @property
    def _threads(self) -> int:
        several = self.n * self.k > _BLOCK  # a new thread of ours makes torch start its own anew
        return _THREADS if several and self.logits.device.type == "cpu" else 1

    def _blocks(self) -> Iterator[_Block]:
        elements = _BLOCK if self.logits.device.type == "cpu" else _DEVICE_BLOCK
        position = first = 0
        for view in logit_views(self.logits, elements):
            z = view if self.keep is None else view[self.keep[position : position + len(view)]]
            position += len(view)
            rows = slice(first, first + len(z))
            first = rows.stop
            if len(z):
                weights = None if self.weights is None else self.weights[rows]
                yield _Block(_two_columns(z), self.labels[rows], weights, rows.start)


class _Block(NamedTuple):
    logits: Tensor  # (m, k)
    labels: Tensor
    weights: Tensor | None
    first: int  # place of its first row among those that count


def _two_columns(z: Tensor) -> Tensor:
    """Return log-odds of class 1 as logits (0, z)."""
    return z if z.ndim == 2 else torch.stack([torch.zeros_like(z), z], dim=1)
