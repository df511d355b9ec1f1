"""The monitor: predictions are kept, labels come later, checks say when to fit again."""

from temperance.monitor.checking import Check, StreamCheck, check
from temperance.monitor.monitor import Monitor, create
from temperance.monitor.refitting import Refit, refit
from temperance.monitor.registry import Registry, Version
from temperance.monitor.settings import Settings
from temperance.monitor.store import Store
from temperance.monitor.stored import Counts, Labelled, Logged, StoredRows

__all__ = [
    "Check",
    "Counts",
    "Labelled",
    "Logged",
    "Monitor",
    "Refit",
    "Registry",
    "Settings",
    "Store",
    "StoredRows",
    "StreamCheck",
    "Version",
    "check",
    "create",
    "refit",
]
