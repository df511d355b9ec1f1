"""Every row scored by an estimator that was fitted without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_method_params

from temperance.checks.arguments import as_count, value_text
from temperance.crossfit import N_FOLDS, folds_of
from temperance.errors import InvalidInputError
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from temperance.sklearn.responses import Response

    Places = NDArray[np.intp]
    Split = tuple[Places, Places]  # of the rows of the fit, and of those held out

__all__ = [
    "PREFIT",
    "as_folds",
    "cross_fitted",
    "require_scores_of_rows",
    "splits_of",
    "takes_groups",
]

PREFIT = "prefit"


def as_folds(cv: Any) -> Any:  # noqa: ANN401  (a number, or what scikit-learn takes)
    """Return a number of folds, "prefit" or a splitter of scikit-learn."""
    if cv is None:
        return N_FOLDS
    if isinstance(cv, str) and cv == PREFIT:
        return PREFIT
    if isinstance(cv, str | bytes | bool):
        raise _no_cv(cv)
    if hasattr(cv, "split"):
        return cv
    if hasattr(cv, "__iter__") and getattr(cv, "ndim", 1) != 0:
        return check_cv(cv)
    try:
        return as_count(cv, name="cv", least=2)
    except InvalidInputError:
        raise _no_cv(cv) from None


def _no_cv(cv: object) -> InvalidInputError:
    msg = (
        '`cv` must be a whole number >= 2, "prefit", a splitter of scikit-learn '
        f"(StratifiedKFold(5)) or pairs of row numbers (train, test), got {value_text(cv)}."
    )
    return InvalidInputError(msg)


def takes_groups(cv: object) -> bool:
    """Whether a splitter asks for groups."""
    if not hasattr(cv, "get_metadata_routing"):
        return hasattr(cv, "split")
    return get_routing_for_object(cv).split.requests.get("groups") is True


def splits_of(
    cv: Any,  # noqa: ANN401
    X: Any,  # noqa: ANN401
    y: NDArray[Any],
    labels: Places,
    *,
    weights: NDArray[np.float64] | None,
    clusters: Places | None,
    seed: int,
    **metadata: Any,  # noqa: ANN401
) -> list[Split]:
    """Return the rows fitted on and those held out, of each fold.

    A number of folds deals the rows of each class, shuffled by `seed`, to the folds in turn, and
    keeps clusters whole (see `folds_of`): a class needs two rows, not as many as there are folds.
    Of tables of numbers the folds depend on what rows hold, not on their order.
    """
    if isinstance(cv, int):
        folds = folds_of(
            labels, scores=_numbers(X), weights=weights, clusters=clusters, n_folds=cv, seed=seed
        )
        numbers = range(int(folds.max()) + 1)
        return [(np.flatnonzero(folds != each), np.flatnonzero(folds == each)) for each in numbers]
    places = np.arange(len(labels))
    return [(places[train], places[test]) for train, test in cv.split(X, y, **metadata)]


def _numbers(X: Any) -> tuple[NDArray[Any], ...]:  # noqa: ANN401
    """Return what tells rows of a table of numbers apart; nothing of others (text, sparse)."""
    values = X if isinstance(X, np.ndarray) or not hasattr(X, "to_numpy") else X.to_numpy()
    is_table = isinstance(values, np.ndarray) and values.ndim == 2 and values.dtype.kind in "biuf"
    return (values,) if is_table else ()


def require_scores_of_rows(
    splits: Sequence[Split],
    labels: Places,
    classes: NDArray[Any],
    weights: NDArray[np.float64] | None,
    clusters: Places | None,
) -> Places:
    """Return the rows that are held out, (m,), sorted, or raise.

    A row must be held out once at most, by a fold whose other rows have every class and none of the
    row's group.
    """
    n, k = len(labels), len(classes)
    times = np.zeros(n, dtype=np.intp)
    for number, (train, test) in enumerate(splits):
        times[test] += 1
        if len(np.intersect1d(train, test)):
            msg = f"`cv` must hold rows out of the fit; fold {number} has some in both."
            raise InvalidInputError(msg)
        if clusters is not None and (torn := np.isin(clusters[test], clusters[train])).any():
            msg = (
                f"`cv` must hold rows of one of the `groups` out together; in fold {number} that "
                f"of row {test[torn.argmax()]} is in both. Take GroupKFold, StratifiedGroupKFold "
                "or a number of folds."
            )
            raise InvalidInputError(msg)
        rows = np.bincount(labels[train], None if weights is None else weights[train] > 0, k)
        if not rows.any():
            msg = (
                f"`cv` must leave rows to fit on, but fold {number} holds all out. Are all of one "
                "group? Rows that stand alone have groups of their own."
            )
            raise InvalidInputError(msg)
        if not rows.all():
            c = int((rows == 0).argmax())
            of_class = count_text(int((labels == c).sum()), "row")
            msg = (
                f"`cv` must leave rows of every class to fit on, but class {classes.tolist()[c]!r} "
                f"({of_class}) is all held out in fold {number}: an estimator fitted without it "
                "cannot score it. Give more rows of this class (of groups, another that has it), "
                "leave the class out, or fit the estimator yourself and calibrate it on other "
                'rows, cv="prefit".'
            )
            raise InvalidInputError(msg)
    if times.max(initial=0) > 1:
        row = int(times.argmax())
        msg = (
            f"`cv` must hold a row out once at most; row {row} is held out {times[row]} times. "
            "Take a splitter that does not repeat, such as StratifiedKFold."
        )
        raise InvalidInputError(msg)
    if not times.any():
        msg = "`cv` must hold rows out; it has no folds."
        raise InvalidInputError(msg)
    return np.flatnonzero(times)


def cross_fitted(
    estimator: Any,  # noqa: ANN401
    X: Any,  # noqa: ANN401
    y: NDArray[Any],
    splits: Sequence[Split],
    *,
    classes: NDArray[Any],
    response: Response,
    fit_params: Mapping[str, Any],
    n_jobs: int | None,
) -> NDArray[np.float64]:
    """Return scores (n, k), each row's from a copy of the estimator fitted without its fold.

    Rows that no fold holds out are nan.
    """
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_held_out_scores)(
            clone(estimator), X, y, split, classes=classes, response=response, fit_params=fit_params
        )
        for split in splits
    )
    scores = np.full((len(y), len(classes)), np.nan)
    for (_, test), part in zip(splits, parts, strict=True):
        scores[test] = part
    return scores


def _held_out_scores(
    estimator: Any,  # noqa: ANN401
    X: Any,  # noqa: ANN401
    y: NDArray[Any],
    split: Split,
    *,
    classes: NDArray[Any],
    response: Response,
    fit_params: Mapping[str, Any],
) -> NDArray[np.float64]:
    train, test = split
    inputs, labels = _safe_split(estimator, X, y, train)
    others, _ = _safe_split(estimator, X, y, test, train)
    estimator.fit(inputs, labels, **_check_method_params(X, dict(fit_params), train))
    return response.scores(estimator, others, classes)
