"""`temperance policy`: accept, review or reject, with promises of precision, recall and such."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from temperance.cli.options import COMPUTING, ReportOption
from temperance.cli.process import recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.errors import InvalidInputError
from temperance.version import __version__

if TYPE_CHECKING:
    from temperance.report import BandsContent
    from temperance.rows.memory import Rows
    from temperance.rows.policy import BandDecision, Coverage
    from temperance.rows.reading import Reading
    from temperance.rows.threshold import Dealing

__all__ = ["policy"]

_PROMISES, _TABLE = "Promises", "Without promises: a table of risks, all promised at once"


class CompositeName(StrEnum):
    """How the confidences of the parts of an answer make the one of the whole."""

    product = "product"
    minimum = "minimum"


@takes_reading(without=("class_axis",))
def policy(
    reading: Reading,
    file: FileArgument,
    min_precision: Annotated[
        float | None,
        typer.Option(
            "--min-precision",
            metavar="P",
            help="Of the accepted, least share of yes.",
            rich_help_panel=_PROMISES,
        ),
    ] = None,
    max_fpr: Annotated[
        float | None,
        typer.Option(
            "--max-fpr",
            metavar="R",
            help="Of the rows that are no, most accepted.",
            rich_help_panel=_PROMISES,
        ),
    ] = None,
    min_recall: Annotated[
        float | None,
        typer.Option(
            "--min-recall",
            metavar="R",
            help="Of the rows that are yes, least accepted.",
            rich_help_panel=_PROMISES,
        ),
    ] = None,
    min_npv: Annotated[
        float | None,
        typer.Option(
            "--min-npv",
            metavar="P",
            help="Of the rejected, least share of no.",
            rich_help_panel=_PROMISES,
        ),
    ] = None,
    max_fnr: Annotated[
        float | None,
        typer.Option(
            "--max-fnr",
            metavar="R",
            help="Of the rows that are yes, most rejected.",
            rich_help_panel=_PROMISES,
        ),
    ] = None,
    event: Annotated[
        str,
        typer.Option(
            "--event",
            metavar="CLASS",
            help="Class that is yes; predicted: a right answer.",
            rich_help_panel=_PROMISES,
        ),
    ] = "predicted",
    composite: Annotated[
        CompositeName | None,
        typer.Option(
            "--composite",
            metavar="HOW",
            help="Rows of a cluster (--cluster-column) are one answer, right if all are, scored by "
            "the product of their confidences, or by the minimum.",
            rich_help_panel=COMPUTING,
        ),
    ] = None,
    confidence: ConfidenceOption = CONFIDENCE,
    risks: Annotated[
        str | None,
        typer.Option(
            "--risks",
            metavar="R,R,...",
            help="Risks of the table. Default: 0.01,0.02,0.05,0.1.",
            rich_help_panel=_TABLE,
        ),
    ] = None,
    choose: Annotated[
        float | None,
        typer.Option(
            "--choose",
            metavar="R",
            help="Write the policy of this risk of the table.",
            rich_help_panel=_TABLE,
        ),
    ] = None,
    calibrator_file: CalibratorOption = None,
    as_is: AsIsOption = False,
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="TEST", help="Measure the rates on this file."),
    ] = None,
    per_group: PerGroupOption = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.json", help="Where the policy goes.")
    ] = Path("policy.json"),
    report: ReportOption = None,
    fails: Annotated[
        Broken | None, fail_if("Fail where the labels of --test refute a promise.")
    ] = None,
    undecided: UndecidedOption = None,
    junit: JUnitOption = None,
    markdown: MarkdownOption = None,
    method: MethodOption = None,
    fit_share: FitShareOption = FIT_SHARE,
    seed: SplitSeedOption = 0,
) -> Result:
    """Find where to accept, review and reject, so that promises hold at once.

    Promises are of precision, false-positive rate and recall of what is accepted, and of negative
    predictive value and false-negative rate of what is rejected. Without any: a table of the rows
    that can be answered at several risks, one of which may be chosen (--choose). The policy is what
    `temperance apply policy.json` and `temperance serve policy.json` take.
    """
    from temperance.decisions.band_promises import BandPromises
    from temperance.rows.reading import read_rows
    from temperance.writers.place import check_writable

    limits = {
        "min_precision": min_precision, "max_false_positive_rate": max_fpr,
        "min_recall": min_recall, "min_negative_predictive_value": min_npv,
        "max_false_negative_rate": max_fnr,
    }  # fmt: skip
    has_promises = any(value is not None for value in limits.values())
    gating = Gating(undecided, junit, markdown)
    gating.check(any_gate=fails is not None, options=["--fail-if broken"])
    _check_options(has_promises=has_promises, risks=risks, choose=choose, test=test, event=event,
                   composite=composite, per_group=per_group, markdown=markdown,
                   fail_if=None if fails is None else fails.value)  # fmt: skip
    require_new_labels(
        fails, test, of="the bands",
        command="of a policy that exists: temperance threshold FILE --policy policy.json",
    )  # fmt: skip
    promises = BandPromises.check(**limits) if has_promises else None
    if promises is not None or choose is not None:
        check_writable(output, {".json"})
    if report is not None:
        check_writable(report, {".html", ".htm"})
    dealing, reading = dealing_of(
        reading, calibrator_file, what="policy", as_is=as_is, method=method, fit_share=fit_share,
        per_group=per_group, seed=seed,
    )  # fmt: skip
    rows = read_rows(file, reading)
    if promises is None:
        return _table(rows, dealing, risks, choose, confidence, output, report, file)
    of_test = reading.other_file(of_model=rows)
    test_rows = None if test is None else read_rows(test, of_test, like=rows)
    from temperance.rows.policy import decide_bands

    decision = decide_bands(
        rows, test_rows, dealing, promises, event=event,
        composite=None if composite is None else composite.value,
        confidence=confidence,
    )  # fmt: skip
    write_policy_file(decision.policy, decision.calibrator_facts, output)
    if report is not None:
        coverage = None if composite is not None else _coverage(rows, dealing, None, confidence)
        same = _options(dealing, event, confidence)
        _draw_bands(report, decision, coverage, policy=output, file=file, same=same)
    gates = () if fails is None else decision.promises_kept(gating.taken_for)
    digests = {each.source: each.sha256 for each in (rows, test_rows) if each is not None}
    gating.write(
        "policy", gates, source=" ".join(digests), headline=decision.headline,
        shown=decision.tables, warnings=decision.warnings, digests=digests, report=report,
    )  # fmt: skip
    return Result(
        lambda: {**decision.to_dict(), **ended(gates)},
        lambda: _shown(decision.headline, decision.tables(), decision.use,
                       decision.rule.assumption),
        warnings=decision.warnings,
        files={"policy": output, "report": report, **gating.files},
        gates=gates,
    )  # fmt: skip


def _draw_bands(
    report: Path,
    decision: BandDecision,
    coverage: Coverage | None,
    *,
    policy: Path,
    file: Path,
    same: str,
) -> None:
    from temperance.report import BandsContent

    bands = BandsContent(decision.rule, decision.decided, decision.test, decision.test_groups)
    _draw(report, decision, coverage, bands, policy=policy, file=file, same=same)


def _check_options(
    *,
    has_promises: bool,
    risks: str | None,
    choose: float | None,
    **others: Any,  # noqa: ANN401
) -> None:
    """Raise for options that say nothing beside the others."""
    if has_promises and (risks is not None or choose is not None):
        option_name = "--risks" if risks is not None else "--choose"
        msg = f"`{option_name}` is of the table, which is shown without promises. Leave one out."
        raise InvalidInputError(msg)
    idle = {"event": "predicted"}
    for name, value in others.items():
        if not has_promises and value not in (None, False, idle.get(name)):
            option = f"--{name.replace('_', '-')}"
            msg = (
                f"`{option}` needs a promise: --min-precision, --max-fpr, --min-recall, --min-npv "
                "or --max-fnr."
            )
            raise InvalidInputError(msg)


def _table(
    rows: Rows,
    dealing: Dealing,
    risks: str | None,
    choose: float | None,
    confidence: float,
    output: Path,
    report: Path | None,
    file: Path,
) -> Result:
    """Return the table of coverages, and write the policy of the risk that is chosen."""
    from temperance.decisions import DecisionPolicy
    from temperance.rows.memory import naming

    coverage = _coverage(rows, dealing, risks, confidence)
    policy_file = None
    if choose is not None:
        with naming(rows.source):
            rule = coverage.table.choose(choose)
        decided = DecisionPolicy(coverage.calibrator, rule, coverage.facts)
        write_policy_file(decided, coverage.calibrator_facts, output)
        policy_file = output
    if report is not None:
        same = _options(dealing, "predicted", confidence, risks)
        _draw(report, coverage, coverage, None, policy=output, file=file, same=same, choice=choose)
    end = (
        f"Written: the policy of a risk of {choose:g}."
        if choose is not None
        else "To write one: --choose R. Other promises: --min-precision, --max-fnr, ..."
    )
    return Result(
        coverage.to_dict,
        lambda: (*coverage.table.tables(), coverage.use, end),
        warnings=coverage.warnings,
        files={"policy": policy_file, "report": report},
    )


def _coverage(rows: Rows, dealing: Dealing, risks: str | None, confidence: float) -> Coverage:
    """Return the coverage at each risk, by default at those of every table."""
    from temperance.decisions.abstain import check_target
    from temperance.decisions.coverage_table import RISKS
    from temperance.rows.policy import tabulate_coverage

    each = RISKS if risks is None else _risks(risks)
    for risk in each:
        check_target(risk, None, confidence, option="--risks")
    return tabulate_coverage(rows, dealing, each, confidence=confidence)


def _options(dealing: Dealing, event: str, confidence: float, risks: str | None = None) -> str:
    """Return options that mean the same again, as a command line has them."""
    import shlex

    by_option = {
        "--event": None if event == "predicted" else event,
        "--calibrator": dealing.calibrator_file,
        "--confidence": None if confidence == CONFIDENCE else f"{confidence:g}",
        "--risks": risks,
    }
    words = [
        f"{name} {shlex.quote(str(each))}" for name, each in by_option.items() if each is not None
    ]
    flags = {"--as-is": dealing.as_is, "--per-group": dealing.per_group}
    return " ".join([*words, *(name for name, each in flags.items() if each)])


def _draw(
    report: Path,
    result: BandDecision | Coverage,
    coverage: Coverage | None,
    bands: BandsContent | None,
    *,
    policy: Path,
    file: Path,
    same: str,
    choice: float | None = None,
) -> None:
    """Write the page of what was found."""
    from temperance.cli.console import progress
    from temperance.report import PolicyContent, write_policy

    content = PolicyContent(
        title=recorded(f"Accept, review or reject: {file}"),
        bands=bands,
        table=None if coverage is None else coverage.table,
        curve=None if coverage is None else coverage.curve,
        calibrator=result.calibrator,
        chosen_risk=choice,
        use=recorded(result.use),
        warnings=recorded_warnings(result.warnings),
        facts=recorded(
            (
                *result.report_facts,
                *((("Policy", str(policy)),) if bands or choice is not None else ()),
                ("Library", f"temperance {__version__}"),
            )
        ),
        policy=recorded(str(policy)),
        file=recorded(str(file)),
        same=recorded(same),
    )
    with progress("drawing the report"):
        write_policy(report, content)


def _risks(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    if not values or len(set(values)) < len(values):
        msg = f"`--risks` must be numbers with commas between them, each once, got {text!r}."
        raise InvalidInputError(msg)
    return values


def _shown(guarantee: str, tables: list[Any], use: str, assumption: str) -> tuple[Any, ...]:
    from temperance.cli.console import Headline

    return Headline(guarantee), *tables, use, assumption
