"""What papers and packages printed of real forecasters and networks, reproduced."""

import numpy as np
import pytest

import reference
import temperance as tp
from temperance import metrics

# Dimitriadis, Gneiting and Jordan (PNAS 2021), rain in Niamey: the printed miscalibration and
# discrimination, then score, miscalibration and discrimination with more digits.
NIAMEY = {
    "ENS": (".066", ".044", 0.266168, 0.066072, 0.044115),
    "EPC": (".022", ".032", 0.234282, 0.022350, 0.032279),
    "Logistic": (".017", ".056", 0.205746, 0.017076, 0.055541),
    "EMOS": (".018", ".030", 0.232025, 0.018283, 0.030469),
}


@pytest.fixture(scope="module")
def niamey():
    """Labels and the probabilities of four forecasters, 92 days."""
    data = reference.shared("niamey_rain")
    return data["labels"].astype(int), data


@pytest.mark.parametrize("name", NIAMEY)
def test_niamey_corp(niamey, name):
    """The paper's decompositions of the Brier score, uncertainty .244."""
    y, forecasts = niamey
    miscalibration, discrimination, *digits = NIAMEY[name]
    parts = metrics.score_decomposition(forecasts[name], y)
    assert f"{parts.miscalibration:.3f}"[1:] == miscalibration
    assert f"{parts.discrimination:.3f}"[1:] == discrimination
    assert parts.uncertainty == pytest.approx(0.2442107750, abs=6e-11)
    found = (parts.score, parts.miscalibration, parts.discrimination)
    assert found == pytest.approx(digits, abs=6e-7)


def test_niamey_miscalibration_that_chance_explains(niamey):
    """EMOS shows less miscalibration than calibrated forecasts do on average: .0231, p = .731."""
    y, forecasts = niamey
    curve = metrics.corp_reliability(forecasts["EMOS"], y, n_resamples=4000)
    test = curve.to_dict()["miscalibration_test"]
    # both are simulated: 1,000 draws know the mean to .0002 and p to .014
    assert test["null_mean"] == pytest.approx(0.0231, abs=0.0008)
    assert test["p_value"] == pytest.approx(0.731, abs=0.035)
    assert test["low"] == 0.0


def test_niamey_murphy(niamey):
    """The classical decomposition on the 33 distinct values of the ensemble."""
    y, forecasts = niamey
    parts = metrics.murphy_decomposition(forecasts["ENS"], y)
    assert len(np.unique(forecasts["ENS"])) == 33
    assert parts.reliability == pytest.approx(0.1322908627, abs=6e-11)
    assert parts.resolution == pytest.approx(0.1103339635, abs=6e-11)
    assert parts.uncertainty == pytest.approx(0.2442107750, abs=6e-11)
    assert parts.score == pytest.approx(0.2661676743, abs=6e-11)


def test_niamey_debiased_reliability(niamey):
    """Less what sampling adds: .0955627594 where forecasts seen once keep their squares.

    So Ferro and Fricker (2012) correct; of a value seen once nothing can be taken off. We let
    such a value count 0, as Kumar et al. (2019) do for bins of one row: less by its square.
    """
    y, forecasts = niamey
    values, place, count = np.unique(forecasts["ENS"], return_inverse=True, return_counts=True)
    once = np.flatnonzero(count[place] == 1)
    kept = sum((values[place[i]] - y[i]) ** 2 for i in once) / 92
    debiased = metrics.murphy_decomposition(forecasts["ENS"], y).reliability_debiased
    assert len(once) > 0
    assert debiased + kept == pytest.approx(0.0955627594, abs=6e-11)


def top_label_rows(confidence, right, k=101):
    """Rows of k classes whose predicted one is class 0 with that confidence."""
    rest = np.repeat((1 - confidence)[:, None] / (k - 1), k - 1, axis=1)
    return np.concatenate([confidence[:, None], rest], axis=1), np.where(right, 0, 1)


# Kull et al. (NeurIPS 2019), uncalibrated confidence-ECE; the first two are the uncalibrated
# top-1 KS errors of Gupta et al. (ICLR 2021) too, which are 4.750 and 18.481 %
KULL = [
    ("resnet110_c10", "4.75", 0.047503, 0.04750),
    ("resnet110_c100", "18.48", 0.184805, 0.18481),
    ("densenet40_c100", "21.16", 0.211563, None),
]


@pytest.mark.parametrize(("network", "percent", "ece", "ks"), KULL)
def test_kull_networks(network, percent, ece, ks):
    """ECE as published, and KS: equal to the ECE where a network is too sure at every level."""
    data = reference.shared("kull_confidences")
    confidence, predicted, label = (
        data[f"markus93__probs_{network}_logits__{part}"] for part in ("conf", "pred", "label")
    )
    rows = top_label_rows(confidence.astype(float), predicted == label)
    found = metrics.expected_calibration_error(*rows)
    assert f"{100 * found:.2f}" == percent
    assert found == pytest.approx(ece, abs=1e-6)
    if ks is not None:
        assert metrics.ks_calibration_error(*rows) == pytest.approx(ks, abs=1e-5)


def test_refinement_split():
    """Half of REF-B: a T from the other half leaves .18305966 and removes .04390967.

    Ours is fitted out of fold on the half itself, so it is slightly better than the T of other
    rows (1.7359), and slightly worse than the best T in hindsight (1.6318, .18202985).
    """
    *_, z, y = reference.reference_b()
    p = reference.softmax(z)
    evaluation = tp.evaluate(p, y, n_resamples=100)
    split = evaluation.to_dict()["log_loss_parts"]
    left, removed = split["refinement"], split["calibration"]
    assert split["temperature"] == pytest.approx(1.63180202, abs=6e-9)
    assert left["value"] + removed["value"] == pytest.approx(0.22696933, abs=6e-9)
    assert 0.18202985 < left["value"] < 0.18305966
    assert left["low"] < 0.18305966 < left["high"]
    assert removed["low"] < 0.04390967 < removed["high"]
    assert removed["value"] == pytest.approx(0.04390967, abs=0.001)
    assert removed["low"] > 0
