"""Every engine gives the sums and the temperature of the reference; large data are read twice."""

import importlib.util
import json
import sys
from dataclasses import replace

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.blocks.rows import sampled_rows
from temperance.kernels.engines import moments_kernel, preferring
from temperance.kernels.loss import loss_pass, loss_sums


def optional(name):
    absent = not importlib.util.find_spec(name)
    return pytest.param(name, marks=pytest.mark.skipif(absent, reason=f"{name} is not there"))


ENGINES = ["numpy", optional("numba"), optional("torch")]
TOLERANCE = {"float64": 1e-9, "float32": 1e-6, "float16": 1e-6}


def rows(k, dtype="float64", *, n=300, masked=False, seed=0):
    rng = np.random.default_rng(seed)
    z = (3 * rng.normal(size=(n, k)) + 50 * rng.normal(size=(n, 1))).astype(dtype)
    y = rng.integers(0, k, n)
    hit = rng.random(n) < 0.5
    y[hit] = z[hit].argmax(axis=1)
    if masked:
        gone = rng.random((n, k)) < 0.4
        gone[np.arange(n), y] = False
        z[gone] = -np.inf
    return z, y


def given_to(engine, z):
    """Arrays as they are, for torch a tensor that shares their memory."""
    if engine != "torch":
        return z
    import torch

    return torch.from_numpy(z)


def pass_of(engine, z, y, w, *, betas):
    """Sums of one block by the kernel itself."""
    if engine != "torch":
        return loss_pass(z, y, w, betas=betas, moments=moments_kernel(engine, elements=z.size))
    import torch

    from temperance.kernels import loss_torch

    return loss_torch.loss_pass(*map(torch.from_numpy, (z, y, w)), betas=betas)


def slow_pass(z, y, w, beta):
    """Loss, slope, curvature, third derivative, squares: row by row, in long double."""
    total = np.zeros(6)
    for row, label, weight in zip(z.astype(np.longdouble), y, w, strict=True):
        own = row[np.isfinite(row)]
        p = np.exp(beta * (own - own.max()))
        p /= p.sum()
        mean = (p * own).sum()
        variance = (p * (own - mean) ** 2).sum()
        g = mean - row[label]
        loss = -np.log(
            np.exp(beta * (row[label] - own.max())) / np.exp(beta * (own - own.max())).sum()
        )
        third = (p * (own - mean) ** 3).sum()
        total += weight * np.array([loss, g, variance, third, weight * g * g, weight * variance])
    return total


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("k", [2, 3, 33, 49, 1500, 5000])
def test_sums_of_every_engine(engine, k, dtype, masked):
    """Short and long rows, missing options, all precisions, two inverse temperatures at once."""
    z, y = rows(k, dtype, n=40 if k > 1000 else 150, masked=masked)
    w = np.random.default_rng(1).uniform(0, 2, len(y))
    found = pass_of(engine, z, y, w, betas=(1.0, 0.3))
    tolerance = 1e-10 if dtype == "float64" else 3e-5
    for sums, beta in zip(found.at, (1.0, 0.3), strict=True):
        got = [sums.loss, sums.slope, sums.curvature, sums.third]
        got += [sums.squared_slope, sums.model_variance]
        expected = slow_pass(z, y, w, beta).astype(float)
        scale = np.maximum(np.abs(expected), np.abs(expected[2]))  # some sums are nearly 0
        assert (np.abs(got - expected) <= tolerance * scale).all()
    gaps = np.where(np.isfinite(z), z, np.nan).astype(float)
    assert found.widest == pytest.approx((np.nanmax(gaps, 1) - np.nanmin(gaps, 1)).max())
    assert found.gap_to_largest == pytest.approx(w @ (np.nanmax(gaps, 1) - gaps[range(len(y)), y]))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("n", "k"), [(2000, 2), (2000, 10), (1500, 100), (300, 5000)])
