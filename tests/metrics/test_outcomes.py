"""What rows are called: classes by their names, answers, and entries of a label matrix."""

import html
import json
import re

import numpy as np
import pytest

import temperance as tp
from reference import sigmoid
from temperance.checks.answer_scores import ANSWER_CLASSES
from temperance.metrics.outcomes import Outcomes
from temperance.plots import CorpDisplay

pytestmark = pytest.mark.usefixtures("quick_plans")  # pages show how many labels would tell


@pytest.fixture
def matrix():
    """A label matrix of 300 rows and 4 labels, two of them rare, with a sharp model."""
    rng = np.random.default_rng(0)
    truth = np.array([-4.0, -2.5, -1.0, 0.5]) + 1.5 * rng.normal(size=(300, 4))
    return 2 * truth + 1, (rng.random(truth.shape) < sigmoid(truth)) * 1


@pytest.fixture
def files(tmp_path, matrix):
    """The matrix, 400 answers with their scores, and 400 rows of cat and dog, as files."""
    rng = np.random.default_rng(1)
    z, y = matrix
    np.savez(tmp_path / "matrix.npz", logits=z, labels=y, classes=np.array(list("abcd")))
    truth = rng.normal(-3.5, 1.5, 400)
    hit = (rng.random(400) < sigmoid(truth)) * 1
    scores = [f"{p:.4f},{right}" for p, right in zip(sigmoid(2 * truth + 2), hit, strict=True)]
    (tmp_path / "answers.csv").write_text("\n".join(["score,correct", *scores]))
    names = np.where(np.arange(400) < 5, "dog", "cat")
    pets = [
        f"{a:.3f},{b:.3f},{c}" for (a, b), c in zip(rng.normal(size=(400, 2)), names, strict=True)
    ]
    (tmp_path / "pets.csv").write_text("\n".join(["logit_cat,logit_dog,label", *pets]))
    return tmp_path


def shown(run, folder, *arguments):
    """What a command prints, and its report, as text without tags and with single spaces."""
    done = run(*arguments, "--quick", "--report", "page.html", columns=400)
    page = (folder / "page.html").read_text(encoding="utf-8")
    page = re.sub(r"<(style|svg).*?</\1>", "", page, flags=re.DOTALL)
    page = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
    return done.stdout + done.stderr, page


def slow_base_rates(y, weights=None):
    """Log loss and Brier score of each label's own frequency, entry by entry."""
    n, count = y.shape
    w = np.ones(n) if weights is None else np.asarray(weights, float)
    loss = brier = total = 0.0
    for label in range(count):
        rate = sum(w[i] for i in range(n) if y[i, label] == 1) / w.sum()
        for i in range(n):
            p = rate if y[i, label] == 1 else 1 - rate
            loss -= w[i] * np.log(p)
            brier += w[i] * 2 * (1 - p) ** 2
            total += w[i]
    return loss / total, brier / total


@pytest.mark.parametrize("weighted", [False, True])
def test_base_rates_are_each_labels_own(matrix, weighted):
    """Cost and skill against each label's own base rate, as a loop over all entries finds them."""
    z, y = matrix
    weights = np.random.default_rng(2).uniform(0.5, 2, len(z)) if weighted else None
    rows = tp.multilabel_rows(sigmoid(z), y)
    of_entry = None if weights is None else np.repeat(weights, y.shape[1])
    found = tp.evaluate(**rows, weights=of_entry, n_resamples=100)
    loss, brier = slow_base_rates(y, weights)
    base = found.base_rates
    assert (base.log_loss, base.brier) == pytest.approx((loss, brier), rel=1e-12)
    assert base.log_loss_skill.value == pytest.approx(1 - found.log_loss.value / loss, rel=1e-9)
    assert base.brier_skill.value == pytest.approx(1 - found.brier.value / brier, rel=1e-9)
    pooled = y.mean()
    assert base.log_loss < -(pooled * np.log(pooled) + (1 - pooled) * np.log(1 - pooled)) - 0.05
    # left out here and there: the rates are those of the entries that are there
    y[np.random.default_rng(3).random(y.shape) < 0.3] = -1
    some = tp.evaluate(**tp.multilabel_rows(sigmoid(z), y, ignore_label=-1), n_resamples=100)
    rates = [np.log(sigmoid(np.log((c == 1).sum() / (c == 0).sum()))) for c in y.T]
    others = [np.log1p(-np.exp(rate)) for rate in rates]
    own = sum(
        (c == 1).sum() * a + (c == 0).sum() * b for c, a, b in zip(y.T, rates, others, strict=True)
    )
    assert some.base_rates.log_loss == pytest.approx(-own / (y >= 0).sum(), rel=1e-12)


def test_skill_is_the_same_everywhere(run, files, matrix):
    """Shell, JSON and page show the numbers of `evaluate(**multilabel_rows(...))`."""
    z, y = matrix
    loss, _ = slow_base_rates(y)
    rows = tp.multilabel_rows(sigmoid(z), y, classes=list("abcd"))
    skill = tp.evaluate(**rows, n_resamples=200).base_rates.log_loss_skill
    text, page = shown(run, files, "evaluate", "matrix.npz", "--kind", "multilabel")
    said = f"knowing only how often each label applies would cost {loss:.3f}"
    for each in (text, page):
        assert said in each
        assert f"{skill.value:.4f}" in each
    as_json = run("evaluate", "matrix.npz", "--kind", "multilabel", "--quick", "--json").stdout
    found = json.loads(as_json)["base_rates"]
    assert found["log_loss"] == pytest.approx(loss)
    assert found["log_loss_skill"]["value"] == pytest.approx(skill.value)


