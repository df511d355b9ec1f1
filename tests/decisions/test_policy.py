"""Decision policies: what they decide, their file, and bad files."""

import copy
import json
import pickle
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import temperance as tp
from temperance.decisions import DecisionPolicy, abstain, bands, load_policy, save_policy


@pytest.fixture
def policy(sample):
    """A temperature and the threshold that keeps a risk of 20 %, each from rows of its own."""
    scaling = tp.TemperatureScaling.fit(*sample(0, n=500))
    z, y = sample(1, n=2000)
    return DecisionPolicy(scaling, abstain(scaling.apply(z), y, max_risk=0.2), {"n_fit": 500})


@pytest.fixture
def group_policy(sample):
    """One temperature and one threshold per group."""
    names = np.repeat(["law", "math"], 1000)
    z, y = sample(2, n=2000)
    scaling = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    z, y = sample(3, n=2000)
    rule = abstain(scaling.apply(z, groups=names), y, max_risk=0.3, groups=names)
    return DecisionPolicy(scaling, rule)


def test_decides_by_the_calibrated_confidence(policy, sample):
    """Probabilities are the calibrator's; a row is accepted at or above the threshold."""
    z, _ = sample(2, n=300)
    probs, accepted = policy.apply(z)
    assert (probs == policy.calibrator.apply(z)).all()
    assert (accepted == (probs.max(axis=1) >= policy.rule.threshold)).all()
    assert 0 < accepted.sum() < 300
    one = policy.apply(z[:1])
    assert one.accepted.shape == (1,)
    assert one.accepted[0] == accepted[0]
    with pytest.raises(tp.InvalidInputError, match="look like probabilities"):
        policy.apply(probs)


