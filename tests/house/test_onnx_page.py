"""The Python of docs/onnx.md, as it is printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"


def test_the_example_runs(tmp_path):
    """And prints what its comment says."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    placed = "ReduceMax, Sub, Div before the final Softmax"
    assert ended.stdout.splitlines() == [placed, "True True"]


def test_the_call_with_a_temperature_runs(tmp_path):
    """The line of --tunable, as it is printed, gives what a fit of that temperature gives."""
    onnx = pytest.importorskip("onnx")
    ort = pytest.importorskip("onnxruntime")
    import numpy as np

    import onnx_models as made
    import temperance as tp

    onnx.save(made.classifier(), tmp_path / "model.onnx")
    new = tmp_path / "new.onnx"
    tp.export.to_onnx(tmp_path / "model.onnx", tp.TemperatureScaling(1.5), new, tunable=True)
    call = re.search(r"`(session\.run\(.*\))`", PAGE.read_text(encoding="utf-8"))[1]
    session = ort.InferenceSession(new, providers=["CPUExecutionProvider"])
    (probs,) = eval(call, {"session": session, "x": made.rows(), "np": np})  # noqa: S307  (ours)
    expected = tp.TemperatureScaling(1.9).apply(made.logits(made.rows()))
    assert probs == pytest.approx(expected, abs=1e-6)
