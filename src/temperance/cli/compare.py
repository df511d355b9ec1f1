"""`temperance compare`: which of several models or calibrators is better, if one can tell."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from temperance.cli.console import Result
from temperance.cli.gating import (
    Gating,
    JUnitOption,
    MarginOption,
    MarkdownOption,
    UndecidedOption,
    Worse,
    as_margins,
    ended,
    fail_if,
)
from temperance.cli.options import (
    BinsOption,
    LogitsColumns,
    ProbsColumns,
    QuickOption,
    ReportOption,
    ResamplesOption,
    SeedOption,
)
from temperance.cli.process import recorded, recorded_warnings
from temperance.cli.reading_options import takes_reading
from temperance.defaults import N_RESAMPLES, QUICK_RESAMPLES
from temperance.errors import InvalidInputError
from temperance.version import __version__

if TYPE_CHECKING:
    from temperance.calibrators import Calibrator
    from temperance.comparison import Comparison
    from temperance.gates import Gated
    from temperance.metrics.inputs import Predictions
    from temperance.readers import Fields
    from temperance.rows.memory import Rows
    from temperance.rows.reading import Reading

__all__ = ["compare"]


@takes_reading(without=("logits_column", "probs_column"), answers=False)
def compare(
    reading: Reading,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="A [B ...]",
            help="Outputs on the same rows, A the baseline with the labels. Rows match by id, or "
            "without in their order; classes by name. A .json is a calibrator, applied to A. "
            "Columns or keys of one file: name the file once and each of them, --probs-column A "
            "--probs-column B.",
        ),
    ],
    report: ReportOption = None,
    fails: Annotated[
        Worse | None, fail_if("Fail where a model is worse than A, by evidence, in any measure.")
    ] = None,
    margin: MarginOption = None,
    undecided: UndecidedOption = None,
    junit: JUnitOption = None,
    markdown: MarkdownOption = None,
    n_bins: BinsOption = 15,
    n_resamples: ResamplesOption = N_RESAMPLES,
    quick: QuickOption = False,
    seed: SeedOption = 0,
    logits_column: LogitsColumns = None,
    probs_column: ProbsColumns = None,
) -> Result:
    """Compare models, or calibrators, on the same labelled rows.

    Every difference from the first is paired, row by row, with a 95 % interval and a verdict:
    better, worse, or cannot tell. --fail-if worse makes that a gate for CI.
    """
    from temperance.cli.console import Headline, progress
    from temperance.comparison import compare_rows, difference_tables, in_words
    from temperance.gates import check_differences
    from temperance.readers import Fields
    from temperance.rows.calibration import infinite_losses
    from temperance.writers.place import check_writable

    if report is not None:
        check_writable(report, {".html", ".htm"})
    gating, margins = Gating(undecided, junit, markdown), as_margins(margin)
    gating.check(any_gate=fails is not None, options=["--fail-if worse"])
    if margins and fails is None:
        msg = "`--margin` needs --fail-if worse, than which a measure may be worse by that."
        raise InvalidInputError(msg)
    columns = [
        *(Fields(logits=name) for name in logits_column or ()),
        *(Fields(probs=name) for name in probs_column or ()),
    ]
    outputs = _outputs(files, reading, columns)
    first, sides, notes = _read(outputs, files)
    with progress("measuring"):
        comparison = compare_rows(
            sides,
            groups=first.named_groups,
            n_bins=n_bins,
            n_resamples=QUICK_RESAMPLES if quick else n_resamples,
            seed=seed,
        )
    infinite = [
        infinite_losses(first, comparison.evaluations[name], side.logits, name=name)
        for name, side in sides.items()
    ]
    notes = (*notes, *(warning for each in infinite for warning in each))
    words = in_words(comparison)
    if report is not None:
        _write_report(report, comparison, first, files, notes)
    gates: tuple[Gated, ...] = ()
    if fails is not None:
        gates = check_differences(comparison, margins=margins, undecided=gating.taken_for)
    gating.write(
        "compare", gates, source=" ".join(sides), headline=words,
        shown=lambda: difference_tables(comparison), warnings=notes,
        digests={first.source: first.sha256}, report=report,
    )  # fmt: skip
    facts = {"headline": words, **ended(gates), "data_sha256": first.sha256}
    return Result(
        lambda: {**comparison.to_dict(), **facts},
        lambda: (Headline(words), *difference_tables(comparison)),
        warnings=notes,
        files={"report": report, **gating.files},
        gates=gates,
    )


def _write_report(
    report: Path, comparison: Comparison, first: Rows, files: list[Path], notes: tuple[str, ...]
) -> None:
    from temperance.cli.console import progress
    from temperance.report import write_comparison

    about = (
        ("Rows", first.described),
        ("SHA-256 of that file", first.sha256),
        ("Compared", ", ".join(map(str, files))),
        *(("Reading", each) for each in recorded_warnings(notes)),
        ("Library", f"temperance {__version__}"),
    )
    with progress("drawing the report"):
        title = recorded(f"Comparison: {' and '.join(comparison.evaluations)}")
        write_comparison(report, comparison, title=title, facts=recorded(about))


@dataclass(frozen=True, slots=True)
class _Output:
    """One side of a comparison: a file, or a calibrator, its name, and how the file is read."""

    name: str
    path: Path
    reading: Reading

    @property
    def is_calibrator(self) -> bool:
        """Whether it is a map of the first file's outputs."""
        return self.path.suffix.lower() == ".json"


