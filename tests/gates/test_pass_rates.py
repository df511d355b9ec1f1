"""Gates on a judge's corrected pass rate: from the labels, at their levels, and seldom wrong."""

import json
import pickle
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from temperance.errors import InvalidInputError
from temperance.gates import check_pass_rate, check_pass_rate_differences
from temperance.llm import compare_pass_rates, pass_rate


def judged(rng, n, n_labelled, share):
    """Verdicts of a judge that passes .95 of passes and .3 of fails, and labels of some rows."""
    y = rng.random(n) < share
    f = rng.random(n) < np.where(y, 0.95, 0.3)
    return f.astype(float), np.where(rng.permutation(n) < n_labelled, y, np.nan)


def two_systems(rng, shares, n=1000, n_labelled=200):
    """Rows of several systems one after the other, each with labels of its own."""
    f, y = zip(*(judged(rng, n, n_labelled, each) for each in shares), strict=True)
    return np.concatenate(f), np.concatenate(y), np.repeat([*"abcdef"][: len(shares)], n)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_a_limit_is_judged_by_the_interval_of_the_corrected_rate(level):
    """Whatever the judge alone says; below it, inside it and above it."""
    f, y = judged(np.random.default_rng(0), 2000, 300, 0.6)
    found = pass_rate(f, y, level=level)
    low, high = found.pass_rate.low, found.pass_rate.high
    assert found.judge_alone > high  # it passes too many: a gate on it would be blind
    for limit, verdict in (
        (low, "passed"),
        ((low + high) / 2, "undecided"),
        (high + 1e-9, "failed"),
    ):
        (gate,) = check_pass_rate(found, min_pass_rate=limit)
        assert gate.verdict == verdict
        assert gate.passed == (verdict != "failed")
        assert (gate.level, gate.n, gate.n_labelled) == (level, 2000, 300)
        assert f"{100 * level:g} % interval" in str(gate)
        strict = check_pass_rate(found, min_pass_rate=limit, undecided="fail")[0]
        assert strict.passed == (verdict == "passed")


def test_differences_are_judged_at_one_level_for_all_systems():
    """That of the comparison asked for does not matter; two systems: 95 %, one: 90 %."""
    f, y, systems = two_systems(np.random.default_rng(1), (0.7, 0.5, 0.7))
    found = compare_pass_rates(f, y, systems, level=0.5)
    joint = compare_pass_rates(f, y, systems, level=0.95).differences
    gates = check_pass_rate_differences(found)
    assert [gate.system for gate in gates] == ["b", "c"]
    for gate in gates:
        assert gate.level == pytest.approx(0.95)
        assert gate.difference.low == pytest.approx(joint[gate.system].low, abs=1e-12)
        assert gate.difference.high == pytest.approx(joint[gate.system].high, abs=1e-12)
    assert [gate.finding for gate in gates] == ["worse", "cannot tell"]
    only = np.isin(systems, ["a", "b"])
    (one,) = check_pass_rate_differences(compare_pass_rates(f[only], y[only], systems[only]))
    assert one.level == pytest.approx(0.9)


def test_a_margin_makes_not_worse_provable():
    """The same rows, three answers: worse by less than the margin is no failure."""
    f, y, systems = two_systems(np.random.default_rng(2), (0.7, 0.55))
    found = compare_pass_rates(f, y, systems)
    findings = [
        check_pass_rate_differences(found, margin=margin)[0].finding for margin in (0.0, 0.15, 0.5)
    ]
    assert findings == ["worse", "cannot tell", "not worse"]


def test_a_comparison_that_was_pickled_can_still_be_judged():
    """At a level of its own, from the parts that it keeps."""
    f, y, systems = two_systems(np.random.default_rng(3), (0.7, 0.5))
    found = compare_pass_rates(f, y, systems, method="adjusted-count")
    again = pickle.loads(pickle.dumps(found))  # noqa: S301
    assert again == found
    assert check_pass_rate_differences(again) == check_pass_rate_differences(found)
    assert found.differences_at(0.95) == found.differences


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda found: check_pass_rate(found, min_pass_rate=1.2), r"`min_pass_rate` .*\[0, 1\]"),
        (lambda _: check_pass_rate({}, min_pass_rate=0.5), "`found` must be what `llm.pass_rate`"),
        (lambda found: check_pass_rate(found, min_pass_rate=0.5, undecided="?"), "`undecided`"),
        (check_pass_rate_differences, "`comparison` must be what `llm.compare_pass_rates`"),
    ],
)
def test_bad_arguments_are_named(call, message):
    """In one line."""
    found = pass_rate([1, 0] * 20, [1, 0] * 20)
    with pytest.raises(InvalidInputError, match=message):
        call(found)


def test_a_bad_margin_is_named():
    """A share: no pass rate is lower by more than 1."""
    f, y, systems = two_systems(np.random.default_rng(4), (0.7, 0.5))
    with pytest.raises(InvalidInputError, match="`margin` must be a number in"):
        check_pass_rate_differences(compare_pass_rates(f, y, systems), margin=-0.1)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.7, 0.97])
