"""What a classifier says of rows, as logits: which of its methods is asked, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from math import exp, inf, log
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.pipeline import Pipeline

from temperance.checks import as_logits
from temperance.checks.arguments import as_word
from temperance.checks.arrays import one_column
from temperance.checks.probs import Floor, as_probs
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, log_probs
from temperance.printable import first_few

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "RESPONSES",
    "Raised",
    "Response",
    "class_text",
    "classes_of",
    "is_frozen",
    "log_sums",
    "refuse_pairwise_margins",
]

RESPONSES = ("auto", "decision_function", "predict_proba", "predict_log_proba")
_UNDERFLOW = log(np.finfo(np.float64).tiny)
# Boosted trees without a decision function: the argument of `predict` that asks for raw margins.
_RAW_MARGINS: dict[str, object] = {
    "output_margin": True,  # XGBoost
    "raw_score": True,  # LightGBM
    "prediction_type": "RawFormulaVal",  # CatBoost
}


@dataclass(frozen=True, slots=True)
class Response:
    """The method of a fitted classifier that gives its scores, and what these are.

    Parameters
    ----------
    method : str
        "decision_function", "predict_proba", "predict_log_proba", or the argument of `predict`
        that asks for raw margins.
    """

    method: str

    @classmethod
    def of(cls, estimator: Any, request: object) -> Self:  # noqa: ANN401
        """Return what a fitted classifier is asked for, by what it has and never by values.

        "auto": its decision function, else raw margins, else its probabilities.
        """
        word = as_word(request, RESPONSES, name="response_method")
        name = type(estimator).__name__
        has = [each for each in RESPONSES[1:] if hasattr(estimator, each)]
        raw = raw_margins(estimator)
        if word in ("auto", "decision_function") and "decision_function" in has:
            return cls("decision_function")
        if word in ("auto", "decision_function") and raw is not None:
            return cls(raw)
        if word == "auto" and "predict_proba" in has:
            return cls("predict_proba")
        if word in has:
            return cls(word)
        if not has:
            msg = (
                f"`estimator` must have predict_proba or decision_function to be calibrated; "
                f"{name} has neither. Take a classifier that has one, or the option that gives it: "
                'SGDClassifier(loss="log_loss"), VotingClassifier(voting="soft").'
            )
            raise InvalidInputError(msg)
        msg = f"`response_method` must be one that {name} has, got {word!r}: {', '.join(has)}."
        raise InvalidInputError(msg)

    @property
    def says_probabilities(self) -> bool:
        """Whether the scores are probabilities, whose logarithms are the logits."""
        return self.method == "predict_proba"

    def scores(self, estimator: Any, X: Any, classes: NDArray[Any]) -> Array:  # noqa: ANN401
        """Return scores of rows, (n, k), their columns those of `classes`.

        Probabilities, where `says_probabilities`; logits else, of two classes (0, log-odds).
        """
        columns = self._columns(classes_of(estimator), classes)
        name = f"{type(estimator).__name__}.{self.method}"
        if self.method in _RAW_MARGINS:
            last, inputs = _last(estimator, X)
            values = last.predict(inputs, **{self.method: _RAW_MARGINS[self.method]})
        elif self.method == "predict_log_proba":
            with np.errstate(divide="ignore"):  # forests take the logarithm of 0
                values = estimator.predict_log_proba(X)
        else:
            values = getattr(estimator, self.method)(X)
        array = one_column(np.asarray(values))
        if array.ndim not in (1, 2) or (array.ndim == 1 and len(classes) > 2) or (
            array.ndim == 2 and array.shape[1] != len(classes)
        ):  # fmt: skip
            msg = (
                f"`estimator` must give a score for each of the {len(classes)} classes; {name} "
                f"gives shape {array.shape}. For one-vs-one margins take the estimator's option of "
                'one-vs-rest, or response_method="predict_proba".'
            )
            raise InvalidInputError(msg)
        try:
            scores = as_probs(array) if self.says_probabilities else as_float64(as_logits(array))
        except InvalidInputError as error:
            msg = f"{name}: {error}"
            raise InvalidInputError(msg) from error
        return scores if columns is None else scores[:, columns]

    @staticmethod
    def _columns(own: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.intp] | None:
        """Return where each class stands among an estimator's own; None where all is in order."""
        if np.array_equal(own, classes):
            return None
        place = {value: number for number, value in enumerate(own.tolist())}
        if len(own) != len(classes) or any(each not in place for each in classes.tolist()):
            msg = (
                f"`estimator` must have the classes of the calibrator, {class_text(classes)}; it "
                f"has {class_text(own)}. Fit again: an estimator and its calibrator go together."
            )
            raise InvalidInputError(msg)
        return np.array([place[each] for each in classes.tolist()], dtype=np.intp)


