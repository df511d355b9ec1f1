"""Predictions, the labels that come later, and what was made of them: all that a monitor knows."""

from __future__ import annotations

import json
import time as clocks
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from temperance.checks.arguments import as_positive
from temperance.checks.labels import as_classes
from temperance.checks.row_values import as_known_names
from temperance.errors import FileFormatError, InvalidInputError, TemperanceError
from temperance.monitor.database import database_at
from temperance.monitor.inputs import Scores, as_ids, as_times, as_values, few, microseconds
from temperance.monitor.labels import (
    checked_labels,
    newest_labels,
    predictions_of,
    spelled_as_logged,
    told_again,
)
from temperance.monitor.schema import VERSION, create, migrate, version_of
from temperance.monitor.settings import Settings
from temperance.monitor.stored import BLOCK, KINDS, Counts, Labelled, Logged, blocks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import ArrayLike

    from temperance.monitor.database import Database, Transaction
    from temperance.monitor.inputs import Options
    from temperance.monitor.stored import StoredRows

__all__ = ["Store"]

_MICRO = 1_000_000
_COLUMNS = ("id", "time", "model", "calibrator", "part", "scores")


class Store:
    """A store that is open. `Store.create` makes one, `Store.open` opens one that is there."""

    def __init__(
        self, database: Database, settings: Settings, clock: Callable[[], float] = clocks.time
    ) -> None:
        self._database = database
        self.settings = settings
        self._clock = clock

    @classmethod
    def create(
        cls,
        address: str | Path,
        settings: Settings,
        *,
        clock: Callable[[], float] = clocks.time,
    ) -> Self:
        """Make a store; one with the same settings that is there already is opened.

        Raises
        ------
        InvalidInputError
            A store with other settings, or another file, is there.
        StoreError
            It cannot be made.
        """
        database = database_at(address)
        try:
            if not database.exists() and _created(database, settings):
                return cls(database, settings, clock)
        except BaseException:
            database.close()
            raise
        database.close()
        store = cls.open(address, clock=clock)
        if store.settings != settings:
            old, new = store.settings.to_dict(), settings.to_dict()
            name = next(name for name in new if old.get(name) != new[name])
            store.close()
            msg = (
                f"{database.name}: a store with other settings is there ({name}: "
                f"{old.get(name)!r}, not {new[name]!r}). Use it as it is, or make another one."
            )
            raise InvalidInputError(msg)
        return store

    @classmethod
    def open(cls, address: str | Path, *, clock: Callable[[], float] = clocks.time) -> Self:
        """Open a store, and bring its tables to the version of now.

        Raises
        ------
        InvalidInputError
            There is none.
        FileFormatError
            It is newer than this library.
        StoreError
            It is no store, locked, damaged or out of reach.
        """
        database = database_at(address)
        try:
            return cls(database, _opened_settings(database), clock)
        except BaseException:
            database.close()
            raise

    @property
    def name(self) -> str:
        """How messages call it."""
        return self._database.name

    def now(self) -> int:
        """Return the time, in microseconds."""
        return microseconds(self._clock())

    def close(self) -> None:
        """Let the connection go."""
        self._database.close()

    # Predictions.

    def log(
        self,
        ids: Sequence[object],
        logits: ArrayLike | None = None,
        *,
        probs: ArrayLike | None = None,
        calibrator: str,
        model: str = "model",
        groups: ArrayLike | None = None,
        times: ArrayLike | None = None,
        classes: Sequence[object] | None = None,
        options: object = None,
        top_k: bool = False,
    ) -> Logged:
        """Write predictions; those that are there already, the same, are counted.

        Parameters
        ----------
        ids : sequence, length n
            A name for each row, by which its label finds it; numbers are taken as text.
        logits, probs : array_like, shape (n, k) or (n,)
            What the calibrator takes, one of both; (n,) are log-odds, or the probability, of
            class 1.
        calibrator : str
            Id of the one that served these rows.
        model : str
            Name of the model; another number of options needs another name.
        groups : array_like, shape (n,), optional
        times : array_like, shape (n,), optional
            Seconds since 1970; by default now.
        classes : sequence of str, optional
            Names of the columns, as labels may use them.
        options : array_like of int, shape (n, k), or n sequences, optional
            Which of many options, from 0, each of the `logits` is of, where these are the
            log-probabilities of the likeliest tokens (as `TopKTemperature.fit` takes them, with
            -inf or -1 in `options` where a row shows fewer). Labels are such numbers too.
        top_k : bool, default False
            Whether an option at -inf (probability 0) is only not shown: it may come true. With
            `options` that is so.

        Raises
        ------
        InvalidInputError
            What `calibrator.apply` would refuse; an id with other scores than before; another
            number of options, or other classes, under the name of this model; `options` that are
            not whole numbers, or twice in a row. Nothing is written.
        StoreError
            Nothing could be written.

        Notes
        -----
        Of rows that show some options only, evidence is about those labels that are shown: given
        that, their probability is the softmax of what is shown, after any map of single logits,
        and what is unseen cancels. The others are kept, counted (`Counts.not_shown`), and weighed
        by nothing.
        """
        names = as_ids(ids)
        scores = Scores.check(logits, probs, options, top_k=top_k)
        n, k = len(scores.logits), scores.k
        if len(names) != n:
            msg = f"`ids` must be one per row: {len(names)} of {n}."
            raise InvalidInputError(msg)
        known = None if scores.options == "numbered" else as_classes(classes, k=k)
        parts = [None] * n
        if groups is not None:
            parts = [each or None for each in as_known_names(groups, n=n).tolist()]
        at = [self.now()] * n if times is None else as_times(times, n)
        if not n:
            return Logged(0, 0, 0, 0)
        rows = scores.packed(self.settings.precision)
        with self._database.transaction(writes=True) as work:
            number = self._model(work, model, k, known, scores.options)
            map_number = _number(work, "temperance_calibrators", "id", calibrator)
            columns = (
                names, at, [number] * n, [map_number] * n, parts, rows,
            )  # fmt: skip
            new = work.insert("temperance_predictions", _COLUMNS, list(zip(*columns, strict=True)))
            if new < n:
                _refuse_others(work, names, number, map_number, parts, rows)
            joined, unknown = self._join(work, names)
        return Logged(new, n - new, joined, unknown)

    def _model(
        self,
        work: Transaction,
        name: str,
        k: int,
        classes: tuple[str, ...] | None,
        options: Options,
    ) -> int:
        """Return the number of a model, which is made when it is first seen.

        Rows of the same name may add what was not known of it: names of classes, more options
        where rows have options of their own, and that some are not shown.
        """
        sql = "SELECT number, k, classes, options FROM temperance_models WHERE name = ?"
        row = work.one(sql, (str(name),))
        text = None if classes is None else json.dumps(classes)
        if row is None:
            work.execute(
                "INSERT INTO temperance_models (name, k, classes, options) VALUES (?, ?, ?, ?)",
                (str(name), k, text, options),
            )
            row = work.one(sql, (str(name),))
            assert row is not None  # noqa: S101  (just written)
        number, old_k, old_text, old_options = row
        any_width = self.settings.ragged or options == "numbered"
        _refuse_other_options(name, old_options, options)
        if old_k != k and not any_width:
            msg = (
                f"rows have {k} options, those of model {name!r} had {old_k}. A model with others "
                "is another one: log it under a name of its own (`model`, --model)."
            )
            raise InvalidInputError(msg)
        if None not in (text, old_text) and old_text != text:
            msg = (
                f"the classes of model {name!r} were {few(json.loads(old_text))}, not "
                f"{few(classes or ())}: log another model under a name of its own (--model)."
            )
            raise InvalidInputError(msg)
        now = (
            max(k, old_k),
            old_text if text is None else text,
            "shown" if (old_options, options) == ("all", "shown") else old_options,
        )
        if now != (old_k, old_text, old_options):
            work.execute(
                "UPDATE temperance_models SET k = ?, classes = ?, options = ? WHERE number = ?",
                (*now, number),
            )
        return int(number)

    def _join(self, work: Transaction, names: list[str]) -> tuple[int, int]:
        """Give parked labels to the predictions that have come now.

        Return how many, and how many are dropped, being no option of their prediction.
        """
        if work.one("SELECT 1 FROM temperance_parked LIMIT 1") is None:
            return 0, 0
        condition, value = work.among("id", names)
        rows = work.rows(
            f"SELECT id, label FROM temperance_parked WHERE {condition} ORDER BY seq",
            (value,),
        )
        newest = dict(rows)
        if not newest:
            return 0, 0
        work.execute(f"DELETE FROM temperance_parked WHERE {condition}", (value,))
        unknown, joined = 0, 0
        for name, label in newest.items():
            try:
                joined += self._write_labels(work, [name], [_parsed(label)]).new
            except InvalidInputError:
                unknown += 1
        return joined, unknown

    # Labels.

    def label(self, ids: Sequence[object], labels: Sequence[object]) -> Labelled:
        """Write labels of predictions, in the order in which they are given.

        Parameters
        ----------
        ids : sequence, length n
            As in `log`. An id 7.0 that no prediction has is that of the prediction 7.
        labels : sequence, length n
            Classes 0..k-1, or names where the model's rows came with classes.

        Returns
        -------
        Labelled
            A label that is there already is counted; another one for the same id replaces it, and
            the old one stays in the history. One that comes before its prediction waits for it.

        Raises
        ------
        InvalidInputError
            A label that is no option of its prediction (where that shows some only, one that is
            not shown is taken). Nothing is written.
        StoreError
            Nothing could be written.
        """
        names = as_ids(ids)
        values = as_values(labels)
        if len(values) != len(names):
            msg = f"`labels` must be one per id: {len(values)} of {len(names)}."
            raise InvalidInputError(msg)
        if not names:
            return Labelled(0, 0, 0, 0)
        with self._database.transaction(writes=True) as work:
            return self._write_labels(work, names, values)

    def _write_labels(self, work: Transaction, names: list[str], values: list[object]) -> Labelled:
        predictions = predictions_of(work, names)
        names = spelled_as_logged(work, names, predictions)
        numbers = checked_labels(names, values, predictions)
        arrived, ahead = self._arrival(work)
        seqs = [row.seq for row in predictions.values()]
        known = newest_labels(work, seqs)
        looked = _looked(work)
        delay = microseconds(self.settings.delay) + ahead
        again = told_again(work, names, numbers, predictions)
        fresh: dict[int, tuple[int, int, int, int, int]] = {}
        old: list[tuple[int]] = []
        history: list[tuple[int, int, int, int, int]] = []
        parked = []
        repeated = corrected = 0
        for name, number, value in zip(names, numbers, values, strict=True):
            row = predictions.get(name)
            if row is None:
                parked.append((name, json.dumps(value), arrived))
                continue
            usable = max(arrived, row.time + delay)
            if row.seq in fresh:  # twice in one call
                if fresh[row.seq][1] == number:
                    repeated += 1
                    continue
                history.append((*fresh[row.seq][:4], 0))
                usable, corrected = fresh[row.seq][3], corrected + 1
            elif row.seq in known:
                label_seq, label, was_usable = known[row.seq]
                if label == number or row.seq in again:
                    repeated += 1
                    continue
                corrected += 1
                old.append((label_seq,))
                if was_usable <= looked:  # a check has looked at the first, and counts it once
                    usable = was_usable
            fresh[row.seq] = (row.seq, number, arrived, usable, 1)
        work.add_all("UPDATE temperance_labels SET newest = 0 WHERE seq = ?", old)
        work.add_all(
            "INSERT INTO temperance_labels (prediction, label, arrived, usable_at, newest)"
            " VALUES (?, ?, ?, ?, ?)",
            [*history, *fresh.values()],
        )
        work.add_all(
            "INSERT INTO temperance_parked (id, label, arrived) VALUES (?, ?, ?)",
            _not_yet_parked(work, parked),
        )
        new = len(fresh) + len(history) - corrected
        not_shown = sum(row[1] < 0 for row in fresh.values())
        return Labelled(new, repeated, corrected, len(parked), not_shown)

    def _arrival(self, work: Transaction) -> tuple[int, int]:
        """Return when labels arrive, and by how much that is ahead of the clock.

        Never before another one, nor behind what was checked.
        """
        now = self._time(work)
        ahead = max(0, now - self.now())
        now = max(now, _looked(work) + 1)
        _set_meta(work, "arrived", str(now))
        _set_meta(work, "clock", str(self.now()))
        return now, ahead

    def _time(self, work: Transaction) -> int:
        """Return the time by which labels are ordered: the clock's, which never goes backwards.

        Where a clock was set back, or is that of another machine, it goes on from the latest time
        that the store has seen, as fast as the clock does: no label is hidden until the clock has
        caught up.
        """
        now, latest = self.now(), max(int(_meta(work, "arrived", "0")), _looked(work))
        if now >= latest:
            return now
        return latest + max(0, now - int(_meta(work, "clock", str(latest))))

    def seconds_behind(self) -> float:
        """Return by how much the clock is behind the latest time that the store has seen; 0: not.

        It was set back, or that of another machine is ahead.
        """
        with self._database.transaction(writes=False) as work:
            return (self._time(work) - self.now()) / _MICRO

    # Reading.

    def labelled(
        self, *, after: int = 0, until: int | None = None, last: int | None = None
    ) -> Iterator[StoredRows]:
        """Yield rows with labels in the order in which these became usable, in blocks.

        Labels of options that are not shown are left out.

        Parameters
        ----------
        after, until : int, optional
            Microseconds: after < usable <= until; by default all that is usable now.
        last : int, optional
            Only so many of them, the last ones.
        """
        with self._database.transaction(writes=False) as work:
            yield from self._labelled(
                work, after, self._time(work) if until is None else until, last
            )

    def _labelled(
        self, work: Transaction, after: int, until: int, last: int | None
    ) -> Iterator[StoredRows]:
        first: tuple[int, int] = (after + 1, 0)
        if last is not None:  # where the last ones begin: found in the index, not by counting
            row = work.one(
                "SELECT usable_at, seq FROM temperance_labels WHERE newest = 1 AND usable_at > ?"
                " AND usable_at <= ? ORDER BY usable_at DESC, seq DESC LIMIT 1 OFFSET ?",
                (after, until, min(last - 1, _ALL)),
            )
            first = first if row is None else (row[0], row[1])
        sql = (
            "SELECT l.label, p.model, p.calibrator, p.time, l.usable_at, p.part, p.scores, l.seq"
            " FROM temperance_labels l JOIN temperance_predictions p ON p.seq = l.prediction"
            " WHERE l.newest = 1 AND (l.usable_at, l.seq) >= (?, ?) AND l.usable_at <= ?"
            " AND l.label >= 0 ORDER BY l.usable_at, l.seq LIMIT ?"
        )
        place = (_USABLE, len(KINDS))
        yield from blocks_of(work, work.pages(sql, KINDS + "n", first, (until,), place, BLOCK))

    def unlabelled(self, *, last: int) -> Iterator[StoredRows]:
        """Yield those of the last predictions, by their time, that have no label, in blocks."""
        sql = (
            "SELECT CAST(-1 AS BIGINT), p.model, p.calibrator, p.time, CAST(0 AS BIGINT), p.part,"
            " p.scores FROM"
            " (SELECT * FROM temperance_predictions ORDER BY time DESC, seq DESC LIMIT ?) p"
            " LEFT JOIN temperance_labels l ON l.prediction = p.seq"
            " WHERE l.seq IS NULL ORDER BY p.time DESC, p.seq DESC"
        )
        with self._database.transaction(writes=False) as work:
            yield from blocks_of(work, [work.columns(sql, (last,), KINDS)])

    def top_k_models(self) -> frozenset[str]:
        """Return the models whose rows show some of their options only."""
        with self._database.transaction(writes=False) as work:
            rows = work.rows("SELECT name FROM temperance_models WHERE options <> 'all'")
        return frozenset(row[0] for row in rows)

    def numbered_models(self) -> frozenset[str]:
        """Return the models whose options are numbers: no column is the same in all rows."""
        with self._database.transaction(writes=False) as work:
            rows = work.rows("SELECT name FROM temperance_models WHERE options = 'numbered'")
        return frozenset(row[0] for row in rows)

    def classes(self, model: str) -> tuple[str, ...] | None:
        """Return the names of a model's classes, where it has any."""
        with self._database.transaction(writes=False) as work:
            row = work.one("SELECT classes FROM temperance_models WHERE name = ?", (model,))
        return None if row is None or row[0] is None else tuple(json.loads(row[0]))

    def label_names(self) -> tuple[str, ...] | None:
        """Return the names of the classes, where the rows of all models came with the same."""
        with self._database.transaction(writes=False) as work:
            rows = work.rows("SELECT DISTINCT classes FROM temperance_models")
        if len(rows) != 1 or rows[0][0] is None:
            return None
        return tuple(json.loads(rows[0][0]))

    def seconds_to_next_label(self) -> float | None:
        """Return when the next label counts that is there and does not yet; None: there is none."""
        sql = "SELECT min(usable_at) FROM temperance_labels WHERE newest = 1 AND usable_at > ?"
        with self._database.transaction(writes=False) as work:
            now = self._time(work)
            row = work.one(sql, (now,))
        return None if row is None or row[0] is None else (row[0] - now) / _MICRO

    def counts(self) -> Counts:
        """Return how much of what there is."""
        now, size = self.now(), self._database.size()
        matured = now - microseconds(self.settings.delay)
        with self._database.transaction(writes=False) as work:

            def count(sql: str, *values: Any) -> int:  # noqa: ANN401
                return int((work.one(f"SELECT count(*) FROM {sql}", values) or (0,))[0])

            delays = work.rows(
                "SELECT l.arrived - p.time FROM (SELECT prediction, arrived, seq FROM"
                " temperance_labels WHERE newest = 1 ORDER BY seq DESC LIMIT 10000) l"
                " JOIN temperance_predictions p ON p.seq = l.prediction"
            )
            n_predictions, old, first, last = work.one(
                "SELECT count(*), sum(CASE WHEN time <= ? THEN 1 ELSE 0 END), min(time), max(time)"
                " FROM temperance_predictions",
                (matured,),
            ) or (0, 0, None, None)
            cursor = int(_meta(work, "cursor", "0"))
            # one look at all labels; most are usable as soon as their prediction is old enough
            labels, new, not_shown, waiting, usable = work.one(
                f"SELECT count(*), {_summed('newest = 1')},"
                f" {_summed('newest = 1 AND label < 0')},"
                f" {_summed('newest = 1 AND usable_at > ?')},"
                f" {_summed('newest = 1 AND usable_at <= ?')} FROM temperance_labels",
                (cursor, self._time(work)),
            ) or (0, 0, 0, 0, 0)
            if int(_meta(work, "arrived", "0")) > now:  # by a clock that went backwards
                usable = count(
                    "temperance_labels l JOIN temperance_predictions p ON p.seq = l.prediction"
                    " WHERE l.newest = 1 AND p.time <= ?",
                    matured,
                )
            return Counts(
                n_predictions,
                int(new or 0),
                labels - int(new or 0),
                count("temperance_parked"),
                int(old or 0),
                int(usable or 0),
                int(waiting or 0),
                first,
                last,
                float(np.median(delays)) / _MICRO if delays else None,
                size,
                int(not_shown or 0),
            )

    # What checks know and say.

    def evidence(self) -> dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any] | None]]:
        """Return state and alarm (None: there is none) of each model and calibrator."""
        with self._database.transaction(writes=False) as work:
            rows = work.rows("SELECT model, calibrator, state, alarm FROM temperance_evidence")
        return {
            (model, calibrator): (json.loads(state), None if alarm is None else json.loads(alarm))
            for model, calibrator, state, alarm in rows
        }

    def check_window(self) -> tuple[int, int]:
        """Return up to where labels were checked, and up to where they can be now."""
        # as a writer: open transactions of labels are waited for, and later ones come later
        with self._database.transaction(writes=True) as work:
            cursor = int(_meta(work, "cursor", "0"))
            until = max(self._time(work), cursor)
            _set_meta(work, "clock", str(self.now()))
            _set_meta(work, "looked", str(max(until, int(_meta(work, "looked", "0")))))
        return cursor, until

    def keep_check(
        self,
        window: tuple[int, int],
        evidence: dict[tuple[str, str], tuple[dict[str, Any], dict[str, Any] | None]],
        checks: Sequence[tuple[str, str, float, bool, dict[str, Any]]],
        messages: Sequence[tuple[str, dict[str, Any]]] = (),
    ) -> bool:
        """Write what a check found, unless another one looked at the same labels meanwhile.

        Parameters
        ----------
        window : tuple of int
            What `check_window` gave.
        evidence
            As `evidence` gives it.
        checks : sequence of (model, calibrator, log_evidence, alarm, content)
            For the history.
        messages : sequence of (name, content)
            To be delivered, each name once.
        """
        with self._database.transaction(writes=True) as work:
            if int(_meta(work, "cursor", "0")) != window[0]:
                return False
            _set_meta(work, "cursor", str(window[1]))
            for (model, calibrator), (state, alarm) in evidence.items():
                work.execute(
                    "DELETE FROM temperance_evidence WHERE model = ? AND calibrator = ?",
                    (model, calibrator),
                )
                text = None if alarm is None else json.dumps(alarm)
                work.execute(
                    "INSERT INTO temperance_evidence VALUES (?, ?, ?, ?)",
                    (model, calibrator, json.dumps(state), text),
                )
            work.add_all(
                "INSERT INTO temperance_checks (at, model, calibrator, log_evidence, alarm,"
                " content) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (window[1], model, calibrator, value, int(alarm), json.dumps(content))
                    for model, calibrator, value, alarm, content in checks
                ],
            )
            for name, content in messages:
                if work.one("SELECT 1 FROM temperance_messages WHERE name = ?", (name,)) is None:
                    work.execute(
                        "INSERT INTO temperance_messages VALUES (?, ?, ?, NULL)",
                        (name, window[1], json.dumps(content)),
                    )
        return True

    def checks(self, last: int | None = None) -> list[dict[str, Any]]:
        """Return what checks found, the oldest first; of the last so many where that is given."""
        sql = "SELECT content FROM temperance_checks ORDER BY seq DESC LIMIT ?"
        with self._database.transaction(writes=False) as work:
            rows = work.rows(sql, (_ALL if last is None else last,))
        return [json.loads(row[0]) for row in reversed(rows)]

    def undelivered(self) -> list[tuple[str, dict[str, Any]]]:
        """Return names and contents of messages that have not been delivered."""
        sql = "SELECT name, content FROM temperance_messages WHERE delivered IS NULL ORDER BY at"
        with self._database.transaction(writes=False) as work:
            return [(name, json.loads(content)) for name, content in work.rows(sql)]

    def mark_delivered(self, name: str) -> None:
        """Say that a message has been delivered."""
        with self._database.transaction(writes=True) as work:
            work.execute(
                "UPDATE temperance_messages SET delivered = ? WHERE name = ?", (self.now(), name)
            )

    # Letting go.

    def prune(self, older_than: float) -> int:
        """Delete predictions, with their labels, and parked labels older than some seconds.

        What evidence has made of them stays. Returns how many predictions were deleted.

        Raises
        ------
        InvalidInputError
            An age that is not above 0.
        """
        oldest = self.now() - microseconds(as_positive(older_than, name="older_than"))
        with self._database.transaction(writes=True) as work:
            work.execute(
                "DELETE FROM temperance_labels WHERE prediction IN"
                " (SELECT seq FROM temperance_predictions WHERE time < ?)", (oldest,),
            )  # fmt: skip
            count: int = work.execute(
                "DELETE FROM temperance_predictions WHERE time < ?", (oldest,)
            )
            work.execute("DELETE FROM temperance_parked WHERE arrived < ?", (oldest,))
        self._database.compact()
        return count

    def forget(self, ids: Sequence[object]) -> int:
        """Delete predictions by their ids, with all labels; return how many there were.

        The bytes are overwritten, and their room given back.
        """
        names = as_ids(ids)
        with self._database.transaction(writes=True) as work:
            condition, value = work.among("id", names)
            work.execute(
                "DELETE FROM temperance_labels WHERE prediction IN"
                f" (SELECT seq FROM temperance_predictions WHERE {condition})", (value,),
            )  # fmt: skip
            count: int = work.execute(
                f"DELETE FROM temperance_predictions WHERE {condition}",
                (value,),
            )
            work.execute(f"DELETE FROM temperance_parked WHERE {condition}", (value,))
        self._database.compact()
        return count


