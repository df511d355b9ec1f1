"""Labels as a mapping of ids: what a file of the same labels gives, in every format."""

import json

import numpy as np
import pytest

import temperance as tp
from llm_files import VENDORS, write
from temperance.errors import FileFormatError, InvalidInputError
from temperance.readers import Fields, LlmFormat, read, read_blocks
from temperance.rows import Reading, read_rows

IDS = ["q1", "q2", "q3", "q4"]
LABELS = {"q3": "b", "q1": "a", "q4": "a", "q2": "b"}
TOPS = [[("a", -0.2), ("b", -1.9)], [("a", -0.9), ("b", -0.6)]] * 2
AB = ["a", "b"]


def table(path, ids=IDS, name="id"):
    """Four rows of probabilities."""
    lines = [f"{each},0.{9 - i},0.{1 + i}" for i, each in enumerate(ids)]
    path.write_text("\n".join([f"{name},prob_a,prob_b", *lines]), encoding="utf-8")
    return path


def same(found, other):
    """Whether two readings gave the same rows."""
    np.testing.assert_array_equal(found.values, other.values)
    assert found.labels.tolist() == other.labels.tolist()
    assert found.labels.dtype == other.labels.dtype


def test_a_mapping_is_what_a_file_of_labels_is(tmp_path):
    """Whole and in blocks, of a file and of a folder, under another name of the ids."""
    path = table(tmp_path / "new.csv")
    lines = ["id,label", *(f"{each},{label}" for each, label in LABELS.items())]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    of_file = read(path, labels=tmp_path / "labels.csv")
    assert of_file.labels.tolist() == ["a", "b", "b", "a"]
    same(read(path, labels=LABELS), of_file)
    same(next(iter(read_blocks(path, labels=LABELS))), of_file)
    (tmp_path / "shards").mkdir()
    table(tmp_path / "shards" / "a.csv")
    same(read(tmp_path / "shards", labels=LABELS), of_file)
    keyed = table(tmp_path / "keyed.csv", name="question")
    same(read(keyed, labels=LABELS, fields=Fields(id="question")), of_file)
    fitted = read_rows(path, Reading(labels=LABELS))
    assert fitted.labels.tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize("name", VENDORS)
def test_answers_of_servers(tmp_path, name):
    """By the ids of the lines, in any order."""
    made = [{**VENDORS[name](top), "id": each} for each, top in zip(IDS, TOPS, strict=True)]
    path = write(tmp_path / "a.jsonl", made)
    format_ = LlmFormat(name, options=AB)
    lines = [{"id": each, "label": label} for each, label in LABELS.items()]
    of_file = read(path, format=format_, labels=write(tmp_path / "labels.jsonl", lines))
    same(read(path, format=format_, labels=LABELS), of_file)
    assert of_file.labels.tolist() == ["a", "b", "b", "a"]


def test_labels_of_typed_questions_are_of_several_kinds(tmp_path):
    """True of one, a word of the other; the id is line/name."""
    probabilities = [{"value": "x", "probability": 0.7}, {"value": "y", "probability": 0.3}]
    answers = [
        {"type": "predicate", "name": "urgent", "probability": 0.9},
        {"type": "choice", "name": "team", "probabilities": probabilities},
    ]
    path = write(tmp_path / "a.jsonl", [{"id": 7, "answers": answers}])
    found = read(path, format="openai-decisions", labels={"7/team": "y", "7/urgent": True})
    assert found.labels.tolist() == [1, 1]


def test_whether_answers_are_right(tmp_path):
    """Of scores of answers, in a table and from a server."""
    lines = ["id,score", *(f"{each},{10 + 20 * i}" for i, each in enumerate(IDS))]
    (tmp_path / "answers.csv").write_text("\n".join(lines))
    right = {"q4": True, "q3": True, "q2": False, "q1": False}
    reading = Reading(kind="answers", score_scale="percent", labels=right)
    assert read_rows(tmp_path / "answers.csv", reading).labels.tolist() == [0, 0, 1, 1]
    made = [{"id": each, "said": {"percent": 50}} for each in IDS]
    path = write(tmp_path / "said.jsonl", made)
    of_lines = Reading(kind="answers", score_scale="percent", score_column="said.percent",
                       llm=LlmFormat("openai-logprobs"), labels=right)  # fmt: skip
    assert read_rows(path, of_lines).labels.tolist() == [0, 0, 1, 1]


