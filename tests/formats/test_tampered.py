"""Every field of a saved file, changed alone: an error that names it, or it is all that counts.

A fact that stands in one place may be edited; one that follows from others may not contradict them.
"""

import copy
import json
import re

import numpy as np
import pytest

import temperance as tp
from temperance.calibrators.ensemble import Ensemble
from temperance.decisions import DecisionPolicy, abstain, bands, load_policy, save_policy
from temperance.llm import AnswerConfidence

NOTES = {"library", "fitted_at", "model", "added"}  # of a fit: for people, they describe no map
OPTIONAL = {"promise.map_sha256"}  # older files lack it: it is made again


def rows(k, n=300, seed=0):
    """Over-confident logits of k classes and labels drawn from softmax(z / 2)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 3.0
    p = np.exp(z / 2.0)
    p /= p.sum(axis=1, keepdims=True)
    return z, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)


def calibrators():
    """One of every method and kind, fitted and typed in."""
    three, two, names = rows(3), rows(2), ["ant", "bee", "cat"]
    named = (three[0], np.array(names)[three[1]])
    groups = np.repeat(["law", "math", "odd"], [150, 145, 5])
    yield "identity", tp.Identity.fit(*named, classes=names)
    yield "temperature", tp.TemperatureScaling.fit(*named, classes=names)
    yield "temperature-smooth", tp.TemperatureScaling.fit(*three, smooth=True)
    yield "temperature-typed-in", tp.TemperatureScaling(1.5)
    yield "bias-corrected", tp.BiasCorrectedTemperatureScaling.fit(*three)
    yield "group", tp.GroupTemperatureScaling.fit(*named, groups=groups, classes=names)
    yield "vector", tp.VectorScaling.fit(*named, classes=names)
    yield "matrix", tp.MatrixScaling.fit(*three)
    yield "platt", tp.PlattScaling.fit(*two)
    yield (
        "beta",
        tp.BetaCalibration.fit(two[0], np.array(["no", "yes"])[two[1]], classes=["no", "yes"]),
    )
    yield "isotonic-2", tp.IsotonicCalibration.fit(*two)
    yield "isotonic-3", tp.IsotonicCalibration.fit(*named, classes=names)
    yield "venn-abers", tp.VennAbers.fit(*two)
    yield "ensemble", Ensemble.fit([three[0], three[0] + rows(3, seed=1)[0]], three[1])
    matrix = (rows(3, seed=2)[0] > 0).astype(int)
    yield "multilabel", tp.MultilabelScaling.fit(three[0], matrix, classes=names, prior=1.0)
    yield (
        "multilabel-each",
        tp.MultilabelScaling.fit(three[0], matrix, per_label=True, classes=names, prior=1.0),
    )
    above = (three[0] + np.roll(three[0], 1, axis=0) > 0).astype(int)
    lines = tp.MultilabelScaling.fit(three[0], above, method="platt", classes=names)
    yield "multilabel-lines", lines
    percent = np.tile([50, 60, 70, 80, 90], 60)
    right = np.random.default_rng(3).random(300) < percent / 120
    for method in ("platt", "isotonic"):
        yield (
            f"answers-{method}",
            AnswerConfidence.fit(percent, right, scale="percent", method=method),
        )
    yield "answers-count", AnswerConfidence.fit(percent // 10, right, scale="count", of=10)


CALIBRATORS = dict(calibrators())


def leaves(content, path=()):
    """Yield every path in a JSON value, of objects and lists too; of long lists, their ends."""
    if path:
        yield path
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, (*path, key))
    elif isinstance(content, list):
        for i in sorted({0, 1, len(content) - 1} & set(range(len(content)))):
            yield from leaves(content[i], (*path, i))


def at(content, path):
    for key in path:
        content = content[key]
    return content


def edits(value):
    """Yield other values for a place: of another type, another size, beyond any range."""
    yield from (None, True, "x", [], {}, [value], -1, 0, 0.5, 7, 10**400, 1e308, -1e308)
    if type(value) in (int, float):
        yield from (value + 1, -value, value * 1.01 + 1e-9, 10**9)
    if isinstance(value, str):
        yield from (value + "s", value.upper(), "", "1")
    if isinstance(value, list) and value:
        yield from (value[:-1], [*value, value[-1]], value[::-1])
    if isinstance(value, dict):
        yield {**value, "added": 1}


def same(a, b):
    """Whether JSON values are the same to a reader: 2 and 2.0 are, and no key and null."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return all(same(a.get(key), b.get(key)) for key in a.keys() | b.keys())
    return (isinstance(a, bool) is isinstance(b, bool)) and a == b


