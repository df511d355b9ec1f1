"""Files put together by `cat`: readers that begin at the end see one part, and say nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError

if TYPE_CHECKING:
    import zipfile
    from typing import BinaryIO

    import pyarrow as pa

__all__ = ["refuse_joined_archives", "refuse_joined_arrow", "refuse_joined_parquet"]

_CHUNK = 1 << 20
_PARQUET = b"PAR1"
_ARROW = b"ARROW1"


def refuse_joined_parquet(file: BinaryIO, metadata: Any) -> None:  # noqa: ANN401  (pyarrow's)
    """Refuse a Parquet file in front of which another one stands.

    What its footer says of places is then less than where they are, by the size of what stands in
    front: that is at most what lies between the last column and the footer, as nothing but an
    index does otherwise. So many of the first bytes are searched for an end and a beginning.
    """
    size = file.seek(0, 2)
    file.seek(size - 8)
    footer = size - 8 - int.from_bytes(file.read(4), "little")
    group = metadata.row_group(metadata.num_row_groups - 1) if metadata.num_row_groups else None
    end = len(_PARQUET)
    if group is not None and group.num_columns:
        column = group.column(group.num_columns - 1)
        starts = [column.data_page_offset]
        if column.has_dictionary_page and column.dictionary_page_offset:
            starts.append(column.dictionary_page_offset)
        end = min(starts) + column.total_compressed_size
    if footer > end and _holds(file, 0, footer - end + 8, _PARQUET + _PARQUET):
        raise FileFormatError(_joined("Parquet files"))


def refuse_joined_arrow(source: pa.MemoryMappedFile) -> None:
    """Refuse an Arrow file that goes on after its batches with anything but its footer.

    The batches are stepped over, not read; a damaged one is left to who reads it.
    """
    import pyarrow as pa  # noqa: PLC0415 - optional package

    size = source.size()
    source.seek(size - 10)
    footer = size - 10 - int.from_bytes(source.read(4), "little")
    source.seek(8)
    try:
        for _ in pa.ipc.MessageReader.open_stream(source):
            pass
    except (pa.ArrowException, OSError):
        return
    if _holds(source, source.tell(), footer, _ARROW + _ARROW):
        raise FileFormatError(_joined("Arrow files"))


def refuse_joined_archives(archive: zipfile.ZipFile) -> None:
    """Refuse a .npz archive in front of which another one stands."""
    first = min((each.header_offset for each in archive.infolist()), default=0)
    if first == 0 or archive.fp is None:
        return
    archive.fp.seek(0)
    if archive.fp.read(4) == b"PK\x03\x04":
        raise FileFormatError(_joined(".npz archives"))


def _holds(file: Any, start: int, stop: int, mark: bytes) -> bool:  # noqa: ANN401
    """Whether the bytes from `start` to `stop` hold the mark."""
    file.seek(start)
    kept = b""
    for place in range(start, stop, _CHUNK):
        kept += file.read(min(_CHUNK, stop - place))
        if mark in kept:
            return True
        kept = kept[1 - len(mark) :]
    return False


def _joined(what: str) -> str:
    return (
        f"holds several {what} one after the other, as `cat` makes them; only one would be read. "
        "Put each into a folder as a file of its own: the folder is read as one."
    )
