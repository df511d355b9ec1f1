"""Two databases that take the same SQL: SQLite in a file, PostgreSQL at an address.

Statements are written for SQLite, with `?` for values; the few words in which PostgreSQL differs
are in `words`. A transaction that writes holds the store's one lock from its first statement on, so
that what it reads stays true until it ends.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from temperance.errors import InvalidInputError, MissingDependencyError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Database", "Transaction", "database_at"]

_POSTGRESQL = ("postgresql://", "postgres://")
_BUSY_SECONDS = 20.0  # that a writer waits for another one
_RETRIES, _PAUSE = 5, 0.4  # of a transaction whose server went away, seconds between
_DRIVER = "psycopg"
_TABLES = ("temperance_predictions", "temperance_labels", "temperance_parked")  # rows leave
_SQLITE_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_NOTHING_WRITTEN = "Nothing of this call was written."
_LOCK = 737_021_540  # any number: PostgreSQL's advisory lock of the monitor of a schema


class Transaction(ABC):
    """Statements that are all kept, or none."""

    @abstractmethod
    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        """Run one statement; return how many rows it changed."""

    @abstractmethod
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""

    @abstractmethod
    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
        """Add rows whose `id` is not there yet; return how many."""

    @abstractmethod
    def columns(self, sql: str, values: Sequence[Any], kinds: str) -> list[Any]:
        """Return the columns of a query: one letter of `kinds` says what each holds.

        n: whole numbers, an array of int64; b: bytes, t: text or None, a list.
        """

    def pages(
        self,
        sql: str,
        kinds: str,
        first: tuple[int, int],
        values: Sequence[Any],
        place: tuple[int, int],
        size: int,
    ) -> Iterator[list[Any]]:
        """Yield the columns of a query a page at a time, the next while this one is looked at.

        It takes where to begin (two whole numbers), `values`, and the number of rows, and gives
        them in the order of the two columns that `place` names, by which no two rows are alike.
        """

        def page(start: tuple[int, int]) -> list[Any]:
            return self.columns(sql, (*start, *values, size), kinds)

        with ThreadPoolExecutor(1) as reader:
            coming = reader.submit(page, first)
            while True:
                columns = coming.result()
                count = len(columns[0])
                if count == size:
                    one, two = (int(columns[each][-1]) for each in place)
                    coming = reader.submit(page, (one, two + 1))
                if count:
                    yield columns
                if count < size:
                    return

    @abstractmethod
    def among(self, column: str, names: Sequence[Any]) -> tuple[str, Any]:
        """Return the condition that a column is one of some values, and its value."""

    def one(self, sql: str, values: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        rows = self.rows(sql, values)
        return rows[0] if rows else None

    def add_all(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run a statement once for each row of values."""
        for row in rows:
            self.execute(sql, row)


class Database(ABC):
    """Where the tables are."""

    words: dict[str, str]  # what `{name}` in a schema stands for

    @abstractmethod
    def transaction(self, *, writes: bool) -> Any:  # noqa: ANN401  (a context of Transaction)
        """Open a transaction: kept where the `with` ends, undone where it is left by an error."""

    @abstractmethod
    def close(self) -> None:
        """Let the connection go."""

    def exists(self) -> bool:
        """Return whether there is a store: its tables, not only a place for them."""
        if not self.may_exist():
            return False
        with self.transaction(writes=False) as work:
            return self.has_store(work)

    @abstractmethod
    def may_exist(self) -> bool:
        """Return False where looking for tables would make what is looked into."""

    @abstractmethod
    def has_store(self, work: Transaction) -> bool:
        """Return whether the tables of a store are there."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How messages call it: without a password."""

    def compact(self) -> None:
        """Give the room of deleted rows back.

        Raises
        ------
        StoreError
            It was not; the rows are deleted all the same.
        """
        try:
            self._compact()
        except StoreError as error:
            reason = " ".join(str(error.__cause__).split())
            msg = (
                f"{self.name}: the rows are deleted, but what they took is neither overwritten nor "
                f"given back ({reason}). The same `temperance monitor prune` again does that, once "
                "there is room for a second copy of the store, and no other process holds it."
            )
            raise StoreError(msg) from error

    @abstractmethod
    def _compact(self) -> None:
        """Give the room of deleted rows back, or raise StoreError."""

    @abstractmethod
    def size(self) -> int:
        """Bytes that it takes."""


