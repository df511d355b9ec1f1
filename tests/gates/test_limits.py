"""Gates for CI judge evidence: a limit inside the interval is no failure, and is said."""

import json
from collections import Counter
from math import inf, nan

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.metrics.estimates import Estimate


def rows(seed=0, n=200, k=3, scale=1.0):
    """Logits of a model that is calibrated at `scale` 1, and labels drawn from their truth."""
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(n, k))
    y = (reference.softmax(z).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=k - 1)
    return scale * z, y


@pytest.fixture
def saved(tmp_path):
    """Write a calibrated model of few rows, and one of many that is far too sure."""
    z, y = rows(seed=1)
    np.savez(tmp_path / "few.npz", logits=z, labels=y)
    z, y = rows(n=3000, scale=4.0)
    np.savez(tmp_path / "sure.npz", logits=z, labels=y)


@pytest.mark.parametrize(
    ("option", "limit", "ends", "verdict"),
    [
        ("--max-ece", 0.05, (0.06, 0.051, 0.07), "failed"),
        ("--max-ece", 0.05, (0.06, 0.05, 0.07), "undecided"),
        ("--max-ece", 0.05, (0.04, 0.0, 0.051), "undecided"),
        ("--max-ece", 0.05, (0.04, 0.0, 0.05), "passed"),
        ("--max-log-loss", 9.0, (inf, inf, inf), "failed"),
        ("--max-log-loss", 9.0, (1.0, 0.0, inf), "undecided"),
        ("--max-log-loss", 9.0, (10.0, nan, nan), "undecided"),
        ("--max-brier", 0.5, (nan, nan, nan), "failed"),
        ("--min-accuracy", 0.9, (0.8, 0.7, 0.89), "failed"),
        ("--min-accuracy", 0.9, (0.8, 0.7, 0.9), "undecided"),
        ("--min-accuracy", 0.9, (0.95, 0.89, 1.0), "undecided"),
        ("--min-accuracy", 0.9, (0.95, 0.9, 1.0), "passed"),
        ("--min-accuracy", 0.9, (nan, nan, nan), "failed"),
    ],
)
def test_an_interval_is_judged_and_not_its_middle(option, limit, ends, verdict):
    """Wholly beyond fails, wholly within passes, and what holds the limit is undecided."""
    value, low, high = ends
    name = option.removeprefix("--").replace("-", "_")
    for undecided in ("pass", "fail"):
        gate = tp.Gate.of(name, limit, Estimate(value, low, high), n=7, undecided=undecided)
        assert gate.verdict == verdict
        right = {"failed": False, "passed": True, "undecided": undecided == "pass"}
        assert gate.passed is right[verdict]
        assert str(gate).startswith(f"gate {verdict}: {name} {limit:g}, ")
        assert gate.in_words(of_command=True) == str(gate).replace(name, option).replace(
            f'undecided="{undecided}"', f"--undecided {undecided}"
        )
        assert json.loads(json.dumps(gate.to_dict(), allow_nan=False))["verdict"] == verdict


def test_each_gate_says_how_it_ended(run, saved):
    """A calibrated model above the limit by chance cannot be failed; one too sure is."""
    found = json.loads(run("evaluate", "few.npz", "--json").stdout)["ece"]
    assert found["value"] > 0.05, "the plain number would have failed"
    told = run("evaluate", "few.npz", "--max-ece", "0.05").stderr
    value, low, high = (f"{found[end]:.4g}" for end in ("value", "low", "high"))
    assert (
        f"gate undecided: --max-ece 0.05, ece is {value} (95 % interval {low} to {high}): "
        "200 rows cannot tell. It passes (--undecided pass); more rows narrow the interval."
    ) in told
    done = run("evaluate", "few.npz", "--max-ece", "0.05", "--undecided", "fail", "--json", code=1)
    assert "It fails (--undecided fail)" in done.stderr
    said = json.loads(done.stdout)
    (gate,) = said["gates"]
    assert (gate["verdict"], gate["passed"], said["passed"]) == ("undecided", False, False)
    assert (gate["value"], gate["low"], gate["high"]) == tuple(found.values())

    told = run("evaluate", "few.npz", "--max-ece", ".5", "--undecided", "fail").stderr
    assert "gate passed: --max-ece 0.5, and ece is " in told
    told = run("evaluate", "sure.npz", "--max-ece", ".05", "--min-accuracy", ".1", code=1).stderr
    assert "gate failed: --max-ece 0.05, but ece is " in told
    assert "gate passed: --min-accuracy 0.1, and accuracy is " in told


