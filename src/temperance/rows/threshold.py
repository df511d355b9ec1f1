"""A threshold on labelled rows: which are for what, set and measured, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.blocks import report_work
from temperance.calibrators import Calibrator, temperature_of
from temperance.decisions import DecisionPolicy, Outcome
from temperance.decisions.abstain import OF_CLUSTERS
from temperance.decisions.abstention import Abstention, outcome_cells
from temperance.decisions.rows import DecisionRows, confidence_of
from temperance.decisions.split import Deal, deals_of, fit_share_of, split_rows, threshold_of
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.file_formats import column_advice
from temperance.formats import load_facts
from temperance.gates import check_promises
from temperance.gates.promise import guarantee_in_words, with_groups
from temperance.metrics.selective import risk_coverage_of
from temperance.printable import digits_text, first_few
from temperance.rows.calibration import Fitted, check_test, fit_rows
from temperance.rows.memory import naming
from temperance.show import Table

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.decisions.abstention import ThresholdDraws
    from temperance.gates import PromiseGate
    from temperance.gates.gated import Undecided
    from temperance.metrics.inputs import Predictions
    from temperance.metrics.selective import RiskCoverage
    from temperance.rows.memory import Rows
    from temperance.selection import Selection

__all__ = [
    "Dealing", "Decision", "RowUse", "check_test_rows", "decide",
    "outcome_table", "predictions_of",
]  # fmt: skip

# Which rows were used for what, in words and for audits.


@dataclass(frozen=True, slots=True, eq=False)
class RowUse:
    """Which rows fitted the calibrator, which set the threshold, which measured it."""

    rows: Rows
    threshold_rows: Rows
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
            "n_threshold": self.threshold_rows.n,
            "split": split,
            "seed": self.seed,
            "test": None if self.test is None else self.test.source,
            "test_sha256": None if self.test is None else self.test.sha256,
            "n_test": None if self.test is None else self.test.n,
            "fit_used_these_labels": self.same,
            "warnings": self.warnings(),
            "set_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def words(self, calibrator: Calibrator, *, composite: bool = False) -> str:
        """Return it in sentences; of `composite` answers every cluster is one."""
        n = f"{self.threshold_rows.n:,}"
        if self.split is not None:
            temperature = temperature_of(calibrator)
            what = calibrator.method
            if temperature is not None:
                what = f"T = {digits_text(temperature, 4)}"
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
        if composite:
            text += " All rows of a cluster are one answer."
        elif self.rows.clusters is not None:
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
        warnings = []
        if self.same:
            warnings.append(
                f"{self.calibrator_file} WAS FITTED ON {self.rows.source}, whose labels now set "
                "the threshold. The promise does not hold as stated: give other labelled rows, or "
                "leave `calibrator` (--calibrator) out, and the rows are split."
            )
        if self.test is not None and self._fitted_on(self.test):
            warnings.append(
                f"{self.calibrator_file} was fitted on {self.test.source}: the risk measured there "
                "flatters it."
            )
        return warnings

    def calibrator_facts(self) -> dict[str, Any]:
        """Return what a policy records of its calibrator's fit."""
        if self.calibrator_file is not None:
            facts = load_facts(self.calibrator_file)
            names = ("data", "data_sha256", "data_kind", "model")
            return {name: facts[name] for name in names if name in facts}
        if self.split is None:
            return {}
        return {
            "data": self.rows.source,
            "data_sha256": self.rows.sha256,
            "data_kind": self.rows.kind,
            "data_split": {"share": self.fit_share, "seed": self.seed},
        }

    def report_facts(self) -> tuple[tuple[str, str], ...]:
        """Return it for a report."""
        facts = [("Rows", self.rows.described), ("SHA-256 of that file", self.rows.sha256)]
        facts.append(("Rows of the fit", f"{self.n_fit:,}" if self.n_fit else "none of these"))
        facts.append(("Rows that set the threshold", f"{self.threshold_rows.n:,}"))
        if self.split is not None:
            facts.append(("Split", f"share {self.fit_share:g}, seed {self.seed}"))
        if self.calibrator_file is not None:
            facts.append(("Calibrator", str(self.calibrator_file)))
        if self.test is not None:
            facts += [
                ("Test rows", self.test.described), ("SHA-256 of that file", self.test.sha256)
            ]  # fmt: skip
        return tuple(facts)


