"""The choice among methods: by log loss out of fold, towards the simpler map, honestly scored."""

import json

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import Training
from temperance.crossfit import folds_of
from temperance.selection import select_rows
from temperance.selection.choose import Fold, Rule, Trial


@pytest.fixture
def biased():
    """Rows whose class 0 is claimed far too often: a temperature cannot repair that."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(1500, 4)) * 2
    p = reference.softmax(z / 1.5 + np.array([-2.0, 0.5, 0.5, 1.0]))
    y = (p.cumsum(axis=1) < rng.random((1500, 1))).sum(axis=1)
    return z, np.minimum(y, 3)


def out_of_fold_losses(method, z, y):
    """Row losses by five fits on copies of the other folds."""
    folds, losses = folds_of(y, scores=(z,)), np.empty(len(y))
    for fold in range(5):
        out = folds == fold
        probs = tp.METHODS[method].fit(z[~out], y[~out]).apply(z[out])
        losses[out] = -np.log(probs[np.arange(out.sum()), y[out]])
    return losses


def test_the_table_holds_cross_fitted_losses(biased):
    """Losses, paired gains over doing nothing and distances to the best, computed plainly."""
    z, y = biased
    methods = ["temperature", "bias-corrected-temperature", "vector"]
    selection = tp.select(z, y, methods=methods)
    losses = {name: out_of_fold_losses(name, z, y) for name in ["identity", *methods]}
    best = min(losses, key=lambda name: losses[name].mean())
    assert [each.method for each in selection.candidates] == list(losses)
    for each in selection.candidates:
        own, gap = losses[each.method], losses[each.method] - losses["identity"]
        assert each.log_loss.value == pytest.approx(own.mean(), rel=1e-7)
        half = 1.959964 * gap.std(ddof=1) / np.sqrt(len(y))
        assert each.difference.value == pytest.approx(gap.mean(), abs=1e-7)
        assert (
            each.difference.high >= gap.mean() + half - 1e-6
        )  # tests/metrics/test_implied.py has the rest
        assert each.difference.high <= gap.mean() + 1.2 * half + 1e-6
        behind = own - losses[best]
        assert each.behind == pytest.approx(behind.mean(), abs=1e-7)
        error = behind.std(ddof=1) / np.sqrt(len(y))
        assert each.behind_standard_error == pytest.approx(error, abs=1e-6)


def test_biases_are_found_where_they_are_needed(biased):
    """The simplest map that repairs a class bias is chosen, fitted on all rows."""
    z, y = biased
    selection = tp.select(z, y)
    assert selection.method == "bias-corrected-temperature"
    assert selection.verdict == "better"
    assert selection.calibrator == tp.BiasCorrectedTemperatureScaling.fit(z, y)


def test_doing_nothing_is_best_for_a_calibrated_model(sample):
    """Labels drawn from the model's own probabilities: identity, and it says so."""
    z, y = sample(n=2000, temperature=1.0)
    selection = tp.select(z, y)
    assert selection.method == "identity"
    assert selection.verdict == "nothing to gain"
    assert "Doing nothing is best" in str(selection)


def test_what_the_data_cannot_tell():
    """A gain of more than 1 % that its interval does not confirm is named as such."""
    rng = np.random.default_rng(3)
    for _ in range(40):
        z = rng.normal(size=(60, 3)) * 2
        y = np.array([rng.choice(3, p=p) for p in reference.softmax(z / 1.6)])
        selection = tp.select(z, y, methods=["temperature"])
        if selection.verdict == "cannot tell":
            break
    assert selection.verdict == "cannot tell"
    assert selection.method == "temperature"
    assert selection.chosen.difference.low < 0 < selection.chosen.difference.high
    assert "cannot tell it from doing nothing" in selection.in_words()


@pytest.mark.parametrize("seed", range(5))
def test_the_rule(sample, seed):
    """Identity where T is within one standard error of 1; else the first within one of the best."""
    z, y = sample(seed, n=800, temperature=1.05 + 0.1 * seed)
    selection = tp.select(z, y)
    record = tp.TemperatureScaling.fit(z, y).record
    distance = abs(np.log(record.temperature)) / (record.standard_error / record.temperature)
    moved = int(distance > 1 and not (distance <= 2 and distance**2 / 1600 <= 0.001))
    first = selection.tried[moved]
    assert first.method == ("temperature" if moved else "identity")
    tried = [each for each in selection.tried if each.method not in ("identity", "temperature")]
    best = min(each.log_loss.value for each in (first, *tried))
    chosen = next(
        each
        for each in (first, *tried)
        if each.log_loss.value <= best + each.behind_standard_error or each.log_loss.value == best
    )
    assert chosen.method == selection.method


