"""What a line that is not of the format looks like: the one place that knows other formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temperance.readers.llm.node import Node

__all__ = ["seems_to_be"]

# Paths that tell a format, its name, and what to say of it, or the format it is read as.
_NOT_READ = "which are not read yet"
_NO_PROBS = "which hold texts and whether they are right, but no probabilities"
_PLACES = ("", "response.body.", "response.")
_SIGNS: tuple[tuple[str, str, str], ...] = (
    ("filtered_resps", "samples of lm-evaluation-harness", "lm-eval"),
    ("choices.0.logprobs.content", "chat completions with log-probabilities", "openai-logprobs"),
    ("choices.0.logprobs.top_logprobs", "legacy completions (text_completion)", _NOT_READ),
    ("choices.0.logprobs.token_logprobs", "legacy completions (text_completion)", _NOT_READ),
    ("completion_probabilities", "llama.cpp's completion_probabilities", _NOT_READ),
    ("meta_info.output_top_logprobs", "responses of SGLang's /generate", _NOT_READ),
    ("meta_info.output_token_logprobs", "responses of SGLang's /generate", _NOT_READ),
    ("candidates.0.logprobsResult", "Gemini's logprobsResult", _NOT_READ),
    ("candidates.0.avgLogprobs", "Gemini's responses", "which hold only an average (avgLogprobs)"),
    ("outputs.0.cumulative_logprob", "outputs of vLLM's LLM.generate", _NOT_READ),
    ("outputs.0.logprobs", "outputs of vLLM's LLM.generate", _NOT_READ),
    ("output.0.content", "responses of the Responses API", _NOT_READ),
    ("output.1.content", "responses of the Responses API", _NOT_READ),
    ("details.tokens", "responses of text-generation-inference", _NOT_READ),
    ("prediction.0.score", "lists [{label, score}] of a classification pipeline", _NOT_READ),
    ("answers.0.probabilities.0.value", "OpenAI Decisions", "openai-decisions"),
    ("spec.eval_name", "an event log of openai/evals", _NO_PROBS),
    ("data.sampled", "an event log of openai/evals", _NO_PROBS),
)


def seems_to_be(line: Node, format_name: str) -> str:
    """Return a sentence that names the format the line seems to have; "" if none is known."""
    probs = line.find("probs")
    if probs is not None and isinstance(probs.value, dict):
        return (
            "These look like probabilities as an object {label: p}, which --format decisions reads "
            "under the key `probabilities`, beside `type`."
        )
    for path, name, what in _SIGNS:
        found = any(line.find(f"{place}{path}") is not None for place in _PLACES)
        if what != format_name and found:
            read = what if what.startswith("which") else f"read with --format {what}"
            return f"These look like {name}, {read}."
    return ""
