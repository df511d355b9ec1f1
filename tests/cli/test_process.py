"""What a command does to its files, its streams and its process."""

import io
import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import redirect_stderr

import numpy as np
import pytest

import temperance as tp
from temperance.cli import main
from temperance.cli.app import COMMANDS, load_command
from temperance.cli.process import WRITTEN, Ended, Signals, raising_signals
from temperance.errors import FileFormatError, InvalidInputError
from temperance.printable import as_json_text, printable
from temperance.readers import read
from temperance.show import Table
from temperance.writers import SUFFIXES, write_probs, writing_blocks
from temperance.writers.content import Content
from temperance.writers.place import replacing

posix = pytest.mark.skipif(os.name != "posix", reason="of POSIX systems")


def table(path, z, labels, names="abcd"):
    """Write logits and labels as a .csv file."""
    lines = [",".join([*(f"logit_{n}" for n in names), "label"])]
    lines += [
        ",".join([*map(repr, row), names[y]]) for row, y in zip(z.tolist(), labels, strict=True)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def beside(tmp_path, sample):
    """A table, links to it, a folder of shards and a calibrator, in the folder of `run`."""
    z, y = sample(1, n=300)
    np.save(tmp_path / "z.npy", z)
    np.save(tmp_path / "y.npy", y)
    (tmp_path / "F").mkdir()
    for name in ("a.csv", "F/1.csv", "F/2.csv"):
        table(tmp_path / name, z, y)
    (tmp_path / "soft.csv").symlink_to("a.csv")
    os.link(tmp_path / "a.csv", tmp_path / "hard.csv")
    os.link(tmp_path / "F/2.csv", tmp_path / "shard.csv")
    tp.save(tp.TemperatureScaling(2.0, n_classes=4), tmp_path / "c.json")
    (tmp_path / "page.html").symlink_to("c.json")
    return tmp_path


def contents(folder):
    """Every file below a folder, with its bytes."""
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# --- no output is an input -------------------------------------------------------------------

OVERWRITING = [
    ("apply c.json a.csv -o a.csv", "a.csv is the file a.csv (FILE)"),
    ("apply c.json a.csv -o ./F/../a.csv", "F/../a.csv is the file a.csv (FILE)"),
    ("apply c.json a.csv -o soft.csv", "soft.csv is the file a.csv (FILE)"),
    ("apply c.json soft.csv -o a.csv", "a.csv is the file soft.csv (FILE)"),
    ("apply c.json a.csv -o hard.csv", "hard.csv is the file a.csv (FILE)"),
    ("apply c.json z.npy -o z.npy", "z.npy is the file z.npy (FILE)"),
    ("apply c.json F -o F/2.csv", "F/2.csv is the file F/2.csv of the folder F (FILE)"),
    ("apply c.json F -o shard.csv", "shard.csv is the file F/2.csv of the folder F (FILE)"),
    ("apply c.json F -o F/new.npz", "F/new.npz lies in the folder F (FILE)"),
    ("threshold a.csv --max-risk .3 --calibrator c.json -o c.json", "(--calibrator)"),
    ("evaluate a.csv --calibrator c.json --report page.html", "page.html is the file c.json"),
    ("fit a.csv -o c.json --report page.html", "the file c.json (--output), which is written"),
    ("fit z.npy --labels c.json -o c.json", "c.json is the file c.json (--labels)"),
    ("fit a.csv --test c.json -o c.json", "c.json is the file c.json (--test)"),
]


@posix
@pytest.mark.parametrize(("line", "message"), OVERWRITING, ids=[line for line, _ in OVERWRITING])
def test_no_output_is_an_input(beside, run, line, message):
    """Under whatever name: nothing is written, and both names are told."""
    before = contents(beside)
    done = run(*line.split(), code=2)
    assert message in done.stderr
    assert contents(beside) == before


def test_files_that_are_not_read_may_be_replaced(beside, run):
    """An older calibrator, and a calibrator in the folder of the shards."""
    run("fit", "a.csv", "-o", "c.json", "--quick")
    run("fit", "F", "-o", "F/c.json", "--quick")
    assert json.loads((beside / "c.json").read_text())["parameters"]["temperature"] != 2.0


def test_every_written_path_is_an_option_that_is_known():
    """A path is read unless its option is one of `WRITTEN`; all of them are these."""
    read_names = {
        "FILE", "FILE...", "CAL...", "CALIBRATOR", "--baseline", "--calibrator", "--labels",
        "--reference-labels", "--test", "--test-labels", "--token-file", "--verify",
        "--policy", "--registry",  # of a monitor: made or set again, never in place of a file
    }  # fmt: skip
    for command in map(load_command, COMMANDS):
        for parameter in command.params:
            if "Path" in str(parameter.type_descriptor.annotation):
                names = {name for name in parameter.opts if name.startswith("--")}
                others = {n for n in names or {parameter.metavar} if n not in WRITTEN | read_names}
                assert not others or not names, (command.name, names)


# --- files: mode, temporary names, what may be written ---------------------------------------


@posix
def test_a_replaced_file_keeps_its_mode_and_a_new_one_has_that_of_the_umask(tmp_path):
    """A private calibrator stays private."""
    old = os.umask(0o027)
    try:
        for mode in (0o600, 0o640, 0o664, 0o755):
            path = tmp_path / "c.json"
            path.write_text("{}")
            path.chmod(mode)
            tp.save(tp.TemperatureScaling(2.0), path)
            assert stat.S_IMODE(path.stat().st_mode) == mode
        tp.save(tp.TemperatureScaling(2.0), tmp_path / "new.json")
        assert stat.S_IMODE((tmp_path / "new.json").stat().st_mode) == 0o640
    finally:
        os.umask(old)


@posix
def test_a_folder_that_hands_on_its_group_does(tmp_path):
    """A new file in a setgid folder has the folder's group; one that is replaced keeps its own."""
    others = [group for group in os.getgroups() if group != os.getegid()]
    if os.geteuid() == 0:
        others.append(54321)
    if not others:
        pytest.skip("needs a second group")
    folder = tmp_path / "shared"
    folder.mkdir()
    os.chown(folder, -1, others[-1])
    folder.chmod(0o2775)
    tp.save(tp.TemperatureScaling(2.0), folder / "new.json")
    write_probs(folder / "new.csv", np.full((2, 2), 0.5))
    for name in ("new.json", "new.csv"):
        assert (folder / name).stat().st_gid == others[-1]
        os.chown(folder / name, -1, os.getegid())
        (folder / name).chmod(0o640)
    tp.save(tp.TemperatureScaling(3.0), folder / "new.json")
    write_probs(folder / "new.csv", np.eye(2))
    for name in ("new.json", "new.csv"):
        found = (folder / name).stat()
        assert (found.st_gid, stat.S_IMODE(found.st_mode)) == (os.getegid(), 0o640)


@posix
def test_a_group_that_cannot_be_kept_gets_no_more_than_anybody(tmp_path, monkeypatch):
    """Else another group could read what the old one kept to itself."""
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o660)
    real = os.stat_result

    def other_group(self, **_):
        found = os.stat(self)  # noqa: PTH116
        if self.name != "a":
            return found
        fields = list(found)
        fields[5] += 1
        return real(fields)

    def refused(*_):
        raise PermissionError(1, "no")

    monkeypatch.setattr(type(path), "stat", other_group)
    monkeypatch.setattr(os, "chown", refused)
    with replacing(path) as temporary:
        temporary.write_text("new")
    monkeypatch.undo()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_temporary_files_are_hidden_and_no_reader_takes_them(tmp_path):
    """What a killed process leaves behind is no shard, whatever is written."""
    for suffix in (".csv", ".npz", ".json"):
        with replacing(tmp_path / f"a{suffix}") as temporary:
            assert temporary.name.startswith(".temperance-")
            assert temporary.suffix == ".tmp"


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e-9, 1.0000001, 255.0])
def test_only_probabilities_are_written(tmp_path, suffix, bad):
    """The first bad row and how many; nothing is left behind."""
    if suffix in {".parquet", ".arrow", ".feather"}:
        pytest.importorskip("pyarrow")
    probs = np.full((5, 2), 0.5)
    probs[3:, 1] = bad
    with pytest.raises(InvalidInputError, match=r"`probs` must lie in \[0, 1\]; row 3 .* \(2 such"):
        write_probs(tmp_path / f"a{suffix}", probs)
    with pytest.raises(InvalidInputError, match="masked"):
        write_probs(tmp_path / f"a{suffix}", np.ma.masked_greater(np.eye(2), 0.5))
    assert not list(tmp_path.iterdir())


