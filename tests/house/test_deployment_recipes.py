"""The recipes of docs/deployment.md: run as they are printed where their system is installed."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import temperance as tp

PAGE = Path(__file__).parents[2] / "docs" / "deployment.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)


def block(words):
    (code,) = [each for each in BLOCKS if words in each]
    return code


@pytest.mark.parametrize("code", BLOCKS, ids=range(len(BLOCKS)))
def test_every_block_is_python_of_names_that_are_there(code):
    """Each parses, and every `tp.` name in it is public."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tp":
            assert node.attr in tp.__all__


def run(code, folder, **environment):
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=folder, capture_output=True, text=True,
        check=True, env={**os.environ, **environment},
    )  # fmt: skip
    return ended.stdout.splitlines()


def test_exports(tmp_path):
    """The query and the polars function, of two classes."""
    pytest.importorskip("duckdb")
    pytest.importorskip("polars")
    assert run(block("to_sql"), tmp_path) == [
        "True ('prob_ham', 'prob_spam')", "('logit_ham', 'logit_spam')",
    ]  # fmt: skip


def test_mlflow(tmp_path):
    """Logged, loaded back, equal."""
    pytest.importorskip("mlflow.pyfunc")
    out = run(block("log_calibrator"), tmp_path, MLFLOW_ALLOW_FILE_STORE="true",
              MLFLOW_TRACKING_URI=(tmp_path / "mlruns").as_uri(),
              MLFLOW_DISABLE_TELEMETRY="true")  # fmt: skip
    assert out[-1] == "True True"


def test_vllm():
    """An option with and without a space is one, as in the readers; a missing one is an error."""
    names = {}
    exec(block("def calibrated"), names)  # noqa: S102
    tokens = {"A": 0.6, " B": 0.2, "B": 0.1, "C": 0.05, "D": 0.04}
    top = [{"token": token, "logprob": np.log(p)} for token, p in tokens.items()]
    response = {"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]}
    probs = names["calibrated"](tp.TemperatureScaling(1.0), response)
    assert probs == pytest.approx(np.array([0.6, 0.3, 0.05, 0.04]) / 0.99)
    with pytest.raises(ValueError, match="E"):
        names["calibrated"](tp.TemperatureScaling(1.0), response, options=("A", "E"))


SERVERS = {"bentoml": "@bentoml.service", "ray.serve": "@serve.deployment"}


@pytest.mark.parametrize(("package", "words"), list(SERVERS.items()))
def test_servers(tmp_path, package, words):
    """The class of a server gives the numbers of `apply`, where it is installed."""
    pytest.importorskip(package)
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "calibrator.json")
    code = block(words)
    if package == "bentoml":
        code += "\nprint(Calibrated.inner().probs(np.array([[0.0, 2.0]])))"
    else:
        code += """
import asyncio
class Request:
    async def json(self):
        return {"logits": [[0.0, 2.0]]}
served = Calibrated.func_or_class("calibrator.json")
print(asyncio.run(served(Request()))["probs"])
"""
    assert "0.73" in run(code, tmp_path)[-1]
