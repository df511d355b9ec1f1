"""Promises of bands, judged by new labels: counted by hand, from Python and from both commands."""

import json

import numpy as np
import pytest
from scipy import stats

import temperance as tp
from pages import check_stands_alone, words_of
from temperance.decisions import BandCounts, Outcome, bands
from temperance.gates import check_promises

NAMES = np.array(["no", "yes"])
ASKED = ("--event", "yes", "--min-precision", "0.85", "--min-npv", "0.85", "--max-fnr", "0.1")
BOUNDS = {  # promise -> its limit, whether the rate itself must be large
    "min_precision": (0.85, True),
    "min_negative_predictive_value": (0.85, True),
    "max_false_negative_rate": (0.1, False),
}


def world(folder, name, seed, n, flip=0.0, **more):
    """Log-odds of "yes" that are right; with `flip` labels that are another share of the time."""
    rng = np.random.default_rng(seed)
    z = 3 * rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-z))).astype(int)
    y = np.where(rng.random(n) < flip, 1 - y, y)
    np.savez(
        folder / f"{name}.npz", logits=np.c_[np.zeros(n), z], labels=NAMES[y], classes=NAMES, **more
    )
    return z, y


@pytest.fixture
def saved(tmp_path, run):
    """A policy of bands, and rows that keep its promises, break them, or are too few."""
    world(tmp_path, "cal", 0, 3000)
    run("policy", "cal.npz", "--as-is", *ASKED, "-o", "p.json")
    world(tmp_path, "new", 1, 6000)
    world(tmp_path, "bad", 2, 3000, flip=0.3)
    world(tmp_path, "few", 3, 40)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "finding", "code"),
    [("new", "kept", 0), ("bad", "broken", 1), ("few", "cannot tell", 0)],
)
def test_new_labels_judge_every_promise(run, saved, name, finding, code):
    """Counts, intervals and verdicts as by hand; exit code, JUnit, summary and page agree."""
    files = ("--junit", "j.xml", "--markdown", "m.md", "--report", "r.html")
    check = ("--policy", "p.json", "--fail-if", "broken", "--json")
    found = json.loads(run("threshold", f"{name}.npz", *check, *files, code=code).stdout)
    with np.load(saved / f"{name}.npz") as rows:
        z, y = rows["logits"][:, 1], rows["labels"] == "yes"
    p = 1 / (1 + np.exp(-z))
    accepted, rejected = p >= found["accept_from"] - 1e-6, p <= found["reject_to"] + 1e-6
    cells = {
        "min_precision": (accepted & y, accepted),
        "min_negative_predictive_value": (rejected & ~y, rejected),
        "max_false_negative_rate": (rejected & y, y),
    }
    assert [gate["promise"] for gate in found["gates"]] == list(cells)
    for gate in found["gates"]:
        part, whole = (int(each.sum()) for each in cells[gate["promise"]])
        limit, least = BOUNDS[gate["promise"]]
        low, high = (
            stats.beta.ppf(0.05 / 3, part, whole - part + 1) if part else 0.0,
            stats.beta.ppf(1 - 0.05 / 3, part + 1, whole - part) if part < whole else 1.0,
        )
        assert (gate["of"], gate["bad"]) == (whole, whole - part if least else part)
        assert [gate["value"], gate["low"], gate["high"]] == pytest.approx(
            [part / whole, low, high]
        )
        beyond, within = (high < limit, low >= limit) if least else (low > limit, high <= limit)
        by_hand = "broken" if beyond else "kept" if within else "cannot tell"
        assert gate["finding"] == by_hand == finding
        assert gate["passed"] == (not beyond)
    assert found["passed"] == (code == 0)
    assert found["new"]["n"] == len(y)
    assert (saved / "j.xml").read_text().count(f"gate {found['gates'][0]['verdict']}") >= 1
    assert finding in (saved / "m.md").read_text()
    page = (saved / "r.html").read_text(encoding="utf-8")
    check_stands_alone(page)
    words = {"kept": "kept on", "broken": "broken on", "cannot tell": "too few"}[finding]
    assert f"{words} " in words_of(page)
    assert f"Of {len(y):,} test rows" in words_of(page)


def test_both_commands_say_the_same(run, saved):
    """Where bands are set and tested, and where a policy that exists is measured."""
    before = (saved / "p.json").read_bytes()
    check = ("--fail-if", "broken", "--json")
    measured = json.loads(run("threshold", "bad.npz", "--policy", "p.json", *check, code=1).stdout)
    tested = json.loads(
        run("policy", "cal.npz", "--as-is", *ASKED, "--test", "bad.npz", "-o", "q.json", *check,
            code=1).stdout
    )  # fmt: skip
    assert measured["gates"] == tested["gates"]
    assert {k: v for k, v in measured["new"].items() if k != "groups"} == {
        k: v for k, v in tested["test"].items() if k != "groups"
    }
    assert (saved / "p.json").read_bytes() == before
    told = run("policy", "cal.npz", "--as-is", *ASKED, *check, code=2).stderr
    assert "--fail-if broken needs new labels" in told
    assert "`--fail-if` needs a promise" in run("policy", "cal.npz", *check, code=2).stderr
    told = run("policy", "cal.npz", *ASKED, "--junit", "j.xml", code=2).stderr
    assert "--junit j.xml needs a gate" in told


