"""A cascade on rows of files: what each model's file holds of them, and who answers which row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import FileFormatError, InvalidInputError
from temperance.printable import count_text, first_few
from temperance.rows.memory import naming
from temperance.rows.reading import Reading, check_same_rows, read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.decisions.cascade_policy import CascadePolicy, Routed
    from temperance.rows.memory import Rows

__all__ = ["route_files"]


def route_files(
    policy: CascadePolicy, files: Sequence[Path], reading: Reading
) -> tuple[Rows, Routed]:
    """Return the rows of the first model's file, and what becomes of them.

    The files are of the first models of the cascade, in its order. That of a later model holds the
    same rows; or, where both files have ids, some of them, all that go on to it among them.

    Raises FileFormatError, InvalidInputError as `read_rows`, or where rows of a model are missing.
    """
    if len(files) > len(policy.names):
        msg = (
            f"a cascade of {len(policy.names)} models ({', '.join(policy.names)}) takes so many "
            f"files at most, in this order; got {len(files)}."
        )
        raise InvalidInputError(msg)
    first = read_rows(files[0], reading.other_file(), labelled=False, whole=True)
    first.check_fits(policy.calibrators[0], "the cascade")
    models = {policy.names[0]: first.logits}
    routed = _routed(policy, models, first.source)
    for name, path in zip(policy.names[1:], files[1:], strict=False):
        other = read_rows(path, reading.other_file(), labelled=False, like=first)
        models[name] = other.logits
        if other.n == first.n:
            check_same_rows(first, other)
        else:
            models[name] = other.logits[_places(first, other, routed.goes_on)]
        routed = _routed(policy, models, other.source)
    return first, routed


def _routed(policy: CascadePolicy, models: dict[str, NDArray[np.float64]], source: str) -> Routed:
    with naming(source):
        return policy.apply(models, refuse_probs=False)


def _places(first: Rows, other: Rows, goes_on: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return where the rows that go on are in a file of fewer rows, by their ids."""
    if first.ids is None or other.ids is None:
        msg = (
            f"{other.source}: has {count_text(other.n, 'row')}, {first.source} {first.n:,}: where "
            "a model was asked about some rows alone, both files must have ids (--id-column)."
        )
        raise FileFormatError(msg)
    place = {str(each): number for number, each in enumerate(other.ids.tolist())}
    wanted_ids = [str(each) for each in first.ids[goes_on].tolist()]
    if len(place) < other.n or len(set(wanted_ids)) < len(wanted_ids):
        msg = f"{other.source}: its ids, and those of {first.source}, must be different ones."
        raise FileFormatError(msg)
    missing = [each for each in wanted_ids if each not in place]
    if missing:
        shown = first_few(list(map(repr, missing)), 3)
        msg = (
            f"{other.source}: lacks {count_text(len(missing), 'row')} of {len(wanted_ids):,} that "
            f"go on to it, by their ids: {shown}. `goes_on` of `temperance apply` without this "
            "file says which."
        )
        raise FileFormatError(msg)
    return np.array([place[each] for each in wanted_ids], dtype=np.intp)
