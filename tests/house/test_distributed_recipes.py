"""The recipes of docs/distributed.md, run as they are printed; absent systems skip."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import temperance as tp

PAGE = Path(__file__).parents[2] / "docs" / "distributed.md"


def recipe(*names):
    """What the page's code defines, run one block after the other."""
    page, defined = PAGE.read_text(encoding="utf-8"), {"__name__": "__main__"}
    for name in names:
        (code,) = re.findall(rf"<!-- recipe: {name} -->\n\n```python\n(.*?)```", page, re.DOTALL)
        exec(code, defined)  # noqa: S102  (our own page)
    return defined


def data(n=3000, k=6):
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(n, k))
    return z, (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)


def same(found, z, y):
    whole = tp.TemperatureScaling.fit(z, y)
    assert found.temperature == pytest.approx(whole.temperature, rel=1e-9)
    assert found.record.n == len(y)
    assert found.record.standard_error == pytest.approx(whole.record.standard_error, rel=1e-8)


def test_dask(tmp_path):
    """The script of the page: two workers that read a file."""
    pytest.importorskip("distributed")
    z, y = data(1500, 10)
    np.save(tmp_path / "logits.npy", z)
    np.save(tmp_path / "labels.npy", y)
    code = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL).group(1)
    (tmp_path / "script.py").write_text(code, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", "script.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    whole = tp.TemperatureScaling.fit(z, y)
    temperature, sums = run.stdout.splitlines()
    assert float(temperature) == pytest.approx(whole.temperature, rel=1e-9)
    assert sums == "[1. 1.]"


def test_rows_elsewhere():
    """Any function that maps a kernel over blocks; bad values and no optimum are errors."""
    z, y = data()
    fitted = recipe("rows")["fitted"]

    def mapped(z, y):
        return lambda kernel: [
            kernel(z[i : i + 700], y[i : i + 700], None) for i in range(0, 3000, 700)
        ]

    same(fitted(mapped(z, y)), z, y)
    with pytest.raises(tp.NoOptimumError, match="separable"):
        fitted(mapped(z, z.argmax(axis=1)))
    z[5, 1] = np.nan
    with pytest.raises(ValueError, match="nan or infinite"):
        fitted(mapped(z, y))


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray():
    """Ray Data, two processes."""
    ray = pytest.importorskip("ray")
    ray_data = pytest.importorskip("ray.data")
    z, y = data()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        dataset = ray_data.from_numpy([z[:1000], z[1000:]]).rename_columns({"data": "logits"})
        labels = ray_data.from_numpy([y[:1000], y[1000:]]).rename_columns({"data": "label"})
        same(recipe("rows", "ray")["fit_ray"](dataset.zip(labels)), z, y)
    finally:
        ray.shutdown()


@pytest.mark.filterwarnings("ignore")  # Spark's own
def test_spark(monkeypatch):
    """Spark, two processes; it needs Java."""
    sql = pytest.importorskip("pyspark.sql")
    if not shutil.which("java"):
        pytest.skip("no Java is there")
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    z, y = data()
    builder = sql.SparkSession.builder.master("local[2]")
    spark = builder.config("spark.ui.enabled", "false").getOrCreate()
    try:
        rows = [(each.tolist(), int(label)) for each, label in zip(z, y, strict=True)]
        frame = spark.createDataFrame(rows, "logits array<double>, label int").repartition(3)
        same(recipe("rows", "spark")["fit_spark"](frame), z, y)
    finally:
        spark.stop()
