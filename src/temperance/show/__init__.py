"""Results as people see them: numbers as text, tables for terminal and notebook, data frames."""

from temperance.show.frame import to_frame
from temperance.show.numbers import interval_text, number_text, p_text
from temperance.show.table import Table

__all__ = ["Table", "interval_text", "number_text", "p_text", "to_frame"]
