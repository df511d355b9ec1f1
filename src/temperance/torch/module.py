"""A fitted map as a module: tensors in, probabilities on the same device, in the same dtype.

Annotations are types, not text, as TorchScript reads them.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from temperance.calibrators import Calibrator
from temperance.calibrators import operations as ops
from temperance.checks import as_known_names
from temperance.checks.arguments import as_flag, as_whole, require_type
from temperance.errors import InvalidInputError
from temperance.export.parity import check_parity, made_rows
from temperance.torch.models import plain_tensors
from temperance.torch.steps import lowest_logit, steps_of

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from temperance.export.parity import Parity

__all__ = ["CalibratedProbabilities", "apply", "as_module", "require_map_of_logits"]

_PROOF_ROWS = 256
_SOME_WIDTH = 5  # classes of the proof, of a map that takes any number
_TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-6}


class CalibratedProbabilities(nn.Module):
    """Calibrated probabilities of logits, as a module (`as_module` makes and proves it).

    Its numbers are buffers in float64, which stay so under `.half()`, `.to(dtype)` and the like:
    a temperature rounded to bfloat16 would be another one. They move with `.to(device)`, and
    `load_state_dict` takes those of another map of the same method and size.

    Attributes
    ----------
    parity : tuple of Parity
        What it gave beside the calibrator's `apply` when it was made, in float64 and in float32.
    group_names : list of str
        Whose temperatures `groups` counts, where the map has one per group.
    """

    def __init__(
        self, calibrator: Calibrator, *, class_axis: int = -1, trainable: bool = False
    ) -> None:
        super().__init__()
        operations = calibrator.operations()
        steps = steps_of(operations, trainable=trainable)
        self.steps = nn.ModuleList(steps)
        self.method = calibrator.name
        self.n_classes = calibrator.n_classes or 0
        self.of_flat = ": shape (n,) is the log-odds of class 1, of two; one row of k is (1, k)"
        self.n_members = calibrator.n_models if calibrator.traits.members else 0
        by_group = [each.by for each in operations if isinstance(each, ops.DivideByGroup)]
        self.group_names = [name for by in by_group for name in by]
        self.class_axis = class_axis
        self.of_labels = calibrator.kind == "multilabel"
        self.takes_missing = calibrator.traits.masks and not self.of_labels
        self.fills_missing = self.takes_missing and any(step.finite for step in steps)
        self.in_double = any(step.knots for step in steps)
        self.parity: tuple[Parity, ...] = ()

    def forward(self, logits: Tensor, groups: Tensor | None = None) -> Tensor:
        """Return calibrated probabilities.

        Parameters
        ----------
        logits : Tensor, shape (..., k), (n,) or with `class_axis`
            Of a floating dtype; those of an ensemble stacked, (members, ..., k). (n,) are log-odds
            of class 1 of two. -inf is an option that does not exist.
        groups : Tensor of int64, shape (...), optional
            Place of each row's group in `group_names`; -1, or all where left out, is the pooled
            map.

        Returns
        -------
        Tensor
            In the shape of the logits, (n, 2) for (n,); of their device and dtype. Half precision
            is computed in float32 and rounded once, in the end. A row with nan, with +inf, or with
            an option that is missing where the method takes none, is nan.
        """
        if not logits.is_floating_point():
            raise ValueError("`logits` must be a tensor of floating numbers.")  # noqa: EM101, TRY003
        x = logits
        if not self.of_labels and self.n_members == 0 and x.dim() == 1:
            x = torch.stack((torch.zeros_like(x), x), -1)
        elif self.class_axis != -1:
            x = x.movedim(self.class_axis, -1)
        if self.n_classes > 0 and x.size(-1) != self.n_classes:
            raise ValueError(  # noqa: TRY003
                "`logits` must have the "  # noqa: EM102
                f"{self.n_classes} columns that the calibrator was fitted on, got {x.size(-1)}"
                f"{self.of_flat if logits.dim() == 1 else ''}."
            )
        if self.n_members > 0 and x.size(0) != self.n_members:
            raise ValueError(  # noqa: TRY003
                "`logits` of an ensemble must be stacked, one model after the other on axis 0: "  # noqa: EM102
                f"{self.n_members} of them, got {x.size(0)}."
            )
        if self.in_double:
            x = x.double()
        elif x.dtype == torch.float16 or x.dtype == torch.bfloat16:  # noqa: PLR1714  (no sets there)
            x = x.float()
        x = self._probs(x, groups)
        if self.class_axis != -1 and logits.dim() > 1:
            x = x.movedim(-1, self.class_axis)
        return x.to(logits.dtype)

    def _probs(self, x: Tensor, groups: Tensor | None) -> Tensor:
        """Return probabilities of rows in single or double precision, classes last."""
        exists: Tensor | None = None
        if not self.takes_missing:
            x = x.masked_fill(torch.isinf(x), float("nan"))
        if not self.of_labels:  # an offset changes no probability, and costs digits
            x = x - x.amax(-1, keepdim=True).detach()
        if self.fills_missing:
            exists = x != -float("inf")
            x = x.masked_fill(torch.logical_not(exists), lowest_logit(x))
        for step in self.steps:
            x = step(x, exists, groups)
        if exists is None:
            return x
        x = x * exists.to(x.dtype)
        return x / x.sum(-1, keepdim=True)

    @torch.jit.unused
    def group_places(self, names: "ArrayLike") -> Tensor:
        """Return the places of groups in `group_names`, (n,); -1 of those that are not there.

        Parameters
        ----------
        names : array_like, shape (n,)
            As `groups` of the calibrator's `apply`.

        Raises
        ------
        InvalidInputError
            The map has no groups.
        """
        if not self.group_names:
            msg = f"`groups` have no meaning for {self.method}, which has one map for all rows."
            raise InvalidInputError(msg)
        places = {name: place for place, name in enumerate(self.group_names)}
        known = as_known_names(names, n=len(np.asarray(names)))
        return torch.tensor([places.get(str(name), -1) for name in known], dtype=torch.int64)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:  # noqa: ANN401, FBT001, FBT002
        """Move the numbers as `.to(device)` asks, but never round them."""

        def moved(numbers: Tensor) -> Tensor:
            changed = fn(numbers)
            return changed if changed.dtype == numbers.dtype else numbers.to(changed.device)

        return super()._apply(moved, recurse)  # type: ignore[no-untyped-call]

    def extra_repr(self) -> str:
        """Return the method, for `print`."""
        return f"method={self.method!r}"


def as_module(
    calibrator: Calibrator, *, class_axis: int = -1, trainable: bool = False
) -> CalibratedProbabilities:
    """Return the map as an `nn.Module`, once it gives the calibrated numbers.

    It goes behind a model (`nn.Sequential(model, as_module(calibrator))`), takes part in
    `torch.compile`, `torch.export` (any number of rows) and `torch.jit.script`, and gives
    gradients to the logits.

    Parameters
    ----------
    calibrator : Calibrator
        Of logits, of a label matrix or an ensemble; not of answers.
    class_axis : int, default -1
        Which axis of the logits holds the classes; 1 is that of images, (n, k, height, width).
    trainable : bool, default False
        Make its numbers parameters, for an optimizer; a map with knots (isotonic, Venn-Abers) has
        none.

    Returns
    -------
    CalibratedProbabilities
        Of which `parity` holds: 256 made rows, by at most 1e-12 in float64 and 1e-6 in float32.
        Half precision is computed in float32: what comes back is that, rounded once: off by
        at most 2^-9 = 0.2 % of a probability in bfloat16, 2^-12 in float16 (of 2^-14 and more).

    Raises
    ------
    InvalidInputError
        No calibrator, one of answers, or nothing to train.
    ParityError
        It gives other numbers on this machine.

    Examples
    --------
    >>> import torch
    >>> from temperance.calibrators import TemperatureScaling
    >>> halved = as_module(TemperatureScaling(2.0))
    >>> halved(torch.tensor([[2.0, 0.0]]))[0, 0].item() == torch.sigmoid(torch.tensor(1.0)).item()
    True
    """
    require_map_of_logits(calibrator)
    axis = as_whole(class_axis, name="class_axis")
    if axis != -1 and calibrator.traits.members:
        calibrator.refuse_arguments(None, axis, of="members, (n, k) each")
    trainable = as_flag(trainable, name="trainable")
    with plain_tensors():
        return _proved_module(calibrator, axis, trainable=trainable)


def _proved_module(
    calibrator: Calibrator, axis: int, *, trainable: bool
) -> CalibratedProbabilities:
    module = CalibratedProbabilities(calibrator, class_axis=axis, trainable=trainable)
    if trainable and not list(module.parameters()):
        msg = f"`trainable`: the map of method {calibrator.name} has no numbers to train."
        raise InvalidInputError(msg)
    module.parity = tuple(_proved(module, calibrator, dtype) for dtype in _TOLERANCES)
    return module


def apply(
    calibrator: Calibrator,
    logits: Tensor | Sequence[Tensor],
    *,
    groups: "ArrayLike | None" = None,
    class_axis: int = -1,
) -> Tensor:
    """Return calibrated probabilities of a tensor, where it lies, with gradients.

    Parameters
    ----------
    calibrator : Calibrator
        As in `as_module`; the module of the last few is kept.
    logits : Tensor, shape (..., k), (n,) or with `class_axis`; of an ensemble a sequence of them
        Of any floating dtype and device; (n,) are log-odds of class 1 of two. -inf where an option
        does not exist. Values are not looked at: they would have to leave the device.
    groups : array_like, shape (n,), optional
        Names of the rows' groups, as in the calibrator's own `apply`.
    class_axis : int, default -1
        As in `as_module`.

    Returns
    -------
    Tensor
        As `CalibratedProbabilities.forward` says: same shape, device and dtype.

    Raises
    ------
    InvalidInputError
        No tensor, another number of classes than in the fit, groups of a method without.
    ParityError
        As in `as_module`.

    Examples
    --------
    >>> import torch
    >>> from temperance.calibrators import TemperatureScaling
    >>> apply(TemperatureScaling(2.0), torch.zeros(1, 4)).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    require_map_of_logits(calibrator)
    if calibrator.traits.members and isinstance(logits, list | tuple):
        logits = torch.stack(tuple(logits))
    if not isinstance(logits, Tensor):
        msg = (
            f"`logits` must be a torch tensor, got {type(logits).__name__}: of arrays, "
            "`calibrator.apply`."
        )
        raise InvalidInputError(msg)
    if logits.layout != torch.strided or logits.is_nested or logits.element_size() < 2:
        kind = "nested" if logits.is_nested else f"{logits.layout} of {logits.dtype}"
        msg = (
            f"`logits` must be dense, of at least 16 bits, got a tensor that is {kind}: "
            "`.to_dense()`, `.to_padded_tensor(-inf)` or `.float()` make it so."
        )
        raise InvalidInputError(msg)
    module = _module_of(calibrator, class_axis, logits.device)
    places = None if groups is None else module.group_places(groups).to(logits.device)
    try:
        probs: Tensor = module(logits, places)
    except ValueError as error:
        raise InvalidInputError(str(error)) from error
    return probs