def test_a_bad_block_leaves_nothing(tmp_path):
    """Blocks before it are dropped as well."""

    def write():
        with writing_blocks(tmp_path / "a.csv") as writer:
            for scale in (1.0, np.nan):
                writer.add(Content.of(np.eye(2) * scale, classes=None, mask=None, columns={}))

    with pytest.raises(InvalidInputError, match="holds nan"):
        write()
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_no_nan_leaves_apply(tmp_path, run):
    """A tampered calibrator that makes NaN of finite logits."""
    np.save(tmp_path / "z.npy", np.array([[0.0, 3.0], [1.0, -2.0]]) * 1e10)
    tp.save(tp.PlattScaling(1.0, 0.0), tmp_path / "p.json")
    text = (tmp_path / "p.json").read_text()
    parameters = json.loads(text)["parameters"]
    slope = next(name for name in parameters if "slope" in name)
    content = json.loads(text)
    content["parameters"][slope] = 1e308
    (tmp_path / "p.json").write_text(json.dumps(content))
    before = set(tmp_path.iterdir())
    done = run_any(run, "apply", "p.json", "z.npy", "-o", "o.csv")
    if done.returncode == 0:
        assert np.isfinite(read(tmp_path / "o.csv").values).all()
    else:
        assert set(tmp_path.iterdir()) == before


