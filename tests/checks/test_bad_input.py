"""The bad inputs that trip other packages: each gives the right number or a clear error."""

import numpy as np
import pytest

import reference
import temperance as tp
from temperance import InvalidInputError, NoOptimumError, TemperatureScaling

INF, NAN = np.inf, np.nan


@pytest.fixture
def data(sample):
    """500 rows of 5 classes at T = 2.5, as in the table of rivals."""
    z, y = sample(seed=5, n=500, k=5, temperature=2.5)
    return z, y


def put(array, index, value):
    changed = array.copy()
    changed[index] = value
    return changed


REFUSED = [  # what is done to (z, y), error, what the message says
    (lambda z, y: (put(z, (17, 2), NAN), y), InvalidInputError, "`logits` must be.*row 17.*nan"),
    (lambda z, y: (put(z, (17, 2), INF), y), InvalidInputError, "`logits` must be.*row 17.*inf"),
    (lambda z, y: (put(z, (4, y[4]), -INF), y), InvalidInputError, "`labels`.*row 4 "),
    (lambda z, y: (put(z, 9, -INF), y), InvalidInputError, "at least one option.*row 9"),
    (lambda z, y: (z, put(y, 3, 5)), InvalidInputError, r"`labels`.*0\.\.4; row 3 holds 5"),
    (lambda z, y: (z, put(y, 3, -1)), InvalidInputError, "row 3 holds -1"),
    (lambda z, y: (z, put(y, 3, -100)), InvalidInputError, "ignore index"),
    (lambda z, y: (z, y + 1), InvalidInputError, "count from 1|holds 5"),
    (lambda z, y: (z, np.eye(5)[y]), InvalidInputError, "argmax"),
    (lambda z, y: (z[None], y), InvalidInputError, r"`labels` must have shape \(1, 500\)"),
    (lambda z, y: (z[:, :0], y), InvalidInputError, "at least 2 columns"),
    (lambda z, y: (z > 0, y), InvalidInputError, "`logits` must hold numbers, got booleans"),
    (lambda z, y: (z * 1e-150, y), InvalidInputError, "`logits` must differ by more than 1e-100"),
    (lambda z, y: (z, y[:-1]), InvalidInputError, r"`labels` must have shape \(500,\)"),
    (lambda z, y: (z, y + 0.5), InvalidInputError, "whole numbers; row 0"),
    (lambda z, y: (z, put(y.astype(float), 2, NAN)), InvalidInputError, "row 2 holds nan"),
    (lambda z, y: (z, y.astype(str).astype(object)[::-1].tolist()[:0]), InvalidInputError, "shape"),
    (lambda z, y: (z, np.full(500, "cat")), InvalidInputError, "where the columns have no names"),
    (lambda z, y: (z.astype(str), y), InvalidInputError, "`logits` must hold numbers"),
    (lambda z, y: ([[1.0], [2.0, 3.0]], [0, 1]), InvalidInputError, "`logits` is not an array"),
    (lambda z, y: (z * 1e200, y), InvalidInputError, r"`logits` must lie between -1e\+100"),
    (lambda z, y: (z[:0], y[:0]), NoOptimumError, "no rows"),
    (lambda z, y: (z, z.argmax(axis=1)), NoOptimumError, "largest logit"),
    (lambda z, y: (z, z.argmin(axis=1)), NoOptimumError, "no better than chance"),
    (lambda z, y: (z * 0 + 3.0, y), NoOptimumError, "all logits are equal"),
    (lambda z, y: (z[:1], z[:1].argmax(axis=1)), NoOptimumError, "largest logit"),
    (lambda z, y: (reference.softmax(z), y), InvalidInputError, "look like probabilities"),
    (lambda z, y: (reference.softmax(z).astype("f2"), y), InvalidInputError, "look like prob"),
    (lambda z, y: (reference.softmax(z).round(3), y), InvalidInputError, "look like prob"),
    (lambda z, y: (1 / (1 + np.exp(-z[:, 0])), y % 2), InvalidInputError, "look like prob"),
]


@pytest.mark.parametrize(("change", "error", "message"), REFUSED)
def test_fit_refuses(data, change, error, message):
    """A one-sentence error that names the argument and the first bad row."""
    with pytest.raises(error, match=message) as caught:
        TemperatureScaling.fit(*change(*data))
    assert "\n" not in str(caught.value)