def test_rows_are_scored_by_a_choice_they_have_no_say_in(biased):
    """The honest outputs of a fold are those of the method chosen on the other folds' losses."""
    z, y = biased
    selection, scaled = select_rows(Training.check(z, y))
    names = [each.method for each in selection.tried]
    losses = np.array([out_of_fold_losses(name, z, y) for name in names])
    folds = folds_of(y, scores=(z,))
    for fold in range(5):
        out = folds == fold
        means = losses[:, ~out].mean(axis=1)
        best = means.argmin()
        for number in range(len(names)):
            gap = losses[number, ~out] - losses[best, ~out]
            error = gap.std(ddof=1) / np.sqrt(len(gap))
            if number == best or (number > 0 and gap.mean() <= error):
                break  # a temperature of 1.5 is far from 1: identity is no candidate
        probs = tp.METHODS[names[number]].fit(z[~out], y[~out]).apply(z[out])
        assert reference.softmax(scaled[out]) == pytest.approx(probs, abs=1e-5)


@pytest.fixture
def rule():
    """A rule on made-up losses: the first method is identity."""

    def make(*losses, held_out=None):
        folds = () if held_out is None else (Fold(held_out, None, None),)
        trials = [Trial(str(i), 0.0, folds, np.asarray(each)) for i, each in enumerate(losses)]
        return Rule(trials, None, None)

    return make


def test_a_simpler_map_must_be_within_one_standard_error(rule):
    """A noisy 5 % is chance, a sure .5 % is not."""
    rng = np.random.default_rng(0)
    best = rng.exponential(size=400)
    noisy = best + 0.05 * best.mean() + rng.normal(size=400) * 2
    noisy += best.mean() * 1.05 - noisy.mean()
    assert rule(noisy, best).simplest() == 0
    assert rule(best + 0.005 * best.mean(), best).simplest() == 1
    near = best + rng.normal(size=400)
    near += best.mean() * 1.005 - near.mean()
    assert rule(near, best).simplest() == 0


def test_rows_left_out_have_no_say(rule):
    """Only the rows left out speak for the richer map: without them the simpler one is chosen."""
    plain, richer = np.full(100, 1.0), np.full(100, 1.001)
    richer[:20] = 0.2
    held_out = np.arange(100) < 20
    assert rule(plain, richer, held_out=held_out).simplest() == 1
    assert rule(plain, richer, held_out=held_out).simplest(without=0) == 0


def test_the_choice_may_differ_from_fold_to_fold(sample):
    """Near the border a fold is scored by what the others choose: a temperature, or nothing."""
    for seed in range(40):
        z, y = sample(seed, n=600, temperature=1.08)
        _, scaled = select_rows(Training.check(z, y), methods=["temperature"])
        folds = folds_of(y, scores=(z,))
        unchanged = [bool((scaled[folds == fold] == z[folds == fold]).all()) for fold in range(5)]
        if len(set(unchanged)) == 2:
            break
    for fold in range(5):
        record = tp.TemperatureScaling.fit(z[folds != fold], y[folds != fold]).record
        distance = abs(np.log(record.temperature)) / (record.standard_error / record.temperature)
        moved = distance > 1 and not (distance <= 2 and distance**2 / 1200 <= 0.001)
        assert unchanged[fold] == (not moved)
    assert len(set(unchanged)) == 2


def test_few_rows_get_a_prior_and_smoothing(sample):
    """Below 200 rows three pseudo-rows hold T; below 50 no label costs without end."""
    z, y = sample(n=30, temperature=2.0)
    selection = tp.select(z, y, methods=["temperature"])
    trial = selection.candidates[1]
    assert trial.prior == 3.0
    if selection.method == "temperature":
        assert selection.calibrator.smoothing == pytest.approx(1 / 31)
    assert "with a prior" in str(selection)


