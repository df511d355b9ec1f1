"""What was measured, as one value that prints itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from temperance.evaluate.tables import evaluation_frame, evaluation_tables, reliability_sketch
from temperance.evaluate.words import evaluation_words
from temperance.frozen import Frozen
from temperance.metrics.all_errors import ERROR_NAMES
from temperance.metrics.outcomes import Outcomes
from temperance.show import beside, to_frame
from temperance.significance import ScoreTest

if TYPE_CHECKING:
    from temperance.metrics.all_tests import CalibrationTests
    from temperance.metrics.base_rates import BaseRates
    from temperance.metrics.brier_parts import BrierParts
    from temperance.metrics.class_table import ClassResult
    from temperance.metrics.corp import CorpReliability
    from temperance.metrics.decomposition import ScoreDecomposition
    from temperance.metrics.estimates import CalibrationError, Estimate, NullBand
    from temperance.metrics.group_table import GroupResult
    from temperance.metrics.reliability import ReliabilityCurve
    from temperance.metrics.weak_calibration import WeakCalibration
    from temperance.refinement import RefinementSplit

__all__ = ["Evaluation"]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation(Frozen):
    """What probabilities are worth on labelled rows; every `Estimate` has a 95 % interval."""

    n: int  # rows
    n_classes: int
    log_loss: Estimate  # nats, >= 0; 0 is best; infinite if a true class has probability 0
    brier: Estimate  # summed over classes, in [0, 2]; 0 is best
    accuracy: Estimate  # in [0, 1]; 1 is best
    confidence: Estimate  # mean probability of the predicted class; best where it = accuracy
    errors: dict[str, CalibrationError]  # calibration errors by name, in [0, 1]; 0 is best
    refinement: RefinementSplit | None  # of the log loss; None where that is infinite
    corp: CorpReliability  # of class 1 of two classes, of the predicted class of more
    log_parts: ScoreDecomposition  # of the log score of the same event
    brier_parts: BrierParts | None  # of `brier`; None for more than 200 classes
    tests: CalibrationTests  # of the hypothesis that the probabilities are calibrated
    reliability: ReliabilityCurve  # numbers of the binned diagram, in the bins of `ece`
    classes: tuple[ClassResult, ...]
    groups: tuple[GroupResult, ...]  # worst first; empty without `groups`
    zero_probability_labels: int  # rows whose true class has probability 0
    n_clusters: int | None
    n_bins: int
    n_resamples: int
    seed: int
    left_out: dict[str, str] = field(default_factory=dict)  # what was not measured, and why
    grid_error: dict[str, float] = field(default_factory=dict)  # of values from cells: at most this
    notes: tuple[str, ...] = ()  # what the rows say against their columns: ranks, a single label
    tied_rows: int = 0  # rows with several most probable classes: the first counts as predicted
    tie_neutral_accuracy: float | None = None  # if each of these counts for its share
    base_rates: BaseRates | None = None  # what knowing only the class frequencies would cost
    weak_calibration: WeakCalibration | None = None  # of class 1 of two classes
    outcomes: Outcomes = field(default_factory=Outcomes)  # what rows are, and names of classes

    @property
    def ece(self) -> Estimate:
        """Expected calibration error of the predicted class, in [0, 1]; 0 is best."""
        estimate = self.errors["ece"].estimate
        assert estimate is not None  # noqa: S101  (its interval holds)
        return estimate

    @property
    def ece_null(self) -> NullBand:
        """The ECE that a perfectly calibrated model would show here."""
        return self.errors["ece"].null

    @property
    def score_test(self) -> ScoreTest | None:
        """Test of T = 1; None if a true class has probability 0, or of too few wrong rows."""
        test = self.tests.score
        if test.statistic is None or test.p_value is None or self.zero_probability_labels:
            return None
        return ScoreTest(test.statistic, test.p_value)

    def to_dict(self, *, curves: bool = True) -> dict[str, Any]:
        """Return plain numbers for JSON; an infinite log loss is None (see the zero count).

        Without `curves`, only numbers that a person would read: no points of a diagram and no
        class by class.
        """
        drawn = {}
        if curves:
            drawn["per_class"] = [each.to_dict() for each in self.classes]
            drawn["reliability"] = self.reliability.to_dict()
        return {
            "n": self.n,
            "classes": self.n_classes,
            "outcomes": self.outcomes.to_dict(),
            "log_loss": self.log_loss.to_dict(),
            "brier": self.brier.to_dict(),
            "ece": self.ece.to_dict(),
            "accuracy": self.accuracy.to_dict(),
            "confidence": self.confidence.to_dict(),
            "ece_null": self.ece_null.to_dict(),
            "n_bins": self.n_bins,
            "score_test": None if self.score_test is None else self.score_test.to_dict(),
            "zero_probability_labels": self.zero_probability_labels,
            "tied_rows": self.tied_rows,
            "tie_neutral_accuracy": self.tie_neutral_accuracy,
            "base_rates": None if self.base_rates is None else self.base_rates.to_dict(),
            "calibration_errors": {
                name: self.errors[name].to_dict() if name in self.errors else None
                for name in ERROR_NAMES
            },
            "log_loss_parts": None if self.refinement is None else self.refinement.to_dict(),
            "brier_parts": None if self.brier_parts is None else self.brier_parts.to_dict(),
            "corp": self.corp.to_dict(curves=curves),
            "tests": self.tests.to_dict(),
            "verdict": self.tests.verdict.to_dict(),
            "weak_calibration": None
            if self.weak_calibration is None
            else self.weak_calibration.to_dict(),
            "groups": [each.to_dict() for each in self.groups],
            "n_clusters": self.n_clusters,
            "n_resamples": self.n_resamples,
            "seed": self.seed,
            "left_out": self.left_out,
            "grid_error": self.grid_error,
            "notes": list(self.notes),
            **drawn,
        }

    def in_words(self) -> str:
        """Return the finding in a few sentences.

        First where there is too little data; the verdict of all tests; how many groups are off,
        and the worst; whether knowing only the class frequencies would be better.
        """
        return evaluation_words(self)

    def to_frame(self, backend: str | None = None) -> Any:  # noqa: ANN401
        """Return every measure with its interval as a data frame.

        Parameters
        ----------
        backend : {"pandas", "polars", "pyarrow"}, optional
            Whose; where left out, the one that your program has imported.

        Returns
        -------
        data frame
            Columns measure, value, low, high, null_mean, null_high, p_value, adjusted_p_value;
            missing where a measure has none. A `p_value` is read as if it were the only one (one
            in twenty of a calibrated model is below .05); the `adjusted_p_value`, of the two that
            are among the tests of calibration, is corrected for their number (Holm).

        Raises
        ------
        InvalidInputError
            An unknown backend.
        MissingDependencyError
            The library, or narwhals, is not installed.
        """
        return to_frame(evaluation_frame(self), backend)

    def __str__(self) -> str:
        tables = (table.to_text() for table in evaluation_tables(self))
        return "\n\n".join([self.in_words(), *tables, *(f"note: {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        """Show the finding, a reliability diagram and the tables in a notebook."""
        tables = (table.to_html() for table in evaluation_tables(self))
        return f"<p>{escape(self.in_words())}</p>" + beside(reliability_sketch(self), *tables)
