"""The commands on files of language models, as a user types them."""

import json

import numpy as np
import pytest

import reference
from llm_files import completion, lm_eval, write
from temperance.readers import LlmFormat, read
from temperance.rows import reading

WARNING = "3 rows left out: refusals."


def drawn(n=400, k=4, temperature=2.0, seed=0):
    """Log-probabilities of a model that is too sure, and labels drawn at the temperature."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, k)) * 3
    z -= np.log(np.exp(z).sum(axis=1, keepdims=True))
    y = (z / temperature + rng.gumbel(size=z.shape)).argmax(axis=1)
    return z, y


@pytest.fixture
def benchmark(tmp_path):
    """Samples of two tasks with 2 and 4 options, as lm-eval writes them; their arrays."""
    arrays = {}
    for task, k, temperature in (("yesno", 2, 1.0), ("exam", 4, 3.0)):
        z, y = drawn(k=k, temperature=temperature, seed=k)
        rows = [
            lm_eval([f"option {j}" for j in range(k)], zs, str(label), doc_id=i)
            for i, (zs, label) in enumerate(zip(z.tolist(), y.tolist(), strict=True))
        ]
        write(tmp_path / f"model/samples_{task}_2026-11-23T10-00-00.1.jsonl", rows)
        arrays[task] = (z, y)
    return arrays


@pytest.fixture
def chat(tmp_path):
    """Chat completions with all options shown, three refusals among them; and their arrays."""
    z, y = drawn()
    rows = [
        completion(list(zip("ABCD", zs, strict=True)), label="ABCD"[label], id=f"q{i}")
        for i, (zs, label) in enumerate(zip(z.tolist(), y.tolist(), strict=True))
    ]
    refused = completion([("I", -0.1)], label="A")
    refused["choices"][0]["message"]["refusal"] = "no"
    write(tmp_path / "chat.jsonl", [*rows[:10], *[refused] * 3, *rows[10:]])
    half = [*rows[:200], refused]
    write(tmp_path / "half.jsonl", half)
    write(tmp_path / "other.jsonl", [*rows[200:], refused])
    return z, y


CHAT = ("--format", "openai-logprobs", "--options", "A,B,C,D")


def test_fit_a_folder_of_samples(run, tmp_path, benchmark):
    """One temperature of questions with 2 and with 4 options, the same as from padded arrays."""
    found = json.loads(run("fit", "model", "--format", "lm-eval", "--json", "--quick").stdout)
    (two, of_two), (four, of_four) = benchmark["yesno"], benchmark["exam"]
    padded = np.full((len(two), 4), -np.inf)
    padded[:, :2] = two
    logits, labels = np.concatenate([four, padded]), np.concatenate([of_four, of_two])
    assert found["temperature"] == pytest.approx(reference.temperature(logits, labels), rel=1e-6)
    assert found["n"] == 800
    assert json.loads((tmp_path / "calibrator.json").read_text())["input"]["classes"] is None


def test_a_temperature_per_task(run, tmp_path, benchmark):
    """Groups are the tasks: each of them gets about the temperature it was drawn at."""
    run("fit", "model", "--format", "lm-eval", "--method", "group-temperature", "--quick")
    found = json.loads((tmp_path / "calibrator.json").read_text())["parameters"]["temperatures"]
    for task, truth in (("yesno", 1.0), ("exam", 3.0)):
        assert found[task] == pytest.approx(truth, rel=0.25)
    by_options = ("--group-by", "options")
    run(
        "fit",
        "model",
        "--format",
        "lm-eval",
        "--method",
        "group-temperature",
        *by_options,
        "--quick",
    )
    found = json.loads((tmp_path / "calibrator.json").read_text())["parameters"]["temperatures"]
    assert set(found) == {"2 options", "4 options"}


def test_fit_chat_completions(run, tmp_path, chat):
    """The same numbers as from the arrays themselves; what was left out is a warning."""
    z, y = chat
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    found = json.loads(run("fit", "chat.jsonl", *CHAT, "--json", "--quick").stdout)
    plain = json.loads(run("fit", "cal.npz", "--json", "--quick").stdout)
    assert found["temperature"] == pytest.approx(plain["temperature"], rel=1e-9)
    assert found["after"] == pytest.approx(plain["after"])
    assert found["warnings"] == [f"chat.jsonl: {WARNING}"]
    done = run("fit", "chat.jsonl", *CHAT, "--quick", "--report", "report.html")
    assert f"warning: chat.jsonl: {WARNING}" in done.stderr
    assert WARNING in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "calibrator.json").read_text())["input"]["classes"] == list(
        "ABCD"
    )


def test_warnings_of_both_files_of_a_fit(run, chat):
    """Of the rows of the fit and of those of --test."""
    done = run("fit", "half.jsonl", "--test", "other.jsonl", *CHAT, "--json", "--quick")
    warnings = [w for w in json.loads(done.stdout)["warnings"] if "refusals" in w]
    assert [w.partition(":")[0] for w in warnings] == ["half.jsonl", "other.jsonl"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("evaluate", "chat.jsonl", "--quick"),
        ("evaluate", "chat.jsonl", "--quick", "--calibrator", "calibrator.json"),
        ("apply", "calibrator.json", "chat.jsonl", "-o", "out.csv"),
        ("compare", "chat.jsonl", "calibrator.json", "--quick"),
        ("plan", "chat.jsonl"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_every_command_tells_what_was_left_out(run, chat, arguments):
    """On stderr, and among the `warnings` of --json."""
    run("fit", "half.jsonl", *CHAT, "--quick")
    done = run(*arguments, *CHAT)
    assert f"warning: chat.jsonl: {WARNING}" in done.stderr
    assert (
        f"chat.jsonl: {WARNING}" in json.loads(run(*arguments, *CHAT, "--json").stdout)["warnings"]
    )


def test_shift_tells_what_was_left_out(run, chat):
    """Of both files."""
    arguments = ("shift", "half.jsonl", "other.jsonl", "--quick", *CHAT)
    warnings = json.loads(run(*arguments, "--json").stdout)["warnings"]
    assert warnings == [f"{n}.jsonl: 1 row left out: refusals." for n in ("half", "other")]
    assert run(*arguments).stderr.count("warning: ") == 2


def test_apply_writes_the_rows_that_have_an_answer(run, tmp_path, chat):
    """With their ids and labels; probabilities are those of the scaled log-probabilities."""
    z, y = chat
    run("fit", "chat.jsonl", *CHAT, "--quick")
    temperature = json.loads((tmp_path / "calibrator.json").read_text())["parameters"][
        "temperature"
    ]
    run("apply", "calibrator.json", "chat.jsonl", *CHAT, "-o", "out.csv")
    out = read(tmp_path / "out.csv")
    assert out.values == pytest.approx(reference.softmax(z / temperature))
    assert out.ids.tolist() == [f"q{i}" for i in range(len(z))]
    assert out.labels.tolist() == ["ABCD"[label] for label in y]
    assert out.classes == tuple("ABCD")


def test_two_runs_of_a_benchmark_are_compared(run, tmp_path, benchmark):
    """Models on the same questions; other questions are refused."""
    for model in ("a", "b"):
        z, _ = benchmark["exam"]
        scale = 1.0 if model == "a" else 0.5
        rows = [lm_eval("pqrs", (scale * zs).tolist(), "1", doc_id=i) for i, zs in enumerate(z)]
        write(tmp_path / f"{model}.jsonl", rows)
    write(tmp_path / "c.jsonl", rows[1:])
    found = json.loads(
        run("compare", "a.jsonl", "b.jsonl", "--format", "lm-eval", "--json", "--quick").stdout
    )
    assert set(found["differences"]) == {"b"}
    assert "warnings" in found
    run("compare", "a.jsonl", "c.jsonl", "--format", "lm-eval", code=2)
    many = ("fit", "a.jsonl", "b.jsonl", "--method", "ensemble", "--prior", "1", "--quick")
    run(*many, "--format", "lm-eval")


def test_large_folders_are_read_as_a_whole(run, tmp_path, benchmark, monkeypatch):
    """Block by block there would be no options of a row's own."""
    arguments = ("fit", "model", "--format", "lm-eval", "--json", "--quick")
    before = json.loads(run(*arguments).stdout)["temperature"]
    monkeypatch.setattr(reading, "LARGE_BYTES", 1)
    assert json.loads(run(*arguments).stdout)["temperature"] == before
    run("evaluate", "model", "--format", "lm-eval", "--quick")
    run("apply", "calibrator.json", "model", "--format", "lm-eval", "-o", "out.jsonl")
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 800


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--missing", "drop"), "`--missing` needs --format"),
        (("--options-field", "o"), "`--options-field` needs --format"),
        (("--format", "openai-logprobs"), "`--options` must name the answers' tokens"),
        ((*CHAT, "--labels", "y.npy"), "y.npy: cannot be read"),
        ((*CHAT, "--kind", "multilabel"), "`--format` goes with one class per row"),
        ((*CHAT, "--class-axis", "1"), "`--format` goes with one class per row"),
        ((*CHAT, "--kind", "probs"), "`--kind` is for records that hold both"),
        ((*CHAT, "--logits-column", "z"), "`fields` cannot name logits or probs"),
        ((*CHAT, "--group", "g", "--group-by", "options"), "both say what groups are"),
        ((*CHAT, "--group-by", "subject"), "`--group-by` must be \"options\", got 'subject'"),
        ((*CHAT, "--label-field", "truth"), "line 1: has no key `truth`"),
        (("--format", "gpt"), "'gpt' is not one of 'lm-eval'"),
        (("--format", "lm-eval"), "line 1: has no key `filtered_resps`"),
    ],
)
def test_what_does_not_go_together_is_one_line(run, chat, arguments, message):
    """Exit code 2 and one line that says what to do."""
    for command in (("fit",), ("evaluate",)):
        assert message in run(*command, "chat.jsonl", *arguments, code=2).stderr


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_a_bound_is_never_below_the_truth(tmp_path, k):
    """Of eight tokens the k likeliest are shown; four of the eight are options."""
    z, y = drawn(k=8)
    rows = [
        completion(
            sorted(zip("ABCDwxyz", zs, strict=True), key=lambda pair: -pair[1])[:k], label="A", id=i
        )
        for i, zs in enumerate(z.tolist())
    ]
    path = write(tmp_path / "a.jsonl", rows)
    found = read(path, format=LlmFormat("openai-logprobs", options="ABCD"))
    kept = found.ids
    top = -np.sort(-z, axis=1)[kept, :k]
    most = np.minimum(top[:, -1], np.log1p(-np.exp(top).sum(axis=1)))
    shown = z[kept, :4] >= top[:, -1:]
    expected = np.where(shown, z[kept, :4], most[:, None])
    assert found.values == pytest.approx(expected, abs=2e-9)
    assert (found.values >= z[kept, :4] - 2e-9).all()
    assert (found.values.argmax(axis=1) == z[kept, :4].argmax(axis=1)).all()
    assert (np.diff(np.sort(found.values, axis=1))[:, -1] > 0).all() or k > 1
    assert any("lack the probability" in note for note in found.notes)
    assert len(y) >= len(kept)


def test_temperatures_of_options_that_are_shown_are_not_biased(run, tmp_path):
    """Of 4 options the 2 likeliest are shown: bounds pull T down, the options shown do not."""
    z, y = drawn(n=4000)
    rows = [
        completion(
            sorted(zip("ABCD", zs, strict=True), key=lambda pair: -pair[1])[:2],
            label="ABCD"[label],
        )
        for zs, label in zip(z.tolist(), y.tolist(), strict=True)
    ]
    write(tmp_path / "a.jsonl", rows)
    found = {}
    for missing in ("bound", "shown"):
        done = run("fit", "a.jsonl", *CHAT, "--missing", missing, "--json", "--quick")
        found[missing] = json.loads(done.stdout)
    full = reference.temperature(z, y)
    assert found["bound"]["temperature"] < 0.9 * full
    low, high = found["shown"]["temperature_interval"]
    assert low < full < high
    assert found["shown"]["temperature"] == pytest.approx(full, rel=0.05)
