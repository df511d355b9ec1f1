"""`temperance doctor`: what is installed, and whether it computes what it should."""

from __future__ import annotations

from temperance.cli.options import JsonOption

__all__ = ["doctor"]


def doctor(as_json: JsonOption = False) -> None:
    """Say what is installed, which engines compute, and whether known numbers are met.

    Exit code 1 where a number is not met. The whole answer belongs into a report of a bug.
    """
    import typer

    from temperance.cli.console import Result
    from temperance.doctor import examine

    here = examine()
    Result(here.to_dict, lambda: [*here.tables(), here.in_words()]).print(as_json=as_json)
    if not here.healthy:
        raise typer.Exit(1)
