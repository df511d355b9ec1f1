"""The arguments of a calibrated classifier and the labelled rows of its fit, checked."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import isclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from temperance.calibrators import METHODS, check_method
from temperance.calibrators.training import as_prior
from temperance.checks import as_groups, as_weights
from temperance.checks.arguments import as_seed, as_word, value_text
from temperance.checks.probs import Floor
from temperance.errors import InvalidInputError
from temperance.printable import count_text
from temperance.sklearn.cross_fitting import PREFIT, as_folds, takes_groups
from temperance.sklearn.responses import RESPONSES, class_text, classes_of, is_frozen

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["AUTO", "ClassifierSettings", "FitRows"]

AUTO = "auto"
_METHODS = tuple(
    name for name, each in METHODS.items() if not (each.traits.groups or each.traits.members)
)
_THEIR_NAMES = {"sigmoid": "platt"}  # what scikit-learn calls them


@dataclass(frozen=True, slots=True)
class ClassifierSettings:
    """The arguments of a classifier, checked."""

    estimator: Any
    method: str
    folds: Any  # a number, "prefit" or a splitter
    floor: Floor
    prior: float | None  # None: where there is no optimum without
    response_method: str
    seed: int

    @classmethod
    def of(cls, classifier: Any) -> Self:  # noqa: ANN401  (its classifier)
        """Return the arguments, or raise."""
        if isclass(classifier.estimator) or not hasattr(classifier.estimator, "fit"):
            call, what = "GaussianNB()", value_text(classifier.estimator)
            if isclass(classifier.estimator):
                call, what = f"{classifier.estimator.__name__}()", "the class itself"
            msg = f"`estimator` must be a classifier, such as {call}, got {what}."
            raise InvalidInputError(msg)
        if isinstance(classifier.prior, str) and classifier.prior != AUTO:
            msg = f'`prior` must be "{AUTO}" or a number >= 0, got {value_text(classifier.prior)}.'
            raise InvalidInputError(msg)
        prior = None if isinstance(classifier.prior, str) else as_prior(classifier.prior)
        method = _as_method(classifier.method, prior)
        return cls(
            classifier.estimator, method, as_folds(classifier.cv), Floor.of(classifier.floor),
            prior, as_word(classifier.response_method, RESPONSES, name="response_method"),
            as_seed(classifier.seed),
        )  # fmt: skip

    @property
    def is_fitted(self) -> bool:
        """Whether the estimator is taken as it is."""
        return is_frozen(self.estimator) or self.folds == PREFIT

    @property
    def takes_groups(self) -> bool:
        """Whether the splitter asks for groups."""
        return not self.is_fitted and takes_groups(self.folds)


def _as_method(method: object, prior: float | None) -> str:
    """Return the name of a method that maps scores of one model and nothing else."""
    own = _THEIR_NAMES.get(method) if isinstance(method, str) else None
    if own is not None:
        msg = f"`method` {method!r} of scikit-learn is {own!r} here, learned on logits."
        raise InvalidInputError(msg)
    if isinstance(method, str) and method in METHODS and method not in _METHODS:
        kind = METHODS[method]
        needs = "groups of the rows it is applied to" if kind.traits.groups else "several models"
        msg = (
            f"`method` {method!r} takes {needs}, which predict_proba(X) does not have: fit "
            f"temperance.{kind.__name__} on scores of your own, or take one of "
            f"{', '.join(_METHODS)}, {AUTO}."
        )
        raise InvalidInputError(msg)
    word = as_word(method, (*_METHODS, AUTO), name="method")
    if word != AUTO:
        check_method(word, prior=prior or 0.0)
    return word


@dataclass(frozen=True, slots=True, eq=False)
class FitRows:
    """The labelled rows of a fit, checked but for X, which is the estimator's business."""

    y: NDArray[Any]
    classes: NDArray[Any]
    labels: NDArray[np.intp]  # positions among the classes
    weights: NDArray[np.float64] | None
    clusters: NDArray[np.intp] | None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.labels)

    @classmethod
    def of(
        cls,
        X: Any,  # noqa: ANN401
        y: Any,  # noqa: ANN401
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        settings: ClassifierSettings,
    ) -> Self:
        """Return labels as positions, weights and numbers of groups, or raise."""
        labels = _as_column(y)
        n = len(labels)
        shape: Any = getattr(X, "shape", ())
        if len(shape) == 2 and shape[1] == 0:
            msg = f"`X` has 0 feature(s) (shape={tuple(shape)}) while a minimum of 1 is required."
            raise InvalidInputError(msg)
        present, numbers = np.unique(labels, return_inverse=True)
        if len(present) < 2:
            name = repr(present.tolist()[0]) if n else "none"
            msg = (
                f"`y` must hold two classes or more, got one class, {name}, in "
                f"{count_text(n, 'row')} (n_samples = {n}): there is nothing to tell apart."
            )
            raise InvalidInputError(msg)
        classes = present
        if settings.is_fitted:
            classes = _classes_of_fitted(settings.estimator)
            numbers = _positions(present, classes)[numbers]
        if settings.method != AUTO and METHODS[settings.method].traits.binary and len(classes) > 2:
            more = [each for each in _METHODS if not METHODS[each].traits.binary]
            msg = (
                f"`method` {settings.method!r} is for two classes, `y` has {len(classes)}: take "
                f"{', '.join(more)} or {AUTO}, or OneVsRestClassifier(CalibratedClassifier(...))."
            )
            raise InvalidInputError(msg)
        weights = as_weights(sample_weight, n=n, name="sample_weight")
        clusters = None if groups is None else as_groups(groups, n=n)[1]
        return cls(labels, classes, numbers, weights, clusters)


def _as_column(y: Any) -> NDArray[Any]:  # noqa: ANN401
    """Return labels, (n,), of classes."""
    if y is None:
        msg = "This classifier requires y to be passed, but the target y is None."
        raise InvalidInputError(msg)
    try:
        kind = type_of_target(y)
    except TypeError as error:  # labels without an order
        msg = f"`y` must hold numbers or texts, not both: {error}."
        raise InvalidInputError(msg) from error
    if kind.startswith("multi") and kind != "multiclass":
        msg = (
            f"`y` must have one class per row, got scikit-learn's {kind}. Several labels per row? "
            "OneVsRestClassifier(CalibratedClassifier(...)) or MultiOutputClassifier(...)."
        )
        raise InvalidInputError(msg)
    check_classification_targets(y)
    return np.asarray(column_or_1d(y, warn=True))


def _classes_of_fitted(estimator: Any) -> NDArray[Any]:  # noqa: ANN401
    classes = classes_of(estimator)
    if not len(classes):
        msg = (
            '`estimator` must be fitted for cv="prefit", and be a classifier: '
            f"{type(estimator).__name__} has no classes_. Fit it on other rows first. Copies "
            "forget their fit (clone, GridSearchCV, cross_validate): pass "
            "FrozenEstimator(estimator) there (scikit-learn >= 1.6)."
        )
        raise InvalidInputError(msg)
    return classes


def _positions(present: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp]:
    """Return where each class of the labels stands among the estimator's."""
    place = {value: number for number, value in enumerate(classes.tolist())}
    unknown = [each for each in present.tolist() if each not in place]
    if unknown:
        msg = (
            f"`y` must hold classes of the fitted estimator, {class_text(classes)}; it does not "
            f"know {unknown[0]!r}. Spell labels as in its fit, and leave rows of other classes out."
        )
        raise InvalidInputError(msg)
    return np.array([place[each] for each in present.tolist()], dtype=np.intp)
