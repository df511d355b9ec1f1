"""The page of a shift: its numbers are those of the value, with labels and without."""

import functools
import html
import json
import re

import numpy as np
import pytest

from pages import CHROMIUM, Page, check_pages, check_stands_alone, words_of
from temperance import Positions
from temperance.planning import plan
from temperance.report import render_shift
from temperance.report.shift import about_move, about_rows, gains
from temperance.shift import diagnose

EVIL = "<script>alert(1)</script>"
NAMES = ("cat", EVIL, "\u72ac " + "long " * 30, "fish")


def rows(n, seed, sharper=1.0, spread=3.0, k=4):
    """Logits with labels drawn at T = 2, and others made of them."""
    rng = np.random.default_rng(seed)
    z = spread * rng.normal(size=(n, k))
    return sharper * z, (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)


@functools.cache
def found(name):
    """What is known of a temperature on new rows of a known kind."""
    z, y = rows(700, 0)
    if name == "many classes":
        return diagnose(*rows(400, 0, k=24), *rows(400, 1, k=24), n_resamples=100)
    if name == "two classes":
        z, y = rows(800, 0, k=2)
        new, labels = rows(800, 1, k=2)
        classes = ["benign", "malignant"]
        return diagnose(z, Positions(y), new, Positions(labels), classes=classes, n_resamples=100)
    if name == "ruled out":  # classes that the new rows hold, but are estimated at 0
        return diagnose(*rows(300, 0, k=6), *rows(300, 7, spread=0.5, k=6), n_resamples=100)
    new, labels = {
        "holds": rows(700, 1),
        "sharper": rows(700, 1, sharper=2.0),
        "unlabelled": (rows(700, 1, sharper=2.0)[0], None),
        "few": rows(40, 2),
        "very few": (rows(5, 2)[0], None),
        "all right": (rows(30, 3)[0], rows(30, 3)[0].argmax(axis=1)),
        "moved": rows(3000, 1),
    }[name]
    if name == "moved":
        keep = (labels == 0) | (np.arange(3000) % 5 == 0)
        new, labels = new[keep], labels[keep]
    positions = None if labels is None else Positions(labels)
    return diagnose(z, Positions(y), new, positions, classes=NAMES, n_resamples=100)


@functools.cache
def page_of(name):
    """The page of it, with names that it must not run."""
    return render_shift(found(name), title=EVIL, facts=((EVIL, EVIL),))


LABELLED = ["holds", "sharper", "moved", "few", "all right", "many classes", "two classes",
            "ruled out"]  # fmt: skip


@pytest.mark.parametrize("name", [*LABELLED, "unlabelled", "very few"])
def test_page_stands_alone(name):
    """Nothing to fetch or run, well-formed, names inert, pictures with words; the same twice."""
    text = page_of(name)
    check_stands_alone(text)
    assert text == render_shift(found(name), title=EVIL, facts=((EVIL, EVIL),))
    for title, description in re.findall(r'aria-labelledby="(\S+) (\S+)"', text):
        assert re.search(rf'<title id="{title}">(Temperatures|CORP|Class frequencies)', text)
        assert re.search(rf'<desc id="{description}">[^<]{{30,}}', text)


@pytest.mark.parametrize("name", [*LABELLED, "unlabelled", "very few"])
def test_the_verdict_is_the_finding(name):
    """The finding and the lines below it are the terminal's sentences, none lost or cut."""
    page = page_of(name)
    first = html.unescape(re.search(r'<p class="finding">(.*?)</p>', page).group(1))
    rest = html.unescape(
        re.search(r'<p class="split">(.*?)</p>', page + '<p class="split"></p>')[1]
    )
    assert words_of(f"{first} {rest}") == found(name).in_words()
    assert first.endswith(".")
    assert len(first) < 180


def table_after(page, heading):
    """Rows of the first table after some words, as text."""
    table = re.search(r"<tbody>(.*?)</tbody>", page[page.rindex(heading) :], re.DOTALL).group(1)
    lines = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL) for line in lines]
    return [[words_of(cell) for cell in line] for line in cells]


def test_temperatures():
    """Each temperature with its interval and rows, and how far they are apart."""
    value = found("sharper")
    lines = table_after(page_of("sharper"), "The temperature, then and now")
    scalings = (value.reference, value.refitted, value.weighted)
    for line, scaling in zip(lines, scalings, strict=True):
        low, high = scaling.record.interval()
        assert line[1:3] == [f"{scaling.temperature:.4f}", f"{low:#.4g} to {high:#.4g}"]
    worth = f"worth {value.covariates.effective_rows:,.0f} of 700"
    assert [line[3] for line in lines] == ["700", "700", worth]
    assert f"{value.moved:.1f} standard errors above" in about_move(value)
    assert "(p < 0.001): more than chance explains" in about_move(value)
    assert "within what chance explains" in about_move(found("holds"))


