"""`temperance export sql`: a calibrator as a query."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from temperance.cli.export.proof import (
    CalibratorFile,
    ColumnsOption,
    GroupOption,
    InputsName,
    InputsOption,
    OutputOption,
    ProofFile,
    export_text,
)
from temperance.cli.options import JsonOption

__all__ = ["export_sql"]


class DialectName(StrEnum):
    """Whose SQL."""

    duckdb = "duckdb"
    postgresql = "postgresql"
    bigquery = "bigquery"


def export_sql(
    calibrator_file: CalibratorFile,
    dialect: Annotated[DialectName, typer.Option("--dialect", help="Whose SQL.")] = (
        DialectName.duckdb
    ),
    table: Annotated[
        str, typer.Option("--table", metavar="NAME", help="The table of the columns.")
    ] = "predictions",
    columns: ColumnsOption = None,
    inputs: InputsOption = InputsName.logits,
    group_column: GroupOption = None,
    verify: ProofFile = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            help="The PostgreSQL that runs the proof, in a temporary table; where left out, DuckDB "
            "runs the same in its own dialect.",
        ),
    ] = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a calibrator as an SQL query, once running it gives the calibrated numbers.

    One SELECT: all columns of the table, and prob_<class> for each class. A row with NULL among
    its logits gets NULL. Without -o the query is printed, and the proof on stderr.
    """
    from temperance.export import to_sql

    export_text(
        to_sql, calibrator_file, keys={"query": "text", "dialect": "dialect"}, suffix=".sql",
        columns=columns, inputs=inputs, group_column=group_column, verify=verify,
        output=output, as_json=as_json,
        dialect=dialect.value, table=table, database=database,
    )  # fmt: skip
