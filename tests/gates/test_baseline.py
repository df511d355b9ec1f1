"""A baseline from a file: paired where rows are the same, and refused where it says nothing."""

import json
from math import inf

import numpy as np
import pytest
from scipy import stats

import reference
import temperance as tp
from temperance.gates import Baseline, RowSums, check_baseline
from temperance.gates.baseline import _apart
from temperance.gates.difference import joint_level, widened
from temperance.metrics.estimates import Estimate, share_estimate
from temperance.metrics.inputs import Predictions
from temperance.sums import MeanSums


def checked(z, y, weights=None, clusters=None):
    return Predictions.check(reference.softmax(z), y, weights, clusters)


def scores(z, y):
    """Log loss, Brier score and accuracy of each row, the slow obvious way."""
    rows = []
    for own, label in zip(reference.softmax(z), y, strict=True):
        brier = sum((p - (j == label)) ** 2 for j, p in enumerate(own))
        rows.append((-np.log(own[label]), brier, float(own.argmax() == label)))
    return np.array(rows)


def two_models(sample, n, seed=1):
    z, y = sample(seed, n=n, k=3, temperature=1.0, spread=1.5)
    noise = np.random.default_rng(seed).normal(size=z.shape)
    return z, z + noise, y


@pytest.mark.parametrize("measure", ["log_loss", "brier", "accuracy"])
def test_few_rows_are_paired_one_by_one(sample, measure):
    """Up to 128 rows the interval is that of Student's paired test."""
    z, other, y = two_models(sample, 100)
    old, new = (RowSums.of(checked(each, y)) for each in (z, other))
    column = ["log_loss", "brier", "accuracy"].index(measure)
    paired = stats.ttest_rel(scores(other, y)[:, column], scores(z, y)[:, column])
    low, high = paired.confidence_interval(0.975)
    found = new.difference(old, measure, 0.975)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-9)


def test_many_rows_are_paired_in_groups_of_them(sample):
    """The interval from 128 groups is that from all rows, nearly; weights and clusters likewise."""
    z, other, y = two_models(sample, 4000)
    gap = scores(other, y) - scores(z, y)
    for weights, clusters in ((None, None), ("some", None), (None, "some")):
        rng = np.random.default_rng(3)
        w = rng.exponential(size=4000) if weights else None
        c = np.arange(4000) // 4 if clusters else None
        old, new = (RowSums.of(checked(each, y, w, c)) for each in (z, other))
        assert len(old.weight) == 128
        sums = MeanSums.of(gap, w, c)
        found = new.difference(old, "log_loss", 0.95)
        assert found.value == pytest.approx(sums.mean(0), rel=1e-9)
        half = 1.96 * sums.standard_error(0)
        assert found.high - found.value == pytest.approx(half, rel=0.25)


def test_order_matters_only_where_there_are_no_ids(sample):
    """With ids the sums are the same in any order; without, another order is other rows."""
    z, _, y = two_models(sample, 500)
    ids = np.array([f"q{i}" for i in range(500)])
    turned = np.random.default_rng(0).permutation(500)
    own, other = (RowSums.of(checked(z[o], y[o]), ids[o]) for o in (np.arange(500), turned))
    assert own.same_rows(other)
    for name, each in own.sums.items():
        assert each == pytest.approx(other.sums[name])
    assert own.matched_by == "id"
    plain, mixed = (RowSums.of(checked(z[o], y[o])) for o in (np.arange(500), turned))
    assert not plain.same_rows(mixed)
    relabelled = RowSums.of(checked(z, (y + (np.arange(500) == 7)) % 3), ids)
    assert not own.same_rows(relabelled)


def test_two_samples_are_newcombes():
    """56 of 70 against 48 of 80: .0524 to .3339 (Newcombe 1998, table II, method 10)."""
    shares = []
    for right, n in ((56, 70), (48, 80)):
        values = np.zeros((n, 1))
        values[:right] = 1.0
        shares.append(share_estimate(MeanSums.of(values, None), 0))
    found = _apart(*shares, opposed=False)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    wide = _apart(*shares, opposed=True)
    assert wide.low < found.low < found.high < wide.high


