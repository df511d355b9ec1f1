"""`temperance threshold`: from what confidence on a model's answers keep a promised error rate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.console import Result
from temperance.cli.gating import (
    Broken,
    Gating,
    JUnitOption,
    MarkdownOption,
    UndecidedOption,
    ended,
    fail_if,
)
from temperance.cli.options import COMPUTING, KindName, ReportOption
from temperance.cli.process import name_of, recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.errors import InvalidInputError
from temperance.version import __version__

if TYPE_CHECKING:
    from temperance.rows.reading import Reading

__all__ = ["threshold"]


@takes_reading(without=("class_axis",))
def threshold(
    reading: Reading,
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
    fails: Annotated[
        Broken | None, fail_if("Fail where the labels of TEST refute the promise.")
    ] = None,
    undecided: UndecidedOption = None,
    junit: JUnitOption = None,
    markdown: MarkdownOption = None,
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
        int,
        typer.Option(
            "--seed",
            metavar="N",
            min=0,
            help="Of that split, and of rows drawn from clusters.",
            rich_help_panel=COMPUTING,
        ),
    ] = 0,
) -> Result:
    """Find the confidence from which on answers keep a promised error rate.

    Below it, abstain. The promise is exact (Learn then Test): it holds for new rows that come as
    these did, whatever the model. Labels that fit the calibrator are kept apart from labels that
    set the threshold. The policy, a calibrator with its threshold, is what `temperance apply
    policy.json` takes. --test NEW --fail-if broken checks the promise on new labels, in CI.
    """
    from temperance.calibrators import PlattScaling, TemperatureScaling
    from temperance.cli.console import Headline, progress
    from temperance.decisions import save_policy
    from temperance.decisions.abstain import check_target
    from temperance.decisions.split import as_fit_share
    from temperance.formats import load
    from temperance.rows.reading import read_rows
    from temperance.rows.threshold import Dealing, decide
    from temperance.writers.place import check_writable

    check_target(max_risk, min_coverage, confidence)
    gating = Gating(undecided, junit, markdown)
    gating.check(any_gate=fails is not None, options=["--fail-if broken"])
    if fails is not None and test is None:
        msg = "--fail-if broken needs new labels, which had no say in the threshold: --test FILE."
        raise InvalidInputError(msg)
    if calibrator_file is not None and as_is:
        msg = "Give `--calibrator` or `--as-is`, not both."
        raise InvalidInputError(msg)
    as_fit_share(fit_share)
    if reading.kind == KindName.multilabel:
        msg = "`--kind` must be logits or probs here: a threshold is one on whole rows."
        raise InvalidInputError(msg)
    check_writable(output, {".json"})
    if report is not None:
        check_writable(report, {".html", ".htm"})
    calibrator = None if calibrator_file is None else load(calibrator_file)
    reading = reading.for_calibrator(calibrator)
    rows = read_rows(file, reading)
    of_test = reading.other_file(of_model=rows)
    test_rows = None if test is None else read_rows(test, of_test, like=rows)
    if method is None:
        answers = reading.kind == KindName.answers
        method = PlattScaling.method if answers else TemperatureScaling.method
    dealing = Dealing(
        calibrator, calibrator_file, as_is=as_is, method=method, fit_share=fit_share,
        per_group=per_group, seed=seed,
    )  # fmt: skip
    decision = decide(
        rows, test_rows, dealing,
        max_risk=max_risk, min_coverage=min_coverage, confidence=confidence,
    )  # fmt: skip
    facts = recorded(decision.policy.facts)
    facts["warnings"] = list(recorded_warnings(facts["warnings"]))
    policy = replace(decision.policy, facts=facts)
    decision = replace(decision, policy=policy)
    save_policy(policy, output, calibrator_facts=_of_fit(decision.calibrator_facts))
    if report is not None:
        from temperance.report import ThresholdContent, write_threshold

        content = ThresholdContent(
            title=recorded(f"Answer or abstain: {rows.source}"),
            rule=decision.rule,
            calibrator=decision.policy.calibrator,
            curve=decision.curve,
            test=decision.test,
            test_groups=decision.test_groups,
            use=recorded(decision.use),
            warnings=recorded_warnings(decision.warnings),
            facts=recorded(
                (
                    *decision.report_facts,
                    ("Policy", str(output)),
                    ("Library", f"temperance {__version__}"),
                )
            ),
        )
        with progress("drawing the report"):
            write_threshold(report, content)
    rule = decision.rule
    gates = () if fails is None else decision.promises_kept(gating.taken_for)
    digests = {each.source: each.sha256 for each in (rows, test_rows) if each is not None}
    gating.write(
        "threshold", gates, source=" ".join(digests), headline=rule.guarantee,
        shown=decision.tables, warnings=decision.warnings, digests=digests, report=report,
    )  # fmt: skip
    return Result(
        lambda: {**decision.to_dict(), **ended(gates)},
        lambda: (Headline(rule.guarantee), *decision.tables(), decision.use, rule.assumption),
        warnings=decision.warnings,
        files={"policy": output, "report": report, **gating.files},
        gates=gates,
    )


def _of_fit(facts: dict[str, Any]) -> dict[str, Any]:
    """Return what a policy says of its calibrator's fit: files by their names alone."""
    known: dict[str, Any] = recorded(facts)
    if isinstance(known.get("data"), str):  # older calibrators hold paths
        known["data"] = " + ".join(map(name_of, known["data"].split(" + ")))
    return known
