"""A model is run on rows: what goes in, what comes out, how long a call takes."""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper

from temperance.errors import FileFormatError, InvalidInputError
from temperance.export.parity import Latency
from temperance.printable import count_text
from temperance.readers.guard import refusing, require_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from onnx import ModelProto, ValueInfoProto

    from temperance.export.into_onnx.graph import ModelGraph

    Arrays = dict[str, NDArray[Any]]

__all__ = ["ModelRows", "Session", "dtype_of", "latencies", "outputs_of"]

_N_ROWS = 1000
_MOST_NUMBERS = 4_000_000  # numbers of made rows: fewer rows of images
_SCALES = (0.3, 1.0, 3.0)
_BATCH = 1024
_BATCHES = (1, 32)  # whose calls are timed
_SECONDS = 0.25  # per batch and model
_FEWEST, _MOST = 5, 50  # calls


def dtype_of(info: ValueInfoProto) -> np.dtype[Any]:
    """Return NumPy's type of an input or output that is a tensor."""
    return np.dtype(helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type))


def _shape(info: ValueInfoProto) -> list[int | None] | None:
    """Return the declared shape, None for what may vary; None where no rank is declared."""
    kind = info.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None
            for d in kind.shape.dim]  # fmt: skip


def _inputs(graph: ModelGraph) -> list[ValueInfoProto]:
    """Return what a caller must give: inputs that are no weights."""
    weights = {each.name for each in graph.graph.initializer}
    return [each for each in graph.graph.input if each.name not in weights]


