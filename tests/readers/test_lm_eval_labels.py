"""The right option of an lm-eval sample: one of several, in other words, always the first."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logsumexp

from llm_files import lm_eval, write
from temperance.errors import FileFormatError
from temperance.readers import Fields, LlmFormat, read

LETTERS = "abcd"
DATA = Path(__file__).parents[1] / "data"


def drawn(n=60, k=4, seed=0):
    rng = np.random.default_rng(seed)
    z = np.round(rng.normal(size=(n, k)) * 2.0, 6)
    z -= np.round(logsumexp(z, axis=1, keepdims=True), 6) + 1.0
    return np.round(z, 6), rng.integers(0, k, size=n)


def samples(z, golds, **beside):
    """Samples with the given targets; `acc` is what the harness computes of them."""
    lines = []
    for i, (zs, gold) in enumerate(zip(z.tolist(), golds, strict=True)):
        right = set(gold) if isinstance(gold, list) else {gold}
        acc = float(int(np.argmax(zs)) in right)
        lines.append(
            lm_eval(LETTERS[: len(zs)], zs, gold, doc_id=i, **{"acc": acc, **beside}, doc={"n": i})
        )
    return lines


def notes_of(found):
    return [note.removeprefix(f"{found.source}: ") for note in found.notes]


@pytest.mark.parametrize(
    "written",
    [
        lambda gold: gold,
        str,
        lambda gold: [LETTERS[i] for i in gold],
        lambda gold: str([LETTERS[i] for i in gold]),
        lambda gold: [str(i) for i in gold],
    ],
    ids=["list", "text", "names", "text of names", "digits"],
)
def test_several_right_options_are_left_out_and_counted(tmp_path, written):
    """A list of one is one option, twice the same is one, two are no label of one option."""
    z, y = drawn()
    golds = [[int(a), (int(a) + 1) % 4] if i % 5 == 0 else [int(a)] for i, a in enumerate(y)]
    golds[1] = golds[1] * 2
    lines = samples(z, golds)
    for line in lines:
        line["target"] = written(line["target"])
    found = read(write(tmp_path / "a.jsonl", lines), format="lm-eval")
    one = np.array([len(set(gold)) == 1 for gold in golds])
    assert found.ids.tolist() == np.flatnonzero(one).tolist()
    assert [LETTERS.index(name) for name in found.labels] == y[one].tolist()
    assert found.values.tolist() == z[one].tolist()
    assert notes_of(found) == [f"{(~one).sum()} rows left out: several options are right."]


def test_a_text_that_looks_like_a_list_may_be_an_option(tmp_path):
    """An option's own text comes first."""
    line = lm_eval(["[1, 2]", "[2]"], [-1.0, -2.0], "[2]")
    assert read(write(tmp_path / "a.jsonl", [line]), format="lm-eval").labels.tolist() == ["[2]"]


def test_a_fractional_accuracy_says_that_several_are_right(tmp_path):
    """Then the target names only one of them, in every row of that file."""
    z, y = drawn()
    lines = samples(z, y.tolist())
    rng = np.random.default_rng(2)
    shares = rng.uniform(size=len(lines)).round(6)
    shares[::7] = 1.0
    for line, share in zip(lines, shares.tolist(), strict=True):
        line["acc"] = share
    path = write(tmp_path / "several/samples_mc2_2026-11-01T00-00-00.jsonl", lines)
    with pytest.raises(FileFormatError, match="60 rows left out: several options are right"):
        read(path, format="lm-eval")
    write(tmp_path / "several/samples_one_2026-11-01T00-00-00.jsonl", samples(z, y.tolist()))
    found = read(tmp_path / "several", format="lm-eval")
    assert (len(found.values), set(found.groups.tolist())) == (60, {"one"})
    assert notes_of(found)[0].startswith("60 rows left out: several options are right")
    named = read(path, format="lm-eval", fields=Fields(label="target"))  # the user's word
    assert len(named.values) == 60
    few = samples(z, y.tolist())
    few[4]["acc"] = 0.25
    found = read(write(tmp_path / "few.jsonl", few), format="lm-eval")
    assert len(found.values) == 59
    assert notes_of(found)[0].startswith("1 row left out: several options are right (their `acc`")


