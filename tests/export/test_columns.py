"""Calibrators over columns: SQL in DuckDB, PostgreSQL and BigQuery's words, polars code."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import METHODS, AnswerConfidence
from temperance.calibrators import operations as ops
from temperance.calibrators.isotonic import Curve
from temperance.export import ParityError, check_parity, made_rows, to_polars, to_sql

POSTGRESQL = os.environ.get("TEMPERANCE_TEST_POSTGRESQL")
CLASSES = ("it's", 'a "cat"', "dog, or `bird`", "4", "ü_日")  # names that break bad quoting


def duckdb_sql(calibrator, **settings):
    pytest.importorskip("duckdb")
    return to_sql(calibrator, **settings)


def postgresql(calibrator, **settings):
    pytest.importorskip("psycopg")
    if POSTGRESQL is None:
        pytest.skip("no PostgreSQL: TEMPERANCE_TEST_POSTGRESQL is not set")
    return to_sql(calibrator, dialect="postgresql", database=POSTGRESQL, **settings)


def polars_code(calibrator, **settings):
    pytest.importorskip("polars")
    return to_polars(calibrator, **settings)


EXPORTS = {"duckdb": duckdb_sql, "postgresql": postgresql, "polars": polars_code}


def labelled(k, n=500, seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 3
    p = reference.softmax(z / 1.7)
    return z, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)


def fitted(name, k):
    """A map of this method with names of classes that need quoting."""
    z, y = labelled(k)
    settings = {}
    if METHODS[name].traits.groups:
        settings["groups"] = np.array(["a'x", 'b"y', "c\\z"])[np.arange(len(y)) % 3]
    return METHODS[name].fit(z, tp.Positions(y), classes=CLASSES[:k], **settings)


MAPS = [
    (name, k)
    for name, method in METHODS.items() if not method.traits.members
    for k in ((2,) if method.traits.binary else (2, 5))
]  # fmt: skip


@pytest.fixture(scope="module")
def maps():
    return {each: fitted(*each) for each in MAPS}


@pytest.mark.parametrize("inputs", ["logits", "probs"])
@pytest.mark.parametrize("each", MAPS, ids=lambda each: f"{each[0]}-{each[1]}")
@pytest.mark.parametrize("export", EXPORTS)
def test_every_map_gives_the_calibrated_numbers(maps, export, each, inputs):
    """1,000 made rows, of logits or of probabilities: 1e-12, and the same class."""
    exported = EXPORTS[export](maps[each], inputs=inputs)
    assert exported.parity.holds
    assert exported.parity.n == 1000
    assert exported.parity.largest_difference < 1e-14
    assert len(exported.outputs) == each[1]


@pytest.mark.parametrize("export", EXPORTS)
def test_groups_are_looked_up_by_name(maps, export):
    """Each row is divided by its group's temperature; one without a name by the pooled one."""
    calibrator = maps["group-temperature", 5]
    z, _ = labelled(5, seed=1)
    groups = np.array([*calibrator.parts.groups.temperatures, "new", ""])[np.arange(len(z)) % 5]
    exported = EXPORTS[export](calibrator, group_column="my group", verify=z, groups=groups)
    assert exported.parity.rows == "500 rows"
    assert np.unique(groups).size == 5
    with pytest.raises(tp.InvalidInputError, match="group_column"):
        EXPORTS[export](maps["temperature", 5], group_column="g")


@pytest.mark.parametrize("export", EXPORTS)
def test_one_column_of_two_classes(maps, export):
    """Log-odds of class 1, or its probability; both classes come out."""
    for name, k in MAPS:
        if k == 2 and name != "group-temperature":
            for inputs in ("logits", "probs"):
                exported = EXPORTS[export](maps[name, k], columns=["score"], inputs=inputs)
                assert exported.columns == ("score",)
                assert exported.outputs == tuple(f"prob_{each}" for each in CLASSES[:2])


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("inputs", ["logits", "probs"])
def test_label_matrices(export, inputs):
    """A column per label, a sigmoid each; one label too."""
    rng = np.random.default_rng(0)
    for k in (1, 3):
        z = rng.normal(size=(400, k)) * 3
        y = (rng.random(z.shape) < 1 / (1 + np.exp(-z / 2))).astype(int)
        for per_label in (False, True):
            calibrator = tp.MultilabelScaling.fit(z, y, per_label=per_label)
            assert EXPORTS[export](calibrator, inputs=inputs).parity.holds


