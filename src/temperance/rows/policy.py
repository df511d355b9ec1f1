"""Bands, and tables of coverage, on labelled rows: which are for what, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from temperance.blocks import report_work
from temperance.calibrators import temperature_of
from temperance.decisions import Bands, DecisionPolicy
from temperance.decisions.abstain import OF_CLUSTERS
from temperance.decisions.abstention import other_seeds
from temperance.decisions.band_promises import RATES
from temperance.decisions.bands import bands_rows
from temperance.decisions.coverage_table import coverage_rows
from temperance.decisions.rows import DecisionEvent, DecisionRows, confidence_of
from temperance.decisions.split import deals_of
from temperance.errors import InvalidInputError, NoOptimumError
from temperance.file_formats import column_advice
from temperance.gates import check_promises
from temperance.gates.promise import guarantee_in_words, with_groups
from temperance.metrics.selective import risk_coverage_of
from temperance.printable import count_text, first_few
from temperance.rows.memory import naming
from temperance.rows.threshold import RowUse, check_test_rows, predictions_of
from temperance.show import Table, interval_text, number_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.decisions import RiskCoverage
    from temperance.decisions.band_promises import BandCounts, BandPromises
    from temperance.decisions.coverage_table import CoverageTable
    from temperance.decisions.rows import Composite
    from temperance.gates import BandGate
    from temperance.gates.gated import Undecided
    from temperance.metrics.events import EventName
    from temperance.rows.memory import Rows
    from temperance.rows.threshold import Dealing

__all__ = [
    "BandDecision", "Coverage", "bands_table", "decide_bands", "tabulate_coverage",
]  # fmt: skip

_SPLITS = "splits"


@dataclass(frozen=True, slots=True, eq=False)
class BandDecision:
    """A policy of bands, and what it does to rows."""

    policy: DecisionPolicy
    rule: Bands
    test: BandCounts | None
    test_groups: dict[str, BandCounts]  # {} where the bands are for all rows
    use: str  # which rows were used for what, in words
    warnings: tuple[str, ...]
    calibrator_facts: dict[str, Any]
    report_facts: tuple[tuple[str, str], ...]
    decided: DecisionRows  # the test rows, scored; without any, those that set the thresholds

    @property
    def calibrator(self) -> Calibrator:
        """What turns scores into the probabilities that thresholds are on."""
        return self.policy.calibrator

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        facts = self.policy.facts
        return {
            **self.rule.to_dict(),
            "test": self._tested(),
            "method": self.policy.calibrator.name,
            "temperature": temperature_of(self.policy.calibrator),
            "use": dict(facts),
            "data_sha256": facts["data_sha256"],
        }

    def _tested(self) -> dict[str, Any] | None:
        if self.test is None:
            return None
        groups = {name: each.to_dict() for name, each in self.test_groups.items()}
        return {**self.test.to_dict(), **({"groups": groups} if groups else {})}

    @property
    def headline(self) -> str:
        """What is promised; that test rows refute it comes first."""
        return guarantee_in_words(self.rule, with_groups(self.test, self.test_groups))

    def promises_kept(self, undecided: Undecided = "pass") -> tuple[BandGate, ...]:
        """Return what the test rows say of each promise, as gates; of rows with `test` alone."""
        return check_promises(
            self.rule, with_groups(self.test, self.test_groups), undecided=undecided
        )

    def tables(self) -> list[Table]:
        """Return what the terminal shows."""
        tables = [self.rule.table()]
        if self.test is not None:
            tables.append(bands_table("on the test rows", self.rule, self.test, self.test_groups))
        return tables


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """A table of coverages, and the rows and the map behind it."""

    table: CoverageTable
    calibrator: Calibrator
    facts: dict[str, Any]
    use: str
    warnings: tuple[str, ...]
    calibrator_facts: dict[str, Any]
    report_facts: tuple[tuple[str, str], ...]
    curve: RiskCoverage  # of the rows that set the thresholds

    def to_dict(self) -> dict[str, Any]:
        """Return what --json prints."""
        return {
            **self.table.to_dict(),
            "method": self.calibrator.name,
            "temperature": temperature_of(self.calibrator),
            "use": self.facts,
            "data_sha256": self.facts["data_sha256"],
        }


def decide_bands(
    rows: Rows,
    test: Rows | None,
    dealing: Dealing,
    promises: BandPromises,
    *,
    event: EventName,
    composite: Composite | None,
    confidence: float,
) -> BandDecision:
    """Set bands on labels that no fit has used, and measure them."""
    _check(rows, test, dealing)
    several = dealing.by_split or (rows.clusters is not None and composite is None)
    by_seed: dict[int, Bands | InvalidInputError | NoOptimumError] = {}
    with naming(rows.source), report_work("setting the bands"):
        own = dealing.deal(rows, dealing.seed)
        for seed in (dealing.seed, *(other_seeds(dealing.seed) if several else ())):
            deal = own if seed == dealing.seed else None
            try:
                deal = deal or dealing.deal(rows, seed)
                part = rows if deal.fitted is None else rows.part(~deal.fitted)
                checked = _decided(part, deal.calibrator, dealing, event, composite, seed)
                if seed == dealing.seed:
                    own_rows = checked
                by_seed[seed] = bands_rows(checked, promises, confidence=confidence)
            except (InvalidInputError, NoOptimumError) as error:
                if seed == dealing.seed:
                    raise _with_fit_rows(error, dealing) from error
                by_seed[seed] = error
    rule = by_seed[dealing.seed]
    assert isinstance(rule, Bands)  # noqa: S101  (else it was raised)
    luck = _luck(by_seed, _SPLITS if dealing.by_split else OF_CLUSTERS, rows.source)
    threshold_rows = rows if own.fitted is None else rows.part(~own.fitted)
    counts, groups, scored = None, {}, own_rows
    if test is not None:
        with naming(test.source), report_work("measuring"):
            scored = _decided(test, own.calibrator, dealing, event, composite, dealing.seed)
            counts, groups = rule.counts_of(scored), rule.outcomes_of_groups(scored)
    how = _use(rows, threshold_rows, test, own.fitted, dealing)
    policy = DecisionPolicy(own.calibrator, rule, how.facts())
    notes = (*rows.notes, *(() if test is None else test.notes), *how.warnings(), *own.notes)
    return BandDecision(
        policy, rule, counts, groups,
        how.words(own.calibrator, composite=composite is not None),
        (*notes, *luck, *_of_groups(rule)), how.calibrator_facts(), how.report_facts(), scored,
    )  # fmt: skip


def tabulate_coverage(
    rows: Rows, dealing: Dealing, risks: Sequence[float], *, confidence: float
) -> Coverage:
    """Return the coverage that each risk allows, on labels that no fit has used."""
    _check(rows, None, dealing)
    several = dealing.by_split or rows.clusters is not None
    with naming(rows.source), report_work("setting the thresholds"):
        own, others = deals_of(partial(dealing.deal, rows), several=several, seed=dealing.seed)
        table = coverage_rows(
            own.rows, risks, confidence=confidence, seed=dealing.seed, others=others,
            what=_SPLITS if own.fitted is not None else OF_CLUSTERS,
            label_share=1.0 if own.fitted is None else 1.0 - dealing.fit_share,
        )  # fmt: skip
    threshold_rows = rows if own.fitted is None else rows.part(~own.fitted)
    how = _use(rows, threshold_rows, None, own.fitted, dealing)
    warnings = (*rows.notes, *how.warnings(), *own.notes)
    predictions = predictions_of(threshold_rows, own.calibrator)
    curve = risk_coverage_of(predictions, confidence_of(predictions), name="confidence")
    return Coverage(
        table, own.calibrator, how.facts(), how.words(own.calibrator), warnings,
        how.calibrator_facts(), how.report_facts(), curve,
    )  # fmt: skip


def bands_table(
    name: str, rule: Bands, counts: BandCounts, groups: Mapping[str, BandCounts]
) -> Table:
    """Return what became of rows that had no say: each promise, in each group that has it."""
    rows = []
    for part in rule.parts:
        own = counts if part.group is None else groups.get(part.group)
        if own is None:
            continue
        group = "" if part.group is None else f"{part.group}: "
        for promise, limit in rule.promises.limits.items():
            bad, whole = own.bad(promise)
            rate = own.rate(promise)
            rate_text = "none"
            if rate is not None:
                rate_text = f"{number_text(rate.value)} ({interval_text(rate.low, rate.high)})"
            rows.append(
                (f"{group}{RATES[promise].name}", f"{limit:g}", f"{bad:,} of {whole:,}", rate_text)
            )
    return Table(
        (name, "promised", "bad rows", "rate (95 %)"), tuple(rows),
        caption=f"{count_text(counts.n, 'row')} that had no say: {counts.accepted:,} accepted, "
        f"{counts.reviewed:,} reviewed, {counts.rejected:,} rejected; exact intervals",
    )  # fmt: skip


def _with_fit_rows(
    error: InvalidInputError | NoOptimumError, dealing: Dealing
) -> InvalidInputError | NoOptimumError:
    """Return an error that says of its number of labels that the fit takes some more."""
    if not dealing.by_split or "About " not in str(error):
        return error
    share = f"`fit_share` (--fit-share), {dealing.fit_share:g} of all rows"
    return InvalidInputError(f"{error} The rows of the fit come on top: {share}.")


def _check(rows: Rows, test: Rows | None, dealing: Dealing) -> None:
    if test is not None:
        check_test_rows(rows, test)
    if dealing.per_group and rows.groups is None:
        msg = (
            f"{rows.source}: has no groups for `per_group` (--per-group). "
            f"{column_advice(rows.source, 'group')}"
        )
        raise InvalidInputError(msg)
    if dealing.calibrator is not None:
        rows.check_fits(dealing.calibrator, str(dealing.calibrator_file))


def _decided(
    rows: Rows,
    calibrator: Calibrator,
    dealing: Dealing,
    event: EventName,
    composite: Composite | None,
    seed: int,
) -> DecisionRows:
    """Return the rows that a promise may count, scored as the event says."""
    predictions = replace(predictions_of(rows, calibrator), classes=rows.classes)
    decided = DecisionEvent.named(event, predictions, composite)
    groups = rows.group_names if dealing.per_group else None
    return DecisionRows.of(predictions, groups, seed=seed, event=decided)


def _use(
    rows: Rows,
    threshold_rows: Rows,
    test: Rows | None,
    fitted: NDArray[np.bool_] | None,
    dealing: Dealing,
) -> RowUse:
    return RowUse(
        rows, threshold_rows, test, fitted,
        dealing.calibrator_file, dealing.fit_share, dealing.seed, dealing.as_is,
    )  # fmt: skip


def _luck(
    by_seed: Mapping[int, Bands | InvalidInputError | NoOptimumError], what: str, source: str
) -> tuple[str, ...]:
    """Return a warning where other draws of the rows find no bands; raise where most do not."""
    successes, n = sum(isinstance(each, Bands) for each in by_seed.values()), len(by_seed)
    if successes == n:
        return ()
    seed, error = next((s, e) for s, e in by_seed.items() if not isinstance(e, Bands))
    if 2 * successes <= n:
        msg = (
            f"{source}: only {successes} of {n} {what} {'has' if successes == 1 else 'have'} these "
            f"bands: chance in the draw would decide, not the rows. With seed {seed}: {error}"
        )
        raise InvalidInputError(msg)
    text = (
        f"only {successes} of {n} {what} have these bands: chance in the draw had a part. More "
        "labelled rows leave it less."
    )
    return (text,)


def _of_groups(rule: Bands) -> tuple[str, ...]:
    """Return a warning of groups that lack a band."""
    if not rule.per_group:
        return ()
    lacking = [
        (part.group, band, getattr(part, f"{band}_reason"))
        for part in rule.parts
        for band in rule.promises.bands
        if getattr(part, f"{band}_reason") is not None
    ]
    if not lacking:
        return ()
    group, band, reason = lacking[0]
    names = sorted({str(each[0]) for each in lacking})
    lack = "lacks" if len(names) == 1 else "lack"
    text = (
        f"{len(names)} of {len(rule.parts)} groups {lack} a band, whose rows are reviewed: "
        f"{first_few(names, 5)}. "
        f"In {group!r}, no band to {band}: {reason}."
    )
    return (text,)