def saves_as(path, loaded):
    tp.save(loaded, path)
    return json.loads(path.read_text(encoding="utf-8"))


def shown(path):
    return ".".join(map(str, path))


def what_counts(content):
    """Return the file without what is for people only."""
    content = {key: each for key, each in content.items() if key not in {"evaluation", "library"}}
    fit = content.pop("fit", None) or {}
    fit = {key: each for key, each in fit.items() if key not in NOTES}
    if "calibrator" in content:
        content.pop("rows", None)
        return {**content, "calibrator": what_counts(content["calibrator"])}
    parameters = dict(content["parameters"])
    if not parameters.get("smoothing"):  # none is not written
        parameters.pop("smoothing", None)
    return {**content, "parameters": parameters, "fit": fit}


def check_edits(content, load, save):
    """Try every edit; return those that were neither refused by name nor the one place."""
    wrong = []
    for path in list(leaves(content)):
        before = at(content, path)
        for value in (*edits(before), KeyError):
            changed = copy.deepcopy(content)
            place = at(changed, path[:-1])
            if value is KeyError:
                del place[path[-1]]
            elif same(before, value):
                continue
            else:
                place[path[-1]] = value
            try:
                loaded = load(changed)
            except tp.FileFormatError as error:
                names = [key for key in path if isinstance(key, str)]
                names += [*before, "added"] if isinstance(before, dict) else []
                if "\n" in str(error) or not any(name in str(error) for name in names):
                    wrong.append((shown(path), value, str(error)))
            else:
                left_out = value is None or value is KeyError
                expected = content if left_out and shown(path) in OPTIONAL else changed
                if not same(what_counts(save(loaded)), what_counts(expected)):
                    wrong.append((shown(path), value, "was read, but does not count"))
    return wrong


@pytest.mark.parametrize("name", CALIBRATORS)
def test_every_field_of_a_calibrator_is_checked_or_counts(tmp_path, name):
    """Any one edit of a file is refused, or saved again as it stands: nothing is ignored."""
    path = tmp_path / "c.json"
    calibrator = CALIBRATORS[name]
    tp.save(calibrator, path, facts={"model": "m"}, evaluation={"n": 3})
    content = json.loads(path.read_text(encoding="utf-8"))

    def load(changed):
        path.write_text(json.dumps(changed), encoding="utf-8")
        return tp.load(path)

    assert load(content) == calibrator
    wrong = check_edits(content, load, lambda loaded: saves_as(tmp_path / "again.json", loaded))
    assert not wrong, "\n".join(map(str, wrong[:40]))


def policies():
    """Promises of a risk, of a coverage, of both, per group, and of one row per cluster."""
    z, y = rows(3, n=1200, seed=4)
    scaling = tp.TemperatureScaling.fit(*rows(3))
    probs = scaling.apply(z)
    groups = np.repeat(["law", "math", "odd"], [600, 590, 10])
    settings = {
        "risk": {"max_risk": 0.3},
        "coverage": {"min_coverage": 0.5},
        "both": {"max_risk": 0.3, "min_coverage": 0.3},
        "groups": {"max_risk": 0.3, "groups": groups},
        "groups-coverage": {"min_coverage": 0.5, "groups": groups},
        "clusters": {"max_risk": 0.3, "clusters": np.arange(1200) // 2},
        "all": {"min_coverage": 1.0},
    }
    for name, options in settings.items():
        yield name, DecisionPolicy(scaling, abstain(probs, y, **options), {"n_fit": 300})
    promises = {"min_precision": 0.7, "min_negative_predictive_value": 0.7}
    settings = {
        "bands": {"event": 1, **promises},
        "bands-rates": {"event": 1, "max_false_positive_rate": 0.2, "max_false_negative_rate": 0.2},
        "bands-recall": {"event": 1, "min_recall": 0.3},
        "bands-groups": {"event": 1, "groups": groups, **promises},
        "bands-composite": {
            "clusters": np.arange(1200) // 2, "composite": "product", "min_precision": 0.5,
        },
    }  # fmt: skip
    for name, options in settings.items():
        yield name, DecisionPolicy(scaling, bands(probs, y, **options), {"n_fit": 300})


POLICIES = dict(policies())


@pytest.mark.parametrize("name", POLICIES)
def test_every_field_of_a_policy_is_checked_or_counts(tmp_path, name):
    """Any one edit of a policy is refused, or is the only place of its fact."""
    path = tmp_path / "p.json"
    save_policy(POLICIES[name], path)
    content = json.loads(path.read_text(encoding="utf-8"))
    content["calibrator"] = {**content["calibrator"], "fit": {}, "evaluation": {}}  # seen above

    def load(changed):
        path.write_text(json.dumps(changed), encoding="utf-8")
        return load_policy(path)

    def save(loaded):
        save_policy(loaded, tmp_path / "again.json")
        return json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))

    assert load(content).rule == POLICIES[name].rule
    wrong = check_edits(content, load, save)
    assert not wrong, "\n".join(map(str, wrong[:40]))


