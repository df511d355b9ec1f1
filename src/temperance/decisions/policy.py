"""A decision policy: a calibrator and the thresholds on its confidence, as one value to deploy."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from temperance.binning import reaches
from temperance.calibrators import Calibrator, MultilabelScaling
from temperance.checks.forms import refuse_other_index
from temperance.checks.row_values import as_one_name
from temperance.decisions.abstain import (
    GRID,
    Target,
    check_target,
    level_of_group,
    risk_of_coverage,
)
from temperance.decisions.abstention import Abstention, Outcome, Promise
from temperance.decisions.bands import Bands
from temperance.decisions.bands_json import bands_of, promise_content, rule_content
from temperance.decisions.binomial import p_values
from temperance.errors import FileFormatError, InvalidInputError
from temperance.formats.calibrator_json import (
    calibrator_content,
    calibrator_of,
    check_version,
    content_id,
    digest,
)
from temperance.readers.json_object import JsonObject, json_file, shown
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from os import PathLike

    from numpy.typing import ArrayLike, NDArray

    from temperance.decisions.rows import DecisionEvent

__all__ = [
    "Banded",
    "Decided",
    "DecisionPolicy",
    "is_policy",
    "load_policy",
    "map_digest",
    "policy_id",
    "policy_of",
    "save_policy",
]


class Banded(NamedTuple):
    """Calibrated probabilities, and the band of each row."""

    probs: NDArray[np.float64]  # (n, k); of answers (n,), that they are right
    bands: NDArray[np.str_]  # (n,): "accept", "review" or "reject"


class Decided(NamedTuple):
    """Calibrated probabilities, and which rows may be answered."""

    probs: NDArray[np.float64]  # (n, k); of answers (n,), that they are right
    accepted: NDArray[np.bool_]  # (n,)


@dataclass(frozen=True, slots=True)
class DecisionPolicy:
    """What to do with a model's outputs: calibrate them, then answer or abstain.

    Parameters
    ----------
    calibrator : Calibrator
        Of one class per row. The promise holds for the probabilities that it gives.
    rule : Abstention or Bands
        Thresholds on the largest calibrated probability, from `abstain`; or from `bands`, also on
        that of one class, or of composite answers. That of a policy is bound to its calibrator:
        `rule.calibrator`.
    facts : mapping, optional
        Which rows were used for what, for people and audits; JSON-ready.

    Raises
    ------
    InvalidInputError
        The calibrator is none, or one of several labels per row; the rule is none of `abstain` or
        `bands`, of a class that the calibrator does not have, or of a policy with another
        calibrator: with other probabilities its promise is void (`dataclasses.replace` as well).

    Examples
    --------
    >>> from temperance.calibrators import TemperatureScaling
    >>> from temperance.decisions import abstain
    >>> rule = abstain([[0.9, 0.1]] * 200 + [[0.6, 0.4]] * 20, [0] * 200 + [1] * 20, max_risk=0.02)
    >>> policy = DecisionPolicy(TemperatureScaling(1.0), rule)
    >>> probs, accepted = policy.apply([[3.0, 0.0], [0.2, 0.0]])
    >>> accepted
    array([ True, False])
    """

    calibrator: Calibrator
    rule: Abstention | Bands
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        types = {"calibrator": (Calibrator,), "rule": (Abstention, Bands)}
        for name, kinds in types.items():
            if not isinstance(getattr(self, name), kinds):
                type_name = type(getattr(self, name)).__name__
                type_names = " or ".join(kind.__name__ for kind in kinds)
                msg = f"`{name}` must be of type {type_names}, got {type_name}."
                raise InvalidInputError(msg)
        if self.calibrator.kind == MultilabelScaling.kind:
            msg = "`calibrator` must be of one class per row; one of several labels decides no row."
            raise InvalidInputError(msg)
        _check_event(self.rule.event, self.calibrator)
        _check_promised(self.rule, self.calibrator)
        object.__setattr__(self, "rule", replace(self.rule, calibrator=self.calibrator))

    def apply(
        self,
        logits: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        refuse_probs: bool = True,
    ) -> Decided:
        """Return calibrated probabilities, and which rows are accepted.

        Parameters
        ----------
        logits : array_like, shape (n, k) or (n,)
            As in the calibrator's `apply`; for probabilities pass `logits_from_probs(probs)`. Of a
            calibrator of answers (`llm.AnswerConfidence`), their scores (n,).
        groups : array_like of str, shape (n,), optional
            Needed where thresholds, or temperatures, are those of groups.
        clusters : array_like, shape (n,), optional
            Needed of composite answers: which rows are parts of one, all of them here.
        refuse_probs : bool, default True
            Raise if five or more rows are all probabilities; False takes them for logits.

        Returns
        -------
        Decided
            `probs` (n, k) and `accepted` (n,): True where the promise covers the answer, which is
            the most probable class. Of answers, `probs` (n,) that they are right. The two can be
            unpacked.

        Raises
        ------
        InvalidInputError
            As in the calibrator's `apply`; groups are needed and not given, or of another index.
        """
        groups = as_one_name(groups)
        probs, score = self._probs_and_scores(logits, groups, clusters, refuse_probs)
        return Decided(probs, self.rule.accepts(score, groups))

    def decide(
        self,
        logits: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        clusters: ArrayLike | None = None,
        refuse_probs: bool = True,
    ) -> Banded:
        """Return calibrated probabilities, and the band of each row.

        Parameters
        ----------
        logits, groups, clusters, refuse_probs
            As in `apply`.

        Returns
        -------
        Banded
            `probs` as of `apply`, and `bands` (n,): "accept", "review" or "reject". What a rule of
            `abstain` does not accept is for review.

        Raises
        ------
        InvalidInputError
            As in `apply`.
        """
        groups = as_one_name(groups)
        probs, score = self._probs_and_scores(logits, groups, clusters, refuse_probs)
        return Banded(probs, self.rule.decide(score, groups))

    def _probs_and_scores(
        self,
        logits: ArrayLike,
        groups: ArrayLike | None,
        clusters: ArrayLike | None,
        refuse_probs: bool,  # noqa: FBT001
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return calibrated probabilities, and what thresholds are on."""
        if groups is not None or clusters is not None:
            refuse_other_index(logits=logits, groups=groups, clusters=clusters)
        own: dict[str, Any] = (
            {} if groups is None or not self.calibrator.traits.groups else {"groups": groups}
        )
        probs = self.calibrator.apply(logits, refuse_probs=refuse_probs, dtype=np.float64, **own)
        return probs, self.rule.event.score(probs, clusters)

    def __str__(self) -> str:
        return f"{self.calibrator}\n\n{self.rule}"


