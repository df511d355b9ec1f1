"""What `threshold` and `policy` share: which rows fit a calibrator, and which set thresholds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.options import COMPUTING, KindName
from temperance.cli.process import name_of, recorded, recorded_warnings
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.decisions import DecisionPolicy
    from temperance.rows.reading import Reading
    from temperance.rows.threshold import Dealing

__all__ = [
    "CONFIDENCE",
    "FIT_SHARE",
    "AsIsOption",
    "CalibratorOption",
    "ConfidenceOption",
    "FileArgument",
    "FitShareOption",
    "MethodOption",
    "PerGroupOption",
    "SplitSeedOption",
    "dealing_of",
    "write_policy_file",
]

CONFIDENCE, FIT_SHARE = 0.95, 0.2  # defaults

FileArgument = Annotated[
    Path,
    typer.Argument(metavar="FILE", help="Logits or probabilities with labels, unseen so far."),
]
ConfidenceOption = Annotated[
    float, typer.Option("--confidence", metavar="P", help="Probability that all promises hold.")
]
CalibratorOption = Annotated[
    Path | None,
    typer.Option(
        "--calibrator",
        metavar="FILE.json",
        help="Fitted on other rows; all rows of FILE then set thresholds.",
    ),
]
AsIsOption = Annotated[
    bool, typer.Option("--as-is", help="Calibrate nothing: all rows set thresholds.")
]
PerGroupOption = Annotated[
    bool,
    typer.Option("--per-group", help="Thresholds for every group; all promises hold at once."),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="NAME",
        help="Without --calibrator: what is fitted. Default: temperature; of answers platt.",
        rich_help_panel=COMPUTING,
    ),
]
FitShareOption = Annotated[
    float,
    typer.Option(
        "--fit-share",
        metavar="S",
        help="Share of the rows that fits the calibrator; the others set thresholds.",
        rich_help_panel=COMPUTING,
    ),
]
SplitSeedOption = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        min=0,
        help="Of that split, and of rows drawn from clusters.",
        rich_help_panel=COMPUTING,
    ),
]


def dealing_of(
    reading: Reading,
    calibrator_file: Path | None,
    *,
    what: str,
    as_is: bool,
    method: str | None,
    fit_share: float,
    per_group: bool,
    seed: int,
) -> tuple[Dealing, Reading]:
    """Return which rows calibrate, and how the file is read for that; `what` it is all for."""
    from temperance.calibrators import PlattScaling, TemperatureScaling
    from temperance.decisions.split import as_fit_share
    from temperance.formats import load
    from temperance.rows.threshold import Dealing

    if calibrator_file is not None and as_is:
        msg = "Give `--calibrator` or `--as-is`, not both."
        raise InvalidInputError(msg)
    as_fit_share(fit_share)
    if reading.kind == KindName.multilabel:
        msg = f"`--kind` must be logits or probs here: a {what} is one on whole rows."
        raise InvalidInputError(msg)
    calibrator: Calibrator | None = None if calibrator_file is None else load(calibrator_file)
    if method is None:
        answers = reading.kind == KindName.answers
        method = PlattScaling.method if answers else TemperatureScaling.method
    dealing = Dealing(
        calibrator, calibrator_file, as_is=as_is, method=method, fit_share=fit_share,
        per_group=per_group, seed=seed,
    )  # fmt: skip
    return dealing, reading.for_calibrator(calibrator)


def write_policy_file(
    policy: DecisionPolicy, calibrator_facts: dict[str, Any], output: Path
) -> DecisionPolicy:
    """Write a policy whose facts name files without their folders, and return it."""
    from temperance.decisions import save_policy

    facts = recorded(policy.facts)
    facts["warnings"] = list(recorded_warnings(facts["warnings"]))
    portable = replace(policy, facts=facts)
    save_policy(portable, output, calibrator_facts=_of_fit(calibrator_facts))
    return portable


def _of_fit(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a policy says of its calibrator's fit: files by their names alone."""
    known: dict[str, Any] = recorded(facts)
    if isinstance(known.get("data"), str):  # older calibrators hold paths
        known["data"] = " + ".join(map(name_of, known["data"].split(" + ")))
    return known
