"""Arrays in .npz, .npy and .pt files and JSON lines: names nearly ours, shapes, class names."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.readers import Fields, read

RNG = np.random.default_rng(3)
Z = 2 * RNG.normal(size=(300, 3))
Y = (Z / 2 + RNG.gumbel(size=Z.shape)).argmax(axis=1)
P = reference.softmax(Z)
W = RNG.uniform(0.1, 3, size=300)
NAMES = ["cat", "dog", "owl"]


def save_npz(path, **arrays):
    np.savez(path, **arrays)


def save_jsonl(path, **arrays):
    columns = {name: np.asarray(each).tolist() for name, each in arrays.items()}
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")


def save_pt(path, **arrays):
    torch = pytest.importorskip("torch")
    torch.save({name: torch.as_tensor(each) for name, each in arrays.items()}, path)


SAVERS = {"npz": save_npz, "jsonl": save_jsonl, "pt": save_pt, "pth": save_pt}


@pytest.fixture(params=SAVERS)
def save(request, tmp_path):
    """Write arrays under their names in one of the formats; return the path."""

    def write(**arrays):
        path = tmp_path / f"a.{request.param}"
        SAVERS[request.param](path, **arrays)
        return path

    return write


def refusal(path, **options):
    with pytest.raises(tp.FileFormatError) as error:
        read(path, **options)
    return str(error.value)


@pytest.mark.parametrize("plural", [True, False])
def test_singular_and_plural_names_are_read(save, plural):
    """A weight is a weight whether its key is called weight or weights; nothing is ignored."""
    s = "s" if plural else ""
    beside = {"label": Y, "weight": W, "group": Y % 2, "cluster": Y, "id": np.arange(300)}
    path = save(**{f"logit{s}": Z}, **{name + s: each for name, each in beside.items()})
    found = read(path)
    assert found.kind == "logits"
    for name, each in beside.items():
        assert np.asarray(getattr(found, f"{name}s")).tolist() == each.tolist()
    fitted = tp.TemperatureScaling.fit(found.values, found.labels, weights=found.weights)
    assert fitted.temperature == pytest.approx(reference.temperature(Z, Y, W), rel=1e-6)


@pytest.mark.parametrize("name", ["Weights", "sample_weight", "weigth", "weihgts", "sampleWeight"])
def test_a_key_that_is_nearly_ours_is_asked_about(save, name):
    """The option that the message names reads it, or says that it is none of ours."""
    path = save(logits=Z, label=Y, **{name: W})
    message = refusal(path)
    assert f"--weight-column {name}" in message
    assert read(path, fields=Fields(weight=name)).weights == pytest.approx(W)
    assert read(path, fields=Fields(weight="none")).weights is None


@pytest.mark.parametrize(("one", "other"), [("weight", "weights"), ("label", "labels")])
def test_two_keys_for_one_thing_are_refused(save, one, other):
    """Which of the two counts is said by an option."""
    path = save(logits=Z, **{"label": Y, one: W if one == "weight" else Y, other: Y})
    assert f"has both `{one}` and `{other}`" in refusal(path)


@pytest.mark.parametrize(
    ("keys", "options"),
    [
        (("y_prob", "y_true"), "--probs-column y_prob --label-column y_true"),
        (("predictions", "ground_truth"), "--probs-column predictions --label-column ground_truth"),
        (("val_logits", "val_labels"), "--logits-column val_logits --label-column val_labels"),
        (("arr_0", "arr_1"), "--probs-column arr_0 --label-column arr_1"),
        (("my scores", "target"), "--probs-column 'my scores' --label-column target"),
    ],
)
def test_other_keys_are_refused_with_the_options_to_copy(keys, options, tmp_path, run):
    """And these options work when they are copied."""
    import shlex

    values = Z if "logits" in keys[0] else P
    np.savez(tmp_path / "a.npz", **dict(zip(keys, (values, Y[:, None]), strict=True)))
    message = run("fit", "a.npz", code=2).stderr
    assert f"Name them: {options}." in message
    told = json.loads(run("fit", "a.npz", "--quick", "--json", *shlex.split(options)).stdout)
    assert told["temperature"] == pytest.approx(reference.temperature(Z, Y), rel=1e-6)


def test_log_odds_under_another_key_and_labels_alone(tmp_path):
    """A column of floats may be scores; a file of labels names what it holds."""
    np.savez(tmp_path / "a.npz", margin=Z[:, 0], y_true=Y % 2)
    assert "--logits-column margin --label-column y_true." in refusal(tmp_path / "a.npz")
    np.savez(tmp_path / "l.npz", gold=Y)
    np.savez(tmp_path / "z.npz", logits=Z)
    assert "--label-column gold" in refusal(tmp_path / "z.npz", labels=tmp_path / "l.npz")


def test_class_is_a_name_per_column_or_asked_about(tmp_path):
    """Of as many entries as rows it may be the labels."""
    np.savez(tmp_path / "a.npz", logits=Z, labels=Y, **{"class": NAMES})
    assert read(tmp_path / "a.npz").classes == tuple(NAMES)
    np.savez(tmp_path / "a.npz", logits=Z, **{"class": Y})
    assert "--label-column class" in refusal(tmp_path / "a.npz")
    assert read(tmp_path / "a.npz", fields=Fields(label="class")).labels.tolist() == Y.tolist()


@pytest.mark.parametrize("format_", ["npz", "pt"])
def test_single_columns_are_read_as_one_value_per_row(tmp_path, format_):
    """Labels, weights, and scores of one output."""
    path = tmp_path / f"a.{format_}"
    hit = (Z[:, 0] + 2 * RNG.logistic(size=300) > 0).astype(int)
    SAVERS[format_](path, logits=Z[:, :1], labels=hit[:, None], weights=W[:, None])
    found = read(path)
    assert [each.shape for each in (found.values, found.labels, found.weights)] == [(300,)] * 3
    blocks = [each.values.shape for each in tp.readers.read_blocks(path)]
    assert blocks == [(300,)]


@pytest.mark.parametrize(
    ("shape", "labels", "message"),
    [
        ((5, 300, 3), (300,), "several models"),
        ((300, 3, 5), (300,), "several models"),
        ((300, 5, 3), (300, 1), "several models"),
        ((300, 3, 4, 4), (300, 4, 4), "--class-axis"),
        ((20, 30, 3), (20, 30), "--class-axis"),
    ],
)
def test_more_axes_are_models_or_pixels(tmp_path, shape, labels, message):
    """By the shape of the labels: each advice only where it can work."""
    np.savez(tmp_path / "a.npz", logits=np.zeros(shape), labels=np.zeros(labels, int))
    found = refusal(tmp_path / "a.npz")
    assert message in found
    assert ("several models" in found) != ("--class-axis" in found)


def test_messages_of_files_speak_of_files(tmp_path, run):
    """One-hot labels: what to save and which option, and no Python."""
    np.savez(tmp_path / "a.npz", logits=Z, labels=np.eye(3)[Y])
    message = run("fit", "a.npz", code=2).stderr
    assert "One-hot rows? Save the place of the 1 in each row" in message
    assert "--kind multilabel" in message
    assert "argmax" not in message


@pytest.mark.parametrize(
    ("suffix", "words"),
    [
        (".pkl", "loading them can run code"),
        (".h5", "np.savez"),
        (".txt", "Name it .csv"),
        (".json", ".jsonl"),
        (".xlsx", "Export the sheet"),
    ],
)
def test_formats_that_are_not_read_have_a_way_out(tmp_path, suffix, words):
    """What frameworks save, and what to save instead."""
    (tmp_path / f"a{suffix}").write_bytes(b"x")
    assert words in refusal(tmp_path / f"a{suffix}")


def test_tensors_of_every_dtype(tmp_path):
    """A single tensor is the scores; narrow dtypes become float32."""
    torch = pytest.importorskip("torch")
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        torch.save(torch.tensor(Z).to(dtype).requires_grad_(), tmp_path / "z.pt")
        values = read(tmp_path / "z.pt").values
        assert values == pytest.approx(torch.tensor(Z).to(dtype).double().numpy(), abs=0)


@pytest.mark.parametrize("content", ["module", "list", "expanded", "legacy"])
def test_what_else_torch_saves_is_refused(tmp_path, content):
    """No code runs; what takes more memory than the file holds is not made."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pt"
    ran = tmp_path / "ran"

    class Evil:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    if content == "module":
        torch.save({"logits": Evil()}, path)
    elif content == "list":
        torch.save([torch.zeros(3, 2)], path)
    elif content == "expanded":
        torch.save({"logits": torch.zeros(1, 2).expand(10**9, 2)}, path)
    else:
        torch.save(torch.zeros(3, 2), path, _use_new_zipfile_serialization=False)
    assert refusal(path).startswith(str(path))
    assert not ran.exists()