def test_gates_from_python():
    """The same gates as the command's, by arguments; a bad one is refused before anything."""
    z, y = rows(n=3000, scale=4.0)
    evaluation = tp.evaluate(reference.softmax(z), y, n_resamples=200)
    failed, passed = tp.check_gates(evaluation, max_ece=0.05, min_accuracy=0.1)
    assert (failed.verdict, passed.verdict) == ("failed", "passed")
    assert str(failed).startswith("gate failed: max_ece 0.05, but ece is ")
    assert tp.check_gates(evaluation) == ()
    with pytest.raises(tp.InvalidInputError, match="`max_brier` must be a finite number >= 0"):
        tp.check_gates(evaluation, max_brier=-1.0)
    with pytest.raises(tp.InvalidInputError, match='`undecided` must be "pass" or "fail"'):
        tp.check_gates(evaluation, max_ece=0.05, undecided="maybe")


@pytest.mark.parametrize("name", ["max_ece", "max_brier", "min_accuracy"])
def test_a_limit_that_decides_nothing_is_refused(run, saved, name):
    """5 for 5 % would pass every model, and 90 for 90 % of accuracy none: neither is a gate."""
    z, y = rows(n=50)
    evaluation = tp.evaluate(reference.softmax(z), y, n_resamples=100)
    most = 2.0 if name == "max_brier" else 1.0
    assert tp.check_gates(evaluation, **{name: most})
    with pytest.raises(tp.InvalidInputError, match=rf"`{name}` .* <= {most:g}, got 5\.0.*0\.05"):
        tp.check_gates(evaluation, **{name: 5.0})
    option = f"--{name.replace('_', '-')}"
    assert f"`{option}` must be" in run("evaluate", "few.npz", option, "5", code=2).stderr


def test_a_log_loss_has_no_largest_limit():
    """Of a log loss any number can be broken."""
    evaluation = tp.evaluate([[0.5, 0.5]] * 40, [0, 1] * 20, n_resamples=100)
    (gate,) = tp.check_gates(evaluation, max_log_loss=50.0)
    assert gate.verdict == "passed"


def test_a_margin_that_decides_nothing_is_refused():
    """No accuracy can fall by 5, which was meant for 5 %."""
    probs = np.tile([[0.5, 0.5]], (40, 1))
    comparison = tp.compare({"a": probs, "b": probs}, [0, 1] * 20, n_resamples=100)
    assert tp.gates.check_differences(comparison, margins={"accuracy": 0.05, "log_loss": 5.0})
    with pytest.raises(tp.InvalidInputError, match=r"margins\['accuracy'\].* <= 1"):
        tp.gates.check_differences(comparison, margins={"accuracy": 5})


def test_undecided_alone_is_refused(run, saved):
    """Of no limit there is nothing to decide, and a bad limit is told before a row is read."""
    told = run("evaluate", "few.npz", "--undecided", "fail", code=2).stderr
    assert (
        "--undecided fail needs a limit that it is about: --baseline, --max-ece, --max-log-loss,"
        in told
    )
    assert "--max-ece" in run("evaluate", "none.npz", "--max-ece", "nan", code=2).stderr


WORLDS = {  # rows, classes
    "few rows": (200, 3),
    "two classes": (200, 2),
    "many classes": (300, 20),
}


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
def test_a_calibrated_model_does_not_fail_by_chance(request, world):
    """Of calibrated models at most 2.5 % fail a limit that the plain number mostly breaks."""
    full = "slow" in request.config.getoption("markexpr")
    draws = 400 if full else 16
    n, k = WORLDS[world]
    ends, plain = Counter(), 0
    for seed in range(draws):
        z, y = rows(seed, n, k)
        evaluation = tp.evaluate(reference.softmax(z), y, n_resamples=200)
        (gate,) = tp.check_gates(evaluation, max_ece=0.05)
        ends[gate.verdict] += 1
        plain += gate.value > 0.05
    assert plain > 0.5 * draws
    assert ends["failed"] <= 0.025 * draws + 1


@pytest.mark.slow
def test_a_model_on_the_limit_is_neither_passed_nor_failed(request):
    """Where the truth is the limit, each wrong end comes in about 2.5 % of samples, at most 5 %."""
    full = "slow" in request.config.getoption("markexpr")
    draws = 300 if full else 16
    z, y = rows(10**6, 200_000, 3, scale=1.6)
    p = reference.softmax(z)
    limits = {
        "max_ece": tp.metrics.expected_calibration_error(p, y),
        "max_log_loss": tp.metrics.log_loss(p, y),
        "max_brier": tp.metrics.brier_score(p, y),
        "min_accuracy": tp.metrics.accuracy(p, y),
    }
    ends = Counter()
    for seed in range(draws):
        z, y = rows(seed, 500, 3, scale=1.6)
        evaluation = tp.evaluate(reference.softmax(z), y, n_resamples=200)
        ends.update((gate.name, gate.verdict) for gate in tp.check_gates(evaluation, **limits))
    for name in limits:
        for wrong in ("passed", "failed"):
            assert ends[name, wrong] <= 0.05 * draws + (0 if full else 1), ends
