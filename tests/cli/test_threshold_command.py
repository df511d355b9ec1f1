"""`temperance threshold`, and `temperance apply` with a policy."""

import json
import math
import re

import numpy as np
import pytest

import temperance as tp
from commands import json_of
from temperance.decisions import abstain, load_policy
from temperance.decisions.split import split_rows
from temperance.readers import read

RISK = ("--max-risk", "0.3")


@pytest.fixture
def data(tmp_path, sample):
    """Labelled rows in groups, for fit and threshold, and test rows of the same model."""
    arrays = {}
    for name, seed in (("cal", 1), ("test", 2), ("other", 3)):
        z, y = sample(seed, n=2500)
        groups = np.where(np.arange(2500) % 3, "many", "few")
        np.savez(tmp_path / f"{name}.npz", logits=z, labels=y, groups=groups)
        arrays[name] = (z, y, groups)
    return arrays


def test_labels_are_split_and_said_so(run, data, tmp_path):
    """A fifth of the rows fits T, the others set the threshold: as by hand, and in the output."""
    done = run("threshold", "cal.npz", *RISK, "--test", "test.npz", "--seed", 4, "--json")
    assert done.stderr == ""
    result = json_of(done)
    z, y, _ = data["cal"]
    fits = split_rows(y, 0.2, seed=4, scores=(z,))
    scaling = tp.TemperatureScaling.fit(z[fits], y[fits])
    rule = abstain(scaling.apply(z[~fits]), y[~fits], max_risk=0.3)
    outcome = rule.measure(scaling.apply(data["test"][0]), data["test"][1])
    assert result["temperature"] == scaling.temperature
    assert result["threshold"] == rule.threshold
    assert result["guarantee"] == rule.guarantee
    assert result["rows"] == rule.outcome.to_dict()
    assert result["test"] == {**outcome.to_dict(), "groups": None}
    assert (result["coverage"], result["risk"]) == (
        outcome.coverage.to_dict(), outcome.risk.to_dict()
    )  # fmt: skip
    assert (result["max_risk"], result["confidence"], result["measured_on"]) == (0.3, 0.95, "test")
    use = result["use"]
    assert use["split"] == {"share": 0.2, "seed": 4, "stratified": True}
    assert (use["n_fit"], use["n_threshold"], use["n_test"]) == (fits.sum(), (~fits).sum(), 2500)
    assert (result["policy"], result["report"], result["warnings"]) == ("policy.json", None, [])
    assert result["risk_coverage"]["augrc"]["low"] < result["risk_coverage"]["augrc"]["high"]
    policy = load_policy(tmp_path / "policy.json")
    assert policy.rule == rule
    assert policy.calibrator == scaling


def test_words_for_people(run, data):
    """The promise, what was seen, which rows did what, when the promise ends."""
    text = run("threshold", "cal.npz", *RISK, "--test", "test.npz").stdout
    for words in ("With 95 % confidence, at most 30 % of the answers", "500 fitted T = ",
                  "the other 2,000 set the threshold", "stratified, share 0.2, seed 0", "AUGRC",
                  "independent of each other", "policy: policy.json"):  # fmt: skip
        assert words in text
    assert "nan" not in text


