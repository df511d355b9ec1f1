"""The pages of the monitor and of drift run as printed; its examples are well formed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from temperance.monitor.messages import prometheus_text

ROOT = Path(__file__).parents[2]


def printed(page, folder):
    """What the Python of a page prints."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    code = "".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=folder, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return ended.stdout.splitlines()


def test_the_page_of_the_monitor(tmp_path):
    """Two quiet days, an alarm on the third, and a re-fit that is promoted."""
    first, second, third, last = printed("monitor.md", tmp_path)
    assert first.startswith("No alarm: 500 labels")
    assert second.startswith("No alarm: 1,000 labels")
    assert third.startswith("ALARM: Confidence is too high by a factor of ")
    assert last.startswith("Promoted: ")


def test_the_page_of_drift(tmp_path):
    """The alarm comes after the change, and soon."""
    (label,) = printed("drift.md", tmp_path)
    assert 2000 < int(label) < 2600


def metrics():
    """Names of the metrics that are written."""
    import inspect

    return set(re.findall(r'add\("(\w+)"', inspect.getsource(prometheus_text)))


@pytest.mark.parametrize("name", ["alerts.yml", "grafana.json"])
def test_examples_ask_for_metrics_that_are_there(name):
    text = (ROOT / "examples" / "monitor" / name).read_text(encoding="utf-8")
    asked = set(re.findall(r"temperance_monitor_(\w+)", text))
    assert asked
    assert asked <= metrics()


def test_the_dashboard_is_json_with_places_for_all():
    dashboard = json.loads((ROOT / "examples" / "monitor" / "grafana.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids)) == 7
    assert all(panel["targets"] for panel in dashboard["panels"])


def test_the_rules_are_yaml():
    yaml = pytest.importorskip("yaml")
    rules = yaml.safe_load((ROOT / "examples" / "monitor" / "alerts.yml").read_text())
    assert all({"alert", "expr"} <= set(rule) for rule in rules["groups"][0]["rules"])
