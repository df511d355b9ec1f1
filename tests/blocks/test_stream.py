"""Rows that come block by block: the T of all rows at once, in little memory."""

import os
import subprocess
import sys
import tracemalloc
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import temperance as tp
from temperance import TemperatureScaling
from temperance.blocks import reporting

N, K = 1000, 4


def data(n=N, k=K, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    z = (3 * rng.normal(size=(n, k))).astype(dtype)
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    return z, y


def blocks_of(z, y, w=None, step=300):
    arrays = (z, y) if w is None else (z, y, w)
    return [tuple(a[i : i + step] for a in arrays) for i in range(0, len(y), step)]


@pytest.mark.parametrize("step", [1, 7, 300, N])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("engine", ["auto", "numpy"])
def test_the_temperature_of_all_rows_at_once(step, weighted, engine):
    """However the rows are cut: T, standard error, losses, score test."""
    z, y = data()
    w = np.random.default_rng(1).uniform(0, 2, N) if weighted else None
    whole = TemperatureScaling.fit(z, y, weights=w)
    cut = TemperatureScaling.fit_blocks(blocks_of(z, y, w, step), engine=engine)
    assert cut.temperature == pytest.approx(whole.temperature, rel=1e-9)
    for name in ("standard_error", "log_loss_before", "log_loss_after", "n", "weight"):
        assert getattr(cut.record, name) == pytest.approx(getattr(whole.record, name), rel=1e-8)
    assert cut.record.score_test.z == pytest.approx(whole.record.score_test.z, rel=1e-8)
    assert cut.n_classes == K


def test_few_readings_of_a_function_that_opens_the_data():
    """Three readings of half a million rows: one that gathers a sample, and two."""
    calls = []

    def opened():
        calls.append(1)
        for seed in range(10):
            yield data(50_000, K, seed)

    seen = []
    with reporting(seen.append):
        record = TemperatureScaling.fit_blocks(opened).record
    assert record.passes == len(calls) <= 3
    assert record.n == 500_000
    assert sum(seen) >= record.passes * record.n
    assert record.error_bound < 1e-10


def test_memory_does_not_grow_with_the_rows():
    """Ten times the rows, less than twice the memory."""
    peaks = []
    for count in (5, 50):
        tracemalloc.start()
        TemperatureScaling.fit_blocks(lambda c=count: (data(2_000, 50, s) for s in range(c)))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * max(peaks[0], 8 * (1 << 22))


def test_blocks_in_sorted_order():
    """All rows of a class after another: the sample still comes from all blocks."""
    z, y = data(30_000)
    order = np.argsort(y, kind="stable")
    whole = TemperatureScaling.fit(z, y)
    cut = TemperatureScaling.fit_blocks(blocks_of(z[order], y[order]))
    assert cut.temperature == pytest.approx(whole.temperature, rel=1e-9)


def test_classes_by_name_and_prior():
    """Labels may be names; a prior gives a temperature where all rows are right."""
    z = np.array([[2.0, 0.0], [0.0, 3.0]])
    fitted = TemperatureScaling.fit_blocks([(z, ["cat", "dog"])], classes=["cat", "dog"], prior=1.0)
    assert fitted.classes == ("cat", "dog")
    same = TemperatureScaling.fit(z, [0, 1], prior=1.0)
    assert fitted.temperature == pytest.approx(same.temperature, rel=1e-9)
    with pytest.raises(tp.NoOptimumError, match="separable"):
        TemperatureScaling.fit_blocks([(z, [0, 1])])


class Changing:
    """Gives fewer rows, or other rows, when it is read again."""

    def __init__(self, change):
        self.reads, self.change = 0, change

    def __iter__(self):
        self.reads += 1
        z, y = data(seed=self.reads if self.change == "rows" else 0)
        keep = N - self.reads if self.change == "count" else N
        yield z[:keep], y[:keep]


@pytest.mark.parametrize("change", ["rows", "count"])
def test_other_rows_on_the_second_reading(change):
    """Found by the number of rows and by a sum over them; both are named."""
    with pytest.raises(tp.InvalidInputError, match="other rows when read again"):
        TemperatureScaling.fit_blocks(Changing(change))


Z, Y = data()
BAD = [
    ((pair for pair in blocks_of(Z, Y)), "can be read only once"),
    ([], "no rows"),
    ([(Z[:0], Y[:0])], "no rows"),
    ([(Z, Y), (Z[:, :3], Y)], r"Block 1 \(from row 1000 on\): `logits` have 3 columns"),
    ([(Z, Y), (Z, Y[:-1])], r"Block 1 .*`labels` must have shape"),
    ([(Z, Y), (Z, Y + 1)], "Block 1 .*must"),
    ([(Z, Y), (Z, Y, np.ones(N))], "some blocks have weights"),
    ([(Z, Y, np.zeros(N))], "must not all be zero"),
    ([(Z, Y, -np.ones(N))], "finite and >= 0"),
    ([(Z, Y), Z], "Block 1 .*must be .logits, labels."),
    ([(Z, Y), (np.where(Z[5, 1] == Z, np.nan, Z), Y)], "Block 1 .*row 5 holds nan"),
    ([(Z, Y), (np.where(np.arange(K) == Y[:, None], -np.inf, Z), Y)], "in row 0 the label"),
    ([(np.full((N, K), 0.25) + Z * 0 + np.eye(K)[Y] * 0.1 - 0.025, Y)], "look like probabilities"),
]


@pytest.mark.parametrize(("blocks", "message"), BAD, ids=range(len(BAD)))
def test_bad_blocks_are_named(blocks, message):
    """Which block, from which row on, and what is wrong."""
    with pytest.raises((tp.InvalidInputError, tp.NoOptimumError), match=message):
        TemperatureScaling.fit_blocks(blocks)


@pytest.fixture(scope="module")
def mapped_file(tmp_path_factory):
    """The folder of a file of 160 MB, z.npy, and of labels, y.npy."""
    folder = tmp_path_factory.mktemp("mapped")
    n, k = 100_000, 400
    rng = np.random.default_rng(0)
    z = 3 * rng.standard_normal((n, k), dtype="float32")
    np.save(folder / "z.npy", z)
    np.save(folder / "y.npy", np.where(rng.random(n) < 0.7, z.argmax(axis=1), 0))
    yield folder
    (folder / "z.npy").unlink()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize(
    "work",
    [
        "tp.TemperatureScaling.fit({z}, {y}, engine='numpy')",
        pytest.param(
            "tp.TemperatureScaling.fit({z}, {y}, engine='numba')",
            marks=pytest.mark.skipif(not find_spec("numba"), reason="numba is not there"),
        ),
        "tp.evaluate_blocks([({z}, {y})], kind='logits')",
    ],
    ids=["fit", "compiled fit", "evaluate"],
)
def test_a_mapped_file_is_not_kept_in_memory(mapped_file, work):
    """Blocks that are read are let go; the peak of the process stays far below the file's size."""
    code = (
        "import re, numpy as np, temperance as tp; "
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]); "
        "z, y = np.load('z.npy', mmap_mode='r'), np.load('y.npy'); "
        f"{work.format(z='np.array(z[:20_000])', y='y[:20_000]')}; "  # several blocks, as below
        f"start = peak(); {work.format(z='z', y='y')}; print(peak() - start)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=mapped_file, capture_output=True, text=True, check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # as many blocks in memory every time
    )  # fmt: skip
    assert int(run.stdout) < 70_000  # KiB; 94,000 and more where pages are kept


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_what_was_written_into_a_map_stays(tmp_path, mode):
    """Only pages of read-only maps are let go: changes in memory are not lost."""
    z, y = data(20_000, 64)
    np.save(tmp_path / "z.npy", z)
    mapped = np.load(tmp_path / "z.npy", mmap_mode=mode)
    expected = z.copy()
    if mode != "r":
        mapped[:] = expected = z / 3
    fitted = TemperatureScaling.fit(mapped, y)
    assert (mapped == expected).all()
    assert fitted.temperature == pytest.approx(TemperatureScaling.fit(expected, y).temperature)
