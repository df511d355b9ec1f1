"""Keep labels apart, set thresholds, measure them: what `temperance threshold` does to rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from temperance.calibrators import AnswerConfidence, Identity, temperature_of
from temperance.cli.console import progress
from temperance.cli.files import recorded
from temperance.cli.fitting import fit_rows
from temperance.cli.measured import check_test
from temperance.cli.row_use import RowUse
from temperance.cli.rows import naming
from temperance.decisions import DecisionPolicy, Outcome
from temperance.decisions.abstain import OF_CLUSTERS, abstain_rows
from temperance.decisions.abstention import outcome_cells
from temperance.decisions.draws import other_seeds
from temperance.decisions.rows import DecisionRows, as_answers, sureness_of
from temperance.decisions.split import split_rows
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.export import load
from temperance.metrics.inputs import Predictions
from temperance.metrics.selective import risk_coverage_of
from temperance.printable import count_text
from temperance.show import Table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.cli.rows import Rows
    from temperance.decisions.draws import Draws
    from temperance.metrics.selective import RiskCoverage

__all__ = ["Decision", "decide"]


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
        curve=risk_coverage_of(predictions, sureness_of(predictions), name="confidence"),
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


def _drawn_words(draws: Draws | None) -> str:
    return "" if draws is None else f" How much chance decided: {draws.in_words()}"


def _of_draws(draws: Draws | None) -> list[str]:
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
