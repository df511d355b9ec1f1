"""`temperance methods`: what each calibrator does, needs and keeps."""

from __future__ import annotations

from temperance.cli.options import JsonOption

__all__ = ["methods"]


def methods(as_json: JsonOption = False) -> None:
    """Compare the calibrators: what each does, learns, needs and keeps.

    The names go behind `--method`; `--method auto` lets the rows choose.
    """
    from temperance.calibrators import METHODS, method_tables
    from temperance.cli.console import print_json, print_table

    if as_json:
        print_json({name: each.traits.to_dict() for name, each in METHODS.items()})
        return
    for table in method_tables():
        print_table(table)
