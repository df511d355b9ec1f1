"""`Monitor`: what a service calls. A row costs it microseconds; a thread of its own writes."""

from __future__ import annotations

import atexit
import os
import threading
import time as clocks
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from temperance.checks.arguments import as_count, as_flag, as_number, as_word, value_text
from temperance.errors import FileFormatError, InvalidInputError, StoreError, TemperanceError
from temperance.monitor.checking import check
from temperance.monitor.inputs import (
    EARLIEST,
    ONE_OF_BOTH,
    as_scores,
    refuse_columns,
    refuse_numbers,
)
from temperance.monitor.refitting import refit
from temperance.monitor.registry import Registry
from temperance.monitor.store import Store
from temperance.printable import count_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from numpy.typing import ArrayLike, NDArray

    from temperance.monitor.checking import Check
    from temperance.monitor.refitting import Refit
    from temperance.monitor.stored import Counts, Labelled

__all__ = ["Monitor"]

_SECONDS = 0.5  # that a row waits for others at most
_BATCH = 1000  # calls that are written at once
_FAR, _OF_TIMES = 1e11, "seconds since 1970 (not milliseconds)"
_OF_WAITS = "seconds above 0, at most 1,000,000"
_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between two tries at a store that is out of reach
_LAST = 5.0  # seconds that such a store has once the monitor is closed
_WAIT = 30.0  # seconds that the last rows have on exit


