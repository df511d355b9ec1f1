"""Files of language models' answers: benchmark samples, token log-probabilities, decisions."""

from temperance.readers.llm.llm_format import FORMATS, FormatName, LlmFormat
from temperance.readers.llm.read import read_llm

__all__ = ["FORMATS", "FormatName", "LlmFormat", "read_llm"]
