"""Temperature scaling: against a slow search, its invariances, what it promises users."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import reference
import temperance as tp
from temperance import TemperatureScaling

STEPS = st.integers(-(2**20), 2**20)  # logits on a grid of 2^-16: distinct ones stay distinct


def grid_logits(rows=st.integers(2, 40), columns=st.integers(2, 6)):
    shapes = st.tuples(rows, columns)
    return shapes.flatmap(lambda shape: hnp.arrays(np.int64, shape, elements=STEPS)).map(
        lambda steps: steps / 2.0**16
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("true_temperature", [0.3, 1.0, 5.0])
def test_finds_what_a_slow_search_finds(sample, seed, true_temperature):
    """Newton from block sums and golden section on log T agree, weights included."""
    z, y = sample(seed, temperature=true_temperature)
    w = np.random.default_rng(seed).uniform(0, 3, len(y))
    fitted = TemperatureScaling.fit(z, y, weights=w).temperature
    assert fitted == pytest.approx(reference.temperature(z, y, w), rel=1e-7)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 1e3, 1e9])
def test_scale_of_the_logits_is_the_scale_of_the_temperature(sample, scale):
    """T(c z) = c T(z) over twenty-one orders of magnitude, to nine digits."""
    z, y = sample()
    t = TemperatureScaling.fit(z, y).temperature
    assert TemperatureScaling.fit(scale * z, y).temperature == pytest.approx(scale * t, rel=1e-9)


@pytest.mark.parametrize("offset", [4000.0, -4000.0, 1e6])
def test_rows_may_carry_any_offset(sample, offset):
    """Logits of +-4000 overflow a naive softmax; here they change nothing."""
    z, y = sample()
    t = TemperatureScaling.fit(z, y).temperature
    per_row = offset * np.linspace(-1, 1, len(y))[:, None]
    assert TemperatureScaling.fit(z + per_row, y).temperature == pytest.approx(t, rel=1e-8)
    assert np.isfinite(TemperatureScaling(t).apply(z + per_row)).all()


def test_logits_of_4000_within_a_row():
    """Gaps of 8,000 within a row underflow to probability 0 and still give the right T."""
    z = np.array([[4000.0, -4000.0]] * 3 + [[-4000.0, 4000.0]] * 3)
    y = [0, 0, 1, 1, 1, 0]  # 4 of 6 right: log-odds 8000 / T must be log 2
    assert TemperatureScaling.fit(z, y).temperature == pytest.approx(8000 / np.log(2), rel=1e-12)


def test_margin_is_the_log_odds_of_class_one(sample):
    """(n,) means (0, z), not (-z, z): T, probabilities and scaled logits agree with two columns."""
    z, y = sample(k=2)
    margin = z[:, 1] - z[:, 0]
    by_margin, by_columns = TemperatureScaling.fit(margin, y), TemperatureScaling.fit(z, y)
    assert by_margin.temperature == pytest.approx(by_columns.temperature, rel=1e-9)
    assert by_margin.apply(margin) == pytest.approx(by_columns.apply(z), rel=1e-9)
    assert by_margin.scale(margin) == pytest.approx(margin / by_margin.temperature)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float16", 2e-3)])
def test_low_precision_logits(sample, dtype, tolerance):
    """float32 gives the T of its own rounded values to 1e-6, near that of float64."""
    z, y = sample(n=2000)
    low = z.astype(dtype)
    fitted = TemperatureScaling.fit(low, y).temperature
    assert fitted == pytest.approx(TemperatureScaling.fit(z, y).temperature, rel=tolerance)
    exact = TemperatureScaling.fit(low.astype(np.float64), y).temperature
    assert fitted == pytest.approx(exact, rel=1e-6)


def test_bfloat16(sample):
    """bfloat16, as ml_dtypes brings it to NumPy, is read as it is."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    z, y = sample()
    low = z.astype(ml_dtypes.bfloat16)
    expected = TemperatureScaling.fit(low.astype(np.float64), y).temperature
    assert TemperatureScaling.fit(low, y).temperature == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_input_is_never_written_to(sample, order):
    """Read-only arrays of either memory order work and come out unchanged."""
    z, y = sample()
    z = np.array(z, order=order)
    copies = z.copy(), y.copy()
    z.flags.writeable = y.flags.writeable = False
    scaling = TemperatureScaling.fit(z, y, weights=np.ones(len(y)))
    scaling.apply(z)
    assert (z == copies[0]).all()
    assert (y == copies[1]).all()


