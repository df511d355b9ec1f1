"""The comparison of all methods as tables: the command and the documentation show the same."""

from __future__ import annotations

from temperance.calibrators.methods import METHODS
from temperance.show import Table

__all__ = ["method_tables"]


def method_tables() -> list[Table]:
    """Return three tables, one row per method: what it does, what it needs, what it keeps."""
    traits = {name: each.traits for name, each in METHODS.items()}
    return [
        Table(
            ("method", "type", "what it does", "source"),
            tuple((name, t.type, t.summary, t.source) for name, t in traits.items()),
            words=frozenset({1, 2, 3}),
        ),
        Table(
            ("method", "learns", "labels wanted", "over-fitting", "cost of a fit"),
            tuple((name, t.parameters, t.labels, t.risk, t.cost) for name, t in traits.items()),
            caption="n rows of k classes",
            words=frozenset({1, 2, 3, 4}),
        ),
        Table(
            ("method", "class", "order", "ranking", "classes", "gaps"),
            tuple(
                (
                    name,
                    _yes(t.keeps_class),
                    _yes(t.keeps_order),
                    t.keeps_ranking,
                    t.classes,
                    _yes(t.masks),
                )
                for name, t in traits.items()
            ),
            caption=(
                "Keeps the predicted class, the order of the classes in a row, the ranking of rows "
                "by a class; takes how many classes; takes options that do not exist (-inf)"
            ),
            words=frozenset(range(1, 6)),
        ),
    ]


def _yes(fact: bool) -> str:  # noqa: FBT001
    return "yes" if fact else "no"
