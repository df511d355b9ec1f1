"""Where labels that stand apart from scores come from: a file, or a mapping of ids to labels."""

from __future__ import annotations

import os
from collections.abc import Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import value_text
from temperance.errors import InvalidInputError
from temperance.printable import count_text
from temperance.readers.guard import name_list
from temperance.readers.request import FileRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.readers.dataset import Fields, Missing

__all__ = ["LabelSource", "check_label_source", "rows_of_mapping", "source_name"]

LabelSource = str | os.PathLike[str] | Mapping[Any, Any]
_KINDS: tuple[tuple[type, ...], ...] = (  # of labels that can stand in one column
    (bool,), (int,), (int, float), (str,), (list, tuple, np.ndarray),
)  # fmt: skip


def check_label_source(labels: object, fields: Fields) -> None:
    """Raise unless labels are None, a path or a mapping; only a file has columns to name."""
    if fields.label_id is not None and (labels is None or isinstance(labels, Mapping)):
        found = "there are none" if labels is None else "they are a mapping"
        msg = (
            f"`fields.label_id` (--label-id-column) names the ids of a file of labels, but {found}:"
            " `labels` (--labels) must be that file. Leave one out."
        )
        raise InvalidInputError(msg)
    if labels is None:
        return
    if isinstance(labels, Mapping):
        if fields.label is not None:
            msg = (
                f"`fields.label` names a column of a file, got {value_text(fields.label)}, but "
                "`labels` is a mapping of ids to labels. Leave it out."
            )
            raise InvalidInputError(msg)
    elif not isinstance(labels, str | os.PathLike):
        msg = (
            "`labels` must be the path of a file or a mapping of ids to labels, got "
            f"{value_text(labels)}."
        )
        raise InvalidInputError(msg)


def source_name(labels: LabelSource) -> str:
    """Return what messages call the labels: their file, or the argument."""
    return "`labels`" if isinstance(labels, Mapping) else os.fspath(labels)


def rows_of_mapping(
    labels: Mapping[Any, Any], *, na: Missing = "refuse", mixed: bool = False
) -> FileRows:
    """Return ids and labels of a mapping as a file of labels has them.

    Parameters
    ----------
    labels : mapping of str or int to label
        Labels are texts, numbers, true and false or, of several labels a row, lists.
    na : {"refuse", "drop"}
        Whether None and nan, the labels of ids that have none, are an error or masked.
    mixed : bool
        Whether labels may be of several kinds, as those of typed questions are.

    Raises
    ------
    InvalidInputError
        No labels; ids that are neither texts nor whole numbers; ids without a label; labels of
        several kinds.
    """
    ids = [_plain(each) for each in labels]
    values = [_plain(each) for each in labels.values()]
    if not ids:
        msg = "`labels` must map ids to labels, got an empty mapping."
        raise InvalidInputError(msg)
    for each in ids:
        if isinstance(each, bool) or not isinstance(each, str | int):
            got = value_text(each)
            msg = f"`labels` must map ids, which are texts or whole numbers, to labels, got {got}."
            raise InvalidInputError(msg)
    missing = [each is None or (isinstance(each, float) and isnan(each)) for each in values]
    lacking = [str(each) for each, lacks in zip(ids, missing, strict=True) if lacks]
    if lacking and na == "refuse":
        msg = (
            f"`labels` must hold a label for each id; {count_text(len(lacking), 'id')} of "
            f"{len(ids):,} {'has' if len(lacking) == 1 else 'have'} none: {name_list(lacking[:5])}."
        )
        raise InvalidInputError(msg)
    array = _one_column(values, missing, mixed=mixed)
    return FileRows(
        ids=_id_column(ids), labels=np.ma.array(array, mask=missing) if lacking else array
    )


def _plain(value: Any) -> Any:  # noqa: ANN401  (whatever a mapping holds)
    """Return a number of NumPy as one of Python."""
    return value.item() if isinstance(value, np.generic) else value


def _id_column(ids: list[Any]) -> NDArray[Any]:
    if all(isinstance(each, int) and abs(each) < 1 << 63 for each in ids):
        return np.array(ids, dtype=np.int64)
    return np.array([str(each) for each in ids])


def _one_column(values: list[Any], missing: list[bool], *, mixed: bool) -> NDArray[Any]:
    """Return labels as an array of their kind; of ids that have none, what stands for nothing."""
    present = [each for each, lacks in zip(values, missing, strict=True) if not lacks]
    if mixed or not present:
        column: NDArray[Any] = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    kind = next((each for each in _KINDS if all(_is(label, each) for label in present)), None)
    if kind is None:
        first = present[0]
        other = next(label for label in present if not isinstance(label, type(first)))
        msg = (
            "`labels` must be all texts, all numbers, or all true and false, got "
            f"{value_text(first)} and {value_text(other)}."
        )
        raise InvalidInputError(msg)
    try:
        return np.array([present[0] if lacks else each
                         for each, lacks in zip(values, missing, strict=True)])  # fmt: skip
    except ValueError as error:
        msg = "`labels` that are lists must all be as long."
        raise InvalidInputError(msg) from error


def _is(label: object, kind: tuple[type, ...]) -> bool:
    return isinstance(label, kind) and (kind == (bool,) or not isinstance(label, bool))
