"""What a reader of one format is asked for and gives back, and which scores it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from temperance.errors import FileFormatError
from temperance.readers.dataset import Fields, Kind, Layout

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from temperance.readers.missing import Missing
    from temperance.readers.near_names import Role

__all__ = ["IDS", "Request", "Rows", "choose"]

IDS = ("id", "ids")  # usual names of the column or key that says which row is which


@dataclass(frozen=True, slots=True)
class Request:
    """What to read: the names, and whether scores and labels are wanted at all."""

    kind: Kind | None = None
    fields: Fields = Fields()  # noqa: RUF009 - a frozen value
    scores: bool = True
    labels: bool = True
    ids: bool = True  # beside labels alone; where there are scores, they are read
    layout: Layout = "rows"
    classes: tuple[str, ...] | None = None  # of scores read before, whose labels these are
    na: Missing = "refuse"

    def id_name(self, names: Collection[str]) -> str | None:
        """Return which of the names in a file of labels alone holds the ids, if one does."""
        wanted = (self.fields.id, *IDS) if self.ids else ()
        return next((each for each in wanted if each in names), None)

    def given(self) -> dict[Role, str | None]:
        """What the caller said of each column beside the scores."""
        fields = self.fields
        return {
            "label": fields.label, "weight": fields.weight, "group": fields.group,
            "cluster": fields.cluster, "id": fields.id,
        }  # fmt: skip

    def score_keys(self) -> dict[Kind, str]:
        """Kinds of scores to look for, each with its key, in formats that hold them under one."""
        keys: dict[Kind, str] = {}
        for kind, name in self.score_names().items():
            if name is not None and not isinstance(name, str):
                msg = f"holds {kind} under one key, not in a list of columns; name that key."
                raise FileFormatError(msg)
            keys[kind] = name or kind
        return keys

    def score_names(self) -> dict[Kind, str | tuple[str, ...] | None]:
        """Kinds of scores to look for, each with the name the caller gave it."""
        if self.fields.logits is not None:
            return {"logits": self.fields.logits}
        if self.fields.probs is not None:
            return {"probs": self.fields.probs}
        return {"logits": None, "probs": None}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The content of a file; what was not asked for or is not there is None."""

    kind: Kind = "logits"
    values: NDArray[Any] | None = None
    labels: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None
    groups: NDArray[Any] | None = None
    clusters: NDArray[Any] | None = None
    ids: NDArray[Any] | None = None
    classes: tuple[str, ...] | None = None
    ragged: bool = False
    percent: bool = False  # scores had percent signs; they are read as what they say


def choose(present: Collection[Kind], kind: Kind | None) -> tuple[Kind, Kind]:
    """Of the kinds present (one or two), the one to take and the one it counts as.

    The caller's `kind` picks one of two, and overrides the name of the only one.
    """
    if len(present) == 2:
        if kind is None:
            msg = (
                "holds both logits and probabilities; say which to use: --kind logits or --kind "
                'probs (kind="logits" or kind="probs" in Python), or name their column or key '
                "with --logits-column or --probs-column."
            )
            raise FileFormatError(msg)
        return kind, kind
    (taken,) = present
    return taken, kind or taken
