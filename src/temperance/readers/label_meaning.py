"""Labels of one file, or of the files of a folder, as a map says that they are meant."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.checks.arrays import rows_from, rows_of_file
from temperance.checks.label_words import distinct_labels, label_text, listed
from temperance.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from temperance.checks.label_map import LabelMap
    from temperance.readers.dataset import Dataset, Layout

__all__ = ["Meaning"]


class Meaning:
    """A map of labels at work on the parts of one file: it knows all words met so far."""

    def __init__(self, label_map: LabelMap, layout: Layout = "rows") -> None:
        self.label_map = label_map
        self.has_met_all = False  # whether a reading has come to the end
        self._layout: Layout = layout
        self._words: dict[str, object] = {}
        self._classes: tuple[str, ...] | None = None

    def meet(self, parts: Iterable[Dataset]) -> None:
        """Note the words of parts whose labels are as they stand there."""
        for part in parts:
            if part.labels is not None:
                self._classes = self._columns(part, part.labels)[0]
                distinct, _ = distinct_labels(part.labels)
                self._words |= {label_text(each): each for each in distinct}

    def meant(self, part: Dataset, others: Iterable[Dataset] = ()) -> Dataset:
        """Return a part with its labels as they are meant.

        `others` are the parts after it, which are only read where the map does not go with the
        labels: what is said then names all words of the file.
        """
        labels = part.labels
        if labels is None:
            return part
        self.meet([part])
        classes, k = self._columns(part, labels)
        unclear = self.label_map.unclear(labels, classes, k).any()
        if unclear:
            self.meet(others)
        with rows_of_file(_places(part)), rows_from(part.first):
            try:
                if unclear:
                    raise self.label_map.refusal(labels, self._words.values(), classes, k)
                return replace(part, labels=self.label_map.applied(labels, classes))
            except InvalidInputError as error:
                msg = f"{part.source}: {error}"
                raise InvalidInputError(msg) from error

    def notes(self, source: str) -> tuple[str, ...]:
        """Return what to tell of labels that the map names and no row has, once all are met."""
        if not self.has_met_all:
            return ()
        unused = self.label_map.unused(self._words.values(), self._classes)
        if not unused or not self._words:
            return ()
        told = (
            f"{source}: no row has the label {listed(unused)}, which the map of labels "
            f"(--label-map) names; labels there are: {listed(list(self._words))}."
        )
        return (told,)

    def _columns(
        self, part: Dataset, labels: NDArray[Any]
    ) -> tuple[tuple[str, ...] | None, int | None]:
        """Return what labels may be: names of classes, or positions below a number if known."""
        if self._layout == "labels":
            return None, 2  # yes or no, of each label
        if self._layout == "dense" or part.ragged or labels.ndim != 1:
            return part.classes, None
        return part.classes, int(part.values.shape[1]) if part.values.ndim > 1 else 2


def _places(part: Dataset) -> NDArray[np.intp] | None:
    """Return which row of its file each row is, where some were left out."""
    if not part.left_out:
        return None
    return np.delete(np.arange(len(part.values) + len(part.left_out)), list(part.left_out))
