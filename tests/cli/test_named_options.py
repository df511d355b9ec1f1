"""What a message or a page names is there: options of the command, arguments of a function.

Literals of the source are looked through, so a message counts without its error being met.
"""

import ast
import inspect
import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.cli.options import in_options

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "temperance"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TEMPLATES = sorted(p for p in SOURCE.rglob("*.j2") if p.name != "style.html.j2")
OTHERS = {  # of lm-evaluation-harness, benchmarks/evaluate.py, pip, pre-commit
    "--log_samples", "--blocks", "--constraint", "--hook-stage", "--hook-type", "--all-files",
}  # fmt: skip
NO_MESSAGE = {"plots/svg.py", "plots/theme.py"}  # variables of style sheets
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
# No command reaches these: arguments of Python alone, and files that no caller wrote by hand.
PYTHON_ALONE = {
    ("blocks/dask_rows.py", "class_axis"),
    ("calibrators/answers.py", "score_scale"),
    ("checks/labels.py", "ignore_label"),
    ("checks/scores.py", "mask_below"),
    ("checks/scores.py", "mask_value"),
    ("decisions/abstain.py", "max_risk"),  # beside `thresholds`, which no command takes
    ("decisions/abstain.py", "min_coverage"),
    ("decisions/coverage_table.py", "max_risk"),  # --choose, as its message says
    ("decisions/policy.py", "max_risk"),  # a key of policy.json
    ("decisions/policy.py", "min_coverage"),
    ("formats/json_schema.py", "min_precision"),  # words of the schema of policy.json
    ("formats/json_schema.py", "min_recall"),
    ("torch/collect.py", "ignore_label"),
}


@pytest.fixture(scope="module")
def commands():
    """Return the options of each command, without the dashes of none."""
    from temperance.cli.app import COMMANDS, load_command

    return {
        name: {"--help", *(o for p in each.params for o in (*p.opts, *p.secondary_opts))}
        for name, each in ((name, load_command(name)) for name in COMMANDS)
    }


@pytest.fixture(scope="module")
def known(commands):
    """Return the options of all commands."""
    return {"--version", *OTHERS}.union(*commands.values())