def ordered(query):
    return f"SELECT * FROM ({query}) AS of_rows ORDER BY n"  # noqa: S608


def rows_with_gaps():
    """Rows of which one lacks a logit, one has nan, and one an option that does not exist."""
    return [[1.0, 2.0, 0.5], [None, 1.0, 1.0], [1.0, float("nan"), 0.0], [0.0, -np.inf, 1.0],
            [-1000.0, 0.0, 1000.0]]  # fmt: skip


GAPS = ["identity", "temperature", "bias-corrected-temperature", "vector", "isotonic"]


@pytest.mark.parametrize("name", GAPS)
def test_null_has_no_probability_in_duckdb(name):
    """A row with NULL or nan among its logits gets NULL, in every class; the others are as ever."""
    duckdb = pytest.importorskip("duckdb")
    z, y = labelled(3)
    calibrator = METHODS[name].fit(z, y)
    query = to_sql(calibrator, table="rows")
    connection = duckdb.connect()
    connection.execute("CREATE TABLE rows (n INT, logit_0 DOUBLE, logit_1 FLOAT, logit_2 DOUBLE)")
    for n, row in enumerate(rows_with_gaps()):
        connection.execute("INSERT INTO rows VALUES (?, ?, ?, ?)", [n, *row])
    out = connection.execute(ordered(query)).fetchall()
    assert [row[-3:] for row in out[1:3]] == [(None, None, None)] * 2
    kept = [0, 3, 4] if METHODS[name].traits.masks else [0, 4]
    scores = np.array(rows_with_gaps(), dtype=float)[kept]
    probs = np.array([out[n][-3:] for n in kept])
    assert probs == pytest.approx(calibrator.apply(scores), abs=1e-12)
    assert len(out[0]) == 4 + 3


@pytest.mark.parametrize("name", GAPS)
def test_null_has_no_probability_in_polars(name):
    """As in SQL, for frames and lazy frames; all other columns stay, and no inner one is left."""
    pl = pytest.importorskip("polars")
    z, y = labelled(3)
    calibrator = METHODS[name].fit(z, y)
    columns = list(zip(*rows_with_gaps(), strict=True))
    frame = pl.DataFrame({f"logit_{c}": column for c, column in enumerate(columns)}, strict=False)
    function = to_polars(calibrator)
    out = function(frame)
    assert out.columns == [*frame.columns, "prob_0", "prob_1", "prob_2"]
    assert frame.lazy().pipe(function).collect().equals(out, null_equal=True)
    assert out["prob_1"].is_null().to_list() == [False, True, True, False, False]
    assert out["prob_2"].is_null().to_list() == [False, True, True, False, False]
    probs = out.select("prob_0", "prob_1", "prob_2").to_numpy()[[0, 4]]
    scores = np.array(rows_with_gaps(), dtype=float)[[0, 4]]
    assert probs == pytest.approx(calibrator.apply(scores), abs=1e-12)


