"""The tables of a store, and the steps from each version to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.monitor.scores import repacked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from temperance.monitor.database import Transaction

__all__ = ["MIGRATIONS", "VERSION", "create", "migrate", "version_of"]

VERSION = 3
_AT_ONCE = 10_000  # rows whose bytes are written again,
_NUMBERS = 10_000_000  # and the numbers in them

# Times are whole microseconds since 1970, UTC. A prediction's scores are bytes (`scores.py`).
# A label below 0 is one that its prediction does not show: -1 less what was given (`labels.py`).
# `usable_at` is when a label may be looked at: once it has come, and the delay is over.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (  # to version 1
        "CREATE TABLE temperance_meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        (
            "CREATE TABLE temperance_models (number {identity}, name TEXT NOT NULL UNIQUE,"
            " k {whole} NOT NULL, classes TEXT)"
        ),
        "CREATE TABLE temperance_calibrators (number {identity}, id TEXT NOT NULL UNIQUE)",
        (
            "CREATE TABLE temperance_predictions (seq {identity}, id TEXT NOT NULL UNIQUE,"
            " time {whole} NOT NULL, model {whole} NOT NULL, calibrator {whole} NOT NULL,"
            " part TEXT, scores {bytes} NOT NULL)"
        ),
        "CREATE INDEX temperance_predictions_time ON temperance_predictions (time)",
        # every label that came, so that corrections can be seen; `newest` is the one that holds
        (
            "CREATE TABLE temperance_labels (seq {identity}, prediction {whole} NOT NULL,"
            " label {whole} NOT NULL, arrived {whole} NOT NULL, usable_at {whole} NOT NULL,"
            " newest {whole} NOT NULL)"
        ),
        "CREATE INDEX temperance_labels_prediction ON temperance_labels (prediction)",
        (
            "CREATE INDEX temperance_labels_usable ON temperance_labels (usable_at, seq)"
            " WHERE newest = 1"
        ),
        # labels whose prediction has not come yet
        (
            "CREATE TABLE temperance_parked (seq {identity}, id TEXT NOT NULL, label TEXT NOT NULL,"
            " arrived {whole} NOT NULL)"
        ),
        "CREATE INDEX temperance_parked_id ON temperance_parked (id)",
        (
            "CREATE TABLE temperance_checks (seq {identity}, at {whole} NOT NULL,"
            " model TEXT NOT NULL, calibrator TEXT NOT NULL,"
            " log_evidence DOUBLE PRECISION NOT NULL, alarm {whole} NOT NULL,"
            " content TEXT NOT NULL)"
        ),
        (
            "CREATE TABLE temperance_evidence (model TEXT NOT NULL, calibrator TEXT NOT NULL,"
            " state TEXT NOT NULL, alarm TEXT, PRIMARY KEY (model, calibrator))"
        ),
    ),
    (  # to version 2: messages of alarms, each delivered once
        (
            "CREATE TABLE temperance_messages (name TEXT PRIMARY KEY, at {whole} NOT NULL,"
            " content TEXT NOT NULL, delivered {whole})"
        ),
        "CREATE INDEX temperance_checks_at ON temperance_checks (at)",
    ),
    (  # to version 3: rows of few options, in few bytes; of which labels may be another one
        "ALTER TABLE temperance_models ADD COLUMN options TEXT NOT NULL DEFAULT 'all'",
    ),
)


def _write_scores_again(work: Transaction) -> None:
    """Write all scores as they are written now: the same again is known by its bytes."""
    widest = max((row[0] for row in work.rows("SELECT k FROM temperance_models")), default=1)
    seq, count = 0, max(1, min(_AT_ONCE, _NUMBERS // widest))
    while rows := work.rows(
        "SELECT seq, scores FROM temperance_predictions WHERE seq > ? ORDER BY seq LIMIT ?",
        (seq, count),
    ):
        old = [bytes(scores) for _, scores in rows]
        again = repacked(old, widest)
        work.add_all(
            "UPDATE temperance_predictions SET scores = ? WHERE seq = ?",
            [
                (now, number)
                for (number, _), before, now in zip(rows, old, again, strict=True)
                if now != before
            ],
        )
        seq = rows[-1][0]


# What follows the statements of a step, by the version that it leads to.
_OF_ROWS: dict[int, Callable[[Transaction], None]] = {3: _write_scores_again}


def create(work: Transaction, words: Mapping[str, str]) -> None:
    """Make all tables, in the version of now."""
    for statements in MIGRATIONS:
        for statement in statements:
            work.execute(statement.format(**words))
    work.execute("INSERT INTO temperance_meta VALUES ('version', ?)", (str(VERSION),))


def version_of(work: Transaction, name: str) -> int:
    """Return the version of a store's tables.

    Raises
    ------
    FileFormatError
        They are newer than this library, or say no version.
    """
    row = work.one("SELECT value FROM temperance_meta WHERE key = 'version'")
    text = str(row[0]) if row else ""
    if not (text.isascii() and text.isdigit()):
        msg = f"{name}: damaged: its version is {text!r}, no number. Restore it from a copy."
        raise FileFormatError(msg)
    version = int(text)
    if version > VERSION:
        msg = (
            f"{name}: a store of version {version}, newer than this library, which knows "
            f"{VERSION}: update temperance."
        )
        raise FileFormatError(msg)
    return version


def migrate(work: Transaction, words: Mapping[str, str], name: str) -> None:
    """Bring a store to the version of now, whole or not at all."""
    first = version_of(work, name)
    for version, statements in enumerate(MIGRATIONS[first:], start=first + 1):
        for statement in statements:
            work.execute(statement.format(**words))
        if version in _OF_ROWS:
            _OF_ROWS[version](work)
    work.execute("UPDATE temperance_meta SET value = ? WHERE key = 'version'", (str(VERSION),))
