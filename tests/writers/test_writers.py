"""What is written is read back equal, and is there whole or not at all."""

import errno
import os
import stat
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from temperance.errors import InvalidInputError, MissingDependencyError
from temperance.readers import SUFFIXES as READ_SUFFIXES
from temperance.readers import read
from temperance.readers.derived_columns import sounds_like_a_quantity
from temperance.writers import SUFFIXES, csv_file, write_probs
from temperance.writers.place import check_writable, replacing

PROBS = np.array([[0.1, 0.9], [1 / 3, 2 / 3]])
ARROW = {".parquet", ".arrow", ".feather"}
TEXTS = {".csv", ".tsv", ".csv.gz", ".tsv.gz"}  # of which ids and labels come back as text


def names(directory):
    """What lies in a directory."""
    return sorted(path.name for path in directory.iterdir())


def need(suffix):
    """Skip where the package for a format is missing."""
    if suffix in ARROW:
        pytest.importorskip("pyarrow")


# --- round trips ----------------------------------------------------------------------------

TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8
)
# numbers that are no distributions beside a column called "diff" are asked about
CLASS = TEXT.filter(lambda name: not sounds_like_a_quantity(name))
DTYPES = st.sampled_from([np.float16, np.float32, np.float64, ">f4"])


@st.composite
def contents(draw, *, ragged=False):
    """Arguments of write_probs: any finite numbers will do for probabilities."""
    n, k = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    shape = (n, k) if ragged else draw(st.sampled_from([(n, k), (n,)]))
    dtype = np.dtype(draw(DTYPES))
    width = dtype.itemsize * 8
    numbers = st.floats(0, 1, width=width)
    column = hnp.arrays(np.int64, n, elements=st.integers(-(2**63), 2**63 - 1)) | st.lists(
        TEXT, min_size=n, max_size=n
    ).map(np.array)
    optional = {
        "labels": column,
        "ids": column,
        "groups": column,
        "weights": hnp.arrays(np.float64, n, elements=st.floats(0, 1e300)),
        "classes": st.lists(CLASS, min_size=k, max_size=k, unique=True) if shape != (n,) else None,
    }
    arguments = {
        name: draw(values)
        for name, values in optional.items()
        if values is not None and draw(st.booleans())
    }
    return {"probs": draw(hnp.arrays(dtype, shape, elements=numbers)), **arguments}


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(deadline=None, max_examples=60, derandomize=True)
@given(content=contents())
def test_what_is_written_is_read_back_equal(tmp_path_factory, suffix, content):
    """Every format gives back every number exactly, and every text."""
    need(suffix)
    path = tmp_path_factory.mktemp("files") / f"a{suffix}"
    texts = [str(each) for name in ("labels", "ids", "groups") for each in content.get(name, ())]
    if suffix in TEXTS and any(text.isspace() for text in texts):
        with pytest.raises(InvalidInputError, match="must not hold blank text"):
            write_probs(path, **content)
        return
    write_probs(path, **content)
    dataset = read(path, kind="probs" if suffix == ".npy" else None)
    assert dataset.kind == "probs"
    assert not dataset.ragged
    assert np.array_equal(dataset.values, content["probs"])
    if suffix in {".npz", ".npy", *ARROW}:
        assert dataset.values.dtype.newbyteorder("=") == content["probs"].dtype.newbyteorder("=")
    if suffix == ".npy":
        return
    for name in ("labels", "ids", "groups"):
        expected, column = content.get(name), getattr(dataset, name)
        if expected is None:
            assert column is None
        else:
            as_text = suffix in TEXTS
            assert column.tolist() == (expected.astype(str) if as_text else expected).tolist()
    if "weights" in content:
        assert np.array_equal(dataset.weights, content["weights"])
    else:
        assert dataset.weights is None
    if "classes" in content and suffix not in {".jsonl", ".ndjson"}:
        assert dataset.classes == tuple(content["classes"])


