"""Bets and alarms: shares, defaults, and what is refused."""

import numpy as np
import pytest

import temperance as tp
from temperance.drift import Alarm, Bet, Bets, collect, collect_blocks


def test_families_share_the_stake():
    """Two fifths, and one each; what is absent leaves its share to the others."""
    bets = Bets.of(4, groups=["x"])
    stake = {"temperature": 0.0, "accuracy": 0.0, "class": 0.0, "group": 0.0}
    for bet, share in zip(bets.bets, bets.shares, strict=True):
        stake["group" if bet.group else bet.family] += share
    assert stake == pytest.approx({"temperature": 0.4, "accuracy": 0.2, "class": 0.2, "group": 0.2})
    alone = Bets.of(4, odds=[])
    assert alone.shares.tolist() == pytest.approx([1 / 6] * 6)
    assert bets.groups == ("x",)


def test_classes_with_bets():
    """One of two classes, all of up to 100, none of more, or those that are named."""

    def labels(k, **settings):
        bets = Bets.of(k, **settings).bets
        return sorted({bet.label for bet in bets if bet.family == "class"})

    assert labels(2) == [1]
    assert labels(100) == list(range(100))
    assert labels(101) == []
    assert labels(1000, labels=[7, 999]) == [7, 999]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 1}, "`k` must be a whole number of at least 2"),
        ({"k": 2.5}, "`k` must be a whole number"),
        ({"k": 3, "labels": [3]}, r"`labels` must be classes 0\.\.2, got 3"),
        ({"k": 3, "labels": [True]}, "got True"),
        ({"k": 3, "temperatures": [1.0]}, "must not hold 1"),
        ({"k": 3, "odds": [0.0]}, "`odds`"),
        ({"k": 3, "odds": [np.nan]}, "`odds`"),
        ({"k": 3, "temperatures": [], "odds": []}, "nothing to bet on"),
        ({"k": 3, "groups": "abc"}, "`groups`"),
    ],
)
def test_refused_bets(settings, message):
    with pytest.raises(tp.InvalidInputError, match=message):
        Bets.of(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 0.01, "run_length": 100}, "two promises"),
        ({"alpha": 0.0}, "`alpha`"),
        ({"alpha": 1.0}, "`alpha` must be above 0 and below 1"),
        ({"run_length": 1.0}, "above 1 label"),
        ({"run_length": float("nan")}, "`run_length`"),
    ],
)
def test_refused_alarms(settings, message):
    with pytest.raises(tp.InvalidInputError, match=message):
        Alarm(**settings)


def test_a_bet_on_a_class_names_it():
    with pytest.raises(tp.InvalidInputError, match="`label` must be the number of a class"):
        Bet("class", 2.0)
    with pytest.raises(tp.InvalidInputError, match="`label` must be the number of a class"):
        Bet("temperature", 2.0, label=1)


P, Y = [[0.8, 0.2], [0.5, 0.5]], [0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probs": [[0.8, 0.3]], "labels": [0]}, "sum"),
        ({"probs": P, "labels": [0, 2]}, "labels"),
        ({"probs": [[1.0, 0.0]], "labels": [1]}, "of probability 0, first in row 0"),
        ({"probs": P, "labels": [0]}, "labels"),
        ({"probs": P, "labels": Y, "groups": ["a"]}, "groups"),
        ({"probs": P, "labels": Y, "bets": "all"}, "`bets`"),
        ({"probs": P, "labels": Y, "bets": Bets.of(5)}, "class 4, but the rows have 2"),
        ({"probs": P, "labels": Y, "start": 3}, "`start`"),
    ],
)
def test_refused_rows(arguments, message):
    with pytest.raises(tp.InvalidInputError, match=message):
        collect(**arguments)


def test_evidence_goes_on_with_its_own_bets():
    start = collect(P, Y).last
    with pytest.raises(tp.InvalidInputError, match="not those of `start`"):
        collect(P, Y, start=start, bets=Bets.of(2, odds=[]))
    assert collect(P, Y, start=start, bets=Bets.of(2)).last.n == 4


def test_the_most_frequent_groups_have_bets():
    """20 of them; the others' rows count in the bets on all."""
    groups = [f"g{i:02}" for i in range(25) for _ in range(1 + (i >= 5))]
    n = len(groups)
    path = collect([[0.5, 0.5]] * n, [0] * n, groups=groups)
    assert path.last.bets.groups == tuple(f"g{i:02}" for i in range(5, 25))


def test_blocks_are_named():
    with pytest.raises(tp.InvalidInputError, match="Block 1"):
        collect_blocks([(P, Y), ([[0.2, 0.2]], [0])])
    with pytest.raises(tp.InvalidInputError, match="probability 0"):
        collect_blocks([([[1.0, 0.0]], [1])])


def test_blocks_are_calibrated_first():
    """What was served is the calibrator's: evidence of its probabilities, from logits."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(300, 3)) * 3, rng.integers(3, size=300)
    scaling = tp.TemperatureScaling.fit(z, y, prior=1.0)
    ours = collect_blocks([(z[:100], y[:100]), (z[100:], y[100:])], kind="logits",
                          calibrator=scaling)  # fmt: skip
    assert ours.log_martingale == pytest.approx(collect(scaling.apply(z), y).last.log_martingale)
