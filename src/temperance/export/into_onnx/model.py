"""A calibrator inside an ONNX model: the model gives calibrated probabilities wherever it runs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import Calibrator
from temperance.errors import FileFormatError, InvalidInputError, MissingDependencyError
from temperance.export.parity import Parity, ParityError, check_parity
from temperance.formats.calibrator_json import calibrator_content, content_id
from temperance.frozen import Plain
from temperance.printable import first_few
from temperance.show import Shown, Table, percent_text
from temperance.writers.place import check_writable, replacing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from temperance.export.into_onnx.graph import ModelGraph
    from temperance.export.into_onnx.heads import Head
    from temperance.export.into_onnx.labels import LabelOutput
    from temperance.export.into_onnx.placing import Placement
    from temperance.export.into_onnx.running import ModelRows

    Array = NDArray[np.float64]

__all__ = ["OnnxModel", "to_onnx"]

_TOLERANCES = {"float16": 2e-3}  # onnxruntime may hold logits with more digits than they have
_TOLERANCE = 1e-6
_LABEL = np.dtype(np.int64)
_STEEP = 1e-3  # change of a probability by the last digit of a score that is worth a warning


@dataclass(frozen=True, slots=True)
class OnnxModel(Shown, Plain):
    """A model that was written with a calibrator in it, and the proof.

    Attributes
    ----------
    file : str
        The model that was written.
    reads, reads_as, how : str
        The tensor that the map reads; "logits" or "probs"; how that was found.
    output : str
        The output that holds the calibrated numbers.
    gives : str
        "probs"; "logits" where they were folded into a model that ends in logits.
    placed : str
        Where the map is, in words.
    precision : str
        In which it computes: "float32" or "float64".
    label : str or None
        What became of the output of the predicted class, in words; None where there is none.
    tunable : str or None
        The input that holds the temperature, with the fitted one as its default.
    opset : int
        Version of the standard operators.
    external : str or None
        What became of weights in other files, in words.
    last_digit : float
        The most that a calibrated probability changes, in these rows, when what the map reads moves
        by its last digit: large where steps of a map lie at the very scores of the model.
    uncalibrated : tuple of str
        Outputs of numbers that are made of the same scores, and stay as they were.
    calibrator_id : str
        Of the calibrator whose JSON is in the model's metadata.
    parity : Parity
        What the model gave beside `apply`.
    """

    file: str
    reads: str
    reads_as: str
    how: str
    output: str
    gives: str
    placed: str
    precision: str
    label: str | None
    tunable: str | None
    opset: int
    external: str | None
    last_digit: float
    uncalibrated: tuple[str, ...]
    calibrator_id: str
    parity: Parity

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return what the numbers of the proof do not say, in sentences."""
        texts = []
        if self.uncalibrated:
            names = ", ".join(f"`{name}`" for name in self.uncalibrated)
            what = f"an output ({names}) that is" if len(self.uncalibrated) == 1 else (
                f"outputs ({names}) that are"
            )  # fmt: skip
            texts.append(
                f"the model has {what} made of the same scores and not calibrated: read "
                f"`{self.output}`, or export the model without."
            )
        if self.last_digit <= _STEEP:
            return tuple(texts)
        texts.append(
            f"steps of the map lie at scores of the model: the last digit of {self.reads} changes "
            f"a probability by up to {self.last_digit:.2g}. If the calibrator was fitted on scores "
            "of another program, in other precision, fit it on the outputs of this ONNX model."
        )
        return tuple(texts)

    def tables(self) -> tuple[Table, ...]:
        """Return what was found and done, and the proof."""
        gives = "probabilities" if self.gives == "probs" else "logits (their softmax holds them)"
        rows = [
            ("read", f"{self.reads}: {self.how}"),
            ("map", f"{self.placed}, {self.precision}"),
            ("calibrated output", f"{self.output}: {gives}"),
        ]
        optional = [("predicted class", self.label), ("weights", self.external)]
        if self.tunable is not None:
            optional.append(("temperature", f"input {self.tunable}, which may be left out"))
        rows += [(name, text) for name, text in optional if text is not None]
        rows.append(("calibrator", f"{self.calibrator_id[:19]} (in the model's metadata)"))
        return (
            Table(("model", ""), tuple(rows), words=frozenset({1})),
            *self.parity.tables(),
        )

    def columns(self) -> dict[str, list[Any]]:
        """Return one row of plain values: the proof's."""
        return self.parity.columns()


