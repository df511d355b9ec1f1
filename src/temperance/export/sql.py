"""A calibrator as one SQL query: columns of logits in, columns of probabilities out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_word
from temperance.errors import InvalidInputError, MissingDependencyError
from temperance.export.columns import ColumnMap
from temperance.export.language import Language

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.export.parity import Parity

    Array = NDArray[np.float64]

__all__ = ["DIALECTS", "Query", "to_sql"]

_BYTES, _COLUMNS = 63, 1664  # of a name, and of a row, in PostgreSQL
_ROW = "temperance_row"  # of the proof: queries keep no order
_NAMES = re.compile(r"\btemperance_\d+_\w+")  # of the values of layers


@dataclass(frozen=True, slots=True)
class Dialect:
    """What databases say differently."""

    name: str
    double: str  # the type of a double
    text: str  # the type of a text
    quotes: str  # around a name
    not_a_number: str  # a column without nan, where nan is not the largest number
    without: str | None  # SELECT * without some columns; None where only a join helps

    def quoted(self, name: str) -> str:
        """Return a name that no letter of it can break."""
        if self.quotes == "`":
            escaped = name.replace("\\", "\\\\").replace("`", "\\`")
            return f"`{escaped}`"
        escaped = name.replace('"', '""')
        return f'"{escaped}"'

    def read(self, name: str) -> object:
        """Return what the database makes of a name: one of the same is the same column."""
        if self.name == "postgresql":
            return name.encode()[:_BYTES]
        return name.lower()

    def check(self, map_: ColumnMap) -> None:
        """Raise InvalidInputError where the database cannot hold these columns side by side."""
        group = () if map_.group_column is None else (map_.group_column,)
        names = (*map_.columns, *map_.outputs, *group)
        if self.name == "postgresql" and len(names) > _COLUMNS:
            msg = (
                f"PostgreSQL holds at most {_COLUMNS:,} columns in a row, and {len(names):,} are "
                "read and added. Use `temperance apply`."
            )
            raise InvalidInputError(msg)
        first: dict[object, str] = {}
        for name in names:
            other = first.setdefault(self.read(name), name)
            if other != name or (name in map_.outputs and name in map_.columns):
                msg = (
                    f"{self.name} does not tell the columns {other!r} and {name!r} apart. Give "
                    "them other names (`columns`, --columns), or the calibrator other classes."
                )
                raise InvalidInputError(msg)


DIALECTS = {
    each.name: each
    for each in (
        Dialect("duckdb", "DOUBLE", "VARCHAR", '"', "{x}", "EXCLUDE"),
        Dialect("postgresql", "DOUBLE PRECISION", "TEXT", '"', "{x}", None),
        Dialect("bigquery", "FLOAT64", "STRING", "`", "IF(IS_NAN({x}), NULL, {x})", "EXCEPT"),
    )
}


class Sql(Language):
    """SQL as text, in layers: each names its values, which the next one reads."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self.dialect = dialect

    def column(self, name: str) -> str:
        """Return the column as a double."""
        text = f"CAST({self._of_table(name)} AS {self.dialect.double})"
        return self.dialect.not_a_number.replace("{x}", text)

    def _of_table(self, name: str) -> str:
        """Return the quoted column; of a join, whose layers may have a column of this name too."""
        quoted = self.dialect.quoted(name)
        return f"source.{quoted}" if self.dialect.without is None else quoted

    def number(self, value: float) -> str:
        """Return a number that every dialect reads as the same double."""
        text = repr(float(value))
        return text if "e" in text else f"{text}e0"

    def call(self, name: str, *values: str) -> str:
        """Return a function of values; the greatest of one is itself."""
        if name in {"greatest", "least"} and len(values) == 1:
            return values[0]
        return f"{name.upper()}({', '.join(values)})"

    def binary(self, left: str, sign: str, right: str) -> str:
        """Return both in brackets."""
        return f"({left} {sign} {right})"

    def first_of(self, cases: Sequence[tuple[str, str, float, str]], otherwise: str) -> str:
        """Return a CASE; NULL where x is."""
        whens = [f"WHEN {x} {sign} {self.number(n)} THEN {value}" for x, sign, n, value in cases]
        return f"CASE WHEN {cases[0][0]} IS NULL THEN NULL {' '.join(whens)} ELSE {otherwise} END"

    def nothing(self) -> str:
        """Return NULL."""
        return "NULL"

    def at_least(self, x: str, least: float) -> str:
        """Return a CASE, which hands NULL on."""
        number = self.number(least)
        return f"CASE WHEN {x} < {number} THEN {number} ELSE {x} END"

    def of_name(self, column: str, values: dict[str, float], otherwise: float) -> str:
        """Return a CASE of texts."""
        text = f"CAST({self._of_table(column)} AS {self.dialect.text})"
        whens = [f"WHEN {self._text(n)} THEN {self.number(v)}" for n, v in values.items()]
        return f"CASE {text} {' '.join(whens)} ELSE {self.number(otherwise)} END"

    def _text(self, value: str) -> str:
        if self.dialect.quotes == "`":
            value = value.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{value}'"
        escaped = value.replace("'", "''")
        return f"'{escaped}'"

    def reference(self, name: str) -> str:
        """Return the name, which needs no quotes."""
        return name

    def query(self, table: str, outputs: dict[str, str]) -> str:
        """Return the whole query."""
        names = self.bind("prob", list(outputs.values()))
        source = ".".join(self.dialect.quoted(part) for part in table.split("."))
        quoted = [self.dialect.quoted(name) for name in outputs]
        if self.dialect.without is None:
            return self._joined(source, dict(zip(quoted, names, strict=True)))
        last = [f"{name} AS {of_output}" for of_output, name in zip(quoted, names, strict=True)]
        steps, before = [], source
        for i, layer in enumerate(self.layers, start=1):
            steps.append(
                f"layer_{i} AS (\n  SELECT\n    *,\n    {_items(layer)}\n  FROM {before}\n)"
            )
            before = f"layer_{i}"
        inner = ", ".join(name for layer in self.layers for name in layer)
        return (
            f"WITH {', '.join(steps)}\nSELECT\n  * {self.dialect.without} ({inner}),\n"
            f"  {_lines(last, 2)}\nFROM {before}"
        )

    def _joined(self, source: str, outputs: dict[str, str]) -> str:
        """Return the query as a join, each of whose layers reads every value that it needs once.

        PostgreSQL counts how often a layer names those before it, up to 1,664. OFFSET 0: each value
        is computed once, not wherever it is read.
        """
        place = {name: i for i, layer in enumerate(self.layers, 1) for name in layer}
        joins = []
        for i, layer in enumerate(self.layers, start=1):
            read = dict.fromkeys(_NAMES.findall(" ".join(layer.values())))
            columns = [f"layer_{place[name]}.{name}" for name in read if place.get(name, i) < i]
            rows = (
                f"\n  FROM (SELECT {', '.join(columns)} OFFSET 0) AS of_layers" if columns else ""
            )
            joins.append(
                f"\nCROSS JOIN LATERAL (\n  SELECT\n    {_items(layer)}{rows}\n  OFFSET 0\n) "
                f"AS layer_{i}"
            )
        last = [f"layer_{place[name]}.{name} AS {quoted}" for quoted, name in outputs.items()]
        return f"SELECT\n  source.*,\n  {_lines(last, 2)}\nFROM {source} AS source{''.join(joins)}"


