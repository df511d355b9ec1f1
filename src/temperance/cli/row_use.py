"""Which rows of `temperance threshold` were used for what, in words and for audits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import temperature_of
from temperance.cli.files import name_of
from temperance.export import load_facts

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.cli.rows import Rows

__all__ = ["RowUse"]


@dataclass(frozen=True, slots=True, eq=False)
class RowUse:
    """Which rows fitted the calibrator, which set the threshold, which measured it."""

    rows: Rows
    kept: Rows
    test: Rows | None
    split: NDArray[np.bool_] | None
    calibrator_file: Path | None
    fit_share: float
    seed: int
    as_is: bool

    @property
    def n_fit(self) -> int:
        """Number of rows fitted on."""
        return 0 if self.split is None else int(np.count_nonzero(self.split))

    def facts(self) -> dict[str, Any]:
        """Return what a policy records."""
        split = None
        if self.split is not None:
            stratified = self.rows.clusters is None
            split = {"share": self.fit_share, "seed": self.seed, "stratified": stratified}
        return {
            "data": self.rows.source,
            "data_sha256": self.rows.sha256,
            "data_kind": self.rows.kind,
            "calibrator": None if self.calibrator_file is None else str(self.calibrator_file),
            "n_fit": self.n_fit,
            "n_threshold": self.kept.n,
            "split": split,
            "seed": self.seed,
            "test": None if self.test is None else self.test.source,
            "test_sha256": None if self.test is None else self.test.sha256,
            "n_test": None if self.test is None else self.test.n,
            "fit_used_these_labels": self.same,
            "warnings": self.warnings(),
            "set_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }

    def words(self, calibrator: Calibrator) -> str:
        """Return it in sentences."""
        n = f"{self.kept.n:,}"
        if self.split is not None:
            temperature = temperature_of(calibrator)
            what = calibrator.method if temperature is None else f"T = {temperature:.4g}"
            way = "by clusters" if self.rows.clusters is not None else "stratified"
            text = (
                f"Of {self.rows.n:,} labelled rows, {self.n_fit:,} fitted {what} and the other {n} "
                f"set the threshold (split at random, {way}, share {self.fit_share:g}, seed "
                f"{self.seed})."
            )
        elif self.as_is:
            text = f"Nothing was fitted; all {n} labelled rows set the threshold."
        else:
            text = f"{self.calibrator_file} calibrates; all {n} labelled rows set the threshold."
        if self.rows.clusters is not None:
            text += " Of each cluster one row counts, drawn at random: rows of one err together."
        return text

    @property
    def same(self) -> bool:
        """Whether the calibrator was fitted on the file whose labels set the threshold."""
        return self._fitted_on(self.rows)

    def _fitted_on(self, rows: Rows) -> bool:
        if self.calibrator_file is None:
            return False
        return bool(load_facts(self.calibrator_file).get("data_sha256") == rows.sha256)

    def warnings(self) -> list[str]:
        """Return what to say of labels that were used twice."""
        found = []
        if self.same:
            found.append(
                f"{self.calibrator_file} WAS FITTED ON {self.rows.source}, whose labels now set "
                "the threshold. The promise does not hold as stated: give other labelled rows, or "
                "leave --calibrator out, and the rows are split."
            )
        if self.test is not None and self._fitted_on(self.test):
            found.append(
                f"{self.calibrator_file} was fitted on {self.test.source}: the risk measured there "
                "flatters it."
            )
        return found

    def calibrator_facts(self) -> dict[str, Any]:
        """Return what a policy records of its calibrator's fit."""
        if self.calibrator_file is not None:
            facts = load_facts(self.calibrator_file)
            names = ("data", "data_sha256", "data_kind", "model")
            known = {name: facts[name] for name in names if name in facts}
            if isinstance(known.get("data"), str):  # older files hold paths
                known["data"] = " + ".join(map(name_of, known["data"].split(" + ")))
            return known
        if self.split is None:
            return {}
        return {
            "data": self.rows.source,
            "data_sha256": self.rows.sha256,
            "data_kind": self.rows.kind,
            "data_split": {"share": self.fit_share, "seed": self.seed},
        }

    def told(self) -> tuple[tuple[str, str], ...]:
        """Return it for a report."""
        facts = [("Rows", self.rows.described), ("SHA-256 of that file", self.rows.sha256)]
        facts.append(("Rows of the fit", f"{self.n_fit:,}" if self.n_fit else "none of these"))
        facts.append(("Rows that set the threshold", f"{self.kept.n:,}"))
        if self.split is not None:
            facts.append(("Split", f"share {self.fit_share:g}, seed {self.seed}"))
        if self.calibrator_file is not None:
            facts.append(("Calibrator", str(self.calibrator_file)))
        if self.test is not None:
            facts += [
                ("Test rows", self.test.described), ("SHA-256 of that file", self.test.sha256)
            ]  # fmt: skip
        return tuple(facts)
