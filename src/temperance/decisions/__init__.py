"""From probabilities to decisions: when to answer, when to abstain, and which model to ask."""

from temperance.decisions.abstain import abstain
from temperance.decisions.abstention import Abstention, Outcome, Promise
from temperance.decisions.band_promises import BandCounts, BandPromises
from temperance.decisions.bands import Bands, GroupBands, bands
from temperance.decisions.cascade import cascade
from temperance.decisions.cascade_json import cascade_id, load_cascade, save_cascade
from temperance.decisions.cascade_policy import CascadePolicy, Routed
from temperance.decisions.cascade_result import Cascade
from temperance.decisions.coverage_table import CoverageTable, coverage_table
from temperance.decisions.deferral import DeferralRule
from temperance.decisions.policy import (
    Banded,
    Decided,
    DecisionPolicy,
    load_policy,
    policy_id,
    save_policy,
)
from temperance.decisions.split import fit_policy
from temperance.metrics.selective import RiskCoverage, risk_coverage

__all__ = [
    "Abstention",
    "BandCounts",
    "BandPromises",
    "Banded",
    "Bands",
    "Cascade",
    "CascadePolicy",
    "CoverageTable",
    "Decided",
    "DecisionPolicy",
    "DeferralRule",
    "GroupBands",
    "Outcome",
    "Promise",
    "RiskCoverage",
    "Routed",
    "abstain",
    "bands",
    "cascade",
    "cascade_id",
    "coverage_table",
    "fit_policy",
    "load_cascade",
    "load_policy",
    "policy_id",
    "risk_coverage",
    "save_cascade",
    "save_policy",
]
