"""Files of language models become the rows that are in them; what is not known is counted."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from llm_files import LM_EVAL, VENDORS, choice, completion, lm_eval, write
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers import Fields, LlmFormat, read

INF = math.inf
ABCD = LlmFormat("openai-logprobs", options="ABCD")


@pytest.fixture
def given(tmp_path):
    """Write lines to a file and read it."""

    def call(lines, format_, name="a.jsonl", **options):
        return read(write(tmp_path / name, lines), format=format_, **options)

    return call


@pytest.fixture
def refusal(tmp_path):
    """The message of the error that reading lines raises, without the path it starts with."""

    def call(lines, format_, **options):
        path = write(tmp_path / "a.jsonl", lines)
        with pytest.raises(FileFormatError) as caught:
            read(path, format=format_, **options)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        return message.removeprefix(f"{path}: ")

    return call


def only_note(dataset):
    """The one note of a dataset, without the path it starts with."""
    (note,) = dataset.notes
    assert note.startswith(f"{dataset.source}: ")
    return note.removeprefix(f"{dataset.source}: ")


# --- lm-eval --------------------------------------------------------------------------------


def test_lm_eval_sample_is_read_as_it_is(given):
    """Log-probabilities of texts, the index of the right one, the document's number."""
    found = given([LM_EVAL], "lm-eval")
    assert found.kind == "logits"
    assert found.values.tolist() == [[-0.5, -1.0, -2.0]]
    assert found.classes == ("3", "4", "5")
    assert found.labels.tolist() == ["4"]
    assert found.ids.tolist() == [0]
    assert (found.groups, found.ragged, found.notes) == (None, False, ())


def test_lm_eval_rows_have_different_numbers_of_options(given):
    """Options that a row lacks are -inf; labels are then places among the options."""
    rows = [
        lm_eval(["x", "y"], [-1, -2], "1", doc_id=7),
        lm_eval(["p", "q", "r"], [-3, -2, -1], "0", doc_id=9),
    ]
    found = given(rows, "lm-eval")
    assert found.values.tolist() == [[-1, -2, -INF], [-3, -2, -1]]
    assert (found.labels.tolist(), found.ids.tolist()) == ([1, 0], [7, 9])
    assert found.ragged
    assert found.classes is None


@pytest.mark.parametrize("name", ["lm_eval_multiple_choice.jsonl", "lm_eval_generate.jsonl"])
def test_real_files(name):
    """The values that lm-eval's own accuracy of each row is made of."""
    path = Path(__file__).parents[1] / "data" / name
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if "generate" in name:
        with pytest.raises(FileFormatError, match=r"line 1: `filtered_resps\[0\]` must be a pair"):
            read(path, format="lm-eval")
        return
    for normalize, metric in ((None, "acc"), ("bytes", "acc_norm")):
        found = read(path, format=LlmFormat("lm-eval", normalize=normalize))
        assert found.labels.tolist() == [line["doc"]["a"] for line in lines]
        right = found.values.argmax(axis=1) == found.labels
        assert right.tolist() == [line[metric] == 1.0 for line in lines]
    assert found.values[0].tolist() == pytest.approx(
        [-0.10905784593110368 / 2, -0.5512672460905512 / 2, -0.7065614098668896 / 2, -INF]
    )


def test_bytes_of_the_text_not_its_characters(given):
    """`é` has two bytes; the space before a text counts, as it was scored with it."""
    found = given(
        [lm_eval(["é", "abc"], [-3.0, -4.0], "0")], LlmFormat("lm-eval", normalize="bytes")
    )
    assert found.values.tolist() == [[-1.0, -1.0]]


@pytest.mark.parametrize("target", [1, "1", " 1 ", "Paris", " Paris"])
def test_target_is_an_index_or_a_text(given, target):
    """An index, a text that holds one, or the option's text."""
    found = given([lm_eval(["Rome", "Paris", "Bern"], [-1, -2, -3], target)], "lm-eval")
    assert found.labels.tolist() == ["Paris"]


@pytest.mark.parametrize(
    "doc",
    [
        {"choices": ["Rome", "Paris"]},
        {"choices": {"text": ["Rome", "Paris"], "label": ["A", "B"]}},
        {"choices": {"text": ["x", "y"], "label": ["Rome", "Paris"]}},
    ],
)
def test_target_is_looked_up_in_the_document(given, doc):
    """Where continuations are others, the document's choices say which option the text is."""
    found = given([lm_eval(["1st", "2nd"], [-1, -2], "Paris", doc=doc)], "lm-eval")
    assert found.labels.tolist() == ["2nd"]


def test_label_field_is_a_path(given):
    """--label-field names another key, also one inside the document."""
    row = lm_eval(["x", "y"], [-1, -2], "what?", doc={"gold": [{"index": 1}]})
    found = given([row], "lm-eval", fields=Fields(label="doc.gold.0.index"))
    assert found.labels.tolist() == ["y"]


def test_digits_that_are_texts(given):
    """A target that is no index in one row is a text in all of them."""
    rows = [
        lm_eval("123", [-1, -2, -3], "1", doc_id=0),  # an index too, but of another option
        lm_eval("123", [-1, -2, -3], "3", doc_id=1),  # no index
    ]
    assert given(rows, "lm-eval").labels.tolist() == ["1", "3"]


def test_texts_beside_digits(given):
    """Texts in some rows make digits texts in the others, unless only an index is there."""
    words = lm_eval(["Rome", "Paris", "Bern"], [-1, -2, -3], "Paris", doc_id=0)
    either = lm_eval("123", [-1, -2, -3], "1", doc_id=1)
    assert given([words, either], "lm-eval").labels.tolist() == [1, 0]
    only_index = lm_eval("xyz", [-1, -2, -3], "1", doc_id=1)
    assert given([words, only_index], "lm-eval").labels.tolist() == [1, 1]


def test_accuracy_tells_index_from_text(given):
    """With option 2 the best, `acc` 1 says that target 1 is its index, 0 that it is a text."""
    row = lm_eval("123", [-2, -1, -3], "1")
    assert given([{**row, "acc": 1.0}], "lm-eval").labels.tolist() == ["2"]
    assert given([{**row, "acc": 0.0}], "lm-eval").labels.tolist() == ["1"]


