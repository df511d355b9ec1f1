"""Tables read at once by pyarrow are what the reader of any table makes of them, errors too."""

import numpy as np
import pytest

from temperance.errors import FileFormatError
from temperance.readers import csv_file, read

pytest.importorskip("pyarrow")

PLAIN = {
    "numbers": "logit_a,logit_b,label\n1.5,-2,a\n.5,1e-5,b\n",
    "line ends of Windows": "logit_a,logit_b,label\r\n1.5,-2,a\r\n.5,1e-320,b\r\n",
    "blank lines": "logit_a,logit_b,label\n\n1.5,-2,a\n\n\n.5,0.1,b",
    "byte order mark": "\ufefflogit_a,logit_b,label\n1.5,-2,a\n.5,0.30000000000000004,b\n",
    "masks": "logit_a,logit_b,logit_c,label\n1.5,-inf,2,a\n-Infinity,1,0,b\n",
    "semicolons": "logit_a;logit_b;label\n1.5;-2;a\n.5;0.1;b\n",
    "beside": "id,prob_é,prob_ü,label,weight,group\nx 1,.25,.75,é,1,g\nx2,.5,.5,ü,2.5,\u3042\n",
    "decimal commas": "logit_a;logit_b;label\n1,5;-2;a\n0,25;1;b\n",
    "percent": "prob_a,prob_b,label\n25%,75%,a\n50 %,50%,b\n",
    "spaces": "logit_a,logit_b,label\n 1.5,-2 ,a \n.5,+1, b\n",
    "one column": "logit\n1.5\n\n-2\n",
}
NOT_PLAIN = {
    "quoted": 'logit_a,logit_b,label\n"1.5",-2,"a"\n.5,1,b\n',
    "quoted name": 'logit_a,"logit_b",label\n1.5,-2,a\n.5,1,b\n',
    "line of the separator": "sep=;\nlogit_a;logit_b;label\n1.5;-2;a\n.5;1;b\n",
    "lone carriage returns": "logit_a,logit_b,label\r1.5,-2,a\r.5,1,b\r",
    "blank line first": "\nlogit_a,logit_b,label\n1.5,-2,a\n.5,1,b\n",
    "lists": "logits,label\n[1.5 -2],a\n[.5 1],b\n",
}
WRONG = {
    "one cell too many": "logit_a,logit_b,label\n1.5,-2,a\n.5,1,b,c\n",
    "one cell too few": "logit_a,logit_b,label\n1.5,-2,a\n.5,1\n",
    "no number": "logit_a,logit_b,label\n1.5,-2,a\n.5,x,b\n",
    "underscore": "logit_a,logit_b,label\n1.5,-2,a\n.5,1_000,b\n",
    "beyond floats": "logit_a,logit_b,label\n1.5,-2,a\n.5,1e999,b\n",
    "missing number": "logit_a,logit_b,label\n1.5,-2,a\n.5,NA,b\n",
    "nan": "logit_a,logit_b,label\n1.5,-2,a\n.5,nan,b\n",
    "missing label": "logit_a,logit_b,label\n1.5,-2,a\n.5,1,\n",
    "thousands": "logit_a;logit_b;label\n1,500;-2;a\n.5;1;b\n",
    "a name twice": "logit_a,logit_a,label\n1.5,-2,a\n.5,1,b\n",
    "no header": "1.5,-2,3\n.5,1,2\n",
    "no rows": "logit_a,logit_b,label\n",
    "not UTF-8": b"logit_a,logit_b,label\n1.5,-2,\xe9\n",
    "open quotation mark": 'logit_a,logit_b,label\n1.5,-2,a\n.5,1,"b\n',
}


@pytest.fixture
def both_ways(tmp_path, monkeypatch):
    """Read a text as pyarrow, where it can, and without; results, or messages of errors."""

    def read_both(text, **options):
        path = tmp_path / "a.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        outcomes = []
        for worth in (True, False):
            monkeypatch.setattr(csv_file, "is_worth_loading", lambda _path, worth=worth: worth)
            try:
                outcomes.append(read(path, **options))
            except FileFormatError as error:
                outcomes.append(str(error))
        return outcomes

    return read_both


def same(one, other):
    """Whether all arrays of two datasets are equal to the last bit, dtype and mask."""
    for name in ("kind", "classes", "ragged", "values", "labels", "weights", "groups", "ids"):
        a, b = getattr(one, name, None), getattr(other, name, None)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(np.ma.getmaskarray(a), np.ma.getmaskarray(b))
        else:
            assert a == b
    return True


@pytest.mark.parametrize("text", PLAIN.values(), ids=PLAIN)
def test_plain_tables(both_ways, text):
    """Every number, text and mask is the same."""
    assert same(*both_ways(text))


@pytest.mark.parametrize("text", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_other_tables(both_ways, text):
    """What two programs may read in two ways is read in one."""
    assert same(*both_ways(text))


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_errors(both_ways, text):
    """What is wrong is said in the same words, with the same line."""
    at_once, line_by_line = both_ways(text)
    assert isinstance(at_once, str)
    assert at_once == line_by_line


@pytest.mark.parametrize("name", ["missing number", "nan", "missing label"])
def test_missing_rows_are_dropped(both_ways, name):
    """`na="drop"` leaves the same rows."""
    assert same(*both_ways(WRONG[name], na="drop"))


def test_a_large_file_is_read_by_pyarrow(tmp_path, monkeypatch):
    """The reader of any table is not asked; numbers come back to the last bit."""
    values = np.random.default_rng(0).standard_t(1, size=(30_000, 3)) * 1e-3
    lines = [",".join(map(repr, row)) for row in values.tolist()]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["logit_a,logit_b,logit_c", *lines]), encoding="utf-8")
    monkeypatch.delattr(csv_file, "_all_rows")
    assert (read(path).values == values).all()
