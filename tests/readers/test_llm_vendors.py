"""One set of answers, as each server writes it, is one set of rows; `auto` tells which it is."""

import json
import math
from functools import cache

import numpy as np
import pytest

import reference
import temperance as tp
from llm_files import LM_EVAL, VENDORS, choice, completion, write
from temperance.errors import FileFormatError, InvalidInputError
from temperance.file_formats import ANSWER_FORMATS
from temperance.readers import Fields, LlmFormat, read

LETTERS = "ABCD"
SHARED = reference.SHARED / "mmlu16_llama13b.npz"


@cache
def answers():
    """Log-probabilities of four letters, and which is right: of MMLU where it is at hand.

    Every sixth question, of all subjects: 481 rows.
    """
    if SHARED.is_file():
        with np.load(SHARED) as file:
            probs, labels = file["probs"][::6], file["labels"][::6]
            return np.log(probs.astype(np.float64)), labels.astype(int)
    rng = np.random.default_rng(0)
    z = rng.normal(size=(500, 4)) * 2
    y = (z / 1.7 + rng.gumbel(size=z.shape)).argmax(axis=1)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True)), y


def lines_of(name, *, most=4, labelled=True):
    """The answers as a server writes them: its likeliest tokens, in falling order."""
    z, y = answers()
    lines = []
    for row, label in zip(z, y, strict=True):
        order = np.argsort(-row, kind="stable")[:most]
        top = [(f" {LETTERS[i]}", float(row[i])) for i in order]
        beside = {"label": LETTERS[label]} if labelled else {}
        lines.append(VENDORS[name](top, **beside))
    return lines


@pytest.mark.parametrize("name", VENDORS)
def test_one_temperature_through_every_reader(tmp_path, name):
    """The rows are those that were written, T is that of a slow search; `auto` reads them so."""
    z, y = answers()
    path = write(tmp_path / "a.jsonl", lines_of(name))
    found = read(path, format=LlmFormat(name, options=LETTERS))
    np.testing.assert_array_equal(found.values, z)
    assert found.labels.tolist() == [LETTERS[label] for label in y]
    direct = tp.TemperatureScaling.fit(z, y).temperature
    labels = np.array([LETTERS.index(each) for each in found.labels])
    scaling = tp.TemperatureScaling.fit(found.values, labels)
    assert scaling.temperature == pytest.approx(direct, rel=1e-9)
    assert direct == pytest.approx(reference.temperature(z, y), rel=1e-6)
    by_itself = read(path, format=LlmFormat("auto", options=LETTERS))
    np.testing.assert_array_equal(by_itself.values, z)
    assert f": read as {name} (" in by_itself.notes[0]
    assert "because line 1 has `" in by_itself.notes[0]


@pytest.mark.parametrize("most", [1, 2, 3])
def test_bounds_hold_through_every_reader(tmp_path, most):
    """What is not shown is at most its bound, the same one for all servers."""
    z, _ = answers()
    first = None
    for name in VENDORS:
        path = write(tmp_path / "a.jsonl", lines_of(name, most=most))
        found = read(path, format=LlmFormat(name, options=LETTERS)).values
        shown = np.argsort(np.argsort(-z, axis=1, kind="stable"), axis=1) < most
        np.testing.assert_array_equal(found[shown], z[shown])
        # Float32 probabilities are known to 6e-8 each, and what they leave to a few of these.
        assert (np.exp(found[~shown]) >= np.exp(z[~shown]) - 5e-7).all()
        smallest = np.where(shown, z, np.inf).min(axis=1, keepdims=True)
        assert (found <= np.where(shown, np.inf, smallest)).all()
        first = found if first is None else first
        np.testing.assert_array_equal(found, first)


BAD = [  # a log-probability as a server writes what it does not know
    None, "-Infinity", -math.inf, -9999.0, -3.4028234663852886e38, -1000, -100,
]  # fmt: skip