def test_a_torch_file_needs_torch(tmp_path):
    """The error names the extra."""
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("x", "y")
    code = (
        "import sys; sys.modules['torch'] = None\n"
        f"from temperance.readers import read; read({str(tmp_path / 'a.pt')!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "temperance[torch]" in done.stderr.splitlines()[-1]


def test_a_key_that_stands_twice_in_an_archive(tmp_path):
    """Which of the two would count?"""
    np.savez(tmp_path / "a.npz", logits=Z, labels=Y)
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("labels.npy", archive.read("labels.npy"))
    assert "'labels.npy' more than once" in refusal(tmp_path / "a.npz")


def lines(*records):
    return "\n".join(map(json.dumps, records)) + "\n"


def test_scores_by_name_are_aligned(tmp_path, run):
    """Options in another order in every line, as pipelines sort them, belong to their names."""
    path = tmp_path / "a.jsonl"
    records = []
    for row, label in zip(P, Y, strict=True):
        order = np.argsort(-row)
        records.append(
            {"label": NAMES[label], "probs": {NAMES[i]: float(row[i]) for i in order}},
        )
    path.write_text(lines(*records))
    found = read(path)
    back = found.values[:, [found.classes.index(name) for name in NAMES]]
    assert back == pytest.approx(P, abs=0)
    right = reference.temperature(Z, Y)
    told = json.loads(run("fit", "a.jsonl", "--quick", "--json").stdout)
    assert told["temperature"] == pytest.approx(right, rel=1e-6)
    pipeline = [
        {"label": r["label"], "out": [{"label": n, "score": p} for n, p in r["probs"].items()]}
        for r in records
    ]
    path.write_text(lines(*pipeline))
    assert "--probs-column out" in refusal(path)
    again = read(path, fields=Fields(probs="out"))
    assert again.classes == found.classes
    assert (again.values == found.values).all()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ('{"probs": {"a": 0.5, "c": 0.5}}', "line 2: .*lacks 'b' and adds 'c'.*--format decisions"),
        ('{"probs": {"a": 1.0}}', "line 2: .*lacks 'b'"),
        ('{"probs": [0.5, 0.5]}', "line 2: `probs` is a list in this line and an object before"),
        ('{"probs": {"a": 0.5, "a": 0.5}}', "line 2: .*the key 'a' must stand once"),
        ('{"probs": {"a": 0.5, "b": "x"}}', "line 2: `probs` must hold numbers, got 'x'"),
        ('{"probs": {"a": 0.5, "b": 1e400}}', "line 2: holds the number 1e400, too large"),
    ],
)
def test_scores_by_name_that_contradict_the_first_line(tmp_path, second, message):
    """Every line has the same names, once."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"probs": {"a": 0.5, "b": 0.5}}\n' + second + "\n")
    with pytest.raises(tp.FileFormatError, match=message):
        read(path)


@pytest.mark.parametrize(
    "number", ["1e400", "-1e400", "-2E+0999", "1" * 400, "-" + "9" * 310 + ".5"]
)
def test_a_number_too_large_is_no_infinity(tmp_path, number):
    """-1e400 is not "this option does not exist"; -Infinity is, and is said so."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"logits": [1, 2]}\n{"logits": [1, ' + number + "]}\n")
    with pytest.raises(tp.FileFormatError, match=r"line 2: .*too large for a float"):
        read(path)
    path.write_text('{"logits": [1, 2]}\n{"logits": [1e-400, -Infinity]}\n')
    assert read(path).values.tolist() == [[1, 2], [0, -np.inf]]


def test_json_lines_carry_the_names_of_the_classes(tmp_path):
    """Written with the first line, read from any; lines that contradict each other are refused."""
    path = tmp_path / "a.jsonl"
    labels = np.array(NAMES)[Y]
    tp.writers.write_probs(path, P, classes=NAMES, labels=labels)
    found = read(path)
    assert found.classes == tuple(NAMES)
    assert found.labels.tolist() == labels.tolist()
    assert (found.values == P).all()
    own = path.read_text().splitlines()
    path.write_text("\n".join([*own[1:], own[0]]) + "\n")
    assert read(path).classes == tuple(NAMES)
    path.write_text(lines({"probs": [0.5, 0.5], "classes": ["a", "b"]},
                          {"probs": [0.5, 0.5], "classes": ["b", "a"]}))  # fmt: skip
    assert "line 2: `classes` must be the same" in refusal(path)
