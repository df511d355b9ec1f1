"""Confidence in whole answers: from one score per answer to the probability that it is right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from temperance.calibrators.calibrator import Calibrator
from temperance.calibrators.identity import Identity
from temperance.calibrators.methods import METHODS, check_method
from temperance.calibrators.platt import PlattScaling
from temperance.calibrators.record import ScoreTest
from temperance.calibrators.training import Training
from temperance.checks import Positions, as_weights
from temperance.checks.answer_scores import (
    ANSWER_CLASSES,
    AnswerScale,
    as_correct,
    base_rate_logits,
    words_of,
)
from temperance.checks.arguments import as_word, value_text
from temperance.checks.forms import refuse_other_index
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators.calibrator import Traits
    from temperance.calibrators.operations import Operation
    from temperance.calibrators.training import Outputs
    from temperance.readers.json_object import JsonObject

    Array = NDArray[np.float64]

__all__ = ["ANSWER_METHODS", "AnswerConfidence"]

ANSWER_METHODS = ("identity", "platt", "beta", "isotonic", "venn-abers")


@dataclass(frozen=True, slots=True, eq=False)
class AnswerConfidence(Calibrator):
    r"""P(the answer is right) = a calibrator of two classes, on the log-odds of the score.

    Parameters
    ----------
    inner : Calibrator
        The map of the log-odds, of two classes: wrong and correct.
    score_scale : AnswerScale
        What the scores are, and so how they become log-odds (`answer_log_odds`).

    Raises
    ------
    InvalidInputError
        `inner` is of another method than identity, platt, beta, isotonic or venn-abers.

    Notes
    -----
    A temperature on tokens cannot do this: an answer is right or wrong as a whole, and the
    likelihood of right and wrong says nothing about any token. Here the pair (score, right or
    wrong) is the row, and the map is fitted by its log loss.

    Equal scores get equal probabilities, whatever the order of the rows. Of heaped scores, say ten
    stated percentages, `platt` and `beta` count each row; `isotonic` makes one knot of each
    distinct score, weighted with its rows, and pools neighbours until the shares rise. A value
    that was stated few times is thus judged by its neighbours with `platt`, but by itself with
    `isotonic` if it lies at an end. `rates_by_score` shows the share per value, with intervals.

    Examples
    --------
    Of answers stated as 50 % one in four is right, of those stated as 90 % three in four.

    >>> found = AnswerConfidence.fit([50] * 4 + [90] * 4, [0, 0, 0, 1, 0, 1, 1, 1],
    ...                              scale="percent", method="isotonic")
    >>> found.apply([50, 90]).round(4).tolist()
    [0.25, 0.75]
    """

    method: ClassVar[str] = "platt"
    kind: ClassVar[str] = "answers"
    unit: ClassVar[tuple[str, ...]] = ("answer",)
    traits: ClassVar[Traits] = replace(
        PlattScaling.traits,
        summary="a two-class map of the log-odds of one score per answer",
        classes="2: wrong, correct",
    )

    inner: Calibrator
    score_scale: AnswerScale

    def __post_init__(self) -> None:
        method = getattr(self.inner, "method", self.inner)
        if not isinstance(self.inner, Calibrator) or method not in ANSWER_METHODS:
            names = ", ".join(ANSWER_METHODS)
            msg = f"`inner` must be a calibrator, one of {names}, got {value_text(method)}."
            raise InvalidInputError(msg)
        if not isinstance(self.score_scale, AnswerScale):
            msg = f"`score_scale` must be an AnswerScale, got {value_text(self.score_scale)}."
            raise InvalidInputError(msg)

    @classmethod
    def fit(
        cls,
        scores: ArrayLike,
        correct: ArrayLike,
        *,
        scale: str,
        of: int | None = None,
        words: Mapping[str, float] | None = None,
        method: str = "platt",
        weights: ArrayLike | None = None,
        prior: float = 0.0,
    ) -> Self:
        """Return the map from scores to P(correct) that fits the rows best.

        Parameters
        ----------
        scores : array_like, shape (n,)
            One per answer; the larger, the more confident.
        correct : array_like, shape (n,)
            True or 1 where the answer is right, False or 0 where not.
        scale : {"logprob", "probability", "fraction", "percent", "count", "real"}
            What the scores are; never guessed. See `temperance.llm.answer_log_odds`.
        of : int, optional
            How many samples a count is of.
        words : mapping of str to float, optional
            What words in place of a score stand for, on its scale: {"high": 90, "low": 30}. Texts
            with a percent sign, "95 %", are percentages on every scale of shares.
        method : {"platt", "beta", "isotonic", "venn-abers", "identity"}, default "platt"
            Two numbers; three; any rising curve; that with an interval; nothing, which "real"
            scores do not take: they are no log-odds.
        weights : array_like, shape (n,), optional
            Finite, >= 0.
        prior : float, default 0.0
            As in `BetaCalibration.fit`; for `beta` only.

        Returns
        -------
        AnswerConfidence
            With the `record` of the fit.

        Raises
        ------
        InvalidInputError
            Scores outside their scale, `correct` that is not true or false, another method, pandas
            objects of different indexes.
        NoOptimumError
            As in the method's `fit`: all answers right (or wrong), all scores equal, or the
            larger the score, the fewer right.
        """
        method = as_word(method, ANSWER_METHODS, name="method")
        refuse_other_index(scores=scores, correct=correct, weights=weights)
        of_scores = AnswerScale(scale, of, words_of(words))
        odds = of_scores.log_odds(scores)
        z = np.stack([np.zeros_like(odds), odds], axis=1)
        y = as_correct(correct, n=len(odds))
        w: Any = weights  # checked by the fit
        if method == Identity.method:
            of_scores.refuse_identity()
        check_method(method, prior=prior)
        rows = Training.check(z, Positions(y), weights=w, prior=prior, refuse_probs=False)
        fitted = METHODS[method].from_rows(rows)
        return cls.around(fitted, of_scores, labels=y, weights=as_weights(w, n=len(y)))

    @classmethod
    def around(
        cls,
        inner: Calibrator,
        scale: AnswerScale,
        *,
        labels: NDArray[np.intp] | None = None,
        weights: Array | None = None,
    ) -> Self:
        """Return the map of scores of one fitted on their log-odds.

        Of scores that claim no probability, the log loss "before" is that of the base rate of the
        `labels`, and there is no confidence to test: z = 0.
        """
        record = inner.record
        if record is not None and labels is not None and not scale.says_probabilities:
            odds = base_rate_logits(labels, weights)[0, 1]
            losses = np.logaddexp(0.0, np.where(labels == 1, -odds, odds))
            before = float(np.average(losses, weights=weights))
            none = ScoreTest(z=0.0, p_value=1.0)
            record = replace(record, log_loss_before=before, score_test=none)
        inner = replace(inner, n_classes=2, classes=None, record=None)
        return cls(inner, scale, n_classes=2, classes=ANSWER_CLASSES, record=record)

    @property
    def name(self) -> str:
        """Method as a file names it: that of the inner map."""
        return self.inner.method

    @property
    def of_logits(self) -> Calibrator:
        """The map of rows (0, log-odds of the score)."""
        return self.inner

    def with_map(self, fitted: Calibrator) -> Calibrator:
        """Return what takes scores of the same scale, by another map of two classes."""
        return AnswerConfidence.around(fitted, self.score_scale)

    @property
    def reads_probabilities(self) -> bool:
        """Whether the scores themselves claim how likely an answer is right."""
        return self.score_scale.says_probabilities

    @property
    def own_traits(self) -> Traits:
        """Facts about the inner map."""
        return self.inner.traits

    @property
    def answer_scale(self) -> AnswerScale:
        """What the scores of answers are."""
        return self.score_scale

    def outputs(
        self,
        logits: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        class_axis: int = -1,
        refuse_probs: bool = True,  # noqa: ARG002  (what scores are, their scale says)
    ) -> Outputs:
        """Return the arguments of `apply`, checked: scores, (n,), as their log-odds."""
        self.refuse_arguments(groups, class_axis, of="scores, one per answer")
        odds = self.score_scale.log_odds(logits)
        return self.inner.outputs(odds, refuse_probs=False)

    def block_probs(self, block: Array, groups: NDArray[np.str_] | None = None) -> Array:
        """Return the probabilities of a block of logits, (0, log-odds of the score)."""
        return self.inner.block_probs(block, groups)

    def scaled(self, block: Array) -> Array:
        """Return the calibrated logits of a block of logits, (0, log-odds of the score)."""
        return self.inner.scaled(block)

    def restored(self, probs: Array, outputs: Outputs) -> Array:  # noqa: ARG002
        """Return the probability that each answer is right, (n,)."""
        return np.asarray(probs[:, 1])

    def restored_logits(self, scaled: Array, outputs: Outputs) -> Array:  # noqa: ARG002
        """Return the calibrated log-odds that each answer is right, (n,)."""
        return np.asarray(scaled[:, 1] - scaled[:, 0])

    def parameters(self) -> dict[str, Any]:
        """Return the scale of the scores, and the numbers of the inner map."""
        return {"score": self.score_scale.to_dict(), **self.inner.parameters()}

    def operations(self) -> tuple[Operation, ...]:
        """Return those of the inner map, of logits (0, log-odds of the score)."""
        return self.inner.operations()

    @classmethod
    def from_parameters(cls, parameters: JsonObject, **common: Any) -> Self:  # noqa: ANN401
        """Return the calibrator of `parameters()`; `method` says the inner map."""
        score = parameters.section("score")
        of = score.integer("of") if score.has("of") else None
        words: dict[str, float] = {}
        if score.has("words"):
            entries = score.section("words")
            words = {word: entries.number(word) for word in entries.values}
        scale = AnswerScale(score.text("scale"), of, tuple(words.items()))
        method = common.pop("method")
        inner = METHODS[method].from_parameters(parameters, n_classes=2)
        score.require_all_asked()
        return cls.around(inner, scale)

    def facts(self) -> list[tuple[str, str]]:
        """Return the inner map's numbers, and what the scores are."""
        of = f" of {self.score_scale.of}" if self.score_scale.of else ""
        return [*self.inner.facts(), ("score", f"{self.score_scale.name}{of}")]
