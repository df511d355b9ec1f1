"""Every file format becomes the same rows, and every fault of a file one clear sentence."""

import builtins
import hashlib
import io
import json
import os
import sys
import zipfile

import numpy as np
import pytest

from table_files import arrow
from temperance.errors import FileFormatError, InvalidInputError, MissingDependencyError
from temperance.readers import SUFFIXES, Dataset, Fields, read

LOGITS = np.array([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0]])


def write(path, content):
    """Write text, bytes, an array or the arrays of a .npz, as the type says."""
    if isinstance(content, dict):
        np.savez(path, **content)
    elif isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path, **options):
    """The message of the error that reading `path` raises, without the path it starts with."""
    with pytest.raises(FileFormatError) as caught:
        read(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    named = options.get("labels", path) if not message.startswith(f"{path}: ") else path
    assert message.startswith(f"{named}: ")
    return message.removeprefix(f"{named}: ")


def npz(**arrays):
    """Bytes of a .npz file."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


# --- any format -----------------------------------------------------------------------------


def test_missing_file_says_so(tmp_path):
    """A path that is not there is a FileFormatError, not an OSError."""
    assert "No such file" in refusal(tmp_path / "a.npz")


def test_empty_directory_says_so(tmp_path):
    """A directory is read file by file, whatever its name; in this one are none."""
    (tmp_path / "a.csv").mkdir()
    assert refusal(tmp_path / "a.csv").startswith("is a folder without files of a known format:")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_is_refused_instead_of_waiting_for_it(tmp_path):
    """Opening a pipe would block for ever."""
    os.mkfifo(tmp_path / "a.csv")
    assert (
        refusal(tmp_path / "a.csv")
        == "must be a file, but is a pipe: save what it holds to a file first."
    )


def test_no_permission_says_so(tmp_path, monkeypatch):
    """A file that may not be opened is a FileFormatError."""
    path = write(tmp_path / "a.csv", "logit\n1\n")

    def denied(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(io, "open", denied)
    monkeypatch.setattr(builtins, "open", denied)
    assert refusal(path) == "cannot be read: Permission denied."


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_empty_file_says_so(tmp_path, suffix):
    """Zero bytes are no file of any format."""
    assert refusal(write(tmp_path / f"a{suffix}", "")) == "is empty (0 bytes)."


@pytest.mark.parametrize("name", ["a.txt", "a", "a.npz.gz", ".npz"])
def test_unknown_suffix_lists_the_known_ones(tmp_path, name):
    """The message of an unknown suffix names all that are read."""
    message = refusal(write(tmp_path / name, "x"))
    assert all(suffix in message for suffix in SUFFIXES)


def test_suffix_in_capitals_is_read(tmp_path):
    """Capitals in a suffix do not matter."""
    assert len(read(write(tmp_path / "A.CSV", "logit\n1\n2\n")).values) == 2


def test_kind_must_be_one_of_two(tmp_path):
    """A misspelt kind is the caller's error, before anything is read."""
    with pytest.raises(InvalidInputError, match="`kind` must be"):
        read(tmp_path / "a.npz", kind="probabilities")


def test_naming_both_scores_is_an_error(tmp_path):
    """Two names for the one array of scores are the caller's error."""
    with pytest.raises(InvalidInputError, match="`fields` must name logits or probs, got both"):
        read(tmp_path / "a.npz", fields=Fields(logits="a", probs="b"))


def test_dataset_knows_its_source_and_digest(tmp_path):
    """The digest is that of the bytes, and a vanished file is a FileFormatError."""
    path = write(tmp_path / "a.csv", "logit\n1\n")
    dataset = read(str(path))
    assert isinstance(dataset, Dataset)
    assert dataset.source == str(path)
    assert dataset.sha256() == hashlib.sha256(b"logit\n1\n").hexdigest()
    path.unlink()
    with pytest.raises(FileFormatError, match="No such file"):
        dataset.sha256()


def test_message_starts_with_the_path_as_it_is(tmp_path):
    """Spaces in a path stay; a line break in it does not break the line."""
    with pytest.raises(FileFormatError) as caught:
        read(tmp_path / "two  spaces\n.csv")
    assert str(caught.value).startswith(f"{tmp_path}/two  spaces\\n.csv: ")


def test_fault_hides_no_line_breaks_or_terminal_codes(tmp_path):
    """What a file holds cannot break the line or command the terminal."""
    message = refusal(write(tmp_path / "a.csv", 'logit\n"\x1b[31m\nx"\n'))
    assert message.isprintable()


@pytest.mark.parametrize(
    "name", ["l.npy", "l.npz", "l.csv", "l.tsv", "l.jsonl", "l.parquet", "l.arrow"]
)
def test_labels_of_another_file_override(tmp_path, name):
    """Labels come from any format, and those of the file itself are not even looked at."""
    path = write(tmp_path / "a.csv", "logit,label\n1,\n2,\n")
    labels = tmp_path / name
    if labels.suffix == ".npy":
        write(labels, np.array([1, 0]))
    elif labels.suffix == ".npz":
        write(labels, {"labels": np.array([1, 0])})
    elif labels.suffix in {".csv", ".tsv"}:
        write(labels, "label\n1\n0\n")
    elif labels.suffix == ".jsonl":
        write(labels, '{"label": 1}\n{"label": 0}\n')
    else:
        pa = pytest.importorskip("pyarrow")
        table = pa.table({"label": [1, 0]})
        if labels.suffix == ".arrow":
            with pa.ipc.new_file(labels, table.schema) as writer:
                writer.write_table(table)
        else:
            pytest.importorskip("pyarrow.parquet").write_table(table, labels)
    assert read(path, labels=labels).labels.astype(int).tolist() == [1, 0]


def test_labels_that_are_overridden_are_not_read(tmp_path):
    """Broken labels in a .npz or .jsonl do not matter when others are given."""
    labels = write(tmp_path / "l.npy", np.array([1, 0]))
    arrays = write(tmp_path / "a.npz", {"logits": LOGITS, "labels": np.array([None])})
    records = write(tmp_path / "a.jsonl", '{"logits": 1, "label": []}\n{"logits": 2}\n')
    for path in (arrays, records):
        assert read(path, labels=labels).labels.tolist() == [1, 0]


def test_labels_of_another_file_are_found_by_their_name(tmp_path):
    """The label field then names a column of the labels' file."""
    path = write(tmp_path / "a.npy", LOGITS)
    labels = write(tmp_path / "l.csv", "y,label\n1,a\n0,b\n")
    assert read(path, labels=labels, fields=Fields(label="y")).labels.tolist() == ["1", "0"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.npy", np.arange(3), "`labels` must have one entry per row; there are 3 for 2 rows"),
        ("l.npy", np.array(3), "`labels` must have one entry per row; there are 1 for 2 rows"),
        ("l.npz", {"y": np.arange(2)}, "has no key `labels`; it holds 'y'. Say which holds them"),
        ("l.csv", "y\n1\n2\n", "has no column `label`; it holds 'y'."),
        ("l.jsonl", '{"label": 1}\n{"y": 1}\n', "line 2: has no key `label`"),
        ("l.txt", "1", "must have one of the suffixes"),
    ],
)
def test_labels_of_another_file_must_fit(tmp_path, name, content, message):
    """A labels' file of another length, or without labels, is named in the error."""
    labels = write(tmp_path / name, content)
    with pytest.raises(FileFormatError) as caught:
        read(write(tmp_path / "a.npy", LOGITS), labels=labels)
    assert str(caught.value).startswith(f"{labels}: {message}")


