"""What the caller says of scores before they become logits: masks, sums, printed zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from temperance.checks.arrays import as_numbers, count_rows, one_column
from temperance.checks.scores import as_logits, as_probs, masked_logits, sum_tolerance
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, log_probs
from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["AS_THEY_ARE", "ScoreRules"]


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """How scores become logits; by default as they are.

    Parameters
    ----------
    mask_below, mask_value : float, optional
        Of logits, as in `masked_logits`.
    renormalize : bool, default False
        Of probabilities, as in `logits_from_probs`.
    floor : float, default 0.0
        Of probabilities, as in `logits_from_probs`.

    Raises
    ------
    InvalidInputError
        A mask that is no number, a floor outside [0, 1).
    """

    mask_below: float | None = None
    mask_value: float | None = None
    renormalize: bool = False
    floor: float = 0.0

    def __post_init__(self) -> None:
        for option, value in (
            ("--mask-below", self.mask_below),
            ("--mask-value", self.mask_value),
        ):
            if value is not None and not value < np.inf:
                msg = f"`{option}` must be a number below infinity, got {value}."
                raise InvalidInputError(msg)
        if not 0.0 <= self.floor < 1.0:
            msg = f"`--floor` must be a probability in [0, 1), got {self.floor}."
            raise InvalidInputError(msg)

    @property
    def options(self) -> tuple[str, ...]:
        """The command's options that are not as by default."""
        return (*self._of_logits, *self._of_probs)

    def logits(self, scores: ArrayLike, kind: Literal["logits", "probs"]) -> NDArray[Any]:
        """Return checked logits (n, k) of scores of this kind, or say which rule is not for it."""
        wrong = self._of_probs if kind == "logits" else self._of_logits
        if wrong:
            other = "probabilities" if kind == "logits" else "logits"
            msg = f"`{wrong[0]}` is for {other}, but these are {kind}; --kind says otherwise."
            raise InvalidInputError(msg)
        if kind == "probs":
            return log_probs(as_probs(scores, renormalize=self.renormalize, floor=self.floor))
        if self._of_logits:
            scores = masked_logits(scores, mask_below=self.mask_below, mask_value=self.mask_value)
        return as_logits(scores)

    def notes(self, scores: ArrayLike, logits: NDArray[Any]) -> tuple[str, ...]:
        """Return what was done to scores that became these logits, counted."""
        notes = []
        given = one_column(as_numbers(scores, name="scores"))
        if self._of_logits:
            masks = np.isneginf(logits) & ~np.isneginf(as_float64(given))
            notes.append(
                f"{count_text(int(np.count_nonzero(masks)), 'logit')} in "
                f"{count_text(count_rows(masks), 'row')} "
                "were taken for "
                f"options that do not exist ({' '.join(self._of_logits)})."
            )
        if self.renormalize and given.ndim == 2:
            sums = as_float64(given).sum(axis=1)
            off = np.abs(sums - 1.0) > sum_tolerance(given.dtype.name)
            if off.any():
                notes.append(
                    f"{np.count_nonzero(off):,} of {count_text(len(sums), 'row')} did not sum "
                    "to 1, but to "
                    f"{sums[off].min():.4g} to {sums[off].max():.4g}: each was divided by its sum "
                    "(--renormalize)."
                )
        if self.floor:
            p = as_float64(given)
            whole = p.sum(axis=1, keepdims=True) if p.ndim == 2 else 1.0
            low = (p if p.ndim == 2 else np.minimum(p, 1.0 - p)) < self.floor * whole
            notes.append(
                f"{np.count_nonzero(low):,} probabilities below {self.floor:g} in "
                f"{count_text(count_rows(low), 'row was', 'rows were')} raised to it (--floor)."
            )
        return tuple(notes)

    @property
    def of_blocks(self) -> tuple[str, ...]:
        """What is said of rows that are read block by block, where nothing is counted."""
        if not self.options:
            return ()
        return (f"scores were read with {' '.join(self.options)}.",)

    @property
    def _of_logits(self) -> tuple[str, ...]:
        pairs = (("--mask-below", self.mask_below), ("--mask-value", self.mask_value))
        return tuple(f"{name} {value!r}" for name, value in pairs if value is not None)

    @property
    def _of_probs(self) -> tuple[str, ...]:
        floor = (f"--floor {self.floor!r}",) if self.floor else ()
        return (*(("--renormalize",) if self.renormalize else ()), *floor)


AS_THEY_ARE = ScoreRules()
