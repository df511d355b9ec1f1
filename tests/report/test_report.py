"""The finding in words, the page around it, and the page in a real browser."""

import functools
import re

import numpy as np
import pytest

import reference
import temperance as tp
from pages import CHROMIUM, Page, check_pages, check_stands_alone
from temperance.report import ReportContent, headline, render_comparison, render_report


def labels_of(p, rng):
    return (p.cumsum(axis=1) < rng.random((len(p), 1))).sum(axis=1).clip(0, p.shape[1] - 1)


def case(name):
    """Logits and labels of a model that errs in a known way."""
    rng = np.random.default_rng(0)
    n, k = {"tiny": (12, 3), "wide": (3000, 1000)}.get(name, (4000, 4))
    z = rng.normal(size=(n, k)) * 2
    truth = {"over": 2.0, "tiny": 3.0, "wide": 2.0, "under": 0.4, "calibrated": 1.0}[name]
    return z, labels_of(reference.softmax(z / truth), rng)


@functools.cache
def fitted(name):
    """A calibrator of the first third of the rows, and what it does to the last two."""
    z, y = case(name)
    cut = len(y) // 3
    scaling = tp.TemperatureScaling.fit(z[:cut], y[:cut], prior=1.0)
    sides = {"before": reference.softmax(z[cut:]), "after": scaling.apply(z[cut:])}
    return scaling, tp.compare(sides, y[cut:], n_resamples=100)


def content_of(name, **changes):
    """A report on the last two thirds of the rows, fitted on the first."""
    scaling, comparison = fitted(name)
    given = {
        "title": f"Report on {name}",
        "evaluation": comparison.evaluations["before"],
        "comparison": comparison,
        "calibrator": scaling,
        "evaluated_on": "test",
        "facts": (("Rows", "a.npz"),),
    }
    return ReportContent(**{**given, **changes})


@functools.cache
def page_of(name):
    """The page of that report."""
    return render_report(content_of(name))


CASES = ["over", "under", "calibrated", "tiny", "wide"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("over", r"When this model says \d+ %, it is right \d+ % of the time; after calibration, "),
        ("under", r"When this model says"),
        ("calibrated", r"as good as these 2,667 rows can tell.*nothing that calibration"),
        ("tiny", r"With only 8 rows, "),
    ],
)
def test_finding(name, words):
    """One sentence that a stranger understands; an honest model is called honest."""
    content = content_of(name)
    assert re.search(words, headline(content.comparison, content.evaluation))


def test_finding_tells_the_truth():
    """The two numbers are a bin's mean confidence and its share of right predictions."""
    p = np.array([[0.9, 0.1]] * 1000)
    y = np.array([0] * 600 + [1] * 400)
    q = np.array([[0.6, 0.4]] * 1000)
    comparison = tp.compare({"before": p, "after": q}, y)
    before = comparison.evaluations["before"]
    said = "When this model says 90 %, it is right 60 % of the time"
    worse = "Its log loss of 0.984 is above 0.673, what the class frequencies alone would cost"
    assert headline(None, before) == f"{said}. {worse}: it is worse than no model."
    after = "on average and is right 60 %."  # no calibrated prediction says 90 % any more
    assert headline(comparison, before) == f"{said}; after calibration, it claims 60 % {after}"


def test_finding_when_calibration_harms():
    """A map that makes things worse is not sold as a cure."""
    p = np.array([[0.7, 0.3]] * 1000)
    y = np.array([0] * 600 + [1] * 400)
    worse = np.array([[0.99, 0.01]] * 1000)
    comparison = tp.compare({"before": p, "after": worse}, y)
    assert "do not use it" in headline(comparison, comparison.evaluations["before"])


@pytest.mark.parametrize("name", CASES)
def test_page_stands_alone(name):
    """Nothing to fetch, nothing that runs, well-formed, and the same every time."""
    text = page_of(name)
    check_stands_alone(text)
    assert text == render_report(content_of(name))


def test_every_picture_has_words():
    """Each svg names a title and a description that are there."""
    text = page_of("over")
    pictures = re.findall(r"<svg[^>]*aria-labelledby=\"([^\"]+)\"", text)
    assert len(pictures) == text.count("<svg") == 6
    for title, description in (names.split() for names in pictures):
        assert re.search(rf'<title id="{title}">(Reliability|CORP|Histogram)', text)
        assert re.search(rf'<desc id="{description}">[^<]{{30,}}', text)