def test_separable_rows_still_have_a_choice():
    """Without an optimum in a fold a prior shows one, which is not chosen: nothing is told."""
    z = np.eye(3)[np.arange(60) % 3] * 4.0
    selection = tp.select(z, np.arange(60) % 3)
    assert selection.candidates[1].prior == 3.0
    assert selection.candidates[1].no_optimum == "separable"
    assert (selection.method, selection.verdict) == ("identity", "cannot tell")
    assert "too few errors" in selection.in_words()
    assert "no optimum (separable)" in str(selection)
    worse = tp.select(z, (np.arange(60) + 1) % 3)
    assert (worse.method, worse.verdict) == ("identity", "cannot tell")
    assert "no better than chance" in worse.in_words()
    one_class = tp.select(z, np.zeros(60, dtype=int))
    left = {each.method: each.left_out for each in one_class.candidates}
    assert left["bias-corrected-temperature"] == left["vector"] == "a class has no row"
    assert "a class has no row" in str(one_class)
    assert "needs groups" not in str(one_class)


@pytest.mark.parametrize(
    ("k", "n", "expected"),
    [
        (3, 20, {"identity"}),
        (3, 40, {"identity", "temperature"}),
        (3, 100, {"identity", "temperature", "bias-corrected-temperature"}),
        (3, 200, {"identity", "temperature", "bias-corrected-temperature", "vector"}),
        (3, 400, {"identity", "temperature", "bias-corrected-temperature", "vector", "matrix"}),
        (30, 200, {"identity", "temperature"}),
    ],
)
def test_candidates_fit_the_size(sample, k, n, expected):
    """Richer maps are tried only where there are rows enough per class; the others say why."""
    z, y = sample(n=n, k=k)
    selection = tp.select(z, y)
    assert {each.method for each in selection.tried} == expected
    left = [each for each in selection.candidates if each.log_loss is None]
    assert all(each.left_out for each in left)


def test_a_fit_from_few_events_is_told(run, tmp_path, sample):
    """Eleven numbers of 50 rows follow chance; one number, or more rows, do not."""
    z, y = sample(n=50, k=5)
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    told = run("fit", "a.npz", "--quick", "--method", "vector").stderr
    assert "vector has learned 11 numbers from 50 rows, 4.5 for each" in told
    assert "has learned" not in run("fit", "a.npz", "--quick").stderr
    odds = np.random.default_rng(0).normal(size=300)
    rare = (np.argsort(np.argsort(odds)) >= 292).astype(int)
    odds[:20] = np.abs(odds[:20]) * np.where(rare[:20], -1, 1)  # not all rows are right
    np.savez(tmp_path / "b.npz", logits=odds, labels=rare)
    told = run("fit", "b.npz", "--quick", "--method", "platt").stderr
    assert "2 numbers from 8 rows of the rarer class" in told
    pair = np.column_stack([np.abs(odds), odds])  # the right option stands first by convention
    np.savez(tmp_path / "c.npz", logits=pair, labels=np.zeros(300, dtype=int))
    told = run("fit", "c.npz", "--quick", "--prior", "1").stderr
    assert "one label, 0, fills all 300 rows" in told
    assert "rarer class" not in told


def test_weights_and_clusters_count(sample):
    """A row of weight 0 is absent; rows of one cluster are held out together and widen errors."""
    z, y = sample(n=300)
    w = np.r_[np.ones(200), np.zeros(100)]
    plain = tp.select(z[:200], y[:200], methods=["temperature"])
    weighted = tp.select(z, y, weights=w, methods=["temperature"])
    assert weighted.calibrator.temperature == pytest.approx(plain.calibrator.temperature)
    twice, names = np.tile(z, (2, 1)), np.tile(np.arange(300), 2)
    alone = tp.select(z, y, methods=["temperature"])
    doubled = tp.select(twice, np.tile(y, 2), clusters=names, methods=["temperature"])
    width = alone.candidates[1].difference.high - alone.candidates[1].difference.low
    again = doubled.candidates[1].difference
    assert again.high - again.low == pytest.approx(width, rel=0.1)  # other folds, the same rows


def test_bad_methods(sample):
    """An unknown method, and one that pools several models, are refused by name."""
    z, y = sample(n=50)
    with pytest.raises(tp.InvalidInputError, match="one of identity, temperature"):
        tp.select(z, y, methods=["nonsense"])
    with pytest.raises(tp.NoOptimumError, match="no rows"):
        tp.select(np.zeros((0, 3)), [])


