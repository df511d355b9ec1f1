"""`temperance monitor log`: predictions of a file into the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.monitor.opening import StoreArgument, as_moment, from_stdin, opened
from temperance.cli.reading_options import takes_reading

if TYPE_CHECKING:
    from temperance.cli.console import Result
    from temperance.rows.reading import Reading

__all__ = ["monitor_log"]

_AT_ONCE = 10_000


@takes_reading(
    without=(
        "labels", "ignore_label", "label_map", "cluster_column", "class_axis", "repeated_ids",
        "weight_column",
    ),
)  # fmt: skip
def monitor_log(
    reading: Reading,
    store: StoreArgument,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Logits or probabilities with ids, as for `fit`; `-` is JSON lines on stdin.",
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", metavar="NAME", help="Which model they are of.")
    ] = "model",
    calibrator: Annotated[
        str | None,
        typer.Option(
            "--calibrator-id", metavar="ID", help="Which served them; else the one that serves now."
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="ISO", help="When they were made; else now."),
    ] = None,
) -> Result:
    """Keep predictions until their labels come; rows that are there already are counted.

    A row is what the calibrator takes, with an id by which its label finds it. An id with other
    scores than before is an error, and nothing of the file is then written beyond the rows before.
    Of language models' top-k log-probabilities, --missing shown keeps the options that are shown;
    a label may then be another one, and evidence is about those that are shown.
    """
    from temperance.cli.console import Result, progress
    from temperance.errors import InvalidInputError
    from temperance.monitor import Logged
    from temperance.monitor.inputs import refuse_columns
    from temperance.printable import count_text
    from temperance.rows.reading import read_rows

    with opened(store) as (open_store, registry), from_stdin(file) as path:
        served = calibrator or registry.adopted()
        fitted = registry.load(served)
        rows = read_rows(path, reading.for_calibrator(fitted), labelled=False, whole=True)
        if rows.ids is None:
            msg = (
                f"{file}: has no ids, by which labels find predictions: no column or key `id`. "
                "Name the one that holds them with --id-column."
            )
            raise InvalidInputError(msg)
        refuse_columns(fitted, rows.logits, model=model)
        at = None if time is None else as_moment(time, option="--time")
        total = Logged(0, 0, 0, 0)
        with progress("writing", rows=rows.n):
            for first in range(0, rows.n, _AT_ONCE):
                some = slice(first, first + _AT_ONCE)
                ids = rows.ids[some].tolist()
                receipt = open_store.log(
                    ids, rows.logits[some], calibrator=served, model=model,
                    classes=None if fitted.kind == "answers" else rows.classes,
                    groups=None if rows.group_names is None else rows.group_names[some],
                    times=None if at is None else [at] * len(ids),
                    top_k=reading.llm is not None and reading.llm.missing == "shown",
                )  # fmt: skip
                total = total.merge(receipt)
    unknown: tuple[str, ...] = ()
    if total.unknown:
        labels = count_text(total.unknown, "label that had", "labels that had")
        are = "is" if total.unknown == 1 else "are"
        unknown = (f"{labels} come before {are} no option of that prediction: dropped.",)
    words = (
        f"{count_text(total.new, 'prediction')} written, {total.repeated:,} were there already, "
        f"{total.joined:,} had a label that came before."
    )
    return Result(
        lambda: {**total.to_dict(), "model": model, "calibrator": served},
        lambda: [words],
        warnings=(*rows.notes, *unknown),
    )
