"""One function per file format, by suffix in `WRITERS`."""

from __future__ import annotations

import csv
import json
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import InvalidInputError
from temperance.writers.content import class_names, refuse_missing_labels, text_cells
from temperance.writers.place import no_pyarrow, opened_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pyarrow as pa

    from temperance.writers.content import Content

__all__ = ["WRITERS"]

_BLOCK_ROWS = 20_000


def _write_npz(path: Path, content: Content) -> None:
    arrays = {
        name if name == "accepted" else f"{name.removesuffix('s')}s": column
        for name, column in content.columns.items()
    }
    if content.classes is not None:
        arrays["classes"] = np.array(content.classes)
    with path.open("wb") as file:  # a path would get a suffix
        np.savez(file, allow_pickle=False, probs=content.probs, **arrays)


def _write_npy(path: Path, content: Content) -> None:
    with path.open("wb") as file:
        np.save(file, content.probs, allow_pickle=False)


def _write_csv(path: Path, content: Content, *, suffix: str = ".csv", packed: bool = False) -> None:
    columns = content.table()
    for name, column in content.columns.items():
        if column.dtype.kind != "U":
            continue
        blank = (column == "") | np.char.isspace(column)  # is read as a missing value
        if blank.any():
            row = int(blank.argmax())
            msg = (
                f"`{name}s` must not hold blank text in a {suffix} file; row {row} does. "
                "Write a .npz or .jsonl file instead."
            )
            raise InvalidInputError(msg)
    refuse_missing_labels(content, suffix)
    delimiter = "\t" if suffix == ".tsv" else ","
    with opened_text(path, newline="", packed=packed) as file:
        # Lines end as RFC 4180 has it, which makes the writer quote either character in a text.
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\r\n")
        writer.writerow(columns)
        for start in range(0, len(content.probs), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            cells = [text_cells(column[block]) for column in columns.values()]
            writer.writerows(zip(*cells, strict=True))


def _write_jsonl(path: Path, content: Content) -> None:
    lengths = None
    if content.mask is not None:  # up to the last option that exists
        lengths = content.mask.shape[1] - np.argmax(content.mask[:, ::-1], axis=1)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for i, row in enumerate(content.probs):
            shown = row if lengths is None else row[: lengths[i]]
            record = {name: column[i].tolist() for name, column in content.columns.items()}
            names = class_names(content) if i == 0 else {}
            file.write(json.dumps({**record, "probs": shown.tolist(), **names}) + "\n")


def _write_parquet(path: Path, content: Content) -> None:
    table = _arrow_table(content, ".parquet")
    import pyarrow.parquet as pq  # noqa: PLC0415 - optional package

    pq.write_table(table, path)


def _write_arrow(path: Path, content: Content) -> None:
    table = _arrow_table(content, ".arrow")
    import pyarrow as pa  # noqa: PLC0415 - optional package

    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _arrow_table(content: Content, suffix: str) -> pa.Table:
    refuse_missing_labels(content, suffix)
    try:
        import pyarrow as pa  # noqa: PLC0415 - optional package
    except ImportError as error:
        raise no_pyarrow() from error
    columns = content.table()
    return pa.table(
        {
            name: pa.array(column.tolist() if column.dtype.kind == "U" else column)
            for name, column in columns.items()
        }
    )


WRITERS: dict[str, Callable[[Path, Content], None]] = {
    ".npz": _write_npz,
    ".npy": _write_npy,
    ".csv": _write_csv,
    ".csv.gz": partial(_write_csv, packed=True),
    ".tsv": partial(_write_csv, suffix=".tsv"),
    ".tsv.gz": partial(_write_csv, suffix=".tsv", packed=True),
    ".parquet": _write_parquet,
    ".arrow": _write_arrow,
    ".feather": _write_arrow,
    ".jsonl": _write_jsonl,
    ".ndjson": _write_jsonl,
}
