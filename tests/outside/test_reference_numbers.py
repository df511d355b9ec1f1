"""The fit and the measures against numbers computed elsewhere, to the digits given."""

import numpy as np
import pytest

import reference
import temperance as tp
from temperance import metrics

EXACT = {"rel": 1e-9, "abs": 0}
A = {
    "T": 2.218447926653, "before": 1.508426488377, "after": 1.273999443981,
    "se": 0.1623997030, "interval": (1.92193065, 2.56071217), "z": 17.94862005,
}  # fmt: skip
B = {
    "T": 1.735877588761, "before": 0.287160279891, "after": 0.218578418954,
    "se": 0.0256214503, "interval": (1.68637988, 1.78682813), "z": 50.65615409,
}  # fmt: skip


@pytest.fixture
def fits():
    """REF-A and the calibration half of REF-B with the reference numbers of each."""

    def get(name):
        z, y = reference.reference_a() if name == "A" else reference.reference_b()[:2]
        return tp.TemperatureScaling.fit(z, y), A if name == "A" else B

    return get


@pytest.mark.parametrize("name", ["A", "B"])
def test_fit_record(fits, name):
    """Temperature, losses, sandwich error, interval and score test of the reference fits."""
    scaling, expected = fits(name)
    record = scaling.record
    assert scaling.temperature == pytest.approx(expected["T"], **EXACT)
    assert record.log_loss_before == pytest.approx(expected["before"], **EXACT)
    assert record.log_loss_after == pytest.approx(expected["after"], **EXACT)
    assert record.standard_error == pytest.approx(expected["se"], abs=6e-11)
    assert record.interval(0.95) == pytest.approx(expected["interval"], abs=6e-9)
    assert record.score_test.z == pytest.approx(expected["z"], abs=6e-9)
    assert record.score_test.direction == "over-confident"


def test_five_rows_by_hand():
    """The five-row example: beta, T, losses and the standard error of beta."""
    z = [[2, 1, 0], [0, 2, 1], [1, 0, 3], [3, 0, 0], [0, 1, 0]]
    record = tp.TemperatureScaling.fit(z, [0, 1, 2, 1, 1]).record
    assert 1 / record.temperature == pytest.approx(0.6626759570, abs=6e-11)
    assert record.temperature == pytest.approx(1.5090331699, abs=6e-11)
    assert record.log_loss_before == pytest.approx(0.9262851238, abs=6e-11)
    assert record.log_loss_after == pytest.approx(0.8863132605, abs=6e-11)
    assert record.standard_error / record.temperature**2 == pytest.approx(0.6530492005, abs=6e-11)


def test_score_test_on_rows_the_fit_has_not_seen():
    """On the test half the score test finds over-, and at the fitted T under-confidence."""
    z, y, z_test, y_test = reference.reference_b()
    scaling = tp.TemperatureScaling.fit(z, y)
    raw = tp.evaluate(reference.softmax(z_test), y_test).score_test
    scaled = tp.evaluate(scaling.apply(z_test), y_test).score_test
    assert raw.z == pytest.approx(37.54585514, abs=6e-9)
    assert scaled.z == pytest.approx(-3.04584347, abs=6e-9)
    assert scaled.direction == "under-confident"


def test_weights_are_repeated_rows():
    """Weights 1, 2, 3, 1, ... give the temperature of the rows written out that often."""
    z, y = reference.reference_a()
    w = 1 + np.arange(400) % 3
    weighted = tp.TemperatureScaling.fit(z, y, weights=w).temperature
    assert weighted == pytest.approx(2.1897783618984885, **EXACT)
    repeated = tp.TemperatureScaling.fit(z.repeat(w, axis=0), y.repeat(w)).temperature
    assert weighted == pytest.approx(repeated, rel=1e-12)


def test_masked_options():
    """Class i mod 5 set to -inf in row i, unless it is the label."""
    z, y = reference.reference_a()
    rows = np.arange(400)
    masked = rows[rows % 5 != y]
    z[masked, masked % 5] = -np.inf
    assert len(masked) == 321
    assert tp.TemperatureScaling.fit(z, y).temperature == pytest.approx(2.2378566592, abs=6e-11)
    inf = np.inf
    small = tp.TemperatureScaling.fit([[2, 0, -inf], [1, 3, 0], [0.5, -inf, 1]], [0, 0, 2])
    assert 1 / small.temperature == pytest.approx(0.3492819288, abs=6e-11)