def test_columns_in_another_order_are_matched_by_name(run, saved):
    """P(yes) is that of the column "yes", wherever a file has it."""
    with np.load(saved / "new.npz") as rows:
        np.savez(saved / "turned.npz", logits=rows["logits"][:, ::-1], labels=rows["labels"],
                 classes=NAMES[::-1])  # fmt: skip
    check = ("--policy", "p.json", "--fail-if", "broken", "--json")
    same = [
        json.loads(run("threshold", f"{each}.npz", *check).stdout) for each in ("new", "turned")
    ]
    assert same[0]["gates"] == same[1]["gates"]


def test_labels_that_had_a_say_do_not_judge(run, saved):
    """Those that set the bands are refused; those that fitted the calibrator are told of."""
    check = ("--policy", "p.json", "--fail-if", "broken")
    told = run("threshold", "cal.npz", *check, code=2).stderr
    assert "cal.npz: holds the labels that set the bands of p.json" in told
    run("fit", "new.npz", "-o", "c.json")
    run("policy", "cal.npz", "--calibrator", "c.json", *ASKED, "-o", "q.json")
    told = run("threshold", "new.npz", "--policy", "q.json").stderr
    assert "the calibrator of q.json was fitted on new.npz" in told
    assert "fitted on" not in run("threshold", "bad.npz", "--policy", "q.json").stderr
    for name, value in (("--confidence", "0.9"), ("--fit-share", "0.5"), ("--max-risk", "0.1")):
        told = run("threshold", "new.npz", *check, name, value, code=2).stderr
        assert f"Give `--policy` or `{name}`, not both" in told


