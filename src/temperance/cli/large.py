"""Files that are worked on block by block, because they are large or a folder of shards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from temperance.blocks import report_rows
from temperance.checks.arrays import rows_from
from temperance.checks.score_rules import AS_THEY_ARE, ScoreRules
from temperance.cli.applied import header_of
from temperance.cli.class_rows import rows_of_classes
from temperance.cli.rows import naming
from temperance.readers import read_blocks
from temperance.writers import Content, writing_blocks

if TYPE_CHECKING:
    from pathlib import Path

    from temperance.cli.applied import Map
    from temperance.readers import BlockFile

__all__ = ["Applied", "apply_blocks", "is_large"]

LARGE_BYTES = 1 << 30
_WHOLE = {".jsonl", ".ndjson"}  # rows of different lengths: read as one


def is_large(files: list[Path]) -> bool:
    """Whether the one file, or the files of the one folder, have 1 GiB and more."""
    path = files[0]
    if len(files) > 1 or not path.exists() or path.suffix.lower() in _WHOLE:
        return False
    return read_blocks(path).size >= LARGE_BYTES


class Applied:
    """What is told about rows that have been written."""

    def __init__(self) -> None:
        self.n, self.classes, self._confidence = 0, 0, 0.0
        self.accepted: int | None = None

    def add(self, probs: np.ndarray, accepted: np.ndarray | None) -> None:
        """Count a block of probabilities, (n, k), and of accepted rows, (n,)."""
        self.n += len(probs)
        self.classes = probs.shape[1]
        self._confidence += float(probs.max(axis=1).sum())
        if accepted is not None:
            self.accepted = (self.accepted or 0) + int(np.count_nonzero(accepted))

    @property
    def mean_confidence(self) -> float:
        """Mean probability of the predicted class."""
        return self._confidence / self.n


def apply_blocks(
    file: BlockFile, chosen: Map, output: Path, rules: ScoreRules = AS_THEY_ARE
) -> Applied:
    """Write the calibrated probabilities of a file in one reading; all of them, or nothing."""
    done, calibrator = Applied(), chosen.calibrator
    with writing_blocks(output) as writer:
        for block in file:
            with naming(block.source), rows_from(block.first):
                rows = rows_of_classes(
                    block, labelled=False, ignore_label=None, class_axis=None, keep=None,
                    whole=True, rules=rules,
                )  # fmt: skip
                rows.check_fits(calibrator, chosen.source)
                probs = rows.applied(calibrator)
                accepted = chosen.accepted(rows, probs)
            beside = rows.beside
            assert beside is not None  # noqa: S101  (of whole files)
            weights = beside.weights  # integers in one shard may be floats in the next
            columns = {
                "ids": beside.ids, "labels": beside.labels,
                "groups": beside.groups,
                "weights": None if weights is None else np.asarray(weights, dtype=np.float64),
                "accepted": accepted,
            }  # fmt: skip
            classes = header_of(rows, calibrator)
            writer.add(Content.of(probs, classes=classes, mask=None, columns=columns))
            done.add(probs, accepted)
            report_rows(len(probs))
    return done