@pytest.mark.parametrize("name", CALIBRATORS)
def test_no_finite_number_of_a_file_makes_nan(tmp_path, name):
    """Each number of the parameters at the ends of floats: refused, or probabilities all the same.

    On rows of ordinary logits and of the largest that are allowed, without a warning.
    """
    path = tmp_path / "c.json"
    calibrator = CALIBRATORS[name]
    tp.save(calibrator, path)
    content = json.loads(path.read_text(encoding="utf-8"))
    k = calibrator.n_classes or 3
    z = np.vstack([rows(k, n=5)[0], np.full(k, 1e100), 1e100 * np.eye(k), -1e100 * np.eye(k)])
    scores = np.array([0, 7, 10]) if "count" in name else np.array([0.0, 50.0, 100.0])
    for place in leaves(content["parameters"]):
        if type(at(content["parameters"], place)) not in (int, float):
            continue
        for value in (1e308, -1e308, 5e-324, 1e-300, -1e-300, 1e100, 1e150, -1e150, 0.0):
            changed = copy.deepcopy(content)
            at(changed["parameters"], place[:-1])[place[-1]] = value
            path.write_text(json.dumps(changed), encoding="utf-8")
            try:
                loaded = tp.load(path)
            except tp.FileFormatError:
                continue
            if name.startswith("answers"):
                probs = loaded.apply(scores)
            elif name == "ensemble":
                probs = loaded.apply([z, z[::-1]])
            else:
                probs = loaded.apply(z)
            assert ((probs >= 0.0) & (probs <= 1.0)).all(), (shown(place), value)


