"""Rows of two files: joined by ids where both have them, else the trusted order is told."""

import csv
import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.alignment import rows_by_id
from temperance.readers import Fields, read, read_blocks

NAMES = np.array(["ann", "bob", "cyd", "dan"])


def write(path, **columns):
    """Write a table, or arrays under the plural names."""
    if path.suffix == ".npz":
        np.savez(path, **{f"{name}s": each for name, each in columns.items()})
        return
    if path.suffix == ".jsonl":
        rows = zip(*(np.asarray(each).tolist() for each in columns.values()), strict=True)
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
        path.write_text("\n".join(lines))
        return
    if path.suffix == ".parquet":
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pa.table({k: np.asarray(v).tolist() for k, v in columns.items()}), path)
        return
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(zip(*(np.asarray(each).tolist() for each in columns.values()), strict=True))


@pytest.fixture
def rows(sample, tmp_path):
    """Scores with ids, and the labels that go with them."""
    z, y = sample(7, n=300, k=4, temperature=2.0)
    ids = np.array([f"q{i:04d}" for i in range(300)])
    scores = {f"logit_{name}": z[:, j] for j, name in enumerate(NAMES)}
    write(tmp_path / "scores.csv", id=ids, **scores)
    return z, y, ids


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".jsonl", ".parquet"])
def test_any_order_of_a_file_of_labels_gives_one_fit(run, tmp_path, rows, suffix):
    """Sorted, shuffled, some moved; joined by ids in every format, in blocks as well."""
    z, y, ids = rows
    expected = reference.temperature(z, y)
    moved = np.arange(300)
    moved[[2, 111]] = moved[[111, 2]]
    for order in (np.arange(300), np.random.default_rng(0).permutation(300), moved):
        write(tmp_path / f"labels{suffix}", id=ids[order], label=NAMES[y][order])
        command = ("fit", "scores.csv", "--labels", f"labels{suffix}", "--quick", "--json")
        found = json.loads(run(*command).stdout)
        assert found["temperature"] == pytest.approx(expected, rel=1e-6)
        assert found["before"]["accuracy"] == pytest.approx((z.argmax(1) == y).mean())
        assert found["warnings"] == []
        blocks = read_blocks(tmp_path / "scores.csv", labels=tmp_path / f"labels{suffix}")
        fitted = tp.TemperatureScaling.fit_blocks(blocks)
        assert fitted.temperature == pytest.approx(expected, rel=1e-6)


def test_ids_that_do_not_match_are_counted_and_named(run, tmp_path, rows):
    """None in common, some missing, in doubt: one line, exit 2; left-over rows are told."""
    z, y, ids = rows
    labels = NAMES[y]
    options = ("--labels", "labels.csv", "--quick", "--json")
    write(tmp_path / "labels.csv", id=[f"z{i}" for i in range(300)], label=labels)
    error = run("fit", "scores.csv", *options, code=2).stderr
    assert "none in common: q0000, q0001, q0002 and 297 more and z0, z1" in error
    write(tmp_path / "labels.csv", id=ids[5:], label=labels[5:])
    error = run("evaluate", "scores.csv", *options, code=2).stderr
    assert "5 of 300 rows of scores.csv have an id that labels.csv lacks: q0000, q0001" in error
    assert error.count("\n") == 1
    doubled = np.r_[np.arange(300), 7]
    other = labels[doubled].copy()
    other[-1] = NAMES[(y[7] + 1) % 4]
    write(tmp_path / "labels.csv", id=ids[doubled], label=other)
    error = run("fit", "scores.csv", *options, code=2).stderr
    assert "1 id stands more than once in labels.csv with different values" in error
    assert "q0007" in error
    write(tmp_path / "labels.csv", id=ids[doubled], label=labels[doubled])
    (note,) = json.loads(run("fit", "scores.csv", *options).stdout)["warnings"]
    assert "with the same value: q0007" in note
    extra = np.r_[np.arange(300), 0, 1]
    write(tmp_path / "labels.csv", id=[*ids, "new1", "new2"], label=labels[extra])
    found = json.loads(run("fit", "scores.csv", *options).stdout)
    assert found["temperature"] == pytest.approx(reference.temperature(z, y), rel=1e-6)
    (note,) = found["warnings"]
    assert "rows of labels.csv whose ids have no row in scores.csv, 2: new1, new2" in note