def test_temperature_of_every_engine(engine, n, k, dtype):
    """T to 1e-9 in double precision and 1e-6 in single, against a search on exact sums."""
    z, y = rows(k, dtype, n=n)
    found = tp.TemperatureScaling.fit(given_to(engine, z), y, engine=engine)
    exact = reference.temperature(z.astype(float), y)
    assert found.temperature == pytest.approx(exact, rel=max(TOLERANCE[dtype], 1e-7))
    double = tp.TemperatureScaling.fit(z.astype(float), y, engine="numpy")
    assert found.temperature == pytest.approx(double.temperature, rel=TOLERANCE[dtype])
    assert found.record.standard_error == pytest.approx(double.record.standard_error, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("k", [3, 60])
def test_missing_options_and_weights(engine, k, dtype):
    """Rows of unequal width and weight, 0 among them, against a search on exact sums."""
    z, y = rows(k, dtype, n=600, masked=True)
    w = np.random.default_rng(2).integers(0, 3, len(y)).astype(float)
    found = tp.TemperatureScaling.fit(given_to(engine, z), y, weights=w, engine=engine)
    exact = reference.temperature(z.astype(float), y, w)
    assert found.temperature == pytest.approx(exact, rel=max(TOLERANCE[dtype], 1e-7))
    double = tp.TemperatureScaling.fit(z.astype(float), y, weights=w, engine="numpy")
    assert found.temperature == pytest.approx(double.temperature, rel=TOLERANCE[dtype])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("k", [3, 60])
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_bad_values_show_in_the_sums(engine, k, bad, dtype):
    """A nan of either sign or an infinity anywhere is found, and its row is named."""
    z, y = rows(k, dtype)
    place = (271, (y[271] + 1) % k)  # not on the label
    z[place] = bad
    with pytest.raises(tp.InvalidInputError, match="row 271 holds"):
        tp.TemperatureScaling.fit(given_to(engine, z), y, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_missing_labels_and_empty_rows_are_named(engine):
    """What the sums show as infinite is explained by the checks."""
    z, y = rows(5)
    masked, empty = z.copy(), z.copy()
    masked[7, y[7]] = -np.inf
    empty[9] = -np.inf
    with pytest.raises(tp.InvalidInputError, match="in row 7 the label"):
        tp.TemperatureScaling.fit(given_to(engine, masked), y, engine=engine)
    with pytest.raises(tp.InvalidInputError, match="row 9 is all -inf"):
        tp.TemperatureScaling.fit(given_to(engine, empty), y, engine=engine)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("n", "k", "in_one"), [(200_000, 10, False), (20_000, 100, True), (2_000, 5_000, False)]
)
def test_large_data_are_read_once_to_three_times(engine, n, k, in_one):
    """A sample starts the search; the last reading certifies the end, for numba the first."""
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(n, k)).astype("float32")
    y = (z / 2.5 + rng.gumbel(size=z.shape).astype("float32")).argmax(axis=1)
    record = tp.TemperatureScaling.fit(given_to(engine, z), y, engine=engine).record
    if in_one and engine == "numba":
        assert record.passes == 1
    else:
        assert 2 <= record.passes <= 3
    assert record.error_bound <= 1e-7
    assert record.temperature == pytest.approx(2.5, rel=0.05)