def test_a_calibrator_of_other_rows(run, data, tmp_path):
    """All rows set the threshold; the calibrator's own file is warned of loudly."""
    run("fit", "other.npz", "-o", "other.json", "--json")
    result = json_of(
        run("threshold", "cal.npz", *RISK, "--calibrator", "other.json", "-o", "p.json", "--json")
    )
    z, y, _ = data["cal"]
    rule = abstain(tp.load(tmp_path / "other.json").apply(z), y, max_risk=0.3)
    assert (result["threshold"], result["n"]) == (rule.threshold, 2500)
    assert result["use"]["split"] is None
    assert result["measured_on"] == "threshold rows"
    assert result["test"] is None
    assert not result["use"]["fit_used_these_labels"]
    content = json.loads((tmp_path / "p.json").read_text())
    assert content["calibrator"]["fit"]["data"] == "other.npz"
    done = run("threshold", "other.npz", *RISK, "--calibrator", "other.json")
    assert "warning: other.json WAS FITTED ON other.npz" in done.stderr
    result = json_of(run("threshold", "other.npz", *RISK, "--calibrator", "other.json", "--json"))
    assert result["use"]["fit_used_these_labels"]
    assert len(result["warnings"]) == 1
    assert load_policy(tmp_path / "policy.json").facts["warnings"] == result["warnings"]
    done = run("threshold", "cal.npz", *RISK, "--calibrator", "other.json", "--test", "other.npz")
    assert "measured there flatters" in done.stderr


def test_as_is(run, data, tmp_path):
    """Nothing is fitted: the file's own probabilities, of all rows."""
    result = json_of(run("threshold", "cal.npz", "--max-risk", 0.4, "--as-is", "--json"))
    z, y, _ = data["cal"]
    rule = abstain(tp.TemperatureScaling(1.0).apply(z), y, max_risk=0.4)
    assert (result["threshold"], result["method"], result["n"]) == (
        rule.threshold,
        "identity",
        2500,
    )


def test_min_coverage_and_groups(run, data):
    """The other way round; and a threshold per group, also on the test rows."""
    result = json_of(run("threshold", "cal.npz", "--min-coverage", 0.5, "--json"))
    assert result["rows"]["accepted"] == 1000
    assert result["min_coverage"] == 0.5
    assert 0 < result["risk"]["value"] < result["max_risk"] < 0.3
    options = (*RISK, "--per-group", "--test", "test.npz", "--json")
    result = json_of(run("threshold", "cal.npz", *options))
    found = {each["group"]: each for each in result["groups"]}
    assert found.keys() == {"few", "many"}
    assert result["threshold"] is None
    assert found["few"]["rows"]["n"] + found["many"]["rows"]["n"] == 2000
    tested = result["test"]["groups"]
    assert sum(each["accepted"] for each in tested.values()) == result["test"]["accepted"]
    assert tested["few"]["n"] == 834


def test_clusters_stay_whole_and_count_once(run, tmp_path, sample):
    """Rows of a cluster are on one side of the split, and one row of each sets the threshold."""
    z, y = sample(5, n=3000)
    clusters = np.arange(3000) // 3
    np.savez(tmp_path / "cal.npz", logits=z, labels=y, clusters=clusters)
    result = json_of(run("threshold", "cal.npz", "--max-risk", 0.25, "--json"))
    assert result["n"] + result["use"]["n_fit"] / 3 == 1000
    assert (result["n_given"], result["clustered"]) == (3000 - result["use"]["n_fit"], True)
    assert not result["use"]["split"]["stratified"]
    text = run("threshold", "cal.npz", "--max-risk", 0.25).stdout
    assert "by clusters" in text
    assert "Of each cluster one row counts" in text


@pytest.fixture
def borderline(tmp_path):
    """300 rows of which one seed of the split has a threshold at 5 %, and four others have none."""
    rng = np.random.default_rng(0)
    z = 8 * rng.normal(size=(300, 4))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    groups = np.full(300, "all")
    np.savez(tmp_path / "few.npz", logits=z, labels=y, groups=groups)
    return z, y