def test_a_useful_model_of_pooled_labels_may_be_worse_than_none():
    """A model that only knows the overall rate is no better than each label's own base rate."""
    rng = np.random.default_rng(4)
    rate = np.array([0.02, 0.5])
    y = (rng.random((2000, 2)) < rate) * 1
    found = tp.evaluate(**tp.multilabel_rows(np.full(y.shape, y.mean()), y), n_resamples=100)
    assert found.base_rates.verdict == "worse"
    assert "the base rate of each label alone" in found.in_words()


def test_a_label_matrix_is_rows_times_labels(run, files):
    """Entries are never called rows: shell, page, JSON prose and notebook."""
    size = "300 rows x 4 labels (1,200 entries)"
    for command in ("evaluate", "fit"):
        text, page = shown(run, files, command, "matrix.npz", "--kind", "multilabel")
        for each in (text, page):
            assert size in each, command
            assert "1,200 rows" not in each
            assert "class 1" not in each.lower()
    z, y = np.load(files / "matrix.npz")["logits"], np.load(files / "matrix.npz")["labels"]
    found = tp.evaluate(**tp.multilabel_rows(sigmoid(z), y), n_resamples=100)
    for text in (str(found), found._repr_html_(), found.in_words()):
        assert "1,200 rows" not in text
    assert size in str(found)
    assert found.to_dict()["outcomes"] == {
        "kind": "labels", "names": ["does not apply", "applies"], "n_rows": 300, "n_labels": 4,
    }  # fmt: skip
    fitted = tp.MultilabelScaling.fit(z, y)
    assert "1,200 entries" in str(fitted)
    text, _ = shown(run, files, "fit", "matrix.npz", "--kind", "multilabel", "--method", "auto")
    assert "1,200 entries, cross-fitted" in text
    assert "nats per entry" in text


def test_answers_are_right_or_wrong(run, files):
    """Of answers no sentence speaks of a class: right answers happen, or not."""
    for command in ("evaluate", "fit"):
        options = ("--kind", "answers", "--score-scale", "probability")
        text, page = shown(run, files, command, "answers.csv", *options)
        for each in (text, page):
            assert "400 answers" in each
            assert not re.search(r"\bclass(es)?\b|400 rows", each, re.IGNORECASE), command
        assert "how often answers are right would cost" in text
        assert "right answers" in page


def test_classes_are_called_by_their_names(run, files):
    """Where columns have names, no sentence says "class 1": shell, page, JSON and notebook."""
    text, page = shown(run, files, "evaluate", "pets.csv")
    for each in (text, page):
        assert "5 rows of class dog in 400 rows" in each
        assert "class 1" not in each.lower()
    assert "of class dog" in text
    assert "class dog happened in 5 of 400 rows" in text
    told = json.loads(run("evaluate", "pets.csv", "--quick", "--json").stdout)
    assert "5 rows of class dog in 400 rows" in told["headline"]
    assert told["outcomes"]["names"] == ["cat", "dog"]
    probs, labels = np.full((400, 2), 0.5), ["dog"] * 5 + ["cat"] * 395
    found = tp.evaluate(probs, labels, classes=["cat", "dog"], n_resamples=100)
    assert "5 rows of class dog" in found.in_words()
    assert "class dog" in found._repr_html_()
    assert "class 1" not in found._repr_html_() + str(found)
    blocks = tp.evaluate_blocks([(probs, labels)], classes=["cat", "dog"], n_resamples=100)
    assert "5 rows of class dog" in blocks.in_words()
    display = CorpDisplay.from_evaluation(found)
    assert display.ax_.get_xlabel().startswith("Probability of class dog")
    drawn = CorpDisplay.from_predictions(probs, labels, classes=["cat", "dog"], n_resamples=100)
    assert drawn.ax_.get_xlabel() == display.ax_.get_xlabel()
    without = tp.evaluate(probs, [1] * 5 + [0] * 395, n_resamples=100)
    assert "5 rows of class 1" in without.in_words()


def test_a_name_for_every_sentence():
    """One function gives the name; without names it is the number."""
    assert Outcomes().class_name(1) == "class 1"
    assert Outcomes(("a", "b")).class_name(1) == "class b"
    answers = Outcomes(ANSWER_CLASSES)
    assert (answers.class_name(1), answers.of_class(1)) == ("a right answer", "right answers")
    assert answers.only(1, 1, 400) == "1 right answer among 400"
    assert answers.happened(1, 3, 400) == "3 of 400 answers are right"
    entries = Outcomes(("does not apply", "applies"), n_rows=1, n_labels=3)
    assert entries.size(3, 2) == "1 row x 3 labels (3 entries)"
    assert entries.only(1, 1, 3) == "1 positive entry among 3"


def test_reasons_and_notes_speak_of_answers(run, files):
    """Three right answers: no sentence about rows, columns, options or classes."""
    (files / "few.csv").write_text("score,correct\n0.9,1\n0.8,1\n0.7,1\n")
    options = ("--kind", "answers", "--score-scale", "probability")
    for each in shown(run, files, "evaluate", "few.csv", *options):
        assert "the event always happened in 3 answers" in each
        assert not re.search(r"\brows\b|\bclass\b|column", each.split("Data and method")[0])
    found = tp.evaluate([[0.2, 0.8]] * 3, ["a"] * 3, classes=["a", "b"], n_resamples=100)
    assert "one label, a, fills all 3 rows" in " ".join(found.notes)