def test_index_or_text_is_never_guessed(refusal):
    """Digits that may be either, with nothing that tells, are refused."""
    message = refusal([lm_eval("123", [-2, -1, -3], "1")], "lm-eval")
    assert message.startswith("line 1: `target` may be the index of an option, 1, or the text of")
    assert "--label-field" in message


def test_only_rows_of_one_filter(given, refusal):
    """Several filters give several rows per document: one is taken, the others are counted."""
    rows = [
        lm_eval("xy", [-1, -2], "0"),
        lm_eval("xy", [-5, -2], "0", filter="strict-match"),
    ]
    found = given(rows, "lm-eval")
    assert found.values.tolist() == [[-1, -2]]
    assert only_note(found).startswith("1 row left out: of other filters, 'strict-match'")
    strict = given(rows, LlmFormat("lm-eval", filter="strict-match"))
    assert strict.values.tolist() == [[-5, -2]]
    message = refusal(rows, LlmFormat("lm-eval", filter="flexible"))
    assert message.startswith("has no rows left: 2 rows left out: of other filters, 'none'")


def test_options_without_context_are_not_options(given):
    """acc_mutual_info scores every option a second time, without the question."""
    row = lm_eval("xyxy", [-1, -2, -3, -4], "1")
    for i in (2, 3):
        row["arguments"][f"gen_args_{i}"]["arg_0"] = ""
    found = given([row], "lm-eval")
    assert found.values.tolist() == [[-1, -2]]
    assert "acc_mutual_info" in only_note(found)


def test_a_folder_of_samples_has_a_group_per_task(tmp_path):
    """Files are named after tasks; ids get the task's name."""
    write(tmp_path / "samples_law_2026-11-23T10-00-00.123.jsonl", [lm_eval("xy", [-1, -2], "0")])
    write(tmp_path / "samples_a_b_2026-11-23T10-00-00.123.jsonl", [lm_eval("pq", [-3, -2], "1")])
    (tmp_path / "results_2026-11-23T10-00-00.123.json").write_text("{}")
    found = read(tmp_path, format="lm-eval")
    assert found.groups.tolist() == ["a_b", "law"]
    assert found.ids.tolist() == ["a_b/0", "law/0"]
    assert found.values.tolist() == [[-3, -2], [-1, -2]]
    assert len(found.files) == 2
    assert "a_b; law (2 of 2)" in only_note(found)
    both = read(tmp_path, format=LlmFormat("lm-eval", group_by=["task", "options"]))
    assert both.groups.tolist() == ["a_b, 2 options", "law, 2 options"]
    assert read(tmp_path, format=LlmFormat("lm-eval", group_by=[])).groups is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filtered_resps": ["lol"]}, "`filtered_resps[0]` must be a pair"),
        ({"filtered_resps": None}, "has no key `filtered_resps` (or null there)"),
        ({"filtered_resps": [["-1", "False"]]}, "`arguments` must be one per option"),
        (
            {"filtered_resps": [["-1", "False"]], "arguments": None},
            "`filtered_resps` must be of two options or more",
        ),
        (
            {"filtered_resps": [["nan", "False"]] * 3},
            "`filtered_resps[0][0]` must be a number, got 'nan'",
        ),
        ({"filtered_resps": [["0.5", "False"]] * 3}, "`filtered_resps[0][0]` must be a log-prob"),
        ({"filtered_resps": [["-1", "perhaps"]] * 3}, "`filtered_resps[0]` must be a pair"),
        ({"target": "7"}, "`target` must be among the options ('3', '4', '5')"),
        ({"target": "-100"}, "`target` must be among the options"),
        ({"target": "[0, 7]"}, "`target` must be among the options"),
        ({"target": "[]"}, "`target` must be one index or one option's text"),
        ({"target": {"a": 1}}, "`target` must be one index or one option's text"),
        ({"target": [0.5]}, "`target` must be indices or texts of options"),
        ({"target": 3}, "`target` must be among the options, 0 to 2, got 3"),
        ({"target": "Paris"}, "`target` must be among the options"),
        ({"doc_id": [1]}, "`doc_id` must be an integer or a text"),
    ],
)
def test_what_is_no_sample_names_line_and_key(refusal, changes, message):
    """A line that is not of the format is named, and the key in it."""
    assert refusal([LM_EVAL, {**LM_EVAL, "doc_id": 1, **changes}], "lm-eval").startswith(
        f"line 2: {message}"
    )


# --- openai-logprobs ------------------------------------------------------------------------


def test_tokens_of_one_option_are_added_up(given):
    """`A` and ` A` are the same answer: log(0.5 + 0.25)."""
    top = [("A", math.log(0.5)), (" A", math.log(0.25)), ("B", math.log(0.125)), ("x", -9)]
    found = given([completion(top, label="B")], LlmFormat("openai-logprobs", options="AB"))
    assert found.values[0].tolist() == pytest.approx([math.log(0.75), math.log(0.125)])
    assert found.classes == ("A", "B")
    assert found.labels.tolist() == ["B"]
    assert (found.groups, found.notes) == (None, ())


def test_spellings_of_one_option(given):
    """Spellings between bars count as one option; the first is its name."""
    top = [("Yes", math.log(0.5)), ("\u2581yes", math.log(0.25)), ("\u0120no", math.log(0.125))]
    format_ = LlmFormat("openai-logprobs", options=["yes|Yes", "no"])
    found = given([completion(top, label="Yes")], format_)
    assert found.values[0].tolist() == pytest.approx([math.log(0.75), math.log(0.125)])
    assert (found.classes, found.labels.tolist()) == (("yes", "no"), ["yes"])


def test_label_is_an_index_unless_it_could_be_an_option(given, refusal):
    """Of A and B, 1 is the second; of the options 1 and 2 it could be either."""
    row = completion([("A", -0.5), ("B", -1.5)], label=1)
    found = given([row], LlmFormat("openai-logprobs", options="AB"))
    assert found.labels.tolist() == ["B"]
    row = completion([("1", -0.5), ("2", -1.5)], label=1)
    assert "could be an option" in refusal([row], LlmFormat("openai-logprobs", options="12"))


