"""A slope and an intercept per label: shrunk, finite on any labels, and no worse on fresh rows."""

import json
from contextlib import suppress

import numpy as np
import pytest
from scipy.optimize import minimize

import temperance as tp
from pages import words_of
from reference import sigmoid

OPTIONS = ("--kind", "multilabel", "--quick", "--json")


def world(name, rng, n_labels):
    """Return `draw(n)` -> logits, labels and true log-odds of one world of labels."""
    base, spread = rng.normal(-3, 1.5, n_labels), rng.uniform(1, 2.5, n_labels)
    slope, intercept = np.ones(n_labels), np.zeros(n_labels)
    if name == "one temperature":
        slope = slope * 0.5
    elif name == "temperatures":
        slope = np.exp(rng.normal(-0.5, 0.5, n_labels))
    elif name == "asymmetric loss":
        slope, intercept = np.exp(rng.normal(0.2, 0.3, n_labels)), rng.normal(-3, 0.7, n_labels)
    elif name == "rare":
        base = rng.normal(-5.5, 1, n_labels)
        slope, intercept = np.exp(rng.normal(-0.3, 0.3, n_labels)), rng.normal(0, 1, n_labels)
    elif name == "separable":
        base, spread = rng.normal(-2, 2, n_labels), np.full(n_labels, 8.0)
        slope, intercept = slope * 2, rng.normal(0, 1, n_labels)

    def draw(n):
        truth = base + spread * rng.normal(size=(n, n_labels))
        return (truth - intercept) / slope, (rng.random(truth.shape) < sigmoid(truth)) * 1, truth

    return draw


def risk(z, truth):
    """Mean log loss of logits where labels are drawn from the truth."""
    return float((np.logaddexp(0, z) - sigmoid(truth) * z).mean())


def own_line(z, y):
    """Platt's line of one label by a general optimiser; flat where the label never differs."""
    positive, negative = y.sum(), len(y) - y.sum()
    t = np.where(y == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(at):
        o = at[0] * z + at[1]
        return (np.logaddexp(0, o) - t * o).sum()

    return minimize(loss, [1.0, 0.0], method="BFGS").x


def test_one_label_has_platts_line():
    """Of one column the map is that of `PlattScaling`, whatever the unit of the logits."""
    z, y, _ = world("asymmetric loss", np.random.default_rng(0), 1)(300)
    for unit in (1.0, 1e-60, 1e60):
        fitted = tp.MultilabelScaling.fit(unit * z, y, method="platt", refuse_probs=False)
        plain = tp.PlattScaling.fit(z[:, 0], y[:, 0])
        assert fitted.lines[0] * unit == pytest.approx([plain.slope], rel=1e-6)
        assert fitted.lines[1] == pytest.approx([plain.intercept], rel=1e-6)


def test_labels_of_much_data_have_their_own_lines():
    """With many events the shrinkage is gone; the lines are those of a general optimiser."""
    z, y, _ = world("asymmetric loss", np.random.default_rng(1), 3)(20_000)
    slopes, intercepts = tp.MultilabelScaling.fit(z, y, method="platt").lines
    own = np.array([own_line(z[:, label], y[:, label]) for label in range(3)])
    assert slopes == pytest.approx(own[:, 0], rel=0.02)
    assert intercepts == pytest.approx(own[:, 1], abs=0.05)


@pytest.mark.parametrize(("n_labels", "n"), [(200, 200), (400, 50)])
def test_the_spread_between_labels_is_found(n_labels, n):
    """Of many labels the estimated centre and spread are those drawn with; few rows each, too."""
    rng = np.random.default_rng(2)
    slope, intercept = np.exp(rng.normal(-0.5, 0.4, n_labels)), rng.normal(-1, 0.8, n_labels)
    z = rng.normal(size=(n, n_labels)) * 2
    y = (rng.random(z.shape) < sigmoid(slope * z + intercept)) * 1
    inner = tp.MultilabelScaling.fit(z, y, method="platt").inner
    assert np.log(inner.slope) == pytest.approx(-0.5, abs=0.1)
    assert inner.intercept == pytest.approx(-1, abs=0.2)
    assert inner.slope_spread == pytest.approx(0.4, abs=0.08)
    assert inner.intercept_spread == pytest.approx(0.8, abs=0.12)


def test_labels_alike_share_one_line():
    """Where chance explains all differences the labels have nearly one line."""
    z, y, _ = world("one temperature", np.random.default_rng(3), 14)(500)
    slopes, intercepts = tp.MultilabelScaling.fit(z, y, method="platt").lines
    assert np.ptp(slopes) < 0.1
    assert np.ptp(intercepts) < 0.3


def test_every_label_has_a_line():
    """Never true, always true, separable, inverted, constant, or unknown: finite, slope above 0."""
    z, y, _ = world("temperatures", np.random.default_rng(4), 9)(200)
    y[:, 0], y[:, 1], y[:, 2], y[:, 3] = 0, 1, z[:, 2] > 0, z[:, 3] < 0
    z[:, 4], y[:, 5] = 1.0, -1
    fitted = tp.MultilabelScaling.fit(z, y, method="platt", ignore_label=-1)
    slopes, intercepts = fitted.lines
    assert np.isfinite(intercepts).all()
    assert (slopes > 0).all()
    probs = fitted.apply(z).mean(axis=0)
    assert probs[0] < 0.05
    assert probs[1] > 0.95
    assert {"0", "1"} <= set(fitted.inner.few_events)
    assert slopes[5] == fitted.inner.slope  # nobody knows this label: the common line


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda z, y: (z, 0 * y), "empty-class"),
        (lambda z, y: (-z, y), "worse-than-chance"),
        (lambda z, y: (0 * z + np.arange(3), y), "constant-logits"),
    ],
)
def test_no_line_at_all(change, reason):
    """Only where all labels together have none is there an error, with its reason."""
    z, y, _ = world("temperatures", np.random.default_rng(5), 3)(300)
    with pytest.raises(tp.NoOptimumError) as caught:
        tp.MultilabelScaling.fit(*change(z, y), method="platt")
    assert caught.value.reason == reason


