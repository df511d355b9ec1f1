"""Labels of probability 0, as forests give them: the choice among maps that take zeros."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.calibrators import METHODS
from temperance.selection import Selection

NEEDS = "needs logarithms of probabilities that are 0: --floor"


def forest(n, k, *, trees=20, seed=3):
    """Return shares of votes (n, k), some 0, and labels drawn from flatter probabilities."""
    rng = np.random.default_rng(seed)
    truth = rng.dirichlet(np.full(k, 0.8), n)
    votes = np.array([rng.multinomial(trees, p) for p in truth]) / trees
    labels = np.array([rng.choice(k, p=p) for p in 0.9 * truth + 0.1 / k])
    assert (votes[np.arange(n), labels] == 0.0).any()
    return votes, labels


def logs(probs):
    return tp.logits_from_probs(probs)


@pytest.mark.parametrize("k", [2, 4])
def test_select_answers_with_the_maps_that_take_zeros(k):
    """It chooses among isotonic (and venn-abers of two classes) and says what is left out."""
    probs, labels = forest(1_500, k)
    found = tp.select(logs(probs), labels)
    assert isinstance(found, Selection)
    takes = ["isotonic"] + ["venn-abers"] * (k == 2)
    assert [each.method for each in found.tried] == ["identity", *takes]
    assert found.method in takes
    assert found.verdict == "better"
    zeros = int((probs[np.arange(1_500), labels] == 0.0).sum())
    assert found.zero_labels == zeros
    words = found.in_words()
    assert f"{zeros:,} rows have a true class of probability 0" in words
    assert "--floor auto" in words
    assert "temperature" in words
    left = {each.method for each in found.candidates if each.left_out == NEEDS}
    assert left >= {"temperature", "vector", "matrix"}
    assert not left & {name for name, each in METHODS.items() if each.traits.zeros}
    assert "inf " not in f"{found} "
    assert np.isfinite(np.log(found.calibrator.apply(logs(probs)))).all()


def test_the_command_chooses_measures_and_reports(run, tmp_path):
    """`fit --method auto` on a forest's file ends with a calibrator, a report and exit code 0."""
    probs, labels = forest(1_000, 2)
    np.savez(tmp_path / "forest.npz", probs=probs, labels=labels)
    options = ["--method", "auto", "--report", "r.html", "--quick"]
    found = json.loads(run("fit", "forest.npz", *options, "--json").stdout)
    assert found["method"] in {"isotonic", "venn-abers"}
    assert found["before"]["log_loss"] is None
    assert found["after"]["log_loss"] < np.log(2.0)
    assert found["selection"]["zero_labels"] > 0
    assert "--floor auto" in found["selection"]["in_words"]
    assert "--floor auto" in (tmp_path / "r.html").read_text()


def test_a_threshold_tells_what_the_choice_left_out(run, tmp_path):
    """`threshold --method auto` warns on the terminal and in JSON; with a floor it need not."""
    probs, labels = forest(2_000, 2)
    np.savez(tmp_path / "forest.npz", probs=probs, labels=labels)
    options = ["threshold", "forest.npz", "--method", "auto", "--max-risk", "0.3"]
    result = run(*options, "--json")
    (warning,) = (w for w in json.loads(result.stdout)["warnings"] if "probability 0" in w)
    assert "Left out" in warning
    assert "temperature" in warning
    assert "--floor auto" in warning
    assert "whose logarithm they need: temperature" in run(*options).stderr.replace("\n", " ")
    floored = json.loads(run(*options, "--floor", "auto", "--json").stdout)
    assert not any("Left out" in each for each in floored["warnings"])


@pytest.mark.parametrize(
    ("methods", "what"),
    [(["temperature"], "no map that takes zeros"), (None, "no better than the frequencies")],
)
def test_where_nothing_fits_the_floors_are_named(methods, what):
    """Nothing to choose among, or nothing better than the base rates, ends as before."""
    probs, labels = forest(800, 2)
    if methods is None:
        labels = np.random.default_rng(0).integers(0, 2, 800)
    with pytest.raises(tp.InvalidInputError, match="--floor auto"):
        pytest.fail(f"{what}: {tp.select(logs(probs), labels, methods=methods).method}")


def test_decisions_are_still_refused():
    """Probabilities of 0 and 1 alone are no probabilities."""
    labels = np.arange(400) % 2
    probs = np.eye(2)[np.where(np.arange(400) < 40, 1 - labels, labels)]
    with pytest.raises(tp.InvalidInputError, match="decisions, not probabilities"):
        tp.select(logs(probs), labels)


def test_rows_that_do_not_count_do_not_make_a_loss_unknown():
    """A weight of 0 takes a row out of the means; where all zeros are such, it is as in a fit."""
    probs, labels = forest(1_000, 2)
    zeros = np.flatnonzero(probs[np.arange(1_000), labels] == 0.0)
    weights = np.ones(1_000)
    weights[zeros[1:]] = 0.0
    found = tp.select(logs(probs), labels, weights=weights)
    assert np.isfinite(found.chosen.log_loss.value)
    weights[zeros] = 0.0
    with pytest.raises(tp.InvalidInputError, match="--floor auto"):
        tp.select(logs(probs), labels, weights=weights)


def test_a_floor_lets_all_methods_take_part():
    """With a floor nothing is left out for zeros."""
    probs, labels = forest(1_000, 2)
    found = tp.select(tp.logits_from_probs(probs, floor="auto"), labels)
    assert found.zero_labels == 0
    assert NEEDS not in {each.left_out for each in found.candidates}
    assert "temperature" in {each.method for each in found.tried}


def test_all_zeros_in_one_fold_never_make_identity_the_choice_of_that_fold():
    """One such row: without its fold identity looks finite, and must not score the row."""
    probs, labels = forest(600, 2)
    own = probs[np.arange(600), labels]
    probs[own == 0.0] = 0.5
    probs[0] = np.eye(2)[1 - labels[0]]
    found = tp.select(logs(probs), labels)
    assert found.method != "identity"
