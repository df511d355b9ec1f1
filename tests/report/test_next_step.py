"""The command on a first screen is read as the files of the page were, and does what it says."""

import re
import shlex

import numpy as np
import pytest

import temperance as tp
from llm_files import lm_eval, write
from pages import words_of
from streams import log_softmax
from temperance.cli.app import load_command
from temperance.cli.options import READING
from temperance.report import Files
from temperance.report.commands import UNSUPPORTED


def too_sure(n=300, k=3, seed=0):
    """Logits that are twice as sharp as they should be, with their labels."""
    rng = np.random.default_rng(seed)
    z = 2.0 * rng.normal(size=(n, k))
    return 2.5 * z, (z + rng.gumbel(size=z.shape)).argmax(axis=1)


def answers(folder):
    """Scores of answers in columns of other names, parted by semicolons."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.6, 0.99, 400)
    right = rng.random(400) < p - 0.3
    lines = [f"{a:.4f};{int(b)}".replace(".", ",") for a, b in zip(p, right, strict=True)]
    (folder / "a b.csv").write_text("\n".join(["sure;y", *lines]), encoding="utf-8")
    return (
        "evaluate 'a b.csv' --kind answers --score-scale probability --score-column sure "
        "--label-column y --delimiter ';' --decimal ,"
    )


def classes_of_a_table(folder):
    """Columns that have no usual name."""
    z, y = too_sure()
    lines = [",".join([*(f"{v:.5f}" for v in row), str(c)]) for row, c in zip(z, y, strict=True)]
    text = "\n".join(["logit_a,logit_b,logit_c,truth", *lines])
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return "evaluate t.csv --label-column truth --label-map 0=a,1=b,2=c"


def labels_beside(folder):
    """Outputs without labels, which another file holds."""
    z, y = too_sure()
    np.save(folder / "z.npy", z)
    np.save(folder / "y.npy", y)
    return "evaluate z.npy --kind logits --labels y.npy"


def label_matrix(folder):
    """A column per label."""
    z = 4.0 * np.random.default_rng(0).normal(size=(300, 2))
    y = (np.random.default_rng(1).random(z.shape) < 1.0 / (1.0 + np.exp(-z / 3.0))).astype(int)
    np.savez(folder / "m.npz", logits=z, labels=y)
    return "evaluate m.npz --kind multilabel"


def language_model(folder):
    """Options of their own in every line."""
    z, y = too_sure(k=2)
    lines = [
        lm_eval([" a", " b"], list(map(float, row)), int(c), doc_id=i)
        for i, (row, c) in enumerate(zip(log_softmax(z), y, strict=True))
    ]
    write(folder / "samples.jsonl", lines)
    return "evaluate samples.jsonl --format lm-eval --group-by none"


def two_models(folder):
    """An ensemble."""
    for number in range(2):
        z, y = too_sure()
        z += np.random.default_rng(number + 5).normal(size=z.shape)
        np.savez(folder / f"model-{number}.npz", logits=z, labels=y)
    return "evaluate model-0.npz model-1.npz --repeated-ids keep"


MAKERS = [answers, classes_of_a_table, labels_beside, label_matrix, language_model, two_models]


def command_of(page):
    """The words of the command on the first screen."""
    header = page[page.index("<header>") : page.index("</header>")]
    (command,) = re.findall(r"<code>(.*?)</code>", header)
    program, *words = shlex.split(words_of(command))
    assert program == "temperance"
    return words


@pytest.mark.parametrize("make", MAKERS)
def test_the_command_runs_and_reads_the_same_rows(make, run, tmp_path):
    """Copied from the page, it fits on the rows that the page is about; then the map is applied."""
    words = shlex.split(make(tmp_path))
    run(*words, "--quick", "--report", "e.html")
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    command = command_of(page)
    assert command[0] == "fit", "these rows are of a model that is too sure"
    given = [word for word in words if word.startswith("--")]
    assert {word for word in command if word.startswith("--")} >= set(given)
    run(*command, "--quick", "--json")
    fitted = (tmp_path / "fit.html").read_text(encoding="utf-8")
    n = re.search(r"<dt>Rows measured</dt><dd>(.*?)</dd>", page)[1]
    assert f"<dt>Rows measured</dt><dd>{n}</dd>" in fitted
    following = Files(
        tuple(words[1 : words.index(given[0])]),
        "calibrator.json",
        tuple(zip(given, [words[words.index(each) + 1] for each in given], strict=True)),
    )
    for old, new in zip(following.rows, following.new_rows, strict=False):
        (tmp_path / new).write_bytes((tmp_path / old).read_bytes())
    _, *applied = shlex.split(following.apply("calibrated"))
    run(*applied)
    assert (tmp_path / applied[-1]).stat().st_size > 0


def test_options_that_commands_do_not_read():
    """The table says of each command which options of reading it lacks, of those of `fit`."""

    def of(name):
        return {
            each.opts[0]
            for each in load_command(name).params
            if getattr(each, "rich_help_panel", None) in READING
        } - {"--test-labels"}

    assert {name: of("fit") - of(name) for name in UNSUPPORTED} == UNSUPPORTED


def test_commands_that_could_not_run_are_left_out():
    """No plan of answers, of pixels or of several files; no shift where rows may differ."""
    pixels = Files(("a.npz",), "c.json", (("--class-axis", "1"),))
    assert pixels.plan() == ""
    assert pixels.look_again() == (
        "temperance evaluate new-rows.npz --class-axis 1 --report evaluate.html"
    )
    assert pixels.apply("out") == "temperance apply c.json new-rows.npz --class-axis 1 -o out.npz"
    assert Files(("a.csv",), reading=(("--kind", "answers"),)).plan() == ""
    assert Files(("a.npz", "b.npz")).plan() == ""
    assert Files(("a.jsonl",)).look_again().startswith("temperance evaluate new-rows.jsonl")
    assert Files(("a.npz",)).look_again() == (
        "temperance shift a.npz new-rows.npz --report shift.html"
    )
    both = Files(("x/a.npy",), "c.json", (("--labels", "y.npy"), ("--renormalize", "")))
    assert both.look_again() == (
        "temperance evaluate new-rows.npy --labels new-labels.npy --renormalize "
        "--report evaluate.html"
    )
    assert both.apply("out") == "temperance apply c.json new-rows.npy --renormalize -o out.npz"
    assert Files(("folder",), "c.json").apply("out") == (
        "temperance apply c.json new-rows -o out.csv"
    )
    assert Files().fit() == Files().plan() == Files().apply("out") == ""
    assert Files(result="c.json").apply("out") == "temperance apply c.json new-rows.npz -o out.npz"


def test_options_that_say_nothing_of_reading_are_not_handed_on(run, tmp_path):
    """Resamples, bins and seeds are those of one page; a default is not handed on either."""
    pytest.importorskip("matplotlib")
    z, y = too_sure()
    tp.save(tp.TemperatureScaling(1.0), tmp_path / "c.json")
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    run("evaluate", "a.npz", "--bins", "7", "--seed", "3", "--quick", "--report", "e.html")
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert command_of(page) == ["fit", "a.npz", "--report", "fit.html"]
