"""Files of a language model's answers become rows: calibration records, and every other format."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from itertools import compress
from math import isinf, isnan, nan
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import FILE_FORMATS, suffixes_of
from temperance.readers.guard import is_folder, refusing, require_file
from temperance.readers.jsonl import json_lines, naming_line
from temperance.readers.llm.answer import (
    SEVERAL,
    Answer,
    Ask,
    Row,
    Tally,
    applied_temperature,
    id_of,
    labelled,
    right_option,
)
from temperance.readers.llm.arrays import dataset_of
from temperance.readers.llm.decisions import decisions, openai_decisions
from temperance.readers.llm.lm_eval import count_contradictions, leave_out_shares, lm_eval, settle
from temperance.readers.llm.node import SENTINEL, Node, check_sum
from temperance.readers.llm.openai_logprobs import openai_logprobs
from temperance.readers.request import check_texts
from temperance.readers.shards import Shards

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from temperance.readers.dataset import Dataset, Fields, Kind
    from temperance.readers.llm.llm_format import FormatName, LlmFormat

__all__ = ["read_llm"]

# What a line that is not of the format looks like: the one place that knows other formats.


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
        matches = any(line.find(f"{place}{path}") is not None for place in _PLACES)
        if what != format_name and matches:
            advice = what if what.startswith("which") else f"read with --format {what}"
            return f"These look like {name}, {advice}."
    return ""


# Calibration records: the scores of one decision, its type and the right option.


_KINDS = ("logits", "probs")
_ISOLATED = ("level_logits", "level_probs")


def records(line: Node, ask: Ask) -> Iterator[Answer]:
    """Yield the row of a record."""
    type_ = line.need("type").text()
    if type_ == "refusal":
        ask.counts["refusals"] += 1
        return
    node = _scores(line, ask)
    values = [item.number() for item in node.items()]
    if len(values) < 2:
        node.refuse("scores of two options or more")
    if type_ == "noul" and len(values) != 2:
        node.refuse("the two scores of no and yes, for its type is noul")
    probs = node.path == "probs"
    if probs:
        check_sum([item.prob() for item in node.items()], node)
    else:
        values = [nan if value == SENTINEL else value for value in values]
        if all(isinf(value) for value in values):
            node.refuse("scores of which one is finite")
    label = labelled(line, ask)
    finite = [value for value in values if not (isinf(value) or isnan(value))]
    right = right_option(label, lambda each: _index(each, values))
    ask.tally.count_applied(applied_temperature([line.value], type_=type_), type_)
    yield Answer(
        values,
        probs=probs,
        ceiling=nan if probs else min(finite, default=nan),
        label=right,
        groups={"type": type_},
        id=id_of(line, ask, line.get("id")),
    )


def _scores(line: Node, ask: Ask) -> Node:
    """Return the one list of scores that a record has."""
    isolated = [key for key in _ISOLATED if line.get(key) is not None]
    if isolated:
        msg = (
            f"`{isolated[0]}` holds levels that were each asked by themselves: their answer is no "
            "softmax of one row of logits, so it has no temperature of this kind. Leave such "
            "records out."
        )
        raise FileFormatError(msg)
    keys = [key for key in _KINDS if line.get(key) is not None]
    if ask.kind is not None:
        return line.need(ask.kind)
    if len(keys) == 2:
        msg = "has both `logits` and `probs`; say which to use with --kind."
        raise FileFormatError(msg)
    return line.need(keys[0] if keys else "logits` or `probs")


def _index(label: Node, values: list[float]) -> int:
    number = label.number()
    if isinf(number) or number != int(number) or not 0 <= number < len(values):
        label.refuse(f"the index of an option, 0 to {len(values) - 1}")
    if isinf(values[int(number)]):
        label.refuse("an option that exists, and its logit is -inf")
    return int(number)


# Files of a language model's answers become rows.


_READERS: dict[FormatName, Callable[[Node, Ask], Iterator[Answer]]] = {
    "lm-eval": lm_eval,
    "openai-logprobs": openai_logprobs,
    "openai-decisions": openai_decisions,
    "decisions": decisions,
    "records": records,
}
_SUFFIXES = suffixes_of(each for each in FILE_FORMATS if ".jsonl" in each.suffixes)
_SAMPLES = re.compile(r"samples_(.+)_\d[^_]*")


def read_llm(
    path: str | os.PathLike[str], format_: LlmFormat, *, fields: Fields, kind: Kind | None
) -> Dataset:
    """Read a file of one JSON object per line, or the .jsonl files of a folder (see `read`)."""
    _check_fields(format_, fields, kind)
    shards = Shards.of(path, _SUFFIXES)
    files = shards.files
    of_folder = is_folder(path)
    tally = Tally()
    rows: list[Row] = []
    for file in files:
        match = _SAMPLES.fullmatch(file.stem)
        ask = Ask(format_, fields, match and match[1], kind, tally)
        with refusing(file):
            require_file(file)
            of_file = list(_rows(file, ask, of_folder=of_folder))
            keep = leave_out_shares([row.answer for row in of_file], ask)
            of_file = list(compress(of_file, keep))
            answers = [row.answer for row in of_file]
            settle(answers, [row.line for row in of_file])
            count_contradictions(answers, tally.counts)
        rows += of_file
    with refusing(path):
        dataset = dataset_of(
            rows, format_, tally, source=os.fspath(path),
            files=files if of_folder else (), kind_forced=kind is not None,
        )  # fmt: skip
        check_texts(dataset)
        return replace(dataset, notes=(*shards.notes, *dataset.notes))


def _rows(file: Path, ask: Ask, *, of_folder: bool) -> Iterator[Row]:
    """Yield the rows of one file, each with its line."""
    fields = ask.fields
    for number, record in json_lines(file):
        with naming_line(number):
            line = Node(record)
            answers = _answers(line, ask)
            weight = _field(line, fields.weight, "weight")
            group = _field(line, fields.group, None)
            cluster = _field(line, fields.cluster, "cluster")
            columns: dict[str, Any] = {
                "weight": None if weight is None else weight.number(),
                "group": None if group is None else str(group.name()),
                "cluster": None if cluster is None else str(cluster.name()),
            }
        where = f"{file.name}, line {number}" if of_folder else f"line {number}"
        for answer in answers:
            yield Row(answer, ask.task or file.stem, number, where, **columns)


def _answers(line: Node, ask: Ask) -> list[Answer]:
    """Return the rows of a line; of one that is of another format, say which."""
    try:
        answers = list(_READERS[ask.format.name](line, ask))
    except FileFormatError as error:
        seeming = seems_to_be(line, ask.format.name)
        if not seeming:
            raise
        msg = f"{error} {seeming}"
        raise FileFormatError(msg) from error
    of_one = [answer for answer in answers if answer.label != SEVERAL]
    if len(of_one) < len(answers):
        ask.counts["with several right options"] += len(answers) - len(of_one)
    return of_one


def _field(line: Node, name: str | None, usual: str | None) -> Node | None:
    """Return what a line holds under a name that was given, or under the usual one."""
    if name is not None:
        return line.find(name) or line.need(name)
    return None if usual is None else line.get(usual)


def _check_fields(format_: LlmFormat, fields: Fields, kind: Kind | None) -> None:
    """Refuse names and kinds that a format has no use for."""
    if fields.logits is not None or fields.probs is not None:
        msg = (
            "`fields` cannot name logits or probs where a format is given: it says where they are."
        )
        raise InvalidInputError(msg)
    if kind is not None and format_.name != "records":
        msg = (
            "`kind` (--kind) is for records that hold both logits and probs, not for "
            f"{format_.name}."
        )
        raise InvalidInputError(msg)
    if fields.group is not None and format_.group_by is not None:
        msg = (
            "`fields.group` (--group-column) and `group_by` (--group-by) both say what groups are; "
            "give one of them."
        )
        raise InvalidInputError(msg)
