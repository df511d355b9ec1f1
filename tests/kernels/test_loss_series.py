"""One reading: sums near its b by series, what these leave out, and fits that end with it."""

from math import sqrt

import numpy as np
import pytest

import temperance as tp
from temperance.blocks import StreamRows
from temperance.blocks.rows import ArrayRows, worth_series
from temperance.blocks.stream import RowFolds
from temperance.calibrators import fold_temperatures
from temperance.kernels.engines import moments_kernel
from temperance.kernels.loss import fold_passes, loss_pass, loss_sums

pytest.importorskip("numba")

SUMS = ("weight", "loss", "slope", "curvature", "third", "squared_slope", "squared_slope_rate")
SUMS += ("model_variance",)


def only_two(rng, n, k):
    """Two options of each row, the others missing."""
    z = np.full((n, k), -np.inf)
    for option in (0, 1):
        z[:, option] = 3.0 * rng.standard_normal(n)
    return z


def with_missing(rng, n, k):
    return np.where(rng.random((n, k)) < 0.6, -np.inf, 3.0 * rng.standard_normal((n, k)))


WORLDS = {  # logits (n, k) that are unlike each other
    "normal": lambda rng, n, k: 3.0 * rng.standard_normal((n, k)),
    "heavy tails": lambda rng, n, k: rng.standard_t(2, size=(n, k)),
    "near-certain": lambda rng, n, k: 40.0 * rng.standard_normal((n, k)),
    "ties": lambda rng, n, k: rng.integers(-2, 3, size=(n, k)).astype(float),
    "two options": only_two,
    "missing options": with_missing,
}


def rows(world, *, n=4_000, k=100, seed=0, dtype="float64"):
    rng = np.random.default_rng(seed)
    z = WORLDS[world](rng, n, k).astype(dtype)
    z[:, 0] = np.maximum(z[:, 0], -50.0)  # one option at least in every row
    y = (z / 1.6 + rng.gumbel(size=z.shape)).argmax(axis=1)
    return z, y


def read(z, y, w, *, beta):
    """Sums at 1 and at `beta` with the series there."""
    moments = moments_kernel("numba", elements=z.size, series=True)
    return loss_pass(z, y, w, betas=(1.0, beta), moments=moments)


def exact_beta(z, y, w=None, *, about, prior=0.0):
    """The minimum by Newton's steps on all rows in double precision."""
    z, beta = z.astype(float), about
    for _ in range(4):
        sums = loss_sums(z, y, w, beta=beta)
        slope = sums.slope + prior * (1.0 - 1.0 / beta)
        beta -= slope / (sums.curvature + prior / beta**2)
    return beta


@pytest.mark.parametrize("world", sorted(WORLDS))
@pytest.mark.parametrize("scale", [None, 1.0, 1e-170])
@pytest.mark.parametrize("step", [-0.005, 0.01])
def test_sums_nearby_are_those_of_a_reading_there(world, scale, step):
    """Every sum, with weights or without, extreme ones too, as the NumPy kernel reads it."""
    z, y = rows(world, n=300)
    z *= 6.0 / (z.max(axis=1) - np.where(np.isneginf(z), np.inf, z).min(axis=1)).max()
    w = None if scale is None else scale * np.random.default_rng(1).uniform(0.0, 2.0, len(y))
    here = read(z[:100], y[:100], None if w is None else w[:100], beta=0.7)
    here = here.merge(read(z[100:], y[100:], None if w is None else w[100:], beta=0.7))
    there = loss_pass(z, y, w, betas=(0.7 * (1.0 + step),))
    here, there = here.in_effective_rows(), there.in_effective_rows()
    moved = here.series.after(step, weight=here.at[1].weight, beta=0.7)
    for name in SUMS:
        exact = getattr(there.at[0], name)
        scale_of = max(abs(exact), there.at[0].curvature)  # some sums are nearly 0
        assert getattr(moved, name) == pytest.approx(exact, abs=1e-10 * scale_of), name
        if name != "weight":
            assert getattr(here.at[1], name) != pytest.approx(exact, rel=1e-10, abs=0.0)


