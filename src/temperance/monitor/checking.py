"""A check: the labels that became usable since the last one, weighed against what was served."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import log
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.drift import (
    AccuracyEstimate,
    Bets,
    ConfidenceShift,
    ConfidenceSums,
    Evidence,
    cause_of,
    estimate_onset,
)
from temperance.drift.collect import log_probs_of
from temperance.frozen import Frozen, Plain
from temperance.monitor.inputs import refuse_columns
from temperance.numerics import row_maxima
from temperance.printable import count_text, length_text
from temperance.show import Shown, Table, number_text, percent_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from temperance.monitor.registry import Registry
    from temperance.monitor.store import Store
    from temperance.monitor.stored import StoredRows

    Array = NDArray[np.float64]

__all__ = ["Check", "StreamCheck", "check", "joined", "served_log_probs"]

_ROWS = 4096  # weighed at a time
_MOST_UNLABELLED = 50_000  # rows, of the last, that are looked at before their labels come
_LEAST = log(1e-12)
_BEHIND = 60.0  # seconds by which clocks may differ without a word
_LOOK_BACK = 1000  # rows before the best start of a bet, in which the change may lie


@dataclass(frozen=True, slots=True)
class StreamCheck(Plain, Frozen):
    """What is known of one model served through one calibrator.

    Attributes
    ----------
    model, calibrator : str
    n_labels, n_new : int
        Labels weighed so far, and of these by this check.
    log_evidence, threshold : float
        Natural log of the evidence that this served wrong probabilities, and what it takes.
    peak : float
        Largest log of the evidence so far.
    alarm : bool
        Whether the threshold was reached, now or before; it stays until another calibrator serves.
    cause, advice : str or None
        What became wrong and what to do, of an alarm.
    factor : float or None
        By which it is wrong (`temperance.drift.Cause`).
    since : mapping or None
        Of an alarm: `raised_at` (time of the label that raised it), `label` (its number from 1),
        and of the change `onset`, `low`, `high` (times of the predictions) and their numbers
        `onset_label`, `low_label`, `high_label`.
    log_loss, accuracy, confidence : float or None
        Means over the labels of this check: served log loss, share of right ones, and the mean
        confidence, which a calibrated model has equal to it. Of rows that show some options only,
        given that the label is shown.
    """

    model: str
    calibrator: str
    n_labels: int
    n_new: int
    log_evidence: float
    threshold: float
    peak: float
    alarm: bool
    cause: str | None
    advice: str | None
    factor: float | None
    since: dict[str, Any] | None
    log_loss: float | None
    accuracy: float | None
    confidence: float | None


@dataclass(frozen=True, slots=True)
class Check(Shown, Plain, Frozen):
    """What a check says; `alarm`, `cause` and the rest are of the stream that matters most.

    Attributes
    ----------
    alarm : bool
        Whether any stream that is still served has one.
    cause, advice, onset : str or None
        As in `StreamCheck`; the onset is the time of the first prediction after the change.
    log_evidence : float
    n_labels, n_new : int
    calibrator : str
        Id of the one that serves.
    at : str
        Time of the check, ISO 8601, UTC.
    streams : tuple of StreamCheck
        Of each model and calibrator, the one that serves first.
    shift : ConfidenceShift or None
        Confidences of rows without labels against rows with: a warning, never an alarm.
    accuracy : AccuracyEstimate or None
        How often rows without labels are right, and why that may be void.
    warnings : tuple of str
    """

    alarm: bool
    cause: str | None
    advice: str | None
    onset: str | None
    log_evidence: float
    n_labels: int
    n_new: int
    calibrator: str
    at: str
    streams: tuple[StreamCheck, ...]
    shift: ConfidenceShift | None
    accuracy: AccuracyEstimate | None
    warnings: tuple[str, ...]

    def in_words(self) -> str:
        """Return what it says, in a sentence or two."""
        if not self.n_labels:
            return "No labels of what is served now are usable yet: nothing is known of it."
        if self.alarm:
            since = "" if self.onset is None else f" Since about {self.onset}."
            return f"ALARM: {self.cause}{since} {self.advice}"
        first = self.streams[0]
        return (
            f"No alarm: {count_text(first.n_labels, 'label speaks', 'labels speak')} as "
            f"calibrated probabilities may (log evidence {number_text(first.log_evidence, 2)} of "
            f"{number_text(first.threshold, 2)} that raise one)."
        )

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        if not self.streams:
            return ()
        return (
            Table(
                ("model", "calibrator", "labels", "new", "log evidence", "alarm at", "alarm"),
                tuple(
                    (
                        each.model, each.calibrator[:19], f"{each.n_labels:,}", f"{each.n_new:,}",
                        number_text(each.log_evidence, 2), number_text(each.threshold, 2),
                        "ALARM" if each.alarm else "no",
                    )
                    for each in self.streams
                ),
            ),
        )  # fmt: skip

    def columns(self) -> dict[str, list[Any]]:
        """Return the numbers as columns of plain values."""
        rows = [each.to_dict() for each in self.streams]
        names = [name for name in StreamCheck.__dataclass_fields__ if name != "since"]
        return {name: [row[name] for row in rows] for name in names}


def check(store: Store, registry: Registry) -> Check:
    """Weigh the labels that became usable since the last check; it may run as often as one likes.

    Evidence has no nights: it grows label by label, and its promise holds however often it is
    looked at. Two checks at once are one: the second looks again at what the first has left.

    Raises
    ------
    FileFormatError
        A calibrator that served rows is not in the registry, or its file is damaged.
    StoreError
        The store cannot be read or written; nothing is lost, and the next check does the same.
    """
    while True:
        window = store.check_window()
        streams = _weighed(store, registry, window)
        known = store.evidence()
        states = {key: (each.evidence.to_dict(), each.alarm) for key, each in streams.items()}
        now = _time(window[1])
        results = [_result(key, each) for key, each in streams.items()]
        results += [
            _result(key, _Stream(Evidence.from_dict(state), alarm, store.settings.promise))
            for key, (state, alarm) in known.items()
            if key not in streams
        ]
        serving = registry.current()
        results.sort(key=lambda each: (each.calibrator != serving, not each.alarm, -each.n_labels))
        summary = _summary(store, registry, now, results, serving)
        rows = [
            (each.model, each.calibrator, each.log_evidence, each.alarm,
             {"at": now, **each.to_dict()})
            for each in results if each.n_new
        ]  # fmt: skip
        messages = [
            (
                f"alarm {each.model} {each.calibrator}",
                {"kind": "alarm", "store": store.name, "at": now, **each.to_dict()},
            )
            for each in results
            if each.alarm
        ]
        if store.keep_check(window, states, rows, messages):
            return summary


@dataclass(slots=True)
class _Stream:
    """Evidence of one model and calibrator, and what this check adds to it."""

    evidence: Evidence
    alarm: dict[str, Any] | None
    promise: Any
    n_new: int = 0
    loss: float = 0.0
    right: int = 0
    confidence: float = 0.0


def _weighed(
    store: Store, registry: Registry, window: tuple[int, int]
) -> dict[tuple[str, str], _Stream]:
    """Return the streams that have new labels, with these weighed."""
    known = store.evidence()
    streams: dict[tuple[str, str], _Stream] = {}
    raised: list[tuple[tuple[str, str], int]] = []
    promise = store.settings.promise
    numbered = store.numbered_models()
    for rows in store.labelled(after=window[0], until=window[1]):
        for key, own in _by_stream(rows):
            if key not in streams:
                state, alarm = known.get(key, (None, None))
                start = (
                    Evidence.none(_bets(store, own.logits.shape[1], by_number=key[0] in numbered))
                    if state is None
                    else Evidence.from_dict(state)
                )
                streams[key] = _Stream(start, alarm, promise)
            stream = streams[key]
            if (label := _add(stream, own, registry)) is not None:
                raised.append((key, label))
    for key, label in raised:
        streams[key].alarm = _explained(
            store, registry, key, label, streams[key].evidence, window[1]
        )
    return streams


def _add(stream: _Stream, rows: StoredRows, registry: Registry) -> int | None:
    """Weigh some rows; return the number (from 1) of the label that raises an alarm, or None."""
    calibrator = str(rows.calibrators[0])
    raised = None
    for start in range(0, len(rows), _ROWS):
        some = rows.taken(slice(start, start + _ROWS))
        log_probs = served_log_probs(some, registry, calibrator)
        of_label = log_probs[np.arange(len(some)), some.labels]
        factors = stream.evidence.bets.log_factors(log_probs, some.labels, some.groups)
        path = stream.evidence.then(factors)
        if stream.alarm is None and raised is None:
            crossing = path.crossing(stream.promise)
            raised = None if crossing is None else stream.evidence.n + crossing + 1
        stream.evidence = path.last
        stream.n_new += len(some)
        stream.loss -= float(of_label.sum())
        stream.right += int((log_probs.argmax(axis=1) == some.labels).sum())
        stream.confidence += float(np.exp(row_maxima(log_probs)).sum())
    return raised


def served_log_probs(rows: StoredRows, registry: Registry, calibrator: str) -> Array:
    """Return the log probabilities that a calibrator gave, or would give, to rows.

    None below 1e-12 of an option that exists: a label of probability 0 is strong evidence, and not
    infinite. Bets against the larger probability win no more than they should.
    """
    fitted = registry.load(calibrator).of_logits
    own: dict[str, Any] = {"groups": rows.groups} if fitted.traits.groups else {}
    k = fitted.n_classes or rows.logits.shape[1]
    refuse_columns(fitted, rows.logits, model=str(rows.models[0]) if len(rows) else "")
    logits = rows.logits[:, :k]
    log_probs = log_probs_of(fitted.scale(logits, refuse_probs=False, dtype=np.float64, **own))
    return np.asarray(np.where(np.isneginf(logits), -np.inf, np.maximum(log_probs, _LEAST)))


def _by_stream(rows: StoredRows) -> Iterator[tuple[tuple[str, str], StoredRows]]:
    """Yield the rows of each model and calibrator, in their order."""
    if not len(rows):
        return
    if _one_text(rows.models) and _one_text(rows.calibrators):
        yield (str(rows.models[0]), str(rows.calibrators[0])), rows
        return
    models, of_model = np.unique(rows.models, return_inverse=True)
    calibrators, of_calibrator = np.unique(rows.calibrators, return_inverse=True)
    numbers, first, stream = np.unique(
        of_model * len(calibrators) + of_calibrator, return_index=True, return_inverse=True
    )
    for place in np.argsort(first):  # in the order in which they appear
        model, calibrator = divmod(int(numbers[place]), len(calibrators))
        own = rows.taken(np.flatnonzero(stream == place))
        yield (str(models[model]), str(calibrators[calibrator])), own


def _one_text(texts: NDArray[np.str_]) -> bool:
    return texts.strides == (0,) or bool((texts == texts[0]).all())


def _bets(store: Store, k: int, *, by_number: bool) -> Bets:
    """Return the bets on rows of k columns; on classes, where a column is one in every row."""
    settings = store.settings
    labels = () if settings.ragged or by_number else None
    return Bets.of(k, groups=settings.groups, labels=labels)


def _explained(
    store: Store,
    registry: Registry,
    key: tuple[str, str],
    label: int,
    evidence: Evidence,
    until: int,
) -> dict[str, Any]:
    """Return since when and what, of the label (from 1) that raised an alarm."""
    rows = _last_rows(store, key, evidence, until)
    first = evidence.n - len(rows)  # rows of the stream before these
    rows = rows.taken(np.arange(max(label - first, 1)))
    bets = evidence.bets
    log_probs = served_log_probs(rows, registry, key[1])
    factors = bets.log_factors(log_probs, rows.labels, rows.groups)
    leader = Evidence.none(bets).then(factors).last.leader
    onset = estimate_onset(factors[:, leader])
    since = np.arange(onset.row, len(rows))
    classes = store.classes(key[0])
    cause = cause_of(
        bets, leader, log_probs[since], rows.labels[since], rows.groups[since], classes=classes
    )
    places = {"onset": onset.row, "low": onset.low, "high": onset.high}
    return {
        "cause": cause.words, "advice": cause.advice, "factor": cause.factor,
        "raised_at": _time(int(rows.usable[-1])), "label": label,
        **{name: _time(int(rows.times[place])) for name, place in places.items()},
        **{f"{name}_label": first + place + 1 for name, place in places.items()},
    }  # fmt: skip


def _last_rows(store: Store, key: tuple[str, str], evidence: Evidence, until: int) -> StoredRows:
    """Return weighed rows of a stream from well before the start of the bet that leads.

    Labels that became usable since then are no part of the evidence.
    """
    run = evidence.n - int(evidence.starts[evidence.leader])
    n_rows, limit = min(evidence.n, 2 * run + _LOOK_BACK), 2 * run + _LOOK_BACK
    while True:
        parts, read = [], 0
        for rows in store.labelled(last=limit, until=until):
            read += len(rows)
            parts += [own for each, own in _by_stream(rows) if each == key]
        if sum(map(len, parts)) >= n_rows or read < limit:  # or some were pruned
            return joined(parts)
        limit *= 2


def joined(parts: list[StoredRows]) -> StoredRows:
    """Return the rows of all parts, as wide as the widest."""
    widest = max(each.logits.shape[1] for each in parts)
    wide = [
        replace(each, logits=np.pad(
            each.logits, ((0, 0), (0, widest - each.logits.shape[1])), constant_values=-np.inf
        ))
        for each in parts
    ]  # fmt: skip
    first = wide[0]
    names = first.__dataclass_fields__
    return type(first)(*[np.concatenate([getattr(each, name) for each in wide]) for name in names])


def _result(key: tuple[str, str], stream: _Stream) -> StreamCheck:
    alarm, n = stream.alarm, stream.n_new
    since = None if alarm is None else {
        name: value for name, value in alarm.items() if name not in ("cause", "advice", "factor")
    }  # fmt: skip
    words = alarm or {"cause": None, "advice": None, "factor": None}
    return StreamCheck(
        *key, stream.evidence.n, n, stream.evidence.value(stream.promise),
        stream.promise.threshold, stream.evidence.peak, alarm is not None,
        words["cause"], words["advice"], words["factor"], since,
        stream.loss / n if n else None, stream.right / n if n else None,
        stream.confidence / n if n else None,
    )  # fmt: skip


def _summary(
    store: Store, registry: Registry, now: str, results: list[StreamCheck], serving: str
) -> Check:
    warnings = []
    counts = store.counts()
    if counts.matured and counts.matured_labelled < 0.5 * counts.matured:
        share = counts.matured_labelled / counts.matured
        warnings.append(
            f"only {percent_text(share, 0)} of the rows older than the delay have a label: "
            "evidence is about these alone, and void where how a row turned out decides about its "
            "label."
        )
    if counts.not_shown:
        warnings.append(
            f"{counts.not_shown:,} of {counts.labels:,} labels are of options that their rows do "
            "not show: evidence is about the others, given that they are shown."
        )
    served = [each for each in results if each.calibrator == serving]
    wait = None if any(each.n_labels for each in served) else store.seconds_to_next_label()
    if wait is not None:
        warnings.append(
            f"the next label counts in {length_text(wait)}, when its prediction is older than the "
            f"delay ({length_text(store.settings.delay)})."
        )
    if (behind := store.seconds_behind()) > _BEHIND:
        warnings.append(
            f"the clock is {length_text(behind)} behind the latest time that the store has seen: "
            "it was set back, or another machine's is ahead. Labels count in the order in which "
            "they come; rows that were logged by the clock ahead count once their time has come."
        )
    if counts.parked:
        warnings.append(
            f"{count_text(counts.parked, 'label')} without a prediction of that id so far."
        )
    first = served[0] if served else None
    alarm = any(each.alarm for each in served)
    if first is not None and alarm and not first.alarm:
        first = next(each for each in served if each.alarm)
    shift, accuracy = _before_labels(store, registry, serving, alarm=alarm)
    if shift is not None and shift.moved:
        warnings.append(
            f"rows without labels are other rows than those with (mean confidence {shift.mean:.3f} "
            f"against {shift.mean_reference:.3f}): a warning, no alarm."
        )
    since = first.since if first and alarm else None
    return Check(
        alarm=alarm,
        cause=first.cause if first and alarm else None,
        advice=first.advice if first and alarm else None,
        onset=None if since is None else since["onset"],
        log_evidence=first.log_evidence if first else 0.0,
        n_labels=first.n_labels if first else 0,
        n_new=first.n_new if first else 0,
        calibrator=serving,
        at=now,
        streams=tuple(results),
        shift=shift,
        accuracy=accuracy,
        warnings=tuple(warnings),
    )


def _before_labels(
    store: Store, registry: Registry, serving: str, *, alarm: bool
) -> tuple[ConfidenceShift | None, AccuracyEstimate | None]:
    """Return what can be said of rows of the serving calibrator that have no labels yet.

    Nothing of rows that show some options only: how often the others come true is not known.
    """
    without: ConfidenceSums | None = None
    some_only = store.top_k_models()
    for rows in store.unlabelled(last=_MOST_UNLABELLED):
        without = _with_confidence(without, rows, registry, serving, some_only)
    if without is None:
        return None, None
    labelled: ConfidenceSums | None = None
    for rows in store.labelled(last=_MOST_UNLABELLED):
        labelled = _with_confidence(labelled, rows, registry, serving, some_only)
    if labelled is None:
        labelled = ConfidenceSums.of([])
    shift = ConfidenceShift.between(labelled, without) if labelled.n else None
    return shift, AccuracyEstimate.of(without, labelled, alarm=alarm, shift=shift)


def _with_confidence(
    sums: ConfidenceSums | None,
    rows: StoredRows,
    registry: Registry,
    serving: str,
    without: frozenset[str],
) -> ConfidenceSums | None:
    keep = np.broadcast_to(rows.calibrators[:1] == serving, (len(rows),))
    if not _one_text(rows.calibrators):
        keep = rows.calibrators == serving
    if without:
        keep = keep & ~np.isin(rows.models, list(without))
    rows = rows.taken(np.flatnonzero(keep))
    if not len(rows):
        return sums
    log_probs = served_log_probs(rows, registry, serving)
    right = np.where(rows.labels < 0, -1, log_probs.argmax(axis=1) == rows.labels)
    confidence = np.exp(row_maxima(log_probs)).clip(max=1.0)
    more = ConfidenceSums.of(confidence, right)
    return more if sums is None else sums.merge(more)


def _time(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")
