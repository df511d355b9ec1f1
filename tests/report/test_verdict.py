"""The first screen: what it says of the model, and that "calibrated" is rarely said in error."""

import re
import shlex

import numpy as np
import pytest
from scipy.stats import norm

import reference
import temperance as tp
from pages import CHROMIUM, Page, words_of
from temperance.report import ReportContent, render_comparison, render_report
from temperance.report.verdict import standing, tolerance


def multi(rng, n, temperature):
    """Four classes, logits too sharp by a factor; labels of the softer ones."""
    z = 2.0 * rng.normal(size=(n, 4))
    labels = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    return reference.softmax(z * temperature), labels, None


def heavy(rng, n):
    """Logits with tails of a t distribution of 2 degrees of freedom."""
    z = rng.standard_t(2, size=(n, 3))
    labels = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    return reference.softmax(1.6 * z), labels, None


def constant(rng, n, says, happens):
    """One probability for every row: all of them tie."""
    return np.full(n, says), (rng.random(n) < happens).astype(int), None


def certain(rng, n):
    """A model that says 99.99 % and is right in 99 %."""
    return np.tile([0.9999, 0.0001], (n, 1)), (rng.random(n) < 0.01).astype(int), None


def clustered(rng, n):
    """Rows that come in clusters of ten, whose outcomes go together."""
    p = np.repeat(rng.uniform(0.2, 0.8, n // 10), 10)
    shift = np.repeat(rng.normal(0.0, 1.2, n // 10), 10)
    odds = np.log(p / (1.0 - p))
    labels = (rng.random(n) < 1.0 / (1.0 + np.exp(-0.4 * odds - shift))).astype(int)
    return p, labels, np.arange(n) // 10


WORLDS = {  # of an error that is not small
    "over-confident": lambda rng: multi(rng, 500, 1.5),
    "heavy tails": lambda rng: heavy(rng, 500),
    "few rows": lambda rng: multi(rng, 150, 1.5),
    "rare": lambda rng: constant(rng, 1500, 0.02, 0.01),
    "rare, few": lambda rng: constant(rng, 400, 0.02, 0.0125),
    "near-certain": lambda rng: certain(rng, 1500),
    "ties": lambda rng: constant(rng, 600, 0.76, 0.7),
    "clusters": lambda rng: clustered(rng, 600),
}


def draws_of(request):
    return 300 if "slow" in request.config.getoption("markexpr") else 20


@pytest.mark.slow
@pytest.mark.parametrize("name", WORLDS)
def test_calibrated_is_rarely_said_of_what_is_not(name, request):
    """Of models whose error is above the tolerance, at most one in twenty is called calibrated."""
    draws = draws_of(request)
    said = []
    for seed in range(draws):
        probs, labels, clusters = WORLDS[name](np.random.default_rng(seed))
        e = tp.evaluate(probs, labels, clusters=clusters, n_resamples=100)
        said.append(standing(e).word)
    assert said.count("calibrated") <= 0.05 * draws + 2.0 * (0.05 * 0.95 * draws) ** 0.5


@pytest.mark.slow
def test_calibrated_is_said_where_rows_are_many(request):
    """Of a calibrated model with 20,000 rows mostly; with 100 never; seldom is one refuted."""
    draws = draws_of(request) // 5
    words = {20_000: [], 100: []}
    for seed in range(draws):
        for n, said in words.items():
            probs, labels, _ = multi(np.random.default_rng(seed), n, 1.0)
            said.append(standing(tp.evaluate(probs, labels, n_resamples=100)).word)
    assert words[20_000].count("calibrated") >= 0.8 * draws
    assert "calibrated" not in words[100]
    for said in words.values():
        assert said.count("not calibrated") <= 0.05 * draws + 2.0 * (0.05 * draws) ** 0.5


def binary(rng, n, centre, spread):
    """Two classes whose log-odds are normal."""
    odds = rng.normal(centre, spread, n)
    labels = (rng.random(n) < 1.0 / (1.0 + np.exp(-odds))).astype(int)
    return np.stack([np.zeros(n), odds], axis=1), labels, {}


def tied(rng, n):
    """Probabilities of one decimal."""
    p = rng.integers(1, 10, n) / 10
    odds = np.log(p / (1.0 - p))
    return np.stack([np.zeros(n), odds], axis=1), (rng.random(n) < p).astype(int), {}


def alike(rng, n):
    """Rows in clusters of ten: one probability, and outcomes that go together."""
    p = np.repeat(rng.uniform(0.05, 0.95, n // 10), 10)
    shared = np.repeat(rng.normal(size=n // 10), 10) + rng.normal(size=n)
    odds = np.log(p / (1.0 - p))
    labels = (shared < 2.0**0.5 * norm.ppf(p)).astype(int)
    return np.stack([np.zeros(n), odds], axis=1), labels, {"clusters": np.arange(n) // 10}


def several(rng, n, k, **more):
    """Classes that logits foretell."""
    z = 2.0 * rng.normal(size=(n, k))
    return z, (z + rng.gumbel(size=z.shape)).argmax(axis=1), more


CALIBRATED = {  # the logits are the truth
    "four classes": lambda rng: several(rng, 2000, 4),
    "ten classes": lambda rng: several(rng, 2000, 10),
    "two classes": lambda rng: binary(rng, 2000, 0.0, 1.5),
    "rare": lambda rng: binary(rng, 3000, -4.5, 1.0),
    "near-certain": lambda rng: binary(rng, 3000, 6.0, 1.5),
    "ties": lambda rng: tied(rng, 2000),
    "clusters": lambda rng: alike(rng, 2000),
    "groups": lambda rng: several(rng, 2000, 4, groups=rng.choice(list("abcdefgh"), 2000)),
    "weights": lambda rng: several(rng, 2000, 4, weights=rng.exponential(size=2000)),
    "ten rows": lambda rng: several(rng, 10, 4),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CALIBRATED)
def test_not_calibrated_is_rarely_said_of_what_is(name, request):
    """Of one calibrated model in twenty at most; sharpened by 1.5 it is not called calibrated."""
    draws = draws_of(request)
    words = {1.0: [], 1.5: []}
    for seed in range(draws):
        z, labels, more = CALIBRATED[name](np.random.default_rng([seed, 7]))
        for sharp, said in words.items():
            e = tp.evaluate(reference.softmax(sharp * z), labels, n_resamples=100, **more)
            said.append(standing(e).word)
    most = 0.05 * draws + 2.0 * (0.05 * 0.95 * draws) ** 0.5
    assert words[1.0].count("not calibrated") <= most
    assert words[1.5].count("calibrated") <= most


def test_the_three_verdicts():
    """A refuted model, one too few rows say nothing of, one whose error is known to be small."""
    rng = np.random.default_rng(0)
    over = tp.evaluate(*multi(rng, 4000, 2.0)[:2], n_resamples=100)
    few = tp.evaluate(*multi(rng, 60, 1.0)[:2], n_resamples=100)
    many = tp.evaluate(*multi(rng, 20_000, 1.0)[:2], n_resamples=100)
    assert standing(over).word == "not calibrated"
    assert standing(over).why.startswith("over-confident: ECE")
    assert standing(few).word == "cannot tell"
    assert "with only 60 rows" in standing(few).why
    assert standing(many).word == "calibrated"
    assert many.ece.high <= tolerance(many) == 0.05
    assert "above 0.0500 is ruled out" in standing(many).why


def test_tolerance_of_a_model_that_is_seldom_wrong():
    """Half the share of wrong predictions, where that is less than 0.05."""
    e = tp.evaluate([0.9] * 100, [1] * 96 + [0] * 4, n_resamples=100)
    assert tolerance(e) == pytest.approx(0.02)


def test_a_group_that_is_off_is_not_calibrated():
    """One group too sure and one too timid, so that no test of all together need see it."""
    rng = np.random.default_rng(0)
    groups = np.repeat(["a", "b"], 3000)
    p = np.full(6000, 0.7)
    y = np.concatenate([rng.random(3000) < 0.62, rng.random(3000) < 0.78]).astype(int)
    e = tp.evaluate(p, y, groups=groups, n_resamples=100)
    assert standing(e).word == "not calibrated"
    page = render_report(ReportContent("t", e, None, None, "given", ()))
    words = words_of(page)
    assert "Worst group" in words
    assert '<section id="groups">\n<h2>Group by group</h2>' in page  # not folded


def test_a_group_that_is_barely_off_settles_nothing():
    """Between 2.5 and 5 % after Holm's correction: groups are a second look at the same rows."""
    groups = np.repeat(["a", "b"], 3000)
    words = {}
    for misses in range(56, 80, 3):
        hits = np.arange(3000) < 2100 - misses
        y = np.concatenate([hits, np.arange(3000) < 2100]).astype(int)
        e = tp.evaluate(np.full(6000, 0.7), y, groups=groups, n_resamples=100)
        p = min(each.score_test.adjusted_p_value for each in e.groups)
        words[p] = standing(e)
    between = [words[p] for p in words if 0.025 < p < 0.05]
    assert between
    assert {each.word for each in between} == {"cannot tell"}
    assert "in 1 of 2 groups" in between[0].why
    assert words[min(words)].word == "not calibrated"


@pytest.fixture
def files(tmp_path):
    """Rows of an over-confident model, in groups of which one is another."""
    rng = np.random.default_rng(1)
    for name in ("cal", "test"):
        probs, labels, _ = multi(rng, 1500, 2.0)
        names = np.array(["w", "x", "y", "z"])
        np.savez(tmp_path / f"{name}.npz", logits=np.log(probs), labels=names[labels],
                 classes=names)  # fmt: skip
    return tmp_path


def first_screen(page):
    """The header, and the command in it."""
    header = page[page.index("<header>") : page.index("</header>")]
    command = re.search(r"<code>(.*?)</code>", header)
    return words_of(header), "" if command is None else words_of(command[1])


def test_first_screen_of_a_fit(run, files):
    """Verdicts before and after, T with its interval, three numbers, a command that runs."""
    run("fit", "cal.npz", "--test", "test.npz", "--quick", "--report", "r.html")
    page = (files / "r.html").read_text(encoding="utf-8")
    words, command = first_screen(page)
    assert re.search(r"Before Not calibrated Over-confident: ECE 0\.\d+, at most 0\.\d+ by", words)
    assert re.search(r"After (Cannot tell with 1,500 rows|Calibrated) No test refutes it", words)
    scaling = tp.load(files / "calibrator.json")
    ends = "{:#.4g} to {:#.4g}".format(*scaling.record.interval())
    assert f"Temperature {scaling.temperature:#.4g} {ends} (95 %). Above 1: too sure." in words
    assert re.search(r"[\d.]+ % claimed, [\d.]+ % true chance: \d+\.\d to \d+\.\d % true", words)
    assert words.count("chance: up to") == 2
    program, *rest = shlex.split(command)
    assert program == "temperance"
    (files / "new-rows.npz").write_bytes((files / "test.npz").read_bytes())
    run(*rest)
    assert (files / "calibrated.npz").exists()


def test_too_few_rows_are_no_reason_to_use_a_map(run, files):
    """Where nobody can tell whether a map is better, the page does not say to use it."""
    rng = np.random.default_rng(2)
    z = 6.0 * rng.normal(size=(12, 4))
    np.savez(files / "twelve.npz", logits=z, labels=np.arange(12) % 4)
    run("fit", "twelve.npz", "--quick", "--report", "t.html")
    words, _ = first_screen((files / "t.html").read_text(encoding="utf-8"))
    assert "Before Not calibrated" in words
    assert "After Cannot tell with 12 rows" in words
    assert "these rows cannot tell whether that is better" in words
    assert "Label more rows" in words
    assert "Use the map" not in words


def test_next_step_of_an_evaluation(run, files):
    """Not calibrated: fit; the command on the page does it and says so in a report."""
    run("evaluate", "cal.npz", "--quick", "--report", "e.html")
    words, command = first_screen((files / "e.html").read_text(encoding="utf-8"))
    assert "Learn a map from labelled rows like these" in words
    assert command == "temperance fit cal.npz --report fit.html"
    few = {key: each[:40] for key, each in np.load(files / "cal.npz").items() if key != "classes"}
    np.savez(files / "few.npz", **few, classes=np.array(["w", "x", "y", "z"]))
    run("evaluate", "few.npz", "--quick", "--report", "e.html")
    page = (files / "e.html").read_text(encoding="utf-8")
    assert "Label more rows" in page or "Not calibrated" in page


def test_contents_lead_to_sections():
    """Every link leads to one section, in order; deeper measures are folded, figures are not."""
    rng = np.random.default_rng(0)
    e = tp.evaluate(*multi(rng, 900, 1.5)[:2], n_resamples=100)
    page = render_report(ReportContent("t", e, None, None, "given", (("File", "a"),)))
    links = re.findall(r'<a href="#([\w-]+)">', page)
    assert links == re.findall(r'<section id="([\w-]+)">', page)
    assert len(links) >= 6
    folded = re.findall(r'<summary><h2>.*?</h2></summary>\n<section id="([\w-]+)">', page)
    assert {"errors", "tests", "data"} <= set(folded)
    assert "curves" not in folded
    assert "--" not in re.sub(r"<style>.*?</style>|style=\"[^\"]*\"", "", page, flags=re.DOTALL)


def test_each_test_is_asked_once():
    """Before and after stand beside each other, also where a phone shows rows as cards."""
    rng = np.random.default_rng(0)
    probs, labels, _ = multi(rng, 900, 2.0)
    softer = reference.softmax(np.log(probs) / 2.0)
    comparison = tp.compare({"before": probs, "after": softer}, labels, n_resamples=100)
    page = render_report(
        ReportContent(
            "t",
            comparison.evaluations["before"],
            comparison,
            tp.TemperatureScaling(2.0),
            "test",
            (),
        )
    )
    assert page.count("Too sharp or too flat?") == 1
    assert 'data-label="Before" class="words">Yes: the model is over-confident.' in page
    compared = render_comparison(comparison, title="t")
    assert "before Not calibrated" in words_of(compared[: compared.index("</header>")])


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to print in")
def test_nothing_is_lost_on_paper(tmp_path):
    """Folded on the screen, every section is there on paper, and tables keep their heads."""
    driver = pytest.importorskip("playwright.sync_api")
    rng = np.random.default_rng(0)
    e = tp.evaluate(*multi(rng, 900, 1.5)[:2], n_resamples=100)
    page = render_report(ReportContent("t", e, None, None, "given", (("File", "a"),)))
    assert Page(page).tags.count("details") >= 4
    (tmp_path / "p.html").write_text(page, encoding="utf-8")
    seen = """() => [...document.querySelectorAll("section")].map(
      s => s.checkVisibility({contentVisibilityAuto: true}) && s.getClientRects().length > 0
        && [...s.children].every(c => c.getBoundingClientRect().height > 0))"""
    heads = """() => [...document.querySelectorAll("main thead")].map(
      h => getComputedStyle(h).position)"""
    with driver.sync_playwright() as drivers:
        browser = drivers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            tab = browser.new_page(viewport={"width": 700, "height": 900})
            tab.goto((tmp_path / "p.html").as_uri())
            assert not all(tab.evaluate(seen))
            tab.emulate_media(media="print")
            assert all(tab.evaluate(seen))
            assert set(tab.evaluate(heads)) == {"static"}
        finally:
            browser.close()
