"""Nothing of ours touches the process: its settings are the same before and after every call."""

import csv
import decimal
import io
import locale
import os
import random
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec

import matplotlib as mpl
import numpy as np
import pytest
import scipy.linalg  # noqa: F401  (loads the linear algebra whose threads are counted)
import threadpoolctl

import temperance as tp
from temperance.blocks import one_thread_each
from temperance.cli import main
from temperance.plots import __all__ as displays
from temperance.readers import read, read_blocks

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(240, 3)) * 3.0
Y = (Z + RNG.gumbel(size=Z.shape) * 2.0).argmax(axis=1)
P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
B, Y2 = Z[:, 1] - Z[:, 0], (Y == 1).astype(int)
G = np.array(["a", "b", "c"])[np.arange(240) % 3]
LABELS = (Z + RNG.normal(size=Z.shape) * 4.0 > 0).astype(int)
FITTED = tp.TemperatureScaling.fit(Z, Y)
METHODS = {
    "identity": (Z, Y), "temperature": (Z, Y), "bias-corrected-temperature": (Z, Y),
    "vector": (Z, Y), "matrix": (Z, Y), "platt": (B, Y2), "beta": (B, Y2), "isotonic": (B, Y2),
    "venn-abers": (B, Y2),
}  # fmt: skip


def state():
    """Everything that a call could leave changed."""
    keys, array, place, *rest = np.random.get_state()  # noqa: NPY002  (that of the process)
    numbers = [n for n in signal.valid_signals() if n not in {signal.SIGKILL, signal.SIGSTOP}]
    umask = os.umask(0)
    os.umask(umask)
    return {
        "warnings": list(warnings.filters),
        "showwarning": warnings.showwarning,
        "numpy errors": (np.geterr(), np.geterrcall(), np.getbufsize()),
        "numpy printing": np.get_printoptions(),
        "random": (random.getstate(), keys, array.tobytes(), place, rest),
        "locale": locale.setlocale(locale.LC_ALL),
        "decimal": str(decimal.getcontext()),
        "matplotlib": (dict(mpl.rcParams), mpl.rcParams["backend"]),
        "threads of libraries": [
            (each["filepath"], each["num_threads"]) for each in threadpoolctl.threadpool_info()
            if each["user_api"] == "blas"
        ],
        "threads": threading.active_count(),
        "environment": dict(os.environ),
        "signals": [(n, signal.getsignal(n)) for n in numbers],
        "folder": (os.getcwd(), umask),  # noqa: PTH109
        "python": (
            list(sys.path), sys.excepthook, sys.displayhook, sys.getrecursionlimit(),
            sys.get_int_max_str_digits(), csv.field_size_limit(), threading.excepthook,
        ),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        **torch_state(),
    }  # fmt: skip


def torch_state():
    """Where torch is loaded: threads, gradients, dtype, random numbers."""
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    return {
        "torch": (
            torch.get_num_threads(), torch.is_grad_enabled(), torch.get_default_dtype(),
            torch.random.get_rng_state().numpy().tobytes(),
        )
    }  # fmt: skip


def differences(before, after):
    """Names of what is not as it was."""
    return [name for name in before if repr(before[name]) != repr(after[name])]


def metric(name):
    """Call a metric with what it takes."""
    function = getattr(tp.metrics, name)
    if name == "holm":
        return function([0.1, 0.2])
    if name == "group_score_tests":
        return function(P, Y, G)
    return function(P, Y)


def each_method():
    """Fit and apply every method."""
    for method, (scores, labels) in METHODS.items():
        tp.METHODS[method].fit(scores, labels).apply(scores)
    tp.GroupTemperatureScaling.fit(Z, Y, groups=G).apply(Z, groups=G)
    tp.MultilabelScaling.fit(Z, LABELS).apply(Z)
    for pool in ("linear", "log"):
        tp.Ensemble.fit([Z, Z * 1.3 + 0.1], Y, pool=pool).apply([Z, Z])


def drawn():
    """Draw every kind of diagram of a report, as SVG and as pixels."""
    evaluation = tp.evaluate(P, Y, n_resamples=100)
    for name in ("CorpDisplay", "ReliabilityDisplay", "ConfidenceDisplay"):
        assert name in displays
        display = getattr(tp.plots, name).from_evaluation(evaluation, name="a $x$ name")
        display._repr_svg_()
        display._repr_png_()


OF_ARROW = {".parquet", ".arrow", ".feather"}
FORMATS = [
    each for each in tp.writers.SUFFIXES if each not in OF_ARROW or find_spec("pyarrow") is not None
]


def written(folder):
    """Write and read every format."""
    for suffix in FORMATS:
        path = folder / f"a{suffix}"
        classes = None if suffix == ".npy" else ["a", "b", "c"]
        tp.writers.write_probs(path, P, labels=Y, classes=classes)
        read(path, kind="probs")
        list(read_blocks(path, kind="probs"))
    tp.save(FITTED, folder / "c.json")
    tp.load(folder / "c.json")
    for bad in ("x.csv", "x.npz"):
        (folder / bad).write_bytes(b"\x00\xff")
        with pytest.raises(tp.FileFormatError):
            read(folder / bad)


