"""A cascade over HTTP: who answers, with what probabilities, and who is asked next."""

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("prometheus_client")

from cascade_models import two_models
from services import post
from temperance.decisions import cascade, cascade_id, save_cascade
from temperance.serving.app import NPZ, application


@pytest.fixture
def served(tmp_path):
    """A cascade of two models, its service, and new rows."""
    models, y = two_models(3000)
    policy = cascade({k: z[:2900] for k, z in models.items()}, y[:2900], costs=0.1).policy
    save_cascade(policy, tmp_path / "cascade.json")
    return policy, application(tmp_path / "cascade.json"), {k: z[2900:] for k, z in models.items()}


def test_a_row_is_answered_or_goes_on(served):
    """The cheap model first; then those rows that go on: the doubles of `apply`."""
    policy, service, new = served
    first = post(service, {"logits": {"cheap": new["cheap"].tolist()}}).json()
    ask = np.array([each is not None for each in first["ask"]])
    assert (ask == policy.goes_on(new["cheap"])).all()
    assert {each for each in first["ask"] if each} == {"expert"}
    sent = {"cheap": new["cheap"].tolist(), "expert": new["expert"][ask].tolist()}
    second = post(service, {"logits": sent}).json()
    routed = policy.apply(new)
    assert np.array_equal(second["probs"], routed.probs)
    assert second["answered_by"] == [policy.names[number] for number in routed.model]
    assert second["ask"] == [None] * 100
    assert second["calibrator"]["id"] == cascade_id(policy)
    assert second["cascade"] == {"models": ["cheap", "expert"]}
    probs = {
        k: np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None]).tolist() for k, z in new.items()
    }
    third = post(service, {"probs": probs}).json()
    assert np.array(third["probs"]) == pytest.approx(routed.probs, abs=1e-12)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"logits": [[1.0, 0.0, 0.0, 0.0]]}, "must be rows by the name of a model"),
        ({"logits": {}}, "must be rows by the name of a model"),
        ({"logits": {"expert": [[1.0, 0.0, 0.0, 0.0]]}}, "in this order: 'cheap', 'expert'"),
        ({"logits": {"cheap": [[1.0, 0.0, 0.0, "x"]]}}, "must hold finite numbers"),
        ({"logits": {"cheap": [[1.0, 0.0, 0.0, 0.0]]}, "groups": ["a"]}, "a cascade has none"),
        ({"rows": []}, "must hold `logits` or `probs`"),
    ],
)
def test_bad_requests(served, content, words):
    """One line that says what a cascade takes."""
    reply = post(served[1], content)
    assert reply.status == 400
    assert words in reply.json()["error"]
    assert post(served[1], b"x", {"content-type": NPZ}).status == 400
