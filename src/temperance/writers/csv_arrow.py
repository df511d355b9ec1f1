"""Columns as lines of a text table, made by pyarrow where it is installed: many times as fast.

The lines are those of `csv_file.py`, to the last character: numbers have as few digits as give them
back exactly, in Python's spelling.
"""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["is_worth_loading", "text_lines"]

_WORTH_LOADING = 1 << 16  # numbers; less is written before pyarrow is imported
_SPELLED_ALIKE = 1e-4, 1e10  # fractions between these; and anything positive below 1e-10
_TINY = 1e-10
_END = "\r\n"


def is_worth_loading(n_numbers: int) -> bool:
    """Whether pyarrow is installed, and a table large enough to import it for."""
    return n_numbers >= _WORTH_LOADING and importlib.util.find_spec("pyarrow") is not None


def text_lines(columns: Iterable[NDArray[Any]], delimiter: str) -> str:
    """Return columns, (n,) each, as n lines: RFC 4180, quotation marks only where there must be."""
    import pyarrow.compute as pc  # noqa: PLC0415 - optional package

    texts = [_texts(column, delimiter) for column in columns]
    between = _of_texts([delimiter])[0]
    lines = texts[0] if len(texts) == 1 else pc.binary_join_element_wise(*texts, between)
    return _END.join(lines.to_pylist()) + _END


def _texts(column: NDArray[Any], delimiter: str) -> Any:  # noqa: ANN401  (an array of pyarrow)
    import pyarrow as pa  # noqa: PLC0415 - optional package

    if column.dtype.kind == "f":
        return _of_floats(column.astype(np.float64))
    if column.dtype.kind == "U":
        return _of_texts(_quoted(column.tolist(), delimiter))
    if column.dtype.kind == "b":
        return _of_bits(column).cast(pa.string())  # true and false
    return _of_numbers(column).cast(pa.string())


def _of_floats(values: NDArray[np.float64]) -> Any:  # noqa: ANN401
    """Spell finite numbers as Python does: 0.0, 1.0 and 1e-05, where Arrow has 0, 1 and 0.00001."""
    import pyarrow as pa  # noqa: PLC0415 - optional package
    import pyarrow.compute as pc  # noqa: PLC0415 - optional package

    size, (least, most) = np.abs(values), _SPELLED_ALIKE
    fractions = (size >= least) & (size < most) & (np.trunc(values) != values)
    others = ~(fractions | ((size > 0.0) & (size < _TINY)))
    spelled = _of_texts(list(map(repr, values[others].tolist())))
    return pc.replace_with_mask(_of_numbers(values).cast(pa.string()), _of_bits(others), spelled)


# Arrays of pyarrow from buffers: `pyarrow.array` and `scalar` import pandas, which takes longer
# than the file.


def _of_numbers(values: NDArray[Any]) -> Any:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415 - optional package

    buffers = [None, pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), buffers)


def _of_bits(values: NDArray[np.bool_]) -> Any:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415 - optional package

    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


def _of_texts(texts: Sequence[str]) -> Any:  # noqa: ANN401
    import pyarrow as pa  # noqa: PLC0415 - optional package

    encoded = [text.encode() for text in texts]
    ends = np.zeros(len(texts) + 1, dtype=np.int64)
    np.cumsum(np.fromiter(map(len, encoded), np.int64, len(texts)), out=ends[1:])
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers).cast(pa.string())


def _quoted(cells: Sequence[str], delimiter: str) -> list[str]:
    """Put what RFC 4180 asks for around cells that hold a mark of the format itself."""
    special = re.compile(f'[{re.escape(delimiter)}"\r\n]').search
    return ['"' + cell.replace('"', '""') + '"' if special(cell) else cell for cell in cells]
