"""True classes: integers 0..k-1, or names where the classes are named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arrays import as_array
from temperance.errors import InvalidInputError
from temperance.numerics import row_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["as_classes", "as_labels", "refuse_masked_labels"]

_SHOWN = 5  # class names quoted in a message
_VOID = {-100: "PyTorch's ignore index", 255: "often void", -1: "often unknown"}


def as_classes(classes: Sequence[object] | None, *, k: int) -> tuple[str, ...] | None:
    """Return the names of the `k` classes in column order, as text; None stays None."""
    if classes is None:
        return None
    names = tuple(str(name) for name in classes)
    if len(names) != k:
        msg = f"`classes` must name each of the {k} columns, got {len(names)} names."
        raise InvalidInputError(msg)
    if len(set(names)) != k:
        twice = next(name for name in names if names.count(name) > 1)
        msg = f"`classes` must differ from each other; {twice!r} stands there twice."
        raise InvalidInputError(msg)
    return names


def as_labels(
    labels: ArrayLike, *, n: int, k: int, classes: tuple[str, ...] | None = None
) -> NDArray[np.intp]:
    """Return labels of shape (n,) as integers in 0..k-1.

    Whole floats count as integers. Text (and numbers that are class names) is looked up in
    `classes`; text that is no class name but all integers 0..k-1 is read as those.
    """
    y = as_array(labels, name="labels")
    if y.shape != (n,):
        hint = ""
        if y.shape == (n, 1):
            hint = " Use labels.ravel()."
        elif y.ndim == 2 and len(y) == n:
            hint = (
                " One-hot rows? Use labels.argmax(axis=1). Several labels per row? Use "
                "MultilabelScaling, on the command line --kind multilabel."
            )
        msg = f"`labels` must have shape ({n},), one per row, got {y.shape}.{hint}"
        raise InvalidInputError(msg)
    if y.dtype.kind == "f":
        y = _whole(y)
    if y.dtype.kind in "OUST":
        return _from_text(y, k=k, classes=classes)
    if y.dtype.kind not in "iub":
        msg = f"`labels` must be integers in 0..{k - 1} or class names, got dtype {y.dtype}."
        raise InvalidInputError(msg)
    if classes is not None and _are_integers(classes):
        return _from_text(y.astype(np.intp).astype(str), k=k, classes=classes)
    return _in_range(y, k=k)


def refuse_masked_labels(logits: NDArray[Any], labels: NDArray[np.intp], *, first: int = 0) -> None:
    """Raise if a true class is masked (-inf, probability 0): its log loss is infinite."""
    for rows in row_blocks(logits):
        block, y = logits[rows], labels[rows]
        masked = np.isneginf(block[np.arange(len(y)), y])
        if masked.any():
            row = rows.start + int(masked.argmax())
            msg = (
                f"`labels` must name an option that exists; in row {first + row} the label "
                f"{labels[row]} "
                "has logit -inf (probability 0), where no temperature has a finite loss. "
                "Drop such rows, or use the logits instead of rounded probabilities."
            )
            raise InvalidInputError(msg)


def _whole(y: NDArray[Any]) -> NDArray[np.intp]:
    bad = ~(np.isfinite(y) & (y == np.floor(y)) & (np.abs(y) < 2**53))
    if bad.any():
        row = int(bad.argmax())
        msg = (
            f"`labels` must be whole numbers; row {row} holds {y[row]:g} "
            f"({np.count_nonzero(bad)} such rows)."
        )
        raise InvalidInputError(msg)
    return y.astype(np.intp)


def _in_range(y: NDArray[Any], *, k: int) -> NDArray[np.intp]:
    bad = (y < 0) | (y >= k) if y.dtype.kind != "b" else np.zeros(len(y), dtype=bool)
    if bad.any():
        row = int(bad.argmax())
        hint = ""
        if int(y[row]) in _VOID:
            hint = (
                f" {y[row]} is {_VOID[int(y[row])]}: drop those rows, or say `ignore_label="
                f"{y[row]}` where it is taken (--ignore-label {y[row]})."
            )
        elif int(y.min()) == 1 and int(y.max()) == k:
            hint = " Labels that count from 1? Subtract 1."
        msg = (
            f"`labels` must be integers in 0..{k - 1}; row {row} holds {y[row]} "
            f"({np.count_nonzero(bad)} such rows).{hint}"
        )
        raise InvalidInputError(msg)
    return y.astype(np.intp)


def _from_text(y: NDArray[Any], *, k: int, classes: tuple[str, ...] | None) -> NDArray[np.intp]:
    texts = [_text(value) for value in y.tolist()]
    if classes is not None:
        index = {name: number for number, name in enumerate(classes)}
        found = np.array([index.get(t, index.get(_plain(t), -1)) for t in texts], dtype=np.intp)
        if len(found) == 0 or (found >= 0).all():
            return found
        if (found >= 0).any() or not all(_is_integer(_plain(text)) for text in texts):
            row = int((found < 0).argmax())
            known = ", ".join(classes[:_SHOWN]) + (", ..." if k > _SHOWN else "")
            msg = (
                f"`labels` must be among the classes ({known}); row {row} holds {texts[row]!r} "
                f"({np.count_nonzero(found < 0)} such rows)."
            )
            raise InvalidInputError(msg)
    for row, text in enumerate(texts):
        if not _is_integer(_plain(text)):
            msg = (
                f"`labels` must be integers in 0..{k - 1} unless `classes` names the columns; "
                f"row {row} holds {text!r}."
            )
            raise InvalidInputError(msg)
    return _in_range(np.array([int(_plain(text)) for text in texts], dtype=np.int64), k=k)


def _text(value: object) -> str:
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()


def _plain(text: str) -> str:
    """A whole float such as '2.0' reads as '2'; any other text stays as it is."""
    head, dot, tail = text.partition(".")
    return head if dot and _is_integer(head) and not tail.strip("0") else text


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii() and len(text) <= 18


def _are_integers(classes: tuple[str, ...]) -> bool:
    return all(_is_integer(name) for name in classes)
