"""What `auto` chooses on real models: writes the table of docs/methods.md.

`python benchmarks/choices.py FOLDER` reads .npz files with `logits` or `probs`, and `labels`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from time import perf_counter

import numpy as np

import temperance as tp
from temperance.show import Table

PAGE = Path(__file__).parents[1] / "docs" / "methods.md"


def main(folder: Path) -> None:
    """Choose on every file, print, and write the page."""
    rows = []
    for path in sorted(folder.glob("*.npz")):
        data = dict(np.load(path))
        if "labels" not in data or not {"logits", "probs"} & data.keys():
            continue
        logits = data["logits"] if "logits" in data else tp.logits_from_probs(data["probs"])
        if len(logits) < logits.shape[-1]:
            continue  # more classes than rows
        start = perf_counter()
        selection = tp.select(
            logits, data["labels"].astype(int), groups=data.get("subject"), refuse_probs=False
        )
        took = perf_counter() - start
        rows.append(row(path.stem, selection, took))
        print(*rows[-1], sep="  ")
    table = Table(
        (
            "file",
            "rows",
            "classes",
            "nothing",
            "best",
            "chosen",
            "log loss",
            "less doing nothing",
        ),
        tuple(rows),
        caption="Cross-fitted log loss in nats; the last column with its 95 % interval.",
        words=frozenset({4, 5}),
    )
    text = PAGE.read_text(encoding="utf-8")
    block = f"<!-- choices -->\n\n{table.to_markdown()}\n\n<!-- /choices -->"
    new = re.sub("<!-- choices -->.*<!-- /choices -->", lambda _: block, text, flags=re.DOTALL)
    PAGE.write_text(new, encoding="utf-8")


def row(name: str, selection: tp.Selection, took: float) -> tuple[str, ...]:
    """Return the cells of one file."""
    chosen, best, nothing = selection.chosen, selection.best, selection.candidates[0]
    gap = chosen.difference
    gain = "" if chosen is nothing else f"{gap.value:+.4f} ({gap.low:+.4f} to {gap.high:+.4f})"
    print(f"{took:6.1f} s", end="  ")
    return (
        name,
        f"{selection.n:,}",
        f"{selection.calibrator.n_classes:,}",
        f"{nothing.log_loss.value:.4f}",
        f"{best.method} ({best.log_loss.value:.4f})",
        chosen.method,
        f"{chosen.log_loss.value:.4f}",
        gain,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
