"""Where columns meet names: scores by any name, missing cells, dialects, and what is no class."""

import gzip
import json
from decimal import Decimal

import numpy as np
import pytest

from temperance.cli import main
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers import Fields, read, read_blocks, read_labels

FORMATS = ["a.csv", "a.tsv", "a.csv.gz", "a.parquet", "a.arrow", "stream.arrow", "a.feather"]
ROWS = 12


def table(path, columns):
    """Write columns in the format of the suffix; None is a blank cell or a null."""
    if ".csv" in path.name or ".tsv" in path.name:
        comma = "\t" if ".tsv" in path.name else ","
        cells = [
            [f'"{c}"' if comma in str(c) else "" if c is None else str(c) for c in row]
            for row in zip(*columns.values(), strict=True)
        ]
        lines = [comma.join(columns), *map(comma.join, cells)]
        text = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
        return path
    pa = pytest.importorskip("pyarrow")
    content = pa.table(columns)
    if path.suffix == ".parquet":
        pytest.importorskip("pyarrow.parquet").write_table(content, path)
    else:
        new = pa.ipc.new_stream if "stream" in path.name else pa.ipc.new_file
        with new(path, content.schema) as writer:
            writer.write_table(content, max_chunksize=5)
    return path


def as_text(path, content):
    """Write text."""
    path.write_text(content, encoding="utf-8")
    return path


def refusal(path, **options):
    """The message of the error that reading `path` raises, without the path."""
    with pytest.raises(FileFormatError) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(f"{path}: ")