def test_without_ids_the_trusted_order_is_told(run, tmp_path, rows):
    """Counts must agree; the note says which file has no ids."""
    _, y, _ = rows
    write(tmp_path / "labels.csv", label=NAMES[y])
    options = ("--labels", "labels.csv", "--quick", "--json")
    for command in ("fit", "evaluate"):
        (note,) = json.loads(run(command, "scores.csv", *options).stdout)["warnings"]
        assert "in their order, which was trusted: labels.csv has no ids" in note
    assert "was trusted" in run("fit", "scores.csv", "--labels", "labels.csv", "--quick").stderr
    assert "was trusted" in read(tmp_path / "scores.csv", labels=tmp_path / "labels.csv").notes[0]
    np.save(tmp_path / "scores.npy", np.zeros((len(y), len(NAMES))))
    own = {"labels": tmp_path / "labels.csv", "label_map": "ann=0,bob=1,cyd=2,dan=3"}
    note = read(tmp_path / "scores.npy", **own).notes[0]
    assert note.endswith("scores.npy has no ids (a .npy holds one array and none).")
    write(tmp_path / "labels.csv", label=NAMES[y][1:])
    error = run("fit", "scores.csv", *options, code=2).stderr
    assert "there are 299 for 300 rows" in error


def test_ids_of_another_name(run, tmp_path, rows):
    """--id-column names them in both files, or in the one that calls them so."""
    z, y, ids = rows
    order = np.random.default_rng(1).permutation(300)
    scores = {f"logit_{name}": z[:, j] for j, name in enumerate(NAMES)}
    write(tmp_path / "keyed.csv", key=ids, **scores)
    for name in ("key", "id"):
        write(tmp_path / "labels.csv", **{name: ids[order]}, label=NAMES[y][order])
        fields = Fields(id="key")
        found = read(tmp_path / "keyed.csv", labels=tmp_path / "labels.csv", fields=fields)
        assert (found.labels == NAMES[y]).all()
        assert found.notes == ()


@pytest.mark.parametrize(
    ("own", "theirs", "places"),
    [
        ([7, 8], ["8", "7"], [1, 0]),
        ([7.0, 8.0], [8, 7], [1, 0]),
        (["7.0", "8.0"], [8, 7], [1, 0]),
        (["7", "8"], np.array([8.0, 7.0]), [1, 0]),
        ([" a", "b "], ["b", "a"], [1, 0]),
        (np.array([1, 2], np.uint8), np.array([2, 1], np.int64), [1, 0]),
        ([2**63 + 1, 2**63 + 3], np.array([2**63 + 3, 2**63 + 1], np.uint64), [1, 0]),
        ([True, False], ["False", "True"], [1, 0]),
        (["1.0", "1"], ["1", "1.0"], [1, 0]),
    ],
)
def test_spellings_of_one_id(own, theirs, places):
    """Numbers and the text that spells them; "1.0" beside "1" are two ids."""
    found, notes = rows_by_id(np.asarray(own), np.asarray(theirs), source="a", other="b")
    assert found.tolist() == places
    assert notes == ()


@pytest.mark.parametrize("own", [["07", "08"], ["7a", "8"], [7.5, 8.0], [-7, 8]])
def test_ids_that_are_not_one(own):
    """07 is not 7, nor is anything else that is spelled otherwise."""
    with pytest.raises(tp.InvalidInputError, match="joined by their ids"):
        rows_by_id(np.asarray(own), np.array([8, 7]), source="a", other="b")


