"""From probabilities to decisions: when to answer and when to abstain, with a promise."""

from temperance.decisions.abstain import abstain
from temperance.decisions.abstention import Abstention, Promise
from temperance.decisions.outcome import Outcome
from temperance.decisions.policy import Decided, DecisionPolicy
from temperance.decisions.policy_json import load_policy, save_policy
from temperance.metrics.selective import RiskCoverage, risk_coverage

__all__ = [
    "Abstention",
    "Decided",
    "DecisionPolicy",
    "Outcome",
    "Promise",
    "RiskCoverage",
    "abstain",
    "load_policy",
    "risk_coverage",
    "save_policy",
]
