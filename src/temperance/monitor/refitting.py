"""A new calibrator on the labels of late, and whether it has earned its place."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import METHODS
from temperance.checks.arguments import as_count, as_flag, as_positive, as_share, as_word
from temperance.decisions import (
    Abstention,
    Bands,
    DecisionPolicy,
    abstain,
    load_policy,
    save_policy,
)
from temperance.decisions.bands import bands_rows
from temperance.decisions.policy import map_digest
from temperance.decisions.rows import DecisionRows
from temperance.drift.challenge import Challenge, prequential_log_probs
from temperance.errors import FileFormatError, InvalidInputError, NoOptimumError
from temperance.frozen import Frozen, Plain
from temperance.monitor.checking import joined, served_log_probs
from temperance.monitor.inputs import microseconds
from temperance.printable import count_text, length_text
from temperance.show import number_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.monitor.registry import Registry
    from temperance.monitor.store import Store
    from temperance.monitor.stored import StoredRows

__all__ = ["METHODS_OF_REFITS", "Refit", "policy_apart", "refit"]

METHODS_OF_REFITS = (
    "temperature", "bias-corrected-temperature", "vector", "matrix", "platt", "beta",
    "group-temperature",
)  # fmt: skip
_MOST_HALVES = 1000.0  # of a weight that is still a number
_FIRST = 0.3  # of the window: what the first fit of the comparison has
_FEWEST = 50  # rows of a window
_BLOCKS = 10  # of the rest, each scored by a fit on all rows before it; of windows of
_MANY = 20_000  # more labels, whose fits hardly differ,
_FEW_BLOCKS = 3
_POLICY_SHARE = 0.3  # of the window: labels for the promise of a policy


@dataclass(frozen=True, slots=True)
class Refit(Plain, Frozen):
    """What became of a re-fit.

    Attributes
    ----------
    promoted : bool
        Whether the new calibrator serves now.
    calibrator, champion : str
        Ids of the new one, and of the one that served.
    method : str
    n : int
        Labels of the window, on all of which the new one is fitted.
    challenge : Challenge
        On rows of the window that neither had seen: each by a fit on the rows before it.
    temperature, champion_temperature : float or None
    words : str
    policy : str or None
        What became of the policy that decides by it.
    """

    promoted: bool
    calibrator: str
    champion: str
    method: str
    n: int
    challenge: Challenge
    temperature: float | None
    champion_temperature: float | None
    words: str
    policy: str | None


def refit(
    store: Store,
    registry: Registry,
    *,
    last: int | None = None,
    since: int | None = None,
    method: str | None = None,
    half_life: float | None = None,
    alpha: float = 0.05,
    force: bool = False,
) -> Refit:
    """Fit on labels of late; promote the result if evidence on rows that neither used says so.

    Parameters
    ----------
    store, registry
    last : int, optional
        How many labels, the last ones that are usable: all since the alarm's onset, or of the
        serving calibrator, where left out.
    since : int, optional
        Microseconds since 1970: predictions from then on.
    method : str, optional
        By default that of the serving calibrator; where that is none for re-fits, temperature, of
        answers platt.
    half_life : float, optional
        Days in which the weight of a row halves, at least 1/1,000 of those that the window spans;
        all count alike where left out.
    alpha : float, default 0.05
        Probability to promote where the serving one is calibrated, at most.
    force : bool, default False
        Promote whatever the evidence says (but not a map that cannot be fitted).

    Returns
    -------
    Refit

    Raises
    ------
    InvalidInputError
        A window of fewer than 50 labels, or of models with different options; a method that is not
        for re-fits.
    NoOptimumError
        The window has no optimum.
    """
    as_flag(force, name="force")
    as_share(alpha, name="alpha")
    if half_life is not None:
        half_life = as_positive(half_life, name="half_life")
    champion_id = registry.current()
    champion = registry.load(champion_id)
    name = _method(champion, method)
    rows = _window(store, champion_id, last, since)
    weights = _weights(rows, half_life)

    def fitted(places: NDArray[np.intp]) -> Calibrator:
        one = _fit(name, rows, places, weights)
        if champion.n_classes is None and one.traits.any_width:  # rows to come may be wider
            one = replace(one, n_classes=None)
        return champion.with_map(one)

    policy = _policy_of(store)
    n_kept = int(_POLICY_SHARE * len(rows)) if policy is not None else 0
    fit_rows, kept_rows = np.split(np.arange(len(rows)), [len(rows) - n_kept])
    challenger = fitted(fit_rows)
    challenge = _challenge(fitted, rows, registry, champion_id)
    new = registry.add(challenger)
    promoted = new != champion_id and (force or challenge.earned(alpha))
    policy_note = None
    if promoted:
        why = f"re-fit on {len(fit_rows):,} labels"
        if not challenge.earned(alpha):
            why += ", forced"
        facts = {"method": name, "n": len(fit_rows), "challenge": challenge.to_dict()}
        registry.promote(new, why=why, facts=facts, champion=champion_id)
        if policy is not None:
            policy_note = _set_again(Path(str(store.settings.policy)), policy, challenger,
                              rows.taken(kept_rows))  # fmt: skip
    words = _words(challenge, alpha, promoted=promoted, same=new == champion_id)
    return Refit(
        promoted, new, champion_id, name, len(fit_rows), challenge,
        getattr(challenger, "temperature", None), getattr(champion, "temperature", None), words,
        policy_note,
    )  # fmt: skip


def _policy_of(store: Store) -> DecisionPolicy | None:
    path = store.settings.policy
    return None if path is None or not Path(path).exists() else load_policy(path)


def policy_apart(store: Store, calibrator: Calibrator) -> tuple[str, ...]:
    """Return a warning where the policy of a store decides by another map than this one."""
    name = Path(str(store.settings.policy)).name
    try:
        policy = _policy_of(store)
    except FileFormatError as error:
        return (str(error),)
    if policy is None or map_digest(policy.calibrator) == map_digest(calibrator):
        return ()
    text = (
        f"{name} decides by another calibrator, its own, than the one that serves: its promise is "
        "about that one alone. Set it again on labels of this one: `temperance threshold FILE "
        f"--calibrator current.json -o {name}` (of bands: `temperance policy`)."
    )
    return (text,)


def _set_again(path: Path, policy: DecisionPolicy, calibrator: Calibrator, rows: StoredRows) -> str:
    """Set a promise again on rows that the new map was not fitted on, or withdraw it, in words.

    A promise is about one map: that of the calibrator before is void.
    """
    rule = policy.rule
    own: dict[str, Any] = {"groups": rows.groups} if calibrator.traits.groups else {}
    probs = calibrator.of_logits.apply(rows.logits, refuse_probs=False, dtype=np.float64, **own)
    answers = calibrator.kind == "answers"
    if answers:
        probs = probs[:, 1]
    groups = rows.groups if rule.per_group else None
    try:
        again = _rule_again(rule, probs, rows.labels, groups, answers=answers)
    except InvalidInputError as error:
        void = path.with_suffix(".void.json")
        path.replace(void)
        return (
            f"the promise of {path.name} was about the calibrator before, and is withdrawn: the "
            f"file is {void.name} now, and nothing decides by it. On {len(rows):,} labels kept "
            f"apart it cannot be made again: {error}"
        )
    save_policy(DecisionPolicy(calibrator, again), path)
    return (
        f"the promise of {path.name} is made again for the new calibrator, on {len(rows):,} labels "
        f"kept apart: threshold {again.threshold if not rule.per_group else 'of each group'}."
    )


def _rule_again(
    rule: Abstention | Bands,
    probs: NDArray[np.float64],
    labels: NDArray[np.intp],
    groups: NDArray[Any] | None,
    *,
    answers: bool,
) -> Abstention | Bands:
    """Return the rule of the same promises on other rows, or raise InvalidInputError."""
    if isinstance(rule, Abstention):
        return abstain(
            probs, labels, max_risk=rule.max_risk, min_coverage=rule.min_coverage,
            confidence=rule.confidence, groups=groups, answers=answers,
        )  # fmt: skip
    event = rule.event
    name = event.name if event.column is None else event.column
    rows = DecisionRows.check(
        probs, labels, groups=groups, event=name, composite=event.composite, answers=answers
    )
    return replace(bands_rows(rows, rule.promises, confidence=rule.confidence), event=event)


def _method(champion: Calibrator, method: str | None) -> str:
    name = champion.name if method is None else method
    if method is None and name not in METHODS_OF_REFITS:
        name = "platt" if champion.kind == "answers" else "temperature"
    as_word(name, METHODS_OF_REFITS, name="method")
    return name


def _window(store: Store, champion: str, last: int | None, since: int | None) -> StoredRows:
    """Return the rows to fit on, in the order of their labels."""
    if last is not None:
        as_count(last, name="last")
    oldest = since
    if last is None and since is None:
        oldest = _onset(store, champion)
    parts = []
    # a label counts once its prediction is older than the delay: earlier ones are not read
    after = 0 if oldest is None else max(0, oldest + microseconds(store.settings.delay) - 1)
    for rows in store.labelled(after=after if last is None else 0, last=last):
        keep = np.ones(len(rows), dtype=bool) if oldest is None else rows.times >= oldest
        if last is None and oldest is None:
            keep &= rows.calibrators == champion
        parts.append(rows.taken(np.flatnonzero(keep)))
    parts = [each for each in parts if len(each)]
    n = sum(map(len, parts))
    if n < _FEWEST:
        delay = store.settings.delay
        delayed = (
            f" (one counts once its prediction is older than the delay, {length_text(delay)})"
            if delay
            else ""
        )
        msg = (
            f"the window has {count_text(n, 'usable label')}, and a re-fit wants at least "
            f"{_FEWEST}: wait for more{delayed}, or take an older window (`last`, --last; `since`, "
            "--since)."
        )
        raise InvalidInputError(msg)
    rows = joined(parts)
    models = sorted(set(rows.models.tolist()))
    if len(models) > 1:
        msg = (
            f"the window has rows of {len(models)} models ({', '.join(models[:3])}), and one "
            "calibrator is for one model. Take a window that has one (--last, --since), or a "
            "store for each."
        )
        raise InvalidInputError(msg)
    return rows


def _onset(store: Store, champion: str) -> int | None:
    """Return when the change began of which an alarm of the serving calibrator is."""
    for (_, calibrator), (_, alarm) in store.evidence().items():
        if calibrator == champion and alarm is not None:
            return microseconds(datetime.fromisoformat(alarm["onset"]).timestamp())
    return None


def _weights(rows: StoredRows, half_life: float | None) -> NDArray[np.float64] | None:
    if half_life is None:
        return None
    age = (rows.times.max() - rows.times) / 86_400e6
    days, oldest = half_life, float(age.max())
    if oldest > _MOST_HALVES * days:
        msg = (
            f"`half_life` (--half-life) is {length_text(86_400.0 * days)}, and the window spans "
            f"{length_text(86_400.0 * oldest)}: its first rows would count for nothing. Take a "
            f"longer one, of at least 1/{_MOST_HALVES:,.0f} of the window, or a shorter window "
            "(`last`, --last; `since`, --since)."
        )
        raise InvalidInputError(msg)
    return np.asarray(0.5 ** (age / days))


def _fit(
    name: str, rows: StoredRows, places: NDArray[np.intp], weights: NDArray[np.float64] | None
) -> Calibrator:
    """Return a fit on some rows; where they have no optimum, one with a prior."""
    settings: dict[str, Any] = {"refuse_probs": False}
    if weights is not None:
        settings["weights"] = weights[places]
    kind: Any = METHODS[name]
    if kind.traits.groups:
        settings["groups"] = rows.groups[places]
    logits, labels = rows.logits[places], rows.labels[places]
    try:
        return kind.fit(logits, labels, **settings)  # type: ignore[no-any-return]
    except NoOptimumError:
        if name != "temperature":
            raise
        return kind.fit(logits, labels, prior=1.0, **settings)  # type: ignore[no-any-return]


def _challenge(
    fitted: Callable[[NDArray[np.intp]], Calibrator],
    rows: StoredRows,
    registry: Registry,
    champion: str,
) -> Challenge:
    """Score each block of rows by a fit on the rows before it, beside the champion."""
    served = served_log_probs(rows, registry, champion)

    def scaled(places: NDArray[np.intp]) -> Callable[[NDArray[np.intp]], Any]:
        one = fitted(places).of_logits

        def scaled_by_it(at: NDArray[np.intp]) -> Any:  # noqa: ANN401
            own: dict[str, Any] = {"groups": rows.groups[at]} if one.traits.groups else {}
            return one.scale(rows.logits[at], refuse_probs=False, dtype=np.float64, **own)

        return scaled_by_it

    first = max(_FEWEST // 2, int(_FIRST * len(rows)))
    blocks = _BLOCKS if len(rows) <= _MANY else _FEW_BLOCKS
    scored = prequential_log_probs(scaled, len(rows), first=first, blocks=blocks)
    of_label = served[np.arange(len(rows)), rows.labels]
    gains = np.concatenate([
        log_probs[np.arange(len(at)), rows.labels[at]] - of_label[at] for at, log_probs in scored
    ])  # fmt: skip
    # what the champion was fitted on, if it was here, is what others served before it
    own = rows.calibrators[first:] == champion
    return Challenge.of_gains(gains[own] if own.any() else gains)


def _words(challenge: Challenge, alpha: float, *, promoted: bool, same: bool) -> str:
    better = "lower" if challenge.mean_gain > 0 else "higher"
    gain = (
        f"on {challenge.n:,} labels that neither was fitted on, the new one's log loss is "
        f"{number_text(abs(challenge.mean_gain))} nats a row {better} (log evidence "
        f"{number_text(challenge.log_evidence, 2)}, {number_text(-np.log(alpha), 2)} wanted)"
    )
    if same:
        return "The new calibrator is the one that serves: nothing changes."
    if challenge.earned(alpha):
        return f"Promoted: {gain}."
    if promoted:
        return f"Promoted by force: {gain}."
    if challenge.mean_gain <= 0:
        return f"Not promoted: {gain}. The serving one is as good; nothing is to be done."
    more = int(np.ceil((-np.log(alpha) - challenge.log_evidence) / challenge.mean_gain))
    return f"Not promoted: {gain}. At this gain, about {more:,} more labels would do."