@lru_cache(maxsize=16)
def _module_of(
    calibrator: Calibrator, class_axis: int, device: torch.device
) -> CalibratedProbabilities:
    with plain_tensors():  # whoever asks first: others get the same
        return as_module(calibrator, class_axis=class_axis).to(device)


def require_map_of_logits(calibrator: Calibrator) -> None:
    """Raise InvalidInputError where this is no calibrator, or one of no logits."""
    require_type(
        calibrator, Calibrator, name="calibrator",
        rule="a fitted calibrator (`temperance.load(path)` reads one)",
    )  # fmt: skip
    if calibrator.kind == "answers":
        msg = (
            "A calibrator of answers reads one score per answer, and no logits: use "
            "`calibrator.apply(scores)`."
        )
        raise InvalidInputError(msg)


def _proved(
    module: CalibratedProbabilities, calibrator: Calibrator, dtype: torch.dtype
) -> "Parity":
    """Return the parity of made rows in this precision, or raise ParityError."""
    k = calibrator.n_classes or _SOME_WIDTH
    logits, _ = made_rows(k, kind=calibrator.kind, n=_PROOF_ROWS)
    if module.takes_missing:
        logits[5::50, 0] = -np.inf
    rows = torch.from_numpy(logits).to(dtype)
    scores: Any = rows.double().numpy()
    places = names = None
    if module.group_names:
        known = [*module.group_names, "a new group"]
        names = np.array(known)[np.arange(len(rows)) % len(known)]
        places = module.group_places(names)
    if module.n_members:
        rows = torch.stack([rows + 0.5 * i * rows.roll(i, 0) for i in range(module.n_members)])
        rows = torch.where(rows.isnan() | (rows == -float("inf")).any(0), -float("inf"), rows)
        scores = list(rows.double().numpy())
    probs = calibrator.apply(scores, groups=names, refuse_probs=False, dtype=np.float64)
    axis = module.class_axis
    n_axes = max(axis + 1, -axis, rows.dim())
    shown = rows.reshape(*rows.shape[:-1], *[1] * (n_axes - rows.dim()), rows.shape[-1])
    shown = shown if axis == -1 else shown.movedim(-1, axis)
    if places is not None:
        places = places.reshape(-1, *[1] * (n_axes - 2))
    with torch.no_grad():
        exported = module(shown, places).movedim(axis, -1).reshape(probs.shape)
    return check_parity(
        probs, exported.double().numpy(), tolerance=_TOLERANCES[dtype],
        target=f"PyTorch {torch.__version__}, {str(dtype).removeprefix('torch.')}",
        rows=f"{_PROOF_ROWS} made rows",
    )  # fmt: skip
