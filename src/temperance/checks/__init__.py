"""The only place where user input becomes arrays. Public functions call these once."""

from temperance.checks.label_map import LabelMap
from temperance.checks.labels import (
    Positions,
    as_classes,
    as_labels,
    refuse_masked_labels,
)
from temperance.checks.probs import as_probs, logits_from_probs
from temperance.checks.row_values import as_group_names, as_groups, as_known_names, as_weights
from temperance.checks.scores import as_logits, looks_like_probs, masked_logits, refuse_probs

__all__ = [
    "LabelMap",
    "Positions",
    "as_classes",
    "as_group_names",
    "as_groups",
    "as_known_names",
    "as_labels",
    "as_logits",
    "as_probs",
    "as_weights",
    "logits_from_probs",
    "looks_like_probs",
    "masked_logits",
    "refuse_masked_labels",
    "refuse_probs",
]
