"""`temperance judge`: the pass rate that people would find, from a judge and a few labels."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.console import Result
from temperance.cli.options import JsonOption, PassOption, passing_words
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.llm import PassRate, PassRateComparison
    from temperance.show import Table

__all__ = ["judge"]


class MethodName(StrEnum):
    """How labelled rows were chosen, and what corrects the judge then."""

    ppi = "ppi"
    calibrated = "calibrated"
    stratified = "stratified"
    adjusted_count = "adjusted-count"


def _column(name: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(name, metavar="NAME", help=f"Column or key of {what}.")  # type: ignore[no-any-return]


def judge(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One row per answer that the judge judged.")
    ],
    method: Annotated[
        MethodName,
        typer.Option(
            "--method",
            help="How labelled rows were chosen. ppi, calibrated (of scores): at random; "
            "stratified: at random among those of each verdict; adjusted-count: known passes and "
            "fails, chosen by label.",
        ),
    ] = MethodName.ppi,
    judge_column: Annotated[str, _column("--judge-column", "the judge's verdict")] = "verdict",
    label_column: Annotated[
        str, _column("--label-column", "what people say, blank where nobody was asked")
    ] = "label",
    passing: PassOption = None,
    system_column: Annotated[
        str | None, _column("--system-column", "the system that answered: compares systems")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="NAME", help="System to compare with; else the first one."
        ),
    ] = None,
    cluster_column: Annotated[
        str | None,
        _column("--cluster-column", "rows that belong together, as answers to one question"),
    ] = None,
    weight_column: Annotated[str | None, _column("--weight-column", "weights")] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="Labels from another file, by id."),
    ] = None,
    id_column: Annotated[str, _column("--id-column", "ids, which join FILE with --labels")] = "id",
    level: Annotated[
        float, typer.Option("--confidence", metavar="P", help="Coverage of the intervals.")
    ] = 0.95,
    as_json: JsonOption = False,
) -> None:
    """Correct a judge's pass rate by people's labels of some rows, with an interval that holds.

    A judge alone is off by what it gets wrong, however many rows it judges. Several systems
    (--system-column) are compared after each has been corrected by its own labels.
    """
    from temperance.cli.console import progress
    from temperance.llm import compare_pass_rates, pass_rate
    from temperance.rows.judged import JudgedColumns, read_judged
    from temperance.rows.memory import naming

    if baseline is not None and system_column is None:
        msg = "`--baseline` needs --system-column, which names the systems."
        raise InvalidInputError(msg)
    columns = JudgedColumns(
        judge_column, label_column, system_column, cluster_column, weight_column, id_column,
        passing_words(passing),
    )  # fmt: skip
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
    content = {key: each for key, each in rates.to_dict().items() if key != "notes"}
    Result(
        lambda: {**content, "data_sha256": rows.sha256},
        lambda: _shown(rates),
        warnings=(*rows.notes, *rates.notes),
    ).print(as_json=as_json)


def _shown(rates: PassRate | PassRateComparison) -> Iterator[str | Table]:
    yield from rates.tables()
