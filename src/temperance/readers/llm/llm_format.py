"""Which of the formats of language models a file has, and how it is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from temperance.checks.arguments import as_word
from temperance.errors import InvalidInputError
from temperance.file_formats import ANSWER_FORMATS, FormatName, GroupPart
from temperance.readers.guard import name_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.file_formats import AnswerFormat

__all__ = ["AUTO", "FORMATS", "FormatName", "GroupPart", "LlmFormat", "MissingOptions"]

AUTO = "auto"
MissingOptions = Literal["bound", "shown", "drop", "error"]
FORMATS: tuple[FormatName, ...] = get_args(FormatName)
_BY_TOKEN = tuple(name for name, each in ANSWER_FORMATS.items() if each.by_token)
_ONLY_OF: dict[str, tuple[FormatName, ...]] = {
    "options": _BY_TOKEN,
    "options_field": _BY_TOKEN,
    "position": _BY_TOKEN,
    "filter": ("lm-eval",),
    "normalize": ("lm-eval",),
}
_WHOLE_LISTS = ("inspect-ai",)  # whose samples have their options, so that none must be named


@dataclass(frozen=True, slots=True)
class LlmFormat:
    r"""How to read a file of a language model's answers.

    Parameters
    ----------
    name : str
        `"lm-eval"`: samples of lm-evaluation-harness (`--log_samples`). Of answers whose tokens
        are the options: `"openai-logprobs"`, chat completions with log-probabilities, of OpenAI or
        a server that speaks the same; `"openai-completions"`, legacy completions, of OpenAI,
        vLLM, llama-cpp-python, Together; `"openai-responses"`, the Responses API; `"vllm"`,
        `LLM.generate`; `"sglang"`, `/generate`; `"llama-cpp"`, llama.cpp's `/completion`;
        `"ollama"`; `"tgi"`, text-generation-inference; `"gemini"`; `"inspect-ai"`, logs of
        inspect-ai. `"promptfoo"`: its results, for scores of whole answers alone.
        `"openai-decisions"`: OpenAI Decisions. `"decisions"`: those of other vendors,
        with probabilities as `{label: p}`. `"records"`: calibration records, `type`, `logits` or
        `probs`, `gold`. `"auto"`: the one of these that the lines show, which the notes name; an
        error where two fit, or none.
    missing : {"bound", "shown", "drop", "error"}, optional
        What to do where the log-probability of an option is not known, but for being low (not
        among the tokens shown; null, or a number below -88 such as -100 or -9999.0, for a token; a
        probability rounded to 0). `"bound"`, the default: it becomes the most it can be, the
        smallest one shown or the logarithm of what all those shown leave, whichever is less (of
        lm-eval and records the smallest of the row's options; of a rounded probability, half a
        unit of the last decimal). Several such options get it each. `"shown"`: the option counts
        as one that the row does not have, and rows whose label it is are left out; a temperature
        fitted so is not biased, one fitted with bounds comes out too small. `"drop"`: the row is
        left out. `"error"`: raise.
    options : sequence of str, optional
        Of formats of tokens: the answers' tokens, as `["A", "B", "C", "D"]`. Spellings of one
        answer stand between bars, `"yes|Yes"`; space before a token does not count. Of inspect-ai
        they are the letters of a sample's choices unless said.
    options_field : str, optional
        Of formats of tokens: the key that holds a list of the row's own options.
    position : int, optional
        Of formats of tokens: which token answers; 0, the default, is the first, -1 the last that
        has text.
    filter : str, optional
        Of lm-eval: the filter whose rows are taken, `"none"` by default.
    normalize : {"bytes"}, optional
        Of lm-eval: divide each option's log-probability by the bytes of its text.
    group_by : sequence of str, optional
        What the groups are made of: `"task"` (lm-eval, from the file's name), `"type"` and
        `"name"` of a decision, `"options"`, their number. The default is the task or the type;
        empty: no groups.

    Raises
    ------
    InvalidInputError
        A name or value that does not exist, an option that the format does not take, only one
        of the answers' tokens. That none is named is an error of reading.

    Examples
    --------
    >>> LlmFormat("records").missing
    >>> LlmFormat("openai-logprobs", options=["yes|Yes", "no"]).spellings
    (('yes', 'Yes'), ('no',))
    """

    name: FormatName | Literal["auto"]
    missing: MissingOptions | None = None
    options: Sequence[str] | None = None
    options_field: str | None = None
    position: int | None = None
    filter: str | None = None
    normalize: Literal["bytes"] | None = None
    group_by: Sequence[GroupPart] | None = None

    def __post_init__(self) -> None:
        _check_word("format", self.name, (*FORMATS, AUTO))
        if self.missing is not None:
            _check_word("missing", self.missing, get_args(MissingOptions))
        if self.normalize is not None:
            _check_word("normalize", self.normalize, ("bytes",))
        parts = get_args(GroupPart) if self.name == AUTO else self.known.groups
        for part in self.group_by or ():
            _check_word("group_by", part, parts)
        for option, formats in _ONLY_OF.items():
            if getattr(self, option) is not None and self.name not in (*formats, AUTO):
                msg = f"`{option}` is for the format {_either(formats)}, not for {self.name}."
                raise InvalidInputError(msg)
        self._check_options()

    def _check_options(self) -> None:
        if self.options is not None and self.options_field is not None:
            raise InvalidInputError(_ONE_OF_TWO)
        if self.options is not None:
            check_spellings(self.spellings)

    def require_options(self) -> None:
        """Raise where the answers' tokens must be named and are not."""
        if self.options is not None or self.options_field is not None:
            return
        if self.known.by_token and self.name not in _WHOLE_LISTS:
            raise InvalidInputError(_NO_OPTIONS.format(self.name))

    @property
    def known(self) -> AnswerFormat:
        """The row of the table of formats; there is none of `auto`."""
        if self.name == "auto":
            msg = "`format` must be the name of a format here, got auto."
            raise InvalidInputError(msg)
        return ANSWER_FORMATS[self.name]

    @property
    def grouping(self) -> tuple[GroupPart, ...]:
        """What groups are made of."""
        if self.group_by is not None:
            return tuple(self.group_by)
        return self.known.groups[:1] if self.known.grouped else ()

    @property
    def spellings(self) -> tuple[tuple[str, ...], ...]:
        """Of each option the spellings that count as it; the first is its name."""
        return tuple(spellings_of(option) for option in self.options or ())


_ONE_OF_TWO = (
    "`options` (--options) and `options_field` (--options-field) both name the answers' tokens; "
    "give one of the two."
)
_NO_OPTIONS = (
    "`options` (--options) must name the answers' tokens for {}, as A,B,C,D, or `options_field` "
    "(--options-field) the key that lists them in each line, one of the two."
)


def _either(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def spellings_of(option: str) -> tuple[str, ...]:
    """Return the spellings of an option, `yes|Yes`, without the space around them."""
    return tuple(part.strip() for part in option.split("|"))


def check_spellings(options: Sequence[Sequence[str]]) -> None:
    """Raise unless there are two options or more, none empty and none named twice."""
    flat = [spelling for option in options for spelling in option]
    if len(options) < 2:
        msg = f"`options` (--options) must be two or more, as A,B,C,D, got {name_list(flat)}."
        raise InvalidInputError(msg)
    if not all(flat) or len(set(flat)) < len(flat):
        msg = (
            "`options` (--options) must be texts that differ, none of them empty, got "
            f"{name_list(flat)}."
        )
        raise InvalidInputError(msg)


def _check_word(name: str, value: object, words: Sequence[str]) -> None:
    as_word(value, words, name=name)
