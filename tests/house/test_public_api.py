"""What users rely on changes only where someone has decided so."""

import difflib
import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("public_api.py")


def test_the_interface_is_what_the_file_says():
    """Public names, signatures, commands and options; `make api` rewrites the file."""
    for extra in ("sklearn", "torch", "mlflow"):
        pytest.importorskip(extra)  # which one of the parts is made of
    spec = importlib.util.spec_from_file_location("public_api", SCRIPT)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    held = script.FILE.read_text(encoding="utf-8").splitlines()
    differences = [
        line
        for line in difflib.unified_diff(held, script.lines(), "held", "found", lineterm="", n=0)
        if not line.startswith("@@")
    ]
    assert not differences, "\n".join(
        ["the public interface differs from the file; where that is meant: make api", *differences]
    )
