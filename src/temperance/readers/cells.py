"""Text cells of a table as numbers: missing ones, percentages, decimal commas, lists."""

from __future__ import annotations

import math
import re
from array import array
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from temperance.readers.request import TextScores

__all__ = ["INFINITY", "MISSING", "NumberCells", "is_missing", "number_list"]

# What programs write where they have no value, in small letters; "" is a blank cell.
MISSING = frozenset(
    {"", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "none", "nil", "nat", "."}
)
INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_LIST = re.compile(r"\[(.*)\]", re.DOTALL)
_SPARSE = re.compile(r"\(\s*(\d+)\s*,\s*\[(.*)\]\s*,\s*\[(.*)\]\s*\)", re.DOTALL)
_LONGEST_LIST = 1 << 24


def is_missing(cell: str) -> bool:
    """Whether the cell is blank or says that it holds no value."""
    return cell.strip().casefold() in MISSING


class NumberCells:
    """One column of numbers, added some cells at a time; missing cells become NaN.

    Cells are read as what they say: `52.69%` is 0.5269, and `0,5` is a half where no cell of the
    column has a point and not all of them could have a comma between thousands. Where the mark is
    said, `decimal`, there is no doubt, and the other one is refused.
    """

    def __init__(
        self, name: str, *, hint: str = "", texts: TextScores | None = None,
        decimal: str | None = None,
    ) -> None:  # fmt: skip
        self.percent = False
        self.decimal = decimal
        self._scale = texts
        self._name = name
        self._hint = hint
        self._parts: list[NDArray[np.float64]] = []
        self._point: int | None = None  # line of the first cell with a decimal point
        self._comma: tuple[int, str] | None = None  # line and text of the first with a comma
        self._decimal = False  # some comma cannot be one between thousands

    def add(self, cells: Sequence[str], lines: Sequence[int]) -> NDArray[np.bool_]:
        """Convert more cells; return which are missing."""
        numbers = None if self._scale is not None else self._fast(cells)
        if numbers is None:
            pairs = zip(cells, lines, strict=True)
            numbers = np.array([self._number(cell, line) for cell, line in pairs])
            self._check_commas()
        self._parts.append(numbers)
        return np.isnan(numbers)

    def add_numbers(self, numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Add cells that are plain numbers, converted elsewhere; none of them is missing."""
        self._parts.append(numbers)
        return np.zeros(len(numbers), dtype=np.bool_)

    @property
    def found_comma(self) -> bool:
        """Whether commas were taken for decimal ones, unasked."""
        return self._comma is not None

    def values(self) -> NDArray[np.float64]:
        """Return all numbers so far."""
        if self._comma is not None and not self._decimal:
            line, cell = self._comma
            msg = (
                f"line {line}: column `{self._name}`: {quoted(cell)} may be a decimal comma or one "
                "between thousands; say --decimal , for the first, or write numbers with a decimal "
                "point and no commas."
            )
            raise FileFormatError(msg)
        return np.concatenate(self._parts)

    def _fast(self, cells: Sequence[str]) -> NDArray[np.float64] | None:
        """Convert cells of plain numbers at once; None if there are others."""
        if self.decimal == ",":
            if any("." in cell for cell in cells):
                return None
            cells = [cell.replace(",", ".") for cell in cells]
        try:
            numbers = np.array(cells, dtype=np.float64)
        except ValueError:
            return None
        infinite = np.flatnonzero(np.isinf(numbers)).tolist()
        if "_" in (joined := "".join(cells)):
            return None
        if not all(INFINITY.fullmatch(cells[int(i)].strip()) for i in infinite):
            return None
        if self._point is None and "." in joined:
            self._point = -1
        return numbers

    def _number(self, cell: str, line: int) -> float:
        text = cell.strip()
        if text.casefold() in MISSING:
            return math.nan
        if self._scale is not None:
            value = self._scale.as_number(text)
            if value is None:
                raise self._refusal(cell, line)
            return value
        hundredth = text.endswith("%")
        if hundredth:
            text, self.percent = text[:-1].rstrip(), True
        plain = self._pointed(text, cell, line)
        number = _as_float(_over_hundred(plain) if hundredth else plain)
        if number is None or math.isnan(number):
            raise self._refusal(cell, line)
        if math.isinf(number) and INFINITY.fullmatch(text) is None:
            msg = (
                f"line {line}: column `{self._name}`: {quoted(cell)} is beyond every float; "
                "an option that does not exist is written -inf."
            )
            raise FileFormatError(msg)
        return number

    def _pointed(self, text: str, cell: str, line: int) -> str:
        """Return a number with a decimal point, as its mark is said or as the column shows it."""
        if self.decimal is not None:
            if ("." if self.decimal == "," else ",") in text:
                raise self._refusal(cell, line)
            return text.replace(",", ".")
        if "," in text and "." not in text:
            if self._comma is None:
                self._comma = line, cell
            self._decimal = self._decimal or _THOUSANDS.fullmatch(text) is None
            return text.replace(",", ".", 1)
        if self._point is None and "." in text:
            self._point = line
        return text

    def _check_commas(self) -> None:
        if self._comma is not None and self._point is not None:
            line, cell = self._comma
            msg = (
                f"line {line}: column `{self._name}`: {quoted(cell)} has a comma, but other cells "
                "have a decimal point; write all numbers with a decimal point and no commas."
            )
            raise FileFormatError(msg)

    def _refusal(self, cell: str, line: int) -> FileFormatError:
        what = "numbers" if self._scale is None else self._scale.rule_of_texts
        mark = "" if self.decimal is None else f" with the decimal mark {self.decimal!r}"
        return FileFormatError(
            f"line {line}: column `{self._name}` must hold {what}{mark}, got {quoted(cell)}."
            f"{self._hint}"
        )


def _over_hundred(text: str) -> str:
    """Move the point of a number by two digits, as text, so that it is rounded once."""
    head, mark, power = text.partition("e" if "e" in text else "E")
    return f"{head}e{int(power or 0) - 2}" if not mark or power.lstrip("+-").isdecimal() else text


def _as_float(text: str) -> float | None:
    """Return the number; None if it is none (Python reads 1_000, tables do not mean it)."""
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def number_list(cell: str) -> array[float]:
    """Return the numbers of a list in a cell, the vector of a table.

    `[0.1, 0.9]` as JSON or Spark writes it, `[0.1 0.9]` as NumPy prints it, and Spark's sparse
    `(3,[0,2],[0.1,0.9])`, whose other entries are 0.

    Raises
    ------
    FileFormatError
        It is no such list; the message has no place in it.
    """
    text = cell.strip()
    sparse = _SPARSE.fullmatch(text)
    if sparse:
        return _spread(cell, *sparse.groups())
    dense = _LIST.fullmatch(text)
    if not dense:
        msg = f"must hold lists of numbers such as [0.1, 0.9], got {quoted(cell)}."
        raise FileFormatError(msg)
    return _numbers(cell, dense[1])


def _numbers(cell: str, inside: str) -> array[float]:
    parts = inside.split(",") if "," in inside else inside.split()
    numbers = array("d")
    for part in parts:
        number = _as_float(part.strip())
        beyond = number is not None and math.isinf(number) and not INFINITY.fullmatch(part.strip())
        if number is None or beyond:
            what = "null or nothing" if part.strip().casefold() in MISSING else quoted(part.strip())
            msg = f"must hold lists of numbers; {quoted(cell)} holds {what}."
            raise FileFormatError(msg)
        numbers.append(number)
    if not numbers:
        msg = "must not have empty lists."
        raise FileFormatError(msg)
    return numbers


def _spread(cell: str, size: str, places: str, entries: str) -> array[float]:
    length = int(size) if len(size) < 10 else _LONGEST_LIST + 1
    where = _numbers(cell, places) if places.strip() else array("d")
    values = _numbers(cell, entries) if entries.strip() else array("d")
    if not 0 < length <= _LONGEST_LIST or len(where) != len(values):
        msg = f"must hold lists of numbers; {quoted(cell)} is no sparse vector."
        raise FileFormatError(msg)
    vector = array("d", bytes(8 * length))
    for place, number in zip(where, values, strict=True):
        if not (place.is_integer() and 0 <= place < length):
            msg = f"must hold lists of numbers; {quoted(cell)} is no sparse vector."
            raise FileFormatError(msg)
        vector[int(place)] = number
    return vector
