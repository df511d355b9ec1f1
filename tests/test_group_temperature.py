"""One temperature per group: how far each is drawn to the pooled one, and who gets which."""

import json
import math

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import Training
from temperance.calibrators.shrinkage import between_variance, shrunk_fit
from temperance.crossfit import folds_of


@pytest.fixture
def grouped():
    """Groups of known size and temperature; labels drawn from softmax(z / T)."""

    def make(sizes, temperatures, seed=0):
        rng = np.random.default_rng(seed)
        z, y, names = [], [], []
        for number, (n, t) in enumerate(zip(sizes, temperatures, strict=True)):
            own = rng.normal(size=(n, 4)) * 3
            z.append(own)
            y += [rng.choice(4, p=p) for p in reference.softmax(own / t)]
            names += [f"g{number}"] * n
        return np.concatenate(z), np.array(y), np.array(names)

    return make


def test_between_variance_by_hand():
    """With equal errors it is the variance of the values less the error's square."""
    x = np.array([0.0, 0.4, 0.8])  # variance (n - 1): 0.16
    assert between_variance(x, np.full(3, 0.1)) == pytest.approx(0.16 - 0.01, rel=1e-9)
    assert between_variance(x, np.full(3, 0.5)) == 0.0
    assert between_variance(x[:1], np.array([0.1])) == 0.0


def test_between_variance_solves_its_equation():
    """With unequal errors the weighted squares add up to one less than the number of groups."""
    rng = np.random.default_rng(1)
    x, s = rng.normal(size=12), rng.uniform(0.1, 1, 12)
    t2 = between_variance(x, s)
    weight = 1 / (s**2 + t2)
    mean = (weight * x).sum() / weight.sum()
    assert (weight * (x - mean) ** 2).sum() == pytest.approx(11, rel=1e-9)


@pytest.mark.parametrize("strength", [0.5, 20.0, 1e9])
def test_shrunk_fit_against_a_search(sample, strength):
    """The loss of the rows plus the prior about the pooled T, minimised by golden section."""
    z, y = sample(n=80)
    fitted = shrunk_fit(Training.check(z, y), pooled=3.0, strength=strength)
    assert fitted.temperature == pytest.approx(
        3.0 * reference.temperature(z / 3.0, y, prior=strength), rel=1e-7
    )
    if strength == 1e9:
        assert fitted.temperature == pytest.approx(3.0, rel=1e-6)


def test_shrinkage_lands_near_the_truth(grouped):
    """Twelve groups around T = 2: shrunk temperatures are closer to the truth than either end."""
    truth = np.exp(np.random.default_rng(4).normal(math.log(2), 0.3, 12))
    errors = {"pooled": 0.0, "own": 0.0, "shrunk": 0.0}
    for seed in range(6):
        z, y, names = grouped([60] * 12, truth, seed)
        fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
        for number, t in enumerate(truth):
            rows = names == f"g{number}"
            own = reference.temperature(z[rows], y[rows])
            shrunk = fitted.temperatures[f"g{number}"]
            for name, found in zip(errors, (fitted.temperature, own, shrunk), strict=True):
                errors[name] += math.log(found / t) ** 2
    assert errors["shrunk"] < min(errors["pooled"], errors["own"])


def test_much_data_keeps_its_own_optimum_little_stays_at_the_pooled(grouped):
    """A group of 3,000 rows is hardly moved, one of 25 mostly."""
    z, y, names = grouped([3000, 3000, 3000, 25], [1.0, 2.0, 4.0, 2.0], seed=2)
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    for group in ("g0", "g2"):
        own = reference.temperature(z[names == group], y[names == group])
        assert fitted.temperatures[group] == pytest.approx(own, rel=0.01)
    assert fitted.spread == pytest.approx(math.log(2), rel=0.5)


def test_groups_that_differ_by_chance_alone_get_one_temperature(grouped):
    """All groups drawn at T = 2: in most samples nothing is left between them."""
    pooled = 0
    for seed in range(10):
        z, y, names = grouped([200] * 5, [2.0] * 5, seed)
        fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
        pooled += set(fitted.temperatures.values()) == {fitted.temperature}
    assert pooled >= 4  # half of all samples, by chance


def test_small_groups_are_listed(grouped):
    """Under 20 rows a group has the pooled temperature, and is named."""
    z, y, names = grouped([400, 400, 19], [1.0, 3.0, 1.0])
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    assert fitted.small_groups == ("g2",)
    assert set(fitted.temperatures) == {"g0", "g1"}
    assert "too small g2" in str(fitted)
    assert fitted.scale(z[:1], groups=["g2"]) == pytest.approx(z[:1] / fitted.temperature)


