"""The labelled rows of a fit of a temperature, by what the caller's logits are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from temperance.blocks import LabelledRows
from temperance.calibrators.training import Training
from temperance.checks.tensors import is_dask_array, is_tensor, shares_memory, without_copy
from temperance.errors import InvalidInputError
from temperance.kernels.engines import check_engine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SourceOfRows", "source_of_rows"]


class SourceOfRows(LabelledRows, Protocol):
    """Labelled rows that know the classes."""

    @property
    def k(self) -> int:
        """Number of classes."""
        ...

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes."""
        ...


def source_of_rows(
    logits: Any,  # noqa: ANN401  (of packages that are not imported here)
    labels: Any,  # noqa: ANN401
    *,
    weights: Any = None,  # noqa: ANN401
    clusters: Any = None,  # noqa: ANN401
    classes: Sequence[object] | None = None,
    engine: str = "auto",
    **options: Any,  # noqa: ANN401  (class_axis, ignore_label, refuse_probs)
) -> SourceOfRows:
    """Return the arguments of a `fit` as rows, wherever they lie."""
    name = check_engine(engine)
    elsewhere = (
        "`clusters` are counted on arrays in memory: pass NumPy arrays, or leave them out and "
        "take the interval for what it is, one of rows that do not share their luck."
    )
    given = {"weights": weights, "classes": classes, **options}
    if is_tensor(logits):
        if name == "torch" or (name == "auto" and not shares_memory(logits)):
            if clusters is not None:
                raise InvalidInputError(elsewhere)
            from temperance.blocks.torch_rows import TorchRows  # noqa: PLC0415  (an optional package)

            return TorchRows.check(logits, labels, **given)
        logits = without_copy(logits, engine=name)
    if is_dask_array(logits):
        if clusters is not None:
            raise InvalidInputError(elsewhere)
        from temperance.blocks.dask_rows import DaskRows  # noqa: PLC0415  (an optional package)

        return DaskRows.check(logits, labels, engine=name, **given)
    return Training.check(logits, labels, clusters=clusters, engine=name, unread=True, **given)
