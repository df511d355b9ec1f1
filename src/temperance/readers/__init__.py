"""Files become rows here; what their numbers mean is checked elsewhere."""

from temperance.readers.blocks import BlockFile, read_blocks
from temperance.readers.dataset import Dataset, Fields, Kind, Layout
from temperance.readers.folder import read
from temperance.readers.whole import SUFFIXES

__all__ = ["SUFFIXES", "BlockFile", "Dataset", "Fields", "Kind", "Layout", "read", "read_blocks"]
