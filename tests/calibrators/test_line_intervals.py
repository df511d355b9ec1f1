"""Intervals of the line of each label: against a slow profile, their coverage, and shrinkage."""

import json
from math import inf

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import temperance as tp
from temperance.calibrators.line_intervals import line_intervals

OPTIONS = ("--kind", "multilabel", "--quick")


def sigmoid(z):
    return np.exp(-np.logaddexp(0, -z))


def drawn(rng, n, slopes, intercepts, *, mean=-1.0, spread=2.0):
    """Logits of labels with these lines, and labels."""
    z = mean + spread * rng.normal(size=(n, len(slopes)))
    return z, (rng.random(z.shape) < sigmoid(slopes * z + intercepts)) * 1


def loss(z, y, a, b):
    """Summed loss of one label's line."""
    return float((np.logaddexp(0, a * z + b) - y * (a * z + b)).sum())


def profile(z, y, *, slope=None, intercept=None):
    """The least loss at a slope, or at an intercept, by a search over the other."""
    if slope is not None:
        return minimize_scalar(lambda b: loss(z, y, slope, b), bracket=(-2, 2)).fun
    return minimize_scalar(lambda a: loss(z, y, a, intercept), bracket=(0, 1)).fun


def fitted(z, y, **options):
    return tp.MultilabelScaling.fit(z, y, method="platt", refuse_probs=False, **options)


@pytest.mark.parametrize(("n", "intercept"), [(60, 0.5), (400, -1.5)])
def test_ends_lie_where_the_profile_has_risen(n, intercept):
    """At each end twice the loss, the other number fitted anew, is 1.96^2 above the least."""
    rng = np.random.default_rng(0)
    z, y = drawn(rng, n, np.array([0.5, 0.7, 1.0]), np.full(3, intercept))
    part = np.tile(np.arange(3), n)
    found = line_intervals(z.ravel(), y.ravel() * 1.0, np.ones(z.size), part, 3)
    for label in range(3):
        own = z[:, label], y[:, label]
        least = minimize_scalar(lambda a, own=own: profile(*own, slope=a), bracket=(0.3, 1)).fun
        for end in found.slopes[label]:
            assert 2 * (profile(*own, slope=end) - least) == pytest.approx(1.96**2, abs=0.01)
        for end in found.intercepts[label]:
            assert 2 * (profile(*own, intercept=end) - least) == pytest.approx(1.96**2, abs=0.01)


def test_rows_that_allow_anything_say_so():
    """No hit, all hits, a label that a line separates, one whose log-odds are all alike."""
    rng = np.random.default_rng(1)
    z, y = drawn(rng, 200, np.full(5, 0.7), np.zeros(5))
    y[:, 0], y[:, 1], y[:, 2], z[:, 3] = 0, 1, z[:, 2] > 0, 1.0
    inner = fitted(z, y).inner
    slopes, intercepts = inner.slope_intervals, inner.intercept_intervals
    assert slopes["0"] == slopes["1"] == slopes["3"] == (0.0, inf)
    assert intercepts["0"][0] == -inf
    assert intercepts["1"][1] == inf
    assert slopes["2"][1] == inf
    assert slopes["2"][0] > 0.0
    assert intercepts["3"] == (-inf, inf)
    assert np.isfinite([*slopes["4"], *intercepts["4"]]).all()
    for name in slopes:
        assert slopes[name][0] <= inner.slopes[name] <= slopes[name][1]
        assert intercepts[name][0] <= inner.intercepts[name] <= intercepts[name][1]


def test_many_rows_in_cells_are_as_good():
    """Of many rows neighbours count as one: the ends move by less than a hundredth of the width."""
    rng = np.random.default_rng(2)
    z, y = drawn(rng, 30_000, np.array([0.7]), np.array([-2.0]))
    z, y, part = z[:, 0], y[:, 0] * 1.0, np.zeros(30_000, np.intp)
    found = line_intervals(z, y, np.ones(len(z)), part, 1)
    least = minimize_scalar(lambda a: profile(z, y, slope=a), bracket=(0.5, 1)).fun
    for end in found.slopes[0]:
        assert 2 * (profile(z, y, slope=end) - least) == pytest.approx(1.96**2, rel=0.02)


