"""Results as people see them: text, tables, sketches for a notebook, data frames."""

from temperance.show.frame import to_frame
from temperance.show.numbers import interval_text, number_text, p_text
from temperance.show.sketch import beside, sketch
from temperance.show.table import Table

__all__ = [
    "Table",
    "beside",
    "interval_text",
    "number_text",
    "p_text",
    "sketch",
    "to_frame",
]
