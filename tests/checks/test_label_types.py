"""The same labels from every format, whatever type they have there, give the same numbers."""

import json

import numpy as np
import pytest

import temperance as tp
from commands import evaluation_of
from table_files import TYPES, write
from temperance.checks.labels import as_labels
from temperance.cli import main
from temperance.readers import read
from temperance.writers import write_probs

FORMATS = ["a.csv", "a.tsv", "a.parquet", "a.arrow", "stream.arrow", "a.feather", "a.npz"]
# The names of the columns, and how the label of each class is written.
CASES = {
    "booleans": (("True", "False"), (True, False)),
    "small booleans": (("false", "true"), (False, True)),
    "floats": (("1.0", "0.0"), (1.0, 0.0)),
    "floats of whole names": (("1", "0"), (1.0, 0.0)),
    "integers of float names": (("1.0", "0.0"), (1, 0)),
    "integers and another": (("1", "2", "other"), (1, 2, None)),
    "leading zeros as text": (("01", "00"), ("01", "00")),
    "signs": (("-1", "1"), (-1, 1)),
    "turned signs": (("1", "-1"), (1, -1)),
    "text order": (("0", "1", "10", "11", "2"), (0, 1, 10, 11, 2)),
    "from one": (("1", "2", "3"), (1, 2, 3)),
    "text": (("dog", "a cat", "\u00e4"), ("dog", "a cat", "\u00e4")),
    "fractions": (("0.5", "1.5"), (0.5, 1.5)),
}
N = 60


def rows(names, labels):
    """Logits, the class of each row, and its label as it is written."""
    rng = np.random.default_rng(len(names))
    logits = rng.normal(size=(N, len(names))).round(3)
    known = [j for j, label in enumerate(labels) if label is not None]
    place = rng.choice(known, size=N)
    place[: len(known)] = known
    return logits, place, [labels[j] for j in place]


def evaluated(path, capsys):
    """What the command says of a file."""
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(path), "--json", "--quick"])
    said = capsys.readouterr()
    assert stop.value.code == 0, said.err
    return json.loads(said.out)


def by_hand(logits, place):
    """Log loss and accuracy."""
    z = logits - logits.max(axis=1, keepdims=True)
    loss = np.log(np.exp(z).sum(axis=1)) - z[np.arange(N), place]
    return loss.mean(), (logits.argmax(axis=1) == place).mean()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FORMATS)
def test_labels_are_names_in_every_format(tmp_path, case, name):
    """Booleans, floats, integers, text and dictionaries name the columns they spell."""
    names, written = CASES[case]
    logits, place, labels = rows(names, written)
    loss, accuracy = by_hand(logits, place)
    path = tmp_path / name
    for type_ in TYPES:
        if not write(path, names, logits, labels, type_):
            continue
        found = evaluation_of(path)
        assert found.log_loss.value == pytest.approx(loss, abs=1e-9), type_
        assert found.accuracy.value == pytest.approx(accuracy), type_


WRITTEN = [name for name in FORMATS if not name.startswith("stream")] + ["a.jsonl"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["a.npz", "a.parquet"])
def test_labels_of_every_type_go_on_as_they_came(tmp_path, capsys, case, name):
    """Whatever type labels have, `apply` hands them on beside the names that they mean."""
    names, written = CASES[case]
    logits, place, labels = rows(names, written)
    write(tmp_path / name, names, logits, labels)
    calibrator = tmp_path / "calibrator.json"
    tp.save(tp.TemperatureScaling(1.0), calibrator)
    for other in WRITTEN:
        out = tmp_path / f"out{other[1:]}"
        if out.suffix in {".parquet", ".arrow", ".feather"}:
            pytest.importorskip("pyarrow")
        with pytest.raises(SystemExit) as stop:
            main(["apply", str(calibrator), str(tmp_path / name), "-o", str(out)])
        assert stop.value.code == 0, capsys.readouterr().err
        found = read(out)
        assert found.classes == names
        meant = as_labels(found.labels, n=N, k=len(names), classes=found.classes)
        np.testing.assert_array_equal(meant, place)


@pytest.mark.parametrize("suffix", ["csv", "npz", "parquet", "jsonl"])
def test_booleans_stay_booleans_through_apply(tmp_path, suffix):
    """Whether a prediction was right becomes no class on the way; groups keep their names."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    right, path = np.array([True, False, True]), tmp_path / f"out.{suffix}"
    write_probs(path, np.full((3, 4), 0.25), labels=right, groups=right, ids=[0.5, 1.5, 2.5])
    written = read(path)
    assert written.groups.tolist() == ["True", "False", "True"]
    assert [float(each) for each in written.ids] == [0.5, 1.5, 2.5]
    with pytest.raises(tp.InvalidInputError, match="True and False for 4"):
        as_labels(written.labels, n=3, k=4, classes=written.classes)


@pytest.mark.parametrize("name", [*FORMATS, "a.jsonl"])
def test_labels_are_positions_where_columns_have_no_names(tmp_path, capsys, name):
    """One column of scores has classes 0 and 1, and a list the places of its numbers."""
    rng = np.random.default_rng(0)
    odds = rng.normal(size=N).round(3)
    labels = rng.integers(0, 2, size=N)
    loss, accuracy = by_hand(np.stack([np.zeros(N), odds], axis=1), labels)
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez(path, logits=odds, labels=labels)
    elif name.endswith("jsonl"):
        lines = [
            {"logits": [0, z], "label": y}
            for z, y in zip(odds.tolist(), labels.tolist(), strict=True)
        ]
        path.write_text("\n".join(map(json.dumps, lines)))
    elif name.endswith("sv"):
        comma = "," if name.endswith("csv") else "\t"
        pairs = zip(odds.tolist(), labels.tolist(), strict=True)
        path.write_text("\n".join([f"logit{comma}label", *(f"{z}{comma}{y}" for z, y in pairs)]))
    else:
        pa = pytest.importorskip("pyarrow")
        table = pa.table({"logits": [[0.0, z] for z in odds.tolist()], "label": labels})
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow.parquet").write_table(table, path)
        else:
            new = pa.ipc.new_stream if "stream" in name else pa.ipc.new_file
            with new(path, table.schema) as writer:
                writer.write_table(table)
    found = evaluated(path, capsys)
    assert found["log_loss"]["value"] == pytest.approx(loss, abs=1e-9)
    assert found["accuracy"]["value"] == pytest.approx(accuracy)


@pytest.mark.parametrize("kind", [set, frozenset])
def test_classes_of_a_set_are_refused(kind):
    """A set has no order: columns got names by chance, and a temperature of 76 in place of 2."""
    z = np.array([[2.0, 1.0, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 2.0], [2.0, 1.0, 0.0]])
    y = ["a", "b", "c", "b"]
    with pytest.raises(tp.InvalidInputError, match=r"`classes` must be .* a set has none"):
        tp.TemperatureScaling.fit(z, y, classes=kind("abc"))
    ordered = tp.TemperatureScaling.fit(z, y, classes=dict.fromkeys("abc").keys())
    assert ordered == tp.TemperatureScaling.fit(z, y, classes=["a", "b", "c"])


def test_measures_may_be_a_set():
    """Which measures, in whatever order."""
    p = np.array([[0.7, 0.3], [0.4, 0.6]])
    assert tp.evaluate(p, [0, 1], measures={"ece"}, n_resamples=100).shows("ece")