def test_equal_systems_and_rates_on_the_limit_seldom_fail(request, share):
    """Of three alike one is called worse in at most 5 %; a rate on its limit fails in 2.5 %."""
    from scipy import stats

    draws = 400 if "slow" in request.config.getoption("markexpr") else 25
    rng = np.random.default_rng(5)
    worse = below = 0
    for _ in range(draws):
        f, y, systems = two_systems(rng, (share,) * 3, n=500, n_labelled=60)
        found = compare_pass_rates(f, y, systems)
        worse += not all(gate.passed for gate in check_pass_rate_differences(found))
        below += not check_pass_rate(found.rates["a"], min_pass_rate=share)[0].passed
    assert worse <= stats.binom.isf(0.001, draws, 0.05)
    assert below <= stats.binom.isf(0.001, draws, 0.025)


@pytest.fixture
def file(tmp_path):
    """Two systems, the second one worse."""
    f, y, systems = two_systems(np.random.default_rng(6), (0.8, 0.6))
    said = ["" if np.isnan(each) else str(int(each)) for each in y]
    lines = [f"{s},{int(v)},{w}" for s, v, w in zip(systems, f, said, strict=True)]
    text = "\n".join(["system,verdict,label", *lines])
    (tmp_path / "judged.csv").write_text(text, encoding="utf-8")
    return compare_pass_rates(f, y, systems)


def test_a_command_ends_with_1_and_writes_what_ci_shows(run, file, tmp_path):
    """The gates of Python; JUnit and Markdown hold each of them."""
    done = run("judge", "judged.csv", "--system-column", "system", "--min-pass-rate", "0.7",
               "--fail-if", "worse", "--margin", "pass_rate=0.01", "--junit", "gate.xml",
               "--markdown", "gate.md", "--json", code=1)  # fmt: skip
    found = json.loads(done.stdout)
    gates = (*check_pass_rate(file, min_pass_rate=0.7),
             *check_pass_rate_differences(file, margin=0.01))  # fmt: skip
    assert found["gates"] == [gate.to_dict() for gate in gates]
    assert [gate.verdict for gate in gates] == ["passed", "failed", "failed"]
    assert found["passed"] is False
    assert found["headline"] == file.in_words()
    assert "gate failed: worse than a: b, pass rate" in done.stderr
    suite = ET.parse(tmp_path / "gate.xml").getroot()  # noqa: S314  (our own)
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    page = (tmp_path / "gate.md").read_text(encoding="utf-8")
    assert page.startswith("### temperance judge judged.csv: failed (2 of 3 gates)")
    assert "b is worse than a" in page


def test_a_command_that_passes(run, file):
    """One system of the file, undecided where the limit lies inside the interval."""
    limit = f"{file.rates['a'].pass_rate.value:.3f}"
    arguments = ["judge", "judged.csv", "--system-column", "system", "--baseline", "b",
                 "--fail-if", "worse"]  # fmt: skip
    assert "gate passed: not worse than b: a" in run(*arguments).stderr
    for undecided, code in (("pass", 0), ("fail", 1)):
        done = run("judge", "judged.csv", "--system-column", "system", "--min-pass-rate", limit,
                   "--undecided", undecided, code=1)  # fmt: skip
        assert f"gate undecided: a: --min-pass-rate {limit}" in done.stderr
        ends = "passes" if code == 0 else "fails"
        assert f"200 labels cannot tell. It {ends} (--undecided {undecided})" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fail-if", "worse"], "`--fail-if worse` needs --system-column"),
        (["--min-pass-rate", "80"], r"`--min-pass-rate` must be a number in \[0, 1\]"),
        (["--junit", "x.xml"], "--junit x.xml needs a gate.*: --min-pass-rate, --fail-if worse"),
        (["--undecided", "fail"], "--undecided fail needs a limit .*--min-pass-rate"),
        (["--system-column", "system", "--margin", "pass_rate=0.1"], "`--margin` needs --fail-if"),
        (["--system-column", "system", "--fail-if", "worse", "--margin", "accuracy=0.1"],
         "`--margin` must be MEASURE=X, each measure once, of pass_rate"),
        (["--system-column", "system", "--fail-if", "worse", "--margin", "pass_rate=3"],
         r"`--margin` must be MEASURE=X, .* no more than the measure can be \(5 % is 0.05\)"),
        (["--judge-column", "said"], "has no column `said`; .*named by --judge-column"),
        (["--label-column", "human"], "has no column `human`; .*named by --label-column"),
        (["--cluster-column", "q"], "has no column `q`; .*named by --cluster-column"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("file")
def test_bad_options_are_one_line(run, words, message):
    """Exit code 2, what was wrong, and what to do."""
    import re

    done = run("judge", "judged.csv", *words, code=2)
    assert len(done.stderr.splitlines()) == 1
    assert re.search(message, done.stderr), done.stderr
