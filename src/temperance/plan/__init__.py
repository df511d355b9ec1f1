"""How many labels are needed: answered from outputs alone, before anybody labels a row."""

from temperance.plan.counts import PilotFit
from temperance.plan.planner import Plan, plan

__all__ = ["PilotFit", "Plan", "plan"]
