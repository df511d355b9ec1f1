"""Multi-label outputs: logits (n, l) and a matrix of 0 and 1, seen as n * l yes-or-no questions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks.arguments import as_flag
from temperance.checks.arrays import as_array, as_numbers, row_name
from temperance.checks.forms import named_scores
from temperance.checks.labels import as_classes, is_label
from temperance.checks.probs import Floor
from temperance.checks.row_values import as_groups, as_weights
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, logit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = [
    "LABEL_CLASSES",
    "Entries",
    "as_label_logits",
    "label_logits_from_probs",
    "label_names",
    "multilabel_rows",
]

LABEL_CLASSES = ("does not apply", "applies")  # what each entry is one of
_FEW = 20  # fewer numbers than this may lie in [0, 1] by chance
_LARGEST_LOGIT = 1e100


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """The entries of a label matrix that count, row by row."""

    odds: NDArray[np.float64]  # (m,): log-odds that the label applies
    labels: NDArray[np.intp]  # (m,): 1 where it does
    groups: NDArray[np.str_]  # (m,): the label's name
    weights: NDArray[np.float64] | None  # (m,): of the row
    clusters: NDArray[np.intp]  # (m,): the row's number, or that of its cluster
    keep: NDArray[np.bool_]  # (n, l): which entries these are
    classes: tuple[str, ...] | None = None  # names of the labels, where they have any

    @classmethod
    def check(
        cls,
        logits: ArrayLike,
        labels: ArrayLike,
        *,
        weights: ArrayLike | None,
        clusters: ArrayLike | None = None,
        classes: Sequence[object] | None,
        ignore_label: int | str | None,
        refuse_probs: bool,
    ) -> Self:
        """Return the arguments of `MultilabelScaling.fit` as arrays, or raise.

        Entries of one row belong together; with `clusters`, those of all rows of one cluster.
        """
        logits, classes = named_scores(
            logits, classes, name="logits", labels=labels, weights=weights, clusters=clusters
        )
        labels, _ = named_scores(labels, classes, name="labels")
        z = as_label_logits(logits, refuse_probs=refuse_probs)
        names = label_names(classes, count=z.shape[1])
        entries = cls.of(
            z, labels, names=names, weights=weights, clusters=clusters, ignore_label=ignore_label
        )
        return entries if classes is None else replace(entries, classes=names)

    @classmethod
    def of(
        cls,
        logits: NDArray[np.float64],
        labels: ArrayLike,
        *,
        names: Sequence[str],
        weights: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        ignore_label: int | str | None,
        keep: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Return the entries of checked logits (n, l), or say what is wrong with the labels.

        All count but those of `ignore_label`, or those that `keep` says, (n, l).
        """
        y = as_array(labels, name="labels")
        if y.shape != logits.shape:
            msg = (
                f"`labels` must be a matrix of 0 and 1 of shape {logits.shape}, one column per "
                f"label, got {y.shape}."
            )
            raise InvalidInputError(msg)
        if keep is None:
            keep = np.ones(y.shape, bool) if ignore_label is None else ~is_label(y, ignore_label)
        wrong = keep & (y != 0) & (y != 1)
        if y.dtype.kind not in "iufb" or wrong.any():
            row, column = (int(i) for i in np.argwhere(wrong)[0]) if wrong.any() else (0, 0)
            msg = (
                f"`labels` must hold 0 and 1; {row_name(row)}, column {column} ({names[column]}) "
                f"holds {y[row, column]} ({np.count_nonzero(wrong)} such entries). Unknown? "
                "Say which value they have with `ignore_label` (--ignore-label)."
            )
            raise InvalidInputError(msg)
        rows, columns = np.nonzero(keep)
        w = as_weights(weights, n=len(y))
        units = rows
        if clusters is not None:
            units = as_groups(clusters, n=len(y), name="clusters")[1][rows]
        return cls(
            odds=logits[keep],
            labels=y[keep].astype(np.intp),
            groups=np.asarray(names, dtype=np.str_)[columns],
            weights=None if w is None else w[rows],
            clusters=units,
            keep=keep,
        )

    @property
    def logits(self) -> NDArray[np.float64]:
        """The entries as logits of two classes, (m, 2)."""
        return np.stack([np.zeros_like(self.odds), self.odds], axis=1)


def as_label_logits(logits: ArrayLike, *, refuse_probs: bool) -> NDArray[np.float64]:
    """Return finite logits (n, l) in float64, or say what they are instead."""
    numbers = as_numbers(logits, name="logits")
    if numbers.ndim != 2 or numbers.shape[1] < 1:
        msg = f"`logits` must have shape (n, l), one column per label, got {numbers.shape}."
        raise InvalidInputError(msg)
    z = as_float64(numbers)
    bad = ~(np.abs(z) <= _LARGEST_LOGIT)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        where = f"{row_name(row)}, column {column} holds {z[row, column]:g}"
        if np.isfinite(z[row, column]):
            most = f"{_LARGEST_LOGIT:g}"
            msg = f"`logits` of labels must lie between -{most} and {most}; {where}."
        else:
            msg = (
                f"`logits` of labels must be finite; {where}. Probabilities of exactly 0 or 1 have "
                "no log-odds."
            )
        raise InvalidInputError(msg)
    as_flag(refuse_probs, name="refuse_probs")
    if refuse_probs and z.size >= _FEW and z.min() >= 0.0 and z.max() <= 1.0 and np.ptp(z) > 0.0:
        msg = (
            "`logits` look like probabilities: all values lie in [0, 1]. Pass "
            "label_logits_from_probs(probs), in files name them `probs` (of a .npy: --probs-column "
            "probs); if they really are logits, `refuse_probs=False`."
        )
        raise InvalidInputError(msg)
    return z


