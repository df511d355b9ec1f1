"""`temperance.telemetry`: what stands on a span, and that nothing else changes."""

import subprocess
import sys

import numpy as np
import pytest

import temperance as tp
from temperance.decisions import DecisionPolicy, abstain, policy_id
from temperance.llm import AnswerConfidence

trace = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")
export = pytest.importorskip("opentelemetry.sdk.trace.export")
memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")

from temperance.telemetry import TracedPolicy  # noqa: E402


@pytest.fixture
def policy():
    """Accepts rows of confidence above about 0.6."""
    rule = abstain([[0.9, 0.1]] * 200 + [[0.6, 0.4]] * 20, [0] * 200 + [1] * 20, max_risk=0.02)
    return DecisionPolicy(tp.TemperatureScaling(2.0), rule)


@pytest.fixture
def spans():
    """Spans of a provider of our own, once they have ended."""
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    return provider.get_tracer("test"), exporter


def test_a_row_leaves_confidence_calibrator_and_decision(policy, spans):
    """On the span that is current, by the ids of the library and of the service."""
    tracer, exporter = spans
    with tracer.start_as_current_span("answer"):
        probs, accepted = TracedPolicy(policy).apply([[5.0, 0.0]])
    (span,) = exporter.get_finished_spans()
    assert dict(span.attributes) == {
        "temperance.calibrator.id": tp.content_id(policy.calibrator),
        "temperance.calibrator.method": "temperature",
        "temperance.policy.id": policy_id(policy),
        "temperance.rows": 1,
        "temperance.accepted_rows": 1,
        "temperance.confidence": pytest.approx(1 / (1 + np.exp(-2.5))),
        "temperance.accepted": True,
    }
    assert (probs == policy.apply([[5.0, 0.0]]).probs).all()
    assert accepted.tolist() == [True]


def test_several_rows_are_counted(policy, spans):
    """A batch has no one confidence."""
    tracer, exporter = spans
    with tracer.start_as_current_span("batch"):
        TracedPolicy(policy).apply([[5.0, 0.0], [0.1, 0.0], [0.0, 6.0]])
    attributes = exporter.get_finished_spans()[0].attributes
    assert (attributes["temperance.rows"], attributes["temperance.accepted_rows"]) == (3, 2)
    assert "temperance.confidence" not in attributes
    assert "temperance.accepted" not in attributes


def test_answers_have_the_probability_that_they_are_right(spans):
    """P(correct) of one score, which may be below one half."""
    rng = np.random.default_rng(0)
    stated = rng.integers(0, 101, 2000)
    right = rng.random(2000) < stated / 110
    confidence = AnswerConfidence.fit(stated, right, scale="percent")
    rule = abstain(confidence.apply(stated), right, max_risk=0.3, answers=True)
    tracer, exporter = spans
    with tracer.start_as_current_span("answer"):
        TracedPolicy(DecisionPolicy(confidence, rule)).apply([10])
    attributes = exporter.get_finished_spans()[0].attributes
    assert attributes["temperance.confidence"] == pytest.approx(float(confidence.apply([10])[0]))
    assert attributes["temperance.confidence"] < 0.5
    assert attributes["temperance.accepted"] is False


def test_without_a_span_it_only_decides(policy):
    """Nobody traces: the same decision, and no error."""
    assert TracedPolicy(policy).apply([[5.0, 0.0]]).accepted.tolist() == [True]


def test_bad_rows_and_policies_are_refused(policy, spans):
    """In the words of the policy; a span of a refused row has no decision."""
    tracer, exporter = spans
    with tracer.start_as_current_span("answer"), pytest.raises(tp.InvalidInputError):
        TracedPolicy(policy).apply([[float("nan"), 0.0]])
    assert not exporter.get_finished_spans()[0].attributes
    with pytest.raises(tp.InvalidInputError, match="`policy` must be a DecisionPolicy"):
        TracedPolicy(policy.calibrator)


def test_an_extra_that_is_missing_is_named():
    """It says what to install."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None; import temperance as tp\n"
        "try:\n    import temperance.telemetry\n"
        "except tp.MissingDependencyError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "temperance[otel]"' in run.stdout
