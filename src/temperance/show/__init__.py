"""Results as people see them: text, tables, sketches for a notebook, data frames."""

from temperance.show.frame import to_frame
from temperance.show.table import Table, beside, interval_text, number_text, p_text, sketch

__all__ = [
    "Table",
    "beside",
    "interval_text",
    "number_text",
    "p_text",
    "sketch",
    "to_frame",
]
