"""Options that several commands share, each written once."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.defaults import QUICK_RESAMPLES
from temperance.file_formats import FILE_FORMATS, names_in_help

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = [
    "COMPUTING",
    "FOLDED",
    "READING",
    "TEST_LABELS",
    "BinsOption",
    "ClassAxis",
    "ClusterColumn",
    "DaskOption",
    "DecimalOption",
    "DelimiterOption",
    "EncodingOption",
    "EngineName",
    "EngineOption",
    "FloorOption",
    "FoldSeedOption",
    "GroupColumn",
    "IdColumn",
    "IgnoreLabel",
    "JsonOption",
    "KindName",
    "KindOption",
    "LabelColumn",
    "LabelMapOption",
    "LabelsOption",
    "LogitsColumn",
    "LogitsColumns",
    "MaskBelow",
    "MaskValue",
    "NaName",
    "NaOption",
    "PassOption",
    "PoolName",
    "ProbsColumn",
    "ProbsColumns",
    "QuickOption",
    "Renormalize",
    "RepeatedIds",
    "RepeatedIdsOption",
    "ReportOption",
    "ResamplesOption",
    "ScoreColumn",
    "ScoreOf",
    "ScoreScale",
    "ScoreWords",
    "SeedOption",
    "TestLabelsOption",
    "Undecided",
    "WeightColumn",
    "in_options",
    "passing_words",
]

# Messages name an argument and its option; on the command line only the option is known.


_BOTH = re.compile(r"`[\w.]+(?:=[^`]*)?` \((--[a-z][a-z-]*(?: [^\s(),]+)?)\)")
_OPTION = re.compile(r"`(--[a-z][a-z-]*)")
_NAME = re.compile(r"`([a-z]+_[a-z_]+)`")


def in_options(
    message: str,
    options: Collection[str] = (),
    of_fit: Callable[[], Collection[str]] = frozenset,
) -> str:
    """Return a message as the command line says it: by its options alone.

    A name of several words that stands without its option is that of one of the command's `options`
    if there is such a one; a single word (`labels`) may as well be a column. An option that the
    command does not take, but one `of_fit()`, is said with that command, `temperance fit`.

    >>> in_options("`max_risk` (--max-risk) must be a number; `prior=1.0` (--prior 1) helps.")
    '`--max-risk` must be a number; `--prior 1` helps.'
    >>> in_options("`group_by` must differ from `fold_by`.", {"--group-by"})
    '`--group-by` must differ from `fold_by`.'
    >>> in_options("`prior=1.0` (--prior 1) helps.", {"--max-risk"}, lambda: {"--prior"})
    '`temperance fit --prior 1` helps.'
    """
    said = _NAME.sub(lambda match: _option(match, options), _BOTH.sub(r"`\1`", message))
    return _OPTION.sub(lambda match: _of_fit(match, options, of_fit), said)


def _option(match: re.Match[str], options: Collection[str]) -> str:
    option = f"--{match[1].replace('_', '-')}"
    return f"`{option}`" if option in options else match[0]


_READING = "How files are read"
COMPUTING = "How it is computed"
READING = (_READING, "Files of language models")  # panels of the options that say how
FOLDED = (*READING, COMPUTING)  # panels of --help-all alone


def _of_fit(
    match: re.Match[str], options: Collection[str], of_fit: Callable[[], Collection[str]]
) -> str:
    """Return an option, with the command `temperance fit` where that alone of the two takes it."""
    option = match[1]
    if option in options or option not in of_fit():
        return match[0]
    return f"`temperance fit {option}"


class KindName(StrEnum):
    """What a file's scores are; multilabel: a column per label; answers: one score per answer."""

    logits = "logits"
    probs = "probs"
    multilabel = "multilabel"
    answers = "answers"


class ScaleName(StrEnum):
    """What scores of answers are (`temperance.llm.answer_log_odds`)."""

    logprob = "logprob"
    probability = "probability"
    fraction = "fraction"
    percent = "percent"
    counts = "count"
    real = "real"


class NaName(StrEnum):
    """What to do with rows that lack a value."""

    refuse = "refuse"
    drop = "drop"


class EngineName(StrEnum):
    """What computes the sums of a fit of a temperature."""

    auto = "auto"
    numpy = "numpy"
    numba = "numba"


class RepeatedIds(StrEnum):
    """What rows are that share an id, or are copies of one another."""

    cluster = "cluster"
    keep = "keep"
    error = "error"


class PoolName(StrEnum):
    """How an ensemble pools its members: probabilities, or their logarithms."""

    linear = "linear"
    log = "log"


