"""Gates of compare, shift and threshold, from Python and from the command line."""

import json

import numpy as np
import pytest
from scipy import stats

import reference
import temperance as tp
from temperance.decisions import abstain
from temperance.decisions.abstention import Outcome
from temperance.gates import check_differences, check_promises, check_shift


@pytest.fixture
def saved(tmp_path, sample):
    z, y = sample(1, n=900, k=3, temperature=1.0)
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    np.savez(tmp_path / "b.npz", logits=3.0 * z, labels=y)
    z, y = sample(2, n=900, k=3, temperature=1.0)
    np.savez(tmp_path / "new.npz", logits=z, labels=y)
    np.savez(tmp_path / "sharp.npz", logits=3.0 * z, labels=y)
    np.savez(tmp_path / "unlabelled.npz", logits=3.0 * z)
    return tmp_path


def test_compare_fails_where_a_model_is_worse_than_the_first(run, saved):
    """Whichever of several; the better one does not fail, nor does the same file twice named."""
    found = json.loads(
        run("compare", "a.npz", "b.npz", "--fail-if", "worse", "--quick", "--json", code=1).stdout
    )
    assert [gate["finding"] for gate in found["gates"]] == ["worse", "worse", "worse", "not worse"]
    assert {gate["level"] for gate in found["gates"]} == {0.975}
    assert found["passed"] is False
    run("compare", "b.npz", "a.npz", "--fail-if", "worse", "--quick")
    assert run("compare", "a.npz", "b.npz", "--quick").stderr.count("gate") == 0
    told = run("compare", "a.npz", "b.npz", "--fail-if", "worse", "--quick", code=1).stderr
    assert "gate failed: worse than a: b, log loss " in told
    told = run("compare", "a.npz", "b.npz", "--margin", "ece=1", code=2).stderr
    assert "`--margin` needs --fail-if worse" in told


def test_two_models_that_are_infinitely_wrong_on_other_rows_cannot_be_told_apart():
    """Infinite less infinite has no sign, and no warning of NumPy's."""
    old, new = (np.tile([[0.4, 0.6]], (100, 1)) for _ in range(2))
    old[0], new[1] = [0.0, 1.0], [0.0, 1.0]
    comparison = tp.compare({"old": old, "new": new}, np.zeros(100, dtype=int), n_resamples=100)
    gate = check_differences(comparison)[0]
    assert (gate.measure, gate.finding) == ("log_loss", "cannot tell")


def test_compare_judges_all_its_models_together(sample):
    """Three models: eight gates, so wider intervals, that hold those at 95 %."""
    z, y = sample(1, n=300, k=3)
    sides = {name: reference.softmax(f * z) for name, f in (("a", 1.0), ("b", 1.1), ("c", 1.2))}
    comparison = tp.compare(sides, y, n_resamples=100)
    gates = check_differences(comparison)
    assert len(gates) == 8
    ratio = stats.norm.isf(0.05 / 8) / stats.norm.isf(0.025)
    for gate in gates:
        own = comparison.differences[gate.model].measures[gate.measure]
        assert gate.difference.high - own.value == pytest.approx(ratio * (own.high - own.value))
    with pytest.raises(tp.InvalidInputError, match="`comparison` must hold one of log_loss"):
        check_differences(tp.compare(sides, y, n_resamples=100, measures=["ks"]))


def test_shift_fails_where_the_temperature_has_moved(run, saved):
    """With labels it moved or did not; without one cannot tell."""

    def gates(new, code=0):
        done = run("shift", "a.npz", new, "--fail-if", "moved", "--quick", "--json", code=code)
        return {each["what"]: each["finding"] for each in json.loads(done.stdout)["gates"]}

    assert gates("sharp.npz", 1) == {"temperature": "moved", "class_frequencies": "no sign of it"}
    assert gates("new.npz")["temperature"] == "no sign of it"
    assert gates("unlabelled.npz")["temperature"] == "cannot tell"
    told = run("shift", "a.npz", "unlabelled.npz", "--fail-if", "moved", "--undecided", "fail",
               "--quick", code=1).stderr  # fmt: skip
    assert "gate undecided: temperature, without labels nobody can say whether it holds" in told
    assert "It fails (--undecided fail)." in told


def test_class_frequencies_that_moved_fail():
    """The second class comes four times as often as it did."""
    rng = np.random.default_rng(0)

    def rows(n, share):
        y = (rng.random(n) < share).astype(int)
        odds = rng.normal(size=n) + 2.0 * (y - 0.5)  # P(z | y) as it was
        return np.column_stack([np.zeros(n), 2.0 * odds + np.log(0.2 / 0.8)]), y

    z, y = rows(3000, 0.2)
    new, labels = rows(3000, 0.8)
    for given in (labels, None):
        diagnosis = tp.shift.diagnose(z, y, new, given, n_resamples=100)
        gate = check_shift(diagnosis)[1]
        assert (gate.what, gate.finding, gate.passed) == ("class_frequencies", "moved", False)


