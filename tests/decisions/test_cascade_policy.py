"""The policy of a cascade: who answers a row and with what probabilities, and its file."""

import copy
import json

import numpy as np
import pytest

import temperance as tp
from cascade_models import three_models, two_models
from mutations import json_mutations
from temperance.decisions import cascade, cascade_id, load_cascade, save_cascade
from temperance.formats import schema


@pytest.fixture(scope="module")
def three():
    """Rules of three models, and new rows of them."""
    models, y = three_models(4000)
    found = cascade({k: z[:3000] for k, z in models.items()}, y[:3000], costs=[0.02, 0.05])
    return found.policy, {k: z[3000:] for k, z in models.items()}


def slow_route(policy, models):
    """Row by row: the first model that does not go on, and its calibrated probabilities."""
    maps = (*policy.calibrators, policy.last)
    probs, answered = [], []
    for i in range(len(models["cheap"])):
        for stage, name in enumerate(policy.names):
            p = maps[stage].apply(models[name][i : i + 1])[0]
            last = stage == len(policy.rules)
            if last or p.max() >= 1 - policy.rules[stage].expected.value - policy.rules[stage].step:
                break
        probs.append(p)
        answered.append(stage)
    return np.array(probs), answered


def test_as_row_by_row(three):
    """Each row's probabilities are those of the model that answers it, by its own map."""
    policy, new = three
    probs, answered = slow_route(policy, new)
    routed = policy.apply(new)
    assert routed.model.tolist() == answered
    assert routed.probs == pytest.approx(probs, abs=1e-14)
    assert not routed.goes_on.any()
    assert set(answered) == {0, 1, 2}
    assert (policy.route(new) == routed.model).all()


def test_models_are_asked_one_after_the_other(three):
    """With outputs of the first models so far; a later one's of all rows or those that go on."""
    policy, new = three
    whole = policy.apply(new)
    first = policy.apply({"cheap": new["cheap"]})
    assert (first.goes_on == (whole.model > 0)).all()
    assert (first.goes_on == policy.goes_on(new["cheap"])).all()
    second = policy.apply({"cheap": new["cheap"], "middle": new["middle"][first.goes_on]})
    assert (second.goes_on == (whole.model > 1)).all()
    third = policy.apply({
        "cheap": new["cheap"], "middle": new["middle"][first.goes_on],
        "expert": new["expert"][second.goes_on],
    })  # fmt: skip
    for one, other in zip(third, whole, strict=True):
        assert (one == other).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: {}, "got none"),
        (lambda m: {"middle": m["middle"]}, "in this order: 'cheap', 'middle', 'expert'"),
        (lambda m: {"cheap": m["cheap"], "expert": m["expert"]}, "got 'cheap', 'expert'"),
        (lambda m: {**m, "other": m["cheap"]}, "got 'cheap', 'middle', 'expert', 'other'"),
        (lambda m: {**m, "middle": m["middle"][:7]}, "the 1000 rows of 'cheap', or the"),
        (lambda m: {**m, "expert": m["expert"][:, :3]}, "4 "),
    ],
)
def test_bad_outputs(three, change, words):
    """Models are named, in order, with the rows and classes of the first."""
    policy, new = three
    with pytest.raises(tp.InvalidInputError, match=words):
        policy.apply(change(new))


@pytest.mark.parametrize("kind", ["constant", "isotonic", "logistic", 0.02])
def test_the_file_gives_the_same_cascade(tmp_path, kind):
    """Saved and loaded: equal, the same rows go on, and its id is that of what it does."""
    models, y = two_models(3000)
    given = models if isinstance(kind, str) else {"cheap": models["cheap"]}
    policy = cascade(given, y, costs=0.05, expert_error=kind).policy
    save_cascade(policy, tmp_path / "c.json", facts={"n": 3000})
    loaded = load_cascade(tmp_path / "c.json")
    assert loaded == policy
    assert (loaded.last is None) == (kind == 0.02)
    assert cascade_id(loaded) == cascade_id(policy)
    assert (loaded.goes_on(models["cheap"]) == policy.goes_on(models["cheap"])).all()
    other = cascade(given, y, costs=0.06, expert_error=kind).policy
    assert cascade_id(other) != cascade_id(policy)


