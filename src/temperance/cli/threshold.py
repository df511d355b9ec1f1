"""`temperance threshold`: from what confidence on a model's answers keep a promised error rate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import typer

from temperance.calibrators import (
    AnswerConfidence,
    Calibrator,
    Identity,
    PlattScaling,
    TemperatureScaling,
    temperature_of,
)
from temperance.cli.console import note, print_json, print_table, print_text, progress
from temperance.cli.files import name_of, recorded, recorded_warnings
from temperance.cli.fitting import fit_rows
from temperance.cli.measured import check_test
from temperance.cli.options import JsonOption, KindName, ReportOption
from temperance.cli.reading import read_rows
from temperance.cli.reading_options import Reading, takes_reading
from temperance.cli.rows import naming
from temperance.decisions import DecisionPolicy, Outcome, save_policy
from temperance.decisions.abstain import OF_CLUSTERS, abstain_rows, check_target
from temperance.decisions.abstention import other_seeds, outcome_cells
from temperance.decisions.rows import DecisionRows, as_answers, confidence_of, split_rows
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.formats import load, load_facts
from temperance.metrics.inputs import Predictions
from temperance.metrics.selective import risk_coverage_of
from temperance.printable import count_text
from temperance.report import ThresholdContent, write_threshold
from temperance.show import Table
from temperance.version import __version__
from temperance.writers.place import check_writable

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from temperance.cli.rows import Rows
    from temperance.decisions.abstention import ThresholdDraws
    from temperance.metrics.selective import RiskCoverage

__all__ = ["threshold"]

# Which rows of `temperance threshold` were used for what, in words and for audits.


@dataclass(frozen=True, slots=True, eq=False)
class RowUse:
    """Which rows fitted the calibrator, which set the threshold, which measured it."""

    rows: Rows
    kept: Rows
    test: Rows | None
    split: NDArray[np.bool_] | None
    calibrator_file: Path | None
    fit_share: float
    seed: int
    as_is: bool

    @property
    def n_fit(self) -> int:
        """Number of rows fitted on."""
        return 0 if self.split is None else int(np.count_nonzero(self.split))

    def facts(self) -> dict[str, Any]:
        """Return what a policy records."""
        split = None
        if self.split is not None:
            stratified = self.rows.clusters is None
            split = {"share": self.fit_share, "seed": self.seed, "stratified": stratified}
        return {
            "data": self.rows.source,
            "data_sha256": self.rows.sha256,
            "data_kind": self.rows.kind,
            "calibrator": None if self.calibrator_file is None else str(self.calibrator_file),
            "n_fit": self.n_fit,
            "n_threshold": self.kept.n,
            "split": split,
            "seed": self.seed,
            "test": None if self.test is None else self.test.source,
            "test_sha256": None if self.test is None else self.test.sha256,
            "n_test": None if self.test is None else self.test.n,
            "fit_used_these_labels": self.same,
            "warnings": self.warnings(),
            "set_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def words(self, calibrator: Calibrator) -> str:
        """Return it in sentences."""
        n = f"{self.kept.n:,}"
        if self.split is not None:
            temperature = temperature_of(calibrator)
            what = calibrator.method if temperature is None else f"T = {temperature:.4g}"
            way = "by clusters" if self.rows.clusters is not None else "stratified"
            text = (
                f"Of {self.rows.n:,} labelled rows, {self.n_fit:,} fitted {what} and the other {n} "
                f"set the threshold (split at random, {way}, share {self.fit_share:g}, seed "
                f"{self.seed})."
            )
        elif self.as_is:
            text = f"Nothing was fitted; all {n} labelled rows set the threshold."
        else:
            text = f"{self.calibrator_file} calibrates; all {n} labelled rows set the threshold."
        if self.rows.clusters is not None:
            text += " Of each cluster one row counts, drawn at random: rows of one err together."
        return text

    @property
    def same(self) -> bool:
        """Whether the calibrator was fitted on the file whose labels set the threshold."""
        return self._fitted_on(self.rows)

    def _fitted_on(self, rows: Rows) -> bool:
        if self.calibrator_file is None:
            return False
        return bool(load_facts(self.calibrator_file).get("data_sha256") == rows.sha256)

    def warnings(self) -> list[str]:
        """Return what to say of labels that were used twice."""
        found = []
        if self.same:
            found.append(
                f"{self.calibrator_file} WAS FITTED ON {self.rows.source}, whose labels now set "
                "the threshold. The promise does not hold as stated: give other labelled rows, or "
                "leave --calibrator out, and the rows are split."
            )
        if self.test is not None and self._fitted_on(self.test):
            found.append(
                f"{self.calibrator_file} was fitted on {self.test.source}: the risk measured there "
                "flatters it."
            )
        return found

    def calibrator_facts(self) -> dict[str, Any]:
        """Return what a policy records of its calibrator's fit."""
        if self.calibrator_file is not None:
            facts = load_facts(self.calibrator_file)
            names = ("data", "data_sha256", "data_kind", "model")
            known = {name: facts[name] for name in names if name in facts}
            if isinstance(known.get("data"), str):  # older files hold paths
                known["data"] = " + ".join(map(name_of, known["data"].split(" + ")))
            return known
        if self.split is None:
            return {}
        return {
            "data": self.rows.source,
            "data_sha256": self.rows.sha256,
            "data_kind": self.rows.kind,
            "data_split": {"share": self.fit_share, "seed": self.seed},
        }

    def told(self) -> tuple[tuple[str, str], ...]:
        """Return it for a report."""
        facts = [("Rows", self.rows.described), ("SHA-256 of that file", self.rows.sha256)]
        facts.append(("Rows of the fit", f"{self.n_fit:,}" if self.n_fit else "none of these"))
        facts.append(("Rows that set the threshold", f"{self.kept.n:,}"))
        if self.split is not None:
            facts.append(("Split", f"share {self.fit_share:g}, seed {self.seed}"))
        if self.calibrator_file is not None:
            facts.append(("Calibrator", str(self.calibrator_file)))
        if self.test is not None:
            facts += [
                ("Test rows", self.test.described), ("SHA-256 of that file", self.test.sha256)
            ]  # fmt: skip
        return tuple(facts)