# `policy.json`: a calibrator, its thresholds and their promise, for any language. No pickle.
#
# Each fact stands in one place. What follows from others, the risk promised and the promise in
# words, is made when the file is read; what others imply, they are checked against: a threshold
# must part the rows that set it as their counts say, and the counts must support the promise.


FORMAT = "temperance/policy"
OF_THRESHOLDS, OF_BANDS = 2, 3  # format versions; 1 was of thresholds too
_SCORE = "confidence"
_ACCEPT = "confidence >= threshold"
_ROUNDING = 1e-9  # relative, of p-values


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
    from temperance.writers.place import write_json  # noqa: PLC0415  (tempfile costs half an import)

    rule = _as_policy(policy).rule
    if isinstance(rule, Bands):
        version, of_rule, promise = OF_BANDS, rule_content(rule), promise_content(rule)
    else:
        version, of_rule, promise = OF_THRESHOLDS, _rule_content(rule), _promise_content(rule)
    content = {
        "format": FORMAT,
        "format_version": version,
        "rule": of_rule,
        "promise": {**promise, "map_sha256": map_digest(policy.calibrator)},
        "calibrator": calibrator_content(policy.calibrator, facts=calibrator_facts),
        "rows": dict(policy.facts),
        "library": f"temperance {__version__}",
    }
    write_json(path, content, arguments="`facts`")


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
        values out of range, a key that stands twice or is unknown, a threshold that does not part
        the rows as counted, or counts that do not support the promise.

    Examples
    --------
    As in `save_policy`.
    """
    return policy_of(json_file(path))


def policy_of(top: JsonObject) -> DecisionPolicy:
    """Return the policy of such an object, or raise FileFormatError."""
    if top.get("format") != FORMAT:
        msg = f'{top.where}: not a decision policy: `format` must be "{FORMAT}".'
        raise FileFormatError(msg)
    check_version(top, OF_BANDS)
    calibrator = calibrator_of(top.section("calibrator"))
    rule = top.section("rule")
    facts = top.section("rows").values if top.has("rows") else {}
    top.get("library")
    promise = top.section("promise")
    version = top.integer("format_version")
    if promise.has("map_sha256") or version == OF_BANDS:  # older ones of thresholds may lack it
        of_map = "the digest of `calibrator`: the counts are of another map"
        promise.require_equal("map_sha256", map_digest(calibrator), because=of_map)
    if rule.has("event") != (version == OF_BANDS):
        top.refuse("format_version", f"{OF_BANDS} where `rule` says `event`, and only there")
    of_version = _RULES[version]
    try:
        policy = DecisionPolicy(calibrator, of_version(promise, rule), facts)
    except InvalidInputError as error:
        msg = f"{top.where}: {error}"
        raise FileFormatError(msg) from error
    for section in (rule, promise, top):
        section.require_all_asked()
    return policy


def policy_id(policy: DecisionPolicy) -> str:
    """Return the name of a policy by what it does: "sha256:" and 64 hexadecimal digits.

    Of its thresholds and of the map's id (`content_id`), whatever is known of the rows behind them.

    Parameters
    ----------
    policy : DecisionPolicy
        Any.

    Raises
    ------
    InvalidInputError
        `policy` is none.

    Examples
    --------
    >>> from temperance.calibrators import TemperatureScaling
    >>> from temperance.decisions import abstain
    >>> rule = abstain([[0.9, 0.1]] * 200, [0] * 200, max_risk=0.02)
    >>> policy = DecisionPolicy(TemperatureScaling(1.0), rule)
    >>> policy_id(policy) == policy_id(replace(policy, facts={"rows": "of May"}))
    True
    """
    rule = _as_policy(policy).rule
    of_map = {"calibrator": content_id(policy.calibrator)}
    if isinstance(rule, Bands):
        return digest({**of_map, "bands": rule_content(rule)})
    thresholds = {p.group: p.threshold for p in rule.promises} if rule.per_group else rule.threshold
    return digest({**of_map, "thresholds": thresholds})


def is_policy(path: str | PathLike[str]) -> bool:
    """Whether a JSON file says that it is a policy; raises FileFormatError if it is no JSON."""
    return json_file(path).values.get("format") == FORMAT


def _as_policy(value: Any) -> DecisionPolicy:  # noqa: ANN401
    if not isinstance(value, DecisionPolicy):
        msg = f"`policy` must be a DecisionPolicy, got {type(value).__name__}."
        raise InvalidInputError(msg)
    return value


def map_digest(calibrator: Calibrator) -> str:
    """Return the SHA-256 of method and parameters: of the map that the promise was made with."""
    content = {"method": calibrator.name, "parameters": calibrator.parameters()}
    return digest(content).removeprefix("sha256:")


def _check_event(event: DecisionEvent, calibrator: Calibrator) -> None:
    """Raise where a rule decides about a class that the calibrator does not have."""
    if event.column is None:
        return
    k, names = calibrator.n_classes, calibrator.classes
    has_name = names is None or names[event.column : event.column + 1] == (event.name,)
    if calibrator.kind == "answers" or event.column >= (k or event.column + 1) or not has_name:
        msg = (
            f"`rule` decides about the class {event.name} in column {event.column}, which "
            "`calibrator` does not have there."
        )
        raise InvalidInputError(msg)


def _check_promised(rule: Abstention | Bands, calibrator: Calibrator) -> None:
    """Raise where a rule's promise is about the probabilities of another calibrator."""
    before = rule.calibrator
    if before is None or before is calibrator:
        return
    named = (before.classes, calibrator.classes)
    if map_digest(before) != map_digest(calibrator) or (None not in named and len(set(named)) > 1):
        msg = (
            f"`rule` must be of this `calibrator` ({calibrator.name}), but its promise was made "
            f"for another map or other classes ({before.name}), and is void with this one. Set the "
            "thresholds again: `abstain` or `bands` on its probabilities of labelled rows, or "
            "`temperance threshold` (`policy`) with `--calibrator`."
        )
        raise InvalidInputError(msg)


