"""Big data: the same fit on a memory-mapped file, on a stream of blocks, on a Dask cluster.

Simulated: half a million rows of ten classes, written to disk as float32 (20 MB; a terabyte would
be the same lines). A fit reads the file a few times and never holds it in memory. T is computed in
single precision here, so six digits of it are the same however the rows come.
"""

import numpy as np
from matplotlib.figure import Figure
from numpy.lib.format import open_memmap

import temperance as tp

N, BLOCK, K = 500_000, 100_000, 10


def write(temperature=1.7):
    """Write logits.npy and labels.npy, block by block."""
    rng = np.random.default_rng(0)
    logits = open_memmap("logits.npy", mode="w+", dtype=np.float32, shape=(N, K))
    labels = open_memmap("labels.npy", mode="w+", dtype=np.int64, shape=(N,))
    for start in range(0, N, BLOCK):
        z = 3 * rng.normal(size=(BLOCK, K)).astype(np.float32)
        logits[start : start + BLOCK] = z
        labels[start : start + BLOCK] = (z / temperature + rng.gumbel(size=z.shape)).argmax(axis=1)


def read(block_info=None):
    """Rows of the file that every worker sees."""
    first, last = block_info[None]["array-location"][0]
    return np.load("logits.npy", mmap_mode="r")[first:last]


def main():
    """Fit in three ways, and draw what more rows buy."""
    import dask.array as da
    from dask.distributed import Client

    write()
    logits, labels = np.load("logits.npy", mmap_mode="r"), np.load("labels.npy", mmap_mode="r")
    mapped = tp.TemperatureScaling.fit(logits, labels)
    print(f"memory map: T = {mapped.temperature:.6f} in {mapped.record.passes} readings")

    starts = range(0, N, BLOCK)
    blocks = [(logits[a : a + BLOCK], labels[a : a + BLOCK]) for a in starts]
    streamed = tp.TemperatureScaling.fit_blocks(blocks)
    print(f"blocks: T = {streamed.temperature:.6f} in {streamed.record.passes} readings")

    # Two threads as workers here; with a cluster of your own: Client("tcp://host:8786").
    with Client(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None):
        chunks = da.map_blocks(read, chunks=((BLOCK,) * len(starts), (K,)), dtype="float32")
        on_cluster = tp.TemperatureScaling.fit(chunks, np.asarray(labels))
    print(f"Dask: T = {on_cluster.temperature:.6f} in {on_cluster.record.passes} readings")

    comparison = tp.compare_blocks(
        blocks, {"before": tp.Identity(), "after": mapped}, measures=["log_loss", "ece"]
    )
    for name, each in comparison.evaluations.items():
        print(f"{name}: log loss {each.log_loss.value:.4f}, ECE {each.ece.value:.4f}")

    sizes = [1_000, 10_000, 100_000, N]
    fits = [tp.TemperatureScaling.fit(logits[:n], labels[:n]) for n in sizes]
    low, high = np.transpose([fit.record.interval(0.95) for fit in fits])
    # Temperature fitted on 1,000 to 500,000 rows, with intervals that shrink.
    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(sizes, low, high, color="#1a6faf", alpha=0.25, label="95 % interval")
    axes.plot(sizes, [fit.temperature for fit in fits], "o-", color="#1a6faf", label="fitted")
    axes.axhline(1.7, color="#777777", linestyle="--", label="simulated")
    axes.set(xscale="log", xlabel="rows", ylabel="temperature", title="What more rows buy")
    axes.legend(loc="lower right")
    figure.savefig("big_data.png", bbox_inches="tight")


if __name__ == "__main__":  # a cluster of processes starts this script again in its workers
    main()