# Keep labels apart, set thresholds, measure them: what `temperance threshold` does to rows.


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """A policy, and what it does to rows."""

    policy: DecisionPolicy
    curve: RiskCoverage  # of the test rows; without any, of those that set the threshold
    test: Outcome | None
    test_groups: dict[str, Outcome]
    use: str  # which rows were used for what, in words
    warnings: tuple[str, ...]
    calibrator_facts: dict[str, Any]
    told: tuple[tuple[str, str], ...]  # for the report

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        rule, facts = self.policy.rule, self.policy.facts
        seen = self.test or rule.outcome
        shares = {name: seen.to_dict()[name] for name in ("coverage", "risk")}
        test = None
        if self.test is not None:
            groups = {name: each.to_dict() for name, each in self.test_groups.items()}
            test = {**self.test.to_dict(), "groups": groups or None}
        return {
            **rule.to_dict(),
            **shares,
            "measured_on": "threshold rows" if self.test is None else "test",
            "test": test,
            "method": self.policy.calibrator.name,
            "temperature": temperature_of(self.policy.calibrator),
            "use": dict(facts),
            "risk_coverage": self.curve.to_dict(),
            "warnings": list(self.warnings),
            "data_sha256": facts["data_sha256"],
        }

    def tables(self) -> list[Table]:
        """Return what the terminal shows."""
        tables = [self.policy.rule.table()]
        if self.test is not None:
            tables.append(
                Table(
                    ("test rows", "rows", "accepted (95 %)", "wrong", "risk (95 %)"),
                    tuple(
                        (name, *outcome_cells(each, interval=True))
                        for name, each in {"all": self.test, **self.test_groups}.items()
                    ),
                    caption="rows that had no say in the threshold; exact intervals",
                )
            )
        return [*tables, self.curve.table()]


def decide(
    rows: Rows,
    test: Rows | None,
    *,
    max_risk: float | None,
    min_coverage: float | None,
    confidence: float,
    calibrator_file: Path | None,
    as_is: bool,
    method: str,
    fit_share: float,
    per_group: bool,
    seed: int,
) -> Decision:
    """Set the thresholds on labels that no fit has used, and measure them."""
    if test is not None:
        if test.sha256 == rows.sha256:
            msg = (
                f"`--test` must hold rows that have no say in the threshold, but {test.source} is "
                f"the same as {rows.source}. Leave it out, or give other rows."
            )
            raise InvalidInputError(msg)
        check_test(rows, test)
    if per_group and rows.groups is None:
        msg = f"{rows.source}: has no groups for --per-group. Name their column: --group-column."
        raise InvalidInputError(msg)
    by_split = calibrator_file is None and not as_is

    def drawn(by: int) -> _Drawn:
        """Return the calibrator, and the rows that set the threshold, as chance deals them."""
        split = None
        if by_split:
            split = split_rows(
                rows.require_labels(), fit_share,
                seed=by, scores=(rows.logits,), clusters=rows.clusters,
            )  # fmt: skip
        kept = rows if split is None else rows.part(~split)
        calibrator = _calibrator(rows, split, calibrator_file, method, as_is=as_is)
        with naming(rows.source):
            predictions, checked = _checked(kept, calibrator, per_group=per_group, seed=by)
        return _Drawn(split, kept, calibrator, predictions, checked)

    split, kept, calibrator, predictions, checked = drawn(seed)
    others: dict[int, DecisionRows | None] = {}
    if by_split or rows.clusters is not None:
        others = {each: _rows_of(drawn, each) for each in other_seeds(seed)}
    with naming(rows.source), progress("setting the threshold"):
        rule = abstain_rows(
            checked, max_risk=max_risk, min_coverage=min_coverage, confidence=confidence,
            seed=seed, others=others, what="splits" if by_split else OF_CLUSTERS,
            kept=1.0 - fit_share if by_split else 1.0,
        )  # fmt: skip
    outcome, groups = None, {}
    if test is not None:
        with naming(test.source), progress("measuring"):
            predictions, checked = _checked(test, calibrator, per_group=per_group, seed=seed)
            accepted = rule.accepts(checked.confidence, checked.groups)
            outcome = Outcome.of(accepted, checked.wrong)
            if per_group and checked.groups is not None:
                groups = {
                    str(name): Outcome.of(accepted[of], checked.wrong[of])
                    for name in np.unique(checked.groups)
                    if (of := checked.groups == name).any()
                }
    how = RowUse(rows, kept, test, split, calibrator_file, fit_share, seed, as_is)
    return Decision(
        policy=DecisionPolicy(calibrator, rule, recorded(how.facts())),
        curve=risk_coverage_of(predictions, confidence_of(predictions), name="confidence"),
        test=outcome,
        test_groups=groups,
        use=how.words(calibrator) + _drawn_words(rule.draws),
        warnings=(
            *rows.notes,
            *(() if test is None else test.notes),
            *how.warnings(),
            *_of_draws(rule.draws),
            *_of_groups(rule.promises),
        ),
        calibrator_facts=recorded(how.calibrator_facts()),
        told=how.told(),
    )