class Monitor:
    """Log predictions and labels of a service, and check them.

    Parameters
    ----------
    store : path or str
        Of `temperance monitor init`: a file, or postgresql://...
    capacity : int, default 100,000
        Calls of `log` that may wait to be written.
    when_full : {"block", "drop"}, default "block"
        What `log` does then: wait, so that nothing is lost, or leave the row out and count it
        (`dropped`).

    Attributes
    ----------
    registry : Registry
        The calibrators, and which one serves.
    dropped : int
        Rows that were left out.
    written : int
        Rows that are in the store.
    refused : int
        Rows that the store does not take, and of which an error said why.
    lost : int
        Rows that could not be written before the monitor was closed: the store was out of reach.

    Raises
    ------
    InvalidInputError
        There is no store; another `when_full`.
    StoreError
        The store cannot be opened.

    Notes
    -----
    `log` copies the row and returns; a thread writes at most every half second, or every 1,000
    calls, and all that is left when the process ends as it should. A process that is killed loses
    what waited (`flush` waits until nothing does). While the store is out of reach (locked, full,
    stopped) rows wait, and are tried again until `close`, which gives it five seconds more; rows
    that it refuses raise at the next call, once, and keep no other row from being written. A
    process that was forked has to open its own.

    Examples
    --------
    >>> import tempfile, temperance as tp
    >>> folder = tempfile.mkdtemp()
    >>> tp.save(tp.TemperatureScaling(1.5), folder + "/calibrator.json")
    >>> monitor = Monitor.create(folder + "/monitor.db", folder + "/calibrator.json")
    >>> monitor.log(["a", "b"], [[2.0, 0.0], [0.0, 1.0]])
    >>> monitor.label(["a", "b"], [0, 1]).new
    2
    >>> monitor.check().n_labels
    2
    >>> monitor.close()
    """

    def __init__(
        self,
        store: str | os.PathLike[str],
        *,
        capacity: int = 100_000,
        when_full: Literal["block", "drop"] = "block",
    ) -> None:
        self._store = Store.open(_address(store))
        self.registry = Registry(self._store.settings.registry)
        self._capacity = as_count(capacity, name="capacity")
        self._batch = max(1, min(_BATCH, self._capacity // 2))
        self._drop = as_word(when_full, ("block", "drop"), name="when_full") == "drop"
        self.dropped = 0
        self.written = 0
        self.refused = 0
        self.lost = 0
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._taken, self._done = 0, 0  # calls that left the queue, and that were dealt with
        self._closed = False
        self._error: TemperanceError | None = None
        self._away: StoreError | None = None  # why the store could not be reached just now
        self._serving = (0.0, "")
        self._process = os.getpid()
        self._thread = threading.Thread(target=self._write, name="temperance", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    @classmethod
    def create(
        cls,
        store: str | os.PathLike[str],
        calibrator: str | os.PathLike[str],
        *,
        registry: str | os.PathLike[str] | None = None,
        capacity: int = 100_000,
        when_full: Literal["block", "drop"] = "block",
        **settings: Any,  # noqa: ANN401  (of Settings)
    ) -> Self:
        """Make a store and a registry with its first calibrator, and open it.

        Parameters
        ----------
        store, calibrator
            Where the store is to be; the file of the calibrator that serves.
        registry : path, optional
            Folder of calibrators; STORE.registry beside a file, needed for PostgreSQL.
        capacity, when_full
            As in `Monitor`.
        **settings
            Of `temperance.monitor.Settings`: delay, alpha, run_length, groups, precision, ragged,
            policy.

        Raises
        ------
        InvalidInputError
            Another store, or another calibrator, is there.
        """
        create(store, calibrator, registry=registry, **settings)
        return cls(store, capacity=capacity, when_full=when_full)

    def log(
        self,
        ids: object,
        logits: ArrayLike | None = None,
        *,
        probs: ArrayLike | None = None,
        model: str = "model",
        groups: object = None,
        time: float | None = None,
        calibrator: str | None = None,
        options: object = None,
        top_k: bool = False,
    ) -> None:
        """Keep predictions: of one row, or of many.

        Parameters
        ----------
        ids : str, or sequence of length n
            By which labels find them. One id is one row: `logits` (k,).
        logits, probs : array_like, shape (k,), or (n, k)
            What the calibrator takes, one of both; it is copied.
        model : str
            Name of the model; another number of options needs another name.
        groups : str, or sequence of length n, optional
        time : float, optional
            Seconds since 1970; now, where left out.
        calibrator : str, optional
            Id of the one that was applied; by default the one that serves, looked up once a second.
        options : sequence of int, length k, or n of these, optional
            Which of many options, from 0, each of the `logits` is of, where these are the
            log-probabilities of the likeliest tokens; labels are such numbers too.
        top_k : bool, default False
            Whether an option at -inf (probability 0) is only not shown: it may come true
            (`Store.log` says what evidence makes of it).

        Raises
        ------
        InvalidInputError
            What is wrong with rows that were given before, once; values that are no array; the
            monitor is closed, or that of the process that this one was forked from.
        FileFormatError
            The registry has no such calibrator.
        StoreError
            The store has been out of reach, and rows before were lost.
        """
        if time is not None:
            time = as_number(time, name="time", rule=_OF_TIMES, least=EARLIEST, most=_FAR)
        if self._process != os.getpid():
            msg = "this monitor is that of another process; open one here (`temperance.Monitor`)."
            raise InvalidInputError(msg)
        as_flag(top_k, name="top_k")
        if calibrator is not None:
            self.registry.load(calibrator)
        is_probs = None if (logits is None) == (probs is None) else logits is None
        values = _copy(probs if logits is None else logits)
        row = (
            _copied(ids), values, is_probs, model, _copied(groups),
            clocks.time() if time is None else time, calibrator or self._current(),
            None if options is None else _copied_rows(options), top_k,
        )  # fmt: skip
        with self._changed:
            if self._error is not None or self._closed:
                self._raise()
            if len(self._waiting) >= self._capacity:
                if self._drop:
                    self.dropped += 1
                    return
                self._changed.notify_all()
                self._changed.wait_for(lambda: len(self._waiting) < self._capacity or self._closed)
                if self._closed:  # nobody would write the row
                    self._raise()
            self._waiting.append(row)
            if len(self._waiting) >= self._batch and not self._busy:
                self._changed.notify_all()

    def label(self, ids: Sequence[object], labels: Sequence[object]) -> Labelled:
        """Write labels of predictions (`Store.label`); those that wait are written first."""
        self.flush()
        return self._store.label(ids, labels)

    def check(self) -> Check:
        """Weigh the labels that have become usable (`temperance.monitor.check`)."""
        self.flush()
        return check(self._store, self.registry)

    def refit(self, **settings: Any) -> Refit:  # noqa: ANN401
        """Fit again, and promote the result if it has earned it (`temperance.monitor.refit`)."""
        self.flush()
        outcome = refit(self._store, self.registry, **settings)
        self._serving = (-np.inf, self._serving[1])  # the next row asks what serves now
        return outcome

    def counts(self) -> Counts:
        """Return what the store holds."""
        return self._store.counts()

    def flush(self, timeout: float = _WAIT) -> None:
        """Wait until all rows are written that were given before; others may come meanwhile.

        Raises
        ------
        StoreError
            They are not, after `timeout` seconds.
        InvalidInputError
            Rows were refused.
        """
        until = as_number(timeout, name="timeout", rule=_OF_WAITS, least=1e-300, most=1e6)
        with self._changed:
            self._changed.notify_all()
            n_calls = self._taken + len(self._waiting)
            is_written = self._changed.wait_for(lambda: self._done >= n_calls, until)
            if self._error is not None:
                self._raise()
            if not is_written:
                why = "" if self._away is None else f" The last try: {self._away}"
                msg = (
                    f"{self._store.name}: {count_text(n_calls - self._done, 'call')} of `log` "
                    f"{'is' if n_calls - self._done == 1 else 'are'} not written after {until:g} "
                    f"s; what waits is tried again.{why}"
                )
                raise StoreError(msg)

    def close(self) -> None:
        """Write what waits, and let the store go; a second call does nothing."""
        if self._closed or self._process != os.getpid():
            return
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_WAIT)
        self._store.close()
        atexit.unregister(self.close)
        if self._error is not None:
            with self._changed:
                self._raise()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _current(self) -> str:
        """Return the id of what serves; the file is looked at once a second.

        While it is damaged, the last good one serves, as it does in `temperance serve`.
        """
        at, name = self._serving
        now = clocks.monotonic()
        if not name or now - at > 1.0:
            try:
                name = self.registry.adopted()
            except FileFormatError:
                if not name:
                    raise
            self._serving = (now, name)
        return name

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is None:
            error = InvalidInputError("the monitor is closed.")
        raise error

    def _write(self) -> None:
        """Write rows as they come, until the monitor is closed."""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or len(self._waiting) >= self._batch, _SECONDS
                )
                calls = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                self._busy = bool(calls)
                self._taken += len(calls)
                if not calls and self._closed:
                    return
            if not calls:
                continue
            for some in self._alike(calls):
                self._write_all(some)
            with self._changed:
                self._busy = False
                self._done = self._taken
                self._changed.notify_all()

    def _alike(self, calls: list[tuple[Any, ...]]) -> list[list[_Call]]:
        """Return calls whose rows can be written at once, and refuse those that have none."""
        alike: dict[tuple[Any, ...], list[_Call]] = {}
        for each in calls:
            try:
                call = _Call.of(*each)
            except (TypeError, ValueError) as error:
                self._refuse(error, 1)
            else:
                alike.setdefault(call.kind, []).append(call)
        return list(alike.values())

    def _write_all(self, calls: list[_Call]) -> None:
        """Write some calls that are alike; of those that are refused, all that can be.

        A store that is out of reach is tried again, until the end.
        """
        pause = _PAUSE
        until: float | None = None  # once the monitor is closed
        while True:
            try:
                self._log(calls)
            except StoreError as error:
                self._away = error
                if self._closed and until is None:
                    until = clocks.monotonic() + _LAST
                if until is not None and clocks.monotonic() > until:
                    self._error = error
                    self.lost += sum(len(call.ids) for call in calls)
                    return
                with self._changed:
                    self._changed.wait(pause)
                pause = min(2.0 * pause, _LONGEST_PAUSE)
            except Exception as error:  # noqa: BLE001  (the thread must live for the other rows)
                if len(calls) == 1:
                    self._refuse(error, len(calls[0].ids))
                    return
                middle = len(calls) // 2
                self._write_all(calls[:middle])
                self._write_all(calls[middle:])
                return
            else:
                self._away = None
                return

    def _refuse(self, error: Exception, count: int) -> None:
        """Count rows that are not taken; the first error is raised by the next call."""
        self.refused += count
        if self._error is None:
            if not isinstance(error, TemperanceError):
                error = InvalidInputError(f"a row cannot be logged: {error}")
            self._error = error

    def _log(self, calls: list[_Call]) -> None:
        """Write the rows of some calls that are alike."""
        first = calls[0]
        values = np.concatenate([call.rows for call in calls])
        with suppress(FileFormatError):  # the file of what serves is damaged: rows are kept
            fitted = self.registry.load(first.calibrator)
            if fitted.n_classes not in (None, first.width) or first.options is not None:
                if first.options is not None:
                    refuse_numbers(fitted, model=first.model)
                scores = as_scores(*((None, values) if first.is_probs else (values, None)))
                refuse_columns(fitted, scores, model=first.model)
        logged = self._store.log(
            [name for call in calls for name in call.ids],
            None if first.is_probs else values,
            probs=values if first.is_probs else None,
            calibrator=first.calibrator,
            model=first.model,
            groups=None if first.groups is None else [
                each for call in calls for each in call.groups or ()
            ],
            times=[call.time for call in calls for _ in call.ids],
            options=None if first.options is None else [
                each for call in calls for each in call.options or ()
            ],
            top_k=first.top_k,
        )  # fmt: skip
        self.written += logged.new + logged.repeated


@dataclass(frozen=True, slots=True)
class _Call:
    """The rows of one call of `log`; calls of one kind are written at once."""

    ids: list[object]
    rows: NDArray[Any]
    is_probs: bool
    model: str
    groups: list[Any] | None
    time: float
    calibrator: str
    options: list[Any] | None  # of each row
    top_k: bool

    @classmethod
    def of(
        cls,
        ids: Any,  # noqa: ANN401
        values: NDArray[Any],
        is_probs: bool | None,  # noqa: FBT001  (None: both, or neither)
        model: str,
        groups: Any,  # noqa: ANN401
        time: float,
        calibrator: str,
        options: Any,  # noqa: ANN401
        top_k: bool,  # noqa: FBT001
    ) -> Self:
        """Return one row, or many, of what was given to `log`."""
        if is_probs is None:
            raise InvalidInputError(ONE_OF_BOTH)
        if isinstance(ids, str | int) or (values.ndim == 1 and np.ndim(ids) == 0):
            own = None if groups is None else [groups]
            of_row = None if options is None else [options]
            return cls(
                [ids], values[None], is_probs, str(model), own, time, calibrator, of_row, top_k
            )
        names = list(ids)
        own = None if groups is None else list(groups)
        return cls(names, values, is_probs, str(model), own, time, calibrator, options, top_k)

    @property
    def width(self) -> int:
        """Options of each row; log-odds are two."""
        return int(self.rows.shape[1]) if self.rows.ndim > 1 else 2

    @property
    def kind(self) -> tuple[Any, ...]:
        """What calls have in common whose rows can be written at once."""
        return (
            self.is_probs, self.model, self.calibrator, self.rows.shape[1:], self.rows.dtype.str,
            self.groups is not None, self.options is not None, self.top_k,
        )  # fmt: skip


def _copy(values: object) -> NDArray[Any]:
    """Return scores as an array of their own: what is given may change before it is written."""
    try:
        return np.array(values)
    except (TypeError, ValueError, RuntimeError) as error:
        msg = f"`logits` or `probs` must be an array of numbers: {error}"
        raise InvalidInputError(msg) from error


def _copied(names: Any) -> Any:  # noqa: ANN401
    """Return one name as it is, and several as a list of their own."""
    if isinstance(names, np.ndarray):
        return names.tolist()
    if isinstance(names, str | int | bytes) or not hasattr(names, "__iter__"):
        return names
    return list(names)


def _copied_rows(options: Any) -> Any:  # noqa: ANN401
    """Return numbers of a row, or of several, as lists of their own."""
    numbers = _copied(options)
    return [_copied(each) for each in numbers] if isinstance(numbers, list) else numbers


def create(
    store: str | os.PathLike[str],
    calibrator: str | os.PathLike[str],
    *,
    registry: str | os.PathLike[str] | None = None,
    **settings: Any,  # noqa: ANN401
) -> str:
    """Make a store and its registry; return the id of the calibrator that serves."""
    from temperance.monitor.settings import Settings  # noqa: PLC0415

    if settings.get("policy") is not None:
        settings["policy"] = _policy(settings["policy"])
    address = _address(store)
    if registry is None:
        if "://" in str(address):
            msg = "`registry` (--registry) must name the folder of calibrators of this database."
            raise InvalidInputError(msg)
        registry = f"{address}.registry"
    folder = Path(registry).resolve()
    store_settings = Settings(registry=str(folder), **settings)
    name = Registry(folder).create(calibrator)
    Store.create(address, store_settings).close()
    return name


def _policy(path: object) -> str:
    """Return the place of a policy, wherever later commands are called; one that is there is read.

    It may be gone: its promise was withdrawn.
    """
    from temperance.decisions import load_policy  # noqa: PLC0415

    if not isinstance(path, str | os.PathLike):
        msg = f"`policy` must be a path, got {value_text(path)}."
        raise InvalidInputError(msg)
    place = Path(path).resolve()
    if place.exists():
        load_policy(place)
    return str(place)


def _address(store: str | os.PathLike[str]) -> str:
    return os.fspath(store)
