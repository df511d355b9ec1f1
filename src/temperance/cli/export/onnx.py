"""`temperance export onnx`: a calibrator inside the model itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from temperance.cli.export.proof import CalibratorFile, failing
from temperance.cli.options import JsonOption

__all__ = ["export_onnx"]


def export_onnx(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="An ONNX model.")],
    calibrator_file: CalibratorFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the new model goes.")
    ],
    verify: Annotated[
        Path | None,
        typer.Option(
            "--verify",
            metavar="FILE",
            help="Rows of the proof: .npz with an array per input of the model, .npy or .csv of "
            "its one input; where left out, made rows, if the inputs' shapes are known.",
        ),
    ] = None,
    output_name: Annotated[
        str | None,
        typer.Option(
            "--output-name",
            metavar="NAME",
            help="The output of the probabilities, or of the logits; where left out, it is found.",
        ),
    ] = None,
    logits: Annotated[
        str | None,
        typer.Option("--logits", metavar="NAME", help="The tensor of the logits."),
    ] = None,
    fold: Annotated[
        bool, typer.Option("--fold", help="Change the weights of the last layer; add no node.")
    ] = False,
    tunable: Annotated[
        bool, typer.Option("--tunable", help="Make the temperature an input with a default.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write an ONNX model with the calibrator in it, once running it gives the calibrated numbers.

    Its probabilities are the calibrated ones, under the names they had; a model that ends in logits
    gets an output of them. The calibrator's JSON is in the model's metadata.
    """
    from temperance.cli.console import Result, progress
    from temperance.export import to_onnx
    from temperance.formats import load

    calibrator = load(calibrator_file)
    with failing(as_json=as_json), progress("running the model"):
        exported = to_onnx(
            model, calibrator, output, verify=verify, output_name=output_name, logits=logits,
            fold=fold, tunable=tunable,
        )  # fmt: skip
    content = exported.to_dict()
    content["calibrated_output"] = content.pop("output")  # "output" is the file, in every command
    del content["file"]
    Result(
        content=lambda: content, shown=exported.tables, warnings=exported.warnings,
        files={"output": output},
    ).print(as_json=as_json)  # fmt: skip