def test_options_of_each_line(given, refusal):
    """A key may list the row's own options; rows then have different numbers of them."""
    top = [("A", -0.5), ("B", -1.5), ("C", -2.5)]
    rows = [completion(top, o=["A", "B"], label="A"), completion(top, o=["A", "B", "C"], label="C")]
    found = given(rows, LlmFormat("openai-logprobs", options_field="o", group_by=["options"]))
    assert found.values.tolist() == [[-0.5, -1.5, -INF], [-0.5, -1.5, -2.5]]
    assert found.labels.tolist() == [0, 2]
    assert found.groups.tolist() == ["2 options", "3 options"]
    message = refusal([completion(top, o=["A"])], LlmFormat("openai-logprobs", options_field="o"))
    assert message == "line 1: `o`: `options` (--options) must be two or more, as A,B,C,D, got 'A'."


def test_missing_options_take_the_smallest_one_shown(given):
    """What is not shown is at most the smallest that is; such rows are counted."""
    rows = [
        completion([("A", -0.1), ("x", -3.0), ("y", -4.5)], label="B", id="1"),
        completion([("A", -0.1), ("B", -3.0), ("C", -3.5), ("D", -4.5)], label="A", id="2"),
        completion([("A", -0.08), ("B", -3.0), ("C", -9999.0), ("D", -4.0)], label="A", id="3"),
    ]
    found = given(rows, ABCD)
    left = math.log(1 - sum(map(math.exp, (-0.08, -3.0, -4.0))))  # less than the smallest shown
    expected = [
        [-0.1, -4.5, -4.5, -4.5],
        [-0.1, -3.0, -3.5, -4.5],
        [-0.08, -3.0, left, -4.0],
    ]
    assert found.values == pytest.approx(np.array(expected), rel=1e-8)
    notes = [note.removeprefix(f"{found.source}: ") for note in found.notes]
    assert notes[0].startswith("1 option with -9999.0 in place of a log-probability")
    assert notes[1] == (
        "2 of 3 rows lack the probability of an option (4 options not shown, 1 of them the "
        "label): it is taken as the most it can be, the smallest log-probability shown in the row, "
        "or what those shown leave (--missing says otherwise). A temperature fitted so is too "
        "small; one with --missing shown is not."
    )
    dropped = given(rows, LlmFormat("openai-logprobs", options="ABCD", missing="drop"))
    assert dropped.ids.tolist() == ["2"]
    assert any(
        "2 rows left out: an option is missing (--missing drop)." in n for n in dropped.notes
    )


def test_only_options_that_are_shown(given):
    """--missing shown: -inf where nothing is known; rows without their label, or a choice, go."""
    rows = [
        completion([("A", -0.1), ("x", -3.0), ("B", -4.5)], label="B", id="1"),
        completion([("A", -0.1), ("B", -3.0)], label="D", id="2"),
        completion([("A", -0.1), ("x", -3.0)], label="A", id="3"),
    ]
    found = given(rows, LlmFormat("openai-logprobs", options="ABCD", missing="shown"))
    assert found.values.tolist() == [[-0.1, -4.5, -INF, -INF]]
    assert found.ids.tolist() == ["1"]
    notes = [note.removeprefix(f"{found.source}: ") for note in found.notes]
    assert notes[:3] == [
        "1 row left out: less than two options are shown.",
        "1 row left out: the label is not among the options shown (--missing shown).",
        "1 of 1 row is compared by the options shown only; 2 options not (--missing shown).",
    ]


def test_missing_options_can_be_refused(refusal):
    """--missing error names the line and the option."""
    rows = [completion([("A", -0.1), ("B", -3.0)]), completion([("A", -0.1), ("x", -3.0)])]
    message = refusal(rows, LlmFormat("openai-logprobs", options="AB", missing="error"))
    assert message.startswith("line 2: option 'B' has no log-probability")


def test_rows_without_any_option_are_left_out(given, refusal):
    """A bound for all options would say that they are equally likely, which nothing shows."""
    rows = [completion([("A", -0.1), ("B", -3.0)]), completion([("The", -0.1), ("x", -3.0)])]
    found = given(rows, LlmFormat("openai-logprobs", options="AB"))
    assert found.values.tolist() == [[-0.1, -3.0]]
    assert only_note(found) == (
        "1 row left out: none of the options is shown (the token is 'The')."
    )
    message = refusal(rows[1:], LlmFormat("openai-logprobs", options="AB"))
    assert message.startswith("has no rows left: 1 row left out: none of the options")


def test_option_that_no_row_shows_is_named(given):
    """A misspelt option is missing everywhere, and said to be."""
    found = given(
        [completion([("A", -0.1), ("B", -3.0)])], LlmFormat("openai-logprobs", options="ABb")
    )
    assert any("options that no row shows: 'b'" in note for note in found.notes)


def test_a_sampled_token_that_is_not_likely_bounds_nothing(given):
    """vLLM shows the sampled token first, however unlikely: what is missing may be likelier."""
    for top in ([("z", -12.0), ("A", -0.2), ("x", -3.0)], [("A", -0.2), ("x", -3.0), ("z", -12.0)]):
        row = completion(top, sampled=("z", -12.0))
        found = given([row], LlmFormat("openai-logprobs", options="AB"))
        assert found.values.tolist() == [[-0.2, -3.0]]
    outside = completion([("A", -0.2), ("x", -3.0)], sampled=("B", -12.0))
    found = given([outside], LlmFormat("openai-logprobs", options=["A", "B", "C"]))
    assert found.values.tolist() == [[-0.2, -12.0, -3.0]]  # B is known though not at the top


def test_the_token_that_answers_is_counted_from_either_end(given, refusal):
    """--position names another token than the first."""
    row = completion([("Answer", -0.1), ("x", -1.0)])
    second = completion([("A", -0.5), ("B", -1.0)])
    content = row["choices"][0]["logprobs"]["content"]
    content += second["choices"][0]["logprobs"]["content"]
    for position in (1, -1):
        format_ = LlmFormat("openai-logprobs", options="AB", position=position)
        assert given([row], format_).values.tolist() == [[-0.5, -1.0]]
    message = refusal([row], LlmFormat("openai-logprobs", options="AB", position=2))
    assert "has 2 tokens, so none at position 2" in message


