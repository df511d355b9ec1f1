"""Rows that show their likeliest options only: a label may be another, and then says nothing."""

import json

import numpy as np
import pytest

import temperance as tp
from commands import run_in
from llm_files import completion
from temperance.drift import Bets, collect
from temperance.llm import TopKTemperature, label_positions
from temperance.monitor import Counts, Logged, Settings, Store, check, refit

ID = "sha256:" + "0" * 64


def vocabulary(n, temperature, size=300, shown=20, seed=0):
    """Numbers and log-probabilities of the likeliest tokens, and the true ones."""
    rng = np.random.default_rng(seed)
    z = 4.0 * rng.normal(size=(n, size))
    log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
    truth = (z / temperature + rng.gumbel(size=z.shape)).argmax(axis=1)
    options = (-log_p).argsort(axis=1)[:, :shown]
    return options, np.take_along_axis(log_p, options, axis=1), truth


def test_evidence_is_about_what_is_shown(store, registry, clock):
    """Given that the label is shown, its probability is the softmax of the shown over T."""
    options, logprobs, truth = vocabulary(600, 2.0)
    ids = [f"r{i}" for i in range(600)]
    store.log(ids, logprobs, options=options, calibrator=registry.current())
    is_shown = (options == truth[:, None]).any(axis=1)
    labelled = store.label(ids, truth)
    assert (labelled.new, labelled.not_shown) == (600, int((~is_shown).sum()))
    assert 100 < labelled.not_shown < 500
    clock.now += 1
    result = check(store, registry)
    places = label_positions(options[is_shown].tolist(), truth[is_shown].tolist())
    p = np.exp(logprobs[is_shown] / 2.0)
    expected = collect(p / p.sum(axis=1, keepdims=True), places, bets=Bets.of(20, labels=()))
    assert result.n_labels == is_shown.sum()
    assert result.log_evidence == pytest.approx(expected.last.log_evidence, abs=1e-4)
    assert "are of options that their rows do not show" in " ".join(result.warnings)
    assert store.counts().not_shown == labelled.not_shown


def test_a_drift_of_what_is_shown_is_found_and_fitted(store, registry, clock):
    """The re-fit is the temperature of the whole vocabulary, and takes rows of any width."""
    options, logprobs, truth = vocabulary(900, 4.0)
    ids = [f"r{i}" for i in range(900)]
    store.log(ids, logprobs, options=options, calibrator=registry.current())
    store.label(ids, truth)
    clock.now += 1
    result = check(store, registry)
    assert result.alarm
    assert result.cause.startswith("Confidence is too high")
    outcome = refit(store, registry, last=900)
    expected = TopKTemperature.fit(logprobs, label_positions(options.tolist(), truth.tolist()))
    assert outcome.promoted
    assert outcome.temperature == pytest.approx(expected.temperature, rel=1e-5)
    assert registry.load(outcome.calibrator).n_classes is None


def test_a_refit_of_ragged_rows_takes_wider_ones(address, clock, registry, traffic):
    """Their number of options is none of the map's."""
    settings = Settings(registry=str(registry.folder), ragged=True)
    store = Store.create(address, settings, clock=clock)
    z, y, ids = traffic(300, 6.0)
    store.log(ids, z, calibrator=registry.current())
    store.label(ids, y)
    clock.now += 1
    outcome = refit(store, registry)
    assert outcome.promoted
    store.log(["wide"], [np.arange(9.0)], calibrator=outcome.calibrator)
    store.label(["wide"], [8])
    clock.now += 1
    assert check(store, registry).n_labels == 1
    store.close()


