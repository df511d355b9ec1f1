"""What has changed between labelled rows and new ones, and what can be done about it."""

from temperance.shift.covariates import CovariateWeights, covariate_weights, shape_features
from temperance.shift.diagnosis import Diagnosis, diagnose
from temperance.shift.label_shift import LabelShift
from temperance.shift.no_optimum import NoOptimum
from temperance.shift.priors import estimate_label_shift, estimate_label_shift_from_logits

__all__ = [
    "CovariateWeights",
    "Diagnosis",
    "LabelShift",
    "NoOptimum",
    "covariate_weights",
    "diagnose",
    "estimate_label_shift",
    "estimate_label_shift_from_logits",
    "shape_features",
]