def literals(path):
    """Yield each text of a module that is no docstring, with {} for what is filled in."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside, docs = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= set(node.values)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            docs.add(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(v.value) if isinstance(v, ast.Constant) else "{}" for v in node.values
            )
        elif isinstance(node, ast.Constant) and node not in inside | docs:
            yield str(node.value)


@cache
def messages():
    """Return (module, text) of all literals."""
    modules = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}
    return [
        (name, text)
        for name, path in modules.items()
        if name not in NO_MESSAGE
        for text in literals(path)
    ]


def arguments():
    """Return the names of arguments of all public functions, methods and classes."""
    modules = [
        tp,
        tp.metrics,
        tp.decisions,
        tp.llm,
        tp.plots,
        tp.shift,
        tp.readers,
        tp.rows,
        tp.writers,
    ]
    found, seen = set(), set()
    queue = [getattr(module, name) for module in modules for name in module.__all__]
    while queue:
        each = queue.pop()
        if id(each) in seen or not callable(each):
            continue
        seen.add(id(each))
        try:
            found |= set(inspect.signature(each).parameters)
        except (TypeError, ValueError):
            continue
        if inspect.isclass(each):
            queue += [getattr(each, name) for name in dir(each) if not name.startswith("_")]
    return found


def test_options_of_messages_and_pages_are_there(known):
    """Every --option that anything says is one of a command."""
    said = [(module, text) for module, text in messages() if text not in {"--max-", "--min-"}]
    said += [(p.name, p.read_text(encoding="utf-8")) for p in (*PAGES, *TEMPLATES)]
    named = {(where, option) for where, text in said for option in OPTION.findall(text)}
    assert len(named) > 200, "the search finds what it is for"
    assert not sorted(each for each in named if each[1] not in known)


def test_command_lines_of_pages_take_their_options(commands):
    """Each option of a line `temperance fit ...` is one of that very command."""
    lines = [
        line.split("#")[0].replace("`", " ").split()
        for page in PAGES
        for line in re.findall(r"temperance [a-z]+ [^`\n]*", page.read_text(encoding="utf-8"))
    ]
    checked = 0
    for _, command, *words in lines:
        for word in words:
            if command in commands and OPTION.fullmatch(word.split("=")[0]):
                assert word.split("=")[0] in commands[command], (command, word)
                checked += 1
    assert checked > 40


def test_arguments_of_messages_are_there():
    """Every `argument=...` that a message advises is taken by a public function."""
    taken = arguments()
    assert {"prior", "ignore_label", "renormalize", "refuse_probs"} <= taken
    said = {
        (module, name) for module, text in messages() for name in re.findall(r"`(\w+)=[^`]*`", text)
    }
    assert len({name for _, name in said}) >= 4
    assert not sorted(each for each in said if each[1] not in taken)


def test_messages_name_the_option_of_an_argument(known):
    """An argument with an underscore is named with its option, which the command says instead."""
    bare = {
        (module, name)
        for module, text in messages()
        for name in re.findall(r"`([a-z]+_[a-z_]+)`", text)
        if (option := "--" + name.replace("_", "-")) in known and f"`{name}` ({option}" not in text
    }
    assert bare == PYTHON_ALONE


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("`max_risk` (--max-risk) must be", "`--max-risk` must be"),
        ("try `prior=1.0` (--prior 1).", "try `--prior 1`."),
        ("`budget` (--budget) or `floor` (--floor)", "`--budget` or `--floor`"),
        ("`labels` (of rows --labels)", "`labels` (of rows --labels)"),
        ("`labels` must name classes", "`labels` must name classes"),
    ],
)
def test_the_command_says_options(message, said):
    """Where a message names both, the command line names the one that it takes."""
    assert in_options(message) == said


def test_an_option_of_another_command_is_said_with_it():
    """`--prior` was named by commands that refuse it: no such option."""
    message = "No finite temperature; `prior=1.0` (--prior 1) helps."
    fit = {"--prior", "--method"}
    for_fit = in_options(message, fit, lambda: fit)
    assert for_fit == "No finite temperature; `--prior 1` helps."
    of_others = in_options(message, {"--max-risk"}, lambda: fit)
    assert of_others == "No finite temperature; `temperance fit --prior 1` helps."
    assert (
        in_options("`--max-risk` and `--nowhere`", {"--json"}, lambda: fit)
        == "`--max-risk` and `--nowhere`"
    )


@pytest.mark.parametrize(
    "words",
    [
        ("threshold", "--max-risk", 0.1),
        ("policy", "--min-precision", 0.8),
        ("plan",),
        ("shift", "b"),
    ],
)
def test_the_way_out_of_no_optimum_is_a_command_that_takes_it(run, tmp_path, words):
    """Followed to the letter, `--prior 1` ends in a calibrator, of every command that fits."""
    z, y = rows()
    np.savez(tmp_path / "a.npz", logits=z, labels=z.argmax(axis=1))
    np.savez(tmp_path / "b.npz", logits=z[::-1], labels=y[::-1])
    name, *more = (f"{each}.npz" if each == "b" else each for each in words)
    ended = run(name, "a.npz", *more, code=None)
    assert "`temperance fit --prior 1`" in ended.stderr
    run("fit", "a.npz", "--prior", 1)


def test_a_refused_promise_names_the_option(run, tmp_path):
    """No Python name where a risk cannot be promised."""
    z, y = rows()
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    told = run("threshold", "a.npz", "--max-risk", "0.0001", code=2).stderr
    assert told.startswith(
        "error: a.npz: `--max-risk` 0.0001 cannot be promised with 95 % confidence"
    )
    assert "max_risk" not in told


def rows(n=300, k=3):
    """Logits twice too sharp, and labels."""
    rng = np.random.default_rng(5)
    z = 3 * rng.normal(size=(n, k))
    y = (reference.softmax(z / 2).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return z, y


def test_negative_probabilities_have_a_way_out(run, tmp_path):
    """The softmax that the message advises works, and so does the option of the command."""
    z, y = rows()
    with pytest.raises(tp.InvalidInputError, match=r"scipy\.special\.softmax\(z, axis=-1\) makes"):
        tp.evaluate(z, y, n_resamples=100)
    with pytest.raises(tp.InvalidInputError, match=r"1 / \(1 \+ exp\(-z\)\) makes"):
        tp.evaluate(z[:, 0], y % 2, n_resamples=100)
    np.savez(tmp_path / "a.npz", probs=z, labels=y)
    assert "of files --kind logits" in run("evaluate", "a.npz", code=2).stderr
    run("evaluate", "a.npz", "--quick", "--kind", "logits")


def lines(path, key=None):
    """Write a language model's answers, with their labels under a key, or without."""
    rng = np.random.default_rng(1)
    with path.open("w", encoding="utf-8") as file:
        for row in range(60):
            shown = [{"token": t, "logprob": p} for t, p in (("A", -0.4), ("B", -1.2))]
            content = [{**shown[0], "top_logprobs": shown}]
            line = {"id": f"{row}", "choices": [{"logprobs": {"content": content}}]}
            if key is not None:
                line[key] = "AB"[rng.integers(2)]
            file.write(json.dumps(line) + "\n")


