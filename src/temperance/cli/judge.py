"""`temperance judge`: the pass rate that people would find, from a judge and a few labels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

from temperance.cli.console import Result
from temperance.cli.gating import (
    GATES,
    Gating,
    JUnitOption,
    MarkdownOption,
    UndecidedOption,
    Worse,
    as_margins,
    ended,
    fail_if,
)
from temperance.cli.options import (
    COMPUTING,
    READING,
    JsonOption,
    LabelIdColumn,
    PassOption,
    passing_words,
)
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from temperance.gates import Gated
    from temperance.llm import PassRate, PassRateComparison

__all__ = ["judge"]

_FILES = READING[0]


class MethodName(StrEnum):
    """How labelled rows were chosen, and what corrects the judge then."""

    ppi = "ppi"
    calibrated = "calibrated"
    stratified = "stratified"
    adjusted_count = "adjusted-count"


def _column(name: str, what: str, panel: str | None = None) -> typer.models.OptionInfo:
    words = f"Column or key of {what}."
    return typer.Option(name, metavar="NAME", help=words, rich_help_panel=panel)  # type: ignore[no-any-return]


def judge(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One row per answer that the judge judged.")
    ],
    method: Annotated[
        MethodName,
        typer.Option(
            "--method",
            metavar="NAME",
            help="How labelled rows were chosen. ppi, calibrated (of scores): at random; "
            "stratified: at random among those of each verdict; adjusted-count: known passes and "
            "fails, chosen by label.",
        ),
    ] = MethodName.ppi,
    judge_column: Annotated[str, _column("--judge-column", "the judge's verdict")] = "verdict",
    label_column: Annotated[
        str, _column("--label-column", "what people say, blank where not asked")
    ] = "label",
    passing: PassOption = None,
    system_column: Annotated[
        str | None, _column("--system-column", "the system that answered, to compare them")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="NAME", help="System to compare with; else the first."),
    ] = None,
    cluster_column: Annotated[
        str | None,
        _column("--cluster-column", "rows that belong together, as of one question"),
    ] = None,
    weight_column: Annotated[str | None, _column("--weight-column", "weights", _FILES)] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            "--labels",
            metavar="FILE",
            help="Labels from another file, by id.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    id_column: Annotated[
        str, _column("--id-column", "ids, which join FILE with --labels", _FILES)
    ] = "id",
    label_id_column: LabelIdColumn = None,
    level: Annotated[
        float,
        typer.Option(
            "--confidence",
            metavar="P",
            help="Coverage of the intervals.",
            rich_help_panel=COMPUTING,
        ),
    ] = 0.95,
    min_pass_rate: Annotated[
        float | None,
        typer.Option(
            "--min-pass-rate",
            metavar="P",
            help="Least corrected pass rate, of each system.",
            rich_help_panel=GATES,
        ),
    ] = None,
    fails: Annotated[
        Worse | None,
        fail_if("Fail where a system passes less often than the baseline, by evidence."),
    ] = None,
    margin: Annotated[
        list[str] | None,
        typer.Option(
            "--margin",
            metavar="pass_rate=X",
            help="How much lower a pass rate may be and not be called worse.",
            rich_help_panel=GATES,
        ),
    ] = None,
    undecided: UndecidedOption = None,
    junit: JUnitOption = None,
    markdown: MarkdownOption = None,
    as_json: JsonOption = False,
) -> None:
    """Correct a judge's pass rate by people's labels of some rows, with an interval that holds.

    A judge alone is off by what it gets wrong, however many rows it judges. Several systems
    (--system-column) are compared after each has been corrected by its own labels. A gate fails
    where the whole interval of the corrected rate is beyond the limit.
    """
    from temperance.cli.console import progress
    from temperance.llm import compare_pass_rates, pass_rate
    from temperance.rows.judged import JudgedColumns, read_judged
    from temperance.rows.memory import naming

    _check_systems(system_column, baseline, fails)
    gating = Gating(undecided, junit, markdown)
    conditions = _Conditions.of(gating, min_pass_rate, fails, margin)
    columns = JudgedColumns(
        judge_column, label_column, system_column, cluster_column, weight_column, id_column,
        passing_words(passing), label_id_column,
    )  # fmt: skip
    if label_id_column is not None and labels is None:
        msg = "`--label-id-column` names the ids of the file of --labels, which is not given."
        raise InvalidInputError(msg)
    rows = read_judged(file, columns, labels=labels)
    settings: dict[str, Any] = {
        "method": method.value, "weights": rows.weights, "clusters": rows.clusters, "level": level,
    }  # fmt: skip
    rates: PassRate | PassRateComparison
    with naming(rows.source), progress("measuring"):
        if rows.systems is None:
            rates = pass_rate(rows.verdicts, rows.labels, **settings)
        else:
            rates = compare_pass_rates(
                rows.verdicts, rows.labels, rows.systems, baseline=baseline, **settings
            )
    gates, warnings = conditions.judge(rates, gating), (*rows.notes, *rates.notes)
    gating.write(
        "judge", gates, source=rows.source, headline=rates.in_words(), shown=rates.tables,
        warnings=warnings, digests={rows.source: rows.sha256}, report=None,
    )  # fmt: skip
    content = {key: each for key, each in rates.to_dict().items() if key != "notes"}
    Result(
        lambda: {
            **content, "headline": rates.in_words(), **ended(gates), "data_sha256": rows.sha256,
        },
        rates.tables,
        warnings=warnings,
        files=gating.files,
        gates=gates,
    ).print(as_json=as_json)  # fmt: skip


def _check_systems(system_column: str | None, baseline: str | None, fails: Worse | None) -> None:
    """Raise where what is about several systems is asked of one."""
    for option, value in (("--baseline", baseline), ("--fail-if worse", fails)):
        if value is not None and system_column is None:
            msg = f"`{option}` needs --system-column, which names the systems."
            raise InvalidInputError(msg)


@dataclass(frozen=True, slots=True)
class _Conditions:
    """The gates of a command line, checked before a row is read."""

    least: float | None
    worse: bool
    margin: float

    @classmethod
    def of(
        cls,
        gating: Gating,
        least: float | None,
        fails: Worse | None,
        margin: list[str] | None,
    ) -> Self:
        from temperance.checks.arguments import as_share

        if least is not None:
            as_share(least, name="--min-pass-rate")
        allowed = as_margins(margin, ("pass_rate",)).get("pass_rate", 0.0)
        if margin and fails is None:
            msg = "`--margin` needs --fail-if worse, than which a pass rate may be worse by that."
            raise InvalidInputError(msg)
        gating.check(
            any_gate=least is not None or fails is not None,
            options=["--min-pass-rate", "--fail-if worse"],
        )
        return cls(least, fails is not None, allowed)

    def judge(self, rates: PassRate | PassRateComparison, gating: Gating) -> tuple[Gated, ...]:
        """Return how each gate ended."""
        from temperance.gates import check_pass_rate, check_pass_rate_differences
        from temperance.llm import PassRateComparison

        gates: list[Gated] = []
        if self.least is not None:
            gates += check_pass_rate(rates, min_pass_rate=self.least, undecided=gating.taken_for)
        if self.worse and isinstance(rates, PassRateComparison):
            gates += check_pass_rate_differences(
                rates, margin=self.margin, undecided=gating.taken_for
            )
        return tuple(gates)