def _rule_content(rule: Abstention) -> dict[str, Any]:
    return {
        "score": _SCORE,
        "accept": _ACCEPT,
        "threshold": rule.threshold,
        "groups": {p.group: p.threshold for p in rule.promises} if rule.per_group else None,
    }


def _promise_content(rule: Abstention) -> dict[str, Any]:
    return {
        "max_risk": rule.max_risk,
        "min_coverage": rule.min_coverage,
        "confidence": rule.confidence,
        "n_given": rule.n_given,
        "clustered": rule.clustered,
        "rows": [_evidence(each) for each in rule.promises],
    }


def _evidence(promise: Promise) -> dict[str, Any]:
    """Return what is known of the rows that set one threshold."""
    outcome = promise.outcome
    return {
        "group": promise.group,
        "n": outcome.n,
        "accepted": outcome.accepted,
        "errors": outcome.errors,
        "lowest_accepted": promise.lowest_accepted,
        "highest_declined": promise.highest_declined,
        "reason": promise.reason,
    }


def _rule(top: JsonObject, rule: JsonObject) -> Abstention:
    """Return the thresholds of `rule`, with the promise that the rows of `promise` support."""
    _check_meaning(rule)
    rows = top.sections("rows")
    names = [_group(each) for each in rows]
    thresholds = _thresholds(rule, names, top, "rows")
    promises = [_promise(each, thresholds[name]) for each, name in zip(rows, names, strict=True)]
    abstention = _abstention(top, promises, rows)
    for section in (*rows, top):
        section.require_all_asked()
    return abstention


