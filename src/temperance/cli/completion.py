"""`temperance completion`: commands, options and their values at the press of the tab key."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from temperance.cli.process import COMPLETING

__all__ = ["answer_the_shell", "completion"]


class ShellName(StrEnum):
    """A shell that can be taught."""

    bash = "bash"
    zsh = "zsh"
    fish = "fish"
    powershell = "powershell"


def completion(
    shell: Annotated[ShellName, typer.Argument(metavar="SHELL", help="The shell to teach.")],
    install: Annotated[
        bool,
        typer.Option("--install", help="Write it to where the shell reads it when it starts."),
    ] = False,
) -> None:
    """Print, or install, what lets a shell complete commands and options.

    Without --install it is printed, to be looked at and put where it belongs; with it, the files of
    the shell are written (of bash ~/.bashrc and a file in ~/.bash_completions), and a new terminal
    knows the commands.
    """
    from typer import completion as of_typer

    if install:
        _, path = of_typer.install(  # type: ignore[attr-defined]
            shell=shell.value, prog_name="temperance", complete_var=COMPLETING
        )
        typer.echo(f"{path} completes temperance in a new {shell.value}.")
        return
    script = of_typer.get_completion_script(  # type: ignore[attr-defined]
        prog_name="temperance", complete_var=COMPLETING, shell=shell.value
    )
    typer.echo(script)


def answer_the_shell() -> None:
    """Let typer know the shells; it then answers the one that asks, instead of running."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()
