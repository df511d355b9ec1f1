"""Temperature with biases, structured vector and matrix scaling, against numbers and plain code."""

import numpy as np
import pytest
import threadpoolctl

import reference
import temperance as tp
from temperance import numerics
from temperance.blocks import one_thread_each
from temperance.calibrators.affine import AffineProblem
from temperance.kernels.affine import affine_scores, affine_sums, curvature_sums

LINEAR = {"vector": lambda c: c.factors, "matrix": lambda c: c.matrix}
METHODS = ["bias-corrected-temperature", "vector", "matrix"]


@pytest.fixture
def halves():
    """REF-A, or the two halves of REF-B: fit on the first."""

    def get(name):
        return reference.reference_a() if name == "A" else reference.reference_b()[:2]

    return get


def plain_objective(z, y, temperature, linear, bias):
    """The penalised loss of structured scaling, written out."""
    n, k = z.shape
    p = reference.softmax(z / temperature)
    x = np.log((1 - 1 / (n + 1)) * p + 1 / (n + 1) / k)
    matrix = np.diag(linear) if linear.ndim == 1 else linear
    away = matrix - np.eye(k)
    diagonal, beside = away.diagonal(), away - np.diag(away.diagonal())
    q = reference.softmax(x @ matrix.T + bias)
    loss = -np.log(q[np.arange(n), y]).mean()
    ridge = (bias**2).sum() + (diagonal**2).sum() + (k - 1) * (beside**2).sum()
    return loss + k / n * ridge


@pytest.mark.parametrize(
    ("name", "method", "objective"),
    [
        ("A", "vector", 1.2711165278),
        ("A", "matrix", 1.2623214652),
        ("B", "vector", 0.2138552412),
        ("B", "matrix", 0.2075209656),
    ],
)
def test_structured_scaling_reaches_the_reference_objective(halves, name, method, objective):
    """The minimum of the penalised loss is the printed one, and no neighbour lies lower."""
    z, y = halves(name)
    fitted = tp.METHODS[method].fit(z, y)
    linear, bias = LINEAR[method](fitted), fitted.bias
    temperature = reference.temperature(z, y)
    found = plain_objective(z, y, temperature, linear, bias)
    assert found == pytest.approx(objective, abs=1.5e-10)
    rng = np.random.default_rng(0)
    for _ in range(10):
        step = 1e-4 * rng.normal(size=linear.shape), 1e-4 * rng.normal(size=bias.shape)
        assert plain_objective(z, y, temperature, linear + step[0], bias + step[1]) > found


def test_vector_scaling_of_the_closed_form_rows(halves):
    """Factors and biases as printed, to what the printed search left open (1e-6)."""
    fitted = tp.VectorScaling.fit(*halves("A"))
    assert fitted.factors == pytest.approx(
        [1.02438081, 1.04412142, 0.99321922, 0.99584629, 0.96625047], abs=1e-6
    )
    assert fitted.bias == pytest.approx(
        [-0.04328167, 0.14181274, 0.00403920, -0.11913609, 0.01656582], abs=1e-6
    )


@pytest.mark.parametrize(
    ("method", "n", "log_loss", "brier"),
    [
        ("identity", 5000, ".22697", ".09718"),
        ("temperature", 5000, ".18306", ".08861"),
        ("vector", 5000, ".18182", ".08777"),
        ("matrix", 5000, ".18105", ".08807"),
        ("temperature", 500, ".18203", ".08923"),
        ("vector", 500, ".18530", ".08892"),
        ("matrix", 500, ".19112", ".09056"),
    ],
)
def test_on_rows_that_no_fit_has_seen(method, n, log_loss, brier):
    """Log loss and Brier score on the test half of REF-B: with 500 labels the simplest map wins."""
    z, y, z_test, y_test = reference.reference_b()
    probs = tp.METHODS[method].fit(z[:n], y[:n]).apply(z_test)
    assert f"{tp.metrics.log_loss(probs, y_test):.5f}"[1:] == log_loss
    assert f"{tp.metrics.brier_score(probs, y_test):.5f}"[1:] == brier


def test_smoothed_temperature():
    """The first row of REF-A at its T, with 1 part in 401 of the uniform distribution."""
    z, y = reference.reference_a()
    probs = tp.TemperatureScaling.fit(z, y, smooth=True).apply(z[:1])[0]
    expected = [0.23437916, 0.16154458, 0.42429326, 0.15276945, 0.02701355]
    assert probs == pytest.approx(expected, abs=6e-9)


def test_smoothed_temperature_on_rows_that_no_fit_has_seen():
    """The printed table: on 5,000 labels smoothing costs .00014 nats."""
    z, y, z_test, y_test = reference.reference_b()
    probs = tp.TemperatureScaling.fit(z, y, smooth=True).apply(z_test)
    assert f"{tp.metrics.log_loss(probs, y_test):.5f}" == "0.18320"
    assert f"{tp.metrics.brier_score(probs, y_test):.5f}" == "0.08861"


