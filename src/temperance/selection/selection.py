"""What was tried, what was chosen, and how sure the choice is."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, Literal

from temperance.frozen import Frozen, plain
from temperance.printable import count_text
from temperance.show import Shown, Table, interval_text, number_text

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.metrics.estimates import Estimate

__all__ = [
    "OF_ZEROS",
    "Candidate",
    "Selection",
    "not_tried",
    "selection_cells",
    "selection_table",
    "unchanged_text",
]

# The table of a selection: what the terminal, a notebook and the report show.


OF_ZEROS = "needs logarithms of probabilities that are 0: --floor"

# What the reader knows of the data; the JSON lists all reasons.
_OBVIOUS = {
    "for two classes",
    "needs groups",
    "needs two groups",
    "two classes: platt says the same",
    OF_ZEROS,  # said in a sentence of its own
}


def selection_table(selection: Selection) -> Table:
    """One row per candidate, the simplest first; the chosen one is marked."""
    return Table(
        (
            "method",
            "",
            "log loss",
            f"less {unchanged_text(selection)} (95 %)",
            "behind the best",
            "note",
        ),
        tuple(selection_cells(selection)),
        caption=(
            f"{count_text(selection.n, *selection.calibrator.unit)}, cross-fitted in "
            f"{selection.n_folds} folds; the simplest map within one standard error of the best "
            f"is chosen. {not_tried(selection)}"
        ),
        words=frozenset({1, 5}),
    )


def selection_cells(selection: Selection) -> list[tuple[str, ...]]:
    """Return the cells of the table: method, mark, log loss, gain, distance to the best, note."""
    return [
        (
            each.method,
            "chosen" if each.method == selection.method else "",
            *_cells(each, first=each is selection.candidates[0]),
            _note(each),
        )
        for each in selection.tried
    ]


def unchanged_text(selection: Selection) -> str:
    """Return what every map must beat: doing nothing, or of scores the base rate."""
    return "doing nothing" if selection.candidates[0].method == "identity" else "base rate"


def not_tried(selection: Selection) -> str:
    """Return the methods that might have been tried, with reasons; "" if there are none."""
    reasons = [
        f"{each.method} ({each.left_out})"
        for each in selection.candidates
        if each.left_out and each.left_out not in _OBVIOUS
    ]
    return f"Not tried: {'; '.join(reasons)}." if reasons else ""


def _note(each: Candidate) -> str:
    if each.no_optimum:
        return f"with a prior; a part of the rows has no optimum ({each.no_optimum})"
    return "with a prior" if each.prior else ""


def _cells(each: Candidate, *, first: bool) -> tuple[str, str, str]:
    if each.log_loss is None or each.difference is None or each.behind is None:
        return "", "", ""
    gap, error = each.difference, each.behind_standard_error or 0.0
    less = ""
    if not first:
        interval = interval_text(gap.low, gap.high, sign=True)
        less = f"{number_text(gap.value, sign=True)} ({interval})"
    behind = number_text(each.behind) if each.behind else ""
    if behind and isfinite(each.behind):
        behind += f" (± {number_text(error)})"
    return number_text(each.log_loss.value), less, behind


SelectionVerdict = Literal["better", "nothing to gain", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One method and how it did on rows that its fit had not seen; None where it was not tried.

    Parameters
    ----------
    method : str
        Its name.
    log_loss : Estimate or None
        Cross-fitted mean log loss in nats, smaller is better, with its 95 % interval.
    difference : Estimate or None
        That less the model's own, paired row by row; below 0 = better than doing nothing.
    behind : float or None
        Log loss less that of the best candidate, >= 0.
    behind_standard_error : float or None
        Of `behind`, paired row by row.
    prior : float
        Strength of the prior that the fits needed, in pseudo-rows.
    left_out : str or None
        Why it was not tried; None if it was.
    no_optimum : str or None
        Why a fit on some of the rows has no optimum without a prior: too few errors to choose it.
    """

    method: str
    log_loss: Estimate | None = None
    difference: Estimate | None = None
    behind: float | None = None
    behind_standard_error: float | None = None
    prior: float = 0.0
    left_out: str | None = None
    no_optimum: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "method": self.method,
            "log_loss": plain(self.log_loss),
            "difference": plain(self.difference),
            "behind": _finite(self.behind),
            "behind_standard_error": _finite(self.behind_standard_error),
            "prior": self.prior,
            "left_out": self.left_out,
            "no_optimum": self.no_optimum,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Selection(Frozen, Shown):
    """The chosen calibrator, fitted on all rows, and the candidates it was chosen among.

    Parameters
    ----------
    calibrator : Calibrator
        The choice.
    candidates : tuple of Candidate
        The simplest first; those not tried say why.
    n : int
        Rows.
    n_folds : int
        How many parts the rows were cut into for cross-fitting.
    zero_labels : int
        Rows whose true class has probability 0: only methods without logarithms were tried then.
    """

    calibrator: Calibrator
    candidates: tuple[Candidate, ...]
    n: int
    n_folds: int
    zero_labels: int = 0

    @property
    def method(self) -> str:
        """Name of the chosen method."""
        return self.calibrator.name

    @property
    def tried(self) -> tuple[Candidate, ...]:
        """The candidates that were fitted."""
        return tuple(each for each in self.candidates if each.log_loss is not None)

    @property
    def chosen(self) -> Candidate:
        """What is known of the chosen method."""
        return next(each for each in self.candidates if each.method == self.method)

    @property
    def best(self) -> Candidate:
        """The candidate of the smallest log loss, which may be richer than the chosen one."""
        return min(self.tried, key=lambda each: each.behind or 0.0)

    @property
    def verdict(self) -> SelectionVerdict:
        """Whether the choice beats doing nothing.

        "better": the interval of its difference lies below 0. "nothing to gain": doing nothing
        was chosen. "cannot tell": it was not, but its interval holds 0; or it was because no other
        method could be fitted, or a fold of the rows had no optimum.
        """
        if self.method == "identity":
            return "cannot tell" if self._too_little() else "nothing to gain"
        difference = self.chosen.difference
        assert difference is not None  # noqa: S101  (what is chosen was tried)
        return "better" if difference.high < 0.0 else "cannot tell"

    def _too_little(self) -> str | None:
        """Return why nothing but identity could be chosen; None where something could."""
        if any(each.no_optimum == "worse-than-chance" for each in self.tried):
            return "the labels are no better than chance under these scores"
        if any(each.no_optimum for each in self.tried):
            return "too few errors to fit a map to"
        return "too few rows to fit a map to" if len(self.tried) == 1 else None

    def in_words(self) -> str:
        """Return the choice and why, in one or two sentences; and what zeros have left out."""
        return f"{self._choice_in_words()} {self.zeros_in_words()}".rstrip()

    def _choice_in_words(self) -> str:
        unchanged_loss = self.candidates[0].log_loss
        if unchanged_loss is not None and unchanged_loss.value == inf:
            return self._beats_infinity()
        choice, best, unchanged = self.chosen, self.best, self.candidates[0].method
        assert choice.difference is not None  # noqa: S101  (what is chosen was tried)
        reason = self._too_little()
        if self.method == "identity" and reason is not None:
            return f"Nothing is changed, and nothing can be told: {reason}."
        if self.verdict == "nothing to gain":
            words = "Doing nothing is best"
            if best.method == choice.method:
                return f"{words}: no method has a smaller log loss on rows that it has not seen."
            return f"{words}: the rows cannot tell {best.method} from it."
        gain = f"by {number_text(-choice.difference.value)} nats per {self.calibrator.unit[0]}"
        if self.verdict == "better":
            words = f"{choice.method} lowers the log loss {gain}."
        else:
            words = (
                f"{choice.method} lowers the log loss {gain} on these rows, but the data cannot "
                f"tell it from {'doing nothing' if unchanged == 'identity' else 'the base rate'}."
            )
        if best.method == choice.method:
            return words
        return f"{words} {best.method} does a little better; it is richer, and chance may be why."

    def _beats_infinity(self) -> str:
        losses = {each.method: each.log_loss for each in self.tried[1:]}
        texts = {name: number_text(loss.value) for name, loss in losses.items() if loss is not None}
        own = texts.pop(self.method)
        others = f" ({', '.join(f'{name} {text}' for name, text in texts.items())})"
        return (
            f"{self.method} has a log loss of {own}{others if texts else ''} on rows that it has "
            "not seen; the model's own is infinite."
        )

    def zeros_in_words(self) -> str:
        """Return which methods labels of probability 0 left out, and how they take part; or ""."""
        count = self.zero_labels
        if not count:
            return ""
        names = ", ".join(each.method for each in self.candidates if each.left_out == OF_ZEROS)
        rows = f"{count_text(count, 'row')} {'has' if count == 1 else 'have'}"
        return (
            f"Left out, as {rows} a true class of probability 0, whose logarithm they need: "
            f"{names}."
            ' With --floor auto, in Python logits_from_probs(probs, floor="auto"), they take part.'
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON."""
        return {
            "method": self.method,
            "verdict": self.verdict,
            "in_words": self.in_words(),
            "n": self.n,
            "n_folds": self.n_folds,
            "zero_labels": self.zero_labels,
            "candidates": plain(self.candidates),
        }

    def columns(self) -> dict[str, list[Any]]:
        """Return one row per candidate.

        Columns method, log_loss, low, high, difference, difference_low, difference_high, behind,
        behind_standard_error, prior, left_out, chosen.
        """
        names = (
            "method", "log_loss", "low", "high", "difference", "difference_low", "difference_high",
            "behind", "behind_standard_error", "prior", "left_out", "chosen",
        )  # fmt: skip
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for each in self.candidates:
            loss, gap = (
                (None, None, None)
                if estimate is None
                else (estimate.value, estimate.low, estimate.high)
                for estimate in (each.log_loss, each.difference)
            )
            values = (
                each.method, *loss, *gap, each.behind, each.behind_standard_error, each.prior,
                each.left_out, each.method == self.method,
            )  # fmt: skip
            for name, value in zip(names, values, strict=True):
                columns[name].append(value)
        return columns

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        return (selection_table(self),)

    def __str__(self) -> str:
        return f"{self.in_words()}\n\n{Shown.__str__(self)}"

    def _repr_html_(self) -> str:
        """Show the candidates in a notebook."""
        return f"<p>{self.in_words()}</p>" + Shown._repr_html_(self)


def _finite(value: float | None) -> float | None:
    return None if value is None or abs(value) == float("inf") else value
