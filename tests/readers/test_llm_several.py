"""Questions with several right options are left out and counted, whatever the format."""

import json

import pytest

from llm_files import choice, completion, lm_eval, write
from temperance.readers import LlmFormat, read

AB = LlmFormat("openai-logprobs", options="AB")
TOP = [("A", -0.2), ("B", -1.9)]
# The format, and the line of a question with a label.
FORMATS = {
    "lm-eval": ("lm-eval", lambda label: lm_eval(["A", "B"], [-0.2, -1.9], label), (0, 1)),
    "openai-logprobs": (AB, lambda label: completion(TOP, label=label), ("A", "B")),
    "openai-decisions": (
        "openai-decisions", lambda label: choice([("A", 0.8), ("B", 0.2)], label=label), ("A", "B")
    ),
    "records": ("records", lambda label: {"type": "choice", "logits": [1.0, 0.0], "label": label},
                (0, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_questions_with_several_right_options_are_counted(tmp_path, name):
    """A list of several labels leaves its row out; a list of one, or of one twice, is that one."""
    format_, line, (first, second) = FORMATS[name]
    labels = (first, [first, second], [second], [second, second], second, [second, first])
    key = "doc_id" if name == "lm-eval" else "id"
    lines = [{**line(label), key: number} for number, label in enumerate(labels)]
    path = write(tmp_path / "a.jsonl", lines)
    found = read(path, format=format_)
    assert found.labels.tolist() in ([0, 1, 1, 1], ["A", "B", "B", "B"])
    assert any("2 rows left out: several options" in note for note in found.notes), found.notes


def test_one_of_several_answers_may_have_several_labels(tmp_path):
    """Of a line of two answers the one with two right options is left out."""
    answers = [choice([("A", 0.8), ("B", 0.2)], name=name) for name in ("x", "y")]
    lines = [
        {"answers": answers, "label": ["A", ["A", "B"]]},
        {"answers": answers, "label": {"x": ["B", "A"], "y": ["B"]}},
    ]
    found = read(write(tmp_path / "a.jsonl", lines), format="openai-decisions")
    assert found.labels.tolist() == ["A", "B"]
    assert "several options" in json.dumps(found.notes)