class _Drawn(NamedTuple):
    split: NDArray[np.bool_] | None
    kept: Rows
    calibrator: Calibrator
    predictions: Predictions
    checked: DecisionRows


def _rows_of(drawn: Callable[[int], _Drawn], seed: int) -> DecisionRows | None:
    """Return the rows of another draw that set its threshold; None where it allows no fit."""
    try:
        return drawn(seed).checked
    except (NoOptimumError, InvalidInputError):
        return None


def _drawn_words(draws: ThresholdDraws | None) -> str:
    return "" if draws is None else f" How much chance decided: {draws.in_words()}"


def _of_draws(draws: ThresholdDraws | None) -> list[str]:
    """Return a warning where other draws find no threshold."""
    if draws is None or not draws.differ:
        return []
    of_splits = draws.what != OF_CLUSTERS
    way = ", or --calibrator with one fitted on other rows," if of_splits else ""
    text = (
        f"only {draws.with_threshold} of {len(draws.seeds)} {draws.what} have a threshold: chance "
        f"in the draw had a part in this one. More labelled rows{way} leave it less."
    )
    return [text]


def _calibrator(
    rows: Rows,
    split: NDArray[np.bool_] | None,
    calibrator_file: Path | None,
    method: str,
    *,
    as_is: bool,
) -> Calibrator:
    if calibrator_file is not None:
        calibrator = load(calibrator_file)
        rows.check_fits(calibrator, str(calibrator_file))
        return calibrator
    if as_is or split is None:
        width = None if rows.ragged else rows.n_classes
        if rows.answers is not None:
            if not rows.says_probabilities:
                msg = (
                    "`--as-is` takes scores for probabilities, which real ones are not: leave it "
                    "out, and a map of the scores is fitted first."
                )
                raise InvalidInputError(msg)
            return AnswerConfidence.around(Identity(n_classes=2), rows.answers)
        return Identity(n_classes=width, classes=rows.classes)
    if not split.any() or split.all():
        msg = (
            f"{rows.source}: its {count_text(rows.n, 'row is', 'rows are')} too few to split. "
            "Give --calibrator."
        )
        raise InvalidInputError(msg)
    try:
        return fit_rows(rows.part(split), method=method, prior=0.0, out_of_fold=False).calibrator
    except NoOptimumError as error:
        n = int(np.count_nonzero(split))
        allow = count_text(n, "row to fit on allows", "rows to fit on allow")
        msg = (
            f"{rows.source}: the "
            f"{allow} no fit: {error} "
            "Or give --calibrator, a larger --fit-share, or --as-is."
        )
        raise NoOptimumError(msg, reason=error.reason) from error


def _checked(
    rows: Rows, calibrator: Calibrator, *, per_group: bool, seed: int
) -> tuple[Predictions, DecisionRows]:
    """Return the calibrated rows, and those of them that a promise may count."""
    probs = rows.applied(calibrator)
    labels = rows.require_labels()
    loss = np.zeros(len(labels))  # not looked at
    if rows.answers is not None:
        probs = np.stack([1.0 - probs, probs], axis=1)
    predictions = Predictions(probs, labels, rows.weights, loss, clusters=rows.clusters)
    if rows.answers is not None:
        predictions = as_answers(predictions)
    names = rows.group_names if per_group else None
    return predictions, DecisionRows.of(predictions, names, seed=seed)


def _of_groups(promises: tuple[Any, ...]) -> list[str]:
    """Return a warning about groups that are never answered."""
    never = [each for each in promises if each.threshold is None]
    if not never:
        return []
    first = never[0]
    names = ", ".join(str(each.group) for each in never[:5]) + (", ..." if len(never) > 5 else "")
    which = f"{len(never)} of {len(promises)} groups, which are never answered: {names}"
    return [f"no promise for {which}. In {first.group!r}, {first.reason}."]


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
    reading = reading.of_answers(_calibrator_of(calibrator_file))
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
            warnings=recorded_warnings(done.warnings),
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


def _calibrator_of(file: Path | None) -> Calibrator | None:
    """Return the calibrator whose rows these are, where there is one."""
    return None if file is None else load(file)
