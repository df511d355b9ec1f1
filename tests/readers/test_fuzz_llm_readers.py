"""Whatever a file of answers holds, reading it gives rows or one sentence that names it."""

import copy
import json
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_files import LM_EVAL, VENDORS, choice, lm_eval
from mutations import FUZZ, mutations
from temperance.errors import FileFormatError
from temperance.readers import Dataset, Fields, LlmFormat, read
from temperance.readers.llm.scored import read_scores

TOP = [("A", -0.5), (" A", -1.5), ("B", -2.5), ("x", -9999.0)]
VALID = {
    "lm-eval": [LM_EVAL, lm_eval(["x", "y"], [-1, -2], "y", doc_id=1)],
    **{
        name: [line(TOP, label="A", id="a"), line(TOP[::-1], label="B", id="b")]
        for name, line in VENDORS.items()
    },
    "openai-decisions": [
        {
            "id": 1,
            "answers": [{"type": "predicate", "name": "q", "probability": 0.9}],
            "label": True,
        },
        {"id": 2, "answers": [choice([("a", 0.5), (True, 0.5)], name="r")], "label": {"r": "a"}},
    ],
    "decisions": [
        {"id": 1, "answers": {"q": {"type": "noul", "noul": 0.9}}, "label": [True]},
        {"type": "score", "probabilities": {"0": 0.25, "1": 0.75, "2": 0.0}, "label": 1},
    ],
    "records": [
        {"type": "choice", "logits": [0.5, "1", -2], "gold": 2, "weight": 1},
        {"type": "noul", "probs": [0.25, 0.75], "gold": 1, "weight": 2},
    ],
}
NUMBERS = (
    *range(-3, 4), 2**63, 10**400, -9999.0, -100.0, float("nan"), float("inf"), -float("inf"), 0.5,
)  # fmt: skip
TEXTS = ("", "A", " A", "1", "-1", "nan", "1e999", "[0, 1]", "none", "true", "\0")
SCALARS = ((None,), (False, True), NUMBERS, TEXTS)
KEYS = ("a", "type", "value", "name", "label", "0")
JSON = st.recursive(
    st.one_of(*map(st.sampled_from, SCALARS)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
    ),
    max_leaves=6,
)


def formats(name):
    if name in VENDORS:
        return [LlmFormat(name, options="AB"), LlmFormat(name, options_field="id", missing="drop")]
    if name == "lm-eval":
        return [LlmFormat(name), LlmFormat(name, normalize="bytes", missing="error")]
    return [LlmFormat(name), LlmFormat(name, missing="drop", group_by=["type", "options"])]


def places(value, path=()):
    """Every place in a JSON value, as the keys and indices that lead to it."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from places(inner, (*path, key))


def any_json(random, deepest=2):
    """A value like those of `JSON`, at a fraction of the time that hypothesis takes."""
    kind = random.choice(("scalar", "scalar", "list", "dict")) if deepest else "scalar"
    if kind == "scalar":
        return random.choice(random.choice(SCALARS))
    n = random.randrange(4)
    inner = [any_json(random, deepest - 1) for _ in range(n)]
    return inner if kind == "list" else dict(zip(random.sample(KEYS, n), inner, strict=True))


def changed(random, lines):
    """The lines with a few values anywhere in them replaced by others."""
    lines = copy.deepcopy(lines)
    for _ in range(random.randint(1, 2)):
        *way, last = random.choice([p for p in places(lines) if len(p) > 1])
        inside = lines
        for key in way:
            inside = inside[key]
        inside[last] = any_json(random)
    return lines


def check_changed(check, lines, times):
    """Call `check` with as many changed copies of the lines; one that fails is shown."""
    for seed in range(times):
        spoiled = changed(Random(seed), lines)  # noqa: S311  (no secret)
        try:
            check(spoiled)
        except BaseException as error:
            error.add_note(f"lines: {spoiled!r}")
            raise


def read_or_refuse(path, format_):
    """Read `path`; anything but sound rows or an error of one line fails. Return the message."""
    try:
        found = read(path, format=format_)
    except FileFormatError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert message.isprintable()
        assert len(message) < 3000
        return message
    assert isinstance(found, Dataset)
    n, k = found.values.shape
    assert k >= 2
    assert not np.isnan(found.values).any()
    assert (found.values < np.inf).all()
    shown = found.values > (-np.inf if found.kind == "logits" else 0.0)
    assert shown.any(axis=1).all()
    if found.kind == "probs":
        assert found.values.sum(axis=1) == pytest.approx(np.ones(n))
    if found.labels is not None and found.classes is None:
        assert shown[np.arange(n), found.labels].all() or found.kind == "probs"
    for name in ("labels", "weights", "groups", "clusters", "ids"):
        column = getattr(found, name)
        assert column is None or len(column) == n
    return None


@pytest.mark.parametrize("name", VALID)
@FUZZ
@given(content=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(tmp_path, name, content):
    """Bytes of any kind, and any JSON."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    for format_ in formats(name):
        read_or_refuse(path, format_)


@pytest.mark.parametrize("name", VALID)
def test_damaged_bytes(tmp_path, name):
    """Valid files with some bytes changed."""
    path = tmp_path / "a.jsonl"
    text = "\n".join(map(json.dumps, VALID[name])).encode()

    @FUZZ
    @given(content=mutations(text))
    def check(content):
        path.write_bytes(content)
        for format_ in formats(name):
            read_or_refuse(path, format_)

    path.write_bytes(text)
    assert read_or_refuse(path, formats(name)[0]) is None
    check()


@pytest.mark.parametrize("name", VALID)
def test_other_values_in_the_right_places(tmp_path, name):
    """Well-formed JSON that is not of the format: the line is always named."""
    path = tmp_path / "a.jsonl"

    def check(lines):
        path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        for format_ in formats(name):
            message = read_or_refuse(path, format_)
            assert message is None or "line " in message or "has no rows left" in message

    check_changed(check, VALID[name], 300)


@pytest.mark.parametrize("name", [*VENDORS, "promptfoo"])
def test_scores_of_other_values_in_the_right_places(tmp_path, name):
    """Whole answers by one score: finite numbers, or one sentence."""
    path = tmp_path / "a.jsonl"
    result = {"testIdx": 0, "promptIdx": 1, "success": True, "response": {"logProbs": [-1, -0.5]}}
    valid = [result, {**result, "testIdx": 1}] if name == "promptfoo" else VALID[name]

    def check(lines):
        path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        try:
            found = read_scores(path, LlmFormat(name), fields=Fields(), score="mean")
        except FileFormatError as error:
            assert "line " in str(error) or "has no rows left" in str(error)
            assert str(error).isprintable()
            return
        assert np.isfinite(found.values).all()
        assert found.values.shape == (len(found.ids),) if found.ids is not None else True

    check_changed(check, valid, 100)
