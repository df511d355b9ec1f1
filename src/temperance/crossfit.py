"""Score every row by a map that never saw it, in folds drawn from what rows hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from temperance.checks.arguments import as_seed
from temperance.errors import NoOptimumError
from temperance.numerics import as_float64, row_blocks
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = [
    "N_FOLDS",
    "are_drawn",
    "content_order",
    "cross_fit",
    "drawn_bits",
    "fold_fits",
    "folds_of",
    "row_hashes",
    "unshuffled_folds",
]

# What a row is, whatever its place: an order of rows by their content, and a number for each.


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LARGEST = 1e12  # larger values count as this one: their sums stay finite


def content_order(
    values: Sequence[NDArray[Any]], *, columns: Sequence[NDArray[Any]] = ()
) -> NDArray[np.intp]:
    """Return the places of all rows, (n,), in an order that depends on what they hold alone.

    `values` are arrays (n,) or (n, k) of numbers. Rows are sorted by a sum of their numbers with
    fixed factors, so that single precision and printed digits give the order of the numbers they
    stand for; equal sums by the `row_hashes` of `values` and of `columns` beside them; and rows
    that are equal by place: which is which of them makes no difference.
    """
    key = sum(_sums(each) for each in values)
    order = np.argsort(key, kind="stable")
    ordered = np.asarray(key)[order]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        tied = np.zeros(len(order), dtype=bool)
        tied[1:] |= same
        tied[:-1] |= same
        places, group = order[tied], np.cumsum(np.r_[True, ~same])[tied]
        hashes = row_hashes([each[places] for each in (*values, *columns)])
        order[tied] = places[np.lexsort((hashes, group))]
    return order


def row_hashes(values: Sequence[NDArray[Any]]) -> NDArray[np.uint64]:
    """Return 64 bits for each row, (n,), that equal rows share and others all but never."""
    hashes = np.zeros(len(values[0]), dtype=np.uint64)
    for number, each in enumerate(values):
        columns = each.reshape(len(each), -1)
        places = np.arange(1, columns.shape[1] + 1, dtype=np.uint64) * _GOLDEN
        for rows in row_blocks(columns):
            bits = (as_float64(columns[rows]) + 0.0).view(np.uint64)  # 0 and -0 are equal
            mixed = _mixed(bits ^ _mixed(places + np.uint64(number))).sum(axis=1, dtype=np.uint64)
            hashes[rows] = _mixed(hashes[rows] ^ mixed)
    return hashes


def drawn_bits(seed: int, stream: int, places: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return 64 bits drawn for each place, (n,), of one of many streams: SplitMix64."""
    start = np.array([seed % (1 << 64), stream], dtype=np.uint64)
    start = _mixed(start + _GOLDEN)
    return _mixed(places * _GOLDEN + _mixed(start[:1] ^ _mixed(start[1:] + _GOLDEN)))


def _sums(values: NDArray[Any]) -> NDArray[np.float64]:
    columns = values.reshape(len(values), -1)
    factors = 0.5 + np.modf(np.arange(1, columns.shape[1] + 1) * 0.6180339887498949)[0]
    sums = np.empty(len(columns))
    for rows in row_blocks(columns):
        numbers = np.nan_to_num(as_float64(columns[rows]), posinf=_LARGEST, neginf=-_LARGEST)
        sums[rows] = (np.clip(numbers, -_LARGEST, _LARGEST) * factors).sum(axis=1)
    return sums


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the bits well mixed, as the finaliser of SplitMix64 does."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


# Rows that are looked at where not all can be: files may be sorted by label, and labels may take
# turns, so that the first rows, or every tenth, would be chosen by their labels. A row is drawn by
# bits that belong to its number: blocks may be cut anywhere.


_SEED = 11


def are_drawn(first: int, n: int, *, of: int, most: int) -> NDArray[np.bool_]:
    """Whether each of the n rows from number `first` on is one of about `most` of all, (n,).

    `of` is the number of all rows; where it is at most `most`, all are drawn.
    """
    if of <= most:
        return np.ones(n, dtype=np.bool_)
    bits = drawn_bits(_SEED, 0, np.arange(first, first + n, dtype=np.uint64))
    return np.asarray(bits < np.uint64(most / of * 2.0**64))


