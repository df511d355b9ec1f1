"""Names that load when they are first used."""

import sys
from types import ModuleType

import pytest

import temperance
from temperance import report, rows
from temperance.loading import loading

PACKAGES = [temperance, report, rows]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda each: each.__name__)
def test_every_public_name_is_there(package):
    """And stays what it is: the second look finds it without loading."""
    for name in package.__all__:
        value = getattr(package, name)
        assert vars(package)[name] is value


@pytest.mark.parametrize("package", PACKAGES, ids=lambda each: each.__name__)
def test_another_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match=rf"'{package.__name__}' has no attribute 'nothing'"):
        package.nothing  # noqa: B018


def test_a_name_is_loaded_once_and_a_module_from_its_package(monkeypatch):
    package, part = ModuleType("parcel"), ModuleType("parcel.part")
    package.__path__, part.answer = [], 42
    monkeypatch.setitem(sys.modules, "parcel", package)
    monkeypatch.setitem(sys.modules, "parcel.part", part)
    load = loading("parcel", {"answer": "parcel.part", "part": "parcel"})
    assert (load("answer"), load("part")) == (42, part)
    assert vars(package)["answer"] == 42