@pytest.mark.parametrize("name", [each for each in CALIBRATORS if "answers" not in each])
def test_no_row_makes_nan(name):
    """Options that do not exist, all but one of them, and the largest logits: refused, or fine."""
    calibrator = CALIBRATORS[name]
    k = calibrator.n_classes or 3
    plain, largest = rows(k, n=5)[0], 1e100 * (2.0 * np.eye(k) - 1.0)
    tied = np.full((2, k), 1e100) * np.array([[1.0], [-1.0]])
    cases = [plain, largest, tied]
    for option in range(k):
        masked, only = np.vstack([plain, largest, tied]), plain.copy()
        masked[:, option] = -np.inf
        only[:, np.arange(k) != option] = -np.inf
        cases += [masked, only]
    answered = 0
    for z in cases:
        try:
            probs = calibrator.apply([z, z[::-1]] if name == "ensemble" else z)
        except tp.InvalidInputError:
            assert np.isinf(z).any()
            continue
        answered += 1
        assert ((probs >= 0.0) & (probs <= 1.0)).all()
    assert answered >= 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"n_classes": 1000000000', "`n_classes` must be an integer from 1 to 10,000,000"),
        (f'"n_classes": {"9" * 400}', "`n_classes` must be an integer from 1 to"),
        (f'"n_classes": {"9" * 5000}', "not a JSON file"),
        ('"n_classes": -3', "`n_classes` must be an integer >= 1"),
        ('"n_classes": true', "`n_classes` must be an integer >= 1"),
        ('"n_classes": 1e9', "`n_classes` must be an integer >= 1"),
        ('"n_classes": 3, "n_classes": 3', "'n_classes' must stand once"),
        ('"n_classes": NaN', "numbers must be finite, but it holds NaN"),
        ('"n_classes": -Infinity', "numbers must be finite, but it holds -Infinity"),
        ('"n_classes": 1e999', "`n_classes` must be an integer >= 1"),
        (f'"n_classes": {"[" * 900}{"]" * 900}', "`n_classes` must be an integer >= 1"),
        (f'"n_classes": {"[" * 90000}{"]" * 90000}', "not a JSON file"),
    ],
)
def test_sizes_and_numbers_that_no_file_can_mean(tmp_path, text, message):
    """A small file that asks for much memory, or says a thing twice, is refused in one line."""
    path = tmp_path / "c.json"
    tp.save(tp.TemperatureScaling.fit(*rows(3)), path)
    good = path.read_text(encoding="utf-8")
    assert '"n_classes": 3' in good
    path.write_text(good.replace('"n_classes": 3', text), encoding="utf-8")
    with pytest.raises(tp.FileFormatError, match=re.escape(message)) as refused:
        tp.load(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_more_classes_than_any_row_can_have():
    """A number of classes without names is bounded too, before anything is allocated."""
    with pytest.raises(tp.InvalidInputError, match="`n_classes` must be a whole number from 1 to"):
        tp.TemperatureScaling(1.5, n_classes=10**9)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    """A pipe as a calibrator, a folder, a device: an error at once."""
    import os

    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", tmp_path, "/dev/zero"):
        with pytest.raises(tp.FileFormatError, match="must be a file, but is"):
            tp.load(path)


@pytest.mark.parametrize("name", [name for name in CALIBRATORS if "answers" not in name])
def test_a_map_of_logits_is_one_of_log_probabilities_too(name):
    """What `kind` logits means: an offset of a row changes nothing, so a file of either will do."""
    calibrator = CALIBRATORS[name]
    if calibrator.kind == "multilabel":
        return
    k = calibrator.n_classes or 3
    z = rows(k, n=50, seed=9)[0]
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    if name == "ensemble":
        z, log_p = [z, z[::-1]], [log_p, log_p[::-1]]
    assert calibrator.apply(log_p) == pytest.approx(calibrator.apply(z), abs=1e-12)


def test_structured_maps_without_smoothing_do_not_see_offsets():
    """Their inputs are log-probabilities, whatever the smoothing; the width is the parameters'."""
    base, z = tp.TemperatureScaling(2.0), rows(3, n=20)[0]
    for model in (
        tp.VectorScaling(base, [0.5, 1.0, 2.0], [0.1, 0.0, -0.1]),
        tp.MatrixScaling(base, np.eye(3) + 0.1, [0.1, 0.0, -0.1]),
    ):
        assert model.n_classes == 3
        assert model.apply(z + 7.0) == pytest.approx(model.apply(z), abs=1e-12)
        with pytest.raises(tp.InvalidInputError, match="must have the 3 columns"):
            model.apply(z[:, :2])


def test_a_matrix_refuses_a_row_with_a_masked_class():
    """Every logit moves every class: a row that lacks one is an error, never NaN."""
    z = rows(3, n=6)[0]
    z[4, 1] = -np.inf
    model = CALIBRATORS["matrix"]
    for call in (model.apply, model.scale):
        with pytest.raises(tp.InvalidInputError, match="row 4 holds -inf"):
            call(z)


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('{"logits": [1.0, 0.0], "logits": [0.0, 2.0], "label": 1}', "logits"),
        ('{"logits": [1.0, 0.0], "label": 0, "label": 1}', "label"),
        ('{"logits": [1.0, 0.0], "label": 1, "more": [{"a": 1, "a": 1}]}', "a"),
    ],
)
def test_a_key_that_stands_twice_in_a_record(tmp_path, line, key):
    """No reader takes the last one in silence: the line and the key are named."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"logits": [1.0, 0.0], "label": 0}}\n{line}\n', encoding="utf-8")
    with pytest.raises(tp.FileFormatError, match=f"line 2: the key '{key}' must stand once"):
        tp.readers.read(path)


def test_a_key_that_stands_twice_in_an_answer_of_a_model(tmp_path):
    """The same in the files of language models, however deep."""
    path = tmp_path / "chat.jsonl"
    path.write_text(
        '{"choices": [{"logprobs": {"content": [{"token": "A", "logprob": -0.1, "logprob": -9.0, '
        '"top_logprobs": []}]}}], "label": "A"}\n',
        encoding="utf-8",
    )
    options = tp.readers.LlmFormat("openai-logprobs", options=["A", "B"])
    with pytest.raises(tp.FileFormatError, match="line 1: the key 'logprob' must stand once"):
        tp.readers.read(path, format=options)


def test_what_a_temperature_file_of_other_programs_must_hold(tmp_path):
    """A file typed by hand: the map and its kind, nothing about a fit."""
    path = tmp_path / "c.json"
    content = {
        "format": "temperance/calibrator", "format_version": 1, "method": "temperature",
        "parameters": {"temperature": 2}, "input": {"kind": "logits", "convention": "softmax"},
    }  # fmt: skip
    path.write_text(json.dumps(content), encoding="utf-8")
    assert tp.load(path) == tp.TemperatureScaling(2.0)