# Keep labels apart, set thresholds, measure them.


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
    report_facts: tuple[tuple[str, str], ...]  # for the report

    @property
    def rule(self) -> Abstention:
        """The thresholds of the policy."""
        rule = self.policy.rule
        assert isinstance(rule, Abstention)  # noqa: S101  (`decide` made it)
        return rule

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        rule, facts = self.rule, self.policy.facts
        numbers = self.test or rule.outcome
        shares = {name: numbers.to_dict()[name] for name in ("coverage", "risk")}
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

    @property
    def headline(self) -> str:
        """What is promised; that test rows refute it comes first."""
        return guarantee_in_words(self.rule, with_groups(self.test, self.test_groups))

    def promises_kept(self, undecided: Undecided = "pass") -> tuple[PromiseGate, ...]:
        """Return what the test rows say of each promise, as gates; of rows with `test` alone."""
        return check_promises(
            self.rule, with_groups(self.test, self.test_groups), undecided=undecided
        )

    def tables(self) -> list[Table]:
        """Return what the terminal shows."""
        tables = [self.rule.table()]
        if self.test is not None:
            tables.append(outcome_table("test rows", self.test, self.test_groups))
        return [*tables, self.curve.table()]


def outcome_table(name: str, outcome: Outcome, groups: dict[str, Outcome]) -> Table:
    """Return what became of rows that had no say, by group."""
    return Table(
        (name, "rows", "accepted (95 %)", "wrong", "risk (95 %)"),
        tuple(
            (group, *outcome_cells(each, interval=True))
            for group, each in {"all": outcome, **groups}.items()
        ),
        caption="rows that had no say in the threshold; exact intervals",
    )


@dataclass(frozen=True, slots=True, eq=False)
class Dealing:
    """Which labelled rows calibrate, and which set the threshold."""

    calibrator: Calibrator | None  # fitted on other rows; None: see `as_is`
    calibrator_file: Path | None
    as_is: bool  # whether nothing is fitted; else `method` is, on a share of the rows
    method: str
    fit_share: float
    per_group: bool
    seed: int

    @property
    def by_split(self) -> bool:
        """Whether the rows are split, for a fit and for the threshold."""
        return self.calibrator is None and not self.as_is

    def deal(self, rows: Rows, seed: int) -> Deal:
        """Return what a split by `seed` gives: a calibrator, and rows that a promise may count."""
        split = None
        if self.by_split:
            split = split_rows(
                rows.require_labels(), self.fit_share,
                seed=seed, scores=(rows.logits,), clusters=rows.clusters,
            )  # fmt: skip
        threshold_rows = rows if split is None else rows.part(~split)
        known = self.calibrator
        fitted = Fitted(known, None) if known else _fitted(rows, split, self.method)
        predictions = predictions_of(threshold_rows, fitted.calibrator)
        decided = _decided(threshold_rows, predictions, per_group=self.per_group, seed=seed)
        return Deal(fitted.calibrator, decided, split, _of_zeros(fitted.selection))


