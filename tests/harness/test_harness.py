"""`temperance.harness` without the harnesses: it says what to install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("package", "name", "extra"),
    [("lm_eval", "CalibratedTask", "lm-eval"), ("evaluate", "CalibrationMetric", "evaluate")],
)
def test_an_extra_that_is_missing_is_named(package, name, extra):
    """The package itself is imported without either."""
    code = (
        f"import sys; sys.modules[{package!r}] = None; import temperance as tp\n"
        "import temperance.harness as harness\n"
        f"try:\n    harness.{name}\n"
        "except tp.MissingDependencyError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"temperance.harness.{name} needs the package" in run.stdout
    assert f'pip install "temperance[{extra}]"' in run.stdout
