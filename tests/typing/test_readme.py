"""Python of the README and of docs/python.md type-checks, strictly, as in editors and CI."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import temperance

ROOT = Path(__file__).parents[2]
SOURCE = Path(temperance.__file__).parents[1]


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """The blocks of both as one program; packages whose types are not whole apart."""
    pages = (ROOT / "README.md", ROOT / "docs" / "python.md")
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    blocks = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    own = [each for each in blocks if not re.search(r"temperance\.sklearn|matplotlib", each)]
    assert len(own) == len(blocks) - 2
    (tmp_path / "readme.py").write_text("".join(own), encoding="utf-8")
    return tmp_path


def pyright(folder: Path) -> list[tuple[str, str]]:
    """What pyright says of a folder in strict mode: files and messages."""
    settings = {
        "typeCheckingMode": "strict", "extraPaths": [str(SOURCE)], "reportMissingTypeStubs": False,
    }  # fmt: skip
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    run = subprocess.run(
        [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable],
        cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
    )  # fmt: skip
    found = json.loads(run.stdout)["generalDiagnostics"]
    return [(Path(each["file"]).name, each["message"]) for each in found]


def test_mypy_takes_the_readme(code: Path) -> None:
    """`mypy --strict` has no word to say."""
    pytest.importorskip("mypy")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file", ROOT / "pyproject.toml",
         "--cache-dir", ROOT / ".mypy_cache", code / "readme.py"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout


def test_pyright_takes_the_readme(code: Path) -> None:
    """Neither has pyright; of a wrong line it has one, so that it does look."""
    pytest.importorskip("pyright")
    text = (code / "readme.py").read_text(encoding="utf-8")
    wrong = text + "wrong: str = scaling.temperature\n"
    (code / "wrong.py").write_text(wrong, encoding="utf-8")
    ((file, message),) = pyright(code)
    assert file == "wrong.py"
    assert '"float" is not assignable to "str"' in message
