"""Rows of files from Python: each layout, whole and block by block, measured in the same way."""

import numpy as np
import pytest
from scipy.special import softmax

import temperance as tp
from temperance.llm import answer_log_odds
from temperance.rows import Reading, large_rows, read_members, read_rows, reading

RNG = np.random.default_rng(0)
N, K = 300, 3
Z = RNG.normal(size=(N, K)) * 3
Y = (Z / 2 + RNG.gumbel(size=Z.shape)).argmax(axis=1)
SETTINGS = {"n_bins": 10, "n_resamples": 200, "seed": 0}


@pytest.fixture
def file(tmp_path):
    """Logits of K classes, with labels, weights and ids."""
    np.savez(tmp_path / "rows.npz", logits=Z, labels=Y, weights=1.0 + Y, ids=np.arange(N))
    return tmp_path / "rows.npz"


def test_rows_of_classes_are_measured_as_arrays_are(file):
    """The numbers that `evaluate` gives for what the file holds."""
    rows = read_rows(file)
    assert (rows.n, rows.n_classes, rows.layout.form, rows.kind) == (N, K, "rows", "logits")
    measured, facts = rows.measure_raw(**SETTINGS)
    own = tp.evaluate(softmax(Z, axis=1), Y, weights=1.0 + Y, **SETTINGS)
    assert measured.log_loss.value == pytest.approx(own.log_loss.value, rel=1e-12)
    assert measured.ece.value == pytest.approx(own.ece.value, rel=1e-9)
    assert (facts.n, facts.weighted) == (N, True)


def test_a_calibrator_is_measured_beside_the_rows(file):
    """Before and after, as `compare` says it of the same arrays."""
    rows = read_rows(file)
    scaling = tp.TemperatureScaling.fit(Z, Y, weights=1.0 + Y)
    measured = rows.measure_after(scaling, **SETTINGS)
    assert measured.after == pytest.approx(scaling.scale(Z))
    assert tp.TemperatureScaling.from_rows(rows.training()) == scaling


def test_a_part_keeps_what_is_beside_its_rows(file):
    """Labels, weights and ids go with the scores; the rows left are still those of the file."""
    rows = read_rows(file)
    which = np.arange(N) % 3 == 1
    part = rows.part(which).part(np.arange(100) < 10)
    assert part.ids.tolist() == part.file_rows.tolist() == list(range(1, 31, 3))
    assert part.labels.tolist() == Y[part.ids].tolist()
    assert part.weights.tolist() == (1.0 + Y[part.ids]).tolist()


def test_rows_that_stay_in_their_file_measure_the_same(file, monkeypatch):
    """The interface of rows in memory, and the same losses."""
    assert large_rows([file], Reading()) is None
    monkeypatch.setattr(reading, "LARGE_BYTES", 1)
    rows, large = read_rows(file), large_rows([file], Reading())
    for each in (rows, large):
        each.refuse_scores()
    assert large.classes == rows.classes
    assert large.n_classes == rows.n_classes
    (own, facts), (other, of_file) = (each.measure_raw(**SETTINGS) for each in (rows, large))
    assert other.log_loss.value == pytest.approx(own.log_loss.value, rel=1e-12)
    assert (of_file.n, of_file.sha256) == (facts.n, facts.sha256)
    scaling = tp.TemperatureScaling(2.0)
    pair = [each.measure_after(scaling, **SETTINGS).comparison for each in (rows, large)]
    losses = [each.evaluations["after"].log_loss.value for each in pair]
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)


def test_entries_of_a_label_matrix_are_rows(tmp_path):
    """One row of two classes per entry; its label is its group, its row its cluster."""
    labels = (Z > 1.0).astype(int)
    np.savez(tmp_path / "labels.npz", logits=Z, labels=labels)
    rows = read_rows(tmp_path / "labels.npz", Reading(kind="multilabel"))
    assert (rows.n, rows.layout.form) == (N * K, "labels")
    assert rows.labels.tolist() == labels.ravel().tolist()
    assert rows.clusters.tolist() == np.repeat(np.arange(N), K).tolist()
    assert rows.training().groups.tolist() == ["0", "1", "2"] * N


def test_pixels_are_rows(tmp_path):
    """Classes on axis 1: (images, classes, height, width) gives a row per pixel."""
    scores = RNG.normal(size=(4, K, 5, 2))
    truth = scores.argmax(axis=1)
    np.savez(tmp_path / "dense.npz", logits=scores, labels=truth)
    rows = read_rows(tmp_path / "dense.npz", Reading(class_axis=1))
    assert (rows.n, rows.layout.form) == (40, "dense")
    assert rows.labels.tolist() == truth.ravel().tolist()
    assert rows.clusters.tolist() == np.repeat(np.arange(4), 10).tolist()