def label_names(classes: Sequence[object] | None, *, count: int) -> tuple[str, ...]:
    """Return the names of the labels; their numbers where they have none."""
    return as_classes(classes, k=count) or tuple(str(number) for number in range(count))


def label_logits_from_probs(
    probs: ArrayLike, *, floor: float | str | Floor = 0.0
) -> NDArray[np.float64]:
    """Return the log-odds of independent (sigmoid) probabilities, log p - log(1 - p).

    Parameters
    ----------
    probs : array_like, shape (n, l)
        Probability of each label, strictly between 0 and 1; rows need not sum to 1.
    floor : float, "decimals=N" or "auto", default 0.0
        What p, and 1 - p, are at least, as in `logits_from_probs`: below 1/2; "auto" is half the
        smallest positive p or 1 - p.

    Returns
    -------
    ndarray of float64, shape (n, l)
        Their sigmoid is `probs`.

    Raises
    ------
    InvalidInputError
        A value outside [0, 1]; without `floor` 0 and 1, often rounded, which have no finite
        log-odds.

    Examples
    --------
    >>> label_logits_from_probs([[0.5, 0.75]]).round(4)
    array([[0.    , 1.0986]])
    """
    p = as_float64(as_numbers(probs, name="probs"))
    least = Floor.of(floor)
    if least.raises:
        _require_shares(p)
        level = least.of_labels(p)
        p = np.clip(p, level, 1.0 - level)
    bad = ~((p > 0.0) & (p < 1.0))
    if bad.any():
        place = ", ".join(str(int(i)) for i in np.argwhere(bad)[0])
        msg = (
            f"`probs` of labels must lie strictly between 0 and 1; entry ({place}) is "
            f"{p[tuple(np.argwhere(bad)[0])]:g} ({np.count_nonzero(bad)} such entries). Use the "
            "model's logits instead of rounded probabilities, or say what p and 1 - p are at "
            'least: label_logits_from_probs(probs, floor="auto") or "decimals=3" or 1e-6, on the '
            "command line --floor auto, --floor decimals=3, --floor 1e-6."
        )
        raise InvalidInputError(msg)
    return logit(p)


def _require_shares(p: NDArray[np.float64]) -> None:
    bad = ~((p >= 0.0) & (p <= 1.0))
    if bad.any():
        place = ", ".join(str(int(i)) for i in np.argwhere(bad)[0])
        msg = (
            f"`probs` of labels must lie in [0, 1]; entry ({place}) is "
            f"{p[tuple(np.argwhere(bad)[0])]:g} ({np.count_nonzero(bad)} such entries)."
        )
        raise InvalidInputError(msg)


def multilabel_rows(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Sequence[object] | None = None,
    ignore_label: int | str | None = None,
) -> dict[str, Any]:
    """Return multi-label probabilities as rows that `evaluate` takes: one per row and label.

    Parameters
    ----------
    probs : array_like, shape (n, l)
        Probability of each label, in [0, 1].
    labels : array_like, shape (n, l)
        1 where the label applies, else 0.
    classes : sequence of l names, optional
        Of the labels.
    ignore_label : int, optional
        Entries of this value are left out, e.g. -1 for "unknown".

    Returns
    -------
    dict
        `probs` (m,), `labels` (m,), `groups` (the label's name), `clusters` (the row) and
        `classes` ("does not apply", "applies"): pass it on as `evaluate(**rows)`. Entries of one
        row then count as seen together, the table of groups has one line per label, and what the
        base rates alone would cost is told of each label's own.

    Raises
    ------
    InvalidInputError
        Shapes that differ, values that are not 0 or 1.

    Examples
    --------
    >>> rows = multilabel_rows([[0.9, 0.2]], [[1, -1]], classes=["cat", "dog"], ignore_label=-1)
    >>> rows["probs"].tolist(), rows["labels"].tolist(), rows["groups"].tolist()
    ([0.9], [1], ['cat'])
    """
    probs, classes = named_scores(probs, classes, name="probs", labels=labels)
    labels, _ = named_scores(labels, classes, name="labels")
    p = as_float64(as_numbers(probs, name="probs"))
    if p.ndim != 2:
        msg = f"`probs` must have shape (n, l), one column per label, got {p.shape}."
        raise InvalidInputError(msg)
    names = label_names(classes, count=p.shape[1])
    entries = Entries.of(p, labels, names=names, ignore_label=ignore_label)
    return {
        "probs": entries.odds,
        "labels": entries.labels,
        "groups": entries.groups,
        "clusters": entries.clusters,
        "classes": LABEL_CLASSES,
    }
