"""A calibrator logged to MLflow runs there with the same numbers, and comes back equal."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.calibrators import AnswerConfidence
from temperance.formats import content_id

mlflow = pytest.importorskip("mlflow.pyfunc")
pd = pytest.importorskip("pandas")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


@pytest.fixture(autouse=True)
def tracked(tmp_path, monkeypatch):
    """Return the folder of a file store of its own."""
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    mlflow.set_registry_uri((tmp_path / "mlruns").as_uri())
    yield tmp_path
    assert mlflow.active_run() is None


def log(calibrator, **settings):
    from temperance.mlflow import log_calibrator

    return log_calibrator(calibrator, **settings)


def test_the_model_runs_and_comes_back(sample):
    """Columns in any order, by name; probabilities to the last digit; the calibrator equal."""
    from temperance.mlflow import load_calibrator

    z, y = sample(0)
    classes = ("cat", "dog", "ü", "4")
    fitted = tp.TemperatureScaling.fit(z, tp.Positions(y), classes=classes)
    logged = log(fitted)
    assert logged.parity.holds
    assert logged.parity.largest_difference == 0.0
    assert logged.id == content_id(fitted)
    assert load_calibrator(logged.model_uri) == fitted
    model = mlflow.load_model(logged.model_uri)
    frame = pd.DataFrame(z, columns=[f"logit_{name}" for name in classes])
    out = model.predict(frame[frame.columns[[2, 0, 3, 1]]])
    assert list(out.columns) == [f"prob_{name}" for name in classes]
    assert (out.to_numpy() == fitted.apply(z)).all()
    with pytest.raises(Exception, match="logit_dog"):
        model.predict(frame.drop(columns="logit_dog"))


def test_rows_keep_their_names():
    """A table of rows named 7, 3, 5 gives rows of these names, which join puts beside their own."""
    calibrator = tp.BiasCorrectedTemperatureScaling(1.7, [0.2, -0.2], classes=("ham", "spam"))
    frame = pd.DataFrame({"logit_ham": [0.0, 1.0, 2.0], "logit_spam": 0.0}, index=[7, 3, 5])
    joined = frame.join(mlflow.load_model(log(calibrator).model_uri).predict(frame))
    probs = calibrator.apply(frame.to_numpy())
    assert (joined[["prob_ham", "prob_spam"]].to_numpy() == probs).all()


def test_measures_and_the_page_are_in_the_run(sample, tmp_path):
    """Before and after with their intervals; a page of the comparison, or the one given."""
    from mlflow.tracking import MlflowClient

    z, y = sample(0, n=300)
    fitted = tp.TemperatureScaling.fit(z, y)
    test, labels = sample(1, n=300)
    before = tp.TemperatureScaling(1.0).apply(test)
    comparison = tp.compare({"before": before, "after": fitted.apply(test)}, labels)
    logged = log(fitted, comparison=comparison)
    client = MlflowClient()
    run = client.get_run(logged.run_id)
    after = comparison.evaluations["after"].log_loss
    assert run.data.metrics["after_log_loss"] == pytest.approx(after.value)
    assert run.data.metrics["after_log_loss_low"] == pytest.approx(after.low)
    assert run.data.metrics["before_ece_high"] > run.data.metrics["before_ece"]
    assert run.data.metrics["temperature"] == pytest.approx(fitted.temperature)
    assert run.data.params["calibrator_id"] == logged.id
    assert [each.path for each in client.list_artifacts(logged.run_id)] == ["report.html"]
    (tmp_path / "mine.html").write_text("<p>mine</p>")
    other = log(fitted, report=tmp_path / "mine.html")
    assert [each.path for each in client.list_artifacts(other.run_id)] == ["mine.html"]


def test_the_active_run_is_used_and_left_open(sample):
    """A run that is open stays open and has all of it."""
    import mlflow

    z, y = sample(0)
    with mlflow.start_run() as run:
        logged = log(tp.TemperatureScaling.fit(z, y), name="mine")
        assert mlflow.active_run().info.run_id == run.info.run_id == logged.run_id


def test_groups_answers_labels_and_any_width(sample):
    """A column of groups, a score per answer, a sigmoid per label, rows of any width."""
    from temperance.mlflow import load_calibrator

    z, y = sample(0)
    groups = np.array(["a", "b"])[np.arange(len(y)) % 2]
    fitted = tp.GroupTemperatureScaling.fit(z, y, groups=groups)
    model = mlflow.load_model(log(fitted).model_uri)
    frame = pd.DataFrame(z, columns=[f"logit_{c}" for c in range(4)])
    with_groups = model.predict(frame.assign(group=groups)).to_numpy()
    assert (with_groups == fitted.apply(z, groups=groups)).all()
    assert (model.predict(frame).to_numpy() == fitted.apply(z)).all()

    scores = np.random.default_rng(0).random(300)
    right = (np.random.default_rng(1).random(300) < scores).astype(int)
    for scale, given, of in (("probability", scores, None), ("logprob", np.log(scores), None),
                             ("percent", np.round(100 * scores), None),
                             ("count", np.round(10 * scores), 10)):  # fmt: skip
        answers = AnswerConfidence.fit(given, right, scale=scale, of=of)
        logged = log(answers)
        out = mlflow.load_model(logged.model_uri).predict(pd.DataFrame({"score": given}))
        assert (out["prob_correct"].to_numpy() == answers.apply(given)).all()
        assert load_calibrator(logged.model_uri) == answers

    true = (np.random.default_rng(2).random(z.shape) < 1 / (1 + np.exp(-z / 2))).astype(int)
    labels = tp.MultilabelScaling.fit(z, true, classes=list("abcd"))
    out = mlflow.load_model(log(labels).model_uri).predict(frame.set_axis(
        ["logit_a", "logit_b", "logit_c", "logit_d"], axis=1))  # fmt: skip
    assert (out.to_numpy() == labels.apply(z)).all()

    model = mlflow.load_model(log(tp.TemperatureScaling(2.0)).model_uri)
    assert (model.predict(z) == tp.TemperatureScaling(2.0).apply(z)).all()


def test_a_registered_model_and_what_it_says_of_itself(sample):
    """A version in the registry; the id of the map in the model's metadata."""
    from temperance.mlflow import load_calibrator

    z, y = sample(0)
    fitted = tp.TemperatureScaling.fit(z, y)
    logged = log(fitted, registered_model_name="calibrated")
    assert load_calibrator("models:/calibrated/1") == fitted
    metadata = mlflow.load_model("models:/calibrated/1").metadata.metadata
    assert metadata["temperance_id"] == logged.id