def test_scores_are_not_offered_as_labels(tmp_path):
    """A labels' file that holds scores alone: the message says so, and names none of them."""
    labels = write(tmp_path / "l.npz", {"logits": np.ones((2, 3))})
    with pytest.raises(FileFormatError) as caught:
        read(write(tmp_path / "a.npy", LOGITS), labels=labels)
    assert str(caught.value) == f"{labels}: has no key `labels`; it holds 'logits'."


# --- .npz -----------------------------------------------------------------------------------


def test_npz_holds_everything(tmp_path):
    """All keys are read, in the dtype they have."""
    arrays = {
        "logits": LOGITS.astype(np.float16),
        "labels": np.array([2.0, 0.0]),
        "weights": np.array([1, 2]),
        "groups": np.array(["a", "b"]),
        "ids": np.array([7, 8]),
        "classes": np.array(["x", "y", "z"]),
    }
    dataset = read(write(tmp_path / "a.npz", arrays))
    assert dataset.kind == "logits"
    assert not dataset.kind_forced
    assert not dataset.ragged
    assert dataset.classes == ("x", "y", "z")
    for name in ("labels", "weights", "groups", "ids"):
        column = getattr(dataset, name)
        assert column.dtype == arrays[name].dtype
        assert column.tolist() == arrays[name].tolist()
    assert dataset.values.dtype == np.float16
    assert np.array_equal(dataset.values, arrays["logits"])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4", "i8", "u1"])
def test_npz_keeps_the_dtype(tmp_path, dtype):
    """Numbers of any width and byte order are read as they are; also in Fortran order."""
    values = np.asfortranarray(np.arange(6).reshape(2, 3).astype(dtype))
    dataset = read(write(tmp_path / "a.npz", {"logits": values}))
    assert dataset.values.dtype == values.dtype
    assert np.array_equal(dataset.values, values)


def test_npz_compressed_is_read(tmp_path):
    """np.savez_compressed writes files that are read."""
    np.savez_compressed(tmp_path / "a.npz", probs=np.zeros((1000, 10)))
    assert read(tmp_path / "a.npz").values.shape == (1000, 10)


def test_npz_byte_strings_become_text(tmp_path):
    """Byte strings are UTF-8 text, integer class names too."""
    arrays = {"logits": LOGITS, "labels": np.array([b"a", b"\xc3\xa4"]), "classes": np.arange(3)}
    dataset = read(write(tmp_path / "a.npz", arrays))
    assert dataset.labels.tolist() == ["a", "\u00e4"]
    assert dataset.classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("keys", "options", "kind", "value"),
    [
        ({"logits": 1}, {}, "logits", 1),
        ({"probs": 1}, {}, "probs", 1),
        ({"logits": 1}, {"kind": "probs"}, "probs", 1),
        ({"probs": 1}, {"kind": "logits"}, "logits", 1),
        ({"logits": 1, "probs": 2}, {"kind": "logits"}, "logits", 1),
        ({"logits": 1, "probs": 2}, {"kind": "probs"}, "probs", 2),
        ({"EMOS": 1, "probs": 2}, {"fields": Fields(probs="EMOS")}, "probs", 1),
        ({"EMOS": 1, "probs": 2}, {"fields": Fields(logits="EMOS")}, "logits", 1),
        ({"EMOS": 1}, {"fields": Fields(logits="EMOS"), "kind": "probs"}, "probs", 1),
    ],
)
def test_npz_kind_and_names_pick_the_scores(tmp_path, keys, options, kind, value):
    """The kind follows the key, a named field overrides the key, an explicit kind overrides all."""
    arrays = {key: np.full((2, 2), number) for key, number in keys.items()}
    dataset = read(write(tmp_path / "a.npz", arrays), **options)
    assert dataset.kind == kind
    assert dataset.values[0, 0] == value
    assert dataset.kind_forced == ("kind" in options)


