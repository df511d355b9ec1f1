"""`temperance export polars`: a calibrator as a function of a polars frame."""

from __future__ import annotations

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

__all__ = ["export_polars"]


def export_polars(
    calibrator_file: CalibratorFile,
    columns: ColumnsOption = None,
    inputs: InputsOption = InputsName.logits,
    group_column: GroupOption = None,
    verify: ProofFile = None,
    output: OutputOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a calibrator as polars code, once running it gives the calibrated numbers.

    A Python module that needs nothing but polars: its function `calibrated` adds prob_<class> to a
    DataFrame or a LazyFrame. Without -o the code is printed, and the proof on stderr.
    """
    from temperance.export import to_polars

    export_text(
        to_polars, calibrator_file, keys={"code": "code"}, suffix=".py", columns=columns,
        inputs=inputs, group_column=group_column, verify=verify, output=output, as_json=as_json,
    )  # fmt: skip