ACCEPTED = [  # what is done to (z, y); the right T comes from a slow search on the same rows
    lambda z, y: (z, y.astype(float)),
    lambda z, y: (z.tolist(), y.tolist()),
    lambda z, y: (z[y == 2], y[y == 2]),  # a single class present
    lambda z, y: (z[y != 2], y[y != 2]),  # a class missing
    lambda z, y: (z * 1e3, y),
    lambda z, y: (z * 1e-3, y),
    lambda z, y: (z.astype("f2"), y),
    lambda z, y: (z.astype("f4"), y.astype("i1")),
    lambda z, y: ((z * 10).astype(int), y),
    lambda z, y: (z[:, :2], (y % 2).astype(bool)),
]


@pytest.mark.parametrize("change", ACCEPTED)
def test_fit_accepts(data, change):
    """Unusual but meaningful input gives the right temperature."""
    z, y = change(*data)
    expected = reference.temperature(np.asarray(z, dtype=float), np.asarray(y, dtype=int))
    assert TemperatureScaling.fit(z, y).temperature == pytest.approx(expected, rel=1e-6)


def test_masks_on_a_fifth_of_the_other_options(data):
    """-inf on 20 % of the options that are not the label gives the T of the remaining ones."""
    z, y = data
    mask = np.random.default_rng(0).random(z.shape) < 0.2
    mask[np.arange(500), y] = False
    masked = np.where(mask, -INF, z)
    scaling = TemperatureScaling.fit(masked, y)
    assert scaling.temperature == pytest.approx(reference.temperature(masked, y), rel=1e-7)
    p = scaling.apply(masked)
    assert (p[mask] == 0).all()
    assert p.sum(axis=1) == pytest.approx(1)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([-1.0], r"row 0 has -1 \(1 such"),
        ([NAN], "row 0 has nan"),
        ([INF], "row 0 has inf"),
        (0.0, "must not all be zero"),
        (np.ones(3), r"shape \(500,\)"),
    ],
)
def test_weights(data, weights, message):
    """Negative, nan, infinite, all zero and too few weights are refused by name."""
    z, y = data
    w = np.ones(500) if np.size(weights) == 1 else weights
    if np.size(weights) == 1:
        w[: 1 if weights != 0.0 else None] = weights
    with pytest.raises(InvalidInputError, match=rf"`weights`.*{message}"):
        TemperatureScaling.fit(z, y, weights=w)


@pytest.mark.parametrize("prior", [-1.0, NAN, INF])
def test_prior(data, prior):
    """A prior that is no strength is refused."""
    with pytest.raises(InvalidInputError, match="`prior`"):
        TemperatureScaling.fit(*data, prior=prior)


@pytest.mark.parametrize("temperature", [0.0, -2.0, NAN, INF])
def test_temperature(temperature):
    """No calibrator with a temperature that is not a finite number above 0 can exist."""
    with pytest.raises(InvalidInputError, match="`temperature`"):
        TemperatureScaling(temperature)


@pytest.mark.parametrize(
    ("probs", "message"),
    [
        ([[0.5, 0.5], [0.2, 3.0]], "row 1 holds 3 .*logits"),
        ([[0.5, 0.5], [0.5, 0.7]], "row 1 sums to 1.2"),
        ([[0.5, 0.5], [NAN, 0.5]], "row 1 holds nan"),
        ([[-0.1, 1.1]], "row 0 holds -0.1"),
        ([1.5, 0.2], "row 0 holds 1.5"),
        ([], "at least one row"),
        ([[]], "at least 2 columns"),
    ],
)
def test_probs(probs, message):
    """Logits where probabilities are expected, and other wrong rows, are refused by number."""
    with pytest.raises(InvalidInputError, match=message):
        tp.evaluate(probs, [0] * len(probs))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_softmax_in_any_precision_is_probabilities(dtype):
    """Row sums are judged by what the dtype can hold, for 2 and for 5,000 classes."""
    rng = np.random.default_rng(0)
    for k in (2, 5000):
        p = reference.softmax(rng.normal(size=(50, k)) * 3).astype(dtype)
        assert tp.metrics.log_loss(p, p.argmax(axis=1)) > 0


