"""What may be promised of rows that are accepted or rejected: rates, their limits, their counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from temperance.checks.arguments import as_number
from temperance.decisions.binomial import LEAST_RISK, clopper_pearson
from temperance.errors import InvalidInputError
from temperance.frozen import Plain
from temperance.show import percent_text
from temperance.sums import MergeableSums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.metrics.estimates import Estimate

__all__ = ["RATES", "BandCounts", "BandPromises", "BandSide", "Rate"]

BandSide = Literal["accept", "recall", "reject"]

# The rates: each the share of bad rows among the rows of a denominator, whatever side it is of.


class Rate(NamedTuple):
    """A rate that a promise bounds: how many of which rows may be bad."""

    name: str  # as sentences have it
    side: BandSide  # which search of thresholds it takes part in
    option: str
    least: bool  # whether the rate itself is to be large: bad rows are then its complement
    of_band: bool  # whether the denominator is the band; else all rows of a truth
    words: str  # "at least 95 % of ..." goes before it

    @property
    def band(self) -> str:
        """The band that its search begins: "accept" or "reject"."""
        return "reject" if self.side == "reject" else "accept"


RATES: dict[str, Rate] = {
    "min_precision": Rate(
        "precision", "accept", "--min-precision", least=True, of_band=True,
        words="of what is accepted {is_yes}",
    ),
    "max_false_positive_rate": Rate(
        "false positive rate", "accept", "--max-fpr", least=False, of_band=False,
        words="of the rows that {are_no} are accepted",
    ),
    "min_recall": Rate(
        "recall", "recall", "--min-recall", least=True, of_band=False,
        words="of the rows that {are_yes} are accepted",
    ),
    "min_negative_predictive_value": Rate(
        "negative predictive value", "reject", "--min-npv", least=True, of_band=True,
        words="of what is rejected {is_no}",
    ),
    "max_false_negative_rate": Rate(
        "false negative rate", "reject", "--max-fnr", least=False, of_band=False,
        words="of the rows that {are_yes} are rejected",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BandPromises(Plain):
    """Limits of the rates that are promised, None where one is not."""

    min_precision: float | None = None
    max_false_positive_rate: float | None = None
    min_recall: float | None = None
    min_negative_predictive_value: float | None = None
    max_false_negative_rate: float | None = None

    @classmethod
    def check(cls, **limits: float | None) -> BandPromises:
        """Return the limits given, each in its range, at least one of them."""
        if all(each is None for each in limits.values()):
            choices = ", ".join(f"`{name}` ({rate.option})" for name, rate in RATES.items())
            msg = f"Give one promise or more: {choices}."
            raise InvalidInputError(msg)
        checked = {name: _limit(name, value) for name, value in limits.items() if value is not None}
        return cls(**checked)

    @property
    def limits(self) -> dict[str, float]:
        """What is promised, by name."""
        every = {name: getattr(self, name) for name in RATES}
        return {name: value for name, value in every.items() if value is not None}

    @property
    def sides(self) -> tuple[BandSide, ...]:
        """The searches that the promises take; each has its share of the level."""
        return tuple(dict.fromkeys(RATES[name].side for name in self.limits))

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands that are asked for beside review: accept, reject."""
        return tuple(dict.fromkeys(RATES[name].band for name in self.limits))

    def bad_shares(self, side: BandSide) -> dict[str, float]:
        """Return the largest share of bad rows of each promise of a side."""
        return {
            name: 1.0 - value if RATES[name].least else value
            for name, value in self.limits.items()
            if RATES[name].side == side
        }

    def in_words(self, name: str, words: dict[str, str]) -> str:
        """Return one promise as a clause: "at least 95 % of what is accepted is yes"."""
        rate, value = RATES[name], self.limits[name]
        most = "at least" if rate.least else "at most"
        return f"{most} {percent_text(value)} {rate.words.format(**words)}"


def _limit(name: str, value: float) -> float:
    rate, hint = RATES[name], ""
    if isinstance(value, float | int) and value == (1.0 if rate.least else 0.0):
        never = "none is ever wrong" if rate.least else "it never happens"
        hint = f"No number of labels can promise that {never}."
    return as_number(
        value, name=name, option=rate.option, rule="a number strictly between 0 and 1",
        least=LEAST_RISK, most=1.0 - LEAST_RISK, hint=hint,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class BandCounts(MergeableSums, Plain):
    """Independent rows by truth and band; those of two sets of rows add up with `merge`.

    A row is positive where its answer is right, or where it is of the class that is decided about.
    """

    json_keys: ClassVar[tuple[str, ...]] = (
        "n", "positives", "accepted", "accepted_positives", "rejected", "rejected_positives",
        "reviewed", "precision", "false_positive_rate", "recall", "negative_predictive_value",
        "false_negative_rate",
    )  # fmt: skip

    n: int
    positives: int
    accepted: int
    accepted_positives: int
    rejected: int
    rejected_positives: int

    @classmethod
    def of(
        cls,
        positive: NDArray[np.bool_],
        accepted: NDArray[np.bool_],
        rejected: NDArray[np.bool_],
    ) -> BandCounts:
        """Return the counts of rows (n,)."""

        def count(rows: NDArray[np.bool_]) -> int:
            return int(np.count_nonzero(rows))

        return cls(
            len(positive), count(positive), count(accepted), count(positive & accepted),
            count(rejected), count(positive & rejected),
        )  # fmt: skip

    @property
    def reviewed(self) -> int:
        """Rows that are neither accepted nor rejected."""
        return self.n - self.accepted - self.rejected

    @property
    def precision(self) -> Estimate | None:
        """Share of the accepted that are positive, with its exact 95 % interval; None of none."""
        return _share(self.accepted_positives, self.accepted)

    @property
    def false_positive_rate(self) -> Estimate | None:
        """Share of the negative that are accepted."""
        return _share(self.accepted - self.accepted_positives, self.n - self.positives)

    @property
    def recall(self) -> Estimate | None:
        """Share of the positive that are accepted."""
        return _share(self.accepted_positives, self.positives)

    @property
    def negative_predictive_value(self) -> Estimate | None:
        """Share of the rejected that are negative."""
        return _share(self.rejected - self.rejected_positives, self.rejected)

    @property
    def false_negative_rate(self) -> Estimate | None:
        """Share of the positive that are rejected."""
        return _share(self.rejected_positives, self.positives)

    def bad(self, name: str) -> tuple[int, int]:
        """Return how many rows are bad for a promise, and of how many."""
        wrong_yes = self.accepted - self.accepted_positives
        return {
            "min_precision": (wrong_yes, self.accepted),
            "max_false_positive_rate": (wrong_yes, self.n - self.positives),
            "min_recall": (self.positives - self.accepted_positives, self.positives),
            "min_negative_predictive_value": (self.rejected_positives, self.rejected),
            "max_false_negative_rate": (self.rejected_positives, self.positives),
        }[name]

    def rate(self, name: str) -> Estimate | None:
        """Return the rate that a promise is about, `min_recall` say."""
        value: Any = getattr(self, name.split("_", 1)[1])
        return value  # type: ignore[no-any-return]


def _share(part: int, whole: int) -> Estimate | None:
    return clopper_pearson(part, whole) if whole else None
