"""The formats of files: their suffixes, what each can hold, and what reads and writes them.

A new format is a row of `FILE_FORMATS`, a file in `readers/` and, if it is written too, one in
`writers/`. Messages, help and folders of files take their lists of suffixes from here. What
language models and their servers write is a row of `ANSWER_FORMATS` and a file in `readers/llm/`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from temperance.errors import MissingDependencyError
from temperance.printable import and_list

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

__all__ = [
    "ANSWER_FORMATS",
    "FILE_FORMATS",
    "OTHER_ANSWERS",
    "AnswerFormat",
    "FileFormat",
    "FormatName",
    "GroupPart",
    "Layout",
    "column_advice",
    "file_suffix",
    "format_of",
    "function_named",
    "missing_package",
    "names_in_help",
    "suffixes_of",
    "way_out",
]

# One class per row; a column of 0 and 1 per label; a class per pixel or token.
Layout = Literal["rows", "labels", "dense"]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One format of files, by what is said of it and by the names of its functions.

    A function is named as `readers.csv_file.read_csv`, below the package, and imported when a file
    of the format is met: `function_named` returns it.

    Parameters
    ----------
    suffixes : tuple of str
        In small letters, the one that help shows first. `.csv.gz` is `.csv`, packed.
    read : str
        `(Path, Request) -> FileRows` reads a file as a whole.
    read_blocks : str, optional
        `(Path, Request) -> Iterator[FileRows]` reads some rows at a time. Without it a file is read
        as a whole and passed on in slices.
    count_rows : str, optional
        `(Path) -> int` counts the rows without reading them.
    write : str, optional
        `(Path, Content, suffix) -> None` writes a whole file. Without it none is written.
    write_blocks : str, optional
        `(Path, suffix)` returns what appends blocks to a file, by `add` and `close`. Without it no
        file grows.
    package, extra : str, optional
        The package that reading and writing need, and the extra that brings it.
    magic : bytes, optional
        The first bytes of every file, by which a text table with a wrong name is recognized.
    any_shape : bool, default False
        Holds arrays of any shape, as outputs per pixel or token are.
    row_access : bool, default False
        Some rows can be read alone, so that workers can share one file.
    ragged : bool, default False
        Rows may differ in length, which only the whole file tells: it is never read by blocks.
    scores_only : bool, default False
        Has no place for labels, ids, groups, weights and what is accepted.
    keeps_text : bool, default False
        Text is read back as it was, also if it is blank or says NA.
    is_text : bool, default False
        A table of text, whose marks and encoding a user may have to say.
    """

    suffixes: tuple[str, ...]
    read: str
    read_blocks: str | None = None
    count_rows: str | None = None
    write: str | None = None
    write_blocks: str | None = None
    package: str | None = None
    extra: str = ""
    magic: bytes | None = None
    any_shape: bool = False
    row_access: bool = False
    ragged: bool = False
    scores_only: bool = False
    keeps_text: bool = False
    is_text: bool = False

    @property
    def packings(self) -> tuple[str, ...]:
        """What its suffixes may end in besides: `.gz` where `.csv` and `.csv.gz` are of it."""
        plain_and_last = [each[1:].rpartition(".") for each in self.suffixes]
        return tuple(
            dict.fromkeys(
                f".{last}" for plain, _, last in plain_and_last if f".{plain}" in self.suffixes
            )
        )


