"""What a fit of one temperature per group leaves behind: how sure each of them is."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from temperance.calibrators.record import TemperatureRecord
from temperance.calibrators.shrinkage import Part
from temperance.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.readers.json_object import JsonObject

__all__ = ["GroupTemperatureRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupTemperatureRecord(TemperatureRecord):
    """Facts of the fit of the pooled temperature, and of each group's.

    Parameters
    ----------
    groups : mapping of str to Part
        Every group of the fit, those too small for a temperature of their own included: its rows,
        its temperature with the 95 % interval of its own rows (None where these are too few; the
        low end 0, or the high one infinite, where the rows set none), and the temperature that its
        rows alone would have (None where they are too few, or have none).
    """

    groups: Mapping[str, Part] = field(hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", frozen(self.groups))

    @classmethod
    def around(cls, pooled: TemperatureRecord, groups: Mapping[str, Part]) -> Self:
        """Return the record of the pooled temperature with those of the groups."""
        common = {each.name: getattr(pooled, each.name) for each in fields(TemperatureRecord)}
        return cls(**common, groups=dict(groups))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, the groups' under their names."""
        groups = {name: part.to_dict() for name, part in self.groups.items()}
        return {**TemperatureRecord.to_dict(self), "groups": groups}

    @classmethod
    def parts_from_json(cls, fit: JsonObject) -> dict[str, Part]:
        """Return the groups that `to_dict` wrote."""
        groups = fit.section("groups")
        return {name: Part.from_json(groups.section(name)) for name in groups.values}
