"""The command line on label matrices: the same numbers from every format, and back again."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

import temperance as tp
from commands import evaluation_of

NAMES = ("cat", "dog", "cow")
OPTIONS = ("--kind", "multilabel", "--ignore-label", "-1", "--quick", "--json")
FORMATS = ("npz", "npy", "csv", "tsv", "parquet", "lists.parquet", "arrow", "jsonl")


@pytest.fixture(scope="module")
def matrix():
    """Logits that are too sharp, labels, two of them not known, groups, weights and ids."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(120, 3)) * 3
    y = (rng.random(z.shape) < 1 / (1 + np.exp(-z / 2))).astype(int)
    y[5, 1] = y[7, 2] = -1
    return z, y


def write(folder, form, z, y, **beside):
    """Write the matrix in one form; return the arguments that name it."""
    path = folder / f"cal.{form}"
    if form == "npz":
        np.savez(path, logits=z, labels=y, classes=np.array(NAMES), **beside)
    elif form == "npy":
        np.save(path, z)
        np.save(folder / "labels.npy", y)
        return [path.name, "--labels", "labels.npy"]
    elif form == "jsonl":
        one = {key.removesuffix("s"): list(values) for key, values in beside.items()}
        rows = [
            {"logits": z[i].tolist(), "labels": y[i].tolist(), **{k: v[i] for k, v in one.items()}}
            for i in range(len(z))
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        write_table(path, form, z, y, {k.removesuffix("s"): list(v) for k, v in beside.items()})
    return [path.name]


def write_table(path, form, z, y, beside):
    """Columns by name, those of the labels the other way round; or lists."""
    columns = {
        **{f"label_{name}": y[:, i] for i, name in reversed(list(enumerate(NAMES)))},
        **{f"logit_{name}": z[:, i] for i, name in enumerate(NAMES)},
    }
    if form.startswith("lists"):
        columns = {"logits": z.tolist(), "labels": y.tolist()}
    columns |= beside
    if form in {"csv", "tsv"}:
        separator = "," if form == "csv" else "\t"
        lines = [columns, *zip(*columns.values(), strict=True)]
        path.write_text("".join(separator.join(map(str, line)) + "\n" for line in lines))
        return
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    content = pa.table(columns)
    if form.endswith("parquet"):
        pq.write_table(content, path)
    else:
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, content.schema) as writer:
            writer.write_table(content)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_gives_the_same_calibrator(run, tmp_path, matrix, form):
    """That of the Python class; with the labels' names where the format has them."""
    z, y = matrix
    done = json.loads(run("fit", *write(tmp_path, form, z, y), *OPTIONS, "--only-fit").stdout)
    named = NAMES if form in {"npz", "csv", "tsv", "parquet", "arrow"} else None
    fitted = tp.MultilabelScaling.fit(z, y, ignore_label=-1, classes=named)
    assert tp.load(tmp_path / "calibrator.json") == fitted
    assert done["n"] == 358


@pytest.mark.parametrize("form", ["npz", "csv", "jsonl"])
def test_what_apply_writes_is_evaluated_alike(run, tmp_path, matrix, form):
    """Labels (also unknown ones), ids, weights and clusters of the rows go through the file."""
    z, y = matrix
    weights = (np.arange(len(z)) % 3 + 1.0).tolist()
    beside = {"ids": [f"r{i}" for i in range(len(z))], "weights": weights}
    source = write(tmp_path, form, z, y, **beside)
    run("fit", *source, *OPTIONS, "--only-fit")
    before = run("evaluate", *source, "--calibrator", "calibrator.json", *OPTIONS).stdout
    before = json.loads(before)
    for suffix in ("npz", "csv", "tsv", "parquet", "arrow", "jsonl"):
        if suffix in {"parquet", "arrow"} and find_spec("pyarrow") is None:
            continue
        out = tmp_path / f"out.{suffix}"
        run("apply", "calibrator.json", *source, "--kind", "multilabel", "-o", out.name)
        after = evaluation_of(out, kind="multilabel", ignore_label="-1")
        for name in ("log_loss", "brier", "ece", "accuracy"):
            own = getattr(after, name)
            assert own.value == pytest.approx(before[name]["value"], rel=1e-9), suffix
            assert own.low == pytest.approx(before[name]["low"], rel=1e-6), suffix
        written = tp.readers.read(out, layout="labels")
        assert written.ids.tolist() == beside["ids"]
        assert written.weights.tolist() == weights
        assert np.array_equal(written.labels, y)