def test_refusals_are_counted(given, refusal):
    """A refusal has no answer; a file of nothing else has no rows."""
    refused = completion([("A", -0.1)])
    refused["choices"][0]["message"] = {"content": None, "refusal": "I cannot help."}
    other = completion([("A", -0.1)])
    other["choices"][0]["logprobs"] = {"content": None, "refusal": []}
    ok = completion([("A", -0.1), ("B", -3.0)])
    format_ = LlmFormat("openai-logprobs", options="AB")
    found = given([refused, ok, other], format_)
    assert len(found.values) == 1
    assert only_note(found) == "2 rows left out: refusals."
    assert refusal([refused], format_) == "has no rows left: 1 row left out: refusals."


@pytest.mark.parametrize("wrap", [lambda r: {"response": r}, lambda r: {"response": {"body": r}}])
def test_responses_inside_a_line(given, wrap):
    """Batch files hold responses under `response.body`; labels stand beside."""
    line = {"custom_id": "q7", "gold": "B", **wrap(completion([("A", -0.5), ("B", -1.0)]))}
    found = given([line], LlmFormat("openai-logprobs", options="AB"), fields=Fields(id="custom_id"))
    assert (found.values.tolist(), found.labels.tolist()) == ([[-0.5, -1.0]], ["B"])
    assert found.ids.tolist() == ["q7"]


def test_several_choices_of_one_request(given):
    """With n > 1 the first is read, and the lines are counted."""
    row = completion([("A", -0.5), ("B", -1.0)])
    row["choices"].append(row["choices"][0])
    found = given([row], LlmFormat("openai-logprobs", options="AB"))
    assert len(found.values) == 1
    assert "1 line with several choices" in only_note(found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"logits": [1, 2]}, "has no key `choices`"),
        ({"choices": []}, "`choices` must be a list of one choice or more"),
        ({"choices": [{"message": {}}]}, "`choices[0]` has no key `logprobs`"),
        (
            {"choices": [{"logprobs": {"content": None}}]},
            "`choices[0].logprobs` has no key `content`",
        ),
        (
            completion([("A", -0.1)], label="E"),
            "`label` must be among the options ('A', 'B', 'C', 'D'), got 'E'",
        ),
        (
            completion([("A", -0.1)], label=4),
            "`label` must be the index of an option, 0 to 3, got 4",
        ),
        (completion([("A", -0.1)], label=True), "`label` must be the text of an option, got True"),
        (completion([("A", -0.1)], label="A", gold="A"), "has both `label` and `gold`"),
        (
            completion([("A", float("nan"))]),
            "`choices[0].logprobs.content[0].top_logprobs[0].logprob` must be a number, got nan",
        ),
        (completion([("A", 0.5)]), "`choices[0].logprobs.content[0].top_logprobs[0].logprob` must"),
    ],
)
def test_what_is_no_completion_names_line_and_key(refusal, line, message):
    """The key is named with the path that leads to it."""
    first = completion([("A", -0.1), ("B", -3.0)], label="A")
    assert refusal([first, line], ABCD).startswith(f"line 2: {message}")


# --- decisions ------------------------------------------------------------------------------


def test_openai_decisions(given):
    """Each answer is a row; its type the group, its line the cluster."""
    line = {
        "id": "t1",
        "model": "m",
        "answers": [
            {"type": "predicate", "name": "urgent", "probability": 0.9},
            choice([("a", 0.5), ("b", 0.3), ("c", 0.2)], name="team"),
            {
                "type": "score",
                "name": "mood",
                "score": 1.2,
                "confidence": 0.6,
                "probabilities": [
                    {"value": 1, "label": "bad", "probability": 0.8},
                    {"value": 2, "label": "good", "probability": 0.2},
                ],
            },
            {"type": "refusal", "name": "diagnosis"},
        ],
        "label": {"urgent": True, "team": "b", "mood": 2, "diagnosis": "flu"},
    }
    found = given([line], "openai-decisions")
    assert found.kind == "probs"
    assert found.values.tolist() == [[0.1, 0.9, 0], [0.5, 0.3, 0.2], [0.8, 0.2, 0]]
    assert found.labels.tolist() == [1, 1, 1]
    assert found.groups.tolist() == ["predicate", "choice", "score"]
    assert found.ids.tolist() == ["t1/urgent", "t1/team", "t1/mood"]
    assert found.clusters.tolist() == [0, 0, 0]
    again = given([line, {**line, "id": "t2"}], "openai-decisions")
    assert again.clusters.tolist() == [0, 0, 0, 1, 1, 1]
    assert any("1 row left out: refusals" in note for note in found.notes)
    line["label"]["mood"] = "good"
    assert given([line], "openai-decisions").labels.tolist() == [1, 1, 1]


def test_values_are_typed(given, refusal):
    """The boolean true and the text "true" are two options of one answer."""
    answer = choice([(True, 0.5), ("true", 0.25), (False, 0.25)])
    for label, name in ((True, "true"), ("true", '"true"'), (False, "false")):
        found = given([{**answer, "label": label}], "openai-decisions")
        assert found.classes == ("true", '"true"', "false")
        assert found.labels.tolist() == [name]
    message = refusal(
        [{**choice([(True, 0.5), (False, 0.5)]), "label": "true"}], "openai-decisions"
    )
    assert message.startswith("line 1: `label` must be among the options (True, False), got 'true'")
    assert "Values are typed: 'true' is not True." in message


def test_options_in_another_order_are_the_same_options(given):
    """Where every row has the same options they are the classes, in the first row's order."""
    rows = [
        {"answers": [choice([("a", 0.7), ("b", 0.3)])], "label": "b"},
        {"answers": [choice([("b", 0.6), ("a", 0.4)])], "label": "b"},
    ]
    found = given(rows, "openai-decisions")
    assert found.classes == ("a", "b")
    assert found.values.tolist() == [[0.7, 0.3], [0.4, 0.6]]
    assert found.labels.tolist() == ["b", "b"]