def _rule_of_version_1(top: JsonObject, rule: JsonObject) -> Abstention:
    """Return the same of a file in which thresholds and risks stand twice, and words are kept."""
    _check_meaning(rule)
    rows = top.sections("thresholds")
    names = [_group(each) for each in rows]
    thresholds = _thresholds(rule, names, top, "thresholds")
    for each, name in zip(rows, names, strict=True):
        each.require_equal("threshold", thresholds[name], because="as `rule` says")
    promises = [_promise(each, thresholds[name]) for each, name in zip(rows, names, strict=True)]
    abstention = _abstention(top, promises, rows)
    for each, promise in zip(rows, abstention.promises, strict=True):
        each.require_equal("max_risk", promise.max_risk, because="as the counts allow")
        each.require_all_asked()
    for key in ("guarantee", "assumption"):
        top.require_equal(key, getattr(abstention, key), because="as the numbers say")
    top.require_all_asked()
    return abstention


_RULES: dict[int, Callable[[JsonObject, JsonObject], Abstention | Bands]] = {
    1: _rule_of_version_1,
    OF_THRESHOLDS: _rule,
    OF_BANDS: bands_of,
}


def _check_meaning(rule: JsonObject) -> None:
    rule.require_equal("score", _SCORE, because="the one number that thresholds are on")
    rule.require_equal("accept", _ACCEPT, because="what a threshold means")


def _group(row: JsonObject) -> str | None:
    return row.text("group") if row.has("group") else None


def _thresholds(
    rule: JsonObject, names: list[str | None], top: JsonObject, rows: str
) -> dict[str | None, float | None]:
    """Return each group's threshold; of one for all rows, that of None."""
    if rule.has("groups"):
        groups = rule.section("groups")
        if rule.has("threshold"):
            rule.refuse("threshold", "null where every group has its own in `groups`")
        if sorted(groups.values) != sorted(str(name) for name in names) or None in names:
            top.refuse(rows, "of the same groups as `groups` of `rule`, each once")
        thresholds: dict[str | None, float | None] = {
            name: groups.share(name) if groups.has(name) else None for name in groups.values
        }
    else:
        if names != [None]:
            top.refuse(rows, "those of all rows, where `rule` has no `groups`")
        thresholds = {None: rule.share("threshold")}
    if all(value is None for value in thresholds.values()):
        rule.refuse("groups", "thresholds, at least one of them a number")
    return thresholds


