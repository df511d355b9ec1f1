"""The README's Python under `mypy --strict`: what users write type-checks."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # read by mypy, never run
    import numpy as np

    import temperance as tp

    logits = np.zeros((3, 2))
    labels = np.array([0, 1, 1])

    scaling: tp.TemperatureScaling = tp.TemperatureScaling.fit(logits, labels, prior=1.0)
    temperature: float = scaling.temperature
    if scaling.record is not None:
        low, high = scaling.record.interval(0.95)
        direction: str = scaling.record.score_test.direction
    probs = scaling.apply(logits)
    error: float = tp.metrics.expected_calibration_error(probs, labels, n_bins=15)
    evaluation: tp.Evaluation = tp.evaluate(probs, labels)
    value: float = evaluation.ece.value
    comparison: tp.Comparison = tp.compare({"before": probs, "after": probs}, labels)
    verdict: str = comparison.differences["after"].verdict("log_loss")
    loss: tp.Differences = comparison.differences["after"]
    removed: float | None = (
        None if evaluation.refinement is None else evaluation.refinement.calibration.value
    )
    p_value: float | None = evaluation.tests.score.p_value
    chance: float = evaluation.errors["smooth"].null.high
    labels_needed: int | None = tp.plan(logits).labels_for_temperature
    curve = tp.metrics.corp_reliability(probs, labels, clusters=["a", "a", "b"])
    miscalibration: float = curve.decomposition.miscalibration
    shown: str = str(scaling)
    top = tp.llm.TopKTemperature.fit([[-0.5, -2.0], [-0.1]], [0, -1])
    most: float = float(top.apply([[-0.5, -2.0]], vocabulary=50_000).high[0, 0])
    answers = tp.llm.AnswerConfidence.fit([50, 90], [False, True], scale="percent", method="beta")
    right: float = float(answers.apply([80])[0])
    shares: str = str(tp.llm.rates_by_score([50, 90], [0, 1], calibrator=answers))
    tp.save(scaling, "calibrator.json")
    again: tp.Calibrator = tp.load("calibrator.json")
    found: tp.decisions.Cascade = tp.decisions.cascade(
        {"small": logits, "large": logits}, labels, costs=0.01
    )
    asked: bool = bool(found.policy.goes_on(logits).any())
    worth: tp.Estimate = found.worth

    rule: tp.decisions.Abstention = tp.decisions.abstain(probs, labels, max_risk=0.02)
    sentence: str = rule.guarantee
    threshold: float | None = rule.threshold
    outcome: tp.decisions.Outcome = rule.measure(probs, labels)
    policy = tp.decisions.DecisionPolicy(scaling, rule)
    tp.decisions.save_policy(policy, "policy.json")
    decided, accepted = tp.decisions.load_policy("policy.json").apply(logits)
    area: float = tp.decisions.risk_coverage(probs, labels, score="margin").augrc.value
