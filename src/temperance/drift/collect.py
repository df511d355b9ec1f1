"""Rows and labels in, evidence out: of arrays, of what comes block by block, of a cluster."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.blocks.files import FileParts, labelled_blocks
from temperance.blocks.rows import merged
from temperance.checks import as_group_names, as_groups
from temperance.checks.arguments import as_word, require_type
from temperance.checks.arrays import row_name
from temperance.drift.bets import Bets
from temperance.drift.evidence import Evidence
from temperance.errors import InvalidInputError
from temperance.evaluation.block_sums import ScoredBlocks
from temperance.metrics.inputs import Predictions
from temperance.numerics import as_float64, log_probs, row_blocks
from temperance.readers import BlockFile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.blocks.files import FilePart
    from temperance.calibrators import Calibrator
    from temperance.drift.evidence import EvidencePath
    from temperance.evaluation.block_sums import UncheckedRows

    Array = NDArray[np.float64]

__all__ = ["MOST_GROUPS", "collect", "collect_blocks", "log_probs_of", "require_possible"]

MOST_GROUPS = 20  # that get bets of their own by default: the most frequent
_PART = 1 << 20  # numbers of log factors at a time


def collect(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    bets: Bets | None = None,
    start: Evidence | None = None,
    classes: Sequence[object] | None = None,
) -> EvidencePath:
    """Return the evidence against served probabilities after each label, in their order.

    Parameters
    ----------
    probs : array_like, shape (n, k) or (n,)
        Served probabilities in [0, 1], rows summing to 1; (n,) is that of class 1, or of being
        right where all that is known is the confidence of the answer.
    labels : array_like, shape (n,)
        What came true, in 0..k-1 or names of `classes`, in the order in which it became known.
    groups : array_like, shape (n,), optional
        Names of parts that may go wrong alone. By default the 20 most frequent have bets.
    bets : Bets, optional
        By default `Bets.of(k)` with the groups. Choose them before the labels are known.
    start : Evidence, optional
        What earlier rows gave; it goes on with their bets.
    classes : sequence of str, optional
        Names of the columns, as labels may use them.

    Returns
    -------
    EvidencePath
        The logs after each row; `.last` is the `Evidence`, to go on with or to merge.

    Raises
    ------
    InvalidInputError
        What `evaluate` would refuse; a label of probability 0 (no calibrated model has one: it
        needs a floor); `bets` that are not those of `start`, or for classes that are not there.

    Notes
    -----
    The promise is against the strict hypothesis that P(y = k) is what was served, given all that
    was known then. Labels that arrive late are taken in the order of their arrival; if those that
    arrive soon are unlike the rest, wait until all of a cohort had time to arrive.

    References
    ----------
    Henzi and Ziegel (2022), Biometrika 109, 647; Shin, Ramdas and Rinaldo (2024), E-detectors.

    Examples
    --------
    One bet, on temperatures 2 times as large, and two rows: the factors are q(y)/p(y) with
    q = (.6667, .3333), so 1.6667 and .8333; the product is 1.3889.

    >>> bets = Bets.of(2, temperatures=[2.0], odds=[])
    >>> path = collect([[0.8, 0.2], [0.8, 0.2]], [1, 0], bets=bets)
    >>> np.exp(path.log_martingale).round(4).tolist()
    [1.6667, 1.3889]
    """
    rows = Predictions.check(probs, labels, None, classes=classes)
    k = rows.shape[1]
    names = None if groups is None else as_group_names(groups, n=len(rows.labels))
    if start is not None:
        require_type(start, Evidence, name="start", rule="an Evidence")
        if bets is not None and bets != start.bets:
            msg = "`bets` are not those of `start`: evidence goes on with the bets that it has."
            raise InvalidInputError(msg)
        bets = start.bets
    if bets is None:
        bets = Bets.of(k, groups=() if groups is None else _frequent(groups, len(rows.labels)))
    _require_bets(bets, k)
    require_possible(log_probs(rows.of_label))
    evidence = Evidence.none(bets) if start is None else start
    parts = (
        bets.log_factors(
            log_probs(rows.probs[part]), rows.labels[part], None if names is None else names[part]
        )
        for part in row_blocks(rows.probs, max(1, _PART // len(bets)) * k)
    )
    return evidence.through(parts)


def collect_blocks(
    blocks: Iterable[Any] | Callable[[], Iterable[Any]] | FileParts,
    *,
    kind: Literal["probs", "logits"] = "probs",
    calibrator: Calibrator | None = None,
    bets: Bets | None = None,
    classes: Sequence[object] | None = None,
    refuse_probs: bool = True,
) -> Evidence:
    """Return the evidence of rows that come in blocks: of a folder of shards, or on a cluster.

    Parameters
    ----------
    blocks : iterable, or function that returns one
        Gives (scores, labels), as in `evaluate_blocks`; what `temperance.readers.read_blocks`
        returns; or the parts of a folder for the workers of a Dask cluster.
    kind : {"probs", "logits"}, default "probs"
        What the scores are.
    calibrator : Calibrator, optional
        Whose probabilities were served: applied to each block first.
    bets : Bets, optional
        By default `Bets.of(k)`.
    classes, refuse_probs
        As in `evaluate_blocks`.

    Returns
    -------
    Evidence
        That of each block, merged in their order. The martingale is that of all rows; the change
        e-process holds its promise at the end, with other shares at each start (`merge`).

    Raises
    ------
    InvalidInputError
        As `evaluate_blocks` and `collect`; the block is named.

    Examples
    --------
    >>> shards = [([[0.8, 0.2]], [1]), ([[0.8, 0.2]], [0])]
    >>> evidence = collect_blocks(shards, bets=Bets.of(2, temperatures=[2.0], odds=[]))
    >>> evidence.n, round(float(np.exp(evidence.log_martingale)), 4)
    (2, 1.3889)
    """
    as_word(kind, ("probs", "logits"), name="kind")
    if isinstance(blocks, BlockFile):
        file = blocks if classes is None else blocks.in_order([str(each) for each in classes])
        classes, kind = file.header().classes or classes, "logits"
        blocks = partial(labelled_blocks, file)
    work = partial(_evidence_of, calibrator=calibrator, bets=bets)
    if isinstance(blocks, FileParts):
        return blocks.map(partial(_evidence_of_part, classes, refuse_probs, work))
    return merged(work, ScoredBlocks(blocks, kind, classes, refuse_probs))


def _evidence_of(
    piece: UncheckedRows, *, calibrator: Calibrator | None, bets: Bets | None
) -> tuple[int, Evidence]:
    (rows,) = piece.predictions((calibrator,))
    bets = bets or Bets.of(rows.shape[1])
    _require_bets(bets, rows.shape[1])
    require_possible(log_probs_of(rows.logits)[np.arange(len(rows.labels)), rows.labels])
    factors = bets.log_factors(log_probs_of(rows.logits), rows.labels)
    return len(rows.labels), Evidence.none(bets).then(factors).last


def _evidence_of_part(
    classes: Sequence[object] | None,
    refuse_probs: bool,  # noqa: FBT001  (bound)
    work: Callable[[UncheckedRows], tuple[int, Evidence]],
    number: int,
    part: FilePart,
) -> Evidence | None:
    """Return the evidence of a part of a file, on a worker; None of one without rows."""
    logits, labels, _ = part.read()
    if not len(labels):
        return None
    with part.rows_named():
        pieces = ScoredBlocks([(logits, labels)], "logits", classes, refuse_probs, number)
        return merged(work, pieces)


def log_probs_of(logits: NDArray[Any]) -> Array:
    """Return the log probabilities of checked logits, (n, k); -inf stays."""
    z = as_float64(logits) - as_float64(logits).max(axis=1, keepdims=True)
    return np.asarray(z - np.log(np.exp(z).sum(axis=1, keepdims=True)))


def require_possible(of_label: Array) -> None:
    """Raise if a label had probability 0, given its log."""
    impossible = np.isneginf(of_label)
    if impossible.any():
        msg = (
            f"`labels` hold {np.count_nonzero(impossible)} of probability 0, first in "
            f"{row_name(int(impossible.argmax()))}: what was called impossible came true, which no "
            "evidence can weigh. Serve probabilities with a floor "
            "(`logits_from_probs(probs, floor=...)`, --floor)."
        )
        raise InvalidInputError(msg)


def _require_bets(bets: Bets, k: int) -> None:
    require_type(bets, Bets, name="bets", rule="Bets, such as Bets.of(k)")
    beyond = max((bet.label or 0 for bet in bets.bets), default=0)
    if beyond >= k:
        msg = f"`bets` hold one on class {beyond}, but the rows have {k} classes."
        raise InvalidInputError(msg)


def _frequent(groups: ArrayLike, n: int) -> list[str]:
    names, numbers = as_groups(groups, n=n)
    counts = np.bincount(numbers, minlength=len(names))
    return [names[place] for place in np.argsort(-counts, kind="stable")[:MOST_GROUPS]]
