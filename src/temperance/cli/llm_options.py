"""The options that say how a language model's files are read, for every command that reads rows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from temperance.errors import InvalidInputError
from temperance.readers import LlmFormat

__all__ = ["takes_llm_formats"]

_PANEL = "Files of language models"


class FormatName(StrEnum):
    """A format of a language model's answers."""

    lm_eval = "lm-eval"
    openai_logprobs = "openai-logprobs"
    openai_decisions = "openai-decisions"
    decisions = "decisions"
    records = "records"


class MissingName(StrEnum):
    """What to do with options of which only is known that they are unlikely."""

    bound = "bound"
    shown = "shown"
    drop = "drop"
    error = "error"


class NormalizeName(StrEnum):
    """What log-probabilities are divided by."""

    bytes = "bytes"


def takes_llm_formats(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter `llm` by the options that make its value, at the end."""
    own = inspect.signature(command, eval_str=True).parameters.values()
    added = inspect.signature(llm_format, eval_str=True).parameters.values()

    @functools.wraps(command)
    def run(**given: Any) -> None:  # noqa: ANN401  (what a command line holds)
        options = {each.name: given.pop(each.name) for each in added}
        command(**given, llm=llm_format(**options))

    kept = [each for each in own if each.name != "llm"]
    run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
    return run


def llm_format(
    format_name: Annotated[
        FormatName | None,
        typer.Option(
            "--format",
            help="FILE holds a language model's answers, one JSON object per line.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    missing: Annotated[
        MissingName | None,
        typer.Option(
            "--missing",
            help="Options whose probability is only known to be low: take the most it can be "
            "(bound, the default), compare the others, leave out the row, or refuse the file.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            metavar="PARTS",
            help="Groups by task, type, name, options (their number), or several, as "
            "type,options; none: no groups. By default the task (lm-eval) or type (decisions).",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    normalize: Annotated[
        NormalizeName | None,
        typer.Option(
            "--normalize",
            help="Of lm-eval: divide log-probabilities by the bytes of the option's text.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    filter_name: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="NAME",
            help="Of lm-eval: take rows of this filter, not of none.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    options: Annotated[
        str | None,
        typer.Option(
            "--options",
            metavar="A,B,...",
            help="Of openai-logprobs: the tokens that answer; spellings of one as yes|Yes.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    options_field: Annotated[
        str | None,
        typer.Option(
            "--options-field",
            metavar="NAME",
            help="Of openai-logprobs: the key that lists the options of each line.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    position: Annotated[
        int | None,
        typer.Option(
            "--position",
            metavar="N",
            help="Of openai-logprobs: the token that answers; 0, the default, is the first.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
) -> LlmFormat | None:
    """Return how files are read, from what a command line says; None without --format."""
    given: dict[str, Any] = {
        "missing": missing and missing.value,
        "group_by": None if group_by is None else _listed(group_by, "none"),
        "normalize": normalize and normalize.value,
        "filter": filter_name,
        "options": None if options is None else _listed(options),
        "options_field": options_field,
        "position": position,
    }
    if format_name is None:
        for name, value in given.items():
            if value is not None:
                msg = f"`--{name.replace('_', '-')}` needs --format, which it says more about."
                raise InvalidInputError(msg)
        return None
    return LlmFormat(format_name.value, **given)


def _listed(text: str, nothing: str | None = None) -> list[str]:
    return [] if text == nothing else [part.strip() for part in text.split(",")]
