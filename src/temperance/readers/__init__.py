"""Files become rows here; what their numbers mean is checked elsewhere."""

from temperance.readers.blocks import BlockFile, read, read_blocks
from temperance.readers.dataset import Dataset, Fields, file_digest
from temperance.readers.llm import FORMATS, LlmFormat
from temperance.readers.whole import SUFFIXES, read_labels

__all__ = [
    "FORMATS",
    "SUFFIXES",
    "BlockFile",
    "Dataset",
    "Fields",
    "LlmFormat",
    "file_digest",
    "read",
    "read_blocks",
    "read_labels",
]
