"""Values as plain numbers, text, lists and dictionaries, as JSON takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

__all__ = ["Plain", "plain"]


def plain(value: Any) -> Any:  # noqa: ANN401  (of any kind)
    """Return what JSON takes for a value; None, text and Python's own numbers are themselves."""
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if hasattr(value, "tolist"):  # NumPy's arrays and numbers
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


class Plain:
    """Base of a dataclass whose `to_dict` holds its fields, or the attributes that it names."""

    __slots__ = ()
    json_keys: ClassVar[tuple[str, ...]] = ()  # attributes, in their order; () = all fields

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers, text and lists for JSON, by name."""
        keys = self.json_keys or [each.name for each in fields(self)]  # type: ignore[arg-type]
        return {key: plain(getattr(self, key)) for key in keys}