def test_an_option_that_stands_there_twice_is_added_up(given):
    """Its probabilities belong together."""
    answer = {**choice([("a", 0.5), ("b", 0.25), ("a", 0.25)]), "label": "a"}
    found = given([answer], "openai-decisions")
    assert (found.values.tolist(), found.classes) == ([[0.75, 0.25]], ("a", "b"))


@pytest.mark.parametrize(
    "line",
    [
        {"answers": {"q": {"type": "noul", "noul": 0.75}}, "label": {"q": True}},
        {"answers": [{"type": "noul", "noul": "0.75"}], "label": [True]},
        {"response": {"answers": {"q": {"type": "noul", "noul": 0.75}}}, "label": 1},
        {"type": "noul", "noul": 0.75, "gold": 1},
    ],
)
def test_noul_is_the_probability_of_yes(given, line):
    """Of no and yes; the label is true or false, or 1 or 0."""
    found = given([line], "decisions")
    assert (found.values.tolist(), found.classes) == ([[0.25, 0.75]], ("false", "true"))
    assert (found.labels.tolist(), found.groups.tolist()) == (["true"], ["noul"])


def test_probabilities_as_an_object(given, refusal):
    """Labels of a choice are texts, those of a score integers or their texts."""
    score = {"type": "score", "score": 0.6, "probabilities": {"0": 0.4, "1": 0.6}}
    for label in (1, "1"):
        assert given([{**score, "label": label}], "decisions").labels.tolist() == ["1"]
    answer = {"type": "choice", "choice": "a", "probabilities": {"a": 0.7, "true": 0.3}}
    assert given([{**answer, "label": "true"}], "decisions").labels.tolist() == ["true"]
    message = refusal([{**answer, "label": True}], "decisions")
    assert "Values are typed: True is not 'true'" in message


def test_rounded_zero_is_not_zero(given, refusal):
    """Of four decimals, 0 is anything up to 0.00005: that is the bound, and it is counted."""
    rows = [
        {"type": "choice", "probabilities": {"a": 0.8766, "b": 0.1234}, "label": "a"},
        {"type": "choice", "probabilities": {"a": 1.0, "b": 0.0}, "label": "b"},
    ]
    found = given(rows, "decisions")
    assert found.values[1].tolist() == pytest.approx([1 / 1.00005, 0.00005 / 1.00005], rel=1e-12)
    note = next(note for note in found.notes if "the probability of an option" in note)
    assert "1 of 2 rows" in note
    assert "1 option rounded to 0, 1 of them the label" in note
    assert "half a unit of the last of 4 decimals" in note
    message = refusal(rows, LlmFormat("decisions", missing="error"))
    assert message.startswith("line 2: option 'b' has a probability of 0, rounded")


def test_a_zero_among_numbers_that_are_not_rounded_stays(given):
    """With the digits of arithmetic beside it, 0 is 0."""
    rows = [
        {"type": "choice", "probabilities": {"a": 1 / 3, "b": 2 / 3}, "label": "a"},
        {"type": "choice", "probabilities": {"a": 1.0, "b": 0.0}, "label": "a"},
    ]
    assert given(rows, "decisions").values[1].tolist() == [1.0, 0.0]


def test_rounding_may_move_the_sum(given, refusal):
    """The sum of 40 numbers of two decimals may be 0.2 off, that of two may not."""
    many = {"type": "choice", "probabilities": {str(i): 0.02 for i in range(40)}}
    assert given([many], "decisions").values.sum() == pytest.approx(1.0)
    few = {"type": "choice", "probabilities": {"a": 0.5, "b": 0.4}}
    assert refusal([few], "decisions") == "line 1: `probabilities` must sum to 1, but sums to 0.9."


def test_questions_without_a_label_are_counted(given):
    """Of several questions some may have no label: those are left out."""
    answers = {q: {"type": "noul", "noul": 0.75} for q in ("q", "r")}
    found = given([{"id": 1, "answers": answers, "label": {"q": True}}], "decisions")
    assert found.ids.tolist() == ["1/q"]
    assert any("1 row left out: no label, unlike other rows" in n for n in found.notes)
    assert given([{"id": 1, "answers": answers}], "decisions").labels is None


def test_all_refused_says_so(refusal):
    """A file of refusals has no rows."""
    lines = [{"answers": [{"type": "refusal", "name": None}] * 2}]
    assert refusal(lines, "openai-decisions") == "has no rows left: 2 rows left out: refusals."


@pytest.mark.parametrize(
    ("line", "format_", "message"),
    [
        ({"choices": []}, "openai-decisions", "has no key `answers`"),
        ({"answers": []}, "openai-decisions", "`answers` must be one answer or more"),
        ({"answers": {"q": {"type": "predicate"}}}, "openai-decisions", "`answers` must be a list"),
        (
            {"answers": [{"type": "noul", "noul": 1}]},
            "openai-decisions",
            "`answers[0].type` must be one of predicate, choice, score, refusal, got 'noul'",
        ),
        (
            {"type": "choice", "probabilities": {"a": 1.0}},
            "openai-decisions",
            "`probabilities` must be a list of objects",
        ),
        (choice([("a", 0.5), ("b", 0.5)]), "decisions", "`probabilities` must be an object"),
        (
            choice([("a", 1.0)]),
            "openai-decisions",
            "`probabilities` must be the probabilities of two",
        ),
        (
            choice([("a", 1.5), ("b", -0.5)]),
            "openai-decisions",
            "`probabilities[0].probability` must",
        ),
        (
            choice([(None, 1.0), ("b", 0)]),
            "openai-decisions",
            "`probabilities[0]` has no key `value`",
        ),
        (
            choice([(1.5, 1.0), ("b", 0)]),
            "openai-decisions",
            "`probabilities[0].value` must be a text",
        ),
        (
            {"type": "noul", "noul": float("nan")},
            "decisions",
            "`noul` must be a number, got nan",
        ),
        (
            {"answers": {"q": {"type": "noul", "noul": 1}}, "label": {"Q": True}},
            "decisions",
            "`label` names 'Q', which is no answer's name ('q')",
        ),
        (
            {"answers": [{"type": "noul", "noul": 1}] * 2, "label": True},
            "decisions",
            "`label` must be an object {name: label}, or a list",
        ),
        (
            {"answers": [{"type": "noul", "noul": 1}] * 2, "label": [True]},
            "decisions",
            "`label` must be one per answer, 2",
        ),
        ({"type": "noul", "noul": 0.5, "label": "yes"}, "decisions", "`label` must be among"),
        ({"type": "noul", "noul": 0.5, "label": 2}, "decisions", "`label` must be among"),
    ],
)
def test_what_is_no_decision_names_line_and_key(refusal, line, format_, message):
    """The key is named with the path that leads to it."""
    assert refusal([line], format_).startswith(f"line 1: {message}")


