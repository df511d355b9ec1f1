"""What is installed here, which code computes, and whether it still gives the known numbers."""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from temperance.calibrators import TemperatureScaling
from temperance.formats import content_id, load, save
from temperance.frozen import Frozen, Plain
from temperance.metrics import brier_score, log_loss
from temperance.show import Shown, Table
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Installation", "Package", "SelfTest", "examine"]

_ENGINES = ("numpy", "numba", "torch")
_NOT_OF_USERS = {"all", "bench", "dev", "rivals", "test"}
_REQUIREMENT = re.compile(
    r"([A-Za-z0-9._-]+)[^;>]*(>=[^,;\s)]+)?[^;]*;.*extra == ['\"]([\w-]+)['\"]"
)
_RELATIVE = 1e-9  # what float64 sums may differ by, in any order and on any machine


@dataclass(frozen=True, slots=True)
class Package(Plain):
    """A package that an extra brings.

    Attributes
    ----------
    name, extra : str
        As in `pip install "temperance[EXTRA]"`.
    least : str or None
        The lowest version that is tested.
    version : str or None
        The one that is here; None where there is none.
    """

    name: str
    extra: str
    least: str | None
    version: str | None


@dataclass(frozen=True, slots=True)
class SelfTest(Plain):
    """A number that is known, beside the one that this machine computes.

    Attributes
    ----------
    what : str
    expected, value : float
    passed : bool
        Whether they agree to a billionth.
    """

    what: str
    expected: float
    value: float
    passed: bool


@dataclass(frozen=True, slots=True)
class Installation(Shown, Plain, Frozen):
    """An installation, examined.

    Attributes
    ----------
    version, python, platform : str
    cpus : int
        That this process may use.
    features : tuple of str
        Instruction sets of the processor that NumPy uses.
    engines : tuple of str
        Which can compute the sums of a temperature here.
    packages : tuple of Package
        What extras bring, here or not.
    tests : tuple of SelfTest
    seconds : float
        How long the tests took.
    healthy : bool
        Whether all tests passed.
    """

    version: str
    python: str
    platform: str
    cpus: int
    features: tuple[str, ...]
    engines: tuple[str, ...]
    packages: tuple[Package, ...]
    tests: tuple[SelfTest, ...]
    seconds: float
    healthy: bool

    def in_words(self) -> str:
        """Return what it comes to, in a sentence."""
        failed = [each.what for each in self.tests if not each.passed]
        if failed:
            return (
                f"{len(failed)} of {len(self.tests)} known numbers are not met "
                f"({', '.join(failed)}): do not rely on this installation. Install temperance and "
                "NumPy anew in an empty environment; if that does not help, report this table."
            )
        return f"All {len(self.tests)} known numbers are met, in {self.seconds:.1f} s."

    def tables(self) -> tuple[Table, ...]:
        """Return the tables that people see: the machine, the extras, the tests."""
        extras: dict[str, list[str]] = {}
        for each in self.packages:
            extras.setdefault(each.extra, []).append(f"{each.name} {each.version or '-'}")
        return (
            Table(
                ("", "here"),
                (
                    ("temperance", self.version), ("Python", self.python),
                    ("NumPy", np.__version__), ("platform", self.platform),
                    ("processors", str(self.cpus)), ("instructions", ", ".join(self.features)),
                    ("engines", ", ".join(self.engines)),
                ),
            ),
            Table(
                ("extra", "packages (- is not installed)"),
                tuple((name, ", ".join(packages)) for name, packages in extras.items()),
            ),
            Table(
                ("known number", "expected", "here", ""),
                tuple(
                    (each.what, f"{each.expected:.12g}", f"{each.value:.12g}",
                     "ok" if each.passed else "WRONG")
                    for each in self.tests
                ),
            ),
        )  # fmt: skip

    def columns(self) -> dict[str, list[Any]]:
        """Return the tests as columns of plain values."""
        rows = [each.to_dict() for each in self.tests]
        return {name: [row[name] for row in rows] for name in SelfTest.__dataclass_fields__}


