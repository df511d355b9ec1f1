"""`temperance apply`: new outputs in, calibrated probabilities out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Self

import typer

from temperance.cli.options import JsonOption
from temperance.cli.reading_options import takes_reading
from temperance.file_formats import FILE_FORMATS, file_suffix, format_of, names_in_help
from temperance.printable import count_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from temperance.calibrators import Calibrator
    from temperance.checks.contradictions import ScoreRules
    from temperance.decisions import Abstention, Bands
    from temperance.readers import BlockFile
    from temperance.rows.memory import Rows
    from temperance.rows.reading import Reading

__all__ = ["apply"]

# What `temperance apply` applies: a calibrator, or a policy that also decides.


@dataclass(frozen=True, slots=True)
class Map:
    """A calibrator read from a file, with the rule of a policy if the file is one."""

    calibrator: Calibrator
    rule: Abstention | Bands | None
    source: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a calibrator.json or a policy.json."""
        from temperance.decisions.policy import is_policy, load_policy
        from temperance.formats import load

        if is_policy(path):
            policy = load_policy(path)
            return cls(policy.calibrator, policy.rule, str(path))
        return cls(load(path), None, str(path))

    @property
    def composite(self) -> bool:
        """Whether rows are decided together, as parts of one answer."""
        return self.rule is not None and self.rule.event.composite is not None

    def decided(self, rows: Rows, probs: NDArray[np.float64]) -> dict[str, NDArray[Any]]:
        """Return what a policy decides, by columns in the file's own shape; {} without one."""
        from temperance.decisions import Bands
        from temperance.rows.memory import naming

        rule = self.rule
        if rule is None:
            return {}
        with naming(rows.source):
            if rule.event.column is None and rule.event.composite is None:
                score = rows.layout.confidence(probs)
            else:
                score = rule.event.score(probs, rows.clusters)
            band = rule.decide(score, rows.group_names)
        columns = {"accepted": rows.layout.restored(band == "accept")}
        if isinstance(rule, Bands):
            columns["band"] = rows.layout.restored(band)
        return columns

    def unknown_groups(self, rows: Rows) -> tuple[str, ...]:
        """Return what to say of rows that are never answered, because no promise is for them."""
        import numpy as np

        if self.rule is None or not self.rule.per_group or rows.group_names is None:
            return ()
        others = ~np.isin(rows.group_names, self.rule.promised_groups)
        if not others.any():
            return ()
        count = int(np.count_nonzero(others))
        are = "is" if count == 1 else "are"
        text = f"{count_text(count, 'row')} of groups without a promise in {self.source} {are}"
        return (f"{text} not accepted.",)


def header_of(rows: Rows, calibrator: Calibrator) -> tuple[str, ...] | None:
    """Return names of the columns: the file's own, else those that the calibrator knows.

    Labels are handed on as they came, so where a file has none for its columns and its labels are
    their positions, what is written has none either.
    """
    assert rows.columns is not None  # noqa: S101  (of whole files)
    unnamed = rows.columns["labels"] is None
    return rows.layout.header(rows.classes or (calibrator.classes if unnamed else None))


# Files that are worked on block by block, because they are large or a folder of shards.


class Applied:
    """What is told about rows that have been written."""

    def __init__(self) -> None:
        self.n, self.classes, self._confidence = 0, 0, 0.0
        self.accepted: int | None = None

    def add(self, probs: np.ndarray, accepted: np.ndarray | None) -> None:
        """Count a block of probabilities, (n, k), and of accepted rows, (n,)."""
        import numpy as np

        self.n += len(probs)
        self.classes = probs.shape[1]
        self._confidence += float(probs.max(axis=1).sum())
        if accepted is not None:
            self.accepted = (self.accepted or 0) + int(np.count_nonzero(accepted))

    @property
    def mean_confidence(self) -> float:
        """Mean probability of the predicted class."""
        return self._confidence / self.n