def command(*line):
    """Run a command in this process, whatever its end."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), pytest.raises(SystemExit):
        main([str(part) for part in line])


def commands(folder):
    """Run commands, also with errors."""
    np.savez(folder / "a.npz", logits=Z, labels=Y)
    report = folder / "r.html"
    quick = "--quick"
    calibrator = folder / "k.json"
    command("fit", folder / "a.npz", quick, "-o", calibrator, "--report", report)
    command("evaluate", folder / "a.npz", quick, "--calibrator", calibrator, "--max-ece", "0")
    command("apply", calibrator, folder / "a.npz", "-o", folder / "o.csv")
    command("apply", folder / "none.json", folder / "a.npz", "-o", folder / "o.csv")
    command("nothing")
    command("--help")
    command("fit", "--help")


CALLS = {
    "evaluate": lambda _: tp.evaluate(P, Y, groups=G, n_resamples=100),
    "check_gates": lambda _: tp.check_gates(tp.evaluate(P, Y, n_resamples=100), max_ece=0.1),
    "evaluate_blocks": lambda _: tp.evaluate_blocks([(P, Y)] * 3),
    "compare": lambda _: tp.compare({"a": P, "b": FITTED.apply(Z)}, Y, n_resamples=100),
    "plan": lambda _: tp.plan(Z),
    "select": lambda _: tp.select(Z, Y),
    "select_labels": lambda _: tp.select_labels(Z, np.eye(Z.shape[1], dtype=int)[Y]),
    "class_biases": lambda _: tp.class_biases(Z, Y),
    "compare_label_ways": lambda _: tp.compare_label_ways(Z, np.eye(Z.shape[1], dtype=int)[Y]),
    "compare_pooling": lambda _: tp.compare_pooling([Z, 2.0 * Z], Y),
    "calibrators": lambda _: each_method(),
    "plots": lambda _: drawn(),
    "files": written,
    "commands": commands,
    "decisions": lambda _: tp.decisions.abstain(P, Y, max_risk=0.5),
    "fit_policy": lambda _: tp.decisions.fit_policy(Z, Y, max_risk=0.8),
    "shift": lambda _: (
        tp.shift.estimate_label_shift_from_logits(Z, Z, Y),
        tp.shift.diagnose(Z, Y, Z),
    ),
    **{
        name: lambda _, name=name: metric(name)
        for name in tp.metrics.__all__ if name.islower() or name.startswith("ks")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_call_leaves_the_process_as_it_was(tmp_path, name):
    """Filters, floating-point errors, randomness, threads, signals, streams, folder, locale."""
    call = CALLS[name]
    call(tmp_path)  # imports of other packages are theirs
    before = state()
    call(tmp_path)
    assert differences(before, state()) == []


FRESH = """
import re, sys, warnings
import numpy as np
before = list(warnings.filters)
import temperance as tp
z = np.random.default_rng(0).normal(size=(60, 2)) * 3.0
y = (z[:, 1] > z[:, 0]).astype(int)
y[:20] = 1 - y[:20]
p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
assert "scipy" not in sys.modules and list(warnings.filters) == before
tp.VectorScaling.fit(z, y).apply(z)
tp.IsotonicCalibration.fit(z, y).apply(z)
str(tp.evaluate(p, y, n_resamples=100, clusters=np.arange(60) // 2))
added = [each for each in warnings.filters if each not in before]
kept = [each for each in warnings.filters if each in before]
print(kept == before, sorted(str((each[0], each[1], each[2].__name__)) for each in added))
"""
SCIPY = """
import numpy as np, warnings
before = list(warnings.filters)
import scipy.special, scipy.linalg, scipy.optimize, scipy.fft
added = [each for each in warnings.filters if each not in before]
print(True, sorted(str((each[0], each[1], each[2].__name__)) for each in added))
"""


def test_a_new_process_gets_the_filters_that_scipy_adds_and_no_other():
    """They are left: without them SciPy's sparse matrices warn, or raise where warnings are errors.

    Setting filters aside during the import would also undo what other threads set meanwhile.
    """
    found = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        for code in (FRESH, SCIPY)
    ]
    assert found[0].stdout == found[1].stdout
    assert found[0].stderr == ""


def test_every_public_function_of_the_top_is_called():
    """Except those that only look at arrays, and names of parts."""
    looks = {
        "content_id",
        "dense_rows",
        "label_logits_from_probs",
        "logits_from_probs",
        "multilabel_rows",
        "masked_logits",
    }
    called = {*CALLS, "load", "save", "compare_blocks"} | looks
    functions = {n for n in tp.__all__ if type(getattr(tp, n)).__name__ == "function"}
    assert functions <= called


def test_many_threads_leave_the_process_as_it_was(tmp_path):
    """Reading, fitting and measuring at once: what one sets aside no other puts back."""
    written(tmp_path)
    np.savez(tmp_path / "b.npz", logits=Z, labels=Y)
    tp.VectorScaling.fit(Z, Y)  # SciPy, while it is imported, sets warnings aside
    before = state()

    def work(number):
        for _ in range(4):
            read(tmp_path / ("b.npz" if number % 2 else f"a{FORMATS[-1]}"))
            tp.VectorScaling.fit(Z, Y)
            tp.Ensemble.fit([Z, Z * 1.3 + 0.1], Y)
            with pytest.raises(tp.FileFormatError):
                read(tmp_path / "x.npz")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(16)))
    assert differences(before, state()) == []


def test_limits_of_threads_that_overlap_are_lifted_by_the_last():
    """Else the first to end would put back the limit of the other for ever."""
    before = state()["threads of libraries"]
    first, second = one_thread_each(), one_thread_each()
    first.__enter__()
    second.__enter__()
    inside = state()["threads of libraries"]
    first.__exit__(None, None, None)
    assert state()["threads of libraries"] == inside
    assert all(threads == 1 for _, threads in inside)
    second.__exit__(None, None, None)
    assert state()["threads of libraries"] == before
