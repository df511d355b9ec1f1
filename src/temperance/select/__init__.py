"""Which map? A cross-fitted choice among methods that may well choose to change nothing."""

from temperance.select.choose import select, select_rows
from temperance.select.selection import Candidate, Selection

__all__ = ["Candidate", "Selection", "select", "select_rows"]