@settings(deadline=None, max_examples=60, derandomize=True)
@given(content=contents(ragged=True), data=st.data())
def test_ragged_rows_come_back_as_they_went_in(tmp_path_factory, content, data):
    """Options that do not exist at the end of a row are left out again."""
    n, k = content["probs"].shape
    lengths = data.draw(st.lists(st.integers(1, k), min_size=n, max_size=n))
    assume(max(lengths) > 1)
    mask = np.arange(k) < np.array(lengths)[:, np.newaxis]
    probs = np.where(mask, content["probs"], 0)
    path = tmp_path_factory.mktemp("files") / "a.jsonl"
    write_probs(path, probs, mask=mask)
    dataset = read(path)
    assert dataset.ragged == (len(set(lengths)) > 1)
    assert np.array_equal(dataset.values, probs[:, : max(lengths)])


def test_mask_inside_a_row_keeps_the_places(tmp_path):
    """An option missing in the middle stays as a zero, so that labels keep their meaning."""
    mask = np.array([[True, False, True], [True, True, False]])
    write_probs(tmp_path / "a.jsonl", [[0.5, 0.0, 0.5], [0.5, 0.5, 0.0]], mask=mask)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert lines == ['{"probs": [0.5, 0.0, 0.5]}', '{"probs": [0.5, 0.5]}']


MATRIX = np.array([[0, 1], [1, -1]])


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_label_matrices_come_back_equal(tmp_path, suffix, named, count):
    """With the columns beside them; a .npy has the probabilities only."""
    need(suffix)
    path = tmp_path / f"a{suffix}"
    labels, classes = MATRIX[:, :count], ("cat", "dog")[:count] if named else None
    write_probs(path, PROBS[:, :count], labels=labels, ids=[7, 8], classes=classes, layout="labels")
    dataset = read(path, kind="probs" if suffix == ".npy" else None, layout="labels")
    assert np.array_equal(dataset.values, PROBS[:, :count])
    if suffix == ".npy":
        return
    assert np.array_equal(dataset.labels, labels)
    assert dataset.ids.tolist() == (["7", "8"] if suffix in TEXTS else [7, 8])
    if suffix not in {".jsonl", ".ndjson"}:
        unnamed = None if suffix == ".npz" else ("0", "1")[:count]
        assert dataset.classes == (classes or unnamed)


def test_label_matrix_as_a_person_sees_it(tmp_path):
    """A column per label before the probabilities, a list in records."""
    write_probs(tmp_path / "a.csv", PROBS, labels=MATRIX, classes=["cat", "dog"], layout="labels")
    assert (tmp_path / "a.csv").read_text().splitlines()[:2] == [
        "label_cat,label_dog,prob_cat,prob_dog", "0,1,0.1,0.9",
    ]  # fmt: skip
    write_probs(tmp_path / "a.jsonl", PROBS, labels=MATRIX, layout="labels")
    first = (tmp_path / "a.jsonl").read_text().splitlines()[0]
    assert first == '{"labels": [0, 1], "probs": [0.1, 0.9]}'


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_dense_outputs_come_back_in_shape(tmp_path, suffix):
    """Also where they are no block of memory; what is beside them is per pixel or per image."""
    probs = np.moveaxis(np.random.default_rng(0).random((2, 4, 5, 3)), -1, 1)
    labels = np.arange(40).reshape(2, 4, 5)
    path = tmp_path / f"a{suffix}"
    write_probs(path, probs, labels=labels, ids=["a", "b"], classes=[*"xyz"], layout="dense")
    dataset = read(path, kind="probs", layout="dense")
    assert np.array_equal(dataset.values, probs)
    if suffix == ".npz":
        assert np.array_equal(dataset.labels, labels)
        assert dataset.ids.tolist() == ["a", "b"]
        assert dataset.classes == ("x", "y", "z")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("a.csv", {"layout": "dense"}, "a.csv: outputs per pixel or token are written to .npz and"),
        (
            "a.npz",
            {"layout": "labels", "labels": MATRIX[:, 0]},
            r"`labels` must have shape \(2, 2\)",
        ),
        ("a.npz", {"layout": "labels", "probs": PROBS[:, 0]}, r"`probs` must have shape \(n, l\)"),
        ("a.npz", {"layout": "labels", "labels": MATRIX + 0.5}, "`labels` .*row 0 has 0.5"),
        ("a.npz", {"labels": MATRIX}, r"`labels` must have shape \(2,\)"),
    ],
)
def test_layouts_that_do_not_fit(tmp_path, name, arguments, message):
    """A format without a place for it, labels of another shape, numbers that are no labels."""
    with pytest.raises(InvalidInputError, match=message):
        write_probs(tmp_path / name, **{"probs": PROBS, **arguments})
    assert names(tmp_path) == []