def run(arguments):
    """The exit code of a command."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


def scores(rng, names, n=ROWS):
    """Columns of logits under the names."""
    return {name: rng.normal(size=n).round(4).tolist() for name in names}


# --- which columns are scores ---------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("columns", "given", "classes"),
    [
        (["Stated Prob A", "Stated Prob B", "y"], "Stated Prob", ("A", "B")),
        (["Stated Prob A", "Stated Prob B", "y"], "Stated Prob ", ("A", "B")),
        (["A_prob", "B_prob", "prob", "y"], "*_prob", ("A", "B")),
        (["A_prob", "B_prob", "y"], "prob", ("A", "B")),
        (["A_prob", "B_prob", "y"], "_prob", ("A", "B")),
        (["pA", "pB", "y"], "p", ("A", "B")),
        (["A%", "B%", "y"], "%", ("A", "B")),
        (["p_a_mean", "p_b_mean", "p_a_std", "y"], "p_*_mean", ("a", "b")),
        (["prob[a]", "prob[b]", "y"], "prob", ("a", "b")),
        (["p: a", "p: b", "y"], "p", ("a", "b")),
        (["s_-1", "s_1", "y"], "s", ("-1", "1")),
        (["H", "y", "D", "A"], "A,D,H", ("A", "D", "H")),
        (["H", "y", "D", "A"], ("A", "D", "H"), ("A", "D", "H")),
        (["prob_b", "prob_a", "y"], "prob_a,prob_b", ("a", "b")),
        (["A_prob", "B_prob", "y"], "B_prob, A_prob", ("B", "A")),
        (["VF", "y"], "VF", None),
        (["VF", "y"], ("VF",), None),
    ],
)
def test_scores_of_any_name(tmp_path, columns, given, classes, name):
    """A beginning, an end, a pattern, a list or one name finds the columns, in every table."""
    rng = np.random.default_rng(0)
    content = scores(rng, columns)
    dataset = read(table(tmp_path / name, content), fields=Fields(probs=given))
    assert dataset.kind == "probs"
    assert dataset.classes == classes
    wanted = columns[:1] if classes is None else None
    if wanted is None:
        wanted = [next(c for c in columns if c == x or _of(c, x)) for x in classes]
    expected = np.array([content[column] for column in wanted]).T
    assert np.array_equal(dataset.values.reshape(ROWS, -1), expected)


def _of(column, name):
    """Whether the column is that of the class."""
    marks = "_ %[]:"
    return any(
        part.strip(marks) == name for part in column.replace("[", "_").replace(" ", "_").split("_")
    ) or column in (f"p{name}", f"{name}%")


def test_a_list_must_be_there(tmp_path):
    """A list that names a column which is not there, or one twice, is refused."""
    path = as_text(tmp_path / "a.csv", "H,D,A\n.2,.3,.5\n")
    assert refusal(path, fields=Fields(probs="H,D,B")).startswith("has no column 'B'; it holds 'H'")
    assert "'H' twice" in refusal(path, fields=Fields(probs="H,D,H"))


def test_names_with_commas_are_quoted(tmp_path):
    """A list is typed as a line of a .csv."""
    path = as_text(tmp_path / "a.csv", '"x, y",z\n.25,.75\n')
    assert read(path, fields=Fields(probs='"x, y",z')).classes == ("x, y", "z")


@pytest.mark.parametrize("name", FORMATS)
def test_double_columns_that_nobody_uses(tmp_path, name):
    """Columns of one name block a file only where they are used."""
    if not name.startswith("a.csv") and name != "a.tsv":
        pa = pytest.importorskip("pyarrow")
        made = pa.Table.from_arrays(
            [pa.array(v) for v in ([0.25], [1], ["x"], ["y"])], ["prob", "label", "n", "n"]
        )
        path = tmp_path / name
        if path.suffix == ".parquet":
            pytest.importorskip("pyarrow.parquet").write_table(made, path)
        else:
            new = pa.ipc.new_stream if "stream" in name else pa.ipc.new_file
            with new(path, made.schema) as writer:
                writer.write_table(made)
    else:
        comma = "\t" if name == "a.tsv" else ","
        content = (
            comma.join(["prob", "label", "n", "n"]) + "\n" + comma.join(["0.25", "1", "x", "y"])
        )
        raw = content.encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    assert read(path).values.tolist() == [0.25]
    assert "columns of the same name: 'n'" in refusal(path, fields=Fields(group="n"))


def test_an_error_says_what_to_type(tmp_path):
    """Columns whose names speak of scores are named in the error, and its advice works."""
    path = as_text(tmp_path / "a.csv", "Stated Prob A,Stated Prob B,label\n.2,.8,A\n")
    assert refusal(path).endswith("say --probs-column 'Stated Prob'.")
    assert read(path, fields=Fields(probs="Stated Prob")).classes == ("A", "B")
    path = as_text(tmp_path / "b.csv", "A_prob,B_prob,label\n.2,.8,A\n")
    assert refusal(path).endswith("say --probs-column prob.")
    path = as_text(tmp_path / "c.csv", 'probability,label\n"[.2,.8]",1\n')
    assert refusal(path).endswith("say --probs-column probability.")
    assert read(path, fields=Fields(probs="probability")).values.tolist() == [[0.2, 0.8]]


def test_labels_may_spell_the_whole_column(tmp_path):
    """Labels that are names of columns are called by the class."""
    path = as_text(tmp_path / "a.csv", "home_win,away_win,label\n.2,.8,home_win\n.5,.5,away_win\n")
    dataset = read(path, fields=Fields(probs="home_win,away_win"))
    assert dataset.classes == ("home", "away")
    assert dataset.labels.tolist() == ["home", "away"]


# --- columns that merely begin like the scores ----------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("suffix", ["margin", "max", "maxLogit", "entropy_bits", "pred", "top1"])
def test_a_name_that_is_no_class_is_asked_about(tmp_path, name, suffix):
    """What labels never mention and what is called after a sum of scores is no class."""
    rng = np.random.default_rng(0)
    content = scores(rng, ["logit_a", "logit_b", "logit_c", f"logit_{suffix}"])
    content["label"] = ["a", "b", "c"] * 4
    path = table(tmp_path / name, content)
    message = refusal(path)
    assert message.startswith(f"column 'logit_{suffix}' is named like the logits")
    assert "--logits-column logit_a,logit_b,logit_c; if it is one" in message
    fields = Fields(logits="logit_a,logit_b,logit_c")
    assert read(path, fields=fields).classes == ("a", "b", "c")
    assert "say --logits-column 'logit_*'." in message
    assert read(path, fields=Fields(logits="logit_*")).classes == ("a", "b", "c", suffix)
    content["label"][3] = suffix
    assert read(table(tmp_path / name, content)).classes == ("a", "b", "c", suffix)


def _margin(z):
    ordered = np.sort(z, axis=1)
    return ordered[:, -1] - ordered[:, -2]


def _entropy(z):
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return -(p * np.log(p)).sum(axis=1)


MADE = {
    "largest": lambda z: z.max(axis=1),
    "smallest": lambda z: z.min(axis=1),
    "margin": _margin,
    "sum": lambda z: z.sum(axis=1),
    "mean": lambda z: z.mean(axis=1),
    "spread": lambda z: z.std(axis=1),
    "log-sum-exp": lambda z: np.log(np.exp(z).sum(axis=1)),
    "energy": lambda z: -np.log(np.exp(z).sum(axis=1)),
    "entropy": _entropy,
    "confidence": lambda z: (np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)).max(axis=1),
    "place of the largest": lambda z: z.argmax(axis=1).astype(float),
    "constant": lambda z: np.full(len(z), 14.2),
}


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
@pytest.mark.parametrize("what", MADE)
@pytest.mark.parametrize("k", [3, 7])
@pytest.mark.parametrize("digits", [3, 12])
def test_numbers_that_are_no_scores_are_asked_about(tmp_path, name, what, k, digits):
    """Whatever it is called, a function of the other columns is no class of its own."""
    z = np.random.default_rng(1).normal(size=(200, k)).round(digits)
    content = {f"logit_{j}": z[:, j].tolist() for j in range(k)}
    content["logit_x"] = MADE[what](z).round(digits).tolist()
    content["label"] = z.argmax(axis=1).tolist()
    path = table(tmp_path / name, content)
    assert refusal(path).startswith("column 'logit_x' is named like the logits")
    del content["label"]
    assert "'logit_x'" in refusal(table(tmp_path / name, content))


@pytest.mark.parametrize("n", [1, 3, 8, 300])
@pytest.mark.parametrize("k", [2, 3, 10, 400])
@pytest.mark.parametrize(
    "what", ["free", "centred", "log-probabilities", "probs", "reference", "masked"]
)
def test_classes_that_never_occur_are_classes(tmp_path, n, k, what):
    """Columns of real heads are not asked about, though labels name one class only."""
    z = np.random.default_rng(n + k).normal(size=(n, k))
    stem = "logit"
    if what == "centred":
        z -= z.mean(axis=1, keepdims=True)
    elif what in ("log-probabilities", "probs"):
        z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
        if what == "probs":
            z, stem = np.exp(z), "prob"
    elif what == "reference":
        z[:, 0] = 0.0
    elif what == "masked":
        z[:, 1] = -np.inf if n % 2 else -1e4
    content = {f"{stem}_c{j}": z[:, j].tolist() for j in range(k)}
    content["label"] = ["c0"] * n
    assert read(table(tmp_path / "a.csv", content)).values.shape == (n, k)


def test_whole_numbers_are_no_evidence_where_all_are_whole(tmp_path):
    """Quantised logits are read."""
    z = np.random.default_rng(0).integers(-128, 127, size=(100, 4))
    content = {f"logit_{j}": z[:, j].tolist() for j in range(4)}
    content["label"] = [0] * 100
    assert read(table(tmp_path / "a.csv", content)).values.shape == (100, 4)


def test_a_shard_is_asked_about_too(tmp_path):
    """A folder and blocks of rows ask as a file does."""
    content = scores(np.random.default_rng(0), ["logit_a", "logit_b", "logit_margin"])
    content["label"] = ["a", "b"] * 6
    table(tmp_path / "1.parquet", content)
    with pytest.raises(FileFormatError, match="'logit_margin' is named like"):
        read(tmp_path)
    with pytest.raises(FileFormatError, match="'logit_margin' is named like"):
        list(read_blocks(tmp_path))


# --- names that are nearly ours -------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_plurals_are_ours(tmp_path, name):
    """Labels, weights, groups, clusters and ids may be called by their plurals."""
    content = {"logit": [1.0, 2.0], "labels": [0, 1], "weights": [1.5, 2.0]}
    content |= {"groups": ["g", "h"], "clusters": ["c", "d"], "ids": ["x", "y"]}
    dataset = read(table(tmp_path / name, content))
    assert [str(label) for label in dataset.labels.tolist()] == ["0", "1"]
    assert dataset.weights.tolist() == [1.5, 2.0]
    assert dataset.groups.tolist() == ["g", "h"]
    assert dataset.clusters.tolist() == ["c", "d"]
    assert dataset.ids.tolist() == ["x", "y"]


@pytest.mark.parametrize("name", FORMATS)
def test_near_names_are_asked_about(tmp_path, name):
    """A column that is nearly ours is an error, until its user says what it is."""
    content = {"logit": [1.0, 2.0], "label": [0, 1], "sample_weight": [1.5, 2.0]}
    path = table(tmp_path / name, content)
    assert "--weight-column sample_weight" in refusal(path)
    assert read(path, fields=Fields(weight="sample_weight")).weights.tolist() == [1.5, 2.0]
    assert read(path, fields=Fields(weight="none")).weights is None


def test_none_leaves_a_column_of_ours_out(tmp_path):
    """A weight that its user does not want is not read."""
    path = as_text(tmp_path / "a.csv", "logit,label,weight\n1,0,x\n")
    assert read(path, fields=Fields(weight="none")).weights is None


# --- missing cells --------------------------------------------------------------------------

BLANK = [None, 0.5, 0.25, 0.75, 0.125, None, 0.5, 0.5, 0.25, 0.5]


@pytest.mark.parametrize("name", FORMATS)
def test_missing_values_are_counted_and_left_out(tmp_path, name):
    """Without a word an error counts the rows; with it they are left out whole."""
    content = {
        "prob_a": BLANK,
        "prob_b": [None if v is None else 1 - v for v in BLANK],
        "label": ["a", "b", None, "a", "b", "a", "b", "a", "b", "a"],
        "group": ["g", "h", "g", "h", "g", "h", "g", None, "g", "h"],
        "weight": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, None, 10.0],
        "id": [f"r{i}" for i in range(10)],
    }
    path = table(tmp_path / name, content)
    message = refusal(path)
    assert message.startswith("5 of 10 rows lack a value of 'prob_a', 'prob_b', ")
    place = "line 2" if ".csv" in name or ".tsv" in name else "row 1 (counted from 1)"
    assert f"the first is in {place}" in message or f"the first is {place}" in message
    assert "--na drop" in message
    dataset = read(path, na="drop")
    assert dataset.ids.tolist() == ["r1", "r3", "r4", "r6", "r9"]
    assert dataset.values.tolist() == [[v, 1 - v] for v in (0.5, 0.75, 0.125, 0.5, 0.5)]
    assert dataset.labels.tolist() == ["b", "a", "b", "b", "a"]
    assert dataset.groups.tolist() == ["h", "h", "g", "g", "h"]
    assert dataset.weights.tolist() == [2, 4, 5, 7, 10]
    assert dataset.left_out == (0, 2, 5, 7, 8)
    assert dataset.notes == ("5 of 10 rows were left out, which lack a value (--na drop).",)
    for array in (dataset.values, dataset.labels, dataset.groups, dataset.ids, dataset.weights):
        assert not isinstance(array, np.ma.MaskedArray)


@pytest.mark.parametrize(
    "word", ["", " ", "NA", "n/a", "NaN", "nan", "null", "None", "#N/A", "<NA>"]
)
def test_words_for_nothing(tmp_path, word):
    """What R, pandas and spreadsheets write for nothing is missing among numbers."""
    path = as_text(tmp_path / "a.csv", f"prob,label\n0.5,1\n{word},0\n")
    assert refusal(path).startswith("1 of 2 rows lacks a value of 'prob'")
    assert read(path, na="drop").values.tolist() == [0.5]


def test_a_class_called_na_is_a_class(tmp_path):
    """Words for nothing are names where a class or a group has that name."""
    path = as_text(tmp_path / "a.csv", "prob_NA,prob_b,label,group\n.5,.5,NA,NA\n.25,.75,b,None\n")
    dataset = read(path)
    assert dataset.labels.tolist() == ["NA", "b"]
    assert dataset.groups.tolist() == ["NA", "None"]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@pytest.mark.parametrize(
    "labels", [[True, None, False], [1, None, 0], ["a", None, "b"], [1.0, None, 0.0]]
)
def test_labels_keep_their_type_when_rows_are_left_out(tmp_path, name, labels):
    """A null among booleans or integers makes no floats of them."""
    path = table(tmp_path / name, {"logit": [1.0, 2.0, 3.0], "label": labels})
    dataset = read(path, na="drop")
    assert dataset.labels.tolist() == [labels[0], labels[2]]
    assert type(dataset.labels.tolist()[0]) is type(labels[0])
    assert dataset.values.tolist() == [1.0, 3.0]


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "stream.arrow"])
def test_lists_with_nulls_are_left_out(tmp_path, name):
    """A null or NaN in a list leaves the row out, as a null list does."""
    rows = [[1.0, 2.0], None, [3.0, None], [4.0, 5.0], [float("nan"), 1.0]] + [[6.0, 7.0]] * 7
    path = table(tmp_path / name, {"logits": rows, "label": list(range(2)) * 6})
    assert refusal(path).startswith("3 of 12 rows lack a value of 'logits'")
    assert read(path, na="drop").values.tolist() == [[1, 2], [4, 5]] + [[6, 7]] * 7


def test_rows_are_left_out_of_both_files(tmp_path):
    """Labels of another file go with the rows that are left."""
    outputs = as_text(tmp_path / "a.csv", "prob\n0.1\nNA\n0.3\n0.4\n")
    labels = as_text(tmp_path / "l.csv", 'label\n0\n1\n""\n1\n')
    dataset = read(outputs, labels=labels, na="drop")
    assert dataset.values.tolist() == [0.1, 0.4]
    assert dataset.labels.tolist() == ["0", "1"]
    assert dataset.left_out == (1, 2)


def test_nothing_left_is_an_error(tmp_path):
    """A file of which no row has all its values is refused."""
    for name in ("a.csv", "a.parquet"):
        path = table(tmp_path / name, {"prob": [0.5, None], "label": [None, 1]})
        told = refusal(path, na="drop")
        assert told.startswith("has no row that counts: each lacks a value, and all 2 would be")
    with pytest.raises(InvalidInputError, match='`na` must be "refuse" or "drop"'):
        read(path, na="keep")


def test_a_folder_leaves_rows_out_by_file(tmp_path):
    """Each file counts its own rows; their places are those of all files."""
    table(tmp_path / "1.csv", {"prob": [0.5, None, 0.25], "label": [0, 1, 0]})
    table(tmp_path / "2.csv", {"prob": [None, 0.75], "label": [0, 1]})
    dataset = read(tmp_path, na="drop")
    assert dataset.values.tolist() == [0.5, 0.25, 0.75]
    assert dataset.left_out == (1, 3)
    assert [note.split(": ")[-1][:8] for note in dataset.notes] == ["1 of 3 r", "1 of 2 r"]


def test_the_command_leaves_rows_out_and_says_so(tmp_path, capsys):
    """`--na drop` gives the numbers of the other rows, and a warning that counts them."""
    rng = np.random.default_rng(0)
    p = rng.uniform(size=80).round(3)
    y = (rng.uniform(size=80) < p).astype(int)
    full = table(tmp_path / "full.csv", {"prob": p[10:].tolist(), "label": y[10:].tolist()})
    blank = [None] * 10 + p[10:].tolist()
    some = table(tmp_path / "some.csv", {"prob": blank, "label": y.tolist()})
    results = []
    for path in (full, some):
        assert run(["evaluate", str(path), "--json", "--quick", "--na", "drop"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert results[0]["log_loss"] == results[1]["log_loss"]
    assert any("10 of 80 rows were left out" in warning for warning in results[1]["warnings"])
    assert run(["evaluate", str(some)]) == 2


# --- numbers as people write them -----------------------------------------------------------


def test_percent_signs_say_what_they_say(tmp_path):
    """52.69% is 0.5269, of a column of its own and of several."""
    path = as_text(tmp_path / "a.csv", "prob,label\n52.69%,0\n0.22 %,1\n")
    dataset = read(path)
    assert dataset.values.tolist() == [0.5269, 0.0022]
    assert dataset.percent
    path = as_text(tmp_path / "b.csv", "prob_a,prob_b\n53%,47%\n")
    assert read(path).values.tolist() == [[0.53, 0.47]]
    path = as_text(tmp_path / "c.csv", "logit_a,logit_b\n53%,47%\n")
    assert "holds percentages, which are no logits" in refusal(path)
    assert read(path, kind="probs").values.tolist() == [[0.53, 0.47]]


@pytest.mark.parametrize("scale", ["percent", "fraction", "probability"])
def test_percent_signs_of_answers(tmp_path, capsys, scale):
    """A percent sign is no matter of the scale: it says the number."""
    scores_ = [10, 35, 60, 85, 90, 20, 70, 55] * 5
    correct = [0, 1, 0, 1, 1, 0, 1, 0] * 5
    signed = table(tmp_path / "s.csv", {"score": [f"{s}%" for s in scores_], "correct": correct})
    factor = 1 if scale == "percent" else 100
    plain = table(tmp_path / "p.csv", {"score": [s / factor for s in scores_], "correct": correct})
    options = ["--kind", "answers", "--score-scale", scale, "--json", "--quick"]
    found = []
    for path in (signed, plain):
        assert run(["evaluate", str(path), *options]) == 0
        found.append(json.loads(capsys.readouterr().out)["log_loss"])
    assert found[0] == found[1]


@pytest.mark.parametrize("cell", ["1e400", "-1e400", "+1e999", "-1.8e308"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_numbers_beyond_every_float(tmp_path, cell, name):
    """Only a spelled -inf says that an option does not exist."""
    comma = "," if name == "a.csv" else "\t"
    path = as_text(tmp_path / name, f"logit_a{comma}logit_b\n1{comma}2\n3{comma}{cell}\n")
    assert refusal(path).startswith(f"line 3: column `logit_b`: '{cell}' is beyond every float")
    path = as_text(tmp_path / name, f"logit_a{comma}logit_b\n1{comma}-Infinity\n3{comma}-inf\n")
    assert read(path).values[:, 1].tolist() == [-np.inf, -np.inf]


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_the_header_says_what_separates_cells(tmp_path, separator, name):
    """Semicolons, tabs and bars are read under either suffix."""
    rows = ["prob_a prob_b label", "0.25 0.75 a", "0.5 0.5 b"]
    path = as_text(tmp_path / name, "\n".join(rows).replace(" ", separator))
    assert read(path).values.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    path = as_text(tmp_path / name, f"sep={separator}\n" + "\n".join(rows).replace(" ", separator))
    assert read(path).values.tolist() == [[0.25, 0.75], [0.5, 0.5]]


def test_decimal_commas(tmp_path):
    """A comma is a decimal one where nothing speaks against it, else an error."""
    path = as_text(tmp_path / "a.csv", "prob_a;prob_b;label\n0,4428;0,5572;b\n1;0;a\n")
    assert read(path).values.tolist() == [[0.4428, 0.5572], [1, 0]]
    path = as_text(tmp_path / "b.csv", "logit;label\n1,234;0\n-2,500;1\n")
    assert "may be a decimal comma or one between thousands" in refusal(path)
    path = as_text(tmp_path / "c.csv", "logit;label\n1,23;0\n-2.5;1\n")
    assert "but other cells have a decimal point" in refusal(path)
    path = as_text(tmp_path / "d.csv", "logit;label\n1.234,5;0\n")
    assert "must hold numbers, got '1.234,5'" in refusal(path)
    path = as_text(tmp_path / "e.csv", "logit;label\n1,234;0\n0,5;1\n")
    assert read(path).values.tolist() == [1.234, 0.5]
    path = as_text(tmp_path / "f.csv", "prob;label\n52,69%;0\n")
    assert read(path).values.tolist() == [0.5269]


def test_commas_and_points_of_different_blocks(tmp_path):
    """A comma that comes many rows after a point is refused all the same."""
    rows = ["0.5;1"] * 30_000 + ["0,5;1"]
    path = as_text(tmp_path / "a.csv", "prob;label\n" + "\n".join(rows))
    assert "but other cells have a decimal point" in refusal(path)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.tsv.gz", "A.CSV.GZ"])
def test_gzip_by_its_bytes(tmp_path, name):
    """Packed text is read whatever its name says, whole and in blocks and in a folder."""
    comma = "\t" if "tsv" in name else ","
    content = f"prob{comma}label\n0.25{comma}1\n0.5{comma}0\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()))
    assert read(path).values.tolist() == [0.25, 0.5]
    assert [block.values.tolist() for block in read_blocks(path)] == [[0.25, 0.5]]
    assert read(tmp_path).values.tolist() == [0.25, 0.5]
    path.write_bytes(gzip.compress(content.encode() * 1000)[:-9])
    assert "damaged or cut off" in refusal(path)


@pytest.mark.parametrize(
    ("start", "what"), [(b"PK\x03\x04", "zip archive"), (b"BZh9", "bzip2"), (b"PAR1", ".parquet")]
)
def test_other_packed_bytes_are_named(tmp_path, start, what):
    """What is no text says what it is."""
    path = tmp_path / "a.csv"
    path.write_bytes(start + bytes(100))
    assert what in refusal(path)


def test_a_missing_header_is_named(tmp_path):
    """A first line of numbers is no header."""
    path = as_text(tmp_path / "a.csv", "-1.3,0.35,2\n-3.2,0.01,1\n")
    assert refusal(path).startswith("has no header: its first line holds '-1.3', '0.35', '2'.")
    assert refusal(path, fields=Fields(label="y")).startswith("has no header")
    path = as_text(tmp_path / "b.csv", "0,1,2,label\n.2,.3,.5,1\n")
    assert read(path, fields=Fields(probs="0,1,2")).classes == ("0", "1", "2")


# --- vectors in a cell ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "cells",
    [
        ["[0.25, 0.75]", "[1,0]"],
        ["[0.25 0.75]", "[1.  0. ]"],
        ["[0.25,0.75]", "(2,[0],[1.0])"],
        [" [0.25,\t0.75] ", "[1e0,0]"],
    ],
)
@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.csv.gz"])
def test_a_vector_in_one_cell(tmp_path, cells, name):
    """Lists of JSON, of Spark, of NumPy, and Spark's sparse vectors are rows."""
    path = table(tmp_path / name, {"probability": cells, "label": [1, 0]})
    dataset = read(path, fields=Fields(probs="probability"))
    assert dataset.values.tolist() == [[0.25, 0.75], [1.0, 0.0]]
    path = table(tmp_path / name, {"probs": cells, "label": [1, 0]})
    assert read(path).values.tolist() == [[0.25, 0.75], [1.0, 0.0]]


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["[1,2]", "[1,x]"], "'[1,x]' holds 'x'"),
        (["[1,2]", "1,2"], "got '1,2'"),
        (["[1,2]", "[1,,2]"], "holds null or nothing"),
        (["[1,2]", "[]"], "must not have empty lists"),
        (["[1,2]", "[1,1e999]"], "holds '1e999'"),
        (["[1,2]", "(2,[2],[1])"], "is no sparse vector"),
        (["[1,2]", "(999999999999,[2],[1])"], "is no sparse vector"),
    ],
)
def test_a_cell_that_is_no_vector(tmp_path, name, cells, message):
    """The error names the place and the cell."""
    path = table(tmp_path / name, {"logits": cells, "label": [1, 0]})
    assert message in refusal(path)
    place = "line 3: " if name == "a.csv" else "row 2 (counted from 1): "
    assert refusal(path).startswith(place)