def test_groups_are_handed_on(run, tmp_path, matrix):
    """A file's groups are of rows, and stay there though labels are the groups of a table."""
    z, y = matrix
    sites = [f"site {i % 2}" for i in range(len(z))]
    source = write(tmp_path, "csv", z, y, groups=sites)
    run("fit", *source, *OPTIONS, "--only-fit")
    run("apply", "calibrator.json", *source, "--kind", "multilabel", "-o", "out.npz")
    assert np.load(tmp_path / "out.npz")["groups"].tolist() == sites


def test_plain_arrays_come_back(run, tmp_path, matrix):
    """A .npy has no name for its scores; --probs-column says what they are."""
    z, y = matrix
    source = write(tmp_path, "npy", z, y)
    run("fit", *source, *OPTIONS, "--only-fit")
    run("apply", "calibrator.json", "cal.npy", "--kind", "multilabel", "-o", "out.npy")
    arguments = ("evaluate", "out.npy", "--labels", "labels.npy", *OPTIONS)
    assert "--probs-column" in run(*arguments, code=2).stderr
    after = json.loads(run(*arguments, "--probs-column", "probs").stdout)
    before = run("evaluate", *source, "--calibrator", "calibrator.json", *OPTIONS).stdout
    assert after["log_loss"]["value"] == pytest.approx(json.loads(before)["log_loss"]["value"])


def test_labels_that_cannot_be_handed_on(run, tmp_path, matrix):
    """A hole in the matrix has its place named, also by `apply`."""
    z, y = matrix
    np.savez(tmp_path / "cal.npz", logits=z, labels=np.where(y < 0, np.nan, y))
    tp.save(tp.MultilabelScaling(tp.TemperatureScaling(1.0), n_classes=3), tmp_path / "c.json")
    err = run("apply", "c.json", "cal.npz", "--kind", "multilabel", "-o", "o.npz", code=2).stderr
    assert err.startswith("error: cal.npz: `labels` must be numbers to be handed on; row 5, column")


def test_huge_logits_come_back(run, tmp_path):
    """Sigmoids that round to 0 or 1 are written as the next numbers inside, which have log-odds."""
    z = np.array([[800.0, -900.0], [1.0, -1.0], [-2.0, 3.0], [-40.0, 45.0]] * 10)
    y = np.array([[1, 0], [0, 1], [1, 0], [0, 1]] * 10)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    tp.save(tp.MultilabelScaling(tp.TemperatureScaling(1.0), n_classes=2), tmp_path / "c.json")
    run("apply", "c.json", "cal.npz", "--kind", "multilabel", "-o", "out.csv")
    found = json.loads(run("evaluate", "out.csv", *OPTIONS).stdout)
    assert found["log_loss"]["value"] == pytest.approx(
        np.logaddexp(0, np.where(y == 1, -z, z)).mean(), rel=1e-9
    )
    probs = tp.MultilabelScaling(tp.TemperatureScaling(1.0), n_classes=2).apply(z)
    assert probs.min() > 0.0
    assert probs.max() < 1.0


def test_clusters_of_rows(run, tmp_path, matrix):
    """Rows of one patient count once: copies within the cluster leave the interval alone."""
    z, y = matrix
    np.savez(tmp_path / "once.npz", logits=z, labels=y)
    np.savez(
        tmp_path / "thrice.npz", logits=np.tile(z, (3, 1)), labels=np.tile(y, (3, 1)),
        clusters=np.tile(np.arange(len(z)), 3),
    )  # fmt: skip
    once, thrice = (
        json.loads(run("fit", f"{name}.npz", *OPTIONS).stdout) for name in ("once", "thrice")
    )
    assert thrice["temperature"] == pytest.approx(once["temperature"])
    assert thrice["temperature_interval"] == pytest.approx(once["temperature_interval"])