FILE_FORMATS = (
    FileFormat(
        (".npz",),
        read="readers.npz.read_npz",
        write="writers.npz.write_npz",
        any_shape=True,
        row_access=True,
        keeps_text=True,
    ),
    FileFormat(
        (".npy",),
        read="readers.npz.read_npy",
        count_rows="readers.npz.count_npy_rows",
        write="writers.npz.write_npy",
        write_blocks="writers.npz.NpyBlocks",
        magic=b"\x93NUMPY",
        any_shape=True,
        row_access=True,
        scores_only=True,
    ),
    FileFormat((".pt", ".pth"), read="readers.npz.read_torch", any_shape=True),
    FileFormat(
        (".csv", ".csv.gz"),
        read="readers.csv_file.read_csv",
        read_blocks="readers.csv_file.csv_blocks",
        write="writers.csv_file.write_csv",
        write_blocks="writers.csv_file.CsvBlocks",
        is_text=True,
    ),
    FileFormat(
        (".tsv", ".tsv.gz"),
        read="readers.csv_file.read_csv",
        read_blocks="readers.csv_file.csv_blocks",
        write="writers.csv_file.write_csv",
        write_blocks="writers.csv_file.CsvBlocks",
        is_text=True,
    ),
    FileFormat(
        (".parquet",),
        read="readers.arrow.read_parquet",
        read_blocks="readers.arrow.parquet_blocks",
        count_rows="readers.arrow.count_parquet_rows",
        write="writers.arrow.write_parquet",
        write_blocks="writers.arrow.ParquetBlocks",
        package="pyarrow",
        extra="arrow",
        magic=b"PAR1",
    ),
    FileFormat(
        (".arrow", ".feather"),
        read="readers.arrow.read_arrow",
        read_blocks="readers.arrow.arrow_blocks",
        write="writers.arrow.write_arrow",
        package="pyarrow",
        extra="arrow",
        magic=b"ARROW1",
    ),
    FileFormat(
        (".jsonl", ".ndjson"),
        read="readers.jsonl.read_jsonl",
        write="writers.jsonl.write_jsonl",
        write_blocks="writers.jsonl.JsonlBlocks",
        ragged=True,
        keeps_text=True,
    ),
)
_BY_SUFFIX = {suffix: each for each in FILE_FORMATS for suffix in each.suffixes}
_PACKINGS = {Path(suffix).suffix for suffix in _BY_SUFFIX if suffix.count(".") > 1}

# What to do with files of other formats.
_SAVE = "np.savez('scores.npz', logits=logits, labels=labels)"
_PICKLE = f" Pickles are not read, as loading them can run code: save arrays, {_SAVE}."
_ARRAYS = f" Save its arrays: {_SAVE}."
_TEXT = " A table of columns? Name it .csv (or .tsv); one JSON object per line: .jsonl."
_SHEET = " Export the sheet as .csv."
_WAYS_OUT = {
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".p"), _PICKLE),
    **dict.fromkeys((".h5", ".hdf5", ".mat", ".zarr", ".safetensors", ".tfrecord"), _ARRAYS),
    **dict.fromkeys((".txt", ".dat", ".tab", ".log", ""), _TEXT),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _SHEET),
    ".json": " One JSON object per line is read as .jsonl.",
}


def file_suffix(path: str | os.PathLike[str]) -> str:
    """Return the suffix that tells the format, in small letters: `.csv`, `.csv.gz`."""
    file = Path(path)
    last = file.suffix.lower()
    return Path(file.stem).suffix.lower() + last if last in _PACKINGS else last


def format_of(path: str | os.PathLike[str]) -> FileFormat | None:
    """Return the format that the suffix of a path tells; None if it is of none."""
    return _BY_SUFFIX.get(file_suffix(path))


def column_advice(path: str | os.PathLike[str], role: str, *, other_file: str = "") -> str:
    """Say where the labels, groups or clusters (`role`) of a file's rows may come from.

    `other_file` is the argument that takes a file of them, "" where there is none.

    >>> print(column_advice("a.csv", "group"))
    Name their column with `fields.group` (--group-column).
    >>> print(column_advice("a.npy", "label", other_file="`labels` (--labels)"))
    A .npy file has no place for them: give their file with `labels` (--labels).
    """
    format_ = format_of(path)
    if format_ is not None and format_.scores_only:
        way = f"give their file with {other_file}" if other_file else "save all of it as .npz"
        return f"A {file_suffix(path)} file has no place for them: {way}."
    either = f", or give their file with {other_file}" if other_file else ""
    return f"Name their column with `fields.{role}` (--{role}-column){either}."


def suffixes_of(formats: Iterable[FileFormat]) -> tuple[str, ...]:
    """Return all suffixes of some formats, in order."""
    return tuple(suffix for each in formats for suffix in each.suffixes)


def names_in_help(formats: Iterable[FileFormat]) -> str:
    """Return formats as help lists them, by their first suffixes: `.npz .csv .tsv (also .gz)`."""
    words: list[str] = []
    for packings, alike in groupby(formats, key=lambda each: each.packings):
        words += [each.suffixes[0] for each in alike]
        if packings:
            words.append(f"(also {' '.join(packings)})")
    return " ".join(words)


def way_out(suffix: str) -> str:
    """Return a sentence about files of a suffix that is not read, after a space; "" if none."""
    return _WAYS_OUT.get(suffix, "")


