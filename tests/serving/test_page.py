"""docs/serving.md: what it types works, and what it says is so."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import temperance as tp

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

from services import served
from temperance.serving.app import ANSWERS
from temperance.serving.limits import Limits

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_what_is_typed_gives_what_is_shown(tmp_path):
    """Each curl of a service on this machine, by a shell; the first with the answer printed."""
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "calibrator.json")
    calls = [text for kind, text in BLOCKS if not kind and text.startswith("curl")]
    (shown,) = [json.loads(text) for kind, text in BLOCKS if kind == "json"]
    answers = []
    with served(tmp_path, "calibrator.json") as process:
        for call in calls:
            command = call.replace(":8080/", f":{process.port}/")
            ended = subprocess.run(["sh", "-c", command], capture_output=True, check=True)
            answers.append(json.loads(ended.stdout))
    assert answers[0] == shown
    spam, action = answers[1]["answers"]
    assert spam["probability"] == pytest.approx(0.75)
    assert action["confidence"] == action["probabilities"][0]["probability"] == pytest.approx(2 / 3)


def test_the_application_in_a_program(tmp_path):
    """The Python of the page runs, and prints the paths of its tables."""
    code = next(text for kind, text in BLOCKS if kind == "python")
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert ended.stdout == "['/apply', '/calibrator', '/healthz', '/metrics']\n"
    for path in ("/apply", "/calibrator", "/healthz", "/metrics"):
        assert path in PAGE


def test_content_types_and_limits_are_those_of_the_program():
    """The tables have the defaults and every form."""
    limits = Limits()
    for kind in ANSWERS:
        assert f"`{kind}`" in PAGE
    rows = {line.split("|")[1].strip(): line.split("|")[2].strip()
            for line in PAGE.splitlines() if line.startswith("| ")}  # fmt: skip
    assert rows["rows (`--max-rows`)"] == f"{limits.max_rows:,}"
    assert rows["large bodies that wait or are worked on"] == str(limits.max_waiting)
    of_bytes = "bytes of a body, and of what is packed in it (`--max-bytes`)"
    assert rows[of_bytes] == f"{limits.max_bytes >> 20} MiB"
    seconds = "seconds from the head of a request to its answer (`--max-seconds`)"
    assert rows[seconds] == f"{limits.max_seconds:g}"