@pytest.mark.parametrize("name", [each for each in VENDORS if each != "vllm"])
@pytest.mark.parametrize("value", BAD, ids=str)
def test_what_stands_for_impossible_is_not_shown(tmp_path, name, value):
    """null, -Infinity as text, and what no float32 softmax gives, in every shape."""
    top = [("A", -0.3), ("B", -1.6), ("C", value)]
    found = read(
        write(tmp_path / "a.jsonl", [VENDORS[name](top, label="A")]),
        format=LlmFormat(name, options="ABC"),
    )
    bound = min(-1.6, math.log(1 - math.exp(-0.3) - math.exp(-1.6)))
    assert found.values[0, :2].tolist() == [-0.3, -1.6]
    assert found.values[0, 2] == pytest.approx(bound)
    assert any("in place of a log-probability" in note for note in found.notes)


@pytest.mark.parametrize("name", VENDORS)
def test_two_spellings_of_an_option_are_one(tmp_path, name):
    """`A`, ` A` and `\u2581A` add up; a byte that spells the letter does so too."""
    top = [("A", -0.9), (" A", -1.9), ("\u2581A", -2.9), ("<0x41>", -3.9), ("B", -2.0)]
    line = VENDORS[name](top, label="A")
    found = read(write(tmp_path / "a.jsonl", [line]), format=LlmFormat(name, options="AB"))
    assert found.values[0] == pytest.approx([np.logaddexp.reduce([-0.9, -1.9, -2.9, -3.9]), -2.0])


def test_two_formats_that_fit_are_refused(tmp_path):
    """A response with the tokens of a chat and of a legacy completion: its reader must be named."""
    line = completion([("A", -0.3), ("B", -1.6)], label="A")
    logprobs = line["choices"][0]["logprobs"]
    logprobs |= {"tokens": ["A"], "token_logprobs": [-0.3], "top_logprobs": [{"A": -0.3, "B": -2}]}
    path = write(tmp_path / "a.jsonl", [line])
    with pytest.raises(FileFormatError, match="fits several formats, openai-logprobs") as caught:
        read(path, format=LlmFormat("auto", options="AB"))
    assert "--format openai-logprobs or --format openai-completions" in str(caught.value)
    assert read(path, format=LlmFormat("openai-completions", options="AB")).values[0, 1] == -2
    assert read(path, format=LlmFormat("openai-logprobs", options="AB")).values[0, 1] == -1.6
    mixed = [LM_EVAL, completion([("A", -0.3), ("B", -1.6)])]
    with pytest.raises(FileFormatError, match=r"lm-eval \(line 1 has .* \(line 2 has "):
        read(write(path, mixed), format=LlmFormat("auto", options="AB"))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (LM_EVAL, "lm-eval"),
        ({**choice([("a", 0.5), ("b", 0.5)]), "label": "a"}, "openai-decisions"),
        ({"answers": [{"type": "predicate", "probability": 0.5}]}, "openai-decisions"),
        ({"answers": {"q": {"type": "noul", "noul": 0.5}}}, "decisions"),
        ({"type": "choice", "probabilities": {"a": 0.5, "b": 0.5}}, "decisions"),
        ({"type": "choice", "logits": [1.0, 2.0], "gold": 1}, "records"),
    ],
)
def test_auto_recognises_what_has_no_tokens(tmp_path, line, name):
    """Benchmarks, decisions and records too; what failed at the top of a file is stepped over."""
    path = write(tmp_path / "a.jsonl", [line])
    assert f"read as {name} (" in read(path, format="auto").notes[0]
    with pytest.raises(InvalidInputError, match=rf"`options` is for .*, not for {name}\."):
        read(path, format=LlmFormat("auto", options="AB"))


def test_auto_of_a_batch_whose_first_request_failed(tmp_path):
    """Such a line fits no format, and tells nothing; the others do."""
    body = completion([("A", -0.3), ("B", -1.6)])
    lines = [
        {"custom_id": "r0", "response": None, "error": {"code": "expired"}, "label": "A"},
        {"custom_id": "r1", "response": {"status_code": 200, "body": body}, "label": "A"},
    ]
    path = write(tmp_path / "a.jsonl", lines)
    found = read(path, format=LlmFormat("auto", options="AB"))
    assert "because line 2 has `choices[].logprobs.content`" in found.notes[0]
    assert found.ids.tolist() == ["r1"]
    assert "1 row left out: requests that failed." in found.notes[1]