def database_at(address: str | Path) -> Database:
    """Return the database at a path, or at a `postgresql://` address; nothing is opened yet.

    Raises
    ------
    InvalidInputError
        An address of neither kind.
    """
    if not isinstance(address, str | Path) or not str(address):
        msg = f"`store` must be a path or postgresql://..., got {address!r}."
        raise InvalidInputError(msg)
    text = str(address)
    if text.startswith(_POSTGRESQL):
        return _PostgreSQL(text)
    if "://" in text:
        kind = text.partition("://")[0]
        msg = f"`store` must be a path (SQLite) or postgresql://..., not {kind}://."
        raise InvalidInputError(msg)
    return _SQLite(Path(text))


# SQLite.


class _SQLite(Database):
    words = {  # noqa: RUF012
        "identity": "INTEGER PRIMARY KEY AUTOINCREMENT", "bytes": "BLOB", "whole": "INTEGER",
    }  # fmt: skip

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._one = threading.RLock()  # threads share the connection, one transaction at a time

    @property
    def name(self) -> str:
        return str(self._path)

    def may_exist(self) -> bool:
        return self._path.exists()

    def has_store(self, work: Transaction) -> bool:
        return work.one(f"{_SQLITE_TABLES} AND name = 'temperance_meta'") is not None

    def size(self) -> int:
        files = (self._path, self._path.with_name(self._path.name + "-wal"))
        return sum(each.stat().st_size for each in files if each.exists())

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(
                self._path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                self._refuse_others(connection)
            except BaseException:
                connection.close()
                raise
            # what was acknowledged is on the disk; what was deleted is overwritten
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                connection.execute(f"PRAGMA {pragma}")
            self._connection = connection
        return self._connection

    def _refuse_others(self, connection: sqlite3.Connection) -> None:
        """Raise if a file holds tables of something else, which stays as it is."""
        tables = [row[0] for row in connection.execute(_SQLITE_TABLES)]
        if tables and "temperance_meta" not in tables:
            msg = (
                f"{self._path}: no store of a monitor, but a database of something else; "
                "`temperance monitor init` takes a new path."
            )
            raise StoreError(msg)

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Transaction]:
        with self._one, self._explaining():
            connection = self._opened()
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield _OfSQLite(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    def _compact(self) -> None:
        with self._one, self._explaining():
            self._opened().execute("VACUUM")
            self._opened().execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            text = str(error)
            if "locked" in text or "busy" in text:
                reason = (
                    f"another process has been writing to it for {_BUSY_SECONDS:.0f} seconds; look "
                    f"for it (`fuser {self._path}`), or try again"
                )
            elif "full" in text:
                reason = "the disk is full; make room, and do the same again"
            elif "not a database" in text or "malformed" in text:
                reason = f"it is damaged, or no store ({text}); restore it from a copy"
            elif "unable to open" in text:
                reason = "it cannot be opened: the folder must exist, and be one you may write to"
            elif "readonly" in text:
                reason = "it is write-protected"
            else:
                reason = text
            msg = f"{self._path}: {reason}. {_NOTHING_WRITTEN}"
            raise StoreError(msg) from error
        except (UnicodeEncodeError, OverflowError) as error:
            raise _unwritable(self.name, error) from error


class _OfSQLite(Transaction):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._connection.execute(sql, values).rowcount

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, values).fetchall()

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
        marks = ", ".join("?" * len(columns))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
        return self._connection.executemany(sql, rows).rowcount

    def columns(self, sql: str, values: Sequence[Any], kinds: str) -> list[Any]:
        rows = self._connection.execute(sql, values).fetchall()
        columns = zip(*rows, strict=True) if rows else [()] * len(kinds)
        return [
            np.array(column, dtype=np.int64) if kind == "n" else column
            for kind, column in zip(kinds, columns, strict=True)
        ]

    def among(self, column: str, names: Sequence[Any]) -> tuple[str, Any]:
        return f"{column} IN (SELECT value FROM json_each(?))", json.dumps(list(names))

    def add_all(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)


