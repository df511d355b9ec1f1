"""`policy.json`: a calibrator, its thresholds and their promise, for any language. No pickle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators.content import calibrator_content, calibrator_of, check_version
from temperance.decisions.abstention import Abstention, Promise
from temperance.decisions.outcome import Outcome
from temperance.decisions.policy import DecisionPolicy
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers.json_object import JsonObject, json_file
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

__all__ = ["is_policy", "load_policy", "save_policy"]

FORMAT = "temperance/policy"
FORMAT_VERSION = 1


def save_policy(
    policy: DecisionPolicy,
    path: str | PathLike[str],
    *,
    calibrator_facts: Mapping[str, Any] | None = None,
) -> None:
    """Write a decision policy to a JSON file.

    Parameters
    ----------
    policy : DecisionPolicy
        What to write, its calibrator in full.
    path : path
        Written beside, then renamed: an interrupted call leaves no half-written file.
    calibrator_facts : mapping, optional
        More about the calibrator's fit, as `facts` of `save`.

    Raises
    ------
    InvalidInputError
        The file cannot be written, or facts hold what JSON cannot.

    Examples
    --------
    >>> import tempfile
    >>> from temperance.calibrators import TemperatureScaling
    >>> from temperance.decisions import abstain
    >>> rule = abstain([[0.9, 0.1]] * 200, [0] * 200, max_risk=0.02)
    >>> path = tempfile.mkdtemp() + "/policy.json"
    >>> save_policy(DecisionPolicy(TemperatureScaling(1.5), rule), path)
    >>> load_policy(path).rule == rule
    True
    """
    from temperance.writers import write_json  # noqa: PLC0415  (tempfile costs half an import)

    rule = policy.rule
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "rule": {
            "score": "confidence",
            "accept": "confidence >= threshold",
            "threshold": rule.threshold,
            "groups": {p.group: p.threshold for p in rule.promises} if rule.per_group else None,
        },
        "promise": {
            "guarantee": rule.guarantee,
            "assumption": rule.assumption,
            "max_risk": rule.max_risk,
            "min_coverage": rule.min_coverage,
            "confidence": rule.confidence,
            "n_given": rule.n_given,
            "clustered": rule.clustered,
            "thresholds": [_promise_content(each) for each in rule.promises],
        },
        "calibrator": calibrator_content(policy.calibrator, facts=calibrator_facts),
        "rows": dict(policy.facts),
        "library": f"temperance {__version__}",
    }
    write_json(path, content, given="`facts`")


def load_policy(path: str | PathLike[str]) -> DecisionPolicy:
    """Read a decision policy that `save_policy` or `temperance threshold` wrote.

    Parameters
    ----------
    path : path
        A `policy.json`.

    Returns
    -------
    DecisionPolicy
        Equal to the saved one.

    Raises
    ------
    FileFormatError
        The file is missing, is not a policy, has a newer `format_version` than this library knows,
        or values out of range.

    Examples
    --------
    As in `save_policy`.
    """
    top = json_file(path)
    if top.values.get("format") != FORMAT:
        msg = f'{path}: not a decision policy: `format` must be "{FORMAT}".'
        raise FileFormatError(msg)
    check_version(top, FORMAT_VERSION)
    calibrator = calibrator_of(top.section("calibrator"))
    rule = top.section("rule")
    if rule.values.get("score") != "confidence":
        rule.refuse("score", '"confidence"')
    facts = top.section("rows").values if top.given("rows") else {}
    try:
        return DecisionPolicy(calibrator, _abstention(top.section("promise")), facts)
    except InvalidInputError as error:
        msg = f"{path}: {error}"
        raise FileFormatError(msg) from error


def is_policy(path: str | PathLike[str]) -> bool:
    """Whether a JSON file says that it is a policy; raises FileFormatError if it is no JSON."""
    return json_file(path).values.get("format") == FORMAT


def _promise_content(promise: Promise) -> dict[str, Any]:
    outcome = promise.outcome
    return {
        "group": promise.group,
        "threshold": promise.threshold,
        "max_risk": promise.max_risk,
        "n": outcome.n,
        "accepted": outcome.accepted,
        "errors": outcome.errors,
        "reason": promise.reason,
    }


def _abstention(top: JsonObject) -> Abstention:
    promises = tuple(_promise(each) for each in top.sections("thresholds"))
    alone = len(promises) == 1 and promises[0].group is None
    if not any(p.threshold is not None for p in promises) or not (
        alone or all(p.group is not None for p in promises)
    ):
        top.refuse("thresholds", "one threshold, or one per group, at least one of them a number")
    clustered = top.values.get("clustered")
    if not isinstance(clustered, bool):
        top.refuse("clustered", "true or false")
    return Abstention(
        promises=promises,
        confidence=_share(top, "confidence"),
        max_risk=_share(top, "max_risk") if top.given("max_risk") else None,
        min_coverage=_share(top, "min_coverage") if top.given("min_coverage") else None,
        n_given=top.integer("n_given"),
        clustered=clustered,
    )


def _promise(each: JsonObject) -> Promise:
    counts = {name: _count(each, name) for name in ("n", "accepted", "errors")}
    if not counts["errors"] <= counts["accepted"] <= counts["n"]:
        each.refuse("accepted", "a count between `errors` and `n`")
    given = each.given("threshold")
    return Promise(
        group=each.text("group") if each.given("group") else None,
        threshold=_share(each, "threshold") if given else None,
        max_risk=_share(each, "max_risk") if given else None,
        outcome=Outcome(**counts),
        reason=each.text("reason") if each.given("reason") else None,
    )


def _share(top: JsonObject, key: str) -> float:
    value = top.number(key)
    if not 0.0 <= value <= 1.0:
        top.refuse(key, "a number in [0, 1]")
    return value


def _count(top: JsonObject, key: str) -> int:
    value = top.values.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        top.refuse(key, "an integer >= 0")
    return value