def decide(
    rows: Rows,
    test: Rows | None,
    dealing: Dealing,
    *,
    max_risk: float | None,
    min_coverage: float | None,
    confidence: float,
) -> Decision:
    """Set the thresholds on labels that no fit has used, and measure them."""
    seed, per_group = dealing.seed, dealing.per_group
    if test is not None:
        check_test_rows(rows, test)
    if per_group and rows.groups is None:
        msg = (
            f"{rows.source}: has no groups for `per_group` (--per-group). "
            f"{column_advice(rows.source, 'group')}"
        )
        raise InvalidInputError(msg)
    if dealing.calibrator is not None:
        rows.check_fits(dealing.calibrator, str(dealing.calibrator_file))
    several = dealing.by_split or rows.clusters is not None
    with naming(rows.source):
        own, others = deals_of(partial(dealing.deal, rows), several=several, seed=seed)
    with naming(rows.source), report_work("setting the threshold"):
        rule = threshold_of(
            own, others, fit_share=dealing.fit_share, max_risk=max_risk, min_coverage=min_coverage,
            confidence=confidence, seed=seed,
        )  # fmt: skip
    split = own.fitted
    threshold_rows = rows if split is None else rows.part(~split)
    outcome, groups = None, {}
    predictions = predictions_of(test or threshold_rows, own.calibrator)
    if test is not None:
        with naming(test.source), report_work("measuring"):
            checked = _decided(test, predictions, per_group=per_group, seed=seed)
            outcome, groups = rule.counts_of(checked), rule.outcomes_of_groups(checked)
    how = RowUse(
        rows, threshold_rows, test, split,
        dealing.calibrator_file, dealing.fit_share, seed, dealing.as_is,
    )  # fmt: skip
    return Decision(
        policy=DecisionPolicy(own.calibrator, rule, how.facts()),
        curve=risk_coverage_of(predictions, confidence_of(predictions), name="confidence"),
        test=outcome,
        test_groups=groups,
        use=how.words(own.calibrator) + _draws_words(rule.draws),
        warnings=(
            *rows.notes,
            *(() if test is None else test.notes),
            *how.warnings(),
            *own.notes,
            *_of_draws(rule.draws),
            *_of_groups(rule.promises),
        ),
        calibrator_facts=how.calibrator_facts(),
        report_facts=how.report_facts(),
    )


def check_test_rows(rows: Rows, test: Rows) -> None:
    """Raise where the test rows are those of the threshold, or do not go with them."""
    if test.sha256 == rows.sha256:
        msg = (
            "`test` (--test) must hold rows that have no say in the threshold, but "
            f"{test.source} is the same as {rows.source}. Leave it out, or give other rows."
        )
        raise InvalidInputError(msg)
    check_test(rows, test)


def _draws_words(draws: ThresholdDraws | None) -> str:
    return "" if draws is None else f" How much chance decided: {draws.in_words()}"


def _of_draws(draws: ThresholdDraws | None) -> list[str]:
    """Return a warning where other draws find no threshold."""
    if draws is None or not draws.differ:
        return []
    of_splits = draws.what != OF_CLUSTERS
    way = ", or `calibrator` (--calibrator) with one fitted on other rows," if of_splits else ""
    text = (
        f"only {draws.with_threshold} of {len(draws.seeds)} {draws.what} have a threshold: chance "
        f"in the draw had a part in this one. More labelled rows{way} leave it less."
    )
    return [text]


def _of_zeros(selection: Selection | None) -> tuple[str, ...]:
    """Return a warning where labels of probability 0 left methods out of the choice."""
    text = "" if selection is None else selection.zeros_in_words()
    return (text,) if text else ()


def _fitted(rows: Rows, split: NDArray[np.bool_] | None, method: str) -> Fitted:
    """Return what the rows dealt to a fit teach; without a split, no change."""
    if split is None:
        return Fitted(rows.layout.unchanged_by(rows.n_classes, rows.classes), None)

    def learn() -> Fitted:
        return fit_rows(rows.part(split), method=method, prior=0.0, out_of_fold=False)

    try:
        return fit_share_of(split, learn)
    except NoOptimumError as error:
        msg = f"{rows.source}: {error}"
        raise NoOptimumError(msg, reason=error.reason) from error


def predictions_of(rows: Rows, calibrator: Calibrator) -> Predictions:
    """Return the calibrated rows."""
    probs = rows.applied(calibrator)
    return rows.layout.decided(probs, rows.require_labels(), rows.weights, rows.clusters)


def _decided(rows: Rows, predictions: Predictions, *, per_group: bool, seed: int) -> DecisionRows:
    """Return those of the calibrated rows that a promise may count."""
    return DecisionRows.of(predictions, rows.group_names if per_group else None, seed=seed)


def _of_groups(promises: tuple[Any, ...]) -> list[str]:
    """Return a warning about groups that are never answered."""
    never = [each for each in promises if each.threshold is None]
    if not never:
        return []
    first = never[0]
    names = first_few([each.group for each in never], 5)
    which = f"{len(never)} of {len(promises)} groups, which are never answered: {names}"
    return [f"no promise for {which}. In {first.group!r}, {first.reason}."]