def test_smoothing_caps_the_cost_of_a_label():
    """A label ruled out by the model costs at most log(k (n + 1)) nats."""
    scaling = tp.TemperatureScaling(1.0, smoothing=1 / 11)
    assert -np.log(scaling.apply([[900.0, 0.0, 0.0]])[0, 1]) == pytest.approx(np.log(33))
    masked = scaling.apply([[0.0, -np.inf, 0.0]])
    assert masked.tolist() == [[0.5, 0.0, 0.5]]


@pytest.mark.parametrize(("name", "loss"), [("A", 1.2700453397), ("B", 0.2114237197)])
def test_plain_vector_scaling_is_the_problem_without_penalty(halves, name, loss):
    """Without penalty the same search gives vector scaling of x = log softmax(z / T).

    Factors per class do not commute with an offset per row: on the raw logits the minimum is
    another (1.2704850 on REF-A), so the printed one belongs to these inputs.
    """
    z, y = halves(name)
    temperature = reference.temperature(z, y)
    rows = tp.calibrators.Training.check(z, y)
    zero = np.zeros(z.shape[1])
    problem = AffineProblem(
        rows,
        lambda block: np.log(reference.softmax(block / temperature)),
        lambda a, b: (0.0, zero, zero),
        (0.0, 0.0),
    )
    assert problem.solve(np.ones(z.shape[1])).objective == pytest.approx(loss, abs=1.5e-10)


def test_bias_corrected_temperature_of_the_reference_rows(halves):
    """Inverse temperature and biases of REF-B's first half."""
    fitted = tp.BiasCorrectedTemperatureScaling.fit(*halves("B"))
    assert 1 / fitted.temperature == pytest.approx(0.5854923661, abs=2e-8)
    printed = [0.33789, -0.28353, -0.25547, 0.0935, 0.01564, -0.33198, 0.34065, 0.30815, -0.52682,
               0.30197]  # fmt: skip
    assert fitted.bias == pytest.approx(printed, abs=6e-6)


def test_the_bias_corrected_optimum_is_exact(halves):
    """At the optimum the gradient, written out row by row, vanishes to rounding."""
    z, y = halves("B")
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y)
    residual = fitted.apply(z) - np.eye(10)[y]
    assert np.abs(residual.mean(axis=0)).max() < 1e-13
    assert abs((residual * z).sum(axis=1).mean()) < 1e-12


def test_standard_error_of_the_joint_fit(halves):
    """The sandwich error of T equals one from a Hessian and scores written out."""
    z, y = halves("A")
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y)
    p = fitted.apply(z)
    features = np.concatenate([z[:, None, :], np.broadcast_to(np.eye(5)[:4], (400, 4, 5))], axis=1)
    hessian, meat = np.zeros((5, 5)), np.zeros((5, 5))
    for row in range(400):
        f, q = features[row], p[row]
        hessian += f @ (np.diag(q) - np.outer(q, q)) @ f.T
        score = f @ (np.eye(5)[y[row]] - q)
        meat += np.outer(score, score)
    inverse = np.linalg.inv(hessian)
    error = np.sqrt((inverse @ meat @ inverse)[0, 0])
    record = fitted.record
    assert record.standard_error == pytest.approx(error * fitted.temperature**2, rel=1e-9)
    assert record.expected_regret == pytest.approx(np.trace(inverse @ meat) / 800, rel=1e-9)


def test_likelihood_alone_counts_no_rows(sample):
    """Weights 0, 2, 4, ... give the map of the rows written out that often, without penalties."""
    z, y = sample(n=300)
    w = 2 * (np.arange(300) % 5)
    kind = tp.BiasCorrectedTemperatureScaling
    weighted = kind.fit(z, y, weights=w).apply(z)
    assert weighted == pytest.approx(kind.fit(z.repeat(w, 0), y.repeat(w)).apply(z), abs=1e-6)


@pytest.mark.parametrize("method", ["vector", "matrix"])
def test_penalties_count_effective_rows(sample, method):
    """With weights: no neighbour of the map is better under the penalty of (sum w)^2 / sum w^2."""
    z, y = sample(n=300)
    rng = np.random.default_rng(5)
    w = rng.exponential(size=300) * (rng.random(300) < 0.8)
    rows = w.sum() ** 2 / (w**2).sum()
    fitted = tp.METHODS[method].fit(z, y, weights=w / w.sum())
    linear, k = LINEAR[method](fitted), z.shape[1]
    x = np.log(
        (1 - 1 / (rows + 1)) * reference.softmax(z / reference.temperature(z, y, w))
        + 1 / (rows + 1) / k
    )

    def objective(linear, bias):
        matrix = np.diag(linear) if linear.ndim == 1 else linear
        away = matrix - np.eye(k)
        beside = away - np.diag(away.diagonal())
        q = reference.softmax(x @ matrix.T + bias)
        ridge = (bias**2).sum() + (away.diagonal() ** 2).sum() + (k - 1) * (beside**2).sum()
        return -(w * np.log(q[np.arange(300), y])).sum() / w.sum() + k / rows * ridge

    best = objective(linear, fitted.bias)
    for _ in range(30):
        step, turn = 1e-3 * rng.normal(size=linear.shape), 1e-3 * rng.normal(size=k)
        assert objective(linear + step, fitted.bias + turn) > best


