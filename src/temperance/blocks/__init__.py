"""Rows cut into blocks, a kernel mapped over them, what it returns merged.

`rows` does that. `rows`, `stream`, `torch_rows` and `dask_rows` are the labelled rows of a fit: in
arrays, block by block, in tensors, on a cluster.
"""

from temperance.blocks.cluster import connected
from temperance.blocks.files import FilePart, FileParts, IgnoredLabel, labelled_blocks
from temperance.blocks.rows import (
    ArrayRows,
    calling,
    map_rows,
    one_thread_each,
    report_rows,
    report_step,
    report_work,
    reporting,
    reporting_work,
    thread_count,
    unreported,
)
from temperance.blocks.stream import FoldedRows, LabelledRows, StreamRows

__all__ = [
    "ArrayRows",
    "FilePart",
    "FileParts",
    "FoldedRows",
    "IgnoredLabel",
    "LabelledRows",
    "StreamRows",
    "calling",
    "connected",
    "labelled_blocks",
    "map_rows",
    "one_thread_each",
    "report_rows",
    "report_step",
    "report_work",
    "reporting",
    "reporting_work",
    "thread_count",
    "unreported",
]
