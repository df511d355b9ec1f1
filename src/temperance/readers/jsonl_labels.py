"""Label matrices in JSON Lines: a list of 0 and 1 per record, as long as its scores."""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.errors import FileFormatError
from temperance.readers.guard import named, quoted
from temperance.readers.label_columns import IN_LISTS, UNKNOWN, label_list

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from temperance.readers.jsonl_columns import Scores
    from temperance.readers.request import Request

__all__ = ["LabelLists", "NoLabelLists"]


class LabelLists:
    """The lists under one key that all records have, or none has; as long as their `scores`."""

    def __init__(self, request: Request, scores: Scores | None) -> None:
        self._request = request
        self._scores = scores
        self._key: str | None = None
        self._flat = array("d")
        self._width = 0
        self._started = False

    def add(self, record: Mapping[str, Any]) -> None:
        """Append the labels of one record."""
        if not self._started:
            self._started = True
            given = [key for key, value in record.items() if value is not None]
            self._key = label_list(given, self._request)
        if self._key is None:
            self._refuse_late(record)
            return
        labels = record.get(self._key)
        if labels is None:
            msg = f"has no key `{self._key}` (or null there); it holds {named(record)}."
            raise FileFormatError(msg)
        if not isinstance(labels, list):
            msg = f"`{self._key}` must be a list of 0 and 1, one per label, got {quoted(labels)}."
            raise FileFormatError(msg)
        self._check(self._key, labels)
        self._width = len(labels)
        self._flat.extend(labels)

    def array(self) -> NDArray[Any] | None:
        """Labels as a matrix; None if no record has them."""
        if not self._width:
            return None
        return np.frombuffer(self._flat, dtype=np.float64).reshape(-1, self._width)

    def _check(self, key: str, labels: list[Any]) -> None:
        for place, label in enumerate(labels):
            if not isinstance(label, int | float):
                msg = (
                    f"`{key}` must hold 0 and 1; entry {place} (counted from 0) is "
                    f"{quoted(json.dumps(label))[1:-1]}.{UNKNOWN if label is None else ''}"
                )
                raise FileFormatError(msg)
        expected = self._width or len(labels) if self._scores is None else self._scores.width
        if len(labels) != expected or not labels:
            whose = "the lines before" if self._scores is None else "its scores"
            msg = f"`{key}` must be as long as {whose}, {max(expected, 1)}, but has {len(labels)}."
            raise FileFormatError(msg)

    def _refuse_late(self, record: Mapping[str, Any]) -> None:
        if self._scores is None:
            msg = f"has no key `labels` or `label`; it holds {named(record)}."
            raise FileFormatError(msg)
        late = [key for key in IN_LISTS if record.get(key) is not None]
        if late:
            msg = f"has `{late[0]}`, which the lines before lack; all need them, or none."
            raise FileFormatError(msg)


class NoLabelLists:
    """Refuses lists of numbers as labels where each row has one class."""

    def __init__(self, key: str) -> None:
        self._key = key

    def add(self, record: Mapping[str, Any]) -> None:
        """Raise if the record has such a list; a list of texts may be anything."""
        key = self._key if self._key in record else "labels"
        labels = record.get(key)
        if isinstance(labels, list) and not any(isinstance(each, str) for each in labels):
            msg = (
                f"`{key}` is a list, {quoted(labels)}: read several labels per row with "
                "--kind multilabel. If each row has one class, name its key with --label-column."
            )
            raise FileFormatError(msg)