def _created(database: Database, settings: Settings) -> bool:
    """Make the tables; return False where another process has made them meanwhile."""
    with database.transaction(writes=True) as work:
        if database.has_store(work):
            return False
        create(work, database.words)
        content = json.dumps(settings.to_dict())
        work.execute("INSERT INTO temperance_meta VALUES ('settings', ?)", (content,))
    return True


def _opened_settings(database: Database) -> Settings:
    """Return the settings of a store, whose tables are of the version of now."""
    if not database.exists():
        msg = f"{database.name}: no store is there; `temperance monitor init` makes one."
        raise InvalidInputError(msg)
    with database.transaction(writes=False) as work:
        old = version_of(work, database.name) < VERSION
    if old:
        with database.transaction(writes=True) as work:
            migrate(work, database.words, database.name)
    with database.transaction(writes=False) as work:
        row = work.one("SELECT value FROM temperance_meta WHERE key = 'settings'")
    if row is None:
        msg = f"{database.name}: no store of a monitor: it has no settings."
        raise FileFormatError(msg)
    try:
        return Settings.from_dict(json.loads(row[0]))
    except (KeyError, TypeError, ValueError, TemperanceError) as error:
        msg = (
            f"{database.name}: its settings cannot be read ({error!r}); restore the store from a "
            "copy, or update temperance where a newer one wrote it."
        )
        raise FileFormatError(msg) from error


