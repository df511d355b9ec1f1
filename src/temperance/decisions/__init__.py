"""What calibrated probabilities decide: which model answers."""

from temperance.decisions.cascade import cascade
from temperance.decisions.cascade_policy import CascadePolicy
from temperance.decisions.cascade_result import Cascade
from temperance.decisions.deferral import DeferralRule

__all__ = ["Cascade", "CascadePolicy", "DeferralRule", "cascade"]