def test_a_row_does_not_depend_on_the_rows_beside_it(sample):
    """Serving one row at a time gives, bit for bit, what a batch gives."""
    z, y = sample(n=50)
    scaling = TemperatureScaling.fit(z, y)
    one_by_one = np.concatenate([scaling.apply(row[None]) for row in z])
    assert (one_by_one == scaling.apply(z)).all()


@settings(max_examples=200, deadline=None)
@given(z=grid_logits(), t=st.floats(1e-3, 1e3))
def test_order_within_a_row_never_changes(z, t):
    """The predicted class stays, and no class overtakes another."""
    p = TemperatureScaling(t).apply(z, refuse_probs=False)
    assert (p.argmax(axis=1) == z.argmax(axis=1)).all()
    order = z.argsort(axis=1, kind="stable")
    sorted_p = np.take_along_axis(p, order, axis=1)
    assert (np.diff(sorted_p, axis=1) >= 0).all()
    assert p.sum(axis=1) == pytest.approx(1, abs=1e-12)


@settings(max_examples=200, deadline=None)
@given(
    z=hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e6, 1e6)),
    t=st.sampled_from([1e-3, 0.5, 1.0, 3.0, 1e6, 1e18]),
)
def test_predicted_class_survives_rounding(z, t):
    """Even where a huge T rounds all probabilities to the same number."""
    p = TemperatureScaling(t).apply(z, refuse_probs=False)
    assert (p.argmax(axis=1) == z.argmax(axis=1)).all()


SHARPNESS = {
    "soft": lambda rng, shape: 0.1 * rng.standard_normal(shape),
    "near-certain": lambda rng, shape: 60.0 * rng.standard_normal(shape),
    "heavy tails": lambda rng, shape: 5.0 * rng.standard_t(1.5, size=shape),
    "ties": lambda rng, shape: rng.integers(-3, 3, size=shape),
    "ragged": lambda rng, shape: np.where(
        (np.arange(shape[1]) > 0) & (rng.random(shape) < 0.5), -np.inf, rng.standard_normal(shape)
    ),
}


@pytest.mark.parametrize("k", [2, 10, 48, 49, 1000])
@pytest.mark.parametrize("kind", sorted(SHARPNESS))
@pytest.mark.parametrize("t", [0.05, 1.7, 30.0])
def test_single_precision(kind, k, t):
    """float32 in gives float32 out: rounded as documented, the same class, row by row the same."""
    z = SHARPNESS[kind](np.random.default_rng(k), (20, k)).astype(np.float32)
    scaling = TemperatureScaling(t)
    probs = scaling.apply(z, refuse_probs=False)
    exact = scaling.apply(z, refuse_probs=False, dtype="float64")
    assert probs.dtype == np.float32
    assert exact.dtype == np.float64
    assert (exact == scaling.apply(z.astype(np.float64), refuse_probs=False)).all()
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = 2.0**-24 * exact * (5.0 - 4.0 * np.log(exact) + 2 * k)
    assert (np.abs(probs - exact) <= np.where(exact > 1e-37, bound, 1e-37)).all()
    assert (probs.argmax(axis=1) == z.argmax(axis=1)).all()
    one_by_one = [scaling.apply(row[None], refuse_probs=False) for row in z]
    assert (np.concatenate(one_by_one) == probs).all()
    scaled = scaling.scale(z, refuse_probs=False)
    assert scaled.dtype == np.float32
    assert scaled == pytest.approx(z / t, rel=1e-6)