_ALL = 1 << 62
_USABLE = 4  # of the columns of rows: from when on the label may be looked at


def _refuse_other_options(name: str, old: Options, options: Options) -> None:
    """Raise where some rows of a model have options by their numbers, and others have not."""
    if (old == "numbered") != (options == "numbered"):
        msg = (
            f"rows of model {name!r} were logged {'with' if old == 'numbered' else 'without'} "
            "`options`: log others under a name of their own (`model`, --model)."
        )
        raise InvalidInputError(msg)


def _refuse_others(
    work: Transaction,
    names: list[str],
    model: int,
    calibrator: int,
    parts: Sequence[str | None],
    rows: list[bytes],
) -> None:
    """Raise if a row that is there already, or twice in this call, is another one."""
    condition, value = work.among("id", names)
    stored = {
        row[0]: (row[1], row[2], row[3], bytes(row[4]))
        for row in work.rows(
            "SELECT id, model, calibrator, part, scores FROM temperance_predictions"
            f" WHERE {condition}", (value,),
        )
    }  # fmt: skip
    others = [
        name
        for name, part, row in zip(names, parts, rows, strict=True)
        if stored[name] != (model, calibrator, part, row)
    ]
    if others:
        msg = (
            f"`ids`: {len(others)} were logged before with other scores, group, model or "
            f"calibrator ({few(others)}). An id is one prediction; give the new one its own."
        )
        raise InvalidInputError(msg)


