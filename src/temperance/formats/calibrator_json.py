"""What a file says of a calibrator: enough to apply the map in any language, and to read it back.

No pickle: names, numbers and text, which JSON holds.
"""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from temperance.calibrators import Calibrator, as_calibrator
from temperance.calibrators.answers import AnswerConfidence
from temperance.calibrators.methods import METHODS
from temperance.calibrators.multilabel import MultilabelScaling
from temperance.checks.arguments import MOST_CLASSES, as_mapping
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.json_object import json_file, shown
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from temperance.calibrators.record import FitRecord
    from temperance.readers.json_object import JsonObject

__all__ = [
    "calibrator_content",
    "calibrator_of",
    "check_version",
    "content_id",
    "digest",
    "load",
    "load_facts",
    "save",
]

# What a file says of a calibrator: enough to apply the map in any language, and to read it back.
#
# No pickle: names, numbers and text, which JSON holds.


FORMAT = "temperance/calibrator"
FORMAT_VERSION = 1
_CONVENTIONS = {"logits": "softmax", "multilabel": "sigmoid", "answers": "sigmoid"}
_OF_RECORDS = ("score_test", "log_loss_before", "log_loss_after", "weight", "passes")
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
    rule = "a mapping of names to what JSON can hold"
    user_facts = {} if facts is None else as_mapping(facts, name="facts", rule=rule)
    measurement = {} if evaluation is None else as_mapping(evaluation, name="evaluation", rule=rule)
    made_by = {"library": f"temperance {__version__}"}
    fitted = {} if calibrator.record is None else calibrator.record.to_dict()
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "method": calibrator.name,
        "parameters": calibrator.parameters(),
        "input": {
            "kind": calibrator.kind,
            "convention": _CONVENTIONS[calibrator.kind],
            "n_classes": calibrator.n_classes,
            "classes": _class_list(calibrator),
        },
        "fit": {**made_by, **fitted, **user_facts},
        "evaluation": dict(measurement),
    }


def content_id(calibrator: Calibrator) -> str:
    """Return the name of a map by what it does: "sha256:" and 64 hexadecimal digits.

    Of method, parameters and input as `calibrator.json` holds them, with sorted keys and no
    spaces. Two files with the same map have the same, whatever they say about its fit.

    Parameters
    ----------
    calibrator : Calibrator
        Any.

    Raises
    ------
    InvalidInputError
        `calibrator` is none.

    Examples
    --------
    >>> from temperance.calibrators import TemperatureScaling
    >>> content_id(TemperatureScaling(1.5))[:19]
    'sha256:65fcee42d487'
    """
    content = calibrator_content(as_calibrator(calibrator))
    return digest({key: content[key] for key in ("method", "parameters", "input")})


def digest(content: Mapping[str, Any]) -> str:
    """Return "sha256:" and the digest of what JSON holds, with sorted keys and no spaces."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def calibrator_of(top: JsonObject) -> Calibrator:
    """Return the calibrator of such an object, or raise FileFormatError."""
    if top.get("format") != FORMAT:
        msg = f'{top.where}: not a calibrator file: `format` must be "{FORMAT}".'
        raise FileFormatError(msg)
    check_version(top, FORMAT_VERSION)
    method = top.get("method")
    if not isinstance(method, str) or method not in METHODS:
        msg = (
            f"{top.where}: unknown `method` {shown(method)}; this version knows "
            f"{', '.join(METHODS)}."
        )
        raise FileFormatError(msg)
    inputs, parameters = top.section("input"), top.section("parameters")
    kind = inputs.get("kind")
    if not isinstance(kind, str) or kind not in _CONVENTIONS:
        inputs.refuse("kind", f"one of {', '.join(_CONVENTIONS)}")
    n_classes = None
    if inputs.has("n_classes"):
        n_classes = inputs.integer("n_classes", most=MOST_CLASSES)
    calibrator_type = _KINDS.get(kind, METHODS[method])
    settings = {"method": method} if calibrator_type is AnswerConfidence else {}
    try:
        calibrator = calibrator_type.from_parameters(
            parameters,
            n_classes=n_classes,
            classes=_class_names(inputs, n_classes),
            **settings,
        )
        record = _record(top, calibrator)
        calibrator = replace(calibrator, record=record)
    except InvalidInputError as error:
        msg = f"{top.where}: {error}"
        raise FileFormatError(msg) from error
    _check_against_rest(top, inputs, calibrator)
    for section in (parameters, inputs, top):
        section.require_all_asked()
    return calibrator


def _check_against_rest(top: JsonObject, inputs: JsonObject, calibrator: Calibrator) -> None:
    """Raise FileFormatError where the file says of its map what the map does not say."""
    method = f"{calibrator.name} of {calibrator.kind}"
    top.require_equal(
        "method", calibrator.name, because=f"as the `parameters` are, those of {method}"
    )
    inputs.require_equal(
        "convention", _CONVENTIONS[calibrator.kind], because=f"as of the kind {calibrator.kind}"
    )
    for key in ("fit", "evaluation"):  # what else they hold is for people
        if top.has(key):
            top.section(key)
    if not inputs.has("n_classes") and not inputs.has("classes"):
        return
    inputs.require_equal("n_classes", calibrator.n_classes, because="as the parameters are")
    inputs.require_equal("classes", _class_list(calibrator), because="as the map's classes are")


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
    """Return the names, None where classes are numbered; checked before anything is allocated."""
    names = inputs.get("classes")
    if names is None and n_classes is None:
        return None
    if not isinstance(names, list) or len(names) != n_classes:
        inputs.refuse("classes", f"a list of {n_classes} names, as many as `n_classes` says")
    if all(type(name) is int and name == place for place, name in enumerate(names)):
        return None
    return inputs.texts("classes")


def _record(top: JsonObject, calibrator: Calibrator) -> FitRecord | None:
    fit = top.section("fit") if top.has("fit") else None
    if fit is None or not any(fit.has(key) for key in _OF_RECORDS):
        return None
    return calibrator.record_from_json(fit)


# `calibrator.json`: versioned, readable, enough to apply the map in any language. No pickle.


_OTHER_FILES = {  # format of another file -> what it is, its reader, and what its rows are
    "temperance/policy": ("a decision policy", "load_policy", "decided"),
    "temperance/cascade": ("a cascade", "load_cascade", "routed"),
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
    from temperance.writers.place import write_json  # noqa: PLC0415  (tempfile costs half an import)

    if not isinstance(calibrator, Calibrator):
        msg = (
            f"`calibrator` must be a fitted calibrator, got {type(calibrator).__name__}. Of a "
            "top-k temperature save its `scaling`."
        )
        raise InvalidInputError(msg)
    content = calibrator_content(calibrator, facts=facts, evaluation=evaluation)
    write_json(path, content, arguments="`facts` and `evaluation`")


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
    top = json_file(path)
    other = top.values.get("format")
    if isinstance(other, str) and other in _OTHER_FILES:
        what, reader, verb = _OTHER_FILES[other]
        msg = (
            f"{path}: is {what}, not a calibrator. Read it with `temperance.decisions.{reader}`; "
            f"its rows are {verb} by `temperance apply`."
        )
        raise FileFormatError(msg)
    return calibrator_of(top)


def load_facts(path: str | PathLike[str]) -> dict[str, Any]:
    """Return what a calibrator file says about its fit: `n`, `data_sha256`, `model`, ...

    Of a policy, what it says so of its calibrator.
    """
    values = json_file(path).values
    of_policy = values.get("calibrator")
    fit = (of_policy if isinstance(of_policy, dict) else values).get("fit")
    return fit if isinstance(fit, dict) else {}