def test_files_of_a_folder_have_one_format(tmp_path):
    """Two formats in a folder are two readings."""
    write(tmp_path / "a.jsonl", [completion([("A", -0.3), ("B", -1.6)])])
    write(tmp_path / "b.jsonl", [LM_EVAL])
    with pytest.raises(FileFormatError, match=r"b\.jsonl: looks like lm-eval .*a\.jsonl like "):
        read(tmp_path, format=LlmFormat("auto", options="AB"))


NO_PROBABILITIES = [
    {"id": "msg_1", "type": "message", "content": [{"type": "text", "text": "B"}],
     "stop_reason": "end_turn"},
    {"custom_id": "q", "result": {"type": "succeeded", "message": {
        "content": [{"type": "text", "text": "B"}], "stop_reason": "end_turn"}}},
    {"output": {"message": {"content": [{"text": "B"}]}}, "stopReason": "end_turn"},
    {"spec": {"completion_fns": ["m"], "eval_name": "x"}},
    {"run_id": "r1", "event_id": 0, "type": "match", "data": {"correct": True, "picked": "C"}},
    {"choices": [{"message": {"content": "B"}, "logprobs": None, "finish_reason": "stop"}]},
    {"output": [{"type": "message", "content": [{"type": "output_text", "text": "B"}]}]},
]  # fmt: skip


@pytest.mark.parametrize("line", NO_PROBABILITIES, ids="-".join)
@pytest.mark.parametrize("name", ["auto", "openai-logprobs", "records"])
def test_what_has_no_probabilities_says_what_can_be_used(tmp_path, line, name):
    """A stated confidence, or the agreement of samples, each with its command, in one line."""
    options = {} if name == "records" else {"options": "AB"}
    path = write(tmp_path / "a.jsonl", [line])
    with pytest.raises(FileFormatError) as caught:
        read(path, format=LlmFormat(name, **options))
    message = str(caught.value)
    assert "temperance fit FILE --kind answers --score-scale percent" in message
    assert "--score-scale count --score-of 10" in message
    assert "\n" not in message


def test_an_unknown_file_is_told_what_is_known(tmp_path):
    """Nothing fits: the error lists the formats."""
    with pytest.raises(FileFormatError, match="of no format that --format auto recognises: none"):
        read(write(tmp_path / "a.jsonl", [{"a": 1}]), format="auto")


@pytest.mark.parametrize("scores", [{"a": 0.7, "b": 0.3}, [0.7, 0.3]], ids=["object", "list"])
@pytest.mark.parametrize("key", ["probs", "logits"])
@pytest.mark.parametrize("name", ["auto", "decisions"])
def test_own_lines_are_read_without_a_format(tmp_path, scores, key, name):
    """Who asks for a format of one's own JSON Lines is told to leave it out, and then they read."""
    label = "b" if isinstance(scores, dict) else 1
    path = write(tmp_path / "a.jsonl", [{key: scores, "label": label}] * 2)
    with pytest.raises(FileFormatError, match=r"which are read without --format\.$"):
        read(path, format=name)
    assert read(path).values.tolist() == [[0.7, 0.3]] * 2


# --- one server at a time ---------------------------------------------------------------------


def of(name, tmp_path, *lines, options="AB", **more):
    return read(write(tmp_path / "a.jsonl", lines), format=LlmFormat(name, options=options, **more))


def test_echo_puts_the_prompt_in_front(tmp_path):
    """Its first token has null; the answer is the last."""
    line = VENDORS["openai-completions"]([("A", -0.3), ("B", -1.6)], label="A")
    logprobs = line["choices"][0]["logprobs"]
    logprobs["tokens"] = ["Answer", ":", "A"]
    logprobs["token_logprobs"] = [None, -1.5, -0.3]
    logprobs["top_logprobs"] = [None, {":": -1.5}, {"A": -0.3, "B": -1.6}]
    found = of("openai-completions", tmp_path, line, position=-1)
    assert found.values.tolist() == [[-0.3, -1.6]]
    with pytest.raises(FileFormatError, match=r"other tokens have some: which one answers"):
        of("openai-completions", tmp_path, line)
    logprobs["top_logprobs"].pop()
    with pytest.raises(FileFormatError, match=r"one entry per token, 3, but has 2"):
        of("openai-completions", tmp_path, line, position=-1)