def test_null_has_no_probability_in_postgresql():
    """GREATEST and CASE of PostgreSQL would pass over NULL: no operation does."""
    psycopg = pytest.importorskip("psycopg")
    if POSTGRESQL is None:
        pytest.skip("no PostgreSQL: TEMPERANCE_TEST_POSTGRESQL is not set")
    z, y = labelled(3)
    with psycopg.connect(POSTGRESQL) as connection:
        connection.execute("CREATE TEMPORARY TABLE rows (n int, logit_0 numeric, logit_1 real, "
                           "logit_2 double precision)")  # fmt: skip
        for n, row in enumerate(rows_with_gaps()[:3] + rows_with_gaps()[4:]):
            connection.execute("INSERT INTO rows VALUES (%s, %s, %s, %s)", [n, *row])
        for name in GAPS:
            calibrator = METHODS[name].fit(z, y)
            query = to_sql(calibrator, dialect="postgresql", table="rows", database=POSTGRESQL)
            out = connection.execute(ordered(query)).fetchall()
            assert [row[-3:] for row in out[1:3]] == [(None, None, None)] * 2
            scores = np.array([rows_with_gaps()[n] for n in (0, 4)])
            probs = np.array([out[n][-3:] for n in (0, 3)])
            assert probs == pytest.approx(calibrator.apply(scores), abs=1e-12)


@pytest.mark.parametrize("each", MAPS, ids=lambda each: f"{each[0]}-{each[1]}")
def test_bigquery_says_the_same_in_its_words(maps, each):
    """The query, read by another package's BigQuery and said in DuckDB's, gives the numbers."""
    duckdb, sqlglot = pytest.importorskip("duckdb"), pytest.importorskip("sqlglot")
    calibrator = maps[each]
    columns = list("abcde")[: each[1]]
    query = to_sql(calibrator, dialect="bigquery", table="data.rows", columns=columns)
    assert "bigquery was not run" in query.parity.target
    (text,) = sqlglot.transpile(query.text, read="bigquery", write="duckdb")
    z, _ = made_rows(each[1])
    connection = duckdb.connect()
    columns = {name: np.ascontiguousarray(z[:, i]) for i, name in enumerate(query.columns)}
    connection.register("made", {"n": np.arange(len(z)), **columns})
    connection.execute("CREATE SCHEMA data; CREATE TABLE data.rows AS SELECT * FROM made")
    out = connection.execute(ordered(text)).fetchnumpy()
    probs = np.stack([np.asarray(out[name]) for name in query.outputs], axis=1)
    assert probs == pytest.approx(calibrator.apply(z), abs=1e-12)


def test_the_table_and_its_columns_are_quoted():
    """A schema, names with spaces and quotes; outputs that would hide an input are renamed."""
    pytest.importorskip("duckdb")
    calibrator = tp.TemperatureScaling(2.0)
    query = to_sql(calibrator, table="my schema.rows", columns=["a b", 'c"d'])
    assert 'FROM "my schema"."rows"' in query.text
    assert query.outputs == ("prob_a b", 'prob_c"d')
    renamed = to_sql(calibrator, columns=["prob_x", "prob_y"], inputs="probs")
    assert renamed.outputs == ("calibrated_prob_x", "calibrated_prob_y")


