"""The winning bet names the failure, the onset is where the change was, the advice runs."""

import numpy as np
import pytest

import reference
import temperance as tp
from streams import drawn, log_softmax, served
from temperance.drift import Alarm, Bets, Evidence, cause_of, estimate_onset


def cause(x, y, groups=None, **settings):
    """What is said of rows at the first alarm."""
    names = () if groups is None else sorted(set(groups))
    bets = Bets.of(x.shape[1], groups=names)
    factors = bets.log_factors(x, y, groups)
    stop = Evidence.none(bets).then(factors).crossing(Alarm(alpha=0.01))
    assert stop is not None
    last = Evidence.none(bets).then(factors[: stop + 1]).last
    onset = estimate_onset(factors[: stop + 1, last.leader])
    rows = slice(onset.row, stop + 1)
    part = None if groups is None else groups[rows]
    return cause_of(bets, last.leader, x[rows], y[rows], part, **settings), onset


def test_a_temperature_is_named():
    rng = np.random.default_rng(0)
    x = served("ten classes", rng, 6000)
    truth = x.copy()
    truth[3000:] /= 1.6
    found, onset = cause(x, drawn(rng, truth))
    assert found.bet.family == "temperature"
    assert 1.2 < found.factor < 2.2
    assert found.words.startswith("Confidence is too high by a factor of ")
    assert onset.low <= 3000 <= onset.high
    truth = x * 1.8
    found, _ = cause(x, drawn(rng, truth))
    assert found.words.startswith("Confidence is too low by a factor of ")
    assert found.factor < 1


def test_a_class_is_named():
    rng = np.random.default_rng(1)
    x = served("ten classes", rng, 8000)
    truth = x.copy()
    truth[:, 3] += np.log(3.0)
    found, _ = cause(x, drawn(rng, truth), classes=tuple("abcdefghij"))
    assert (found.bet.family, found.bet.label) == ("class", 3)
    assert found.words.startswith("'d' became more frequent than its probability says")
    assert "temperance shift" in found.advice


def test_the_accuracy_is_named():
    """The top class is right less often, and what is left keeps its proportions."""
    rng = np.random.default_rng(2)
    x = served("ten classes", rng, 20000)
    truth = x.copy()
    truth[np.arange(len(x)), x.argmax(axis=1)] -= np.log(2.0)
    found, _ = cause(x, drawn(rng, truth))
    assert found.bet.family in {"accuracy", "temperature"}
    assert found.bet.factor < 1 or found.bet.family == "temperature"


def test_a_group_is_named():
    """Only one group drifts; where all do, it is not said to be a group."""
    rng = np.random.default_rng(3)
    x = served("ten classes", rng, 6000)
    groups = np.array(["north", "south"])[(rng.random(6000) < 0.3).astype(int)]
    truth = x.copy()
    truth[groups == "south"] /= 2.5
    found, _ = cause(x, drawn(rng, truth), groups)
    assert found.bet.group == "south"
    assert found.only is True
    assert found.words.startswith("Only in group 'south', confidence is too high")
    assert "group-temperature" in found.advice
    found, _ = cause(x, drawn(rng, x / 2.0), groups)
    assert found.bet.group is None


def test_the_factor_is_the_likeliest():
    """Of a temperature the fit's; of odds where as many events are expected as happened."""
    z, y = reference.reference_a()
    x = log_softmax(z)
    bets = Bets.of(5)
    place = next(i for i, b in enumerate(bets.bets) if b.family == "class" and b.label == 2)
    found = cause_of(bets, place, x, y)
    p = np.exp(x[:, 2])
    raised = p * found.factor / (1 + p * (found.factor - 1))
    assert raised.sum() == pytest.approx((y == 2).sum(), abs=1e-5)
    best = cause_of(bets, 0, x, y).factor
    assert best == pytest.approx(reference.temperature(x, y, prior=1.0), rel=1e-6)


def test_one_sided_events_have_a_bounded_factor():
    x = np.log(np.full((5, 2), 0.5))
    bets = Bets.of(2, temperatures=[])
    place = next(i for i, b in enumerate(bets.bets) if b.family == "class")
    assert cause_of(bets, place, x, np.ones(5, dtype=int)).factor == pytest.approx(np.exp(12.0))
    assert cause_of(bets, place, x, np.zeros(5, dtype=int)).factor == pytest.approx(np.exp(-12.0))


def test_no_rows_have_no_onset():
    with pytest.raises(tp.InvalidInputError, match="at least one row"):
        estimate_onset(np.empty(0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change"),
    [("ten classes", 1.5), ("ten classes", 0.6), ("heavy tails", 1.4), ("rare events", "class"),
     ("ten classes", "class")],
)  # fmt: skip
def test_the_range_holds_the_onset(name, change, request):
    """Sudden changes after 1,000 labels, found at alpha = 0.01: .93 of the ranges or more."""
    full = "slow" in request.config.getoption("markexpr")
    streams, n, at = (300 if full else 30), 12000 if name == "rare events" else 5000, 1000
    rng = np.random.default_rng(8)
    held = []
    for _ in range(streams):
        x = served(name, rng, n)
        truth = x.copy()
        if change == "class":
            truth[at:, 1] += np.log(3.0)
        else:
            truth[at:] /= change
        y, bets = drawn(rng, truth), Bets.of(x.shape[1])
        factors = bets.log_factors(x, y)
        stop = Evidence.none(bets).then(factors).crossing(Alarm(alpha=0.01))
        if stop is None or stop < at:
            continue
        last = Evidence.none(bets).then(factors[: stop + 1]).last
        onset = estimate_onset(factors[: stop + 1, last.leader])
        held.append(onset.low <= at <= onset.high)
    assert len(held) > 0.9 * streams
    assert np.mean(held) > 0.93 - 3 * np.sqrt(0.93 * 0.07 / len(held))