def test_only_ratios_of_weights_count():
    """Weights that sum to 1, and a million times as large, give the map of none."""
    z, y, _ = world("rare", np.random.default_rng(6), 4)(300)
    plain = tp.MultilabelScaling.fit(z, y, method="platt")
    for scale in (1 / 300, 1e6):
        fitted = tp.MultilabelScaling.fit(z, y, method="platt", weights=np.full(300, scale))
        assert np.array(fitted.lines) == pytest.approx(np.array(plain.lines), rel=1e-8)


def test_order_of_labels_and_rows_does_not_matter():
    """Columns and rows turned round: the same lines, turned round."""
    z, y, _ = world("asymmetric loss", np.random.default_rng(7), 5)(200)
    lines = np.array(tp.MultilabelScaling.fit(z, y, method="platt").lines)
    turned = tp.MultilabelScaling.fit(z[::-1, ::-1], y[::-1, ::-1], method="platt").lines
    assert np.array(turned)[:, ::-1] == pytest.approx(lines, rel=1e-6)


def test_a_file_comes_back(tmp_path):
    """Every method's calibrator is read back as it was; what the map says is in the file."""
    z, y, _ = world("asymmetric loss", np.random.default_rng(8), 2)(200)
    for method in ("identity", "temperature", "group-temperature", "platt"):
        fitted = tp.MultilabelScaling.fit(z, y, method=method, classes=["cat", "dog"])
        tp.save(fitted, tmp_path / "c.json")
        assert tp.load(tmp_path / "c.json") == fitted
        assert (fitted.name, hasattr(fitted, "temperature")) == (method, "temperature" in method)
    content = json.loads((tmp_path / "c.json").read_text())
    found = content["parameters"]
    of_cat = found["slopes"]["cat"] * z[:, 0] + found["intercepts"]["cat"]
    assert fitted.scale(z)[:, 0] == pytest.approx(of_cat)
    del found["intercepts"]["dog"]
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match="intercepts"):
        tp.load(tmp_path / "c.json")


