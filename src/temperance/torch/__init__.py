"""Calibrators in PyTorch: as tensors, as a module, in the weights of a model; logits of a model."""

try:
    import torch as _torch  # noqa: F401  (what the modules below are made of)
except ImportError as error:
    from temperance.errors import MissingDependencyError

    _PACKAGE = "torch"
    raise MissingDependencyError(_PACKAGE, extra="torch", purpose="temperance.torch") from error

from temperance.torch.collect import CollectedLogits, collect_logits
from temperance.torch.fold import Folded, fold
from temperance.torch.module import CalibratedProbabilities, apply, as_module

__all__ = [
    "CalibratedProbabilities",
    "CollectedLogits",
    "Folded",
    "apply",
    "as_module",
    "collect_logits",
    "fold",
]
