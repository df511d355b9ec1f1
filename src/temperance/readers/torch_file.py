"""Tensors that torch.save wrote to a .pt or .pth file: read without running any code."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError, MissingDependencyError
from temperance.readers.guard import named
from temperance.readers.npz import KeyedArrays, rows_of_array, rows_of_arrays

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.readers.request import Request, Rows

__all__ = ["read_torch"]


def read_torch(path: Path, request: Request) -> Rows:
    """Read a tensor, as a .npy file, or a dict of tensors, as a .npz file."""
    _check_archive(path)
    try:
        import torch  # noqa: PLC0415  (an optional package)
    except ImportError as error:
        package = "torch"
        raise MissingDependencyError(
            package, extra="torch", purpose=f"Reading {path.suffix} files"
        ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        msg = (
            "holds other things than tensors, which are refused because loading them can run code; "
            'save a dict of tensors: torch.save({"logits": logits, "labels": labels}, path).'
        )
        raise FileFormatError(msg) from error
    size = path.stat().st_size
    if isinstance(content, torch.Tensor):
        return rows_of_array(_array("the tensor", content, size), request)
    if isinstance(content, dict):
        return rows_of_arrays(_Tensors(content, size), request)
    msg = (
        f"must hold a tensor or a dict of tensors, but holds a {type(content).__name__}: "
        'torch.save({"logits": logits, "labels": labels}, path).'
    )
    raise FileFormatError(msg)


class _Tensors(KeyedArrays):
    """The tensors of a dict by key; lists of texts and of numbers count as tensors."""

    def __init__(self, content: dict[Any, Any], size: int) -> None:
        self._content = {str(key): value for key, value in content.items()}
        self._size = size

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the entries, in order."""
        return tuple(self._content)

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Return the shape of a tensor; None of what is none."""
        shape = getattr(self._content[key], "shape", None)
        return None if shape is None else tuple(shape)

    def read(self, key: str) -> NDArray[Any]:
        """Return one tensor as an array, in the dtype that NumPy has for it."""
        return _array(f"`{key}`", self._content[key], self._size)


def _array(what: str, value: Any, size: int) -> NDArray[Any]:  # noqa: ANN401  (what a file holds)
    import numpy as np  # noqa: PLC0415
    import torch  # noqa: PLC0415

    if isinstance(value, list | tuple) and all(isinstance(each, str | int) for each in value):
        return np.array(value)
    if not isinstance(value, torch.Tensor):
        msg = f"{what} must be a tensor, but is a {type(value).__name__}."
        raise FileFormatError(msg)
    if value.numel() * value.element_size() > size:
        msg = (
            f"{what} of shape {tuple(value.shape)} takes more bytes than the file holds: save "
            "tensor.contiguous().clone()."
        )
        raise FileFormatError(msg)
    if value.layout != torch.strided or value.is_quantized or value.is_meta:
        msg = f"{what} must be a dense tensor of numbers, got {value.dtype} of {value.layout}."
        raise FileFormatError(msg)
    narrow = str(value.dtype).startswith(("torch.bfloat16", "torch.float8"))
    tensor = value.detach()
    return np.asarray((tensor.float() if narrow else tensor).resolve_conj().resolve_neg().numpy())


def _check_archive(path: Path) -> None:
    """Refuse what torch.save has not written since version 1.6, or what claims too many bytes."""
    if not zipfile.is_zipfile(path):
        msg = "is no file that torch.save writes (since PyTorch 1.6, a zip archive)."
        raise FileFormatError(msg)
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        packed = [each.filename for each in members if each.compress_type != zipfile.ZIP_STORED]
        if packed:
            msg = f"holds compressed entries ({named(packed[:1])}), which torch.save never writes."
            raise FileFormatError(msg)
        if sum(each.file_size for each in members) > path.stat().st_size:
            msg = "claims to hold more bytes than it has; it is damaged."
            raise FileFormatError(msg)
