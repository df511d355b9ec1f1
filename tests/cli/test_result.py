"""What a command returns is printed in one way: as JSON, or for people."""

import json
from pathlib import Path

from temperance.cli.console import Headline, Result
from temperance.show import Table


def never():
    message = "made for nobody"
    raise AssertionError(message)


def test_only_what_is_printed_is_made(capsys):
    """JSON is not made for a terminal, nor tables for JSON."""
    Result(lambda: {"n": 3}, never).print(as_json=True)
    assert json.loads(capsys.readouterr().out) == {"n": 3, "warnings": []}
    Result(never, lambda: ["three rows"]).print(as_json=False)
    assert capsys.readouterr().out == "three rows\n"


def test_warnings_and_files_come_last(capsys):
    """Texts and tables, then warnings and notes on stderr, then the files that were written."""
    table = Table(("a", "b"), (("1", "2"),))
    result = Result(
        lambda: {"n": 3},
        lambda: [Headline("first"), table, "last"],
        warnings=["few rows"],
        files={"policy": Path("p.json"), "report": None},
        notes=("no labels",),
    )
    result.print(as_json=False)
    printed = capsys.readouterr()
    lines = [line.strip() for line in printed.out.splitlines() if line.strip()]
    assert (lines[0], lines[-2:]) == ("first", ["last", "policy: p.json"])
    assert any(line.split() == ["1", "2"] for line in lines)
    assert printed.err == "warning: few rows\nno labels\n"
    result.print(as_json=True)
    printed = capsys.readouterr()
    wanted = {"n": 3, "warnings": ["few rows"], "policy": "p.json", "report": None}
    assert json.loads(printed.out) == wanted
    assert printed.err == ""