def to_onnx(
    model: str | PathLike[str],
    calibrator: Calibrator,
    output: str | PathLike[str],
    *,
    verify: Any = None,  # noqa: ANN401  (arrays by name, one array, a data frame or a file)
    output_name: str | None = None,
    logits: str | None = None,
    fold: bool = False,
    tunable: bool = False,
    rows: str | None = None,
) -> OnnxModel:
    """Write a model whose probabilities are the calibrated ones, once it gives these numbers.

    The map goes before the model's final Softmax or Sigmoid where it is a factor and a bias per
    class; else its nodes follow the logits, or the logarithm of the probabilities (trees, linear
    classifiers, ZipMap), in double precision. Other outputs stay; that of the predicted class
    follows the calibrated probabilities where the map may change it.

    Parameters
    ----------
    model : path
        An ONNX file.
    calibrator : Calibrator
        Of logits or of a label matrix; all methods but temperatures per group, ensembles, answers.
    output : path
        Where the calibrated model goes, `.onnx`; another file than `model`.
    verify : mapping of arrays, array_like, data frame or path, optional
        Rows that the model is used on, an array per input: .npz of them, .npy or .csv for models
        with one input. Where left out normal draws, if all inputs are numbers of a known shape.
    output_name : str, optional
        The output of the probabilities, or of logits, where there are several.
    logits : str, optional
        The tensor of the logits, which may lie inside the model.
    fold : bool, default False
        Put a map that is a matrix and a bias (temperature, Platt, bias-corrected temperature) into
        the weights of the last Gemm or MatMul, so that no node is added.
    tunable : bool, default False
        Make the temperature an input that may be left out: a new fit needs no new model.
    rows : str, optional
        What the rows are, in words, for the proof.

    Returns
    -------
    OnnxModel
        What was found, where the map is, and the parity: probabilities differ by at most 1e-6
        (of half precision, 2e-3).

    Raises
    ------
    FileFormatError
        `model` is no ONNX file, or onnxruntime cannot run it.
    InvalidInputError
        No output fits, or several; another number of classes or other names; an opset too old;
        rows with other names or shapes; a map that cannot be folded.
    MissingDependencyError
        onnx or onnxruntime is not installed.
    ParityError
        The new model gives other numbers, or another class; nothing was written.

    Examples
    --------
    >>> from temperance.calibrators import TemperatureScaling
    >>> to_onnx("model.onnx", TemperatureScaling(1.5), "calibrated.onnx")  # doctest: +SKIP
    """
    _require_packages()
    _check_arguments(model, calibrator, output, fold=fold, tunable=tunable)
    from temperance.export.into_onnx.graph import read_model  # noqa: PLC0415  (the extra)
    from temperance.export.into_onnx.heads import (  # noqa: PLC0415
        Naming,
        class_list,
        head_of,
        tensors_to_see,
    )
    from temperance.export.into_onnx.running import ModelRows, outputs_of  # noqa: PLC0415

    graph = read_model(model)
    known = graph.calibrated_by()
    if known is not None:
        msg = f"{graph.file} is calibrated already, by {known[:19]}: export from the model before."
        raise InvalidInputError(msg)
    if logits is not None and graph.producer(logits) is None:
        msg = f"`logits` (--logits) must be a tensor of the model; it makes none called {logits!r}."
        raise InvalidInputError(msg)
    naming = Naming(output_name, logits)
    of_rows = ModelRows.of(graph, verify, words=rows)
    values, target = outputs_of(graph, of_rows, also=tensors_to_see(graph, naming))
    head = head_of(graph, values, calibrator, naming)
    _check_classes(calibrator, class_list(graph, head, calibrator.n_classes or head.width))
    if len(values[head.source]) < of_rows.n:
        msg = (
            f"`{head.source}` {head.shape} has no row of scores for each of {of_rows.words}: the "
            "model's inputs and outputs must have an axis of rows, their first (a model of one "
            "sample has none: export it with one)."
        )
        raise InvalidInputError(msg)
    export = _Export(graph, head, calibrator, of_rows, values, target)
    changed, place, parity, label = export.made(fold=fold, tunable=tunable)
    external = _write(changed, Path(output))
    return OnnxModel(
        file=os.fspath(output), reads=head.source, reads_as=head.reads, how=head.how,
        output=place.output, gives=place.gives, placed=place.words, precision=place.precision,
        label=label, tunable=place.temperature if tunable else None, opset=changed.opset,
        external=external, last_digit=export.last_digit(),
        uncalibrated=() if fold else export.uncalibrated(changed, place),
        calibrator_id=content_id(calibrator), parity=parity,
    )  # fmt: skip


