"""How gates ended, for other programs: JUnit XML for CI, Markdown for a pull request."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from temperance.printable import count_text
from temperance.show import Table, markdown_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from temperance.gates.gated import Gated

__all__ = ["JUnitCase", "gate_cases", "junit_xml", "markdown_page"]

_NOT_XML = {  # what XML 1.0 cannot hold, but for tab and ends of lines
    code: "\ufffd" for code in (*range(32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF)
    if code not in (9, 10, 13)
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """One test of a suite: its name, and why it failed or was skipped; passed where neither."""

    name: str
    failure: str | None = None  # the short reason
    skipped: str | None = None
    text: str = ""  # all that is known


def gate_cases(gates: Iterable[Gated]) -> list[JUnitCase]:
    """Return gates as tests: failed, passed, or skipped where undecided gates pass."""
    cases = []
    for gate in gates:
        words = gate.in_words(of_command=True)
        name = f"{gate.option}: {gate.title}"
        if not gate.passed:
            cases.append(JUnitCase(name, failure=words, text=words))
        elif gate.verdict == "undecided":
            cases.append(JUnitCase(name, skipped=words))
        else:
            cases.append(JUnitCase(name, text=words))
    return cases


def junit_xml(suite: str, cases: Sequence[JUnitCase], *, classname: str) -> str:
    """Return a suite of tests as JUnit XML, which CI systems show test by test.

    >>> print(junit_xml("s", [JUnitCase("a"), JUnitCase("b", failure="worse")], classname="c"))
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuite name="s" tests="2" failures="1" errors="0" skipped="0">
    <testcase classname="c" name="a"/>
    <testcase classname="c" name="b"><failure message="worse"></failure></testcase>
    </testsuite>
    <BLANKLINE>
    """
    lines = []
    for each in cases:
        inside = f"<system-out>{escape(each.text)}</system-out>" if each.text else ""
        if each.failure is not None:
            message = quoteattr(each.failure)
            inside = f"<failure message={message}>{escape(each.text)}</failure>"
        elif each.skipped is not None:
            inside = f"<skipped message={quoteattr(each.skipped)}/>"
        head = f"<testcase classname={quoteattr(classname)} name={quoteattr(each.name)}"
        lines.append(f"{head}>{inside}</testcase>" if inside else f"{head}/>")
    failed = sum(each.failure is not None for each in cases)
    skipped = sum(each.failure is None and each.skipped is not None for each in cases)
    head = (
        f'<testsuite name={quoteattr(suite)} tests="{len(cases)}" failures="{failed}" errors="0" '
        f'skipped="{skipped}">'
    )
    text = ['<?xml version="1.0" encoding="UTF-8"?>', head, *lines, "</testsuite>", ""]
    return "\n".join(text).translate(_NOT_XML)


def markdown_page(
    title: str,
    gates: Sequence[Gated],
    *,
    headline: str = "",
    tables: Sequence[Table] = (),
    facts: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
    report: str | None = None,
) -> str:
    """Return a summary for a pull request: the verdict, each gate, and all tables folded away.

    Names from files can neither close a table nor call anybody by an @.

    Parameters
    ----------
    title : str
        What ran.
    gates : sequence of Gated
        How each ended; may be empty.
    headline : str
        What was found, in sentences.
    tables : sequence of Table
        All that was measured.
    facts : mapping of str to str, optional
        Files, their digests and the version.
    warnings : sequence of str
        What people should hear of the rows.
    report : str, optional
        Where the page with the pictures lies, seen from this one.
    """
    parts = [f"### {markdown_text(title)}: {_ending(gates)}"]
    if gates:
        parts.append(_gate_table(gates).to_markdown())
    if headline:
        parts.append(markdown_text(headline))
    open_ = [gate for gate in gates if gate.verdict != "passed"]
    if open_:
        parts.append(
            "\n".join(f"* {markdown_text(gate.in_words(of_command=True))}" for gate in open_)
        )
    parts += [f"> warning: {markdown_text(each)}" for each in warnings]
    if report is not None:
        parts.append(f"[Report with pictures]({quote(report)})")
    if tables:
        inside = "\n\n".join(each.to_markdown() for each in tables)
        parts.append(f"<details><summary>All measures</summary>\n\n{inside}\n\n</details>")
    if facts:
        parts.append("  \n".join(f"{markdown_text(name)}: {markdown_text(each)}"
                                  for name, each in facts.items()))  # fmt: skip
    return "\n\n".join(parts) + "\n"


def seen_from(page: Path, file: Path) -> str:
    """Return where a file lies, seen from a page."""
    try:
        return os.path.relpath(file.resolve(), page.resolve().parent).replace(os.sep, "/")
    except ValueError:  # on another drive
        return file.name


def _ending(gates: Sequence[Gated]) -> str:
    """Return how all gates ended: "failed (1 of 3 gates)"."""
    if not gates:
        return "measured"
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        return f"failed ({len(failed)} of {count_text(len(gates), 'gate')})"
    undecided = sum(gate.verdict == "undecided" for gate in gates)
    open_ = f", {undecided} undecided" if undecided else ""
    return f"passed ({count_text(len(gates), 'gate')}{open_})"


def _gate_table(gates: Sequence[Gated]) -> Table:
    rows = []
    for gate in gates:
        verdict = str(getattr(gate, "finding", gate.verdict))
        if gate.verdict == "undecided":
            verdict += ", passes" if gate.passed else ", fails"
        value, interval, limit = gate.cells
        mark = "\u2705" if gate.verdict == "passed" else "\u2754" if gate.passed else "\u274c"
        rows.append((f"{mark} {gate.title}", value, interval, limit, verdict))
    columns = ("gate", "measured", "interval", "must be", "verdict")
    return Table(columns, tuple(rows), words=frozenset({3, 4}))