def test_four_gates_share_five_percent():
    """Bonferroni: each upper end is missed in 1.25 %, of one gate in 5 %."""
    assert stats.norm.sf(stats.norm.isf((1.0 - joint_level(4)) / 2)) == pytest.approx(0.0125)
    assert joint_level(1) == pytest.approx(0.9)
    found = widened(Estimate(1.0, 1.0 - 1.959964, 1.0 + 2 * 1.959964), joint_level(4))
    assert (found.low, found.high) == pytest.approx((1.0 - 2.241403, 1.0 + 2 * 2.241403))
    few = widened(Estimate(0.0, -1.0, 1.0), 0.975, 4.0)
    assert few.high == pytest.approx(stats.t.ppf(0.9875, 4) / stats.t.ppf(0.975, 4))


def test_rare_errors_that_no_row_has_shown_are_doubted():
    """Both models expect an error in 1,000 rows; of 500 without one the surer is not "better"."""
    y = np.zeros(500, dtype=int)
    old = np.column_stack([np.full(500, 0.9995), np.full(500, 0.0005)])
    new = np.column_stack([np.full(500, 0.998), np.full(500, 0.002)])
    own, other = (RowSums.of(Predictions.check(p, y, None)) for p in (new, old))
    found = own.difference(other, "log_loss", 0.975)
    assert found.value > 0.0
    assert found.low < 0.0, "each row says worse, and none by chance"
    evaluation = tp.evaluate(new, y, n_resamples=100)
    baseline = Baseline.of(tp.evaluate(old, y, n_resamples=100), other)
    gates = check_baseline(evaluation, baseline, row_sums=own)
    assert {gate.measure: gate.finding for gate in gates}["log_loss"] == "cannot tell"


def test_infinite_losses_have_a_verdict(sample):
    """Infinite is worse than finite, finite not worse than infinite; of both one cannot tell."""
    z, y = sample(1, n=200, k=3)
    p = reference.softmax(z)
    zero = p.copy()
    zero[0] = np.eye(3)[(y[0] + 1) % 3]
    finite, infinite = (tp.evaluate(each, y, n_resamples=100) for each in (p, zero))

    def verdict(new, old):
        gates = check_baseline(new, Baseline.of(old))
        assert json.dumps([gate.to_dict() for gate in gates], allow_nan=False)
        return gates[0].finding

    assert verdict(infinite, finite) == "worse"
    assert verdict(finite, infinite) == "not worse"
    assert verdict(infinite, infinite) == "cannot tell"
    assert infinite.log_loss.value == inf


# The command.


@pytest.fixture
def saved(tmp_path, sample, run):
    """An old model, a worse one on the same rows, the same on others; baseline.json of the old."""
    z, y = sample(1, n=900, k=3, temperature=1.0)
    np.savez(tmp_path / "old.npz", logits=z, labels=y)
    np.savez(tmp_path / "worse.npz", logits=3.0 * z, labels=y)
    z2, y2 = sample(2, n=900, k=3, temperature=1.0)
    np.savez(tmp_path / "other.npz", logits=3.0 * z2, labels=y2)
    (tmp_path / "baseline.json").write_text(run("evaluate", "old.npz", "--quick", "--json").stdout)
    return tmp_path


def against(run, *arguments, code=0):
    done = run(
        "evaluate", *arguments, "--baseline", "baseline.json", "--quick", "--json", code=code
    )
    return json.loads(done.stdout)