def apply_blocks(file: BlockFile, map_: Map, output: Path, rules: ScoreRules) -> Applied:
    """Write the calibrated probabilities of a file in one reading; all of them, or nothing."""
    import numpy as np

    from temperance.blocks import report_rows
    from temperance.checks.arrays import rows_from
    from temperance.rows.file_rows import rows_of_classes
    from temperance.rows.memory import naming
    from temperance.writers import writing_blocks
    from temperance.writers.content import Content

    applied, calibrator = Applied(), map_.calibrator
    with writing_blocks(output) as writer:
        for block in file:
            with naming(block.source), rows_from(block.first):
                rows = rows_of_classes(
                    block, labelled=False, ignore_label=None, class_axis=None, keep=None,
                    whole=True, rules=rules,
                )  # fmt: skip
                rows.check_fits(calibrator, map_.source)
                probs = rows.applied(calibrator)
                decided = map_.decided(rows, probs)
            assert rows.columns is not None  # noqa: S101  (of whole files)
            columns = {**rows.columns, **decided}
            if (weights := columns["weights"]) is not None:  # integers in one shard, floats next
                columns["weights"] = np.asarray(weights, dtype=np.float64)
            classes = header_of(rows, calibrator)
            writer.add(Content.of(probs, classes=classes, mask=None, columns=columns))
            applied.add(probs, decided.get("accepted"))
            report_rows(len(probs))
    return applied


# Which rows a temperature per group does not know.


