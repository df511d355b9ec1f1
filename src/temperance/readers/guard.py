"""The one place where what goes wrong in a file becomes a `FileFormatError` of one line."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError, InvalidInputError, MissingDependencyError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO

    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "is_folder",
    "name_list",
    "naming",
    "quoted",
    "refuse_joined_archives",
    "refuse_joined_arrow",
    "refuse_joined_parquet",
    "refuse_packed_arrow",
    "refusing",
    "require_file",
]

# The one place where whatever goes wrong in a file becomes a `FileFormatError` of one line.


_LONGEST_QUOTE = 40
_LONGEST_LIST = 20
_LONGEST_REASON = 300


@contextmanager
def naming(
    where: str, error: type[FileFormatError | InvalidInputError] = FileFormatError
) -> Iterator[None]:
    """Put what an object is called before the message of an error of this kind."""
    try:
        yield
    except error as raised:
        msg = f"{where}: {raised}"
        raise error(msg) from raised


@contextmanager
def refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn any exception into a `FileFormatError` that starts with `path`.

    Warnings are left to the program: their filters belong to the whole process, so that silencing
    them here would silence those of other threads.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        msg = f"`path` must be text or a Path, got {quoted(path)}."
        raise InvalidInputError(msg)
    try:
        yield
    except (MissingDependencyError, InvalidInputError):
        raise
    except FileFormatError as error:
        raise _refusal(path, str(error)) from error
    except OSError as error:
        reason = error.strerror or str(error)[:_LONGEST_REASON]
        raise _refusal(path, f"cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        byte = f"the byte {error.object[error.start]:#x}"
        raise _refusal(path, f"must be UTF-8 text, but holds {byte}; save it as UTF-8.") from error
    except Exception as error:  # parsers raise anything at all on damaged bytes
        reason = f"{type(error).__name__}: {str(error)[:_LONGEST_REASON]}".rstrip(" .:")
        text = f"is damaged or not in the format its name says ({reason})."
        raise _refusal(path, text) from error


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether files of a folder are meant, not one file."""
    with refusing(path):
        return Path(path).is_dir()


def require_file(path: Path) -> None:
    """Refuse what is no regular file (opening a pipe would wait for ever), and an empty one.

    Every reader of a file asks this before it opens it.
    """
    try:
        status = path.stat()
    except ValueError as error:
        nul = "\0" in str(path)
        msg = f"cannot be read: a path holds no {'NUL character' if nul else 'half characters'}."
        raise FileFormatError(msg) from error
    except FileNotFoundError as error:
        if str(path) != "-":
            raise
        msg = "standard input is not read: save it to a file first."
        raise FileFormatError(msg) from error
    if not stat.S_ISREG(status.st_mode):
        raise FileFormatError(_no_file(status.st_mode))
    if status.st_size == 0:
        msg = "is empty (0 bytes)."
        raise FileFormatError(msg)