@pytest.mark.parametrize("world", sorted(WORLDS))
def test_what_the_series_leaves_out_is_bounded(world):
    """Steps so long that something is left out, of slope and curvature, up to the circle itself."""
    z, y = rows(world, n=300)
    seen = 0
    for width in (4.0, 8.0, 16.0):
        spread = (z.max(axis=1) - np.where(np.isneginf(z), np.inf, z).min(axis=1)).max()
        scaled = z * (width / spread)
        here = read(scaled, y, None, beta=1.0)
        for step in (-0.29, -0.1, 0.05, 0.15, 0.29):
            there = loss_sums(scaled, y, None, beta=1.0 + step)
            bound = here.series.curvature_error(step, widest=here.widest)
            left = abs(here.series.curvature(step) - there.curvature)
            of_slope = abs(here.series.slope(step) - there.slope)
            rounding = 1e-11 * there.curvature
            assert left <= bound + rounding
            assert of_slope <= bound * abs(step) / 10 + rounding
            seen += left > 10 * rounding
            if width * abs(step) >= 2.5:
                assert bound == np.inf
    assert seen


def test_the_variance_on_the_circle():
    """The bound's constant: its maximum over the angle is 15.997 at u = 2.5."""
    angle = np.linspace(0.0, np.pi / 2, 100_001)
    grown = np.exp(2.5 * np.cos(angle)) / np.cos(1.25 * np.sin(angle)) ** 2
    assert 15.99 < grown.max() < 16.0
    z, y = np.array([[0.0, -1.0]]), np.array([0])
    series = read(z, y, None, beta=1.0).series
    p = 1.0 / (1.0 + np.exp(-1.0))
    expected = 16.0 * (0.2 / 2.5) ** 9 * p * (1.0 - p) / (1.0 - 0.2 / 2.5)  # by hand
    assert series.curvature_error(0.2, widest=1.0) == pytest.approx(expected)


