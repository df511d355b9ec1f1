"""A gate for a RAG step or an agent: act on an answer, or ask a person, in ten lines.

Simulated: 3,000 answers, each with the mean log-probability of its tokens and the verdict of a
judge. The gate lets answers pass of which at most 10 % are wrong, with 95 % confidence.
"""

import numpy as np
from matplotlib.figure import Figure

import temperance as tp

rng = np.random.default_rng(0)
score = -rng.gamma(2, 0.25, size=3000)  # mean log-probability of an answer's tokens
log_odds = score - np.log1p(-np.exp(score))  # of exp(score)
correct = rng.random(3000) < 1 / (1 + np.exp(-0.8 - 0.9 * log_odds))  # what the judge says
fit, hold, new = np.split(np.arange(3000), [600, 2000])

# The gate: one fit, one promise, one file ...
confidence = tp.llm.AnswerConfidence.fit(score[fit], correct[fit], scale="logprob")
rule = tp.decisions.abstain(
    confidence.apply(score[hold]), correct[hold], max_risk=0.1, answers=True
)
tp.decisions.save_policy(tp.decisions.DecisionPolicy(confidence, rule), "policy.json")

# ... and four lines in the service.
gate = tp.decisions.load_policy("policy.json")


def act(answer_score):
    """Return what to do with one answer, and how likely it is right."""
    decided = gate.apply([answer_score])
    return ("act" if decided.accepted[0] else "ask a person"), decided.probs[0]


for each in (-0.05, -0.3, -1.5):
    what, chance = act(each)
    print(f"mean log-probability {each:.2f}: {what}, P(correct) = {chance:.2f}")

accepted = gate.apply(score[new]).accepted
print(rule.guarantee)  # stricter than one sample needs, so that it holds for 95 of 100
print(
    f"{len(new)} new answers: {100 * accepted.mean():.0f} % pass, of which "
    f"{100 * (1 - correct[new][accepted].mean()):.1f} % are wrong; without the gate "
    f"{100 * (1 - correct[new].mean()):.1f} % are"
)

# Reliability of P(correct); wrong answers among those that pass, over all possible gates.
figure = Figure(figsize=(9.6, 4.6), layout="constrained")
left, right = figure.subplots(1, 2)
tp.plots.ReliabilityDisplay.from_predictions(
    confidence.apply(score[new]), tp.Positions(correct[new].astype(int)), n_bins=10,
    classes=["wrong", "correct"], event="correct", name="New answers", ax=left,
)  # fmt: skip
order = np.argsort(-score[new])
wrong = np.cumsum(~correct[new][order]) / np.arange(1, len(new) + 1)
right.plot(np.arange(50, len(new) + 1) / len(new), wrong[49:], color="#1a6faf")
right.axvline(accepted.mean(), color="#b3541e", linestyle="--", label="the gate")
right.axhline(0.1, color="#555555", linestyle=":", label="promised")
right.set(xlabel="share of answers that pass", ylabel="wrong among them", ylim=(0, None))
right.legend(loc="lower right")
figure.savefig("agent_gate.png", bbox_inches="tight")