def test_the_command_says_worse_not_worse_or_cannot_tell(run, saved):
    """Paired on the same rows, two samples on others; exit code 1 where one is worse."""
    found = against(run, "worse.npz", code=1)
    beside = found["against_baseline"]
    assert beside["file"] == "baseline.json"
    assert (beside["verdict"], beside["same_rows"]) == ("worse", True)
    assert beside["measures"] == {
        "log_loss": "worse", "brier": "worse", "ece": "worse", "accuracy": "not worse"
    }  # fmt: skip
    paired = {gate["measure"]: gate["paired"] for gate in found["gates"]}
    assert paired == {"log_loss": True, "brier": True, "ece": False, "accuracy": True}
    found = against(run, "other.npz", code=1)
    assert found["against_baseline"]["same_rows"] is False
    assert not any(gate["paired"] for gate in found["gates"])
    assert found["against_baseline"]["measures"]["accuracy"] == "cannot tell"
    same = against(run, "old.npz")
    assert same["against_baseline"]["verdict"] == "not worse"
    assert all(gate["difference"] == 0.0 for gate in same["gates"])
    assert against(run, "other.npz", "--undecided", "fail", code=1)["passed"] is False


def test_a_margin_is_what_may_be_lost(run, saved):
    """Within the margin is not worse, each measure by its own."""
    margins = ("--margin", "log-loss=9", "--margin", "brier=2", "--margin", "ece=1")
    found = against(run, "worse.npz", *margins)
    assert found["against_baseline"]["verdict"] == "not worse"
    assert [gate["margin"] for gate in found["gates"]] == [9.0, 2.0, 1.0, 0.0]
    for text in ("log_loss", "log_loss=-1", "log_loss=x", "size=1", "log_loss=nan"):
        told = run("evaluate", "old.npz", "--baseline", "baseline.json", "--margin", text, code=2)
        assert "`--margin` must be MEASURE=X" in told.stderr
    assert "needs --baseline" in run("evaluate", "old.npz", "--margin", "ece=1", code=2).stderr


def test_the_calibrated_model_is_the_one_that_is_judged(run, saved):
    """With --calibrator: after it, here and in the baseline."""
    run("fit", "worse.npz", "-o", "c.json")
    assert against(run, "worse.npz", "--calibrator", "c.json")["against_baseline"]["verdict"] in {
        "cannot tell", "not worse"
    }  # fmt: skip


def test_rows_are_known_by_their_ids(run, tmp_path, sample):
    """Files in another order are paired by id; answers only by ids."""
    z, y = sample(1, n=400, k=3)
    ids, turned = np.arange(400).astype(str), np.random.default_rng(1).permutation(400)
    np.savez(tmp_path / "a.npz", logits=z, labels=y, ids=ids)
    np.savez(tmp_path / "b.npz", logits=2.0 * z[turned], labels=y[turned], ids=ids[turned])
    (tmp_path / "baseline.json").write_text(run("evaluate", "a.npz", "--quick", "--json").stdout)
    assert against(run, "b.npz", code=None)["against_baseline"]["same_rows"] is True
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        right = rng.random(400) < 0.7
        lines = [
            f"{0.5 * (r + u)},{int(r)},{i}"
            for i, (r, u) in enumerate(zip(right, rng.random(400), strict=True))
        ]
        (tmp_path / f"{name}.csv").write_text("score,correct,id\n" + "\n".join(lines))
    options = ("--kind", "answers", "--score-scale", "probability")
    done = run("evaluate", "a.csv", *options, "--quick", "--json")
    (tmp_path / "baseline.json").write_text(done.stdout)
    assert against(run, "b.csv", *options, code=None)["against_baseline"]["same_rows"] is True
    done = run("evaluate", "a.csv", *options, "--id-column", "none", "--quick", "--json")
    assert json.loads(done.stdout)["row_sums"] is None


