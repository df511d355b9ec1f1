"""The logits and labels of a model's rows, batch by batch: to a file, or to a fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from temperance.blocks import calling, report_rows, report_work
from temperance.checks.arguments import as_sequence, require_type, value_text
from temperance.checks.arrays import on_host
from temperance.checks.forms import require_axis
from temperance.errors import InvalidInputError
from temperance.printable import count_text
from temperance.torch.models import class_names, device_of, inferring, logits_of, run_model
from temperance.writers.logits import LogitsFile, labels_path

if TYPE_CHECKING:
    from os import PathLike
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["CollectedLogits", "collect_logits"]

_LABELS = ("labels", "label")  # keys of a dict that hold them, where nobody says
_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True, slots=True, eq=False)
class CollectedLogits:
    """Logits and labels of rows, in the order of the loader.

    Attributes
    ----------
    logits : ndarray, shape (n, k), or None
        Float32 or float64; of a `.npy` file a memory map, of a `.parquet` file None: read it.
    labels : ndarray, shape (n,) or (n, l), or None
        As the loader gives them; likewise.
    classes : tuple of str, optional
        Names in the config of a Hugging Face model (`id2label`).
    n : int
        Number of rows.
    path, labels_path : Path, optional
        The file, and that of the labels beside a `.npy` file.
    """

    logits: NDArray[Any] | None
    labels: NDArray[Any] | None
    classes: tuple[str, ...] | None
    n: int
    path: Path | None = None
    labels_path: Path | None = None

    @property
    def blocks(self) -> list[tuple[NDArray[Any], NDArray[Any]]]:
        """Parts of the rows, as `TemperatureScaling.fit_blocks` takes them; no copies.

        Raises InvalidInputError of a `.parquet` file, which `temperance.readers.read_blocks` reads.
        """
        if self.logits is None or self.labels is None:
            msg = (
                f"The rows lie in '{self.path}', a table: `temperance.readers.read_blocks(path)` "
                "gives their blocks."
            )
            raise InvalidInputError(msg)
        starts = range(0, self.n, _BLOCK_ROWS)
        parts = (slice(start, start + _BLOCK_ROWS) for start in starts)
        return [(self.logits[part], self.labels[part]) for part in parts]

    def __str__(self) -> str:
        where = "" if self.path is None else f" in {self.path}"
        return f"logits and labels of {count_text(self.n, 'row')}{where}"


def collect_logits(
    model: nn.Module,
    loader: Iterable[Any],
    *,
    device: torch.device | str | None = None,
    batch_keys: Sequence[str | int] | None = None,
    output: str | PathLike[str] | None = None,
    class_axis: int = -1,
    ignore_label: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> CollectedLogits:
    """Run a model over a loader, and return the logits and labels that a fit wants.

    The model runs as in use (`eval`, no gradients) and is then as it was, also after an error.
    Half precision becomes float32, which holds it exactly. Only one batch is in memory where an
    `output` is given.

    Parameters
    ----------
    model : nn.Module
        Gives a tensor of logits, something with `.logits`, or a tuple that begins with them.
    loader : iterable of batches
        Each (inputs, ..., labels), or a dict. A `DataLoader` must not shuffle where rows are to
        keep their places.
    device : optional
        Where batches go; where left out, where the model's first parameter lies. The model is
        not moved.
    batch_keys : sequence, optional
        What the model takes of a batch, and at last the labels: ("input_ids", "attention_mask",
        "labels") of a dict, by name; (0, 2) of a tuple, by place. Where left out all of a dict but
        "labels" (or "label"), all of a tuple but its last.
    output : path, optional
        `.npy` (labels in `NAME_labels.npy`) or `.parquet`; where left out rows are in memory.
    class_axis : int, default -1
        Which axis of the logits holds the classes, of dense outputs: each pixel or token is a row.
    ignore_label : int, optional
        Rows with this label are left out: -100 for padding in PyTorch and Hugging Face.
    progress : callable, optional
        Called as `progress(rows so far)` after each batch.

    Returns
    -------
    CollectedLogits
        `TemperatureScaling.fit_blocks(collected.blocks, classes=...)`, or `fit` on its arrays.

    Raises
    ------
    InvalidInputError
        Batches without labels or of another kind than `batch_keys` says, no logits, labels that do
        not fit them, nan, widths that change, no rows; another suffix.

    Examples
    --------
    >>> import torch
    >>> batches = [(torch.eye(2), torch.tensor([0, 1])), (torch.eye(2), torch.tensor([1, 1]))]
    >>> collected = collect_logits(torch.nn.Identity(), batches)
    >>> collected.logits.shape, collected.labels.tolist()
    ((4, 2), [0, 1, 1, 1])
    """
    require_type(model, nn.Module, name="model", rule="an nn.Module")
    require_type(loader, Iterable, name="loader", rule="an iterable of batches")
    keys = None if batch_keys is None else _as_keys(batch_keys)
    target = device_of(model) if device is None else _as_device(device)
    names = class_names(model)
    file = None if output is None else LogitsFile(output, names)
    rows = _Collector(file)
    total = _rows_of(loader)
    with (
        file or nullcontext(),
        inferring(model),
        calling(progress),
        report_work("running the model", rows=total),
    ):
        for number, batch in enumerate(loader):
            try:
                inputs, labels = _parts(batch, keys)
                logits = logits_of(_output_of(model, _moved(inputs, target)))
                rows.add(*_as_rows(logits, labels, class_axis, ignore_label))
            except InvalidInputError as error:
                msg = f"Batch {number}: {error}"
                raise InvalidInputError(msg) from error
            except Exception as error:  # the model's own
                error.add_note(f"In batch {number} of `collect_logits`.")
                raise
            report_rows(len(logits))
        rows.require_some()
    return rows.collected(names)


class _Collector:
    """What has come so far: in memory, or in a file."""

    def __init__(self, file: LogitsFile | None) -> None:
        self._file = file
        self._batches: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._alike: tuple[Any, ...] | None = None
        self.n = 0

    def add(self, logits: NDArray[Any], labels: NDArray[Any]) -> None:
        """Append a batch whose width and dtypes are those of the first."""
        alike = (logits.shape[1], logits.dtype, labels.dtype, labels.ndim)
        self._alike = self._alike or alike
        if alike != self._alike:
            msg = (
                f"logits of {alike[0]} columns of {alike[1]}, labels of {alike[2]}; before it were "
                f"{self._alike[0]} columns of {self._alike[1]}, labels of {self._alike[2]}."
            )
            raise InvalidInputError(msg)
        self.n += len(logits)
        if self._file is None:
            self._batches.append((logits, labels))
        elif len(logits):
            self._file.add(logits, labels)

    def require_some(self) -> None:
        """Raise where no row has come."""
        if not self.n:
            msg = (
                "`loader` gave no rows: a generator is empty once it has been read, and "
                "`ignore_label` may leave out all."
            )
            raise InvalidInputError(msg)

    def collected(self, names: tuple[str, ...] | None) -> CollectedLogits:
        """Return the whole."""
        if self._file is None:
            logits, labels = (np.concatenate(each) for each in zip(*self._batches, strict=True))
            return CollectedLogits(logits, labels, names, self.n)
        path = self._file.path
        if self._file.is_table:
            return CollectedLogits(None, None, names, self.n, path)
        label_path = labels_path(path)
        logits, labels = (np.load(each, mmap_mode="r") for each in (path, label_path))
        return CollectedLogits(logits, labels, names, self.n, path, label_path)


def _rows_of(loader: Any) -> int | None:  # noqa: ANN401
    """Return how many rows a loader has, where it says so."""
    try:
        return len(loader.dataset)
    except (AttributeError, TypeError):
        return None


def _as_keys(batch_keys: Any) -> tuple[Any, ...]:  # noqa: ANN401
    rule = 'names or places in a batch, the labels last: ("input_ids", "labels")'
    keys = tuple(as_sequence(batch_keys, name="batch_keys", rule=rule))
    if len(keys) < 2 or not all(isinstance(key, str | int) for key in keys):
        msg = f"`batch_keys` must be {rule}, got {value_text(batch_keys)}."
        raise InvalidInputError(msg)
    return keys


def _parts(batch: Any, keys: tuple[Any, ...] | None) -> tuple[Any, Any]:  # noqa: ANN401
    """Return what the model takes of a batch, and its labels."""
    if isinstance(batch, Mapping):
        return _parts_of_mapping(batch, keys)
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        what = value_text(type(batch).__name__)
        msg = (
            f"there are no labels in it ({what}): a batch must be (inputs, labels) or a dict with "
            '"labels".'
        )
        raise InvalidInputError(msg)
    if keys is None:
        return tuple(batch[:-1]), batch[-1]
    wrong = [key for key in keys if not isinstance(key, int) or not 0 <= key < len(batch)]
    if wrong:
        msg = (
            f"`batch_keys` must be places from 0 to {len(batch) - 1} of a batch that is a "
            f"{type(batch).__name__}, got {wrong[0]!r}."
        )
        raise InvalidInputError(msg)
    return tuple(batch[key] for key in keys[:-1]), batch[keys[-1]]


def _parts_of_mapping(batch: Mapping[Any, Any], keys: tuple[Any, ...] | None) -> tuple[Any, Any]:
    names = ", ".join(map(str, batch))
    if keys is None:
        label = next((key for key in _LABELS if key in batch), None)
        if label is None:
            msg = (
                f'there are no labels in it: it has {names}, and neither "labels" nor "label". '
                "Name what the model takes and at last the labels (`batch_keys`)."
            )
            raise InvalidInputError(msg)
        return {key: value for key, value in batch.items() if key != label}, batch[label]
    missing = [key for key in keys if key not in batch]
    if missing:
        msg = f"`batch_keys` has {missing[0]!r}, and the batch {names}."
        raise InvalidInputError(msg)
    return {key: batch[key] for key in keys[:-1]}, batch[keys[-1]]


def _as_device(device: Any) -> torch.device:  # noqa: ANN401
    """Return the device if it is there: nothing is run to find out that it is not."""
    try:
        target = torch.device(device)
        if target.type == "meta":
            raise RuntimeError("it holds no numbers")  # noqa: EM101, TRY003, TRY301
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        msg = f"`device` must be one that torch has here, got {value_text(device)}: {reason}"
        raise InvalidInputError(msg) from error
    return target


def _output_of(model: nn.Module, inputs: Any) -> Any:  # noqa: ANN401
    """Return what the model gives, or say that it does not take what a batch holds."""
    try:
        return run_model(model, inputs)
    except TypeError as error:
        what = f"a dict of {', '.join(map(str, inputs))}" if isinstance(inputs, Mapping) else (
            f"{len(inputs)} in a row" if isinstance(inputs, tuple) else type(inputs).__name__
        )  # fmt: skip
        msg = (
            f"the model does not take the inputs of the batch ({what}): {error}. Name what it "
            "takes, and at last the labels (`batch_keys`), or wrap the model."
        )
        raise InvalidInputError(msg) from error


def _moved(inputs: Any, device: torch.device) -> Any:  # noqa: ANN401
    """Return inputs whose tensors, also those inside of dicts and tuples, lie on the device."""
    if isinstance(inputs, Tensor):
        return inputs.to(device)
    if isinstance(inputs, Mapping):
        return {key: _moved(value, device) for key, value in inputs.items()}
    if type(inputs) in {tuple, list}:
        return type(inputs)(_moved(each, device) for each in inputs)
    return inputs


def _as_rows(
    logits: Tensor,
    labels: Any,  # noqa: ANN401  (a tensor, or array_like)
    class_axis: int,
    ignore_label: int | None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return logits, (m, k), and labels of a batch, as arrays of rows that fit each other."""
    z = logits.detach()
    if z.ndim > 1:
        require_axis(class_axis, ndim=z.ndim)
        z = z.movedim(class_axis, -1)
    z = z.reshape(-1, 1) if z.ndim < 2 else z
    if not z.is_floating_point():
        msg = f"the model gave {str(z.dtype).removeprefix('torch.')}, which are no logits."
        raise InvalidInputError(msg)
    y = np.asarray(on_host(labels.detach().cpu()) if isinstance(labels, Tensor) else labels)
    shape = tuple(z.shape)
    if y.shape not in {shape[:-1], shape, (*shape[:-1], 1)}:
        msg = (
            f"labels of shape {y.shape} do not fit logits of shape {tuple(logits.shape)}: one per "
            "row, or one per row and column."
        )
        raise InvalidInputError(msg)
    of_labels = y.shape == shape and shape[-1] > 1
    y = y.reshape(-1, shape[-1]) if of_labels else y.reshape(-1)
    wide = z.reshape(-1, shape[-1])
    wide = wide if wide.dtype == torch.float64 else wide.float()
    rows = on_host(wide.cpu())
    if ignore_label is not None and not of_labels:
        keep = y != ignore_label
        rows, y = rows[keep], y[keep]
    if np.isnan(rows).any():
        row = int(np.isnan(rows).any(axis=1).argmax())
        msg = f"the model gave nan, in row {row} of the batch first."
        raise InvalidInputError(msg)
    return np.array(rows), np.array(y)
