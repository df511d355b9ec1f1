"""Estimated class frequencies, how sure they are, and probabilities corrected for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks import as_probs
from temperance.checks.arrays import row_name, such_rows
from temperance.checks.forms import named_scores
from temperance.errors import InvalidInputError
from temperance.frozen import Frozen
from temperance.show import Shown, Table, interval_text, number_text, p_text

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.shift.prior_errors import PriorErrors
    from temperance.significance import CalibrationTest

__all__ = ["LabelShift"]

# Class frequencies then and now, as a table and as columns of a data frame.


_MOST_ROWS = 20


def prior_table(shift: LabelShift) -> Table:
    """One row per class; of more than 20 classes those that moved most."""
    k = len(shift.priors)
    intervals = shift.interval()
    places = np.arange(k)
    if k > _MOST_ROWS:
        change = np.abs(shift.priors - shift.source_priors)
        places = np.sort(np.argsort(-change, kind="stable")[:_MOST_ROWS])
    rows = tuple(
        (
            _name(shift, c),
            number_text(float(shift.source_priors[c])),
            number_text(float(shift.priors[c])),
            interval_text(*map(float, intervals[c])),
            _word(shift, intervals[c], c),
        )
        for c in places.tolist()
    )
    of = f", the {_MOST_ROWS} of {k} classes that moved most" if k > _MOST_ROWS else ""
    test = shift.test.reason or f"test of no change: {p_text(shift.p_value)}"
    caption = f"{shift.n:,} new rows, without their labels{of}; {test}"
    columns = ("class", "reference", "new", "95 %", "")
    return Table(columns, rows, caption=caption, words=frozenset({4}))


def _name(shift: LabelShift, c: int) -> str:
    return shift.classes[c] if shift.classes else str(c)


def _word(shift: LabelShift, interval: np.ndarray, c: int) -> str:
    """Return "more" or "fewer" where the interval leaves the source's frequency out.

    Not where the test of all classes finds nothing: of ten intervals one in twenty errs, too.
    """
    low, high = interval
    if shift.unchanged or low <= shift.source_priors[c] <= high:
        return ""
    return "more" if shift.priors[c] > shift.source_priors[c] else "fewer"


# Estimated class frequencies, how sure they are, and probabilities corrected for them.


_LEVEL = 0.05


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LabelShift(Frozen, Shown):
    """Class frequencies of new rows, found without their labels; see `estimate_label_shift`."""

    priors: NDArray[np.float64]  # (k,), sum to 1; exactly 0 where the rows speak against a class
    source_priors: NDArray[np.float64]  # (k,), sum to 1
    errors: PriorErrors
    test: CalibrationTest  # of "the mean probabilities did not change"; see `reason` where none
    n: int  # new rows
    effective_rows: float  # (sum w)^2 / sum w^2; n without weights
    n_source: int | None  # source rows; None where their class frequencies were given
    passes: int  # how often the rows were read
    gap: float  # nats per row: the log likelihood is at most this far below its maximum
    gain: float  # nats per row: what the new frequencies add to the log likelihood, >= 0
    classes: tuple[str, ...] | None = None
    calibrator: Calibrator | None = None  # fitted on the source rows; None where it was not here

    @property
    def standard_errors(self) -> NDArray[np.float64]:
        """Standard error of each frequency, (k,); nan where `on_boundary` or where unknown."""
        return self.errors.standard_errors

    @property
    def on_boundary(self) -> NDArray[np.bool_]:
        """Whether a class's estimate is exactly 0 or 1, (k,): see `interval` for how sure."""
        return self.errors.on_boundary

    @property
    def p_value(self) -> float | None:
        """Of the test; None where too few rows allow none."""
        return self.test.p_value

    @property
    def unchanged(self) -> bool:
        """Whether the test finds nothing (p >= .05): then no single class is said to have moved."""
        return self.p_value is not None and self.p_value >= _LEVEL

    def interval(self, level: float = 0.95) -> NDArray[np.float64]:
        """Return the confidence interval of each frequency.

        Parameters
        ----------
        level : float, default 0.95
            Coverage, in (0, 1).

        Returns
        -------
        ndarray, shape (k, 2)
            Low and high ends in [0, 1]; from 0 for a class of estimate 0; 0 to 1 where the rows
            tell nothing. Within five standard errors of 0 or 1 they follow the likelihood: of a
            class that no row shows, the high end at 95 % is about 3.7 / n.

        Raises
        ------
        InvalidInputError
            `level` outside (0, 1).
        """
        return self.errors.interval(self.priors, level)

    def apply(self, probs: ArrayLike) -> NDArray[np.float64]:
        r"""Return probabilities corrected for the new class frequencies.

        Parameters
        ----------
        probs : array_like, shape (n, k) or (n,)
            Calibrated on the source, as in `estimate_label_shift`: by `calibrator`, where there is
            one.

        Returns
        -------
        ndarray of float64, shape (n, k)
            :math:`p_{ik} q_k / \pi_k`, divided by their sum. A probability of 0 stays 0.

        Raises
        ------
        InvalidInputError
            Wrong shape, or a row whose every possible class has frequency 0.
        """
        p = as_probs(named_scores(probs, self.classes, name="probs")[0])
        k = len(self.priors)
        if p.shape[1] != k:
            msg = f"`probs` must have the {k} columns of the estimate, got {p.shape[1]}."
            raise InvalidInputError(msg)
        in_source = self.source_priors > 0.0
        corrected = p * np.divide(self.priors, self.source_priors, out=np.zeros(k), where=in_source)
        sums = corrected.sum(axis=1)
        if (sums == 0.0).any():
            row = int((sums == 0.0).argmax())
            msg = (
                f"`probs` of {row_name(row)} lie on classes whose new frequency is 0 "
                f"({such_rows(sums == 0.0)}): the row cannot be of any other. "
                "Estimate the frequencies with such rows among them."
            )
            raise InvalidInputError(msg)
        return np.asarray(corrected / sums[:, None])

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers for JSON; None where a standard error is unknown."""
        errors = [None if np.isnan(each) else float(each) for each in self.standard_errors]
        return {
            "priors": self.priors.tolist(),
            "source_priors": self.source_priors.tolist(),
            "standard_errors": errors,
            "intervals": self.interval().tolist(),
            "on_boundary": self.on_boundary.tolist(),
            "test": self.test.to_dict(),
            "n": self.n,
            "effective_rows": self.effective_rows,
            "n_source": self.n_source,
            "gain": self.gain,
            "gap": self.gap,
            "passes": self.passes,
            "classes": None if self.classes is None else list(self.classes),
        }

    def columns(self) -> dict[str, list[Any]]:
        """Return one row per class: class, source, new, low, high, standard_error, on_boundary."""
        low, high = self.interval().T.tolist()
        return {
            "class": [_name(self, c) for c in range(len(self.priors))],
            "source": self.source_priors.tolist(),
            "new": self.priors.tolist(),
            "low": low,
            "high": high,
            "standard_error": self.to_dict()["standard_errors"],
            "on_boundary": self.on_boundary.tolist(),
        }

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see."""
        return (prior_table(self),)
