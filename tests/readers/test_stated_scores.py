"""Stated confidence, in words and percentages, is a score on its scale by a map that is stated."""

import json

import numpy as np
import pytest

import temperance as tp
from llm_files import write
from temperance.errors import InvalidInputError
from temperance.llm import AnswerConfidence, answer_log_odds
from temperance.rows.reading import Reading, read_rows

WORDS = {"high": 90.0, "Medium": 60.0, "low": 30.0}
STATED = ["95%", "95 %", "80", "High", " medium ", "low", "0.5%"]
PERCENT = [95.0, 95.0, 80.0, 90.0, 60.0, 30.0, 0.5]
OPTIONS = ("--kind", "answers", "--score-scale", "percent", "--score-words",
           "high=90,medium=60,low=30", "--quick")  # fmt: skip


def test_what_is_stated_is_a_number_on_the_scale():
    """Percent signs say percentages on every scale of shares; words are those of the map."""
    expected = answer_log_odds(PERCENT, scale="percent")
    found = answer_log_odds(STATED, scale="percent", words=WORDS)
    np.testing.assert_array_equal(found, expected)
    shares = {word: value / 100 for word, value in WORDS.items()}
    found = answer_log_odds(["95%", "0.8", "high"], scale="fraction", words=shares)
    np.testing.assert_allclose(found, answer_log_odds([0.95, 0.8, 0.9], scale="fraction"))
    np.testing.assert_array_equal(
        answer_log_odds(["95 %", "80"], scale="percent"), answer_log_odds([95, 80], scale="percent")
    )


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (["95%", "sure"], r"row 1 holds 'sure'"),
        (["95%", "0.95"], r"a share below 1 needs a percent sign; row 1 holds '0\.95'"),
        (["95%", ""], r"row 1 holds ''"),
        (["120%", "high"], r"a percentage in \[0, 100\]"),
    ],
)
def test_what_says_no_number_is_refused(scores, said):
    """A word that is not mapped, a share among percentages, nothing, too much."""
    with pytest.raises(InvalidInputError, match=said):
        answer_log_odds(scores, scale="percent", words=WORDS)


@pytest.mark.parametrize(
    "words", [{"high": 900}, {"95": 95}, {"": 1}, {"high": "x"}, {"a": 1, "A": 2}, {"b": None}, 7]
)
def test_a_map_that_is_none_is_refused(words):
    """Numbers outside the scale, words that are numbers, the same word twice."""
    with pytest.raises((InvalidInputError, AttributeError), match=r"`words`|items"):
        answer_log_odds([50, 90], scale="percent", words=words)


def drawn():
    """300 stated answers, spelled in all ways, and whether they are right."""
    rng = np.random.default_rng(0)
    at = rng.integers(0, len(STATED), 300)
    right = rng.random(300) < np.array(PERCENT)[at] / 130
    return [STATED[i] for i in at], np.array(PERCENT)[at], right


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_the_map_is_that_of_the_numbers(run, tmp_path, suffix):
    """Whatever the file; the calibrator keeps the words, so `apply` needs no option."""
    stated, numbers, right = drawn()
    path = tmp_path / f"stated{suffix}"
    columns = {"score": stated, "correct": [int(each) for each in right]}
    if suffix == ".parquet":
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pa.table(columns), path)
    elif suffix == ".csv":
        lines = [f"{s},{c}" for s, c in zip(*columns.values(), strict=True)]
        path.write_text("score,correct\n" + "\n".join(lines) + "\n")
    else:
        write(path, [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(),
                                                                         strict=True)])  # fmt: skip
    direct = AnswerConfidence.fit(numbers, right, scale="percent")
    run("fit", path.name, *OPTIONS, "--method", "platt", "-o", "c.json")
    loaded = tp.load(tmp_path / "c.json")
    assert loaded.score_scale.words == (("high", 90.0), ("low", 30.0), ("medium", 60.0))
    np.testing.assert_allclose(loaded.apply(stated), direct.apply(numbers), rtol=1e-9)
    run("apply", "c.json", path.name, "-o", "out.csv")
    printed = json.loads(run("evaluate", path.name, "--calibrator", "c.json", "--json").stdout)
    assert printed["n"] == 300


def test_stated_scores_of_a_file_of_answers(tmp_path):
    """Under a key of a line, as a model says it."""
    from temperance.readers import LlmFormat

    lines = [{"parsed": {"sure": s}, "correct": i % 2} for i, s in enumerate(STATED)]
    reading = Reading(kind="answers", score_scale="percent", score_words=WORDS,
                      score_column="parsed.sure", llm=LlmFormat("openai-logprobs"))  # fmt: skip
    rows = read_rows(write(tmp_path / "a.jsonl", lines), reading)
    np.testing.assert_array_equal(rows.logits[:, 1], answer_log_odds(PERCENT, scale="percent"))


def test_words_are_for_answers(run, tmp_path):
    """Elsewhere the option is an error; so is a map that is none, and a word that is not in it."""
    (tmp_path / "a.csv").write_text("score,correct\n95%,1\nhigh,0\nsure,1\n")
    error = run("fit", "a.csv", "--score-words", "high=90", code=2).stderr
    assert "`--score-words` are for `--kind answers`" in error
    error = run("fit", "a.csv", *OPTIONS, code=2).stderr
    assert (
        "must hold a number on the scale percent, a percentage (95%) or one of the words" in error
    )
    assert "'sure'" in error
    error = run("fit", "a.csv", *OPTIONS[:4], "--score-words", "high", code=2).stderr
    assert "`--score-words` must map words that differ to numbers" in error
