"""Paired differences of rows that come block by block, in one reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from temperance.checks.arguments import as_mapping
from temperance.compare.comparison import Comparison
from temperance.compare.paired import differences_of
from temperance.errors import InvalidInputError
from temperance.evaluate import measure_blocks
from temperance.metrics.resampling import N_RESAMPLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from temperance.blocks import FileParts
    from temperance.calibrators import Calibrator
    from temperance.evaluate.pieces import OutOfFold

__all__ = ["compare_blocks"]


def compare_blocks(
    blocks: Iterable[Any] | Callable[[], Iterable[Any]] | FileParts,
    calibrators: Mapping[str, Calibrator | Sequence[Calibrator] | OutOfFold | None],
    *,
    kind: Literal["probs", "logits"] = "logits",
    n_bins: int = 15,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
    refuse_probs: bool = True,
) -> Comparison:
    """Measure rows that come in blocks before and after calibrators, in one reading.

    Parameters
    ----------
    blocks : iterable, or function that returns one
        As in `evaluate_blocks`: (scores, labels) or (scores, labels, weights), a block at a time.
    calibrators : mapping of name to Calibrator, sequence of Calibrator, or None
        What is applied to each block; None leaves it as it is. The first one is the baseline,
        e.g. `{"before": None, "after": calibrator}`. Of a sequence of m, block i takes the one at
        place i modulo m: fits that have not seen that block, for instance.
    kind : {"logits", "probs"}, default "logits"
        What the scores are.
    n_bins, n_resamples, seed, classes, ignore_label, refuse_probs
        As in `evaluate_blocks`.

    Returns
    -------
    Comparison
        As from `compare`, of evaluations as from `evaluate_blocks`.

    Raises
    ------
    InvalidInputError
        Fewer than two calibrators, an empty sequence, or as in `evaluate_blocks`.

    Notes
    -----
    Log loss, Brier score and accuracy: normal interval of the paired differences of the rows, as
    in `compare`. Everything else is resampled for each side by itself, so its difference has the
    interval of two independent samples: wider than that of `compare`, and never too narrow where
    errors of the same rows rise and fall together.

    Examples
    --------
    >>> from temperance import TemperatureScaling
    >>> blocks = [([[2.0, 0.0]], [0]), ([[2.0, 0.0], [0.0, 2.0]], [1, 1])]
    >>> sides = {"before": None, "after": TemperatureScaling(2.8854)}
    >>> compared = compare_blocks(blocks, sides)
    >>> round(compared.differences["after"].log_loss.value, 4)
    -0.1571
    """
    rule = "a mapping of name to calibrator (None: as they are), of two or more"
    calibrators = as_mapping(calibrators, name="calibrators", rule=rule)
    if len(calibrators) < 2:
        msg = f"`calibrators` must name at least two sides to compare, got {len(calibrators)}."
        raise InvalidInputError(msg)
    for name, each in calibrators.items():
        if isinstance(each, Sequence) and not each:
            msg = f"`calibrators` has no calibrator for {name!r}; None leaves rows as they are."
            raise InvalidInputError(msg)
    found = measure_blocks(
        blocks, tuple(calibrators.values()), kind=kind, n_bins=n_bins, n_resamples=n_resamples,
        seed=seed, classes=classes, ignore_label=ignore_label, refuse_probs=refuse_probs,
    )  # fmt: skip
    _, *others = calibrators
    return Comparison(
        evaluations=dict(zip(calibrators, found.evaluations, strict=True)),
        differences={
            name: differences_of(gaps, draws, found.draws[0])
            for name, gaps, draws in zip(others, found.gaps, found.draws[1:], strict=True)
        },
    )