def test_npz_other_names(tmp_path):
    """Every column of a .npz can have another name."""
    arrays = {"logits": LOGITS, "y": [0, 1], "w": [1, 2], "g": ["a", "b"], "i": ["c", "d"]}
    fields = Fields(label="y", weight="w", group="g", id="i")
    dataset = read(write(tmp_path / "a.npz", arrays), fields=fields)
    assert dataset.labels.tolist() == [0, 1]
    assert dataset.weights.tolist() == [1, 2]
    assert dataset.groups.tolist() == ["a", "b"]
    assert dataset.ids.tolist() == ["c", "d"]


V2 = np.dtype("V2")


@pytest.mark.parametrize(
    ("arrays", "fields", "message"),
    [
        ({"x": LOGITS, "y": [1]}, {}, "has no key `logits` or `probs`; it holds 'x', 'y'."),
        ({}, {}, "has no key `logits` or `probs`; it holds nothing."),
        ({"logits": LOGITS}, {"probs": "EMOS"}, "has no key `EMOS`; it holds 'logits'."),
        ({"logits": LOGITS}, {"label": "y"}, "has no key `y`; it holds 'logits'."),
        ({"logits": LOGITS}, {"weight": "y"}, "has no key `y`; it holds 'logits'."),
        ({"logits": LOGITS}, {"group": "y"}, "has no key `y`; it holds 'logits'."),
        ({"logits": LOGITS}, {"id": "y"}, "has no key `y`; it holds 'logits'."),
        ({"logits": LOGITS, "probs": LOGITS}, {}, "holds both logits and probabilities; say which"),
        ({"logits": LOGITS.astype(object)}, {}, "`logits` holds pickled Python objects, which are"),
        (
            {"logits": LOGITS, "labels": np.array(["a", None])},
            {},
            "`labels` holds pickled Python objects, which are refused",
        ),
        ({"logits": np.zeros((2, 2), V2)}, {}, "`logits` has dtype |V2, which is what NumPy makes"),
        ({"logits": np.zeros(2, [("a", "f8")])}, {}, "`logits` is a structured array"),
        ({"logits": np.array([["a", "b"]])}, {}, "`logits` must hold numbers, got dtype <U1."),
        ({"logits": np.array([[1j, 2]])}, {}, "`logits` must hold numbers, got dtype complex128."),
        ({"logits": np.array([[True]])}, {}, "`logits` must hold numbers, got dtype bool."),
        ({"probs": np.zeros((2, 2, 2))}, {}, "`probs` must have shape (n, k) or (n,), got (2, 2"),
        ({"logits": np.array(1.0)}, {}, "`logits` must have shape (n, k) or (n,), got ()."),
        ({"logits": np.zeros((0, 3))}, {}, "has no rows: `logits` has shape (0, 3)."),
        ({"logits": np.zeros((3, 0))}, {}, "has no columns: `logits` has shape (3, 0)."),
        (
            {"logits": LOGITS, "labels": [1]},
            {},
            "`labels` must have one entry per row; there are 1 for 2 rows of scores.",
        ),
        ({"logits": LOGITS[:1], "labels": 1}, {}, "`labels` must have one entry per row"),
        ({"logits": LOGITS, "weights": [1]}, {}, "`weights` must have one entry per row"),
        ({"logits": LOGITS, "groups": [1]}, {}, "`groups` must have one entry per row"),
        ({"logits": LOGITS, "ids": [1]}, {}, "`ids` must have one entry per row"),
        (
            {"logits": LOGITS, "classes": ["a"]},
            {},
            "`classes` must name every column; there are 1 names for 3 columns.",
        ),
        ({"logits": LOGITS, "classes": ["a", "b", "a"]}, {}, "`classes` must differ; 'a' occurs"),
    ],
)
def test_npz_refusals(tmp_path, arrays, fields, message):
    """What a .npz must not hold, or must hold, is said with what was found."""
    path = write(tmp_path / "a.npz", arrays)
    assert refusal(path, fields=Fields(**fields)).startswith(message)


def test_npz_pickle_is_never_loaded(tmp_path):
    """An object array cannot run code when its file is read."""

    class Trap:
        def __reduce__(self):
            return (sys.exit, (3,))

    array = np.empty(1, dtype=object)
    array[0] = Trap()
    assert "pickled" in refusal(write(tmp_path / "a.npz", {"logits": array}))
    assert "pickled" in refusal(write(tmp_path / "a.npy", array))


def header(shape, descr="<f8"):
    """A .npy file of which only the header is there."""
    file = io.BytesIO()
    text = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, text)
    return file.getvalue()


BOMBS = [(10**12, 2), (2**62, 2**62), (10**18,), (3,)]


@pytest.mark.parametrize("shape", BOMBS)
def test_header_that_promises_too_much_allocates_nothing(tmp_path, shape):
    """An array larger than its file is refused from its header alone."""
    content = header(shape) + b"1234"
    assert "but the file holds 4" in refusal(write(tmp_path / "a.npy", content))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("logits.npy", content)
    assert "but the file holds 4" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize("descr", ["<U0", "|S0"])
def test_text_of_no_length_is_no_way_round_the_size(tmp_path, descr):
    """Entries of no bytes still count."""
    content = write(tmp_path / "l.npy", header((10**18,), descr))
    assert "it is cut off or damaged" in refusal(write(tmp_path / "a.npy", LOGITS), labels=content)


def test_npz_member_that_claims_too_much(tmp_path):
    """The size in the archive's directory is not believed either."""
    content = bytearray(npz(logits=LOGITS))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")
    message = refusal(write(tmp_path / "a.npz", bytes(content)))
    assert "more than the file can hold" in message