def test_an_accuracy_that_contradicts_the_label_is_counted(tmp_path):
    """As where the label counts from 1; ties contradict nothing."""
    z, y = drawn(k=4)
    y = y % 3
    z[:10] = -1.5  # all options tie
    lines = samples(z, y.tolist())
    found = read(write(tmp_path / "a.jsonl", lines), format="lm-eval")
    assert found.notes == ()
    for line, label in zip(lines, y.tolist(), strict=True):
        line["doc"]["from_one"] = label + 1
    path = write(tmp_path / "b.jsonl", lines)
    found = read(path, format="lm-eval", fields=Fields(label="doc.from_one"))
    wrong = 0
    for zs, label in zip(z[10:], y[10:], strict=True):
        best = int(zs.argmax())
        wrong += (best == label) != (best == label + 1)
    assert wrong > 0
    (note,) = notes_of(found)
    assert note == (
        f"the file's own `acc` contradicts the label in {wrong} of 60 rows that have it. Is the "
        "label counted from 1, or under another key (--label-field)?"
    )


@pytest.mark.parametrize("texts", [["no", "yes"], ["yes", "no"], ["No", "Yes"], ["False", "True"]])
@pytest.mark.parametrize(
    "written",
    [bool, str, lambda value: str(value).lower(), lambda value: " Yes" if value else " No"],
    ids=["boolean", "True", "true", "Yes"],
)
def test_yes_and_no_in_other_words(tmp_path, texts, written):
    """A target of true is the option yes, wherever it stands, and the notes say so."""
    z, y = drawn(k=2)
    truth = [texts[label].lower() in ("yes", "true") for label in y]
    lines = []
    for i, (zs, right) in enumerate(zip(z.tolist(), truth, strict=True)):
        acc = float(int(np.argmax(zs)) == y[i])
        lines.append(lm_eval(texts, zs, written(right), doc_id=i, acc=acc))
    found = read(write(tmp_path / "a.jsonl", lines), format="lm-eval")
    assert found.labels.tolist() == [texts[label] for label in y]
    exact = {str(written(value)).strip() for value in (True, False)} == set(texts)
    told = any("60 labels taken for an option in other words" in note for note in found.notes)
    assert told != (exact and written is not bool) or (exact and written is bool)


def test_a_boolean_that_is_an_index_or_a_word_is_not_guessed(tmp_path):
    """Of yes and no, false is the word no and the index of yes; only `acc` tells."""
    line = lm_eval(["yes", "no"], [-1.0, -2.0], False)
    with pytest.raises(FileFormatError, match="may be the index of an option, 0, or the text of"):
        read(write(tmp_path / "a.jsonl", [line]), format="lm-eval")


@pytest.mark.parametrize("target", [True, "Falsch", "maybe"])
def test_other_words_are_refused(tmp_path, target):
    """A boolean of three options, and words that are none of them."""
    line = lm_eval(["no", "yes", "perhaps"], [-1.0, -2.0, -3.0], target)
    if target is True:  # the word yes is there
        found = read(
            write(tmp_path / "a.jsonl", [lm_eval("xyz", [-1, -2, -3], 0)]), format="lm-eval"
        )
        assert found.labels.tolist() == ["x"]
        line = lm_eval("xyz", [-1, -2, -3], target)
    with pytest.raises(FileFormatError, match="`target` must be among the options"):
        read(write(tmp_path / "b.jsonl", [line]), format="lm-eval")


@pytest.mark.parametrize(("place", "word"), [(0, "first"), (2, "third"), (3, "4th")])
def test_the_right_option_at_one_place_is_told(tmp_path, place, word):
    """Where the gold option never moves, a method with numbers per place learns the place."""
    z, _ = drawn()
    lines = samples(z, [place] * 60)
    found = read(write(tmp_path / "a.jsonl", lines), format="lm-eval")
    assert notes_of(found)[0].startswith(f"the right option is the {word} in all 60 rows: ")
    few = read(write(tmp_path / "b.jsonl", lines[:19]), format="lm-eval")
    assert few.notes == ()
    z, y = drawn(seed=5)
    for task, golds in (("one", [place] * 60), ("any", y.tolist())):
        write(tmp_path / f"t/samples_{task}_2026-11-01T00-00-00.jsonl", samples(z, golds))
    found = read(tmp_path / "t", format="lm-eval")
    assert next(n for n in notes_of(found) if "right option" in n).startswith(
        f"the right option is the {word} in all 60 rows of one: "
    )


