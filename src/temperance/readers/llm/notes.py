"""What was left out, bounded or refused, in sentences with its count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from temperance.printable import count_text
from temperance.readers.guard import named, quoted

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Mapping, Sequence

    from temperance.readers.llm.answer import Tally

__all__ = ["SMALL_GROUP", "left_out", "notes"]

SMALL_GROUP = 20  # a smaller one tells next to nothing, and has no temperature of its own
_SHOWN = 5

_LEFT_OUT = {
    "refusals": "refusals",
    "failed": "requests that failed",
    "with several right options": "several options are right",
    "with a share as acc": "several options are right (their `acc` is a fraction)",
    "without any option": "none of the options is shown",
    "lacking an option": "an option is missing (--missing drop)",
    "with less than two options": "less than two options are shown",
    "with a label not shown": "the label is not among the options shown (--missing shown)",
    "unlabelled": "no label, unlike other rows",
}


def notes(
    tally: Tally,
    *,
    n: int,
    rounded: int | None,
    unseen: Sequence[str],
    same_places: Mapping[str, tuple[int, int]],
    groups: Mapping[str, int],
) -> tuple[str, ...]:
    """Return the sentences; `n` is the number of rows that are left."""
    counts = tally.counts
    found = _of_left_out(tally)
    if counts["stand-ins"]:
        found.append(
            f"{count_text(counts['stand-ins'], 'option')} with {_examples(tally.stand_ins)} in "
            "place "
            "of a log-probability, which stands for impossible (none is below -88 in float32): "
            "taken as not shown."
        )
    if counts["bounded rows"]:
        found.append(_of_bounds(counts, n, rounded))
    if counts["masked rows"]:
        found.append(
            f"{counts['masked rows']:,} of {count_text(n, 'row')} "
            f"{'is' if counts['masked rows'] == 1 else 'are'} compared by the options shown only; "
            f"{count_text(counts['masked options'], 'option')} not (--missing shown)."
        )
    if unseen:
        found.append(f"options that no row shows: {named(unseen)}; are they spelled as the tokens?")
    if counts["with a temperature"]:
        found.append(
            f"{count_text(counts['with a temperature'], 'row')} with a temperature beside the "
            f"answer ({_examples(tally.applied)}): where the server has divided its logits by it, "
            "these probabilities are calibrated once already, and what is fitted here comes on top "
            "of it, not in its place."
        )
    found += _of_labels(tally)
    found += [_of_place(file, *each) for file, each in same_places.items()]
    found += _of_lines(counts)
    small = [name for name, count in groups.items() if count < SMALL_GROUP]
    if small:
        more = "; ..." if len(small) > _SHOWN else ""
        found.append(
            f"groups of fewer than {SMALL_GROUP} rows, too few to judge them by: "
            f"{'; '.join(sorted(small)[:_SHOWN])}{more} ({len(small)} of {len(groups)})."
        )
    return tuple(found)


def _of_labels(tally: Tally) -> list[str]:
    """Tell of options and labels that are spelled otherwise, or that the file contradicts."""
    counts, found = tally.counts, []
    if counts["in another case"]:
        found.append(
            f"{count_text(counts['in another case'], 'token')} shown that differ from an option "
            "only "
            f"in case, and are not counted as it: {_examples(map(quoted, tally.near_options))} "
            "(spellings of one option stand between bars, as yes|Yes)."
        )
    if counts["respelled"]:
        found.append(
            f"{count_text(counts['respelled'], 'label')} taken for an option in other words: "
            f"{_examples(tally.respelled)}."
        )
    if counts["against acc"]:
        found.append(
            f"the file's own `acc` contradicts the label in {counts['against acc']:,} of "
            f"{count_text(counts['with acc'], 'row')} that have it. Is the label counted from "
            "1, or under "
            "another key (--label-field)?"
        )
    return found


def _of_lines(counts: Counter[str]) -> list[str]:
    """Tell of lines that hold more than is read, or the same as others."""
    found = []
    if counts["of several choices"]:
        found.append(
            f"{count_text(counts['of several choices'], 'line')} with several choices (n > 1): "
            "only "
            "the first of each is read."
        )
    if counts["with unconditional log-probabilities"]:
        found.append(
            f"{count_text(counts['with unconditional log-probabilities'], 'row')} with "
            "log-probabilities "
            "without context as well (acc_mutual_info): these are not used."
        )
    if counts["duplicates"]:
        copies = f" ({counts['copies']:,} with the same numbers)" if counts["copies"] else ""
        found.append(
            f"{count_text(counts['duplicates'], 'row')} with the id of an earlier row and the "
            "same label"
            f"{copies}: the same questions, not others."
        )
    if counts["numbers of several documents"]:
        found.append(
            f"{count_text(counts['numbers of several documents'], 'row')} with the `doc_id` of "
            "another "
            "document, as where files were put together: ids are told apart by their documents."
        )
    return found


def left_out(tally: Tally) -> str:
    """Return what was left out, for the error that nothing is left."""
    found = [sentence.rstrip(".") for sentence in _of_left_out(tally)]
    return "; ".join(found)


def _of_left_out(tally: Tally) -> list[str]:
    counts = tally.counts
    found = []
    for key, why in _LEFT_OUT.items():
        if counts[key]:
            instead = tally.instead if key == "without any option" else ()
            there = f" (the token is {_examples(instead)})" if instead else ""
            found.append(f"{count_text(counts[key], 'row')} left out: {why}{there}.")
    if counts["of other filters"]:
        found.append(
            f"{count_text(counts['of other filters'], 'row')} left out: of other filters, "
            f"{named(sorted(tally.filters))} (--filter takes those of one)."
        )
    return found


def _of_bounds(counts: Counter[str], n: int, rounded: int | None) -> str:
    rows, options = counts["bounded rows"], count_text(counts["bounded options"], "option")
    of_labels = counts["bounded labels"]
    right = f", {of_labels:,} of them the label" if of_labels else ""
    if rounded is None:
        bound = "the smallest log-probability shown in the row, or what those shown leave"
        what = "not shown"
    else:
        bound = f"half a unit of the last of {rounded} decimals"
        what = "rounded to 0"
    told = (
        f"{rows:,} of {count_text(n, 'row')} {'lacks' if rows == 1 else 'lack'} the probability "
        f"of an option ({options} {what}"
        f"{right}): it is taken as the most it can be, {bound} (--missing says otherwise)."
    )
    if rounded is None:
        told += " A temperature fitted so is too small; one with --missing shown is not."
        if counts["without mass left"]:
            told += (
                f" In {count_text(counts['without mass left'], 'row')} the tokens shown sum to "
                "1, as where "
                "top_p cut the others off: only the smallest shown bounds them."
            )
    return told


def _of_place(file: str, n: int, place: int) -> str:
    of_file = f" of {file}" if file else ""
    nth = {0: "first", 1: "second", 2: "third"}.get(place, f"{place + 1}th")
    return (
        f"the right option is the {nth} in "
        f"{'the one row' if n == 1 else f'all {n:,} rows'}{of_file}: what has numbers of its own "
        "per place or class (vector, matrix, biases) would learn the place."
    )


def _examples(texts: Iterable[str]) -> str:
    """Return some of the texts, sorted; they are quoted already where they need it."""
    known = sorted(texts)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more
