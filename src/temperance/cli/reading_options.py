"""The options that say how files are read, written once, for every command that reads rows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.options import (
    ClassAxis,
    ClusterColumn,
    DecimalOption,
    DelimiterOption,
    EncodingOption,
    FloorOption,
    GroupColumn,
    IdColumn,
    IgnoreLabel,
    JsonOption,
    KindName,
    KindOption,
    LabelColumn,
    LabelIdColumn,
    LabelMapOption,
    LabelsOption,
    LogitsColumn,
    MaskBelow,
    MaskValue,
    NaName,
    NaOption,
    ProbsColumn,
    Renormalize,
    RepeatedIds,
    RepeatedIdsOption,
    ScoreColumn,
    ScoreOf,
    ScoreScale,
    ScoreWords,
    WeightColumn,
)
from temperance.errors import InvalidInputError
from temperance.file_formats import ANSWER_FORMATS

if TYPE_CHECKING:
    from temperance.cli.console import Result
    from temperance.rows.reading import Reading

__all__ = ["takes_reading"]

_PANEL = "Files of language models"
# The formats of language models' answers, as the table has them.
FormatName = StrEnum(  # type: ignore[misc]
    "FormatName", [(name.replace("-", "_"), name) for name in (*ANSWER_FORMATS, "auto")]
)
_LATER = {
    "Reading": Any,
    "Result": Any,
}  # types that are loaded when a command runs, not for its help
_OF_ANSWERS = ("score_column", "score_scale", "score_of", "score_words")
_JSON = inspect.Parameter(
    "as_json", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=False, annotation=JsonOption
)


def takes_reading(
    *, without: Collection[str] = (), answers: bool = True
) -> Callable[..., Callable[..., None]]:
    """Replace a command's parameter `reading` by the options that make its value, at the end.

    `without` names the options that the command has no use for, nor, where it takes no `answers`,
    for those of their scores. The command gets `--json`, and the
    result that it returns is printed.
    """
    files, language_models = (
        inspect.signature(make, eval_str=True, locals=_LATER).parameters.values()
        for make in (_reading, llm_format)
    )
    left_out = {"llm", *without, *(() if answers else _OF_ANSWERS)}
    if "labels" in left_out:
        left_out.add("label_id_column")
    files_taken = [each for each in files if each.name not in left_out]
    added = [*files_taken, *language_models]

    def replacing_parameter(command: Callable[..., Result | None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True, locals=_LATER).parameters
        own = [each for each in signature.values() if each.name != "reading"]
        asks_for_json = "as_json" in signature

        @functools.wraps(command)
        def run(*, as_json: bool, **values: Any) -> None:  # noqa: ANN401  (what a command line holds)
            llm = llm_format(**{each.name: values.pop(each.name) for each in language_models})
            options = {each.name: values.pop(each.name) for each in files_taken}
            if options["kind"] == KindName.answers and not answers:
                msg = "`--kind answers` is for fit, apply, evaluate, threshold and monitor log."
                raise InvalidInputError(msg)
            _check_label_ids(options, values)
            if asks_for_json:
                values["as_json"] = as_json
            result = command(**values, reading=_reading(**options, llm=llm))
            if result is not None:
                result.print(as_json=as_json)

        if not asks_for_json:
            own.append(_JSON)
        all_parameters = [*own, *added]
        run.__signature__ = inspect.Signature(all_parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in all_parameters}
        return run

    return replacing_parameter


def _check_label_ids(options: Mapping[str, Any], others: Mapping[str, Any]) -> None:
    """Raise where the ids of a file of labels are named, and there is no such file."""
    if options.get("label_id_column") is None:
        return
    if options["labels"] is None and others.get("test_labels") is None:
        msg = (
            "`--label-id-column` names the ids of a file of labels: give the file, with --labels. "
            "The ids of FILE itself are named by --id-column."
        )
        raise InvalidInputError(msg)


def _reading(
    kind: KindOption = None,
    labels: LabelsOption = None,
    ignore_label: IgnoreLabel = None,
    label_map: LabelMapOption = None,
    class_axis: ClassAxis = None,
    label_column: LabelColumn = None,
    weight_column: WeightColumn = None,
    group_column: GroupColumn = None,
    cluster_column: ClusterColumn = None,
    id_column: IdColumn = None,
    label_id_column: LabelIdColumn = None,
    repeated_ids: RepeatedIdsOption = RepeatedIds.cluster,
    logits_column: LogitsColumn = None,
    probs_column: ProbsColumn = None,
    score_column: ScoreColumn = None,
    score_scale: ScoreScale = None,
    score_of: ScoreOf = None,
    score_words: ScoreWords = None,
    delimiter: DelimiterOption = None,
    decimal: DecimalOption = None,
    encoding: EncodingOption = None,
    na: NaOption = NaName.refuse,
    mask_below: MaskBelow = None,
    mask_value: MaskValue = None,
    renormalize: Renormalize = False,
    floor: FloorOption = None,
    llm: Any = None,  # noqa: ANN401  (an LlmFormat, which is loaded where there is one)
) -> Reading:
    """Return how files are read, from what a command line says."""
    from temperance.checks import LabelMap
    from temperance.checks.answer_scores import parse_words
    from temperance.checks.contradictions import ScoreRules
    from temperance.checks.probs import Floor
    from temperance.readers import Fields
    from temperance.rows.reading import Reading

    left_out = () if ignore_label is None else (ignore_label,)
    return Reading(
        kind=kind,
        fields=Fields(
            label=label_column,
            weight=weight_column,
            group=group_column,
            id=id_column,
            label_id=label_id_column,
            logits=logits_column,
            probs=probs_column,
            cluster=cluster_column,
            delimiter=delimiter,
            decimal=decimal,
            encoding=encoding,
        ),
        labels=labels,
        ignore_label=ignore_label,
        label_map=None if label_map is None else LabelMap.parse(label_map, left_out=left_out),
        repeated_ids=repeated_ids.value,
        class_axis=class_axis,
        llm=llm,
        score_column=score_column,
        score_scale=score_scale,
        score_of=score_of,
        score_words=None if score_words is None else parse_words(score_words),
        na=na.value,
        rules=ScoreRules(
            mask_below,
            mask_value,
            renormalize,
            None if floor is None else Floor.of(floor, option="--floor"),
        ),
    )


class MissingName(StrEnum):
    """What to do with options of which only is known that they are unlikely."""

    bound = "bound"
    shown = "shown"
    drop = "drop"
    error = "error"


class NormalizeName(StrEnum):
    """What log-probabilities are divided by."""

    bytes = "bytes"


def llm_format(
    format_name: Annotated[
        FormatName | None,
        typer.Option(
            "--format",
            help="FILE holds a language model's answers, one JSON object per line; auto: of the "
            "format that its lines show.",
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
            help="Of formats of tokens: the tokens that answer; spellings of one as yes|Yes.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    options_field: Annotated[
        str | None,
        typer.Option(
            "--options-field",
            metavar="NAME",
            help="Of formats of tokens: the key that lists the options of each line.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    position: Annotated[
        int | None,
        typer.Option(
            "--position",
            metavar="N",
            help="Of formats of tokens: the token that answers; 0, the default, is the first.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
) -> Any:  # noqa: ANN401  (an LlmFormat, which is loaded where there is one)
    """Return how files are read, from what a command line says; None without --format."""
    settings: dict[str, Any] = {
        "missing": missing and missing.value,
        "group_by": None if group_by is None else _comma_separated(group_by, "none"),
        "normalize": normalize and normalize.value,
        "filter": filter_name,
        "options": None if options is None else _comma_separated(options),
        "options_field": options_field,
        "position": position,
    }
    if format_name is None:
        for name, value in settings.items():
            if value is not None:
                msg = f"`--{name.replace('_', '-')}` needs --format, which it says more about."
                raise InvalidInputError(msg)
        return None
    from temperance.readers import LlmFormat

    settings["name"] = format_name.value
    return LlmFormat(**settings)


def _comma_separated(text: str, nothing: str | None = None) -> list[str]:
    return [] if text == nothing else [part.strip() for part in text.split(",")]