@pytest.mark.parametrize("t", [1e-300, 1e-35, 1.0, 1e35, 1e300])
@pytest.mark.parametrize("k", [2, 100])
def test_ends_of_single_precision(t, k):
    """Logits as far apart as float32 has them, and a T that it has not, give probabilities."""
    z = np.zeros((3, k), dtype=np.float32)
    z[:, 0], z[1, 1], z[2, 1:] = 3e38, -3e38, -np.inf
    probs = TemperatureScaling(t).apply(z, refuse_probs=False)
    assert probs.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert (probs.argmax(axis=1) == 0).all()
    assert probs == pytest.approx(
        TemperatureScaling(t).apply(z, refuse_probs=False, dtype=np.float64), abs=1e-6
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("n", [1, 3, 40_000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_apply_names_the_bad_row(bad, n, dtype):
    """Small and large blocks of either precision are seen through: the last row is named."""
    z = np.tile(np.arange(10.0), (n, 1)).astype(dtype)
    z[-1, 3] = bad
    with pytest.raises(tp.InvalidInputError, match=rf"row {n - 1} holds {bad}"):
        TemperatureScaling(2.0).apply(z)
    z[-1] = -np.inf
    with pytest.raises(tp.InvalidInputError, match=rf"row {n - 1} is all -inf"):
        TemperatureScaling(2.0).apply(z)


@pytest.mark.parametrize("dtype", ["int8", np.float16, "nonsense", 3])
def test_other_precisions_are_refused(dtype):
    """`dtype` is one of two, and says so."""
    with pytest.raises(tp.InvalidInputError, match="`dtype` must be float32 or float64"):
        TemperatureScaling(2.0).apply([[1.0, 0.0]], dtype=dtype)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.floats(0.01, 100),
    shift=st.floats(-1e3, 1e3),
    repeats=st.integers(1, 3),
)
def test_invariances(seed, scale, shift, repeats):
    """Row order, class order, row offsets and repeated data leave T alone; scale carries over."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(60, 3)) * 2
    y = (reference.softmax(z / 1.7).cumsum(axis=1) < rng.random((60, 1))).sum(axis=1).clip(0, 2)
    t = TemperatureScaling.fit(z, y).temperature
    rows, columns = rng.permutation(60), rng.permutation(3)
    moved = (scale * z + shift * rng.normal(size=(60, 1)))[rows][:, columns]
    labels = columns.argsort()[y[rows]]
    fitted = TemperatureScaling.fit(np.tile(moved, (repeats, 1)), np.tile(labels, repeats))
    assert fitted.temperature == pytest.approx(scale * t, rel=1e-7)


@settings(max_examples=60, deadline=None)
@given(z=grid_logits(), seed=st.integers(0, 10**6))
def test_fit_on_any_data_is_an_optimum_or_says_why_not(z, seed):
    """Whatever the data: a T whose training loss is not above that of T = 1, or a reason."""
    y = np.random.default_rng(seed).integers(0, z.shape[1], len(z))
    try:
        scaling = TemperatureScaling.fit(z, y, refuse_probs=False)
    except tp.NoOptimumError as error:
        largest = z.max(axis=1) == z[np.arange(len(z)), y]
        gap = z[np.arange(len(z)), y].mean() - z.mean()
        holds = {
            "constant-logits": (z.max(axis=1) == z.min(axis=1)).all(),
            "separable": largest.all(),
            "worse-than-chance": gap <= 1e-9 * np.ptp(z),
        }
        assert holds[error.reason]
    else:
        record = scaling.record
        assert record.log_loss_after <= record.log_loss_before + 1e-12
        slightly = [TemperatureScaling(scaling.temperature * f) for f in (0.99, 1.01)]
        losses = [tp.metrics.log_loss(s.apply(z, refuse_probs=False), y) for s in slightly]
        assert min(losses) >= record.log_loss_after - 1e-9


@pytest.mark.parametrize("prior", [0.5, 5.0])
def test_prior_gives_the_slow_searchs_answer_on_any_data(prior):
    """With a prior, data without an optimum have the temperature the definition says."""
    for z, y in [
        ([[2.0, 0.0, 0.0], [0.0, 3.0, 0.0]], [0, 1]),
        ([[0.0, 1.0], [0.0, 2.0]], [0, 0]),
        ([[1.0, 1.0]], [1]),
    ]:
        fitted = TemperatureScaling.fit(z, y, prior=prior)
        slow = reference.temperature(np.array(z), np.array(y), prior=prior)
        assert fitted.temperature == pytest.approx(slow, rel=1e-6)
        low, high = fitted.record.interval()
        assert low < fitted.temperature < high


def test_interval_covers_as_often_as_it_says():
    """The 95 % interval holds the population's T in 91 to 98 % of 400 samples of 300 rows."""
    z, y, _, _ = reference.reference_b()
    truth = TemperatureScaling.fit(z, y).temperature
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        rows = rng.integers(0, len(y), 300)
        low, high = TemperatureScaling.fit(z[rows], y[rows]).record.interval(0.95)
        held += low <= truth <= high
    assert 0.91 <= held / 400 <= 0.98


def test_record_interval_widens_with_the_level(sample):
    """99 % is wider than 50 %, both hold T, and a level outside (0, 1) is refused."""
    record = TemperatureScaling.fit(*sample()).record
    (low50, high50), (low99, high99) = record.interval(0.5), record.interval(0.99)
    assert low99 < low50 < record.temperature < high50 < high99
    with pytest.raises(tp.InvalidInputError, match="`level`"):
        record.interval(95)


def test_expected_regret_by_hand():
    """Half the curvature of the mean loss times the squared standard error of 1/T."""
    z, y = reference.reference_a()
    record = tp.TemperatureScaling.fit(z, y).record
    p = reference.softmax(z / record.temperature)
    mean = (p * z).sum(axis=1)
    variance = (p * z * z).sum(axis=1) - mean**2
    slope = mean - z[np.arange(400), y]
    error = np.sqrt((slope**2).sum()) / variance.sum()
    assert record.expected_regret == pytest.approx(error**2 * variance.mean() / 2, rel=1e-9)


def test_expected_regret_is_what_new_rows_lose():
    """Over 300 samples of 200 rows: the loss beyond that of the best T, on all rows of REF-B."""
    z, y, _, _ = reference.reference_b()
    best = tp.TemperatureScaling.fit(z, y).record.log_loss_after
    rng = np.random.default_rng(0)
    lost, expected = [], []
    for _ in range(300):
        rows = rng.choice(5000, 200)
        fitted = tp.TemperatureScaling.fit(z[rows], y[rows])
        of_label = fitted.scale(z)
        lost.append(np.mean(reference_losses(of_label, y)) - best)
        expected.append(fitted.record.expected_regret)
    assert np.mean(lost) == pytest.approx(np.median(expected), rel=0.35)


def reference_losses(z, y):
    z = z - z.max(axis=1, keepdims=True)
    return np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]


def test_a_log_loss_of_next_to_nothing_is_not_negative(tmp_path):
    """Logits of hundreds, all rows right: the file of the map can be read again."""
    z = np.random.default_rng(0).normal(size=(5, 3)) * 300
    fitted = TemperatureScaling.fit(z, z.argmax(axis=1), prior=1.0)
    assert fitted.record.log_loss_after >= 0.0
    tp.save(fitted, tmp_path / "calibrator.json")
    assert tp.load(tmp_path / "calibrator.json") == fitted


def test_a_tiny_temperature_is_shown_with_its_digits():
    """Of logits on a small scale; four decimals would say that it is 0."""
    assert "temperature 1.234e-09" in str(tp.TemperatureScaling(1.2341e-9))
    assert "temperature 0.0012" in str(tp.TemperatureScaling(1.2341e-3))


FACTORS = [  # classes, rows, prior, the factor that 95 of 100 fits stay within: docs/choose.md
    (2, 30, 1.0, 2.2), (10, 30, 1.0, 1.45), (2, 100, 0.0, 1.5), (5, 50, 0.0, 1.5),
    (2, 400, 0.0, 1.2), (5, 200, 0.0, 1.2), (2, 1000, 0.0, 1.1), (5, 1000, 0.0, 1.1),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("k", "n", "prior", "factor"), FACTORS)
def test_fits_on_few_rows_are_within_the_factor_of_the_page(request, k, n, prior, factor):
    """Normal logits, T = 2: 95 of 100 fits lie within the factor, less what samples may err by."""
    draws = 600 if "slow" in request.config.getoption("markexpr") else 60
    rng, off = np.random.default_rng([k, n]), []
    for _ in range(draws):
        z = 3 * rng.normal(size=(n, k))
        y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
        off.append(abs(np.log(TemperatureScaling.fit(z, y, prior=prior).temperature / 2)))
    within = np.mean(np.array(off) <= np.log(factor) + 0.02)
    assert abs(within - 0.95) <= 0.03 + 2.5 * (0.95 * 0.05 / draws) ** 0.5