def _outputs(files: list[Path], reading: Reading, columns: list[Fields]) -> list[_Output]:
    """Return the sides: files, or columns of one file, or a column of each, then calibrators."""
    from temperance.readers import Fields

    paths = [path for path in files if path.suffix.lower() != ".json"]
    if files[0].suffix.lower() == ".json":
        msg = f"{files[0]}: the first file must hold outputs and labels, not a calibrator."
        raise InvalidInputError(msg)
    if len(columns) < 2:
        only = columns[0] if columns else Fields()
        same = _with_scores(reading, only)
        names = _names(files)
        return [_Output(name, path, same) for name, path in zip(names, files, strict=True)]
    if len(paths) not in (1, len(columns)):
        msg = (
            f"compare got {len(columns)} columns (--logits-column, --probs-column) for "
            f"{len(paths)} files; name one file, or as many files as columns."
        )
        raise InvalidInputError(msg)
    labels = [str(each.logits or each.probs) for each in columns]
    if len(paths) > 1:
        stems = [path.stem for path in paths]
        labels = [f"{stem} {name}" for stem, name in zip(stems, labels, strict=True)]
    else:
        paths = paths * len(columns)
    sides = [
        _Output(name, path, _with_scores(reading, each))
        for name, path, each in zip(labels, paths, columns, strict=True)
    ]
    maps = [path for path in files if path.suffix.lower() == ".json"]
    if maps:
        sides += [_Output(n, p, reading) for n, p in zip(_names(maps), maps, strict=True)]
    if len({side.name for side in sides}) < len(sides):
        msg = "compare needs different columns; one of them is named twice."
        raise InvalidInputError(msg)
    return sides


def _with_scores(reading: Reading, scores: Fields) -> Reading:
    fields = replace(reading.fields, logits=scores.logits, probs=scores.probs)
    return replace(reading, fields=fields)


def _read(
    outputs: list[_Output], files: list[Path]
) -> tuple[Rows, dict[str, Predictions], tuple[str, ...]]:
    """Return the baseline's rows, every side's predictions under its name, and notes of them."""
    from temperance.formats import load
    from temperance.rows.reading import check_same_rows, read_rows

    if len(outputs) < 2:
        msg = (
            f"compare needs at least two files, got {len(files)}: outputs, or calibrators (.json). "
            "Of two columns of one file, name both: --probs-column A --probs-column B."
        )
        raise InvalidInputError(msg)
    base = outputs[0]
    maps = {side.name: load(side.path) for side in outputs[1:] if side.is_calibrator}
    floored = [each for each in maps.values() if each.record is not None and each.record.floor]
    lowest = min(floored, key=_floor_of, default=None)
    first = read_rows(base.path, base.reading.with_floor_of(lowest))
    sides, notes = {base.name: first.predictions()}, first.notes
    for side in outputs[1:]:
        if side.name in maps:
            calibrator, own = maps[side.name], first
            if _floor_of(calibrator) != _floor_of(lowest):  # each map meets what it was fitted to
                own = read_rows(base.path, base.reading.with_floor_of(calibrator))
                notes = (*notes, *own.notes)
            own.check_fits(calibrator, str(side.path))
            logits = own.scaled_by(calibrator)
        else:
            same_file = side.path == outputs[0].path
            reading = side.reading if same_file else side.reading.other_file()
            other = read_rows(side.path, reading, labelled=False, like=first, same_rows=True)
            check_same_rows(first, other)
            logits, notes = other.logits, (*notes, *other.notes)
        sides[side.name] = first.predictions(logits)
    return first, sides, tuple(dict.fromkeys(notes))


def _floor_of(calibrator: Calibrator | None) -> float:
    """Return what the probabilities of a calibrator's fit were raised to; 0 if to nothing."""
    record = None if calibrator is None else calibrator.record
    return 0.0 if record is None or record.floor is None else record.floor


def _names(files: list[Path]) -> list[str]:
    """Return a name per file (see `stems_of`); refuse a file that is named twice."""
    from temperance.rows.reading import stems_of

    names = list(stems_of(files))
    if len(set(names)) < len(files):
        msg = "compare needs different files; one of them is named twice."
        raise InvalidInputError(msg)
    return names
