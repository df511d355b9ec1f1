"""Which columns of a table hold the scores, the labels and the rest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temperance.errors import FileFormatError
from temperance.readers.guard import named, quoted
from temperance.readers.label_columns import label_columns, label_list, refuse_label_columns
from temperance.readers.request import Request, choose

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from temperance.readers.dataset import Kind

__all__ = ["Plan", "plan_columns"]

_STEMS: dict[Kind, str] = {"logits": "logit", "probs": "prob"}


@dataclass(frozen=True, slots=True)
class Plan:
    """The columns to read; None or empty where there is none.

    `classes` is None when the scores are in one column: a number per row, or a list. A label matrix
    is in `labels`, a column per label, or in `label`, a list per row.
    """

    kind: Kind = "logits"
    scores: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    label: str | None = None
    labels: tuple[str, ...] = ()
    weight: str | None = None
    group: str | None = None
    cluster: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class _Scores:
    columns: tuple[str, ...]
    classes: tuple[str, ...] | None


def plan_columns(names: Sequence[str], request: Request, *, lists: bool) -> Plan:
    """Assign the columns `names` to their roles; `lists` says whether a cell can hold a list."""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        msg = f"has columns of the same name: {named(twice)}; rename all but one of each."
        raise FileFormatError(msg)
    if len(names) == 1 and any(separator in names[0] for separator in ";\t,"):
        msg = (
            f"has only the column {quoted(names[0])}; separate columns by commas in a .csv, "
            "by tabs in a .tsv."
        )
        raise FileFormatError(msg)
    fields = request.fields
    if not request.scores:
        return _only_labels(names, request, lists=lists)
    by_class = request.labels and request.layout == "rows"
    label = _optional(names, "label", fields.label) if by_class else None
    weight = _optional(names, "weight", fields.weight)
    group = _optional(names, "group", fields.group)
    cluster = _optional(names, "cluster", fields.cluster)
    id_ = _optional(names, "id", fields.id)
    taken = {fields.label, weight, group, cluster, id_}
    rest = [name for name in names if name not in taken]
    kind, scores = _score_columns(rest, request, lists=lists)
    labels: tuple[str, ...] = ()
    if request.labels and request.layout == "labels":
        if scores.classes is not None:
            others = [name for name in names if name not in {*scores.columns, *taken}]
            labels = tuple(label_columns(others, request, scores.classes).values())
        else:
            label = _optional(names, "labels", label_list(names, request))
    elif by_class and label is None:
        refuse_label_columns(names, scores.classes or ())
    return Plan(
        kind=kind,
        scores=scores.columns,
        classes=scores.classes,
        label=label,
        labels=labels,
        weight=weight,
        group=group,
        cluster=cluster,
        id=id_,
    )


def _only_labels(names: Sequence[str], request: Request, *, lists: bool) -> Plan:
    """Find the labels of scores that are in another file."""
    name = request.fields.label
    id_ = request.id_name(names)
    if request.layout == "labels":
        column = label_list(names, request) if lists else None
        if column in names:
            return Plan(label=column, id=id_)
        columns = label_columns(names, request, request.classes)
        if not columns:
            wanted = "label_<name>"
            raise _missing(wanted, names)
        return Plan(labels=tuple(columns.values()), classes=tuple(columns), id=id_)
    if name is None and "label" not in names:
        refuse_label_columns(names, [n.removeprefix("label_") for n in names])
    return Plan(label=_optional(names, "label", name or "label"), id=id_)


def _optional(names: Sequence[str], usual: str, name: str | None) -> str | None:
    if name is None:
        return usual if usual in names else None
    if name not in names:
        raise _missing(name, names)
    return name


def _score_columns(names: Sequence[str], request: Request, *, lists: bool) -> tuple[Kind, _Scores]:
    """Find the columns of scores, and what kind they count as."""
    wanted = request.score_names()
    stems = {
        kind: _STEMS[kind] if name is None else name.removesuffix("_")
        for kind, name in wanted.items()
    }
    found: dict[Kind, list[_Scores]] = {}
    for kind, name in wanted.items():
        single = {stems[kind], kind} if lists and name is None else {name or stems[kind]}
        forms = _forms(names, stems[kind], single)
        if forms:
            found[kind] = forms[:1] if name is not None else forms
    if not found:
        raise _missing(
            "` or `".join(f"{stem}_<class>` or `{stem}" for stem in stems.values()), names
        )
    taken, kind = choose(tuple(found), request.kind)
    return kind, _only(found[taken], stems[taken], kind, request)


def _forms(names: Sequence[str], stem: str, single: Collection[str]) -> list[_Scores]:
    """Find scores in one column of the names `single`, and in one column per class."""
    forms = [_Scores((name,), None) for name in names if name in single]
    columns = tuple(name for name in names if name.startswith(f"{stem}_") and name not in single)
    if columns:
        forms.append(_Scores(columns, tuple(name[len(stem) + 1 :] for name in columns)))
    return forms


def _only(forms: Sequence[_Scores], stem: str, kind: Kind, request: Request) -> _Scores:
    """Refuse scores that are there twice, or for one class only."""
    scores = forms[0]
    if len(forms) > 1:
        both = " and ".join(quoted(form.columns[0]) for form in forms)
        msg = f"has the scores twice, in the columns {both}; remove one or rename it."
        raise FileFormatError(msg)
    if request.layout == "rows" and scores.classes is not None and len(scores.classes) == 1:
        meaning = "the log-odds" if kind == "logits" else "the probability"
        msg = (
            f"has one column of {kind}, {quoted(scores.columns[0])}, so one class only; add those "
            f"of the other classes, or call it `{stem}` if it holds {meaning} of class 1."
        )
        raise FileFormatError(msg)
    return scores


def _missing(wanted: str, names: Sequence[str]) -> FileFormatError:
    return FileFormatError(f"has no column `{wanted}`; it holds {named(names)}.")