def test_an_expert_that_is_always_right_keeps_its_own_probabilities():
    """It has no best temperature; the cascade is found all the same, as it was."""
    models, y = two_models(2000)
    perfect = np.where(np.arange(4) == y[:, None], 5.0, 0.0)
    found = cascade({"cheap": models["cheap"], "expert": perfect}, y, costs=0.1)
    assert found.policy.last is None
    routed = found.policy.apply({"cheap": models["cheap"], "expert": perfect})
    of_expert = routed.probs[routed.model == 1]
    expected = np.exp(5) / (np.exp(5) + 3)
    assert of_expert.max(axis=1) == pytest.approx(np.full(len(of_expert), expected))


def edited(content, keys, value):
    """A copy in which one place holds something else; KeyError takes it away."""
    changed = copy.deepcopy(content)
    place = changed
    for key in keys[:-1]:
        place = place[key]
    if value is KeyError:
        del place[keys[-1]]
    else:
        place[keys[-1]] = value
    return changed


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("format",), "temperance/policy", "not a cascade"),
        (("format_version",), 2, "newer temperance"),
        (("models",), ["a", "b"], "`models` must be different names, one more"),
        (("models",), ["a", "a", "b"], "`models` must be different names"),
        (("goes_on",), "always", "what the numbers mean"),
        (("stages", 0, "step"), "x", "`step` must be a number"),
        (("stages", 0, "cost_of_next"), 0, "`cost_of_next` must be a number above 0"),
        (("stages", 0, "lowest"), 1.5, r"`lowest` must be a number in \[0, 1\]"),
        (("stages", 0, "expected_loss", "kind"), "other", "`kind` must be one of"),
        (("stages", 0, "expected_loss", "value"), -1, "`value` must be a number >= 0"),
        (("stages", 0, "expected_loss", "extra"), 1, "`extra` would be ignored"),
        (("stages", 0, "extra"), 1, "`extra` would be ignored"),
        (("stages", 0, "calibrator", "parameters", "temperature"), 9.0, "found with another map"),
        (("stages", 0, "map_sha256"), KeyError, "found with another map"),
        (("last_calibrator", "method"), "magic", "unknown `method`"),
        (("extra",), 1, "`extra` would be ignored"),
    ],
)
def test_bad_files(three, tmp_path, keys, value, words):
    """What is unknown, out of range, or of another map than the rule is one line."""
    policy, _ = three
    save_cascade(policy, tmp_path / "c.json")
    content = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    for stage in content["stages"]:
        stage["calibrator"]["fit"] = {}
    (tmp_path / "c.json").write_text(json.dumps(edited(content, keys, value)), encoding="utf-8")
    with pytest.raises(tp.FileFormatError, match=words) as refused:
        load_cascade(tmp_path / "c.json")
    assert "\n" not in str(refused.value)


def test_a_cascade_is_no_calibrator(three, tmp_path):
    """Each reader says what the file is, and what reads it."""
    save_cascade(three[0], tmp_path / "c.json")
    with pytest.raises(tp.FileFormatError, match="load_cascade"):
        tp.load(tmp_path / "c.json")
    with pytest.raises(tp.FileFormatError, match="not a decision policy"):
        tp.decisions.load_policy(tmp_path / "c.json")
    with pytest.raises(tp.InvalidInputError, match="must be a CascadePolicy, got str"):
        save_cascade("policy", tmp_path / "d.json")


@pytest.mark.parametrize("settings", [{}, {"expert_error": 0.02}], ids=["models", "a person"])
def test_the_schema_of_its_file(tmp_path, settings):
    """It takes what is written; and the reader takes nothing that it lacks."""
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema("cascade"))
    validator = jsonschema.Draft202012Validator(schema("cascade"))
    models, y = two_models(2000)
    if settings:
        models.popitem()
    path = tmp_path / "cascade.json"
    save_cascade(cascade(models, y, costs=0.05, **settings).policy, path)
    top = json.loads(path.read_text())
    assert not list(validator.iter_errors(top))
    for owner in (
        top,
        *(each["calibrator"] for each in top["stages"]),
        top["last_calibrator"] or {},
    ):
        for notes in ("fit", "evaluation", "rows", "library"):
            owner.pop(notes, None)
    taken = 0
    for damaged in (top, *json_mutations(top)):
        path.write_text(json.dumps(damaged))
        try:
            load_cascade(path)
        except tp.FileFormatError:
            continue
        assert validator.is_valid(damaged), damaged
        taken += 1
    assert taken