def test_npz_member_that_claims_too_much_in_both_places(tmp_path):
    """Nor are the two sizes in the directory when they agree."""
    content = bytearray(npz(logits=LOGITS))
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = (2**31).to_bytes(4, "little") * 2
    message = refusal(write(tmp_path / "a.npz", bytes(content)))
    assert "more than the file can hold" in message


def test_npz_of_another_compression_is_refused(tmp_path):
    """Only what NumPy writes is read."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("logits.npy", header((1,)) + bytes(8))
    assert "compressed in a way NumPy does not write" in refusal(tmp_path / "a.npz")


def test_npz_damage_is_noticed(tmp_path):
    """One flipped bit in the numbers fails the checksum."""
    content = bytearray(npz(logits=LOGITS))
    content[content.index(LOGITS.tobytes()) + 3] ^= 1
    assert "is damaged" in refusal(write(tmp_path / "a.npz", bytes(content)))


# --- .npy -----------------------------------------------------------------------------------


def test_npy_is_memory_mapped(tmp_path):
    """The array stays in the file and cannot be written to."""
    dataset = read(write(tmp_path / "a.npy", LOGITS))
    assert isinstance(dataset.values, np.memmap)
    assert not dataset.values.flags.writeable
    assert dataset.kind == "logits"
    assert dataset.labels is None
    assert np.array_equal(dataset.values, LOGITS)


def test_npy_kind_is_the_callers(tmp_path):
    """A .npy has no key, so probabilities must be called so."""
    dataset = read(write(tmp_path / "a.npy", np.array([0.5, 0.25])), kind="probs")
    assert dataset.kind == "probs"
    assert dataset.kind_forced
    assert dataset.values.shape == (2,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros(2, [("a", "f8")]), "the array is a structured array"),
        (np.zeros((2, 2), V2), "the array has dtype |V2, which is what NumPy makes of bfloat16"),
        (np.zeros((2, 2), object), "the array holds pickled Python objects"),
        (np.zeros((0, 2)), "has no rows: `logits` has shape (0, 2)."),
        (np.array(["a"]), "`logits` must hold numbers"),
        (header((2,)) + bytes(17), "the array should take 16 bytes (shape (2,), float64), but the"),
        (b"\x93NUMPY\x03\x00" + header((2,))[8:], "the array has a .npy header of version 3.0"),
        (b"\x80\x04K\x01.", "is damaged or not in the format its name says"),
    ],
)
def test_npy_refusals(tmp_path, content, message):
    """What a .npy must not hold is said with what was found."""
    assert refusal(write(tmp_path / "a.npy", content)).startswith(message)


def test_warnings_of_a_parser_stay_inside(tmp_path):
    """Headers as Python 2 wrote them make NumPy warn, and are read."""
    content = header((22,)).replace(b"(22,)", b"(2L,)") + bytes(16)
    assert read(write(tmp_path / "a.npy", content)).values.tolist() == [0, 0]


def test_npy_has_no_names(tmp_path):
    """A named field of a .npy would be ignored, so it is refused."""
    message = refusal(write(tmp_path / "a.npy", LOGITS), fields=Fields(weight="w"))
    assert message.startswith("holds a single array, which has no names to look for")


def test_npy_of_named_scores(tmp_path):
    """The name of the scores says their kind, if nothing else does."""
    path = write(tmp_path / "a.npy", LOGITS)
    assert read(path, fields=Fields(probs="p")).kind == "probs"
    assert read(path, fields=Fields(logits="z")).kind == "logits"
    assert read(path, fields=Fields(probs="p"), kind="logits").kind == "logits"


def test_text_that_is_no_text_is_refused(tmp_path):
    """Code points beyond the last are damage."""
    labels = np.array(["a", "b"])
    labels.view(np.uint32)[1] = 0x110000
    path = write(tmp_path / "a.npy", LOGITS)
    labels_path = write(tmp_path / "l.npy", labels)
    assert "characters that do not exist" in refusal(path, labels=labels_path)


def test_bfloat16_as_it_is_saved_in_practice_is_explained(tmp_path):
    """An array of ml_dtypes comes back without its dtype, and the error says what to do."""
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    message = refusal(write(tmp_path / "a.npz", {"logits": LOGITS.astype(bfloat16)}))
    assert "save it as float32" in message


# --- .csv and .tsv --------------------------------------------------------------------------


def test_csv_holds_everything(tmp_path):
    """Columns are found by name, classes in file order, text is kept as it is."""
    text = (
        "\ufeffid,prob_dog,prob_cat,label,group,weight,other\r\n"
        '1,0.25,0.75,dog,"a,b",2,?\r\n'
        '02,1e-3,0.999,cat,"two\nlines",0.5,?\r\n'
    )
    dataset = read(write(tmp_path / "a.csv", text))
    assert dataset.kind == "probs"
    assert dataset.classes == ("dog", "cat")
    assert dataset.values.tolist() == [[0.25, 0.75], [1e-3, 0.999]]
    assert dataset.labels.tolist() == ["dog", "cat"]
    assert dataset.groups.tolist() == ["a,b", "two\nlines"]
    assert dataset.weights.tolist() == [2.0, 0.5]
    assert dataset.ids.tolist() == ["1", "02"]
    assert not dataset.ragged


def test_tsv_is_separated_by_tabs(tmp_path):
    """The same with tabs; labels that look like integers stay text."""
    dataset = read(write(tmp_path / "a.tsv", "logit_0\tlogit_1\tlabel\n1\t2\t0\n"))
    assert dataset.values.tolist() == [[1.0, 2.0]]
    assert dataset.labels.tolist() == ["0"]


@pytest.mark.parametrize(("column", "kind"), [("logit", "logits"), ("prob", "probs")])
def test_csv_of_one_column_is_binary(tmp_path, column, kind):
    """One column without a class is about class 1."""
    dataset = read(write(tmp_path / "a.csv", f"{column}\n0.5\n0.25\n"))
    assert dataset.kind == kind
    assert dataset.values.tolist() == [0.5, 0.25]
    assert dataset.classes is None


def test_csv_of_more_than_one_block(tmp_path):
    """Blocks join in order, and an error in a later block names its line."""
    n = 50_000
    lines = [f"{i},{-i},{i}" for i in range(n)]
    path = write(tmp_path / "a.csv", "logit_a,logit_b,id\n" + "\n".join(lines))
    dataset = read(path)
    assert np.array_equal(dataset.values[:, 0], np.arange(n))
    assert np.array_equal(dataset.values[:, 1], -np.arange(n))
    assert dataset.ids[-1] == str(n - 1)
    lines[45_000] = "1,x,1"
    write(path, "logit_a,logit_b,id\n" + "\n".join(lines))
    assert refusal(path) == "line 45002: column `logit_b` must hold numbers, got 'x'."


def test_csv_reads_spelled_infinities(tmp_path):
    """Infinities are numbers to a reader; whether they may be is checked elsewhere."""
    values = read(write(tmp_path / "a.csv", "logit_a,logit_b\n1,-inf\n inf ,-Infinity\n")).values
    assert np.array_equal(values, [[1, -np.inf], [np.inf, -np.inf]])


@pytest.mark.parametrize(
    ("fields", "kind", "values"),
    [
        ({"logits": "score"}, "logits", [[1, 2]]),
        ({"logits": "score_"}, "logits", [[1, 2]]),
        ({"probs": "score"}, "probs", [[1, 2]]),
        ({"logits": "score_a"}, "logits", [1]),
        ({"logits": "z"}, "logits", [5]),
        ({"logits": "z", "weight": "score_a"}, "logits", [5]),
        ({"logits": "logit", "weight": "logit_b", "id": "logit_c"}, "logits", [[3, 6]]),
        ({"probs": "z"}, "probs", [5]),
        ({"weight": "logit_b"}, "logits", [[3, 6, 7]]),
    ],
)
def test_csv_scores_of_another_name(tmp_path, fields, kind, values):
    """A named field is one column, or else the first part of several."""
    path = write(
        tmp_path / "a.csv",
        "score_a,score_b,logit_a,logit_b,z,y,logit_d,logit_c,z_a,z_b\n1,2,3,4,5,b,6,7,8,9\n",
    )
    dataset = read(path, fields=Fields(**fields, label="y"))
    assert dataset.kind == kind
    assert dataset.values.tolist() == values
    assert dataset.labels.tolist() == ["b"]


def test_csv_kind_overrides_and_picks(tmp_path):
    """An explicit kind picks one of two, or overrides the name of the only one."""
    both = write(tmp_path / "a.csv", "logit_a,logit_b,prob\n1,2,0.5\n")
    assert read(both, kind="logits").values.tolist() == [[1, 2]]
    assert read(both, kind="probs").values.tolist() == [0.5]
    one = write(tmp_path / "b.csv", "logit_a,logit_b\n0.5,0.5\n")
    assert read(one, kind="probs").kind == "probs"


HEAD = "logit_a,logit_b,label,weight\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "1,2,a,1\n\n3,,a,1\n", "1 of 2 rows lacks a value of 'logit_b' (blank, NA"),
        (HEAD + "1,2,a,1\n3,x,a,1\n", "line 3: column `logit_b` must hold numbers, got 'x'."),
        (HEAD + "1,1_0,a,1\n", "line 2: column `logit_b` must hold numbers, got '1_0'."),
        (HEAD + '1,2,"a\nb",1\n3,4,a,x\n', "line 4: column `weight` must hold numbers, got 'x'."),
        (
            HEAD + "1,2,,1\n",
            "1 of 1 row lacks a value of 'label' (blank, NA or NaN); the first is in",
        ),
        (HEAD + "1,2,a\n", "line 2: has 3 cells but the header has 4 cells."),
        (HEAD + "1,2,a,1\n1,2,a,1,5\n", "line 3: has 5 cells but the header has 4 cells."),
        (HEAD + '1,2,"a,1\n', "line 2: unexpected end of data; check its quotation marks."),
        (HEAD, "has no rows below its header."),
        (HEAD + "\n\n", "has no rows below its header."),
        ("\n\n", "has no header line."),
        ("logit_a,logit_b,logit_b\n1,2,3\n", "has columns of the same name: 'logit_b'; rename"),
        ("logit_a,logit_a\n1,2\n", "has columns of the same name: 'logit_a'; rename"),
        ("logit_a,label\n1,a\n", "has one column of logits, 'logit_a', so one class only; add"),
        ("prob_a\n1\n", "has one column of probs, 'prob_a', so one class only; add those of the"),
        ("logit,logit_a,logit_b\n1,2,3\n", "has the scores twice, in the columns 'logit' and"),
        ("logit_a,prob_a\n1,2\n", "holds both logits and probabilities; say which to use"),
        ("a,b\n1,2\n", "has no column `logit_<class>` or `logit` or `prob_<class>` or `prob`; it"),
        ("logits,label\n1,2\n", "has no column `logit_<class>` or"),
        ("logit_a,logit_b\n1,1e999\n", "line 2: column `logit_b`: '1e999' is beyond every float"),
        ("logit_a,logit_b\n1,-1e400\n", "line 2: column `logit_b`: '-1e400' is beyond every float"),
        (b"logit\n\xff\n", "must be UTF-8 text, but holds the byte 0xff; name its encoding"),
        ("logit\n" + "1" * 140_000 + "\n", "line 2: field larger than field limit"),
    ],
)
def test_csv_refusals(tmp_path, text, message):
    """A fault of a table is said with its line as an editor counts it, and its column."""
    assert refusal(write(tmp_path / "a.csv", text)).startswith(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": "y"}, "has no column `y`; it holds 'logit'."),
        ({"weight": "y"}, "has no column `y`; it holds 'logit'."),
        ({"group": "y"}, "has no column `y`; it holds 'logit'."),
        ({"id": "y"}, "has no column `y`; it holds 'logit'."),
        (
            {"logits": "y"},
            (
                "has no column `y`; it holds 'logit'. Nor does a column begin or end so: name the "
                "columns of the classes."
            ),
        ),
    ],
)
def test_csv_named_column_must_be_there(tmp_path, fields, message):
    """A column the caller names is never silently left out."""
    path = write(tmp_path / "a.csv", "logit\n1\n")
    assert refusal(path, fields=Fields(**fields)) == message


def test_one_long_text_does_not_blow_up_the_rest(tmp_path):
    """An array of text is as wide as its longest entry, which is refused beyond reason."""
    rows = ["1,a"] * 1000 + ["1," + "a" * 100_000]
    message = refusal(write(tmp_path / "a.csv", "logit,label\n" + "\n".join(rows)))
    assert message.startswith("the longest text of `label` has 100000 characters, so many more")


# --- .jsonl ---------------------------------------------------------------------------------


def test_jsonl_holds_everything(tmp_path):
    """All keys are read; empty lines are skipped; other keys are ignored."""
    text = (
        '{"logits": [1, 2.5], "label": 1, "group": "a/b", "id": 7, "weight": 2, "x": {}}\n\n'
        '{"logits": [NaN, -Infinity], "label": 0.0, "group": "c", "id": 8, "weight": 0.5}'
    )
    dataset = read(write(tmp_path / "a.jsonl", text))
    assert dataset.kind == "logits"
    assert np.array_equal(dataset.values, [[1, 2.5], [np.nan, -np.inf]], equal_nan=True)
    assert dataset.labels.tolist() == [1, 0]
    assert dataset.groups.tolist() == ["a/b", "c"]
    assert dataset.ids.tolist() == [7, 8]
    assert dataset.weights.tolist() == [2.0, 0.5]
    assert dataset.classes is None
    assert not dataset.ragged


@pytest.mark.parametrize(("key", "fill"), [("logits", -np.inf), ("probs", 0.0)])
def test_jsonl_ragged_rows_are_padded(tmp_path, key, fill):
    """Options a row lacks are minus infinity as logits, zero as probabilities."""
    path = write(tmp_path / "a.jsonl", f'{{"{key}": [1]}}\n{{"{key}": [2, 3]}}\n')
    dataset = read(path)
    assert dataset.ragged
    assert dataset.values.tolist() == [[1, fill], [2, 3]]


def test_jsonl_forced_kind_decides_the_padding(tmp_path):
    """Padding follows what the scores are taken for, not what they are called."""
    path = write(tmp_path / "a.jsonl", '{"logits": [1]}\n{"logits": [0.5, 0.5]}\n')
    assert read(path, kind="probs").values.tolist() == [[1, 0], [0.5, 0.5]]


def test_jsonl_single_numbers_are_binary(tmp_path):
    """A number instead of a list is about class 1."""
    dataset = read(write(tmp_path / "a.ndjson", '{"probs": 0.5}\n{"probs": 1}\n'))
    assert dataset.values.tolist() == [0.5, 1.0]
    assert not dataset.ragged


def test_jsonl_null_labels_in_every_row_are_no_labels(tmp_path):
    """Null counts as not there."""
    path = write(tmp_path / "a.jsonl", '{"probs": 0.5, "label": null}\n{"probs": 1}\n')
    assert read(path).labels is None


def test_jsonl_text_labels(tmp_path):
    """Labels may be names of classes."""
    path = write(tmp_path / "a.jsonl", '{"probs": 0.5, "label": "a"}\n{"probs": 1, "label": "b"}')
    assert read(path).labels.tolist() == ["a", "b"]


def test_jsonl_large_ids_stay_exact(tmp_path):
    """Unsigned integers of 64 bits are no floats."""
    path = write(tmp_path / "a.jsonl", f'{{"probs": 0.5, "id": {2**64 - 1}}}\n{{"probs":1,"id":3}}')
    assert read(path).ids.tolist() == [2**64 - 1, 3]


def test_jsonl_other_names_and_kinds(tmp_path):
    """Names and kind work as in a .npz."""
    text = '{"s": [1, 2], "y": 0, "logits": [3, 4], "probs": [5, 6]}\n'
    path = write(tmp_path / "a.jsonl", text)
    dataset = read(path, fields=Fields(probs="s", label="y"))
    assert dataset.kind == "probs"
    assert dataset.values.tolist() == [[1, 2]]
    assert dataset.labels.tolist() == [0]
    assert read(path, kind="logits").values.tolist() == [[3, 4]]
    assert read(path, kind="probs").values.tolist() == [[5, 6]]


ROW = '{"logits": [1, 2], "label": 0, "weight": 1}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROW + "\nnope\n", "line 3: must be a JSON object, but is not JSON (Expecting value"),
        ("[" * 100_000, "line 1: must be a JSON object, but is not JSON (maximum recursion"),
        (
            '{"logits": [1' + "0" * 5000 + "]}",
            "line 1: must be a JSON object, but is not JSON (Exc",
        ),
        ("[1, 2]\n", "line 1: must be a JSON object, got '[1, 2]'."),
        ('{"x": 1}\n', "line 1: has no key `logits` or `probs` (or null there); it holds 'x'."),
        (ROW + '{"x": 1}\n', "line 2: has no key `logits` (or null there); it holds 'x'."),
        ('{"logits": []}\n', "line 1: `logits` must not be an empty list."),
        ('{"logits": [1, "2"]}\n', "line 1: `logits` must hold numbers, got '2'."),
        ('{"logits": [1, true]}\n', "line 1: `logits` must hold numbers, got True."),
        ('{"logits": [1, null]}\n', "line 1: lacks a value in `logits` (null). Leave such"),
        ('{"logits": null}\n', "line 1: has no value of `logits` (null). Leave such rows out"),
        ('{"logits": [[1, 2]]}\n', "line 1: `logits` must hold numbers, got [1, 2]."),
        (
            '{"logits": [1' + "0" * 400 + "]}",
            "line 1: `logits` has a number too large for a float.",
        ),
        ('{"logits": 1}\n{"logits": [1, 2]}\n', "line 2: `logits` is a list in this line and a"),
        (
            '{"logits": 1}\n{"probs": 1}\n',
            "line 2: has `probs` where the lines before have `logits`",
        ),
        (
            '{"logits": 1}\n{"logits": 1, "probs": 1}\n',
            "line 2: has `probs` where the lines before",
        ),
        ('{"logits": 1, "probs": 1}\n', "line 1: holds both logits and probabilities; say which"),
        (ROW + '{"logits": [1, 2], "weight": 1}', "line 2: has no `label`, which the lines before"),
        (ROW + '{"logits": [1, 2], "label": null}', "line 2: has no `weight`, which the lines"),
        (
            '{"logits": 1}\n{"logits": 1, "label": 1}',
            "line 2: has a `label`, which the lines before",
        ),
        ('{"logits": 1, "id": true}', "line 1: `id` must be a number or a text, got True."),
        (
            '{"logits": 1, "label": true}\n{"logits": 1, "label": 1}',
            "line 2: `label` must be a number in every line or a text in every line, or true",
        ),
        ('{"logits": 1, "label": [1]}', "line 1: `label` is a list, [1]: read several labels"),
        ('{"logits": 1, "label": ["a"]}', "line 1: `label` must be a number or a text, got ["),
        ('{"logits": 1, "label": NaN}', "line 1: `label` must be a number or a text, got nan."),
        (
            '{"logits": 1, "label": 1e30}',
            "line 1: `label` must be a number or a text, got 1e+30.",
        ),
        ('{"logits": 1, "group": {}}', "line 1: `group` must be a number or a text, got {}."),
        (
            '{"logits": 1, "label": 1}\n{"logits": 1, "label": "a"}',
            "line 2: `label` must be a number",
        ),
        ('{"logits": 1, "weight": "1"}', "line 1: `weight` must hold numbers, got '1'."),
        ('{"logits": 1, "weight": true}', "line 1: `weight` must hold numbers, got True."),
        (b'{"logits": "\xff"}', "must be UTF-8 text, but holds the byte 0xff; save it as UTF-8."),
        ("\n \n", "has no rows."),
    ],
)
def test_jsonl_refusals(tmp_path, text, message):
    """A fault of a record is said with its line and its key."""
    assert refusal(write(tmp_path / "a.jsonl", text)).startswith(message)


def test_jsonl_forced_kind_must_be_in_every_row(tmp_path):
    """A kind picks a key that all rows have."""
    path = write(tmp_path / "a.jsonl", '{"logits": 1, "probs": 1}\n{"logits": 1}\n')
    assert len(read(path, kind="logits").values) == 2
    assert "line 2: has `logits` where the lines before have `probs`" in refusal(path, kind="probs")


@pytest.mark.parametrize("field", ["label", "weight", "group", "id"])
def test_jsonl_named_key_must_be_there(tmp_path, field):
    """A key the caller names is never silently left out."""
    path = write(tmp_path / "a.jsonl", '{"logits": 1}\n')
    message = refusal(path, fields=Fields(**{field: "y"}))
    assert message == "line 1: has no key `y` (or null there); it holds 'logits'."


def test_jsonl_one_long_row_does_not_blow_up_the_rest(tmp_path):
    """Padding every row to one of very many options is refused beyond reason."""
    rows = [json.dumps({"logits": [0] * 100_000})] + ['{"logits": [0, 1]}'] * 1000
    message = refusal(write(tmp_path / "a.jsonl", "\n".join(rows)))
    assert message.startswith("`logits` of row 0 (counted from 0) has 100000 options, so many more")


# --- .parquet, .arrow, .feather -------------------------------------------------------------


ARROW_NAMES = ["a.parquet", "a.arrow", "stream.arrow", "a.feather"]


@pytest.mark.parametrize("name", ARROW_NAMES)
def test_arrow_holds_everything(tmp_path, name):
    """Columns are those of a .csv, in their types; dictionaries are decoded."""
    pa = pytest.importorskip("pyarrow")
    columns = {
        "id": pa.array([1, 2], pa.int32()),
        "prob_b": pa.array([0.5, 0.25], pa.float32()),
        "prob_a": pa.array([0.5, 0.75], pa.float32()),
        "label": pa.array(["a", "b"]).dictionary_encode(),
        "group": pa.array(["x", "y"], pa.large_string()),
        "weight": [1.0, 2.0],
        "other": [None, None],
    }
    dataset = read(arrow(tmp_path / name, columns))
    assert dataset.kind == "probs"
    assert dataset.classes == ("b", "a")
    assert dataset.values.dtype == np.float32
    assert dataset.values.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert dataset.labels.tolist() == ["a", "b"]
    assert dataset.groups.tolist() == ["x", "y"]
    assert dataset.ids.tolist() == [1, 2]
    assert dataset.weights.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("name", ARROW_NAMES)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("size", [-1, 2])
def test_arrow_lists_keep_their_dtype(tmp_path, name, dtype, size):
    """Lists, and lists of a fixed size, are rows."""
    pa = pytest.importorskip("pyarrow")
    kind = pa.list_(pa.type_for_alias(dtype), size)
    rows = pa.array(np.array([[1, 2], [3, 4]], dtype).tolist(), kind)
    dataset = read(arrow(tmp_path / name, {"logits": rows, "label": [True, False]}))
    assert dataset.values.dtype == dtype
    assert dataset.values.tolist() == [[1, 2], [3, 4]]
    assert dataset.labels.tolist() == [True, False]
    assert dataset.classes is None
    assert not dataset.ragged


def test_arrow_ragged_lists_are_padded(tmp_path):
    """Ragged lists, in several chunks, keep their dtype when padded; integers cannot."""
    pa = pytest.importorskip("pyarrow")
    chunks = pa.chunked_array([[[1.0], [2.0, 3.0]], [[4.0]]], pa.large_list(pa.float32()))
    dataset = read(arrow(tmp_path / "a.arrow", {"logits": chunks}))
    assert dataset.ragged
    assert dataset.values.dtype == np.float32
    assert dataset.values.tolist() == [[1, -np.inf], [2, 3], [4, -np.inf]]
    dataset = read(arrow(tmp_path / "b.arrow", {"probs": [[1], [0, 1]]}))
    assert dataset.values.tolist() == [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize("column", ["logit", "logits"])
def test_arrow_single_numbers_are_binary(tmp_path, column):
    """A number instead of a list is about class 1."""
    assert read(arrow(tmp_path / "a.parquet", {column: [1.0, 2.0]})).values.tolist() == [1.0, 2.0]


def test_parquet_class_names_with_dots(tmp_path):
    """A dot in a column's name is no path into it."""
    columns = {"logit_a.b": [1.0], "logit_a": [2.0], "label": ["a"]}
    dataset = read(arrow(tmp_path / "a.parquet", columns))
    assert dataset.classes == ("a.b", "a")
    assert dataset.values.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize("name", ARROW_NAMES)
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"logit": [1.0, None, None]},
            "2 of 3 rows lack a value of 'logit' (blank, NA or NaN); the first is row 2 (counted",
        ),
        ({"logit": [1.0], "label": [None]}, "1 of 1 row lacks a value of 'label' (blank,"),
        ({"logits": [[1.0], None]}, "1 of 2 rows lacks a value of 'logits' (blank, NA or NaN);"),
        (
            {"logits": [[1.0], [2.0, 3.0], [4.0, None]]},
            "1 of 3 rows lacks a value of 'logits' (blank, NA or NaN); the first is row 3 (counted",
        ),
        (
            {"logits": [[1.0, 2.0], [None, 4.0]]},
            "1 of 2 rows lacks a value of 'logits' (blank, NA or NaN); the first is row 2 (counted",
        ),
        ({"logits": [[1.0], []]}, "column `logits` must not have empty lists; row 2 (counted"),
        ({"logits": [["a"]]}, "column `logits` must hold numbers, got string; cast it to float."),
        ({"logit": ["a"]}, "column `logit` must hold numbers, got string; cast it to float."),
        ({"logit": [1.0], "weight": ["a"]}, "column `weight` must hold numbers, got string"),
        ({"logit": [1.0], "label": [b"a"]}, "column `label` must hold numbers or text, got binary"),
        ({"logit": [1.0], "logits": [[1.0]]}, "has the scores twice, in the columns 'logit' and"),
        ({"x": [1.0]}, "has no column `logit_<class>` or `logit` or `prob_<class>` or `prob`; it"),
        ({"logit": []}, "has no rows."),
    ],
)
def test_arrow_refusals(tmp_path, name, columns, message):
    """A fault of a column is said with the column and the first row."""
    assert refusal(arrow(tmp_path / name, columns)).startswith(message)