def test_vectors_that_are_missing_are_left_out(tmp_path):
    """A blank cell among vectors is a row that lacks its scores."""
    path = table(tmp_path / "a.csv", {"logits": ["[1,2]", None, "[3,4]"], "label": [1, 0, 1]})
    assert refusal(path).startswith("1 of 3 rows lacks a value of 'logits'")
    assert read(path, na="drop").values.tolist() == [[1, 2], [3, 4]]


def test_vectors_of_spark_in_parquet(tmp_path):
    """Dense and sparse vectors are structs there."""
    dense = {"type": 1, "size": None, "indices": None, "values": [0.25, 0.75]}
    sparse = {"type": 0, "size": 2, "indices": [1], "values": [1.0]}
    fields = Fields(probs="probability")
    path = table(tmp_path / "a.parquet", {"probability": [dense, sparse]})
    assert read(path, fields=fields).values.tolist() == [[0.25, 0.75], [0.0, 1.0]]
    path = table(tmp_path / "a.arrow", {"probability": [dense, dense]})
    assert read(path, fields=fields).values.tolist() == [[0.25, 0.75]] * 2
    path = table(tmp_path / "a.parquet", {"probability": [dense, None]})
    assert refusal(path, fields=fields).startswith("1 of 2 rows lacks")
    assert read(path, fields=fields, na="drop").values.tolist() == [[0.25, 0.75]]
    sparse["indices"] = [2]
    path = table(tmp_path / "a.parquet", {"probability": [dense, sparse]})
    assert "row 2 (counted from 1) is no sparse vector" in refusal(path, fields=fields)


