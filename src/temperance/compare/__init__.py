"""Did it help? Paired differences of all measures on the same rows."""

from temperance.compare.blocks import compare_blocks
from temperance.compare.comparison import Comparison, Differences, Verdict
from temperance.compare.paired import compare, compare_rows

__all__ = ["Comparison", "Differences", "Verdict", "compare", "compare_blocks", "compare_rows"]