def test_every_group_is_judged_by_its_own_rows(run, tmp_path):
    """One gate for each promise of each group; a group without rows here is told of."""
    n = 4000
    groups = np.array(["x", "y"])[np.arange(n) % 2]
    world(tmp_path, "cal", 0, n, groups=groups)
    limits = ("--event", "yes", "--min-precision", "0.8", "--min-npv", "0.8", "--per-group")
    run("policy", "cal.npz", "--as-is", *limits, "-o", "p.json")
    z, y = world(tmp_path, "new", 1, n, groups=groups)
    y[groups == "y"] = np.where(np.random.default_rng(5).random(n // 2) < 0.4, 1 - y[1::2], y[1::2])
    np.savez(tmp_path / "new.npz", logits=np.c_[0 * z, z], labels=NAMES[y], classes=NAMES,
             groups=groups)  # fmt: skip
    world(tmp_path, "bare", 2, 100)
    check = ("--policy", "p.json", "--fail-if", "broken", "--json", "--report", "r.html")
    found = json.loads(run("threshold", "new.npz", *check, code=1).stdout)
    assert [gate["group"] for gate in found["gates"]] == ["x", "x", "y", "y"]
    assert [gate["finding"] == "broken" for gate in found["gates"]] == [False, False, True, True]
    assert {gate["level"] for gate in found["gates"]} == {1 - 0.1 / 4}
    page = words_of((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert page.index(" y >= ") < page.index(" x >= ")
    told = run("threshold", "bare.npz", *check, code=2).stderr
    assert "bare.npz: has no groups, by which p.json decides" in told
    only = groups == "x"
    np.savez(tmp_path / "x.npz", logits=np.c_[0 * z, z][only], labels=NAMES[y][only],
             classes=NAMES, groups=groups[only])  # fmt: skip
    told = run("threshold", "x.npz", "--policy", "p.json").stderr
    assert "1 of 2 promised groups have no row here: y" in told


def test_whole_answers_want_clusters(run, tmp_path):
    """The rows of a document are one answer, here as where the bands were set."""
    documents = np.arange(4000) // 2
    world(tmp_path, "cal", 0, 4000, clusters=documents)
    limits = ("--composite", "product", "--min-precision", "0.7")
    run("policy", "cal.npz", "--as-is", *limits, "-o", "p.json")
    z, y = world(tmp_path, "new", 1, 4000, clusters=documents)
    world(tmp_path, "bare", 1, 4000)
    check = ("--policy", "p.json", "--fail-if", "broken", "--json")
    found = json.loads(run("threshold", "new.npz", *check).stdout)
    (gate,) = found["gates"]
    right = ((z > 0) == (y == 1)).reshape(-1, 2).all(axis=1)
    sure = np.prod(1 / (1 + np.exp(-np.abs(z))).reshape(-1, 2), axis=1)
    accepted = sure >= found["accept_from"] - 1e-6
    assert (gate["of"], gate["bad"]) == (accepted.sum(), (accepted & ~right).sum())
    assert gate["n"] == 2000
    told = run("threshold", "bare.npz", *check, code=2).stderr
    assert "bare.npz: has no clusters, whose rows are one answer for p.json" in told


def test_a_threshold_that_is_measured_has_its_page(run, tmp_path, sample):
    """The page of `threshold --test`, of a policy that exists."""
    for name, seed in (("a", 1), ("b", 2)):
        z, y = sample(seed, n=2000, k=3, temperature=1.0)
        np.savez(tmp_path / f"{name}.npz", logits=z, labels=y)
    run("threshold", "a.npz", "--max-risk", "0.1", "--as-is", "-o", "p.json")
    run("threshold", "b.npz", "--policy", "p.json", "--report", "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    check_stands_alone(page)
    assert "Of 2,000 test rows" in words_of(page).replace("\u00a0", " ")
    assert "p.json was set before; 2,000 labelled rows of b.npz" in words_of(page)
    told = run("threshold", "b.npz", "--policy", "p.json", "--report", "r.pdf", code=2).stderr
    assert ".html" in told


@pytest.fixture(scope="module")
def rule():
    """Bands with two promises, from probabilities that are right."""
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 0.5, 3000)
    y = (rng.random(3000) < p).astype(int)
    return bands(p, y, event=1, min_precision=0.9, min_negative_predictive_value=0.9)


def test_counts_of_another_rule_are_refused(rule):
    """Each rule has its own; rows of no promise, and what is no rule."""
    with pytest.raises(tp.InvalidInputError, match="BandCounts, but of None has Outcome"):
        check_promises(rule, {None: Outcome(10, 10, 1)})
    threshold = tp.decisions.abstain([[0.9, 0.1]] * 300, [0] * 300, max_risk=0.02)
    with pytest.raises(tp.InvalidInputError, match="Outcome, but of None has BandCounts"):
        check_promises(threshold, {None: BandCounts(1, 1, 1, 1, 0, 0)})
    with pytest.raises(tp.InvalidInputError, match="must hold rows of a promise"):
        check_promises(rule, {"x": BandCounts(1, 1, 1, 1, 0, 0)})
    with pytest.raises(tp.InvalidInputError, match=r"`rule` must be what `decisions\.abstain` or"):
        check_promises("rule", {})
    empty, other = check_promises(rule, {None: BandCounts(5, 5, 0, 0, 0, 0)}, undecided="fail")
    assert (empty.rate, empty.finding, empty.passed) == (None, "cannot tell", False)
    assert other.cells == ("of no row", "", "at least 90 %")
    assert json.dumps([empty.to_dict(), other.to_dict()], allow_nan=False)


def test_promises_that_are_kept_are_seldom_called_broken(rule):
    """Rows at the very limit of both: at most 5 % of tests call one of them broken."""
    rng, called, part = np.random.default_rng(3), 0, rule.parts[0]
    score = np.repeat([part.accept_from, part.reject_to], 200)
    for _ in range(400):
        truth = np.r_[rng.random(200) < 0.9, rng.random(200) < 0.1].astype(int)
        seen = {None: rule.measure(score, truth)}
        called += any(gate.finding == "broken" for gate in check_promises(rule, seen))
    assert 0 < called / 400 <= 0.05 + 3 * (0.05 * 0.95 / 400) ** 0.5


@pytest.mark.parametrize("gate", [(), ("--fail-if", "broken")])
@pytest.mark.parametrize("name", ["new", "bad", "few"])
def test_a_broken_promise_is_not_said_first(run, saved, name, gate):
    """Screen, page and summary begin with what new labels refute, asked for a gate or not."""
    guarantee = tp.decisions.load_policy(saved / "p.json").rule.guarantee
    first = guarantee
    if name == "bad":
        first = f"Broken on new labels: w{guarantee.removeprefix('W')}"
    files = ("--report", "r.html", "--markdown", "m.md") if gate else ("--report", "r.html")
    code = int(name == "bad" and bool(gate))
    shown = run("threshold", f"{name}.npz", "--policy", "p.json", *gate, *files, code=code).stdout
    assert " ".join(shown.split()).startswith(first)
    page = (saved / "r.html").read_text(encoding="utf-8")
    assert ("Broken on new labels" in page) == (name == "bad")
    if gate:
        summary = (saved / "m.md").read_text(encoding="utf-8")
        assert ("Broken on new labels" in summary) == (name == "bad")


def test_a_broken_threshold_is_not_said_first(run, saved):
    """The same of a threshold: with the labels that broke it, measured at once or later."""
    set_it = ("threshold", "cal.npz", "--as-is", "--max-risk", "0.1", "-o", "t.json")
    broken = "Broken on new labels: with 95 % confidence"
    assert run(*set_it, "--test", "bad.npz").stdout.startswith(broken)
    assert run("threshold", "bad.npz", "--policy", "t.json").stdout.startswith(broken)
    assert run("threshold", "new.npz", "--policy", "t.json").stdout.startswith("With 95 %")