def missing_package(formats: Iterable[FileFormat], *, purpose: str) -> MissingDependencyError:
    """Return the error that names what some formats, of one package, need for a purpose."""
    candidates = tuple(formats)
    suffixes = and_list(suffixes_of(candidates))
    return MissingDependencyError(
        str(candidates[0].package),
        extra=candidates[0].extra,
        purpose=f"{purpose} {suffixes} files",
    )


def function_named(name: str) -> Callable[..., Any]:
    """Return a function of a format by its name, as `readers.csv_file.read_csv`."""
    module, _, function = name.rpartition(".")
    return getattr(import_module(f"temperance.{module}"), function)  # type: ignore[no-any-return]


# Formats of language models' answers: by name, whatever the suffix.


GroupPart = Literal["task", "type", "name", "options"]
FormatName = Literal[
    "lm-eval",
    "openai-logprobs",
    "openai-completions",
    "openai-responses",
    "vllm",
    "sglang",
    "llama-cpp",
    "ollama",
    "tgi",
    "gemini",
    "inspect-ai",
    "promptfoo",
    "openai-decisions",
    "decisions",
    "records",
]


@dataclass(frozen=True, slots=True)
class AnswerFormat:
    """One format of language models' answers.

    Parameters
    ----------
    name : str
        What `--format` calls it.
    title : str
        What is in such files, as messages call it.
    read : str
        `(Node, Ask) -> Iterator[Answer]` reads one line, that is one JSON object.
    signs : tuple of tuple of str
        By which a line is recognised: it has all paths of one of them, below `response` too. `*`
        is any entry of a list or object, `{}` at the end of a path an object, `[]` a list.
    groups : tuple of str
        What groups can be made of; the first is taken unless told otherwise.
    by_token : bool, default False
        Its answers are tokens, so that the options must be said.
    scores_only : bool, default False
        Answers have no options, only scores (`--kind answers`).
    grouped : bool, default True
        Whether rows have groups without being asked for.
    suffixes : tuple of str, optional
        Of files that are a whole, not one JSON object per line; `lines` yields their objects.
    lines : str, optional
        `(Path) -> Iterator[tuple[str, dict]]` yields what each object is called, and the object.
    """

    name: FormatName
    title: str
    read: str
    signs: tuple[tuple[str, ...], ...]
    groups: tuple[GroupPart, ...] = ("options",)
    by_token: bool = False
    scores_only: bool = False
    grouped: bool = True
    suffixes: tuple[str, ...] = ()
    lines: str | None = None


def _of_tokens(
    name: FormatName, title: str, *signs: str, module: str = "", **more: Any  # noqa: ANN401
) -> AnswerFormat:  # fmt: skip
    function = name.replace("-", "_")
    return AnswerFormat(
        name, title, f"readers.llm.{module or function}.{function}",
        tuple((sign,) for sign in signs), by_token=True, grouped=False, **more,
    )  # fmt: skip


