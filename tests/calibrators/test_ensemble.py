"""Several models: pooled with fitted weights, then calibrated; members calibrated first lose."""

import json

import numpy as np
import pytest

import reference
import temperance as tp


@pytest.fixture
def models():
    """Members that see the same truth through noise of their own, and labels from the truth."""

    def make(noises, n=1500, k=4, seed=0, truth=2.0):
        rng = np.random.default_rng(seed)
        z = truth * rng.normal(size=(n, k))
        y = (z + rng.gumbel(size=(n, k))).argmax(axis=1)
        return [z + noise * rng.normal(size=(n, k)) for noise in noises], y

    return make


def pooled_loss(members, y, w, pool, temperature=1.0):
    """Log loss of the pool, written out."""
    logs = [np.log(reference.softmax(z)) for z in members]
    if pool == "linear":
        z = np.log(sum(a * np.exp(each) for a, each in zip(w, logs, strict=True)))
    else:
        z = sum(a * each for a, each in zip(w, logs, strict=True))
    p = reference.softmax(z / temperature)
    return -np.log(p[np.arange(len(y)), y]).mean()


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_weights_are_the_best_on_the_simplex(models, pool):
    """No step towards any member, nor a random one, lowers the loss (of the log pool: at its T)."""
    members, y = models([1.0, 1.5, 3.0])
    fitted = tp.Ensemble.fit(members, y, pool=pool)
    assert fitted.weights.sum() == pytest.approx(1, abs=1e-12)
    assert fitted.weights[0] > fitted.weights[1] > fitted.weights[2] >= 0
    at = 1.0 if pool == "linear" else fitted.temperature
    best = pooled_loss(members, y, fitted.weights, pool, at)
    rng = np.random.default_rng(1)
    for other in [*np.eye(3), *rng.dirichlet(np.ones(3), 20)]:
        near = 0.99 * fitted.weights + 0.01 * other
        assert pooled_loss(members, y, near, pool, at) >= best - 1e-9


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_temperature_of_the_pool(models, pool):
    """T is temperature scaling of the pooled logits; `apply` is the softmax of pool / T."""
    members, y = models([1.0, 2.0])
    fitted = tp.Ensemble.fit(members, y, pool=pool, member_weights="equal")
    p = [reference.softmax(z) for z in members]
    z = np.log((p[0] + p[1]) / 2) if pool == "linear" else (np.log(p[0]) + np.log(p[1])) / 2
    assert fitted.temperature == pytest.approx(reference.temperature(z, y), rel=1e-7)
    assert fitted.apply(members) == pytest.approx(reference.softmax(z / fitted.temperature))
    assert reference.softmax(fitted.scale(members)) == pytest.approx(fitted.apply(members))
    assert fitted.record.log_loss_before == pytest.approx(
        pooled_loss(members, y, [0.5, 0.5], pool), rel=1e-9
    )


def test_log_pool_is_one_convex_problem(models):
    """Weights and T of the log pool are the best pair: a grid of both finds nothing better."""
    members, y = models([1.0, 2.0], n=400)
    fitted = tp.Ensemble.fit(members, y, pool="log")
    best = pooled_loss(members, y, fitted.weights, "log", fitted.temperature)
    for w in np.linspace(0, 1, 21):
        for t in np.linspace(0.3, 4, 38):
            assert pooled_loss(members, y, [w, 1 - w], "log", t) >= best - 1e-10


def test_pool_then_calibrate(models):
    """Five calibrated members of K = 10: their mean is under-confident, T = .587 repairs it.

    Published story, drawn anew: mean of calibrated members ECE .155 and log loss 1.57; pooled and
    then calibrated .011 and 1.468; the log pool 1.457 at T = 1.2.
    """
    members, y = models([1.5] * 5, n=20_000, k=10)
    cal, test = slice(None, 10_000), slice(10_000, None)
    scaled = [tp.TemperatureScaling.fit(z[cal], y[cal]).scale(z) for z in members]
    first = np.mean([reference.softmax(z[test]) for z in scaled], axis=0)
    fitted = tp.Ensemble.fit([z[cal] for z in scaled], y[cal], member_weights="equal")
    after = fitted.apply([z[test] for z in scaled])
    log = tp.Ensemble.fit([z[cal] for z in members], y[cal], pool="log", member_weights="equal")
    ece = tp.metrics.expected_calibration_error
    assert fitted.temperature == pytest.approx(0.587, abs=0.01)
    assert log.temperature == pytest.approx(1.2, abs=0.03)
    assert ece(first, y[test]) > 0.14
    assert ece(after, y[test]) < 0.02
    losses = [
        tp.metrics.log_loss(p, y[test])
        for p in (log.apply([z[test] for z in members]), after, first)
    ]
    assert losses == sorted(losses)
    assert losses == pytest.approx([1.4568, 1.4683, 1.5715], abs=0.03)


