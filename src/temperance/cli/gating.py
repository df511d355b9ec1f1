"""Gates of commands: their options, and how they ended, on stderr, for CI and for reviewers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from temperance.cli.options import Undecided
from temperance.errors import InvalidInputError
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from temperance.gates import Gated
    from temperance.show import Table

__all__ = [
    "GATES",
    "Broken",
    "Gating",
    "JUnitOption",
    "MarginOption",
    "MarkdownOption",
    "Moved",
    "UndecidedOption",
    "Worse",
    "as_margins",
    "ended",
    "fail_if",
    "require_new_labels",
]

GATES = "Gates (exit code 1 when one fails)"


class Worse(StrEnum):
    """What a comparison fails by."""

    worse = "worse"


class Moved(StrEnum):
    """What a shift fails by."""

    moved = "moved"


class Broken(StrEnum):
    """What a threshold fails by."""

    broken = "broken"


def fail_if(what: str) -> Any:  # noqa: ANN401  (typer's option object)
    """Return the option --fail-if, with what it fails by in words."""
    return typer.Option("--fail-if", help=what, rich_help_panel=GATES)


UndecidedOption = Annotated[
    Undecided | None,
    typer.Option(
        "--undecided",
        help="What a gate counts as that these rows cannot decide. Default: pass.",
        rich_help_panel=GATES,
    ),
]
MarginOption = Annotated[
    list[str] | None,
    typer.Option(
        "--margin",
        metavar="MEASURE=X",
        help="How much worse a measure may be and not be called worse: accuracy=0.01, log_loss, "
        "brier or ece. May be given several times.",
        rich_help_panel=GATES,
    ),
]
JUnitOption = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        metavar="FILE.xml",
        help="Each gate as a test, for CI.",
        rich_help_panel=GATES,
    ),
]
MarkdownOption = Annotated[
    Path | None,
    typer.Option(
        "--markdown",
        metavar="FILE.md",
        help="Gates and measures, for a pull request.",
        rich_help_panel=GATES,
    ),
]


@dataclass(frozen=True, slots=True)
class Gating:
    """What a command line says of gates: what undecided ones are, and where all are written."""

    undecided: Undecided | None
    junit: Path | None
    markdown: Path | None

    @property
    def taken_for(self) -> Any:  # noqa: ANN401  (a literal of the library)
        """What an undecided gate is taken for: "pass" or "fail"."""
        return "pass" if self.undecided is None else self.undecided.value

    @property
    def files(self) -> dict[str, Path | None]:
        """What is written, by what it holds."""
        return {"junit": self.junit, "markdown": self.markdown}

    def check(self, *, any_gate: bool, options: Iterable[str]) -> None:
        """Raise before a row is read: files that cannot be written, options without a gate."""
        from temperance.writers.place import check_writable

        if self.junit is not None:
            check_writable(self.junit, {".xml"})
        if self.markdown is not None:
            check_writable(self.markdown, {".md", ".markdown"})
        if any_gate:
            return
        option_names = ", ".join(options)
        if self.undecided is not None:
            msg = f"--undecided {self.undecided} needs a limit that it is about: {option_names}."
            raise InvalidInputError(msg)
        if self.junit is not None:
            msg = f"--junit {self.junit} needs a gate, which it holds as a test: {option_names}."
            raise InvalidInputError(msg)

    def write(
        self,
        command: str,
        gates: Sequence[Gated],
        *,
        source: str,
        headline: str,
        shown: Callable[[], Iterable[str | Table]],
        warnings: Iterable[str],
        digests: dict[str, str],
        report: Path | None,
    ) -> None:
        """Write the files that were asked for; paths in them are names alone."""
        from temperance.cli.process import recorded, recorded_warnings
        from temperance.gates.summary import gate_cases, junit_xml, markdown_page, seen_from
        from temperance.writers.place import write_text

        if self.junit is not None:
            suite = recorded(f"temperance {command} {source}")
            cases = gate_cases(gates)
            write_text(self.junit, junit_xml(suite, cases, classname=f"temperance.{command}"))
        if self.markdown is None:
            return
        page = markdown_page(
            recorded(f"temperance {command} {source}"),
            gates,
            headline=recorded(headline),
            tables=[each for each in shown() if not isinstance(each, str)],
            facts={
                **{f"SHA-256 of {recorded(file)}": digest for file, digest in digests.items()},
                "Library": f"temperance {__version__}",
            },
            warnings=recorded_warnings(warnings),
            report=None if report is None else seen_from(self.markdown, report),
        )
        write_text(self.markdown, page)


def ended(gates: Sequence[Gated]) -> dict[str, Any]:
    """Return what JSON says of gates: each, and whether all passed."""
    return {
        "gates": [gate.to_dict() for gate in gates],
        "passed": all(gate.passed for gate in gates),
    }


def as_margins(texts: Iterable[str] | None, measures: Sequence[str] = ()) -> dict[str, float]:
    """Return margins by measure, of those that gates are about, from MEASURE=X, or raise."""
    from temperance.gates.difference import JUDGED
    from temperance.gates.limits import as_amount

    known = measures or JUDGED
    margins: dict[str, float] = {}
    for each in texts or ():
        name, equals, text = each.partition("=")
        measure = name.strip().replace("-", "_")
        try:
            checked = {measure: as_amount(float(text), name=measure, measure=measure)}
        except ValueError:  # InvalidInputError is one
            checked = {}
        if not equals or not checked or measure not in known or measure in margins:
            msg = (
                f"`--margin` must be MEASURE=X, each measure once, of {', '.join(known)}, and X a "
                "finite number >= 0, no more than the measure can be (5 % is 0.05), "
                f"got {each!r}."
            )
            raise InvalidInputError(msg)
        margins |= checked
    return margins


def require_new_labels(fails: Broken | None, test: Path | None, *, of: str, command: str) -> None:
    """Raise where a promise is to be judged by the labels that set it."""
    if fails is not None and test is None:
        msg = (
            f"--fail-if broken needs new labels, which had no say in {of}: --test FILE, or "
            f"{command}."
        )
        raise InvalidInputError(msg)