def test_as_dict_and_frame(biased):
    """JSON-ready numbers, and a frame with one row per candidate."""
    selection = tp.select(*biased, methods=["temperature"])
    content = selection.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert [each["method"] for each in content["candidates"]] == ["identity", "temperature"]
    pytest.importorskip("narwhals")
    pytest.importorskip("pandas")
    frame = selection.to_frame("pandas")
    assert frame["method"].tolist() == ["identity", "temperature"]
    assert frame["chosen"].sum() == 1
    assert "temperature" in selection._repr_html_()


# The promises, on fresh rows


def _near_certain(rng, n):
    z = rng.normal(size=(n, 10))
    z[np.arange(n), rng.integers(0, 10, n)] += rng.normal(12, 2.5, n)
    return z


def _rare(rng, n):
    return np.stack([np.zeros(n), rng.normal(-5.2, 1.2, n)], axis=1)


def _five(rng, n):
    return rng.normal(size=(n, 5)) * 2.0


def _two(rng, n):
    return np.stack([np.zeros(n), rng.normal(0, 2.5, n)], axis=1)


def _choices(draw, temperature, n, draws):
    """Verdicts, and log losses on 20,000 fresh rows: of the choice, of nothing, of a plain fit."""
    rng = np.random.default_rng(n)
    fresh = draw(rng, 20_000)
    true = reference.softmax(fresh / temperature)

    def loss(z):
        z = z - z.max(axis=1, keepdims=True)
        logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        return -(true * np.where(true > 0, logs, 0.0)).sum(axis=1).mean()

    verdicts, losses = [], []
    for _ in range(draws):
        z = draw(rng, n)
        p = reference.softmax(z / temperature).cumsum(axis=1)
        y = (p < rng.random((n, 1))).sum(axis=1).clip(0, z.shape[1] - 1)
        selection = tp.select(z, y, refuse_probs=False)
        try:
            plain = loss(fresh / tp.TemperatureScaling.fit(z, y, refuse_probs=False).temperature)
        except tp.NoOptimumError:
            plain = np.inf
        verdicts.append(selection.verdict)
        scaled = selection.calibrator.scale(fresh, refuse_probs=False)
        losses.append((loss(scaled), loss(fresh), plain))
    return np.array(verdicts), np.array(losses)


@pytest.mark.slow
@pytest.mark.parametrize("draw", [_near_certain, _rare])
def test_no_harmful_map_is_called_better(request, draw):
    """Calibrated models whose errors are rare: "better" and truly worse in at most .025."""
    full = "slow" in request.config.getoption("markexpr")
    for n in (50, 100, 200) if full else (50,):
        verdicts, losses = _choices(draw, 1.0, n, 1000 if full else 15)
        harmful = (verdicts == "better") & (losses[:, 0] > losses[:, 1])
        assert harmful.mean() <= 0.025
        assert (losses[:, 0] - losses[:, 1]).mean() <= 0.001


_REGRET_CELLS = [
    *((_five, temperature) for temperature in (0.7, 1.0, 1.25, 1.5, 2.0)),
    *((_two, temperature) for temperature in (0.7, 1.0, 1.5, 2.0)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("draw", "temperature"), _REGRET_CELLS)
def test_little_is_lost_where_a_temperature_is_the_truth(request, draw, temperature):
    """Mean regret against the better of nothing and a plain temperature: at most .003 nats.

    At T = 1 nothing is best, and a rule of one standard error takes a temperature by chance: of
    n rows that costs 0.8 / 2n, the mean of z^2 / 2n where |z| > 1.
    """
    full = "slow" in request.config.getoption("markexpr")
    for n in (50, 100, 200) if full else (100,):
        _, losses = _choices(draw, temperature, n, 300 if full else 10)
        chosen, *others = losses.mean(axis=0)
        regrets = losses[:, 0] - losses[:, 1 + int(np.argmin(others))]
        noise = regrets.std(ddof=1) / np.sqrt(len(regrets))
        limit = max(0.003, 0.4 / n if temperature == 1.0 else 0.0)
        assert regrets.mean() == pytest.approx(chosen - min(others))
        assert regrets.mean() - 2 * noise <= limit


def test_without_a_positive_nothing_is_told():
    """200 rows of one class only, and scores that say so: identity, and why."""
    odds = np.random.default_rng(0).normal(-4, 1, 200)
    selection = tp.select(odds, np.zeros(200, dtype=int))
    assert (selection.method, selection.verdict) == ("identity", "cannot tell")
    assert "nothing can be told" in selection.in_words()