URGENCY = {
    "type": "score",
    "score": 1.3,
    "legend": {"0": "Low", "1": "Medium", "2": "High", "3": {"text": "Extreme"}},
    "probabilities": {"0": 0.1, "1": 0.5, "2": 0.4},
}


@pytest.mark.parametrize("label", ["High", 2, "2"])
@pytest.mark.parametrize("legend", [URGENCY["legend"], ["Low", "Medium", "High"]])
def test_a_level_is_found_by_its_name_in_the_legend(given, label, legend):
    """Annotators write the words; the server writes the numbers, and what they mean beside."""
    line = {**URGENCY, "legend": legend, "label": label}
    assert given([line], "decisions").labels.tolist() == ["2"]
    inside = {"answers": {"q": URGENCY}, "labels": {"q": label}}
    assert given([inside], "decisions").labels.tolist() == ["2"]


def test_a_legend_names_the_levels_of_a_list_too(given):
    """OpenAI's levels have labels of their own; a legend beside them is as good."""
    levels = [{"value": i, "probability": p} for i, p in enumerate((0.1, 0.5, 0.4))]
    answer = {"type": "score", "legend": URGENCY["legend"], "probabilities": levels}
    line = {"answers": [answer], "labels": ["High"]}
    assert given([line], "openai-decisions").labels.tolist() == ["2"]


@pytest.mark.parametrize(
    ("label", "legend", "message"),
    [
        ("high", None, "got 'high'. By other names: 'Low', 'Medium', 'High'"),
        ("Top", {"7": "Top"}, "got 'Top'. That is the name of 7, which has no probability in this"),
        ("1", {"0": "1", "1": "2"}, "`label` is '1', which is another name of 0 and of 1: give"),
        ("Same", {"0": "Same", "1": "Same"}, "`label` is 'Same', which is another name of 0 and"),
    ],
)
def test_a_level_that_the_legend_does_not_settle(refusal, label, legend, message):
    """Nothing is guessed: not from the case, nor where a word is two levels."""
    line = {**URGENCY, "legend": legend or URGENCY["legend"], "label": label}
    assert message in refusal([line], "decisions")


def test_labels_may_stand_under_label_or_labels(given, refusal):
    """A line with several answers calls them `labels`; both keys at once have to be told apart."""
    answers = {q: {"type": "noul", "noul": 0.75} for q in ("q", "r")}
    for labels in ({"q": True, "r": False}, [True, False]):
        found = given([{"answers": answers, "labels": labels}], "decisions")
        assert found.labels.tolist() == ["true", "false"]
    both = {"answers": answers, "label": [True, True], "labels": [False, True]}
    assert "has both `label` and `labels`; say which" in refusal([both], "decisions")
    for key in ("label", "labels"):
        found = given([both], "decisions", fields=Fields(label=key))
        assert found.labels.tolist() == [str(each).lower() for each in both[key]]


