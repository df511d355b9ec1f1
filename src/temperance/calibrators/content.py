"""What a file says of a calibrator: enough to apply the map in any language, and to read it back.

No pickle: names, numbers and text, which JSON holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators.answers import AnswerConfidence
from temperance.calibrators.group_record import GroupTemperatureRecord
from temperance.calibrators.methods import METHODS
from temperance.calibrators.multilabel import MultilabelScaling
from temperance.calibrators.record import FitRecord, TemperatureRecord
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.json_object import shown
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from temperance.calibrators.calibrator import Calibrator
    from temperance.readers.json_object import JsonObject

__all__ = ["FORMAT", "FORMAT_VERSION", "calibrator_content", "calibrator_of", "check_version"]

FORMAT = "temperance/calibrator"
FORMAT_VERSION = 1
_KINDS: dict[str, type[Calibrator]] = {
    each.kind: each for each in (MultilabelScaling, AnswerConfidence)
}


def calibrator_content(
    calibrator: Calibrator,
    *,
    facts: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the JSON object of a calibrator; `facts` and `evaluation` as in `save`."""
    made_by = {"library": f"temperance {__version__}"}
    fitted = {} if calibrator.record is None else calibrator.record.to_dict()
    return {
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


def calibrator_of(top: JsonObject) -> Calibrator:
    """Return the calibrator of such an object, or raise FileFormatError."""
    if top.values.get("format") != FORMAT:
        msg = f'{top.where}: not a calibrator file: `format` must be "{FORMAT}".'
        raise FileFormatError(msg)
    check_version(top, FORMAT_VERSION)
    method = top.values.get("method")
    if not isinstance(method, str) or method not in METHODS:
        msg = (
            f"{top.where}: unknown `method` {shown(method)}; this version knows "
            f"{', '.join(METHODS)}."
        )
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
        msg = f"{top.where}: {error}"
        raise FileFormatError(msg) from error


def check_version(top: JsonObject, newest: int) -> None:
    """Raise FileFormatError if a file is of a newer version than the newest known."""
    version = top.integer("format_version")
    if version > newest:
        msg = (
            f"{top.where}: written by a newer temperance (format_version {version}; this one reads "
            f"up to {newest}). Upgrade temperance to read it."
        )
        raise FileFormatError(msg)


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
