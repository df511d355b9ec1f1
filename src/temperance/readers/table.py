"""Which columns of a table hold the scores, the labels and the rest."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.dataset import UNLABELLED
from temperance.readers.derived_columns import (
    ScoreColumns,
    as_typed,
    find_scores,
    likely_scores,
    refuse_derived,
    sounding_like_scores,
    sounds_like_a_quantity,
    stem_scores,
)
from temperance.readers.guard import name_list, quoted
from temperance.readers.request import (
    NONE,
    FileRows,
    Request,
    Role,
    choose,
    is_word,
    near_names,
    option_for,
    refuse_near_names,
    role_name,
    words_of,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from temperance.readers.dataset import Kind

__all__ = [
    "IN_LISTS",
    "UNKNOWN",
    "ColumnPlan",
    "finished",
    "hint_of_missing",
    "label_list",
    "plan_columns",
]

# Which columns of a table hold a label matrix, and in which order.


IN_LISTS = ("labels", "label")  # usual names of a column or key that holds a list per row
UNKNOWN = " An unknown entry needs a number, which --ignore-label names."


def label_columns(
    names: Sequence[str], request: Request, classes: tuple[str, ...] | None
) -> dict[str, str]:
    """Return the columns `label_<name>` by name, ordered as `classes`; without, as in the file.

    Empty where there is none and none was named.
    """
    stem = (request.fields.label or "label").removesuffix("_") + "_"
    columns = {name.removeprefix(stem): name for name in names if name.startswith(stem)}
    if not columns:
        if request.fields.label is not None or "label" in names:
            msg = f"has no columns `{stem}<name>`, one per label; it holds {name_list(names)}."
            raise FileFormatError(msg)
        return {}
    if classes is None:
        return columns
    rule = f"must have a column `{stem}<name>` for each label that has scores, and no other"
    for name in classes:
        if name not in columns:
            msg = f"{rule}; {quoted(stem + name)} is missing."
            raise FileFormatError(msg)
    for name, column in columns.items():
        if name not in classes:
            msg = f"{rule}; {quoted(column)} has no scores. They are of {name_list(classes)}."
            raise FileFormatError(msg)
    return {name: columns[name] for name in classes}


def label_list(names: Sequence[str], request: Request) -> str | None:
    """Return the column or key of lists of labels, if there is one."""
    if request.fields.label is not None:
        return request.fields.label
    candidates = [name for name in IN_LISTS if name in names]
    if len(candidates) > 1:
        msg = "has both `labels` and `label`; say which to use with --label-column."
        raise FileFormatError(msg)
    return candidates[0] if candidates else None


def refuse_label_columns(names: Sequence[str], classes: Sequence[str]) -> None:
    """Raise if a table that is read as one class per row has a column per label."""
    columns = [f"label_{name}" for name in classes if f"label_{name}" in names]
    if columns:
        msg = (
            f"has a column per label ({name_list(columns)}): read it with --kind multilabel. If "
            "each row has one class, name its column with --label-column."
        )
        raise FileFormatError(msg)


_RIGHT = {"correct", "is_correct", "iscorrect", "right", "is_right", "hit"}  # was it the answer
_STEMS: dict[Kind, str] = {"logits": "logit", "probs": "prob"}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """The columns to read; None or empty where there is none.

    `classes` is None when the scores are in one column: a number per row, or a list. A label matrix
    is in `labels`, a column per label, or in `label`, a list per row. `guessed` says that a column
    counts as a class only because its name begins or ends like the others.
    """

    kind: Kind = "logits"
    scores: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    guessed: bool = False
    label: str | None = None
    labels: tuple[str, ...] = ()
    weight: str | None = None
    group: str | None = None
    cluster: str | None = None
    id: str | None = None

    @property
    def columns(self) -> list[str]:
        """All columns to read, each once."""
        names = (
            *self.scores, self.label, *self.labels, self.weight, self.group, self.cluster, self.id,
        )  # fmt: skip
        return list(dict.fromkeys(name for name in names if name is not None))


def plan_columns(names: Sequence[str], request: Request, *, lists: bool) -> ColumnPlan:
    """Assign the columns `names` to their roles; `lists` says whether a cell can hold a list.

    Of columns that are used, none may be there twice.
    """
    count = Counter(names)
    try:
        plan = _plan(list(count), request, lists=lists)
    except _OneClassError as error:  # of columns that are called alike, one is left
        _refuse_twice((error.column,), count)
        raise
    _refuse_twice(plan.columns, count)
    return plan


class _OneClassError(FileFormatError):
    """There are scores of one class only, in one column."""

    column: str = ""


def _refuse_twice(used: Sequence[str], count: Counter[str]) -> None:
    twice = [name for name in used if count[name] > 1]
    if twice:
        msg = f"has columns of the same name: {name_list(twice)}; rename all but one of each."
        raise FileFormatError(msg)


def finished(rows: FileRows, plan: ColumnPlan, request: Request) -> FileRows:
    """Check the scores against the names of their columns, and call labels by their classes.

    A column that merely begins like the scores is asked about. Labels that spell whole names of
    columns (`prob_cat`) become those of the classes (`cat`).
    """
    if rows.percent and rows.kind == "logits" and request.kind is None:
        msg = (
            f"column {quoted(plan.scores[0])} holds percentages, which are no logits; say --kind "
            "probs, or name it with --probs-column."
        )
        raise FileFormatError(msg)
    if request.layout != "rows" or rows.values is None or plan.classes is None:
        return rows
    labels = rows.labels
    if labels is not None and labels.dtype.kind == "U":
        labels = _as_classes(labels, plan.scores, plan.classes)
    if plan.guessed:
        refuse_derived(plan.scores, plan.classes, rows.values, labels, plan.kind)
    return dataclasses.replace(rows, labels=labels)


def hint_of_missing(lacking: Sequence[str], plan: ColumnPlan, request: Request) -> str:
    """Say what else than a missing value a blank cell of these columns may mean."""
    of_labels = plan.labels or ((plan.label,) if request.layout == "labels" else ())
    if set(lacking) <= set(of_labels):
        return UNKNOWN
    if list(lacking) == [plan.label] and plan.scores:
        return UNLABELLED
    if plan.classes is not None and set(lacking) <= set(plan.scores):
        none = "0" if plan.kind == "probs" else "-inf"
        return (
            f" Is it an option that does not exist in its row? Write {none}. Tokens that were not "
            "shown are bounded in files of --format openai-logprobs."
        )
    return ""


def _as_classes(
    labels: NDArray[np.str_], columns: Sequence[str], classes: Sequence[str]
) -> NDArray[np.str_]:
    """Return labels that are all names of columns as those of the classes, others as they are."""
    distinct, place = np.unique(labels, return_inverse=True)
    by_column = dict(zip(columns, classes, strict=True))
    spellings = [str(name) for name in np.ma.compressed(distinct)]
    if set(spellings) <= set(classes) or not set(spellings) <= set(by_column):
        return labels
    renamed = np.array([by_column.get(str(name), "") for name in np.ma.getdata(distinct)])[place]
    masked = np.ma.is_masked(labels)
    return np.ma.array(renamed, mask=np.ma.getmaskarray(labels)) if masked else renamed


def _plan(names: Sequence[str], request: Request, *, lists: bool) -> ColumnPlan:
    fields = request.fields
    if not request.scores:
        return _only_labels(names, request, lists=lists)
    by_class = request.labels and request.layout == "rows"
    role_fields = request.role_fields()
    roles: tuple[Role, ...] = ("weight", "group", "cluster", "id")
    if by_class:
        roles = ("label", *roles)
    matches = {role: role_name(role, names, role_fields[role]) for role in roles}
    label = matches.get("label")
    used = {fields.label, *matches.values()}
    rest = [name for name in names if name not in used]
    kind, scores = _score_columns(rest, request, lists=lists, every=names)
    labels: tuple[str, ...] = ()
    no_labels = fields.label == NONE and NONE not in names
    if request.labels and request.layout == "labels" and not no_labels:
        if scores.classes is not None:
            others = [name for name in names if name not in {*scores.columns, *used}]
            labels = tuple(label_columns(others, request, scores.classes).values())
        else:
            label_names = label_list(names, request)
            label = None if label_names is None else role_name("label", names, label_names)
    elif by_class and label is None:
        refuse_label_columns(names, scores.classes or ())
    refuse_near_names(
        names, matches, role_fields, used={*scores.columns, *labels, *filter(None, [label])}
    )
    return ColumnPlan(
        kind=kind,
        scores=scores.columns,
        classes=scores.classes,
        guessed=scores.guessed,
        label=label,
        labels=labels,
        weight=matches["weight"],
        group=matches["group"],
        cluster=matches["cluster"],
        id=matches["id"],
    )


def _only_labels(names: Sequence[str], request: Request, *, lists: bool) -> ColumnPlan:
    """Find the labels of scores that are in another file."""
    name = request.fields.label
    id_ = request.id_name(names)
    if request.layout == "labels":
        column = label_list(names, request) if lists else None
        if column in names:
            return ColumnPlan(label=column, id=id_)
        columns = label_columns(names, request, request.classes)
        if not columns:
            pattern = "label_<name>"
            raise _no_column(pattern, names)
        return ColumnPlan(labels=tuple(columns.values()), classes=tuple(columns), id=id_)
    label = role_name("label", names, name)
    if label is None:
        refuse_label_columns(names, [n.removeprefix("label_") for n in names])
        refuse_near_names(names, {"label": None}, {})
        usual = "label"
        hint = " Name it with --label-column."
        if len(names) == 1 and names[0].strip().lstrip("-").isdecimal():
            hint += f" Is {quoted(names[0])} the first label? Write a line above it: label."
        raise _no_column(usual, names, hint=hint)
    return ColumnPlan(label=label, id=id_)


def _score_columns(
    names: Sequence[str], request: Request, *, lists: bool, every: Sequence[str]
) -> tuple[Kind, ScoreColumns]:
    """Find the columns of scores, and what kind they count as, in those without another role."""
    forms_by_kind: dict[Kind, list[ScoreColumns]] = {}
    for kind, field in request.score_names().items():
        if field is None:
            forms = _usual_forms(names, _STEMS[kind], {kind} if lists else ())
        else:
            scores = find_scores(names, field)
            forms = [] if scores is None else [scores]
        if forms:
            forms_by_kind[kind] = forms
    if not forms_by_kind:
        raise _no_scores(names or every, request)
    file_kind, kind = choose(tuple(forms_by_kind), request.kind)
    scores = forms_by_kind[file_kind][0]
    if request.score_names()[file_kind] is None and scores.classes is not None:
        _refuse_near_scores(names, scores.columns, file_kind)
    return kind, _only(forms_by_kind[file_kind], _STEMS[file_kind], kind, request)


def _refuse_near_scores(names: Sequence[str], columns: tuple[str, ...], kind: Kind) -> None:
    """Raise if a column is nearly one of a class: it would be left out, and its class with it.

    Nearly: other capitals, blanks or marks (`Logit_c`, ` logit_c`, `logit-c`), a plural
    (`logits_c`), one letter wrong in `logit`. What is made of scores (`logits_entropy`) is not.
    """
    stem, used = _STEMS[kind], set(columns)
    near = [
        name
        for name in names
        if name not in used and len(words := words_of(name)) > 1
        and is_word(words[0], stem) and not sounds_like_a_quantity(name)
    ]  # fmt: skip
    if not near:
        return
    be = "is" if len(near) == 1 else "are"
    msg = (
        f"has {name_list(near)}, which {be} nearly named as the columns of {kind} are, "
        f"`{stem}_<class>` ({name_list(columns)}): rename what holds {kind}; if nothing there "
        f"does, name the others: --{kind}-column {as_typed(columns)}."
    )
    raise FileFormatError(msg)


def _usual_forms(
    names: Sequence[str], stem: str, label_names: Collection[str]
) -> list[ScoreColumns]:
    """Find scores in one column, and in one column per class."""
    forms = [ScoreColumns((name,), None) for name in names if name in {stem, *label_names}]
    by_class = stem_scores(names, stem)
    return [*forms, by_class] if by_class is not None else forms


def _only(forms: Sequence[ScoreColumns], stem: str, kind: Kind, request: Request) -> ScoreColumns:
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
        error = _OneClassError(msg)
        error.column = scores.columns[0]
        raise error
    return scores


def _no_scores(names: Sequence[str], request: Request) -> FileFormatError:
    """Say which columns were looked for, and how others are named."""
    field = request.fields.logits or request.fields.probs
    if field is not None:
        spelling = field if isinstance(field, str) else ",".join(field)
        return _no_column(
            spelling,
            names,
            hint=" Nor does a column begin or end so: name the columns of the classes.",
        )
    likely, single = likely_scores(names), _single_scores(names)
    if likely is None and single:
        hint = single
    elif likely is None:
        hint = (
            " Name them with --probs-column or --logits-column: what they begin or end with, or a "
            "list, commas between."
        )
    else:
        kind, typed = likely
        hint = f" If these are scores, say --{kind}-column {typed}."
    return _no_column("logit_<class>` or `logit` or `prob_<class>` or `prob", names, hint=hint)


def _single_scores(names: Sequence[str]) -> str:
    """Say what columns called a score or a confidence may be: of answers, or of class 1."""
    scores = sounding_like_scores(names)
    if not scores:
        return ""
    typed = shlex.quote(scores[0])
    right = [name for name in names if name.casefold() in _RIGHT]
    if right:
        column = "" if scores[0] == "score" else f" --score-column {typed}"
        column += "" if right[0] == "correct" else f" --label-column {shlex.quote(right[0])}"
        return (
            f" If {quoted(scores[0])} says how sure an answer is and {quoted(right[0])} whether it "
            f"is right, say --kind answers --score-scale probability{column} (or another scale: "
            "fraction, percent, logprob, count, real); fit, apply and evaluate take it."
        )
    near = near_names("label", names)
    label = f" {option_for('label', near[0])}" if near else ""
    which = name_list(scores) if len(scores) == 1 else f"one of {name_list(scores)}"
    return f" If {which} is the probability of class 1, say --probs-column {typed}{label}."


def _no_column(column: str, names: Sequence[str], hint: str = "") -> FileFormatError:
    return FileFormatError(f"has no column `{column}`; it holds {name_list(names)}.{hint}")
