"""Gates for CI, judged by evidence: limits, an older model, a shift, a promise, a pass rate."""

from temperance.gates.baseline import Baseline, check_baseline
from temperance.gates.difference import DifferenceGate, check_differences
from temperance.gates.gated import Gated
from temperance.gates.limits import Gate, check_gates
from temperance.gates.moved import ShiftGate, check_shift
from temperance.gates.pass_rates import (
    PassRateDifferenceGate,
    PassRateGate,
    check_pass_rate,
    check_pass_rate_differences,
)
from temperance.gates.promise import BandGate, PromiseGate, check_promises
from temperance.gates.row_sums import RowSums
from temperance.gates.summary import JUnitCase, gate_cases, junit_xml, markdown_page

__all__ = [
    "BandGate",
    "Baseline",
    "DifferenceGate",
    "Gate",
    "Gated",
    "JUnitCase",
    "PassRateDifferenceGate",
    "PassRateGate",
    "PromiseGate",
    "RowSums",
    "ShiftGate",
    "check_baseline",
    "check_differences",
    "check_gates",
    "check_pass_rate",
    "check_pass_rate_differences",
    "check_promises",
    "check_shift",
    "gate_cases",
    "junit_xml",
    "markdown_page",
]
