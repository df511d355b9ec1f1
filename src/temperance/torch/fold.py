"""A map goes into the weights of a model's last layer, which costs nothing when it runs."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.parametrize import is_parametrized

from temperance.calibrators.calibrator import temperature_of
from temperance.checks.arguments import as_flag, require_type, value_text
from temperance.errors import InvalidInputError
from temperance.export.linear import linear_map
from temperance.export.parity import check_parity
from temperance.formats.calibrator_json import content_id
from temperance.torch.models import (
    config_of,
    inferring,
    logits_of,
    refuse_other_classes,
    run_model,
)
from temperance.torch.module import require_map_of_logits
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.export.parity import Parity

    Array = NDArray[np.float64]

__all__ = ["Folded", "fold"]

_WAY_OUT = "`as_module(calibrator)` behind the model does without."
_PROOF_ROWS = 256
_SHOWN = 8  # layers, in an error
_PASSED_ON = (nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.Identity, nn.Flatten, nn.Dropout)
_SPREAD = 3.0  # of the logits that made inputs lead to, at most
_WRAPPED = {"base_layer", "original_module"}  # what adapters call the layer that they add to
_TOLERANCES = {torch.float32: 1e-6, torch.float64: 1e-12}


@dataclass(frozen=True, slots=True, eq=False)
class Folded:
    """A model that gives calibrated logits, and what was done to it.

    Attributes
    ----------
    model : nn.Module
        A copy, or with `inplace=True` the model itself. The softmax of its logits (of a label
        matrix, or of one column, their sigmoid) is what the calibrator gives of the old ones.
    layer : str
        Name of the Linear whose weight and bias hold the map; "" where the model is one.
    how : str
        Why it is that layer, in words.
    parity : tuple of Parity
        Of the layer on 256 made inputs, and of the whole model where `verify` was given.
    """

    model: nn.Module
    layer: str
    how: str
    parity: tuple[Parity, ...]

    def __str__(self) -> str:
        name = f"`{self.layer}`" if self.layer else "the layer"
        largest = max(each.largest_difference for each in self.parity)
        return f"folded into {name} ({self.how}); largest difference {largest:.1e}"


def fold(
    model: nn.Module,
    calibrator: Calibrator,
    *,
    layer: str | None = None,
    inplace: bool = False,
    verify: Any = None,  # noqa: ANN401  (what the model takes)
) -> Folded:
    """Put a map into the weight and bias of the last Linear, once that gives the same numbers.

    y = W h + b becomes M y + c = (M W) h + (M b + c): M = 1/T and c = 0 of a temperature. Identity,
    temperature, bias-corrected temperature, Platt scaling of two columns or of one (log-odds),
    and a label matrix's temperatures and lines are such maps. Vector and matrix scaling read
    log-probabilities; they are where the rows of M add up to one number, and nothing is smoothed.

    Parameters
    ----------
    model : nn.Module
        A Linear, or a model with one at its end, of float32 or float64.
    calibrator : Calibrator
        Fitted on the logits of this model.
    layer : str, optional
        Name of the Linear, as `model.named_modules()` has it. Where left out: the end of a
        Sequential, else the only Linear with one output per class; several are listed in the error.
    inplace : bool, default False
        Change the model itself; otherwise a copy.
    verify : optional
        Inputs of the model: a tensor, a tuple of them, or a dict of them by name. The whole model
        is then run before and after, and a layer that is called twice, or whose output is not what
        the model gives, is refused.

    Returns
    -------
    Folded
        The model, and what was folded into which layer. A Hugging Face model says so in its config,
        which it saves: `config.temperance` has the map's id, method and temperature.

    Raises
    ------
    InvalidInputError
        No Linear, several, one of another width, of a kind that fold does not know (quantised,
        adapters, hooks, half precision); a weight that another layer holds too; a map that is not
        linear; classes that differ from the model's `id2label`; a layer that was folded into before
        (what it holds is its attribute `temperance`).
    ParityError
        The folded layer gives other numbers: by more than 1e-6 (float64: 1e-12), or the rounding
        of its largest logit. The model is as it was.

    Examples
    --------
    >>> from temperance.calibrators import TemperatureScaling
    >>> linear = nn.Linear(3, 2)
    >>> folded = fold(linear, TemperatureScaling(2.0))
    >>> bool((folded.model.weight == linear.weight / 2).all()), folded.how
    (True, 'the model is this Linear')
    """
    require_type(model, nn.Module, name="model", rule="an nn.Module")
    require_map_of_logits(calibrator)
    as_flag(inplace, name="inplace")
    if isinstance(model, torch.jit.ScriptModule):
        msg = f"A scripted model keeps its layers to itself: fold first, then script. {_WAY_OUT}"
        raise InvalidInputError(msg)
    frozen = any(not is_lazy(each) and each.is_inference() for each in model.parameters())
    with torch.inference_mode(mode=frozen):  # new numbers are as the old ones: trained, or not
        return _folded(model, calibrator, layer, inplace=inplace, verify=verify)


def _folded(
    model: nn.Module,
    calibrator: Calibrator,
    layer: str | None,
    *,
    inplace: bool,
    verify: Any,  # noqa: ANN401  (what the model takes)
) -> Folded:
    """Fold into a model of plain tensors, whose kind has been looked at."""
    refuse_other_classes(model, calibrator)
    _refuse_folded(model)
    name, how = _place(model, calibrator, layer)
    old = _checked_linear(model, name)
    _refuse_folded_layer(old, name)
    new = _folded_layer(old, *_map(calibrator, old, name))
    parity = [_layer_parity(old, new, calibrator)]
    before = None if verify is None else _Run.of(model, name, verify)
    changed = model if inplace else deepcopy(model)
    target: Any = changed.get_submodule(name)
    numbers = _numbers(target)
    _set(target, *_numbers(new))
    if before is not None:
        try:
            after = _Run.of(changed, name, verify)
            parity.append(_model_parity(before, after, calibrator))
        except BaseException:
            _set(target, *numbers)
            raise
    target.temperance = folding = _description(calibrator, name)
    if (config := config_of(changed)) is not None:
        config.temperance = folding
    return Folded(changed, name, how, tuple(parity))


# Which layer.


def _place(model: nn.Module, calibrator: Calibrator, layer: str | None) -> tuple[str, str]:
    """Return the name of the layer, and why it is that one; or raise."""
    if layer is not None:
        if layer not in dict(model.named_modules()):
            msg = f"`layer`: the model has no {value_text(layer)}. {_candidates(model)}"
            raise InvalidInputError(msg)
        return layer, "as named"
    if isinstance(model, nn.Linear):
        return "", "the model is this Linear"
    if (last := _end_of_sequential(model)) is not None:
        return last, "the last of the Sequential"
    widths = _widths(model, calibrator)
    names = [name for name, each in _linears(model) if widths is None or each in widths]
    if len(names) == 1:
        _refuse_followed(model, names[0])
        return names[0], "the only Linear with one output per class"
    if not dict(_linears(model)):
        msg = f"The model has no Linear, so there is nothing to fold into. {_WAY_OUT}"
        raise InvalidInputError(msg)
    what = "Several layers" if names else "No Linear"
    classes = f" of {' or '.join(map(str, widths))} outputs" if widths else ""
    msg = (
        f"{what}{classes} could be the last one: name it (`layer`), and give inputs (`verify`), "
        f"which show whether it is. {_candidates(model)}"
    )
    raise InvalidInputError(msg)


def _widths(model: nn.Module, calibrator: Calibrator) -> tuple[int, ...] | None:
    """Return how many outputs the layer may have; None where nobody says."""
    k = calibrator.n_classes or getattr(config_of(model), "num_labels", None)
    if k == 2 and calibrator.kind != "multilabel":
        return (2, 1)
    return None if k is None else (int(k),)


def _linears(model: nn.Module) -> Iterator[tuple[str, int]]:
    """Yield the name and the number of outputs of what is, or looks like, a linear layer."""
    for name, each in model.named_modules():
        width = getattr(each, "out_features", None)
        if isinstance(width, int):
            yield name, width


def _candidates(model: nn.Module) -> str:
    names = [f"`{name}` ({width} outputs)" for name, width in _linears(model)]
    more = f", and {len(names) - _SHOWN} before" if len(names) > _SHOWN else ""
    return (
        f"There {'is' if len(names) == 1 else 'are'} {', '.join(names[-_SHOWN:]) or 'none'}{more}."
    )


def _end_of_sequential(model: nn.Module) -> str | None:
    """Return the Linear at the end of a Sequential, behind which nothing changes the classes."""
    path: list[str] = []
    while isinstance(model, nn.Sequential):
        last = next(
            (
                (name, each)
                for name, each in reversed(list(model.named_children()))
                if not isinstance(each, _PASSED_ON)
            ),
            None,
        )
        if last is None:
            return None
        path.append(last[0])
        model = last[1]
    return ".".join(path) if path and isinstance(model, nn.Linear) else None


def _refuse_followed(model: nn.Module, name: str) -> None:
    """Raise where a Sequential shows that something else than a softmax follows the layer."""
    parts = name.split(".")
    for depth, part in enumerate(parts):
        parent = model.get_submodule(".".join(parts[:depth]))
        if isinstance(parent, nn.Sequential):
            children = list(parent.named_children())
            place = [own for own, _ in children].index(part)
            for _, later in children[place + 1 :]:
                if not isinstance(later, _PASSED_ON):
                    msg = (
                        f"`{name}` is followed by {type(later).__name__}, so what it gives are no "
                        "logits. If they are all the same, name it (`layer`) and give inputs "
                        f"(`verify`). {_WAY_OUT}"
                    )
                    raise InvalidInputError(msg)


def _checked_linear(model: nn.Module, name: str) -> nn.Linear:
    """Return the layer, or say why nothing can be folded into it."""
    layer = model.get_submodule(name)
    what = f"`{name}`" if name else "The model"
    parent = model.get_submodule(name.rpartition(".")[0]) if name else None
    wraps = parent is not None and (
        hasattr(parent, "out_features") or name.rpartition(".")[2] in _WRAPPED
    )
    if type(layer) is not nn.Linear or wraps:
        odd = type(parent if wraps else layer)
        kind = f"{odd.__module__}.{odd.__name__}"
        first = "merge adapters and fold before a layer is quantised"
        if is_parametrized(layer):
            first = (
                "bake the parametrization in (torch.nn.utils.parametrize.remove_parametrizations)"
            )
        msg = (
            f"{what} is {'inside ' if wraps else ''}a {kind}, which fold does not know: {first}, "
            f"or do without: {_WAY_OUT}"
        )
        raise InvalidInputError(msg)
    weight = layer.weight
    plain = type(weight.data) is Tensor and weight.dtype in _TOLERANCES
    if not plain or weight.device.type == "meta":
        msg = (
            f"{what} has weights of {str(weight.dtype).removeprefix('torch.')} on "
            f"{weight.device.type}, too coarse to hold the map, or not there at all: use "
            f"float32 first (`.float()`). {_WAY_OUT}"
        )
        raise InvalidInputError(msg)
    hooks = layer._forward_hooks or layer._forward_pre_hooks or "forward" in vars(layer)  # noqa: SLF001
    if hooks:
        msg = f"{what} has hooks, which may change its weights or its output. {_WAY_OUT}"
        raise InvalidInputError(msg)
    if not all(bool(x.isfinite().all()) for x in (weight, layer.bias) if x is not None):
        msg = f"{what} has weights that are not finite: its logits are none."
        raise InvalidInputError(msg)
    _refuse_shared(model, name, layer)
    return layer


def _refuse_shared(model: nn.Module, name: str, layer: nn.Linear) -> None:
    """Raise where the layer stands in the model twice, or another holds its weight or bias."""
    for other, module in model.named_modules(remove_duplicate=False):
        if module is layer and other != name:
            msg = (
                f"`{name}` is used twice, as `{other}` too: what it gives there would change as "
                f"well. {_WAY_OUT}"
            )
            raise InvalidInputError(msg)
        for key, parameter in module.named_parameters(recurse=False):
            for own in (layer.weight, layer.bias):
                if module is not layer and own is not None and _share_memory(own, parameter):
                    msg = (
                        f"`{name}` is tied: its numbers are those of `{other}.{key}` too, which "
                        f"would change as well. Untie them first, or do without: {_WAY_OUT}"
                    )
                    raise InvalidInputError(msg)


def _share_memory(a: Tensor, b: Tensor) -> bool:
    if a is b:
        return True
    same = a.device == b.device and a.device.type != "meta"
    return same and a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


# The map.


def _map(calibrator: Calibrator, linear: nn.Linear, name: str) -> tuple[Array, Array]:
    """Return the matrix and bias that follow the layer, or raise where there are none."""
    k, width = calibrator.n_classes, linear.out_features
    one = width == 1 and calibrator.kind != "multilabel"
    if (k is not None and k != (2 if one else width)) or (one and k is None):
        msg = (
            f"{f'`{name}`' if name else 'The model'} has {width} outputs, and the calibrator was "
            f"fitted on {'any number of' if k is None else k} classes."
        )
        raise InvalidInputError(msg)
    linear_one = linear_map(calibrator.operations(), 2 if one else width)
    if linear_one is None:
        why = "is no matrix and bias of the logits"
        if calibrator.name in {"vector", "matrix"}:
            why = (
                "reads log-probabilities: their common offset is linear in no logit, and its "
                "factors do not let it cancel (or it is smoothed)"
            )
        msg = f"The map of method {calibrator.name} {why}, so no Linear can hold it. {_WAY_OUT}"
        raise InvalidInputError(msg)
    matrix, bias = linear_one
    if one:  # of logits (0, z), as log-odds
        matrix, bias = np.array([[matrix[1, 1] - matrix[0, 1]]]), np.array([bias[1] - bias[0]])
    return matrix, bias


def _folded_layer(linear: nn.Linear, matrix: Array, bias: Array) -> nn.Linear:
    """Return a layer with the new numbers, computed in float64 and rounded once."""
    rows = linear.weight.detach().double().cpu()
    m, off = torch.from_numpy(matrix), torch.from_numpy(bias)
    diagonal = m.diagonal()
    rows = diagonal[:, None] * rows if bool((m == diagonal.diag()).all()) else m @ rows
    if linear.bias is not None:
        off = off + m @ linear.bias.detach().double().cpu()
    new = nn.Linear(linear.in_features, linear.out_features, device="meta")
    new.weight = nn.Parameter(rows.to(linear.weight))
    has_bias = linear.bias is not None or bool(off.any())
    new.bias = nn.Parameter(off.to(linear.weight)) if has_bias else None  # type: ignore[assignment]
    return new


def _numbers(linear: nn.Linear) -> tuple[Tensor, Tensor | None]:
    return (
        linear.weight.detach().clone(),
        None if linear.bias is None else linear.bias.detach().clone(),
    )


def _set(linear: Any, weight: Tensor, bias: Tensor | None) -> None:  # noqa: ANN401  (bias may be None)
    """Write numbers into a layer, whose parameters stay the same objects."""
    with torch.no_grad():
        linear.weight.copy_(weight)
        if bias is None:
            linear.bias = None
        elif linear.bias is None:
            linear.bias = nn.Parameter(bias, requires_grad=linear.weight.requires_grad)
        else:
            linear.bias.copy_(bias)


# The proof, and what is said of it.


def _layer_parity(old: nn.Linear, new: nn.Linear, calibrator: Calibrator) -> Parity:
    """Return the parity of both layers' numbers, on inputs that make logits of usual size."""
    inputs = torch.randn(
        _PROOF_ROWS,
        old.in_features,
        dtype=torch.float64,
        device="cpu",
        generator=torch.Generator().manual_seed(0),
    )

    def outputs(layer: nn.Linear) -> Tensor:
        weight, bias = (None if x is None else x.double().cpu() for x in _numbers(layer))
        assert weight is not None  # noqa: S101
        return inputs @ weight.t() if bias is None else inputs @ weight.t() + bias

    largest = max(float(outputs(each).std()) for each in (old, new))
    inputs *= min(1.0, _SPREAD / largest) if largest else 1.0
    return _parity(
        outputs(old), outputs(new), calibrator, rows=f"{_PROOF_ROWS} made inputs of the layer",
        tolerance=_TOLERANCES[old.weight.dtype],
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """What a model and its layer gave for some inputs."""

    layer: Tensor  # (n, k)

    @classmethod
    def of(cls, model: nn.Module, name: str, inputs: Any) -> _Run:  # noqa: ANN401
        """Run the model, or raise InvalidInputError where the layer is not its end."""
        calls: list[Tensor] = []
        hook = model.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output: calls.append(output)
        )
        try:
            with inferring(model):
                output = logits_of(run_model(model, inputs))
        except TypeError as error:
            msg = f"`verify` must be what the model takes, got {type(inputs).__name__}: {error}"
            raise InvalidInputError(msg) from error
        except RuntimeError as error:
            error.add_note("When the model ran on `verify`.")
            raise
        finally:
            hook.remove()
        what = f"`{name}`" if name else "the model"
        if len(calls) != 1:
            msg = (
                f"{what} was called {len(calls)} times when the model ran, and can only be folded "
                f"into where it is called once. {_WAY_OUT}"
            )
            raise InvalidInputError(msg)
        logits = calls[0]
        if output.shape == logits.shape[:-1] and logits.shape[-1] == 1:
            output = output.unsqueeze(-1)
        ends = (logits, logits.softmax(-1), logits.log_softmax(-1), logits.sigmoid())
        same = (
            output.shape == end.shape and torch.allclose(output, end, atol=1e-6) for end in ends
        )
        if not any(same):
            msg = f"What the model gives is not what {what} gives, nor its softmax. {_WAY_OUT}"
            raise InvalidInputError(msg)
        return cls(logits.reshape(-1, logits.shape[-1]))


