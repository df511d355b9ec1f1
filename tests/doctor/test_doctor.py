"""The installation examines itself: known numbers, from outside the library."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

import reference
from temperance import doctor


def test_the_rows_are_those_of_the_reference():
    z, y = doctor.known_rows()
    expected_z, expected_y = reference.reference_a()
    np.testing.assert_array_equal(z, expected_z)
    np.testing.assert_array_equal(y, expected_y)


def test_known_numbers_are_met():
    """Each engine that is here; the numbers by golden-section search and by sums of Python."""
    here = doctor.examine()
    assert here.healthy
    z, y = reference.reference_a()
    known = {each.what: each.expected for each in here.tests}
    assert known["temperature (numpy)"] == pytest.approx(reference.temperature(z, y), rel=1e-6)
    p = reference.softmax(z / known["temperature (numpy)"])
    assert known["log loss after"] == pytest.approx(
        -np.log(p[np.arange(len(y)), y]).mean(), rel=1e-10
    )
    brier = ((p - np.eye(5)[y]) ** 2).sum(axis=1).mean()
    assert known["Brier score after"] == pytest.approx(brier, rel=1e-10)
    for engine in ("numba", "torch"):
        assert (f"temperature ({engine})" in known) is (find_spec(engine) is not None)


def test_what_extras_bring():
    packages = {(each.extra, each.name): each for each in doctor.examine().packages}
    numba = packages["fast", "numba"]
    assert numba.least == "0.61"
    assert (numba.version is not None) is (find_spec("numba") is not None)
    assert ("dask", "dask") in packages
    assert not any(extra in ("dev", "all", "test") for extra, _ in packages)


def test_a_wrong_number_is_said(run, monkeypatch):
    """Exit code 1, which number, and what to do."""
    whole = json.loads(run("doctor", "--json").stdout)
    assert whole["healthy"] is True
    assert whole["tests"][0]["what"] == "temperature (numpy)"
    assert "known numbers are met" in run("doctor").stdout
    monkeypatch.setattr(doctor, "brier_score", lambda *_: 0.65841)
    said = run("doctor", code=1).stdout
    assert "Brier score after" in said
    assert "WRONG" in said
    assert "do not rely on this installation" in said
