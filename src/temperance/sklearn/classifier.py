"""A classifier with calibrated probabilities, as a scikit-learn estimator."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils import Bunch, indexable
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import (
    check_is_fitted,
    has_fit_parameter,
)

from temperance.calibrators import METHODS, Training, fit_method, out_of_fold_logits
from temperance.checks import Positions
from temperance.checks.labels import class_names
from temperance.comparison import compare_rows
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.formats.calibrator_json import calibrator_content, calibrator_of
from temperance.metrics.inputs import Predictions
from temperance.readers.json_object import JsonObject, parse_json
from temperance.selection import select_rows
from temperance.sklearn.cross_fitting import (
    cross_fitted,
    require_scores_of_rows,
    splits_of,
)
from temperance.sklearn.inputs import AUTO, ClassifierSettings, FitRows
from temperance.sklearn.responses import (
    Raised,
    Response,
    log_sums,
    refuse_pairwise_margins,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.comparison import Comparison
    from temperance.selection import Selection

__all__ = ["CalibratedClassifier"]

_COMPUTED = ("_comparison", "_selection")  # from what else is there, when it is looked up


class CalibratedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose probabilities are calibrated on rows that it has not seen.

    One estimator is fitted on all rows, and one map is learned from cross-fitted scores: those that
    copies of the estimator, each fitted without one fold, give to the rows of their fold. This is
    `ensemble=False` of scikit-learn's CalibratedClassifierCV. One model is served, not five, and it
    has learned from every row; a temperature keeps the order of the classes in every row, so that
    those predicted are the estimator's own, which the mean of five calibrated models need not keep;
    and one map has one file, one interval, one test. The price: it is learned from models that had
    a fifth less to learn from.

    Parameters
    ----------
    estimator : estimator
        A classifier with `decision_function` or `predict_proba`. Cloned before it is fitted; one
        that is fitted already, a FrozenEstimator or any with `cv="prefit"`, is taken as it is.
    method : str, default "temperature"
        A name of `temperance.METHODS` that maps the scores of one model alone, or "auto":
        `temperance.select` chooses, and may choose to change nothing.
    cv : int >= 2, "prefit", splitter or iterable of (train, test), default 5
        The folds. A number deals the rows of each class to so many folds in turn, shuffled by
        `seed`, rows of one of the `groups` to one; a class needs two rows (in two groups). Other
        splitters of scikit-learn must hold a row out once at most; rows that they never hold out
        (TimeSeriesSplit) teach the estimator and not the map. "prefit": all rows teach the map,
        and should be others than those of the estimator.
    floor : float in [0, 1), "decimals=N" or "auto", default "auto"
        What probabilities of 0 are taken for, as in `temperance.logits_from_probs`: "auto" is half
        the smallest positive one, where cross-fitted scores have zeros (votes of a forest). New
        rows are raised to the same number.
    prior : float >= 0 or "auto", default "auto"
        Pseudo-rows that say "no change", of methods that take them. "auto" is 0, or 1 where the
        loss has no finite minimum without (all rows right, or no better than chance).
    response_method : {"auto", "decision_function", "predict_proba", "predict_log_proba"}
        What the estimator is asked for; "auto", the default, goes by what it has: its
        `decision_function`; else the raw margins of boosted trees (`output_margin` of XGBoost,
        `raw_score` of LightGBM, `RawFormulaVal` of CatBoost); else `predict_proba`. Margins (n,)
        are the log-odds of the second class, (n, k) logits; probabilities go through their
        logarithm. "predict_log_proba" keeps what underflows in `predict_proba` (naive Bayes).
    seed : int >= 0, default 0
        Of the folds, where `cv` is a number, and of those that measure the map.
    n_jobs : int, optional
        How many folds are fitted at a time, as in joblib.

    Attributes
    ----------
    classes_ : ndarray, shape (k,)
        The classes, sorted; those of a fitted estimator as it has them.
    estimator_ : estimator
        Fitted on all rows, or the one that was fitted already.
    calibrator_ : Calibrator
        The map: `temperance.save(classifier.calibrator_, "calibrator.json")`.
    evaluation_ : Comparison
        Measures of the "before" (softmax of the scores) and "after", of rows scored by an estimator
        and by a map that had not seen them. Computed when it is first looked up.
    selection_ : Selection or None
        How `method="auto"` chose.
    floor_ : float
        What probabilities are raised to; 0 where scores are margins.
    n_floored_ : int
        How many cross-fitted probabilities were raised.
    response_method_ : str
        What the estimator is asked for.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : ndarray of str
        Names of the columns of X, where all are text; X of another order or name is refused.

    Notes
    -----
    Scores are kept for `evaluation_`, n k numbers, also by pickle, joblib and skops; these hold the
    map as the text of its `calibrator.json`.

    `sample_weight` weighs the rows of the map, and of the estimator where its `fit` takes it; of
    `groups`, rows that belong together, all are held out at once and count as one in the interval
    of the temperature. With scikit-learn's metadata routing both, and whatever else the estimator
    or the splitter ask for, go where they are requested.

    References
    ----------
    Platt (1999), "Probabilistic outputs for support vector machines", section 2.1: the map learned
    on cross-fitted scores.

    Examples
    --------
    A tree that says 90 % and is right in 3 of 4 rows: log 9 / T = log 3.

    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X = [[0]] * 10 + [[1]] * 10
    >>> tree = DecisionTreeClassifier().fit(X, [0] * 9 + [1] + [1] * 9 + [0])
    >>> calibrated = CalibratedClassifier(tree, cv="prefit")
    >>> calibrated = calibrated.fit([[0]] * 4 + [[1]] * 4, [0, 0, 0, 1, 1, 1, 1, 0])
    >>> round(calibrated.calibrator_.temperature, 6)
    2.0
    >>> calibrated.predict_proba([[1]]).round(4)
    array([[0.25, 0.75]])
    """

    def __init__(
        self,
        estimator: Any,  # noqa: ANN401
        method: str = "temperature",
        *,
        cv: Any = 5,  # noqa: ANN401
        floor: float | str = "auto",
        prior: float | str = "auto",
        response_method: str = "auto",
        seed: int = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.cv = cv
        self.floor = floor
        self.prior = prior
        self.response_method = response_method
        self.seed = seed
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Any,  # noqa: ANN401
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
        **fit_params: Any,  # noqa: ANN401
    ) -> Self:
        """Fit the estimator on all rows, and the map on cross-fitted scores.

        Parameters
        ----------
        X : array_like or data frame, shape (n, ...)
            What the estimator takes.
        y : array_like, shape (n,)
            Classes: numbers, text or booleans.
        sample_weight : array_like, shape (n,), optional
            Finite, >= 0.
        groups : array_like, shape (n,), optional
            Which rows belong together.
        **fit_params
            Of the `fit` of the estimator; values with one entry per row are cut with the rows.

        Returns
        -------
        CalibratedClassifier
            Itself.

        Raises
        ------
        InvalidInputError
            An argument is none of those above; fewer than two classes; a class that a fold leaves
            no row of; a splitter that tears groups apart; an estimator without scores, or with
            other classes.
        NoOptimumError
            The method has no optimum on these scores.
        """
        settings = ClassifierSettings.of(self)
        X, y = indexable(X, y)
        rows = FitRows.of(X, y, sample_weight, groups, settings)
        of_estimator, of_splitter = self._routed(settings, sample_weight, groups, fit_params)
        if settings.is_fitted:
            self.estimator_, places = settings.estimator, np.arange(rows.n)
            response = self._response(settings, rows)
            scores = response.scores(self.estimator_, X, rows.classes)
        else:
            splits = splits_of(
                settings.folds, X, rows.y, rows.labels, weights=rows.weights,
                clusters=rows.clusters, seed=settings.seed, **of_splitter,
            )  # fmt: skip
            places = require_scores_of_rows(
                splits, rows.labels, rows.classes, rows.weights, rows.clusters
            )
            self.estimator_ = clone(settings.estimator).fit(X, rows.y, **of_estimator)
            response = self._response(settings, rows)
            scores = cross_fitted(
                settings.estimator, X, rows.y, splits, classes=rows.classes, response=response,
                fit_params=of_estimator, n_jobs=self.n_jobs,
            )[places]  # fmt: skip
        raised = Raised.learned(settings.floor, scores, response)
        self.classes_, self.response_method_ = rows.classes, response.method
        self.floor_, self._log_floor, self.n_floored_ = raised.floor, raised.log_floor, raised.n
        self._rows_of_map: dict[str, Any] = {
            "logits": raised.logits(scores, response),
            "labels": rows.labels[places],
            "weights": None if rows.weights is None else rows.weights[places],
            "clusters": None if rows.clusters is None else rows.clusters[places],
        }
        self._how: dict[str, Any] = {
            "method": settings.method,
            "prior": settings.prior,
            "seed": settings.seed,
        }
        self._learn_map()
        self._note_columns(X)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401
        """Return calibrated probabilities.

        Parameters
        ----------
        X : array_like or data frame, shape (n, ...)
            Rows, with the columns of the fit.

        Returns
        -------
        ndarray of float64, shape (n, k)
            Columns in the order of `classes_`; rows sum to 1.

        Raises
        ------
        InvalidInputError
            Other columns than those of the fit, or scores that are not finite.
        """
        logits = self._logits(X)
        return cast("NDArray[np.float64]", self.calibrator_.apply(logits, refuse_probs=False))

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401
        """Return the logarithm of calibrated probabilities, exact where these underflow.

        Parameters
        ----------
        X : array_like or data frame, shape (n, ...)
            As in `predict_proba`.

        Returns
        -------
        ndarray of float64, shape (n, k)
            In nats, <= 0.

        Raises
        ------
        InvalidInputError
            As in `predict_proba`.
        """
        logits = self._logits(X)
        scaled = self.calibrator_.scale(logits, refuse_probs=False)
        return np.asarray(scaled - log_sums(scaled))

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401
        """Return the most probable class of each row.

        Parameters
        ----------
        X : array_like or data frame, shape (n, ...)
            As in `predict_proba`.

        Returns
        -------
        ndarray, shape (n,)
            Of `classes_`; the first of those equally probable.

        Raises
        ------
        InvalidInputError
            As in `predict_proba`.
        """
        largest = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[largest])

    @property
    def evaluation_(self) -> Comparison:
        """Measures before and after, of rows that estimator and map had not seen."""
        check_is_fitted(self)
        if "_comparison" not in vars(self):
            self._comparison = self._compare()
        return self._comparison

    @property
    def selection_(self) -> Selection | None:
        """How "auto" chose; None where the method was named."""
        check_is_fitted(self)
        if self._how["method"] != AUTO:
            return None
        if "_selection" not in vars(self):
            self._selection, _ = select_rows(self._training(), seed=self._how["seed"])
        return self._selection

    def get_metadata_routing(self) -> MetadataRouter:
        """Return what asks for metadata: itself, the estimator, the splitter.

        Returns
        -------
        MetadataRouter
            As scikit-learn's metadata routing takes it.
        """
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router.add(estimator=self.estimator, method_mapping=mapping)
        if hasattr(self.cv, "split"):
            splits = MethodMapping().add(caller="fit", callee="split")
            router.add(splitter=self.cv, method_mapping=splits)
        return router

    def _routed(
        self,
        settings: ClassifierSettings,
        sample_weight: ArrayLike | None,
        groups: ArrayLike | None,
        fit_params: dict[str, Any],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what the estimator's `fit` gets, and what the splitter does."""
        own = {"sample_weight": sample_weight, "groups": groups}
        own = {name: value for name, value in own.items() if value is not None}
        if get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **own, **fit_params)
            return dict(routed.estimator.fit), dict(routed.get("splitter", _NOTHING).split)
        of_splitter = {"groups": groups} if groups is not None and settings.takes_groups else {}
        if settings.is_fitted:
            if fit_params:
                msg = (
                    f"{', '.join(fit_params)}: nothing to pass on, for the estimator is fitted "
                    "already. Leave it out."
                )
                raise InvalidInputError(msg)
            return {}, of_splitter
        if sample_weight is None:
            return fit_params, of_splitter
        if has_fit_parameter(settings.estimator, "sample_weight"):
            return {**fit_params, "sample_weight": sample_weight}, of_splitter
        name = type(settings.estimator).__name__
        msg = (
            f"{name}.fit takes no sample_weight: it weighs the rows of the map alone. To pass it "
            "on, route it: sklearn.set_config(enable_metadata_routing=True), and "
            "set_fit_request(sample_weight=True) of what shall get it."
        )
        warnings.warn(msg, UserWarning, stacklevel=3)
        return fit_params, of_splitter

    def _response(self, settings: ClassifierSettings, rows: FitRows) -> Response:
        """Return what the fitted estimator is asked for."""
        response = Response.of(self.estimator_, settings.response_method)
        refuse_pairwise_margins(self.estimator_, response, len(rows.classes))
        return response

    def _learn_map(self) -> None:
        """Learn the map from the scores kept."""
        for name in _COMPUTED:
            self.__dict__.pop(name, None)
        rows, how = self._training(), self._how
        if how["method"] == AUTO:
            self._selection, _ = select_rows(rows, seed=how["seed"])
            calibrator = self._selection.calibrator
        else:
            calibrator = _map_of(rows, how["method"], how["prior"])
        record = calibrator.record
        if record is not None and self.n_floored_:
            record = replace(record, floor=self.floor_, n_floored=self.n_floored_)
            calibrator = replace(calibrator, record=record)
        self.calibrator_: Calibrator = calibrator

    def _training(self) -> Training:
        """Return the cross-fitted rows as those of a fit."""
        method, rows = self._how["method"], self._rows_of_map
        return Training.check(
            rows["logits"], Positions(rows["labels"]), weights=rows["weights"],
            clusters=rows["clusters"], classes=class_names(self.classes_.tolist()),
            refuse_probs=False, zeros=method == AUTO or METHODS[method].traits.zeros,
        )  # fmt: skip

    def _compare(self) -> Comparison:
        rows, how = self._training(), self._how
        if how["method"] == AUTO:
            _, after = select_rows(rows, seed=how["seed"])
        else:
            learn = partial(_map_of, method=how["method"], prior=how["prior"])
            after = out_of_fold_logits(rows, learn, seed=how["seed"])
        sides = {"before": np.asarray(rows.logits), "after": after}
        return compare_rows(
            {
                name: Predictions.from_logits(
                    logits, rows.labels, rows.weights, rows.clusters, classes=rows.classes
                )
                for name, logits in sides.items()
            },
            seed=how["seed"],
        )

    def _logits(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401
        """Return the estimator's scores of new rows as logits, (n, k)."""
        check_is_fitted(self)
        self._require_columns(X)
        response = Response(self.response_method_)
        scores = response.scores(self.estimator_, X, self.classes_)
        return Raised(self.floor_, self._log_floor).logits(scores, response)

    def _note_columns(self, X: Any) -> None:  # noqa: ANN401
        """Note the number and the names of columns, by the estimator where it has them."""
        shape: Any = getattr(X, "shape", ())
        names = getattr(self.estimator_, "feature_names_in_", _names_of(X))
        number = getattr(self.estimator_, "n_features_in_", shape[1] if len(shape) == 2 else None)
        for name, value in (("n_features_in_", number), ("feature_names_in_", names)):
            if value is not None:
                setattr(self, name, value)
            elif hasattr(self, name):
                delattr(self, name)

    def _require_columns(self, X: Any) -> None:  # noqa: ANN401
        """Raise where columns have other names, or another order, than those of the fit."""
        names, own = _names_of(X), getattr(self, "feature_names_in_", None)
        if names is None or own is None or np.array_equal(names, own):
            return
        if hasattr(self.estimator_, "feature_names_in_"):
            return  # which says so itself
        missing = [name for name in own.tolist() if name not in set(names.tolist())]
        what = f"{missing[0]!r} is missing" if missing else "there are more, or in another order"
        msg = (
            f"`X` must have the columns of the fit, in their order; {what}. "
            "X[classifier.feature_names_in_] puts them right."
        )
        raise InvalidInputError(msg)

    def __sklearn_tags__(self) -> Any:  # noqa: ANN401
        """Return scikit-learn's tags: what the estimator takes, this takes."""
        from sklearn.utils import get_tags  # noqa: PLC0415  (from 1.6 on, as this method)

        tags = super().__sklearn_tags__()
        if hasattr(self.estimator, "__sklearn_tags__"):
            tags.input_tags = get_tags(self.estimator).input_tags
        return tags

    def _more_tags(self) -> dict[str, Any]:
        """Return the same, as scikit-learn 1.5 asks for it."""
        tags = self.estimator._get_tags() if hasattr(self.estimator, "_get_tags") else {}  # noqa: SLF001
        return {name: tags[name] for name in ("allow_nan", "pairwise") if name in tags}

    def __getstate__(self) -> dict[str, Any]:
        state = {k: v for k, v in super().__getstate__().items() if k not in _COMPUTED}
        if "calibrator_" in state:
            content = calibrator_content(state["calibrator_"])
            state["calibrator_"] = json.dumps(content, allow_nan=False)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "calibrator_" in state:
            top = JsonObject(parse_json(state["calibrator_"]), where="CalibratedClassifier")
            state = {**state, "calibrator_": calibrator_of(top)}
        super().__setstate__(state)


_NOTHING = Bunch(split={})


def _map_of(rows: Training, method: str, prior: float | None) -> Calibrator:
    """Return the map that rows teach; a prior of one row where they have no optimum without."""
    takes_one = METHODS[method].traits.prior
    try:
        return fit_method(method, replace(rows, prior=prior or 0.0))
    except NoOptimumError:
        if prior is not None or not takes_one:
            raise
        return fit_method(method, replace(rows, prior=1.0))


def _names_of(X: Any) -> NDArray[Any] | None:  # noqa: ANN401
    """Return the names of the columns of a data frame, where all are text."""
    columns = getattr(X, "columns", None)
    names = [] if columns is None or callable(columns) else list(columns)
    if not names or not all(isinstance(name, str) for name in names):
        return None
    return np.array(names, dtype=object)