def test_old_llama_cpp_writes_probabilities(tmp_path):
    """`probs` of {tok_str, prob}; 0 is not shown. After sampling they are refused."""
    probs = [{"tok_str": " A", "prob": 0.75}, {"tok_str": "B", "prob": 0.125},
             {"tok_str": "C", "prob": 0}]  # fmt: skip
    old = {"content": " A", "completion_probabilities": [{"content": " A", "probs": probs}]}
    found = of("llama-cpp", tmp_path, old, options="ABC")
    assert found.values[0] == pytest.approx(np.log([0.75, 0.125, 0.125]), abs=1e-8)
    late = {"completion_probabilities": [{"token": "A", "prob": 0.7, "top_probs": []}]}
    with pytest.raises(FileFormatError, match="probabilities from after sampling"):
        of("llama-cpp", tmp_path, late)


def test_vllm_lists_the_sampled_token_beside_the_likely_ones(tmp_path):
    """However unlikely, it bounds nothing; its mass counts."""
    top = [("z", -6.0), ("A", -0.3), ("B", -1.9)]
    found = of("vllm", tmp_path, VENDORS["vllm"](top), options="ABC")
    left = math.log(1 - math.exp(-6.0) - math.exp(-0.3) - math.exp(-1.9))
    assert found.values[0, 2] == pytest.approx(min(-1.9, left))
    line = VENDORS["vllm"]([("A", -0.3), ("B", -1.6)])
    line["outputs"][0]["logprobs"][0]["101"]["decoded_token"] = None
    with pytest.raises(FileFormatError, match="the text of token 101 is not known"):
        of("vllm", tmp_path, line)


def test_sglang_may_leave_out_the_texts(tmp_path):
    """Then the error says how to ask for them."""
    line = VENDORS["sglang"]([("A", -0.3), ("B", -1.6)])
    line["meta_info"]["output_top_logprobs"][0][1][2] = None
    with pytest.raises(FileFormatError, match="return_text_in_logprobs=true"):
        of("sglang", tmp_path, line)


def test_tgi_ends_with_a_special_token(tmp_path):
    """The last token with text answers, not the one that ends the text."""
    line = VENDORS["tgi"]([("A", -0.3), ("B", -1.6)])
    end = {"id": 2, "text": "</s>", "logprob": -0.1, "special": True}
    line["details"]["tokens"].append(end)
    line["details"]["top_tokens"].append([end])
    assert of("tgi", tmp_path, line, position=-1).values.tolist() == [[-0.3, -1.6]]


def test_gemini_as_its_python_client_writes_it(tmp_path):
    """Keys in snake case; a blocked answer is a refusal; an average alone is no row."""
    line = VENDORS["gemini"]([("A", -0.3), ("B", -1.6)])
    text = json.dumps(line)
    for camel, snake in (("logprobsResult", "logprobs_result"), ("tokenId", "token_id"),
                         ("topCandidates", "top_candidates"), ("logProbability", "log_probability"),
                         ("chosenCandidates", "chosen_candidates")):  # fmt: skip
        text = text.replace(camel, snake)
    blocked = {"candidates": [{"finishReason": "SAFETY"}]}
    whole = {"promptFeedback": {"blockReason": "SAFETY"}}
    found = of("gemini", tmp_path, text, blocked, whole)
    assert found.values.tolist() == [[-0.3, -1.6]]
    assert "2 rows left out: refusals." in found.notes[0]
    with pytest.raises(FileFormatError, match="holds only an average, `avgLogprobs`"):
        of("gemini", tmp_path, {"candidates": [{"avgLogprobs": -0.3}]})


def test_responses_refuse_and_fail(tmp_path):
    """Counted, as of chat completions; text without log-probabilities says how to ask."""
    good = VENDORS["openai-responses"]([("A", -0.3), ("B", -1.6)])
    part = {"type": "refusal", "refusal": "no"}
    refused = {"output": [{"type": "message", "content": [part]}]}
    failed = {"status": "failed", "error": {"code": "server_error"}, "output": []}
    found = of("openai-responses", tmp_path, good, refused, failed)
    assert len(found.values) == 1
    assert [note.partition(": ")[2] for note in found.notes] == [
        "1 row left out: refusals.", "1 row left out: requests that failed.",
    ]  # fmt: skip
    good["output"][1]["content"][0]["logprobs"] = []
    with pytest.raises(FileFormatError, match=r"message\.output_text\.logprobs"):
        of("openai-responses", tmp_path, good)


