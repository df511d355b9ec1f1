"""The gates of examples/agents run in their frameworks, and the page shows what stands in them."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import temperance as tp
from temperance.decisions import DecisionPolicy, abstain, save_policy
from temperance.llm import AnswerConfidence

ROOT = Path(__file__).parents[2]
AGENTS = ROOT / "examples" / "agents"


def example(name):
    spec = importlib.util.spec_from_file_location(name, AGENTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def of_options(path):
    """Accepts confidences above about 0.6."""
    rule = abstain([[0.9, 0.1, 0.0]] * 200 + [[0.5, 0.4, 0.1]] * 20, [0] * 200 + [1] * 20,
                   max_risk=0.02)  # fmt: skip
    save_policy(DecisionPolicy(tp.TemperatureScaling(1.5), rule), path)


def of_answers(path):
    """From mean log-probabilities and whether answers were right."""
    rng = np.random.default_rng(0)
    scores = -rng.exponential(1.0, 3000)
    right = rng.random(3000) < np.exp(scores)
    confidence = AnswerConfidence.fit(scores[:1000], right[:1000], scale="logprob")
    chance = confidence.apply(scores[1000:])
    rule = abstain(chance, right[1000:], max_risk=0.2, answers=True)
    save_policy(DecisionPolicy(confidence, rule), path)


@pytest.mark.filterwarnings("ignore")
def test_langgraph(tmp_path):
    """What the model is sure of is answered, the rest goes to a person; as a script too."""
    pytest.importorskip("langgraph.graph", exc_type=ImportError)
    of_options(tmp_path / "policy.json")
    agent = example("langgraph_gate").build(str(tmp_path / "policy.json"))
    sure = agent.invoke({"question": "receipt"})
    assert sure["answer"] == "refund"
    assert sure["confidence"] > 0.9
    unsure = agent.invoke({"question": "noise"})
    assert unsure["answer"] == "a person will look at: noise"
    assert unsure["confidence"] < 0.6
    check_script("langgraph_gate", tmp_path)


@pytest.mark.filterwarnings("ignore")
def test_haystack(tmp_path):
    """The answer comes out of one of two doors; as a script too."""
    pytest.importorskip("haystack", exc_type=ImportError)
    of_answers(tmp_path / "policy.json")
    module = example("haystack_gate")
    rag = module.build(str(tmp_path / "policy.json"))
    sure = module.ask(rag, "How long is the warranty?")
    assert sure["answer"] == "The warranty lasts 24 months."
    assert sure["confidence"] > 0.8
    unsure = module.ask(rag, "Who designed the logo?")
    assert "answer" not in unsure
    assert unsure["confidence"] < 0.5
    check_script("haystack_gate", tmp_path)


def check_script(name, folder):
    """The example runs as its first lines say, and prints two answers."""
    run = subprocess.run(
        [sys.executable, str(AGENTS / f"{name}.py"), str(folder / "policy.json")],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    assert len(run.stdout.splitlines()) == 2


@pytest.mark.parametrize("name", ["langgraph_gate", "haystack_gate"])
def test_the_page_shows_the_gate(name):
    """Its lines stand in the example, as they are."""
    page = (ROOT / "docs" / "decisions.md").read_text(encoding="utf-8")
    (block,) = re.findall(rf"<!-- {name} -->\n+```python\n(.*?)```", page, flags=re.DOTALL)
    code = (AGENTS / f"{name}.py").read_text(encoding="utf-8")
    shown = [line.strip() for line in block.strip().splitlines()]
    written = [line.strip() for line in code.splitlines()]
    assert len(shown) <= 7
    assert any(written[i : i + len(shown)] == shown for i in range(len(written)))