@pytest.mark.parametrize("group", [(), ("--per-group",)])
def test_a_threshold_of_one_seed_in_five_is_no_answer(run, borderline, tmp_path, group):
    """Refused at the seed that has it, with the reason of one that has not; at all others too."""
    z, y = borderline
    alone = []
    for seed in range(5):
        fits = split_rows(y, 0.2, seed=seed, scores=(z,))
        scaling = tp.TemperatureScaling.fit(z[fits], y[fits])
        try:
            alone.append(abstain(scaling.apply(z[~fits]), y[~fits], max_risk=0.05).threshold)
        except tp.InvalidInputError:
            alone.append(None)
    assert [each is not None for each in alone] == [False, False, False, True, False]
    for seed in range(5):
        command = ("threshold", "few.npz", "--max-risk", 0.05, "--seed", seed, *group)
        message = run(*command, code=2).stderr
        assert not (tmp_path / "policy.json").exists()
        if seed == 3:
            of = " for this group" if group else ""
            assert f"only 1 of 5 splits has a threshold{of}: chance in the draw" in message
            assert "With seed 0, of the 59 most confident rows (>= 0.968) 1 is wrong" in message
            assert "labelled rows" in message
        else:
            has = "thresholds" if group else "a threshold"
            assert f"1 of 5 splits (seeds 0 to 4) has {has}" in message
            assert "To choose a seed by that would void the promise." in message


def test_how_much_the_split_decided(run, tmp_path):
    """In words, in JSON and in the report: as five commands find, one by one."""
    rng = np.random.default_rng(0)
    z = 8 * rng.normal(size=(1000, 4))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    options = ("threshold", "cal.npz", "--max-risk", 0.05, "--report", "r.html")
    alone = {}
    for seed in (0, 1, 2, 3, 7):
        fits = split_rows(y, 0.2, seed=seed, scores=(z,))
        probs = tp.TemperatureScaling.fit(z[fits], y[fits]).apply(z[~fits])
        alone[seed] = abstain(probs, y[~fits], max_risk=0.05)
    result = json_of(run(*options, "--seed", 7, "--json"))
    draws = result["draws"]
    assert [each["seed"] for each in draws["each"]] == [7, 0, 1, 2, 3]
    for each in draws["each"]:
        assert each["threshold"] == alone[each["seed"]].threshold
        assert each["coverage"] == alone[each["seed"]].outcome.coverage.value
    at = sorted(rule.threshold for rule in alone.values())
    words = (
        f"5 of 5 splits (seeds 0, 1, 2, 3, 7) have a threshold: {at[0]:.4g} to {at[-1]:.4g}, for "
    )
    assert (draws["with_threshold"], draws["of"]) == (5, 5)
    assert draws["in_words"].startswith(words)
    said = f"How much chance decided: {draws['in_words']}"
    assert said in " ".join(run(*options, "--seed", 7).stdout.split())
    assert said in " ".join((tmp_path / "r.html").read_text().split())
    as_is = json_of(run("threshold", "cal.npz", "--max-risk", 0.3, "--as-is", "--json"))
    assert as_is["draws"] is None


def test_a_threshold_that_some_splits_have_not_comes_with_a_warning(run, tmp_path):
    """Between three and four of five: answered, and told; a seed that has none is refused."""
    found = set()
    for data_seed in range(30):
        rng = np.random.default_rng(data_seed)
        z = 8 * rng.normal(size=(300, 4))
        y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
        np.savez(tmp_path / "cal.npz", logits=z, labels=y)
        done = run("threshold", "cal.npz", "--max-risk", 0.05, "--json", code=None)
        if done.returncode == 0:
            result = json_of(done)
            m = result["draws"]["with_threshold"]
            assert m >= 3
            warned = [w for w in result["warnings"] if "chance in the draw had a part" in w]
            assert len(warned) == (m < 5)
            if warned:
                assert f"only {m} of 5 splits have a threshold" in warned[0]
                assert "--calibrator" in warned[0]
            found.add(m < 5)
        if found == {True, False}:
            break
    assert found == {True, False}


