"""The list of commands."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from temperance.calibrators import METHODS, method_tables
from temperance.cli.apply import apply
from temperance.cli.cascade import cascade
from temperance.cli.compare import compare
from temperance.cli.console import print_json, print_table
from temperance.cli.demo import demo
from temperance.cli.evaluate import evaluate
from temperance.cli.files import FileCommand
from temperance.cli.fit import fit
from temperance.cli.options import JsonOption
from temperance.cli.plan import plan
from temperance.cli.shift import shift
from temperance.cli.threshold import threshold
from temperance.version import __version__

__all__ = ["app"]

# `temperance methods`: what each calibrator does, needs and keeps.


def methods(as_json: JsonOption = False) -> None:
    """Compare the calibrators: what each does, learns, needs and keeps.

    The names go behind `--method`; `--method auto` lets the rows choose.
    """
    if as_json:
        print_json({name: each.traits.to_dict() for name, each in METHODS.items()})
        return
    for table in method_tables():
        print_table(table)


app = typer.Typer(
    name="temperance",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(
    invoke_without_command=True,
    epilog="Start here: [bold]temperance demo[/]. Each command: [bold]temperance fit --help[/].",
)
def temperance(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Make a classifier's probabilities mean what they say."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _example(command_line: str) -> str:
    return f"Example: [bold]temperance {command_line}[/]"


_command = partial(app.command, cls=FileCommand)
_command(epilog=_example("demo"))(demo)
_command(epilog=_example("fit cal.npz --test test.npz --report report.html"))(fit)
_command(epilog=_example("apply calibrator.json new.csv -o probs.csv"))(apply)
_command(epilog=_example("evaluate test.npz --calibrator calibrator.json --max-ece 0.05"))(evaluate)
_command(epilog=_example("compare model-a.npz model-b.npz --report report.html"))(compare)
_command(epilog=_example("shift last-month.npz this-month.npz --report shift.html"))(shift)
_command(epilog=_example("cascade small.npz large.npz --cost 0.01 --report cascade.html"))(cascade)
_command(epilog=_example("methods"))(methods)
_command(epilog=_example("plan pool.npz --error 0.05"))(plan)
_command(epilog=_example("threshold cal.npz --max-risk 0.02 --test test.npz"))(threshold)
