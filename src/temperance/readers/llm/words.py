"""A label that is an option in other words: in other case, or yes for true."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["same_word"]

_YES = frozenset({"yes", "true"})
_NO = frozenset({"no", "false"})


def same_word(label: object, options: Sequence[Sequence[str]]) -> int | None:
    """Return the one option that a label names in other case, or as true and false for yes and no.

    Each option is the sequence of its spellings.
    """
    word = _folded(str(label))
    folded = [{_folded(text) for text in spellings} for spellings in options]
    found = [i for i, words in enumerate(folded) if word in words]
    if len(found) == 1:
        return found[0]
    if found or len(options) != 2:
        return None
    for kind, other in ((_YES, _NO), (_NO, _YES)):
        if word in kind:
            for i in (0, 1):
                if folded[i] & kind and folded[1 - i] & other and not folded[i] & other:
                    return i
    return None


def _folded(text: str) -> str:
    return text.strip().casefold()