def test_a_promise_is_broken_where_new_labels_refute_it(run, saved):
    """Models that got too sure break it; the same kind of rows does not."""
    arguments = ("threshold", "a.npz", "--max-risk", "0.1", "--as-is", "--fail-if", "broken")
    done = run(*arguments, "--test", "sharp.npz", "--json", code=1)
    (gate,) = json.loads(done.stdout)["gates"]
    assert (gate["finding"], gate["max_risk"]) == ("broken", 0.1)
    low = stats.beta.ppf(0.05, gate["errors"], gate["accepted"] - gate["errors"] + 1)
    assert gate["low"] == pytest.approx(low)
    assert low > 0.1
    run(*arguments, "--test", "new.npz")
    told = run(*arguments, code=2).stderr
    assert "--fail-if broken needs new labels" in told


def test_a_policy_that_exists_is_measured_on_new_labels(run, saved):
    """Its threshold stands, nothing is written; the labels that set it are refused."""
    run("threshold", "a.npz", "--max-risk", "0.1", "--as-is", "-o", "p.json")
    before = (saved / "p.json").read_bytes()
    check = ("--policy", "p.json", "--fail-if", "broken", "--json")
    found = json.loads(run("threshold", "sharp.npz", *check, code=1).stdout)
    direct = ("threshold", "a.npz", "--max-risk", "0.1", "--as-is", "--test", "sharp.npz")
    tested = run(*direct, "--fail-if", "broken", "--json", "-o", "q.json", code=1)
    assert found["gates"] == json.loads(tested.stdout)["gates"]
    assert found["new"]["n"] == 900
    assert (saved / "p.json").read_bytes() == before
    assert not (saved / "policy.json").exists()
    assert json.loads(run("threshold", "new.npz", *check).stdout)["passed"] is True
    assert run("threshold", "new.npz", "--policy", "p.json").stdout.count("new labels") == 1
    told = run("threshold", "a.npz", *check, code=2).stderr
    assert "a.npz: holds the labels that set the threshold of p.json" in told
    told = run("threshold", "new.npz", *check, "--max-risk", "0.1", code=2).stderr
    assert "Give `--policy` or `--max-risk`, not both" in told
    told = run("threshold", "new.npz", *check, "-o", "x.json", code=2).stderr
    assert "Give `--policy` or `--output`, not both" in told


def test_a_policy_of_groups_wants_groups(run, tmp_path, sample):
    """Each group's promise is judged; rows without groups are refused."""
    for name, seed in (("a", 1), ("b", 2)):
        z, y = sample(seed, n=2000, k=3, temperature=1.0)
        np.savez(tmp_path / f"{name}.npz", logits=z, labels=y, groups=np.array(["x", "y"] * 1000))
    np.savez(tmp_path / "bare.npz", logits=z[:500], labels=y[:500])
    run("threshold", "a.npz", "--max-risk", "0.1", "--as-is", "--per-group", "-o", "p.json")
    check = ("--policy", "p.json", "--fail-if", "broken", "--json")
    gates = json.loads(run("threshold", "b.npz", *check).stdout)["gates"]
    assert [gate["group"] for gate in gates] == ["x", "y"]
    told = run("threshold", "bare.npz", *check, code=2).stderr
    assert "bare.npz: has no groups, by which p.json decides" in told


def test_the_policy_that_is_written_by_default_is_not_one_that_is_read(run, saved):
    """Without -o as well."""
    run("threshold", "a.npz", "--max-risk", "0.1")
    told = run("threshold", "new.npz", "--calibrator", "policy.json", "--max-risk", "0.1", code=2)
    assert "`--output` policy.json is the file policy.json" in told.stderr


def test_promises_of_groups_are_judged_together():
    """Two groups: each exact interval at 95 %; one without accepted rows is undecided."""
    p = np.tile([[0.9, 0.1], [0.8, 0.2]], (400, 1))
    groups = np.tile(["x", "y"], 400)
    rule = abstain(p, np.zeros(800, dtype=int), groups=groups, max_risk=0.05)
    gates = check_promises(rule, {"x": Outcome(100, 100, 20), "y": Outcome(100, 0, 0)})
    assert [(each.group, each.finding) for each in gates] == [("x", "broken"), ("y", "cannot tell")]
    assert gates[0].level == pytest.approx(0.95)
    assert gates[0].risk.low == pytest.approx(stats.beta.ppf(0.025, 20, 81))
    assert gates[1].risk is None
    assert json.dumps([each.to_dict() for each in gates], allow_nan=False)
    with pytest.raises(tp.InvalidInputError, match="`outcomes` must hold rows of a promise"):
        check_promises(rule, {"z": Outcome(10, 10, 1)})


@pytest.mark.parametrize(
    ("command", "gate"),
    [
        (("compare", "a.npz", "b.npz"), "--fail-if worse"),
        (("shift", "a.npz", "b.npz"), "--fail-if moved"),
        (("threshold", "a.npz", "--max-risk", ".2"), "--fail-if broken"),
        (("evaluate", "a.npz"), "--baseline, --max-ece"),
    ],
)
def test_options_of_gates_want_a_gate(run, saved, command, gate):
    """--undecided and --junit alone say nothing, and that is told before a row is read."""
    assert f": {gate}" in run(*command, "--undecided", "fail", code=2).stderr
    assert f": {gate}" in run(*command, "--junit", "j.xml", code=2).stderr
    assert not (saved / "j.xml").exists()
    assert ".xml" in run(*command, "--junit", "j.txt", code=2).stderr
    assert ".md" in run(*command, "--markdown", "j.txt", code=2).stderr