def test_a_json_list_is_read_like_lines(tmp_path):
    """lm-eval 0.4.0 wrote its samples so, under the suffix .jsonl; an item is named in errors."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps([LM_EVAL, {**LM_EVAL, "doc_id": 1}], indent=2))
    found = read(path, format="auto")
    assert found.ids.tolist() == [0, 1]
    assert "because item 1 has `filtered_resps`" in found.notes[0]
    path.write_text(json.dumps([LM_EVAL, {"a": 1}]))
    with pytest.raises(FileFormatError, match=r"a\.jsonl: item 2: has no key `filtered_resps`"):
        read(path, format="lm-eval")
    for content, said in (("[]", "has no rows"), ("[1]", "item 1: must be"), ("[", "is not JSON")):
        path.write_text(content)
        with pytest.raises(FileFormatError, match=said):
            read(path, format="lm-eval")


def test_every_format_of_the_table_is_tried_here():
    """Servers' shapes are all in `VENDORS`."""
    assert {name for name, each in ANSWER_FORMATS.items() if each.by_token} == set(VENDORS)


# --- labels of another file -------------------------------------------------------------------


def outputs(name, ids):
    tops = [[("A", -0.3), ("B", -1.6)], [("B", -0.2), ("A", -2.0)]]
    return [VENDORS[name](tops[i % 2], custom_id=each) for i, each in enumerate(ids)]


@pytest.mark.parametrize("name", VENDORS)
def test_labels_are_joined_by_id(tmp_path, run, name):
    """In any order of the file of labels; its left-over ids are counted and named."""
    path = write(tmp_path / "out.jsonl", outputs(name, ["q0", "q1", "q2", "q3"]))
    labels = tmp_path / "labels.csv"
    labels.write_text("custom_id,label\nq3,A\nq9,B\nq1,B\nq0,A\nq2,B\n")
    found = read(path, format=LlmFormat(name, options="AB"), labels=labels,
                 fields=Fields(id="custom_id"))  # fmt: skip
    assert found.ids.tolist() == ["q0", "q1", "q2", "q3"]
    assert found.labels.tolist() == ["A", "B", "B", "A"]
    assert f"rows of {labels} whose ids have no row in {path}, 1: q9" in found.notes[0]
    command = ("evaluate", "out.jsonl", "--format", name, "--options", "A,B", "--labels",
               "labels.csv", "--id-column", "custom_id", "--quick", "--json")  # fmt: skip
    printed = json.loads(run(*command).stdout)
    assert printed["n"] == 4
    assert printed["accuracy"]["value"] == 0.5


def test_ids_that_do_not_match_are_refused(tmp_path):
    """Missing, doubled with another label, or none at all: one line, with their names."""
    path = write(tmp_path / "out.jsonl", outputs("vllm", ["q0", "q1", "q2"]))
    labels, format_ = tmp_path / "labels.csv", LlmFormat("vllm", options="AB")

    def message(text):
        labels.write_text(text)
        with pytest.raises(FileFormatError) as caught:
            read(path, format=format_, labels=labels)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    said = message("id,label\nq0,A\n")
    assert f"2 of 3 rows of {path} have an id that {labels} lacks: q1, q2" in said
    assert "1 id stands more than once" in message("id,label\nq0,A\nq0,B\nq1,A\nq2,A\n")
    assert "have none in common" in message("id,label\nx,A\ny,A\nz,A\n")
    said = message("id,label\nq0,A\nq1,Z\nq2,A\n")
    assert "the label of line 2 ('q1'): `label` must be among the options ('A', 'B')" in said
    assert "3 labels" not in said
    for few in ("label\nA\nB\n", "label\nA\nB\nA\nB\n"):
        assert f"has {few.count(chr(10)) - 1} labels, but" in message(few)


def test_answers_of_a_batch_find_their_labels_by_custom_id(tmp_path):
    """They come in any order; the labels call the ids as the batch does, and nobody has to say."""
    of_batch = VENDORS["openai-logprobs"]
    lines = [
        {"custom_id": f"q{i}", "response": {"body": of_batch([("A", -0.3), ("B", -1.6)])}}
        for i in (2, 0, 1)
    ]
    path = write(tmp_path / "batch.jsonl", lines)
    labels = tmp_path / "labels.csv"
    labels.write_text("custom_id,label\nq0,A\nq1,B\nq2,A\nq3,B\n")
    format_ = LlmFormat("openai-logprobs", options="AB")
    found = read(path, format=format_, labels=labels)
    assert found.labels.tolist() == ["A", "A", "B"]
    assert not any("in their order" in note for note in found.notes)