def _not_yet_parked(
    work: Transaction, parked: list[tuple[str, str, int]]
) -> list[tuple[str, str, int]]:
    """Return the labels, (id, label, arrived), that do not wait already: the last of each id."""
    condition, value = work.among("id", [each[0] for each in parked])
    sql = f"SELECT id, label FROM temperance_parked WHERE {condition} ORDER BY seq"
    waiting = dict(work.rows(sql, (value,))) if parked else {}
    new = []
    for each in parked:
        if waiting.get(each[0]) != each[1]:
            new.append(each)
            waiting[each[0]] = each[1]
    return new


def _number(work: Transaction, table: str, column: str, name: str) -> int:
    """Return the number of a name in a table, which it is given when it is first seen."""
    row = work.one(f"SELECT number FROM {table} WHERE {column} = ?", (name,))
    if row is None:
        work.execute(f"INSERT INTO {table} ({column}) VALUES (?)", (name,))
        row = work.one(f"SELECT number FROM {table} WHERE {column} = ?", (name,))
    assert row is not None  # noqa: S101  (just written)
    return int(row[0])


def _summed(condition: str) -> str:
    return f"sum(CASE WHEN {condition} THEN 1 ELSE 0 END)"


def _looked(work: Transaction) -> int:
    """Return up to where labels were checked, or a check is looking at them."""
    return max(int(_meta(work, "cursor", "0")), int(_meta(work, "looked", "0")))


def _meta(work: Transaction, key: str, default: str) -> str:
    row = work.one("SELECT value FROM temperance_meta WHERE key = ?", (key,))
    return default if row is None else str(row[0])


def _set_meta(work: Transaction, key: str, value: str) -> None:
    if not work.execute("UPDATE temperance_meta SET value = ? WHERE key = ?", (value, key)):
        work.execute("INSERT INTO temperance_meta VALUES (?, ?)", (key, value))


def _parsed(label: str) -> object:
    return json.loads(label)
