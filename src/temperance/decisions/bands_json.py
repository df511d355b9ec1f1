"""What `policy.json` says of bands, and whether the counts behind them support their promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.binning import reaches
from temperance.decisions.band_promises import RATES, BandCounts, BandPromises
from temperance.decisions.bands import Bands, GroupBands, searches
from temperance.decisions.binomial import p_values
from temperance.decisions.rows import COMPOSITES, PREDICTED, DecisionEvent
from temperance.frozen import plain
from temperance.readers.json_object import shown

if TYPE_CHECKING:
    from temperance.readers.json_object import JsonObject

__all__ = ["bands_of", "promise_content", "rule_content"]

_ACCEPT, _REJECT = "score >= accept_from", "score <= reject_to"
_COUNTS = ("n", "positives", "accepted", "accepted_positives", "rejected", "rejected_positives")
_SCORES = ("lowest_accepted", "highest_declined", "highest_rejected", "lowest_kept")
_WORDS = ("accept_reason", "reject_reason")
_ROUNDING = 1e-9  # relative, of p-values


def rule_content(bands: Bands) -> dict[str, Any]:
    """Return what is needed to decide: the score, and where bands begin."""
    first, event = bands.parts[0], bands.event
    groups = {
        part.group: {"accept_from": part.accept_from, "reject_to": part.reject_to}
        for part in bands.parts
    }
    return {
        "score": event.score_name,
        "event": event.name,
        "column": event.column,
        "composite": event.composite,
        "accept": _ACCEPT,
        "reject": _REJECT,
        "accept_from": None if bands.per_group else first.accept_from,
        "reject_to": None if bands.per_group else first.reject_to,
        "groups": groups if bands.per_group else None,
    }


def promise_content(bands: Bands) -> dict[str, Any]:
    """Return the promises, and the counts that they rest on."""
    rows = []
    for part in bands.parts:
        counts = {name: getattr(part.counts, name) for name in _COUNTS}
        rest = {name: plain(getattr(part, name)) for name in (*_SCORES, *_WORDS)}
        rows.append({"group": part.group, **counts, **rest})
    return {
        "promises": bands.promises.limits,
        "confidence": bands.confidence,
        "n_given": bands.n_given,
        "clustered": bands.clustered,
        "rows": rows,
    }


def bands_of(promise: JsonObject, rule: JsonObject) -> Bands:
    """Return the bands of both, or raise FileFormatError, InvalidInputError."""
    event = _event(rule)
    for key, words in (("accept", _ACCEPT), ("reject", _REJECT)):
        rule.require_equal(key, words, because="what a threshold means")
    limits = promise.section("promises")
    unknown = sorted(set(limits.values) - set(RATES))
    if unknown:
        promise.refuse("promises", f"limits of {', '.join(RATES)}, unlike {shown(unknown[0])}")
    rates = {name: limits.number(name) for name in RATES if limits.has(name)}
    promises = BandPromises.check(**rates)
    confidence = promise.number("confidence")
    if not 0.0 < confidence < 1.0:
        promise.refuse("confidence", "a number strictly between 0 and 1")
    rows = promise.sections("rows")
    ends = _ends(rule, rows, promise)
    parts = [_part(row, *each) for row, each in zip(rows, ends, strict=True)]
    sides = searches([part.counts.n for part in parts], promises, 1.0 - confidence)
    level = (1.0 - confidence) / (sides if parts[0].group is not None else len(promises.sides))
    for row, part in zip(rows, parts, strict=True):
        _check_support(row, part, promises, level)
        row.require_all_asked()
    n, n_given = sum(part.counts.n for part in parts), promise.integer("n_given")
    clustered = promise.flag("clustered")
    if n > n_given or (not clustered and n != n_given):
        promise.refuse("n_given", f"the number of rows given, of which {n} count as `n`")
    return Bands(tuple(parts), promises, confidence, event, n_given, clustered)


def _event(rule: JsonObject) -> DecisionEvent:
    name, column = rule.text("event"), None
    if rule.has("column"):
        column = rule.integer("column", least=0)
    if (name == PREDICTED) != (column is None):
        rule.refuse("column", f'null where `event` is "{PREDICTED}", and only there')
    composite = rule.get("composite")
    if composite is not None and (composite not in COMPOSITES or column is not None):
        rule.refuse("composite", f"null, or of {PREDICTED} answers one of {', '.join(COMPOSITES)}")
    event = DecisionEvent(name, column, composite)
    rule.require_equal("score", event.score_name, because="as `event` and `composite` say")
    return event


def _ends(
    rule: JsonObject, rows: list[JsonObject], promise: JsonObject
) -> list[tuple[str | None, float | None, float | None]]:
    """Return the name of each row's group, and where its bands begin."""
    names = [row.text("group") if row.has("group") else None for row in rows]
    if not rule.has("groups"):
        if names != [None]:
            promise.refuse("rows", "those of all rows, where `rule` has no `groups`")
        return [(None, *_two(rule))]
    for key in ("accept_from", "reject_to"):
        if rule.has(key):
            rule.refuse(key, "null where every group has its own in `groups`")
    groups = rule.section("groups")
    if None in names or sorted(groups.values) != sorted(str(name) for name in names):
        promise.refuse("rows", "of the same groups as `groups` of `rule`, each once")
    ends = []
    for name in names:
        own = groups.section(str(name))
        ends.append((name, *_two(own)))
        own.require_all_asked()
    return ends


