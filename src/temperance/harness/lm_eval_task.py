"""A multiple-choice task of lm-evaluation-harness that shows calibration beside accuracy."""

from __future__ import annotations

from functools import partial
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arguments import as_count
from temperance.errors import InvalidInputError, MissingDependencyError
from temperance.evaluation import evaluate
from temperance.numerics import softmax

if TYPE_CHECKING:
    from collections.abc import Sequence

    from temperance.evaluation import Evaluation

__all__ = ["MEASURES", "measure_of", "option_rows"]

# Name that a harness shows -> what `evaluate` calls it.
MEASURES = {
    "ece": lambda evaluation: evaluation.ece.value,
    "ece_null_high": lambda evaluation: evaluation.ece_null.high,
    "ece_p_value": lambda evaluation: evaluation.errors["ece"].p_value,
    "log_loss": lambda evaluation: evaluation.log_loss.value,
}


def option_rows(
    log_probs: Sequence[Sequence[float]],
) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the probabilities of each row's options, (n, k); 0 where a row has fewer."""
    most = max(map(len, log_probs))
    padded = np.full((len(log_probs), most), -np.inf)
    for row, options in enumerate(log_probs):
        padded[row, : len(options)] = options
    return softmax(padded)


def measure_of(
    items: Sequence[tuple[int, Sequence[float]]], name: str, *, n_bins: int = 15
) -> float:
    """Return one measure of (right option, log-probabilities of the options); nan of none."""
    if not items:
        return nan
    labels, log_probs = zip(*items, strict=True)
    evaluation: Evaluation = evaluate(
        option_rows(log_probs), labels, n_bins=n_bins, measures=("ece",)
    )
    return float(MEASURES[name](evaluation))


try:
    from lm_eval.api.task import ConfigurableTask
except ImportError as error:  # pragma: no cover - where it is not installed
    _PACKAGE = "lm-eval"
    raise MissingDependencyError(
        _PACKAGE, extra="lm-eval", purpose="temperance.harness.CalibratedTask"
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CalibratedTask"]

_ROWS = "likelihood"  # what the harness calls (right option, log-probabilities)


class CalibratedTask(ConfigurableTask):  # type: ignore[misc]
    """A multiple-choice task whose results hold the calibration error and its null band.

    A task's YAML names it, with the metrics that it adds:

    .. code-block:: yaml

        class: !function temperance.harness.CalibratedTask
        metric_list:
          - metric: acc
            aggregation: mean
            higher_is_better: true
          - metric: ece
          - metric: ece_null_high

    Parameters
    ----------
    config : mapping
        That of the YAML. Of `metric_list`, the entries `ece`, `ece_null_high` (95 % of perfectly
        calibrated models stay at or below), `ece_p_value` and `log_loss` (in nats) are ours, each
        with an optional `n_bins` (15); where none is named, all four are shown. The others are the
        harness's own, and may be left out.

    Raises
    ------
    InvalidInputError
        The task is not of the output type `multiple_choice`; `n_bins` is no count.

    Notes
    -----
    Probabilities are the softmax of the options' log-probabilities, as `acc` ranks them.
    Documents of several right options, or of none, are left out of these metrics.
    Standard errors are "N/A": the null band says what chance explains.
    """

    def __init__(self, config: Mapping[str, Any] | None = None) -> None:
        settings = dict(config or {})
        settings.pop("class", None)
        output = settings.get("output_type")
        if output != "multiple_choice":
            msg = (
                "`output_type` must be multiple_choice for temperance.harness.CalibratedTask, got "
                f"{output!r}: other outputs hold no probability of being right."
            )
            raise InvalidInputError(msg)
        metrics = settings.pop("metric_list", None) or []
        own = [each for each in metrics if each.get("metric") in MEASURES]
        others = [each for each in metrics if each.get("metric") not in MEASURES]
        self._own_metrics = {
            each["metric"]: as_count(each.get("n_bins", 15), name="n_bins")
            for each in own or [{"metric": name} for name in MEASURES]
        }
        if others:
            settings["metric_list"] = others
        super().__init__(config=settings)
        self._shows_rows = _ROWS in self._metric_fn_list
        self._metric_fn_list.setdefault(_ROWS, None)

    def process_results(self, doc: Any, results: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the harness's metrics of one document, and what ours are made of."""
        results_of_row: dict[str, Any] = dict(super().process_results(doc, results))
        gold, log_probs = results_of_row[_ROWS]
        if not self._shows_rows:
            del results_of_row[_ROWS]
        options = [float(each) for each in log_probs]
        if isinstance(gold, list) and len(gold) == 1:
            (gold,) = gold
        if (
            isinstance(gold, list)
            or gold < 0
            or len(options) < 2
            or not all(map(isfinite, options))
        ):
            return results_of_row
        return results_of_row | dict.fromkeys(self._own_metrics, (int(gold), options))

    def aggregation(self) -> dict[str, Callable[..., float]]:
        """Return what makes one number of each metric's documents."""
        own = {
            name: partial(measure_of, name=name, n_bins=n_bins)
            for name, n_bins in self._own_metrics.items()
        }
        return {**super().aggregation(), **own}

    def higher_is_better(self) -> dict[str, bool]:
        """Return the direction of each metric; a p-value that is high is no evidence."""
        return {
            **super().higher_is_better(),
            **{name: name == "ece_p_value" for name in self._own_metrics},
        }