def test_a_document_that_stands_twice_is_told(tmp_path):
    """A copy, and the same question asked again, count twice: the notes say how many."""
    z, y = drawn()
    lines = samples(z, y.tolist())
    again = samples(z[:5] - 0.25, y[:5].tolist())
    found = read(write(tmp_path / "a.jsonl", [*lines, *lines[:10], *again]), format="lm-eval")
    assert len(found.values) == 75
    assert any(
        "15 rows with the id of an earlier row and the same label (10 with the same numbers)" in n
        for n in found.notes
    )


def test_two_runs_of_a_task_in_a_folder_are_told(tmp_path):
    """Files of the same task at two times hold the same documents."""
    z, y = drawn()
    for day in "12":
        lines = samples(z - float(day), y.tolist())
        write(tmp_path / f"f/samples_law_2026-11-0{day}T00-00-00.jsonl", lines)
    found = read(tmp_path / "f", format="lm-eval")
    assert any("60 rows with the id of an earlier row" in note for note in found.notes)
    assert len(set(found.ids.tolist())) == 60


def test_files_put_together_have_other_documents_of_the_same_number(tmp_path):
    """`doc_id` counts from 0 in every task: documents tell them apart, and labels may differ."""
    z, y = drawn()
    lines = samples(z, y.tolist())
    others = [
        {**line, "doc": {"m": i}, "target": (line["target"] + 1) % 4, "acc": None}
        for i, line in enumerate(lines)
    ]
    found = read(write(tmp_path / "a.jsonl", [*lines, *others]), format="lm-eval")
    assert len(set(found.ids.tolist())) == 120
    assert all(str(id_).split("/")[0] == str(i % 60) for i, id_ in enumerate(found.ids))
    assert any("60 rows with the `doc_id` of another document" in note for note in found.notes)


def test_a_hidden_file_is_no_task(tmp_path):
    """What another program has not finished writing is not read."""
    z, y = drawn()
    write(tmp_path / "f/samples_law_2026-11-01T00-00-00.jsonl", samples(z, y.tolist()))
    write(tmp_path / "f/.1234.jsonl", samples(z, y.tolist()))
    assert len(read(tmp_path / "f", format="lm-eval").values) == 60


def test_long_answers_are_no_words_for_impossible(tmp_path):
    """The log-probability of a whole text may be -100 or -1000: it is a sum over tokens."""
    line = lm_eval("ab", [-100.0, -1000.0], 0)
    found = read(write(tmp_path / "a.jsonl", [line]), format=LlmFormat("lm-eval", missing="error"))
    assert found.values.tolist() == [[-100.0, -1000.0]]


@pytest.mark.parametrize("acc", ["good", float("nan"), [1, 0], True, {"a": 1}])
def test_an_accuracy_of_another_meaning_is_not_used(tmp_path, acc):
    """What is not needed refuses nothing."""
    line = lm_eval("ab", [-1.0, -2.0], 1, acc=acc)
    found = read(write(tmp_path / "a.jsonl", [line]), format="lm-eval")
    assert (found.labels.tolist(), found.notes) == (["b"], ())


def test_a_document_that_marks_several_options(tmp_path):
    """Labels of 0 and 1 beside the options, as TruthfulQA has them, also without an `acc`."""
    z, y = drawn()
    lines = samples(z, [0] * 60)
    for line, other in zip(lines, y.tolist(), strict=True):
        del line["acc"]
        marks = [int(i in (0, other)) for i in range(4)]
        line["doc"] = {
            "one": {"choices": ["x", "y"], "labels": [1, 1]},  # of other options
            "all": {"choices": list(LETTERS), "labels": marks},
        }
    found = read(write(tmp_path / "a.jsonl", lines), format="lm-eval")
    assert found.ids.tolist() == np.flatnonzero(y == 0).tolist()
    assert f"{(y > 0).sum()} rows left out: several options are right." in notes_of(found)
    named = read(tmp_path / "a.jsonl", format="lm-eval", fields=Fields(label="target"))
    assert len(named.values) == 60


