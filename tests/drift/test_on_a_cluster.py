"""Evidence of a folder of shards on a Dask cluster: that of one reading."""

import numpy as np
import pytest

import temperance as tp
from streams import drawn, served
from temperance.blocks.files import FileParts
from temperance.drift import Bets, collect, collect_blocks

distributed = pytest.importorskip("distributed")


def test_a_folder_of_shards(tmp_path):
    """Workers send sums; the martingale is that of all rows, the detectors those in their order."""
    rng = np.random.default_rng(0)
    x = served("ten classes", rng, 900)
    y = drawn(rng, x / 1.4)
    for number, rows in enumerate(np.array_split(np.arange(900), 3)):
        np.savez(tmp_path / f"{number}.npz", logits=x[rows], labels=y[rows])
    file = tp.readers.read_blocks(tmp_path)
    whole = collect(np.exp(x), y).last
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster),
    ):
        parts = FileParts.of(file, k=10, ignore_label=None)
        found = collect_blocks(parts, kind="logits", bets=Bets.of(10))
    assert found.n == 900
    assert found.log_martingale == pytest.approx(whole.log_martingale, abs=1e-9)
    assert found.log_run_length == pytest.approx(whole.log_run_length, abs=1e-9)
