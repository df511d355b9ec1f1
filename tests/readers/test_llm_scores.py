"""Scores of whole answers, of the files that servers and promptfoo write."""

import json
import math
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from llm_files import LM_EVAL, VENDORS, write
from temperance.errors import FileFormatError, InvalidInputError
from temperance.llm import AnswerConfidence
from temperance.readers import Fields, LlmFormat
from temperance.readers.llm.scored import read_scores
from temperance.rows.reading import Reading, read_rows

SCORED = ("--kind", "answers", "--score-scale", "logprob", "--score-column")


def answer(name, log_probs, **beside):
    """An answer of several tokens, each sampled with its log-probability, as a server writes it."""
    lines = [VENDORS[name]([(f"t{i}", p), ("other", -9.0)]) for i, p in enumerate(log_probs)]
    first = lines[0]
    for more in lines[1:]:
        _append(first, more)
    if name == "inspect-ai":
        said = "".join(f"t{i}" for i in range(len(log_probs)))
        first["output"]["completion"] = said
    return {**first, **beside}


def _append(first, more):
    """Put the lists of another line of one token behind those of the first, wherever they are."""
    for key, value in more.items():
        if key in {"content", "choices", "outputs", "candidates", "output"} and isinstance(
            value, list
        ):
            _append({"": first[key][-1]}, {"": value[-1]}) if key != "content" else None
        if key in {"", "logprobs", "meta_info", "details", "logprobsResult", "output"} and (
            isinstance(value, dict)
        ):
            _append(first[key], value)
    for key in ("content", "tokens", "token_logprobs", "top_logprobs", "token_ids", "logprobs",
                "output_token_logprobs", "output_top_logprobs", "completion_probabilities",
                "top_tokens", "topCandidates", "chosenCandidates"):  # fmt: skip
        if isinstance(more.get(key), list) and isinstance(first.get(key), list):
            if key == "content" and "type" in more[key][0]:
                first[key][0]["logprobs"] += more[key][0]["logprobs"]
            else:
                first[key] += more[key]


@pytest.mark.parametrize("name", VENDORS)
def test_scores_of_tokens_are_the_same_through_every_reader(tmp_path, name):
    """Sum, mean and minimum of the sampled tokens' log-probabilities."""
    tokens = [[-0.25, -1.5, -0.125], [-0.5], [-2.0, -0.75]]
    lines = [
        answer(name, each, correct=bool(i % 2), custom_id=f"q{i}") for i, each in enumerate(tokens)
    ]
    path = write(tmp_path / "a.jsonl", lines)
    for score, expected in (("sum", [sum(t) for t in tokens]), ("min", [min(t) for t in tokens]),
                            ("mean", [sum(t) / len(t) for t in tokens])):  # fmt: skip
        found = read_scores(path, LlmFormat(name), fields=Fields(), score=score)
        np.testing.assert_allclose(found.values, expected, rtol=1e-15)
        assert found.labels.tolist() == [0, 1, 0]
        assert found.ids.tolist() == ["q0", "q1", "q2"]
        assert f"the score is the {score} of the log-probabilities" in found.notes[0]


def result(number, log_probs, *, success, **beside):
    """A result of promptfoo, of OpenAI's provider asked for log-probabilities."""
    return {
        "promptIdx": 0, "testIdx": number, "promptId": "p", "provider": {"id": "openai:m"},
        "vars": {"q": f"question {number}"}, "success": success, "score": float(success),
        "response": {"output": "text", "tokenUsage": {"total": 9}, "logProbs": log_probs},
        **beside,
    }  # fmt: skip


@pytest.fixture
def promptfoo(tmp_path):
    """300 results of promptfoo as JSON, with their mean log-probabilities and outcomes."""
    rng = np.random.default_rng(0)
    tokens = [np.log(rng.uniform(0.2, 1.0, rng.integers(2, 9))).tolist() for _ in range(300)]
    means = np.array([math.fsum(each) / len(each) for each in tokens])
    right = rng.random(300) < np.exp(means)
    results = [
        result(i, each, success=bool(ok))
        for i, (each, ok) in enumerate(zip(tokens, right, strict=True))
    ]
    failed = {"promptIdx": 0, "testIdx": 300, "success": False, "error": "429"}
    whole = {"evalId": "e", "results": {"version": 3, "results": [*results, failed], "stats": {}}}
    (tmp_path / "results.json").write_text(json.dumps(whole))
    write(tmp_path / "results.jsonl", [*results, failed])
    return means, right


@pytest.mark.parametrize("name", ["promptfoo", "auto"])
@pytest.mark.parametrize("file", ["results.json", "results.jsonl"])
def test_results_of_promptfoo(run, promptfoo, tmp_path, name, file):
    """`success` says what is right; the map is that of the means; what failed is counted."""
    means, right = promptfoo
    expected = AnswerConfidence.fit(means, right, scale="logprob").parameters()
    command = ("fit", file, "--format", name, *SCORED, "mean", "--method", "platt", "--json")
    printed = json.loads(run(*command, "-o", "c.json").stdout)
    assert printed["n"] == 300
    saved = json.loads((tmp_path / "c.json").read_text())["parameters"]
    assert saved["slope"] == pytest.approx(expected["slope"], rel=1e-9)
    assert saved["intercept"] == pytest.approx(expected["intercept"], rel=1e-9)
    assert any("1 row left out: requests that failed" in note for note in printed["warnings"])
    command = ("apply", "c.json", file, "--format", name, "--score-column", "mean")
    run(*command, "-o", "out.csv")