# PostgreSQL.


class _PostgreSQL(Database):
    words = {  # noqa: RUF012
        "identity": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "bytes": "BYTEA",
        "whole": "BIGINT",
    }  # fmt: skip

    def __init__(self, address: str) -> None:
        self._address = address
        self._connection: Any = None
        self._one = threading.RLock()

    @property
    def name(self) -> str:
        scheme, _, rest = self._address.partition("://")
        place, _, query = rest.rpartition("@")[2].partition("?")
        shown = [each for each in query.split("&") if each and not _is_secret(each)]
        return f"{scheme}://{place}{'?' if shown else ''}{'&'.join(shown)}"

    def may_exist(self) -> bool:
        return True

    def has_store(self, work: Transaction) -> bool:
        # what is read of a table is what is there now: alone, to_regclass remembers that there was
        # none, although another process has made it while this one waited for the lock
        sql = "SELECT to_regclass('temperance_meta') FROM pg_class LIMIT 1"
        return work.one(sql) != (None,)

    def size(self) -> int:
        tables = (
            "relname LIKE 'temperance_%' AND relkind IN ('r', 'i', 't')"
            " AND relnamespace = current_schema()::regnamespace"
        )
        with self.transaction(writes=False) as work:
            row = work.one(f"SELECT sum(pg_relation_size(oid)) FROM pg_class WHERE {tables}")
        return int((row or (0,))[0] or 0)

    def _opened(self) -> Any:  # noqa: ANN401
        psycopg = _psycopg()
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._address, connect_timeout=10)
        return self._connection

    @contextmanager
    def transaction(self, *, writes: bool) -> Iterator[Transaction]:
        psycopg = _psycopg()
        with self._one, self._explaining():
            connection = self._begun(writes=writes)
            try:
                yield _OfPostgreSQL(connection)
                connection.commit()
            except BaseException:
                with suppress(psycopg.Error):
                    connection.rollback()
                raise

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        psycopg = _psycopg()
        limit = psycopg.errors.ProgramLimitExceeded
        try:
            yield
        except (UnicodeEncodeError, OverflowError, psycopg.DataError, limit) as error:
            raise _unwritable(self.name, error) from error
        except psycopg.errors.LockNotAvailable as error:
            msg = (
                f"{self.name}: another process has been writing to it for {_BUSY_SECONDS:.0f} "
                "seconds; look for it (`SELECT * FROM pg_stat_activity WHERE state <> 'idle'`), or "
                f"try again. {_NOTHING_WRITTEN}"
            )
            raise StoreError(msg) from error
        except psycopg.Error as error:
            reason = " ".join(str(error).split()).rstrip(".?!") or type(error).__name__
            msg = f"{self.name}: {reason}. {_NOTHING_WRITTEN}"
            raise StoreError(msg) from error

    def _begun(self, *, writes: bool) -> Any:  # noqa: ANN401
        """Return a connection that answers, with the lock of writers; servers are restarted."""
        psycopg = _psycopg()
        for attempt in range(_RETRIES):
            try:
                connection = self._opened()
                if writes:
                    connection.execute(
                        f"SET LOCAL lock_timeout = {round(1000 * _BUSY_SECONDS)};"
                        f" SELECT pg_advisory_xact_lock({_LOCK}, hashtext(current_schema()))"
                    )
                else:
                    # all statements see the store as it is now
                    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            except psycopg.errors.LockNotAvailable:
                with suppress(psycopg.Error):
                    connection.rollback()
                raise
            except psycopg.OperationalError:
                with suppress(psycopg.Error):
                    if self._connection is not None:
                        self._connection.close()
                self._connection = None
                if attempt == _RETRIES - 1:
                    raise
                time.sleep(_PAUSE * 2**attempt)
            else:
                return connection
        raise AssertionError

    def _compact(self) -> None:
        with self._one, self._explaining():
            connection = self._opened()
            connection.commit()
            connection.autocommit = True
            try:
                for table in _TABLES:
                    connection.execute(f"VACUUM {table}")
            finally:
                connection.autocommit = False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _OfPostgreSQL(Transaction):
    def __init__(self, connection: Any) -> None:  # noqa: ANN401
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> int:
        return int(self._connection.execute(_translated(sql), tuple(values)).rowcount)

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        return list(self._connection.execute(_translated(sql), tuple(values)).fetchall())

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> int:
        names = ", ".join(columns)
        self.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS incoming_{table} ON COMMIT DELETE ROWS AS "
            f"SELECT {names} FROM {table} LIMIT 0"
        )
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY incoming_{table} ({names}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)
        count = self.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM incoming_{table} "
            "ON CONFLICT DO NOTHING"
        )
        self.execute(f"TRUNCATE incoming_{table}")
        return count

    def columns(self, sql: str, values: Sequence[Any], kinds: str) -> list[Any]:
        """Return the columns, each as one value of the server's: a row costs little here."""
        # one look-up for each row of a page, never all rows of a table; and the order of the
        # subquery, in which its rows are put together by one process
        self._connection.execute(_PLAN)
        names = [f"c{place}" for place in range(len(kinds))]
        selections = [
            part.format(name)
            for name, kind in zip(names, kinds, strict=True)
            for part in _AS_BYTES[kind]
        ]
        whole = f"SELECT {', '.join(selections)} FROM ({sql}) AS page ({', '.join(names)})"
        (row,) = self._connection.execute(_translated(whole), tuple(values), binary=True).fetchall()
        content = iter([b"" if each is None else each for each in row])
        return [_column(content, kind) for kind in kinds]

    def among(self, column: str, names: Sequence[Any]) -> tuple[str, Any]:
        return f"{column} = ANY(?)", list(names)

    def add_all(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_translated(sql), rows)


