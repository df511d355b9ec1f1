"""A calibrator as a file, for any language that reads JSON."""

from temperance.formats.calibrator_json import load, load_facts, save

__all__ = ["load", "load_facts", "save"]
