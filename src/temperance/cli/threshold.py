"""`temperance threshold`: from what confidence on a model's answers keep a promised error rate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from temperance.calibrators import Calibrator, PlattScaling, TemperatureScaling
from temperance.cli.console import note, print_json, print_table, print_text, progress
from temperance.cli.deciding import decide
from temperance.cli.files import recorded
from temperance.cli.options import (
    JsonOption,
    KindName,
    ReportOption,
)
from temperance.cli.reading import read_rows
from temperance.cli.reading_options import Reading, takes_reading
from temperance.decisions import save_policy
from temperance.decisions.abstain import check_target
from temperance.errors import InvalidInputError
from temperance.export import load
from temperance.report import ThresholdContent, write_threshold
from temperance.version import __version__
from temperance.writers import check_writable

__all__ = ["threshold"]


@takes_reading(without=("class_axis",))
def threshold(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Logits or probabilities with labels, unseen so far."),
    ],
    max_risk: Annotated[
        float | None,
        typer.Option("--max-risk", metavar="R", help="Largest share of wrong answers to promise."),
    ] = None,
    min_coverage: Annotated[
        float | None,
        typer.Option(
            "--min-coverage",
            metavar="C",
            help="The share of rows to answer. Alone: the risk promised is what that allows. With "
            "--max-risk: where the search begins.",
        ),
    ] = None,
    confidence: Annotated[
        float,
        typer.Option("--confidence", metavar="P", help="Probability that the promise holds."),
    ] = 0.95,
    calibrator_file: Annotated[
        Path | None,
        typer.Option(
            "--calibrator",
            metavar="FILE.json",
            help="Fitted on other rows; all rows of FILE then set the threshold.",
        ),
    ] = None,
    as_is: Annotated[
        bool,
        typer.Option("--as-is", help="Calibrate nothing: all rows set the threshold."),
    ] = False,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="TEST", help="Measure coverage and risk on this file."),
    ] = None,
    per_group: Annotated[
        bool,
        typer.Option("--per-group", help="A threshold for every group; all promises hold at once."),
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.json", help="Where the policy goes.")
    ] = Path("policy.json"),
    report: ReportOption = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            metavar="NAME",
            help="Without --calibrator: what is fitted. Default: temperature; of answers platt.",
        ),
    ] = None,
    fit_share: Annotated[
        float,
        typer.Option("--fit-share", metavar="S", help="Of the rows, fitted on; not for promises."),
    ] = 0.2,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Of that split, and of rows drawn from clusters.")
    ] = 0,
    as_json: JsonOption = False,
    reading: Reading = Reading(),  # noqa: B008  (a frozen value; options take its place)
) -> None:
    """Find the confidence from which on answers keep a promised error rate; below it, abstain.

    The promise is exact (Learn then Test): it holds for new rows that come as these did, whatever
    the model. Labels that fit the calibrator are kept apart from labels that set the threshold.
    The policy, a calibrator with its threshold, is what `temperance apply policy.json` takes.
    """
    check_target(max_risk, min_coverage, confidence)
    if calibrator_file is not None and as_is:
        msg = "Give `--calibrator` or `--as-is`, not both."
        raise InvalidInputError(msg)
    if not 0.0 < fit_share < 1.0:
        msg = f"`--fit-share` must be a number between 0 and 1, got {fit_share}."
        raise InvalidInputError(msg)
    if reading.kind == KindName.multilabel:
        msg = "`--kind` must be logits or probs here: a threshold is one on whole rows."
        raise InvalidInputError(msg)
    check_writable(output, {".json"})
    if report is not None:
        check_writable(report, {".html", ".htm"})
    reading = reading.of_answers(_calibrator(calibrator_file))
    rows = read_rows(file, reading)
    of_test = reading.other_file(of_model=rows)
    test_rows = None if test is None else read_rows(test, of_test, like=rows)
    if method is None:
        method = TemperatureScaling.method if reading.answers is None else PlattScaling.method
    done = decide(
        rows, test_rows,
        max_risk=max_risk, min_coverage=min_coverage, confidence=confidence,
        calibrator_file=calibrator_file, as_is=as_is, method=method, fit_share=fit_share,
        per_group=per_group, seed=seed,
    )  # fmt: skip
    save_policy(done.policy, output, calibrator_facts=done.calibrator_facts)
    if report is not None:
        content = ThresholdContent(
            title=recorded(f"Answer or abstain: {rows.source}"),
            rule=done.policy.rule,
            calibrator=done.policy.calibrator,
            curve=done.curve,
            test=done.test,
            test_groups=done.test_groups,
            use=recorded(done.use),
            warnings=recorded(done.warnings),
            facts=recorded(
                (
                    *done.told,
                    ("Policy", str(output)),
                    ("Library", f"temperance {__version__}"),
                )
            ),
        )
        with progress("drawing the report"):
            write_threshold(report, content)
    if as_json:
        print_json(
            {
                **done.to_dict(),
                "policy": str(output),
                "report": None if report is None else str(report),
            }
        )
        return
    print_text(done.policy.rule.guarantee, bold=True)
    for table in done.tables():
        print_table(table)
    print_text(done.use)
    print_text(done.policy.rule.assumption)
    for warning in done.warnings:
        note(f"warning: {warning}")
    print_text(f"policy: {output}" + (f"   report: {report}" if report else ""))


def _calibrator(file: Path | None) -> Calibrator | None:
    """Return the calibrator whose rows these are, where there is one."""
    return None if file is None else load(file)
