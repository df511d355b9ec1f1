"""Which class a label means: one rule for every format, dtype, order of columns and command."""

import csv
import json
from importlib.util import find_spec

import numpy as np
import pytest

import reference
import temperance as tp
from commands import evaluation_of
from temperance.checks.label_map import LabelMap
from temperance.checks.labels import as_labels, is_label
from temperance.readers import read, read_blocks

N, K, TRUE_T = 400, 12, 2.0
FORMATS = ("csv", "tsv", "npz", "parquet", "arrow")


def drawn(k=K, n=N, seed=0):
    """Logits whose labels come from softmax(logits / 2), and these labels as positions."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 3
    y = (reference.softmax(z / TRUE_T).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return z, np.minimum(y, k - 1)


def write(path, z, names, labels, stem="logit"):
    """Write a table, or an archive, with a column of each name."""
    kind = path.suffix[1:]
    if kind == "npz":
        np.savez(path, **{f"{stem}s": z, "labels": labels, "classes": np.array(names)})
        return
    columns = {f"{stem}_{name}": z[:, j] for j, name in enumerate(names)}
    if kind in {"csv", "tsv"}:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="," if kind == "csv" else "\t")
            writer.writerow([*columns, "label"])
            writer.writerows(
                zip(*(c.tolist() for c in columns.values()), labels.tolist(), strict=True)
            )
        return
    pa = pytest.importorskip("pyarrow")

    table = pa.table({**columns, "label": pa.array(labels.tolist())})
    if kind == "parquet":
        pytest.importorskip("pyarrow.parquet").write_table(table, path)
    else:
        pytest.importorskip("pyarrow.feather").write_feather(
            table, path, compression="uncompressed"
        )


def spelled(names, y):
    """Return what a program would write for the labels: each name as text."""
    return np.array(names)[y]


NAMINGS = {
    "text order": (sorted(map(str, range(K))), lambda names, y: spelled(names, y).astype(int)),
    "one-based": (list(map(str, range(1, K + 1))), lambda names, y: y + 1),
    "one-based, as floats": (
        [f"{j}.0" for j in range(1, K + 1)], lambda names, y: (y + 1).astype(float)
    ),
    "leading zeros": ([f"{j:02d}" for j in range(K)][::-1], lambda names, y: K - 1 - y),
    "floats for integer names": (
        list(map(str, range(K, 0, -1))), lambda names, y: (K - y).astype(np.float32)
    ),
    "negative": (list(map(str, range(5, 5 - K, -1))), lambda names, y: 5 - y),
    "bytes of names": ([f"ö{j}" for j in range(K)], spelled),
    "years and one word": ([*map(str, range(2000, 1999 + K)), "other"], spelled),
}  # fmt: skip


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("naming", NAMINGS)
def test_names_mean_the_same_in_every_format(run, tmp_path, naming, suffix):
    """Whatever classes are called, the fit is that of the positions; and so is the evaluation."""
    z, y = drawn()
    names, labels_of = NAMINGS[naming]
    write(tmp_path / f"in.{suffix}", z, names, labels_of(names, y))
    fitted = json.loads(run("fit", f"in.{suffix}", "--json", "--only-fit").stdout)
    assert fitted["temperature"] == pytest.approx(reference.temperature(z, y), rel=1e-7)
    accuracy = evaluation_of(tmp_path / f"in.{suffix}").accuracy.value
    assert accuracy == pytest.approx((z.argmax(axis=1) == y).mean())
    if suffix == "csv":
        measured = json.loads(run("evaluate", f"in.{suffix}", "--json", "--quick").stdout)
        assert measured["accuracy"]["value"] == accuracy


BINARY = {
    "bools": (["True", "False"], lambda y: y == 0),
    "bools in lower case": (["false", "true"], lambda y: y == 1),
    "ones for True": (["True", "False"], lambda y: 1 - y),
    "bools for one": (["1", "0"], lambda y: y == 0),
    "minus one, reversed": (["1", "-1"], lambda y: 1 - 2 * y),
    "two, one": (["2", "1"], lambda y: 2 - y),
    "floats": (["1.0", "0.0"], lambda y: 1.0 - y),
    "01 and 00": (["01", "00"], lambda y: 1 - y),
}


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("naming", BINARY)
def test_two_classes_in_every_spelling(run, tmp_path, naming, suffix):
    """Booleans, codes and floats are compared by value with the names that spell them."""
    z, y = drawn(2, seed=1)
    names, labels_of = BINARY[naming]
    write(tmp_path / f"in.{suffix}", z, names, labels_of(y))
    best = reference.temperature(z, y)
    fitted = json.loads(run("fit", f"in.{suffix}", "--json", "--only-fit").stdout)
    assert fitted["temperature"] == pytest.approx(best, rel=1e-7)
    in_python = tp.TemperatureScaling.fit(z, labels_of(y), classes=names)
    assert in_python.temperature == pytest.approx(best, rel=1e-7)


@pytest.mark.parametrize(
    "method", sorted({*tp.METHODS, "auto"} - {"ensemble", "group-temperature"})
)
def test_every_method_takes_names_once(run, tmp_path, method):
    """Classes 10, 2, 1 in this order: every method fits what it fits on the positions."""
    k = 2 if method in {"platt", "beta", "venn-abers"} else 3
    z, y = drawn(k, seed=2)
    names = ["10", "2", "1"][:k]
    write(tmp_path / "named.csv", z, names, spelled(names, y))
    np.savez(tmp_path / "plain.npz", logits=z, labels=y)
    options = ("--method", method, "--json", "--quick")
    named = json.loads(run("fit", "named.csv", *options).stdout)
    plain = json.loads(run("fit", "plain.npz", *options).stdout)
    assert named["after"] == plain["after"]


def test_ensemble_threshold_shift_and_cascade_take_names_once(run, tmp_path):
    """Commands that fit inside see the same classes as those that only measure."""
    z, y = drawn(3, seed=3)
    other = z + np.random.default_rng(9).normal(size=z.shape)
    names = ["3", "1", "2"]
    for stem, scores in (("a", z), ("b", other)):
        write(tmp_path / f"{stem}.csv", scores, names, spelled(names, y))
        np.savez(tmp_path / f"{stem}.npz", logits=scores, labels=y)
    for command in (
        ("fit", "a.{}", "b.{}", "--method", "ensemble", "--quick"),
        ("threshold", "a.{}", "--max-risk", "0.3"),
        ("shift", "a.{}", "b.{}", "--quick"),
        ("cascade", "a.{}", "b.{}", "--cost", "0.01"),
        ("compare", "a.{}", "b.{}", "--quick"),
        ("plan", "a.{}"),
    ):
        named, plain = (
            _numbers(json.loads(run(*(part.format(s) for part in command), "--json").stdout))
            for s in ("csv", "npz")
        )
        assert named == pytest.approx(plain, rel=1e-12), command[0]


def _numbers(content):
    """All numbers of a result, in order."""
    if isinstance(content, dict):
        return [n for value in content.values() for n in _numbers(value)]
    if isinstance(content, list):
        return [n for value in content for n in _numbers(value)]
    return [content] if isinstance(content, float) else []


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("naming", ["text order", "leading zeros", "bytes of names"])
def test_what_apply_writes_evaluates_to_the_same(run, tmp_path, naming, source):
    """Labels go on as they came, beside the names they belong to, from any format to any."""
    z, y = drawn()
    names, labels_of = NAMINGS[naming]
    write(tmp_path / f"in.{source}", z, names, labels_of(names, y))
    run("fit", f"in.{source}", "--only-fit")
    before = ("evaluate", f"in.{source}", "--calibrator", "calibrator.json", "--json", "--quick")
    after = json.loads(run(*before).stdout)
    given = read(tmp_path / f"in.{source}")
    positions = as_labels(given.labels, n=N, k=K, classes=given.classes)
    for suffix in (*FORMATS, "jsonl"):
        if suffix in {"parquet", "arrow"} and find_spec("pyarrow") is None:
            continue
        run("apply", "calibrator.json", f"in.{source}", "-o", f"out.{suffix}")
        written = evaluation_of(tmp_path / f"out.{suffix}")
        loss = pytest.approx(after["log_loss"]["value"], rel=1e-12)
        assert written.log_loss.value == loss, suffix
        assert written.accuracy.to_dict() == after["accuracy"], suffix
        back = read(tmp_path / f"out.{suffix}")
        assert np.array_equal(as_labels(back.labels, n=N, k=K, classes=back.classes), positions)


def test_numbers_that_no_name_spells_are_an_error_with_both(run, tmp_path):
    """Columns cat and dog, labels 0 and 1: nobody knows which is which; the way out is taken."""
    z, y = drawn(2, seed=1)
    write(tmp_path / "in.csv", z, ["dog", "cat"], y)
    best = pytest.approx(reference.temperature(z, y), rel=1e-7)
    message = run("fit", "in.csv", code=2).stderr
    for words in ("dog, cat", "labels there are: ", "--label-map positions"):
        assert words in message
    done = run("fit", "in.csv", "--label-map", "positions", "--json", "--only-fit")
    assert json.loads(done.stdout)["temperature"] == best
    done = run("fit", "in.csv", "--label-map", "0=dog,1=cat", "--json", "--only-fit")
    assert json.loads(done.stdout)["temperature"] == best
    with pytest.raises(tp.InvalidInputError, match="Positions"):
        tp.TemperatureScaling.fit(z, y, classes=["dog", "cat"])
    fitted = tp.TemperatureScaling.fit(z, tp.Positions(y), classes=["dog", "cat"])
    assert fitted.temperature == best


CODES = {
    "one-based": (4, lambda y: y + 1, "--label-map one-based"),
    "words": (2, lambda y: np.array(["no", "yes"])[y], "--label-map no=0,yes=1"),
    "minus one": (2, lambda y: 2 * y - 1, "--label-map -1=0,1=1"),
    "one and two": (2, lambda y: y + 1, "--label-map 1=0,2=1"),
    "float codes": (2, lambda y: y + 1.0, "--label-map 1=0,2=1"),
    "with a space": (2, lambda y: np.array(["is ill", "is well"])[y],
                     "--label-map 'is ill'=0,'is well'=1"),
}  # fmt: skip


@pytest.mark.parametrize("code", CODES)
def test_advice_for_codes_works_when_followed(run, tmp_path, code):
    """Columns without names: the option in the message, typed as it stands, gives the fit."""
    import shlex

    k, coded, advice = CODES[code]
    z, y = drawn(k, seed=4)
    np.savez(tmp_path / "in.npz", logits=z, labels=coded(y))
    message = run("fit", "in.npz", code=2).stderr
    assert advice in message
    done = run("fit", "in.npz", *shlex.split(advice), "--json", "--only-fit")
    best = reference.temperature(z, y)
    assert json.loads(done.stdout)["temperature"] == pytest.approx(best, rel=1e-7)


def test_an_advice_never_leaves_out_a_class(run, tmp_path):
    """Labels -1 and 1 are two classes, not one and a gap; -1 beside 0..k-1 is a gap."""
    z, y = drawn(2, seed=1)
    np.savez(tmp_path / "codes.npz", logits=z, labels=2 * y - 1)
    assert "--ignore-label" not in run("fit", "codes.npz", code=2).stderr
    z, y = drawn(3, seed=1)
    np.savez(tmp_path / "gap.npz", logits=z, labels=np.where(np.arange(N) % 10, y, -1))
    assert "--ignore-label -1" in run("fit", "gap.npz", code=2).stderr
    done = run("fit", "gap.npz", "--ignore-label", "-1", "--json", "--only-fit")
    kept = np.arange(N) % 10 > 0
    best = reference.temperature(z[kept], y[kept])
    assert json.loads(done.stdout)["temperature"] == pytest.approx(best, rel=1e-7)


def test_a_class_without_a_column_is_left_out_by_name(run, tmp_path):
    """Open sets: labels `unknown` have no column; the message says how to leave them out."""
    z, y = drawn(3, seed=5)
    names = ["cat", "cow", "dog"]
    labels = np.where(np.arange(N) % 10, spelled(names, y), "unknown")
    kept = np.arange(N) % 10 > 0
    for suffix in ("csv", "npz"):
        write(tmp_path / f"in.{suffix}", z, names, labels)
        message = run("fit", f"in.{suffix}", code=2).stderr
        assert "--ignore-label unknown" in message
        assert "(40 such rows" in message
        done = run("fit", f"in.{suffix}", "--ignore-label", "unknown", "--json", "--only-fit")
        best = reference.temperature(z[kept], y[kept])
        assert json.loads(done.stdout)["temperature"] == pytest.approx(best, rel=1e-7)


def test_a_near_match_is_named(run, tmp_path):
    """COW is not cow, but the message names it, with the option that says so."""
    z, y = drawn(2, seed=1)
    write(tmp_path / "in.csv", z, ["cat", "cow"], np.array(["cat", "COW"])[y])
    assert "--label-map COW=cow" in run("fit", "in.csv", code=2).stderr
    run("fit", "in.csv", "--label-map", "COW=cow", "--only-fit")


def test_booleans_of_more_than_two_classes_are_refused(run, tmp_path):
    """Whether a prediction was right is no class, in any format and in Python."""
    z, y = drawn(3)
    right = z.argmax(axis=1) == y
    np.savez(tmp_path / "in.npz", logits=z, labels=right)
    np.savez(tmp_path / "text.npz", logits=z, labels=right.astype(str))
    for name in ("in.npz", "text.npz"):
        assert "--label-column" in run("fit", name, code=2).stderr
    for labels in (right, right.tolist(), right.astype(str)):
        with pytest.raises(tp.InvalidInputError, match="True and False for 3 classes"):
            tp.TemperatureScaling.fit(z, labels)
        for names in (("0", "1", "2"), ("1", "0", "-1"), ("a", "b", "c")):
            with pytest.raises(tp.InvalidInputError, match="True and False for 3 classes"):
                tp.TemperatureScaling.fit(z, labels, classes=names)
    write(tmp_path / "in.csv", z, ["0", "1", "2"], right)
    assert "--label-column" in run("fit", "in.csv", code=2).stderr
    named = as_labels(right, n=N, k=3, classes=("False", "True", "unknown"))
    np.testing.assert_array_equal(named, right.astype(int))


def test_missing_labels_match_no_name():
    """A nan is not the class called nan, and None not the class None."""
    z = np.zeros((2, 2))
    for labels in ([0.0, np.nan], [None, "a"]):
        with pytest.raises(tp.InvalidInputError):
            tp.TemperatureScaling.fit(z, labels, classes=["nan", "None"])


def test_two_names_of_one_value_are_ambiguous():
    """1 is exactly the name 1, but 1.0 could be 1 or 01: an error that shows both."""
    names = ("1", "01", "x")
    assert as_labels([1, 1], n=2, k=3, classes=names).tolist() == [0, 0]
    with pytest.raises(tp.InvalidInputError, match="1, 01 both spell"):
        as_labels([1.0], n=1, k=3, classes=names)


def test_positions_are_never_looked_up():
    """Positions beside integer names stay positions; out of range is an error."""
    names = ("1", "0")
    assert as_labels(tp.Positions([0, 1]), n=2, k=2, classes=names).tolist() == [0, 1]
    assert as_labels([0, 1], n=2, k=2, classes=names).tolist() == [1, 0]
    with pytest.raises(tp.InvalidInputError, match=r"0\.\.1"):
        as_labels(tp.Positions([0, 2]), n=2, k=2, classes=names)
    with pytest.raises(tp.InvalidInputError, match="whole numbers"):
        tp.Positions(["a"])


@pytest.mark.parametrize(
    "labels",
    [[2.0, 0.0, 1.0, 2.0], np.array([2, 0, 1, 2], np.float16), np.array([b"2", b"0", b"1", b"2"])],
)
def test_floats_and_bytes_are_names_too(labels):
    """Float classes with float labels, and byte strings, mean their names in `select` too."""
    assert as_labels(labels, n=4, k=3, classes=("2.0", "0.0", "1.0")).tolist() == [0, 1, 2, 0]


def test_select_keeps_float_classes_apart():
    """`select` fits many times on rows that were checked once; names are looked up once."""
    z, y = drawn(3, seed=6)
    classes = [2.0, 0.0, 1.0]
    chosen = tp.select(z, np.array(classes)[y], classes=classes, methods=["temperature"])
    best = tp.TemperatureScaling.fit(z, y)
    assert chosen.calibrator.temperature in (1.0, best.temperature)
    assert chosen.tried[0].log_loss == tp.select(z, y, methods=["temperature"]).tried[0].log_loss


def test_labels_of_blocks_mean_names(tmp_path):
    """Block by block, from files and from arrays, names are names."""
    z, y = drawn()
    names = sorted(map(str, range(K)))
    write(tmp_path / "in.csv", z, names, spelled(names, y))
    blocks = read_blocks(tmp_path / "in.csv")
    best = reference.temperature(z, y)
    fitted = tp.TemperatureScaling.fit_blocks(blocks, classes=names)
    assert fitted.temperature == pytest.approx(best, rel=1e-7)
    positions = [(z[i : i + 100], tp.Positions(y[i : i + 100])) for i in range(0, N, 100)]
    fitted = tp.TemperatureScaling.fit_blocks(positions, classes=names)
    assert fitted.temperature == pytest.approx(best, rel=1e-7)


def test_a_map_of_labels_in_python(tmp_path):
    """`read` and `read_blocks` take a mapping; labels that are in no pair stay."""
    z, y = drawn(2, seed=1)
    np.savez(tmp_path / "in.npz", logits=z, labels=np.array(["no", "yes"])[y])
    for rows in (
        read(tmp_path / "in.npz", label_map={"no": 0, "yes": 1}),
        next(iter(read_blocks(tmp_path / "in.npz", label_map="no=0,yes=1"))),
    ):
        assert as_labels(rows.labels, n=N, k=2).tolist() == y.tolist()


@pytest.mark.parametrize("text", ["", "a", "a=", "=1", "a=1,,b=2", "a=1,a=2", "1=0,1.0=1"])
def test_maps_that_say_nothing_are_refused(run, text):
    """A map says for each label what it means, once."""
    with pytest.raises(tp.InvalidInputError, match="label_map"):
        LabelMap.parse(text)
    run("fit", "cal.npz", "--label-map", text, code=2)


def test_same_label_in_other_spellings():
    """What is ignored is found by its text or its value, in every dtype and shape."""
    for labels in (
        np.array([[255, 1]], np.uint8), np.array([[255.0, 1.0]]), np.array([["255", "1"]]),
    ):  # fmt: skip
        for label in (255, "255", 255.0):
            assert is_label(labels, label).tolist() == [[True, False]]


@pytest.mark.parametrize("classes", [5, "abc", b"abc", ["a", None, "c"], ["a", float("nan"), "c"]])
def test_what_names_no_classes_is_refused(classes):
    """A text is no list of its letters, and nothing is no name."""
    with pytest.raises(tp.InvalidInputError, match="`classes` must"):
        tp.TemperatureScaling.fit(np.eye(3), ["a", "b", "c"], classes=classes)


def test_rows_without_a_label_are_left_out_when_said():
    """Of labels nan is the one to leave out, unsaid it is an error; a list is no label."""
    z, y = drawn(3, seed=7)
    labels = np.where(np.arange(N) % 5, y + 1.0, np.nan)
    for classes in (None, ["1", "2", "3"]):
        with pytest.raises(tp.InvalidInputError, match=r"holds nan \(80 such rows"):
            tp.TemperatureScaling.fit(z, labels, classes=classes)
    fitted = tp.TemperatureScaling.fit(
        z, labels, classes=["1", "2", "3"], ignore_label=float("nan")
    )
    kept = np.arange(N) % 5 > 0
    assert fitted.temperature == pytest.approx(reference.temperature(z[kept], y[kept]), rel=1e-7)
    with pytest.raises(tp.InvalidInputError, match="one label"):
        tp.TemperatureScaling.fit(z, y, ignore_label=[1])


def test_blanks_around_names_are_no_part_of_them():
    """Headers and labels with blanks are the same words, unless blanks alone tell classes apart."""
    z, y = drawn(3, seed=8)
    fitted = tp.TemperatureScaling.fit(z, np.array(["a", "b ", "c"])[y], classes=["a ", "b", " c"])
    assert fitted.temperature == tp.TemperatureScaling.fit(z, y).temperature
    assert as_labels(["a ", "a"], n=2, k=2, classes=("a", "a ")).tolist() == [1, 0]


def test_no_advice_turns_a_label_into_its_opposite(run, tmp_path):
    """Words that are nearly spelled alike are not the same class, nor is a class that occurs."""
    z, y = drawn(2, seed=1)
    for names, words in (
        (["female", "other"], ["male", "other"]),
        (["invalid", "unsure"], ["valid", "unsure"]),
        (["prenatal", "postnatal"], ["neonatal", "postnatal"]),
    ):
        write(tmp_path / "in.csv", z, names, np.array(words)[y])
        advice = run("fit", "in.csv", code=2).stderr
        assert f"--label-map {words[0]}={names[0]}" not in advice
        assert f"--label-map {words[0]}=NAME" in advice
    write(tmp_path / "in.csv", z, ["cafe", "benign"], np.array(["Café", "benihn"])[y])
    assert "--label-map" in run("fit", "in.csv", code=2).stderr


def test_rows_are_those_of_the_file_after_some_were_left_out(run, tmp_path):
    """Row 10 is row 10 when rows before it are ignored, in what a fit finds as in what is read."""
    z, y = drawn(3, seed=9)
    p = reference.softmax(z)
    names = ["ant", "bee", "cat"]
    labels = spelled(names, y).astype("<U7")
    labels[[2, 5]] = "skip"
    p[9, y[9]] = 0.0
    p[9] /= p[9].sum()
    write(tmp_path / "in.csv", p, names, labels, stem="prob")
    options = ("--ignore-label", "skip", "--quick", "--method")
    for method in ("temperature", "vector"):
        message = run("fit", "in.csv", *options, method, code=2).stderr
        assert f"row 10 (from 1) the label {names[y[9]]!r}" in message
    assert "(row 10, counted from 1)" in run("fit", "in.csv", *options, "auto").stderr


def test_numbers_of_one_value_are_one_name():
    """1 and 1.0, or 1 and True, name no two classes."""
    for classes in ([0, 1, 1.0], [1, True, 2]):
        with pytest.raises(tp.InvalidInputError, match="differ"):
            tp.TemperatureScaling.fit(np.eye(3), [0, 1, 1], classes=classes)


def test_letter_by_letter_comes_before_the_value():
    """01 beside 1 is a label of its own: neither ignored nor mapped with it."""
    labels = np.array(["01", "1", "2"])
    assert is_label(labels, "1").tolist() == [False, True, False]
    meant = LabelMap.parse("1=x").applied(labels, ("1", "01", "x", "2"))
    assert meant.tolist() == ["01", "x", "2"]