def test_softmax_in_bfloat16_is_probabilities():
    """bfloat16 keeps two digits; its row sums are judged by that."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    p = reference.softmax(np.random.default_rng(0).normal(size=(200, 10)))
    assert tp.metrics.accuracy(p.astype(ml_dtypes.bfloat16), p.argmax(axis=1)) > 0.9


def test_class_names():
    """Labels may be names where the classes are named; unknown names are refused."""
    z = [[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]]
    named = TemperatureScaling.fit(z, ["cat", "dog", "dog"], classes=["cat", "dog"])
    assert named.temperature == TemperatureScaling.fit(z, [0, 1, 1]).temperature
    assert named.classes == ("cat", "dog")
    integers = TemperatureScaling.fit(z, [7, 3, 3], classes=[7, 3])  # names, not positions
    assert integers.temperature == named.temperature
    with pytest.raises(InvalidInputError, match=r"among the classes.*row 1 holds 'cow'"):
        TemperatureScaling.fit(z, ["cat", "cow", "dog"], classes=["cat", "dog"])
    with pytest.raises(InvalidInputError, match="twice"):
        TemperatureScaling.fit(z, [0, 1, 1], classes=["cat", "cat"])
    with pytest.raises(InvalidInputError, match="each of the 2 columns"):
        TemperatureScaling.fit(z, [0, 1, 1], classes=["cat"])


def test_apply_refuses_other_data_than_the_fit(data):
    """Another number of classes, and probabilities instead of logits."""
    z, y = data
    scaling = TemperatureScaling.fit(z, y)
    with pytest.raises(InvalidInputError, match="5 columns"):
        scaling.apply(z[:, :4])
    with pytest.raises(InvalidInputError, match="look like probabilities"):
        scaling.apply(reference.softmax(z))
    with pytest.raises(InvalidInputError, match="row 2"):
        scaling.scale(put(z, (2, 0), NAN))
    assert scaling.apply([[0.5, 0.5, 0.0, 0.0, 0.0]]).shape == (1, 5)  # one row proves nothing


def test_tensor_with_a_gradient_is_refused_clearly():
    """Anything that raises when turned into an array is named, with its own words."""

    class Tensor:
        def __array__(self, dtype=None, copy=None):
            msg = "Can't call numpy() on Tensor that requires grad."
            raise RuntimeError(msg)

    with pytest.raises(InvalidInputError, match=r"`logits` is not an array.*requires grad"):
        TemperatureScaling.fit(Tensor(), [0])


def test_what_is_no_array_is_named_with_a_way_out():
    """NumPy takes a sparse matrix or a generator for one object; `.astype` would not help."""
    from scipy.sparse import csr_array

    y = [0, 1, 0]
    with pytest.raises(tp.InvalidInputError, match=r"array of numbers, got csr_array.*\.toarray"):
        tp.TemperatureScaling.fit(csr_array(np.eye(3)), y)
    with pytest.raises(tp.InvalidInputError, match=r"got generator.*np\.array\(list\("):
        tp.TemperatureScaling.fit((row for row in np.eye(3)), y)
    with pytest.raises(tp.InvalidInputError, match=r"`logits` is not an array: .*-inf"):
        tp.TemperatureScaling.fit([[1.0, 2.0], [1.0, 2.0, 3.0]], [0, 1])


def test_labels_of_another_class_axis_name_it():
    """The shape tells which axis the labels lack; none, and nothing is guessed."""
    z, y = np.zeros((5, 6, 10)), np.zeros((5, 6), dtype=int)
    with pytest.raises(tp.InvalidInputError, match=r"on axis 2\? Then say `class_axis=2`"):
        tp.TemperatureScaling.fit(z, y, class_axis=1)
    with pytest.raises(tp.InvalidInputError, match=r"on axis 1\? Then say `class_axis=1`"):
        tp.TemperatureScaling.fit(np.moveaxis(z, -1, 1), y)
    with pytest.raises(tp.InvalidInputError) as refused:
        tp.TemperatureScaling.fit(z, np.zeros((4, 3), dtype=int), class_axis=1)
    assert "class_axis=" not in str(refused.value)
