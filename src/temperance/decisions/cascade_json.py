"""`cascade.json`: the models of a cascade, when rows go on, and the maps that say how sure each is.

Of each fact one copy: thresholds and ranges follow from what the next model is expected to lose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_mapping
from temperance.decisions.cascade_policy import CascadePolicy
from temperance.decisions.deferral import (
    ConstantLoss,
    DeferralRule,
    IsotonicLoss,
    LogisticLoss,
)
from temperance.decisions.policy import map_digest
from temperance.errors import FileFormatError, InvalidInputError
from temperance.formats.calibrator_json import (
    calibrator_content,
    calibrator_of,
    check_version,
    content_id,
    digest,
)
from temperance.frozen import plain
from temperance.readers.json_object import JsonObject, json_file
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from temperance.decisions.deferral import ExpectedLoss

__all__ = [
    "CASCADE_FORMAT",
    "cascade_id",
    "cascade_of",
    "is_cascade",
    "load_cascade",
    "save_cascade",
]

CASCADE_FORMAT = "temperance/cascade"
_VERSION = 1
_GOES_ON = "1 - confidence > expected_loss + step"


def save_cascade(
    policy: CascadePolicy, path: str | PathLike[str], *, facts: Mapping[str, Any] | None = None
) -> None:
    """Write the policy of a cascade to a JSON file.

    Parameters
    ----------
    policy : CascadePolicy
        What to write, its calibrators in full: `cascade(...).policy`.
    path : path
        Written beside, then renamed: an interrupted call leaves no half-written file.
    facts : mapping, optional
        What it was found on, for people and audits; JSON-ready.

    Raises
    ------
    InvalidInputError
        `policy` is none, the file cannot be written, or facts hold what JSON cannot.

    Examples
    --------
    >>> import tempfile
    >>> from temperance.decisions import cascade
    >>> cheap, labels = [[0.0, 1.0]] * 400 + [[0.0, 9.0]] * 400, [1, 1, 1, 0] * 100 + [1] * 400
    >>> found = cascade({"cheap": cheap}, labels, costs=0.1, expert_error=0.02, prior=1.0)
    >>> path = tempfile.mkdtemp() + "/cascade.json"
    >>> save_cascade(found.policy, path)
    >>> load_cascade(path) == found.policy
    True
    """
    from temperance.writers.place import write_json  # noqa: PLC0415  (tempfile costs half an import)

    checked = _as_cascade(policy)
    content = {
        "format": CASCADE_FORMAT,
        "format_version": _VERSION,
        "models": list(checked.names),
        "price": checked.price,
        "goes_on": _GOES_ON,
        "stages": [
            {
                "cost_of_next": checked.costs[j],
                "expected_loss": plain(rule.expected),
                "step": rule.step,
                "lowest": rule.lowest,
                "map_sha256": map_digest(calibrator),
                "calibrator": calibrator_content(calibrator),
            }
            for j, (rule, calibrator) in enumerate(
                zip(checked.rules, checked.calibrators, strict=True)
            )
        ],
        "last_calibrator": None if checked.last is None else calibrator_content(checked.last),
        "rows": _as_facts(facts),
        "library": f"temperance {__version__}",
    }
    write_json(path, content, arguments="`facts`")


def load_cascade(path: str | PathLike[str]) -> CascadePolicy:
    """Read the policy of a cascade that `save_cascade` or `temperance cascade -o` wrote.

    Parameters
    ----------
    path : path
        A `cascade.json`.

    Returns
    -------
    CascadePolicy
        Equal to the saved one.

    Raises
    ------
    FileFormatError
        The file is missing, is no cascade, is of a newer version, holds values out of range, a key
        that stands twice or is unknown, or a calibrator other than the one that its rule was found
        with.

    Examples
    --------
    As in `save_cascade`.
    """
    return cascade_of(json_file(path))


def cascade_of(top: JsonObject) -> CascadePolicy:
    """Return the cascade of such an object, or raise FileFormatError."""
    if top.get("format") != CASCADE_FORMAT:
        msg = f'{top.where}: not a cascade: `format` must be "{CASCADE_FORMAT}".'
        raise FileFormatError(msg)
    check_version(top, _VERSION)
    top.require_equal("goes_on", _GOES_ON, because="what the numbers mean")
    names = top.texts("models")
    stages = top.sections("stages")
    if len(names) != len(stages) + 1 or not stages or len(set(names)) < len(names):
        top.refuse("models", "different names, one more than there are `stages`")
    calibrators, rules, costs = [], [], []
    for stage in stages:
        calibrator = calibrator_of(stage.section("calibrator"))
        of_map = "the digest of `calibrator`: the rule was found with another map"
        stage.require_equal("map_sha256", map_digest(calibrator), because=of_map)
        costs.append(_above_zero(stage, "cost_of_next"))
        rules.append(
            DeferralRule(
                _loss(stage.section("expected_loss")), stage.number("step"), stage.share("lowest")
            )
        )
        calibrators.append(calibrator)
        stage.require_all_asked()
    last = None
    if top.has("last_calibrator"):
        last = calibrator_of(top.section("last_calibrator"))
    if top.has("rows"):
        top.section("rows")
    top.get("library")
    price = top.number("price")
    top.require_all_asked()
    try:
        return CascadePolicy(
            names=names, calibrators=tuple(calibrators), rules=tuple(rules), costs=tuple(costs),
            price=price, last=last,
        )  # fmt: skip
    except InvalidInputError as error:
        msg = f"{top.where}: {error}"
        raise FileFormatError(msg) from error


def cascade_id(policy: CascadePolicy) -> str:
    """Return the name of a cascade by what it does: "sha256:" and 64 hexadecimal digits.

    Of its rules and the ids of its maps (`content_id`), whatever is known of the rows behind them.

    Parameters
    ----------
    policy : CascadePolicy
        Any.

    Raises
    ------
    InvalidInputError
        `policy` is none.

    Examples
    --------
    >>> from temperance.decisions import cascade
    >>> cheap, labels = [[0.0, 1.0]] * 400 + [[0.0, 9.0]] * 400, [1, 1, 1, 0] * 100 + [1] * 400
    >>> found = cascade({"cheap": cheap}, labels, costs=0.1, expert_error=0.02, prior=1.0)
    >>> cascade_id(found.policy)[:7]
    'sha256:'
    """
    checked = _as_cascade(policy)
    maps = (*checked.calibrators, *(() if checked.last is None else (checked.last,)))
    rules = [[plain(each.expected), each.step] for each in checked.rules]
    return digest({"models": list(checked.names), "rules": rules,
                   "calibrators": [content_id(each) for each in maps]})  # fmt: skip


def is_cascade(path: str | PathLike[str]) -> bool:
    """Whether a JSON file says that it is a cascade; raises FileFormatError if it is no JSON."""
    return json_file(path).values.get("format") == CASCADE_FORMAT


def _as_cascade(value: Any) -> CascadePolicy:  # noqa: ANN401
    if not isinstance(value, CascadePolicy):
        msg = (
            f"`policy` must be a CascadePolicy, got {type(value).__name__}. That of `cascade` is "
            "its `policy`."
        )
        raise InvalidInputError(msg)
    return value


def _as_facts(facts: Mapping[str, Any] | None) -> dict[str, Any]:
    rule = "a mapping of names to values that JSON can hold"
    return {} if facts is None else dict(as_mapping(facts, name="facts", rule=rule))


def _above_zero(section: JsonObject, key: str) -> float:
    value = section.number(key)
    if value <= 0.0:
        section.refuse(key, "a number above 0")
    return value


def _loss(section: JsonObject) -> ExpectedLoss:
    """Return what the next model is expected to lose, given the confidence."""
    kind = section.text("kind")
    loss: ExpectedLoss
    if kind == "constant":
        loss = ConstantLoss(section.not_negative("value"))
    elif kind == "isotonic":
        at, losses = section.numbers("confidence"), section.numbers("loss")
        if len(at) != len(losses) or not len(at) or (np.diff(at) <= 0.0).any():
            section.refuse("confidence", "rising numbers, as many as `loss`")
        if (np.diff(losses) > 0.0).any() or (losses < 0.0).any():
            section.refuse("loss", "numbers >= 0 that do not rise")
        loss = IsotonicLoss(at, losses)
    elif kind == "logistic":
        loss = LogisticLoss(
            section.number("slope"), section.number("intercept"), _above_zero(section, "scale")
        )
    else:
        section.refuse("kind", "one of constant, isotonic, logistic")
    section.require_all_asked()
    return loss