@pytest.mark.parametrize("method", ["vector", "matrix"])
@pytest.mark.parametrize(
    ("z", "y"),
    [
        (np.eye(3) * 5.0, [0, 1, 2]),
        (-np.eye(3) * 5.0, [0, 1, 2]),
        (np.random.default_rng(0).normal(size=(4, 9)), [0, 0, 0, 1]),
        (np.zeros((6, 3)), [0, 1, 1, 2, 2, 2]),
    ],
    ids=["separable", "worse than chance", "more classes than rows", "constant"],
)
def test_structured_scaling_exists_on_any_data(method, z, y):
    """The penalty gives finite numbers where nothing else would; no class is ruled out."""
    probs = tp.METHODS[method].fit(z, y).apply(z)
    assert np.isfinite(probs).all()
    assert (probs > 0).all()


@pytest.mark.parametrize(
    ("z", "y", "reason"),
    [
        ([[3.0, 0.0], [0.0, 3.0]], [0, 1], "separable"),
        ([[1.0, 2.0], [1.0, 3.0]], [1, 1], "empty-class"),
        ([[1.0, 1.0], [2.0, 2.0]], [0, 1], "constant-logits"),
        ([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0], [0.0, 2.0], [2.0, 0.0]],
         [1, 1, 0, 0, 1, 0], "worse-than-chance"),
    ],
)  # fmt: skip
def test_where_biases_have_no_optimum(z, y, reason):
    """Each reason is told, and a prior of one pseudo-row gives a finite answer."""
    kind = tp.BiasCorrectedTemperatureScaling
    with pytest.raises(tp.NoOptimumError) as caught:
        kind.fit(z, y)
    assert caught.value.reason == reason
    fitted = kind.fit(z, y, prior=1.0)
    assert 0 < fitted.temperature < np.inf
    low, high = fitted.record.interval()
    assert low < fitted.temperature < high


@pytest.mark.parametrize("method", ["bias-corrected-temperature", "vector"])
def test_options_that_do_not_exist(sample, method):
    """A masked option keeps probability 0 and moves nothing: huge logits there fit the same."""
    z, y = sample(n=500)
    mask = (np.random.default_rng(1).random(z.shape) < 0.2) & (np.arange(4) != y[:, None])
    masked = np.where(mask, -np.inf, z)
    probs = tp.METHODS[method].fit(masked, y).apply(masked)
    assert (probs[mask] == 0).all()
    assert probs.sum(axis=1) == pytest.approx(1)
    gone = tp.METHODS[method].fit(np.where(mask, -1e6, z), y).apply(np.where(mask, -1e6, z))
    if method == "bias-corrected-temperature":  # smoothing would give such options some share
        assert probs == pytest.approx(gone, abs=1e-8)


def test_matrix_scaling_refuses_masks(sample):
    """Every logit moves every class, so a missing one leaves nothing to compute."""
    z, y = sample(n=50)
    z[7, (y[7] + 1) % 4] = -np.inf
    with pytest.raises(tp.InvalidInputError, match=r"row 7 holds -inf.*bias-corrected"):
        tp.MatrixScaling.fit(z, y)


@pytest.mark.parametrize("shape", [(), (4,), (4, 4)], ids=["number", "vector", "matrix"])
def test_gradient_of_the_kernel(shape):
    """The derivatives in A and b agree with central differences of the loss."""
    rng = np.random.default_rng(2)
    x, y, w = rng.normal(size=(20, 4)), rng.integers(0, 4, 20), rng.uniform(0.5, 2, 20)
    linear, bias = rng.normal(size=shape), rng.normal(size=4)
    sums = affine_sums(x, y, w, linear=linear, bias=bias)
    for index in np.ndindex(shape):
        step = np.zeros(shape)
        step[index] = 1e-6
        high, low = (
            affine_sums(x, y, w, linear=linear + s * step, bias=bias).loss for s in (1, -1)
        )
        assert sums.linear[index] == pytest.approx((high - low) / 2e-6, abs=1e-7)
    for c in range(4):
        step = 1e-6 * np.eye(4)[c]
        high, low = (
            affine_sums(x, y, w, linear=linear, bias=bias + s * step).loss for s in (1, -1)
        )
        assert sums.bias[c] == pytest.approx((high - low) / 2e-6, abs=1e-7)