# --- Arrow streams --------------------------------------------------------------------------


@pytest.mark.parametrize("cut", ["batch", "mark", "inside"])
def test_a_stream_that_is_cut_is_refused(tmp_path, cut):
    """Without the mark that ends a stream nothing says that all rows are there."""
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "a.arrow"
    whole = pa.table({"logit": [1.0, 2.0, 3.0, 4.0], "label": [0, 1, 0, 1]})
    ends = []
    with path.open("wb") as file, pa.ipc.new_stream(file, whole.schema) as writer:
        for batch in whole.to_batches(max_chunksize=2):
            writer.write_batch(batch)
            ends.append(file.tell())
    raw = path.read_bytes()
    assert read(path).values.tolist() == [1, 2, 3, 4]
    length = {"batch": ends[0], "mark": ends[1], "inside": ends[1] - 24}[cut]
    path.write_bytes(raw[:length])
    with pytest.raises(FileFormatError, match=r"a\.arrow: "):
        read(path)
    with pytest.raises(FileFormatError, match=r"a\.arrow: "):
        list(read_blocks(path))
    if cut != "inside":
        assert "without the mark that ends one" in refusal(path)


@pytest.mark.parametrize("more", ["stream", "text"])
def test_a_stream_that_goes_on_after_its_end_is_refused(tmp_path, more):
    """Two streams in one file (`cat a b`): the rows of the second are not left out in silence."""
    pa = pytest.importorskip("pyarrow")
    path = tmp_path / "a.arrow"
    whole = pa.table({"logit": [1.0, 2.0, 3.0, 4.0], "label": [0, 1, 0, 1]})
    with path.open("wb") as file, pa.ipc.new_stream(file, whole.schema) as writer:
        writer.write_table(whole)
    raw = path.read_bytes()
    path.write_bytes(raw + {"stream": raw, "text": b"and so on"}[more])
    assert "goes on after the mark that ends it" in refusal(path)
    with pytest.raises(FileFormatError, match="goes on after"):
        list(read_blocks(path))
    path.write_bytes(raw + bytes(64))  # padding
    assert read(path).values.tolist() == [1, 2, 3, 4]


