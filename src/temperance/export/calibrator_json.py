"""`calibrator.json`: versioned, readable, enough to apply the map in any language. No pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators import Calibrator
from temperance.calibrators.content import FORMAT_VERSION, calibrator_content, calibrator_of
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.json_object import json_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

__all__ = ["FORMAT_VERSION", "load", "load_facts", "save"]

POLICY_FORMAT = "temperance/policy"


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
    from temperance.writers import write_json  # noqa: PLC0415  (tempfile costs half an import)

    if not isinstance(calibrator, Calibrator):
        msg = (
            f"`calibrator` must be a fitted calibrator, got {type(calibrator).__name__}. Of a "
            "top-k temperature save its `scaling`."
        )
        raise InvalidInputError(msg)
    content = calibrator_content(calibrator, facts=facts, evaluation=evaluation)
    write_json(path, content, given="`facts` and `evaluation`")


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
    if top.values.get("format") == POLICY_FORMAT:
        msg = (
            f"{path}: is a decision policy, not a calibrator. Read it with "
            "`temperance.decisions.load_policy`; its rows are decided by `temperance apply`."
        )
        raise FileFormatError(msg)
    return calibrator_of(top)


def load_facts(path: str | PathLike[str]) -> dict[str, Any]:
    """Return what a calibrator file says about its fit: `n`, `data_sha256`, `model`, ..."""
    fit = json_file(path).values.get("fit")
    return fit if isinstance(fit, dict) else {}