def _two(ends: JsonObject) -> tuple[float | None, float | None]:
    accept = ends.share("accept_from") if ends.has("accept_from") else None
    reject = ends.share("reject_to") if ends.has("reject_to") else None
    if accept is not None and reject is not None and reaches(reject, accept):
        ends.refuse("reject_to", f"below `accept_from`, {shown(accept)}: no row is in both bands")
    return accept, reject


def _part(
    row: JsonObject, group: str | None, accept_from: float | None, reject_to: float | None
) -> GroupBands:
    """Return the rows behind two thresholds, which must part them as counted."""
    counts = BandCounts(**{name: row.integer(name, least=0) for name in _COUNTS})
    if counts.reviewed < 0 or counts.positives > counts.n:
        row.refuse("n", "at least `accepted` and `rejected` together, and `positives`")
    for band, count in (("accepted", counts.accepted), ("rejected", counts.rejected)):
        own = getattr(counts, f"{band}_positives")
        if own > min(count, counts.positives) or count - own > counts.n - counts.positives:
            row.refuse(f"{band}_positives", f"a count that fits `{band}`, `positives` and `n`")
    scores = {name: row.share(name) if row.has(name) else None for name in _SCORES}
    _check_ends(row, "accept_from", accept_from, scores, ("lowest_accepted", "highest_declined"),
                counts.accepted, counts.n, sign=1.0)  # fmt: skip
    _check_ends(row, "reject_to", reject_to, scores, ("highest_rejected", "lowest_kept"),
                counts.rejected, counts.n, sign=-1.0)  # fmt: skip
    accept, reject = (row.text(name) if row.has(name) else None for name in _WORDS)
    return GroupBands(group, accept_from, reject_to, counts, accept, reject, **scores)


def _check_ends(
    row: JsonObject,
    name: str,
    threshold: float | None,
    scores: dict[str, float | None],
    keys: tuple[str, str],
    count: int,
    n: int,
    *,
    sign: float,
) -> None:
    """Raise where the scores beside a threshold are not on the sides that the counts say."""
    inside, outside = (scores[key] for key in keys)
    if threshold is None:
        for key, value in zip(keys, (inside, outside), strict=True):
            if value is not None or count:
                row.refuse(key, f"null, and no row counted, where `{name}` is null")
        return
    for key, value, exists in ((keys[0], inside, count > 0), (keys[1], outside, count < n)):
        fits = value is not None and bool(reaches(sign * value, sign * threshold)) is (
            key == keys[0]
        )
        if exists is not (value is not None) or (exists and not fits):
            side = "on the side of the band" if key == keys[0] else "outside the band"
            row.refuse(key, f"a score {side}, or null where no row is: `{name}` is {threshold:g}")


def _check_support(row: JsonObject, part: GroupBands, promises: BandPromises, level: float) -> None:
    """Raise where the counts do not support a promise at its level."""
    for side in promises.sides:
        end = part.reject_to if side == "reject" else part.accept_from
        if end is None:
            continue
        for name, share in promises.bad_shares(side).items():
            bad, whole = part.counts.bad(name)
            p_value = float(p_values(np.array([bad]), np.array([whole]), share)[0]) if whole else 1
            if p_value > level * (1.0 + _ROUNDING):
                row.refuse(
                    "accepted_positives" if side != "reject" else "rejected_positives",
                    f"a count that supports the `promises` at `confidence`: of `{name}` the "
                    f"p-value is {p_value:.3g}, at most {level:.3g} is allowed",
                )