def _no_file(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "must be a file, but is a directory."
    if stat.S_ISFIFO(mode):  # also of <(command) and of /dev/stdin
        return "must be a file, but is a pipe: save what it holds to a file first."
    return "must be a file, but is no regular file."


def quoted(value: object) -> str:
    """Show a value from a file: quoted, escaped, not too long."""
    text = repr(value[: _LONGEST_QUOTE + 1] if isinstance(value, str) else value)
    return text if len(text) <= _LONGEST_QUOTE + 2 else f"{text[:_LONGEST_QUOTE]}..."


def name_list(names: Iterable[str]) -> str:
    """Show a list of names from a file; "nothing" when there are none."""
    texts = [quoted(name) for name in names]
    more = len(texts) - _LONGEST_LIST
    tail = f" and {more} more" if more > 0 else ""
    return ", ".join(texts[:_LONGEST_LIST]) + tail or "nothing"


def _refusal(path: str | os.PathLike[str], reason: str) -> FileFormatError:
    """Make an error of one line that starts with the path."""
    return FileFormatError(f"{os.fspath(path)}: {' '.join(reason.split())}")


# Files put together by `cat`: readers that begin at the end see one part, and say nothing.


_CHUNK = 1 << 20
_PARQUET = b"PAR1"
_ARROW = b"ARROW1"


def refuse_joined_parquet(file: BinaryIO, parquet: pq.ParquetFile) -> None:
    """Refuse a Parquet file in front of which another one stands.

    What its footer says of places is then less than where they are, by the size of what stands in
    front: that is at most what lies between the last column and the footer, as nothing but an
    index does otherwise. So many of the first bytes are searched for an end and a beginning.
    """
    size = file.seek(0, 2)
    file.seek(size - 8)
    footer = size - 8 - int.from_bytes(file.read(4), "little")
    end = _end_of_columns(parquet)
    if footer > end and _holds(file, 0, footer - end + 8, _PARQUET + _PARQUET):
        raise FileFormatError(_joined("Parquet files"))


def _end_of_columns(parquet: pq.ParquetFile) -> int:
    """Return where the last column ends by the footer's word, or the start of what is unreadable.

    pyarrow ends the process when it is asked for the place of a column whose description is
    damaged, and raises when it reads one: so a row is read first.
    """
    import pyarrow as pa  # noqa: PLC0415 - optional package

    metadata = parquet.metadata
    if not metadata.num_row_groups or not metadata.num_columns:
        return len(_PARQUET)
    last, place = metadata.num_row_groups - 1, metadata.num_columns - 1
    name = parquet.schema.column(place).path
    try:
        next(parquet.iter_batches(1, row_groups=[last], columns=[name]), None)
    except (pa.ArrowException, OSError):
        return len(_PARQUET)
    column = metadata.row_group(last).column(place)
    starts = [column.data_page_offset]
    if column.has_dictionary_page and column.dictionary_page_offset:
        starts.append(column.dictionary_page_offset)
    return int(min(starts) + column.total_compressed_size)


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


def refuse_packed_arrow(source: pa.NativeFile) -> None:
    """Refuse an Arrow stream with a compressed batch: a small body could fill the memory."""
    import pyarrow as pa  # noqa: PLC0415 - optional package

    for message in pa.ipc.MessageReader.open_stream(source):
        if _is_packed(message.metadata.to_pybytes()):
            msg = "holds compressed batches; write them without `compression`."
            raise FileFormatError(msg)


def _is_packed(message: bytes) -> bool:
    """Whether a message of Arrow says that its batch is compressed.

    Its metadata is a FlatBuffer, Message {version, header_type, header, ...}, whose header is a
    RecordBatch {length, nodes, buffers, compression} or a DictionaryBatch {id, data, ...} of one
    (format/Message.fbs of Arrow).
    """
    table = int.from_bytes(message[:4], "little")
    kind, header = (_field(message, table, number) for number in (1, 2))
    if kind is None or header is None or message[kind] not in {_DICTIONARY, _BATCH}:
        return False
    batch = _pointed(message, header)
    if message[kind] == _DICTIONARY:
        data = _field(message, batch, 1)
        if data is None:
            return False
        batch = _pointed(message, data)
    return _field(message, batch, 3) is not None


_DICTIONARY, _BATCH = 2, 3  # of the union of headers, in the order of Message.fbs


def _pointed(message: bytes, at: int) -> int:
    return at + int.from_bytes(message[at : at + 4], "little")


def _field(message: bytes, table: int, number: int) -> int | None:
    """Return where a field of a FlatBuffer's table is; None where it has its default."""
    offsets = table - int.from_bytes(message[table : table + 4], "little", signed=True)
    if 4 + 2 * number >= int.from_bytes(message[offsets : offsets + 2], "little"):
        return None
    at = offsets + 4 + 2 * number
    offset = int.from_bytes(message[at : at + 2], "little")
    return table + offset if offset else None


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
    window = b""
    for place in range(start, stop, _CHUNK):
        window += file.read(min(_CHUNK, stop - place))
        if mark in window:
            return True
        window = window[1 - len(mark) :]
    return False


def _joined(what: str) -> str:
    return (
        f"holds several {what} one after the other, as `cat` makes them; only one would be read. "
        "Put each into a folder as a file of its own: the folder is read as one."
    )