def test_unlabelled_answers_are_told_where_labels_go(run, tmp_path):
    """What is advised works: a key of the lines, or another file."""
    lines(tmp_path / "a.jsonl")
    options = ("--format", "openai-logprobs", "--options", "A,B", "--quick")
    told = run("evaluate", "a.jsonl", *options, code=2).stderr
    assert "has no labels. Write them into the lines, under `label` or a key that" in told
    assert "`--label-field` names, or give another file, joined by ids, with `--labels`" in told
    written = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [f"{json.loads(each)['id']},A" for each in written]
    (tmp_path / "said.csv").write_text("\n".join(["id,label", *texts]), encoding="utf-8")
    run("evaluate", "a.jsonl", *options, "--labels", "said.csv")
    for key, more in (("truth", ("--label-field", "truth")), ("label", ())):
        lines(tmp_path / "a.jsonl", key)
        run("evaluate", "a.jsonl", *options, *more)
    np.savez(tmp_path / "plain.npz", logits=rows()[0])
    assert "or give their file with `--labels`" in run("evaluate", "plain.npz", code=2).stderr
    np.save(tmp_path / "labels.npy", rows()[1])
    run("evaluate", "plain.npz", "--labels", "labels.npy", "--quick")


def test_table_frame_and_json_say_the_same():
    """A measure that a map cannot change is "the same" wherever it is shown."""
    z, y = rows()
    comparison = tp.compare({"a": reference.softmax(z), "b": reference.softmax(z / 2)}, y)
    pytest.importorskip("narwhals")
    pytest.importorskip("pandas")
    frame = comparison.to_frame("pandas")
    shown = dict(zip(frame["measure"], frame["verdict"], strict=True))
    assert shown["accuracy"] == "the same"
    found = comparison.to_dict()["differences"]["b"]
    assert {name: each["verdict"] for name, each in found.items()} == shown
    line = next(each for each in str(comparison).splitlines() if "accuracy" in each)
    assert line.rstrip().endswith("the same")
    twins = tp.compare({"a": reference.softmax(z), "b": reference.softmax(z)}, y)
    assert {each.verdict(m) for each in twins.differences.values() for m in each.measures} == {
        "the same"
    }


