"""Drift: evidence that served probabilities went wrong, which one may look at after every label."""

from temperance.drift.bets import Bet, Bets
from temperance.drift.cause import Cause, Onset, cause_of, estimate_onset
from temperance.drift.challenge import Challenge, challenge
from temperance.drift.collect import collect, collect_blocks
from temperance.drift.evidence import Alarm, Evidence, EvidencePath
from temperance.drift.unlabelled import AccuracyEstimate, ConfidenceShift, ConfidenceSums

__all__ = [
    "AccuracyEstimate",
    "Alarm",
    "Bet",
    "Bets",
    "Cause",
    "Challenge",
    "ConfidenceShift",
    "ConfidenceSums",
    "Evidence",
    "EvidencePath",
    "Onset",
    "cause_of",
    "challenge",
    "collect",
    "collect_blocks",
    "estimate_onset",
]