@dataclass(frozen=True)
class ModelRows:
    """Rows that a model is run on: an array per input, of its type."""

    arrays: Arrays
    n: int
    words: str
    batch: int | None  # rows of a call, where the model fixes them

    @classmethod
    def of(cls, graph: ModelGraph, verify: Any, *, words: str | None) -> ModelRows:  # noqa: ANN401
        """Return a user's rows, checked against the model's inputs, or made ones."""
        inputs = _inputs(graph)
        other = [each.name for each in inputs if not each.type.HasField("tensor_type")]
        if other:
            msg = f"Input `{other[0]}` of the model is no tensor, and such models are not run here."
            raise InvalidInputError(msg)
        batch = _fixed_batch(inputs)
        if verify is None:
            return cls._normal_rows(inputs, batch)
        if isinstance(verify, str | os.PathLike):
            file = Path(verify)
            verify = _from_file(file, [each.name for each in inputs])
            words = words or f"{{}} of {file.name}"
        by_name = _by_input(inputs, verify)
        arrays = {each.name: _checked(each, by_name[each.name], batch) for each in inputs}
        sizes = {name: len(array) for name, array in arrays.items()}
        n = next(iter(sizes.values()), 0)
        if len(set(sizes.values())) > 1:
            size_list = ", ".join(f"`{name}` {size:,}" for name, size in sizes.items())
            msg = f"`verify` must have as many rows for each input, got {size_list}."
            raise InvalidInputError(msg)
        if n == 0:
            msg = "`verify` (--verify) must have rows, got none."
            raise InvalidInputError(msg)
        count_words = count_text(n, "row")
        return cls(arrays, n, words.format(count_words) if words else count_words, batch)

    @classmethod
    def _normal_rows(cls, inputs: Sequence[ValueInfoProto], batch: int | None) -> ModelRows:
        """Return normal draws, where all inputs are numbers of a known shape."""
        shapes: list[list[int]] = []
        for each in inputs:
            declared = _shape(each)
            sizes = [size for size in (declared or [])[1:] if size is not None]
            known = declared and len(sizes) == len(declared) - 1
            if not known or dtype_of(each).kind != "f":
                msg = (
                    f"Rows cannot be made for input `{each.name}` of the model, {_described(each)}:"
                    " give some that the model is used on, `verify` (--verify FILE.npz with an "
                    "array per input)."
                )
                raise InvalidInputError(msg)
            shapes.append(sizes)
        size = sum(int(np.prod(shape)) for shape in shapes)
        n = int(np.clip(_MOST_NUMBERS // max(size, 1), 8, _N_ROWS))
        rng = np.random.default_rng(0)
        scale = np.array(_SCALES)[np.arange(n) % len(_SCALES)]
        arrays = {}
        for each, shape in zip(inputs, shapes, strict=True):
            draws = rng.normal(size=(n, *shape)) * scale.reshape(-1, *[1] * len(shape))
            arrays[each.name] = draws.astype(dtype_of(each))
        return cls(arrays, n, f"{n:,} made rows", batch)

    def part(self, start: int, size: int) -> Arrays:
        """Return some rows, again from the first where there are too few."""
        rows = np.arange(start, start + size) % self.n
        return {name: array[rows] for name, array in self.arrays.items()}


def _fixed_batch(inputs: Sequence[ValueInfoProto]) -> int | None:
    shapes = [_shape(each) for each in inputs]
    sizes = {shape[0] for shape in shapes if shape}
    return sizes.pop() if len(sizes) == 1 else None


def _from_file(path: Path, names: Sequence[str]) -> Any:  # noqa: ANN401  (arrays by name, or one)
    """Return the arrays of a file; the columns of a table by name if the inputs are called so."""
    with refusing(path):
        require_file(path)
        if path.suffix == ".csv":
            return _from_table(path, names)
        if path.suffix not in {".npy", ".npz"}:
            msg = f"{path}: rows for a model are read from .npz, .npy and .csv files."
            raise InvalidInputError(msg)
        content = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            return content
        with content:
            return {name: content[name] for name in content.files}


def _from_table(path: Path, names: Sequence[str]) -> Any:  # noqa: ANN401
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *lines = list(csv.reader(file))
    lines = [line for line in lines if line]
    uneven = next((i for i, line in enumerate(lines) if len(line) != len(header)), None)
    if uneven is not None:
        msg = f"line {uneven + 2} has {len(lines[uneven])} cells, the first has {len(header)}."
        raise FileFormatError(msg)
    columns = {}
    for place, name in enumerate(header):
        cells = np.array([line[place] for line in lines])
        try:
            columns[name] = cells.astype(np.float64)
        except ValueError:
            columns[name] = cells
    if set(names) <= set(columns) and (len(names) > 1 or len(columns) == 1):
        return columns
    if len(names) > 1:
        return columns  # of which one is missing
    texts = [name for name, cells in columns.items() if cells.dtype.kind == "U"]
    if texts:
        msg = f"column {texts[0]!r} holds text: leave out what is no input of the model."
        raise FileFormatError(msg)
    return np.stack(list(columns.values()), axis=1)


def _described(info: ValueInfoProto) -> str:
    shape = _shape(info)
    dims = info.type.tensor_type.shape.dim
    if shape is None:
        return f"{dtype_of(info).name} of any shape"
    names = [str(size) if size is not None else d.dim_param or "?"
             for size, d in zip(shape, dims, strict=True)]  # fmt: skip
    kind = "text" if dtype_of(info).kind in "OUST" else dtype_of(info).name
    return f"{kind} of shape ({', '.join(names)})"


def _by_input(inputs: Sequence[ValueInfoProto], verify: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return the arrays by the names of the inputs."""
    names = [each.name for each in inputs]
    needed = "; ".join(f"`{each.name}`, {_described(each)}" for each in inputs)
    columns = getattr(verify, "columns", None)  # of a data frame
    known = list(columns) if columns is not None else None
    if known is None and hasattr(verify, "keys"):
        known = list(verify.keys())
    if known is None or (columns is not None and not set(names) <= set(known)):
        if len(names) != 1:
            msg = f"`verify` (--verify) must name an array for each input of the model: {needed}."
            raise InvalidInputError(msg)
        return {names[0]: np.asarray(verify)}
    missing = [name for name in names if name not in known]
    if missing:
        msg = (
            f"`verify` (--verify) has no array `{missing[0]}`; it has "
            f"{', '.join(map(repr, known[:20])) or 'none'}. The model's inputs: {needed}."
        )
        raise InvalidInputError(msg)
    return {name: np.asarray(verify[name]) for name in names}


def _checked(info: ValueInfoProto, array: NDArray[Any], batch: int | None) -> NDArray[Any]:
    """Return an array in the type of the input, or raise."""
    dtype, shape = dtype_of(info), _shape(info)
    label = f"`{info.name}` of `verify` (--verify) must be {_described(info)}"
    if shape is not None and len(shape) == 2 and array.ndim == 1 and shape[1] in {1, None}:
        array = array[:, None]  # a column of a table
    fits = shape is None or (
        array.ndim == len(shape)
        and all(size in {None, real} for size, real in zip(shape[1:], array.shape[1:], strict=True))
    )
    if not fits or array.ndim == 0:
        rows = "" if batch is None else f" (any number of rows: they go in {batch} at a time)"
        msg = f"{label}{rows}, got shape {array.shape}."
        raise InvalidInputError(msg)
    of_text, wants_text = array.dtype.kind in "OUST", dtype.kind in "OUST"
    try:
        if wants_text:
            return array.astype(str).astype(object)
        if of_text and array.dtype.kind != "O":
            raise ValueError  # noqa: TRY301  (text is no number, though NumPy would read it)
        converted = array.astype(dtype)
    except (TypeError, ValueError) as error:
        msg = f"{label}, got {'text' if of_text else array.dtype.name}."
        raise InvalidInputError(msg) from error
    if dtype.kind in "iub" and not np.array_equal(converted, array):
        msg = f"{label}, got {array.dtype.name} that are no whole numbers of that type."
        raise InvalidInputError(msg)
    return converted


class Session:
    """A model in onnxruntime, on the CPU."""

    def __init__(self, model: ModelProto, *, folder: Path) -> None:
        import onnxruntime as ort  # noqa: PLC0415  (a second to load)

        options = ort.SessionOptions()
        options.log_severity_level = 3
        key = "session.model_external_initializers_file_folder_path"
        options.add_session_config_entry(key, str(folder.resolve()))
        self.target = f"onnxruntime {ort.__version__}"
        self._session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    @property
    def names(self) -> list[str]:
        """Names of the outputs."""
        return [each.name for each in self._session.get_outputs()]

    def call(self, arrays: Arrays) -> list[Any]:
        """Run the model once."""
        return list(self._session.run(None, arrays))

    def run(self, rows: ModelRows) -> dict[str, Any]:
        """Run the model on all rows; return arrays, and dictionaries as lists of them."""
        size = rows.batch or _BATCH
        parts: dict[str, list[tuple[Any, int, int]]] = {name: [] for name in self.names}
        for start in range(0, rows.n, size):
            count = min(size, rows.n - start)
            batch_size = rows.batch or count
            inputs = rows.part(start, batch_size)
            for name, value in zip(self.names, self.call(inputs), strict=True):
                parts[name].append((value, count, batch_size))
        return {name: _joined(each) for name, each in parts.items()}


def _joined(parts: Sequence[tuple[Any, int, int]]) -> Any:  # noqa: ANN401
    """Put the outputs of batches together, of each value, the rows that count, and those sent.

    A row may have several entries (the tokens of a text, laid end to end); what has none for each
    row stays as it is.
    """
    first = parts[0][0]
    if isinstance(first, list):
        return [each for value, count, _ in parts for each in value[:count]]
    if np.ndim(first) == 0 or any(not len(v) or len(v) % batch_size for v, _, batch_size in parts):
        return first
    if len({np.shape(value)[1:] for value, _, _ in parts}) > 1:
        return first
    return np.concatenate([v[: count * (len(v) // batch_size)] for v, count, batch_size in parts])


def outputs_of(
    graph: ModelGraph, rows: ModelRows, *, also: Sequence[str] = ()
) -> tuple[dict[str, Any], str]:
    """Run a model; return its outputs, those of tensors inside too, and what ran it.

    Raises FileFormatError where onnxruntime cannot load or run it.
    """
    model = graph.model
    if also:
        model = onnx.ModelProto()
        model.CopyFrom(graph.model)
        inside = [name for name in dict.fromkeys(also) if name not in graph.outputs]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in inside)
    try:
        session = Session(model, folder=graph.file.parent)
        return session.run(rows), session.target
    except InvalidInputError:
        raise
    except Exception as error:  # onnxruntime's own, one class per reason
        text = " ".join(str(error).split())[:300]
        msg = f"{graph.file}: onnxruntime cannot run the model on these rows: {text}"
        raise FileFormatError(msg) from error


def latencies(before: ModelGraph, after: ModelGraph, rows: ModelRows) -> tuple[Latency, ...]:
    """Time calls of both models in turn, at batches of 1 and 32 rows, or of the fixed size."""
    folder = before.file.parent
    sessions = [Session(each.model, folder=folder) for each in (before, after)]
    result = []
    for batch in _BATCHES if rows.batch is None else (rows.batch,):
        inputs = rows.part(0, batch)
        times: list[list[float]] = [[], []]
        start = perf_counter()
        while len(times[0]) < _FEWEST or (
            perf_counter() - start < 2.0 * _SECONDS and len(times[0]) < _MOST
        ):
            for session, own in zip(sessions, times, strict=True):
                called = perf_counter()
                session.call(inputs)
                own.append(1e6 * (perf_counter() - called))
        result.append(Latency(batch, *(median(own[1:]) for own in times)))  # the first warms up
    return tuple(result)
