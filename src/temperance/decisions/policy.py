"""A decision policy: a calibrator and the thresholds on its confidence, as one value to deploy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from temperance.calibrators import AnswerConfidence, Calibrator, MultilabelScaling
from temperance.checks.frames import refuse_other_index
from temperance.decisions.abstention import Abstention
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import ArrayLike, NDArray


__all__ = ["Decided", "DecisionPolicy"]


class Decided(NamedTuple):
    """Calibrated probabilities, and which rows may be answered."""

    probs: NDArray[np.float64]  # (n, k); of answers (n,), that they are right
    accepted: NDArray[np.bool_]  # (n,)


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """What to do with a model's outputs: calibrate them, then answer or abstain.

    Parameters
    ----------
    calibrator : Calibrator
        Of one class per row. The promise holds for the probabilities that it gives.
    rule : Abstention
        Thresholds on the largest calibrated probability, from `abstain`.
    facts : mapping, optional
        Which rows were used for what, for people and audits; JSON-ready.

    Raises
    ------
    InvalidInputError
        The calibrator is none, or one of several labels per row; the rule is none of `abstain`.

    Examples
    --------
    >>> from temperance.calibrators import TemperatureScaling
    >>> from temperance.decisions import abstain
    >>> rule = abstain([[0.9, 0.1]] * 200 + [[0.6, 0.4]] * 20, [0] * 200 + [1] * 20, max_risk=0.02)
    >>> policy = DecisionPolicy(TemperatureScaling(1.0), rule)
    >>> probs, accepted = policy.apply([[3.0, 0.0], [0.2, 0.0]])
    >>> accepted
    array([ True, False])
    """

    calibrator: Calibrator
    rule: Abstention
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = {"calibrator": Calibrator, "rule": Abstention}
        for name, kind in wanted.items():
            if not isinstance(getattr(self, name), kind):
                got = type(getattr(self, name)).__name__
                msg = f"`{name}` must be of type {kind.__name__}, got {got}."
                raise InvalidInputError(msg)
        if self.calibrator.kind == MultilabelScaling.kind:
            msg = "`calibrator` must be of one class per row; one of several labels decides no row."
            raise InvalidInputError(msg)

    def apply(
        self, logits: ArrayLike, *, groups: ArrayLike | None = None, refuse_probs: bool = True
    ) -> Decided:
        """Return calibrated probabilities, and which rows are accepted.

        Parameters
        ----------
        logits : array_like, shape (n, k) or (n,)
            As in the calibrator's `apply`; for probabilities pass `logits_from_probs(probs)`. Of a
            calibrator of answers (`llm.AnswerConfidence`), their scores (n,).
        groups : array_like of str, shape (n,), optional
            Needed where thresholds, or temperatures, are those of groups.
        refuse_probs : bool, default True
            Raise if five or more rows are all probabilities; False takes them for logits.

        Returns
        -------
        Decided
            `probs` (n, k) and `accepted` (n,): True where the promise covers the answer, which is
            the most probable class. Of answers, `probs` (n,) that they are right. The two can be
            unpacked.

        Raises
        ------
        InvalidInputError
            As in the calibrator's `apply`; groups are needed and not given, or of another index.
        """
        refuse_other_index(logits=logits, groups=groups)
        own: dict[str, Any] = (
            {} if groups is None or not self.calibrator.traits.groups else {"groups": groups}
        )
        if isinstance(self.calibrator, AnswerConfidence):
            right = self.calibrator.apply(logits)
            return Decided(right, self.rule.accepts(right, groups))
        probs = self.calibrator.apply(logits, refuse_probs=refuse_probs, **own)
        return Decided(probs, self.rule.accepts(probs.max(axis=1), groups))

    def __str__(self) -> str:
        return f"{self.calibrator}\n\n{self.rule}"