@pytest.mark.parametrize("own", [["a", ""], [1.0, np.nan], np.array(["a", None], dtype=object)])
def test_an_empty_id_is_named(own):
    """Every row must have one."""
    with pytest.raises(tp.InvalidInputError, match=r"row 1 .counted from 0. of a has none"):
        rows_by_id(np.asarray(own), np.array(["a", "b"]), source="a", other="b")


def test_repeated_ids(tmp_path, rows):
    """Several rows of one question take its label; where both repeat, only the same order does."""
    z, y, ids = rows
    twice = np.r_[np.arange(300), np.arange(300)]
    scores = {f"logit_{name}": z[twice, j] for j, name in enumerate(NAMES)}
    write(tmp_path / "twice.csv", id=ids[twice], **scores)
    order = np.random.default_rng(2).permutation(300)
    write(tmp_path / "labels.csv", id=ids[order], label=NAMES[y][order])
    found = read(tmp_path / "twice.csv", labels=tmp_path / "labels.csv")
    assert (found.labels == NAMES[y][twice]).all()
    assert "300 ids stand more than once in " in found.notes[0]
    labels = np.array([0, 1, 1])
    same, notes = rows_by_id(
        np.array(["a", "a", "b"]), np.array(["a", "a", "b"]), source="x", other="y", values=labels
    )
    assert same is None
    assert "in the same order" in notes[0]
    with pytest.raises(tp.InvalidInputError, match="in doubt"):
        rows_by_id(np.array(["a", "a", "b"]), np.array(["b", "a", "a"]), source="x", other="y")


def test_models_in_other_orders_of_rows(run, tmp_path, rows):
    """compare, cascade, an ensemble's fit and apply join rows by ids; columns by name."""
    z, y, ids = rows
    rng = np.random.default_rng(3)
    other = z * 0.6 + rng.normal(size=z.shape)
    labels = np.where(np.arange(300) % 10 == 0, "none", NAMES[y])
    order, columns = rng.permutation(300), [2, 0, 3, 1]
    straight = {f"logit_{n}": other[:, j] for j, n in enumerate(NAMES)}
    mixed = {f"logit_{NAMES[j]}": other[order, j] for j in columns}
    write(tmp_path / "c.csv", id=ids[order], label=labels[order], **mixed)
    keep = np.arange(300) % 10 != 0
    baseline = {f"logit_{n}": z[keep, j] for j, n in enumerate(NAMES)}
    write(tmp_path / "a2.csv", id=ids[keep], label=labels[keep], **baseline)
    losses = [tp.metrics.log_loss(reference.softmax(each[keep]), y[keep]) for each in (z, other)]
    found = json.loads(run("compare", "a2.csv", "c.csv", "--quick", "--json").stdout)
    difference = found["differences"]["c"]["log_loss"]["value"]
    assert difference == pytest.approx(losses[1] - losses[0], rel=1e-6)
    (note,) = found["warnings"]
    assert "rows of c.csv whose ids have no row in a2.csv, 30: q0" in note
    fits = []
    write(tmp_path / "b.csv", id=ids[keep], **{k: v[keep] for k, v in straight.items()})
    for name in ("b.csv", "c.csv"):
        command = ("fit", "a2.csv", name, "--method", "ensemble", "--quick", "--json")
        fits.append(json.loads(run(*command).stdout))
        run("apply", "calibrator.json", "a2.csv", name, "-o", f"out{len(fits)}.csv")
        run("cascade", "a2.csv", name, "--cost", "0.01", "--json")
    assert fits[0]["temperature"] == pytest.approx(fits[1]["temperature"], rel=1e-9)
    outputs = [read(tmp_path / f"out{i}.csv") for i in (1, 2)]
    np.testing.assert_allclose(outputs[0].values, outputs[1].values, rtol=1e-9)
    assert (outputs[1].ids == ids[keep]).all()
    write(tmp_path / "all.csv", id=ids[order], label=NAMES[y][order], **mixed)
    error = run("compare", "all.csv", "a2.csv", code=2).stderr
    assert "30 of 300 rows of all.csv have an id that a2.csv lacks" in error


