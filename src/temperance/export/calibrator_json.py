"""`calibrator.json`: versioned, readable, enough to apply the map in any language. No pickle."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from sys import float_info
from typing import TYPE_CHECKING, Any, NoReturn

from temperance.calibrators import METHODS, FitRecord, TemperatureScaling
from temperance.errors import FileFormatError, InvalidInputError
from temperance.significance import ScoreTest
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

__all__ = ["FORMAT_VERSION", "load", "load_facts", "save"]

FORMAT = "temperance/calibrator"
FORMAT_VERSION = 1


def save(
    calibrator: TemperatureScaling,
    path: str | PathLike[str],
    *,
    facts: Mapping[str, Any] | None = None,
    evaluation: Mapping[str, Any] | None = None,
) -> None:
    """Write a calibrator to a JSON file.

    Parameters
    ----------
    calibrator : TemperatureScaling
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
        The file cannot be written, or `facts` or `evaluation` hold what JSON cannot.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/calibrator.json"
    >>> save(TemperatureScaling(1.5), path)
    >>> load(path).temperature
    1.5
    """
    from temperance.writers import replacing  # noqa: PLC0415  (tempfile costs half an import)

    made_by = {"library": f"temperance {__version__}"}
    fitted = {} if calibrator.record is None else calibrator.record.to_dict()
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "method": calibrator.method,
        "parameters": calibrator.parameters(),
        "input": {
            "kind": "logits",
            "convention": "softmax",
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


def load(path: str | PathLike[str]) -> TemperatureScaling:
    """Read a calibrator that `save` wrote.

    Parameters
    ----------
    path : path
        A `calibrator.json`.

    Returns
    -------
    TemperatureScaling
        Equal to the saved one, record included.

    Raises
    ------
    FileFormatError
        The file is missing, is not a calibrator, has a newer `format_version` than this
        library knows, an unknown method, or parameters out of range.

    Examples
    --------
    >>> import tempfile
    >>> path = tempfile.mkdtemp() + "/calibrator.json"
    >>> save(TemperatureScaling(0.5), path)
    >>> load(path).apply([[1.0, 1.0]])
    array([[0.5, 0.5]])
    """
    top = _Reader(_parse(path), str(path))
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
        msg = f"{path}: unknown `method` {_shown(method)}; this version knows {', '.join(METHODS)}."
        raise FileFormatError(msg)
    inputs = top.section("input")
    n_classes = inputs.integer("n_classes") if inputs.given("n_classes") else None
    try:
        return TemperatureScaling(
            temperature=top.section("parameters").number("temperature"),
            n_classes=n_classes,
            classes=_class_names(inputs, n_classes),
            record=_record(top),
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


@dataclass(frozen=True, slots=True)
class _Reader:
    """One JSON object, read key by key with errors that name the key."""

    values: dict[str, Any]
    where: str

    def given(self, key: str) -> bool:
        return self.values.get(key) is not None

    def section(self, key: str) -> _Reader:
        value = self.values.get(key)
        if not isinstance(value, dict):
            self.refuse(key, "an object")
        return _Reader(value, self.where)

    def number(self, key: str) -> float:
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.refuse(key, "a number")
        if not abs(value) <= float_info.max:  # an integer may be larger than any float
            self.refuse(key, "a finite number")
        return float(value)

    def integer(self, key: str) -> int:
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self.refuse(key, "an integer >= 1")
        return value

    def refuse(self, key: str, rule: str) -> NoReturn:
        msg = f"{self.where}: `{key}` must be {rule}, got {_shown(self.values.get(key))}."
        raise FileFormatError(msg)


def _class_list(calibrator: TemperatureScaling) -> list[Any] | None:
    """Names in column order; 0..k-1 where there are none; None where k differs per row."""
    if calibrator.classes is not None:
        return list(calibrator.classes)
    return None if calibrator.n_classes is None else list(range(calibrator.n_classes))


def _class_names(inputs: _Reader, n_classes: int | None) -> tuple[str, ...] | None:
    names = inputs.values.get("classes")
    if names is None or names == list(range(n_classes or 0)):
        return None
    if not isinstance(names, list) or len(names) != n_classes:
        inputs.refuse("classes", f"a list of {n_classes} names")
    return tuple(str(name) for name in names)


def _record(top: _Reader) -> FitRecord | None:
    fit = top.section("fit") if top.given("fit") else None
    if fit is None or not fit.given("score_test"):
        return None
    test = fit.section("score_test")
    fitted_at = fit.values.get("fitted_at")
    return FitRecord(
        temperature=top.section("parameters").number("temperature"),
        n=fit.integer("n"),
        weight=fit.number("weight"),
        log_loss_before=fit.number("log_loss_before"),
        log_loss_after=fit.number("log_loss_after"),
        standard_error=fit.number("temperature_standard_error"),
        score_test=ScoreTest(z=test.number("z"), p_value=test.number("p_value")),
        passes=fit.integer("passes"),
        prior=fit.number("prior"),
        fitted_at=fitted_at if isinstance(fitted_at, str) else None,
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
