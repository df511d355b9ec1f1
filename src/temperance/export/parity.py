"""The proof of an export: the same rows through `apply` and through what was exported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import InvalidInputError, TemperanceError
from temperance.frozen import Plain
from temperance.numerics import softmax
from temperance.printable import digits_text
from temperance.show import Shown, Table

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

__all__ = [
    "STRICTLY_INSIDE",
    "Latency",
    "Parity",
    "ParityError",
    "check_parity",
    "made_rows",
    "probs_of_kind",
]

MADE_ROWS = 1000  # where nobody gives any
_ROWS_TEXT = "{n:,} made rows"
STRICTLY_INSIDE = np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg  # of 0 and 1
_SCALES = (0.1, 1.0, 5.0, 30.0)  # of the logits of made rows: unsure to certain


@dataclass(frozen=True, slots=True)
class Latency(Plain):
    """What calling a model costs without the map and with it: medians, in microseconds."""

    batch: int  # rows of a call
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class Parity(Shown, Plain):
    """What an export gave beside `apply`, on the same rows.

    Attributes
    ----------
    target : str
        What ran the export: "DuckDB 1.4.1".
    rows : str
        The rows in words: "5,000 rows of test.npz", or "1,000 made rows".
    n : int
        Number of rows.
    largest_difference : float
        Of any probability, absolute; lower is better.
    tolerance : float
        The most that it may be.
    class_agreement : float
        Share of rows whose predicted class is the same, in [0, 1]; where two classes of a row are
        within the tolerance of each other, either is.
    latency : tuple of Latency
        How long calls took, where that was measured.
    """

    json_keys = (
        "target", "rows", "n", "largest_difference", "tolerance", "class_agreement", "latency",
        "holds",
    )  # fmt: skip

    target: str
    rows: str
    n: int
    largest_difference: float
    tolerance: float
    class_agreement: float
    latency: tuple[Latency, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the numbers are the same."""
        return self.largest_difference <= self.tolerance and self.class_agreement == 1.0

    def tables(self) -> tuple[Table, ...]:
        """Return one table: what was compared, on which rows, and how close it is."""
        agreement = f"{100.0 * self.class_agreement:.6g} % of rows"
        rows = [
            ("run by", self.target),
            ("on", self.rows),
            ("largest difference", f"{self.largest_difference:.1e} (at most {self.tolerance:.0e})"),
            ("same predicted class", agreement),
        ]
        rows += [
            (
                f"a call of {each.batch:,} {'row' if each.batch == 1 else 'rows'}",
                f"{digits_text(each.before, 3)} us before, {digits_text(each.after, 3)} us after",
            )
            for each in self.latency
        ]
        return (Table(("parity", "holds" if self.holds else "FAILS"), tuple(rows)),)

    def columns(self) -> dict[str, list[Any]]:
        """Return one row of plain values."""
        own = self.to_dict()
        del own["latency"]
        return {name: [value] for name, value in own.items()}


class ParityError(TemperanceError):
    """What was exported does not give the calibrated numbers; nothing was written.

    Attributes
    ----------
    parity : Parity
        How far off it is, on which rows.
    """

    def __init__(self, message: str, *, parity: Parity) -> None:
        super().__init__(message)
        self.parity = parity


def check_parity(
    expected: Array,
    exported: Array,
    *,
    target: str,
    rows: str,
    tolerance: float,
    latency: tuple[Latency, ...] = (),
) -> Parity:
    """Compare the probabilities of an export with those of `apply`.

    Parameters
    ----------
    expected, exported : ndarray, shape (n, k)
        Probabilities of `apply` and of the export, of the same rows.
    target, rows : str
        As in `Parity`.
    tolerance : float
        Largest difference that is the rounding of the other program.
    latency : tuple of Latency, optional
        As in `Parity`.

    Returns
    -------
    Parity
        Of which `holds` is true.

    Raises
    ------
    ParityError
        A probability differs by more, is nan, or another class is predicted; its `parity` has the
        figures. The message names the first row and the class.
    InvalidInputError
        Other shapes, or no rows.

    Examples
    --------
    >>> import numpy as np
    >>> halves = np.full((3, 2), 0.5)
    >>> check_parity(halves, halves + 1e-9, target="x", rows="3 rows", tolerance=1e-6).holds
    True
    """
    if expected.shape != exported.shape:
        msg = (
            f"{target} gave probabilities of shape {exported.shape}, where the calibrator gives "
            f"{expected.shape}."
        )
        raise InvalidInputError(msg)
    if not len(expected):
        msg = f"{target}: no rows prove nothing. Give some, or leave `verify` (--verify) out."
        raise InvalidInputError(msg)
    differences = np.abs(exported - expected)
    differences[np.isnan(differences)] = np.inf
    of_class = np.take_along_axis(expected, exported.argmax(axis=1)[:, None], axis=1)[:, 0]
    same = of_class >= expected.max(axis=1) - 2.0 * tolerance
    parity = Parity(
        target=target,
        rows=rows,
        n=len(expected),
        largest_difference=float(differences.max(initial=0.0)),
        tolerance=tolerance,
        class_agreement=float(same.mean()) if len(same) else 1.0,
        latency=latency,
    )
    if not parity.holds:
        row, c = np.unravel_index(differences.argmax(), differences.shape)
        msg = (
            f"{target} does not give the calibrated numbers: row {row}, class {c}: "
            f"{exported[row, c]:.6g} where the calibrator gives {expected[row, c]:.6g} (largest "
            f"difference {parity.largest_difference:.1e}, at most {tolerance:.0e}). Nothing was "
            "written."
        )
        raise ParityError(msg, parity=parity)
    return parity


def made_rows(
    n_classes: int, *, kind: str = "logits", n: int = MADE_ROWS, seed: int = 0
) -> tuple[Array, str]:
    """Return logits from unsure to certain, with ties and offsets, and what they are in words.

    Parameters
    ----------
    n_classes : int
        Number of columns, at least 1.
    kind : str, default "logits"
        Of the calibrator: "logits" of two classes also run evenly through all log-odds from -40 to
        40, so that every piece of a curve is met.
    n : int, default 1000
        Number of rows.
    seed : int, default 0
        Of the draw.

    Returns
    -------
    tuple of ndarray, shape (n, n_classes), and str
        The rows, and "1,000 made rows".
    """
    rng = np.random.default_rng(seed)
    scales = np.array(_SCALES)[np.arange(n) % len(_SCALES)]
    z = rng.normal(size=(n, n_classes)) * scales[:, None]
    z[::10] = np.round(z[::10])  # ties
    if kind == "logits":
        z[::7] += 50.0  # an offset, which changes no probability
        if n_classes == 2:
            odds = np.linspace(-40.0, 40.0, len(z[::2]))
            z[::2] = np.stack([np.zeros_like(odds), odds], axis=1)
    return z, _ROWS_TEXT.format(n=n)


def probs_of_kind(logits: Array, kind: str) -> Array:
    """Return the probabilities that a model with these logits gives; of labels, never 0 or 1."""
    if kind != "multilabel":
        return softmax(logits)
    return np.clip(np.exp(-np.logaddexp(0.0, -logits)), *STRICTLY_INSIDE)