def test_blocks_merge():
    """Two blocks give the sums of both together, of all three kernels."""
    rng = np.random.default_rng(3)
    x, y, w = rng.normal(size=(30, 4)), rng.integers(0, 4, 30), rng.uniform(0.5, 2, 30)
    at = {"linear": np.array(0.7), "bias": rng.normal(size=4)}
    for kernel, extra in (
        (affine_sums, {}), (curvature_sums, {}), (affine_scores, {"inverse": np.eye(5)}),
    ):  # fmt: skip
        whole = kernel(x, y, w, **at, **extra)
        parts = [kernel(x[s], y[s], w[s], **at, **extra) for s in (slice(11), slice(11, None))]
        merged = parts[0].merge(parts[1])
        for name in type(whole).__dataclass_fields__:
            assert getattr(merged, name) == pytest.approx(getattr(whole, name), rel=1e-12)


def test_a_search_that_starts_on_a_part_ends_at_the_same_optimum(sample, monkeypatch):
    """The first search on every m-th row is only a start."""
    z, y = sample(n=3000)
    whole = tp.VectorScaling.fit(z, y)
    monkeypatch.setattr("temperance.calibrators.affine._FIRST_ROWS", 200)
    started = tp.VectorScaling.fit(z, y)
    assert started.factors == pytest.approx(whole.factors, abs=1e-5)
    assert started.record.log_loss_after == pytest.approx(whole.record.log_loss_after, abs=1e-8)


def test_inputs_computed_per_block_give_the_same(sample, monkeypatch):
    """Large data are not kept as inputs but computed block by block: the same numbers."""
    z, y = sample(n=500)
    kept = tp.MatrixScaling.fit(z, y)
    monkeypatch.setattr("temperance.calibrators.affine._STORED_BYTES", 0)
    assert tp.MatrixScaling.fit(z, y).matrix == pytest.approx(kept.matrix, abs=1e-9)


def test_matrix_products_keep_to_their_thread():
    """Beside our own threads the linear algebra has one each; afterwards as many as before.

    SciPy's search brings a second one, which counts too.
    """
    import scipy.optimize  # noqa: F401

    controller = threadpoolctl.ThreadpoolController().select(user_api="blas")
    if not controller.lib_controllers:
        pytest.skip("NumPy has no linear algebra with threads here")

    def threads():
        return [each.num_threads for each in controller.lib_controllers]

    before = threads()
    with one_thread_each():
        assert set(threads()) == {1}
    assert threads() == before


def test_threads_do_not_change_a_fit(monkeypatch):
    """Blocks are merged in their order: the same numbers to the last bit."""
    monkeypatch.setattr(numerics, "BLOCK_ELEMENTS", 400)
    z, y = reference.reference_a()
    fits = []
    for threads in ("1", "2"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        fits.append(tp.MatrixScaling.fit(z, y))
    assert (fits[0].matrix == fits[1].matrix).all()
    assert (fits[0].bias == fits[1].bias).all()


@pytest.mark.parametrize("k", [3, 30])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("of", ["number", "vector", "matrix"])
def test_sums_of_the_kernel_row_by_row(k, weighted, of):
    """A loop over rows gives loss and slopes, of short rows and long ones, also where one is -inf.

    A matrix has no such rows.
    """
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(25, k)), rng.integers(0, k, 25)
    w = rng.uniform(0.5, 2.0, 25) if weighted else None
    linear = rng.uniform(0.5, 2.0, {"number": (), "vector": (k,), "matrix": (k, k)}[of])
    bias = rng.normal(size=k)
    for masked in (False, True) if linear.ndim < 2 else (False,):
        if masked:
            x[4, (y[4] + 1) % k] = -np.inf
        loss, of_linear, of_bias = 0.0, np.zeros(linear.shape), np.zeros(k)
        for row, label, weight in zip(x, y, np.ones(25) if w is None else w, strict=True):
            z = (linear @ row if linear.ndim == 2 else linear * row) + bias
            p = np.exp(z - z.max()) / np.exp(z - z.max()).sum()
            loss -= weight * np.log(p[label])
            residual = weight * (p - np.eye(k)[label])
            of_bias += residual
            finite = np.where(np.isinf(row), 0.0, row)
            slopes = np.outer(residual, finite) if linear.ndim == 2 else residual * finite
            of_linear += slopes if linear.ndim else slopes.sum()
        sums = affine_sums(x, y, w, linear=linear, bias=bias)
        assert sums.loss == pytest.approx(loss, rel=1e-12)
        assert sums.linear == pytest.approx(of_linear, rel=1e-10, abs=1e-12)
        assert sums.bias == pytest.approx(of_bias, rel=1e-10, abs=1e-12)
