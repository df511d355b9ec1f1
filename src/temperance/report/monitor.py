"""The page of a monitor: is what is served right, since when not, and what to do."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import TemperatureScaling
from temperance.drift import Bets, Evidence
from temperance.errors import NoOptimumError
from temperance.metrics.estimates import Estimate, wilson_interval
from temperance.monitor.checking import joined, served_log_probs
from temperance.monitor.overview import overview
from temperance.monitor.refitting import METHODS_OF_REFITS
from temperance.plots import CorpDisplay, EvidenceDisplay, TemperatureDisplay
from temperance.printable import length_text
from temperance.report.screen import Screen, State
from temperance.report.tables import render, svg
from temperance.show import number_text, percent_text
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

    from temperance.monitor import Registry, Store
    from temperance.monitor.overview import Overview, StreamState
    from temperance.monitor.stored import StoredRows
    from temperance.report.screen import Glance

__all__ = ["render_monitor", "write_monitor"]

_WINDOW = 20_000  # labels, the last ones, that pictures are made of
_PARTS = 8  # of the window, each with a temperature
_FEWEST = 40  # labels of a part
_MOST_GROUPS = 12


def write_monitor(path: str | PathLike[str], store: Store, registry: Registry) -> None:
    """Write the page as UTF-8 text, whole or not at all; raise InvalidInputError if it cannot."""
    write_text(path, render_monitor(store, registry))


def render_monitor(store: Store, registry: Registry, *, refresh: int | None = None) -> str:
    """Return the page as text; nothing is weighed or written.

    Parameters
    ----------
    store, registry
    refresh : int, optional
        Seconds after which a browser asks for it again.
    """
    state = overview(store, registry)
    serving = [each for each in state.streams if each.serving]
    window = _window(store, registry, state)
    finding, split = _verdict(state, serving)
    return render(
        "monitor.html.j2",
        title=f"Monitor: {state.store}",
        refresh=refresh,
        finding=finding,
        screen=Screen(_states(state, serving), _glance(state, serving, window)),
        split=split,
        alarms=[_alarm(each) for each in serving if each.alarm is not None],
        state=state,
        warnings=state.warnings,
        facts=_facts(state),
        evidence=[] if window is None else [window.evidence_picture(serving)],
        reliability=[] if window is None else window.reliability_pictures(),
        temperatures=[] if window is None else window.temperature_picture(),
        groups=[] if window is None else window.groups(),
        n_window=0 if window is None else len(window.rows),
        streams=state.streams,
        versions=list(reversed(state.versions)),
        made=_moment(datetime.now(UTC).isoformat()),
        moment=_moment,
        short=lambda name: name.removeprefix("sha256:")[:12],
    )


def _moment(text: str) -> str:
    """Return a time, ISO 8601 in UTC, as people read it, to the minute."""
    return f"{text[:16].replace('T', ' ')} UTC"


def _verdict(state: Overview, serving: list[StreamState]) -> tuple[str, str]:
    """Return the headline, and the sentence below it."""
    if state.serving is None:
        return "It is not known what serves.", "The file of the serving calibrator is damaged."
    if not serving:
        words = "No label of a row that it served has been weighed: log labels, and check."
        if not state.counts.predictions:
            words = "No prediction has been logged."
        return "Nothing is known yet of what is served now.", words
    alarmed = [each for each in serving if each.alarm is not None]
    if alarmed:
        alarm = alarmed[0].alarm or {}
        return (
            f"Alarm. {alarm['cause']}",
            f"Since about {_moment(alarm['onset'])}.",
        )
    n = sum(each.n_labels for each in serving)
    words = (
        f"{n:,} labels weighed; the log of the evidence is "
        f"{number_text(serving[0].log_evidence, 2)}, and {number_text(serving[0].threshold, 2)} "
        "raises an alarm."
    )
    return "No alarm: labels speak as calibrated probabilities may.", words


def _states(state: Overview, serving: list[StreamState]) -> list[State]:
    """Return whether there is an alarm, of each model that serves."""
    if not serving:
        what = "What serves" if state.serving is None else "What is served"
        return [State(what, "Cannot tell", "No label of it has been weighed")]
    return [
        State(
            each.model if len(serving) > 1 else "",
            "Alarm" if each.alarm is not None else "No alarm",
            f"{each.n_labels:,} labels weighed",
            "bad" if each.alarm is not None else "good",
        )
        for each in serving
    ]


def _glance(state: Overview, serving: list[StreamState], window: _Window | None) -> list[Glance]:
    """Return the evidence, what the last labels say, and what to do next, with its command."""
    glance: list[Glance] = []
    if serving:
        worst = max(serving, key=lambda each: each.log_evidence - each.threshold)
        limit = number_text(worst.threshold, 2)
        words = f"is the log of the evidence against what is served; alarms are from {limit} on."
        glance.append(("Evidence", number_text(worst.log_evidence, 2), words, ""))
    if window is not None:
        claimed, true = window.claimed_and_true()
        words = f"claimed, {percent_text(true, 1)} true, of the last {len(window.rows):,} labels."
        glance.append(("Claimed, and true", percent_text(claimed, 1), words, ""))
    name, store = "What to do next", shlex.quote(state.store)
    alarmed = next((each.alarm for each in serving if each.alarm is not None), None)
    step, command = "Log labels as they come, and check again.", f"temperance monitor check {store}"
    if state.serving is None:
        step, command = "Serve an older version.", f"temperance monitor rollback {store}"
    elif alarmed is not None:
        step = str(alarmed["advice"])
        command = f"temperance monitor refit {store}{_method_of(step)}"
    elif not state.counts.predictions:
        step, command = (
            "Log what is served, with ids; then its labels.",
            f"temperance monitor log {store} predictions.csv",
        )
    elif not serving and not state.counts.waiting:
        step, command = (
            "Log labels of what was served.",
            f"temperance monitor label {store} labels.csv",
        )
    if "://" in state.store:
        command = ""  # its address has words that no page holds
    return [*glance, (name, "", step, command)]


def _alarm(stream: StreamState) -> dict[str, str]:
    alarm = stream.alarm or {}
    return {
        "model": stream.model,
        "cause": alarm["cause"],
        "advice": alarm["advice"],
        "raised": _moment(alarm["raised_at"]),
        "onset": f"{_moment(alarm['onset'])} ({_moment(alarm['low'])} to {_moment(alarm['high'])})",
        "label": f"{alarm['onset_label']:,} ({alarm['low_label']:,} to {alarm['high_label']:,})",
    }


def _facts(state: Overview) -> list[tuple[str, str]]:
    counts = state.counts
    share = counts.matured_labelled / counts.matured if counts.matured else 0.0
    delay = "unknown" if counts.median_delay is None else length_text(counts.median_delay)
    return [
        ("Predictions", f"{counts.predictions:,}"),
        ("With a label", f"{counts.labels:,}"),
        ("Older than the delay, labelled", f"{percent_text(share, 0)} of {counts.matured:,}"),
        ("Labels not yet weighed", f"{counts.waiting:,}"),
        ("Labels without a prediction", f"{counts.parked:,}"),
        ("Labels that were corrected", f"{counts.corrections:,}"),
        ("Median time to a label", delay),
        ("Labels count after", length_text(state.settings.delay)),
        ("Size of the store", f"{counts.bytes / 1e6:,.1f} MB"),
    ]


def _method_of(advice: str) -> str:
    """Return the option for the method that an advice names; of none, what serves is fitted again.

    >>> _method_of("Fit again with a temperature for each group (group-temperature).")
    ' --method group-temperature'
    """
    method = next((each for each in METHODS_OF_REFITS if f"({each})" in advice), None)
    return "" if method is None else f" --method {method}"


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    """The last labels of what is served, with what was served."""

    rows: StoredRows
    log_probs: NDArray[np.float64]
    bets: Bets
    before: int  # labels of the same before these

    def evidence_picture(self, serving: list[StreamState]) -> str:
        """Return the evidence of the window, weighed anew, with its alarm and onset."""
        factors = self.bets.log_factors(self.log_probs, self.rows.labels, self.rows.groups)
        path = Evidence.none(self.bets).then(factors)
        alarm = serving[0].alarm
        onset = None
        if alarm is not None and alarm["onset_label"] > self.before:
            onset = (alarm["onset_label"], alarm["low_label"], alarm["high_label"])
        labels = np.arange(1, len(path) + 1) + self.before
        display = EvidenceDisplay(labels, path.log_evidence, serving[0].threshold, onset=onset)
        return svg(display.plot(), "evidence")

    def claimed_and_true(self) -> tuple[float, float]:
        """Return the mean confidence, and how often what was predicted is right."""
        right = self.log_probs.argmax(axis=1) == self.rows.labels
        return float(np.exp(self.log_probs.max(axis=1)).mean()), float(right.mean())

    def reliability_pictures(self) -> list[str]:
        """Return diagrams of the first and the last part of the window."""
        n = len(self.rows)
        half = n // 2
        parts = {"Before": slice(0, half), "Of late": slice(half, n)} if half >= _FEWEST else {
            "Of late": slice(0, n)
        }  # fmt: skip
        return [
            svg(CorpDisplay.from_predictions(
                np.exp(self.log_probs[rows]), self.rows.labels[rows], name=name
            ), f"corp-{number}")
            for number, (name, rows) in enumerate(parts.items())
        ]  # fmt: skip

    def temperature_picture(self) -> list[str]:
        """Return what the served temperature would have to be multiplied by, part by part."""
        n = len(self.rows)
        size = max(_FEWEST, -(-n // _PARTS))
        factors: dict[str, Estimate] = {}
        for start in range(0, n - _FEWEST + 1, size):
            rows = slice(start, start + size)
            try:
                fit = TemperatureScaling.fit(
                    self.log_probs[rows], self.rows.labels[rows], refuse_probs=False
                )
            except NoOptimumError:
                continue
            assert fit.record is not None  # noqa: S101  (of a fit)
            low, high = fit.record.interval(0.95)
            first = self.before + start + 1
            last = self.before + min(start + size, n)
            factors[f"{first:,} to {last:,}"] = Estimate(fit.temperature, low, high)
        if not factors:
            return []
        return [svg(TemperatureDisplay.from_temperatures(factors), "temperature")]

    def groups(self) -> list[dict[str, str]]:
        """Return accuracy and confidence by group, the worst first."""
        names, numbers = np.unique(self.rows.groups, return_inverse=True)
        if len(names) < 2:
            return []
        right = self.log_probs.argmax(axis=1) == self.rows.labels
        confidence = np.exp(self.log_probs.max(axis=1))
        rows = []
        for place, name in enumerate(names.tolist()):
            own = numbers == place
            n, share, mean = int(own.sum()), float(right[own].mean()), float(confidence[own].mean())
            ends = wilson_interval(np.array([share]), np.array([float(n)]))
            low, high = (float(each[0]) for each in ends)
            rows.append((abs(share - mean) if not low <= mean <= high else 0.0, {
                "name": name or "(none)", "n": f"{n:,}", "confidence": number_text(mean),
                "accuracy": number_text(share), "interval": f"{low:.4f} to {high:.4f}",
                "word": "" if low <= mean <= high else (
                    "too sure" if mean > high else "not sure enough"
                ),
            }))  # fmt: skip
        rows.sort(key=lambda each: -each[0])
        return [row for _, row in rows[:_MOST_GROUPS]]


def _window(store: Store, registry: Registry, state: Overview) -> _Window | None:
    """Return the last labels that the serving calibrator served, of the model with most."""
    serving = [each for each in state.streams if each.serving]
    if not serving or state.serving is None:
        return None
    stream = serving[0]
    parts: list[Any] = []
    for rows in store.labelled(until=store.check_window()[0], last=_WINDOW):
        own = (rows.calibrators == stream.calibrator) & (rows.models == stream.model)
        if own.any():
            parts.append(rows.taken(np.flatnonzero(own)))
    if not parts:
        return None
    rows = joined(parts)
    log_probs = served_log_probs(rows, registry, stream.calibrator)
    settings = store.settings
    bets = Bets.of(
        rows.logits.shape[1], groups=settings.groups, labels=() if settings.ragged else None
    )
    return _Window(rows, log_probs, bets, stream.n_labels - len(rows))