def examine() -> Installation:
    """Say what is installed, which engines compute, and whether known numbers are met.

    Returns
    -------
    Installation
        The tests are of 400 rows in closed form, in about a second: a temperature by each engine,
        its standard error and log losses (each to 12 digits, by an independent computation), the
        Brier score, and a calibrator that is saved and read again.

    Examples
    --------
    >>> here = examine()
    >>> here.healthy, here.tests[0].what, here.tests[0].expected
    (True, 'temperature (numpy)', 2.218447926653)
    """
    start = time.perf_counter()
    engines = tuple(name for name in _ENGINES if find_spec(name) is not None)
    tests = tuple(
        SelfTest(what, expected, value, isclose(expected, value, rel_tol=_RELATIVE))
        for what, expected, value in _numbers(engines)
    )
    return Installation(
        __version__, platform.python_version(), platform.platform(terse=True), _cpus(),
        _features(), engines, tuple(_packages()), tests, time.perf_counter() - start,
        all(each.passed for each in tests),
    )  # fmt: skip


def known_rows() -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return 400 rows of 5 logits in closed form, and labels drawn at T = 2."""
    i, k = np.arange(1, 401)[:, None], np.arange(5)
    logits = 3.0 * np.sin(0.7 * i * (k + 1)) + 1.5 * np.cos(1.3 * i + 2.1 * k)
    shares = (i[:, 0] * 0.6180339887498949) % 1.0
    p = TemperatureScaling(2.0).apply(logits)
    return logits, (shares[:, None] >= p.cumsum(axis=1)[:, :-1]).sum(axis=1)


def _numbers(engines: tuple[str, ...]) -> Iterator[tuple[str, float, float]]:
    """Yield what is computed, the number that is known of it, and the one of here."""
    logits, labels = known_rows()
    fitted = None
    for engine in engines:
        z: Any = logits
        if engine == "torch":
            import torch  # noqa: PLC0415 - optional package

            z = torch.from_numpy(logits)
        own = TemperatureScaling.fit(z, labels, engine=engine)
        yield f"temperature ({engine})", 2.218447926653, own.temperature
        fitted = fitted or own
    assert fitted is not None  # noqa: S101  (NumPy is always there)
    assert fitted.record is not None  # noqa: S101  (of a fit)
    before, after = TemperatureScaling(1.0).apply(logits), fitted.apply(logits)
    yield "log loss before", 1.508426488377, float(log_loss(before, labels))
    yield "log loss after", 1.273999443981, float(log_loss(after, labels))
    yield "log loss of the record", 1.273999443981, fitted.record.log_loss_after
    yield "Brier score after", 0.6584177215398, float(brier_score(after, labels))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "calibrator.json"
        save(fitted, path)
        same: Any = load(path)
        yield "temperature, saved and read", 2.218447926653, same.temperature
        yield "id of that file", 1.0, float(content_id(same) == content_id(fitted))


def _cpus() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _features() -> tuple[str, ...]:
    known = np.show_config(mode="dicts") or {}
    extensions = known.get("SIMD Extensions", {})
    return (*extensions.get("baseline", ()), *extensions.get("found", ()))


def _packages() -> Iterator[Package]:
    """Yield what the extras that users choose bring, as the distribution says."""
    try:
        requirements = metadata.requires("temperance") or []
    except metadata.PackageNotFoundError:  # run from a folder, not installed
        return
    for each in requirements:
        match = _REQUIREMENT.match(each)
        if match is None or match[3] in _NOT_OF_USERS:
            continue
        name = match[1]
        try:
            version: str | None = metadata.version(name)
        except metadata.PackageNotFoundError:
            version = None
        least = match[2]
        yield Package(name, match[3], None if least is None else least.removeprefix(">="), version)