def test_all_formats_that_are_read_are_written():
    """The two lists have the same suffixes, once each, but that tensors are only read."""
    assert sorted(each for each in READ_SUFFIXES if each not in {".pt", ".pth"}) == sorted(SUFFIXES)


def test_table_as_a_person_sees_it(tmp_path):
    """A .csv has a plain header, quotes where needed, full precision, lines as RFC 4180."""
    path = tmp_path / "a.csv"
    write_probs(path, PROBS, classes=["cat", "a,b"], labels=[1, 0], ids=["x", "y"])
    assert path.read_bytes().decode() == (
        'id,label,prob_cat,"prob_a,b"\r\n'
        "x,1,0.1,0.9\r\n"
        "y,0,0.3333333333333333,0.6666666666666666\r\n"
    )


def test_records_as_a_person_sees_them(tmp_path):
    """A .jsonl has one plain object per row."""
    path = tmp_path / "a.jsonl"
    write_probs(path, PROBS[:1], ids=["x"], labels=[1], groups=["g"], weights=[2.0])
    text = '{"id": "x", "label": 1, "group": "g", "weight": 2.0, "probs": [0.1, 0.9]}\n'
    assert path.read_text() == text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_number_types_become_ones_every_format_holds(tmp_path, suffix):
    """Bfloat16 and long double are written as float32 and float64."""
    need(suffix)
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    path = tmp_path / f"a{suffix}"
    for dtype in (bfloat16, np.longdouble):
        write_probs(path, np.array([[0.5, 0.5]], dtype))
        assert read(path, kind="probs").values.tolist() == [[0.5, 0.5]]


def test_text_of_other_libraries_is_written(tmp_path):
    """Object arrays of text, as pandas has them, are text."""
    for column in (np.array(["a", "b"], object), np.array(["a", "b"], np.dtypes.StringDType())):
        write_probs(tmp_path / "a.npz", PROBS, labels=column)
        assert read(tmp_path / "a.npz").labels.tolist() == ["a", "b"]


def test_more_than_one_block_of_rows(tmp_path):
    """Blocks follow each other without a gap."""
    probs = np.random.default_rng(0).random((45_000, 2))
    write_probs(tmp_path / "a.csv", probs)
    assert np.array_equal(read(tmp_path / "a.csv").values, probs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"probs": [["a", "b"]]}, "`probs` must hold numbers, got dtype <U1."),
        ({"probs": [[0.5]]}, "`probs` must have shape (n,) or (n, k) with n >= 1 and k >= 2, got"),
        ({"probs": np.zeros((0, 2))}, "`probs` must have shape (n,) or (n, k) with n >= 1 and k"),
        ({"probs": 0.5}, "`probs` must have shape (n,) or (n, k) with n >= 1 and k >= 2, got ()"),
        ({"labels": [1]}, "`labels` must have shape (2,) to match `probs`, got (1,)."),
        ({"labels": [[1], [2]]}, "`labels` must have shape (2,) to match `probs`, got (2, 1)."),
        ({"labels": [1.5, np.nan]}, "`labels` must be finite numbers or text; row 1 has nan."),
        ({"ids": [0.0, np.nan]}, "`ids` must be finite numbers or text; row 1 has nan."),
        ({"ids": [0.0, np.inf]}, "`ids` must be finite numbers or text; row 1 has inf."),
        ({"groups": [b"a", b"b"]}, "`groups` must hold numbers or text, got dtype |S1."),
        ({"groups": [{}, set()]}, "`groups` must hold numbers or text, got dtype object."),
        ({"groups": [{}, []]}, "`groups` must be an array; its entries differ in length (setting"),
        ({"probs": [[0.5, 0.5], [1]]}, "`probs` must be an array; its entries differ in length (s"),
        ({"groups": ["a", "\ud800"]}, "`groups` must be text that UTF-8 can hold; entry 1 is '\\u"),
        ({"weights": ["a", "b"]}, "`weights` must hold numbers, got dtype <U1."),
        ({"classes": ["a"]}, "`classes` must be 2 different names, got ['a']."),
        ({"classes": ["a", "a"]}, "`classes` must be 2 different names, got ['a', 'a']."),
        ({"mask": [[1, 0], [1, 1]]}, "`mask` must be booleans of the shape of `probs` (2, 2), a m"),
        ({"mask": [True, False]}, "`mask` must be booleans of the shape of `probs` (2, 2), a matr"),
        ({"groups": ["a", ""]}, "`groups` must not hold blank text in a .csv file; row 1 does."),
        ({"ids": ["a", " "]}, "`ids` must not hold blank text in a .csv file; row 1 does."),
    ],
)
def test_arguments_that_no_file_can_hold(tmp_path, arguments, message):
    """What cannot be read back is not written, and leaves nothing behind."""
    with pytest.raises(InvalidInputError) as caught:
        write_probs(tmp_path / "a.csv", **{"probs": PROBS, **arguments})
    assert str(caught.value).startswith(message)
    assert names(tmp_path) == []