class Undecided(StrEnum):
    """What a gate is of which the rows cannot tell."""

    passing = "pass"
    failing = "fail"


DaskOption = Annotated[
    str | None,
    typer.Option(
        "--dask",
        metavar="SCHEDULER",
        help="Let the workers of this Dask scheduler (tcp://host:8786, or local) read the files.",
        rich_help_panel=COMPUTING,
    ),
]
EngineOption = Annotated[
    EngineName,
    typer.Option(
        "--engine",
        help="What computes the sums of a temperature; auto: numba for large data.",
        rich_help_panel=COMPUTING,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")
]
ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="FILE.html", help="Write a report to look at.")
]
BinsOption = Annotated[
    int,
    typer.Option(
        "--bins",
        metavar="N",
        min=1,
        max=1000,
        help="Bins of the calibration error.",
        rich_help_panel=COMPUTING,
    ),
]
ResamplesOption = Annotated[
    int,
    typer.Option(
        "--resamples",
        metavar="N",
        min=100,
        max=20_000,
        help="Of the intervals and null bands.",
        rich_help_panel=COMPUTING,
    ),
]
QuickOption = Annotated[
    bool, typer.Option("--quick", help=f"Only {QUICK_RESAMPLES} resamples: a first look.")
]
SeedOption = Annotated[
    int,
    typer.Option(
        "--seed", metavar="N", min=0, help="Of the resampled intervals.", rich_help_panel=COMPUTING
    ),
]
FoldSeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="Of the folds of what is cross-fitted.",
        rich_help_panel=COMPUTING,
    ),
]

PassOption = Annotated[
    str | None,
    typer.Option(
        "--pass",
        metavar="A,B,...",
        help="Words that mean pass, in verdicts and labels; all others mean fail. Not needed for "
        "1 and 0, true and false, and scores.",
    ),
]


def passing_words(text: str | None) -> tuple[str, ...]:
    """Return the words of `--pass`."""
    return () if text is None else tuple(each.strip() for each in text.split(","))


KindOption = Annotated[
    KindName | None,
    typer.Option(
        "--kind",
        help="Take the file's scores for this, whatever they are called or look like; multilabel: "
        "with a matrix of labels (columns label_<name>, lists, or a 2-D array); answers: one score "
        "per answer and whether it is right (columns score and correct).",
        rich_help_panel=_READING,
    ),
]
TEST_LABELS = "`test_labels` (--test-labels)"  # as messages name it
TestLabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--test-labels",
        metavar="FILE",
        help="Labels of TEST from another file.",
        rich_help_panel=_READING,
    ),
]
LabelsOption = Annotated[
    Path | None,
    typer.Option(
        "--labels", metavar="FILE", help="Labels from another file.", rich_help_panel=_READING
    ),
]


def _mark(text: str) -> str:
    """Return a tab by its name, or as one types it; all else as it is."""
    return "\t" if text in ("tab", "\\t") else text


def _column(name: str, what: str, *short: str) -> typer.models.OptionInfo:
    return typer.Option(  # type: ignore[no-any-return]
        name,
        *short,
        metavar="NAME",
        help=f"Column or key of the {what}; none: there is none.",
        rich_help_panel=_READING,
    )