def _require_packages() -> None:
    for package in ("onnx", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingDependencyError(
                package, extra="onnx", purpose="A calibrator in an ONNX model"
            ) from error


def _check_arguments(
    model: str | PathLike[str], calibrator: Calibrator, output: str | PathLike[str], *,
    fold: bool, tunable: bool,
) -> None:  # fmt: skip
    """Raise where nothing that is in the model decides."""
    if not isinstance(calibrator, Calibrator):
        msg = f"`calibrator` must be a fitted calibrator, got {type(calibrator).__name__}."
        raise InvalidInputError(msg)
    check_writable(output, {".onnx"})
    if Path(output).exists() and Path(model).exists() and Path(output).samefile(model):
        msg = f"`output` must be another file than the model, got {os.fspath(output)!r} for both."
        raise InvalidInputError(msg)
    apply_it = "use `temperance apply` on the model's outputs"
    refused = None
    if calibrator.traits.members:
        refused = f"An ensemble reads the outputs of several models, and this is one: {apply_it}."
    elif calibrator.traits.groups:
        refused = (
            "A temperature per group needs each row's group, which the model does not read: "
            f"{apply_it}, or fit one temperature (--method temperature)."
        )
    elif calibrator.kind == "answers":
        refused = f"A calibrator of answers reads one score per answer, no classes: {apply_it}."
    elif fold and tunable:
        refused = (
            "`tunable` (--tunable) needs a node with the temperature; `fold` (--fold) adds none."
        )
    if refused is not None:
        raise InvalidInputError(refused)


def _check_classes(calibrator: Calibrator, labels: NDArray[Any] | None) -> None:
    """Raise where the model names other classes than the calibrator, or in another order."""
    if calibrator.classes is None or labels is None:
        return
    own, others = list(calibrator.classes), [str(label) for label in labels.tolist()]
    if own != others:
        order = "in another order" if sorted(own) == sorted(others) else "others"
        msg = (
            f"The calibrator's classes are {order}: {_quoted(own)}; those of the model are "
            f"{_quoted(others)}. Fit the calibrator on this model's outputs, columns in its order."
        )
        raise InvalidInputError(msg)


def _quoted(names: Sequence[str]) -> str:
    return first_few(list(map(repr, names)), 8)


@dataclass(frozen=True)
class _Export:
    """What is known of a model before it is changed."""

    graph: ModelGraph
    head: Head
    calibrator: Calibrator
    rows: ModelRows
    values: dict[str, Any]  # of its outputs, and of tensors inside
    target: str  # who ran it

    def made(
        self, *, fold: bool, tunable: bool
    ) -> tuple[ModelGraph, Placement, Parity, str | None]:
        """Return a changed model that gives the calibrated numbers: in double where single misses.

        Raises ParityError where neither does.
        """
        expected = self.head.expected(self.calibrator, self.values[self.head.source])
        for double in (False, True):
            changed, place, labels, words = self._changed(fold=fold, tunable=tunable, double=double)
            try:
                parity = self._parity(changed, place, labels, expected)
            except ParityError as error:
                if double or fold or place.precision == "float64":
                    raise self._explained(error, fold=fold) from error
                continue
            return changed, place, self._timed(parity, changed), words
        raise AssertionError  # one of both returns or raises

    def _explained(self, error: ParityError, *, fold: bool) -> ParityError:
        """Return the error with what may be done, where that is known."""
        from temperance.export.into_onnx.nodes import has_jumps  # noqa: PLC0415  (the extra)

        if has_jumps(self.calibrator.operations()):
            hint = (
                "The map jumps between scores that differ in their last digits, and logarithms of "
                "two libraries differ there. A temperature or vector map has no jumps; where they "
                "lie among probabilities of next to 0, fit it with --floor 1e-6."
            )
        elif fold:
            hint = "Without `fold` (--fold) nodes are added, in double precision where needed."
        else:
            return error
        return ParityError(f"{error} {hint}", parity=error.parity)

    def _changed(
        self, *, fold: bool, tunable: bool, double: bool
    ) -> tuple[ModelGraph, Placement, list[LabelOutput], str | None]:
        """Return a copy of the model with the map in it."""
        from temperance.export.into_onnx import folding, labels, placing  # noqa: PLC0415  (the extra)

        changed, calibrator, head = self.graph.copy(), self.calibrator, self.head
        place = (
            folding.fold_map(changed, head, calibrator) if fold
            else placing.place_map(changed, head, calibrator, double=double)
        )  # fmt: skip
        known: list[LabelOutput] = []
        words = []
        if calibrator.kind != "multilabel":
            known = labels.label_outputs(self.graph, head, self.values, self._own_probs())
            if calibrator.own_traits.keeps_class:
                words = [f"`{each.name}` stays: the map keeps it" for each in known]
            elif fold:
                folding.refuse_stale_labels(changed, head, known)
                words = [f"`{each.name}` is taken from the calibrated logits" for each in known]
            else:
                labels.refuse_other_labels(changed, head, place, self.values, known)
                words = [labels.set_label(changed, head, place, each) for each in known]
        if tunable:
            placing.make_tunable(changed, place, calibrator)
        content = json.dumps(calibrator_content(calibrator), ensure_ascii=False)
        changed.describe(content, content_id(calibrator))
        return changed, place, known, "; ".join(words) or None

    def _own_probs(self) -> Array:
        """Return the model's own probabilities of all classes, (n, k)."""
        from temperance.export.into_onnx.heads import softmax_of  # noqa: PLC0415  (the extra)

        probs = np.asarray(self.head.rows(self.values[self.head.source]), dtype=np.float64)
        if self.head.reads == "logits":
            probs = softmax_of(probs, of_labels=False)
        return np.hstack([1.0 - probs, probs]) if self.head.one_column else probs

    def _parity(
        self, changed: ModelGraph, place: Placement, labels: Sequence[LabelOutput], expected: Array
    ) -> Parity:
        """Return the parity of what the changed model gives, its predicted class too."""
        from temperance.export.into_onnx.running import outputs_of  # noqa: PLC0415  (the extra)

        values, target = outputs_of(changed, self.rows)
        tolerance = _TOLERANCES.get(self.head.target_dtype.name, _TOLERANCE)
        exported = self._probs(values[place.output], place)
        parity = check_parity(
            expected, exported, target=target, rows=self.rows.words, tolerance=tolerance
        )
        for label in labels:
            share = label.agreement(values[label.name], expected, tolerance=2.0 * tolerance)
            if share < 1.0:
                parity = replace(parity, class_agreement=share)
                msg = (
                    f"Output `{label.name}` of the new model is not the calibrated class in "
                    f"{percent_text(1.0 - share, 2)} of rows. Nothing was written."
                )
                raise ParityError(msg, parity=parity)
        return parity

    def _probs(self, output: Any, place: Placement) -> Array:  # noqa: ANN401  (array or dictionaries)
        """Return the probabilities that an output holds, (n, k)."""
        from temperance.export.into_onnx.heads import softmax_of  # noqa: PLC0415  (the extra)

        of_labels = self.calibrator.kind == "multilabel"
        if isinstance(output, list):
            output = np.array([list(row.values()) for row in output])
        array = np.asarray(output, dtype=np.float64)
        if array.ndim == 1:
            array = array[:, None]
        elif self.head.tensor is not None and array.ndim == len(self.head.shape):
            array = np.moveaxis(array, self.head.axis, -1)
        array = array.reshape(-1, array.shape[-1])
        if place.gives == "logits":
            array = softmax_of(array, of_labels=of_labels)
        return array if of_labels or array.shape[1] > 1 else np.hstack([1.0 - array, array])

    def uncalibrated(self, changed: ModelGraph, place: Placement) -> tuple[str, ...]:
        """Return outputs of numbers that the changed model makes of the scores before the map."""
        from temperance.export.into_onnx.heads import plain_source  # noqa: PLC0415  (the extra)

        source, names = self.head.source, []
        for name in changed.outputs:
            value = self.values.get(name)
            of_numbers = isinstance(value, list) or getattr(value, "dtype", _LABEL).kind == "f"
            makers = changed.before([name])
            if (
                of_numbers and name != place.output and plain_source(changed, name) != source
                and any(source in node.input for node in makers)
                and not any(place.tensor in node.input for node in makers)
            ):  # fmt: skip
                names.append(name)
        return tuple(names)

    def last_digit(self) -> float:
        """Return how far probabilities move when the score of the last class does, by one digit."""
        source = self.values[self.head.source]
        inside = np.isfinite(source)
        if self.head.reads == "probs":
            inside &= (source > 0.0) & (source < 1.0)
        of_last = np.full(source.shape, source.ndim == 1)
        if source.ndim > 1:
            np.moveaxis(of_last, self.head.axis, -1)[..., -1] = True
        expected = self.head.expected(self.calibrator, source)
        largest = 0.0
        for to in (-np.inf, np.inf):
            moved = np.where(inside & of_last, np.nextafter(source, source.dtype.type(to)), source)
            change = np.abs(self.head.expected(self.calibrator, moved) - expected)
            largest = max(largest, float(change.max(initial=0.0)))
        return largest

    def _timed(self, parity: Parity, changed: ModelGraph) -> Parity:
        from temperance.export.into_onnx.running import latencies  # noqa: PLC0415  (the extra)

        return replace(parity, latency=latencies(self.graph, changed, self.rows))


def _write(graph: ModelGraph, output: Path) -> str | None:
    """Write the model, and bring the files of its weights beside it; return what became of them."""
    files = graph.external_files()
    folder, target = graph.file.resolve().parent, output.resolve().parent
    copies: list[Path] = []
    ways = set()
    try:
        if folder != target:
            for name in files:
                ways.add(_bring(folder / name, target / name, copies))
        with replacing(output) as temporary:
            temporary.write_bytes(graph.model.SerializeToString())
    except BaseException:
        for path in copies:
            path.unlink(missing_ok=True)
        raise
    if not files:
        return None
    how = " and ".join(sorted(ways)) if ways else "left where they are, beside both models"
    return f"in {', '.join(files)}: {how}"


def _bring(source: Path, target: Path, copies: list[Path]) -> str:
    """Link a file of weights, or copy it where that is another disk."""
    import shutil  # noqa: PLC0415

    if target.exists():
        if target.samefile(source):
            return "left where they are"
        msg = f"{target} exists already, and holds other weights: give a folder without it."
        raise InvalidInputError(msg)
    if not source.exists():
        msg = f"{source}: weights of the model are missing."
        raise FileFormatError(msg)
    target.parent.mkdir(parents=True, exist_ok=True)
    copies.append(target)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
        return "copied beside it"
    return "linked beside it (one file, two names)"