def test_the_page_shows_what_runs(policy, tmp_path, monkeypatch):
    """The lines for a service on the page about decisions: answers where sure, asks where not."""
    page = (Path(__file__).parents[2] / "docs" / "decisions.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, flags=re.DOTALL).group(1)
    save_policy(policy, tmp_path / "policy.json")
    monkeypatch.chdir(tmp_path)
    for logits, expected in (([9.0, 0.0, 0.0, -np.inf], "Paris"), ([0.1, 0.0, 0.0, 0.0], "asked")):
        names = {
            "option_logits": logits, "options": ["Paris", "Rome", "Oslo", "Bern"],
            "ask_a_person": lambda question: "asked", "question": "Where?",
        }  # fmt: skip
        exec(code, names)  # noqa: S102  (our own page)
        assert names["answer"] == expected


def test_groups_go_to_calibrator_and_rule(group_policy, sample):
    """Each row by its own group's temperature and threshold; unknown groups are declined."""
    z, _ = sample(4, n=100)
    names = np.repeat(["law", "math", "art", ""], 25)
    probs, accepted = group_policy.apply(z, groups=names)
    limits = {each.group: each.threshold for each in group_policy.rule.promises}
    expected = [p.max() >= limits.get(name, 2) for p, name in zip(probs, names, strict=True)]
    assert accepted.tolist() == expected
    assert accepted[:50].any()
    with pytest.raises(tp.InvalidInputError, match="`groups` must be given"):
        group_policy.apply(z)


def test_file_gives_the_same_policy(policy, group_policy, tmp_path):
    """Saved and loaded: equal, with its facts; the promise in words is made, not stored."""
    for each in (policy, group_policy):
        save_policy(each, tmp_path / "policy.json", calibrator_facts={"model": "net"})
        assert load_policy(tmp_path / "policy.json") == each
    content = json.loads((tmp_path / "policy.json").read_text())
    assert content["format"] == "temperance/policy"
    assert content["format_version"] == 2
    assert content["calibrator"]["format"] == "temperance/calibrator"
    assert content["calibrator"]["fit"]["model"] == "net"
    assert content["rule"]["groups"].keys() == {"law", "math"}
    assert content["rule"]["accept"] == "confidence >= threshold"
    assert "guarantee" not in content["promise"]
    assert load_policy(tmp_path / "policy.json").rule.guarantee == group_policy.rule.guarantee
    with pytest.raises(tp.InvalidInputError, match="must hold what JSON can"):
        save_policy(DecisionPolicy(policy.calibrator, policy.rule, {"x": {1}}), tmp_path / "p.json")
    assert not (tmp_path / "p.json").exists()


def test_a_policy_is_no_calibrator(policy, tmp_path):
    """`load` says what the file is and what reads it; `load_policy` does so the other way round."""
    save_policy(policy, tmp_path / "policy.json")
    with pytest.raises(tp.FileFormatError, match="is a decision policy"):
        tp.load(tmp_path / "policy.json")
    tp.save(policy.calibrator, tmp_path / "calibrator.json")
    with pytest.raises(tp.FileFormatError, match="not a decision policy"):
        load_policy(tmp_path / "calibrator.json")
    multilabel = tp.MultilabelScaling.fit(np.eye(3) - 0.4, np.eye(3, dtype=int)[::-1], prior=1.0)
    with pytest.raises(tp.InvalidInputError, match="one class per row"):
        DecisionPolicy(multilabel, policy.rule)


def without(*keys):
    """Delete what the keys lead to."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


def put(value, *keys):
    """Set what the keys lead to."""

    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


FIRST = ("promise", "rows", 0)


def test_a_promise_is_of_its_map(tmp_path, sample):
    """A map that is edited has not made the promise; files without a digest are read."""
    z, y = sample(n=600)
    fitted = tp.VectorScaling.fit(z, y)
    rule = tp.decisions.abstain(fitted.apply(z), y, max_risk=0.5)
    path = tmp_path / "policy.json"
    save_policy(DecisionPolicy(fitted, rule), path)
    assert load_policy(path).calibrator == fitted
    content = json.loads(path.read_text())
    content["calibrator"]["parameters"]["bias"][0] += 1e-9
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match=r"`map_sha256` must be .* of another map"):
        load_policy(path)
    del content["promise"]["map_sha256"]
    path.write_text(json.dumps(content))
    assert load_policy(path).rule == rule


def test_another_calibrator_voids_the_promise(policy, group_policy, sample, tmp_path):
    """In place of the one that the promise was made for, by any way; the same map may come anew."""
    same = replace(policy.calibrator, record=None)
    assert replace(policy, calibrator=same).rule == policy.rule
    assert DecisionPolicy(same, policy.rule).rule.calibrator is same
    other = tp.TemperatureScaling(policy.calibrator.temperature + 1e-9)
    refused = pytest.raises(tp.InvalidInputError, match="`rule` must be of this `calibrator`")
    with refused:
        replace(policy, calibrator=other)
    with refused:
        DecisionPolicy(other, policy.rule)
    with refused:
        DecisionPolicy(other, copy.deepcopy(pickle.loads(pickle.dumps(policy))).rule)  # noqa: S301
    with refused:
        replace(group_policy, calibrator=other)
    path = tmp_path / "policy.json"
    save_policy(policy, path)
    with refused:
        replace(load_policy(path), calibrator=other)
    z, y = sample(1, n=2000)
    found = bands(policy.calibrator.apply(z), y, min_precision=0.8)
    by_bands = DecisionPolicy(policy.calibrator, found)
    with refused:
        replace(by_bands, calibrator=other)
    again = abstain(other.apply(z), y, max_risk=0.2)
    assert replace(policy, calibrator=other, rule=again).calibrator == other
    named = replace(policy, calibrator=replace(policy.calibrator, classes=("a", "b", "c", "d")))
    with refused:
        replace(named, calibrator=replace(policy.calibrator, classes=("b", "a", "c", "d")))


def test_bands_without_the_digest_of_their_map_are_refused(policy, sample, tmp_path):
    """Every file of bands has it: one that lacks it was edited."""
    z, y = sample(1, n=2000)
    found = bands(policy.calibrator.apply(z), y, min_precision=0.8)
    path = tmp_path / "policy.json"
    save_policy(DecisionPolicy(policy.calibrator, found), path)
    content = json.loads(path.read_text())
    del content["promise"]["map_sha256"]
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match=r"`map_sha256` must be"):
        load_policy(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(4, "format_version"), "newer temperance .format_version 4"),
        (put(3, "format_version"), "`format_version` must be 3 where `rule` says `event`"),
        (put("temperance/plan", "format"), "not a decision policy"),
        (put("margin", "rule", "score"), "`score` must be 'confidence'"),
        (put("confidence > threshold", "rule", "accept"), "`accept` must be 'confidence >= thresh"),
        (without("rule"), "`rule` must be an object"),
        (without("calibrator"), "`calibrator` must be an object"),
        (put(-1.0, "calibrator", "parameters", "temperature"), "temperature"),
        (put("probs", "calibrator", "input", "kind"), "`kind` must be one of logits"),
        (put("sigmoid", "calibrator", "input", "convention"), "`convention` must be 'softmax'"),
        (without("promise"), "`promise` must be an object"),
        (put([], "promise", "rows"), "`rows` must be those of all rows"),
        (put(None, "rule", "threshold"), "`threshold` must be a number"),
        (put(1.5, "rule", "threshold"), r"`threshold` must be a number in \[0, 1\]"),
        (put("high", "rule", "threshold"), "`threshold` must be a number"),
        (put(0, "rule", "threshold"), "`accepted` must be `n`, 2000, as `threshold` is 0"),
        (put(0.5, "rule", "threshold"), "`highest_declined` must be a number below `threshold`"),
        (
            put(0.99, "rule", "threshold"),
            "`lowest_accepted` must be a number from `threshold` on",
        ),
        (put({"law": 0.5}, "rule", "groups"), "`threshold` must be null where every group"),
        (put(-1, *FIRST, "errors"), "`errors` must be an integer >= 0"),
        (put(10**6, *FIRST, "errors"), "`accepted` must be a count between"),
        (put(400, *FIRST, "errors"), "`errors` must be few enough of .* p-value"),
        (
            put(0.1, "promise", "max_risk"),
            "`errors` must be few enough of .* a risk of 0.1 is",
        ),
        (put(0.0, "promise", "max_risk"), "`max_risk` .* must be a number"),
        (put(1 - 1e-12, "promise", "confidence"), "at most 1e-12 is allowed"),
        (put(0.999, "promise", "min_coverage"), "`accepted` must be at least the share"),
        (put(1, "promise", "n_given"), "`n_given` must be the number of rows given"),
        (put("yes", "promise", "clustered"), "`clustered` must be true or false"),
        (put(None, "promise", "confidence"), "`confidence` must be a number"),
        (put("No error.", "promise", "guarantee"), "`guarantee` would be ignored"),
        (put(0.2, *FIRST, "threshold"), "`threshold` would be ignored"),
        (put(7, *FIRST, "group"), "`group` must be text"),
        (put([{}, {}], "promise", "rows"), "`rows` must be those of all rows"),
    ],
)
def test_bad_files(policy, tmp_path, change, message):
    """A file that is damaged or newer names the file, the key and the rule."""
    path = tmp_path / "policy.json"
    save_policy(policy, path)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match=message) as caught:
        load_policy(path)
    assert str(path) in str(caught.value)


def test_no_file_and_no_json(tmp_path):
    """A missing file, and text that is no JSON object."""
    with pytest.raises(tp.FileFormatError, match="cannot be read"):
        load_policy(tmp_path / "none.json")
    for text in ("{", "[1]", "\x00"):
        (tmp_path / "policy.json").write_text(text)
        with pytest.raises(tp.FileFormatError, match="not a"):
            load_policy(tmp_path / "policy.json")


def as_version_1(policy, content):
    """Write what version 1 wrote: thresholds and risks twice, the promise in words."""
    rule = policy.rule
    promise = content["promise"]
    del promise["rows"]
    promise["guarantee"], promise["assumption"] = rule.guarantee, rule.assumption
    promise["thresholds"] = [
        {
            "group": each.group, "threshold": each.threshold, "max_risk": each.max_risk,
            "n": each.outcome.n, "accepted": each.outcome.accepted, "errors": each.outcome.errors,
            "reason": each.reason,
        }
        for each in rule.promises
    ]  # fmt: skip
    return {**content, "format_version": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, None),
        (put(0.5, "rule", "threshold"), "`threshold` must be 0.5, as `rule` says"),
        (put(0.0, "promise", "thresholds", 0, "threshold"), "`threshold` must be 0.*`rule` says"),
        (put("All is right.", "promise", "guarantee"), "`guarantee` must be 'With 95 %"),
        (put("Nothing.", "promise", "assumption"), "`assumption` must be 'New rows"),
        (put(0.1, "promise", "thresholds", 0, "max_risk"), "`max_risk` must be 0.2, as the counts"),
        (put(400, "promise", "thresholds", 0, "errors"), "`errors` must be few enough"),
    ],
)
def test_files_of_version_1(policy, tmp_path, change, message):
    """They are read where all that they say twice agrees, and refused where it does not."""
    path = tmp_path / "policy.json"
    save_policy(policy, path)
    content = as_version_1(policy, json.loads(path.read_text()))
    if change is not None:
        change(content)
    path.write_text(json.dumps(content))
    if message is None:
        loaded = load_policy(path).rule
        assert (loaded.threshold, loaded.guarantee) == (
            policy.rule.threshold, policy.rule.guarantee,
        )  # fmt: skip
        assert loaded.outcome == policy.rule.outcome
        return
    with pytest.raises(tp.FileFormatError, match=message):
        load_policy(path)
