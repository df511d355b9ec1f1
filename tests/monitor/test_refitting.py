"""A re-fit serves when labels that neither saw speak for it; promises are made again or go."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

import temperance as tp
from temperance.decisions import DecisionPolicy, abstain, load_policy, save_policy
from temperance.monitor import Registry, Settings, Store, check, refit


def stream(store, registry, traffic, parts):
    for number, (n, temperature) in enumerate(parts):
        z, y, ids = traffic(n, temperature, seed=number, word=f"p{number}-")
        store.log(ids, z, calibrator=registry.current())
        store.label(ids, y)


def test_it_is_promoted_when_it_has_earned_it(store, clock, registry, traffic):
    stream(store, registry, traffic, [(800, 4.0)])
    clock.now += 1
    check(store, registry)
    champion = registry.current()
    result = refit(store, registry)
    assert result.promoted
    assert result.champion == champion
    assert result.calibrator == registry.current() != champion
    assert result.temperature == pytest.approx(4.0, rel=0.2)
    assert result.champion_temperature == 2.0
    assert result.challenge.earned(0.05)
    assert result.words.startswith("Promoted: ")
    assert registry.history()[-1].facts["n"] == result.n


def test_what_is_calibrated_stays(store, clock, registry, traffic):
    """No gain, no change; force is another word."""
    stream(store, registry, traffic, [(800, 2.0)])
    clock.now += 1
    champion = registry.current()
    result = refit(store, registry)
    assert not result.promoted
    assert registry.current() == champion
    assert result.words.startswith("Not promoted: ")
    forced = refit(store, registry, force=True)
    assert forced.promoted
    assert forced.words.startswith("Promoted by force: ")
    assert registry.current() == forced.calibrator
    assert "forced" in registry.history()[-1].why


def test_the_challenge_is_of_rows_before(store, clock, registry, traffic):
    """Each tenth of the rest by a fit on what came before it, as a loop says."""
    stream(store, registry, traffic, [(400, 3.0)])
    clock.now += 1
    result = refit(store, registry, last=400)
    (rows,) = store.labelled()
    z, y = rows.logits.astype(float), rows.labels
    total, old = 0.0, tp.TemperatureScaling(2.0)
    for places in np.array_split(np.arange(120, 400), 10):
        new = tp.TemperatureScaling.fit(z[: places[0]], y[: places[0]])
        for place in places:
            pair = [each.apply(z[place : place + 1])[0, y[place]] for each in (new, old)]
            total += np.log(pair[0] / pair[1])
    assert result.challenge.log_evidence == pytest.approx(total, abs=1e-4)
    assert result.challenge.n == 280


def test_the_window_begins_at_the_onset(store, clock, registry, traffic):
    """After an alarm: rows since the change; by number or by time where one says so."""
    for number, (n, temperature) in enumerate([(1000, 2.0), (500, 5.0)]):
        z, y, ids = traffic(n, temperature, seed=number, word=f"p{number}-")
        store.log(ids, z, calibrator=registry.current(), times=clock.now + np.arange(n))
        clock.now += n
        store.label(ids, y)
    clock.now += 1
    assert check(store, registry).alarm
    assert abs(refit(store, registry).n - 500) < 60
    assert refit(store, registry, last=100).n == 100
    assert refit(store, registry, since=round((clock.now - 201) * 1e6), force=True).n == 200


def test_old_rows_weigh_less(store, clock, registry, traffic):
    for number, temperature in enumerate([1.0, 4.0]):
        z, y, ids = traffic(600, temperature, seed=number, word=f"p{number}-")
        store.log(ids, z, calibrator=registry.current(), times=[clock.now] * 600)
        store.label(ids, y)
        clock.now += 30 * 86_400
    alike = refit(store, registry).temperature
    late = refit(store, registry, half_life=3.0).temperature
    assert late == pytest.approx(4.0, rel=0.25)
    assert alike < late


def test_a_half_life_that_leaves_rows_no_weight_is_refused(store, clock, registry, traffic):
    z, y, ids = traffic(200)
    store.log(ids, z, calibrator=registry.current(), times=clock.now - 10.0 * np.arange(200)[::-1])
    store.label(ids, y)
    clock.now += 1
    assert refit(store, registry, half_life=2.0 / 86_400, force=True).n == 200
    with pytest.raises(tp.InvalidInputError, match=r"`half_life` .* the window spans 33.2 minutes"):
        refit(store, registry, last=200, half_life=1.0 / 86_400)
    with pytest.raises(tp.InvalidInputError, match="`half_life` must be"):
        refit(store, registry, half_life=0.0)


def test_other_methods(store, clock, registry, traffic):
    stream(store, registry, traffic, [(800, 4.0)])
    clock.now += 1
    result = refit(store, registry, method="bias-corrected-temperature")
    assert result.method == "bias-corrected-temperature"
    assert registry.load(registry.current()).method == "bias-corrected-temperature"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"last": 10}, "10 usable labels, and a re-fit wants at least 50"),
        ({"method": "isotonic"}, "`method` must be one of"),
        ({"half_life": 0}, "`half_life`"),
        ({"alpha": 2}, "`alpha`"),
        ({"last": 0}, "`last`"),
        ({"force": "yes"}, "`force`"),
    ],
)
def test_what_cannot_be(store, clock, registry, traffic, settings, message):
    stream(store, registry, traffic, [(60, 2.0)])
    clock.now += 1
    with pytest.raises(tp.InvalidInputError, match=message):
        refit(store, registry, **settings)


def test_one_calibrator_is_for_one_model(store, clock, registry, traffic):
    z, y, ids = traffic(100)
    for model in ("a", "b"):
        names = [f"{model}{each}" for each in ids]
        store.log(names, z, calibrator=registry.current(), model=model)
        store.label(names, y)
    clock.now += 1
    with pytest.raises(tp.InvalidInputError, match=r"rows of 2 models \(a, b\)"):
        refit(store, registry)


def with_policy(tmp_path, clock, registry, traffic, max_risk):
    """A store whose policy promises a risk for the calibrator that serves."""
    z, y, _ = traffic(2000, seed=9)
    rule = abstain(tp.TemperatureScaling(2.0).apply(z), y, max_risk=max_risk)
    path = tmp_path / "policy.json"
    save_policy(DecisionPolicy(tp.load(registry.current_path), rule), path)
    settings = Settings(registry=str(registry.folder), policy=str(path))
    return Store.create(tmp_path / "p.db", settings, clock=clock), path


def test_a_promise_is_made_again(tmp_path, clock, registry, traffic):
    """For the new calibrator, on labels that it was not fitted on."""
    store, path = with_policy(tmp_path, clock, registry, traffic, 0.2)
    before = load_policy(path)
    stream(store, registry, traffic, [(2000, 3.0)])
    clock.now += 1
    result = refit(store, registry)
    assert result.promoted
    assert result.n == 1400
    assert "is made again for the new calibrator, on 600 labels kept apart" in result.policy
    after = load_policy(path)
    assert tp.content_id(after.calibrator) == registry.current()
    assert after.rule.max_risk == before.rule.max_risk
    store.close()


def test_a_promise_that_cannot_be_made_again_is_withdrawn(tmp_path, clock, registry, traffic):
    store, path = with_policy(tmp_path, clock, registry, traffic, 0.2)
    stream(store, registry, traffic, [(300, 9.0)])
    clock.now += 1
    result = refit(store, registry)
    assert result.promoted
    assert "is withdrawn: the file is policy.void.json now" in result.policy
    assert not path.exists()
    assert (tmp_path / "policy.void.json").exists()
    store.close()


def test_a_server_follows(store, clock, registry, traffic):
    """What serves is what `temperance.load` reads at the same path."""
    stream(store, registry, traffic, [(800, 4.0)])
    clock.now += 1
    result = refit(store, registry)
    assert tp.load(registry.current_path).temperature == pytest.approx(result.temperature)
    registry.rollback()
    assert tp.load(registry.current_path).temperature == 2.0
    assert isinstance(registry, Registry)


def test_a_window_in_time_reads_nothing_before_it(address, clock, registry, traffic):
    """However much the store holds; a row of its first moment is in it, at any delay."""
    settings = Settings(registry=str(registry.folder), delay=1000)
    store = Store.create(address, settings, clock=clock)
    z, y, ids = traffic(400, 6.0)
    times = clock.now + np.arange(400.0)
    store.log(ids, z, calibrator=registry.current(), times=times)
    store.label(ids[:390], y[:390])
    clock.now += 5000
    store.label(ids[390:], y[390:])  # these came late
    read = []
    real = store.labelled

    def counted(**settings):
        for rows in real(**settings):
            read.append(len(rows))
            yield rows

    store.labelled = counted
    outcome = refit(store, registry, since=int(times[300] * 1e6), force=True)
    assert outcome.n == 100
    assert sum(read) == 100
    store.close()


def test_large_windows_are_cut_into_few_blocks(store, registry, traffic, clock, monkeypatch):
    """Each row is still scored by a fit that has not seen it: a map of noise earns nothing."""
    monkeypatch.setattr("temperance.monitor.refitting._MANY", 200)
    z, y, ids = traffic(300, 2.0)
    store.log(ids, z, calibrator=registry.current())
    store.label(ids, y)
    clock.now += 1
    outcome = refit(store, registry)
    assert not outcome.promoted
    expected = 0.0
    p = z / 2.0
    served = p - np.logaddexp.reduce(p, axis=1, keepdims=True)
    for rows in np.array_split(np.arange(90, 300), 3):
        t = tp.TemperatureScaling.fit(z[: rows[0]], y[: rows[0]]).temperature
        q = z[rows] / t
        new = q - np.logaddexp.reduce(q, axis=1, keepdims=True)
        expected += (new - served[rows])[np.arange(len(rows)), y[rows]].sum()
    assert outcome.challenge.log_evidence == pytest.approx(expected, abs=1e-4)


def test_rows_after_a_re_fit_are_those_of_what_serves_then(
    address, store, registry, traffic, monkeypatch
):
    """The file of what serves is looked at once a second, and at once after a re-fit."""
    still = SimpleNamespace(time=time.time, monotonic=lambda: 5.0)
    monkeypatch.setattr("temperance.monitor.monitor.clocks", still)
    monitor = tp.Monitor(address)
    z, y, ids = traffic(800, 4.0)
    monitor.log(ids, z)
    monitor.label(ids, y)
    assert monitor.refit(last=800).promoted
    monitor.log("next", z[0])
    monitor.label(["next"], y[:1])
    monitor.close()
    served = np.concatenate([part.calibrators for part in store.labelled()])
    assert set(served[:800]) != {served[800]} == {registry.current()}
