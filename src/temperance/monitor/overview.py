"""What there is to see of a monitor, without weighing anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temperance.drift import Evidence
from temperance.errors import FileFormatError
from temperance.frozen import Frozen, Plain
from temperance.show import Shown, Table, number_text, percent_text

if TYPE_CHECKING:
    from temperance.monitor.registry import Registry, Version
    from temperance.monitor.settings import Settings
    from temperance.monitor.store import Store
    from temperance.monitor.stored import Counts

__all__ = ["Overview", "StreamState", "overview"]


@dataclass(frozen=True, slots=True)
class StreamState(Plain, Frozen):
    """Evidence about one model served through one calibrator, as the last check left it.

    Attributes
    ----------
    model, calibrator : str
    serving : bool
        Whether that calibrator serves now.
    n_labels : int
    log_evidence, threshold : float
    alarm : mapping or None
        What, since when and what to do.
    """

    model: str
    calibrator: str
    serving: bool
    n_labels: int
    log_evidence: float
    threshold: float
    alarm: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Overview(Shown, Plain, Frozen):
    """A store, what serves, and what is known.

    Attributes
    ----------
    store : str
    settings : Settings
    counts : Counts
    serving : str or None
        Id of the calibrator that serves; None where its file cannot be read.
    streams : tuple of StreamState
    versions : tuple of Version
        All changes of what serves, the oldest first.
    warnings : tuple of str
    """

    store: str
    settings: Settings
    counts: Counts
    serving: str | None
    streams: tuple[StreamState, ...]
    versions: tuple[Version, ...]
    warnings: tuple[str, ...]

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        counts = self.counts
        share = counts.matured_labelled / counts.matured if counts.matured else 0.0
        delay = "unknown" if counts.median_delay is None else f"{counts.median_delay:,.0f} s"
        facts = (
            ("store", self.store),
            ("serving", "unknown" if self.serving is None else self.serving[:19]),
            ("predictions", f"{counts.predictions:,}"),
            ("with a label", f"{counts.labels:,}"),
            ("labels that no check has weighed", f"{counts.waiting:,}"),
            ("labels without a prediction", f"{counts.parked:,}"),
            ("corrections", f"{counts.corrections:,}"),
            (
                "older than the delay, with a label",
                f"{percent_text(share, 0)} of {counts.matured:,}",
            ),
            ("median time to a label, of late", delay),
            ("size", f"{counts.bytes / 1e6:,.1f} MB"),
        )
        streams = tuple(
            (
                each.model, each.calibrator[:19], "yes" if each.serving else "no",
                f"{each.n_labels:,}", number_text(each.log_evidence, 2),
                number_text(each.threshold, 2),
                "no" if each.alarm is None else str(each.alarm["cause"]),
            )
            for each in self.streams
        )  # fmt: skip
        versions = tuple(
            (one.at, one.action, one.id[:19], one.who, one.why) for one in self.versions
        )
        tables = [Table(("", "now"), facts, words=frozenset({1}))]
        if streams:
            names = ("model", "calibrator", "serves", "labels", "log evidence", "alarm at", "alarm")
            tables.append(Table(names, streams, words=frozenset({1, 2, 6})))
        history = ("time", "change", "calibrator", "who", "why")
        tables.append(Table(history, versions, words=frozenset({1, 2, 3, 4})))
        return tuple(tables)

    def columns(self) -> dict[str, list[Any]]:
        """Return the streams as columns of plain values."""
        rows = [each.to_dict() for each in self.streams]
        names = [name for name in StreamState.__dataclass_fields__ if name != "alarm"]
        return {name: [row[name] for row in rows] for name in names}


def overview(store: Store, registry: Registry) -> Overview:
    """Return what there is to see: nothing is weighed, nothing is written."""
    warnings: list[str] = []
    serving: str | None = None
    try:
        serving = registry.current()
    except FileFormatError as error:
        warnings.append(str(error))
    promise = store.settings.promise
    streams = []
    for (model, calibrator), (state, alarm) in store.evidence().items():
        evidence = Evidence.from_dict(state)
        streams.append(StreamState(
            model, calibrator, calibrator == serving, evidence.n, evidence.value(promise),
            promise.threshold, alarm,
        ))  # fmt: skip
    streams.sort(key=lambda each: (not each.serving, -each.n_labels))
    return Overview(
        store.name, store.settings, store.counts(), serving, tuple(streams),
        tuple(registry.history()), tuple(warnings),
    )  # fmt: skip
