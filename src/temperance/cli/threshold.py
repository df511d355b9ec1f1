"""`temperance threshold`: from what confidence on a model's answers keep a promised error rate."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.console import Result
from temperance.cli.dealing import (
    CONFIDENCE,
    FIT_SHARE,
    AsIsOption,
    CalibratorOption,
    ConfidenceOption,
    FileArgument,
    FitShareOption,
    MethodOption,
    PerGroupOption,
    SplitSeedOption,
    dealing_of,
    write_policy_file,
)
from temperance.cli.gating import (
    Broken,
    Gating,
    JUnitOption,
    MarkdownOption,
    UndecidedOption,
    ended,
    fail_if,
    require_new_labels,
)
from temperance.cli.options import ReportOption
from temperance.cli.process import as_output, files_read, recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.errors import InvalidInputError
from temperance.version import __version__

if TYPE_CHECKING:
    from temperance.rows.policy_measurement import BandsMeasurement, ThresholdMeasurement
    from temperance.rows.reading import Reading

__all__ = ["threshold"]


@takes_reading(without=("class_axis",))
def threshold(
    reading: Reading,
    file: FileArgument,
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
    confidence: ConfidenceOption = CONFIDENCE,
    calibrator_file: CalibratorOption = None,
    as_is: AsIsOption = False,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="TEST", help="Measure coverage and risk on this file."),
    ] = None,
    per_group: PerGroupOption = False,
    policy_file: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            metavar="FILE.json",
            help="Set nothing: measure this policy, of a threshold or of bands, on FILE.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.json",
            help="Where the policy goes. Default: policy.json.",
        ),
    ] = None,
    report: ReportOption = None,
    fails: Annotated[
        Broken | None,
        fail_if("Fail where new labels (of --test, or FILE with --policy) refute a promise."),
    ] = None,
    undecided: UndecidedOption = None,
    junit: JUnitOption = None,
    markdown: MarkdownOption = None,
    method: MethodOption = None,
    fit_share: FitShareOption = FIT_SHARE,
    seed: SplitSeedOption = 0,
) -> Result:
    """Find the confidence from which on answers keep a promised error rate.

    Below it, abstain. The promise is exact (Learn then Test): it holds for new rows that come as
    these did, whatever the model. Labels that fit the calibrator are kept apart from labels that
    set the threshold. The policy, a calibrator with its threshold, is what `temperance apply
    policy.json` takes. In CI: threshold NEW --policy policy.json --fail-if broken.
    """
    from temperance.cli.console import Headline, progress
    from temperance.decisions.abstain import check_target
    from temperance.rows.reading import read_rows
    from temperance.rows.threshold import decide
    from temperance.writers.place import check_writable

    gating = Gating(undecided, junit, markdown)
    gating.check(any_gate=fails is not None, options=["--fail-if broken"])
    if report is not None:
        check_writable(report, {".html", ".htm"})
    if policy_file is not None:
        _refuse_with_policy(
            max_risk=max_risk, min_coverage=min_coverage, calibrator=calibrator_file, test=test,
            output=output, method=method, as_is=as_is or None, per_group=per_group or None,
            confidence=None if confidence == CONFIDENCE else confidence,
            fit_share=None if fit_share == FIT_SHARE else fit_share,
        )  # fmt: skip
        return _measure(
            reading, file, policy_file, gating, gates=fails is not None, seed=seed, report=report
        )
    check_target(max_risk, min_coverage, confidence)
    require_new_labels(
        fails, test, of="the threshold",
        command="of a policy that exists, FILE itself, with --policy policy.json",
    )  # fmt: skip
    output = as_output(output, "policy.json")
    check_writable(output, {".json"})
    dealing, reading = dealing_of(
        reading, calibrator_file, what="threshold", as_is=as_is, method=method,
        fit_share=fit_share, per_group=per_group, seed=seed,
    )  # fmt: skip
    rows = read_rows(file, reading)
    of_test = reading.other_file(of_model=rows)
    test_rows = None if test is None else read_rows(test, of_test, like=rows)
    decision = decide(
        rows, test_rows, dealing,
        max_risk=max_risk, min_coverage=min_coverage, confidence=confidence,
    )  # fmt: skip
    policy = write_policy_file(decision.policy, decision.calibrator_facts, output)
    decision = replace(decision, policy=policy)
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
            files=files_read([file], output),
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
        "threshold", gates, source=" ".join(digests), headline=decision.headline,
        shown=decision.tables, warnings=decision.warnings, digests=digests, report=report,
    )  # fmt: skip
    return Result(
        lambda: {**decision.to_dict(), **ended(gates)},
        lambda: (Headline(decision.headline), *decision.tables(), decision.use, rule.assumption),
        warnings=decision.warnings,
        files={"policy": output, "report": report, **gating.files},
        gates=gates,
    )


def _refuse_with_policy(**options: object) -> None:
    """Raise for options of setting a threshold: a policy has one."""
    for name, value in options.items():
        if value is not None:
            msg = (
                f"Give `--policy` or `--{name.replace('_', '-')}`, not both: a policy has its "
                "thresholds, and is measured as it is."
            )
            raise InvalidInputError(msg)


def _measure(
    reading: Reading,
    file: Path,
    policy_file: Path,
    gating: Gating,
    *,
    gates: bool,
    seed: int,
    report: Path | None,
) -> Result:
    """Measure the promises of a policy on labels that it has not seen."""
    from temperance.cli.console import Headline
    from temperance.decisions import load_policy
    from temperance.rows.policy_measurement import measure_policy
    from temperance.rows.reading import read_rows

    policy = load_policy(policy_file)
    rule = policy.rule
    rows = read_rows(file, reading.for_calibrator(policy.calibrator))
    measurement = measure_policy(rows, policy, policy_file, seed=seed)
    gate_results = measurement.promises_kept(gating.taken_for) if gates else ()
    if report is not None:
        _draw_measured(measurement, report, policy_file=policy_file, file=file)
    gating.write(
        "threshold", gate_results, source=rows.source, headline=measurement.headline,
        shown=measurement.tables, warnings=measurement.warnings, digests={rows.source: rows.sha256},
        report=report,
    )  # fmt: skip
    return Result(
        lambda: {**measurement.to_dict(), **ended(gate_results), "data_sha256": rows.sha256},
        lambda: (Headline(measurement.headline), *measurement.tables(), rule.assumption),
        warnings=measurement.warnings,
        files={"policy": policy_file, "report": report, **gating.files},
        gates=gate_results,
    )


def _draw_measured(
    measurement: ThresholdMeasurement | BandsMeasurement,
    report: Path,
    *,
    policy_file: Path,
    file: Path,
) -> None:
    """Write the page of a policy that is measured: the one that it has where it is set."""
    from temperance.cli.console import progress
    from temperance.report import (
        BandsContent,
        PolicyContent,
        ThresholdContent,
        write_policy,
        write_threshold,
    )
    from temperance.rows.policy_measurement import BandsMeasurement

    facts = recorded((*measurement.report_facts, ("Library", f"temperance {__version__}")))
    with progress("drawing the report"):
        if isinstance(measurement, BandsMeasurement):
            event = measurement.rule.event
            same = "" if event.column is None else f"--event {shlex.quote(event.name)}"
            write_policy(
                report,
                PolicyContent(
                    title=recorded(f"Accept, review or reject: {file}"),
                    bands=BandsContent(
                        measurement.rule,
                        measurement.decided,
                        measurement.outcome,
                        measurement.groups,
                    ),
                    table=None,
                    curve=None,
                    calibrator=measurement.calibrator,
                    chosen_risk=None,
                    use=recorded(measurement.use),
                    facts=facts,
                    warnings=recorded_warnings(measurement.warnings),
                    policy=recorded(str(policy_file)),
                    file=recorded(str(file)),
                    same=same,
                ),
            )
            return
        write_threshold(
            report,
            ThresholdContent(
                title=recorded(f"Answer or abstain: {file}"),
                rule=measurement.rule,
                calibrator=measurement.calibrator,
                curve=measurement.curve,
                test=measurement.outcome,
                use=recorded(measurement.use),
                facts=facts,
                test_groups=measurement.groups,
                warnings=recorded_warnings(measurement.warnings),
                files=files_read([file], policy_file),
            ),
        )
