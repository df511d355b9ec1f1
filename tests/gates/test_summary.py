"""JUnit XML and Markdown: what a program reads back, and what a reviewer sees."""

import json
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.gates import check_gates, junit_xml, markdown_page
from temperance.gates.summary import JUnitCase
from temperance.show import Table, markdown_text

EVIL = [
    "a|b",
    "<img src=x onerror=y>",
    "`*_[x](http://e.vil)_*`",
    "@team #1 \\| www.e.vil",
    "\x1b\n| |",
]


def rendered(text):
    """HTML of a page, by a renderer of CommonMark with tables."""
    markdown_it = pytest.importorskip("markdown_it")
    return markdown_it.MarkdownIt("commonmark").enable("table").render(text)


class Cells(HTMLParser):
    """Texts of the cells of each row, and the tags that there are."""

    def __init__(self):
        super().__init__()
        self.rows, self.tags, self.inside = [], set(), False

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in {"td", "th"}

    def handle_data(self, data):
        if self.inside:
            self.rows[-1][-1] += data


def cells(text):
    parser = Cells()
    parser.feed(rendered(text))
    return parser


@pytest.mark.parametrize("name", EVIL)
def test_a_name_stays_in_its_cell(name):
    """Whatever it holds: the same rows and columns, its own text, no tag, no link."""
    table = Table(("name", "value"), ((name, "1"), ("next", "2")), caption=name)
    found = cells(table.to_markdown())
    shown = table.rows[0][0]  # as a terminal may show it
    assert [[each.replace("\u200b", "") for each in row] for row in found.rows] == [
        ["name", "value"], [shown, "1"], ["next", "2"]
    ]  # fmt: skip
    assert found.tags <= {"table", "thead", "tbody", "tr", "th", "td", "p"}
    assert not re.search(r"@\w|://|www\.", markdown_text(name).replace("&#8203;", "\u200b"))


def test_a_page_folds_its_tables_and_says_how_each_gate_ended(sample):
    """Heading, one row per gate, the report as a link, all measures in <details>."""
    z, y = sample(1, n=300, k=3)
    evaluation = tp.evaluate(reference.softmax(z), y, n_resamples=100)
    gates = check_gates(evaluation, max_ece=0.001, max_brier=1.9, min_accuracy=0.99)
    page = markdown_page(
        "temperance evaluate a|b.npz", gates, headline="*Off* <b>", tables=evaluation.tables(),
        warnings=["w|x"], report="sub dir/r(1).html", facts={"SHA-256": "ab"},
    )  # fmt: skip
    html = rendered(page)
    assert "<h3>temperance evaluate a|b.npz: failed (2 of 3 gates)</h3>" in html
    assert '<a href="sub%20dir/r%281%29.html">Report with pictures</a>' in html
    assert "<p>*Off* &lt;b&gt;</p>" in html
    assert "<p>warning: w|x</p>" in html
    assert page.count("<details>") == page.count("</details>") == 1
    inside = html[html.index("<details>") : html.index("</details>")]
    assert inside.count("<table>") == len(evaluation.tables())
    rows = cells(page).rows[:4]
    assert [row[-1] for row in rows] == ["verdict", "failed", "passed", "failed"]
    assert all(len(row) == 5 for row in rows)
    assert html.count("<li>gate failed: ") == 2


def test_a_summary_without_gates_is_one_of_measures(run, tmp_path, sample):
    """--markdown alone: what was measured; the link leads to the report from where the page is."""
    z, y = sample(1, n=200, k=3)
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    (tmp_path / "out").mkdir()
    run("evaluate", "a.npz", "--quick", "--markdown", "out/a.md", "--report", "r.html")
    page = (tmp_path / "out" / "a.md").read_text(encoding="utf-8")
    assert page.startswith("### temperance evaluate a.npz: measured\n")
    assert "](../r.html)" in page
    assert str(tmp_path) not in page


def test_junit_holds_any_text():
    """Failed, skipped and passed are counted; what XML cannot hold is replaced."""
    cases = [
        JUnitCase('a"<&\x00\x1b', failure="f\x0b<", text="]]> &\ud800"),
        JUnitCase("b", skipped="s"), JUnitCase("c", text="t"), JUnitCase("d"),
    ]  # fmt: skip
    text = junit_xml('s"', cases, classname="k")
    suite = ET.fromstring(text)  # noqa: S314  (our own)
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("4", "1", "1")
    first, second, third, _ = suite.findall("testcase")
    assert first.get("name") == 'a"<&\ufffd\ufffd'
    assert first.find("failure").text == "]]> &\ufffd"
    assert second.find("skipped").get("message") == "s"
    assert third.find("system-out").text == "t"
    assert text.encode()


def test_the_command_writes_both_beside_its_json(run, tmp_path, sample):
    """One test per gate: failed, skipped where undecided passes; JSON names the files."""
    z, y = sample(1, n=300, k=3)
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    gates = ("--max-ece", "0.001", "--max-brier", "1.9", "--min-accuracy")
    value = json.loads(run("evaluate", "a.npz", "--quick", "--json").stdout)["accuracy"]["value"]
    done = run("evaluate", "a.npz", "--quick", *gates, str(value + 0.001), "--json", "--junit",
               "j.xml", "--markdown", "m.md", code=1)  # fmt: skip
    found = json.loads(done.stdout)
    assert (found["junit"], found["markdown"]) == ("j.xml", "m.md")
    suite = ET.parse(tmp_path / "j.xml").getroot()  # noqa: S314
    ends = [(case.find("failure") is not None, case.find("skipped") is not None) for case in suite]
    assert ends == [(True, False), (False, False), (False, True)]
    assert suite.get("name") == "temperance evaluate a.npz"
    assert "cannot tell" in (tmp_path / "m.md").read_text(encoding="utf-8") or "undecided" in (
        tmp_path / "m.md"
    ).read_text(encoding="utf-8")
    told = run(
        "evaluate", "a.npz", "--max-ece", "1", "--markdown", "j.md", "--report", "j.md", code=2
    )
    assert "written as well" in told.stderr or ".html" in told.stderr
