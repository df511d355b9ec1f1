"""Rows cut into blocks, a kernel mapped over them, what it returns merged.

`mapping` does that for arrays; `arrays` are the labelled rows of a fit as arrays.
"""

from temperance.blocks.arrays import ArrayRows
from temperance.blocks.mapping import map_rows, reporting
from temperance.blocks.rows import LabelledRows

__all__ = ["ArrayRows", "LabelledRows", "map_rows", "reporting"]
