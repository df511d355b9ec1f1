"""A file of `src` that needs an absent extra leaves nothing behind when pytest cannot import it."""

import sys
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Forget what could not be imported, as Python itself does.

    pytest leaves it in `sys.modules`, half read, and a test's import would take what is there.
    """
    before = set(sys.modules)
    report = yield
    parts = collector.path.with_suffix("").parts
    if report.skipped and "temperance" in parts:
        names = parts[parts.index("temperance") :]
        for end in range(1, len(names) + 1):
            name = ".".join(names[:end])
            if name not in before:
                sys.modules.pop(name, None)
    return report