def test_real_prompts():
    """Ten prompts of one model on MMLU: the pool is under-confident, and beats every prompt."""
    data = reference.shared("mmlu16_llama13b")
    members = np.log(np.moveaxis(data["all_prompt_probs"], 1, 0).astype(float))
    y = data["labels"].astype(int)
    alone = [tp.metrics.log_loss(reference.softmax(z), y) for z in members]
    for pool in ("linear", "log"):
        fitted = tp.Ensemble.fit(members, y, pool=pool, member_weights="equal")
        assert 0.8 < fitted.temperature < 0.9
        assert fitted.record.interval()[1] < 1
        assert tp.metrics.log_loss(fitted.apply(members), y) < min(alone)


def test_a_useless_member_gets_no_weight(models):
    """Pure noise gets almost nothing; identical members give the same pool whatever the split."""
    members, y = models([1.0, 1.0])
    noise = 3 * np.random.default_rng(9).normal(size=members[0].shape)
    fitted = tp.Ensemble.fit([*members, noise], y, pool="log")
    assert fitted.weights[2] < 0.03
    same = tp.Ensemble.fit([members[0], members[0]], y)
    single = tp.TemperatureScaling.fit(members[0], y)
    assert same.temperature == pytest.approx(single.temperature, rel=1e-6)
    assert same.apply([members[0]] * 2) == pytest.approx(single.apply(members[0]), abs=1e-7)


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_weights_of_rows_are_repeated_rows(models, pool):
    """Weights 0, 1, 2 give what the rows written out that often give."""
    members, y = models([1.0, 2.0], n=300)
    w = np.arange(300) % 3
    weighted = tp.Ensemble.fit(members, y, pool=pool, weights=w)
    repeated = tp.Ensemble.fit([z.repeat(w, axis=0) for z in members], y.repeat(w), pool=pool)
    assert weighted.apply(members) == pytest.approx(repeated.apply(members), abs=1e-6)


def test_options_missing_in_all_members(models):
    """They stay at 0; missing in one member only is refused with member and row."""
    members, y = models([1.0, 2.0], n=200)
    rows = np.arange(200)
    for z in members:
        z[rows, (y + 1) % 4] = -np.inf
    for pool in ("linear", "log"):
        probs = tp.Ensemble.fit(members, y, pool=pool).apply(members)
        assert (probs[rows, (y + 1) % 4] == 0).all()
        assert probs.sum(axis=1) == pytest.approx(1)
    members[1][7, (y[7] + 1) % 4] = 0.0
    with pytest.raises(tp.InvalidInputError, match=r"row 7 members\[1\]"):
        tp.Ensemble.fit(members, y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda z, y: ([z[0]], y), "two models or more, a list .* got 1"),
        (lambda z, y: (z[0][0], y), "two models or more, a list .* got 1"),
        (lambda z, y: ([z[0], z[1][:, :3]], y), r"\(1500, 4\), members\[1\] has \(1500, 3\)"),
        (lambda z, y: ([z[0], z[1][:-1]], y), r"members\[1\] has \(1499, 4\)"),
        (lambda z, y: ([z[0], z[1] * np.nan], y), r"`members\[1\]` must be finite"),
        (lambda z, y: ([reference.softmax(each) for each in z], y), "look like probabilities"),
    ],
)
def test_members_that_do_not_belong_together(models, change, message):
    """Too few, of other classes or rows, not finite, probabilities."""
    with pytest.raises(tp.InvalidInputError, match=message):
        tp.Ensemble.fit(*change(*models([1.0, 2.0])))


def test_another_number_of_models_in_apply(models):
    """As many as in the fit, and the same classes."""
    members, y = models([1.0, 2.0])
    fitted = tp.Ensemble.fit(members, y)
    with pytest.raises(tp.InvalidInputError, match=r"the 2 models of the fit.*got 3"):
        fitted.apply([*members, members[0]])
    with pytest.raises(tp.InvalidInputError, match="4 columns"):
        fitted.apply([z[:, :3] for z in members])


def test_no_optimum(models):
    """Members that are always right, and no rows, say so; a prior helps the first."""
    members, _ = models([1.0, 1.0], n=50)
    labels = members[0].argmax(axis=1)
    with pytest.raises(tp.NoOptimumError) as caught:
        tp.Ensemble.fit([members[0], members[0]], labels)
    assert caught.value.reason == "separable"
    assert tp.Ensemble.fit([members[0], members[0]], labels, prior=1.0).temperature > 0
    with pytest.raises(tp.NoOptimumError, match="no rows"):
        tp.Ensemble.fit([np.zeros((0, 3))] * 2, [])


