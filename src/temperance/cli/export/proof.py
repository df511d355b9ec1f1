"""The proof of an export on the command line, and the exports that are text about columns."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from temperance.cli.console import Result, note, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.export.polars_code import PolarsFunction
    from temperance.export.sql import Query

__all__ = [
    "CalibratorFile",
    "ColumnsOption",
    "GroupOption",
    "InputsName",
    "InputsOption",
    "OutputOption",
    "ProofFile",
    "export_text",
    "failing",
]


class InputsName(StrEnum):
    """What columns hold."""

    logits = "logits"
    probs = "probs"


CalibratorFile = Annotated[
    Path, typer.Argument(metavar="CALIBRATOR", help="A calibrator.json of `temperance fit`.")
]
ProofFile = Annotated[
    Path | None,
    typer.Option(
        "--verify",
        metavar="FILE",
        help="Rows of the proof: logits or probabilities, as `temperance apply` reads them; where "
        "left out, 1,000 made rows.",
    ),
]
ColumnsOption = Annotated[
    str | None,
    typer.Option(
        "--columns",
        metavar="A,B,...",
        help="Columns of the classes, in their order; one alone: of class 1. Where left out, "
        "logit_<class>, of --inputs probs prob_<class>.",
    ),
]
InputsOption = Annotated[InputsName, typer.Option("--inputs", help="What the columns hold.")]
GroupOption = Annotated[
    str | None,
    typer.Option(
        "--group-column", metavar="NAME", help="Column of the groups, of a temperature per group."
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Where it goes; where left out, it is printed."
    ),
]


def _column_names(text: str | None) -> list[str] | None:
    """Return the names of --columns."""
    return None if text is None else [name.strip() for name in text.split(",")]


class _ProofRows(NamedTuple):
    """The rows of a proof."""

    scores: NDArray[np.float64] | None  # in the order of the calibrator's classes; None: made rows
    groups: NDArray[np.str_] | None
    words: str | None


def _proof_rows(
    calibrator: Calibrator,
    path: Path,
    file: Path | None,
    *,
    inputs: InputsName = InputsName.logits,
) -> _ProofRows:
    """Return the rows of a file, as `inputs`, checked for the calibrator that is in `path`."""
    if file is None:
        return _ProofRows(None, None, None)
    from temperance.export.parity import probs_of_kind
    from temperance.numerics import as_float64
    from temperance.printable import count_text
    from temperance.rows.reading import Reading, read_rows

    kind = "multilabel" if calibrator.kind == "multilabel" else None
    rows = read_rows(file, Reading(kind=kind).for_calibrator(calibrator), labelled=False)
    rows.check_fits(calibrator, str(path))
    outputs, _order = rows.outputs_for(calibrator)
    scores = as_float64(outputs.scores[0])
    if inputs is InputsName.probs:
        scores = probs_of_kind(scores, calibrator.kind)
    groups = rows.group_names if calibrator.traits.groups else None
    return _ProofRows(scores, groups, f"{count_text(rows.n, 'row')} of {file.name}")


@contextmanager
def failing(*, as_json: bool) -> Iterator[None]:
    """Print the figures of a proof that fails, and end with exit code 1: nothing is written."""
    from temperance.export import ParityError

    try:
        yield
    except ParityError as error:
        if as_json:
            print_json({"parity": error.parity.to_dict(), "error": str(error), "output": None})
        else:
            for table in error.parity.tables():
                print_table(table)
            note(f"failed: {error}")
        raise typer.Exit(1) from error


def export_text(
    export: Callable[..., Query | PolarsFunction],
    calibrator_file: Path,
    *,
    keys: Mapping[str, str],
    suffix: str,
    columns: str | None,
    inputs: InputsName,
    group_column: str | None,
    verify: Path | None,
    output: Path | None,
    as_json: bool,
    **settings: str | None,
) -> None:
    """Export a calibrator as text about columns, prove it, write or print it.

    `export` makes it of `settings` too; `keys` are JSON's keys and the attributes that they hold;
    `suffix` is how the name of its file ends, if not in .txt.
    """
    from temperance.cli.console import progress
    from temperance.formats import load
    from temperance.writers.place import check_writable, write_text

    if output is not None:
        check_writable(output, (suffix, ".txt"))
    calibrator = load(calibrator_file)
    rows = _proof_rows(calibrator, calibrator_file, verify, inputs=inputs)
    with failing(as_json=as_json), progress("proving what is exported"):
        exported = export(
            calibrator, columns=_column_names(columns), inputs=inputs.value,
            group_column=group_column, verify=rows.scores, groups=rows.groups, rows=rows.words,
            **settings,
        )  # fmt: skip
    if output is not None:
        write_text(output, exported.script)
    _text_result(exported, keys, output=output).print(as_json=as_json)


def _text_result(
    exported: Query | PolarsFunction, keys: Mapping[str, str], *, output: Path | None
) -> Result:
    """Return what is said: the text itself, or the proof and the file."""
    parity = exported.parity
    line = (
        f"parity holds on {parity.rows}, run by {parity.target}: largest difference "
        f"{parity.largest_difference:.1e}, the same class in every row"
    )
    content = {key: getattr(exported, attribute) for key, attribute in keys.items()}
    columns = {"columns": list(exported.columns), "outputs": list(exported.outputs)}
    return Result(
        content=lambda: {**content, **columns, "parity": parity.to_dict()},
        shown=lambda: (exported.script.rstrip("\n"),) if output is None else parity.tables(),
        files={"output": output},
        notes=() if output is not None else (line,),
    )
