"""Evidence is what a slow loop says, in any cut; published numbers; promises by simulation."""

import math

import numpy as np
import pytest

import reference
import temperance as tp
from streams import NAMES, drawn, served
from temperance.drift import Alarm, Bets, Evidence, collect, collect_blocks


def slow(bets, log_probs, labels, groups=None):
    """Each quantity by its definition, a row, a bet and a class at a time."""
    m = len(bets.bets)
    product, restart, detector, cusum = [1.0] * m, [0.0] * m, [0.0] * m, [1.0] * m
    start, lines = [0] * m, []
    for t, (row, y) in enumerate(zip(np.exp(log_probs), labels, strict=True), 1):
        top = max(range(len(row)), key=lambda k: (row[k], -k))
        for j, bet in enumerate(bets.bets):
            if bet.group is not None and groups[t - 1] != bet.group:
                factor = 1.0
            else:
                event = top if bet.family == "accuracy" else bet.label
                if bet.family == "temperature":
                    q = [p ** (1 / bet.factor) if p > 0 else 0.0 for p in row]
                else:
                    q = [p * (bet.factor if k == event else 1.0) for k, p in enumerate(row)]
                factor = q[y] / sum(q) / row[y]
            product[j] *= factor
            restart[j] = factor * (restart[j] + 1 / (t * (t + 1)))
            detector[j] = factor * (detector[j] + 1)
            if cusum[j] <= 1:
                start[j] = t - 1
            cusum[j] = factor * max(cusum[j], 1)
        w = bets.shares
        lines.append([
            math.log(sum(a * b for a, b in zip(w, restart, strict=True)) + 1 / (t + 1)),
            *(math.log(sum(a * b for a, b in zip(w, x, strict=True)))
              for x in (product, detector, cusum)),
        ])  # fmt: skip
    return np.array(lines), start


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 7, 120])
def test_it_is_what_the_definitions_say(name, size):
    rng = np.random.default_rng(1)
    x = served(name, rng, 120)
    y = drawn(rng, x / 1.5 if name != "ragged" else x)
    groups = np.array(["a", "b", ""])[rng.integers(3, size=120)]
    bets = Bets.of(x.shape[1], groups=["a", "b"])
    lines, start = slow(bets, x, y, groups)
    evidence, paths = Evidence.none(bets), []
    for first in range(0, 120, size):
        rows = slice(first, first + size)
        path = evidence.then(bets.log_factors(x[rows], y[rows], groups[rows]))
        evidence = path.last
        logs = path.log_evidence, path.log_martingale, path.log_run_length, path.log_cusum
        paths.append(np.stack(logs, axis=1))
    np.testing.assert_allclose(np.concatenate(paths), lines, rtol=1e-9, atol=1e-9)
    now = evidence.log_evidence, evidence.log_martingale, evidence.log_run_length
    np.testing.assert_allclose([*now, evidence.log_cusum], lines[-1], rtol=1e-9, atol=1e-9)
    whole = bets.log_factors(x, y, groups)  # a start may be any of several that are as good
    since = [whole[first:, place].sum() for place, first in enumerate(evidence.starts)]
    np.testing.assert_allclose(since, evidence.log_maxima, atol=1e-9)
    same = evidence.starts == start
    assert same.mean() > 0.9
    assert evidence.peak == pytest.approx(max(0.0, lines[:, 0].max()), abs=1e-9)
    assert evidence.n == 120


def test_sums_of_any_size_give_the_same():
    """Beyond what float64 holds as numbers, logs take over: 1,000 nats up, 1,000 down."""
    bets = Bets.of(2, temperatures=[2.0], odds=[])
    factors = np.repeat([25.0, -25.0, 25.0], 40)[:, None]
    path = Evidence.none(bets).then(factors)
    assert path.log_martingale[39] == pytest.approx(1000.0)
    assert path.last.log_martingale == pytest.approx(1000.0)
    # the best start is row 80 or row 0, both with 1,000 nats; R = E (R + 1) adds both
    assert path.last.log_run_length == pytest.approx(1000.0 + math.log(2.0), abs=1e-9)
    one_by_one = Evidence.none(bets)
    for factor in factors:
        one_by_one = one_by_one.then(factor[None]).last
    assert one_by_one.log_evidence == pytest.approx(path.last.log_evidence, abs=1e-9)


def test_published_numbers():
    """CIFAR-10 VGG: the martingale of six temperatures, and its Shiryaev-Roberts detector."""
    z, y, new, truth = reference.reference_b()
    bets = Bets.of(10, odds=[])
    raw = collect(reference.softmax(new), truth, bets=bets)
    assert raw.last.log_martingale == pytest.approx(214.4030045732, abs=1e-9)
    assert int((raw.log_martingale >= math.log(20)).argmax()) + 1 == 152
    assert raw.crossing(Alarm(run_length=1e4)) + 1 == 194
    calibrated = tp.TemperatureScaling.fit(z, y).apply(new)
    after = collect(calibrated, truth, bets=bets)
    assert after.last.log_martingale == pytest.approx(-26.1160937114, abs=1e-6)
    assert math.exp(after.log_martingale.max()) == pytest.approx(math.exp(1.3000507412), rel=1e-7)
    assert after.crossing(Alarm(run_length=1e4)) is None
    assert math.exp(after.log_run_length.max()) == pytest.approx(3212, abs=1)


