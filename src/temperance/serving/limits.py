"""What a service takes: how large, how long, how many at once; and how it says no."""

from __future__ import annotations

from dataclasses import dataclass

from temperance.checks.arguments import as_count, as_positive
from temperance.errors import InvalidInputError
from temperance.printable import count_text

__all__ = ["Limits", "RefusalError"]


class RefusalError(InvalidInputError):
    """A request that is not answered, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken of one request, and of all at once.

    Parameters
    ----------
    max_bytes : int, default 16 MiB
        Of a body, and of what is packed in it; more is refused with 413, and so are rows of
        different lengths that, padded to the longest, are more than half as many numbers.
    max_rows : int, default 100,000
        Rows of a request; more are refused with 413.
    max_seconds : float, default 30
        From the head of a request to its answer: a body that is not there by then is refused with
        408, one that could not be worked on with 503. As long connections wait for a head, and a
        server that is told to stop for its last answers.
    max_waiting : int, default 32
        Large bodies that are worked on or wait for it; more are refused with 503.

    Raises
    ------
    InvalidInputError
        A number that is not above 0.

    Examples
    --------
    >>> Limits(max_rows=10).max_rows
    10
    """

    max_bytes: int = 1 << 24
    max_rows: int = 100_000
    max_seconds: float = 30.0
    max_waiting: int = 32

    def __post_init__(self) -> None:
        as_positive(self.max_seconds, name="max_seconds")
        for name in ("max_bytes", "max_rows", "max_waiting"):
            as_count(getattr(self, name), name=name)

    def check_rows(self, rows: int) -> None:
        """Raise if a request has more rows than are taken."""
        if rows > self.max_rows:
            msg = (
                f"the request has {count_text(rows, 'row')}; at most {self.max_rows:,} are taken "
                "at once. Send them in parts."
            )
            raise RefusalError(413, msg)

    def check_options(self, rows: int, longest: int) -> None:
        """Raise if rows of different lengths, padded to the longest, are more than a body holds."""
        most = self.max_bytes // 2  # a number of JSON, and what parts it from the next
        if rows * longest > most:
            msg = (
                f"the longest of {count_text(rows, 'row')} has {count_text(longest, 'option')}, "
                f"with which all rows hold more than the {most:,} numbers that are taken. Send "
                "rows of about one length together."
            )
            raise RefusalError(413, msg)

    def check_bytes(self, size: int, *, what: str = "the body") -> None:
        """Raise if a body, or what is packed in it, is larger than what is taken."""
        if size > self.max_bytes:
            msg = (
                f"{what} is larger than the {self.max_bytes:,} bytes that are taken. Send the rows "
                "in parts."
            )
            raise RefusalError(413, msg)
