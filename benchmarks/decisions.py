"""What one decision costs in a service's own process: docs/benchmarks.md.

`python benchmarks/decisions.py` times `DecisionPolicy.apply` of one row, as an array and as lists,
in turn, and writes the page.
"""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

import temperance as tp
from temperance.decisions import DecisionPolicy, abstain, bands
from temperance.llm import AnswerConfidence

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
ROUNDS, CALLS = 600, 20


def policies() -> dict[str, tuple[DecisionPolicy, Any, dict[str, Any]]]:
    """Return policies by what they are, with a row each and what else `apply` takes."""
    sure, truth = [[0.9, 0.1]] * 400 + [[0.6, 0.4]] * 40, [0] * 400 + [1] * 40
    rule = abstain(sure, truth, max_risk=0.02)
    names = [f"group {i}" for i in range(50)]
    many = np.repeat([0.99, 0.01], 10_000), np.repeat([1, 0], 10_000)
    of_groups = abstain(*many, max_risk=0.05, groups=np.resize(names, 20_000))
    both = {"event": 1, "min_precision": 0.98, "min_negative_predictive_value": 0.98}
    scaling = tp.TemperatureScaling(1.7)
    by_group = tp.GroupTemperatureScaling(
        1.5, {name: 1.0 + i / 50 for i, name in enumerate(names)}, small_groups=(), spread=0.1
    )
    stated = [50] * 4 + [90] * 4, [0, 0, 0, 1, 0, 1, 1, 1]
    answers = AnswerConfidence.fit(*stated, scale="percent")
    z = np.random.default_rng(0).normal(size=(3, 100)) * 3.0
    return {
        "4 options": (DecisionPolicy(scaling, rule), z[:1, :4], {}),
        "100 classes": (DecisionPolicy(scaling, rule), z[:1], {}),
        "accept, review, reject": (DecisionPolicy(scaling, bands(*many, **both)), z[:1, :2], {}),
        "a threshold for each of 50 groups": (
            DecisionPolicy(scaling, of_groups), z[:1, :2], {"groups": names[30:31]},
        ),
        "a temperature for each, too": (
            DecisionPolicy(by_group, of_groups), z[:1, :2], {"groups": names[30:31]},
        ),
        "an answer's stated confidence": (DecisionPolicy(answers, rule), np.array([90.0]), {}),
    }  # fmt: skip


def microseconds(calls: dict[str, Callable[[], Any]]) -> dict[str, tuple[float, float]]:
    """Return the median and the least CPU time of each call, all in turn."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, call in calls.items():
            start = time.process_time_ns()
            for _ in range(CALLS):
                call()
            times[name].append((time.process_time_ns() - start) / CALLS / 1e3)
    return {name: (median(each), min(each)) for name, each in times.items()}


def main() -> None:
    """Time all of them, print, and write the page."""
    lines = [
        "| one row of | array: median | least | list: median | least |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, (policy, row, given) in policies().items():
        listed = row.tolist()
        taken = microseconds({
            "array": lambda policy=policy, row=row, given=given: policy.apply(row, **given),
            "list": lambda policy=policy, row=listed, given=given: policy.apply(row, **given),
        })  # fmt: skip
        cells = [f"{us:.1f} us" for pair in taken.values() for us in pair]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    load = f"{os.getloadavg()[1]:.1f} on {os.cpu_count()} processors"
    lines += [
        "",
        f"The machine's load average was {load}: the least is what a quiet one would take.",
    ]
    text = PAGE.read_text(encoding="utf-8")
    block = "<!-- decisions -->\n\n" + "\n".join(lines) + "\n\n<!-- /decisions -->"
    text = re.sub("<!-- decisions -->.*<!-- /decisions -->", lambda _: block, text, flags=re.DOTALL)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
