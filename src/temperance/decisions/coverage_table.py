"""The coverage that each of several risks allows, in one look that may be chosen from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temperance.checks.arguments import as_level, as_number, as_sequence
from temperance.decisions.abstain import abstain_rows, check_target
from temperance.decisions.abstention import other_seeds
from temperance.decisions.rows import DecisionRows
from temperance.errors import InvalidInputError
from temperance.frozen import plain
from temperance.show import Shown, Table, percent_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike

    from temperance.decisions.abstention import Abstention

__all__ = ["RISKS", "CoverageTable", "coverage_rows", "coverage_table", "short_reason"]

RISKS = (0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class CoverageTable(Shown):
    """Thresholds of several risks whose promises hold at once; see `coverage_table`."""

    risks: tuple[float, ...]
    rules: tuple[Abstention | None, ...]  # of each risk; None where none can be promised
    reasons: tuple[str | None, ...]  # why not
    confidence: float  # that all promises hold

    def choose(self, max_risk: float) -> Abstention:
        """Return the threshold of one risk of the table.

        Parameters
        ----------
        max_risk : float
            One of `risks`.

        Raises
        ------
        InvalidInputError
            Another risk, or one that cannot be promised: the message says how many labels would.

        Examples
        --------
        >>> table = coverage_table([[0.9, 0.1]] * 300, [0] * 300)
        >>> table.choose(0.05).promised_risk
        0.05
        """
        as_number(max_risk, name="max_risk", option="--choose", rule="a risk of the table")
        if max_risk not in self.risks:
            known = ", ".join(f"{each:g}" for each in self.risks)
            msg = (
                f"`max_risk` (--choose) must be a risk of the table, {known}, got {max_risk!r}: "
                "another one, chosen after a look, would have no promise."
            )
            raise InvalidInputError(msg)
        place = self.risks.index(max_risk)
        rule = self.rules[place]
        if rule is None:
            raise InvalidInputError(str(self.reasons[place]).replace("(--max-risk)", "(--choose)"))
        return rule

    def to_dict(self) -> dict[str, Any]:
        """Return one entry per risk as plain numbers."""
        entries = []
        for risk, rule, reason in zip(self.risks, self.rules, self.reasons, strict=True):
            counts = None if rule is None else rule.outcome
            entries.append({
                "max_risk": risk,
                "threshold": None if rule is None else rule.threshold,
                "coverage": None if counts is None else plain(counts.coverage),
                "accepted": 0 if counts is None else counts.accepted,
                "errors": 0 if counts is None else counts.errors,
                "reason": reason,
            })  # fmt: skip
        return {"confidence": self.confidence, "risks": entries}

    def columns(self) -> dict[str, list[Any]]:
        """Return one row per risk."""
        entries = self.to_dict()["risks"]
        table = {
            name: [each[name] for each in entries]
            for name in ("max_risk", "threshold", "accepted", "errors", "reason")
        }
        shares = [each["coverage"] or {} for each in entries]
        return table | {"coverage": [each.get("value") for each in shares]}

    def tables(self) -> tuple[Table, ...]:
        """One row per risk."""
        rows = []
        for risk, rule, reason in zip(self.risks, self.rules, self.reasons, strict=True):
            if rule is None:
                rows.append((f"<= {percent_text(risk)}", "none", "0 %", "", short_reason(reason)))
                continue
            counts = rule.outcome
            rows.append((
                f"<= {percent_text(risk)}", f"{rule.threshold:.6g}",
                percent_text(counts.coverage.value, 1),
                f"{counts.errors:,} of {counts.accepted:,}", "",
            ))  # fmt: skip
        return (
            Table(
                ("risk promised", "confidence >=", "coverage", "wrong", "or why none"),
                tuple(rows), words=frozenset({4}),
                caption=f"all at once with {percent_text(self.confidence)} confidence, so one may "
                "be chosen after this look",
            ),
        )  # fmt: skip


def short_reason(reason: str | None) -> str:
    """Return how many labels would do, which stands at the end of a reason."""
    text = str(reason)
    start = text.find("About ")
    if start < 0:
        return "no number of labels would do" if "No number" in text else text
    return f"{text[start : text.find(' would do', start)].lower()} would do"


def coverage_table(
    probs: ArrayLike,
    labels: ArrayLike,
    *,
    risks: Sequence[float] = RISKS,
    confidence: float = 0.95,
    weights: ArrayLike | None = None,
    clusters: ArrayLike | None = None,
    seed: int = 0,
    answers: bool = False,
    classes: Sequence[object] | None = None,
    ignore_label: float | str | None = None,
) -> CoverageTable:
    """Return the share of rows that can be answered at each of several risks, all promised at once.

    Parameters
    ----------
    probs, labels, weights, clusters, seed, answers, classes, ignore_label
        As in `abstain`.
    risks : sequence of float, default (.01, .02, .05, .1)
        Shares of errors among the accepted rows, in (0, 1), each once.
    confidence : float, default 0.95
        Probability over rows such as these that every promise of the table holds, in (0, 1).

    Returns
    -------
    CoverageTable
        Thresholds and coverages; `choose` gives one of them as a rule. Larger coverage is better.

    Raises
    ------
    InvalidInputError
        As in `abstain`, but for a risk that cannot be promised: the table says that.

    Notes
    -----
    Trying risks one by one and keeping the nicest is choosing by the labels, and voids the promise.
    Here each of m risks is searched as in `abstain` at level (1 - confidence) / m (Bonferroni):
    whichever is chosen after the look, its promise holds.

    References
    ----------
    Angelopoulos, Bates, Candes, Jordan and Lei (2021), Learn then Test, https://arxiv.org/abs/2110.01052

    Examples
    --------
    No error in 300 rows excludes a risk of 2 % at level .05 / 4, .98^300 < .0125, but not of 1 %.

    >>> table = coverage_table([[0.9, 0.1]] * 300, [0] * 300)
    >>> [rule is not None for rule in table.rules]
    [False, True, True, True]
    """
    values = tuple(as_sequence(risks, name="risks", rule="a sequence of risks"))
    for each in values:
        check_target(each, None, confidence)
    if not values or len(set(values)) < len(values):
        msg = f"`risks` (--risks) must be one risk or more, each once, got {list(values)}."
        raise InvalidInputError(msg)
    as_level(confidence, name="confidence", option="--confidence")

    def rows_of(by: int) -> DecisionRows:
        return DecisionRows.check(
            probs, labels, weights=weights, clusters=clusters, seed=by, answers=answers,
            classes=classes, ignore_label=ignore_label,
        )  # fmt: skip

    others = {} if clusters is None else {each: rows_of(each) for each in other_seeds(seed)}
    return coverage_rows(rows_of(seed), values, confidence=confidence, seed=seed, others=others)


def coverage_rows(
    rows: DecisionRows,
    risks: Sequence[float],
    *,
    confidence: float,
    seed: int,
    others: Mapping[int, DecisionRows | None],
    **settings: Any,  # noqa: ANN401  (of `abstain_rows`)
) -> CoverageTable:
    """Return the table of rows that are checked; `others` and `settings` as in `abstain_rows`."""
    each_level = 1.0 - max((1.0 - confidence) / len(risks), 2.0**-53)  # below 1
    rules: list[Abstention | None] = []
    reasons: list[str | None] = []
    for risk in risks:
        try:
            rule = abstain_rows(
                rows, max_risk=risk, min_coverage=None, confidence=each_level, seed=seed,
                others=others, **settings,
            )  # fmt: skip
        except InvalidInputError as error:
            rules.append(None)
            reasons.append(str(error))
        else:
            rules.append(rule)
            reasons.append(None)
    return CoverageTable(tuple(risks), tuple(rules), tuple(reasons), confidence)
