"""`fit_policy`: labels used once each, in Python as in `temperance threshold`."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.decisions import DecisionPolicy, abstain, fit_policy, load_policy, save_policy
from temperance.decisions.split import split_rows


@pytest.fixture
def rows(sample):
    """Rows of a model that is too sure by a factor of two."""
    return sample(7, n=900, k=3, temperature=2.0)


def test_it_is_the_split_the_fit_and_the_threshold(rows):
    """As by hand: T from a fifth of the rows, the threshold from the others, from each once."""
    z, y = rows
    policy = fit_policy(z, y, max_risk=0.3, seed=4)
    fitted = split_rows(y, 0.2, seed=4, scores=(z,))
    scaling = tp.TemperatureScaling.fit(z[fitted], y[fitted])
    rule = abstain(scaling.apply(z[~fitted]), y[~fitted], max_risk=0.3)
    assert isinstance(policy, DecisionPolicy)
    assert policy.calibrator == scaling
    assert policy.rule.threshold == rule.threshold
    assert policy.rule.outcome == rule.outcome
    assert policy.rule.draws.what == "splits"
    assert policy.facts["n_fit"] == fitted.sum()
    assert policy.facts["n_threshold"] == (~fitted).sum()


@pytest.mark.parametrize("per_group", [False, True])
def test_it_is_what_the_command_does(run, tmp_path, rows, per_group):
    """`threshold --json` has the same temperature, threshold, draws and counts."""
    z, y = rows
    groups = np.where(np.arange(900) % 3 == 0, "a", "b")
    clusters = np.arange(900) // 2
    np.savez(tmp_path / "a.npz", logits=z, labels=y, groups=groups, clusters=clusters)
    options = ("--max-risk", 0.4, "--seed", 1, "--fit-share", 0.3, "--json")
    per = ("--per-group",) if per_group else ()
    printed = json.loads(run("threshold", "a.npz", *options, *per).stdout)
    policy = fit_policy(
        z, y, max_risk=0.4, seed=1, fit_share=0.3, groups=groups, clusters=clusters,
        per_group=per_group,
    )  # fmt: skip
    own = json.loads(json.dumps(policy.rule.to_dict()))
    assert {name: printed[name] for name in own} == own
    assert printed["temperature"] == policy.calibrator.temperature
    assert {name: printed["use"][name] for name in policy.facts} == policy.facts


def test_it_is_saved_and_applied(rows, tmp_path):
    """The policy goes through its file, and decides as its rule does."""
    z, y = rows
    names = np.array(["x", "y", "z"])
    policy = fit_policy(z, names[y], max_risk=0.3, method="auto", classes=names.tolist())
    save_policy(policy, tmp_path / "policy.json")
    loaded = load_policy(tmp_path / "policy.json")
    probs, accepted = loaded.apply(z)
    assert np.array_equal(accepted, policy.apply(z).accepted)
    assert np.array_equal(accepted, policy.rule.accepts(probs.max(axis=1)))
    assert loaded.facts["n_fit"] == 180


def test_rows_that_do_not_count_change_nothing(rows):
    """Rows of weight 0 and of an ignored label take no part, nor does the order of rows."""
    z, y = rows
    policy = fit_policy(z, y, max_risk=0.3)
    more_z, more_y = np.concatenate([z, -9.0 * z[:40]]), np.concatenate([y, y[:40]])
    weights = np.r_[np.ones(900), np.zeros(40)]
    assert fit_policy(more_z, more_y, max_risk=0.3, weights=weights).rule == policy.rule
    ignored = np.r_[y, np.full(40, -1)]
    assert fit_policy(more_z, ignored, max_risk=0.3, ignore_label=-1).rule == policy.rule
    order = np.random.default_rng(0).permutation(900)
    assert fit_policy(z[order], y[order], max_risk=0.3).rule == policy.rule


def test_a_share_of_zero_probabilities_goes_to_a_method_that_takes_them():
    """Isotonic takes labels of probability 0; a temperature says why it does not."""
    rng = np.random.default_rng(0)
    p = np.round(rng.beta(0.5, 0.5, 800), 1)
    y = (rng.random(800) < 0.1 + 0.8 * p).astype(int)
    z = tp.logits_from_probs(p)
    with pytest.raises(tp.InvalidInputError, match=r"probability 0|-inf"):
        fit_policy(z, y, max_risk=0.3)
    assert fit_policy(z, y, max_risk=0.3, method="isotonic").calibrator.method == "isotonic"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, tp.InvalidInputError, "Give `max_risk`"),
        ({"max_risk": 0.3, "fit_share": 1.0}, tp.InvalidInputError, "`fit_share` .* between 0"),
        (
            {"max_risk": 0.3, "fit_share": 1e-9},
            tp.InvalidInputError,
            "cannot be split",
        ),
        ({"max_risk": 0.3, "method": "best"}, tp.InvalidInputError, "`method` must be one of"),
        ({"max_risk": 0.3, "method": "ensemble"}, tp.InvalidInputError, "outputs of one model"),
        ({"max_risk": 0.3, "per_group": True}, tp.InvalidInputError, r"`per_group`.* needs"),
        ({"max_risk": 0.3, "seed": -1}, tp.InvalidInputError, "`seed`"),
        ({"max_risk": 1e-5}, tp.InvalidInputError, "label"),
        (
            {"max_risk": 0.3, "weights": np.arange(900)},
            tp.InvalidInputError,
            "row 2 has 2, row 1 1",
        ),
    ],
)
def test_what_is_refused(rows, options, error, message):
    """Each wrong argument by its name."""
    with pytest.raises(error, match=message):
        fit_policy(*rows, **options)


def test_rows_that_allow_no_fit(rows):
    """All rows of the fit are right: no temperature, and the ways out."""
    z = rows[0]
    with pytest.raises(tp.NoOptimumError, match=r"rows to fit on allow no fit: .*fit_share"):
        fit_policy(z, z.argmax(axis=1), max_risk=0.3)