@pytest.mark.parametrize("suffix", ["npz", "csv", "tsv", "parquet", "arrow", "jsonl"])
def test_apply_honours_a_policy(run, data, tmp_path, suffix):
    """Every format with a place for it says which rows are accepted, and reads back equal."""
    if suffix in {"parquet", "arrow"}:
        pytest.importorskip("pyarrow")
    run("threshold", "cal.npz", *RISK, "--json")
    result = json_of(run("apply", "policy.json", "test.npz", "-o", f"out.{suffix}", "--json"))
    policy = load_policy(tmp_path / "policy.json")
    probs, accepted = policy.apply(data["test"][0])
    written = read(tmp_path / f"out.{suffix}", kind="probs")
    assert (written.values == probs).all()
    assert accepted_of(tmp_path / f"out.{suffix}") == accepted.tolist()
    assert result["accepted"] == accepted.sum()
    assert result["coverage"] == accepted.mean()
    assert (result["threshold"], result["guarantee"]) == (
        policy.rule.threshold, policy.rule.guarantee
    )  # fmt: skip


def accepted_of(path):
    """The column or key `accepted`, read with the format's own tools."""
    if path.suffix == ".npz":
        return np.load(path)["accepted"].tolist()
    if path.suffix == ".jsonl":
        return [json.loads(line)["accepted"] for line in path.read_text().splitlines()]
    if path.suffix in {".csv", ".tsv"}:
        head, *lines = path.read_text().splitlines()
        mark = "," if path.suffix == ".csv" else "\t"
        at = head.split(mark).index("accepted")
        return [{"true": True, "false": False}[line.split(mark)[at]] for line in lines]
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return pq.read_table(path)["accepted"].to_pylist()
    import pyarrow as pa

    with pa.ipc.open_file(path) as file:
        return file.read_all()["accepted"].to_pylist()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_apply_block_by_block(run, data, tmp_path, suffix, monkeypatch):
    """A file too large for the memory: the same decisions."""
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    run("threshold", "cal.npz", *RISK, "--per-group", "--json")
    run("apply", "policy.json", "test.npz", "-o", f"whole.{suffix}", "--json")
    monkeypatch.setattr("temperance.rows.reading.LARGE_BYTES", 1)
    result = json_of(run("apply", "policy.json", "test.npz", "-o", f"blocks.{suffix}", "--json"))
    whole, blocks = (accepted_of(tmp_path / f"{name}.{suffix}") for name in ("whole", "blocks"))
    assert whole == blocks
    assert result["accepted"] == sum(whole)


def test_apply_where_there_is_no_place(run, data, tmp_path):
    """.npy: a warning, and the share accepted is said all the same; pixels keep their shape."""
    run("threshold", "cal.npz", *RISK, "--json")
    done = run("apply", "policy.json", "test.npz", "-o", "out.npy")
    assert "warning: a .npy file has no place for `accepted`: write out.npz" in done.stderr
    assert "of them accepted (" in done.stderr
    z = data["test"][0][:24].reshape(2, 3, 4, 4).transpose(0, 3, 1, 2)
    np.savez(tmp_path / "pixels.npz", logits=z)
    run("apply", "policy.json", "pixels.npz", "--class-axis", 1, "-o", "out.npz")
    accepted = np.load(tmp_path / "out.npz")["accepted"]
    flat = load_policy(tmp_path / "policy.json").apply(data["test"][0][:24]).accepted
    assert (accepted.reshape(-1) == flat).all()
    assert accepted.shape == (2, 3, 4)