# --- compare: columns and keys of one file --------------------------------------------------


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.npz"])
def test_compare_takes_columns_of_one_file(tmp_path, capsys, name):
    """Two columns of one file give what two files of one column each give."""
    rng = np.random.default_rng(3)
    p = rng.uniform(0.05, 0.95, size=200).round(4)
    y = (rng.uniform(size=200) < p).astype(int)
    q = np.clip(p + rng.normal(scale=0.2, size=200), 0.01, 0.99).round(4)
    columns = {"xgb": p, "svm": q, "label": y}
    path = tmp_path / name
    if name == "a.npz":
        np.savez(path, xgb=p, svm=q, labels=y)
    else:
        table(path, {key: value.tolist() for key, value in columns.items()})
    table(tmp_path / "xgb.csv", {"prob": p.tolist(), "label": y.tolist()})
    table(tmp_path / "svm.csv", {"prob": q.tolist(), "label": y.tolist()})
    options = ["--json", "--quick"]
    names = ["--probs-column", "xgb", "--probs-column", "svm"]
    assert run(["compare", str(path), *names, *options]) == 0
    one = json.loads(capsys.readouterr().out)
    two_files = [str(tmp_path / "xgb.csv"), str(tmp_path / "svm.csv")]
    assert run(["compare", *two_files, *options]) == 0
    two = json.loads(capsys.readouterr().out)
    for each in (one, two):
        del each["data_sha256"]
    assert one.pop("warnings") == []
    assert "were paired with those of" in two.pop("warnings")[0]
    assert one == two
    assert run(["compare", str(path), *names[:2], *options]) == 2
    assert "name both" in capsys.readouterr().err
    assert run(["compare", str(path), *names, *names[:2]]) == 2
    assert "named twice" in capsys.readouterr().err


