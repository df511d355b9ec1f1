"""Decisions on the spans of OpenTelemetry: how sure, by which map, accepted or not.

Importing it raises `MissingDependencyError` without OpenTelemetry's API (extra `otel`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.checks.arguments import require_type
from temperance.decisions.policy import Decided, DecisionPolicy, policy_id
from temperance.errors import MissingDependencyError
from temperance.formats.calibrator_json import content_id

try:
    from opentelemetry import trace
except ImportError as error:
    _PACKAGE = "opentelemetry-api"
    raise MissingDependencyError(_PACKAGE, extra="otel", purpose="temperance.telemetry") from error

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["TracedPolicy"]

_PREFIX = "temperance."


class TracedPolicy:
    """A decision policy whose decisions are noted on the current span.

    Where nobody traces, the current span keeps nothing, and nothing else changes.

    Parameters
    ----------
    policy : DecisionPolicy
        What decides. Its ids are computed once.

    Raises
    ------
    InvalidInputError
        `policy` is none.

    Notes
    -----
    Attributes: `temperance.calibrator.id` and `temperance.policy.id` (`content_id` and
    `policy_id`, as `temperance serve` answers them), `temperance.calibrator.method`,
    `temperance.rows` and `temperance.accepted_rows`, both counts; of a single row also
    `temperance.confidence`, its largest calibrated probability (of an answer, that it is right), in
    [0, 1], and `temperance.accepted`, true or false. No scores, labels or texts are noted.

    Examples
    --------
    >>> from temperance.calibrators import TemperatureScaling
    >>> from temperance.decisions import DecisionPolicy, abstain
    >>> rule = abstain([[0.9, 0.1]] * 200 + [[0.6, 0.4]] * 20, [0] * 200 + [1] * 20, max_risk=0.02)
    >>> policy = TracedPolicy(DecisionPolicy(TemperatureScaling(1.0), rule))
    >>> policy.apply([[3.0, 0.0]]).accepted
    array([ True])
    """

    __slots__ = ("_facts", "policy")

    def __init__(self, policy: DecisionPolicy) -> None:
        rule = "a DecisionPolicy, as `load_policy` reads it"
        self.policy: DecisionPolicy = require_type(policy, DecisionPolicy, name="policy", rule=rule)
        self._facts: dict[str, str | bool | int | float] = {
            f"{_PREFIX}calibrator.id": content_id(policy.calibrator),
            f"{_PREFIX}calibrator.method": policy.calibrator.name,
            f"{_PREFIX}policy.id": policy_id(policy),
        }

    def apply(
        self, logits: ArrayLike, *, groups: ArrayLike | None = None, refuse_probs: bool = True
    ) -> Decided:
        """Return what the policy decides, and note it on the current span.

        Parameters
        ----------
        logits, groups, refuse_probs
            As in `DecisionPolicy.apply`.

        Returns
        -------
        Decided
            As of `DecisionPolicy.apply`: `probs` and `accepted`.

        Raises
        ------
        InvalidInputError
            As in `DecisionPolicy.apply`; then nothing is noted.
        """
        decided = self.policy.apply(logits, groups=groups, refuse_probs=refuse_probs)
        span = trace.get_current_span()
        if span.is_recording():
            span.set_attributes(self._facts | _attributes(decided))
        return decided


def _attributes(decided: Decided) -> dict[str, str | bool | int | float]:
    """Return counts, and of one row how sure and whether it is accepted."""
    rows = len(decided.accepted)
    attributes: dict[str, str | bool | int | float] = {
        f"{_PREFIX}rows": rows,
        f"{_PREFIX}accepted_rows": int(decided.accepted.sum()),
    }
    if rows == 1:
        attributes[f"{_PREFIX}confidence"] = float(decided.probs.max())
        attributes[f"{_PREFIX}accepted"] = bool(decided.accepted[0])
    return attributes
