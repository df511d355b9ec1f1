"""Files of earlier versions: one per kind of map, never changed, read and applied by everybody."""

import copy
import json
import shutil
import subprocess
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

import temperance as tp
from mutations import json_mutations
from temperance.calibrators import METHODS
from temperance.decisions import load_cascade, load_policy, policy_id
from temperance.decisions.policy import policy_of
from temperance.formats import content_id, schema
from temperance.readers.json_object import JsonObject

FOLDER = Path(__file__).parents[1] / "data" / "golden"
FILES = sorted(FOLDER.glob("*.json"))
DIGESTS = {  # of each file: what was written once is read for ever
    "answers-count": "256baa32228e70e7",
    "answers-fraction": "9affeee33ba77fd1",
    "answers-logprob": "c4c1cc7b5b821e67",
    "answers-percent": "cc685e6634196f5e",
    "answers-probability": "03de359b65dc1ddf",
    "answers-real": "c2f067e91b9917cd",
    "beta": "20c13b32eb6e90f3",
    "bias-corrected-temperature": "ff4b2d57e382f8b5",
    "ensemble-linear": "ffef27c02971f15e",
    "ensemble-log": "7e7b3c8ed7828a5d",
    "group-temperature": "da7aedb01ec3a94a",
    "identity": "2da37868aeebc6c0",
    "isotonic-2": "15b9a6ae31fab760",
    "isotonic-3": "e21b891224fb6541",
    "isotonic-zeros": "56f197cb9766caf9",
    "matrix": "c3d62cc80a577393",
    "multilabel-group-temperature": "0a2078e8cb086ad1",
    "multilabel-platt": "c1a38ddb925031e4",
    "multilabel-temperature": "5e04aa6e3d0df92b",
    "platt": "c2c2dbbd6c93da7f",
    "policy-bands-groups": "80b6854c86e45815",
    "policy-bands": "1674e63a9f2a07b9",
    "policy-groups": "263d709b94d7f892",
    "policy": "ac72247c402ec398",
    "temperature-any-width": "fcc408e5e1e02664",
    "temperature-smoothed": "20700755b1d4bf93",
    "temperature": "a19971327e493bf2",
    "vector": "7dc8fcdad100b056",
    "venn-abers-zeros": "6e936c31aa7affb2",
    "venn-abers": "73250cb90b7ffdbb",
}


def content(path):
    return json.loads(path.read_text(encoding="utf-8"))


def written(path):
    """Return the calibrator.json or policy.json in a golden file."""
    top = content(path)
    return top.get("calibrator") or top["policy"]


def rows_of(top):
    """Return the rows; null is an option that does not exist, -infinity."""
    rows = np.array(top["rows"], dtype=object)
    return np.where(np.equal(rows, None), -np.inf, rows).astype(np.float64)


def test_no_golden_file_has_changed():
    """A file that a version wrote stays as it is; a new one is added with its digest."""
    found = {path.stem: sha256(path.read_bytes()).hexdigest()[:16] for path in FILES}
    assert found == DIGESTS