def test_compare_refuses_other_rows_left_out(tmp_path, capsys):
    """Columns that lack values in other rows are not paired by place."""
    content = {"a": [0.5, None, 0.25, 0.5], "b": [None, 0.5, 0.25, 0.5], "label": [0, 1, 0, 1]}
    path = table(tmp_path / "a.csv", content)
    names = ["--probs-column", "a", "--probs-column", "b", "--na", "drop"]
    assert run(["compare", str(path), *names]) == 2
    assert "other rows lack a value" in capsys.readouterr().err


@pytest.mark.parametrize("name", FORMATS)
def test_labels_that_stand_for_nothing(tmp_path, name):
    """NA among labels is missing in every table, unless a class is called so."""
    content = {"prob_a": [0.5] * 3, "prob_b": [0.5] * 3, "label": ["a", "NA", "b"]}
    content["group"] = ["x", "NA", "NA"]
    path = table(tmp_path / name, content)
    assert refusal(path).startswith("1 of 3 rows lacks a value of 'label'")
    assert read(path, na="drop").labels.tolist() == ["a", "b"]
    content["prob_NA"] = content.pop("prob_b")
    assert read(table(tmp_path / name, content)).groups.tolist() == ["x", "NA", "NA"]


def test_cells_parted_by_blanks(tmp_path):
    """One column of several words is told from a table."""
    path = as_text(tmp_path / "a.csv", "prob_a prob_b label\n.1 .9 a\n")
    assert refusal(path).startswith("has only the column 'prob_a prob_b label'; separate columns")


