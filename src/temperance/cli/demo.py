"""`temperance demo`: a real, badly over-confident classifier made honest; no file needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from temperance.cli.options import JsonOption

__all__ = ["demo"]

_MODEL = "naive Bayes on handwritten digits"


def demo(
    folder: Annotated[
        Path, typer.Option("--output", "-o", metavar="DIR", help="Where the two files go.")
    ] = Path(),
    as_json: JsonOption = False,
) -> None:
    """Fit, evaluate and report on real data that needs no download.

    Naive Bayes takes the 64 pixels of a digit for independent, so it counts the same evidence many
    times over and is far too sure. A third of the 1,797 images trains it, a third fits the
    temperature, a third tests it.
    """
    from temperance.cli.calibration import finish
    from temperance.cli.console import progress
    from temperance.rows.calibration import calibrate
    from temperance.rows.digits import digit_rows
    from temperance.writers.place import check_writable

    output, report = folder / "calibrator.json", folder / "report.html"
    check_writable(output)
    check_writable(report)
    with progress("training naive Bayes on the digits"):
        rows, test = digit_rows()
    calibration = calibrate(
        rows, test, method="temperature", prior=0.0, n_bins=15, seed=0, planned=True
    )
    calibration = replace(calibration, may_choose=False)
    result = finish(calibration, output=output, report=report, model=_MODEL)
    result.print(as_json=as_json)