def run_any(run, *arguments):
    """Run a command that may be refused."""
    try:
        return run(*arguments)
    except AssertionError:
        return run(*arguments, code=2)


# --- signals ---------------------------------------------------------------------------------

SLOW_WRITER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test runner may ignore it
from temperance.cli import run
from temperance.writers import csv_file

def slow(path, content, suffix):
    path.write_text("half a file")
    print("ready", file=sys.__stdout__, flush=True)
    time.sleep(60)

csv_file.write_csv = slow
sys.argv[1:] = ["apply", "c.json", "a.csv", "-o", "out.csv"]
run()
"""


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGKILL"])
def test_a_signal_in_the_middle_of_writing(beside, name):
    """One line, 128 + n, nothing left; what SIGKILL leaves is never read."""
    before = contents(beside)
    number = getattr(signal, name)
    started = subprocess.Popen(
        [sys.executable, "-c", SLOW_WRITER], cwd=beside, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert started.stdout.readline() == "ready\n"
    started.send_signal(number)
    _, said = started.communicate(timeout=60)
    if name == "SIGKILL":
        left = [path.name for path in contents(beside) if path not in before]
        assert len(left) == 1
        assert left[0].startswith(".temperance-")
        (beside / left[0]).rename(beside / "F" / left[0])
        assert len(read(beside / "F").values) == 600
        return
    assert started.returncode == 128 + number
    assert said.startswith("error: ")
    assert said.endswith("nothing half-written is left behind.\n")
    assert said.count("\n") == 1
    assert contents(beside) == before


INTERRUPTED_IMPORT = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
swallowed = sys.argv.pop() == "swallowed"

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            sys.meta_path.remove(self)
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.05)
            except BaseException:
                if not swallowed:
                    raise

sys.meta_path.insert(0, Finder())
sys.argv[1:] = ["methods"]
from temperance.cli import run
run()
"""


