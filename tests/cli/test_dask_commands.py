"""`--dask`: workers read the files, and the commands print what they print without."""

import json

import numpy as np
import pytest

import reference

distributed = pytest.importorskip("distributed")

from temperance.blocks import cluster, dask_workers  # noqa: E402
from temperance.blocks.stream import RowFolds  # noqa: E402
from temperance.readers import blocks  # noqa: E402
from temperance.rows import reading  # noqa: E402

N, K, SHARDS = 1400, 4, 7


@pytest.fixture(scope="module")
def address():
    """The scheduler of two worker processes."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", memory_limit=0
    ) as running:
        yield running.scheduler_address


@pytest.fixture
def rows(tmp_path, sample):
    z, y = sample(3, n=N, k=K, temperature=2.0)
    (tmp_path / "shards").mkdir()
    for number, part in enumerate(np.array_split(np.arange(N), SHARDS)):
        path = tmp_path / f"shards/{number}.npz"
        np.savez(path, logits=z[part], labels=np.where(part % 9 == 0, -1, y[part]))
    return z, np.where(np.arange(N) % 9 == 0, -1, y)


def test_fit_and_evaluate(run, tmp_path, rows, address, monkeypatch):
    """T by a search over all rows; cross-fitted; numbers of `evaluate` on one machine."""
    z, y = rows
    options = ("--ignore-label", "-1", "--quick", "--json")
    found = json.loads(run("fit", "shards", "--dask", address, *options).stdout)
    keep = y >= 0
    assert found["temperature"] == pytest.approx(reference.temperature(z[keep], y[keep]), rel=1e-7)
    assert found["n"] == keep.sum()
    shard = np.arange(N) // (N // SHARDS)
    folds, losses = np.full(N, -1), np.empty(N)
    for number in range(SHARDS):
        own = keep & (shard == number)
        folds[own] = RowFolds(5).of(number, 0, own.sum())
    for fold in range(5):
        held, others = keep & (fold == folds), keep & (fold != folds)
        p = reference.softmax(z[held] / reference.temperature(z[others], y[others]))
        losses[held] = -np.log(p[np.arange(len(p)), y[held]])
    assert found["after"]["log_loss"] == pytest.approx(losses[keep].mean(), rel=1e-7)
    monkeypatch.setattr(reading, "LARGE_BYTES", 1)  # the same, block by block
    monkeypatch.setattr(blocks, "_BLOCK", N // SHARDS * K)
    here = json.loads(run("fit", "shards", *options).stdout)
    assert here["data_sha256"] == found["data_sha256"]
    assert here["after"] == pytest.approx(found["after"], rel=1e-9)
    evaluate = ("evaluate", "shards", "--calibrator", "calibrator.json", *options)
    there = json.loads(run(*evaluate, "--dask", address).stdout)
    here = json.loads(run(*evaluate).stdout)
    assert there.keys() == here.keys()
    for name in ("log_loss", "brier", "accuracy", "ece"):
        assert there[name]["value"] == pytest.approx(here[name]["value"], rel=1e-9)
    assert there["warnings"] == here["warnings"] != []


@pytest.mark.parametrize("command", [("fit",), ("evaluate",)])
def test_a_label_of_the_map_that_no_row_has_is_told(run, tmp_path, rows, address, command):
    """The workers have met all labels: the note is the one of a reading here, of any form."""
    (tmp_path / "texts").mkdir()
    words = np.array(["no", "maybe", "yes", "never"])
    z, y = rows
    for number, part in enumerate(np.array_split(np.arange(N), 3)):
        np.savez(
            tmp_path / f"texts/{number}.npz",
            logits=z[part], labels=words[np.maximum(y[part], 0)], classes=list("abcd"),
        )  # fmt: skip
    np.savez(tmp_path / "one.npz", logits=z, labels=words[np.maximum(y, 0)], classes=list("abcd"))
    of = ("--label-map", "no=a,maybe=b,yes=c,never=d,nay=a", "--quick", "--json")
    for name in ("texts", "one.npz"):
        here = json.loads(run(*command, name, *of).stdout)["warnings"]
        there = json.loads(run(*command, name, *of, "--dask", address).stdout)["warnings"]
        (note,) = (each for each in there if "no row has the label nay" in each)
        assert note in here


def test_one_file_is_cut_in_ranges(run, tmp_path, rows, address, monkeypatch):
    """Workers read ranges of rows of an .npz; one of another format cannot be shared."""
    from temperance.blocks import files

    z, y = rows
    monkeypatch.setattr(files, "_PART", 100 * K)
    np.savez(tmp_path / "one.npz", logits=z, labels=np.maximum(y, 0))
    found = json.loads(run("fit", "one.npz", "--dask", address, "--quick", "--json").stdout)
    expected = reference.temperature(z, np.maximum(y, 0))
    assert found["temperature"] == pytest.approx(expected, rel=1e-7)
    (tmp_path / "one.csv").write_text("logit_a,logit_b,label\n1,2,0\n3,1,1\n", encoding="utf-8")
    err = run("fit", "one.csv", "--dask", address, code=2).stderr
    assert "a folder of files, one each" in err


def test_what_is_wrong_is_named(run, tmp_path, rows, address):
    """The shard with a bad row, one with other columns, one without labels."""
    z, y = rows
    y = np.maximum(y, 0)
    bad = z.copy()
    bad[17, 2] = np.nan
    cases = {
        "row 18 (from 1)": {"logits": bad, "labels": y},
        "has 3 columns": {"logits": z[:, :3], "labels": np.minimum(y, 2)},
        "has no labels": {"logits": z},
    }
    for message, content in cases.items():
        np.savez(tmp_path / "shards/5.npz", **content)
        err = run("fit", "shards", "--dask", address, "--ignore-label", "-1", code=2).stderr
        assert message in err
        assert "shards/5.npz" in err
    assert not (tmp_path / "calibrator.json").exists()


def test_what_a_cluster_does_not_take(run, tmp_path, rows, address):
    """Other methods, clusters of rows, several models."""
    z, y = rows
    options = ("--dask", address)
    assert (
        "--method temperature"
        in run("fit", "shards", "--method", "vector", *options, code=2).stderr
    )
    np.savez(tmp_path / "c.npz", logits=z, labels=np.maximum(y, 0), clusters=np.arange(N) // 10)
    assert "no clusters" in run("fit", "c.npz", *options, code=2).stderr
    assert "several models" in run("evaluate", "c.npz", "shards", *options, code=2).stderr


def test_no_scheduler(run, rows, monkeypatch):
    """An address where nobody answers: one line within the patience, here of a second."""
    monkeypatch.setattr(dask_workers, "PATIENCE", 1)
    err = run("fit", "shards", "--dask", "tcp://127.0.0.1:9", code=2).stderr
    assert "tcp://127.0.0.1:9 does not answer within 1 s" in err


@pytest.mark.parametrize(
    ("address", "why"),
    [
        *((text, "missing port") for text in ("-1", "8786", "localhost", "", "local ", "tcp://")),
        ("nonsense://x", "unknown address scheme"),
        ("inproc://10.0.0.1/1/1", "missing port"),
        ("tcp://host:abc", "invalid literal"),
        *((f"tcp://{end}", "a port from 1 to 65535") for end in (":1", "h:0", "h:-1", "h:65536")),
        ("tcp://no.such.host.invalid:8786", "is not known here"),
        ("tcp://a..b:8786", "is not known here"),
    ],
)
def test_what_is_no_address_is_refused_at_once(run, rows, monkeypatch, address, why):
    """Without waiting for an answer: no client is asked for."""
    monkeypatch.setattr("distributed.Client", None)
    err = run("fit", "shards", f"--dask={address}", code=2).stderr
    assert "`--dask`" in err
    assert why in err
    assert "tcp://host:8786" in err


def test_local_workers(rows, tmp_path, start):
    """`--dask local` starts its own, in a command of its own, and leaves none behind."""
    z, y = rows
    done = start("fit", "shards", "--dask", "local", "--ignore-label", "-1", "--quick", "--json")
    keep = y >= 0
    found = json.loads(done.stdout)["temperature"]
    assert found == pytest.approx(reference.temperature(z[keep], y[keep]), rel=1e-7)


def test_connected_to_nothing():
    """Without --dask there is no client."""
    with cluster.connected(None), pytest.raises(ValueError, match="No clients found"):
        distributed.Client.current()


def test_shards_in_other_orders_of_columns(run, tmp_path, sample, address):
    """Workers match columns by name to those of the first file, and compare what is beside."""
    z, y = sample(4, n=N, k=K, temperature=2.0)
    names = np.array(["ape", "bee", "cat", "dog"])
    (tmp_path / "shards").mkdir()
    for number, part in enumerate(np.array_split(np.arange(N), SHARDS)):
        order = np.roll(np.arange(K), number)
        np.savez(
            tmp_path / f"shards/{number}.npz",
            logits=z[part][:, order], labels=names[y[part]], classes=names[order],
        )  # fmt: skip
    options = ("--quick", "--json", "--dask", address)
    found = json.loads(run("fit", "shards", *options).stdout)
    assert found["temperature"] == pytest.approx(reference.temperature(z, y), rel=1e-7)
    evaluate = ("evaluate", "shards", "--calibrator", "calibrator.json")
    measured = json.loads(run(*evaluate, *options).stdout)
    p = reference.softmax(z / found["temperature"])
    assert measured["log_loss"]["value"] == pytest.approx(
        -np.log(p[np.arange(N), y]).mean(), rel=1e-6
    )
    np.savez(tmp_path / "shards/3.npz", probs=p, labels=names[y], classes=names)
    error = run("fit", "shards", *options, code=2).stderr
    assert "3.npz: holds probs, but" in error
    assert error.count("\n") == 1