def test_every_method_has_one():
    """All methods, both kinds of policies, all kinds of inputs."""
    calibrators = [written(path) for path in FILES if "policy" not in path.stem]
    assert {each["method"] for each in calibrators} == set(METHODS)
    assert {each["input"]["kind"] for each in calibrators} == {"logits", "multilabel", "answers"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_files_give_the_same_probabilities(path, tmp_path):
    """What the file's own version gave: 1e-13, and the same decisions."""
    top, file = content(path), tmp_path / "file.json"
    file.write_text(json.dumps(written(path)), encoding="utf-8")
    settings = {"groups": top["groups"]} if "groups" in top else {}
    rows = rows_of(top)
    if "policy" in top:
        probs, accepted = load_policy(file).apply(rows, refuse_probs=False, **settings)
        assert accepted.tolist() == top["accepted"]
        assert 0 < accepted.sum() < len(rows)
        if "bands" in top:
            decided = load_policy(file).decide(rows, refuse_probs=False, **settings)
            assert decided.bands.tolist() == top["bands"]
            assert set(top["bands"]) == {"accept", "review", "reject"}
    else:
        calibrator = tp.load(file)
        if calibrator.kind != "answers":
            settings["refuse_probs"] = False
        of_models = list(rows.transpose(1, 0, 2)) if calibrator.traits.members else rows
        probs = calibrator.apply(of_models, **settings)
    assert probs == pytest.approx(np.array(top["probs"]), abs=1e-13)


def test_a_cascade_of_version_1_routes_rows_as_it_did(tmp_path):
    """What the version that wrote it gave: who answers, whom the first asks, 1e-13 in between."""
    path = FOLDER.with_name("golden_cascades") / "three-models.json"
    assert sha256(path.read_bytes()).hexdigest()[:16] == "447554fbfc39deca"
    top, file = content(path), tmp_path / "cascade.json"
    file.write_text(json.dumps(top["cascade"]), encoding="utf-8")
    logits = {name: np.array(rows) for name, rows in top["logits"].items()}
    policy = load_cascade(file)
    assert policy.goes_on(logits["small"]).tolist() == top["first_goes_on"]
    routed = policy.apply(logits)
    assert [policy.names[number] for number in routed.model] == top["answered_by"]
    assert set(top["answered_by"]) == {"small", "mid", "large"}
    assert routed.probs == pytest.approx(np.array(top["probs"]), abs=1e-13)


@pytest.fixture(scope="module")
def javascript():
    """What the reader in JavaScript gives for every golden file."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    script = Path(__file__).with_name("check_golden.mjs")
    ended = subprocess.run(["node", str(script)], capture_output=True, text=True, check=True)
    return json.loads(ended.stdout)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_javascript_gives_the_same_probabilities(javascript, path):
    """A reader without a dependency, of another language, agrees to 1e-12."""
    result = javascript[path.name]
    assert result["rows"] == len(content(path)["rows"])
    assert result["largest"] <= 1e-12
    assert result["decided"] == 0


def javascript_gives(calibrator, row, options="{}"):
    """What the reader gives for a row, written in JavaScript; the text of an error."""
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    module = Path(__file__).parents[2] / "examples" / "javascript" / "temperance.mjs"
    code = (
        f"import {{ apply }} from {json.dumps(module.as_uri())};"
        f"let given; try {{ given = apply({json.dumps(calibrator)}, {row}, {options}); }}"
        "catch (e) { given = e.message; } console.log(JSON.stringify(given));"
    )
    command = ["node", "--input-type=module", "-e", code]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.parametrize("name", ["temperature", "multilabel-temperature", "ensemble-log"])
def test_javascript_takes_rows_of_single_precision(name):
    """What other runtimes give is a Float32Array: the numbers are computed in double precision."""
    calibrator, row = written(FOLDER / f"{name}.json"), "new Float32Array([2, 0.5, -1])"
    array = "[2, 0.5, -1]"
    if name == "ensemble-log":
        n = len(calibrator["parameters"]["weights"])
        row, array = (f"[{', '.join([each] * n)}]" for each in (row, array))
    given = javascript_gives(calibrator, row)
    assert isinstance(given, list)
    assert given == javascript_gives(calibrator, array)


REFUSED_ROWS = [
    ("temperature", "[1, 2]", "3 numbers"),
    ("temperature", "[1, 2, NaN]", "3 numbers"),
    ("temperature", "[1, 2, undefined]", "or null"),
    ("temperature", '["1", "2", "3"]', "3 numbers"),
    ("temperature", "[null, null, null]", "3 numbers"),
    ("temperature", "[[1, 2, 3]]", "3 numbers"),
    ("temperature", "3", "3 numbers"),
    ("multilabel-temperature", "[1, null, 2]", "3 numbers"),
    ("ensemble-log", "[[1, 2, 3]]", "a row of each"),
    ("answers-probability", "null", "a probability"),
    ("answers-count", '"3"', "a count"),
    ("answers-count", "1e9", "a count"),
]


@pytest.mark.parametrize(("name", "row", "message"), REFUSED_ROWS)
def test_javascript_refuses_rows_that_apply_refuses(name, row, message):
    """No row becomes nan, and no text, gap or missing score a number, in silence."""
    assert message in javascript_gives(written(FOLDER / f"{name}.json"), row)


def test_names_of_groups_and_labels_are_their_own():
    """A group or a label called "constructor", which every object of JavaScript has."""
    grouped = written(FOLDER / "group-temperature.json")
    pooled = javascript_gives(grouped, "[1, 2, 3]")
    assert javascript_gives(grouped, "[1, 2, 3]", '{ group: "constructor" }') == pooled
    labels = written(FOLDER / "multilabel-temperature.json")
    named = copy.deepcopy(labels)
    named["input"]["classes"][0] = "constructor"
    named["parameters"]["temperatures"] = {}
    assert javascript_gives(named, "[1, 2, 3]") == javascript_gives(labels, "[1, 2, 3]")


def test_javascript_refuses_what_it_does_not_know():
    """Another format, a newer version, an unknown method."""
    good = written(FOLDER / "temperature.json")
    for change in ({"format": "x"}, {"format_version": 2}, {"format_version": None},
                   {"method": "new"}, {"method": "toString"}):  # fmt: skip
        message = javascript_gives({**good, **change}, "[1, 2, 3]")
        assert "calibrator.json of version 1" in message or "unknown method" in message


# --- the schema ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def validators():
    jsonschema = pytest.importorskip("jsonschema")
    made = {}
    for name in ("calibrator", "policy"):
        jsonschema.Draft202012Validator.check_schema(schema(name))
        made[name] = jsonschema.Draft202012Validator(schema(name))
    return made


def of(validators, path):
    return validators["policy" if "policy" in path.stem else "calibrator"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_schema_takes_what_is_written(validators, path):
    """Every golden file, of exactly one kind and method."""
    assert not list(of(validators, path).iter_errors(written(path)))


def parts_read(top):
    """Return what readers use of a file: no notes for people."""
    part = copy.deepcopy(top)
    for owner in (part, part.get("calibrator", {})):
        for notes in ("fit", "evaluation", "rows", "library"):
            owner.pop(notes, None)
    return part


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_read_is_in_the_schema(validators, path, tmp_path):
    """Keys dropped and added, numbers made texts: the reader takes nothing that the schema lacks.

    It refuses more (numbers that do not fit together), and with no other error.
    """
    file, taken = tmp_path / "file.json", 0
    is_policy = "policy" in path.stem
    for damaged in (parts_read(written(path)), *json_mutations(parts_read(written(path)))):
        file.write_text(json.dumps(damaged), encoding="utf-8")
        valid = of(validators, path).is_valid(damaged)
        try:
            (load_policy if is_policy else tp.load)(file)
        except tp.FileFormatError:
            continue
        assert valid, damaged
        taken += 1
    assert taken  # the file itself, without notes for people


def test_a_schema_stands_alone_and_is_printed(run):
    """`temperance schema NAME` prints what `formats.schema` returns."""
    for name in ("calibrator", "policy", "cascade"):
        assert json.loads(run("schema", name).stdout) == schema(name)
    with pytest.raises(tp.InvalidInputError, match="`name`"):
        schema("report")
    run("schema", "report", code=2)


# --- the id of a map -------------------------------------------------------------------------


def test_the_id_is_that_of_the_map(tmp_path, sample):
    """The same after saving, whatever the file says of the fit; another with another number."""
    z, y = sample(0, n=300)
    fitted = tp.TemperatureScaling.fit(z, y, classes=None)
    tp.save(fitted, tmp_path / "c.json", facts={"model": "m"})
    assert content_id(tp.load(tmp_path / "c.json")) == content_id(fitted)
    typed = tp.TemperatureScaling(fitted.temperature, n_classes=4)
    assert content_id(typed) == content_id(fitted)
    others = [
        tp.TemperatureScaling(np.nextafter(fitted.temperature, 9.0), n_classes=4),
        tp.TemperatureScaling(fitted.temperature),
        tp.TemperatureScaling(fitted.temperature, classes=("a", "b", "c", "d")),
    ]
    assert len({content_id(each) for each in [fitted, *others]}) == 4
    assert content_id(fitted).startswith("sha256:")
    assert len(content_id(fitted)) == 7 + 64


def test_the_id_of_a_policy_is_that_of_its_map_and_thresholds():
    """Another threshold, another map, other groups: another id; notes change nothing."""
    ids = set()
    for name in ("policy", "policy-groups"):
        policy = load_policy_of(written(FOLDER / f"{name}.json"))
        assert policy_id(policy) == policy_id(replace(policy, facts={"rows": "of May"}))
        other = tp.TemperatureScaling(1.9, n_classes=3)
        other_map = replace(policy, calibrator=other, rule=replace(policy.rule, calibrator=None))
        promises = tuple(replace(each, threshold=0.9) for each in policy.rule.promises)
        other_rule = replace(policy, rule=replace(policy.rule, promises=promises))
        ids |= {policy_id(each) for each in (policy, other_map, other_rule)}
    assert len(ids) == 6


def load_policy_of(content):
    return policy_of(JsonObject(content, "policy.json"))