WORLDS = {  # logits (n, k) that are unlike each other
    "heavy tails": lambda rng: rng.standard_t(2, size=(3000, 20)),
    "near-certain": lambda rng: 40.0 * rng.standard_normal((3000, 10)),
    "ties": lambda rng: rng.integers(-2, 3, size=(3000, 10)).astype(float),
    "two classes": lambda rng: 4.0 * rng.standard_normal((5000, 2)),
    "10 rows": lambda rng: rng.standard_normal((10, 200)),
    "ragged": lambda rng: np.where(
        rng.random((3000, 30)) < 0.5, -np.inf, 3.0 * rng.standard_normal((3000, 30))
    ),
    "long rows": lambda rng: 2.0 * rng.standard_normal((600, 3000)),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("world", sorted(WORLDS))
def test_single_precision_keeps_its_promise(engine, world):
    """Its last reading certifies 1e-7: T is that of its own numbers in float64 to 1e-6."""
    rng = np.random.default_rng(1)
    z = WORLDS[world](rng).astype(np.float32)
    z[:, 0] = np.maximum(z[:, 0], -50.0)  # one option at least in every row
    y = (z / 1.6 + rng.gumbel(size=z.shape)).argmax(axis=1)
    single = tp.TemperatureScaling.fit(given_to(engine, z), y, engine=engine).record
    double = tp.TemperatureScaling.fit(z.astype(np.float64), y, engine="numpy").record
    assert single.error_bound <= 1e-7
    assert double.error_bound <= 1e-10
    assert single.temperature == pytest.approx(double.temperature, rel=1e-6)
    assert single.standard_error == pytest.approx(double.standard_error, rel=1e-4)
    assert single.passes <= double.passes


def test_rows_in_an_unlucky_order():
    """Sorted by how sure the model is, a sample still covers all rows; T is the same."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(150_000, 8)) * rng.gamma(1.0, 3.0, size=(150_000, 1))
    y = (z / 3 + rng.gumbel(size=z.shape)).argmax(axis=1)
    order = np.argsort(z.max(axis=1))
    fits = [tp.TemperatureScaling.fit(z[o], y[o]) for o in (slice(None), order)]
    assert fits[1].temperature == pytest.approx(fits[0].temperature, rel=1e-9)
    assert fits[1].record.passes <= 4


def test_the_error_bound_holds():
    """The exact minimum, from many more steps, lies within the bound of the fitted T."""
    for seed in range(20):
        z, y = rows(6, n=80, seed=seed)
        try:
            record = tp.TemperatureScaling.fit(z, y).record
        except tp.NoOptimumError:
            continue
        beta = 1.0 / record.temperature
        for _ in range(3):
            sums = loss_sums(z, y, None, beta=beta)
            beta -= sums.slope / sums.curvature
        assert abs(beta * record.temperature - 1.0) <= record.error_bound + 1e-13
        assert record.error_bound >= 2.0**-52  # T is rounded to that itself
        assert replace(record, error_bound=2 * record.error_bound) == record


def test_sums_move_by_their_derivatives():
    """A step of 1e-3 changes the sums as reading the rows there would, to its third power."""
    z, y = rows(5)
    here, there = (loss_sums(z, y, None, beta=b) for b in (0.5, 0.501))
    moved = here.moved(0.001)
    for name, tolerance in (
        ("loss", 1e-11), ("slope", 1e-7), ("curvature", 1e-5), ("squared_slope", 1e-5),
    ):  # fmt: skip
        assert getattr(moved, name) == pytest.approx(getattr(there, name), rel=tolerance)
        assert getattr(here, name) != pytest.approx(getattr(there, name), rel=tolerance)


@pytest.mark.parametrize("k", [2, 1000, 50_000])
@pytest.mark.parametrize("n", [600, 100_000])
def test_samples_come_from_everywhere(n, k):
    """At most one row in eight, in order, none twice, from the first to the last."""
    places = sampled_rows(n, row_bytes=4 * k, k=k)
    assert len(places) * k <= max((1 << 22), k)
    assert len(places) <= n // 8 + 1
    assert (np.diff(places) > 0).all()
    assert places[0] == 0
    assert places[-1] == n - 1 or len(places) == 1


def test_unknown_and_unfit_engines_are_refused():
    """The message lists the engines; torch asks for tensors."""
    z, y = rows(3)
    with pytest.raises(tp.InvalidInputError, match="must be one of auto, numpy, numba, torch"):
        tp.TemperatureScaling.fit(z, y, engine="cuda")
    with pytest.raises(tp.InvalidInputError, match="torch tensors"):
        tp.TemperatureScaling.fit(z, y, engine="torch")


def test_a_missing_numba_names_the_extra(monkeypatch):
    """`engine="numba"` without numba says what to install; "auto" goes on with NumPy."""
    monkeypatch.setitem(sys.modules, "temperance.kernels.loss_numba", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    z, y = rows(3)
    with pytest.raises(tp.MissingDependencyError, match=r"temperance\[fast\]"):
        tp.TemperatureScaling.fit(z, y, engine="numba")
    monkeypatch.delitem(sys.modules, "temperance.kernels.loss_numba")
    assert moments_kernel("auto", elements=1 << 40).__module__.endswith("kernels.loss")


def test_a_preferred_engine_is_used_where_none_is_named(monkeypatch):
    """Inside the `with`, "auto" is the engine preferred; a named one stays what it is."""
    pytest.importorskip("numba")
    with preferring("numba"):
        assert moments_kernel("auto", elements=1).__module__.endswith("loss_numba")
        assert moments_kernel("numpy", elements=1).__module__.endswith("kernels.loss")
        with preferring("numpy"):
            assert moments_kernel("auto", elements=1 << 40).__module__.endswith("kernels.loss")
    with pytest.raises(tp.InvalidInputError, match="must be one of"), preferring("fortran"):
        pass


def test_the_engine_on_the_command_line(run, tmp_path):
    """`--engine` reaches the fit; all write the same temperature; a wrong one is refused."""
    z, y = rows(4)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    engines = ["auto", "numpy"] + (["numba"] if importlib.util.find_spec("numba") else [])
    found = [
        json.loads(run("fit", "cal.npz", "--quick", "--json", "--engine", e).stdout)
        for e in engines
    ]
    for each in found[1:]:
        assert each["temperature"] == pytest.approx(found[0]["temperature"], rel=1e-9)
    assert "numba" in run("fit", "cal.npz", "--engine", "cuda", code=2).stderr


def test_a_missing_numba_on_the_command_line(run, tmp_path, monkeypatch):
    """One line that names the extra, before anything is fitted."""
    monkeypatch.setitem(sys.modules, "temperance.kernels.loss_numba", None)
    z, y = rows(4)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    done = run("fit", "cal.npz", "--engine", "numba", code=2)
    assert "temperance[fast]" in done.stderr
    assert not (tmp_path / "calibrator.json").exists()