@posix
@pytest.mark.parametrize("how", ["raised", "swallowed"])
def test_ctrl_c_while_packages_are_imported(how):
    """One line, no traceback, also where an import swallows it."""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_IMPORT, how],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 130
    assert done.stderr == "error: interrupted; nothing half-written is left behind.\n"
    assert done.stdout == ""


@posix
def test_ignored_signals_stay_ignored():
    """A command under nohup outlives its terminal; a program's own handlers are its own."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with raising_signals():
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
            with pytest.raises(Ended):
                os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_second_signal_of_a_press_does_not_disturb_the_tidying_up():
    """A closing terminal sends two; one that has been swallowed is not forgotten."""
    signals = Signals()
    with pytest.raises(Ended):
        signals.handle(signal.SIGINT, None)
    signals.handle(signal.SIGINT, None)
    with pytest.raises(Ended) as end:
        signals.raise_received()
    assert end.value.number == signal.SIGINT


# --- streams ---------------------------------------------------------------------------------


class Broken(io.StringIO):
    """A stream whose every write fails."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, _):
        raise self.error


GATES = [
    ("evaluate F/1.csv --quick --max-ece 1", 0), ("evaluate F/1.csv --quick --max-ece 1e-9", 1),
    ("evaluate F/1.csv --quick --json --max-ece 1e-9", 1), ("evaluate nothing.csv", 2),
    ("--version", 0), ("fit --help", 0),
]  # fmt: skip


@pytest.mark.parametrize(("line", "code"), GATES)
@pytest.mark.parametrize("stream", ["pipe", "full", "closed"])
def test_the_gate_decides_the_code_whoever_reads(beside, monkeypatch, line, code, stream):
    """A reader that is gone, or a closed stdout, changes nothing; a full disk is an error."""
    monkeypatch.chdir(beside)
    out = {"pipe": Broken(BrokenPipeError(32, "Broken pipe")), "closed": None}.get(
        stream, Broken(OSError(28, "No space left on device"))
    )
    said = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(SystemExit) as end, redirect_stderr(said):
        main(line.split())
    monkeypatch.undo()
    lost = stream == "full" and code != 2
    assert end.value.code == (2 if lost else code)
    if lost:
        told = [each for each in said.getvalue().splitlines() if each.startswith("error: ")]
        assert told == ["error: standard output cannot be written: No space left on device."]


def test_notes_do_not_go_to_stdout_when_stderr_is_closed(beside, monkeypatch):
    """Nothing but the object is printed by --json."""
    monkeypatch.chdir(beside)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", None)
    with pytest.raises(SystemExit) as end:
        main(["evaluate", "a.csv", "--quick", "--json", "--max-ece", "1e-9"])
    monkeypatch.undo()
    assert end.value.code == 1
    assert json.loads(out.getvalue())["passed"] is False


@posix
def test_closed_files_do_not_become_ours(beside):
    """With 0, 1 and 2 closed, what is written is what is always written."""

    def closed():
        for number in (0, 1, 2):
            os.close(number)

    done = subprocess.run(
        [sys.executable, "-m", "temperance", "apply", "c.json", "a.csv", "-o", "o.csv"],
        cwd=beside, check=False, preexec_fn=closed, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0
    assert len(read(beside / "o.csv").values) == 300


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_every_encoding_can_hold_what_is_printed(beside, sample, monkeypatch, encoding):
    """Class names of other scripts, help texts, and JSON that is UTF-8 whatever the locale."""
    table(beside / "ü.csv", *sample(1, n=300), names=["ü", "日", "b", "c"])
    monkeypatch.chdir(beside)

    def printed(*line):
        bytes_out = io.BytesIO()
        with monkeypatch.context() as patch:
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, io.TextIOWrapper(bytes_out, encoding=encoding))
            with pytest.raises(SystemExit) as end:
                main(list(line))
            assert not end.value.code
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        return bytes_out.getvalue()

    assert printed("fit", "ü.csv", "--quick", "--method", "vector", "-o", "v.json")
    found = json.loads(printed("fit", "ü.csv", "--quick", "-o", "ü.json", "--json").decode("utf-8"))
    assert found["calibrator"] == "ü.json"
    for command in COMMANDS:
        assert command.encode() in printed(*command.split(), "--help")


