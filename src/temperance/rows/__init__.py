"""Labelled rows of files, read and checked: what the commands work with, from Python.

`read_rows` and `read_members` read files as a whole, `large_rows` leaves them where they lie and
reads them block by block; both kinds of rows are measured by the same methods. `calibrate` and
`calibrate_blocks` are what `temperance fit` does to them. Importing this package loads nothing:
each name loads its part when it is first used.
"""

from typing import TYPE_CHECKING

from temperance.loading import loading

if TYPE_CHECKING:
    from temperance.rows.blocks import BlockRows
    from temperance.rows.calibration import Calibration, calibrate, calibrate_blocks
    from temperance.rows.memory import Measured, RowFacts, Rows
    from temperance.rows.reading import Reading, large_rows, read_members, read_rows

_PARTS = {  # part -> its public names
    "blocks": ("BlockRows",),
    "calibration": ("Calibration", "calibrate", "calibrate_blocks"),
    "memory": ("Measured", "RowFacts", "Rows"),
    "reading": ("Reading", "large_rows", "read_members", "read_rows"),
}

__all__ = [
    "BlockRows",
    "Calibration",
    "Measured",
    "Reading",
    "RowFacts",
    "Rows",
    "calibrate",
    "calibrate_blocks",
    "large_rows",
    "read_members",
    "read_rows",
]


__getattr__ = loading(
    __name__, {name: f"{__name__}.{part}" for part, names in _PARTS.items() for name in names}
)
