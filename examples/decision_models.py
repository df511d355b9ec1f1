"""Decision models: typed answers with probabilities, calibrated per type, accepted with a promise.

Simulated, in the shape of OpenAI Decisions: of each ticket it is asked whether it is urgent, and
which team gets it. The model is somewhat too sure of predicates, and far too sure of choices.
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import temperance as tp
from temperance.readers import LlmFormat, read

TEAMS = ["billing", "sales", "support", "legal"]
TOO_SURE = {"predicate": 1.4, "choice": 2.5}
rng = np.random.default_rng(0)


def answer(kind, name, options):
    """Return one answer as the service sends it, and the label that people would give it."""
    evidence = 2.2 * rng.normal(size=len(options))
    label = options[(evidence + rng.gumbel(size=len(options))).argmax()]
    p = np.exp(TOO_SURE[kind] * (evidence - evidence.max()))
    p = dict(zip(options, (p / p.sum()).tolist(), strict=True))
    if kind == "predicate":
        return {"type": kind, "name": name, "probability": p[True]}, label
    best = max(p, key=p.get)
    listed = [{"value": value, "probability": each} for value, each in p.items()]
    return {"type": kind, "name": name, "choice": best, "confidence": p[best],
            "probabilities": listed}, label  # fmt: skip


def write_tickets(path, n):
    """Write n responses, one per line, with the labels beside them."""
    with Path(path).open("w") as file:
        for ticket in range(n):
            urgent, team = (
                answer("predicate", "urgent", [True, False]),
                answer("choice", "team", TEAMS),
            )
            labels = {"urgent": urgent[1], "team": team[1]}
            line = {"id": ticket, "answers": [urgent[0], team[0]], "label": labels}
            file.write(json.dumps(line) + "\n")


write_tickets("tickets.jsonl", 1500)
rows = read("tickets.jsonl", format=LlmFormat("openai-decisions"))
logits = tp.logits_from_probs(rows.values)
ticket = rows.clusters  # two answers about one ticket are not independent
fit = np.isin(ticket, np.unique(ticket)[:500])

calibrator = tp.GroupTemperatureScaling.fit(
    logits[fit], rows.labels[fit], groups=rows.groups[fit], clusters=ticket[fit]
)
for kind, temperature in calibrator.temperatures.items():
    print(f"{kind}: T = {temperature:.2f}, simulated: {TOO_SURE[kind]}")

new, labels, kinds = logits[~fit], rows.labels[~fit], rows.groups[~fit]
before, after = tp.Identity().apply(new), calibrator.apply(new, groups=kinds)
for kind in TOO_SURE:
    of = kinds == kind
    print(f"{kind}: ECE {tp.evaluate(before[of], labels[of]).ece.value:.3f} before, "
          f"{tp.evaluate(after[of], labels[of]).ece.value:.3f} after")  # fmt: skip

# A threshold per type: of the answers accepted without a person, at most 5 % are wrong.
rule = tp.decisions.abstain(after, labels, max_risk=0.05, groups=kinds)
policy = tp.decisions.DecisionPolicy(calibrator, rule)
tp.decisions.save_policy(policy, "policy.json")
print(rule.guarantee)
accepted = policy.apply(new, groups=kinds).accepted
for kind in TOO_SURE:
    print(f"{kind}: {100 * accepted[kinds == kind].mean():.0f} % accepted without a person")

# Two reliability diagrams of choices: before, far too sure, and after, on the diagonal.
figure = Figure(figsize=(9.6, 5.4), layout="constrained")
for axes, (name, probs) in zip(figure.subplots(1, 2), {"before": before, "after": after}.items(),
                               strict=True):  # fmt: skip
    of = kinds == "choice"
    tp.plots.ReliabilityDisplay.from_predictions(
        probs[of], labels[of], name=f"choices, {name}", ax=axes
    )
figure.savefig("decision_models.png", bbox_inches="tight")
