"""The fit of one temperature on labelled rows, wherever they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.calibrators.existence import require_optimum
from temperance.calibrators.newton import Minimum, minimise
from temperance.calibrators.record import TemperatureRecord
from temperance.checks.scores import refuse_tiny
from temperance.errors import InvalidInputError, NoOptimumError

if TYPE_CHECKING:
    from temperance.blocks import LabelledRows
    from temperance.kernels.loss import LossPass

__all__ = ["temperature_record"]

_EXTREME = (
    "`logits` are so small, or so large, that no temperature from 1e-100 to 1e100 is the best: "
    "multiply all of them by one number first, so that they differ by about 1."
)
_ROUGH = 0.05  # last step on a sample, relative: what is left of it is far below its own error


def temperature_record(rows: LabelledRows, *, prior: float = 0.0) -> TemperatureRecord:
    """Return the temperature that minimises the log loss, with its record.

    The search starts where a sample of the rows has its minimum, so that all rows are read two or
    three times.
    """
    minimum = _minimum(rows, prior=prior, start=_start(rows, prior=prior))
    return TemperatureRecord.of(minimum, prior=prior, readings=rows.sample_readings)


def _start(rows: LabelledRows, *, prior: float) -> float:
    """Return the minimum of a sample; 1 where there is no sample, or no minimum on it."""
    sample = rows.sample()
    if sample is None:
        return 1.0
    try:
        start = _start(sample, prior=prior)
        return _minimum(sample, prior=prior, start=start, last_step=_ROUGH).beta
    except NoOptimumError:
        return 1.0
    except InvalidInputError:  # which row of all rows is it?
        rows.refuse_bad_values()
        raise


def _minimum(rows: LabelledRows, *, prior: float, start: float, **settings: float) -> Minimum:
    def read(betas: tuple[float, ...]) -> LossPass:
        try:
            sums = rows.loss_pass(betas)
        except (OverflowError, ZeroDivisionError) as error:  # powers of a temperature
            rows.refuse_bad_values()
            raise InvalidInputError(_EXTREME) from error
        if not sums.finite:
            rows.refuse_bad_values()
            msg = "`logits` differ so much within a row that their log loss overflows."
            raise InvalidInputError(msg)
        refuse_tiny(sums.widest)
        return sums

    return minimise(
        read,
        require_existence=lambda: require_optimum(rows.existence_sums()),
        prior=prior,
        start=start,
        **settings,
    )