def test_without_ids_labels_are_paired_in_order_and_it_is_told(tmp_path):
    """A label per line, those of failed requests too."""
    lines = [VENDORS["llama-cpp"]([("A", -0.3), ("B", -1.6)]) for _ in range(2)]
    path = write(tmp_path / "out.jsonl", [lines[0], {"error": {"code": 500}}, lines[1]])
    labels = write(tmp_path / "labels.jsonl", [{"label": each} for each in "ABB"])
    found = read(path, format=LlmFormat("llama-cpp", options="AB"), labels=labels)
    assert found.labels.tolist() == ["A", "B"]
    assert "paired with those of" in found.notes[0]
    assert "in their order, which was trusted" in found.notes[0]


def test_labels_of_benchmarks_decisions_and_records(tmp_path):
    """Texts, places, several answers of a line; the label in the line no longer counts."""
    path = write(tmp_path / "out.jsonl", [{**LM_EVAL, "doc_id": i} for i in (4, 7)])
    labels = write(tmp_path / "labels.jsonl", [{"id": 7, "label": 2}, {"id": 4, "label": 0}])
    assert read(path, format="lm-eval", labels=labels).labels.tolist() == ["3", "5"]
    write(labels, [{"id": 7, "label": "5"}, {"id": 4, "label": "4"}])
    assert read(path, format="lm-eval", labels=labels).labels.tolist() == ["4", "5"]
    answers_ = [choice([("a", 0.6), ("b", 0.4)], name=name) for name in "xy"]
    write(path, [{"id": "d", "answers": answers_, "label": {"x": "a"}}])
    write(labels, [{"id": "d/y", "label": "a"}, {"id": "d/x", "label": "b"}])
    assert read(path, format="openai-decisions", labels=labels).labels.tolist() == ["b", "a"]
    write(path, [{"id": i, "type": "choice", "logits": [1, 2], "gold": 0} for i in (1, 2)])
    write(labels, [{"id": 2, "label": 1}, {"id": 1, "label": 0}])
    assert read(path, format="records", labels=labels).labels.tolist() == [0, 1]


def test_labels_of_a_folder(tmp_path):
    """Ids that two files use go with the file's name; ids of one file alone go by themselves."""
    folder = tmp_path / "out"
    write(folder / "a.jsonl", outputs("ollama", ["q0", "q1"]))
    write(folder / "b.jsonl", outputs("ollama", ["q2", "q3"]))
    format_ = LlmFormat("ollama", options="AB")
    labels = tmp_path / "labels.csv"
    labels.write_text("id,label\nq0,A\nq1,B\nq2,B\nq3,B\n")
    assert read(folder, format=format_, labels=labels).labels.tolist() == list("ABBB")
    write(folder / "b.jsonl", outputs("ollama", ["q0", "q1"]))
    labels.write_text("id,label\nb/q0,A\nb/q1,B\na/q0,B\na/q1,B\n")
    assert read(folder, format=format_, labels=labels).labels.tolist() == list("BBAB")
    labels.write_text("label\nA\nB\nA\nB\n")
    with pytest.raises(FileFormatError, match="goes with several files of"):
        read(folder, format=format_, labels=labels)


@pytest.mark.parametrize(
    "scores",
    [{"probs": {"a": 0.9, "b": 0.1}}, {"probs": [0.9, 0.1]}, {"logits": [2.0, 0.1], "n": 1},
     {"probs": [{"label": "a", "score": 0.9}, {"label": "b", "score": 0.1}]}],
)  # fmt: skip
def test_rows_of_scores_need_no_format(tmp_path, scores):
    """What is no server's answer but rows of scores is told how it is read, and is."""
    label = "a" if "a" in str(scores) else 0
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({**scores, "label": label}) + "\n", encoding="utf-8")
    with pytest.raises(FileFormatError, match=r"it looks like .*, which are read without --format"):
        read(path, format="auto")
    assert read(path).values.shape == (1, 2)