def test_a_group_without_an_optimum_is_held(grouped):
    """All rows right in one group: T = 0 for itself, finite under the prior."""
    z, y, names = grouped([400, 400, 60], [1.0, 3.0, 1.0])
    y[names == "g2"] = z[names == "g2"].argmax(axis=1)
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    assert 0 < fitted.temperatures["g2"] < fitted.temperature


def test_unseen_and_missing_groups_get_the_pooled_temperature():
    """Of rows that are served: None, nan, empty, unknown names, and no groups at all."""
    scaling = tp.GroupTemperatureScaling(2.0, {"law": 4.0})
    z = np.array([[4.0, 0.0]] * 5)
    groups = np.array(["law", "physics", None, float("nan"), ""], dtype=object)
    assert scaling.scale(z, groups=groups)[:, 0].tolist() == [1.0, 2.0, 2.0, 2.0, 2.0]
    assert scaling.scale(z)[:, 0].tolist() == [2.0] * 5
    assert scaling.unseen(groups) == ("physics",)
    probs = scaling.apply(z, groups=groups)
    assert probs[0] == pytest.approx(reference.softmax(np.array([[1.0, 0.0]]))[0])


def test_groups_of_another_length_are_refused():
    """One name per row, in fit and apply."""
    scaling = tp.GroupTemperatureScaling(2.0, {"law": 4.0})
    with pytest.raises(tp.InvalidInputError, match=r"`groups` must have shape \(2,\)"):
        scaling.apply([[1.0, 0.0]] * 2, groups=["law"])
    with pytest.raises(tp.InvalidInputError, match=r"`groups` must have shape \(3,\)"):
        tp.GroupTemperatureScaling.fit(np.eye(3), [0, 1, 2], groups=["a"], refuse_probs=False)


def test_rows_of_weight_zero_are_absent(grouped):
    """A group whose rows all have weight 0 is as if it were not there."""
    z, y, names = grouped([300, 300, 300], [1.0, 3.0, 9.0])
    w = (names != "g2").astype(float)
    weighted = tp.GroupTemperatureScaling.fit(z, y, groups=names, weights=w)
    kept = names != "g2"
    plain = tp.GroupTemperatureScaling.fit(z[kept], y[kept], groups=names[kept])
    assert weighted.temperatures == pytest.approx(plain.temperatures)
    assert "g2" not in weighted.small_groups


def test_training_loss_of_the_record(grouped):
    """`log_loss_after` is that of every row at its own group's temperature."""
    z, y, names = grouped([300, 300], [1.0, 3.0])
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    probs = fitted.apply(z, groups=names)
    assert fitted.record.log_loss_after == pytest.approx(tp.metrics.log_loss(probs, y), rel=1e-12)


def test_round_trip_and_tampered_files(tmp_path, grouped):
    """Comes back equal; a negative temperature of a group is refused by its name."""
    z, y, names = grouped([300, 300, 5], [1.0, 3.0, 1.0])
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=names)
    path = tmp_path / "c.json"
    tp.save(fitted, path)
    assert tp.load(path) == fitted
    content = json.loads(path.read_text())
    content["parameters"]["temperatures"]["g0"] = -1.0
    path.write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match="group 'g0'"):
        tp.load(path)


def test_command_line(run, tmp_path, grouped):
    """Fit needs the groups' column; apply says which rows fall back on the pooled temperature."""
    z, y, names = grouped([300, 300], [1.0, 4.0])
    np.savez(tmp_path / "cal.npz", logits=z, labels=y, groups=names)
    np.savez(tmp_path / "new.npz", logits=z[:4], groups=np.array(["g0", "g1", "new", "new"]))
    np.savez(tmp_path / "none.npz", logits=z, labels=y)
    fit = ("fit", "cal.npz", "--method", "group-temperature", "--quick", "--json")
    after = json.loads(run(*fit).stdout)["after"]["log_loss"]
    folds, losses = (
        folds_of(y, scores=(z, np.unique(names, return_inverse=True)[1])),
        np.empty(len(y)),
    )
    for fold in range(5):
        out = folds == fold
        own = tp.GroupTemperatureScaling.fit(z[~out], y[~out], groups=names[~out])
        probs = own.apply(z[out], groups=names[out])
        losses[out] = -np.log(probs[np.arange(out.sum()), y[out]])
    assert after == pytest.approx(losses.mean(), rel=1e-9)
    done = run("apply", "calibrator.json", "new.npz", "-o", "out.npz")
    assert "not seen in the fit: new" in done.stderr
    done = run("apply", "calibrator.json", "none.npz", "-o", "out.npz")
    assert "no groups" in done.stderr
    refused = run("fit", "none.npz", "--method", "group-temperature", code=2)
    assert "--group-column" in refused.stderr