@takes_reading(
    without=("labels", "ignore_label", "label_map", "score_scale", "score_of", "score_words")
)
def apply(
    reading: Reading,
    calibrator_file: Annotated[
        Path,
        typer.Argument(
            metavar="CALIBRATOR",
            help="A calibrator.json of `temperance fit`, a policy.json of `temperance threshold` "
            "or `policy`, or a cascade.json of `temperance cascade`.",
        ),
    ],
    file: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Logits or probabilities; of an ensemble, and of a cascade so far as models were "
            "asked, one file per model.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help=f"Probabilities: {names_in_help(each for each in FILE_FORMATS if each.write)}; "
            f"alone in {names_in_help(each for each in FILE_FORMATS if each.scores_only)}.",
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Write calibrated probabilities for every row of a file.

    With a policy also `accepted`, whether the row may be answered, and with one of bands `band`:
    accept, review or reject. With a cascade `answered_by`, whose probabilities these are, and
    `goes_on`, whether the next model is to be asked. Labels, ids, groups and weights of FILE are
    handed on, whatever the labels are. Outputs per pixel or token (--class-axis) keep their shape.
    A folder of shards, or a file of 1 GiB and more, is read once and written row by row, in little
    memory.
    """
    import numpy as np

    from temperance.cli.console import progress
    from temperance.decisions.cascade_json import is_cascade
    from temperance.rows.memory import naming
    from temperance.rows.reading import is_large, read_members
    from temperance.writers import SUFFIXES, check_dense, write_probs
    from temperance.writers.place import check_writable

    check_writable(output, SUFFIXES)
    if reading.class_axis is not None:
        check_dense(output)
    if is_cascade(calibrator_file):
        _apply_cascade(calibrator_file, file, reading, output, as_json=as_json)
        return
    map_ = Map.read(calibrator_file)
    calibrator = map_.calibrator
    reading = reading.for_calibrator(calibrator)
    if len(file) == 1 and _by_blocks(map_, reading) and (file[0].is_dir() or is_large(file)):
        _apply_by_blocks(file[0], map_, reading, output, as_json=as_json)
        return
    rows = read_members(file, reading, labelled=False, whole=True)
    assert rows.columns is not None  # noqa: S101  (of whole files)
    rows.check_fits(calibrator, str(calibrator_file))
    with naming(rows.source), progress(f"applying to {rows.outcomes.rows(rows.n)}"):
        probs = rows.applied(calibrator)
    decided = map_.decided(rows, probs)
    warnings = (
        *rows.notes,
        *rows.fallbacks(calibrator),
        *map_.unknown_groups(rows),
        *_without_place(map_, output),
    )
    with progress(f"writing {output.name}"):
        write_probs(
            output,
            rows.layout.restored(probs),
            classes=header_of(rows, calibrator),
            **rows.columns,
            **decided,
            mask=~np.isneginf(rows.logits) if rows.ragged else None,
            layout=rows.layout.form,
        )
    confidence = float(rows.layout.confidence(probs).mean())
    width = rows.layout.width(rows.n_classes)
    totals = _Totals(len(probs), width, confidence, warnings)
    accepted = decided.get("accepted")
    count = None if accepted is None else int(np.count_nonzero(accepted))
    _print_totals(totals, map_, count, output, as_json=as_json)


def _by_blocks(map_: Map, reading: Reading) -> bool:
    """Return whether each row of a file can be answered without the others."""
    calibrator = map_.calibrator
    plain = calibrator.kind == "logits" and not calibrator.traits.members
    whole = map_.composite or reading.class_axis is not None or reading.na == "drop"
    return plain and not whole and reading.llm is None


def _apply_by_blocks(
    file: Path, map_: Map, reading: Reading, output: Path, *, as_json: bool
) -> None:
    """Write the probabilities of a folder, or of a large file, in one reading."""
    from temperance.cli.console import progress
    from temperance.readers import read_blocks
    from temperance.rows.reading import read_kind
    from temperance.writers import check_block_suffix

    check_block_suffix(output)
    blocks = read_blocks(file, kind=read_kind(reading.kind), fields=reading.fields)
    with progress(f"applying to {file.name}", rows=blocks.n_rows):
        applied = apply_blocks(blocks, map_, output, reading.rules)
    warnings = (*blocks.notes, *reading.rules.of_blocks, *_without_place(map_, output))
    totals = _Totals(applied.n, applied.classes, applied.mean_confidence, warnings)
    _print_totals(totals, map_, applied.accepted, output, as_json=as_json)


def _apply_cascade(
    cascade_file: Path, files: list[Path], reading: Reading, output: Path, *, as_json: bool
) -> None:
    """Write who answers each row, with what probabilities, and who is to be asked next."""
    import numpy as np

    from temperance.cli.console import note, print_json, progress
    from temperance.decisions.cascade_json import cascade_id, load_cascade
    from temperance.rows.cascade import route_files
    from temperance.writers import write_probs

    policy = load_cascade(cascade_file)
    with progress(f"applying to {files[0].name}"):
        rows, routed = route_files(policy, files, reading)
    names = np.array(policy.names)
    next_model = np.where(routed.goes_on, routed.model + 1, -1)
    columns: dict[str, Any] = dict(rows.columns or {})
    with progress(f"writing {output.name}"):
        write_probs(
            output,
            routed.probs,
            classes=header_of(rows, policy.calibrators[0]),
            **columns,
            answered_by=names[routed.model],
            goes_on=routed.goes_on,
            mask=~np.isneginf(rows.logits) if rows.ragged else None,
        )
    answered = {
        name: int(np.count_nonzero((routed.model == number) & ~routed.goes_on))
        for number, name in enumerate(policy.names)
    }
    ask = {
        name: int(np.count_nonzero(next_model == number))
        for number, name in enumerate(policy.names)
    }
    ask = {name: count for name, count in ask.items() if count}
    if as_json:
        content = {"n": rows.n, "answered": answered, "ask": ask, "cascade": cascade_id(policy)}
        print_json({**content, "output": str(output), "warnings": list(rows.notes)})
        return
    for warning in rows.notes:
        note(f"warning: {warning}")
    by = ", ".join(f"{name} answers {count:,}" for name, count in answered.items() if count)
    more = "".join(f"; ask {name} about {count:,}" for name, count in ask.items())
    note(f"{count_text(rows.n, 'row')} written to {output}: {by or 'none is answered'}{more}")


class _Totals(NamedTuple):
    """What is said about the rows written."""

    n: int
    classes: int
    mean_confidence: float
    warnings: tuple[str, ...]


def _print_totals(
    totals: _Totals, map_: Map, accepted: int | None, output: Path, *, as_json: bool
) -> None:
    from temperance.calibrators import temperature_of
    from temperance.cli.console import note, print_json

    rule = map_.rule
    if as_json:
        decided = {}
        if rule is not None and accepted is not None:
            decided = {
                "accepted": accepted,
                "coverage": accepted / totals.n,
                "threshold": rule.threshold,
                "guarantee": rule.guarantee,
            }
        print_json(
            {
                "method": map_.calibrator.name,
                "temperature": temperature_of(map_.calibrator),
                **totals._asdict(),
                **decided,
                "calibrator": map_.source,
                "output": str(output),
                "warnings": list(totals.warnings),
            }
        )
        return
    for warning in totals.warnings:
        note(f"warning: {warning}")
    share = ""
    if accepted is not None:
        share = f", {accepted:,} of them accepted ({accepted / totals.n:.1%})".replace("%", " %")
    note(f"{count_text(totals.n, 'row')} written to {output}{share}")


def _without_place(map_: Map, output: Path) -> tuple[str, ...]:
    """Return a warning where a file cannot say which rows are accepted."""
    format_ = format_of(output)
    if map_.rule is None or format_ is None or not format_.scores_only:
        return ()
    suffix, other = file_suffix(output), output.with_suffix(".npz").name
    return (f"a {suffix} file has no place for `accepted`: write {other}.",)