def test_arrow_duplicate_columns(tmp_path):
    """Two columns of one name are refused here too."""
    pa = pytest.importorskip("pyarrow")
    table = pa.Table.from_arrays([pa.array([1.0])] * 2, names=["logit", "logit"])
    assert "columns of the same name: 'logit'" in refusal(arrow(tmp_path / "a.arrow", table))


def test_arrow_that_claims_too_many_rows(tmp_path):
    """A column of nulls takes no bytes however long it is, so the length is not believed."""
    pa = pytest.importorskip("pyarrow")
    rows = 2**31 - 1
    nulls = pa.Array.from_buffers(pa.null(), rows, [None])
    message = refusal(arrow(tmp_path / "a.arrow", {"logit": nulls}))
    assert message.startswith(f"claims {rows} rows, more than its")


def test_feather_of_version_1_says_so(tmp_path):
    """The old format of the same name is told from damage."""
    pytest.importorskip("pyarrow")
    path = write(tmp_path / "a.feather", b"FEA1" + bytes(60))
    assert refusal(path).startswith("is of Feather version 1; save it again")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".feather"])
def test_arrow_without_pyarrow_names_the_extra(tmp_path, monkeypatch, suffix):
    """A missing package is no fault of the file."""
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=r"temperance\[arrow\]"):
        read(write(tmp_path / f"a{suffix}", "x"))
