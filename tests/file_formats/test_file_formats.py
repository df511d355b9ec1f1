"""The table of file formats: what a row says holds for the files of the format."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from temperance.cli.app import load_command
from temperance.errors import InvalidInputError
from temperance.file_formats import (
    FILE_FORMATS,
    file_suffix,
    format_of,
    function_named,
    missing_package,
    names_in_help,
    suffixes_of,
    way_out,
)
from temperance.readers import read, read_blocks
from temperance.writers import write_probs

RNG = np.random.default_rng(0)
PROBS = RNG.dirichlet(np.ones(3), size=7)
WRITTEN = [each for each in FILE_FORMATS if each.write]


def name(each):
    return each.suffixes[0]


def written(folder, each, **beside):
    """Write a file of a format, or skip where its package is not installed."""
    if each.package is not None:
        pytest.importorskip(each.package)
    path = folder / f"a{each.suffixes[0]}"
    write_probs(path, PROBS, **beside)
    return path


def test_a_suffix_is_of_one_format():
    """No two rows claim a suffix; capitals do not matter, and .gz counts where tables have it."""
    suffixes = suffixes_of(FILE_FORMATS)
    assert len(set(suffixes)) == len(suffixes)
    for each in FILE_FORMATS:
        assert all(format_of(f"some/A.b{suffix.upper()}") is each for suffix in each.suffixes)
    assert format_of("a.gz") is None
    assert file_suffix("a.b.gz") == ".b.gz"
    assert file_suffix("a.b.xz") == ".xz"


@pytest.mark.parametrize("each", FILE_FORMATS, ids=name)
def test_every_function_of_a_row_exists(each):
    """A name is of a function, or class, in a module of readers or of writers."""
    for part in ("read", "read_blocks", "count_rows"):
        if (function := getattr(each, part)) is not None:
            assert function.startswith("readers.")
            assert callable(function_named(function))
    for part in ("write", "write_blocks"):
        if (function := getattr(each, part)) is not None:
            assert function.startswith("writers.")
            assert callable(function_named(function))


@pytest.mark.parametrize("each", WRITTEN, ids=name)
def test_what_a_row_says_holds(each, tmp_path):
    """Its first bytes, its number of rows, and which blocks it is read in."""
    path = written(tmp_path, each)
    if each.magic is not None:
        assert path.read_bytes().startswith(each.magic)
    if each.count_rows is not None:
        assert function_named(each.count_rows)(path) == len(PROBS)
    blocks = read_blocks(path, kind="probs")
    assert blocks.n_rows == (len(PROBS) if each.count_rows else None)
    assert sum(len(block.values) for block in blocks) == len(PROBS)
    assert not (each.ragged and each.read_blocks)


@pytest.mark.parametrize("each", WRITTEN, ids=name)
def test_what_a_row_says_of_labels_and_text_holds(each, tmp_path):
    """A format keeps the word NA, or says which formats do; or it has no place for labels."""
    labels = ["NA", "b", "c", "b", "c", "b", "c"]
    if each.scores_only:
        assert read(written(tmp_path, each, labels=labels), kind="probs").labels is None
    elif each.keeps_text:
        assert read(written(tmp_path, each, labels=labels)).labels.tolist() == labels
    else:
        keepers = [other.suffixes[0] for other in WRITTEN if other.keeps_text]
        with pytest.raises(InvalidInputError, match=f"Write a {' or '.join(keepers)} file instead"):
            written(tmp_path, each, labels=labels)


@pytest.mark.parametrize("each", WRITTEN, ids=name)
def test_what_a_row_says_of_shapes_holds(each, tmp_path):
    """Outputs of more than two axes are written where they can be read, and nowhere else."""
    if each.package is not None:
        pytest.importorskip(each.package)
    path = tmp_path / f"a{each.suffixes[0]}"
    images = RNG.dirichlet(np.ones(3), size=(2, 4))
    if each.any_shape:
        write_probs(path, images, layout="dense")
        assert np.array_equal(read(path, kind="probs", layout="dense").values, images)
    else:
        with pytest.raises(InvalidInputError, match="per pixel or token are written to"):
            write_probs(path, images, layout="dense")


def test_help_lists_every_format():
    """Each format once, by its first suffix, with how it may be packed."""
    help_of = {
        (command, each.name): each.help
        for command in ("fit", "apply")
        for each in load_command(command).params
    }
    assert f"Formats: {names_in_help(FILE_FORMATS)}, and folders of them" in help_of["fit", "cal"]
    assert help_of["apply", "output"] == f"Probabilities: {names_in_help(WRITTEN)}; alone in .npy."
    for each in FILE_FORMATS:
        assert f" {each.suffixes[0]} " in f" {names_in_help(FILE_FORMATS)} "


def test_help_says_how_a_format_may_be_packed():
    """Formats that may be packed alike, one after the other, say so once; one always packed not."""
    table = [format_of(f"a{suffix}") for suffix in (".npz", ".csv", ".tsv", ".arrow")]
    assert names_in_help(table) == ".npz .csv .tsv (also .gz) .arrow"
    assert names_in_help([replace(table[1], suffixes=(".b.gz",))]) == ".b.gz"


def test_a_missing_package_is_named_with_all_formats_that_need_it():
    """The error says which files, which package and which extra."""
    of_arrow = [each for each in FILE_FORMATS if each.package == "pyarrow"]
    error = missing_package(of_arrow, purpose="Writing")
    assert str(error).startswith("Writing .parquet, .arrow and .feather files needs the package")
    assert "temperance[arrow]" in str(error)
    assert "Reading .parquet files" in str(missing_package(of_arrow[:1], purpose="Reading"))


def test_a_way_out_is_said_of_other_formats_only():
    """What is read needs no way out; of what nobody knows nothing is said."""
    assert not any(map(way_out, suffixes_of(FILE_FORMATS)))
    assert way_out(".xlsx") == " Export the sheet as .csv."
    assert way_out(".unknown") == ""


def test_a_file_loads_the_functions_of_its_own_format_alone(tmp_path):
    """Who reads a .npy file waits for no reader of tables."""
    np.save(tmp_path / "a.npy", PROBS)
    code = (
        "import sys; from temperance.readers import read; read(sys.argv[1], kind='probs'); "
        "print(*(each for each in ('npz', 'csv_file', 'arrow') "
        "if f'temperance.readers.{each}' in sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.npy")]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert loaded.split() == ["npz"]
