"""Whether new rows have moved away from those that a temperature was fitted on, as a gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from temperance.checks.arguments import as_word, require_type
from temperance.gates.gated import Gated, passes, undecided_words
from temperance.shift.diagnosis import REFITTED, Diagnosis
from temperance.show import interval_text, number_text, p_text

if TYPE_CHECKING:
    from temperance.gates.gated import GateVerdict, Undecided

__all__ = ["ShiftGate", "check_shift"]

_ALPHA = 0.05  # of both gates together
_NAMES = {"temperature": "temperature", "class_frequencies": "class frequencies"}


@dataclass(frozen=True, slots=True)
class ShiftGate(Gated):
    """What may have moved, and whether it has.

    Attributes
    ----------
    what : {"temperature", "class_frequencies"}
        What is judged.
    value, low, high : float or None
        Of the temperature: what fitting it again on the new rows changes the log loss by (nats per
        row, cross-fitted; below 0 is a gain), with its 95 % interval. None without labels.
    p_value : float or None
        Of the class frequencies: the chance of mean probabilities as far apart. None where there
        are too few rows.
    finding : {"moved", "no sign of it", "cannot tell"}
        What these say.
    reason : str
        Why one cannot tell, or what has moved a temperature that cannot be fitted again; else "".
    verdict : {"failed", "passed", "undecided"}
        Failed: moved. Passed: no sign of it. Undecided: these rows cannot tell.
    passed : bool
        The verdict, or what an undecided gate is taken for.
    """

    what: Literal["temperature", "class_frequencies"]
    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    reason: str
    verdict: GateVerdict
    passed: bool

    @property
    def finding(self) -> str:
        """The verdict as one says it of rows."""
        words = {"failed": "moved", "passed": "no sign of it", "undecided": "cannot tell"}
        return words[self.verdict]

    @property
    def option(self) -> str:
        """What sets the gate."""
        return "--fail-if moved"

    @property
    def title(self) -> str:
        """What is judged."""
        return _NAMES[self.what]

    @property
    def cells(self) -> tuple[str, str, str]:
        """The gain of a re-fit with its interval, or the p-value; and what it must be."""
        if self.what == "class_frequencies":
            return p_text(self.p_value) or "untested", "", "as in the reference"
        if self.value is None or self.low is None or self.high is None:
            return "unknown", "", "no gain by a re-fit"
        interval = interval_text(self.low, self.high, sign=True)
        return number_text(self.value, sign=True), interval, "no gain by a re-fit"

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON holds."""
        names = (
            "what",
            "value",
            "low",
            "high",
            "p_value",
            "finding",
            "reason",
            "verdict",
            "passed",
        )
        return {"option": self.option, **{name: getattr(self, name) for name in names}}

    def in_words(self, *, of_command: bool = False) -> str:
        """Say in a line how the gate ended and why; `of_command` by its options."""
        value, interval, _ = self.cells
        measurement = f" ({value})"
        if self.what == "temperature":
            by = f", 95 % interval {interval}" if interval else ""
            measurement = f" (re-fitted, the log loss changes by {value}{by})" if by else ""
        if self.verdict == "failed":
            return (
                f"gate failed: {self.title} moved{self.reason and f': {self.reason}'}{measurement}"
            )
        if self.verdict == "passed":
            return f"gate passed: {self.title}, no sign of a move{measurement}"
        end = undecided_words(passed=self.passed, of_command=of_command)
        return f"gate undecided: {self.title}, {self.reason}{measurement}. {end}."


def check_shift(diagnosis: Diagnosis, *, undecided: Undecided = "pass") -> tuple[ShiftGate, ...]:
    """Judge whether new rows have moved away from the reference.

    Parameters
    ----------
    diagnosis : Diagnosis
        What `temperance.shift.diagnose` returns.
    undecided : {"pass", "fail"}, default "pass"
        What a gate is taken for where the rows cannot tell.

    Returns
    -------
    tuple of ShiftGate
        Of the temperature, and of the class frequencies.

    Raises
    ------
    InvalidInputError
        No diagnosis; another `undecided`.

    Notes
    -----
    The temperature has moved where fitting it again pays for sure: the whole 95 % interval of the
    (cross-fitted) change of the log loss is below 0. There is no sign of it where the diagnosis
    says that it holds: no sure gain, and rows enough to know T within a factor of 1.3. Where the
    new rows have no best temperature, it has moved if that refutes the reference's (an e-value of
    40, `temperance.shift.NoOptimum`). Without labels one cannot tell. The class frequencies have
    moved where the mean probabilities are farther apart than chance (p < .025; without labels,
    where nothing else is judged, p < .05) and, with labels, correcting for that lowers the log
    loss. So rows that come as the reference did fail in at most 5 % of samples.

    Examples
    --------
    >>> import numpy as np
    >>> from temperance.shift import diagnose
    >>> rng = np.random.default_rng(0)
    >>> z = 3 * rng.normal(size=(4000, 3))
    >>> y = (z / 1.5 + rng.gumbel(size=z.shape)).argmax(axis=1)
    >>> diagnosis = diagnose(z[:2000], y[:2000], 2 * z[2000:], y[2000:], n_resamples=100)
    >>> [(gate.what, gate.finding) for gate in check_shift(diagnosis)]
    [('temperature', 'moved'), ('class_frequencies', 'no sign of it')]
    """
    require_type(diagnosis, Diagnosis, name="diagnosis", rule="what `shift.diagnose` returns")
    as_word(undecided, ("pass", "fail"), name="undecided")
    return _of_temperature(diagnosis, undecided), _of_frequencies(diagnosis, undecided)


def _of_temperature(diagnosis: Diagnosis, undecided: Undecided) -> ShiftGate:
    verdict: GateVerdict = "undecided"
    value = low = high = None
    reason = "without labels nobody can say whether it holds"
    if diagnosis.comparison is not None:
        reason = "too few new rows to tell"
        none = diagnosis.no_optimum
        if none is not None and none.tells:
            reason = f"the new rows have no best one, for {none.cause}"
            verdict = "failed" if none.sure else "undecided"
        if REFITTED in diagnosis.comparison.differences:
            again = diagnosis.comparison.differences[REFITTED].log_loss
            value, low, high = again.to_dict().values()
            if again.high < 0.0:
                verdict = "failed"
            elif diagnosis.verdict in {"holds", "frequencies moved"}:
                verdict = "passed"
    if verdict == "passed" or (verdict == "failed" and value is not None):
        reason = ""
    return ShiftGate(
        "temperature", value, low, high, None, reason, verdict, passes(verdict, undecided)
    )


def _of_frequencies(diagnosis: Diagnosis, undecided: Undecided) -> ShiftGate:
    p, gain = diagnosis.frequencies.p_value, diagnosis.correction
    verdict: GateVerdict = "passed"
    reason = ""
    if p is None:
        verdict, reason = "undecided", "too few rows a class to compare them"
    elif p < _ALPHA:
        sure = p < _ALPHA * (1.0 if diagnosis.comparison is None else 0.5)
        pays = gain is None or gain.value < 0.0
        verdict = "failed" if sure and pays else "undecided"
        reason = "their mean probabilities have moved, but correcting for that gains nothing sure"
    return ShiftGate(
        "class_frequencies", None, None, None, p, reason if verdict == "undecided" else "",
        verdict, passes(verdict, undecided),
    )  # fmt: skip
