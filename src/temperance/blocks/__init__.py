"""Rows cut into blocks, a kernel mapped over them, what it returns merged.

`mapping` does that; `arrays` and `stream` are the labelled rows of a fit, in arrays or block by
block.
"""

from temperance.blocks.arrays import ArrayRows
from temperance.blocks.mapping import map_rows, report_rows, reporting
from temperance.blocks.rows import LabelledRows
from temperance.blocks.stream import StreamRows

__all__ = ["ArrayRows", "LabelledRows", "StreamRows", "map_rows", "report_rows", "reporting"]
