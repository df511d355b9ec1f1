"""What `temperance apply` applies: a calibrator, or a policy that also decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from temperance.cli.rows import naming
from temperance.decisions import load_policy
from temperance.decisions.policy_json import is_policy
from temperance.export import load
from temperance.printable import count_text

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.cli.rows import Rows
    from temperance.decisions import Abstention

__all__ = ["Map", "header_of"]


@dataclass(frozen=True, slots=True)
class Map:
    """A calibrator read from a file, with the rule of a policy if the file is one."""

    calibrator: Calibrator
    rule: Abstention | None
    source: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a calibrator.json or a policy.json."""
        if is_policy(path):
            policy = load_policy(path)
            return cls(policy.calibrator, policy.rule, str(path))
        return cls(load(path), None, str(path))

    def accepted(self, rows: Rows, probs: NDArray[np.float64]) -> NDArray[np.bool_] | None:
        """Return which rows are answered, in the file's own shape; None without a policy."""
        if self.rule is None:
            return None
        with naming(rows.source):
            sure = probs if rows.answers is not None else probs.max(axis=1)
            accepted = self.rule.accepts(sure, rows.group_names)
        return accepted if rows.dense is None else accepted.reshape(rows.dense.shape)

    def unknown_groups(self, rows: Rows) -> tuple[str, ...]:
        """Return what to say of rows that are never answered, because no promise is for them."""
        if self.rule is None or not self.rule.per_group or rows.group_names is None:
            return ()
        kept = [str(each.group) for each in self.rule.promises if each.threshold is not None]
        others = ~np.isin(rows.group_names, kept)
        if not others.any():
            return ()
        count = int(np.count_nonzero(others))
        are = "is" if count == 1 else "are"
        told = f"{count_text(count, 'row')} of groups without a promise in {self.source} {are}"
        return (f"{told} not accepted.",)


def header_of(rows: Rows, calibrator: Calibrator) -> tuple[str, ...] | None:
    """Return names of the columns: the file's own, else those that the calibrator knows.

    Labels are handed on as they came, so where a file has none for its columns and its labels are
    their positions, what is written has none either.
    """
    if rows.answers is not None:
        return None
    assert rows.beside is not None  # noqa: S101  (of whole files)
    return rows.classes or (calibrator.classes if rows.beside.labels is None else None)