def test_names_are_inert():
    """Markup in a file name, a fact or a warning is text."""
    evil = "<script>alert(1)</script>"
    text = render_report(content_of("over", title=evil, facts=((evil, evil),), warnings=(evil,)))
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 5


def test_page_without_a_calibrator():
    """One diagram, no differences, no temperature."""
    text = render_report(content_of("over", comparison=None, calibrator=None))
    assert text.count("<svg") == 3
    assert "Difference" not in text
    assert "Every logit is divided" not in text


def test_infinite_log_loss_is_explained():
    """A true class of probability 0 is called infinite, with the reason."""
    evaluation = tp.evaluate([[1.0, 0.0], [0.5, 0.5]], [1, 0])
    text = render_report(
        content_of("over", comparison=None, calibrator=None, evaluation=evaluation)
    )
    assert "infinite" in text
    assert "probability 0" in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the report in")
def test_pages_in_a_browser(tmp_path):
    """At phone and desk width nothing scrolls sideways and no label leaves its picture."""
    evil = "x" * 300
    pages = {
        name: (render_report(content_of(name, facts=(("File", evil),), warnings=(evil,))), 6)
        for name in ("over", "tiny", "wide")
    }
    z, y = case("over")  # and of a comparison, with a model's name that never ends
    sides = {"a": reference.softmax(z), "b" * 60: reference.softmax(z / 2)}
    comparison = tp.compare(sides, y, n_resamples=100)
    page = render_comparison(comparison, title="t" * 100, facts=(("File", evil),))
    many = {f"model number {i}": sides[name] for i, name in enumerate([*sides, *sides])}
    four = render_comparison(tp.compare(many, y, n_resamples=100), title="t", facts=())
    check_pages(tmp_path, {**pages, "comparison": (page, 3), "four": (four, 5)})


def test_split_of_the_log_loss_in_words():
    """The three numbers are those of the evaluation; nothing is promised that is not clear."""
    from temperance.report import split_sentence

    z, y = reference.reference_a()
    e = tp.evaluate(reference.softmax(z), y, n_resamples=100)
    split = e.refinement
    said = split_sentence(e)
    for number in (e.log_loss, split.calibration, split.refinement):
        assert f"{number.value:.3f}" in said
    assert split.calibration.value + split.refinement.value == pytest.approx(e.log_loss.value)
    honest = tp.evaluate(reference.softmax(z / 2), y, n_resamples=100)
    assert "nothing that a temperature would clearly remove" in split_sentence(honest)
    assert split_sentence(tp.evaluate([[1.0, 0.0]], [1], n_resamples=100)) == ""


def test_classes_and_groups_worst_first():
    """A class that is always claimed too often comes first, at most ten; groups carry p-values."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 20))
    y = labels_of(reference.softmax(z), rng)
    z[:, 7] += 2.0
    names = tuple(f"class-{j}-name" for j in range(20))
    groups = np.where(np.arange(3000) % 2 == 0, "even<rows>", "odd")
    e = tp.evaluate(
        reference.softmax(z), tp.Positions(y), groups=groups, n_resamples=100, classes=names
    )
    text = render_report(content_of("over", comparison=None, calibrator=None, evaluation=e))
    shown = re.findall(r'<th scope="row">(class-\d+-name)</th>', text)
    assert len(shown) == len(set(shown)) == 10
    assert shown[0] == "class-7-name"
    assert "even&lt;rows&gt;" in text
    assert "these rows show such classes" in text


def test_plan_in_the_report():
    """The numbers of labels are those of the plan."""
    z, _ = case("calibrated")
    plan = tp.plan(z)
    text = render_report(content_of("calibrated", plan=plan))
    assert f"<strong>{plan.labels_for_temperature:,}</strong>" in text
    assert f"<strong>{plan.labels_for_ece:,}</strong>" in text


def test_page_of_a_comparison():
    """One axes of all, a diagram each, the three numbers, and a table per model but the first."""
    z, y = case("over")
    sides = {
        "a<b": reference.softmax(z),
        "half": reference.softmax(z / 2),
        "c": np.full((4000, 4), 0.25),
    }
    text = render_comparison(tp.compare(sides, y, n_resamples=100), title="t", facts=(("k", "v"),))
    page = Page(text)
    assert text.count("<svg") == 4
    assert page.tags.count("table") == 3
    assert "script" not in page.tags
    assert "half is better than a&lt;b in log loss" in text
    assert "a&lt;b" in text