_PLAN = (
    "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off;"
    " SET LOCAL max_parallel_workers_per_gather = 0"
)
# What of a column is asked for, put together: numbers; lengths (-1: None) and what is that long.
_AS_BYTES = {
    "n": ("string_agg(int8send({0}), ''::bytea)",),
    "b": ("string_agg(int4send(octet_length({0})), ''::bytea)", "string_agg({0}, ''::bytea)"),
    "t": (
        "string_agg(int4send(coalesce(octet_length({0}), -1)), ''::bytea)",
        "string_agg(convert_to({0}, 'UTF8'), ''::bytea)",
    ),
}


def _column(content: Iterator[bytes], kind: str) -> Any:  # noqa: ANN401
    """Return the next column of what `_AS_BYTES` asks for."""
    first = next(content)
    if kind == "n":
        return np.frombuffer(first, dtype=">i8").astype(np.int64)
    lengths, values = np.frombuffer(first, dtype=">i4"), next(content)
    if kind == "t" and (lengths < 0).all():
        return [None] * len(lengths)
    ends = lengths.clip(min=0).cumsum().tolist()
    parts = [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    if kind == "b":
        return parts
    return [
        None if length < 0 else part.decode()
        for length, part in zip(lengths.tolist(), parts, strict=True)
    ]


def _is_secret(setting: str) -> bool:
    """Return whether a part of an address, NAME=VALUE, is a password."""
    return "password" in unquote(setting.partition("=")[0]).lower()


def _unwritable(name: str, error: Exception) -> InvalidInputError:
    """Return the error of a value that no row can hold; trying again would not help."""
    reason = " ".join(str(error).split())
    msg = f"{name}: a value cannot be stored ({reason}). {_NOTHING_WRITTEN}"
    return InvalidInputError(msg)


def _translated(sql: str) -> str:
    return sql.replace("%", "%%").replace("?", "%s")


def _psycopg() -> Any:  # noqa: ANN401
    try:
        import psycopg  # noqa: PLC0415 - optional package
    except ImportError as error:
        purpose = "A store in PostgreSQL"
        raise MissingDependencyError(_DRIVER, extra="store", purpose=purpose) from error
    return psycopg