def test_columns_that_are_not_shown(store, registry, clock, traffic):
    """Of rows with the same options, those at -inf: the others' evidence, class by class."""
    z, y, ids = traffic(400)
    z[z < np.sort(z, axis=1)[:, 1:2]] = -np.inf  # the least likely is not shown
    store.log(ids, z, top_k=True, calibrator=registry.current())
    is_shown = np.isfinite(z[np.arange(400), y])
    assert store.label(ids, y).not_shown == (~is_shown).sum() > 0
    clock.now += 1
    result = check(store, registry)
    p = np.exp(z[is_shown] / 2.0)
    expected = collect(p / p.sum(axis=1, keepdims=True), y[is_shown])
    assert result.log_evidence == pytest.approx(expected.last.log_evidence, abs=1e-4)
    assert result.accuracy is None
    assert store.top_k_models() == {"model"}


def test_rows_without_labels_are_not_estimated(store, registry, clock):
    """How often an option that is not shown comes true is not known."""
    options, logprobs, truth = vocabulary(300, 2.0)
    ids = [f"r{i}" for i in range(300)]
    store.log(ids, logprobs, options=options, calibrator=registry.current(), model="shown")
    store.log([f"a{i}" for i in range(50)], [[1.0, 0.0]] * 50, calibrator=registry.current())
    store.label(ids[:200], truth[:200])
    clock.now += 1
    assert check(store, registry).accuracy.n == 50


def test_labels_of_what_is_not_shown(store):
    """Kept, corrected and counted as others; -1 is none of them."""
    store.log(
        ["a", "b"], [[-0.1, -4.0], [-0.2, -3.0]], options=[[7, 9], [9, 50_000]], calibrator=ID
    )
    assert store.label(["a", "b"], [8, 50_000]).not_shown == 1
    assert store.label(["a"], [8]).repeated == 1
    again = store.label(["a"], [9])
    assert (again.corrected, again.not_shown) == (1, 0)
    (block,) = store.labelled()
    assert sorted(block.labels.tolist()) == [1, 1]
    np.testing.assert_allclose(block.logits, [[0.0, -2.8], [0.0, -3.9]], rtol=1e-6)
    for label in (-1, 1.0, "cat", True, 1 << 32):
        with pytest.raises(tp.InvalidInputError, match="whole numbers from 0"):
            store.label(["a"], [label])


def test_labels_that_wait_for_numbered_rows(store):
    assert store.label(["a", "b", "c"], [9, 8, "cat"]).parked == 3
    logged = store.log(["a", "b", "c"], [[-0.1, -4.0]] * 3, options=[[7, 9]] * 3, calibrator=ID)
    assert (logged.joined, logged.unknown) == (2, 1)
    assert store.counts().not_shown == 1


def test_rows_of_different_length(store):
    """Padded, or not; the same again is the same, in any order of its options."""
    rows, options = [[-0.1, -4.0], [-0.5]], [[7, 9], [3]]
    assert store.log(["a", "b"], rows, options=options, calibrator=ID) == Logged(2, 0, 0, 0)
    padded, numbers = [[-4.0, -0.1, -np.inf], [-0.5, -9999.0, -np.inf]], [[9, 7, -1], [3, 4, -1]]
    assert store.log(["a", "b"], padded, options=numbers, calibrator=ID) == Logged(0, 2, 0, 0)
    assert store.label(["a", "b"], [9, 4]).not_shown == 1  # -9999.0 is no measurement
    assert [row.labels.tolist() for row in store.labelled()] == [[1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"options": [[1, 1]]}, "a different number for each score"),
        ({"options": [[1]]}, "a different number for each score"),
        ({"options": [[1, -1]]}, "a different number for each score"),
        ({"options": [[1, 2, 3]]}, "`options` must be whole numbers"),
        ({"options": [[1, 2.5]]}, "`options` must be whole numbers"),
        ({"options": [[1, 1 << 32]]}, "`options` must be whole numbers"),
        ({"options": [[1, "a"]]}, "`options` must be whole numbers"),
        ({"options": [[1, 2], [1, 2]]}, "one row of numbers per row of `logits`: 2 of 1"),
        ({"options": 3}, "`options` must be rows of whole numbers"),
        ({"options": [[1, 2]], "logits": [[1.0, 2.0]]}, "must be log-probabilities"),
        ({"options": [[1, 2]], "logits": None, "probs": [[0.5, 0.5]]}, "go with `logits`"),
        ({"top_k": 1}, "`top_k`"),
    ],
)
def test_rows_that_are_none(store, arguments, message):
    """Nothing is written."""
    given = {"logits": [[-0.1, -3.0]], "calibrator": ID, **arguments}
    with pytest.raises(tp.InvalidInputError, match=message):
        store.log(["a"], **given)
    assert store.counts().predictions == 0


