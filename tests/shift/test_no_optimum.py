"""New rows that have no best temperature: why, and whether that refutes the reference's."""

import json
from math import log

import numpy as np
import pytest

from commands import json_of, run_in
from temperance.gates import check_shift
from temperance.shift import diagnose


def draw(n, seed=0, k=4):
    """Logits with labels drawn at T = 2."""
    rng = np.random.default_rng(seed)
    z = 3.0 * rng.normal(size=(n, k))
    return z, (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)


REF = draw(1500, seed=9)


def found(z, y, **options):
    """What is known of the reference's temperature on new rows."""
    return diagnose(*REF, z, y, n_resamples=100, **options)


def of_temperature(diagnosis):
    """The gate of the temperature."""
    return check_shift(diagnosis)[0]


def test_columns_in_another_order_have_moved():
    """Thousands of rows whose labels are those of other columns are not "too few to tell"."""
    z, y = draw(1500)
    diagnosis = found(np.roll(z, 1, axis=1), y)
    assert diagnosis.verdict == "no optimum"
    assert "do the columns match the labels?" in diagnosis.in_words()
    gate = of_temperature(diagnosis)
    assert (gate.verdict, gate.passed, gate.value) == ("failed", False, None)
    assert "no better than chance" in gate.in_words()
    content = diagnosis.to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    assert content["no_optimum"]["reason"] == "worse-than-chance"


def test_a_model_right_on_all_of_many_rows_has_moved():
    """The smaller T, the better; the reference's temperature does not allow so few errors."""
    z, _ = draw(1500)
    diagnosis = found(z, z.argmax(axis=1))
    assert diagnosis.verdict == "no optimum"
    assert diagnosis.no_optimum.reason == "separable"
    assert of_temperature(diagnosis).verdict == "failed"


def test_one_error_in_a_thousand_rows_is_a_temperature_of_its_own():
    """Folds without the error have no best temperature; all are fitted with a prior then."""
    z, _ = draw(1500)
    y = z.argmax(axis=1)
    y[7] = z[7].argsort()[-2]
    diagnosis = found(z, y)
    assert diagnosis.verdict == "re-fit"
    assert of_temperature(diagnosis).verdict == "failed"


def test_a_few_rows_tell_nothing():
    """Three rows that are all right come of the reference's temperature, too."""
    z, y = draw(3, seed=1)
    y = z.argmax(axis=1)
    diagnosis = found(z, y)
    assert diagnosis.verdict == "too few rows"
    gate = of_temperature(diagnosis)
    assert (gate.verdict, gate.passed) == ("undecided", True)


def test_constant_logits_are_named():
    """No temperature is better than another, of any number of rows."""
    z, y = draw(1500)
    diagnosis = found(0.0 * z, y)
    assert diagnosis.verdict == "no optimum"
    assert "all logits are equal" in diagnosis.in_words()
    gate = of_temperature(diagnosis)
    assert gate.verdict == "undecided"
    assert "all logits are equal" in gate.in_words()


def test_evidence_is_the_likelihood_ratio_of_the_limit():
    """Against a slow product, row by row; masked options, weights and clusters included."""
    z, _ = draw(12, seed=3)
    z[::2, 0] = -np.inf
    y = z.argmin(axis=1)
    y[::2] = np.where(np.isneginf(z[::2]), np.inf, z[::2]).argmin(axis=1)
    w = np.arange(1.0, 13.0)
    clusters = np.arange(12) // 3
    diagnosis = found(z, y, new_weights=w, new_clusters=clusters)
    scaled = z / diagnosis.reference.temperature
    sums = dict.fromkeys(range(4), 0.0)
    for row, label, weight, cluster in zip(scaled, y, w, clusters, strict=True):
        p = np.exp(row[label]) / np.exp(row).sum()
        q = 1 / np.isfinite(row).sum()
        sums[int(cluster)] += weight / 12 * log(q / p) / 3
    assert diagnosis.no_optimum.log_evidence == pytest.approx(sum(sums.values()), rel=1e-9)


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_rows_of_the_reference_are_refuted_in_five_percent_at_most(n):
    """Labels drawn by the reference's temperature: of any number of rows, also of one."""
    refuted = 0
    for seed in range(150):
        diagnosis = found(*draw(n, seed=1000 + seed))
        refuted += diagnosis.no_optimum is not None and diagnosis.no_optimum.sure
    assert refuted <= 150 * 0.05 + 3 * (150 * 0.05 * 0.95) ** 0.5


def test_of_labelled_rows_mean_probabilities_are_judged_and_so_said():
    """Rows of one class have become another's without looking like it: no word of frequencies."""
    z, y = draw(1500)
    y = np.where((y == 1) & (np.arange(1500) % 2 == 0), 2, y)
    diagnosis = found(z, y)
    assert "Class frequencies look unchanged" not in diagnosis.in_words()
    assert "The mean probabilities of the classes look unchanged." in diagnosis.in_words()


def test_one_cluster_is_too_little_to_leave_some_out():
    """A re-fit has nothing to be scored on; that is what is said."""
    z, y = draw(40, seed=3)
    diagnosis = found(z, y, new_clusters=np.zeros(40))
    assert diagnosis.verdict == "too few rows"
    assert "none can be left out" in diagnosis.in_words()


def test_the_command_fails_and_its_page_says_why(tmp_path):
    """The gate ends with 1; the page names the cause and sends to the rows, not to more labels."""
    z, y = draw(1500)
    np.savez(tmp_path / "ref.npz", logits=REF[0], labels=REF[1])
    np.savez(tmp_path / "new.npz", logits=np.roll(z, 1, axis=1), labels=y)
    words = ("shift", "ref.npz", "new.npz", "--fail-if", "moved", "--report", "s.html", "--json")
    ended = run_in(tmp_path, *words, code=1)
    assert json_of(ended)["verdict"] == "no optimum"
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    assert "The new rows have no best temperature" in page
    assert "<span>evaluate</span> <span>new.npz</span>" in page