def test_bad_input_is_refused(sample, tmp_path):
    """No calibrator, an ensemble, sides with other names, no such page, no such model."""
    from temperance.mlflow import load_calibrator

    z, y = sample(0, n=200)
    fitted = tp.TemperatureScaling.fit(z, y)
    probs = fitted.apply(z)
    for message, arguments in (
        ("`calibrator`", {"calibrator": json}),
        ("several models", {"calibrator": tp.Ensemble(1.0, np.array([0.5, 0.5]), n_classes=4)}),
        ("'before' and 'after'", {"calibrator": fitted, "comparison": tp.compare(
            {"a": probs, "b": probs}, y)}),
        ("`report`", {"calibrator": fitted, "report": tmp_path / "none.html"}),
    ):  # fmt: skip
        with pytest.raises(tp.InvalidInputError, match=message):
            log(**arguments)
    with pytest.raises(tp.InvalidInputError, match="cannot be loaded"):
        load_calibrator("models:/none/1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(tp.InvalidInputError, match="holds no calibrator"):
        load_calibrator((tmp_path / "folder").as_uri())


def test_a_store_that_cannot_be_opened_is_said(tmp_path):
    """The small client has no database, which is where MLflow logs unless it is told otherwise."""
    import mlflow

    mlflow.set_tracking_uri("nowhere://x")
    with pytest.raises(tp.InvalidInputError, match=r"nowhere://x.*MLFLOW_TRACKING_URI"):
        log(tp.TemperatureScaling(2.0))