def test_comparison_leaves_out_the_same_entries(run, tmp_path, matrix):
    """Entries that the first file does not know are left out of the other, which has no labels."""
    z, y = matrix
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    np.savez(tmp_path / "b.npz", logits=z / 2)
    found = json.loads(run("compare", "a.npz", "b.npz", *OPTIONS).stdout)
    known = y != -1
    for name, scale in (("a", 1), ("b", 2)):
        loss = np.logaddexp(0, np.where(y == 1, -z, z) / scale)[known].mean()
        assert found["evaluations"][name]["log_loss"]["value"] == pytest.approx(loss)
    np.savez(tmp_path / "b.npz", logits=z[:, :2])
    assert "b.npz: must have the rows" in run("compare", "a.npz", "b.npz", *OPTIONS, code=2).stderr


def test_one_label_only(run, tmp_path, matrix):
    """A single column of labels goes the whole way."""
    z, y = matrix
    lines = [f"{a},{b}\n" for a, b in zip(z[:, 0], y[:, 0], strict=True)]
    (tmp_path / "cal.csv").write_text("logit_cat,label_cat\n" + "".join(lines))
    run("fit", "cal.csv", "--kind", "multilabel", "--quick")
    run("apply", "calibrator.json", "cal.csv", "--kind", "multilabel", "-o", "out.csv")
    found = json.loads(run("evaluate", "out.csv", *OPTIONS).stdout)
    fitted = tp.MultilabelScaling.fit(z[:, :1], y[:, :1])
    assert found["log_loss"]["value"] == pytest.approx(fitted.record.log_loss_after)


@pytest.mark.parametrize(
    ("form", "change", "message"),
    [
        ("csv", {"at": (3, 0), "to": 2}, "row 4 (from 1), column 0 (cat) holds 2"),
        ("jsonl", {"at": (3, 0), "to": 2}, "row 4 (from 1), column 0 (0) holds 2"),
        ("parquet", {"at": (3, 1), "to": 255}, "row 4 (from 1), column 1 (dog) holds 255"),
        ("npz", {"at": (0, 2), "to": 7}, "row 1 (from 1), column 2 (cow) holds 7"),
    ],
)
def test_labels_that_are_no_yes_or_no(run, tmp_path, matrix, form, change, message):
    """Named with row and column, and with what to do."""
    if form == "parquet":
        pytest.importorskip("pyarrow")
    z, y = matrix[0], matrix[1].copy()
    y[change["at"]] = change["to"]
    err = run("fit", *write(tmp_path, form, z, y), *OPTIONS, code=2).stderr
    assert message in err
    assert "--ignore-label" in err


def test_matrices_in_the_wrong_place(run, tmp_path, matrix):
    """Without --kind, of another shape, one class per row, and with a class axis."""
    z, y = matrix
    write(tmp_path, "csv", z, y)
    assert "--kind multilabel" in run("fit", "cal.csv", code=2).stderr
    assert "--kind multilabel" in run("evaluate", "cal.csv", "--kind", "logits", code=2).stderr
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    assert "--kind multilabel" in run("apply", "c.json", "cal.csv", "-o", "o.csv", code=2).stderr
    source = write(tmp_path, "npy", z, y[:, :2])
    err = run("fit", *source, *OPTIONS, code=2).stderr
    assert "`labels` must be a matrix of 0 and 1 of shape (120, 3)" in err
    (tmp_path / "rows.csv").write_text("logit_a,logit_b,label\n1,2,0\n")
    assert "no columns `label_<name>`" in run("fit", "rows.csv", *OPTIONS, code=2).stderr
    err = run("fit", "cal.csv", *OPTIONS, "--class-axis", "1", code=2).stderr
    assert "not for `--kind multilabel`" in err