def _model_parity(before: _Run, after: _Run, calibrator: Calibrator) -> Parity:
    old, new = before.layer, after.layer
    largest = max(float(each.abs().max()) for each in (old, new))
    rounding = 4.0 * torch.finfo(old.dtype).eps * largest
    return _parity(
        old, new, calibrator, rows=f"{len(old):,} rows of the model",
        tolerance=max(_TOLERANCES[old.dtype], rounding),
    )  # fmt: skip


def _parity(
    old: Tensor, new: Tensor, calibrator: Calibrator, *, rows: str, tolerance: float
) -> Parity:
    """Compare the calibrated probabilities of old logits with those that new ones say."""
    scores, logits = (each.detach().double().cpu().numpy() for each in (old, new))
    of_labels = calibrator.kind == "multilabel"
    one = scores.shape[1] == 1 and not of_labels
    probs = calibrator.apply(scores[:, 0] if one else scores, refuse_probs=False, dtype=np.float64)
    if one:
        logits = np.hstack([np.zeros_like(logits), logits])
    exported = torch.from_numpy(logits)
    exported = exported.sigmoid() if of_labels else exported.softmax(-1)
    return check_parity(
        probs, exported.numpy(), target=f"PyTorch {torch.__version__}", rows=rows,
        tolerance=tolerance,
    )  # fmt: skip