def test_answers_are_rows_of_two_classes(tmp_path):
    """Wrong and right, by the log-odds of the score."""
    lines = [f"{score},{int(score > 0.4)}" for score in np.linspace(0.05, 0.95, 30)]
    (tmp_path / "answers.csv").write_text("score,correct\n" + "\n".join(lines) + "\n")
    answers = Reading(kind="answers", score_scale="probability")
    rows = read_rows(tmp_path / "answers.csv", answers)
    odds = answer_log_odds(np.linspace(0.05, 0.95, 30), scale="probability")
    assert rows.logits[:, 1] - rows.logits[:, 0] == pytest.approx(odds)
    assert rows.classes == ("wrong", "correct")


def test_models_of_the_same_rows_are_members(tmp_path, file):
    """Their pool is the mean of probabilities; rows are matched by their ids."""
    order = RNG.permutation(N)
    np.savez(tmp_path / "other.npz", logits=2 * Z[order], ids=np.arange(N)[order])
    rows = read_members([file, tmp_path / "other.npz"], Reading())
    assert rows.layout.names == ("rows", "other")
    assert rows.require_members()[1] == pytest.approx(2 * Z)
    assert len(rows.training().members) == 2


def test_ids_that_repeat_are_clusters_unless_one_says_otherwise(tmp_path):
    """Three ways, by `repeated_ids`."""
    np.savez(tmp_path / "twice.npz", logits=Z, labels=Y, ids=np.arange(N) // 2)
    of = {how: Reading(repeated_ids=how) for how in ("cluster", "keep", "error")}
    path = tmp_path / "twice.npz"
    clusters = read_rows(path, of["cluster"]).clusters
    assert clusters[::2].tolist() == clusters[1::2].tolist()
    assert len(set(clusters)) == N // 2
    assert read_rows(path, of["keep"]).clusters is None
    with pytest.raises(tp.InvalidInputError, match="150 of 300 rows have the id of an earlier row"):
        read_rows(path, of["error"])


def test_clusters_of_a_label_matrix_stay_where_ids_repeat(tmp_path):
    """The file's own clusters are taken, with a note only where an id is in two of them."""
    scores = RNG.normal(size=(6, 2))
    labels = (scores > 0).astype(int)
    clusters = np.array([5, 5, 5, 6, 6, 7])
    for ids, n_notes in (([0, 0, 1, 2, 3, 4], 0), ([0, 4, 1, 2, 3, 4], 1)):
        np.savez(tmp_path / "l.npz", logits=scores, labels=labels, ids=ids, clusters=clusters)
        rows = read_rows(tmp_path / "l.npz", Reading(kind="multilabel"))
        assert rows.clusters.tolist() == np.repeat(clusters - 5, 2).tolist()
        assert len(rows.notes) == n_notes


def test_a_part_of_several_models_is_a_part_of_each(tmp_path, file):
    """Whatever belongs to a row goes with it, in every layout."""
    np.savez(tmp_path / "other.npz", logits=2 * Z, ids=np.arange(N))
    rows = read_members([file, tmp_path / "other.npz"], Reading())
    part = rows.part(np.arange(N) % 2 == 1)
    assert [len(each) for each in part.require_members()] == [N // 2, N // 2]
    assert part.training().members[1] == pytest.approx(2 * Z[1::2])
    labels = (Z > 1.0).astype(int)
    np.savez(tmp_path / "labels.npz", logits=Z, labels=labels)
    entries = read_rows(tmp_path / "labels.npz", Reading(kind="multilabel"))
    some = entries.part(np.arange(N * K) % 2 == 0)
    assert some.layout.mapped(Z, "multilabel")[:, 1].tolist() == Z.ravel()[::2].tolist()
    assert some.outcomes.n_rows == N


@pytest.mark.parametrize("whole", [False, True], ids=["those that count", "all"])
def test_the_row_that_differs_is_that_of_the_file(tmp_path, whole):
    """Counted from 1 as files are, whatever lies before it: a row of weight 0, one left out."""
    rows = ["prob_no,prob_yes,label,weight", "0.9,0.1,no,1", "0.4,0.6,yes,0", "0.8,,no,1"]
    for name, label in (("a", "yes"), ("b", "no")):
        lines = [*rows, f"0.3,0.7,{label},1", "0.2,0.8,yes,1"]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(tp.InvalidInputError, match=r"labels differ .* first in row 4 \(from 1\)"):
        read_members(paths, Reading(na="drop"), labelled=not whole, whole=whole)