@pytest.mark.parametrize("name", ["sharper", "moved", "two classes", "ruled out"])
def test_measures_of_the_new_rows(name):
    """Of each way value, interval, paired difference and verdict are those of the comparison."""
    comparison = found(name).comparison
    page = page_of(name)
    for way in ("reference temperature", "as it is", "frequencies corrected"):
        assert f"diagram: {way}</title>" in page
        assert f">{way}</text>" in page
    assert page.count("<svg") == 7  # five ways, temperatures, frequencies
    for heading, measure in (
        ("Log loss.", "log_loss"),
        ("Brier score.", "brier"),
        ("Calibration error (ECE).", "ece"),
        ("Accuracy.", "accuracy"),
    ):
        lines = table_after(page, f"<strong>{heading}")
        assert [line[0] for line in lines] == [*comparison.evaluations]
        assert [line[0] for line in lines[:3]] == [
            "reference temperature", "as it is", "re-fitted on new rows"
        ]  # fmt: skip
        for name_of_way, value, difference, verdict in lines:
            own = getattr(comparison.evaluations[name_of_way], measure)
            if not np.isfinite(own.value):
                assert (value, verdict) == ("infinite", "worse")
                continue
            assert value.startswith(f"{own.value:.4f} {own.low:.4f} to {own.high:.4f}")
            if measure == "ece":
                chance = comparison.evaluations[name_of_way].ece_null.high
                assert value.endswith(f"chance: up to {chance:.4f}")
            if name_of_way == "reference temperature" or verdict == "the same":
                assert difference == ""
                continue
            paired = comparison.differences[name_of_way]
            gap = paired.measures[measure]
            assert difference == f"{gap.value:+z.4f} {gap.low:+z.4f} to {gap.high:+z.4f}"
            assert verdict == paired.verdict(measure)


def test_gains():
    """What a re-fit gains is the paired difference with its sign turned; a loss is called one."""
    value = found("sharper")
    gap = value.comparison.differences["re-fitted on new rows"].log_loss
    as_it_is, again, biases, corrected, regret = gains(value)
    assert again == (
        f"Re-fitting the temperature on new rows gains {-gap.value:.4f} nats of log loss per row "
        f"({-gap.high:.4f} to {-gap.low:.4f})."
    )
    assert again in words_of(page_of("sharper"))
    assert " loses 0." in as_it_is
    assert biases.startswith("A map with biases of the classes, fitted on the reference as well, ")
    own = value.correction
    verb = "loses" if own.low > 0 else "changes"
    assert corrected.startswith(
        f"Correcting for the class frequencies, compared with that map alone, {verb}"
    )
    assert f"{own.value:.4f}" in corrected
    moved = found("moved")
    assert f"{-moved.correction.value:.4f} nats" in gains(moved)[3]
    assert f"{-moved.correction.value:.4f} nats" in moved.in_words()
    assert f"{value.refitted.record.expected_regret:.2g} nats" in regret
    assert "rules out classes that are there" in " ".join(gains(found("ruled out")))
    assert gains(found("all right"))[0].startswith("There is no re-fit")
    assert gains(found("unlabelled")) == []


@pytest.mark.parametrize("name", ["moved", "unlabelled", "holds"])
def test_class_frequencies(name):
    """Then, now with interval, and counted in the labels where there are any."""
    value, page = found(name), page_of(name)
    lines = table_after(page, "Have the classes become more or less frequent?")
    assert [line[0] for line in lines] == [" ".join(each.split()) for each in NAMES]
    for c, line in enumerate(lines):
        low, high = value.frequencies.interval()[c]
        was, now = value.frequencies.source_priors[c], value.frequencies.priors[c]
        assert line[1] == f"{was:.4f}"
        assert line[2] == f"{now:.4f} {low:.4f} to {high:.4f}"
        word = "more often" if now > was else "less often"
        assert line[-1] == ("" if low <= was <= high else word)
    assert [line[-1] for line in lines] == {
        "moved": ["more often", "less often", "less often", "less often"]
    }.get(name, [""] * 4)
    assert len(lines[0]) == (4 if name == "unlabelled" else 5)
    if name == "moved":
        _, y = rows(3000, 1)
        kept = y[(y == 0) | (np.arange(3000) % 5 == 0)]
        shares = np.bincount(kept, minlength=4) / len(kept)
        assert [line[3].split()[0] for line in lines] == [f"{each:.4f}" for each in shares]
    p = value.frequencies.p_value
    assert ("p < 0.001" if p < 0.001 else f"p = {p:.3f}") in words_of(page)
    assert "Class frequencies</title>" in page