def test_what_written_files_hold(tmp_path):
    """A file as this version writes it is read by later ones, to the last digit."""
    content = {
        "format": "temperance/calibrator",
        "format_version": 1,
        "method": "platt",
        "parameters": {
            "slope": 2.0, "intercept": -1.0,
            "slopes": {"cat": 2.5, "dog": 1.5}, "intercepts": {"cat": -2.0, "dog": 0.25},
            "few_events": ["dog"], "slope_spread": 0.25, "intercept_spread": 1.0,
        },
        "input": {
            "kind": "multilabel", "convention": "sigmoid", "n_classes": 2,
            "classes": ["cat", "dog"],
        },
        "fit": {"library": "temperance 0.1.0"},
        "evaluation": {},
    }  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(content))
    found = tp.load(tmp_path / "c.json")
    assert found.scale([[1.0, 1.0], [-2.0, 4.0]]).tolist() == [[0.5, 1.75], [-7.0, 6.25]]
    tp.save(found, tmp_path / "d.json")
    written = json.loads((tmp_path / "d.json").read_text())
    assert written["parameters"] == content["parameters"]
    assert written["input"] == content["input"]


def test_refusals():
    """Names that do not fit, a method of classes, a smoothed temperature."""
    z, y, _ = world("temperatures", np.random.default_rng(9), 2)(50)
    with pytest.raises(tp.InvalidInputError, match="group-temperature, platt"):
        tp.MultilabelScaling.fit(z, y, method="vector")
    with pytest.raises(tp.InvalidInputError, match="`prior` has no meaning for platt"):
        tp.MultilabelScaling.fit(z, y, method="platt", prior=1.0)
    inner = tp.MultilabelScaling.fit(z, y, method="platt", classes=["a", "b"]).inner
    with pytest.raises(tp.InvalidInputError, match="`slopes` must be of the labels"):
        tp.MultilabelScaling(inner, n_classes=2, classes=("a", "c"))
    with pytest.raises(tp.InvalidInputError, match="no smoothing"):
        tp.MultilabelScaling(tp.TemperatureScaling(2.0, smoothing=0.1), n_classes=2)


# mean regret in nats per entry, against the truth
WORLDS = ("calibrated", "one temperature", "temperatures", "asymmetric loss", "rare", "separable")


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_on_fresh_rows(request, name):
    """Shrunk lines lose less than a line per label by itself, also of rare and separable labels."""
    full = "slow" in request.config.getoption("markexpr")
    rng = np.random.default_rng(10)
    for n_labels, n in ((3, 100), (14, 60), (14, 500)):
        regret = []
        for _ in range(100 if full else 4):
            draw = world(name, rng, n_labels)
            z, y, _ = draw(n)
            fresh, _, truth = draw(4_000)
            if y.sum() < 2:
                continue
            slopes, intercepts = tp.MultilabelScaling.fit(z, y, method="platt").lines
            own = np.array([own_line(z[:, i], y[:, i]) for i in range(n_labels)]).T
            regret.append(
                [risk(a * fresh + b, truth) - risk(truth, truth)
                 for a, b in ((slopes, intercepts), own)]
            )  # fmt: skip
        shrunk, alone = np.mean(regret, axis=0)
        assert shrunk <= 1.05 * alone, (n_labels, n)
        if n_labels == 14 and n == 60:
            assert shrunk <= 0.75 * alone


