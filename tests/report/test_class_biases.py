"""Class biases with their intervals, and what they cost: the position bias of multiple choice."""

import json
import math

import numpy as np
import pytest
from scipy.stats import norm

import reference
import temperance as tp
from pages import CHROMIUM, check_pages, check_stands_alone, words_of
from temperance import Estimate
from temperance.alternatives import BIASED, UNBIASED, ClassBiases
from temperance.calibrators import Training, class_bias_errors
from temperance.plots import ClassBiasDisplay
from temperance.plots.theme import MUTED, OVER, UNDER
from temperance.report.html import class_bias_section

LETTERS = np.array(["A", "B", "C", "D"])
BIASES = np.array([-0.5, 0.0, 0.1, 0.4])


def rows(seed=0, n=800, truth=BIASES, temperature=2.0):
    """Logits of a model that prefers some positions to others."""
    rng = np.random.default_rng(seed)
    z = 3.0 * rng.normal(size=(n, 4))
    return z, (z / temperature + truth + rng.gumbel(size=z.shape)).argmax(axis=1)


def sandwich(z, y, fitted, w=None, clusters=None):
    """Standard errors of the biases from derivatives written out, biases held to sum 0."""
    n, k = z.shape
    w = np.ones(n) if w is None else w
    p = reference.softmax(z / fitted.temperature + fitted.bias)
    residual = p - np.eye(k)[y]
    scores = np.c_[(residual * z).sum(axis=1), residual] * w[:, None]
    hessian = np.zeros((k + 1, k + 1))
    for i in range(n):
        x = np.c_[z[i], np.eye(k)]
        hessian += w[i] * x.T @ (np.diag(p[i]) - np.outer(p[i], p[i])) @ x
    free = np.zeros((k + 1, k))  # from (beta, b_1 .. b_k-1) to all, the last less the others
    free[0, 0] = 1
    free[1:k, 1:] = np.eye(k - 1)
    free[k, 1:] = -1
    inverse = free @ np.linalg.inv(free.T @ hessian @ free) @ free.T
    if clusters is not None:
        scores = np.stack([scores[clusters == c].sum(axis=0) for c in np.unique(clusters)])
    return np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse))[1:]


def test_errors_are_the_sandwich():
    """Written out with constrained biases: rows, weights, clusters."""
    z, y = rows()
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y)
    assert class_bias_errors(fitted, Training.check(z, y)) == pytest.approx(
        sandwich(z, y, fitted), rel=1e-6
    )
    clusters = np.arange(800) // 4
    assert class_bias_errors(fitted, Training.check(z, y), clusters) == pytest.approx(
        sandwich(z, y, fitted, clusters=clusters), rel=1e-6
    )
    w = np.arange(800) % 3.0
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y, weights=w)
    assert class_bias_errors(fitted, Training.check(z, y, weights=w)) == pytest.approx(
        sandwich(z, y, fitted, w), rel=1e-6
    )


def test_intervals_hold_the_truth(request):
    """Drawn over and over, the interval of each bias holds it in about 95 %."""
    draws = 600 if "slow" in request.config.getoption("markexpr") else 120
    held = []
    for seed in range(draws):
        z, y = rows(seed, n=500)
        fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y)
        errors = class_bias_errors(fitted, Training.check(z, y))
        held.append(np.abs(fitted.bias - BIASES + BIASES.mean()) < 1.96 * errors)
    assert np.abs(np.mean(held, axis=0) - 0.95).max() < 4 * math.sqrt(0.95 * 0.05 / draws)


@pytest.fixture
def files(tmp_path):
    arrays = {}
    for name, seed in (("cal", 1), ("test", 2)):
        z, y = rows(seed)
        np.savez(tmp_path / f"{name}.npz", logits=z, labels=np.array(LETTERS)[y], classes=LETTERS)
        arrays[name] = (z, y)
    return arrays


METHOD = ("--method", "bias-corrected-temperature")


def test_biases_in_json(run, files):
    """Biases, intervals, and the paired gain over a temperature on rows that no fit has seen."""
    z, y = files["cal"]
    found = json.loads(
        run("fit", "cal.npz", "--test", "test.npz", *METHOD, "--quick", "--json").stdout
    )["class_biases"]
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y)
    errors = class_bias_errors(fitted, Training.check(z, y))
    for name, bias, error in zip(LETTERS, fitted.bias, errors, strict=True):
        own = found["biases"][name]
        assert own["value"] == pytest.approx(bias)
        assert own["high"] - own["value"] == pytest.approx(1.959964 * error)
    new, labels = files["test"]
    alone = tp.TemperatureScaling.fit(z, y).apply(new)
    gain = tp.metrics.log_loss(fitted.apply(new), labels) - tp.metrics.log_loss(alone, labels)
    loss = found["differences"]["log_loss"]
    assert loss["value"] == pytest.approx(gain)
    assert loss["high"] < 0
    assert loss["verdict"] == "better"