DelimiterOption = Annotated[
    str | None,
    typer.Option(
        "--delimiter",
        metavar="MARK",
        help="Of .csv and .tsv: what parts the cells, one character, or tab. By default the header "
        "says it: comma, tab, semicolon or bar.",
        parser=_mark,
        rich_help_panel=_READING,
    ),
]
DecimalOption = Annotated[
    str | None,
    typer.Option(
        "--decimal",
        metavar="MARK",
        help="Of .csv and .tsv: the decimal mark, . or ,; by default a comma counts as one where "
        "nothing in its column speaks against it.",
        rich_help_panel=_READING,
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        metavar="NAME",
        help="Of .csv and .tsv, as cp1252; by default UTF-8, or UTF-16 where the file shows it.",
        rich_help_panel=_READING,
    ),
]
IgnoreLabel = Annotated[
    str | None,
    typer.Option(
        "--ignore-label",
        metavar="LABEL",
        help="Leave out rows (or entries of a label matrix) of this label, e.g. -1 or unknown.",
        rich_help_panel=_READING,
    ),
]
LabelMapOption = Annotated[
    str | None,
    typer.Option(
        "--label-map",
        metavar="A=B,...",
        help="What labels mean: no=0,yes=1 (a class by name, or by position where columns have no "
        "names); positions or one-based: they count the columns, from 0 or from 1.",
        rich_help_panel=_READING,
    ),
]
ClassAxis = Annotated[
    int | None,
    typer.Option(
        "--class-axis",
        metavar="N",
        help="Of outputs per pixel or token "
        f"({names_in_help(each for each in FILE_FORMATS if each.any_shape)}): "
        "the axis of the classes, e.g. 1 or -1. "
        "Each image or sequence, along the first other axis, counts as a cluster.",
        rich_help_panel=_READING,
    ),
]
LabelColumn = Annotated[
    str | None,
    _column("--label-column", "labels, or of a matrix the start of their names", "--label-field"),
]
WeightColumn = Annotated[str | None, _column("--weight-column", "weights")]
GroupColumn = Annotated[str | None, _column("--group-column", "groups", "--group")]
ClusterColumn = Annotated[
    str | None, _column("--cluster-column", "clusters (rows that belong together)", "--cluster")
]
IdColumn = Annotated[str | None, _column("--id-column", "row ids")]
LabelIdColumn = Annotated[
    str | None,
    typer.Option(
        "--label-id-column",
        metavar="NAME",
        help="Column or key of the ids in the file of --labels, where they have another name.",
        rich_help_panel=_READING,
    ),
]
RepeatedIdsOption = Annotated[
    RepeatedIds,
    typer.Option(
        "--repeated-ids",
        help="Rows that share an id, or are copies of one another: one cluster, draws of their "
        "own (keep), or an error.",
        rich_help_panel=_READING,
    ),
]
ScoreColumn = Annotated[str | None, _column("--score-column", "scores of answers (--kind answers)")]
ScoreScale = Annotated[
    ScaleName | None,
    typer.Option(
        "--score-scale",
        help="Of --kind answers: log-probabilities, measured probabilities, stated fractions or "
        "percentages, counts of agreeing samples, or any real numbers.",
        rich_help_panel=_READING,
    ),
]
ScoreOf = Annotated[
    int | None,
    typer.Option(
        "--score-of",
        metavar="N",
        min=1,
        help="How many samples a count is of.",
        rich_help_panel=_READING,
    ),
]


ScoreWords = Annotated[
    str | None,
    typer.Option(
        "--score-words",
        metavar="WORD=N,...",
        help="What words in place of a score stand for, on its scale: high=90,medium=60,low=30.",
        rich_help_panel=_READING,
    ),
]


def _score_column(name: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(  # type: ignore[no-any-return]
        name,
        metavar="NAME",
        help=f"Column or key of the {what}; of a table also what their columns begin or end with, "
        "as `prob` finds prob_cat and cat_prob, p*_mean, or a list A,B,C.",
        rich_help_panel=_READING,
    )


LogitsColumn = Annotated[str | None, _score_column("--logits-column", "logits")]
ProbsColumn = Annotated[str | None, _score_column("--probs-column", "probabilities")]
LogitsColumns = Annotated[list[str] | None, _score_column("--logits-column", "logits")]
ProbsColumns = Annotated[list[str] | None, _score_column("--probs-column", "probabilities")]
NaOption = Annotated[
    NaName,
    typer.Option(
        "--na",
        help="What to do with rows that lack a value (blank, NA, null, NaN): refuse the file, or "
        "leave them out and say how many.",
        rich_help_panel=_READING,
    ),
]
MaskBelow = Annotated[
    float | None,
    typer.Option(
        "--mask-below",
        metavar="X",
        help="Logits of X and below are options that do not exist, as the smallest number of a "
        "dtype or -1e9.",
        rich_help_panel=_READING,
    ),
]
MaskValue = Annotated[
    float | None,
    typer.Option(
        "--mask-value",
        metavar="X",
        help="Logits of exactly X are options that do not exist, as a trainer's padding of -100.",
        rich_help_panel=_READING,
    ),
]
Renormalize = Annotated[
    bool,
    typer.Option(
        "--renormalize",
        help="Divide each row of probabilities by its sum: rounded, with a margin, in percent. "
        "A row of zeros is refused, or with --na drop left out as missing.",
        rich_help_panel=_READING,
    ),
]
FloorOption = Annotated[
    str | None,
    typer.Option(
        "--floor",
        metavar="P",
        help="What a probability of 0 is taken for; smaller ones are raised to it. A number as "
        "1e-6; decimals=3: half a unit of the third decimal; auto: half the smallest positive "
        "probability.",
        rich_help_panel=_READING,
    ),
]
