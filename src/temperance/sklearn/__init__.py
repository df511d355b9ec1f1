"""Calibrated classifiers as scikit-learn estimators: in pipelines, searches, cross-validation."""

try:
    import sklearn as _sklearn  # noqa: F401  (what the modules below are made of)
except ImportError as error:
    from temperance.errors import MissingDependencyError

    _PACKAGE = "scikit-learn"
    raise MissingDependencyError(_PACKAGE, extra="sklearn", purpose="temperance.sklearn") from error

from temperance.sklearn.classifier import CalibratedClassifier

__all__ = ["CalibratedClassifier"]