@pytest.mark.parametrize(
    ("prior", "of_a", "of_b"),
    [(1, 2.2121152004, 1.7356419030), (10, 2.1585580956, 1.7335228840)],
)
def test_prior(fits, prior, of_a, of_b):
    """The prior pulls towards T = 1 by as much as the reference says."""
    z, y = reference.reference_a()
    assert tp.TemperatureScaling.fit(z, y, prior=prior).temperature == pytest.approx(
        of_a, abs=6e-11
    )
    z, y = reference.reference_b()[:2]
    assert tp.TemperatureScaling.fit(z, y, prior=prior).temperature == pytest.approx(
        of_b, abs=6e-11
    )


def test_prior_where_no_optimum_exists():
    """With a prior, separable and useless data have the temperature a slow search finds too."""
    separable = np.array([[2, 0, 0], [0, 3, 0], [1, 0.5, 0]])
    scaling = tp.TemperatureScaling.fit(separable, [0, 1, 0], prior=1)
    assert scaling.temperature == pytest.approx(0.5900751429, abs=6e-11)
    useless = -2.0 * np.eye(3)
    scaling = tp.TemperatureScaling.fit(useless, [0, 1, 2], prior=1)
    assert scaling.temperature == pytest.approx(
        reference.temperature(useless, np.arange(3), prior=1), rel=1e-7
    )


MEASURES = [  # ECE 15, ECE 15 equal mass, ECE 10, and log loss, Brier where they are given
    ("A raw", 0.2011157883, 0.2014667208, 0.1990278877, 1.508426488377, None),
    ("A scaled", 0.0812057688, 0.0999396124, 0.0633458831, 1.273999443981, None),
    ("B raw", 0.0374222943, 0.0356774992, 0.0359418484, 0.22696933, 0.09718022),
    ("B scaled", 0.0167166184, 0.0171048198, 0.0120708432, 0.18305966, 0.08861003),
]


@pytest.mark.parametrize(("case", "ece", "mass", "ten", "loss", "brier"), MEASURES)
def test_measures(case, ece, mass, ten, loss, brier):
    """ECE in three binnings, log loss and Brier score, raw and scaled, REF-A and REF-B."""
    if case.startswith("A"):
        z, y = z_test, y_test = reference.reference_a()
    else:
        z, y, z_test, y_test = reference.reference_b()
    raw = reference.softmax(z_test)
    p = raw if case.endswith("raw") else tp.TemperatureScaling.fit(z, y).apply(z_test)
    error = metrics.expected_calibration_error
    assert error(p, y_test) == pytest.approx(ece, abs=6e-11)
    assert error(p, y_test, binning="equal-mass") == pytest.approx(mass, abs=1e-9)
    assert error(p, y_test, n_bins=10) == pytest.approx(ten, abs=6e-11)
    assert metrics.log_loss(p, y_test) == pytest.approx(loss, abs=6e-9)
    if brier is not None:
        assert metrics.brier_score(p, y_test) == pytest.approx(brier, abs=6e-9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cifar10_resnet20", 1.6701), ("cifar100_resnet20", 1.4403), ("agnews_gpt2", 1.3569),
        ("sst2_gpt2", 1.8042), ("adrenalmnist_resnet50", 2.0035), ("cifar10_garg_L114", 2.4531),
        ("cifar10_garg_L1313", 2.8674), ("cifar10_vgg", 1.6863), ("mmlu16_llama13b", 0.9340),
        ("cifar10_wideresnet_probs", 2.0525), ("smollm2_next_token", 1.0294),
    ],
)  # fmt: skip
def test_real_models(name, expected):
    """Best temperature of eleven real models: float16 logits, and confidences of exactly 1."""
    data = shared_logits(name)
    fitted = tp.TemperatureScaling.fit(*data).temperature
    assert fitted == pytest.approx(expected, abs=6e-5)


def test_softmax_outputs_passed_as_logits_are_refused():
    """The notebook that printed T = 0.264 fed softmax outputs in; we say so instead."""
    data = reference.shared("cifar10_garg_L114")
    p = reference.softmax(data["logits"].astype(float))
    with pytest.raises(tp.InvalidInputError, match="look like probabilities"):
        tp.TemperatureScaling.fit(p, data["labels"])
    forced = tp.TemperatureScaling.fit(p, data["labels"], refuse_probs=False)
    assert forced.temperature == pytest.approx(0.264, abs=6e-4)


def shared_logits(name):
    data = reference.shared(name)
    if "probs" in data:
        return tp.logits_from_probs(data["probs"]), data["labels"]
    return data["logits"], data["labels"]
