"""How many files a stranger opens who follows a call: those of which a function runs."""

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import temperance as tp

SRC = Path(tp.__file__).parent
MOST = {  # call -> files, at most; imports are done, as a second call finds them
    "TemperatureScaling.fit": 12,
    "evaluate": 15,
    "temperance fit --test": 65,
}
CODE = 2  # inspect.CO_NEWLOCALS: a function, not the body of a module or a class


def files_entered(call):
    """Return the files of the package of which `call` runs a function, in any thread."""
    entered = set()

    def note(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_flags & CODE and code.co_filename.startswith(str(SRC)):
            entered.add(Path(code.co_filename).relative_to(SRC).as_posix())

    call()
    before = sys.getprofile()
    threading.setprofile(note)
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
        threading.setprofile(None)
    return entered


@pytest.fixture
def calls(tmp_path, run):
    """The calls by name, on rows of four classes."""
    rng = np.random.default_rng(3)
    z = 2.0 * rng.standard_normal((400, 4))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = np.array([rng.choice(4, p=row) for row in p])
    np.savez(tmp_path / "cal.npz", logits=3.0 * z[:200], labels=y[:200])
    np.savez(tmp_path / "test.npz", logits=3.0 * z[200:], labels=y[200:])
    return {
        "TemperatureScaling.fit": lambda: tp.TemperatureScaling.fit(z, y),
        "evaluate": lambda: tp.evaluate(p, y),
        "temperance fit --test": lambda: run("fit", "cal.npz", "--test", "test.npz"),
    }


@pytest.mark.parametrize("name", MOST)
def test_a_call_enters_few_files(name, calls):
    """A change that makes a reader open one more file is seen, and has to say why."""
    entered = files_entered(calls[name])
    assert len(entered) <= MOST[name], sorted(entered)
    assert len(entered) >= MOST[name] - 3, f"lower the number: {len(entered)}"
