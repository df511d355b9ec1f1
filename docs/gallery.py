"""Run all examples; write docs/examples.md and the pictures that it shows: `make docs`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tempfile
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "examples"
IMAGES = ROOT / "docs" / "images" / "examples"
# name -> what else it needs; the order of the page
EXAMPLES = {
    "medical_diagnosis": "sklearn",
    "perception": "sklearn",
    "credit_risk": "sklearn",
    "llm_multiple_choice": "",
    "decision_models": "",
    "agent_gate": "",
    "cascade": "sklearn",
    "ensemble": "sklearn",
    "monitoring": "",
    "big_data": "dask",
    "onnx_model": "onnx,sklearn",
    "sql_query": "sql",
    "http_service": "serve",
}
HEAD = """# Examples

One script for every use, on data that packages ship, or simulated where it says so. Each runs by
itself (`python examples/NAME.py`), prints what stands below, and writes the picture into the folder
in which it runs. `make docs` runs them all and writes this page.

In folders beside them: gates in [LangGraph](../examples/agents/langgraph_gate.py) and
[Haystack](../examples/agents/haystack_gate.py), each of which says what its policy is made from;
a [reader in JavaScript](../examples/javascript/temperance.mjs);
[rules](../examples/monitor/alerts.yml) for Prometheus and a
[dashboard](../examples/monitor/grafana.json) for Grafana.
"""


def main() -> None:
    """Run the scripts, four at a time, and write the page and its pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(4) as pool:
        printed = list(pool.map(run, EXAMPLES))
    sections = [
        f"{head(name)}\n```text\n{wrapped(words)}\n```\n"
        for name, words in zip(EXAMPLES, printed, strict=True)
    ]
    page = "\n".join([HEAD, *sections])
    (ROOT / "docs" / "examples.md").write_text(page, encoding="utf-8")


def head(name: str) -> str:
    """Title, text, picture and how to run one example: what does not depend on the numbers.

    The first sentence of the script's docstring is the title, the rest is the text.
    """
    script = (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")
    documentation = ast.get_docstring(ast.parse(script)) or ""
    title, _, text = documentation.partition("\n\n")
    extras = f'`pip install "temperance[{EXAMPLES[name]}]"`' if EXAMPLES[name] else "no extra"
    return (
        f"## {title.rstrip('.')}\n\n{text}\n\n"
        f"[examples/{name}.py](../examples/{name}.py), needs {extras}.\n\n"
        f"![{alternative(script)}](images/examples/{name}.png)\n"
    )


def wrapped(words: str) -> str:
    """Return what was printed, lines of more than 100 characters broken."""
    fold = textwrap.TextWrapper(100, subsequent_indent="  ", break_long_words=False)
    return "\n".join(part for line in words.rstrip().splitlines() for part in fold.wrap(line))


def alternative(script: str) -> str:
    """Return what the picture shows, from the comment above the line that makes the figure."""
    lines = script.splitlines()
    figure = next(i for i, line in enumerate(lines) if " = Figure(" in line)
    first = figure
    while lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return " ".join(line.lstrip(" #") for line in lines[first:figure])


def run(name: str) -> str:
    """Run one script in a folder of its own, take its picture, and return what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        printed = subprocess.run(
            [sys.executable, str(SCRIPTS / f"{name}.py")],
            cwd=folder,
            env={**os.environ, "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        picture = Path(folder, f"{name}.png").read_bytes()
    (IMAGES / f"{name}.png").write_bytes(picture)
    return printed


if __name__ == "__main__":
    main()
