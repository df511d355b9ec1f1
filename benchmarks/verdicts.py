"""How often the first screen errs: its verdicts in worlds of a known truth, in docs/numbers.md.

    python benchmarks/verdicts.py [WORLD ...]

Labels are drawn from the probabilities (`tests/verdict_worlds.py`); the same rows are judged again
with logits sharpened by 1.5. Worlds whose name holds one of the words are drawn again, and their
rows on the page replaced ("words": the tables of directions); without words all are. Some ten
minutes of CPU.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import re
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parents[1]
sys.path.insert(0, str(HERE / "tests"))

import verdict_worlds as worlds  # noqa: E402  (lies beside the tests)
from temperance.metrics.estimates import apart_from_zero  # noqa: E402

PAGE = HERE / "docs" / "numbers.md"
HEAD = '| world, rows | refuted | "calibrated" | sharpened: refuted | "calibrated" |'
SAMPLES, SHARPENED = 300, 100  # nearly all that is sharpened is refuted
OF_WORDS = 600


def main() -> None:
    """Draw, judge, print, and write each world's row, and the tables of words, into the page."""
    asked = sys.argv[1:]
    for name, make in worlds.WORLDS.items():
        if asked and not any(word in name for word in asked):
            continue
        calibrated = [worlds.verdict(make, seed) for seed in range(SAMPLES)]
        sharpened = [worlds.verdict(make, seed, sharp=1.5) for seed in range(SHARPENED)]
        cells = [
            share([word for word, _ in verdicts], of)
            for verdicts in (calibrated, sharpened)
            for of in ("not calibrated", "calibrated")
        ]
        by = Counter(test for word, test in calibrated if word == "not calibrated")
        print(name, *cells, dict(by), flush=True)
        write_row(name, cells)
    if not asked or "words" in asked:
        for part, lines in (
            ("sides of one", sides()), ("better", better()), ("one of several", several()),
        ):  # fmt: skip
            print("\n".join(lines), flush=True)
            write(part, lines)


def sides() -> list[str]:
    """Return how often a temperature is said to be above or below 1 that is near it."""
    temperatures = (1 / 1.05, 1 / 1.02, 1.0, 1.02, 1.05)
    columns = " | ".join(f"{each:.2f}".removeprefix("0") for each in temperatures)
    lines = [f"| says over- / under-confident; T is | {columns} |", "|---|" + "---|" * 5]
    for n in (50, 200, 1000):
        found = {
            t: [worlds.sides_of_one(n, t, seed) for seed in range(OF_WORDS)] for t in temperatures
        }
        for column, name in enumerate(("score test", "interval of T")):
            words = [[pair[column] for pair in found[t]] for t in temperatures]
            cells = [f"{share(each, 'over')} / {share(each, 'under')}" for each in words]
            lines.append(f"| {name}, {n:,} rows | {' | '.join(cells)} |")
    return lines


def better() -> list[str]:
    """Return how often one of two models is called better, of models that are nearly alike."""
    lines = [
        "| said better / worse, of | log loss | Brier score | accuracy | ECE | any of them |",
        "|---|" + "---|" * 5,
    ]
    for scale, what in ((0.7, "as good"), (0.75, "a little worse")):
        for n in (60, 200, 1000):
            said = [worlds.differences(n, scale, seed) for seed in range(SAMPLES)]
            columns = [[each[name] for each in said] for name in worlds.COMPARED]
            cells = [f"{share(each, 'better')} / {share(each, 'worse')}" for each in columns]
            any_of = [
                share([word if word in each.values() else "" for each in said], word)
                for word in ("better", "worse")
            ]
            lines.append(f"| {what}, {n:,} rows | {' | '.join([*cells, ' / '.join(any_of)])} |")
    return lines


def several() -> list[str]:
    """Return how often one of several is picked out that are all alike."""
    lines = ["| picked out of | wrongly | by intervals alone |", "|---|---|---|"]
    for count in (2, 5, 10):
        found = [worlds.chosen(400, count, seed) for seed in range(SAMPLES)]
        picked = share([name and "one" for name in found], "one")
        lines.append(f"| {count} models that are as good, 400 rows | {picked} | |")
    for k in (3, 10):
        each = [worlds.biases(1000, k, seed) for seed in range(SAMPLES)]
        words = share(["one" if any(apart_from_zero(b)) else "" for b in each], "one")
        alone = [any(not e.low <= 0.0 <= e.high for e in b) for b in each]
        intervals = share(["one" if some else "" for some in alone], "one")
        lines.append(f"| {k} classes without a bias, 1,000 rows | {words} | {intervals} |")
    return lines


def share(words: list[str], of: str) -> str:
    """Return how often a word was said, as the page writes it: .02."""
    count = words.count(of)
    return "0" if not count else f"{count / len(words):.3f}".removeprefix("0")


def write(part: str, lines: list[str]) -> None:
    """Write a table between its markers."""
    table = "\n".join(lines)
    page = PAGE.read_text(encoding="utf-8")
    block = f"<!-- {part} -->\n\n{table}\n\n<!-- /{part} -->"
    page = re.sub(f"<!-- {part} -->.*<!-- /{part} -->", lambda _: block, page, flags=re.DOTALL)
    PAGE.write_text(page, encoding="utf-8")


def write_row(name: str, cells: list[str]) -> None:
    """Replace the row of a world, or add it in its place; those of other worlds stay."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search("<!-- verdicts -->(.*?)<!-- /verdicts -->", page, flags=re.DOTALL)
    assert found is not None
    lines = [line for line in found[1].splitlines() if line.startswith("| ")]
    rows = {line.split("|")[1].strip(): line for line in lines if line != HEAD}
    rows[name] = f"| {name} | {' | '.join(cells)} |"
    table = [HEAD, "|---|" + "---|" * len(cells)]
    write("verdicts", [*table, *(rows[each] for each in worlds.WORLDS if each in rows)])


if __name__ == "__main__":
    main()
