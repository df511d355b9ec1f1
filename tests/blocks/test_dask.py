"""Dask arrays: the temperature of the same rows in memory, though workers send only sums."""

import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import temperance as tp
from reference import gumbel_rows
from temperance import Positions, TemperatureScaling
from temperance.blocks import reporting
from temperance.blocks.stream import read_again
from temperance.calibrators import Training

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
import dask.array as da  # noqa: E402

from temperance.blocks import dask_rows, dask_workers  # noqa: E402

N, K = 3000, 5
RECORD = ("n", "weight", "standard_error", "log_loss_before", "log_loss_after")


Z, Y = gumbel_rows(N, K)
W = np.random.default_rng(1).uniform(0, 2, N)
LOGITS = da.from_array(Z, chunks=(700, -1))


@pytest.fixture(scope="module")
def cluster():
    """Two worker processes of one thread each, which a nanny starts again when they die."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", memory_limit=0
    ) as running:
        yield running


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster) as connected:
        connected.wait_for_workers(2, timeout=60)
        yield connected


def same(found, z, y, **options):
    whole = TemperatureScaling.fit(z, y, **options)
    assert found.temperature == pytest.approx(whole.temperature, rel=1e-9)
    for name in RECORD:
        assert getattr(found.record, name) == pytest.approx(getattr(whole.record, name), rel=1e-8)
    assert found.n_classes == whole.n_classes


@pytest.mark.parametrize("weights", [None, W, da.from_array(W, chunks=1000)])
@pytest.mark.parametrize("labels", [Y, Y.tolist(), da.from_array(Y, chunks=450)], ids=type)
@pytest.mark.parametrize("rows", [1, 700, N])
def test_the_temperature_of_all_rows_in_memory(rows, labels, weights):
    """However logits, labels and weights are cut; labels as arrays travel with their chunk."""
    few = 60 if rows == 1 else N
    logits = da.from_array(Z[:few], chunks=(rows, -1))
    weights = None if weights is None else weights[:few]
    found = TemperatureScaling.fit(logits, labels[:few], weights=weights)
    same(found, Z[:few], Y[:few], weights=None if weights is None else W[:few])


@pytest.mark.filterwarnings("ignore:Sending large graph:UserWarning")  # the test's own data
def test_on_a_cluster(client):
    """Two processes: the same T to the last bit, whichever of them had which chunk."""
    z, y = gumbel_rows(200_000, 8)
    logits = da.from_array(z, chunks=(16_000, -1)).persist()
    found = [TemperatureScaling.fit(logits, da.from_array(y, chunks=-1)) for _ in range(2)]
    same(found[0], z, y)
    assert found[0].temperature == found[1].temperature
    assert found[0].record.passes == 3


def test_what_workers_send_is_small(client, monkeypatch):
    """A pass sends the same few bytes, however many rows; the sample is bounded."""
    sizes = []

    def watched(*results):
        found = compute(*results)
        sizes.append([len(pickle.dumps(each)) for each in found])
        return found

    compute = dask_rows.computed
    monkeypatch.setattr(dask_rows, "computed", watched)
    monkeypatch.setattr(dask_rows, "_SAMPLE", 1 << 10)
    for n in (2_000, 100_000):
        z, y = gumbel_rows(n)
        TemperatureScaling.fit(da.from_array(z, chunks=(n // 10, -1)), y)
    assert all(sums < 1_000 for sums, *_ in sizes)
    samples = [sum(rest) for _, *rest in sizes if rest]
    assert len(samples) == 2
    assert max(samples) < 8 * (1 << 10) + 30 * 500  # numbers, labels and what holds them
    chunk = dask_rows.DaskRows.check(LOGITS, Y).chunks[0]
    assert len(pickle.dumps(chunk.loss_pass((1.0, 0.5), Z, Y, None))) < 1_000


def test_a_worker_that_is_killed_between_passes(client):
    """The others, or its successor, take over its chunks."""
    victims = []

    def kill(_rows):
        if not victims:
            victims.append(next(iter(client.run(os.getpid).values())))
            os.kill(victims[0], signal.SIGKILL)

    logits = LOGITS.persist()  # half of it dies with the worker
    distributed.wait(logits)
    with reporting(kill):
        found = TemperatureScaling.fit(logits, Y)
    assert victims
    assert found.record.passes >= 2
    same(found, Z, Y)


def test_a_worker_that_dies_at_its_work(client, tmp_path):
    """A chunk whose worker died in the middle of it is computed again."""
    marker = tmp_path / "dead"

    def deadly(block, path):
        with suppress(FileExistsError):  # of the worker that is the first
            Path(path).touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)
        return block

    logits = LOGITS.map_blocks(deadly, str(marker), dtype=float, meta=np.empty((0, 0)))
    same(TemperatureScaling.fit(logits, Y), Z, Y)
    assert marker.exists()


@pytest.mark.filterwarnings("ignore:Running on a single-machine scheduler:UserWarning")
def test_no_workers(monkeypatch):
    """A cluster without workers is an error within seconds, not a wait for ever."""
    monkeypatch.setattr(dask_workers, "PATIENCE", 1)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as empty,
        distributed.Client(empty),
    ):
        start = time.monotonic()
        with pytest.raises(tp.InvalidInputError, match=r"no workers.*dask worker tcp://"):
            TemperatureScaling.fit(LOGITS, Y)
        assert time.monotonic() - start < 10
        with dask.config.set(scheduler="synchronous"):  # not by that cluster
            same(TemperatureScaling.fit(LOGITS, Y), Z, Y)


def test_a_scheduler_that_goes_away(monkeypatch):
    """Its end between two passes is an error that names it, within seconds."""
    monkeypatch.setattr(dask_workers, "PATIENCE", 1)
    code = (
        "from distributed import LocalCluster; import time; c = LocalCluster(1, processes=False, "
        'protocol="tcp://", dashboard_address=":0"); print(c.scheduler_address, flush=True); '
        "time.sleep(60)"
    )
    scheduler = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)

    def end(_rows=0):
        scheduler.kill()
        scheduler.wait()
        time.sleep(0.2)  # the client hears of it

    try:
        with distributed.Client(scheduler.stdout.readline().strip()), reporting(end):
            start = time.monotonic()
            with pytest.raises(tp.InvalidInputError, match=r"scheduler at tcp://.*not answer"):
                TemperatureScaling.fit(LOGITS, Y)
            assert time.monotonic() - start < 10
    finally:
        end()
        scheduler.stdout.close()


def test_chunks_of_unknown_sizes():
    """Rows picked by a condition: labels as a Dask array fit, an array cannot be cut."""
    keep = da.from_array(Y != 2, chunks=700)
    logits, labels = LOGITS[keep], da.from_array(Y, chunks=700)[keep]
    same(TemperatureScaling.fit(logits, labels), Z[Y != 2], Y[Y != 2])
    with pytest.raises(tp.InvalidInputError, match="compute_chunk_sizes"):
        TemperatureScaling.fit(logits, Y[Y != 2])
    with pytest.raises(tp.InvalidInputError, match="into 5 chunks"):
        TemperatureScaling.fit(logits, da.from_array(Y, chunks=1000)[da.from_array(Y != 2, 1000)])


def test_empty_chunks_and_rows_left_out():
    """A chunk without rows, or with none that counts, adds nothing."""
    y = Y.copy()
    y[:700] = y[1500:1600] = -100
    found = TemperatureScaling.fit(LOGITS, y, ignore_label=-100)
    same(found, Z[y >= 0], y[y >= 0])
    w = np.where(np.arange(N) // 700 == 1, 0.0, W)
    same(TemperatureScaling.fit(LOGITS, Y, weights=w), Z, Y, weights=w)
    none = da.concatenate([LOGITS[:0], LOGITS, LOGITS[:0]])
    same(TemperatureScaling.fit(none, Y), Z, Y)


@pytest.mark.parametrize("class_axis", [1, -1])
def test_outputs_per_pixel(class_axis):
    """Images lie along the first axis; labels are cut like them."""
    dense = np.moveaxis(Z.reshape(10, 20, 15, K), -1, class_axis)
    logits = da.from_array(dense, chunks=(3, -1, -1, -1))
    labels = da.from_array(Y.reshape(10, 20, 15), chunks=(4, 10, 5))
    same(TemperatureScaling.fit(logits, labels, class_axis=class_axis), Z, Y)


def test_log_odds_names_prior_and_smoothing():
    """Shape (n,), names of classes, and what the fit of arrays has besides."""
    odds, y = Z[:, 0], (Z[:, 0] / 2 + np.random.default_rng(0).logistic(size=N) > 0).astype(int)
    names = np.array(["no", "yes"])
    options = {"classes": ["no", "yes"], "prior": 2.0, "smooth": True}
    found = TemperatureScaling.fit(da.from_array(odds, chunks=900), names[y], **options)
    whole = TemperatureScaling.fit(odds, Positions(y), **options)
    assert found.temperature == pytest.approx(whole.temperature, rel=1e-9)
    assert (found.classes, found.smoothing) == (whole.classes, whole.smoothing)


def test_many_chunks_send_few_rows(monkeypatch):
    """With more chunks than the sample may have rows, only some of them send one."""
    monkeypatch.setattr(dask_rows, "_SAMPLE", 100)
    rows = dask_rows.DaskRows.check(da.from_array(Z[:90], chunks=(1, -1)), Y[:90])
    assert 10 <= rows.sample().n <= 20


def test_other_rows_on_the_second_reading():
    """Chunks that are random anew for every pass are found out."""
    logits = LOGITS.map_blocks(lambda block: block + np.random.default_rng().normal())
    moving = logits.map_blocks(lambda block: block * np.random.default_rng().uniform(1, 2))
    with pytest.raises(tp.InvalidInputError, match="`logits` gave other rows when read again"):
        TemperatureScaling.fit(moving, Y)


def test_sums_that_are_known_are_not_computed_again():
    """Of T = 1 and a start, the second reading computes the start alone."""
    asked = []
    known, whole = (Training.check(Z, Y).loss_pass(betas) for betas in ((1.0,), (1.0, 0.5)))

    def read(betas):
        asked.append(betas)
        return Training.check(Z, Y).loss_pass(betas)

    assert read_again(known, (1.0, 0.5), read, name="logits") == whole
    assert read_again(known, (0.25,), read, name="logits").at[0].weight == N
    assert asked == [(0.5,), (0.25,)]


def put(place, value):
    z = Z.copy()
    z[place] = value
    return da.from_array(z, chunks=(700, -1))


UNEVEN = put((1500, 2), np.nan).rechunk({0: (100, 900, 2000)})
UNCUT = da.from_array(Z, chunks=(700, 2))
OFF = np.where(np.arange(N) == 2000, K, Y)
NEGATIVE = np.where(np.arange(N) == 2000, -1.0, 1.0)
BAD = [
    (put((1500, 2), np.nan), Y, {}, r"Chunk 2 \(from row 1400 on\): .*row 100 holds nan"),
    (UNEVEN, Y, {}, r"Chunk 2 \(from row 1000 on\): .*row 500 holds nan"),
    (put((slice(1500, None, 700), 2), np.inf), Y, {}, "Chunk 2 .*row 100 holds inf"),
    (put(1500, -np.inf), Y, {}, "Chunk 2 .*row 100 is all -inf"),
    (put((1500, Y[1500]), -np.inf), Y, {}, "Chunk 2 .*in row 100 the label"),
    (LOGITS, OFF, {}, r"Chunk 2 .*row 600 holds 5"),
    (LOGITS, da.from_array(OFF, chunks=100), {}, r"Chunk 2 .*row 600 holds 5"),
    (LOGITS, Y, {"weights": NEGATIVE}, "Chunk 2 .*row 600 has -1"),
    (LOGITS, Y, {"weights": np.zeros(N)}, "must not all be zero"),
    (LOGITS, Y[:-1], {}, "`labels` must have one value per row of `logits`, 3,000, got 2999"),
    (LOGITS, da.from_array(Y[:-1], chunks=100), {}, "3,000, got 2999"),
    (LOGITS, Y, {"weights": W[:9]}, "`weights` must have one value per row"),
    (LOGITS, np.stack([Y, Y], axis=1), {}, "Chunk 0 .*must have shape"),
    (LOGITS, 3, {}, "got a single value"),
    (LOGITS, da.from_array(3), {}, "got a single value"),
    (da.from_array(3.0), 3, {}, "`logits` must have shape"),
    (UNCUT, Y, {}, r"axis 1 is cut into 3 chunks: pass `logits.rechunk\({1: -1}\)`"),
    (LOGITS, Y, {"class_axis": 0}, "rows .* along the first axis"),
    (LOGITS, Y, {"class_axis": 2}, "one of the 2 axes"),
    (LOGITS[:, :1], Y, {}, r"integers in 0\.\.1"),
    (LOGITS, Y, {"classes": ["a"]}, "name each of the 5 columns"),
    (LOGITS, Y, {"engine": "torch"}, "works on torch tensors"),
    (LOGITS, Y, {"engine": "cuda"}, "must be one of"),
    (da.exp(LOGITS) / da.exp(LOGITS).sum(axis=1, keepdims=True), Y, {}, "look like probabilities"),
    (LOGITS[:0], Y[:0], {}, "no rows"),
    (LOGITS, Z.argmax(1), {}, "separable"),
    (da.ones((N, K), chunks=(700, -1)), Y, {}, "all logits are equal"),
]


@pytest.mark.parametrize(("logits", "labels", "options", "message"), BAD, ids=range(len(BAD)))
def test_bad_chunks_are_named(logits, labels, options, message):
    """The first chunk in their order that something is wrong with, and the row in it."""
    with pytest.raises((tp.InvalidInputError, tp.NoOptimumError), match=message):
        TemperatureScaling.fit(logits, labels, **options)


def test_complaints_of_workers(client):
    """What a worker finds wrong comes back as the same error."""
    with pytest.raises(tp.InvalidInputError, match=r"Chunk 2 .*row 100 holds nan"):
        TemperatureScaling.fit(put((1500, 2), np.nan), Y)
