"""Several arrays, each under its key, as .npz and .pt files hold them: which key holds what."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import named
from temperance.readers.near_names import Role, near_names, option_for, refuse_near_names, role_name
from temperance.readers.request import Request, Rows, choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind

__all__ = ["KeyedArrays", "rows_of_arrays"]

_SINGULAR: dict[Kind, str] = {"logits": "logit", "probs": "prob"}
_OF_PROBS = ("prob", "conf", "softmax")
_SHOWN_ROWS = 1000  # of scores without a known name, looked at to say what they may be
_CLOSE = 0.02  # mean distance of row sums from 1


class KeyedArrays(ABC):
    """The arrays of a file by key, each read when it is asked for."""

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """Names of the arrays, in order."""

    @abstractmethod
    def shape(self, key: str) -> tuple[int, ...] | None:
        """Return the shape of an array, which is not read; None of one that will be refused."""

    @abstractmethod
    def read(self, key: str) -> NDArray[Any]:
        """Return one array, or raise `FileFormatError`."""


def rows_of_arrays(arrays: KeyedArrays, request: Request) -> Rows:
    """Pick the keys and read them; singular and plural of a name are the same key."""
    if not request.scores:
        id_key = request.id_name(arrays.keys)
        return Rows(labels=arrays.read(_label_key(arrays, request)), ids=_read(arrays, id_key))
    key, kind = _score_key(arrays, request)
    chosen = _beside(arrays, request, key)
    values = arrays.read(key)
    return Rows(
        kind=kind,
        values=values,
        labels=_read(arrays, chosen.get("label")),
        weights=_read(arrays, chosen["weight"]),
        groups=_read(arrays, chosen["group"]),
        clusters=_read(arrays, chosen["cluster"]),
        ids=_read(arrays, chosen["id"]),
        classes=_classes(arrays, values, chosen),
    )


def _read(arrays: KeyedArrays, key: str | None) -> NDArray[Any] | None:
    return None if key is None else arrays.read(key)


def _beside(arrays: KeyedArrays, request: Request, scores: str) -> dict[Role, str | None]:
    """Return the key of what is wanted beside the scores; None where there is none."""
    wanted = [role for role in get_args(Role) if role != "label" or request.labels]
    given: dict[Role, str | None] = {role: getattr(request.fields, role) for role in wanted}
    chosen: dict[Role, str | None] = {
        role: role_name(role, arrays.keys, given[role], word="key") for role in wanted
    }
    used = {scores, *_score_names("logits"), *_score_names("probs"), "classes"}
    refuse_near_names(arrays.keys, chosen, given, used=used, word="key")
    return chosen


def _label_key(arrays: KeyedArrays, request: Request) -> str:
    """Return the key of the labels of a file that is read for them alone."""
    key = role_name("label", arrays.keys, request.fields.label, word="key")
    if key is not None:
        return key
    candidates = near_names("label", arrays.keys) or list(arrays.keys)
    hint = f" Say which holds them: {option_for('label', candidates[0])}." if candidates else ""
    msg = f"has no key `labels`; it holds {named(arrays.keys)}.{hint}"
    raise FileFormatError(msg)


def _score_names(kind: Kind) -> tuple[str, str]:
    return kind, _SINGULAR[kind]


def _score_key(arrays: KeyedArrays, request: Request) -> tuple[str, Kind]:
    keys: dict[Kind, str] = {}
    wanted = request.score_keys()
    for kind, name in wanted.items():
        names = _score_names(kind) if name == kind else (name,)
        present = [each for each in names if each in arrays.keys]
        if len(present) > 1:
            option = f"--{kind}-column"
            msg = (
                f"has both `{present[0]}` and `{present[1]}`; say which to use with {option} "
                f"{present[0]} or {option} {present[1]}."
            )
            raise FileFormatError(msg)
        if present:
            keys[kind] = present[0]
    if not keys:
        missing = "` or `".join(wanted.values())
        msg = (
            f"has no key `{missing}`; it holds {named(arrays.keys)}.{_suggestion(arrays, request)}"
        )
        raise FileFormatError(msg)
    taken, kind = choose(list(keys), request.kind)
    return keys[taken], kind


def _suggestion(arrays: KeyedArrays, request: Request) -> str:
    """Return the options to copy for a file whose keys have names of its own."""
    shapes = {key: arrays.shape(key) for key in arrays.keys}
    scores = [
        key
        for key, shape in shapes.items()
        if shape is not None and len(shape) == 2 and shape[1] > 1 and not near_names("label", [key])
    ]
    if not scores:  # log-odds or probabilities of one class: floats that are no labels
        scores = [
            key
            for key, shape in shapes.items()
            if shape is not None
            and len(shape) == 1
            and not near_names("label", [key])
            and key not in ("label", "labels")
            and arrays.read(key).dtype.kind == "f"
        ]
    if not scores:
        return ""
    key = scores[0]
    shape = shapes[key]
    assert shape is not None  # noqa: S101  (of candidates)
    options = [f"--{_looks_like(key, arrays.read(key))}-column {shlex.quote(key)}"]
    own = request.labels and request.fields.label is None
    if own and role_name("label", arrays.keys, None, word="key") is None:
        rest = [name for name in arrays.keys if name != key]
        fitting = [name for name in rest if shapes[name] in (shape[:1], (*shape[:1], 1))]
        labels = near_names("label", fitting) or fitting
        options += [option_for("label", labels[0])] if labels else []
    more = f" (or {named(scores[1:])})" if len(scores) > 1 else ""
    return f" Name them: {' '.join(options)}{more}."


def _looks_like(key: str, values: NDArray[Any]) -> Kind:
    """Return what to suggest that scores are: by their name, else by their first rows."""
    name = key.casefold()
    if "logit" in name:
        return "logits"
    if any(word in name for word in _OF_PROBS):
        return "probs"
    few = values[:_SHOWN_ROWS]
    if few.dtype.kind not in "iuf" or not few.size or not (few.min() >= 0 and few.max() <= 1):
        return "logits"
    sums = few.sum(axis=1, dtype=np.float64) if few.ndim == 2 else np.ones(1)
    return "probs" if float(np.abs(sums - 1.0).mean()) < _CLOSE else "logits"


def _classes(
    arrays: KeyedArrays, values: NDArray[Any], chosen: dict[Role, str | None]
) -> tuple[str, ...] | None:
    """Return the names of the classes, under `classes`, or `class` if that has one per column."""
    present = [key for key in ("classes", "class") if key in arrays.keys]
    present = [key for key in present if key not in chosen.values()]
    if not present:
        return None
    if len(present) > 1:
        msg = "has both `classes` and `class`; keep the one that names the columns."
        raise FileFormatError(msg)
    (key,) = present
    names = arrays.read(key)
    k = values.shape[1] if values.ndim > 1 else 2
    if key == "class" and names.size != k:
        msg = (
            f"has a key `class` of {names.size} entries for {k} columns: if it holds the labels, "
            f"say {option_for('label', key)}; names of columns are called `classes`."
        )
        raise FileFormatError(msg)
    return tuple(map(str, names.ravel().tolist()))
