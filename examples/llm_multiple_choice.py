"""LLM multiple choice: a temperature per subject, and what tuning on instructions does to it.

Simulated, in the files that lm-evaluation-harness writes with --log_samples: six subjects, once
from a base model, which is as sure as it should be, and once from its instruct version, which knows
as much and is far too sure, most of all in law.
"""

import json
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import temperance as tp
from temperance.readers import LlmFormat, read

SUBJECTS = {
    "anatomy": 1.7,
    "astronomy": 1.5,
    "law": 3.4,
    "logic": 2.6,
    "nutrition": 1.8,
    "virology": 2.1,
}
rng = np.random.default_rng(0)


def write_samples(folder, temperatures, n=1000):
    """Write one file per subject: four options, the log-likelihood of each, the right one."""
    Path(folder).mkdir(exist_ok=True)
    for subject, temperature in temperatures.items():
        evidence = 1.6 * rng.normal(size=(n, 4))  # what the model knows
        answers = (evidence + rng.gumbel(size=evidence.shape)).argmax(axis=1)
        scores = temperature * evidence
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))  # log-probabilities
        with Path(folder, f"samples_{subject}_2026-11-29T10-00-00.jsonl").open("w") as file:
            for row, (z, answer) in enumerate(zip(scores, answers, strict=True)):
                sample = {
                    "doc_id": row,
                    "doc": {"choices": ["A", "B", "C", "D"]},
                    "target": int(answer),
                    "arguments": {
                        f"gen_args_{i}": {"arg_0": f"{subject} {row}", "arg_1": f" {option}"}
                        for i, option in enumerate("ABCD")
                    },
                    "filtered_resps": [[f"{each:.4f}", "False"] for each in z],
                    "filter": "none",
                }
                file.write(json.dumps(sample) + "\n")


write_samples("base", dict.fromkeys(SUBJECTS, 1.0))
write_samples("instruct", SUBJECTS)

fits = {}
for model in ("base", "instruct"):
    rows = read(model, format=LlmFormat("lm-eval"))
    fitting = np.random.default_rng(1).random(len(rows.labels)) < 0.7
    z, labels, groups = rows.values[fitting], rows.labels[fitting], rows.groups[fitting]
    pooled = tp.TemperatureScaling.fit(z, labels, classes=rows.classes)
    fit = tp.GroupTemperatureScaling.fit(z, labels, groups=groups, classes=rows.classes)
    z, labels, groups = rows.values[~fitting], rows.labels[~fitting], rows.groups[~fitting]
    ways = {
        "raw": tp.Identity().apply(z),
        "one temperature": pooled.apply(z),
        "one per subject": fit.apply(z, groups=groups),
    }
    comparison = tp.compare(ways, labels, groups=groups, classes=rows.classes)
    print(f"{model}: one temperature for all is {fit.temperature:.2f}")
    for name, evaluation in comparison.evaluations.items():
        off = [each.name for each in evaluation.groups if each.differs]
        print(
            f"  {name}: log loss {evaluation.log_loss.value:.3f}, ECE {evaluation.ece.value:.3f}, "
            f"subjects not calibrated: {', '.join(off) or 'none'}"
        )
    fits[model] = fit

for subject, part in fits["instruct"].record.groups.items():
    temperature, (low, high) = fits["instruct"].temperatures[subject], part.interval
    simulated = SUBJECTS[subject]
    print(f"{subject}: T = {temperature:.2f} ({low:.2f} to {high:.2f}), simulated: {simulated}")

# Temperatures of six subjects with intervals: a base model near 1, its instruct version above.
figure = Figure(figsize=(9.6, 4.2), layout="constrained")
for axes, (model, fit) in zip(figure.subplots(1, 2), fits.items(), strict=True):
    estimates = {
        subject: tp.Estimate(fit.temperatures[subject], *part.interval)
        for subject, part in fit.record.groups.items()
    }
    tp.plots.TemperatureDisplay.from_temperatures(
        estimates, pooled=fit.temperature, name=model, ax=axes
    )
    axes.set_xlim(0.8, 4.5)
    axes.set_xticks([1, 2, 3, 4])
figure.savefig("llm_multiple_choice.png", bbox_inches="tight")
