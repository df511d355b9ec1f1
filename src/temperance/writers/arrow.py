"""Columns in .parquet, .arrow and .feather files, written with pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.file_formats import FILE_FORMATS, missing_package
from temperance.writers.content import refuse_missing_labels

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from temperance.writers.content import Content

__all__ = ["ParquetBlocks", "write_arrow", "write_parquet"]


def write_parquet(path: Path, content: Content, _suffix: str) -> None:
    """Write a Parquet file."""
    table = _table(content, ".parquet")
    import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    pq.write_table(table, path)


def write_arrow(path: Path, content: Content, _suffix: str) -> None:
    """Write an Arrow file, which Feather of version 2 is too."""
    table = _table(content, ".arrow")
    import pyarrow as pa  # noqa: PLC0415 - optional package

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


class ParquetBlocks:
    """A Parquet file with a row group per block."""

    def __init__(self, path: Path, _suffix: str) -> None:
        self._path = path
        self._writer: Any = None

    def add(self, content: Content) -> None:
        """Append a row group."""
        table = _table(content, ".parquet")
        if self._writer is None:
            import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

            self._writer = pq.ParquetWriter(self._path, table.schema)
        self._writer.write_table(table.cast(self._writer.schema))

    def close(self) -> None:
        """Write the footer."""
        if self._writer is not None:
            self._writer.close()


def _table(content: Content, suffix: str) -> pa.Table:
    refuse_missing_labels(content, suffix)
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional package
    except ImportError as error:
        of_arrow = (each for each in FILE_FORMATS if each.package == "pyarrow")
        raise missing_package(of_arrow, purpose="Writing") from error
    return pa.table(
        {
            name: pa.array(column.tolist() if column.dtype.kind == "U" else column)
            for name, column in content.table().items()
        }
    )
