"""NumPy arrays: one in a .npy file, mapped, or several in a .npz file, each under its key."""

from __future__ import annotations

import math
import re
import shlex
import zipfile
from abc import ABC, abstractmethod
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from temperance.errors import FileFormatError, MissingDependencyError
from temperance.readers.dataset import Fields, Kind
from temperance.readers.guard import name_list, quoted, refuse_joined_archives
from temperance.readers.request import (
    FileRows,
    Request,
    Role,
    choose,
    near_names,
    option_for,
    refuse_near_names,
    role_name,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["count_npy_rows", "read_npy", "read_npz", "read_torch"]

# Several arrays, each under its key, as .npz and .pt files hold them: which key holds what.


_SINGULAR: dict[Kind, str] = {"logits": "logit", "probs": "prob"}
_OF_PROBS = ("prob", "conf", "softmax")
_SHOWN_ROWS = 1000  # of scores without a known name, looked at to say what they may be
_CLOSE = 0.02  # mean distance of row sums from 1


class KeyedArrays(ABC):
    """The arrays of a file by key, each read when it is asked for."""

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """Names of the arrays, in order."""

    @abstractmethod
    def shape(self, key: str) -> tuple[int, ...] | None:
        """Return the shape of an array, which is not read; None of one that will be refused."""

    @abstractmethod
    def read(self, key: str) -> NDArray[Any]:
        """Return one array, or raise `FileFormatError`."""


def rows_of_arrays(arrays: KeyedArrays, request: Request) -> FileRows:
    """Pick the keys and read them; singular and plural of a name are the same key."""
    if not request.scores:
        id_key = request.id_name(arrays.keys)
        return FileRows(labels=arrays.read(_label_key(arrays, request)), ids=_read(arrays, id_key))
    key, kind = _score_key(arrays, request)
    matches = _role_keys(arrays, request, key)
    values = arrays.read(key)
    return FileRows(
        kind=kind,
        values=values,
        labels=_read(arrays, matches.get("label")),
        weights=_read(arrays, matches["weight"]),
        groups=_read(arrays, matches["group"]),
        clusters=_read(arrays, matches["cluster"]),
        ids=_read(arrays, matches["id"]),
        classes=_classes(arrays, values, matches),
    )


def _read(arrays: KeyedArrays, key: str | None) -> NDArray[Any] | None:
    return None if key is None else arrays.read(key)


def _role_keys(arrays: KeyedArrays, request: Request, scores: str) -> dict[Role, str | None]:
    """Return the key of what is wanted beside the scores; None where there is none."""
    roles = [role for role in get_args(Role) if role != "label" or request.labels]
    role_fields: dict[Role, str | None] = {role: getattr(request.fields, role) for role in roles}
    matches: dict[Role, str | None] = {
        role: role_name(role, arrays.keys, role_fields[role], word="key") for role in roles
    }
    used = {scores, *_score_names("logits"), *_score_names("probs"), "classes"}
    refuse_near_names(arrays.keys, matches, role_fields, used=used, word="key")
    return matches


def _label_key(arrays: KeyedArrays, request: Request) -> str:
    """Return the key of the labels of a file that is read for them alone."""
    key = role_name("label", arrays.keys, request.fields.label, word="key")
    if key is not None:
        return key
    scores = {*_score_names("logits"), *_score_names("probs"), *request.score_keys().values()}
    others = [each for each in arrays.keys if each not in scores]
    candidates = near_names("label", arrays.keys) or others
    hint = f" Say which holds them: {option_for('label', candidates[0])}." if candidates else ""
    msg = f"has no key `labels`; it holds {name_list(arrays.keys)}.{hint}"
    raise FileFormatError(msg)


def _score_names(kind: Kind) -> tuple[str, str]:
    return kind, _SINGULAR[kind]


def _score_key(arrays: KeyedArrays, request: Request) -> tuple[str, Kind]:
    keys: dict[Kind, str] = {}
    score_keys = request.score_keys()
    for kind, name in score_keys.items():
        names = _score_names(kind) if name == kind else (name,)
        present = [each for each in names if each in arrays.keys]
        if len(present) > 1:
            option = f"--{kind}-column"
            msg = (
                f"has both `{present[0]}` and `{present[1]}`; say which to use with {option} "
                f"{present[0]} or {option} {present[1]}."
            )
            raise FileFormatError(msg)
        if present:
            keys[kind] = present[0]
    if not keys:
        alternatives = "` or `".join(score_keys.values())
        msg = (
            f"has no key `{alternatives}`; it holds {name_list(arrays.keys)}."
            f"{_suggestion(arrays, request)}"
        )
        raise FileFormatError(msg)
    file_kind, kind = choose(list(keys), request.kind)
    return keys[file_kind], kind


def _suggestion(arrays: KeyedArrays, request: Request) -> str:
    """Return the options to copy for a file whose keys have names of its own."""
    shapes = {key: arrays.shape(key) for key in arrays.keys}
    scores = [
        key
        for key, shape in shapes.items()
        if shape is not None and len(shape) == 2 and shape[1] > 1 and not near_names("label", [key])
    ]
    if not scores:  # log-odds or probabilities of one class: floats that are no labels
        scores = [
            key
            for key, shape in shapes.items()
            if shape is not None
            and len(shape) == 1
            and not near_names("label", [key])
            and key not in ("label", "labels")
            and arrays.read(key).dtype.kind == "f"
        ]
    if not scores:
        return ""
    key = scores[0]
    shape = shapes[key]
    assert shape is not None  # noqa: S101  (of candidates)
    options = [f"--{_looks_like(key, arrays.read(key))}-column {shlex.quote(key)}"]
    own = request.labels and request.fields.label is None
    if own and role_name("label", arrays.keys, None, word="key") is None:
        rest = [name for name in arrays.keys if name != key]
        fitting = [name for name in rest if shapes[name] in (shape[:1], (*shape[:1], 1))]
        labels = near_names("label", fitting) or fitting
        options += [option_for("label", labels[0])] if labels else []
    more = f" (or {name_list(scores[1:])})" if len(scores) > 1 else ""
    return f" Name them: {' '.join(options)}{more}."


def _looks_like(key: str, values: NDArray[Any]) -> Kind:
    """Return what to suggest that scores are: by their name, else by their first rows."""
    name = key.casefold()
    if "logit" in name:
        return "logits"
    if any(word in name for word in _OF_PROBS):
        return "probs"
    few = values[:_SHOWN_ROWS]
    if few.dtype.kind not in "iuf" or not few.size or not (few.min() >= 0 and few.max() <= 1):
        return "logits"
    sums = few.sum(axis=1, dtype=np.float64) if few.ndim == 2 else np.ones(1)
    return "probs" if float(np.abs(sums - 1.0).mean()) < _CLOSE else "logits"


def _classes(
    arrays: KeyedArrays, values: NDArray[Any], matches: dict[Role, str | None]
) -> tuple[str, ...] | None:
    """Return the names of the classes, under `classes`, or `class` if that has one per column."""
    present = [key for key in ("classes", "class") if key in arrays.keys]
    present = [key for key in present if key not in matches.values()]
    if not present:
        return None
    if len(present) > 1:
        msg = "has both `classes` and `class`; keep the one that names the columns."
        raise FileFormatError(msg)
    (key,) = present
    names = arrays.read(key)
    k = values.shape[1] if values.ndim > 1 else 2
    if key == "class" and names.size != k:
        msg = (
            f"has a key `class` of {names.size} entries for {k} columns: if it holds the labels, "
            f"say {option_for('label', key)}; names of columns are called `classes`."
        )
        raise FileFormatError(msg)
    return tuple(map(str, names.ravel().tolist()))


# One NumPy array in a .npy file, memory-mapped, and the header that .npz members share.


_LAST_CODE_POINT = 0x10FFFF
_LONGEST_HEADER = 1 << 16  # bytes; NumPy refuses to parse less than that


def read_npy(path: Path, request: Request) -> FileRows:
    """Read the only array of a .npy file: the scores, or the labels if only these are wanted."""
    with path.open("rb") as file:
        array = mapped(file, read_header("the array", file, path.stat().st_size))
    return rows_of_array(array if request.scores else decoded(array), request)


def rows_of_array(array: NDArray[Any], request: Request) -> FileRows:
    """Return the only array of a file as the scores, or as the labels if only these are wanted."""
    if not request.scores:
        return FileRows(labels=array)
    fields = request.fields
    if replace(fields, logits=None, probs=None) != Fields():
        msg = (
            "holds a single array, which has no names to look for; save several under their keys "
            "in a .npz instead."
        )
        raise FileFormatError(msg)
    kind: Kind = "logits" if fields.probs is None else "probs"  # of a label matrix, only this says
    return FileRows(kind=request.kind or kind, values=array)


class ArrayHeader(NamedTuple):
    """What the head of an array says of it."""

    shape: tuple[int, ...]
    order: Literal["C", "F"]
    dtype: np.dtype[Any]


def count_npy_rows(path: Path) -> int:
    """Return the number of rows of a .npy file, from its header."""
    with path.open("rb") as file:
        return read_header("the array", file, path.stat().st_size).shape[0]


def read_header(what: str, file: IO[bytes], size: int) -> ArrayHeader:
    """Return the header of an array of plain numbers or text that is as long as it says.

    Reads the header only, so that a false one cannot make NumPy allocate memory for it.
    `size` is the number of bytes in `file`, whose place is at the numbers then.
    """
    version = np.lib.format.read_magic(file)
    if version not in {(1, 0), (2, 0)}:
        msg = f"{what} has a .npy header of version {version[0]}.{version[1]}; known: 1.0, 2.0."
        raise FileFormatError(msg)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(_of_python_3(file, 2 if version == (1, 0) else 4))
    _check_dtype(what, dtype)
    declared = math.prod(shape) * max(dtype.itemsize, 1)
    actual = size - file.tell()
    if declared != actual or min(shape, default=0) < 0:
        msg = (
            f"{what} should take {declared} bytes (shape {shape}, {dtype}), "
            f"but the file holds {actual}; it is cut off or damaged."
        )
        raise FileFormatError(msg)
    return ArrayHeader(shape, "F" if fortran else "C", dtype)


def _of_python_3(file: IO[bytes], width: int) -> BytesIO:
    """Return the rest of a header, its length in `width` bytes first, as Python 3 writes it.

    Python 2 wrote long numbers as 22L, which NumPy reads with a warning.
    """
    length = file.read(width)
    text = file.read(min(int.from_bytes(length, "little"), _LONGEST_HEADER))
    if b"L" in text and len(text) == int.from_bytes(length, "little"):
        text = re.sub(rb"(?<=\d)L(?=[,) ])", b"", text)
        length = len(text).to_bytes(width, "little")
    return BytesIO(length + text)


def mapped(file: IO[bytes], header: ArrayHeader) -> NDArray[Any]:
    """Return the array that begins at the place in a file, without reading it."""
    return np.memmap(file, header.dtype, "r", file.tell(), header.shape, header.order)


def decoded(array: NDArray[Any]) -> NDArray[Any]:
    """Byte strings as text; anything else as it is, once text is known to be text."""
    if array.dtype.kind == "S":
        return np.strings.decode(array, "utf-8")
    if array.dtype.kind == "U" and array.size:
        code_point = np.dtype(np.uint32).newbyteorder(array.dtype.byteorder)
        if np.ascontiguousarray(array).view(code_point).max() > _LAST_CODE_POINT:
            msg = "holds text with characters that do not exist; it is damaged."
            raise FileFormatError(msg)
    return array


def _check_dtype(what: str, dtype: np.dtype[Any]) -> None:
    if dtype.hasobject:
        msg = (
            f"{what} holds pickled Python objects, which are refused because loading them can run "
            "code; save plain numbers or text instead: "
            "np.asarray(array.tolist()) gives such an array, or raises where rows differ in length."
        )
        raise FileFormatError(msg)
    if dtype.kind != "V":
        return
    if dtype.names is None and dtype.subdtype is None and dtype.itemsize <= 2:
        msg = (
            f"{what} has dtype {dtype.str}, which is what NumPy makes of bfloat16 or float8; "
            "save it as float32: np.save(path, array.astype(np.float32))."
        )
    else:
        msg = f"{what} is a structured array ({dtype}); save each of its fields as an array."
    raise FileFormatError(msg)


# Several NumPy arrays in a .npz file, each under its key.


# No DEFLATE stream grows by more than this.
_LARGEST_EXPANSION = 1032
_WORTH_MAPPING = 1 << 26  # bytes


def read_npz(path: Path | IO[bytes], request: Request) -> FileRows:
    """Read the arrays of a .npz file that are asked for."""
    with zipfile.ZipFile(path) as archive:
        refuse_joined_archives(archive)
        return rows_of_arrays(_Members(archive), request)


class _Members(KeyedArrays):
    """The arrays of an open archive by key; one is read when it is asked for."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        self._members = {name.removesuffix(".npy"): name for name in names}
        if len(self._members) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            msg = f"holds {quoted(twice)} more than once; which of them counts?"
            raise FileFormatError(msg)

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the arrays, in order."""
        return tuple(self._members)

    def shape(self, key: str) -> tuple[int, ...] | None:
        """Return the shape that the header says; None of an array that will be refused."""
        try:
            info = self._info(key)
            with self._archive.open(info) as member:
                return read_header(f"`{key}`", member, info.file_size).shape
        except (FileFormatError, ValueError):
            return None

    def read(self, key: str) -> NDArray[Any]:
        """Return one array, once its header, its member and the archive agree about its size."""
        info = self._info(key)
        with self._archive.open(info) as member:
            header = read_header(f"`{key}`", member, info.file_size)
            if not self._is_mapped(info):
                array = np.empty(math.prod(header.shape), header.dtype)
                _fill(array, member)
                return decoded(array.reshape(header.shape, order=header.order))
        with Path(str(self._archive.filename)).open("rb") as file:
            file.seek(info.header_offset + 26)  # two lengths, then the name and what is beside it
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
            file.seek(info.header_offset + 30 + name + extra)
            size = file.tell() + info.file_size
            return decoded(mapped(file, read_header(f"`{key}`", file, size)))

    def _is_mapped(self, info: zipfile.ZipInfo) -> bool:
        """Whether an array is left where it is: large, as it is, in a file that has a name."""
        stored = info.compress_type == zipfile.ZIP_STORED and info.file_size >= _WORTH_MAPPING
        return stored and self._archive.filename is not None

    def _info(self, key: str) -> zipfile.ZipInfo:
        """Return what the archive says of an array, once its size can be true."""
        info = self._archive.getinfo(self._members[key])
        largest = {
            zipfile.ZIP_STORED: info.compress_size,
            zipfile.ZIP_DEFLATED: info.compress_size * _LARGEST_EXPANSION,
        }
        archive_size = self._archive.start_dir
        if info.compress_type not in largest:
            msg = f"`{key}` is compressed in a way NumPy does not write; use np.savez_compressed."
            raise FileFormatError(msg)
        if info.compress_size > archive_size or info.file_size > largest[info.compress_type]:
            msg = f"`{key}` claims {info.file_size} bytes, more than the file can hold."
            raise FileFormatError(msg)
        return info


def _fill(array: NDArray[Any], member: IO[bytes]) -> None:
    """Read the numbers of an array; the last bytes make the archive check its sum of them all."""
    view: Any = memoryview(array.view(np.uint8).data if array.nbytes else b"")
    at = 0
    while at < len(view) and (count := member.readinto(view[at:])):  # type: ignore[attr-defined]
        at += count
    if at < len(view) or member.read(1):
        msg = "is cut off or damaged."
        raise FileFormatError(msg)


# Tensors that torch.save wrote to a .pt or .pth file: read without running any code.


def read_torch(path: Path, request: Request) -> FileRows:
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
            entry = name_list(packed[:1])
            msg = f"holds compressed entries ({entry}), which torch.save never writes."
            raise FileFormatError(msg)
        if sum(each.file_size for each in members) > path.stat().st_size:
            msg = "claims to hold more bytes than it has; it is damaged."
            raise FileFormatError(msg)