def _items(layer: dict[str, str]) -> str:
    return _lines([f"{text} AS {name}" for name, text in layer.items()])


def _lines(items: Sequence[str], indent: int = 4) -> str:
    return f",\n{' ' * indent}".join(items)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that gives the calibrated probabilities of a table, and the proof.

    Attributes
    ----------
    text : str
        One SELECT without a semicolon: all columns of the table, and one per class.
    dialect : str
        "duckdb", "postgresql" or "bigquery".
    columns, outputs : tuple of str
        The columns that it reads, and those that it adds, in the order of the classes.
    parity : Parity
        What running it gave beside `apply`.
    """

    text: str
    dialect: str
    columns: tuple[str, ...]
    outputs: tuple[str, ...]
    parity: Parity

    @property
    def script(self) -> str:
        """What a file of it holds."""
        return f"{self.text};\n"

    def __str__(self) -> str:
        return self.text


def to_sql(
    calibrator: Calibrator,
    *,
    dialect: str = "duckdb",
    table: str = "predictions",
    columns: Sequence[str] | None = None,
    inputs: str = "logits",
    group_column: str | None = None,
    verify: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    rows: str | None = None,
    database: str | None = None,
) -> Query:
    """Return the calibrator as an SQL query, once it gives the calibrated numbers.

    Every row of the table gets the columns `prob_<class>`. A row with NULL, nan or +infinity among
    its logits gets NULL, and so does one without any option, or with a probability above 1.001. An
    option that does not exist (-infinity, a probability of 0) has probability 0, and so has one
    below 1e-304 (databases raise an error where an exponential is too small); methods that do not
    take it give its row NULL.

    Parameters
    ----------
    calibrator : Calibrator
        Of logits or of a label matrix; all methods but ensembles, up to 20,000 numbers.
    dialect : {"duckdb", "postgresql", "bigquery"}, default "duckdb"
        Whose SQL.
    table : str, default "predictions"
        Name of the table, `schema.table` where it has one.
    columns : sequence of str, optional
        Columns that go in, in the order of the classes; of two classes one column may hold the
        log-odds, or the probability, of class 1. Where left out `logit_<class>`
        (`prob_<class>` of probabilities).
    inputs : {"logits", "probs"}, default "logits"
        What the columns hold.
    group_column : str, optional
        Column of the rows' groups, of a map with a temperature per group; where left out all rows
        get the pooled one.
    verify : array_like, shape (n, k), optional
        Logits (or probabilities, as `inputs` says) of the proof; where left out 1,000 made rows.
    groups : array_like, shape (n,), optional
        Groups of these rows.
    rows : str, optional
        What they are, in words, for the proof.
    database : str, optional
        Address of the PostgreSQL that runs the proof ("postgresql://user@host/name"); where left
        out, and for BigQuery, DuckDB runs the same operations in its own dialect.

    Returns
    -------
    Query
        Its text, and the parity: probabilities differ by at most 1e-12.

    Raises
    ------
    InvalidInputError
        An unknown dialect, an ensemble, a calibrator of answers, columns that are not one per
        class, a map with too many numbers, rows that are no logits.
    MissingDependencyError
        DuckDB, or psycopg for a `database`, is not installed.
    ParityError
        The query gives other numbers.

    Examples
    --------
    >>> from temperance.calibrators import PlattScaling
    >>> query = to_sql(PlattScaling(0.5, 1.0), columns=["score"])  # doctest: +SKIP
    >>> print(query)  # doctest: +SKIP
    """
    as_word(dialect, list(DIALECTS), name="dialect")
    as_word(inputs, ["logits", "probs"], name="inputs")
    if database is not None and dialect != "postgresql":
        msg = f'`database` (--database) runs the proof of dialect "postgresql", not {dialect!r}.'
        raise InvalidInputError(msg)
    if not all(table.split(".")):
        msg = f"`table` (--table) must be a name, or schema.name, got {table!r}."
        raise InvalidInputError(msg)
    map_ = ColumnMap.of(calibrator, columns, inputs=inputs, group_column=group_column)
    ran = DIALECTS["duckdb" if database is None else "postgresql"]
    for each in dict.fromkeys((DIALECTS[dialect], ran)):
        each.check(map_)

    def written(of: Dialect, source: str) -> str:
        language = Sql(of)
        return language.query(source, map_.expressions(language))

    proof = map_.proof(verify, groups=groups, words=rows)
    run = _by_duckdb if database is None else _by_postgresql(database)
    table_of_proof = {_ROW: np.arange(len(proof.scores)), **proof.table()}
    exported, target = run(written(ran, "proof"), table_of_proof, map_.outputs)
    if ran.name != dialect:
        target += f", in its own dialect; {dialect} was not run"
    parity = proof.check(exported, target=target)
    text = written(DIALECTS[dialect], table)
    return Query(text, dialect, map_.columns, map_.outputs, parity)


def _by_duckdb(
    query: str, table: dict[str, NDArray[Any]], outputs: Sequence[str]
) -> tuple[Array, str]:
    """Return what DuckDB gives for the rows of a table called proof, and its name and version."""
    try:
        import duckdb  # noqa: PLC0415
    except ImportError as error:
        msg = "duckdb"
        raise MissingDependencyError(msg, extra="sql", purpose="The proof of a query") from error
    with duckdb.connect() as connection:
        connection.register("proof", table)
        ordered = f"SELECT * FROM ({query}) AS of_proof ORDER BY {_ROW}"  # noqa: S608
        result = connection.execute(ordered).fetchnumpy()
    probs = [np.ma.filled(result[name].astype(np.float64), np.nan) for name in outputs]
    return np.stack(probs, axis=1), f"DuckDB {duckdb.__version__}"


def _by_postgresql(database: str) -> Callable[..., tuple[Array, str]]:
    """Return what runs a query in a PostgreSQL."""
    try:
        import psycopg  # noqa: PLC0415
    except ImportError as error:
        msg, purpose = "psycopg", "The proof of a query in PostgreSQL"
        raise MissingDependencyError(msg, extra="sql", purpose=purpose) from error
    quoted = DIALECTS["postgresql"].quoted
    types = {"i": "bigint", "U": "text", "f": "double precision"}

    def run(
        query: str, table: dict[str, NDArray[Any]], outputs: Sequence[str]
    ) -> tuple[Array, str]:
        columns = [f"{quoted(name)} {types[each.dtype.kind]}" for name, each in table.items()]
        names = ", ".join(quoted(name) for name in outputs)
        try:
            with psycopg.connect(database) as connection, connection.cursor() as cursor:
                cursor.execute(
                    f"CREATE TEMPORARY TABLE proof ({', '.join(columns)}) ON COMMIT DROP"
                )
                with cursor.copy("COPY proof FROM STDIN") as copy:
                    for row in zip(*(each.tolist() for each in table.values()), strict=True):
                        copy.write_row(row)
                cursor.execute(f"SELECT {names} FROM ({query}) AS of_proof ORDER BY {_ROW}")  # noqa: S608
                probs = np.array(cursor.fetchall(), dtype=np.float64)
                version = connection.info.server_version
        except psycopg.Error as error:
            msg = f"`database` (--database): {error}"
            raise InvalidInputError(msg) from error
        return probs, f"PostgreSQL {version // 10_000}.{version % 10_000}"

    return run
