"""A fitted calibrator as people see it: a few lines, a table, a picture of what it does."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators.record import TemperatureRecord
from temperance.numerics import softmax
from temperance.printable import count_text
from temperance.show import Table, number_text, sketch
from temperance.significance import sharpness_in_words

if TYPE_CHECKING:
    from temperance.calibrators.calibrator import Calibrator

__all__ = [
    "calibrator_lines",
    "calibrator_table",
    "ends_text",
    "interval_of",
    "map_sketch",
    "parameter_rows",
    "regret_in_words",
    "temperature_of",
]

ParameterRow = tuple[str, float, float | None, float | None]


def temperature_of(calibrator: Calibrator) -> float | None:
    """Return the temperature of a method that has one for all rows; None of the others."""
    value = getattr(calibrator, "temperature", None)
    return None if value is None else float(value)


def interval_of(calibrator: Calibrator) -> tuple[float, float] | None:
    """Return the 95 % interval of the temperature; None where there is none."""
    record = calibrator.record
    return record.interval(0.95) if isinstance(record, TemperatureRecord) else None


def ends_text(low: float, high: float, digits: int = 4) -> str:
    """Return an interval of T in words: "1.2 to 1.5", "up to 1.5", "1.2 and more", "any"."""
    if low == 0.0:
        return "any" if high == inf else f"up to {high:.{digits}g}"
    return f"{low:.{digits}g} and more" if high == inf else f"{low:.{digits}g} to {high:.{digits}g}"


def calibrator_lines(calibrator: Calibrator) -> list[str]:
    """What was fitted, from what, and the score test, in words."""
    record = calibrator.record
    facts = ", ".join(f"{name} {text}" for name, text in _facts(calibrator))
    if record is None:
        return [f"{facts or calibrator.method}, typed in"]
    passes = count_text(record.passes, "pass", "passes")
    lines = [
        f"{facts or calibrator.method}, from {count_text(record.n, *calibrator.unit)} in {passes}"
    ]
    if isinstance(record, TemperatureRecord) and record.expected_regret is not None:
        lines.append(regret_in_words(record, record.expected_regret))
    if calibrator.reads_probabilities:
        lines.append(sharpness_in_words(record.score_test))
    return lines


def calibrator_table(calibrator: Calibrator) -> Table:
    """One row per fact of the fit."""
    record = calibrator.record
    rows = [("method", calibrator.name), *_facts(calibrator)]
    unit = count_text(2, *calibrator.unit).removeprefix("2 ")
    if record is not None:
        rows += [
            (f"{unit} of the fit", f"{record.n:,}"),
            (_before(calibrator), number_text(record.log_loss_before)),
            (f"log loss after, same {unit}", number_text(record.log_loss_after)),
        ]
        if calibrator.reads_probabilities:
            rows.append(("how sharp the model is", sharpness_in_words(record.score_test)))
        if isinstance(record, TemperatureRecord) and record.expected_regret is not None:
            rows.append(("cost of not knowing T better", _nats(record.expected_regret)))
        if record.floor is not None:
            raised = "" if record.n_floored is None else f"; {record.n_floored:,} raised to it"
            rows.append(("floor of probabilities", f"{record.floor:.4g}{raised}"))
        if record.prior:
            rows.append(
                (
                    "prior on no change",
                    f"{record.prior:g} pseudo-row{'' if record.prior == 1.0 else 's'}",
                )
            )
    if calibrator.n_classes is not None:
        rows.append(("classes", f"{calibrator.n_classes:,}"))
    return Table(("calibrator", ""), tuple(rows), words=frozenset({1}))


def regret_in_words(record: TemperatureRecord, regret: float) -> str:
    """What the width of the interval costs on new rows."""
    _, high = record.interval(0.95)
    return (
        f"not knowing it better (a factor of {high / record.temperature:.3g} up or down) costs "
        f"about {_nats(regret)} of log loss per new row"
    )


def parameter_rows(calibrator: Calibrator) -> list[ParameterRow]:
    """Return (name, value, low, high) of every number of the map."""
    known = calibrator.parameter_intervals()
    rows: list[ParameterRow] = []
    for name, value in calibrator.parameters().items():
        if name.endswith("_intervals"):
            continue  # they are the ends of other rows
        for path, number in _numbers(name, value):
            low, high = known.get(path, (None, None))
            rows.append((path, number, low, high))
    return rows


def map_sketch(calibrator: Calibrator) -> str:
    """Probability of one of two classes before (across) and after (upwards); "" of k > 2."""
    if calibrator.kind == "multilabel":
        return ""
    if calibrator.n_classes != 2 and temperature_of(calibrator) is None:
        return ""
    said = np.linspace(0.0, 1.0, 101)[1:-1]
    after = _of_two(calibrator, said)
    at_90 = float(_of_two(calibrator, np.array([0.9]))[0])
    return sketch(
        np.r_[0.0, said, 1.0], np.r_[0.0, after, 1.0], name="probability before and after",
        words=f"of two classes, 90 % becomes {100 * at_90:.0f} %",
        across_name="probability before", up_name="after",
    )  # fmt: skip


def _of_two(calibrator: Calibrator, said: np.ndarray) -> np.ndarray:
    """What becomes of the probability of class 1 of two classes."""
    odds = np.log(said / (1.0 - said))
    if calibrator.n_classes == 2:
        return softmax(calibrator.scaled(np.stack([np.zeros_like(odds), odds], axis=1)))[:, 1]
    temperature = temperature_of(calibrator)
    assert temperature is not None  # noqa: S101  (asked before)
    return np.asarray(1.0 / (1.0 + np.exp(-odds / temperature)))


def _facts(calibrator: Calibrator) -> list[tuple[str, str]]:
    temperature, facts = temperature_of(calibrator), calibrator.facts()
    if temperature is None:
        return facts
    ends = interval_of(calibrator)
    text = "" if ends is None else f" (95 %: {ends[0]:.4g} to {ends[1]:.4g})"
    return [("temperature", f"{temperature:.4f}{text}"), *facts]


def _numbers(name: str, value: Any) -> list[tuple[str, float]]:  # noqa: ANN401
    """Every number of a parameter, with the path to it."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return []
    if isinstance(value, int | float):
        return [(name, float(value))]
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return [pair for key, each in items for pair in _numbers(f"{name}[{key}]", each)]


def _before(calibrator: Calibrator) -> str:
    return "log loss before" if calibrator.reads_probabilities else "log loss of the base rate"


def _nats(value: float) -> str:
    return f"{value:.2g} nats"
