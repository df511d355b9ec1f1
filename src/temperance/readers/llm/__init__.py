"""Files of language models' answers: benchmark samples, token log-probabilities, decisions."""

from temperance.readers.llm.llm_format import FORMATS, LlmFormat
from temperance.readers.llm.read import read_llm

__all__ = ["FORMATS", "LlmFormat", "read_llm"]
