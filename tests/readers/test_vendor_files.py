"""Files as each vendor writes them (`tests/data/answers`): the same three answers in every one."""

from pathlib import Path

import numpy as np
import pytest

from temperance.readers import FORMATS, LlmFormat, read
from temperance.readers.dataset import Fields
from temperance.readers.llm.scored import read_scores

FOLDER = Path(__file__).parents[1] / "data" / "answers"
LOGITS = [  # of A, B, C and D
    [-2.99573231, -0.10536051, -4.60517025, -5.29831743],
    [-1.20397282, -4.13516664, -0.52763271, -3.21887589],
    [-5.11599594, -5.52146077, -6.21460819, -0.02020273],
]
PLACES = [1, 0, 3]  # of the right options
BY_TOKEN = ("openai-logprobs", "openai-completions", "openai-responses", "vllm", "sglang",
            "llama-cpp", "ollama", "tgi", "gemini", "inspect-ai")  # fmt: skip
FILES = {path.stem: path for path in FOLDER.iterdir() if path.suffix != ".csv"}


def how(name, format_name):
    """How a file is read, under its own name or `auto`."""
    by_token = name in BY_TOKEN
    position = -1 if name == "inspect-ai" else None
    return LlmFormat(format_name, options="ABCD" if by_token else None, position=position)


def test_every_format_has_a_file():
    """Also one that comes later."""
    assert FILES.keys() == set(FORMATS)


@pytest.mark.parametrize("name", [each for each in FORMATS if each != "promptfoo"])
@pytest.mark.parametrize("own", [True, False])
def test_a_vendor_s_file_is_read(name, own):
    """Under its name and by `auto`: the options' log-probabilities, labels and ids."""
    labels = {"labels": FOLDER / "labels.csv", "fields": Fields(id="custom_id")}
    more = labels if name == "openai-logprobs" else {}
    found = read(FILES[name], format=how(name, name if own else "auto"), **more)
    values = found.values if found.kind == "logits" else np.log(found.values)
    expected = np.array(LOGITS)
    if "decisions" in name:  # probabilities of the options alone, to six decimals
        expected = expected - np.log(np.exp(expected).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(np.exp(values), np.exp(expected), atol=2e-6)
    else:
        np.testing.assert_array_equal(values, expected)
    classes = found.classes or "0123"
    assert [classes.index(str(each)) if isinstance(each, str) else each
            for each in found.labels.tolist()] == PLACES  # fmt: skip
    expected_ids = [0, 1, 2] if name == "lm-eval" else ["q1", "q2", "q3"]
    assert found.ids.tolist() == expected_ids
    assert any(f"read as {name} (" in note for note in found.notes) != own
    if name == "openai-logprobs":
        assert any("1 row left out: requests that failed" in note for note in found.notes)


@pytest.mark.parametrize("own", [True, False])
def test_results_of_promptfoo_are_read(own):
    """One score per answer, and whether its assertions hold."""
    format_ = LlmFormat("promptfoo" if own else "auto")
    found = read_scores(FILES["promptfoo"], format_, fields=Fields(), score="mean")
    assert found.values.tolist() == [max(row) for row in LOGITS]
    assert found.labels.tolist() == [1, 0, 1]


@pytest.mark.parametrize("name", BY_TOKEN)
def test_a_score_of_the_answer_is_read_from_the_same_file(name):
    """The log-probability of the token that was sampled, of every server."""
    found = read_scores(FILES[name], LlmFormat(name), fields=Fields(), score="min")
    assert found.values.tolist() == [max(row) for row in LOGITS]
