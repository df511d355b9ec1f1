"""`calibrator.json`: versioned, readable, enough to apply the map in any language. No pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from temperance.calibrators import (
    METHODS,
    AnswerConfidence,
    Calibrator,
    FitRecord,
    GroupTemperatureRecord,
    MultilabelScaling,
    TemperatureRecord,
)
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.json_object import JsonObject, shown
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

__all__ = ["FORMAT_VERSION", "load", "load_facts", "save"]

FORMAT = "temperance/calibrator"
FORMAT_VERSION = 1
_KINDS: dict[str, type[Calibrator]] = {
    each.kind: each for each in (MultilabelScaling, AnswerConfidence)
}


def save(
    calibrator: Calibrator,
    path: str | PathLike[str],
    *,
    facts: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
) -> None:
    """Write a calibrator to a JSON file.

    Parameters
    ----------
    calibrator : Calibrator
        What to write, with its record if it has one.
    path : path
        Written beside, then renamed: an interrupted call leaves no half-written file.
    facts : mapping, optional
        More about the fit, for people and audits: `model`, `data`, `data_sha256`, ...
    evaluation : mapping, optional
        Measures on rows that the calibrator has not seen, JSON-ready.

    Raises
    ------
    InvalidInputError
        `calibrator` is none, the file cannot be written, or `facts` or `evaluation` hold what JSON
        cannot.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/calibrator.json"
    >>> from temperance.calibrators import TemperatureScaling
    >>> save(TemperatureScaling(1.5), path)
    >>> load(path).temperature
    1.5
    """
    from temperance.writers import replacing  # noqa: PLC0415  (tempfile costs half an import)

    if not isinstance(calibrator, Calibrator):
        msg = (
            f"`calibrator` must be a fitted calibrator, got {type(calibrator).__name__}. Of a "
            "top-k temperature save its `scaling`."
        )
        raise InvalidInputError(msg)
    made_by = {"library": f"temperance {__version__}"}
    fitted = {} if calibrator.record is None else calibrator.record.to_dict()
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "method": calibrator.name,
        "parameters": calibrator.parameters(),
        "input": {
            "kind": calibrator.kind,
            "convention": "softmax" if calibrator.kind == "logits" else "sigmoid",
            "n_classes": calibrator.n_classes,
            "classes": _class_list(calibrator),
        },
        "fit": {**made_by, **fitted, **(facts or {})},
        "evaluation": dict(evaluation or {}),
    }
    try:
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        msg = f"`facts` and `evaluation` must hold what JSON can: {error}."
        raise InvalidInputError(msg) from error
    with replacing(path) as beside:
        Path(beside).write_text(text + "\n", encoding="utf-8")


def load(path: str | PathLike[str]) -> Calibrator:
    """Read a calibrator that `save` wrote.

    Parameters
    ----------
    path : path
        A `calibrator.json`.

    Returns
    -------
    Calibrator
        Equal to the saved one, record included: of the class that its `method` names.

    Raises
    ------
    FileFormatError
        The file is missing, is not a calibrator, has a newer `format_version` than this
        library knows, an unknown method, or parameters out of range.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/calibrator.json"
    >>> from temperance.calibrators import TemperatureScaling
    >>> save(TemperatureScaling(0.5), path)
    >>> load(path).apply([[1.0, 1.0]])
    array([[0.5, 0.5]])
    """
    top = JsonObject(_parse(path), str(path))
    if top.values.get("format") != FORMAT:
        msg = f'{path}: not a calibrator file: `format` must be "{FORMAT}".'
        raise FileFormatError(msg)
    version = top.integer("format_version")
    if version > FORMAT_VERSION:
        msg = (
            f"{path}: written by a newer temperance (format_version {version}; this one reads up "
            f"to {FORMAT_VERSION}). Upgrade temperance to read it."
        )
        raise FileFormatError(msg)
    method = top.values.get("method")
    if not isinstance(method, str) or method not in METHODS:
        msg = f"{path}: unknown `method` {shown(method)}; this version knows {', '.join(METHODS)}."
        raise FileFormatError(msg)
    inputs = top.section("input")
    n_classes = inputs.integer("n_classes") if inputs.given("n_classes") else None
    parameters = top.section("parameters")
    kind = inputs.values.get("kind")
    known = METHODS[method]
    if isinstance(kind, str):
        known = _KINDS.get(kind, known)
    settings = {"method": method} if known is AnswerConfidence else {}
    try:
        return known.from_parameters(
            parameters,
            n_classes=n_classes,
            classes=_class_names(inputs, n_classes),
            record=_record(top, parameters),
            **settings,
        )
    except InvalidInputError as error:
        msg = f"{path}: {error}"
        raise FileFormatError(msg) from error


def load_facts(path: str | PathLike[str]) -> dict[str, Any]:
    """Return what a calibrator file says about its fit: `n`, `data_sha256`, `model`, ..."""
    fit = _parse(path).get("fit")
    return fit if isinstance(fit, dict) else {}


def _parse(path: str | PathLike[str]) -> dict[str, Any]:
    try:
        content = json.loads(Path(path).read_bytes())
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}."
        raise FileFormatError(msg) from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, nested without end
        msg = f"{path}: not a JSON file: {' '.join(str(error).split())}."
        raise FileFormatError(msg) from error
    if not isinstance(content, dict):
        msg = f"{path}: not a calibrator file: its JSON is not an object."
        raise FileFormatError(msg)
    return content


def _class_list(calibrator: Calibrator) -> list[Any] | None:
    """Names in column order; 0..k-1 where there are none; None where k differs per row."""
    if calibrator.classes is not None:
        return list(calibrator.classes)
    return None if calibrator.n_classes is None else list(range(calibrator.n_classes))


def _class_names(inputs: JsonObject, n_classes: int | None) -> tuple[str, ...] | None:
    names = inputs.values.get("classes")
    if names is None or names == list(range(n_classes or 0)):
        return None
    if not isinstance(names, list) or len(names) != n_classes:
        inputs.refuse("classes", f"a list of {n_classes} names")
    return tuple(str(name) for name in names)


def _record(top: JsonObject, parameters: JsonObject) -> FitRecord | None:
    fit = top.section("fit") if top.given("fit") else None
    if fit is None or not fit.given("score_test"):
        return None
    has_temperature = parameters.given("temperature")
    record = FitRecord.from_json(
        fit, temperature=parameters.number("temperature") if has_temperature else None
    )
    groups = GroupTemperatureRecord.parts_from_json(fit) if parameters.given("temperatures") else {}
    if groups and isinstance(record, TemperatureRecord):
        return GroupTemperatureRecord.around(record, groups)
    return record
