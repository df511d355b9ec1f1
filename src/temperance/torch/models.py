"""A model as it is: how it is called, what it gives, what its config says of the classes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from temperance.calibrators import Calibrator

__all__ = [
    "class_names",
    "config_of",
    "device_of",
    "inferring",
    "logits_of",
    "plain_tensors",
    "refuse_other_classes",
    "run_model",
]


@contextmanager
def inferring(model: nn.Module) -> Iterator[None]:
    """Run a model inside the `with` as it is used, not trained; every part is then as it was."""
    parts = [(each, each.training) for each in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for each, training in parts:
            each.training = training


@contextmanager
def plain_tensors() -> Iterator[None]:
    """Make tensors inside the `with` on the CPU, of which gradients can be taken later.

    Whatever the caller is in: `torch.inference_mode()`, `with torch.device("meta")`.
    """
    with torch.inference_mode(False), torch.device("cpu"):  # noqa: FBT003  (as torch.compile knows it)
        yield


def run_model(model: nn.Module, inputs: Any) -> Any:  # noqa: ANN401  (what models take and give)
    """Call a model with a tensor, a tuple of arguments or a mapping of them by name."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    if isinstance(inputs, tuple | list):
        return model(*inputs)
    return model(inputs)


def logits_of(output: Any) -> Tensor:  # noqa: ANN401
    """Return the logits of what a model gives: a tensor, `.logits`, "logits", or the first of all.

    Raises InvalidInputError where there are none.
    """
    value = output
    if not isinstance(value, Tensor):
        value = getattr(output, "logits", None)
    if value is None and isinstance(output, Mapping):
        value = output.get("logits")
    if value is None and isinstance(output, tuple | list) and output:
        value = output[0]
    if not isinstance(value, Tensor):
        msg = (
            "The model must give a tensor of logits, or something with `.logits`, got "
            f"{type(output).__name__}: wrap it in a module that does."
        )
        raise InvalidInputError(msg)
    return value


def device_of(model: nn.Module) -> torch.device:
    """Return where the model's first parameter lies; the processor's memory if it has none."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def config_of(model: nn.Module) -> Any:  # noqa: ANN401  (a Hugging Face config, duck-typed)
    """Return the config of a Hugging Face model, one with `id2label`; None of others."""
    config = getattr(model, "config", None)
    return config if isinstance(getattr(config, "id2label", None), Mapping) else None


def class_names(model: nn.Module) -> tuple[str, ...] | None:
    """Return the names of `id2label` in the order of the columns.

    None where there is no config, or its names are the placeholders LABEL_0, LABEL_1, ...
    """
    config = config_of(model)
    if config is None:
        return None
    names = {int(place): str(name) for place, name in config.id2label.items()}
    if sorted(names) != list(range(len(names))):
        return None
    in_order = tuple(names[place] for place in range(len(names)))
    return None if all(f"LABEL_{i}" == name for i, name in enumerate(in_order)) else in_order


def refuse_other_classes(model: nn.Module, calibrator: Calibrator) -> None:
    """Raise InvalidInputError where calibrator and `id2label` name other classes, or in order."""
    of_model, of_map = class_names(model), calibrator.classes
    if of_model is None or of_map is None or of_model == of_map:
        return
    order = " in this order" if sorted(of_model) == sorted(of_map) else ""
    msg = (
        f"The calibrator's classes are {', '.join(of_map)}, those of the model's `id2label`"
        f"{order} {', '.join(of_model)}: fit the map on this model's logits, with columns in the "
        "order of `id2label` (`collect_logits` keeps it)."
    )
    raise InvalidInputError(msg)