@pytest.mark.usefixtures("quick_plans")
def test_a_report_of_answers_speaks_of_answers(run, tmp_path):
    """Right answers are the event, not a class by its number; of named classes it is the name."""
    rng = np.random.default_rng(0)
    score = rng.integers(40, 100, 400)
    right = rng.random(400) < (score / 100) ** 1.5
    body = "\n".join(f"{s},{int(r)}" for s, r in zip(score, right, strict=True))
    (tmp_path / "a.csv").write_text(f"score,correct\n{body}\n", encoding="utf-8")
    answers = ("--kind", "answers", "--score-scale", "percent", "--quick")
    run("fit", "a.csv", *answers, "--report", "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Probability of a right answer: what the model says" in page
    assert "class 1" not in page
    assert "400 answers" in page
    (tmp_path / "b.csv").write_text(
        "prob_dog,prob_cat,label\n"
        + "\n".join(f"{1 - s / 100},{s / 100},{'cat' if r else 'dog'}"
                    for s, r in zip(score, right, strict=True)) + "\n", encoding="utf-8",
    )  # fmt: skip
    run("evaluate", "b.csv", "--quick", "--report", "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Probability of class cat: what the model says" in page
    assert "In bins" not in page
    assert "Another question: how often the predicted class is right" in page


@pytest.mark.usefixtures("quick_plans")
def test_a_report_explains_the_map_that_it_shows(run, tmp_path):
    """What a temperature cannot do is no news of a map per class; labels are counted in all."""
    z, y = rows(500)
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    for method, told in (("vector", False), ("temperature", True)):
        run("fit", "a.npz", "--method", method, "--quick", "--report", "r.html")
        page = " ".join((tmp_path / "r.html").read_text(encoding="utf-8").split())
        assert ("What a temperature cannot do" in page) is told
        assert ("What no map of the outputs can do" in page) is not told
        assert "In bins, the same." in page or "in bins, asks the same." in page
    z, y = rows(3000)
    np.savez(tmp_path / "b.npz", logits=z, labels=y)
    run("evaluate", "b.npz", "--quick", "--report", "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "How many more" not in page
    assert "There are 3,000 labels now." in page
    needed = [int(n.replace(",", "")) for n in re.findall(r"<li><strong>([\d,]+)</strong>", page)]
    assert len(needed) == 3
    assert page.count(": there are enough</li>") == sum(n <= 3000 for n in needed) > 0


def test_labels_of_a_second_file_are_asked_for_by_their_own_option(run, tmp_path):
    """What is advised works, and is no option of the other file; where none is, none is named."""
    rng = np.random.default_rng(2)
    for name, sharp in (("ref", 1.5), ("new", 3.0)):
        z = 2.0 * rng.normal(size=(400, 3))
        np.save(tmp_path / f"{name}.npy", sharp * z)
        np.save(tmp_path / f"{name}_y.npy", (z + rng.gumbel(size=z.shape)).argmax(axis=1))
    shift = ("shift", "ref.npy", "new.npy", "--quick", "--json", "--labels", "new_y.npy")
    told = run(*shift, code=2).stderr
    assert "ref.npy: has no labels" in told
    assert "A .npy file has no place for them: give their file with `--reference-labels`." in told
    done = json.loads(run(*shift, "--reference-labels", "ref_y.npy").stdout)
    z, y = np.load(tmp_path / "ref.npy"), np.load(tmp_path / "ref_y.npy")
    scaling = tp.TemperatureScaling.fit(z, y)
    assert done["reference"]["temperature"] == pytest.approx(scaling.temperature, rel=1e-9)
    fit = ("fit", "ref.npy", "--labels", "ref_y.npy", "--test", "new.npy", "--quick")
    assert "give their file with `--test-labels`." in run(*fit, code=2).stderr
    run(*fit, "--test-labels", "new_y.npy")
    threshold = ("threshold", "ref.npy", "--labels", "ref_y.npy", "--test", "new.npy")
    told = run(*threshold, "--max-risk", "0.5", code=2).stderr
    assert "A .npy file has no place for them: save all of it as .npz.\n" in told
