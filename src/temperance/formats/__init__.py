"""A calibrator as a file, for any language that reads JSON."""

from typing import TYPE_CHECKING

from temperance.formats.calibrator_json import content_id, load, load_facts, save
from temperance.loading import loading

if TYPE_CHECKING:
    from temperance.formats.json_schema import schema

__all__ = ["content_id", "load", "load_facts", "save", "schema"]

__getattr__ = loading(__name__, {"schema": "temperance.formats.json_schema"})
