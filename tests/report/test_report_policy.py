"""The page and the picture of bands, and the page of coverages."""

import html

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import binom

import temperance as tp
from commands import run_in
from pages import CHROMIUM, check_pages, check_stands_alone, words_of
from temperance.checks import Positions
from temperance.decisions import bands, coverage_table, risk_coverage
from temperance.decisions.rows import DecisionRows
from temperance.plots.bands import BandsDisplay
from temperance.report import BandsContent, PolicyContent, render_policy

EVIL = "<script>alert(1)</script>"


def world(seed, n=1500, flip=0.0):
    """Probabilities that are right; with `flip` labels that are another share of the time."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.5, 0.5, n)
    y = (rng.random(n) < p).astype(int)
    return p, np.where(rng.random(n) < flip, 1 - y, y)


def content(kind):
    """What is known of a policy, of several kinds."""
    p, y = world(0)
    names = np.where(np.arange(len(p)) % 10, EVIL, "small")
    limits = {"min_precision": 0.9, "min_negative_predictive_value": 0.9}
    options = {
        "bands": {"event": 1, "classes": ["no", EVIL], **limits},
        "recall": {"event": 1, "min_recall": 0.9, "max_false_negative_rate": 0.02},
        "groups": {"event": 1, "groups": names, **limits},
        "parts": {"clusters": np.arange(len(p)) // 2, "composite": "product", "min_precision": 0.7},
    }.get(kind)
    found = None
    if options is not None:
        options.setdefault("classes", None)
        rule = bands(p, Positions(y), **options)
        if kind == "parts":
            shown = {each: options[each] for each in ("clusters", "composite")}
        else:
            shown = {"event": 1}
        rows = DecisionRows.check(p, y, **shown)
        found = BandsContent(rule, rows, None)
    table = None if kind == "parts" else coverage_table(p, y)
    return PolicyContent(
        title=EVIL, bands=found, table=table,
        curve=None if table is None else risk_coverage(p, y), calibrator=tp.TemperatureScaling(1.5),
        chosen_risk=0.1 if kind == "chosen" else None, use="Some rows did this.",
        facts=((EVIL, EVIL),),
        warnings=(EVIL,), policy="my policy.json", file="cal.npz",
    )  # fmt: skip


KINDS = ["bands", "recall", "groups", "parts", "table", "chosen"]


@pytest.mark.parametrize("kind", KINDS)
def test_page_stands_alone(kind):
    """Nothing to fetch or run, names inert, every number of the table, the promise in words."""
    made = content(kind)
    page = render_policy(made)
    check_stands_alone(page)
    words = words_of(page).replace("\u00a0", " ")
    assert "Some rows did this." in words
    if made.bands:
        rule = made.bands.rule
        assert rule.assumption in words
        for part in rule.parts:
            for end, sign in ((part.accept_from, ">="), (part.reject_to, "<=")):
                if end is not None:
                    assert f"{sign} {end:.4g}" in words
    assert ("How many rows could be answered" in words) == (made.table is not None)
    for risk in (0.01, 0.02, 0.05, 0.1) if made.table else ():
        rule = made.table.rules[made.table.risks.index(risk)]
        if rule is not None:
            assert f"{rule.outcome.errors:,} of {rule.outcome.accepted:,}" in words
    assert "`" not in words
    if kind == "groups":
        assert "small" in words
        table = page[page.index('<section id="groups">') :]
        lacking = [each.group for each in made.bands.rule.parts if each.accept_from is None]
        first = table[table.index("<tbody>") :].partition('<th scope="row">')[2]
        assert not lacking or any(first.startswith(html.escape(each)) for each in lacking)
        assert "Which rows are accepted" in words


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium")
def test_pages_in_a_browser(tmp_path):
    """Nothing scrolls sideways, no word leaves the picture or is hard to read."""
    pages = {
        "bands": (render_policy(content("bands")), 2),
        "table": (render_policy(content("table")), 1),
    }
    check_pages(tmp_path, pages)


def verdicts(seed, n, flip):
    """Return what a page says of each promise of test rows, and the rows by hand."""
    p, y = world(0, n=3000)
    rule = bands(p, y, event=1, min_precision=0.9, min_negative_predictive_value=0.9)
    test, test_y = world(seed, n, flip)
    counts = rule.measure(test, test_y)
    made = content("bands")
    rows = DecisionRows.check(test, test_y, event=1)
    page = render_policy(PolicyContent(
        title="x", bands=BandsContent(rule, rows, counts), table=None, curve=None,
        calibrator=made.calibrator, chosen_risk=None, use="", facts=(), policy="p.json",
        file="f.npz",
    ))  # fmt: skip
    part = rule.parts[0]
    accepted, rejected = test >= part.accept_from - 1e-6, test <= part.reject_to + 1e-6
    bad = [(int((test_y[accepted] == 0).sum()), int(accepted.sum())),
           (int((test_y[rejected] == 1).sum()), int(rejected.sum()))]  # fmt: skip
    return words_of(page), bad


@pytest.mark.parametrize(
    ("seed", "n", "flip", "found"),
    [(5, 4000, 0.0, "kept"), (5, 4000, 0.3, "broken"), (5, 40, 0.0, "cannot tell")],
)
def test_test_rows_judge_the_promises(seed, n, flip, found):
    """Broken or kept at 5 % for both together, by the binomial tails; a next step for each."""
    words, bad = verdicts(seed, n, flip)
    for k, m in bad:
        broken = binom.sf(k - 1, m, 0.1) <= 0.05 / 2
        kept = binom.cdf(k, m, 0.1) <= 0.05 / 2
        assert ("broken" if broken else "kept" if kept else "cannot tell") == found
        assert f"{k:,} of {m:,}" in words
    said = {"kept": "kept on the test rows", "broken": "broken on the test rows",
            "cannot tell": "too few test rows to tell"}  # fmt: skip
    assert said.pop(found) in words
    assert not any(each in words for each in said.values())
    again = "temperance policy new-labels.npz --min-precision 0.9 --min-npv 0.9"
    assert (again in words) == (found == "broken")
    assert ("temperance apply p.json new-rows.npz" in words) == (found != "broken")


def test_the_picture_counts_the_rows():
    """Bars add up to all rows, those of the other truth on top; bands are shaded to their ends."""
    p, y = world(0)
    rule = bands(p, y, event=1, min_precision=0.9, min_negative_predictive_value=0.9)
    ax = Figure().subplots()
    part, event = rule.parts[0], rule.event
    display = BandsDisplay(
        p, y == 1, accept_from=part.accept_from, reject_to=part.reject_to,
        score_name=event.score_name, words=event.words,
    ).plot(ax)  # fmt: skip
    yes, no = display.shares
    assert yes.sum() == pytest.approx(y.mean())
    assert no.sum() == pytest.approx(1 - y.mean())
    heights = [bar.get_height() for bar in ax.patches[:50]]
    assert heights == pytest.approx([*yes, *no])
    slow = [np.mean((p >= i / 25) & (p < (i + 1) / 25) & (y == 0)) for i in range(25)]
    assert no == pytest.approx(slow)
    words = [text.get_text() for text in ax.texts]
    lines = sorted(line.get_xdata()[0] for line in ax.lines)
    assert lines == [part.reject_to, part.accept_from]
    assert words == ["reject", "review", "accept"]
    _, said = display.alt_text()
    assert f"from {part.accept_from:.4g} on" in said
    assert f"up to {part.reject_to:.4g}" in said


def test_the_command_writes_the_page(tmp_path):
    """`policy --report`: of bands with test rows, and of the table with a risk that is chosen."""
    for name, seed in (("cal", 1), ("test", 2)):
        p, y = world(seed, n=2000)
        np.savez(tmp_path / f"{name}.npz", probs=np.stack([1 - p, p], axis=1), labels=y)
    promises = ("--event", "1", "--min-precision", "0.9", "--max-fnr", "0.05")
    done = run_in(tmp_path, "policy", "cal.npz", *promises, "--test", "test.npz",
                  "--report", "bands.html")  # fmt: skip
    assert "report: bands.html" in done.stdout
    words = words_of((tmp_path / "bands.html").read_text(encoding="utf-8"))
    assert "Accept, review or reject: cal.npz" in words
    assert "Of 2,000 test rows" in words.replace("\u00a0", " ")
    run_in(tmp_path, "policy", "cal.npz", "--as-is", "--report", "table.html")
    words = words_of((tmp_path / "table.html").read_text(encoding="utf-8"))
    assert "temperance policy cal.npz --as-is --choose 0.0" in words
    assert "Policy" not in words.split("Data and method")[-1]
    run_in(tmp_path, "policy", "cal.npz", "--as-is", "--choose", "0.1", "--report", "chosen.html",
           "-o", "chosen.json")  # fmt: skip
    words = words_of((tmp_path / "chosen.html").read_text(encoding="utf-8"))
    assert "temperance apply chosen.json new-rows.npz" in words
    assert "10 % chosen" in words.replace("\u00a0", " ")
    said = run_in(tmp_path, "policy", "cal.npz", "--report", "page.txt", code=2).stderr
    assert "page.txt" in said