def test_arguments_are_not_written_to(tmp_path):
    """Read-only arrays can be written."""
    probs = PROBS.copy()
    probs.flags.writeable = False
    write_probs(tmp_path / "a.npz", probs)
    assert np.array_equal(read(tmp_path / "a.npz").values, PROBS)


@pytest.mark.parametrize("suffix", sorted(ARROW))
def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch, suffix):
    """A missing package is said before any work."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for call in (lambda path: write_probs(path, PROBS), check_writable):
        with pytest.raises(MissingDependencyError, match=r"temperance\[arrow\]"):
            call(tmp_path / f"a{suffix}")
    assert names(tmp_path) == []


# --- replacing ------------------------------------------------------------------------------


def test_file_takes_its_place_at_the_end(tmp_path):
    """Until the block ends the old file is there; then only the new one."""
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".tmp"
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, FileNotFoundError])
def test_failure_leaves_everything_as_it_was(tmp_path, error):
    """Whatever ends the block, the old file stays, nothing else does, and the error is the same."""
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_full_disk_is_an_error_of_ours(tmp_path):
    """A disk that is full while the block writes gives one sentence and no half of a file."""

    def fill():
        with replacing(tmp_path / "a.json"):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(
        InvalidInputError, match=r"The file to write cannot be written \(No space left"
    ):
        fill()
    assert names(tmp_path) == []


def test_permissions_are_the_usual_ones(tmp_path):
    """The new file has the permissions that any new file would have."""
    usual = tmp_path / "usual"
    usual.touch()
    with replacing(tmp_path / "a.json"):
        pass
    mode = stat.S_IMODE((tmp_path / "a.json").stat().st_mode)
    assert mode == stat.S_IMODE(usual.stat().st_mode)


def test_link_stays_a_link(tmp_path):
    """The file a symbolic link points to is written, the link stays."""
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "a.json", tmp_path / "a.json"
    target.touch()
    link.symlink_to(target)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_suffix_of_a_link_says_the_format(tmp_path):
    """The format is that of the name given, whatever the link points to."""
    (tmp_path / "a.npz").symlink_to(tmp_path / "blob")
    write_probs(tmp_path / "a.npz", PROBS)
    assert np.array_equal(read(tmp_path / "a.npz").values, PROBS)
    assert names(tmp_path) == ["a.npz", "blob"]


def test_two_at_once_do_not_meet(tmp_path):
    """Temporary names are unique; the last to end wins."""
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        first.write_text("1")
        second.write_text("2")
    assert (tmp_path / "a").read_text() == "1"
    assert names(tmp_path) == ["a"]


# --- check_writable -------------------------------------------------------------------------


def test_good_path_passes_and_nothing_is_made(tmp_path):
    """The check creates no file, and does not touch one that is there."""
    check_writable(tmp_path / "a.npz")
    check_writable(tmp_path / "a.html", suffixes=(".html",))
    check_writable(tmp_path / "A.HTML", suffixes=(".html",))
    check_writable(tmp_path / "anything")
    assert names(tmp_path) == []


def bad_paths(directory):
    """Paths that cannot be written, with the rule each breaks."""
    (directory / "d.npz").mkdir()
    (directory / "file").touch()
    return [
        (directory / "d.npz", "must be a file, not a directory"),
        (directory / "no" / "a.npz", "must lie in a directory that exists"),
        (directory / "file" / "a.npz", "must lie in a directory that exists"),
        (directory / ("x" * 300 + ".npz"), "cannot be written (File name too long)"),
        ("", "must be a file, not a directory"),
    ]


@pytest.mark.parametrize("case", range(5))
@pytest.mark.parametrize("use", [check_writable, lambda path: replacing(path).__enter__()])
def test_bad_path_is_refused(tmp_path, case, use):
    """A path that cannot be written is named, with the rule and the way out."""
    path, rule = bad_paths(tmp_path)[case]
    before = names(tmp_path)
    with pytest.raises(InvalidInputError) as caught:
        use(path)
    assert str(caught.value).startswith(f"The file to write {rule}, got {os.fspath(path)!r}; ")
    assert names(tmp_path) == before


@pytest.mark.parametrize("name", ["a.txt", "a", "a.npz.gz"])
def test_unknown_suffix_is_refused(tmp_path, name):
    """The message lists the suffixes that are written."""
    with pytest.raises(InvalidInputError, match=r"must have one of the suffixes \.npz"):
        write_probs(tmp_path / name, PROBS)
    with pytest.raises(InvalidInputError, match=r"must have one of the suffixes \.html, got"):
        check_writable(tmp_path / name, suffixes=(".html",))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_device_is_not_replaced(tmp_path):
    """A pipe or device keeps its place."""
    os.mkfifo(tmp_path / "a.npz")
    with pytest.raises(InvalidInputError, match="must be a regular file"):
        write_probs(tmp_path / "a.npz", PROBS)


@pytest.mark.parametrize(
    ("protected", "rule"),
    [("", "must lie in a directory you may write to"), ("a.npz", "must not be write-protected")],
)
def test_protected_path_is_refused(tmp_path, monkeypatch, protected, rule):
    """A directory or a file the user may not write to is refused (the rights are made up)."""
    (tmp_path / "a.npz").touch()
    denied = tmp_path / protected if protected else tmp_path
    monkeypatch.setattr(os, "access", lambda path, _mode: path != denied)
    with pytest.raises(InvalidInputError, match=rule):
        check_writable(tmp_path / "a.npz")


# --- tables of text by pyarrow --------------------------------------------------------------

SPELLED = [
    0.0, 1.0, 0.5, 0.1, 1 / 3, 1e-4, 9.999999999999999e-05, 1e-5, 1.5e-7, 1e-9, 9.9e-10, 1e-10,
    9.99e-11, 1e-100, 2.2250738585072014e-308, 5e-324, 1 - 2**-53, 0.30000000000000004,
]  # fmt: skip


@pytest.fixture
def both_texts(tmp_path, monkeypatch):
    """Write a table with pyarrow and without; both texts."""
    pytest.importorskip("pyarrow")

    def written(suffix, *arrays, **columns):
        texts = []
        for worth in (True, False):
            monkeypatch.setattr(csv_file, "is_worth_loading", lambda _n, worth=worth: worth)
            path = tmp_path / f"{worth}{suffix}"
            write_probs(path, *arrays, **columns)
            texts.append(path.read_bytes())
        return texts

    return written


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_lines_of_pyarrow_are_those_of_python(both_texts, dtype):
    """To the last byte: numbers of every size, text with marks of the format, true and false."""
    rng = np.random.default_rng(0)
    p = np.concatenate([SPELLED, rng.random(500), 10.0 ** rng.uniform(-320, 0, 2000)])
    probs = np.stack([p, rng.permutation(p)], axis=1).astype(dtype)
    n = len(p)
    marks = ["a", "b,c", 'd"e', "f\r\ng", "h\ti", " j ", "\u3042", "k;l", "'m'", "0.1"]
    columns = {
        "labels": np.arange(n), "ids": np.array(marks * n)[:n],
        "groups": np.arange(n) - 5, "accepted": rng.random(n) < 0.5,
        "weights": np.concatenate([[0.0, 1.0, 3.0, 1e15, 1e16, 1e22, 123456.789], p[7:] * 1e3]),
    }  # fmt: skip
    for suffix in (".csv", ".tsv", ".csv.gz"):
        one, other = both_texts(suffix, probs, **columns)
        assert one == other
    one, other = both_texts(".csv", p.astype(dtype))
    assert one == other
