"""Pages of what was measured; how many labels would show more is tested in tests/planning."""

import pytest


@pytest.fixture(autouse=True)
def _quick_plans(quick_plans):
    """In all tests of pages."""