@pytest.mark.parametrize("unit", [1e-100, 1.0, 1e100])
def test_units_and_weights(unit):
    """The unit of the logits and the scale of weights do not matter; weight 2 is no second row."""
    rng = np.random.default_rng(3)
    z, y = drawn(rng, 300, np.array([0.5, 1.0]), np.array([-1.0, 0.0]))
    part = np.tile(np.arange(2), 300)
    plain = line_intervals(z.ravel(), y.ravel() * 1.0, np.ones(z.size), part, 2)
    other = line_intervals(unit * z.ravel(), y.ravel() * 1.0, np.full(z.size, 7.0), part, 2)
    assert other.slopes * unit == pytest.approx(plain.slopes, rel=1e-6)
    assert other.intercepts == pytest.approx(plain.intercepts, rel=1e-6)


def test_rows_that_belong_together_widen_the_intervals():
    """Each row five times over, in clusters: about the intervals of the rows once."""
    rng = np.random.default_rng(4)
    z, y = drawn(rng, 400, np.array([0.6]), np.array([-0.5]))
    z, y = z[:, 0], y[:, 0] * 1.0
    once = line_intervals(z, y, np.ones(400), np.zeros(400, np.intp), 1)
    units = np.repeat(np.arange(400), 5)
    five = line_intervals(
        np.repeat(z, 5), np.repeat(y, 5), np.ones(2000), np.zeros(2000, np.intp), 1, clusters=units
    )
    assert np.ptp(five.slopes) == pytest.approx(np.ptp(once.slopes), rel=0.12)
    assert np.ptp(five.intercepts) == pytest.approx(np.ptp(once.intercepts), rel=0.12)
    one = line_intervals(
        z, y, np.ones(400), np.zeros(400, np.intp), 1, clusters=np.zeros(400, np.intp)
    )
    assert one.slopes.tolist() == [[0.0, inf]]


def test_intervals_are_shown_and_kept(run, tmp_path):
    """File, frame, JSON, shell and page have them; infinite ends come back."""
    rng = np.random.default_rng(5)
    z, y = drawn(rng, 300, np.full(3, 0.6), np.array([-2.0, -1.0, 0.0]))
    y[:, 0] = 0
    np.savez(tmp_path / "cal.npz", logits=z, labels=y, classes=np.array(["cat", "dog", "ox"]))
    done = run("fit", "cal.npz", *OPTIONS, "--method", "platt", "--report", "page.html")
    scaling = tp.load(tmp_path / "calibrator.json")
    assert scaling == fitted(z, y, classes=["cat", "dog", "ox"])
    low, high = scaling.inner.slope_intervals["dog"]
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for text in (done.stdout, page):
        assert f"{low:.4f} to {high:.4f}" in text
        assert "any" in text
    written = json.loads((tmp_path / "calibrator.json").read_text())["parameters"]
    assert written["slope_intervals"]["dog"] == {"low": low, "high": high}
    assert written["slope_intervals"]["cat"] == {"low": 0.0, "high": None}
    assert scaling.to_dict()["slope_intervals"]["dog"] == {"low": low, "high": high}
    pytest.importorskip("narwhals")
    pytest.importorskip("pandas")
    frame = scaling.to_frame("pandas").set_index("parameter")
    assert frame.loc["slopes[dog]", ["low", "high"]].tolist() == [low, high]
    assert not any(name.startswith("slope_intervals") for name in frame.index)


def test_a_file_of_before_has_no_intervals(tmp_path):
    """A file without them is read; a line outside its interval, or another text, is refused."""
    scaling = fitted(*drawn(np.random.default_rng(6), 200, np.full(2, 0.6), np.zeros(2)))
    tp.save(scaling, tmp_path / "c.json")
    told = json.loads((tmp_path / "c.json").read_text())
    for name in ("slope_intervals", "intercept_intervals"):
        del told["parameters"][name]
    (tmp_path / "old.json").write_text(json.dumps(told))
    again = tp.load(tmp_path / "old.json")
    assert again.inner.slope_intervals == {}
    assert np.array(again.lines) == pytest.approx(np.array(scaling.lines))
    for ends in ({"low": 20.0, "high": 30.0}, {"low": "a"}, {"low": 0.1, "up": 1.0}, 3):
        told["parameters"]["slope_intervals"] = {"0": ends}
        (tmp_path / "bad.json").write_text(json.dumps(told))
        with pytest.raises(tp.TemperanceError):
            tp.load(tmp_path / "bad.json")