def test_what_does_not_match_is_counted_and_named(tmp_path):
    """Missing, doubled in the file or by spelling, left over, none in common."""
    path = table(tmp_path / "new.csv")
    found = read(path, labels={**LABELS, "q8": "a", "q9": "b"})
    assert "rows of `labels` whose ids have no row in" in found.notes[0]
    assert found.notes[0].endswith(" 2: q8, q9.")
    some = {each: LABELS[each] for each in ("q1", "q3", "q4")}
    with pytest.raises(FileFormatError, match=r"1 of 4 rows of .* id that `labels` lacks: q2"):
        read(path, labels=some)
    with pytest.raises(FileFormatError, match=r"none in common: q1, q2, q3 .* and z1"):
        read(path, labels={"z1": "a"})
    again = read(table(tmp_path / "again.csv", ["q1", "q2", "q2", "q3"]), labels=LABELS)
    assert again.labels.tolist() == ["a", "b", "b", "b"]
    assert "1 id stands more than once in" in again.notes[0]
    numbers = table(tmp_path / "numbers.csv", [1, 2, 3, 4])
    one = {1: "a", 2: "b", 3: "a", 4: "b"}
    assert read(numbers, labels=one).labels.tolist() == ["a", "b", "a", "b"]
    assert read(numbers, labels={str(k): v for k, v in one.items()}).labels.tolist() == [*"abab"]
    with pytest.raises(FileFormatError, match="in `labels` with different values: 1"):
        read(numbers, labels={**one, "1": "b"})
    same_value = read(numbers, labels={**one, "1": "a"})
    assert "more than once in `labels`, with the same value: 1" in same_value.notes[0]


def test_ids_without_a_label(tmp_path):
    """None and nan are no labels: an error that counts them, or rows left out."""
    path = table(tmp_path / "new.csv")
    for nothing in (None, float("nan")):
        lacking = {**LABELS, "q2": nothing, "q3": nothing}
        with pytest.raises(InvalidInputError, match="each id; 2 ids of 4 have none: 'q3', 'q2'"):
            read(path, labels=lacking)
        found = read(path, labels=lacking, na="drop")
        assert found.labels.tolist() == ["a", "a"]
        assert found.ids.tolist() == ["q1", "q4"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "got an empty mapping"),
        ({"q1": "a", "q2": 1}, "all texts, all numbers, or all true and false, got 'a' and 1"),
        ({("q", 1): "a"}, "must map ids, which are texts or whole numbers"),
        ({True: "a"}, "must map ids, which are texts or whole numbers"),
        (["a", "b"], "must be the path of a file or a mapping of ids to labels, got "),
        ({"q1": [0, 1], "q2": [0]}, "lists must all be as long"),
    ],
)
def test_other_mappings_are_refused(tmp_path, labels, message):
    """In one line that says what a mapping must be."""
    path = table(tmp_path / "new.csv")
    for reading in (read, read_blocks):
        with pytest.raises(InvalidInputError, match=message):
            list(reading(path, labels=labels))


def test_a_mapping_needs_ids_and_no_column_of_labels(tmp_path):
    """The order of a mapping means nothing; it is never paired by it."""
    path = table(tmp_path / "new.csv", name="prob_c")
    path.write_text("prob_a,prob_b\n0.9,0.1\n0.2,0.8\n")
    made = [{"choices": VENDORS["openai-logprobs"](top)["choices"]} for top in TOPS]
    lines = write(tmp_path / "a.jsonl", made)
    for each, format_ in ((path, None), (lines, LlmFormat("auto", options=AB))):
        with pytest.raises(FileFormatError, match=r"has no ids.*fields=Fields\(id="):
            read(each, labels=LABELS, format=format_)
    with pytest.raises(InvalidInputError, match=r"`fields.label` names a column.*Leave it out"):
        read(table(path), labels=LABELS, fields=Fields(label="y"))


def test_a_fit_with_labels_from_a_database(tmp_path, sample):
    """What `--labels FILE --id-column key` fits, from Python."""
    z, y = sample(3, n=200, k=3, temperature=2.0)
    lines = [{"key": f"r{i}", "logits": row.tolist()} for i, row in enumerate(z)]
    path = write(tmp_path / "rows.jsonl", lines)
    order = np.random.default_rng(0).permutation(200)
    labels = {f"r{i}": y[i] for i in order}  # integers of NumPy
    rows = read(path, labels=labels, fields=Fields(id="key"))
    assert json.dumps(rows.labels.tolist()) == json.dumps(y.tolist())
    fitted = tp.TemperatureScaling.fit(rows.values, rows.labels)
    assert fitted.temperature == pytest.approx(tp.TemperatureScaling.fit(z, y).temperature)
