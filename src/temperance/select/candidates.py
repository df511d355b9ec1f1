"""Which methods fit the size of the data, from the simplest to the richest."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from temperance.calibrators import METHODS, check_method
from temperance.checks.arguments import as_sequence
from temperance.crossfit import N_FOLDS
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.calibrators import Training

__all__ = [
    "LEAST_PER_PARAMETER",
    "OF_ZEROS",
    "SIMPLEST_FIRST",
    "few_per_parameter",
    "left_out",
    "wanted",
]

# From few numbers to many, of what `select` chooses among. The order decides ties.
SIMPLEST_FIRST = (
    "identity",
    "temperature",
    "platt",
    "beta",
    "bias-corrected-temperature",
    "group-temperature",
    "vector",
    "matrix",
    "isotonic",
    "venn-abers",
)

OF_ZEROS = "needs logarithms of probabilities that are 0: --floor"

# What a map learns from fewer rows per number is worse on other rows than a temperature, and too
# few tell so (see the method page). Of two classes, rows of the rarer one. It holds for each fit of
# the cross-fitting, on four folds of five.
LEAST_PER_PARAMETER = {True: 10, False: 20}
_SHARE_OF_A_FIT = 1.0 - 1.0 / N_FOLDS
# Smooth maps of more numbers, and steps, win from these sizes on.
_LEAST_ROWS = {"beta": 1_000, "isotonic": 10_000}
_MATRIX_CLASSES = 100
_PER_CLASS = {"bias-corrected-temperature", "vector", "matrix"}
_AS_PLATT = {"bias-corrected-temperature", "vector", "matrix"}


def wanted(
    methods: Sequence[str] | None, *, order: Sequence[str] = SIMPLEST_FIRST
) -> tuple[str, ...]:
    """Return the methods to try, identity among them, the simplest first."""
    names: Sequence[str] = order
    if methods is not None:
        names = as_sequence(methods, name="methods", rule="a sequence of names of methods")
    for name in names:
        if not isinstance(name, str) or name not in order:
            check_method(name)
        if name not in order:
            msg = f"`methods` must be of one model, got {name!r}: {', '.join(order)}."
            raise InvalidInputError(msg)
    return tuple(name for name in order if name in {*names, order[0]})


def left_out(
    method: str, rows: Training, *, n_groups: int, chosen: bool, zeros: bool = False
) -> str | None:
    """Return why a method is not tried on these rows; None if it is.

    `chosen` methods, named by the caller, are tried wherever they can be fitted at all. So are
    those that take `zeros`, where labels have probability 0: there are no others then.
    """
    if method not in METHODS or (zeros and method == SIMPLEST_FIRST[0]):  # what is to be beaten
        return None
    traits = METHODS[method].traits
    if traits.binary and rows.k > 2:
        return "for two classes"
    if traits.groups and n_groups < 2:
        return "needs groups" if n_groups == 0 else "needs two groups"
    if zeros:
        return None if traits.zeros else OF_ZEROS
    if not traits.masks and _masked(rows):
        return "cannot take options of logit -inf"
    return None if chosen else _too_few(method, rows)


def _too_few(method: str, rows: Training) -> str | None:
    """Return why a method is not worth trying on so few rows."""
    k = rows.k
    if method == "venn-abers":
        return "for its interval; ask for it by name"
    if k == 2 and method in _AS_PLATT:
        return "two classes: platt says the same"
    if k > 2 and method == "isotonic":
        return "one-vs-rest fails with many classes"
    if k > _MATRIX_CLASSES and method == "matrix":
        return f"more than {_MATRIX_CLASSES} classes"
    if method in _PER_CLASS and not rows.class_weights().all():
        return "a class has no row"
    return few_per_parameter(method, rows)


def few_per_parameter(method: str, rows: Training) -> str | None:
    """Return what a method needs to learn its numbers from; None where there is enough."""
    if rows.effective_rows < (least := _LEAST_ROWS.get(method, 0)):
        return f"needs {least:,} rows"
    n_parameters = METHODS[method].traits.n_parameters(rows.k)
    least = LEAST_PER_PARAMETER[rows.k == 2]
    if rows.events_per_parameter(n_parameters) * _SHARE_OF_A_FIT >= least:
        return None
    what = "rows of the rarer class" if rows.k == 2 else "rows"
    return f"needs {ceil(least * n_parameters / _SHARE_OF_A_FIT):,} {what}"


def _masked(rows: Training) -> bool:
    return any(
        bool(np.isneginf(as_float64(rows.logits[block])).any()) for block in row_blocks(rows.logits)
    )