def test_shards_add_up(tmp_path):
    """The martingale in any order; the detectors in the order of rows; files of a folder too."""
    rng = np.random.default_rng(2)
    x = served("ten classes", rng, 3000)
    y, bets = drawn(rng, x / 1.2), Bets.of(10)
    whole = collect(np.exp(x), y).last
    cuts = [slice(0, 700), slice(700, 701), slice(701, 3000)]
    parts = [collect(np.exp(x[rows]), y[rows]).last for rows in cuts]
    left = parts[0].merge(parts[1]).merge(parts[2])
    right = parts[0].merge(parts[1].merge(parts[2]))
    for merged in (left, right):
        assert merged.n == 3000
        assert merged.log_martingale == pytest.approx(whole.log_martingale, abs=1e-9)
        assert merged.log_run_length == pytest.approx(whole.log_run_length, abs=1e-9)
        assert merged.log_cusum == pytest.approx(whole.log_cusum, abs=1e-9)
        assert merged.starts.tolist() == whole.starts.tolist()
        assert merged.log_evidence == pytest.approx(left.log_evidence, abs=1e-9)
    assert parts[2].merge(parts[0]).merge(parts[1]).log_martingale == pytest.approx(
        whole.log_martingale, abs=1e-9
    )
    with pytest.raises(tp.InvalidInputError, match="same `bets`"):
        left.merge(Evidence.none(Bets.of(10, odds=[])))
    for number, rows in enumerate(cuts):
        np.savez(tmp_path / f"{number}.npz", logits=x[rows], labels=y[rows])
    folder = collect_blocks(tp.readers.read_blocks(tmp_path), kind="logits", bets=bets)
    assert folder.log_martingale == pytest.approx(whole.log_martingale, abs=1e-9)
    assert folder.log_run_length == pytest.approx(whole.log_run_length, abs=1e-9)


def test_it_goes_on_and_is_kept():
    """Collecting in two goes, over a dictionary as JSON has it, is collecting at once."""
    rng = np.random.default_rng(3)
    x = served("rare events", rng, 500)
    y = drawn(rng, x)
    whole = collect(np.exp(x), y).last
    half = collect(np.exp(x[:200]), y[:200]).last
    again = Evidence.from_dict(half.to_dict())
    assert again == half
    last = collect(np.exp(x[200:]), y[200:], start=again).last
    assert last.to_dict().keys() == whole.to_dict().keys()
    assert last.log_evidence == pytest.approx(whole.log_evidence, abs=1e-9)
    none = Evidence.none(whole.bets)
    assert Evidence.from_dict(none.to_dict()) == none
    assert none.log_evidence == 0.0
    assert none.log_run_length == -math.inf


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_factor_is_1(name):
    """Over the labels of each row, by their probabilities: every bet is fair, row by row."""
    rng = np.random.default_rng(4)
    x = served(name, rng, 50)
    k = x.shape[1]
    bets = Bets.of(k)
    mean = np.zeros((50, len(bets)))
    for label in range(k):
        there = np.isfinite(x[:, label])
        factors = bets.log_factors(x[there], np.full(there.sum(), label))
        mean[there] += np.exp(x[there, label, None] + factors)
    np.testing.assert_allclose(mean, 1.0, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_false_alarms(name, request):
    """Calibrated streams, looked at after every label: alpha = .05 holds, and so does .01."""
    full = "slow" in request.config.getoption("markexpr")
    streams, n = (2000, 2000) if full else (100, 1000)
    rng = np.random.default_rng(5)
    alarms = {0.05: 0, 0.01: 0}
    for _ in range(streams):
        x = served(name, rng, n)
        groups = np.array(["a", "b"])[rng.integers(2, size=n)]
        bets = Bets.of(x.shape[1], groups=["a", "b"])
        path = Evidence.none(bets).then(bets.log_factors(x, drawn(rng, x), groups))
        for alpha in alarms:
            alarms[alpha] += path.crossing(Alarm(alpha=alpha)) is not None
    for alpha, number in alarms.items():
        assert number / streams <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / streams), alarms


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_run_length(name, request):
    """Calibrated streams until a false alarm: at least 300 labels on average."""
    full = "slow" in request.config.getoption("markexpr")
    streams, n = (600 if full else 60), 3000
    rng = np.random.default_rng(6)
    lengths = []
    for _ in range(streams):
        x = served(name, rng, n)
        bets = Bets.of(x.shape[1])
        path = Evidence.none(bets).then(bets.log_factors(x, drawn(rng, x)))
        crossing = path.crossing(Alarm(run_length=300))
        lengths.append(n if crossing is None else crossing + 1)
    error = np.std(lengths) / math.sqrt(streams)
    assert np.mean(lengths) >= 300 - 3 * error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factor", "published"),
    [(1.1, (641, 1710)), (1.2, (216, 360)), (1.5, (45, 64)), (2.0, (15, 20)), (0.8, (278, 544))],
)
def test_delays_of_the_detector(factor, published, request):
    """Labels of CIFAR-10 VGG drawn at T times its own: mean labels to an alarm at A = 1e3, 1e4."""
    full = "slow" in request.config.getoption("markexpr")
    streams = 200 if full else 40
    z, _, new, _ = reference.reference_b()
    pool = np.log(reference.softmax(np.concatenate([z, new]) / 1.735877588761))
    rng, bets, n = np.random.default_rng(7), Bets.of(10, odds=[]), 6000
    delays = []
    for _ in range(streams):
        x = pool[rng.integers(len(pool), size=n)]
        path = Evidence.none(bets).then(bets.log_factors(x, drawn(rng, x / factor)))
        found = [path.crossing(Alarm(run_length=a)) for a in (1e3, 1e4)]
        delays.append([n if each is None else each + 1 for each in found])
    error = np.std(delays, axis=0) / math.sqrt(streams)
    assert np.mean(delays, axis=0) == pytest.approx(np.array(published), abs=0.05 * np.array(
        published).max() + 4 * error.max())  # fmt: skip
