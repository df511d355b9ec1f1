"""Logits and labels that come batch by batch, to a file that grows: `.npy` or `.parquet`."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from temperance.file_formats import file_suffix
from temperance.writers.arrow import ParquetBlocks
from temperance.writers.content import Content
from temperance.writers.npz import NpyBlocks
from temperance.writers.place import check_writable, replacing

if TYPE_CHECKING:
    from types import TracebackType

    from numpy.typing import NDArray

__all__ = ["LogitsFile", "labels_path"]

SUFFIXES = (".npy", ".parquet")


def labels_path(path: Path) -> Path:
    """Return where the labels of a `.npy` file of logits lie: `scores.npy`, `scores_labels.npy`."""
    return path.with_name(f"{path.stem}_labels.npy")


@dataclass(frozen=True, slots=True, eq=False)
class _Scores(Content):
    """Columns `label` (`label_<name>` of a matrix) and `logit_<class>`."""

    def table(self) -> dict[str, NDArray[Any]]:
        columns = Content.table(self)
        return {f"logit{n[4:]}" if n.startswith("prob") else n: c for n, c in columns.items()}


class LogitsFile:
    """A file, or a pair, that takes its place at the end of the `with`, whole or not at all.

    Parameters
    ----------
    path : str or path-like
        `.npy` (the labels lie in a file of their own, `labels_path`) or `.parquet`.
    classes : tuple of str, optional
        Names of the columns; numbers where there are none.

    Raises
    ------
    InvalidInputError
        Another suffix, or a place where nothing can be written.
    MissingDependencyError
        pyarrow is not installed, which Parquet needs.
    """

    def __init__(self, path: Any, classes: tuple[str, ...] | None) -> None:  # noqa: ANN401
        check_writable(path, SUFFIXES)
        self.path = Path(path)
        self.is_table = file_suffix(self.path) == ".parquet"
        self._classes = classes
        self._stack = ExitStack()
        self._files: list[Any] = []

    def __enter__(self) -> Self:
        paths = [self.path] if self.is_table else [self.path, labels_path(self.path)]
        kind = ParquetBlocks if self.is_table else NpyBlocks
        for path in paths:
            file = kind(self._stack.enter_context(replacing(path)), file_suffix(path))
            self._stack.callback(file.close)
            self._files.append(file)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(self, logits: NDArray[Any], labels: NDArray[Any]) -> None:
        """Append rows, (m, k), and their labels, (m,), or a matrix of labels."""
        if self.is_table:
            name = "labels" if labels.ndim == 2 else "label"
            self._files[0].add(_Scores(logits, self._classes, None, {name: labels}))
            return
        for file, array in zip(self._files, (logits, labels), strict=True):
            file.add(Content(array, None, None, {}))