def repeated(changes=()):
    """A question whose options were scored three times each, and what `take_first` took."""
    pairs = [[["-0.5", "False"], ["-0.7", "False"], ["-0.5", "False"]],
             [["-1.5", "False"], ["-0.9", "False"], ["-1.5", "False"]]]  # fmt: skip
    return lm_eval(["A", "B"], [-0.5, -1.5], 0, resps=pairs, **dict(changes))


def test_repeats_that_differ_are_told(tmp_path):
    """What the filter took is read; that the model did not say the same each time is counted."""
    found = read(write(tmp_path / "a.jsonl", [repeated()]), format="lm-eval")
    assert found.values.tolist() == [[-0.5, -1.5]]
    assert any("1 row whose options were scored several times" in note for note in found.notes)
    same = lm_eval(["A", "B"], [-0.5, -1.5], 0, resps=[[["-0.5", "False"]] * 2] * 2)
    found = read(write(tmp_path / "a.jsonl", [same]), format="lm-eval")
    assert not any("several times" in note for note in found.notes)


def test_several_pairs_of_an_option_are_refused(tmp_path):
    """`take_first_k` leaves k of them, of which none is the one."""
    line = repeated()
    line = {**line, "filtered_resps": line["resps"], "filter": "three"}
    taken = {**repeated(), "filter": "none"}
    path = write(tmp_path / "a.jsonl", [line, taken])
    assert read(path, format="lm-eval").values.tolist() == [[-0.5, -1.5]]
    with pytest.raises(FileFormatError, match=r"line 1: .*3 pairs .*take_first_k.*--filter NAME"):
        read(path, format=LlmFormat("lm-eval", filter="three"))


def test_filters_that_older_versions_do_not_name(tmp_path):
    """Each document once per filter, first all of the first filter: only these are read."""
    lines = [
        {**lm_eval(["A", "B"], [first - i, -2.0], 0), "doc_id": i, "doc": {"q": i}}
        for first in (-0.1, -0.3)
        for i in range(3)
    ]
    for line in lines:
        del line["filter"]
    found = read(write(tmp_path / "a.jsonl", lines), format="lm-eval")
    assert found.values[:, 0].tolist() == [-0.1, -1.1, -2.1]
    assert any("3 rows left out: of documents that the file lists again" in n for n in found.notes)
    other = [{**line, "doc": {"q": 10 + i}} for i, line in enumerate(lines)]
    found = read(write(tmp_path / "a.jsonl", other), format="lm-eval")
    assert len(found.values) == 6  # files put together: other documents of the same numbers


def test_a_file_of_an_older_version_with_repeats_and_two_filters():
    """Written by lm-eval 0.4.5: three questions, options scored three times, filters unnamed."""
    path = DATA / "lm_eval_0_4_5_repeats.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 6
    assert not any("filter" in line for line in lines)
    found = read(path, format="lm-eval")
    assert found.labels.tolist() == [1, 1, 0]
    for row, line in zip(found.values, lines[:3], strict=True):
        first = [float(repeats[0][0]) for repeats in line["resps"]]
        assert row[: len(first)].tolist() == first
    notes = " ".join(found.notes)
    assert "3 rows left out: of documents that the file lists again" in notes
    assert "3 rows whose options were scored several times" in notes


@pytest.mark.parametrize("name", ["lm-eval", "auto"])
def test_a_file_of_the_first_version(name):
    """Written by lm-eval 0.4.0, and by 0.4.2 to the byte: a JSON list, without filters or tasks."""
    path = DATA / "lm_eval_0_4_0.jsonl"
    samples = json.loads(path.read_text(encoding="utf-8"))
    assert not any("filter" in each for each in samples)
    found = read(path, format=name)
    assert found.groups is None
    assert found.labels.tolist() == [each["target"] for each in samples]
    assert found.ids.tolist() == [each["doc_id"] for each in samples]
    for row, sample in zip(found.values, samples, strict=True):
        shown = [pair[0] for pair in sample["filtered_resps"]]
        assert row.tolist() == [*shown, *[-np.inf] * (4 - len(shown))]
        assert sample["acc"] == float(row.argmax() == sample["target"])