def test_rows_that_do_not_count_are_the_same_ones(run, tmp_path, rows):
    """--ignore-label of the first file leaves out the same rows of a file in another order."""
    z, y, ids = rows
    other = z * 0.6
    labels = np.where(np.arange(300) % 10 == 0, -1, y)
    order = np.random.default_rng(4).permutation(300)
    np.savez(tmp_path / "a.npz", logits=z, labels=labels, ids=ids)
    np.savez(tmp_path / "b.npz", logits=other[order], ids=ids[order])
    command = ("compare", "a.npz", "b.npz", "--ignore-label", "-1", "--quick", "--json")
    found = json.loads(run(*command).stdout)
    keep = labels >= 0
    losses = [tp.metrics.log_loss(reference.softmax(each[keep]), y[keep]) for each in (z, other)]
    difference = found["differences"]["b"]["log_loss"]["value"]
    assert difference == pytest.approx(losses[1] - losses[0], rel=1e-6)
    assert found["warnings"] == []
    np.savez(tmp_path / "b.npz", logits=other)
    assert "was trusted: b.npz has no ids" in json.loads(run(*command).stdout)["warnings"][0]


def test_a_label_matrix_is_joined(tmp_path, rows):
    """Of several labels per row too, ids decide."""
    z, _, ids = rows
    matrix = (z > 0).astype(int)
    order = np.random.default_rng(5).permutation(300)
    columns = {f"label_{n}": matrix[order, j] for j, n in enumerate(NAMES)}
    write(tmp_path / "labels.csv", id=ids[order], **columns)
    found = read(tmp_path / "scores.csv", labels=tmp_path / "labels.csv", layout="labels")
    np.testing.assert_array_equal(found.labels, matrix)


def test_ids_that_were_named_are_never_replaced_by_the_order(run, tmp_path, rows):
    """Who names ids wants them: rows are not paired in their order where a file has none."""
    from llm_files import completion
    from llm_files import write as write_lines

    _, y, _ = rows
    write(tmp_path / "labels.csv", key=[f"k{i}" for i in range(300)], label=NAMES[y])
    asked = ("--labels", "labels.csv", "--id-column")
    top = [("A", -0.3), ("B", -1.6)]
    write_lines(tmp_path / "a.jsonl", [completion(top, id=f"k{i}") for i in range(300)])
    write(tmp_path / "said.csv", key=[f"k{i}" for i in range(300)], label=["A", "B"] * 150)
    lines = ("evaluate", "a.jsonl", "--format", "auto", "--options", "A,B", "--quick", "--labels")
    error = run(*lines, "said.csv", "--id-column", "question", code=2).stderr
    assert "said.csv: has no ids under `question` (or `id`), by which" in error
    assert error.count("\n") == 1
    assert run(*lines, "said.csv", "--id-column", "key", code=0).returncode == 0
    error = run("evaluate", "scores.csv", *asked, "id", "--quick", code=2).stderr
    assert "labels.csv: has no ids under `id`" in error
    in_order = run("evaluate", "scores.csv", *asked, "none", "--quick").stderr
    assert "in their order, which was trusted" in in_order


