"""A column that nearly is one of the scores is asked about: left out, its class would be, too."""

import numpy as np
import pytest

import temperance as tp
from commands import run_in
from temperance.readers import read


def table(folder, *names, sep=","):
    """A file of three columns of logits and labels, under these names."""
    path = folder / "rows.csv"
    rows = ["1.5,0.5,0.1,a", "0.2,0.9,0.4,b", "0.1,0.3,2.5,a"]
    path.write_text("\n".join([sep.join(names), *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "name", ["Logit_c", "LOGIT_C", " logit_c", "logit-c", "logit c", "logits_c", "loigt_c"]
)
def test_a_class_is_never_left_out_in_silence(name, tmp_path):
    """Of three classes two were read, and probabilities written that sum to 1 without the third."""
    path = table(tmp_path, "logit_a", "logit_b", name, "label")
    with pytest.raises(tp.FileFormatError, match="nearly named as the columns of logits") as error:
        read(path)
    assert repr(name) in str(error.value)
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    ended = run_in(tmp_path, "apply", "c.json", "rows.csv", "-o", "out.csv", code=2)
    assert repr(name) in ended.stderr
    assert not (tmp_path / "out.csv").exists()


def test_the_way_out_reads_the_others(tmp_path):
    """Followed to the letter: the columns that are named, and only those."""
    path = table(tmp_path, "logit_a", "logit_b", "Logit_c", "label")
    with pytest.raises(tp.FileFormatError) as error:
        read(path)
    words = str(error.value).rstrip(".").split()[-2:]
    assert words == ["--logits-column", "logit_a,logit_b"]
    done = run_in(tmp_path, "evaluate", path.name, *words, "--json")
    assert '"classes": 2' in done.stdout


def test_blanks_behind_all_commas_are_named(tmp_path):
    """The message was of one class only, and to add the others, which are there."""
    path = table(tmp_path, "logit_a", "logit_b", "logit_c", "label", sep=", ")
    with pytest.raises(tp.FileFormatError, match="' logit_b', ' logit_c', which are nearly"):
        read(path)


@pytest.mark.parametrize("name", ["logits_entropy", "Logit margin", "logistic", "other"])
def test_what_is_made_of_scores_is_no_class(name, tmp_path):
    """Such columns were left out before, and are."""
    path = table(tmp_path, "logit_a", "logit_b", name, "label")
    assert read(path).values.shape == (3, 2)


def test_probabilities_too(tmp_path):
    """`Prob_c` beside `prob_a`."""
    path = tmp_path / "p.csv"
    path.write_text("prob_a,prob_b,Prob_c,label\n.5,.5,.0,a\n", encoding="utf-8")
    with pytest.raises(tp.FileFormatError, match="'Prob_c', which is nearly named"):
        read(path)


def lines(folder, *rows):
    """A file of JSON Lines."""
    path = folder / "rows.jsonl"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


FULL = '{"logits": [1.0, 2.0, 0.5], "label": 1}'


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("row", "named"),
    [
        ('{"logits": null, "label": 1}', "`logits` (null)"),
        ('{"logits": [null, 2.0, 0.5], "label": 1}', "`logits` (null)"),
        ('{"logits": [1.0, 2.0, 0.5], "label": null}', "`label`"),
    ],
)
def test_null_is_missing_and_the_way_out_is_named(place, row, named, tmp_path):
    """Scores of null were "a single number", and no line said what leaves such rows out."""
    rows = [FULL, FULL]
    rows.insert(place, row)
    path = lines(tmp_path, *rows)
    with pytest.raises(tp.FileFormatError, match="--na drop") as error:
        read(path)
    assert named in str(error.value)
    left = read(path, na="drop")
    assert left.values.tolist() == [[1.0, 2.0, 0.5]] * 2
    assert np.asarray(left.labels).tolist() == [1, 1]
    assert left.left_out == (place,)


def test_null_in_every_line(tmp_path):
    """No width is known of scores that are nowhere."""
    path = lines(tmp_path, '{"logits": null, "label": 1}')
    with pytest.raises(tp.FileFormatError, match="no row has scores"):
        read(path, na="drop")


def test_rows_without_labels_are_applied_by_the_option_that_is_named(tmp_path):
    """Labels come late: what is served needs none, and no row is left out for it."""
    (tmp_path / "new.csv").write_text("logit_a,logit_b,label\n1,2,a\n2,1,\n", encoding="utf-8")
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    words = ("apply", "c.json", "new.csv", "-o", "out.csv")
    ended = run_in(tmp_path, *words, code=2)
    assert "--label-column none" in ended.stderr
    done = run_in(tmp_path, *words, "--label-column", "none")
    assert "2 rows written" in done.stderr + done.stdout
