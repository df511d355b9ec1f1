"""What the caller says of scores before they become logits: masks, sums, printed zeros."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from temperance.checks.arrays import as_numbers, count_rows, one_column
from temperance.checks.floors import Floor, Floored
from temperance.checks.scores import as_logits, as_probs, masked_logits, sum_tolerance
from temperance.errors import InvalidInputError
from temperance.numerics import as_float64, log_probs
from temperance.printable import count_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["AS_THEY_ARE", "ScoreRules"]

_AS_IN_FIT = "as in the fit of the calibrator (--floor 0 leaves them)"


@dataclass(frozen=True, slots=True)
class ScoreRules:
    """How scores become logits; by default as they are.

    Parameters
    ----------
    mask_below, mask_value : float, optional
        Of logits, as in `masked_logits`.
    renormalize : bool, default False
        Of probabilities, as in `logits_from_probs`.
    floor : Floor, optional
        Of probabilities, as in `logits_from_probs`; None where nothing was said.
    fitted_floor : float, optional
        What the probabilities of a calibrator's fit were raised to: holds where `floor` is None.

    Raises
    ------
    InvalidInputError
        A mask that is no number.
    """

    mask_below: float | None = None
    mask_value: float | None = None
    renormalize: bool = False
    floor: Floor | None = None
    fitted_floor: float | None = None

    def __post_init__(self) -> None:
        for option, value in (
            ("--mask-below", self.mask_below),
            ("--mask-value", self.mask_value),
        ):
            if value is not None and not value < np.inf:
                msg = f"`{option}` must be a number below infinity, got {value}."
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
            return log_probs(as_probs(scores, renormalize=self.renormalize, floor=self.least))
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
        return tuple(notes)

    @property
    def least(self) -> Floor:
        """The floor that holds."""
        return self.floor or Floor(self.fitted_floor or 0.0)

    def as_found(self, floored: Floored) -> Self:
        """Return the rules for other rows of a model: a floor "auto" is what it was found to be."""
        if self.floor is None or not self.floor.auto:
            return self
        return replace(self, floor=Floor(floored.floor))

    def floored(self, scores: ArrayLike, kind: Literal["logits", "probs"]) -> Floored | None:
        """Return what was raised of these scores, counted; None where nothing is."""
        if kind == "logits" or not self.least.raises:
            return None
        p, sums = as_float64(one_column(as_numbers(scores, name="scores"))), None
        if p.ndim == 1:
            p = np.stack([1.0 - p, p], axis=1)
        else:
            sums = p.sum(axis=1)
            p = p / sums[:, None]
        return self.least.count(p, sums if self.renormalize else None)

    def floored_labels(self, scores: ArrayLike, kind: Literal["logits", "probs"]) -> Floored | None:
        """Return what was raised of probabilities of independent labels, counted."""
        if kind == "logits" or not self.least.raises:
            return None
        return self.least.count_labels(as_float64(as_numbers(scores, name="scores")))

    def refuse_of_probs(self) -> None:
        """Raise if a rule is for probabilities, of what are logits."""
        if self._of_probs:
            msg = (
                f"`{self._of_probs[0]}` is for probabilities, but these are logits; --kind says "
                "otherwise."
            )
            raise InvalidInputError(msg)

    def note(self, floored: Floored | None) -> tuple[str, ...]:
        """Return what is said of the probabilities that were raised."""
        if floored is None or (self.floor is None and not floored.probabilities):
            return ()
        if self.floor is None:
            return (f"{floored}, {_AS_IN_FIT}.",)
        return (f"{floored} (--floor).",)

    @property
    def of_blocks(self) -> tuple[str, ...]:
        """What is said of rows that are read block by block, where nothing is counted."""
        notes: tuple[str, ...] = ()
        if self.options:
            notes = (f"scores were read with {' '.join(self.options)}.",)
        if self.floor is None and self.fitted_floor:
            floor = f"probabilities below {self.fitted_floor:.4g} are raised to it"
            notes += (f"{floor}, {_AS_IN_FIT}.",)
        return notes

    @property
    def _of_logits(self) -> tuple[str, ...]:
        pairs = (("--mask-below", self.mask_below), ("--mask-value", self.mask_value))
        return tuple(f"{name} {value!r}" for name, value in pairs if value is not None)

    @property
    def _of_probs(self) -> tuple[str, ...]:
        floor = (f"--floor {self.floor}",) if self.floor is not None and self.floor.raises else ()
        return (*(("--renormalize",) if self.renormalize else ()), *floor)


AS_THEY_ARE = ScoreRules()
