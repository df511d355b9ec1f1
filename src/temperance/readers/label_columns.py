"""Which columns of a table hold a label matrix, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.guard import named, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.readers.request import Request

__all__ = ["IN_LISTS", "UNKNOWN", "label_columns", "label_list", "refuse_label_columns"]

IN_LISTS = ("labels", "label")  # usual names of a column or key that holds a list per row
UNKNOWN = " An unknown entry needs a number, which --ignore-label names."


def label_columns(
    names: Sequence[str], request: Request, classes: tuple[str, ...] | None
) -> dict[str, str]:
    """Return the columns `label_<name>` by name, ordered as `classes`; without, as in the file.

    Empty where there is none and none was named.
    """
    stem = (request.fields.label or "label").removesuffix("_") + "_"
    found = {name.removeprefix(stem): name for name in names if name.startswith(stem)}
    if not found:
        if request.fields.label is not None or "label" in names:
            msg = f"has no columns `{stem}<name>`, one per label; it holds {named(names)}."
            raise FileFormatError(msg)
        return {}
    if classes is None:
        return found
    rule = f"must have a column `{stem}<name>` for each label that has scores, and no other"
    for name in classes:
        if name not in found:
            msg = f"{rule}; {quoted(stem + name)} is missing."
            raise FileFormatError(msg)
    for name, column in found.items():
        if name not in classes:
            msg = f"{rule}; {quoted(column)} has no scores. They are of {named(classes)}."
            raise FileFormatError(msg)
    return {name: found[name] for name in classes}


def label_list(names: Sequence[str], request: Request) -> str | None:
    """Return the column or key of lists of labels, if there is one."""
    if request.fields.label is not None:
        return request.fields.label
    found = [name for name in IN_LISTS if name in names]
    if len(found) > 1:
        msg = "has both `labels` and `label`; say which to use with --label-column."
        raise FileFormatError(msg)
    return found[0] if found else None


def refuse_label_columns(names: Sequence[str], classes: Sequence[str]) -> None:
    """Raise if a table that is read as one class per row has a column per label."""
    found = [f"label_{name}" for name in classes if f"label_{name}" in names]
    if found:
        msg = (
            f"has a column per label ({named(found)}): read it with --kind multilabel. If each "
            "row has one class, name its column with --label-column."
        )
        raise FileFormatError(msg)
