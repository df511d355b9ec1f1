"""`temperance demo`: a real, badly over-confident classifier made honest; no file needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.options import JsonOption
from temperance.errors import MissingDependencyError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from temperance.rows.memory import Rows

__all__ = ["demo", "digits"]

_MODEL = "naive Bayes on scikit-learn's digits"


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
    from temperance.writers.place import check_writable

    output, report = folder / "calibrator.json", folder / "report.html"
    check_writable(output)
    check_writable(report)
    with progress("training naive Bayes on the digits"):
        rows, test = digits()
    calibration = calibrate(
        rows, test, method="temperature", prior=0.0, n_bins=15, seed=0, planned=True
    )
    calibration = replace(calibration, may_choose=False)
    result = finish(calibration, output=output, report=report, model=_MODEL)
    result.print(as_json=as_json)


def digits() -> tuple[Rows, Rows]:
    """Return calibration and test rows of a classifier trained on a third set of images."""
    import numpy as np

    try:
        from sklearn.datasets import load_digits
        from sklearn.naive_bayes import MultinomialNB
    except ImportError as error:
        msg = "scikit-learn"
        raise MissingDependencyError(msg, extra="sklearn", purpose="`temperance demo`") from error
    images, labels = load_digits(return_X_y=True)
    third = np.random.default_rng(0).permutation(len(labels)) % 3
    model = MultinomialNB().fit(images[third == 0], labels[third == 0])
    joints = model.predict_joint_log_proba(images)
    parts = {"calibration": third == 1, "test": third == 2}
    made = [_rows(joints[part], labels[part], name) for name, part in parts.items()]
    return made[0], made[1]


def _rows(logits: NDArray[np.float64], labels: NDArray[np.intp], name: str) -> Rows:
    import hashlib

    from temperance.rows.memory import Rows

    return Rows(
        logits=logits,
        labels=labels,
        weights=None,
        groups=None,
        clusters=None,
        ids=None,
        classes=tuple("0123456789"),
        kind="logits",
        source=f"digits, {name} third",
        sha256=hashlib.sha256(logits.tobytes() + labels.tobytes()).hexdigest(),
    )
