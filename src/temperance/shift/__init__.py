"""What has changed between labelled rows and new ones, and what can be done about it."""

from temperance.shift.covariates import CovariateWeights, covariate_weights, shape_features
from temperance.shift.label_shift import LabelShift
from temperance.shift.priors import label_shift, label_shift_of_logits
from temperance.shift.transfer import Transfer, transfer

__all__ = [
    "CovariateWeights",
    "LabelShift",
    "Transfer",
    "covariate_weights",
    "label_shift",
    "label_shift_of_logits",
    "shape_features",
    "transfer",
]