@pytest.mark.slow
def test_auto_on_fresh_rows(request):
    """The choice costs little against the best of identity and temperature where these are true.

    And the verdict "better" is hardly ever given to a map that is worse on fresh rows.
    """
    full = "slow" in request.config.getoption("markexpr")
    rng = np.random.default_rng(11)
    n_draws = 100 if full else 3
    for name in ("calibrated", "one temperature"):
        for n_labels, n in ((5, 100), (14, 60)):
            regret, wrong = [], 0
            for _ in range(n_draws):
                draw = world(name, rng, n_labels)
                z, y, _ = draw(n)
                fresh, _, truth = draw(4_000)
                found = tp.select_labels(z, y)
                chosen = risk(found.calibrator.scale(fresh, refuse_probs=False), truth)
                simple = [risk(fresh, truth)]
                with suppress(tp.NoOptimumError):
                    simple.append(risk(tp.MultilabelScaling.fit(z, y).scale(fresh), truth))
                regret.append(chosen - min(simple))
                wrong += found.verdict == "better" and chosen > risk(fresh, truth)
            assert np.mean(regret) <= 0.003
            assert wrong <= 0.025 * n_draws + 1


def test_rows_are_held_out_whole():
    """Labels that are copies of one: were entries held out, each would know its row's answer.

    Losses and their errors are those of one column, with which all choices agree.
    """
    rng = np.random.default_rng(12)
    z = rng.normal(size=(300, 1)) * 3
    y = (rng.random(z.shape) < sigmoid(z / 2)) * 1
    once = tp.select_labels(z, y, methods=["temperature"])
    thrice = tp.select_labels(np.tile(z, 3), np.tile(y, 3), methods=["temperature"])
    assert thrice.method == once.method
    one, three = (each.candidates[1].difference for each in (once, thrice))
    assert three.high - three.low == pytest.approx(one.high - one.low, rel=0.15)


def test_the_choice_in_python_and_in_the_shell(run, tmp_path):
    """`select_labels` and --method auto choose a line per label where labels have biases."""
    z, y, _ = world("asymmetric loss", np.random.default_rng(13), 4)(400)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    found = tp.select_labels(z, y)
    assert (found.method, found.verdict) == ("platt", "better")
    done = json.loads(run("fit", "cal.npz", *OPTIONS, "--method", "auto").stdout)
    assert done["selection"] == found.to_dict()
    assert tp.load(tmp_path / "calibrator.json") == found.calibrator
    run("apply", "calibrator.json", "cal.npz", "--kind", "multilabel", "-o", "out.npz")
    assert np.load(tmp_path / "out.npz")["probs"] == pytest.approx(found.calibrator.apply(z))
    with pytest.raises(tp.InvalidInputError, match="`methods`"):
        tp.select_labels(z, y, methods=["vector"])


def test_the_shell_warns_of_labels_claimed_too_often(run, tmp_path):
    """A temperature that is worse than no model is called so; the advice, followed, cures it."""
    rng = np.random.default_rng(14)
    truth = rng.normal([-4, -3, -5], 0.7, size=(800, 3))
    y = (rng.random(truth.shape) < sigmoid(truth)) * 1
    np.savez(tmp_path / "cal.npz", logits=truth + 3, labels=y)
    warned = run("fit", "cal.npz", "--kind", "multilabel", "--quick", "--report", "r.html").stderr
    assert "--method platt" in warned
    assert "knowing only how often each label applies would cost" in warned
    header = words_of((tmp_path / "r.html").read_text().partition("</header>")[0])
    assert "knowing only how often" in header
    assert "fit with method platt, or method auto." in header
    fit = ("fit", "cal.npz", *OPTIONS, "--method", "platt", "--report", "r.html")
    done = json.loads(run(*fit).stdout)
    assert not [each for each in done["warnings"] if "label" in each]
    ways = done["label_ways"]
    rates = ways["base rate of each label, without the model"]["log_loss"]["value"]
    share = y.mean(axis=0)
    entropy = -(share * np.log(share) + (1 - share) * np.log(1 - share)).mean()
    assert rates == pytest.approx(entropy, abs=0.002)
    assert ways["platt"]["log_loss"]["value"] < rates
    assert "A line for each label" in (tmp_path / "r.html").read_text()


def test_the_shell_is_silent_where_a_temperature_does(run, tmp_path):
    """No warning about lines where one temperature is the truth."""
    z, y, _ = world("one temperature", np.random.default_rng(15), 4)(400)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    assert "per label" not in run("fit", "cal.npz", "--kind", "multilabel", "--quick").stderr
