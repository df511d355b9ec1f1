"""A fitted temperature as people see it: two lines, a table, a picture of what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.show import Table, number_text, p_text, sketch

if TYPE_CHECKING:
    from temperance.calibrators.record import FitRecord
    from temperance.calibrators.temperature import TemperatureScaling

__all__ = ["map_sketch", "temperature_lines", "temperature_table"]


def temperature_lines(scaling: TemperatureScaling) -> list[str]:
    """The temperature with its interval, and the score test, in words."""
    record = scaling.record
    if record is None:
        return [f"temperature {scaling.temperature:.4f}, typed in"]
    return [
        (
            f"temperature {record.temperature:.4f} (95 %: {_interval(record)}), "
            f"from {record.n:,} rows in {record.passes} passes"
        ),
        f"the model is {_test_in_words(record)}",
    ]


def temperature_table(scaling: TemperatureScaling) -> Table:
    """One row per fact of the fit."""
    record = scaling.record
    rows = [("temperature", f"{scaling.temperature:.4f}")]
    if record is not None:
        rows += [
            ("95 % interval", _interval(record)),
            ("rows of the fit", f"{record.n:,}"),
            ("log loss at T = 1", number_text(record.log_loss_before)),
            ("log loss at this T, same rows", number_text(record.log_loss_after)),
            ("the model is", _test_in_words(record)),
        ]
        if record.prior:
            rows.append(("prior on T = 1", f"{record.prior:g} pseudo-rows"))
    if scaling.n_classes is not None:
        rows.append(("classes", f"{scaling.n_classes:,}"))
    return Table(("temperature scaling", ""), tuple(rows), words=frozenset({1}))


def map_sketch(temperature: float) -> str:
    """Probability of one of two classes before (across) and after (upwards)."""
    said = np.linspace(0.0, 1.0, 101)[1:-1]
    odds = np.log(said / (1.0 - said)) / temperature
    after = 1.0 / (1.0 + np.exp(-odds))
    across, up = np.r_[0.0, said, 1.0], np.r_[0.0, after, 1.0]
    return sketch(
        across, up, name="probability before and after",
        words=f"of two classes, 90 % becomes {100 * _after(0.9, temperature):.0f} %",
        across_name="probability before", up_name="after",
    )  # fmt: skip


def _after(said: float, temperature: float) -> float:
    odds: float = (said / (1.0 - said)) ** (1.0 / temperature)
    return odds / (1.0 + odds)


def _interval(record: FitRecord) -> str:
    low, high = record.interval(0.95)
    return f"{low:.4g} to {high:.4g}"


def _test_in_words(record: FitRecord) -> str:
    test = record.score_test
    z = f"{test.z:.1f}" if abs(test.z) < 1e6 else "beyond measure"
    return f"{test.direction} (score test of T = 1: z = {z}, {p_text(test.p_value)})"
