"""Checks: the evidence of all labels in any cut, alarms that name what and since when."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.drift import Alarm, Bets, Evidence
from temperance.monitor import Registry, Settings, Store, check
from temperance.monitor.checking import served_log_probs


def served(z, temperature=2.0):
    scaled = z.astype(np.float32) / temperature
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def log(store, registry, z, y, ids, **settings):
    store.log(ids, z, calibrator=registry.current(), **settings)
    store.label(ids, y)


def test_a_check_weighs_each_label_once(store, clock, registry, traffic):
    """Checked after each part, evidence is what one reading of all labels gives."""
    z, y, ids = traffic(500)
    for first in (0, 100, 130, 400):
        some = slice(first, {0: 100, 100: 130, 130: 400, 400: 500}[first])
        log(store, registry, z[some], y[some], ids[some])
        clock.now += 5
        result = check(store, registry)
        assert check(store, registry).n_new == 0
    bets = Bets.of(4)
    whole = Evidence.none(bets).then(bets.log_factors(served(z), y)).last
    assert result.log_evidence == pytest.approx(whole.log_evidence, abs=1e-4)
    assert (result.n_labels, result.n_new, result.alarm) == (500, 100, False)
    assert [each["n_new"] for each in store.checks()] == [100, 30, 270, 100]
    (stream,) = result.streams
    p = np.exp(served(z))
    last = slice(400, 500)
    assert stream.accuracy == pytest.approx((p.argmax(axis=1) == y)[last].mean())
    assert stream.confidence == pytest.approx(p.max(axis=1)[last].mean(), rel=1e-5)
    assert stream.log_loss == pytest.approx(-np.log(p[np.arange(500), y])[last].mean(), rel=1e-5)


def test_an_alarm_says_what_and_since_when(store, clock, registry, traffic):
    """Twice too sure from the 1,000th label on: named, dated, kept until another one serves."""
    for day, temperature in enumerate([2.0, 2.0, 4.0]):
        z, y, ids = traffic(500, temperature, seed=day, word=f"d{day}-")
        store.log(ids, z, calibrator=registry.current(), times=clock.now + np.arange(500.0))
        clock.now += 600
        store.label(ids, y)
        result = check(store, registry)
    assert result.alarm
    assert result.cause.startswith("Confidence is too high by a factor of ")
    assert 1.5 < result.streams[0].factor < 2.7
    since = result.streams[0].since
    assert since["low_label"] <= 1001 <= since["high_label"]
    assert 1000 < since["label"] < 1300
    assert since["low"] <= since["onset"] <= since["high"] <= since["raised_at"]
    assert result.onset == since["onset"]
    assert check(store, registry).alarm
    assert "ALARM" in result.in_words()
    json.dumps(result.to_dict())


def test_the_first_crossing_raises_it(store, clock, registry, traffic):
    """The label that raised the alarm does not depend on when checks ran."""
    z, y, ids = traffic(800, 4.0)
    log(store, registry, z, y, ids)
    clock.now += 1
    bets = Bets.of(4)
    path = Evidence.none(bets).then(bets.log_factors(served(z), y))
    label = check(store, registry).streams[0].since["label"]
    assert label == path.crossing(Alarm()) + 1


def test_groups_have_bets(address, clock, registry, traffic):
    settings = Settings(registry=str(registry.folder), groups=("north", "south"))
    store = Store.create(address, settings, clock=clock)
    z, _, ids = traffic(3000)
    groups = np.array(["north", "south"])[np.arange(3000) % 2]
    rng = np.random.default_rng(3)
    p = np.exp(z / np.where(groups == "south", 5.0, 2.0)[:, None])
    y = (p.cumsum(axis=1) < rng.random((3000, 1)) * p.sum(axis=1, keepdims=True)).sum(axis=1)
    log(store, registry, z, y, ids, groups=groups)
    clock.now += 1
    result = check(store, registry)
    assert "in group 'south'" in result.cause
    store.close()


def test_each_calibrator_has_evidence_of_its_own(store, clock, registry, traffic, tmp_path):
    """After a promotion nothing is known of what serves, and the old alarm is history."""
    z, y, ids = traffic(600, 4.0)
    log(store, registry, z, y, ids)
    clock.now += 1
    assert check(store, registry).alarm
    registry.promote(registry.add(tp.TemperatureScaling(4.0)), why="test")
    result = check(store, registry)
    assert not result.alarm
    assert result.n_labels == 0
    assert result.streams[0].alarm
    z, y, ids = traffic(600, 4.0, seed=1, word="new")
    log(store, registry, z, y, ids)
    clock.now += 1
    result = check(store, registry)
    assert (result.alarm, result.n_labels, len(result.streams)) == (False, 600, 2)
    assert result.streams[0].calibrator == registry.current()


def test_what_was_as_good_as_impossible_is_bounded_evidence(store, clock, registry):
    """A label of probability e^-2500: one row raises an alarm, and the log stays within 28 nats."""
    z = np.array([[5000.0, 0.0]] + [[1.0, 0.0]] * 3)
    log(store, registry, z, np.array([1, 0, 0, 1]), ["a", "b", "c", "d"])
    clock.now += 1
    result = check(store, registry)
    assert result.alarm
    assert 4.6 < result.log_evidence < 28.0


def test_rows_without_labels_are_looked_at(store, clock, registry, traffic):
    """Their accuracy is estimated, a shift is a warning and no alarm."""
    z, y, ids = traffic(2000)
    log(store, registry, z, y, ids)
    later, truth, names = traffic(2000, seed=1, word="later")
    store.log(names, later, calibrator=registry.current())
    clock.now += 1
    result = check(store, registry)
    right = (later.argmax(axis=1) == truth).mean()
    assert result.accuracy.low < right < result.accuracy.high
    assert not result.shift.moved
    store.log([f"flat{i}" for i in range(9000)], np.zeros((9000, 4)), calibrator=registry.current())
    result = check(store, registry)
    assert result.shift.moved
    assert not result.alarm
    assert any("a warning, no alarm" in each for each in result.warnings)
    assert result.accuracy.void


def test_few_labels_are_said(store, clock, registry, traffic):
    z, y, ids = traffic(100)
    store.log(ids, z, calibrator=registry.current())
    store.label([*ids[:20], "unknown"], [*y[:20], 0])
    clock.now += 1
    warnings = " ".join(check(store, registry).warnings)
    assert "only 20 % of the rows older than the delay have a label" in warnings
    assert "1 label without a prediction of that id so far" in warnings


def test_a_calibrator_that_is_not_there_is_named(store, clock, registry, traffic):
    """Nothing is weighed, and the next check looks again."""
    z, y, ids = traffic(10)
    store.log(ids, z, calibrator="sha256:nowhere")
    store.label(ids, y)
    clock.now += 1
    with pytest.raises(tp.FileFormatError, match="no calibrator sha256:nowhere is there"):
        check(store, registry)
    assert store.check_window()[0] == 0


def test_pruned_rows_stay_in_evidence(store, clock, registry, traffic):
    """An alarm after old rows have gone still has a cause and numbers that count them."""
    z, y, ids = traffic(1000)
    log(store, registry, z, y, ids)
    clock.now += 10
    check(store, registry)
    clock.now += 100
    store.prune(50)
    z, y, ids = traffic(800, 5.0, seed=4, word="late")
    log(store, registry, z, y, ids)
    clock.now += 1
    result = check(store, registry)
    assert result.alarm
    assert result.n_labels == 1800
    assert result.streams[0].since["label"] > 1000
    assert result.streams[0].since["onset_label"] > 1000


def test_log_probabilities_are_those_that_apply_gives(store, registry, traffic):
    z, y, ids = traffic(50)
    log(store, registry, z, y, ids)
    (rows,) = store.labelled(until=store.now() + 1)
    got = served_log_probs(rows, registry, registry.current())
    np.testing.assert_allclose(np.exp(got), tp.TemperatureScaling(2.0).apply(z), rtol=1e-5)
    assert isinstance(registry, Registry)


@pytest.mark.slow
def test_false_alarms_of_nightly_checks(tmp_path, registry, traffic, request):
    """Calibrated streams, checked every night: alarms in at most alpha of them."""
    full = "slow" in request.config.getoption("markexpr")
    streams = 200 if full else 20
    alarms = 0
    for seed in range(streams):
        store = Store.create(
            tmp_path / f"{seed}.db", Settings(registry=str(registry.folder), alpha=0.1)
        )
        for night in range(5):
            z, y, ids = traffic(100, seed=1000 * night + seed, word=f"{night}-")
            log(store, registry, z, y, ids)
            result = check(store, registry)
        alarms += result.alarm
        store.close()
    assert alarms / streams <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / streams)
