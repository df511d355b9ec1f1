"""One number as an argument: what counts as one, its range, and what the message says."""

from fractions import Fraction

import numpy as np
import pytest

from temperance.checks.arguments import (
    as_count,
    as_level,
    as_not_negative,
    as_number,
    as_positive,
    as_seed,
    as_share,
    as_whole,
    value_text,
)
from temperance.errors import InvalidInputError

NO_NUMBERS = [
    None, True, False, np.True_, "1", "0.5", b"1", "", [], [0.5], (1,), {}, np.array([0.5]),
    np.array(["1"]), np.array("1"), 1j, np.complex128(1), object(), np.timedelta64(1, "s"),
    np.datetime64("2020-01-01"), float, Fraction,
]  # fmt: skip
NOT_FINITE = [float("nan"), float("inf"), float("-inf"), np.float64("nan"), 10**400, -(10**400)]
CHECKS = [as_number, as_positive, as_not_negative, as_share, as_level, as_count, as_seed, as_whole]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("value", [*NO_NUMBERS, *NOT_FINITE], ids=lambda v: value_text(v)[:20])
def test_what_is_no_finite_number_is_refused_with_its_rule(check, value):
    """Text, booleans, lists, arrays with axes, complex numbers and infinities are refused."""
    if check in {as_count, as_seed, as_whole} and type(value) is int:
        return
    with pytest.raises(InvalidInputError, match=r"^`x` must be .*, got [^\n]+\.$"):
        check(value, name="x")


@pytest.mark.parametrize(
    "value", [1, 1.0, np.float32(1), np.int8(1), np.uint64(1), np.array(1.0), np.float16(1)]
)
def test_numpys_numbers_are_numbers(value):
    """Scalars of NumPy and arrays without axes count, and come back as Python's."""
    assert [type(as_number(value, name="x")), type(as_count(value, name="x"))] == [float, int]
    assert as_number(value, name="x") == as_count(value, name="x") == 1


@pytest.mark.parametrize(
    ("check", "inside", "outside"),
    [
        (as_positive, [5e-324, 1e308], [0, -1.0]),
        (as_not_negative, [0, 1e308], [-5e-324]),
        (as_share, [0, 1, 0.5], [-1e-300, 1.0000001]),
        (as_level, [1e-300, 1 - 1e-16], [0, 1, 1.0]),
        (as_count, [1, 15.0, 2**70], [0, -1, 1.5]),
        (as_seed, [0, 10**30], [-1, 0.5]),
        (as_whole, [-3, 0, 2.0], [0.5]),
    ],
)
def test_ranges(check, inside, outside):
    """Each check holds its range, ends as its name says."""
    for value in inside:
        assert check(value, name="x") == value
    for value in outside:
        with pytest.raises(InvalidInputError):
            check(value, name="x")


@pytest.mark.parametrize(
    ("value", "advice"),
    [(95, " A percentage? 95 % is 0.95."), (2.5, " A percentage? 2.5 % is 0.025."),
     (1.0, ""), (1.001, ""), (101, ""), (-5, ""), (float("nan"), ""), ("95", "")],
)  # fmt: skip
def test_a_percentage_in_place_of_a_share_is_asked_about(value, advice):
    """Wherever a share is asked for, and not where larger numbers are in range."""
    with pytest.raises(InvalidInputError) as refused:
        as_level(value, name="level")
    assert str(refused.value).endswith(f".{advice}")
    assert ("percentage" in str(refused.value)) == bool(advice)
    with pytest.raises(InvalidInputError) as refused:
        as_number(value, name="x", rule="a number above 1,000", above=1000.0)
    assert "percentage" not in str(refused.value)


def test_a_count_has_an_upper_end_where_one_is_given():
    """The message says both ends, and the hint follows."""
    assert as_count(7, name="n", most=7) == 7
    with pytest.raises(InvalidInputError) as refused:
        as_count(10**9, name="n_bins", most=10_000, hint="Fewer.")
    message = "`n_bins` must be a whole number from 1 to 10,000, got 1000000000. Fewer."
    assert str(refused.value) == message


def test_text_of_any_value_is_one_short_line():
    """Numbers of 5,000 digits, line breaks, escape sequences and NumPy's names stay out."""
    assert value_text(np.float64(2.5)) == "2.5"
    for value in ("a\nb\x1b[31m" * 99, 10**5000, -(10**5000), [1] * 1000, np.zeros((9, 9))):
        text = value_text(value)
        assert len(text) <= 40
        assert text.isprintable()