def test_many_classes():
    """Of more than twenty classes those that moved most, without a picture."""
    page = page_of("many classes")
    lines = table_after(page, "Have the classes become more or less frequent?")
    frequencies = found("many classes").frequencies
    moved = np.abs(frequencies.priors - frequencies.source_priors)
    assert [int(line[0]) for line in lines] == np.argsort(-moved, kind="stable")[:20].tolist()
    assert "The 20 of 24 classes that moved most" in words_of(page)
    assert "Class frequencies</title>" not in page


def test_looks():
    """Whether rows can be told apart, with the AUC, and what the reference is worth."""
    value = found("sharper").covariates
    apart, worth, cut = about_rows(found("sharper"))
    assert apart.startswith("New rows can be told from reference rows by their probabilities")
    ends = f"{value.auc.value:.3f} ({value.auc.low:.3f} to {value.auc.high:.3f})"
    assert ends in apart
    assert f"700 reference rows are worth {value.effective_rows:,.0f}" in worth
    assert value.clipped == 1
    assert cut.startswith("1 weight of a reference row was cut")
    assert "cannot be told" in about_rows(found("holds"))[0]
    assert "fewer than ten" in about_rows(found("very few"))[0]
    assert apart in words_of(page_of("sharper"))


def test_without_labels():
    """It says what cannot be said, shows no measure, and how many labels would settle it."""
    z, _ = rows(700, 1, sharper=2.0)
    planned = plan(z / found("unlabelled").reference.temperature)
    page = render_shift(found("unlabelled"), title="t", plan=planned)
    words = words_of(page)
    assert "Cannot be said: how often the model is right" in words
    for absent in ("Log loss", "re-fit gain", "Accuracy", "counted", "Resamples"):
        assert absent not in words
    assert f"{planned.labels_for_precision:,} to know T within 5 %" in words
    assert page.count("<svg") == 2
    assert "need:" not in words_of(page_of("unlabelled"))
    assert "Cannot be said" not in words_of(page_of("holds"))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the report in")
def test_pages_in_a_browser(tmp_path):
    """At phone and desk width, light and dark, nothing scrolls sideways, is cut or faint."""
    pictures = {"moved": 7, "unlabelled": 2, "all right": 6}
    facts = (("File", "x" * 300),)
    pages = {
        name: (render_shift(found(name), title="t" * 100, facts=facts), n)
        for name, n in pictures.items()
    }
    check_pages(tmp_path, pages)


def test_command_line(run, tmp_path):
    """The page has files, digests, rows and version; --json names it; other endings are refused."""
    for name, (z, y) in {"old": rows(400, 0), "new": rows(400, 1)}.items():
        np.savez(
            tmp_path / f"{name}.npz", logits=z, labels=np.array(NAMES)[y], classes=np.array(NAMES)
        )
    np.savez(tmp_path / "plain.npz", logits=rows(400, 1)[0], classes=np.array(NAMES))
    done = run("shift", "old.npz", "new.npz", "--quick", "--report", "s.html")
    assert done.stdout.endswith("report: s.html\n")
    page = (tmp_path / "s.html").read_text(encoding="utf-8")
    check_stands_alone(page)
    content = json.loads(
        run("shift", "old.npz", "new.npz", "--quick", "--json", "--report", "j.html").stdout
    )
    assert content["report"] == "j.html"
    assert (tmp_path / "j.html").read_text(encoding="utf-8") == page
    words = words_of(page)
    for fact in (content["reference_sha256"], content["new_sha256"], "temperance 0.",
                 "old.npz: 400 rows, 4 classes", "new.npz: 400 rows, 4 classes, logits, labelled",
                 "Resamples 200"):  # fmt: skip
        assert fact in words
    assert content["in_words"].split(".")[0] in words
    run("shift", "old.npz", "plain.npz", "--quick", "--report", "p.html")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "label some of the new rows" in page
    assert Page(page).tags.count("li") >= 7
    alone = run("shift", "old.npz", "plain.npz", "--quick", "--json").stdout
    assert json.loads(alone)["report"] is None
    refused = run("shift", "old.npz", "new.npz", "--report", "s.pdf", code=2)
    assert "s.pdf" in refused.stderr


def test_two_classes_have_their_names():
    """The event is called what it is: in the numbers that matter, and in every picture."""
    page = page_of("two classes")
    assert "Mean probability of class malignant" in words_of(page)
    assert page.count("How often class malignant happens") == page.count(
        ">Probability of class mal"
    )
    assert page.count("How often class malignant happens") >= 4
    assert "class 1" not in page


def test_a_state_and_its_reason_say_two_things():
    """That there is no best temperature stands in the state; below it, why."""
    states = page_of("all right").split("<h2")[0]
    assert states.count("The new rows have no best temperature") == 1
    assert "Every label has its row&#39;s largest logit" in states