@pytest.mark.parametrize(
    ("answer", "beside", "told"),
    [
        ({}, {"server": {"temperature_by_question": {"q": 1.791}}}, "by_question`, noul 1.791)"),
        ({}, {"server": {"temperature": {"noul": 1.73, "choice": 1.2}}}, "noul 1.73)"),
        ({}, {"temperature_by_type": {"noul": 2.22}}, "(`temperature_by_type`, noul 2.22)"),
        ({"temperature": 1.3}, {"temperature": 1.0}, "(`temperature`, noul 1.3)"),
        ({"calibration": {"temperature": 1.3}}, {}, "(`calibration.temperature`, noul 1.3)"),
        ({"temperature_applied": True}, {}, "(`temperature_applied`)"),
        ({}, {"temperature_by_options": {"a": 10.1, "b": -1.6}}, "(`temperature_by_options`)"),
        ({"temperature": 1.0}, {"temperature": 1.5}, None),
        ({"temperature_applied": False}, {}, None),
        ({}, {"temperature": 0}, None),
        ({}, {"server": {"temperature": {"choice": 1.2}}}, None),
        ({}, {"request": {"temperature": 0.7}}, None),
        ({}, {}, None),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_temperature_applied_already_is_told(given, answer, beside, told, wrapped):
    """What is fitted then comes on top of the server's own; 1 and 0 divide nothing."""
    response = {"answers": {"q": {"type": "noul", "noul": 0.75, **answer}}, **beside}
    line = {"response": response, "labels": {"q": True}} if wrapped else {**response, "label": True}
    notes = [n for n in given([line], "decisions").notes if "with a temperature" in n]
    assert bool(notes) == (told is not None)
    if told is not None:
        assert told in notes[0]
        assert "1 row with a temperature beside the answer (" in notes[0]


def test_a_record_tells_its_temperature_too(given):
    """Records are read at temperature 1, unless they say otherwise."""
    record = {"type": "choice", "probs": [0.5, 0.5], "gold": 0, "temperature": 1.48}
    notes = given([record], "records").notes
    assert any("(`temperature`, choice 1.48)" in note for note in notes)


# --- records --------------------------------------------------------------------------------


def test_records(given):
    """Scores, the type as group, the right option; rows have different numbers of options."""
    rows = [
        {"type": "choice", "logits": [1.5, "0.5", -1], "gold": 2},
        {"type": "noul", "logits": [0.5, 2], "gold": 1},
    ]
    found = given(rows, "records")
    assert found.kind == "logits"
    assert found.values.tolist() == [[1.5, 0.5, -1], [0.5, 2, -INF]]
    assert (found.labels.tolist(), found.ids) == ([2, 1], None)
    assert found.groups.tolist() == ["choice", "noul"]
    both = given(rows, LlmFormat("records", group_by=["type", "options"]))
    assert both.groups.tolist() == ["choice, 3 options", "noul, 2 options"]


def test_records_of_probabilities(given):
    """Probabilities stay so; beside logits their logarithms are taken."""
    probs = {"type": "choice", "probs": [0.5, 0.25, 0.25], "gold": 0}
    found = given([probs], "records")
    assert (found.kind, found.values.tolist()) == ("probs", [[0.5, 0.25, 0.25]])
    mixed = given([probs, {"type": "choice", "logits": [1, 2], "gold": 0}], "records")
    assert mixed.kind == "logits"
    assert mixed.values[0].tolist() == pytest.approx(np.log([0.5, 0.25, 0.25]))


def test_sentinel_and_gaps_in_records(given):
    """-9999.0 is a number nobody knows, bounded and counted; -inf an option that is not there."""
    found = given([{"type": "choice", "logits": [1, -9999.0, -INF, -2], "gold": 0}], "records")
    assert found.values == pytest.approx(np.array([[1, -2, -INF, -2]]), rel=1e-8)
    assert any("1 of 1 row lacks the probability" in note for note in found.notes)


def test_kind_picks_one_of_two_scores(given, refusal):
    """A record with logits and probs is read as the one that --kind names."""
    both = {"type": "choice", "logits": [1, 2], "probs": [0.5, 0.5], "gold": 0}
    assert "say which to use with --kind" in refusal([both], "records")
    assert given([both], "records", kind="probs").values.tolist() == [[0.5, 0.5]]
    assert given([both], "records", kind="logits").values.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": None}, "has no key `type`"),
        ({"logits": None}, "has no key `logits` or `probs` (or null there)"),
        ({"logits": [1]}, "`logits` must be scores of two options or more"),
        ({"logits": [1, 2, 3], "type": "noul"}, "`logits` must be the two scores of no and yes"),
        ({"logits": [float("nan"), 2]}, "`logits[0]` must be a number, got nan"),
        ({"logits": [-INF, -INF]}, "`logits` must be scores of which one is finite"),
        ({"gold": 2}, "`gold` must be the index of an option, 0 to 1, got 2"),
        ({"gold": "cat"}, "`gold` must be a number, got 'cat'"),
        ({"gold": True}, "`gold` must be a number, got True"),
        ({"logits": [-INF, 1.0]}, "`gold` must be an option that exists"),
        ({"logits": None, "probs": [0.5, 0.9]}, "`probs` must sum to 1, but sums to 1.4"),
        ({"level_logits": [[0, 1], [1, 0]]}, "`level_logits` holds levels that were each asked"),
    ],
)
def test_what_is_no_record_names_line_and_key(refusal, changes, message):
    """A malformed record is named by its line."""
    good = {"type": "choice", "logits": [1.0, 2.0], "gold": 0}
    assert refusal([good, {**good, **changes}], "records").startswith(f"line 2: {message}")


# --- all of them ----------------------------------------------------------------------------

GOOD = {
    "lm-eval": LM_EVAL,
    **{
        name: line([(letter, -1.5) for letter in "ABCD"], label="A")
        for name, line in VENDORS.items()
    },
    "openai-decisions": {**choice([("a", 0.5), ("b", 0.5)]), "label": "a"},
    "decisions": {"type": "noul", "noul": 0.5, "label": True},
    "records": {"type": "choice", "logits": [1.0, 2.0], "gold": 1},
}


def named_format(name):
    return LlmFormat(name, options="ABCD") if name in VENDORS else name


