"""The first screens of decisions, plans and shifts: a verdict, numbers and what to do next."""

import re
import shlex
from dataclasses import replace

import numpy as np
import pytest

import temperance as tp
from cascade_models import hopeless, two_models
from pages import check_stands_alone, words_of
from temperance.decisions import Abstention, Outcome, abstain, cascade, risk_coverage
from temperance.decisions.abstention import Promise
from temperance.planning import plan
from temperance.report import (
    Files,
    ThresholdContent,
    render_cascade,
    render_comparison,
    render_plan,
    render_shift,
    render_threshold,
)
from temperance.report.comparison import model_to_go_on_with
from temperance.shift import diagnose

pytest.importorskip("matplotlib")


def screen(page):
    """What a reader sees before the table of contents, and the command there."""
    check_stands_alone(page)
    header = page[page.index("<header>") : page.index("</header>")]
    assert header.index('class="states"') < header.index('class="finding"')
    command = re.search(r"<code>(.*?)</code>", header)
    return words_of(header).replace("\u00a0", " "), words_of(command[1]) if command else ""


def decided(test=None):
    """The page of a threshold that promises 10 % on 400 rows, with what test rows did."""
    sure = np.repeat([[0.9, 0.1], [0.6, 0.4]], [400, 200], axis=0)
    rule = abstain(sure, np.repeat([0, 1], [400, 200]), max_risk=0.1)
    return ThresholdContent(
        title="t", rule=rule, calibrator=tp.TemperatureScaling(2.0),
        curve=risk_coverage([[0.9, 0.1]] * 4, [0, 0, 0, 1]), test=test, use="u", facts=(),
        files=Files(("a.csv",), "policy.json", (("--label-column", "y"),),
                    (("--max-risk", "0.1"),)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("test", "word"),
    [
        (None, "Promised"),
        (Outcome(500, 500, 0), "Kept on the test rows"),
        (Outcome(500, 500, 50), "Cannot tell with 500 test rows"),
        (Outcome(500, 500, 120), "Broken on the test rows 120 of 500 answers are wrong, 24"),
    ],
)
def test_a_promise(test, word):
    """Made, kept, open or broken; a broken one is not to be used, and is set again."""
    made = decided(test)
    words, command = screen(render_threshold(made))
    assert f"At most 10 % of the answers wrong {word}" in words
    assert f"Answer from {made.rule.threshold:.4g} of confidence on" in words
    assert made.rule.threshold > 0.6
    assert "Wrong, if all were answered" in words
    assert "25.00 %" in words  # of the curve
    if test is not None and test.errors == 120:
        assert command == "temperance threshold new-rows.csv --label-column y --max-risk 0.1"
    else:
        assert command == (
            "temperance apply policy.json new-rows.csv --label-column y -o decided.csv"
        )


def test_a_broken_policy_is_set_again_and_not_measured_again():
    """What asks for the same promise stands in place of the file that broke it."""
    made = replace(
        decided(Outcome(500, 500, 120)),
        files=Files(("a.npz",), "promise.json", (), (("--policy", "promise.json"),)),
    )
    _, command = screen(render_threshold(made))
    assert command == "temperance threshold new-rows.npz --max-risk 0.1"


def test_groups_come_in_order_of_what_to_worry_about():
    """A broken promise, a group that is never answered, then by the share of the promise used."""
    seen = Outcome(100, 100, 1)
    promises = tuple(
        Promise(name, None if name == "never" else 0.5, None if name == "never" else 0.1, seen,
                "too few rows" if name == "never" else None)
        for name in ("good", "broken", "never", "near")
    )  # fmt: skip
    rule = Abstention(promises, 0.95, 0.1, None, 400, clustered=False)
    of_groups = {
        "good": Outcome(400, 400, 1), "broken": Outcome(400, 400, 90),
        "never": Outcome(400, 0, 0), "near": Outcome(400, 400, 38),
    }  # fmt: skip
    content = ThresholdContent(
        title="t", rule=rule, calibrator=tp.TemperatureScaling(2.0),
        curve=risk_coverage([[0.9, 0.1]] * 4, [0, 0, 0, 1]), test=Outcome(1600, 1200, 129),
        test_groups=of_groups, use="u", facts=(),
    )  # fmt: skip
    page = render_threshold(content)
    words, _ = screen(page)
    assert "Broken on the test rows In 1 of 3 groups, worst broken: 90 of 400" in words
    assert "Worst group broken 22.50 % of its answers are wrong" in words
    assert "Groups that are answered 3 of 4 groups" in words
    table = page[page.index('<section id="groups">') :]
    names = re.findall(r'<th scope="row">(\w+)', table[: table.index("</table>")])
    assert names == ["broken", "never", "near", "good"]


@pytest.fixture(scope="module")
def cascades():
    """A cascade that pays, one that does not, one with a budget."""
    models, labels = two_models(n=1500)
    bad, bad_labels = hopeless(n=1500)
    return {
        "pays": cascade(models, labels, costs=0.2),
        "does not": cascade(bad, bad_labels, costs=0.01),
        "budget": cascade(models, labels, costs=1.0, budget=0.3),
        "accuracy": cascade(models, labels, costs=1.0, min_accuracy=0.7),
    }


@pytest.mark.parametrize("kind", ["pays", "does not", "budget", "accuracy"])
def test_a_cascade(kind, cascades):
    """Whether it pays is what the paired interval says; each way is beside it with its cost."""
    found = cascades[kind]
    files = Files(("cheap.npz", "expert.npz"), settings=(("--cost", "0.2"),))
    words, command = screen(render_cascade(found, title="t", files=files))
    own = found.ways["calibrated thresholds"]
    assert f"{own.error.value:.4f} {own.error.low:.4f} to {own.error.high:.4f}" in words
    assert f"Rows that go on {100 * (1 - own.answered[0]):.1f} %" in words
    again = "temperance cascade cheap.npz expert.npz --cost 0.2 -o cascade.json"
    if kind in {"budget", "accuracy"}:
        share = own.spent if kind == "budget" else own.error
        ends = [found.goal.value] if kind == "budget" else [1.0 - found.goal.value]
        kept, missed = share.high <= ends[0], share.low > ends[0]
        word = "Kept" if kept else "Missed" if missed else "Cannot tell"
        assert f"of {found.goal.value:g} {word}" in words
        assert command == again
        return
    best = min(
        (way.cost.value, name) for name, way in found.ways.items() if name.endswith(" alone")
    )[1]
    less = found.differences[best]["cost"]  # of the cascade, less that model
    if less.low > 0.0:
        word = f"Do not use it: costs {less.value:.4f} more per row"
        assert f"Use {best.removesuffix(' alone')} for every row." in words
        assert command == ""
    else:
        word = f"Saves {-less.value:.4f} per row" if less.high < 0.0 else "Cannot tell"
        assert command == again
    assert f"Against {best} {word}" in words
    written = Files(("cheap.npz", "expert.npz"), "cascade.json")
    if less.low <= 0.0:
        _, command = screen(render_cascade(found, title="t", files=written))
        assert command == "temperance apply cascade.json new-rows.npz -o decided.npz"


@pytest.fixture(scope="module")
def planned():
    rng = np.random.default_rng(0)
    return plan(2.0 * rng.normal(size=(400, 3)), ece=0.05)


@pytest.mark.parametrize("labelled", [0, 100, 10**6])
def test_a_plan(planned, labelled):
    """The numbers of the value, those that are missing, and rows to label or to measure."""
    files = Files(("a.npz",), "c.json")
    page = render_plan(planned, title="<b>t", facts=(("A", "b"),), files=files, labelled=labelled)
    words, command = screen(page)
    for count in (
        planned.labels_for_ece, planned.labels_for_temperature, planned.labels_for_precision
    ):  # fmt: skip
        assert words.count(f"{count:,} labels") >= 1
        assert f"<strong>{count:,}</strong>" in page
    needed = planned.labels_for_ece
    assert f"To see a calibration error of {planned.ece:g} " in words
    if labelled > needed:
        assert "There are labels enough There are 1,000,000 labels now" in words
        assert command == ("temperance evaluate a.npz --calibrator c.json --report evaluate.html")
    else:
        more = "more " if labelled else ""
        assert f"Label {needed - labelled:,} {more}rows" in words
        assert command == (
            "temperance evaluate new-rows.npz --calibrator c.json --report evaluate.html"
        )
    assert f"<dd>{planned.n:,}, 3 classes</dd>" in page


def test_a_plan_that_no_number_of_labels_fulfils(planned):
    """The page says so, with the reason, and names no command."""
    none = replace(planned, labels_for_ece=None, reasons={"ece": "too many classes for it."})
    page = render_plan(none, title="t", files=Files(("a.npz",)))
    words, command = screen(page)
    assert "No number of labels is enough There are no labels yet" in words
    assert "To see an error no number" in words
    assert "too many classes for it." in words_of(page)
    assert command == ""


def rows(n, seed, sharper=1.0):
    """Logits with labels drawn at T = 2, and others made of them."""
    rng = np.random.default_rng(seed)
    z = 3.0 * rng.normal(size=(n, 3))
    return sharper * z, (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)


@pytest.mark.parametrize(
    ("new", "word", "next_command"),
    [
        (rows(400, 1), "It still holds",
         "temperance shift ref.npz new-rows.npz --report shift.html"),
        (rows(400, 1, 2.0), "It has moved: fit again", "temperance fit new.npz --report fit.html"),
        (rows(12, 2), "Cannot tell with 12 new rows", "temperance plan new.npz"),
        ((rows(400, 1)[0], None), "Cannot tell without labels", "temperance plan new.npz"),
    ],
)  # fmt: skip
def test_a_shift(new, word, next_command):
    """The verdict of the value in a box; temperatures then and now; the step that it asks for."""
    found = diagnose(*rows(400, 0), *new, n_resamples=100)
    files = Files(("ref.npz", "new.npz"))
    words, command = screen(render_shift(found, title="t", files=files))
    assert f"The reference's temperature {word}" in words
    assert f"Temperature then {found.reference.temperature:.4g}" in words
    if found.refitted is not None:
        assert f"Temperature now {found.refitted.temperature:.4g}" in words
    if new[1] is not None:
        assert "What matters With the reference's T Fitted again" in words
    assert command == next_command
    assert shlex.split(command)


def test_a_comparison():
    """Each model's verdict; what to do is what the paired difference says, not the lower number."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, 600)
    y = (rng.random(600) < p).astype(int)
    odds = np.log(p / (1.0 - p))
    sharp = 1.0 / (1.0 + np.exp(-3.0 * odds))
    words, command = screen(
        render_comparison(tp.compare({"sharp": sharp, "honest": p}, y, n_resamples=100), title="t")
    )
    assert "sharp Not calibrated" in words
    assert "What to do next Go on with honest." in words
    assert "What matters sharp honest Claimed, and true" in words
    assert command == ""
    near = np.clip(p + rng.normal(0.0, 0.005, 600), 0.01, 0.99)
    compared = tp.compare({"a": p, "b": near}, y, n_resamples=100)
    assert compared.differences["b"].verdict("log_loss") == "cannot tell"
    assert model_to_go_on_with(compared) is None
    words, _ = screen(render_comparison(compared, title="t"))
    assert "Label more rows: these cannot tell which is best." in words


def test_groups_of_compared_models():
    """Every model's claim and truth in each group; first the group that any of them fits worst."""
    groups = np.repeat(["calm", "wild"], 400)
    y = np.tile([1, 1, 0, 1, 1], 160)
    honest = np.full(800, 0.8)
    sides = {"first": honest, "second": np.where(groups == "wild", 0.97, 0.8)}
    compared = tp.compare(sides, y, groups=groups, n_resamples=100)
    page = render_comparison(compared, title="t")
    check_stands_alone(page)
    table = page[page.index('<section id="groups">') :]
    table = table[: table.index("</table>")]
    assert re.findall(r'<th scope="row">(\w+)', table) == ["wild", "calm"]
    right = y[groups == "wild"].mean()
    cells = re.findall(r'<td data-label="second"( class="worse")?>(.*?)<span>(.*?)</span>', table)
    assert [words_of(each) for each in cells[0]] == [
        'class="worse"',
        f"97 % claimed, {100 * right:.0f} % right",
        "p < 0.001",
    ]
    assert cells[1][0] == ""


def test_words_for_a_command_line_are_not_on_a_page():
    """What a warning says of options, in brackets, is for those who typed some."""
    models, labels = two_models(n=300)
    page = render_cascade(
        cascade(models, labels, costs=0.2), title="t",
        warnings=["a.npz has no ids (--id-column names them)."],
        facts=(("Reading", "b has no ids (--id-column names them)."),),
    )  # fmt: skip
    words = words_of(page)
    assert "a.npz has no ids." in words
    assert "b has no ids." in words
    assert "--" not in words
