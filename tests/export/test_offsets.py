"""An offset common to a row changes no probability, whoever computes: of numbers far from 0 too.

Nor has an option that a row does not have (-inf) any probability.
"""

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import METHODS
from temperance.calibrators import operations as ops
from temperance.export import to_onnx, to_polars, to_sql
from temperance.formats.calibrator_json import calibrator_content

POSTGRESQL = os.environ.get("TEMPERANCE_TEST_POSTGRESQL")
OFFSETS = [0.0, 1e3, 1e6, 1e8, -1e8]
TOLERANCES = {np.float32: 1e-6, np.float64: 1e-12}
MORE = {
    "smoothed": (tp.TemperatureScaling, {"smooth": True}),
    "negative": (tp.VectorScaling, {}),  # the factor of the option that rows lack is negative
}


def labelled(k, n=500, seed=0):
    """Logits of the size of `rows_of`, over-confident, and their labels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 24
    p = reference.softmax(z / 13.6)
    return z, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)


@functools.cache
def fitted(name, k):
    z, y = labelled(k)
    method, settings = MORE[name] if name in MORE else (METHODS[name], {})
    if method.traits.members:
        return method.fit([z, z / 2], y)
    if method.traits.groups:
        settings = {"groups": np.array(["a", "b"])[y % 2]}
    calibrator = method.fit(z, y, **settings)
    if name == "negative":
        factors = np.array([*calibrator.factors[:-1], -0.5])
        return tp.VectorScaling(calibrator.base, factors, calibrator.bias)
    return calibrator


def rows_of(calibrator, k):
    """Multiples of 8: an offset of 1e8 changes none of their differences in single precision."""
    z = 8.0 * np.random.default_rng(5).integers(-4, 5, size=(60, k))
    z[::7] = z[::7, :1]  # ties
    if calibrator.traits.masks:
        z[3::5, -1] = -np.inf
    return z


def moved(z, offset, dtype=np.float64):
    """The rows with the offset, in a precision that holds them."""
    rows = (z + offset).astype(dtype)
    assert rows.astype(float).tolist() == (z + offset).tolist()
    return rows


def same(given, z, expected, *, tolerance):
    """Whether probabilities are the expected ones, and 0 of options that do not exist."""
    assert given == pytest.approx(expected, abs=tolerance)
    assert not given[np.isinf(z)].any()


MAPS = [
    (name, k)
    for name, method in {**METHODS, **{n: method for n, (method, _) in MORE.items()}}.items()
    for k in ((2,) if method.traits.binary else (2, 5))
]  # fmt: skip
OF_ONE_MODEL = [each for each in MAPS if each[0] != "ensemble"]
WITHOUT_GROUPS = [each for each in OF_ONE_MODEL if each[0] != "group-temperature"]
NAMES = {"ids": lambda each: f"{each[0]}-{each[1]}"}


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("each", OF_ONE_MODEL, **NAMES)
def test_apply(each, dtype):
    """What all others are held to, beside the same rows without an offset."""
    calibrator = fitted(*each)
    z = rows_of(calibrator, each[1])
    for offset in OFFSETS:
        given = calibrator.apply(moved(z, offset, dtype), dtype=dtype)
        same(given, z, calibrator.apply(z, dtype=float), tolerance=TOLERANCES[dtype])


@pytest.mark.parametrize(
    ("dtype", "end"),
    [(np.float32, "Softmax"), (np.float32, "logits"), (np.float32, "images"),
     (np.float64, "Softmax"), (np.float64, "logits")],
)  # fmt: skip
@pytest.mark.parametrize("each", WITHOUT_GROUPS, **NAMES)
def test_onnx(each, dtype, end, tmp_path, monkeypatch):
    """Proved on rows around 0, and run on rows far from it; of images the classes are axis 1."""
    onnx, ort = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    import onnx_models as made

    monkeypatch.setattr("temperance.export.into_onnx.running.latencies", lambda *_: ())
    calibrator, k = fitted(*each), each[1]
    number = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    dims = ["n", k, 3] if end == "images" else ["n", k]
    nodes = [made.node("Identity", "x", "z")]
    if end != "logits":
        nodes.append(made.node("Softmax", "z", "p", axis=1))
    outputs = [("z" if end == "logits" else "p", number, dims)]
    model = made.model(nodes, outputs, weights={}, inputs=[("x", number, dims)])
    result = to_onnx(made.saved(model, tmp_path / "a.onnx"), calibrator, tmp_path / "b.onnx")
    session = ort.InferenceSession(tmp_path / "b.onnx", providers=["CPUExecutionProvider"])
    z = rows_of(calibrator, k)
    for offset in OFFSETS:
        rows = moved(z, offset, dtype)
        if end == "images":
            rows = np.stack([rows] * 3, axis=2)
        (given,) = session.run([result.output], {"x": rows})
        given = given[..., 1] if end == "images" else given
        same(given, z, calibrator.apply(z, dtype=float), tolerance=TOLERANCES[dtype])


@pytest.mark.parametrize("each", MAPS, **NAMES)
def test_torch(each):
    """A module; of an ensemble one model's rows have the offset, the other's have none."""
    torch = pytest.importorskip("torch")
    from temperance.torch import as_module

    calibrator = fitted(*each)
    z, of_members = rows_of(calibrator, each[1]), calibrator.traits.members
    expected = calibrator.apply([z, z] if of_members else z, dtype=float)
    module = as_module(calibrator)
    for offset in OFFSETS:
        for dtype, tolerance in TOLERANCES.items():
            rows = moved(z, offset, dtype)
            rows = np.stack([rows, z.astype(dtype)]) if of_members else rows
            same(module(torch.from_numpy(rows)).numpy(), z, expected, tolerance=tolerance)


def by_duckdb(calibrator, columns, table):
    duckdb = pytest.importorskip("duckdb")
    query = to_sql(calibrator, columns=columns, table="scores")
    with duckdb.connect() as connection:
        connection.register("scores", table)
        given = connection.execute(f"SELECT * FROM ({query}) AS s ORDER BY n").fetchnumpy()  # noqa: S608
    return np.stack([given[name] for name in query.outputs], axis=1)


def by_postgresql(calibrator, columns, table):
    psycopg = pytest.importorskip("psycopg")
    if POSTGRESQL is None:
        pytest.skip("no PostgreSQL: TEMPERANCE_TEST_POSTGRESQL is not set")
    query = to_sql(calibrator, columns=columns, table="scores", dialect="postgresql",
                   database=POSTGRESQL)  # fmt: skip
    kinds = {"i": "bigint", "f": "double precision"}
    definition = ", ".join(f"{name} {kinds[each.dtype.kind]}" for name, each in table.items())
    with psycopg.connect(POSTGRESQL) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMPORARY TABLE scores ({definition})")
        with cursor.copy("COPY scores FROM STDIN") as copy:
            for row in zip(*(each.tolist() for each in table.values()), strict=True):
                copy.write_row(row)
        names = ", ".join(query.outputs)
        cursor.execute(f"SELECT {names} FROM ({query}) AS s ORDER BY n")  # noqa: S608
        return np.array(cursor.fetchall(), dtype=float)


def by_polars(calibrator, columns, table):
    pl = pytest.importorskip("polars")
    function = to_polars(calibrator, columns=columns)
    return function(pl.DataFrame(table)).select(function.outputs).to_numpy()


@pytest.mark.parametrize("export", [by_duckdb, by_postgresql, by_polars])
@pytest.mark.parametrize("each", OF_ONE_MODEL, **NAMES)
def test_columns(each, export):
    """Columns of double precision; a far smaller logit is as good as none, and raises nothing."""
    calibrator, k = fitted(*each), each[1]
    z = rows_of(calibrator, k)
    z[1] = [0.0, *[-1e6] * (k - 1)]
    rows = np.concatenate([moved(z, offset) for offset in OFFSETS])
    columns = [f"logit_{c}" for c in range(k)]
    table = dict(zip(columns, np.ascontiguousarray(rows.T), strict=True))
    given = export(calibrator, columns, {"n": np.arange(len(rows)), **table})
    expected = np.tile(calibrator.apply(z, dtype=float), (len(OFFSETS), 1))
    same(given, rows, expected, tolerance=1e-12)
    certain = expected == 0.0
    if not any(isinstance(step, ops.OneVsRest | ops.LogOdds) for step in calibrator.operations()):
        assert not given[certain].any()


def test_javascript():
    """The reader of calibrator.json; of an ensemble both models' rows have the offset."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    tasks, expected = [], []
    for name, k in MAPS:
        calibrator = fitted(name, k)
        z = rows_of(calibrator, k)
        probs = calibrator.apply([z, z] if name == "ensemble" else z, dtype=float)
        for offset in OFFSETS:
            rows = [[None if np.isinf(v) else v for v in row] for row in (z + offset).tolist()]
            rows = [[row, row] for row in rows] if name == "ensemble" else rows
            tasks.append([calibrator_content(calibrator), rows])
            expected.append((z, probs))
    module = Path(__file__).parents[2] / "examples" / "javascript" / "temperance.mjs"
    code = (
        f"import {{ apply }} from {json.dumps(module.as_uri())};"
        'import { readFileSync } from "node:fs";'
        "const tasks = JSON.parse(readFileSync(0, 'utf8'));"
        "const probs = tasks.map(([map, rows]) => rows.map((row) => apply(map, row)));"
        "console.log(JSON.stringify(probs));"
    )
    command, text = ["node", "--input-type=module", "-e", code], json.dumps(tasks)
    ended = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    for given, (z, probs) in zip(json.loads(ended.stdout), expected, strict=True):
        same(np.array(given), z, probs, tolerance=1e-12)
