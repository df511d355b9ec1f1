"""Several files of the same rows: the members of an ensemble."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import pooled_logits
from temperance.checks.scores import Floored
from temperance.cli.reading import read_rows
from temperance.errors import InvalidInputError
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.cli.reading import BlockRows
    from temperance.cli.reading_options import Reading
    from temperance.cli.rows import Rows

__all__ = ["check_same_rows", "read_members", "stems_of"]


def read_members(
    files: list[Path],
    reading: Reading,
    *,
    labelled: bool = True,
    whole: bool = False,
    like: Rows | BlockRows | None = None,
) -> Rows:
    """Read one file as it is; of several, the equally weighted pool with its `members`.

    Labels, weights, groups and clusters are those of the first file; rows of the others are matched
    by their ids. Classes are in the order of the rows `like` these, or of the first file.
    """
    first = read_rows(files[0], reading, labelled=labelled, whole=whole, like=like)
    if len(files) == 1:
        return first
    if len({path.resolve() for path in files}) < len(files):
        msg = "The files of an ensemble must be different; one of them is named twice."
        raise InvalidInputError(msg)
    rest = reading.other_file()
    others = [
        read_rows(path, rest, labelled=False, like=first, same_rows=True, whole=whole)
        for path in files[1:]
    ]
    for other in others:
        check_same_rows(first, other)
        if (np.isneginf(other.logits) != np.isneginf(first.logits)).any():
            msg = (
                f"{other.source}: options are missing (-inf, probability 0) elsewhere than in "
                f"{first.source}."
            )
            raise InvalidInputError(msg)
    members = tuple(each.logits for each in (first, *others))
    equal = np.full(len(members), 1.0 / len(members))
    digest = hashlib.sha256("".join(each.sha256 for each in (first, *others)).encode())
    return replace(
        first,
        logits=pooled_logits(members, equal, pool="linear"),
        members=members,
        member_names=stems_of(files),
        source=" + ".join(each.source for each in (first, *others)),
        notes=tuple(note for each in (first, *others) for note in each.notes),
        sha256=digest.hexdigest(),
        floored=_together([each.floored for each in (first, *others)]),
    )


def _together(found: list[Floored | None]) -> Floored | None:
    """Return what was raised in all files."""
    known = [each for each in found if each is not None]
    if not known:
        return None
    return Floored(
        max(each.floor for each in known),
        sum(each.probabilities for each in known),
        max(each.rows for each in known),
    )


def stems_of(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the files' stems, with as much of their folders as tells them apart.

    >>> stems_of([Path("/data/a/test.npz"), Path("/data/b/test.npz")])
    ('a/test', 'b/test')
    """
    whole = [Path(os.path.abspath(path)) for path in files]  # noqa: PTH100  (links keep their names)
    stems = [(*path.parent.parts, path.stem) for path in whole]
    parts = stems if len(set(stems)) == len({*whole}) else [path.parts for path in whole]
    for depth in range(1, max(map(len, parts)) + 1):
        names = tuple("/".join(each[-depth:]) for each in parts)
        if len(set(names)) == len(set(parts)):
            break
    return names


def check_same_rows(first: Rows, other: Rows) -> None:
    """Refuse rows, read `like` the first file's, that are not the same."""
    own_shape, shape = (None if each.dense is None else each.dense.shape for each in (first, other))
    if own_shape != shape:
        msg = (
            f"{other.source}: has shape {shape} beside the classes, but {first.source} {own_shape}."
        )
        raise InvalidInputError(msg)
    if other.left_out != first.left_out:
        where = "its first column" if other.source == first.source else first.source
        msg = (
            f"{other.source}: other rows lack a value than in {where}, so the rows that are left "
            "are not the same; take those that lack one anywhere out of all files."
        )
        raise InvalidInputError(msg)
    if other.logits.shape != first.logits.shape:
        shapes = [
            f"{count_text(each.n, 'row')} and {count_text(each.n_classes, 'class', 'classes')}"
            for each in (other, first)
        ]
        msg = f"{other.source}: has {shapes[0]}, but {first.source} has {shapes[1]}."
        raise InvalidInputError(msg)
    for what in ("ids", "labels"):
        own, theirs = (getattr(each.beside or each, what) for each in (first, other))
        if own is not None and theirs is not None and not np.array_equal(own, theirs):
            row = int(np.flatnonzero(own != theirs)[0])
            msg = (
                f"{other.source}: its {what} differ from those of {first.source}, first in row "
                f"{row}. Both must hold the same rows in the same order."
            )
            raise InvalidInputError(msg)
