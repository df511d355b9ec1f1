"""Files of language models' answers: benchmark samples, token log-probabilities, decisions."""

from temperance.readers.llm.llm_format import FORMATS, FormatName, LlmFormat

__all__ = ["FORMATS", "FormatName", "LlmFormat"]
