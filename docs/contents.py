"""How the pages hang together on the site; the pages hold no directives and read alike anywhere."""

from __future__ import annotations

from api import MODULES

FOLDER = "reference"  # pages that the build writes; ignored by git
REFERENCE = [f"{FOLDER}/{name}" for name in MODULES]
SECTIONS = {  # page -> the pages below it; those below `index` are the bar at the top
    "index": [
        "five-minutes", "choose", "agents", "decisions", "deployment", "monitor", "scale", "lookup",
    ],
    "five-minutes": ["command-line", "python", "plots", "examples", "coming-from", "faq"],
    "choose": ["methods", "split", "tables"],
    "agents": ["llm", "answers", "judges"],
    "decisions": ["cascades"],
    "deployment": ["serving", "onnx", "pytorch"],
    "monitor": ["drift", "gates"],
    "scale": ["distributed", "kernels", "benchmarks"],
    "lookup": ["definitions", "numbers", "formats", "schemas", "api", *REFERENCE, "changes"],
}  # fmt: skip
ELSEWHERE = {  # files of the repository that are no pages of the site -> what stands for them
    "../README.md": "index.md",
    "../CHANGELOG.md": "changes.md",
}
