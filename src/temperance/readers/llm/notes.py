"""What was left out, bounded or refused, in sentences with its count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.readers.guard import named

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["SMALL_GROUP", "left_out", "notes"]

SMALL_GROUP = 20  # a smaller one tells next to nothing, and has no temperature of its own
_SHOWN = 5

_LEFT_OUT = {
    "refusals": "refusals",
    "without any option": "none of the options is shown",
    "lacking an option": "an option is missing (--missing drop)",
    "with less than two options": "less than two options are shown",
    "with a label not shown": "the label is not among the options shown (--missing shown)",
    "unlabelled": "no label, unlike other rows",
}


def notes(
    counts: Counter[str],
    *,
    n: int,
    filters: Collection[str],
    rounded: int | None,
    unseen: Sequence[str],
    groups: Mapping[str, int],
) -> tuple[str, ...]:
    """Return the sentences; `n` is the number of rows that are left."""
    found = list(_of_left_out(counts, filters))
    if counts["bounded rows"]:
        found.append(_of_bounds(counts, n, rounded))
    if counts["masked rows"]:
        found.append(
            f"{counts['masked rows']:,} of {n:,} rows are compared by the options shown only; "
            f"{_count(counts['masked options'], 'option')} not (--missing shown)."
        )
    if unseen:
        found.append(f"options that no row shows: {named(unseen)}; are they spelled as the tokens?")
    if counts["of several choices"]:
        found.append(
            f"{_count(counts['of several choices'], 'line')} with several choices (n > 1): only "
            "the first of each is read."
        )
    if counts["with unconditional log-probabilities"]:
        found.append(
            f"{_rows(counts['with unconditional log-probabilities'])} with log-probabilities "
            "without context as well (acc_mutual_info): these are not used."
        )
    if counts["duplicates"]:
        found.append(
            f"{_rows(counts['duplicates'])} with the id of an earlier row and the same label: "
            "counted twice, they make intervals too narrow."
        )
    small = [name for name, count in groups.items() if count < SMALL_GROUP]
    if small:
        more = "; ..." if len(small) > _SHOWN else ""
        found.append(
            f"groups of fewer than {SMALL_GROUP} rows, too few to judge them by: "
            f"{'; '.join(sorted(small)[:_SHOWN])}{more} ({len(small)} of {len(groups)})."
        )
    return tuple(found)


def left_out(counts: Counter[str], filters: Collection[str]) -> str:
    """Return what was left out, for the error that nothing is left."""
    found = [sentence.rstrip(".") for sentence in _of_left_out(counts, filters)]
    return "; ".join(found)


def _of_left_out(counts: Counter[str], filters: Collection[str]) -> list[str]:
    found = [
        f"{_rows(counts[key])} left out: {why}." for key, why in _LEFT_OUT.items() if counts[key]
    ]
    if counts["of other filters"]:
        found.append(
            f"{_rows(counts['of other filters'])} left out: of other filters, "
            f"{named(sorted(filters))} (--filter takes those of one)."
        )
    return found


def _of_bounds(counts: Counter[str], n: int, rounded: int | None) -> str:
    rows, options = counts["bounded rows"], _count(counts["bounded options"], "option")
    of_labels = counts["bounded labels"]
    right = f", {of_labels:,} of them the label" if of_labels else ""
    if rounded is None:
        bound = "the smallest log-probability shown in the row"
        what = "not shown"
    else:
        bound = f"half a unit of the last of {rounded} decimals"
        what = "rounded to 0"
    told = (
        f"{rows:,} of {n:,} rows lack the probability of an option ({options} {what}"
        f"{right}): it is taken as the most it can be, {bound} (--missing says otherwise)."
    )
    if rounded is None:
        told += " A temperature fitted so is too small; one with --missing shown is not."
    return told


def _rows(count: int) -> str:
    return _count(count, "row")


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