def test_json_lines_that_lack_a_value(tmp_path):
    """Keys that some lines lack, or have null under: with `na="drop"` those rows are left out."""
    path = tmp_path / "a.jsonl"
    records = [
        {"logits": [1, None], "label": "a", "id": 1, "weight": 1},
        {"logits": [2, 1], "label": "b", "id": 2, "weight": 0.5},
        {"logits": [2, 1], "id": 3, "weight": 1},
        {"logits": [2, 3], "label": "a", "id": None, "weight": 1},
        {"logits": [2, 3], "label": "a", "id": 7},
        {"logits": [0, 3], "label": "a", "id": 8, "weight": 2},
    ]
    path.write_text("\n".join(map(json.dumps, records)))
    with pytest.raises(FileFormatError, match="line 1"):
        read(path)
    dataset = read(path, na="drop")
    assert dataset.values.tolist() == [[2, 1], [0, 3]]
    assert dataset.labels.tolist() == ["b", "a"]
    assert dataset.ids.tolist() == [2, 8]
    assert dataset.weights.tolist() == [0.5, 2.0]
    assert dataset.notes == ("4 of 6 rows were left out, which lack a value (--na drop).",)
    path.write_text("\n".join(json.dumps({"logits": [1, 2], "id": i}) for i in range(3)))
    assert read(path, na="drop").labels is None
    with pytest.raises(FileFormatError, match=r"no key `label` .* in any line"):
        read_labels(path, na="drop")


