"""The options that say how files are read, written once, for every command that reads rows."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from temperance.calibrators import Calibrator
from temperance.checks import LabelMap
from temperance.checks.answer_scores import AnswerScale
from temperance.checks.contradictions import AS_THEY_ARE, ScoreRules
from temperance.checks.scores import Floor
from temperance.cli.class_rows import answer_scale, score_column_of
from temperance.cli.options import (
    ClassAxis,
    ClusterColumn,
    FloorOption,
    GroupColumn,
    IdColumn,
    IgnoreLabel,
    KindOption,
    LabelColumn,
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
    WeightColumn,
)
from temperance.errors import InvalidInputError
from temperance.readers import Fields, LlmFormat
from temperance.readers.dataset import Missing

if TYPE_CHECKING:
    from temperance.cli.rows import Rows

__all__ = ["Reading", "takes_reading"]

_PANEL = "Files of language models"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the files of one command are read.

    `labels` is the file that holds the labels of the first file; `answers` is known once
    `of_answers` has been asked.
    """

    kind: str | None = None
    fields: Fields = field(default_factory=Fields)
    labels: Path | None = None
    ignore_label: str | None = None
    label_map: LabelMap | None = None
    class_axis: int | None = None
    llm: LlmFormat | None = None
    score_column: str | None = None
    score_scale: str | None = None
    score_of: int | None = None
    answers: AnswerScale | None = None
    repeated_ids: RepeatedIds = RepeatedIds.cluster
    na: Missing = "refuse"
    rules: ScoreRules = AS_THEY_ARE

    def of_answers(self, calibrator: Calibrator | None = None) -> Self:
        """Return the same with what scores of answers are, by the options or the calibrator."""
        answers = answer_scale(self.kind, self.score_scale, self.score_of, calibrator)
        scores = score_column_of(answers, self.score_column, self.fields.logits)
        fields = replace(self.fields, logits=scores)
        return replace(self, answers=answers, fields=fields).with_floor_of(calibrator)

    def with_floor_of(self, calibrator: Calibrator | None) -> Self:
        """Return the same for the probabilities that a calibrator will be applied to.

        They are raised to what those of its fit were, unless --floor says otherwise.
        """
        record = None if calibrator is None else calibrator.record
        floor = None if record is None else record.floor
        return replace(self, rules=replace(self.rules, fitted_floor=floor))

    def other_file(self, labels: Path | None = None, *, of_model: Rows | None = None) -> Self:
        """Return the same for another file than the first, whose labels are its own.

        Where it is `of_model`, the one whose rows these are, `--floor auto` is what it was there.
        """
        rules = self.rules
        if of_model is not None and of_model.floored is not None:
            rules = rules.as_found(of_model.floored)
        return replace(self, labels=labels, rules=rules)


def takes_reading(*, without: Collection[str] = ()) -> Callable[..., Callable[..., None]]:
    """Replace a command's parameter `reading` by the options that make its value, at the end.

    `without` names the options that the command has no use for.
    """
    files, language_models = (
        inspect.signature(make, eval_str=True).parameters.values()
        for make in (_reading, llm_format)
    )
    files_taken = [each for each in files if each.name not in {"llm", *without}]
    added = [*files_taken, *language_models]

    def replacing_parameter(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True).parameters.values()

        @functools.wraps(command)
        def run(**given: Any) -> None:  # noqa: ANN401  (what a command line holds)
            llm = llm_format(**{each.name: given.pop(each.name) for each in language_models})
            options = {each.name: given.pop(each.name) for each in files_taken}
            command(**given, reading=_reading(**options, llm=llm))

        kept = [each for each in own if each.name != "reading"]
        run.__signature__ = inspect.Signature([*kept, *added])  # type: ignore[attr-defined]
        return run

    return replacing_parameter


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
    repeated_ids: RepeatedIdsOption = RepeatedIds.cluster,
    logits_column: LogitsColumn = None,
    probs_column: ProbsColumn = None,
    score_column: ScoreColumn = None,
    score_scale: ScoreScale = None,
    score_of: ScoreOf = None,
    na: NaOption = NaName.refuse,
    mask_below: MaskBelow = None,
    mask_value: MaskValue = None,
    renormalize: Renormalize = False,
    floor: FloorOption = None,
    llm: LlmFormat | None = None,
) -> Reading:
    """Return how files are read, from what a command line says."""
    left_out = () if ignore_label is None else (ignore_label,)
    return Reading(
        kind=kind,
        fields=Fields(
            label=label_column,
            weight=weight_column,
            group=group_column,
            id=id_column,
            logits=logits_column,
            probs=probs_column,
            cluster=cluster_column,
        ),
        labels=labels,
        ignore_label=ignore_label,
        label_map=None if label_map is None else LabelMap.parse(label_map, left_out=left_out),
        repeated_ids=repeated_ids,
        class_axis=class_axis,
        llm=llm,
        score_column=score_column,
        score_scale=score_scale,
        score_of=score_of,
        na=na.value,
        rules=ScoreRules(
            mask_below,
            mask_value,
            renormalize,
            None if floor is None else Floor.of(floor, option="--floor"),
        ),
    )


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