REFUSED = {
    "no classes": (tp.TemperatureScaling(2.0), {}, "name their columns"),
    "another number": (
        tp.TemperatureScaling(2.0, n_classes=3), {"columns": ["a", "b"]}, "3 columns",
    ),
    "a name twice": (tp.TemperatureScaling(2.0), {"columns": ["a", "a"]}, "'a' twice"),
    "an ensemble": (
        tp.Ensemble(1.0, np.array([0.5, 0.5]), n_classes=2), {}, "several models",
    ),
    "answers": (
        AnswerConfidence.fit([0.1, 0.4, 0.6, 0.9] * 9, [0, 1, 0, 1] * 9, scale="probability"),
        {"columns": ["a", "b"]}, "one score per answer",
    ),
    "a large matrix": (
        tp.MatrixScaling(tp.TemperatureScaling(1.0), np.eye(200), np.zeros(200)), {},
        "40,203 numbers",
    ),
    "rows of another width": (
        tp.TemperatureScaling(2.0, n_classes=3), {"verify": np.zeros((4, 2))}, "`verify`",
    ),
    "nan": (
        tp.TemperatureScaling(2.0, n_classes=2), {"verify": [[0.0, np.nan]] * 9}, "nan",
    ),
    "another kind": (tp.TemperatureScaling(2.0, n_classes=2), {"inputs": "odds"}, "`inputs`"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("export", ["duckdb", "polars"])
def test_bad_input_is_refused(export, case):
    """What columns cannot hold is an error that names it."""
    calibrator, settings, message = REFUSED[case]
    with pytest.raises(tp.InvalidInputError, match=message):
        EXPORTS[export](calibrator, **settings)


def test_dialects_and_databases():
    """An unknown dialect; an address for another dialect; one where nobody listens."""
    calibrator = tp.TemperatureScaling(2.0, n_classes=2)
    with pytest.raises(tp.InvalidInputError, match="`dialect`"):
        to_sql(calibrator, dialect="oracle")
    with pytest.raises(tp.InvalidInputError, match="`database`"):
        to_sql(calibrator, database="postgresql://127.0.0.1/x")
    pytest.importorskip("psycopg")
    with pytest.raises(tp.InvalidInputError, match=r"`database`.*refused"):
        to_sql(calibrator, dialect="postgresql", database="postgresql://127.0.0.1:1/x")


def test_parity_fails_with_its_figures():
    """A difference, nan, and another class: the first row is named, the figures kept."""
    expected = np.array([[0.6, 0.4], [0.5, 0.5], [0.2, 0.8]])
    shown = {"target": "it", "rows": "3 rows", "tolerance": 1e-6}
    assert check_parity(expected, expected + 5e-7, **shown).class_agreement == 1.0
    near_tie = expected + np.array([[0.0, 0.0], [0.0, 9e-7], [0.0, 0.0]])
    assert check_parity(expected, near_tie, **shown).holds
    off = expected + np.array([[0.0], [0.0], [1e-3]])
    for wrong, differs in ((off, 1e-3), (expected * np.nan, np.inf)):
        with pytest.raises(ParityError, match="row") as error:
            check_parity(expected, wrong, **shown)
        assert error.value.parity.largest_difference == pytest.approx(differs)
        assert not error.value.parity.holds
    with pytest.raises(ParityError) as error:
        check_parity(expected, expected[:, ::-1], **shown)
    assert error.value.parity.class_agreement == pytest.approx(1 / 3)


def test_a_wrong_query_is_never_handed_out(monkeypatch):
    """A map that says other operations than it applies: ParityError, from SQL and polars."""
    calibrator = tp.TemperatureScaling(2.0, n_classes=3)
    other = tp.TemperatureScaling(3.0, n_classes=3).operations()
    monkeypatch.setattr(tp.TemperatureScaling, "operations", lambda _: other)
    for export in ("duckdb", "polars"):
        with pytest.raises(ParityError, match="does not give the calibrated numbers"):
            EXPORTS[export](calibrator)


# --- the commands ----------------------------------------------------------------------------


@pytest.fixture
def saved(run, files):
    run("fit", "cal.npz", "--only-fit")
    return files


@pytest.mark.parametrize("target", ["sql", "polars"])
def test_commands_write_what_was_proved(run, saved, tmp_path, target):
    """On the rows of a file; the text goes to -o, the proof to the terminal or JSON."""
    pytest.importorskip({"sql": "duckdb", "polars": "polars"}[target])
    call = ("export", target, "calibrator.json", "--verify", "test.npz")
    done = run(*call, "-o", "out.txt")
    assert "600 rows of test.npz" in done.stdout
    assert "holds" in done.stdout
    printed = run(*call)
    assert printed.stdout.strip() == (tmp_path / "out.txt").read_text().strip()
    assert "parity holds on 600 rows of test.npz" in printed.stderr
    content = json.loads(run(*call, "--json").stdout)
    assert content["parity"]["holds"]
    assert content["parity"]["n"] == 600
    assert content["columns"] == [f"logit_{c}" for c in range(4)]


@pytest.mark.parametrize("target", ["sql", "polars"])
def test_commands_end_with_1_where_the_proof_fails(run, saved, tmp_path, monkeypatch, target):
    """Exit code 1, the figures, and no file."""
    pytest.importorskip({"sql": "duckdb", "polars": "polars"}[target])
    other = tp.TemperatureScaling(9.0).operations()
    monkeypatch.setattr(tp.TemperatureScaling, "operations", lambda _: other)
    call = ("export", target, "calibrator.json", "-o", "out.txt")
    done = run(*call, code=1)
    assert "FAILS" in done.stdout
    assert "does not give the calibrated numbers" in done.stderr
    assert not json.loads(run(*call, "--json", code=1).stdout)["parity"]["holds"]
    assert not (tmp_path / "out.txt").exists()


def test_commands_refuse_bad_input(run, saved, tmp_path):
    """One line that says what to do, and exit code 2."""
    pytest.importorskip("duckdb")
    np.savez(tmp_path / "narrow.npz", logits=np.tile([1.0, 2.0, -3.0], (5, 1)))
    for call, message in (
        (("sql", "missing.json"), "missing.json"),
        (("sql", "calibrator.json", "--columns", "a,b"), "4 columns"),
        (("sql", "calibrator.json", "--group-column", "g"), "--group-column"),
        (("sql", "calibrator.json", "--verify", "narrow.npz"), "3 classes"),
        (("sql", "calibrator.json", "--database", "x"), "--database"),
        (("sql", "calibrator.json", "-o", "query.py"), "one of the suffixes .sql .txt"),
        (("sql", "calibrator.json", "-o", "query.json"), "one of the suffixes .sql .txt"),
        (("polars", "calibrator.json", "-o", "code.sql"), "one of the suffixes .py .txt"),
        (("nothing", "calibrator.json"), "No such command"),
    ):
        assert message in run("export", *call, code=2).stderr
    assert {each.suffix for each in tmp_path.iterdir()} == {".npz", ".json"}
    assert tp.load(tmp_path / "calibrator.json")


def curve(knots, k=2):
    """An isotonic map of so many knots, rising evenly, the same for each class."""
    levels = np.linspace(0.01, 0.99, len(knots))
    curves = (Curve(np.array(knots), levels),) * (1 if k == 2 else k)
    return tp.IsotonicCalibration(curves)


@pytest.mark.parametrize("export", EXPORTS)
def test_a_curve_of_thousands_of_knots_is_written(export):
    """Pieces are found by halving: no parser, and no count of PostgreSQL's, ends it."""
    assert EXPORTS[export](curve(np.linspace(-8.0, 8.0, 2000))).parity.holds


@pytest.mark.parametrize("export", EXPORTS)
def test_curves_and_matrices_of_many_classes_are_written(export):
    """45 x 45 is more than PostgreSQL lets a layer name those before it; one-vs-rest is fast."""
    names = [f"c{i}" for i in range(45)]
    assert EXPORTS[export](curve([-8.0, 0.0, 8.0], 45), columns=names).parity.holds
    rng = np.random.default_rng(0)
    mixture = np.eye(45) + 0.01 * rng.normal(size=(45, 45))
    matrix = tp.MatrixScaling(tp.TemperatureScaling(1.3), mixture, rng.normal(size=45))
    assert EXPORTS[export](matrix, columns=names).parity.holds


@pytest.mark.parametrize("export", EXPORTS)
def test_a_row_of_hundreds_of_classes_is_written(export):
    """Sums are halved: DuckDB reads 1,000 brackets, Python some thousands, of whatever width."""
    k = 1200 if export == "polars" else 300
    exported = EXPORTS[export](tp.TemperatureScaling(1.5), columns=[f"c{i}" for i in range(k)])
    assert exported.parity.holds
    depth = np.cumsum([{"(": 1, ")": -1}.get(letter, 0) for letter in str(exported)])
    assert depth.max() < 20


@pytest.mark.parametrize("export", EXPORTS)
def test_made_rows_meet_every_piece_of_a_curve(export):
    """Knots closer than an even grid, and beyond it: a wrong piece is seen."""
    close = EXPORTS[export](curve(np.linspace(0.0, 1e-3, 700))).parity
    assert close.rows == "1,402 made rows"
    for knots in ([100.0, 200.0, 1000.0], [0.0, 5e-324, 1.0], [-1e101, -3.0, 3.0, 1e101], [0.5]):
        assert EXPORTS[export](curve(knots)).parity.holds


@pytest.mark.parametrize("k", [2, 3])
def test_the_proof_sees_one_wrong_piece_among_many(monkeypatch, k):
    """A piece that is written wrong is met, of any class, wherever its knots lie."""
    pytest.importorskip("polars")
    calibrator = curve(np.linspace(2.0, 2.01, 300), k)
    operations = calibrator.operations()
    place = next(i for i, each in enumerate(operations) if isinstance(each, ops.Curves))
    levels = [list(each) for each in operations[place].probabilities]
    levels[-1][150] = levels[-1][151]
    wrong = replace(operations[place], probabilities=tuple(map(tuple, levels)))
    monkeypatch.setattr(
        tp.IsotonicCalibration, "operations",
        lambda _: (*operations[:place], wrong, *operations[place + 1 :]),
    )  # fmt: skip
    with pytest.raises(ParityError, match=f"class {k - 1}|class 0"):
        to_polars(calibrator, columns=list("abc")[:k])


def test_names_that_a_database_takes_for_one_are_refused():
    """DuckDB and BigQuery fold case, PostgreSQL cuts at 63 bytes; polars does neither."""
    pytest.importorskip("duckdb")
    calibrator = tp.TemperatureScaling(1.5)
    for dialect, columns in (("duckdb", ["a", "A"]), ("bigquery", ["a", "A"]),
                             ("postgresql", ["x" * 63 + "a", "x" * 63 + "b"])):  # fmt: skip
        with pytest.raises(tp.InvalidInputError, match="does not tell the columns"):
            to_sql(calibrator, dialect=dialect, columns=columns)
    cased = tp.BiasCorrectedTemperatureScaling(1.5, [0.1, -0.1], classes=("cat", "Cat"))
    with pytest.raises(tp.InvalidInputError, match="other classes"):
        to_sql(cased)
    mixed = tp.BiasCorrectedTemperatureScaling(1.5, [0.1, -0.1], classes=("cat", "dog"))
    assert to_sql(mixed, columns=["Prob_Cat", "x"]).outputs[0] == "calibrated_prob_cat"
    with pytest.raises(tp.InvalidInputError, match="1,664 columns"):
        to_sql(calibrator, dialect="postgresql", columns=[f"c{i}" for i in range(900)])
    pytest.importorskip("polars")
    assert to_polars(cased).parity.holds


@pytest.mark.parametrize("export", EXPORTS)
def test_names_of_no_column_are_refused(export):
    """Empty names, NUL, those of the steps; one text, and numbers, are no list of names."""
    for columns in (["", "b"], ["a\0", "b"], ["temperance_1_input_0", "b"], "ab", [1, 2]):
        with pytest.raises(tp.InvalidInputError, match="`columns`"):
            EXPORTS[export](tp.TemperatureScaling(1.5), columns=columns)


def test_polars_patterns_are_no_columns():
    """`pl.col` reads "*" and "^...$" as patterns of several columns."""
    pytest.importorskip("polars")
    for name in ("*", "^a.*$"):
        with pytest.raises(tp.InvalidInputError, match="pattern"):
            to_polars(tp.TemperatureScaling(1.5), columns=[name, "ab"])


def test_a_table_has_a_name():
    """No part of schema.name is empty."""
    pytest.importorskip("duckdb")
    for table in ("", "a..b", "a."):
        with pytest.raises(tp.InvalidInputError, match="--table"):
            to_sql(tp.TemperatureScaling(1.5), columns=["a", "b"], table=table)


GROUPED_ROWS = "SELECT * FROM (VALUES (1.0, 2.0, 0), (1.0, 2.0, 1), (1.0, 2.0, 7)) AS t (a, b, g)"


def grouped():
    z, y = labelled(2)
    return METHODS["group-temperature"].fit(z, tp.Positions(y), groups=np.arange(len(y)) % 2)


def test_numbers_are_names_of_groups_in_duckdb():
    """A column of integers holds the groups "0" and "1"."""
    duckdb = pytest.importorskip("duckdb")
    settings = {"columns": ["a", "b"], "group_column": "g", "table": "rows_of"}
    query = to_sql(grouped(), **settings)
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE rows_of AS {GROUPED_ROWS}")
    out = np.array([row[-1] for row in connection.execute(str(query)).fetchall()])
    expected = grouped().apply([[1.0, 2.0]] * 3, groups=["0", "1", "7"])[:, 1]
    assert sorted(out) == pytest.approx(sorted(expected), abs=1e-12)


def test_numbers_are_names_of_groups_in_postgresql():
    """As in DuckDB; the names of steps may be those of groups."""
    psycopg = pytest.importorskip("psycopg")
    if POSTGRESQL is None:
        pytest.skip("no PostgreSQL: TEMPERANCE_TEST_POSTGRESQL is not set")
    settings = {"columns": ["a", "b"], "group_column": "g", "table": "rows_of"}
    query = to_sql(grouped(), dialect="postgresql", database=POSTGRESQL, **settings)
    with psycopg.connect(POSTGRESQL) as connection:
        connection.execute(f"CREATE TEMPORARY TABLE rows_of AS {GROUPED_ROWS}")
        out = np.array([row[-1] for row in connection.execute(str(query)).fetchall()])
    expected = grouped().apply([[1.0, 2.0]] * 3, groups=["0", "1", "7"])[:, 1]
    assert sorted(out) == pytest.approx(sorted(expected), abs=1e-12)
    z, y = labelled(2)
    groups = np.array(["temperance_1_input_0", "temperance_99_x"])[np.arange(len(y)) % 2]
    named = METHODS["group-temperature"].fit(z, tp.Positions(y), groups=groups)
    settings["group_column"] = "source"
    assert to_sql(named, dialect="postgresql", database=POSTGRESQL, **settings).parity.holds


NO_ROWS = {  # without any option; no probability
    "logits": [(-np.inf, -np.inf), (np.inf, 0.0)],
    "probs": [(0.0, 0.0), (20.0, 80.0), (-0.1, 1.1)],
}


@pytest.mark.parametrize("name", GAPS)
@pytest.mark.parametrize("inputs", NO_ROWS)
def test_what_apply_refuses_has_no_probability(name, inputs):
    """A row without any option, percent in place of probabilities: null, not a half each."""
    duckdb, pl = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    z, y = labelled(2)
    calibrator = METHODS[name].fit(z, tp.Positions(y))
    settings = {"columns": ["a", "b"], "inputs": inputs}
    frame = pl.DataFrame(NO_ROWS[inputs], schema=["a", "b"], orient="row")
    out = frame.pipe(to_polars(calibrator, **settings)).select(pl.nth(-2, -1))
    assert out.null_count().row(0) == (len(frame), len(frame))
    connection = duckdb.connect()
    connection.register("rows", {each: frame[each].to_numpy() for each in "ab"})
    rows = connection.execute(str(to_sql(calibrator, table="rows", **settings))).fetchall()
    assert [row[-2:] for row in rows] == [(None, None)] * len(frame)
    one = to_polars(calibrator, columns=["p"], inputs="probs")
    assert one(pl.DataFrame({"p": [20.0, -1.0]}))[:, -1].is_null().all()


def test_no_rows_prove_nothing():
    """An empty file for the proof is refused."""
    pytest.importorskip("polars")
    with pytest.raises(tp.InvalidInputError, match="no rows"):
        to_polars(tp.TemperatureScaling(1.5), columns=["a", "b"], verify=np.empty((0, 2)))
