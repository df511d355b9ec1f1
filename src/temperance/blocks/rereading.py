"""Rows that are read anew for every pass: what the first reading gave, and if it still holds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from temperance.blocks.arrays import ArrayRows, sampled_rows
from temperance.checks.weights import in_effective_rows
from temperance.errors import InvalidInputError
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from temperance.kernels.loss import LossPass

__all__ = ["joined", "read_again", "require_weight", "thinned"]

_SAME = 1e-9  # sums of the same rows, cut otherwise, agree to this


def read_again(
    known: LossPass | None,
    betas: tuple[float, ...],
    read: Callable[[tuple[float, ...]], LossPass],
    *,
    name: str,
) -> LossPass:
    """Return the sums at these inverse temperatures; those at 1 are `known` from before."""
    if known is None:
        return read(betas)
    new = betas[1:] if betas[0] == 1.0 and len(betas) > 1 else betas
    found = read(new)
    gap = abs(found.gap_to_largest - known.gap_to_largest)
    if found.n != known.n or gap > _SAME * abs(known.gap_to_largest):
        msg = (
            f"`{name}` gave other rows when read again: {count_text(known.n, 'row')} with a "
            "checksum of "
            f"{known.gap_to_largest:.9g} first, {found.n:,} with {found.gap_to_largest:.9g} "
            "then. Every reading must give the same rows: no random samples, no growing file."
        )
        raise InvalidInputError(msg)
    return found if new is betas else replace(found, at=(known.at[0], *found.at))


def require_weight(sums: LossPass) -> LossPass:
    """Return the sums of all rows, some of which must count."""
    if sums.at[0].weight == 0.0:
        msg = "`weights` must not all be zero: no row would count."
        raise InvalidInputError(msg)
    return sums


def thinned(rows: ArrayRows, *, most: int | None = None) -> ArrayRows:
    """Return about one row in eight, at least one, of `most` elements, copied."""
    places = sampled_rows(rows.n, row_bytes=rows.k * rows.logits.itemsize, k=rows.k)
    if most is not None:
        places = places[:: max(1, -(-len(places) * rows.k // most))]
    weights = None if rows.weights is None else rows.weights[places]
    return replace(rows, logits=rows.logits[places], labels=rows.labels[places], weights=weights)


def joined(parts: list[ArrayRows]) -> ArrayRows | None:
    """Return the rows of all parts, in their order; None where all weigh 0."""
    weights = [rows.weights for rows in parts if rows.weights is not None]
    if weights and not any(w.any() for w in weights):
        return None
    return ArrayRows(
        np.concatenate([rows.logits for rows in parts]),
        np.concatenate([rows.labels for rows in parts]),
        in_effective_rows(np.concatenate(weights)) if weights else None,
        engine=parts[0].engine,
    )