# --- names -----------------------------------------------------------------------------------

NAMES = ["a\x1b[31mb", "[red]c[/]", "d\u202e$x$_{:smile:", "e\nf\x07"]


def test_printable_escapes_what_is_not():
    """Bytes as bytes, in one line; what differs looks different."""
    assert printable("b\udcff\x1b[2J\n\x9b\xa0ü日") == r"b\xff\x1b[2J\n\x9b\xa0ü日"
    assert printable("\udcc3\udcbc") == "ü"  # what an ASCII locale makes of it
    assert printable("a\nb", keep="\n") == "a\nb"
    text = json.dumps({"a": "\udcff\x9b\u202e日\U000e0001"}, ensure_ascii=False)
    for shown in (as_json_text(text), as_json_text(text, ascii_only=True)):
        assert json.loads(shown.encode()) == json.loads(text)
        assert shown.isprintable()
    assert as_json_text(text, ascii_only=True).isascii()


def test_errors_are_one_line_that_a_terminal_can_show():
    """Also those that the library raises in Python."""
    assert str(InvalidInputError("a\x1b\nb")) == r"a\x1b\nb"
    table_ = Table(("x", "\x1b"), ((NAMES[0], NAMES[3]),), title="\x07")
    for text in (table_.to_text(), table_.to_markdown(), table_.to_html()):
        assert not {"\x1b", "\x07"} & set(text)


def test_names_command_no_terminal_and_break_no_page(tmp_path, sample, run):
    """Escape codes, markup, mathematics, turned text: in tables, words, errors and reports."""
    z, y = sample(1, n=300)
    for number in (1, 2):
        kinds = np.array(NAMES)[y % 2]
        np.savez(
            tmp_path / f"{number}.npz", logits=z * number, labels=np.array(NAMES)[y], classes=NAMES,
            groups=kinds, ids=np.array([f"{i}\x1b" for i in range(300)]),
        )  # fmt: skip
    np.savez(tmp_path / "other.npz", logits=z, classes=[*NAMES[:3], "other\x1b"])
    tests = [
        ("fit", "1.npz", "--quick", "--method", "group-temperature", "--report", "a.html"),
        ("fit", "1.npz", "--quick", "--method", "vector", "-o", "v.json", "--report", "b.html"),
        ("compare", "1.npz", "2.npz", "--quick", "--report", "c.html"),
        ("shift", "1.npz", "2.npz", "--report", "d.html"),
        ("apply", "v.json", "1.npz", "-o", "o.csv"),
    ]
    for line in tests:
        done = run(*line)
        assert not {c for c in done.stdout + done.stderr if not c.isprintable()} - {"\n"}
    for page in tmp_path.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not {c for c in text if not c.isprintable()} - {"\n", "\xa0"}
    for name in (r"a\x1b[31mb", "[red]c[/]"):
        assert name in (tmp_path / "b.html").read_text(encoding="utf-8")
    done = run("apply", "v.json", "other.npz", "-o", "o.csv", code=2)
    assert "\x1b" not in done.stderr
    assert r"e\nf\x07" in done.stderr


@posix
@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are UTF-8")
@pytest.mark.parametrize("raw", [b"b\xff", "ü日".encode(), b"[red]x", b"e\x1b[2J\x07", b"n\nl"])
def test_file_names_of_any_bytes(beside, run, raw):
    """Printed, in JSON, in a calibrator, in a report and in errors."""
    name = os.fsdecode(raw)
    (beside / "a.csv").rename(beside / f"{name}.csv")
    done = run(
        "fit", f"{name}.csv", "--quick", "-o", f"{name}.json", "--report", f"{name}.html", "--json"
    )
    done.stdout.encode("utf-8")
    assert json.loads(done.stdout)["calibrator"] == f"{name}.json"
    facts = json.loads((beside / f"{name}.json").read_text(encoding="utf-8"))
    assert f"{name}.csv" in json.dumps(facts, ensure_ascii=False) or not name.isprintable()
    page = (beside / f"{name}.html").read_text(encoding="utf-8")
    assert printable(f"{name}.csv", keep="\n") in page
    done = run("apply", f"{name}.json", f"{name}.csv", "-o", f"{name}.npz")
    assert printable(f"{name}.npz") in done.stderr
    assert done.stderr.count("\n") == 1
    done = run("evaluate", f"{name}.npz", "--calibrator", f"{name}.csv", code=2)
    assert done.stderr.startswith(f"error: {printable(name)}.csv: ")