def test_a_baseline_of_something_else_is_refused(run, saved, sample):
    """Another K, kind, bins or classes, other measures, a newer version, no JSON of evaluate."""
    good = json.loads((saved / "baseline.json").read_text())

    def refused(words, **changes):
        content = {**good, **changes}
        for name in [name for name, each in content.items() if each == "gone"]:
            del content[name]
        (saved / "bad.json").write_text(json.dumps(content))
        told = run("evaluate", "old.npz", "--baseline", "bad.json", code=2).stderr
        assert words in told, told

    z, y = sample(3, n=200, k=4)
    np.savez(saved / "four.npz", logits=z, labels=y)
    told = run("evaluate", "four.npz", "--baseline", "baseline.json", code=2).stderr
    assert "baseline.json: is of 3 classes, these rows of 4" in told
    told = run("evaluate", "old.npz", "--baseline", "baseline.json", "--bins", "10", code=2).stderr
    assert "has its ECE in 15 bins, these rows in 10" in told
    refused("it lacks `brier`", brier="gone")
    refused("it lacks `brier`, `ece`", brier="gone", ece="gone")
    refused("written by a newer temperance (format_version 2", format_version=2)
    refused("but it is 'temperance/calibrator'", format="temperance/calibrator")
    refused(
        "is of answers that are right or wrong", outcomes={**good["outcomes"], "kind": "answers"}
    )
    refused("must be one of classes, answers, labels", outcomes={"kind": "dogs"})
    refused("`value` must be a number", log_loss={"value": None, "low": None, "high": None})
    refused("from `low` to `high`", brier={"value": 0.5, "low": 0.6, "high": 0.7})
    refused("`weight` must be", row_sums={**good["row_sums"], "weight": [-1.0]})
    refused(
        "`log_loss` must be a list of", row_sums={**good["row_sums"], "sums": {"log_loss": [1]}}
    )
    (saved / "bad.json").write_text("no")
    told = run("evaluate", "old.npz", "--baseline", "bad.json", code=2).stderr
    assert "bad.json: not a JSON file" in told
    told = run("evaluate", "old.npz", "--baseline", "old.npz", code=2).stderr
    assert "not a JSON file" in told
    (saved / "bad.json").write_text(run("compare", "old.npz", "worse.npz", "--json").stdout)
    told = run("evaluate", "old.npz", "--baseline", "bad.json", code=2).stderr
    assert "a baseline must be what `temperance evaluate OLD --json` prints" in told
    assert "temperance compare OLD NEW --fail-if worse" in told
    np.savez(
        saved / "named.npz",
        logits=z[:, :3],
        labels=np.array(list("abc"))[y % 3],
        classes=["a", "b", "c"],
    )
    np.savez(
        saved / "other.npz",
        logits=z[:, :3],
        labels=np.array(list("abd"))[y % 3],
        classes=["a", "b", "d"],
    )
    (saved / "bad.json").write_text(run("evaluate", "named.npz", "--quick", "--json").stdout)
    told = run("evaluate", "other.npz", "--baseline", "bad.json", code=2).stderr
    assert "is of other classes than these rows, whose class 'd' it lacks" in told


def test_an_older_file_without_sums_of_rows_is_two_samples(run, saved):
    """What an earlier version printed has no format and no sums; it is a baseline all the same."""
    content = json.loads((saved / "baseline.json").read_text())
    for name in ("format", "format_version", "row_sums", "against_baseline"):
        del content[name]
    (saved / "baseline.json").write_text(json.dumps(content))
    found = against(run, "worse.npz", code=1)
    assert found["against_baseline"]["same_rows"] is None
    assert not any(gate["paired"] for gate in found["gates"])


def test_bad_arguments_from_python(sample):
    """The same rules, by the names of arguments."""
    z, y = sample(1, n=100, k=3)
    evaluation = tp.evaluate(reference.softmax(z), y, n_resamples=100)
    baseline = Baseline.of(evaluation)
    for given in ({"margins": {"size": 1.0}}, {"margins": {"ece": -1.0}}, {"undecided": "maybe"}):
        with pytest.raises(tp.InvalidInputError):
            check_baseline(evaluation, baseline, **given)
    with pytest.raises(tp.InvalidInputError, match="`baseline` must be"):
        check_baseline(evaluation, evaluation)
