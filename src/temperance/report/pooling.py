"""An ensemble in the report: the weights of its models, and other ways of pooling them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from temperance.calibrators import Ensemble
from temperance.report.ways import way_tables
from temperance.show import interval_text, number_text

if TYPE_CHECKING:
    from temperance.compare import Comparison
    from temperance.report.content import ReportContent

__all__ = ["pooling_section"]

_MEASURES = ("log_loss", "ece", "accuracy")
_POOLS = {
    "linear": "the weighted mean of the models' probabilities",
    "log": "the weighted mean of the models' log probabilities",
}
_VERDICTS = {
    "better": "is better by",
    "worse": "is worse by",
    "cannot tell": "cannot be told from that:",
    "the same": "is the same:",
}


def pooling_section(content: ReportContent) -> dict[str, Any] | None:
    """Return weights, tables and the sentence that says what they show; None of other methods."""
    ensemble, pooling = content.calibrator, content.pooling
    if not isinstance(ensemble, Ensemble):
        return None
    names = content.members or tuple(f"model {i + 1}" for i in range(len(ensemble.weights)))
    return {
        "pool": _POOLS[ensemble.pool],
        "weights": [
            (name, f"{weight:.3f}")
            for name, weight in zip(names, ensemble.weights.tolist(), strict=True)
        ],
        "tables": [] if pooling is None else way_tables(pooling, measures=_MEASURES),
        "sentence": "" if pooling is None else _sentence(pooling),
    }


def _sentence(pooling: Comparison) -> str:
    """Return how the ensemble does against every other kind of way, by log loss."""
    own = pooling.evaluations[pooling.baseline].log_loss.value
    alone = [name for name in pooling.differences if name.endswith(" alone")]
    best = min(alone, key=lambda name: pooling.evaluations[name].log_loss.value)
    ways = [name for name in pooling.differences if name not in alone]
    said = "; ".join(_against(pooling, name) for name in (*ways, best))
    return (
        f"The log loss of \u201c{pooling.baseline}\u201d is {number_text(own)}; against it, {said}."
    )


def _against(pooling: Comparison, name: str) -> str:
    differences = pooling.differences[name]
    found = differences.log_loss
    ends = interval_text(found.low, found.high, sign=True)
    verdict = _VERDICTS[differences.verdict("log_loss")]
    return f"\u201c{name}\u201d {verdict} {number_text(found.value, sign=True)} ({ends})"