def classes_of(estimator: Any) -> NDArray[Any]:  # noqa: ANN401
    """Return the classes of a fitted classifier, (k,), or raise: it is none, or not fitted."""
    try:
        classes = estimator.classes_
    except AttributeError:
        classes = ()
    if isinstance(classes, list) and any(np.ndim(each) for each in classes):
        msg = (
            "`estimator` must have one label per row, but has several outputs. Calibrate each: "
            "MultiOutputClassifier(CalibratedClassifier(...))."
        )
        raise InvalidInputError(msg)
    return np.asarray(classes)


def refuse_pairwise_margins(estimator: Any, response: Response, k: int) -> None:  # noqa: ANN401
    """Raise where a decision function is of pairs of classes: of three, as many as classes."""
    pairwise = getattr(_last(estimator)[0], "decision_function_shape", None) == "ovo"
    if response.method == "decision_function" and k > 2 and pairwise:
        msg = (
            '`estimator` must give a margin for each class; decision_function_shape="ovo" gives '
            'one for each pair. Set decision_function_shape="ovr".'
        )
        raise InvalidInputError(msg)


def raw_margins(estimator: Any) -> str | None:  # noqa: ANN401
    """Return the argument by which `predict` gives raw margins, if it has one."""
    predict = getattr(_last(estimator)[0], "predict", None)
    if predict is None:
        return None
    parameters = signature(predict).parameters
    return next((name for name in _RAW_MARGINS if name in parameters), None)


def _last(estimator: Any, X: Any = None) -> tuple[Any, Any]:  # noqa: ANN401
    """Return the classifier that a pipeline, a search or a frozen one ends in, and its rows."""
    while True:
        if isinstance(estimator, Pipeline):
            if X is not None and len(estimator.steps) > 1:
                X = estimator[:-1].transform(X)
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif is_frozen(estimator):
            estimator = estimator.estimator
        else:
            return estimator, X


def is_frozen(estimator: object) -> bool:
    """Whether this is scikit-learn's FrozenEstimator, which 1.6 is the first to have."""
    return type(estimator).__name__ == "FrozenEstimator"


# Probabilities of 0, as votes of trees are, have no logarithm.


@dataclass(frozen=True, slots=True)
class Raised:
    """What small probabilities are raised to, learned on the rows of a fit."""

    floor: float = 0.0
    log_floor: float = -inf
    n: int = 0  # probabilities of the fit that were raised

    @classmethod
    def learned(cls, rule: Floor, scores: Array, response: Response) -> Self:
        """Return the floor for these scores, (n, k), and how many it raises.

        "auto" is half the smallest probability above 0 where there are zeros. Where there are none
        it is the smallest number that float64 holds in full: a later 0 is what underflow left.
        """
        if not rule.raises or response.method not in ("predict_proba", "predict_log_proba"):
            return cls()
        if response.says_probabilities:
            floored = rule.count(scores)
            floor, n = floored.floor, floored.probabilities
            log_floor = log(floor)
        else:
            least = float(scores.min(initial=0.0, where=~np.isneginf(scores)))
            log_floor = least - log(2.0) if rule.fixed is None else log(rule.fixed)
            floor, n = exp(log_floor), int((scores < log_floor).sum())
        if rule.auto and not n:
            log_floor = min(_UNDERFLOW, log_floor)
            floor = exp(log_floor)
        return cls(floor, log_floor, n)

    def logits(self, scores: Array, response: Response) -> Array:
        """Return the logits of scores, (n, k): of probabilities, those of the raised ones."""
        if response.says_probabilities:
            return log_probs(Floor(self.floor).raised(scores))
        if response.method == "predict_log_proba":
            raised = np.maximum(scores, self.log_floor)
            return np.asarray(raised - log_sums(raised))
        return scores


def log_sums(logits: Array) -> Array:
    """Return log sum exp of each row, (n, 1)."""
    largest = logits.max(axis=1, keepdims=True)
    return np.asarray(largest + np.log(np.exp(logits - largest).sum(axis=1, keepdims=True)))


def class_text(classes: NDArray[Any]) -> str:
    """Return the first classes, as a message shows them."""
    return first_few(list(map(repr, classes.tolist())), 5) or "none"
