"""`temperance schema`: what is in the files that are written, for other programs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["schema"]


class FileName(StrEnum):
    """A file that this program defines."""

    calibrator = "calibrator"
    policy = "policy"
    cascade = "cascade"


def schema(
    name: Annotated[
        FileName, typer.Argument(metavar="calibrator|policy|cascade", help="Of which file.")
    ],
) -> None:
    """Print the JSON Schema of calibrator.json, policy.json or cascade.json.

    Draft 2020-12, on stdout: any validator takes it, and its descriptions say what each method
    does with its numbers.
    """
    from temperance.cli.console import print_json
    from temperance.formats import schema as schema_of

    print_json(schema_of(name.value))
