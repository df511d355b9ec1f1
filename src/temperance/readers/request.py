"""What a reader of one format is asked for and gives back, and which name means what."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from temperance.errors import FileFormatError
from temperance.readers.dataset import Fields, Kind, Layout
from temperance.readers.guard import named, quoted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from temperance.readers.dataset import Missing

__all__ = [
    "NONE",
    "Request",
    "Role",
    "Rows",
    "choose",
    "near_names",
    "option_for",
    "refuse_near_names",
    "role_name",
]

# Which name of a file holds what: ours, as one or many, or one so near that its user is asked.


Role = Literal["label", "weight", "group", "cluster", "id"]
NONE = "none"  # in place of a name: the file has no such column, whatever its names look like

# Other words for the same thing; a word stands for its plural too.
_WORDS: dict[Role, frozenset[str]] = {
    "label": frozenset({"label", "target", "truth", "gold"}),
    "weight": frozenset({"weight", "wt", "wgt"}),
    "group": frozenset({"group", "grp"}),
    "cluster": frozenset({"cluster"}),
    "id": frozenset({"id"}),
}
_WHOLE_NAMES: dict[Role, frozenset[str]] = {
    "label": frozenset({"ytrue", "yval", "ytest", "groundtruth", "trueclass", "goldclass", "gt"}),
    "weight": frozenset(),
    "group": frozenset(),
    "cluster": frozenset(),
    "id": frozenset(),
}
# Words that change nothing about what a column holds: a `sample_weight` is a weight, but a
# `birth_weight` is something else.
_SAMPLES = frozenset(
    {
        "sample", "samples", "row", "rows", "case", "example", "instance", "observation", "obs",
        "record", "survey", "importance",
    }
)  # fmt: skip
_PARTS = frozenset(
    {
        "val", "valid", "validation", "test", "train", "dev", "eval", "cal", "calib",
        "calibration", "holdout", "oof",
    }
)  # fmt: skip
_QUALIFIERS: dict[Role, frozenset[str]] = {
    "label": _PARTS | _SAMPLES | {"true", "gold", "correct", "y", "id", "idx", "index", "column"},
    "weight": _PARTS | _SAMPLES | {"column"},
    "group": _PARTS | _SAMPLES | {"id", "name", "column"},
    "cluster": _PARTS | _SAMPLES | {"id", "name", "column"},
    "id": _PARTS | {"column"},  # a `sample_id` may be many things, and ids change no number
}
_SHORTEST_TYPO = 5  # letters of a word in which one may be wrong
_MEANING: dict[Role, str] = {
    "label": "the labels",
    "weight": "the weights of the rows",
    "group": "the groups",
    "cluster": "the clusters",
    "id": "the ids of the rows",
}


def role_name(
    role: Role, names: Collection[str], given: str | None, *, word: str = "column"
) -> str | None:
    """Return the column or key of `names` that holds `role`, None if there is none.

    `given` is its user's word for it; `none` says that there is none. Otherwise it is called as the
    role or its plural: `weight` or `weights`.

    Raises
    ------
    FileFormatError
        `given` is not there; both `weight` and `weights` are.
    """
    if given is not None:
        if given in names:
            return given
        if given == NONE:
            return None
        near = [name for name in names if _letters(name) == _letters(given)]
        hint = f" Did you mean {quoted(near[0])}?" if near else ""
        msg = f"has no {word} `{given}`; it holds {named(names)}.{hint}"
        raise FileFormatError(msg)
    found = [name for name in (role, f"{role}s") if name in names]
    if len(found) > 1:
        msg = (
            f"has both `{found[0]}` and `{found[1]}`; say which to use with "
            f"{option_for(role, found[0])} or {option_for(role, found[1])}."
        )
        raise FileFormatError(msg)
    return found[0] if found else None


def refuse_near_names(
    names: Iterable[str],
    chosen: Mapping[Role, str | None],
    given: Mapping[Role, str | None],
    *,
    used: Collection[str] = (),
    word: str = "column",
) -> None:
    """Raise if a role has no name of its own while a name nearly is it.

    Parameters
    ----------
    names : iterable of str
        All columns or keys of the file.
    chosen : mapping
        The roles that are wanted, each with the name that holds it, None where there is none.
    given : mapping
        What the user said of each role; one that is named, or said to be `none`, is not asked
        about.
    used : collection of str
        Names that hold something else, such as scores.
    word : str
        What the format calls a name: column or key.
    """
    taken = {*used, *(name for name in chosen.values() if name is not None)}
    rest = [name for name in names if name not in taken]
    for role, name in chosen.items():
        if name is not None or given.get(role) is not None:
            continue
        near = near_names(role, rest)
        if near:
            msg = (
                f"has no {word} `{role}`, but {named(near)}: if it holds {_MEANING[role]}, say "
                f"{option_for(role, near[0])}; if not, {option_for(role, NONE)}."
            )
            raise FileFormatError(msg)


def near_names(role: Role, names: Iterable[str]) -> list[str]:
    """Return the names that are nearly the role's, but not one of its own.

    Nearly: other capitals, blanks or marks (`Weight`, `WEIGHT `); one letter wrong, doubled, left
    out or two exchanged in a word of five letters or more, its first letter right (`weigths`);
    another word for it (`target`); and words beside it that change nothing (`sample_weight`).
    """
    return [name for name in names if name not in (role, f"{role}s") and _is_near(role, name)]


def option_for(role: Role, name: str) -> str:
    """Return the option that names the role's column, as one types it."""
    return f"--{role}-column {shlex.quote(name)}"


def _is_near(role: Role, name: str) -> bool:
    if _letters(name) in _WHOLE_NAMES[role]:
        return True
    words = _words(name)
    core = [word for word in words if word not in _QUALIFIERS[role]]
    if role == "id":
        return len(core) == 1 and core[0] in ("id", "ids")
    return len(core) == 1 and any(_is_word(core[0], wanted) for wanted in _WORDS[role])


def _is_word(word: str, wanted: str) -> bool:
    """Whether it is the word or its plural, but for one slip of the keyboard."""
    return any(
        word == form or (len(form) >= _SHORTEST_TYPO and _one_slip(word, form))
        for form in (wanted, f"{wanted}s")
    )


def _one_slip(word: str, form: str) -> bool:
    """Whether one letter is wrong, missing or too many, or two neighbours are exchanged."""
    if not word or word[0] != form[0] or abs(len(word) - len(form)) > 1:
        return False
    start = 0
    while start < min(len(word), len(form)) and word[start] == form[start]:
        start += 1
    left, right = word[start:], form[start:]
    return (
        left[1:] == right[1:]
        or left[1:] == right
        or left == right[1:]
        or (left[:2] == right[:2][::-1] and left[2:] == right[2:])
    )


def _words(name: str) -> list[str]:
    """Cut `sample_weight`, `Sample Weight` and `sampleWeight` into small words."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word.casefold() for word in re.split(r"[\W_]+", apart) if word]


def _letters(name: str) -> str:
    return "".join(re.split(r"[\W_]+", name)).casefold()


# What a reader of one format is asked for and gives back, and which scores it takes.


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
