"""The table of commands: each is loaded when it is called, and no other with it."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from temperance.cli.process import FileCommand
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["COMMANDS", "GROUPS", "Entry", "app", "command_function", "load_command"]


class Entry(NamedTuple):
    """What the list of commands says of one: the first line of its function, and an example."""

    line: str
    example: str


# `cli/NAME.py` holds the function NAME, which is the command; that of "export sql" is `export_sql`
# in `cli/export/sql.py`.
COMMANDS = {
    "demo": Entry("Fit, evaluate and report on real data that needs no download.", "demo"),
    "fit": Entry(
        "Learn a calibrator from a file of outputs and labels.",
        "fit cal.npz --test test.npz --report report.html",
    ),
    "apply": Entry(
        "Write calibrated probabilities for every row of a file.",
        "apply calibrator.json new.csv -o probs.csv",
    ),
    "evaluate": Entry(
        "Measure probabilities against labels, each number with a 95 % interval.",
        "evaluate test.npz --calibrator calibrator.json --max-ece 0.05",
    ),
    "compare": Entry(
        "Compare models, or calibrators, on the same labelled rows.",
        "compare model-a.npz model-b.npz --report report.html",
    ),
    "shift": Entry(
        "Say how a temperature fitted on REFERENCE does on NEW, and what would do better.",
        "shift last-month.npz this-month.npz --report shift.html",
    ),
    "cascade": Entry(
        "Find the confidence below which a row goes on to the next model.",
        "cascade small.npz large.npz --cost 0.01 --report cascade.html",
    ),
    "judge": Entry(
        "Correct a judge's pass rate by people's labels of some rows, with an interval that holds.",
        "judge judged.csv --judge-column verdict --label-column human",
    ),
    "methods": Entry(
        "Compare the calibrators: what each does, learns, needs and keeps.", "methods"
    ),
    "plan": Entry(
        "Say how many labels are needed to judge and to calibrate a model.",
        "plan pool.npz --error 0.05",
    ),
    "threshold": Entry(
        "Find the confidence from which on answers keep a promised error rate.",
        "threshold cal.npz --max-risk 0.02 --test test.npz",
    ),
    "policy": Entry(
        "Find where to accept, review and reject, so that promises hold at once.",
        "policy cal.npz --event yes --min-precision 0.95 --max-fnr 0.01",
    ),
    "serve": Entry(
        "Calibrate rows that are posted over HTTP, by a calibrator or a policy.",
        "serve calibrator.json --port 8080",
    ),
    "export sql": Entry(
        "Write a calibrator as an SQL query, once running it gives the calibrated numbers.",
        "export sql calibrator.json --dialect duckdb -o calibrated.sql",
    ),
    "export polars": Entry(
        "Write a calibrator as polars code, once running it gives the calibrated numbers.",
        "export polars calibrator.json -o calibrated.py",
    ),
    "export onnx": Entry(
        "Write an ONNX model with the calibrator in it, once running it gives the calibrated "
        "numbers.",
        "export onnx model.onnx calibrator.json -o calibrated.onnx --verify test.npz",
    ),
    "monitor init": Entry(
        "Make a store for predictions and labels, and put the calibrator into a registry.",
        "monitor init monitor.db --calibrator calibrator.json --delay 7d",
    ),
    "monitor log": Entry(
        "Keep predictions until their labels come; rows that are there already are counted.",
        "monitor log monitor.db today.csv --model resnet-3",
    ),
    "monitor label": Entry(
        "Give labels to the predictions of the same ids, in the order of the file.",
        "monitor label monitor.db labels.csv",
    ),
    "monitor check": Entry(
        "Weigh the labels that became usable since the last check; exit code 1 on an alarm.",
        "monitor check monitor.db --json",
    ),
    "monitor refit": Entry(
        "Fit on the labels of late; serve the result if labels that neither saw speak for it.",
        "monitor refit monitor.db",
    ),
    "monitor rollback": Entry(
        "Let the calibrator serve that served before the last re-fit, or another one.",
        "monitor rollback monitor.db --why 'worse in the morning'",
    ),
    "monitor status": Entry(
        "Say what the store holds, how late labels come, and which calibrators have served.",
        "monitor status monitor.db",
    ),
    "monitor metrics": Entry(
        "Write counts, evidence and alarms as Prometheus reads them.",
        "monitor metrics monitor.db -o temperance.prom",
    ),
    "monitor prune": Entry(
        "Delete predictions with all their labels, and give the room back.",
        "monitor prune monitor.db --older-than 90d",
    ),
    "monitor report": Entry(
        "Write a page: evidence, reliability, temperatures, groups, versions.",
        "monitor report monitor.db -o monitor.html",
    ),
    "monitor serve": Entry(
        "Show the page of a monitor to browsers, and its metrics to Prometheus.",
        "monitor serve monitor.db --port 8081",
    ),
    "monitor run": Entry(
        "Check again and again, each printed as by `check`; Ctrl-C ends it.",
        "monitor run monitor.db --every 1h --refit",
    ),
    "doctor": Entry(
        "Say what is installed, which engines compute, and whether known numbers are met.",
        "doctor --json",
    ),
    "completion": Entry(
        "Print, or install, what lets a shell complete commands and options.",
        "completion bash --install",
    ),
    "schema": Entry(
        "Print the JSON Schema of calibrator.json, policy.json or cascade.json.",
        "schema calibrator",
    ),
}
GROUPS = {
    "export": "Carry a calibrator to where the model runs, with proof that it is the same.",
    "monitor": "Watch what is served: labels that come late, alarms, re-fits, roll-backs.",
}

_HELP = {"help_option_names": ["-h", "--help"]}


_WHOLE = "temperance.help-all"  # in the context: all panels are wanted


class _Command(FileCommand):
    """A command that shows, on a terminal, what the library works on.

    `--help` is about a screen; `--help-all` also shows how files are read and numbers computed.
    """

    def __init__(self, *values: Any, **settings: Any) -> None:  # noqa: ANN401  (typer's)
        from temperance.cli.options import FOLDED

        super().__init__(*values, **settings)
        for each in self.params:
            _name_type(each)
        options = [each for each in self.params if isinstance(each, typer.core.TyperOption)]
        self._folded = [each for each in options if each.rich_help_panel in FOLDED]
        if self._folded:
            panels = dict.fromkeys(str(each.rich_help_panel) for each in self._folded)
            about = "; ".join(f"{each[0].lower()}{each[1:]}" for each in panels)
            n = len(self._folded)
            more = f"{n} more option{'' if n == 1 else 's'}"
            self.params.append(_whole_help(f"Also show {more}: {about}."))

    def options_of_fit(self) -> frozenset[str]:
        """Return those of `temperance fit`, which messages of other commands send to."""
        command = load_command("fit")
        assert isinstance(command, FileCommand)  # noqa: S101  (all commands are)
        return command.options

    def get_help_option(self, ctx: Any) -> Any:  # noqa: ANN401  (typer's)
        """Return `--help`, which takes no value."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.metavar = ""
        return option

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  (typer's)
        """Write the help, of the folded panels only where all is asked for."""
        hidden = [] if ctx.meta.get(_WHOLE) else [each for each in self._folded if not each.hidden]
        for each in hidden:
            each.hidden = True
        try:
            super().format_help(ctx, formatter)
        finally:
            for each in hidden:
                each.hidden = False

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401  (a typer.Context, under another name)
        """Run, and show the progress of each piece of work that the library names."""
        from temperance.blocks import reporting_work
        from temperance.cli.console import progress

        with reporting_work(progress):
            return super().invoke(ctx)


_TYPES = {  # what typer says of a value's type, and what it is to a reader
    "<path>": "file", "<list[Path]>": "files", "<str>": "text", "<list[str]>": "texts",
    "<int>": "number", "<float>": "number", "<bool>": "", "<int range>": "number",
    "<float range>": "number",
}  # fmt: skip


def _name_type(parameter: Any) -> None:  # noqa: ANN401  (typer's)
    """Let help call the type of an argument, or of an option without a metavar, by a word."""
    usual = parameter.display_type
    parameter.display_type = lambda ctx: _TYPES.get(usual(ctx), usual(ctx))


def _whole_help(words: str) -> Any:  # noqa: ANN401  (typer's)
    """Return the option `--help-all`, made as typer makes options."""

    def show(ctx: typer.Context, value: bool) -> None:
        if value and not ctx.resilient_parsing:
            ctx.meta[_WHOLE] = True
            typer.echo(ctx.get_help())
            raise typer.Exit

    option = typer.Option(
        "--help-all", help=words, callback=show, is_eager=True, expose_value=False, metavar="",
        show_default=False,
    )  # fmt: skip

    def carrier(help_all: bool = False) -> None:
        """Carry the option to where typer makes it."""

    carrier.__annotations__["help_all"] = Annotated[bool, option]
    single = typer.Typer(add_completion=False)
    single.command()(carrier)
    return typer.main.get_command(single).params[0]


def command_function(name: str) -> Callable[..., None]:
    """Import the function of a command, and only that one."""
    words = name.split()
    function: Callable[..., None] = getattr(
        import_module(f"temperance.cli.{'.'.join(words)}"), "_".join(words)
    )
    return function


def _help_of(function: Callable[..., None]) -> str:
    """Return what a function says of itself, a line per paragraph: terminals differ in width."""
    text = inspect.cleandoc(function.__doc__ or "")
    return "\n\n".join(" ".join(each.split()) for each in text.split("\n\n"))


@cache
def load_command(name: str) -> typer.core.TyperCommand:
    """Import a command, and only that one; return it with its options, the same each time."""
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    epilog = f"Example: [bold]temperance {COMMANDS[name].example}[/]"
    function = command_function(name)
    short = name.rsplit(maxsplit=1)[-1]
    single.command(short, cls=_Command, epilog=epilog, help=_help_of(function))(function)
    command = typer.main.get_command(single)
    assert isinstance(command, typer.core.TyperCommand)  # noqa: S101  (of one function)
    return command


class _Commands(typer.core.TyperGroup):
    """The commands by their lines alone; the one that is called takes the place of its line."""

    prefix = ""  # of the names in the table: "export " of a group

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401  (typer's)
        by_name = {name.removeprefix(self.prefix): each for name, each in COMMANDS.items()
                 if name.startswith(self.prefix)}  # fmt: skip
        lines: dict[str, Any] = {
            name: typer.core.TyperCommand(name, help=each.line)
            for name, each in by_name.items() if " " not in name
        }  # fmt: skip
        groups = {} if self.prefix else {name: _group(name) for name in GROUPS}
        super().__init__(**{**settings, "commands": lines | groups})
        for each in self.params:
            _name_type(each)

    def get_help_option(self, ctx: Any) -> Any:  # noqa: ANN401  (typer's)
        """Return `--help`, no where it is not given: None would load pydantic to become a bool."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
            option.metavar = ""
        return option

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  (typer's)
        """Return the name of the command that is called, the command, and its arguments."""
        name, line, rest = super().resolve_command(ctx, args)
        if name is None or isinstance(line, _Commands):
            return name, line, rest
        return name, load_command(self.prefix + name), rest


def _show_help(context: typer.Context) -> None:
    """Show what there is, where no command is called."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _group(name: str) -> typer.core.TyperGroup:
    """Return the commands "NAME ...", by their lines alone."""
    commands = type("_Group", (_Commands,), {"prefix": f"{name} "})
    first = next(each.example for key, each in COMMANDS.items() if key.startswith(f"{name} "))
    group = typer.Typer(
        name=name, cls=commands, help=GROUPS[name], epilog=f"Example: [bold]temperance {first}[/]",
        add_completion=False, invoke_without_command=True, rich_markup_mode="rich",
        context_settings=_HELP,
    )  # fmt: skip
    group.callback()(_show_help)
    return typer.main.get_group(group)


app = typer.Typer(
    name="temperance",
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings=_HELP,
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
    _show_help(context)