C = TypeVar("C")


N_FOLDS = 5
_ONE_BY_ONE = (
    10_000  # so many clusters of several rows find their fold one by one, the others dealt
)


def cross_fit(
    fit: Callable[[NDArray[np.float64]], Callable[[NDArray[np.bool_]], NDArray[np.float64]]],
    labels: NDArray[np.intp],
    *,
    scores: Sequence[NDArray[Any]] = (),
    weights: NDArray[np.float64] | None = None,
    clusters: NDArray[np.intp] | None = None,
    seed: int = 0,
    folds: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """Return calibrated outputs (n, k), each row's from a fit on the other folds.

    `fit(weights)`, as in `fold_fits`, returns what gives the outputs of held-out rows, (n,) of
    True and False: a calibrator's `scale` of their logits, or `apply` for probabilities.
    """
    outputs: NDArray[np.float64] | None = None
    for held_out, apply in fold_fits(
        fit, labels, scores=scores, weights=weights, clusters=clusters, seed=seed, folds=folds
    ):
        scored = apply(held_out)
        if outputs is None:
            outputs = np.empty((len(labels), *scored.shape[1:]))
        outputs[held_out] = scored
    assert outputs is not None  # noqa: S101  (there is a fold)
    return outputs


def fold_fits(
    fit: Callable[[NDArray[np.float64]], C],
    labels: NDArray[np.intp],
    *,
    scores: Sequence[NDArray[Any]] = (),
    weights: NDArray[np.float64] | None = None,
    clusters: NDArray[np.intp] | None = None,
    seed: int = 0,
    folds: NDArray[np.intp] | None = None,
) -> Iterator[tuple[NDArray[np.bool_], C]]:
    """Yield the rows held out in each fold, (n,) of True and False, and what `fit` made without.

    `fit(weights)` fits on all rows with the given weights, which are 0 in the held-out fold (so
    no copy of the data is made). The folds are those of `folds_of`, unless given.
    """
    if folds is None:
        folds = folds_of(labels, scores=scores, weights=weights, clusters=clusters, seed=seed)
    w = np.ones(len(labels)) if weights is None else weights
    count = np.count_nonzero(w)
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        others = np.where(held_out, 0.0, w)
        try:
            if not others.any():
                what = "all are of one cluster" if clusters is not None else "there is but one"
                msg = f"{what}, so that none is left to fit on."
                raise NoOptimumError(msg, reason="no-rows")  # noqa: TRY301
            fitted = fit(others)
        except NoOptimumError as error:
            msg = (
                f"Cross-fitting leaves {np.count_nonzero(w[held_out])} of "
                f"{count_text(int(count), 'row')} out at a "
                f"time, and the others are too few: {error} Or score other rows: --test FILE."
            )
            raise NoOptimumError(msg, reason=error.reason) from error
        yield held_out, fitted


def folds_of(
    labels: NDArray[np.intp],
    *,
    scores: Sequence[NDArray[Any]] = (),
    weights: NDArray[np.float64] | None = None,
    clusters: NDArray[np.intp] | None = None,
    n_folds: int = N_FOLDS,
    seed: int = 0,
) -> NDArray[np.intp]:
    """Return each row's fold, 0..n_folds-1: drawn by `seed`, stratified by class, clusters whole.

    A row's fold does not depend on where it stands. Within a class, rows are put in an order by
    what they hold (`content_order` of `scores`; without any, the order given), shuffled, and dealt
    like cards: a fold has as many of each class as one of scikit-learn's
    `StratifiedKFold(shuffle=True)`. Clusters are told apart by their numbers, which are those of
    their sorted names; the largest come first, each to the fold with the fewest rows of its
    classes. Rows of weight 0 take no part: they go with the first fold, and move no other row.

    With fewer rows, or clusters, than folds, every one is its own fold.
    """
    folds = np.zeros(len(labels), dtype=np.intp)
    weighted = np.arange(len(labels)) if weights is None else np.flatnonzero(weights > 0.0)
    if not len(weighted):
        return folds
    rng = np.random.default_rng(as_seed(seed))
    if clusters is not None:
        names, numbers = np.unique(clusters[weighted], return_inverse=True)
        if len(names) < len(weighted):
            own = labels[weighted]
            of_cluster = _cluster_folds(numbers, own, min(n_folds, len(names)), rng)
            folds[weighted] = of_cluster[numbers]
            return folds
        order = np.argsort(numbers, kind="stable")
    elif scores:
        some = weighted if len(weighted) < len(labels) else slice(None)  # which copies nothing
        columns = [each[some] for each in (labels, weights) if each is not None]
        order = content_order([each[some] for each in scores], columns=columns)
    else:
        order = np.arange(len(weighted))
    shuffled = weighted[order[rng.permutation(len(weighted))]]
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    folds[by_class] = np.arange(len(weighted)) % min(n_folds, len(weighted))
    return folds


def unshuffled_folds(labels: NDArray[np.intp], *, n_folds: int = N_FOLDS) -> NDArray[np.intp]:
    """Return the folds of scikit-learn's `StratifiedKFold(n_folds)` without shuffling, (n,).

    For published numbers that rest on them. Rows of a class keep their order and are cut into
    blocks: where rows are sorted, the fold tells the label.
    """
    n_folds = max(1, min(n_folds, len(labels)))
    _, first_row, inverse = np.unique(labels, return_index=True, return_inverse=True)
    classes = first_row.argsort().argsort()[inverse]  # numbered in order of first appearance
    by_class = np.argsort(classes, kind="stable")
    # Deal the rows, sorted by class, like cards: that fixes how many of each class a fold
    # holds. Within the class they are then taken in blocks.
    dealt = np.arange(len(labels)) % n_folds
    folds = np.empty(len(labels), dtype=np.intp)
    folds[by_class] = dealt[np.lexsort((dealt, classes[by_class]))]
    return folds


def _cluster_folds(
    clusters: NDArray[np.intp], labels: NDArray[np.intp], n_folds: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Return the fold of each cluster, (m,)."""
    sizes = np.bincount(clusters)
    by_cluster = labels[np.argsort(clusters, kind="stable")]
    ends = np.cumsum(sizes)
    of_cluster = np.empty(len(sizes), dtype=np.intp)
    shuffled = rng.permutation(len(sizes))
    largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    several = int(np.count_nonzero(sizes > 1))
    one_by_one, others = np.split(largest_first, [min(several, _ONE_BY_ONE)])
    frequency = np.bincount(labels).astype(float)
    filled = np.zeros((n_folds, len(frequency)))  # rows of each class
    rows = np.zeros(n_folds)
    for cluster in one_by_one:
        size = sizes[cluster]
        own, counts = np.unique(
            by_cluster[ends[cluster] - size : ends[cluster]], return_counts=True
        )
        full = filled[:, own] @ (counts / frequency[own]) + size * rows / len(labels)
        fold = int(full.argmin())
        of_cluster[cluster] = fold
        filled[fold, own] += counts
        rows[fold] += size
    by_class = others[np.argsort(by_cluster[ends[others] - 1], kind="stable")]
    of_cluster[by_class] = _dealt(rows, sizes[others].sum(), len(others))
    return of_cluster


def _dealt(filled: NDArray[np.float64], more: int, n: int) -> NDArray[np.intp]:
    """Return a fold for each of n clusters in turn, so that `more` rows fill all folds alike."""
    if n == 0:
        return np.zeros(0, dtype=np.intp)
    low_first = np.sort(filled)
    steps = np.arange(1, len(filled) + 1)
    level = ((more + np.cumsum(low_first)) / steps).min()  # of the folds that are filled up
    share = np.clip(level - filled, 0.0, None)
    ends = np.floor(np.cumsum(share) / share.sum() * n + 0.5).astype(np.intp)
    counts = np.diff(ends, prepend=0)
    fold = np.repeat(np.arange(len(filled)), counts)
    turn = np.concatenate([(np.arange(each) + 0.5) / each for each in counts if each] or [fold])
    return np.asarray(fold[np.argsort(turn, kind="stable")])