def test_a_model_has_one_kind_of_options(store):
    store.log(["a"], [[-0.1, -3.0]], options=[[1, 2]], calibrator=ID)
    with pytest.raises(tp.InvalidInputError, match="logged with `options`"):
        store.log(["b"], [[-0.1, -3.0]], calibrator=ID)
    store.log(["b"], [[-0.1, -3.0]], calibrator=ID, model="other")
    with pytest.raises(tp.InvalidInputError, match="logged without `options`"):
        store.log(["c"], [[-0.1, -3.0]], options=[[1, 2]], calibrator=ID, model="other")


def test_a_label_that_a_whole_row_does_not_have_is_refused(store):
    """And the message says how rows are logged that leave options out."""
    store.log(["a"], [[1.0, -np.inf, 0.0]], calibrator=ID)
    with pytest.raises(tp.InvalidInputError, match=r"does not have.*`top_k=True`.*--missing shown"):
        store.label(["a"], [1])


def test_a_service_logs_its_likeliest_tokens(address, store, registry, clock):
    """One row, or many; rows of other kinds beside them."""
    options, logprobs, truth = vocabulary(60, 2.0)
    monitor = tp.Monitor(address)
    for i in range(30):
        monitor.log(f"r{i}", logprobs[i], options=options[i])
    monitor.log([f"r{i}" for i in range(30, 60)], logprobs[30:], options=options[30:].tolist())
    monitor.log("whole", [1.0, 0.0], model="classes")
    monitor.log("some", [1.0, 0.0, -np.inf], model="some", top_k=True)
    is_shown = (options == truth[:, None]).any(axis=1)
    assert monitor.label([f"r{i}" for i in range(60)], truth).not_shown == (~is_shown).sum()
    assert monitor.label(["some"], [2]).not_shown == 1
    assert monitor.written == 62
    fixed = registry.promote(registry.add(tp.TemperatureScaling(2.0, n_classes=20)), why="columns")
    monitor.log("x", logprobs[0], options=options[0], calibrator=fixed)
    with pytest.raises(tp.InvalidInputError, match="is of 20 columns"):
        monitor.flush()
    with pytest.raises(tp.InvalidInputError, match="`top_k`"):
        monitor.log("y", [1.0, 0.0], top_k="yes")
    monitor.close()


def test_files_of_a_language_model(tmp_path):
    """`monitor log --missing shown`: labels that no row shows are taken, and the file with them."""
    tp.save(tp.TemperatureScaling(1.5), tmp_path / "c.json")
    lines = [
        completion([("A", -0.2), ("B", -2.5), ("C", -4.0)], custom_id="a"),
        completion([("B", -0.1), ("A", -3.0), ("x", -4.0)], custom_id="b"),
    ]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "labels.csv").write_text("id,label\na,C\nb,D\n")
    run_in(tmp_path, "monitor", "init", "m.db", "--calibrator", "c.json")
    options = ("--format", "openai-logprobs", "--options", "A,B,C,D", "--missing", "shown")
    run_in(tmp_path, "monitor", "log", "m.db", "new.jsonl", *options)
    labelled = run_in(tmp_path, "monitor", "label", "m.db", "labels.csv", "--json")
    assert json.loads(labelled.stdout)["not_shown"] == 1
    checked = run_in(tmp_path, "monitor", "check", "m.db", "--json")
    assert json.loads(checked.stdout)["n_labels"] == 1
    counts = json.loads(run_in(tmp_path, "monitor", "status", "m.db", "--json").stdout)["counts"]
    assert set(counts) == set(Counts.__dataclass_fields__)
    assert counts["not_shown"] == 1
