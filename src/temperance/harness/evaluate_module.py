"""A module of Hugging Face evaluate: the calibration error, its interval, and its null band."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.defaults import N_RESAMPLES
from temperance.errors import MissingDependencyError
from temperance.evaluation import evaluate as measure

try:
    import datasets
    import evaluate
except ImportError as error:  # pragma: no cover - where it is not installed
    _PACKAGE = "evaluate"
    raise MissingDependencyError(
        _PACKAGE, extra="evaluate", purpose="temperance.harness.CalibrationMetric"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["CalibrationMetric"]

_DESCRIPTION = """\
Expected calibration error of class probabilities, with its 95 % interval, the error that a
perfectly calibrated model would show (null band), and log loss, Brier score and accuracy.
"""
_INPUTS = """\
predictions: probabilities of the classes, one list per row, each summing to 1; or P(class 1).
references: true classes, 0 to k - 1.
n_bins (15), n_resamples (1000), seed (0): as in temperance.evaluate.
"""
_CITATION = """\
@inproceedings{guo2017calibration,
  title={On Calibration of Modern Neural Networks},
  author={Guo, Chuan and Pleiss, Geoff and Sun, Yu and Weinberger, Kilian Q.},
  booktitle={ICML}, year={2017}, url={https://arxiv.org/abs/1706.04599}
}
"""


class CalibrationMetric(evaluate.Metric):  # type: ignore[misc]
    """Calibration of probabilities as a metric of Hugging Face evaluate.

    `CalibrationMetric().compute(predictions=probs, references=labels)`, `evaluate.combine`, and
    `evaluate.load("calibration.py")` of a file that imports it; all of it without a network.

    `compute` takes `predictions`, (n, k) or (n,), `references`, (n,), and `n_bins`, `n_resamples`
    and `seed` as `temperance.evaluate` does. It returns floats: `ece` (0 is best), `ece_low`,
    `ece_high`, `ece_null_mean`, `ece_null_high`, `ece_p_value`, `log_loss`, `brier`, `accuracy`.

    Raises
    ------
    InvalidInputError
        From `compute`, as `temperance.evaluate`.
    """

    def _info(self) -> Any:  # noqa: ANN401
        forms = [datasets.Sequence(datasets.Value("float64")), datasets.Value("float64")]
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=[
                datasets.Features({"predictions": each, "references": datasets.Value("int64")})
                for each in forms
            ],
        )

    def _compute(
        self,
        *,
        predictions: Sequence[Any],
        references: Sequence[int],
        n_bins: int = 15,
        n_resamples: int = N_RESAMPLES,
        seed: int = 0,
    ) -> dict[str, float]:
        evaluation = measure(
            predictions, references, n_bins=n_bins, n_resamples=n_resamples, seed=seed
        )
        return {
            "ece": evaluation.ece.value,
            "ece_low": evaluation.ece.low,
            "ece_high": evaluation.ece.high,
            "ece_null_mean": evaluation.ece_null.mean,
            "ece_null_high": evaluation.ece_null.high,
            "ece_p_value": evaluation.errors["ece"].p_value,
            "log_loss": evaluation.log_loss.value,
            "brier": evaluation.brier.value,
            "accuracy": evaluation.accuracy.value,
        }