def test_promptfoo_has_no_options(run, promptfoo):
    """Without --kind answers the error says which score to take; other files are no results."""
    error = run("fit", "results.json", "--format", "promptfoo", code=2).stderr
    assert "--kind answers --score-column mean --score-scale logprob" in error
    error = run("fit", "results.json", "--format", "promptfoo", *SCORED[:-1], code=2).stderr
    assert "`--score-column` must say which score to take" in error


def test_another_json_file_is_no_result(tmp_path):
    """It is told, in one line."""
    for content, said in (({"a": 1}, "has no key `"), ({"results": []}, "has no results")):
        (tmp_path / "a.json").write_text(json.dumps(content))
        with pytest.raises(FileFormatError, match=said):
            read_scores(tmp_path / "a.json", LlmFormat("promptfoo"), fields=Fields(), score="mean")


def test_a_score_under_a_key(tmp_path):
    """What the model has stated, wherever it is: no log-probabilities are needed."""
    lines = [
        {"id": f"m{i}", "type": "message", "stop_reason": "end_turn", "correct": i > 0,
         "content": [{"type": "text", "text": "B"}], "parsed": {"confidence": 90 - i}}
        for i in range(3)
    ]  # fmt: skip
    path = write(tmp_path / "a.jsonl", lines)
    found = read_scores(
        path, LlmFormat("openai-logprobs"), fields=Fields(), score="parsed.confidence"
    )
    assert found.values.tolist() == [90, 89, 88]
    assert found.labels.tolist() == [0, 1, 1]
    with pytest.raises(FileFormatError, match=r"line 1: has no key `parsed\.sure`"):
        read_scores(path, LlmFormat("openai-logprobs"), fields=Fields(), score="parsed.sure")


def test_gemini_with_an_average_alone(tmp_path):
    """It is the mean; no other score can be made of it."""
    line = {"candidates": [{"avgLogprobs": -0.5}], "correct": True}
    path = write(tmp_path / "a.jsonl", [line])
    found = read_scores(path, LlmFormat("gemini"), fields=Fields(), score="mean")
    assert found.values.tolist() == [-0.5]
    with pytest.raises(FileFormatError, match="holds only an average"):
        read_scores(path, LlmFormat("gemini"), fields=Fields(), score="sum")


def test_verdicts_of_inspect_ai(tmp_path):
    """C is right and I wrong, of the only scorer; another key is named."""
    lines = [
        answer("inspect-ai", [-0.5, -0.25], scores={"choice": {"value": value}, **more})
        for value, more in (("C", {}), ("I", {}))
    ]
    path = write(tmp_path / "a.jsonl", lines)
    found = read_scores(path, LlmFormat("inspect-ai"), fields=Fields(), score="sum")
    assert found.values.tolist() == [-0.75, -0.75]
    assert found.labels.tolist() == [1, 0]


def test_outcomes_of_another_file(tmp_path):
    """Joined by id; an answer whose tokens have no number is left out and counted."""
    lines = [answer("ollama", [p, -0.5], id=i) for i, p in enumerate([-0.5, None, -1.5])]
    path = write(tmp_path / "a.jsonl", lines)
    labels = tmp_path / "labels.csv"
    labels.write_text("id,correct\n2,true\n0,false\n")
    found = read_scores(path, LlmFormat("ollama"), fields=Fields(), score="sum", labels=labels)
    assert found.values.tolist() == [-1.0, -2.0]
    assert found.labels.tolist() == [0, 1]
    assert any("1 row left out: a token has no log-probability" in n for n in found.notes)
    labels.write_text("id,correct\n2,maybe\n0,false\n")
    with pytest.raises(FileFormatError, match=r"line 3 \(2\): `label` must be true or 1 where"):
        read_scores(path, LlmFormat("ollama"), fields=Fields(), score="sum", labels=labels)


def test_what_has_no_meaning_for_answers_is_refused(tmp_path):
    """Options of tokens, and scores of tokens of a format without any."""
    path = write(tmp_path / "a.jsonl", [LM_EVAL])
    for format_, said in (
        (LlmFormat("ollama", options="AB"), r"`options` \(--options\) has no meaning"),
        (LlmFormat("ollama", position=0), r"`position` \(--position\) has no meaning"),
        ("lm-eval", r"`score_column` \(--score-column\) mean is of the tokens of an answer"),
    ):
        named = format_ if isinstance(format_, LlmFormat) else LlmFormat(format_)
        with pytest.raises(InvalidInputError, match=said):
            read_scores(path, named, fields=Fields(), score="mean")
    reading = Reading(kind="answers", score_scale="logprob", llm=LlmFormat("ollama"), na="drop",
                      score_column="mean")  # fmt: skip
    with pytest.raises(InvalidInputError, match="do not go with answers of a format"):
        read_rows(path, reading)


def test_example_of_the_page(run, tmp_path, monkeypatch):
    """The results on the page of answers are read as it shows, and the command runs."""
    page = (Path(__file__).parents[2] / "docs" / "answers.md").read_text(encoding="utf-8")
    name, content, command, shown = re.search(
        r"<!-- example: (\S+) -->\n+```json\n(.*?)```\n+```sh\n(.*?)\n```\n+```text\n(.*?)```",
        page,
        flags=re.DOTALL,
    ).groups()
    (tmp_path / name).write_text(content, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = read_scores(name, LlmFormat("promptfoo"), fields=Fields(), score="mean")
    lines = [
        f"{each:<9}{np.array2string(getattr(found, each), precision=2)}"
        for each in ("values", "labels", "ids")
    ]
    assert "\n".join([*lines, *found.notes]) + "\n" == shown
    run(*shlex.split(command)[1:], "--quick")