def _promise(row: JsonObject, threshold: float | None) -> Promise:
    """Return the rows behind a threshold, which must part them as counted."""
    counts = {name: row.integer(name, least=0) for name in ("n", "accepted", "errors")}
    n, accepted, errors = counts.values()
    if not errors <= accepted <= n:
        row.refuse("accepted", "a count between `errors` and `n`")
    name = _group(row)
    at = "`threshold`" if name is None else f"the threshold of group {shown(name)} in `groups`"
    if (threshold is None) != (accepted == 0):
        row.refuse("accepted", f"0 where {at} is null, and only there")
    if (threshold is None) != row.has("reason"):
        row.refuse("reason", f"text where {at} is null, and null where it is a number")
    if threshold == 0.0 and accepted < n:
        row.refuse("accepted", f"`n`, {n}, as {at} is 0")
    low = row.share("lowest_accepted") if row.has("lowest_accepted") else None
    high = row.share("highest_declined") if row.has("highest_declined") else None
    if threshold is None and not low == high is None:
        row.refuse("lowest_accepted", f"null, as `highest_declined` must be, where {at} is null")
    if threshold is not None and (low is not None or high is not None):  # version 1 has neither
        if low is None or not reaches(low, threshold):
            row.refuse("lowest_accepted", f"a number from {at} on, {shown(threshold)}")
        if (high is None) != (accepted == n) or (high is not None and reaches(high, threshold)):
            below = f"a number below {at}, {shown(threshold)}"
            row.refuse("highest_declined", f"{below}, or null where all are accepted")
    return Promise(
        group=name,
        threshold=threshold,
        max_risk=None,
        outcome=Outcome(**counts),
        reason=row.text("reason") if row.has("reason") else None,
        lowest_accepted=low,
        highest_declined=high,
    )


def _abstention(top: JsonObject, promises: list[Promise], rows: list[JsonObject]) -> Abstention:
    """Return the rule with the risk that each promise states, or say which count denies it."""
    max_risk = top.number("max_risk") if top.has("max_risk") else None
    min_coverage = top.number("min_coverage") if top.has("min_coverage") else None
    confidence = top.number("confidence")
    check_target(max_risk, min_coverage, confidence)
    per_group = promises[0].group is not None
    sizes = [each.outcome.n for each in promises]
    share = 1.0 - confidence
    if per_group:
        share = level_of_group(sizes, max_risk, share)
    target = Target(max_risk, min_coverage, share, GRID)
    supported = tuple(
        each
        if each.threshold is None
        else replace(each, max_risk=_supported_risk(row, each.outcome, target))
        for row, each in zip(rows, promises, strict=True)
    )
    clustered, n_given = top.flag("clustered"), top.integer("n_given")
    if sum(sizes) > n_given or not (clustered or per_group or sum(sizes) == n_given):
        top.refuse("n_given", f"the number of rows given, of which {sum(sizes)} count as `n`")
    return Abstention(supported, confidence, max_risk, min_coverage, n_given, clustered)


def _supported_risk(row: JsonObject, outcome: Outcome, target: Target) -> float:
    """Return the risk that the counts of accepted rows allow to promise, or raise."""
    if target.min_coverage is not None and outcome.accepted < target.covering(outcome.n):
        share = shown(target.min_coverage)
        row.refuse("accepted", f"at least the share `min_coverage`, {share}, of `n`")
    if target.max_risk is None:
        return risk_of_coverage(outcome.errors, outcome.accepted, target.delta)
    counts = np.array([outcome.errors]), np.array([outcome.accepted])
    p_value = float(p_values(*counts, target.max_risk)[0])
    if p_value > target.delta * (1.0 + _ROUNDING):
        row.refuse(
            "errors",
            f"few enough of {outcome.accepted} `accepted` rows for `max_risk` and `confidence`: "
            f"the p-value of a risk of {target.max_risk:g} is {p_value:.3g}, at most "
            f"{target.delta:.3g} is allowed",
        )
    return target.max_risk