@pytest.mark.parametrize("name", GOOD)
def test_a_truncated_line_is_numbered(refusal, name):
    """The last line of a file that was cut off, and one in the middle."""
    text = json.dumps(GOOD[name])
    for lines in ([text, text[: len(text) // 2]], [text, text[:-5], text]):
        message = refusal(lines, named_format(name))
        assert message.startswith("line 2: must be a JSON object, but is not JSON")
        assert message.count("line ") == 1


def test_without_a_format_the_error_leads_to_it(refusal):
    """A plain .jsonl has `logits` or `probs`; what benchmarks and services write does not."""
    of_vendors = [line for name, line in GOOD.items() if name != "records"]
    for line in (LM_EVAL, *of_vendors, {"answers": []}, {"spec": {"run_id": 1}}):
        message = refusal([line], None)
        assert "--format auto" in message
        assert message.startswith("line 1: has no key `logits` or `probs`")
        assert message.endswith(
            'Files of language models are read with --format auto (format="auto").'
        )


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("other", GOOD)
def test_no_format_is_taken_for_another(given, refusal, name, other):
    """A file of one format read as another is refused, with line and key."""
    pair = {name, other}
    if name == other:
        assert given([GOOD[name]], named_format(name)).labels is not None
    elif pair != {"openai-decisions", "decisions"} or name == "decisions":
        message = refusal([GOOD[other]], named_format(name))
        assert message.startswith("line 1: ")
        assert "`" in message


@pytest.mark.parametrize("name", GOOD)
def test_an_id_has_one_label(given, refusal, name):
    """The same id with another label is refused; with the same label it is counted."""
    key = "doc_id" if name == "lm-eval" else "id"
    other = {
        "lm-eval": {"target": "2"}, **{vendor: {"label": "B"} for vendor in VENDORS},
        "openai-decisions": {"label": "b"}, "decisions": {"label": False}, "records": {"gold": 0},
    }[name]  # fmt: skip
    line = {**GOOD[name], key: 5}
    message = refusal([line, {**line, **other}], named_format(name))
    assert message.startswith("line 2: has the id 5 of line 1, but another label.")
    found = given([line, line], named_format(name))
    assert len(found.values) == 2
    assert any("1 row with the id of an earlier row" in note for note in found.notes)


@pytest.mark.parametrize("name", [*VENDORS, "records", "lm-eval"])
def test_a_line_without_a_label_is_named(refusal, name):
    """Where other lines have one, it is missing."""
    key = {"records": "gold", "lm-eval": "target"}.get(name, "label")
    lacking = {k: v for k, v in GOOD[name].items() if k != key}
    message = refusal([GOOD[name], lacking], named_format(name))
    assert message.startswith("line 2: has no label")


@pytest.mark.parametrize("name", GOOD)
def test_a_label_field_that_is_not_there_is_named(refusal, name):
    """A label that was named must be there."""
    message = refusal([GOOD[name]], named_format(name), fields=Fields(label="doc.truth"))
    assert message.startswith("line 1: has no key `doc.truth`")


@pytest.mark.parametrize("name", GOOD)
def test_an_id_that_is_not_there_is_named(given, refusal, name):
    """An id that was named must be there; it may be anywhere in the line."""
    message = refusal([GOOD[name]], named_format(name), fields=Fields(id="meta.key"))
    assert message.startswith("line 1: has no key `meta.key`")
    line = {**GOOD[name], "meta": {"key": "k7"}}
    found = given([line], named_format(name), fields=Fields(id="meta.key"))
    assert found.ids.tolist() == ["k7"]


@pytest.mark.parametrize("name", GOOD)
def test_weights_groups_and_clusters_stand_in_the_line(given, refusal, name):
    """As in every .jsonl; groups that are named replace those of the format."""
    lines = [{**GOOD[name], "weight": w, "g": {"a": w}, "cluster": "c"} for w in (1, 2)]
    found = given(lines, named_format(name), fields=Fields(group="g.a"))
    assert found.weights.tolist() == [1, 2]
    assert (found.groups.tolist(), found.clusters.tolist()) == (["1", "2"], ["c", "c"])
    del lines[1]["weight"]
    assert refusal(lines, named_format(name)) == "line 2: has no `weight`, which other lines have."


def test_small_groups_are_named(given):
    """A group of three rows tells nothing, and the file says so."""
    rows = [
        {"type": t, "logits": [1, 2], "gold": i % 2}
        for i, t in enumerate(["choice"] * 20 + ["noul"] * 3)
    ]
    assert only_note(given(rows, "records")) == (
        "groups of fewer than 20 rows, too few to judge them by: noul (1 of 2)."
    )


def test_arguments_that_do_not_go_together(tmp_path):
    """Options of another format, unknown words, labels from elsewhere."""
    path = write(tmp_path / "a.jsonl", [LM_EVAL])
    for options in (
        {"name": "lm_eval"},
        {"name": "lm-eval", "missing": "floor"},
        {"name": "lm-eval", "normalize": "tokens"},
        {"name": "lm-eval", "options": "AB"},
        {"name": "lm-eval", "position": 0},
        {"name": "records", "filter": "none"},
        {"name": "records", "normalize": "bytes"},
        {"name": "records", "group_by": ["task"]},
        {"name": "openai-logprobs", "options": ["A"]},
        {"name": "openai-logprobs", "options": ["A", "B|A"]},
        {"name": "openai-logprobs", "options": ["A", ""]},
        {"name": "openai-logprobs", "options": "AB", "options_field": "o"},
    ):
        with pytest.raises(InvalidInputError, match=r"^`"):
            LlmFormat(**options)
    for options in (
        {"layout": "labels"},
        {"format": "openai-logprobs"},
        {"kind": "logits"},
        {"fields": Fields(logits="z")},
        {"format": LlmFormat("lm-eval", group_by=["task"]), "fields": Fields(group="doc")},
    ):
        with pytest.raises(InvalidInputError, match=r"^`"):
            read(path, **{"format": "lm-eval", **options})
    with pytest.raises(FileFormatError, match="the task is not in the file's name"):
        read(path, format=LlmFormat("lm-eval", group_by=["task"]))


def test_files_that_are_none(tmp_path):
    """A missing file, an empty one, a folder without any."""
    for path, message in (
        (tmp_path / "no.jsonl", "cannot be read: No such file"),
        (write(tmp_path / "empty.jsonl", []), "is empty"),
        (write(tmp_path / "blank.jsonl", [""]), "has no rows"),
        (tmp_path, "line|empty|no rows"),
    ):
        with pytest.raises(FileFormatError, match=message):
            read(path, format="records")
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        FileFormatError, match=r"is a folder without files of a known format: \.jsonl"
    ):
        read(tmp_path / "folder", format="records")


@pytest.mark.parametrize(
    ("line", "format_", "fields"),
    [
        ({**completion([("A", -0.5), ("B", -1.5)]), "id": "\ud83d"}, ABCD, None),
        ({**completion([("A", -0.5), ("B", -1.5)]), "g": "\ud83d"}, ABCD, Fields(group="g")),
        (lm_eval(["\ud83d", "b"], [-1, -2], 0), "lm-eval", None),
        (lm_eval(["\ud83d", "b"], [-1, -2], 0), LlmFormat("lm-eval", normalize="bytes"), None),
        ({"type": "choice", "probabilities": {"\ud83d": 0.5, "b": 0.5}}, "decisions", None),
        ({"type": "\ud83d", "logits": [1, 2], "gold": 0}, "records", None),
    ],
)
def test_half_of_a_character_is_named(refusal, line, format_, fields):
    """A name that no file can hold is refused with its line; among other tokens it may stand."""
    options = {} if fields is None else {"fields": fields}
    message = refusal([line], format_, **options)
    assert message.startswith("line 1: '\\ud83d' holds half of a character")


def test_half_of_a_character_among_the_tokens(given):
    """A token may be a part of a character; it is no option, and harms nothing."""
    row = completion([("A", -0.5), ("B", -1.5)], label="A")
    entries = row["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    entries.append({"token": "\ud83d", "logprob": -4.0})
    found = given([row], LlmFormat("openai-logprobs", options="AB"))
    assert found.values.tolist() == [[-0.5, -1.5]]


def test_lines_are_counted_as_in_the_file(tmp_path):
    """From 1, with empty lines, after a byte-order mark."""
    good = json.dumps(completion([("A", -0.5), ("B", -1.5)], label="A"))
    bad = json.dumps(completion([("A", -0.5), ("B", -1.5)], label="Z"))
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + f"{good}\n\n{good}\n{bad}\n".encode())
    with pytest.raises(FileFormatError, match=r"a\.jsonl: line 4: `label` must be among"):
        read(path, format=LlmFormat("openai-logprobs", options="AB"))