@pytest.mark.parametrize("suffix", [".csv", ".npz", ".jsonl", ".parquet"])
def test_each_file_may_call_its_ids_by_its_own_name(run, tmp_path, rows, suffix):
    """`--id-column` those of the scores, `--label-id-column` those of the labels, of TEST too."""
    z, y, ids = rows
    expected = reference.temperature(z, y)
    order = np.random.default_rng(2).permutation(300)
    write(tmp_path / "named.csv", qid=ids, **{f"logit_{n}": z[:, j] for j, n in enumerate(NAMES)})
    name = "keys" if suffix == ".npz" else "key"
    write(tmp_path / f"labels{suffix}", key=ids[order], label=NAMES[y][order])
    asked = ("--labels", f"labels{suffix}", "--quick", "--json")
    for own in (("scores.csv",), ("named.csv", "--id-column", "qid")):
        found = run("fit", *own, *asked, "--label-id-column", name, "-o", "c.json").stdout
        assert json.loads(found)["temperature"] == pytest.approx(expected, rel=1e-6)
    found = read(
        tmp_path / "named.csv", labels=tmp_path / f"labels{suffix}",
        fields=Fields(id="qid", label_id=name),
    )  # fmt: skip
    assert found.labels.tolist() == NAMES[y].tolist()
    error = run("fit", "scores.csv", *asked, "--label-id-column", "kye", code=2).stderr
    assert f"labels{suffix}: has no ids under `kye`, by which `--label-id-column` joins" in error
    error = run("fit", "scores.csv", *asked, "--id-column", name, code=2).stderr
    assert f"Where only labels{suffix} calls the ids so, say `--label-id-column {name}`" in error


def test_the_ids_of_labels_belong_to_a_file_of_labels(run, tmp_path, rows):
    """Of TEST's labels as well; without such a file, or without ids to join, an error says so."""
    z, y, ids = rows
    write(tmp_path / "labels.csv", key=ids[::-1], label=NAMES[y][::-1])
    columns = {f"logit_{n}": z[:, j] for j, n in enumerate(NAMES)}
    write(tmp_path / "cal.csv", label=NAMES[y], **columns)
    asked = ("--label-id-column", "key")
    run("fit", "cal.csv", "--test", "scores.csv", "--test-labels", "labels.csv", *asked, "--quick")
    error = run("fit", "cal.csv", *asked, code=2).stderr
    assert "`--label-id-column` names the ids of a file of labels: give the file" in error
    error = run("fit", "cal.csv", "--labels", "labels.csv", *asked, code=2).stderr
    assert "cal.csv: has no ids under `id`, by which `--id-column` joins it" in error
    for labels, found in ((None, "there are none"), ({"q1": "ann"}, "they are a mapping")):
        with pytest.raises(tp.InvalidInputError, match=rf"`fields\.label_id` .* but {found}"):
            read(tmp_path / "scores.csv", labels=labels, fields=Fields(label_id="key"))


def test_answers_of_language_models_and_judges_have_the_same_option(run, tmp_path):
    """Lines of tokens, and verdicts, whose ids have another name than those of the labels."""
    from llm_files import completion
    from llm_files import write as write_lines

    top = [("A", -0.3), ("B", -1.6)]
    write_lines(tmp_path / "a.jsonl", [completion(top, uid=f"k{i}") for i in range(60)])
    order = np.random.default_rng(0).permutation(60)
    right = np.where(np.arange(60) % 3, "A", "B")
    write(tmp_path / "said.csv", key=[f"k{i}" for i in order], label=right[order])
    lines = ("--format", "auto", "--options", "A,B", "--labels", "said.csv", "--id-column", "uid",
             "--label-id-column", "key", "--json")  # fmt: skip
    assert json.loads(run("evaluate", "a.jsonl", *lines, "--quick").stdout)["accuracy"][
        "value"
    ] == pytest.approx(2 / 3)
    write(tmp_path / "judged.csv", uid=[f"k{i}" for i in range(60)], verdict=np.arange(60) % 2)
    write(tmp_path / "people.csv", key=[f"k{i}" for i in order], label=(order % 2))
    asked = ("judge", "judged.csv", "--id-column", "uid", "--label-id-column", "key")
    found = json.loads(run(*asked, "--labels", "people.csv", "--json").stdout)
    assert found["pass_rate"]["value"] == pytest.approx(0.5)
    assert "which is not given" in run(*asked, code=2).stderr