def test_cross_fitted_and_by_choice(run, files):
    """Named or tried by auto, the difference is the same: of both maps, not of the choice."""
    named = json.loads(run("fit", "cal.npz", *METHOD, "--quick", "--json").stdout)
    auto = json.loads(
        run("fit", "cal.npz", "--method", "auto", "--quick", "--json", "--report", "r.html").stdout
    )
    assert auto["class_biases"] == named["class_biases"]
    gain = named["class_biases"]["differences"]["log_loss"]["value"]
    alone = json.loads(run("fit", "cal.npz", "--quick", "--json").stdout)
    assert alone["class_biases"] is None
    assert gain == pytest.approx(named["after"]["log_loss"] - alone["after"]["log_loss"])


def test_report(run, tmp_path, files):
    """The page says which class is claimed too often, and what that costs."""
    summary = json.loads(
        run("fit", "cal.npz", *METHOD, "--quick", "--json", "--report", "r.html").stdout
    )["class_biases"]
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    check_stands_alone(page)
    words = words_of(page)
    ends = np.array([[own["low"], own["high"]] for own in summary["biases"].values()])
    p_values = 2 * norm.sf(2 * norm.ppf(0.975) * np.abs(ends.mean(1)) / np.ptp(ends, axis=1))
    apart = dict(zip(summary["biases"], np.array(tp.metrics.holm(p_values)) < 0.05, strict=True))
    for name in LETTERS:
        own = summary["biases"][name]
        text = f"{name} {own['value']:+.4f} {own['low']:+.4f} to {own['high']:+.4f}"
        told = "claimed too often" if own["high"] < 0 else "claimed too rarely"
        if not apart[name]:
            told = "cannot tell"
        assert f"{text} {told}" in words
    loss = summary["differences"]["log_loss"]
    cost = f"the biases cost {-loss['value']:.4f} nats of log loss per row"
    assert f"{cost} ({-loss['high']:.4f} to {-loss['low']:.4f})" in words
    assert "position bias" in words
    assert class_bias_section(None) is None
    if CHROMIUM:
        check_pages(tmp_path, {"page": (page, 7)})


def test_where_there_is_no_bias():
    """These rows cannot tell, and the sentence says so in place of a cost; a loss is called one."""
    z, y = rows(5, truth=np.zeros(4))
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y)
    sides = {UNBIASED: tp.TemperatureScaling.fit(z, y).apply(z), BIASED: fitted.apply(z)}
    biases = dict(zip(LETTERS, (Estimate(b, b - 0.3, b + 0.3) for b in fitted.bias), strict=True))

    def section(sides):
        comparison = tp.compare(sides, y, n_resamples=100)
        return class_bias_section(ClassBiases(biases, fitted.temperature, comparison))

    found = section(sides)
    assert found["cost"].startswith("These rows cannot tell whether it helps")
    assert [row["word"] for row in found["rows"]] == ["cannot tell"] * 4
    worse = section({UNBIASED: sides[BIASED], BIASED: sides[BIASED][:, ::-1]})
    assert "on rows that the fit has not seen: leave them." in worse["cost"]


def test_left_out(run, tmp_path):
    """No section for rows of several widths or many classes; none where there is no optimum."""
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(900, 30))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    np.savez(tmp_path / "many.npz", logits=z, labels=y)
    content = json.loads(run("fit", "many.npz", *METHOD, "--quick", "--json").stdout)
    assert content["class_biases"] is None


def test_real_position_bias():
    """LLaMA-13B on MMLU claims A and C too often, B and D too rarely."""
    data = reference.shared("mmlu16_llama13b")
    z, y = np.log(data["probs"].astype(float)), data["labels"].astype(int)
    fitted = tp.BiasCorrectedTemperatureScaling.fit(z, y)
    errors = class_bias_errors(fitted, Training.check(z, y))
    assert (np.sign(fitted.bias) == [-1, 1, -1, 1]).all()
    assert (np.abs(fitted.bias) > 1.96 * errors).all()


def test_picture():
    """Dots at the biases, bars at their ends, colours by the side of 0, 0 marked."""
    given = {
        "A": Estimate(-0.3, -0.4, -0.2),
        "B": Estimate(0.3, 0.1, 0.5),
        "C": Estimate(0.1, -0.1, 0.3),
        "D": -0.1,
    }
    display = ClassBiasDisplay.from_biases(given, name="net")
    dots = [line for line in display.ax_.lines if line.get_marker() == "o"]
    assert [dot.get_xdata()[0] for dot in dots] == [-0.3, 0.3, 0.1, -0.1]
    assert [dot.get_color() for dot in dots][:3] == [OVER, UNDER, MUTED]
    low, high = display.ax_.get_xlim()
    assert low < -0.4
    assert high > 0.5
    written = [text.get_text() for text in display.ax_.texts]
    assert written == ["-0.30", "+0.30", "+0.10", "-0.10", "no bias", "net"]
    title, words = display.alt_text()
    assert title == "Class biases: net"
    assert "A -0.300 (-0.400 to -0.200)" in words
    assert "D -0.100." in words
    for bad in ({}, {"A": math.nan}, {"A": Estimate(0.0, 0.1, 0.2)}):
        with pytest.raises(tp.InvalidInputError, match="`biases` must"):
            ClassBiasDisplay.from_biases(bad)