def test_bad_settings(models):
    """Pools and member weights are named; numbers in a file are checked."""
    members, y = models([1.0, 2.0], n=100)
    with pytest.raises(tp.InvalidInputError, match='"linear" or "log"'):
        tp.Ensemble.fit(members, y, pool="mean")
    with pytest.raises(tp.InvalidInputError, match='"fitted" or "equal"'):
        tp.Ensemble.fit(members, y, member_weights="best")
    with pytest.raises(tp.InvalidInputError, match="sum to 1"):
        tp.Ensemble(1.0, [0.5, 0.6])


def test_round_trip(tmp_path, models):
    """Comes back equal; weights that do not sum to 1 are refused."""
    members, y = models([1.0, 2.0], n=300)
    fitted = tp.Ensemble.fit(members, y, pool="log")
    path = tmp_path / "c.json"
    tp.save(fitted, path)
    assert tp.load(path) == fitted
    content = json.loads(path.read_text())
    content["parameters"]["weights"] = [0.5, 0.7]
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match="sum to 1"):
        tp.load(path)
    assert "pool log" in str(fitted)


@pytest.fixture
def member_files(tmp_path, models):
    """Calibration and test files of two models."""
    arrays = {}
    for part, seed in (("cal", 1), ("test", 2)):
        members, y = models([1.0, 2.0], n=500, seed=seed)
        for name, z in zip("ab", members, strict=True):
            np.savez(tmp_path / f"{name}-{part}.npz", logits=z, labels=y)
        arrays[part] = (members, y)
    return arrays


def test_command_line(run, tmp_path, member_files):
    """Fit, apply and evaluate on one file per model; both orders of pooling are printed."""
    done = run("fit", "a-cal.npz", "b-cal.npz", "--method", "ensemble", "--pool", "log", "--quick",
               "--test", "a-test.npz", "--test", "b-test.npz", columns=120)  # fmt: skip
    for line in ("pool, then calibrate", "calibrate, then pool", "a-cal alone", "b-cal alone"):
        assert line in done.stdout
    fitted = tp.Ensemble.fit(*member_files["cal"], pool="log")
    assert tp.load(tmp_path / "calibrator.json") == fitted
    run("apply", "calibrator.json", "a-test.npz", "b-test.npz", "-o", "out.npz")
    members, y = member_files["test"]
    probs = np.load(tmp_path / "out.npz")["probs"]
    assert probs == pytest.approx(fitted.apply(members), abs=1e-15)
    found = json.loads(
        run("evaluate", "a-test.npz", "b-test.npz", "--calibrator", "calibrator.json", "--quick",
            "--json").stdout
    )  # fmt: skip
    assert found["log_loss"]["value"] == pytest.approx(tp.metrics.log_loss(probs, y))
    mean = np.mean([reference.softmax(z) for z in members], axis=0)
    assert found["before"]["log_loss"]["value"] == pytest.approx(tp.metrics.log_loss(mean, y))


def test_cross_fitted_pooling(run, member_files):
    """Without --test every way of pooling is scored by fits on other rows."""
    done = json.loads(
        run("fit", "a-cal.npz", "b-cal.npz", "--method", "ensemble", "--quick", "--json").stdout
    )
    assert done["evaluated_on"] == "cross-fitted"
    ways = done["pooling"]
    assert ways["pool, then calibrate"]["log_loss"]["value"] == pytest.approx(
        done["after"]["log_loss"]
    )
    gap = ways["calibrate, then pool"]["difference"]
    assert gap["low"] <= gap["value"] <= gap["high"]


def test_command_line_refuses(run, tmp_path, member_files):
    """Wrong numbers of files, other rows, one file twice: one sentence each."""
    members, y = member_files["cal"]
    np.savez(tmp_path / "short.npz", logits=members[0][:-1], labels=y[:-1])
    np.savez(tmp_path / "other.npz", logits=members[0], labels=(y + 1) % 4)
    run("fit", "a-cal.npz", "b-cal.npz", "--method", "ensemble", "--quick")
    for message, arguments in (
        ("two files or more", ["fit", "a-cal.npz", "--method", "ensemble"]),
        ("two files or more", ["fit", "a-cal.npz", "b-cal.npz"]),
        ("500 rows", ["fit", "a-cal.npz", "short.npz", "--method", "ensemble"]),
        ("labels differ", ["fit", "a-cal.npz", "other.npz", "--method", "ensemble"]),
        ("twice", ["fit", "a-cal.npz", "a-cal.npz", "--method", "ensemble"]),
        ("file per model", ["fit", "a-cal.npz", "b-cal.npz", "--method", "ensemble",
                            "--test", "a-test.npz"]),
        ("fitted on 2 models", ["apply", "calibrator.json", "a-test.npz", "-o", "o.npz"]),
        ("fitted on 2 models", ["evaluate", "a-test.npz", "--calibrator", "calibrator.json"]),
        ("fitted on 2 models", ["compare", "a-test.npz", "calibrator.json"]),
    ):  # fmt: skip
        assert message in run(*arguments, code=2).stderr