@pytest.mark.parametrize("key", ["labels", "groups", "ids", "clusters", "classes"])
@pytest.mark.parametrize("half", ["\ud800", "x\udcff"])
def test_half_a_character_is_refused_where_it_is_read(tmp_path, key, half):
    """No output could hold it."""
    arrays = {"logits": np.eye(2), "labels": [0, 1], key: np.array(["b", half])}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(FileFormatError, match=f"`{key}` must be text that UTF-8 can hold; entry 1"):
        read(tmp_path / "a.npz")
    if key != "classes":
        lines = [{"logits": [0, 1], "label": 0, key[:-1]: text} for text in ("b", half)]
        (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
        with pytest.raises(FileFormatError, match="text that UTF-8 can hold"):
            read(tmp_path / "a.jsonl")


# --- what is no file -------------------------------------------------------------------------

PLACES = [
    ("evaluate", "{}"), ("fit", "z.npy", "--labels", "{}"), ("apply", "{}", "a.csv", "-o", "o.csv"),
    ("evaluate", "a.csv", "--calibrator", "{}"), ("fit", "a.csv", "--test", "{}"),
    ("threshold", "a.csv", "--max-risk", ".3", "--calibrator", "{}"),
]  # fmt: skip


@posix
@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_only_regular_files_are_read(beside, run, place):
    """A pipe would wait for ever, /dev/zero never ends; the message says why."""
    os.mkfifo(beside / "pipe.csv")
    for path, why in {
        "pipe.csv": "is a pipe", "/dev/zero": "no regular file", "-": "standard input",
        "x" * 300: "too long",
    }.items():  # fmt: skip
        done = run(*(part.format(path) for part in place), code=2)
        assert f"{path}: " in done.stderr
        assert why in done.stderr


@posix
def test_a_pipe_in_a_folder_is_refused(beside, run):
    """Read as a whole, in blocks, and by a digest."""
    os.mkfifo(beside / "F" / "3.csv")
    assert "F/3.csv: must be a file, but is a pipe" in run("evaluate", "F", code=2).stderr
    with pytest.raises(FileFormatError, match="is a pipe"):
        list(tp.readers.read_blocks(beside / "F"))
    with pytest.raises(FileFormatError, match="is a pipe"):
        tp.readers.read_blocks(beside / "F").sha256()


@pytest.mark.parametrize("path", ["a\0b.csv", "x" * 300 + ".csv", b"b.csv", 3, None])
def test_paths_that_are_none(path):
    """Our errors, from all that take a path."""
    calls = [
        tp.load, read, tp.decisions.load_policy, tp.readers.file_digest,
        lambda p: list(tp.readers.read_blocks(p)),
        lambda p: read(p, format="records"),
        lambda p: write_probs(p, [[0.5, 0.5]]),
        lambda p: tp.save(tp.TemperatureScaling(2.0), p),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(tp.TemperanceError):
            call(path)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["fit", ""], "CAL"),
        (["evaluate", "test.npz", "--calibrator", ""], "--calibrator"),
        (["evaluate", "test.npz", "--report="], "--report"),
        (["apply", "", "test.npz", "-o", "p.npz"], "CALIBRATOR"),
    ],
)
def test_an_empty_path_is_not_the_current_folder(beside, run, words, option):
    """ "$FILE" of a shell where FILE is not set."""
    done = run(*words, code=2)
    assert f"`{option}` names no file" in done.stderr
