"""`temperance monitor label`: labels of a file to their predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.monitor.opening import StoreArgument, from_stdin, opened
from temperance.cli.options import (
    IdColumn,
    JsonOption,
    LabelColumn,
    LabelMapOption,
    NaName,
    NaOption,
)  # fmt: skip

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["monitor_label"]

_AT_ONCE = 10_000


def _together(ids: NDArray[Any], labels: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return rows in their order, but those of one id where its first is: written in one call."""
    first: dict[Any, int] = {}
    places = [first.setdefault(name, place) for place, name in enumerate(ids.tolist())]
    if len(first) == len(places):
        return ids, labels
    order = sorted(range(len(places)), key=places.__getitem__)
    return ids[order], labels[order]


def _complete(ids: Any, labels: Any) -> tuple[Any, Any, tuple[str, ...]]:  # noqa: ANN401
    """Return the rows that have an id and a label, and a note that counts the others."""
    import numpy as np

    from temperance.printable import count_text
    from temperance.readers.dataset import lacking_rows

    lacking = np.zeros(len(ids), dtype=np.bool_)
    for column in (ids, labels):
        lacking[lacking_rows(column)] = True
    count = int(np.count_nonzero(lacking))
    if not count:
        return ids, labels, ()
    were = "was left out, which lacks" if count == 1 else "were left out, which lack"
    note = f"{count:,} of {count_text(len(lacking), 'row')} {were} a value (--na drop)."
    kept = ~lacking
    return np.ma.getdata(ids)[kept], np.ma.getdata(labels)[kept], (note,)


def monitor_label(
    store: StoreArgument,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Ids and labels; scores beside them are not looked at. `-`: stdin."
        ),
    ],
    label_column: LabelColumn = None,
    id_column: IdColumn = None,
    label_map: LabelMapOption = None,
    na: NaOption = NaName.refuse,
    as_json: JsonOption = False,
) -> None:
    """Give labels to the predictions of the same ids, in the order of the file.

    A label that is there already is counted; another one for the same id replaces it, and the first
    stays in the history. One that comes before its prediction waits for it.
    """
    from temperance.checks.label_map import LabelMap, distinct_labels
    from temperance.cli.console import Result, progress
    from temperance.monitor import Labelled
    from temperance.printable import first_few
    from temperance.readers import Fields, read_labels

    with opened(store) as (open_store, _), from_stdin(file) as path:
        fields = Fields(label=label_column, id=id_column)
        ids, labels, notes = _complete(*read_labels(path, fields=fields, na=na.value))
        if label_map is not None:
            meaning, names = LabelMap.parse(label_map), open_store.label_names()
            unused = meaning.unused(distinct_labels(labels)[0], names)
            labels = meaning.applied(labels, names)
            if unused:
                notes = (
                    *notes,
                    f"{file}: no row has the label {first_few(unused)}, which --label-map names.",
                )
        ids, labels = _together(ids, labels)
        total = Labelled(0, 0, 0, 0)
        with progress("writing", rows=len(ids)):
            for first in range(0, len(ids), _AT_ONCE):
                some = slice(first, first + _AT_ONCE)
                receipt = open_store.label(ids[some].tolist(), labels[some].tolist())
                total = total.merge(receipt)
    words = (
        f"{total.new:,} labels written, {total.repeated:,} were there already, "
        f"{total.corrected:,} corrected, {total.parked:,} wait for their prediction."
    )
    if total.not_shown:
        words += f" {total.not_shown:,} are of options that their row does not show."
    Result(
        total.to_dict,
        lambda: [words],
        warnings=notes,
    ).print(as_json=as_json)