def test_apply_with_groups(run, data, tmp_path):
    """Rows of groups without a promise are not accepted, and counted; without groups, an error."""
    run("threshold", "cal.npz", *RISK, "--per-group", "--json")
    z, _, groups = data["test"]
    groups = np.where(np.arange(2500) < 7, "new", groups)
    np.savez(tmp_path / "new.npz", logits=z, groups=groups)
    done = run("apply", "policy.json", "new.npz", "-o", "out.npz")
    assert "warning: 7 rows of groups without a promise in policy.json" in done.stderr
    assert not np.load(tmp_path / "out.npz")["accepted"][:7].any()
    np.savez(tmp_path / "none.npz", logits=z)
    message = run("apply", "policy.json", "none.npz", "-o", "out.npz", code=2).stderr
    assert "none.npz: `groups` must be given" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "FILE"),
        (("cal.npz",), "Give `--max-risk`"),
        (("cal.npz", "--max-risk", "0"), "`--max-risk` must be"),
        (("cal.npz", "--max-risk", "1"), "`--max-risk`"),
        (("cal.npz", "--max-risk", "nan"), "`--max-risk`"),
        (("cal.npz", *RISK, "--confidence", "1"), "`--confidence` must"),
        (("cal.npz", *RISK, "--confidence", "95"), "`--confidence`"),
        (("cal.npz", "--min-coverage", "0"), "`--min-coverage`"),
        (("cal.npz", "--max-risk", "0.0001"), "accepted rows, none of them wrong, and there are"),
        (("cal.npz", *RISK, "--fit-share", "0"), "--fit-share"),
        (("cal.npz", *RISK, "--fit-share", "0.0001"), "cannot be split"),
        (("cal.npz", *RISK, "--as-is", "--calibrator", "c.json"), "not both"),
        (("cal.npz", *RISK, "--calibrator", "none.json"), "none.json: cannot be read"),
        (("cal.npz", *RISK, "--test", "cal.npz"), "`--test` must hold rows that have no say"),
        (("cal.npz", *RISK, "--kind", "multilabel"), "`--kind` must be logits or probs"),
        (("cal.npz", *RISK, "--method", "magic"), "`method` must be one of"),
        (("cal.npz", *RISK, "-o", "policy.txt"), ".json"),
        (("cal.npz", *RISK, "--report", "r.pdf"), ".html"),
        (("plain.npz", *RISK, "--per-group"), "plain.npz: has no groups"),
        (("unlabelled.npz", *RISK), "unlabelled.npz: has no labels"),
        (("weighted.npz", *RISK), "weighted.npz: `weights` must be equal"),
        (("perfect.npz", *RISK), "allow no fit"),
        (("wrong.npz", *RISK, "--as-is"), "No number of labels would do"),
        (("tiny.npz", *RISK, "--as-is"), "at least 9 accepted rows"),
    ],
)
def test_errors(run, data, tmp_path, arguments, message):
    """Exit code 2, one line that names what is wrong, no file left behind."""
    z, y, _ = data["cal"]
    np.savez(tmp_path / "plain.npz", logits=z, labels=y)
    np.savez(tmp_path / "unlabelled.npz", logits=z)
    np.savez(tmp_path / "weighted.npz", logits=z, labels=y, weights=1.0 + (y > 1))
    np.savez(tmp_path / "perfect.npz", logits=z, labels=z.argmax(axis=1))
    np.savez(tmp_path / "wrong.npz", logits=z, labels=z.argmin(axis=1))
    np.savez(tmp_path / "tiny.npz", logits=z[:8], labels=z[:8].argmax(axis=1))
    assert message in run("threshold", *arguments, code=2).stderr
    assert not list(tmp_path.glob("*.json"))


def test_ragged_rows_two_classes_and_masks(run, tmp_path):
    """Options that differ per row; log-odds of two classes; -inf where an option is not there."""
    rng = np.random.default_rng(0)
    lines = []
    for _ in range(900):
        z = 3 * rng.normal(size=rng.integers(2, 6))
        label = int((z / 2 + rng.gumbel(size=len(z))).argmax())
        lines.append(json.dumps({"logits": z.tolist(), "label": label}))
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    result = json_of(run("threshold", "rows.jsonl", "--max-risk", 0.25, "--json"))
    assert 0 < result["coverage"]["value"] < 1
    run("apply", "policy.json", "rows.jsonl", "-o", "out.jsonl")
    first = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])
    assert isinstance(first["accepted"], bool)
    assert len(first["probs"]) == len(json.loads(lines[0])["logits"])
    odds = 4 * rng.normal(size=900)
    labels = (odds / 2 + rng.logistic(size=900) > 0).astype(int)
    np.savez(tmp_path / "odds.npz", logits=odds, labels=labels)
    assert json_of(run("threshold", "odds.npz", "--max-risk", 0.15, "--json"))["threshold"] >= 0.5