def test_columns_that_may_hold_scores_are_named_in_a_sentence(tmp_path):
    """Of two candidates one is meant, and the sentence says so."""
    path = table(tmp_path / "a.csv", {"conf_a": [0.1, 0.9], "conf_b": [0.2, 0.8], "label": [0, 1]})
    told = "If one of 'conf_a', 'conf_b' is the probability of class 1, say --probs-column conf_a."
    assert told in refusal(path)


def test_a_column_without_any_value_is_not_left_out_whole(tmp_path):
    """Leaving out every row is no way out."""
    path = table(tmp_path / "a.csv", {"prob": [0.1, 0.9], "label": [None, None]})
    message = refusal(path)
    assert "2 of 2 rows lack a value of 'label'" in message
    assert "--na drop" not in message
    assert "name another column" in message


def test_a_file_of_labels_without_a_header_is_told(tmp_path):
    """Its first label is no column's name; a word may be one."""
    np.save(tmp_path / "z.npy", np.zeros((3, 2)))
    (tmp_path / "numbers.csv").write_text("1\n0\n1\n0\n")
    (tmp_path / "words.csv").write_text("truth\n0\n1\n0\n")
    with pytest.raises(FileFormatError, match=r"Is '1' the first label\? Write a line above it"):
        read(tmp_path / "z.npy", labels=tmp_path / "numbers.csv")
    with pytest.raises(FileFormatError) as refused:
        read(tmp_path / "z.npy", labels=tmp_path / "words.csv")
    assert "first label" not in str(refused.value)


@pytest.mark.parametrize("places", [0, 2])
def test_labels_and_ids_of_databases_may_be_decimals(tmp_path, places):
    """A NUMBER of a database is a decimal in Parquet; its whole numbers are labels and ids."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")

    def numbers(values):
        return pa.array([Decimal(each) for each in values], pa.decimal128(12, places))

    columns = {"logit_0": [0.5, 1.5, 0.0], "logit_1": [1.0, 0.0, 2.0], "label": numbers([1, 0, 1])}
    pq.write_table(pa.table({**columns, "id": numbers([7, 8, 9])}), tmp_path / "a.parquet")
    rows = read(tmp_path / "a.parquet")
    assert rows.labels.tolist() == [1, 0, 1]
    assert rows.ids.tolist() == [7, 8, 9]
    if places:
        columns["label"] = numbers(["0.5", "0", "1"])
        pq.write_table(pa.table(columns), tmp_path / "b.parquet")
        assert read(tmp_path / "b.parquet").labels.tolist() == [0.5, 0.0, 1.0]  # refused by a fit