ANSWER_FORMATS: dict[FormatName, AnswerFormat] = {
    each.name: each
    for each in (
        AnswerFormat(
            "lm-eval",
            "samples of lm-evaluation-harness",
            read="readers.llm.lm_eval.lm_eval",
            signs=(("filtered_resps",),),
            groups=("task", "options"),
        ),
        _of_tokens(
            "openai-logprobs",
            "chat completions with log-probabilities",
            "choices.*.logprobs.content[]",
            module="openai",
        ),
        _of_tokens(
            "openai-completions",
            "legacy completions (text_completion)",
            "choices.*.logprobs.top_logprobs[]",
            "choices.*.logprobs.token_logprobs[]",
            module="openai",
        ),
        _of_tokens(
            "openai-responses",
            "responses of the Responses API",
            "output.*.content.*.logprobs[]",
            module="openai",
        ),
        _of_tokens("vllm", "outputs of vLLM's LLM.generate", "outputs.*.logprobs[]"),
        _of_tokens(
            "sglang",
            "responses of SGLang's /generate",
            "meta_info.output_top_logprobs[]",
            "meta_info.output_token_logprobs[]",
        ),
        _of_tokens(
            "llama-cpp", "llama.cpp's completion_probabilities", "completion_probabilities[]"
        ),
        _of_tokens("ollama", "responses of Ollama", "logprobs.*.top_logprobs[]"),
        _of_tokens("tgi", "responses of text-generation-inference", "details.tokens[]"),
        _of_tokens(
            "gemini",
            "Gemini's logprobsResult",
            "candidates.*.logprobsResult{}",
            "candidates.*.logprobs_result{}",
        ),
        _of_tokens(
            "inspect-ai",
            "a log of inspect-ai",
            "output.choices.*.logprobs.content[]",
            suffixes=(".eval", ".json"),
            lines="readers.llm.inspect_ai.samples",
        ),
        AnswerFormat(
            "promptfoo",
            "results of promptfoo",
            read="readers.llm.promptfoo.promptfoo",
            signs=(("testIdx", "promptIdx"),),
            grouped=False,
            scores_only=True,
            suffixes=(".json",),
            lines="readers.llm.promptfoo.results",
        ),
        AnswerFormat(
            "openai-decisions",
            "OpenAI Decisions",
            read="readers.llm.decisions.openai_decisions",
            signs=(
                ("answers.*.probabilities[]",),
                ("answers.*.probability",),
                ("type", "probabilities[]"),
                ("type", "probability"),
            ),
            groups=("type", "name", "options"),
        ),
        AnswerFormat(
            "decisions",
            "decisions with probabilities as {label: p}",
            read="readers.llm.decisions.decisions",
            signs=(
                ("answers.*.probabilities{}",),
                ("answers.*.noul",),
                ("type", "probabilities{}"),
                ("type", "noul"),
            ),
            groups=("type", "name", "options"),
        ),
        AnswerFormat(
            "records",
            "calibration records",
            read="readers.llm.records.records",
            signs=(("type", "logits[]"), ("type", "probs[]")),
            groups=("type", "options"),
        ),
    )
}
assert tuple(ANSWER_FORMATS) == get_args(FormatName)  # noqa: S101  (a Literal lists only words)

# What is known and holds no log-probabilities: the paths that tell it, what it is, and the rest of
# the sentence.
_STATED = (
    "Ask for a stated confidence and fit a map of it (temperance fit FILE --kind answers "
    "--score-scale percent), or sample each answer several times and count how many agree "
    "(--score-scale count --score-of 10)."
)
_NO_NUMBERS = f"which hold no probabilities. {_STATED}"
_ONLY_TEXTS = f"which hold texts and whether they are right, but no probabilities. {_STATED}"
OTHER_ANSWERS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("stop_reason", "content.*.type"), "messages of Anthropic", _NO_NUMBERS),
    (
        ("result.message.stop_reason", "result.message.content[]"),
        "batch results of Anthropic",
        _NO_NUMBERS,
    ),
    (("stopReason", "output.message.content[]"), "answers of Bedrock's Converse", _NO_NUMBERS),
    (("spec.eval_name",), "an event log of openai/evals", _ONLY_TEXTS),
    (("data.sampled", "event_id"), "an event log of openai/evals", _ONLY_TEXTS),
    (("data.correct", "event_id"), "an event log of openai/evals", _ONLY_TEXTS),
    (
        ("candidates.*.avgLogprobs",),
        "Gemini's responses",
        (
            "which hold only an average (avgLogprobs): ask for responseLogprobs=true and "
            "logprobs=20, or take the averages as scores of answers (temperance fit FILE --format "
            "gemini --kind answers --score-column mean --score-scale logprob)."
        ),
    ),
    (
        ("prediction.*.score",),
        "lists [{label, score}] of a classification pipeline",
        "which are read without --format: --probs-column prediction.",
    ),
    *(
        ((sign,), title, "which are read without --format.")
        for sign, title in (
            ("probs{}", "probabilities as an object {label: p}"),
            ("probs[]", "a list of probabilities in each line"),
            ("logits{}", "logits as an object {label: z}"),
            ("logits[]", "a list of logits in each line"),
        )
    ),
    (("probs",), "probabilities under `probs`", "which are read without --format."),
    (("logits",), "logits under `logits`", "which are read without --format."),
    (
        ("choices.*.message{}",),
        "chat completions without log-probabilities",
        (
            "which have to be asked for (logprobs=true, top_logprobs=20). Where a model has none: "
            f"{_STATED}"
        ),
    ),
    (
        ("output.*.content.*.type",),
        "responses of the Responses API without log-probabilities",
        (
            'which have to be asked for (include=["message.output_text.logprobs"], '
            f"top_logprobs=20). Where a model has none: {_STATED}"
        ),
    ),
)