COVERAGE_WORLDS = {  # rows, slopes, intercepts of l labels
    "alike": (200, lambda rng: (np.full(10, 0.5), np.full(10, -0.5))),
    "rare": (400, lambda rng: (np.exp(rng.normal(-0.4, 0.3, 12)), rng.normal(-3.5, 0.7, 12))),
    "few rows": (50, lambda rng: (np.exp(rng.normal(-0.3, 0.4, 60)), rng.normal(0, 1, 60))),
    "slopes 50-fold": (300, lambda rng: (np.exp(rng.uniform(-2, 1.9, 10)), rng.normal(0, 0.5, 10))),
    "one differs": (200, lambda rng: (np.r_[np.full(11, 1.0), 0.2], np.r_[np.zeros(11), -2.0])),
}


@pytest.mark.slow
@pytest.mark.parametrize("world", COVERAGE_WORLDS)
def test_coverage_of_the_intervals(world, request):
    """95 % of slopes and intercepts lie in their intervals; of the label that differs, too."""
    full = "slow" in request.config.getoption("markexpr")
    n, lines = COVERAGE_WORLDS[world]
    held, last = [], []
    for seed in range(100 if full else 6):
        rng = np.random.default_rng(seed)
        slopes, intercepts = lines(rng)
        inner = fitted(*drawn(rng, n, slopes, intercepts)).inner
        for label, (slope, intercept) in enumerate(zip(slopes, intercepts, strict=True)):
            low, high = inner.slope_intervals[str(label)]
            left, right = inner.intercept_intervals[str(label)]
            held.append((low <= slope <= high, left <= intercept <= right))
        last.append(held[-1])
    covered = np.mean(held, axis=0)
    assert (covered >= (0.93 if full else 0.85)).all()
    assert (covered <= (0.99 if full else 1.0)).all()
    if full and world == "one differs":
        assert (np.mean(last, axis=0) >= 0.90).all()


def own_lines(z, y):
    """Platt's line of each label by itself; its base rate where it has none."""
    found = []
    for x, hit in zip(z.T, y.T, strict=True):
        try:
            own = tp.PlattScaling.fit(x, hit, refuse_probs=False)
            found.append((own.slope, own.intercept))
        except tp.NoOptimumError:
            rate = (hit.sum() + 0.5) / (len(hit) + 1)
            found.append((0.0, np.log(rate / (1 - rate))))
    return np.array(found).T


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 300, 1500])
@pytest.mark.parametrize("world", ["uniform", "two kinds", "one differs"])
def test_shrinkage_of_slopes_that_differ_fifty_fold(world, n, request):
    """Lines drawn together are no worse on fresh rows than Platt's of each label by itself.

    Log slopes uniform over a factor of 50; half the labels at either end; one label at the far end.
    """
    full = "slow" in request.config.getoption("markexpr")
    gaps = []
    for seed in range((60 if n < 1000 else 25) if full else 3):
        rng = np.random.default_rng(seed)
        slopes = {
            "uniform": lambda rng: np.exp(rng.uniform(-0.5, 0.5, 12) * np.log(50)),
            "two kinds": lambda _: np.repeat([50**-0.5, 50**0.5], 6),
            "one differs": lambda _: np.r_[np.full(11, 50**-0.5), 50**0.5],
        }[world](rng)
        intercepts = slopes + rng.normal(-0.5, 0.7, 12)
        z, y = drawn(rng, n, slopes, intercepts)
        fresh = -1 + 2 * rng.normal(size=(4000, 12))
        p = sigmoid(slopes * fresh + intercepts)
        risks = []
        for a, b in (np.array(fitted(z, y).lines), own_lines(z, y)):
            o = a * fresh + b
            risks.append((np.logaddexp(0, o) - p * o).mean())
        gaps.append(risks[0] - risks[1])
    mean, error = np.mean(gaps), np.std(gaps) / len(gaps) ** 0.5
    assert mean <= 2.5 * error