def _description(calibrator: Calibrator, layer: str) -> dict[str, Any]:
    """Return what was folded: for the layer, and for the config of a Hugging Face model."""
    return {
        "id": content_id(calibrator),
        "method": calibrator.name,
        "temperature": temperature_of(calibrator),
        "layer": layer,
        "library": f"temperance {__version__}",
    }


def _refuse_folded_layer(layer: nn.Linear, name: str) -> None:
    """Raise where this layer holds a map: a cell of a notebook that runs twice."""
    known = getattr(layer, "temperance", None)
    if known is not None:
        what = f"`{name}`" if name else "The model"
        msg = (
            f"{what} holds a map already ({value_text(known)}): fold into the model as it was "
            "trained, or, if the map was fitted on these very logits, delete the layer's "
            "`temperance` first."
        )
        raise InvalidInputError(msg)


def _refuse_folded(model: nn.Module) -> None:
    """Raise where the config says that a map has been folded already."""
    known = getattr(config_of(model), "temperance", None)
    if known is not None:
        msg = (
            f"This model gives calibrated logits already: its config says so (`temperance`: "
            f"{value_text(known)}). Fold into the model as it was trained, or, if the map was "
            "fitted on these very logits, delete `config.temperance` first."
        )
        raise InvalidInputError(msg)
