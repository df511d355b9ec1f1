"""The commands that pages name: what to do next, with the options that the files are read by."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path

from temperance.file_formats import FILE_FORMATS, file_suffix, format_of, suffixes_of

__all__ = ["UNSUPPORTED", "Files"]

# The options of reading that a command does not take, of those that `temperance fit` takes.
_OF_ANSWERS = frozenset({"--score-column", "--score-scale", "--score-of", "--score-words"})
UNSUPPORTED = {
    "fit": frozenset[str](),
    "evaluate": frozenset[str](),
    "apply": frozenset({"--labels", "--label-id-column", "--ignore-label", "--label-map"})
    | _OF_ANSWERS - {"--score-column"},
    "cascade": frozenset({"--class-axis", "--group-column"}) | _OF_ANSWERS,
    "plan": frozenset({"--class-axis", "--cluster-column"}) | _OF_ANSWERS,
    "shift": frozenset({"--class-axis", "--group-column"}) | _OF_ANSWERS,
    "threshold": frozenset({"--class-axis"}),
}
_NEEDED = frozenset({"--class-axis"})  # without which a file is another one
_ONE_FILE = frozenset({"plan", "threshold"})
_WRITABLE = suffixes_of(each for each in FILE_FORMATS if each.write and not each.scores_only)
_ANY = ".npz"  # holds whatever rows there are, but neither a folder's nor rows of other lengths


@dataclass(frozen=True, slots=True)
class Files:
    """What the command of a next step is written with.

    Attributes
    ----------
    rows : tuple of str
        Files that the page is made of: several of an ensemble or a cascade, none where the rows
        are no files.
    result : str
        The calibrator, policy or cascade that was written or applied; "" of none.
    reading : tuple of (str, str)
        The options of reading that were given, each with its value; "" of a flag.
    settings : tuple of (str, str)
        The others, for the same command once more.
    """

    rows: tuple[str, ...] = ()
    result: str = ""
    reading: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = ()

    @property
    def kind(self) -> str:
        """What `--kind` says of the scores; "" where it says nothing."""
        return dict(self.reading).get("--kind", "")

    @property
    def may_be_ragged(self) -> bool:
        """Whether rows may have options of their own, as those of language models have."""
        formats = [format_of(Path(each)) for each in self.rows]
        return "--format" in dict(self.reading) or any(each and each.ragged for each in formats)

    @property
    def new_rows(self) -> tuple[str, ...]:
        """Names of files of the same form that do not exist yet."""
        if len(self.rows) < 2:
            return (f"new-rows{self._suffix}",)
        return tuple(f"new-{Path(each).name}" for each in self.rows)

    def line(self, command: str, rows: tuple[str, ...], *more: str) -> str:
        """Return a command on files that are read as these are; "" where it cannot read them.

        Labels of another file are those of the files of the page: others have their own.

        >>> Files(("a b.csv",), reading=(("--label-column", "y"),)).line("fit", ("a b.csv",))
        "temperance fit 'a b.csv' --label-column y"
        """
        refused = UNSUPPORTED[command]
        another = {name for name, _ in self.reading} & refused & _NEEDED
        if not self.rows or another or (command in _ONE_FILE and len(rows) > 1):
            return ""
        options = []
        for name, value in self.reading:
            of_labels = name in ("--labels", "--label-id-column")
            if name in refused or (command == "shift" and of_labels and rows != self.rows):
                continue
            if name == "--labels" and rows != self.rows:
                options += [name, f"new-labels{file_suffix(value)}"]
            else:
                options += [name, value] if value else [name]
        return shlex.join(["temperance", command, *rows, *options, *more])

    def again(self, command: str, rows: tuple[str, ...], *more: str) -> str:
        """Return the command of the page once more, with its own options too."""
        own = (word for pair in self.settings for word in pair if word)
        return self.line(command, rows, *own, *more)

    def apply(self, output: str) -> str:
        """Return how the result is applied to new rows, which need no labels; "" without one."""
        if not self.result:
            return ""
        suffix = self._suffix
        if suffix not in _WRITABLE:
            suffix = ".jsonl" if self.may_be_ragged else _ANY if suffix else ".csv"
        new = replace(self, rows=self.new_rows)
        return new.line("apply", (self.result, *new.rows), "-o", f"{output}{suffix}")

    def fit(self, *more: str) -> str:
        """Return how a map is learned from these files, with a report."""
        several = ("--method", "ensemble") if len(self.rows) > 1 else ()
        return self.line("fit", self.rows, *(more or several), "--report", "fit.html")

    def look_again(self) -> str:
        """Return how to see whether new rows are as these: by a shift, or by their labels."""
        by_labels = (
            len(self.rows) > 1
            or self.kind in {"answers", "multilabel"}
            or self.may_be_ragged
            or "--labels" in dict(self.reading)  # they would be taken for those of the new rows
        )
        pair = (*self.rows, *self.new_rows)
        command = "" if by_labels else self.line("shift", pair, "--report", "shift.html")
        return command or self.line("evaluate", self.new_rows, "--report", "evaluate.html")

    def plan(self) -> str:
        """Return how many labels are needed; "" of answers, for which there is no plan."""
        return "" if self.kind == "answers" else self.line("plan", self.rows)

    def measure(self) -> str:
        """Return how new labelled rows are measured, after the result where there is one."""
        after = ("--calibrator", self.result) if self.result else ()
        return self.line("evaluate", self.new_rows, *after, "--report", "evaluate.html")

    @property
    def _suffix(self) -> str:
        return file_suffix(self.rows[0]) if self.rows else _ANY
