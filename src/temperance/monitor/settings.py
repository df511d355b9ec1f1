"""What a monitor is told once, when its store is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from temperance.checks.arguments import as_flag, as_number, as_word, optional_text, value_text
from temperance.drift import Alarm
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen, Plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.monitor.scores import Precision

__all__ = ["Settings"]

_LONGEST_DELAY = 3e9


@dataclass(frozen=True, slots=True)
class Settings(Plain, Frozen):
    """What holds for all rows of a store.

    Attributes
    ----------
    delay : float, default 0
        Seconds after a prediction before its label may count, so that early labels are not those
        of easy rows alone.
    alpha, run_length : float, optional
        The promise of the alarm (`temperance.drift.Alarm`); of neither, alpha is 0.01.
    groups : tuple of str
        Groups with bets of their own; at most what one can name beforehand.
    precision : {"float32", "float16"}, default "float32"
        Of the stored scores. float16 is half the size, and moves a probability by up to 0.05 % of
        itself for logits within 1 of the largest, 0.8 % for those 16 below it.
    ragged : bool, default False
        Whether rows may have different numbers of options; then there are no bets on classes.
    registry : str
        Folder of the calibrators.
    policy : str, optional
        File of the policy that decides by the serving calibrator.
    """

    registry: str
    delay: float = 0.0
    alpha: float | None = None
    run_length: float | None = None
    groups: tuple[str, ...] = ()
    precision: Precision = "float32"
    ragged: bool = False
    policy: str | None = None

    def __post_init__(self) -> None:
        """Check the values.

        Raises
        ------
        InvalidInputError
            One that is out of its range.
        """
        as_number(
            self.delay, name="delay", rule="from 0 to 3e9 seconds (95 years)", least=0.0,
            most=_LONGEST_DELAY, option="--delay",
        )  # fmt: skip
        as_word(self.precision, ("float32", "float16"), name="precision")
        as_flag(self.ragged, name="ragged")
        optional_text(self.policy, name="policy")
        texts = not isinstance(self.groups, str) and all(
            isinstance(each, str) and each for each in self.groups
        )
        if not texts or len(set(self.groups)) < len(self.groups):
            msg = f"`groups` (--group) must be different names, got {value_text(self.groups)}."
            raise InvalidInputError(msg)
        Frozen.__post_init__(self)
        self.promise  # noqa: B018  (checked)

    @property
    def promise(self) -> Alarm:
        """When evidence is enough."""
        return Alarm(self.alpha, self.run_length)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Return the settings that `to_dict` wrote."""
        return cls(**{**content, "groups": tuple(content["groups"])})