@pytest.mark.parametrize("prior", [0.0, 300.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("world", sorted(WORLDS))
def test_fits_of_long_rows(world, dtype, weighted, prior):
    """T and its record are those of a slow Newton in double precision, within what is certified."""
    z, y = rows(world, dtype=dtype)
    assert worth_series(*z.shape)
    w = np.random.default_rng(2).integers(0, 3, len(y)).astype(float) if weighted else None
    record = tp.TemperatureScaling.fit(z, y, weights=w, prior=prior, engine="numba").record
    if w is not None:
        w *= w.sum() / (w @ w)  # weights that add up to the effective number of rows
    beta = exact_beta(z, y, w, about=1.0 / record.temperature, prior=prior)
    error = abs(beta * record.temperature - 1.0)
    assert error <= (1e-8 if dtype == "float64" else 1e-6)
    assert record.error_bound <= (1e-10 if dtype == "float64" else 1e-7)
    assert error <= record.error_bound + (1e-13 if dtype == "float64" else 1e-7)  # rounding
    there = loss_sums(z.astype(float), y, w, beta=beta)
    curvature = there.curvature + prior / beta**2
    of_beta = sqrt(there.squared_slope) / curvature
    if prior:
        of_beta = max(of_beta, 1.0 / sqrt(curvature))
    digits = 1e-8 if dtype == "float64" else 1e-5
    assert record.standard_error == pytest.approx(of_beta / beta**2, rel=digits)
    assert record.log_loss_after == pytest.approx(there.loss / there.weight, rel=digits)
    regret = 0.5 * of_beta**2 * there.curvature / there.weight
    assert record.expected_regret == pytest.approx(regret, rel=digits)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_one_reading_is_the_rule(dtype):
    """Of five samples each, all certify 1e-7 and most 1e-10."""
    passes = []
    for seed in range(5):
        z, y = rows("normal", n=16_000, seed=seed, dtype=dtype)
        passes.append(tp.TemperatureScaling.fit(z, y, engine="numba").record.passes)
    assert passes.count(1) >= (5 if dtype == "float32" else 4)


def test_one_wide_row_asks_for_a_second_reading():
    """Nothing bounds what a series leaves out there; T is as exact, from two readings."""
    z, y = rows("normal")
    z[7] *= 1e4
    y[7] = z[7].argmax()
    record = tp.TemperatureScaling.fit(z, y, engine="numba").record
    assert record.passes >= 2
    beta = exact_beta(z, y, about=1.0 / record.temperature)
    assert beta * record.temperature == pytest.approx(1.0, abs=1e-8)


def test_short_and_few_rows_have_no_series():
    """Ten powers of a logit pay for long rows, where a sample is large enough to start close."""
    assert worth_series(4_000, 100)
    assert worth_series(50_000, 8_000)
    assert not worth_series(1_000_000, 10)
    assert not worth_series(3_000, 100)
    assert not worth_series(50_000, 9_000)
    for z, y in (rows("normal", n=10, k=200), rows("normal", n=3_000)):
        record = tp.TemperatureScaling.fit(z, y, engine="numba").record
        beta = exact_beta(z, y, about=1.0 / record.temperature)
        assert beta * record.temperature == pytest.approx(1.0, abs=1e-8)
        assert ArrayRows(z, y, None, engine="numba").loss_pass((1.0, 0.5)).series is None


@pytest.mark.parametrize("prior", [0.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_blocks_and_their_folds_by_one_reading_after_the_sample(dtype, weighted, prior):
    """T of all blocks, and of all rows but each fold's, are those of a slow Newton."""
    z, y = rows("normal", n=16_000, dtype=dtype)
    w = np.random.default_rng(2).integers(0, 3, len(y)).astype(float) if weighted else None
    arrays = (z, y) if w is None else (z, y, w)
    parts = [tuple(a[i : i + 3_000] for a in arrays) for i in range(0, len(y), 3_000)]
    stream = StreamRows(parts, n_folds=4, engine="numba")
    fitted = tp.TemperatureScaling.of_rows(stream, prior=prior)
    assert fitted.record.passes <= (3 if weighted or prior else 2)  # one gathers the sample
    stream.blocks = lambda: pytest.fail("read again")
    of_folds = fold_temperatures(stream, prior=prior)
    folds = np.concatenate([RowFolds(4).of(i, 0, len(p[1])) for i, p in enumerate(parts)])
    digits = 1e-8 if dtype == "float64" else 1e-6
    for fold, t in ((None, fitted.temperature), *enumerate(of_folds)):
        others = folds != fold
        own = None if w is None else w[others] * (w[others].sum() / (w[others] @ w[others]))
        beta = exact_beta(z[others], y[others], own, about=1.0 / t, prior=prior)
        assert beta * t == pytest.approx(1.0, abs=digits)


def test_moments_of_some_rows_are_theirs():
    """The sums of the folds of a block add up to those of the block, with the series."""
    z, y = rows("missing options", n=300)
    w = np.random.default_rng(2).uniform(0, 3, len(y))
    moments = moments_kernel("numba", elements=z.size, series=True)
    fold = np.random.default_rng(3).integers(0, 3, len(y))
    places = [*(np.flatnonzero(fold == number) for number in range(3)), np.arange(0)]
    *parts, empty = fold_passes(z, y, w, folds=places, betas=(1.0, 0.7), moments=moments)
    assert empty is None
    for own, part in zip(places, parts, strict=False):
        alone = loss_pass(z[own], y[own], w[own], betas=(1.0, 0.7), moments=moments)
        assert part.widest == alone.widest
        for ours, theirs in zip(part.at, alone.at, strict=True):
            for name in SUMS:
                assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-12)
        np.testing.assert_allclose(part.series.slopes, alone.series.slopes, rtol=1e-10, atol=1e-9)