def test_no_test_row_accepted(run, data, tmp_path):
    """Test rows that the model is unsure of: coverage 0, risk null, and a page without nan."""
    z, y, _ = data["test"]
    np.savez(tmp_path / "unsure.npz", logits=0.01 * z, labels=y)
    options = (*RISK, "--test", "unsure.npz", "--report", "r.html")
    result = json_of(run("threshold", "cal.npz", *options, "--json"))
    assert result["coverage"]["value"] == 0.0
    assert result["risk"] is None
    assert "none accepted" in run("threshold", "cal.npz", *options).stdout
    assert "no row reaches" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("target", [("--max-risk", "0.25"), ("--min-coverage", "0.5")])
def test_a_forecast_is_accepted_alike_from_every_file(run, tmp_path, target):
    """Tenths as text, in double and in single precision: the same rows are answered."""
    rng = np.random.default_rng(0)
    tenths = rng.integers(5, 11, 900)
    p = np.stack([tenths, 10 - tenths], axis=1) / 10
    y = (rng.random(900) > tenths / 11).astype(int)
    lines = [f"{a},{b},{label}" for (a, b), label in zip(p.tolist(), y.tolist(), strict=True)]
    (tmp_path / "text.csv").write_text("\n".join(["prob_0,prob_1,label", *lines]) + "\n")
    np.savez(tmp_path / "double.npz", probs=p, labels=y)
    np.savez(tmp_path / "single.npz", probs=p.astype(np.float32), labels=y)
    files = ("text.csv", "double.npz", "single.npz")
    answered = []
    for source in files:
        done = run("threshold", source, *target, "--as-is", "-o", f"{source}.json")
        assert done.returncode == 0, done.stderr
        for name in files:
            done = run("apply", f"{source}.json", name, "-o", "out.npz")
            assert done.returncode == 0, done.stderr
            answered.append(np.load(tmp_path / "out.npz")["accepted"])
    assert 0 < answered[0].sum() < 900
    assert all((each == answered[0]).all() for each in answered)


def test_the_rows_that_would_do_are_those_to_label(run, tmp_path, sample):
    """What a refusal asks for holds the rows of the fit too; as many as it says do."""
    z, y = sample(5, n=60)
    np.savez(tmp_path / "few.npz", logits=z, labels=y)
    counts = {}
    for share in ("0.2", "0.5"):
        error = run("threshold", "few.npz", "--max-risk", "0.25", "--fit-share", share, code=2)
        said = re.search(
            r"About ([\d,]+) labelled rows would do, as these go \(power 80 %\): ([\d,]+) of them "
            "for the threshold, the others for the fit",
            error.stderr,
        )
        total, kept = (int(each.replace(",", "")) for each in said.groups())
        assert total == math.ceil(kept / (1.0 - float(share)))
        counts[share] = total
    tp.save(tp.TemperatureScaling.fit(*sample(6, n=2_000)), tmp_path / "c.json")
    error = run("threshold", "few.npz", "--max-risk", "0.25", "--calibrator", "c.json", code=2)
    assert re.search(r"About [\d,]+ labelled rows would do, as these go \(power 80 %\)\.",
                     error.stderr)  # fmt: skip
    found = 0
    for seed in range(10):
        z, y = sample(100 + seed, n=counts["0.2"])
        np.savez(tmp_path / "enough.npz", logits=z, labels=y)
        done = run("threshold", "enough.npz", "--max-risk", "0.25", code=None)
        found += done.returncode == 0
    assert found >= 6
