"""A folder of calibrators by their content, and which one serves.

`calibrators/DIGEST.json` are never changed. `current.json` is a copy of the one that serves, which
`temperance serve current.json` reads again when it changes. `history.jsonl` says who put it there,
when and why; each line is added whole.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import sqlite3
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from temperance.checks.arguments import as_word, optional_text
from temperance.errors import FileFormatError, InvalidInputError, StoreError
from temperance.formats import content_id, load, save
from temperance.frozen import Plain
from temperance.monitor.lock import lock_of
from temperance.readers.json_object import json_file
from temperance.writers.place import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from temperance.calibrators import Calibrator

__all__ = ["Registry", "Version"]

_ACTIONS = ("init", "promote", "rollback")
_PREFIX = "sha256:"
_ID = re.compile(f"{_PREFIX}[0-9a-f]{{64}}")
_SHORT = 12  # digits that name a version where people type
_WAIT = 10.0  # seconds for another process's change


@dataclass(frozen=True, slots=True)
class Version(Plain):
    """A change of what serves.

    Attributes
    ----------
    id : str
        "sha256:" and 64 digits of the map (`content_id`).
    action : {"init", "promote", "rollback"}
    at : str
        Time, ISO 8601, UTC.
    who, why : str
        The user, and the reason in words.
    facts : mapping
        What decided it.
    """

    id: str
    action: Literal["init", "promote", "rollback"]
    at: str
    who: str
    why: str
    facts: Mapping[str, Any]


class Registry:
    """Versions of a calibrator in a folder."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._loaded: dict[str, Calibrator] = {}

    @property
    def current_path(self) -> Path:
        """The file that serves."""
        return self.folder / "current.json"

    def create(self, calibrator: str | os.PathLike[str], *, why: str = "the first") -> str:
        """Make the folder with its first calibrator, of a file; return its id.

        The same call again changes nothing.

        Raises
        ------
        InvalidInputError
            Another calibrator serves there, or the folder cannot be made.
        FileFormatError
            The file is no calibrator.
        """
        fitted = load(calibrator)
        _refuse_other_rows(fitted)
        if self.current_path.exists():
            if self._serving() != content_id(fitted):
                own = self.current()
                msg = (
                    f"{self.folder}: another calibrator ({own[: len(_PREFIX) + _SHORT]}) serves "
                    "there already. Give another folder (--registry), or let this one serve: "
                    "`registry.promote(registry.add(FILE), why=...)` of temperance.monitor."
                )
                raise InvalidInputError(msg)
            return self.add(calibrator)
        return self._serve(self.add(calibrator), "init", why, {})

    def add(self, calibrator: str | os.PathLike[str] | Calibrator) -> str:
        """Keep a calibrator, of a file or fitted, under its id; it does not serve yet.

        One whose file is damaged is written again.

        Raises
        ------
        InvalidInputError
            Its rows have more than one label, or the outputs of several models; the folder cannot
            be made.
        """
        of_file = isinstance(calibrator, str | os.PathLike)
        fitted: Any = load(calibrator) if of_file else calibrator  # type: ignore[arg-type]
        _refuse_other_rows(fitted)
        name = content_id(fitted)
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            msg = f"{self.folder}: the folder of calibrators cannot be made: {error.strerror}."
            raise InvalidInputError(msg) from error
        self._loaded.pop(name, None)
        if not self._is_good(name):  # not there, or damaged
            if of_file:
                write_text(path, Path(calibrator).read_text(encoding="utf-8"))  # type: ignore[arg-type]
            else:
                save(fitted, path)
        return name

    def load(self, name: str) -> Calibrator:
        """Return a calibrator by its id.

        Raises
        ------
        FileFormatError
            Its file is not there, damaged, or holds another map.
        """
        fitted = self._loaded.get(name)
        if fitted is None:
            path = self._path(name)
            if not _ID.fullmatch(name) or not path.exists():
                msg = f"{self.folder}: no calibrator {name} is there; was it fitted elsewhere?"
                raise FileFormatError(msg)
            fitted = load(path)
            if content_id(fitted) != name:
                msg = f"{path}: was changed: it holds {content_id(fitted)}. Restore it from a copy."
                raise FileFormatError(msg)
            self._loaded[name] = fitted
        return fitted

    def current(self) -> str:
        """Return the id of the calibrator that serves.

        Raises
        ------
        FileFormatError
            There is none, or its file is damaged: the last good version of the history restores it.
        """
        if not self.current_path.exists():
            msg = f"{self.folder}: no calibrator serves; `temperance monitor init` puts one there."
            raise FileFormatError(msg)
        try:
            return content_id(load(self.current_path))
        except FileFormatError as error:
            good = next(
                (each.id for each in reversed(self.history()) if self._is_good(each.id)), None
            )
            way = (
                "no version of its history can be read either: restore the folder from a copy, "
                "or make another one (`temperance monitor init --registry`)."
                if good is None
                else "`temperance monitor rollback STORE --to "
                f"{good[len(_PREFIX) :][:_SHORT]}` writes the last good one again."
            )
            msg = f"{error} What serves keeps the last good one in memory; {way}"
            raise FileFormatError(msg) from error

    def adopted(self) -> str:
        """Return the id of the calibrator that serves, and keep it where it is no version yet.

        What was copied over `current.json` by hand serves: it becomes a version, with a line in the
        history, so that rows logged under its id can be weighed.

        Raises
        ------
        FileFormatError
            As `current`.
        """
        name = self.current()
        if not self._path(name).exists():
            self.add(self.current_path)
            self._serve(name, "promote", "current.json was replaced by hand", {})
        return name

    def promote(
        self,
        name: str,
        *,
        why: str,
        facts: Mapping[str, Any] | None = None,
        champion: str | None = None,
    ) -> str:
        """Let a calibrator serve that was added before.

        Parameters
        ----------
        name : str
            Its id.
        why : str
        facts : mapping, optional
        champion : str, optional
            Id of the one that it was compared with: only while that one serves.

        Raises
        ------
        StoreError
            Another one serves by now.
        """
        return self._serve(name, "promote", why, facts or {}, champion)

    def rollback(self, to: str | None = None, *, why: str = "by hand") -> str:
        """Let the calibrator serve that served before the last, or the one named; return its id.

        Parameters
        ----------
        to : str, optional
            Its id, or at least 6 of its digits.

        Raises
        ------
        InvalidInputError
            There is none before, or none, or several, of that name.
        """
        history = self.history()
        if optional_text(to, name="to") is None:
            served = [each.id for each in history]
            serving = self._serving() or (served[-1] if served else "")
            # back over what was rolled back from: the one that served before this one came; one
            # whose line is missing, as its process was killed, came last
            first = served.index(serving) if serving in served else len(served)
            if first == 0:
                msg = (
                    f"{self.folder}: no other calibrator served before: there is nothing to go to."
                )
                raise InvalidInputError(msg)
            return self._serve(history[first - 1].id, "rollback", why, {})
        digits = str(to).removeprefix(_PREFIX)
        stems = sorted({path.stem for path in (self.folder / "calibrators").glob("*.json")})
        alike = [each for each in stems if each.startswith(digits)]
        if len(digits) < 6 or len(alike) != 1:
            names = ", ".join(each[:_SHORT] for each in stems)
            msg = (
                f"`to` (--to) must name one calibrator by 6 digits or more, got {to!r}; "
                f"there are {names}."
            )
            raise InvalidInputError(msg)
        return self._serve(_PREFIX + alike[0], "rollback", why, {})

    def history(self) -> list[Version]:
        """Return all changes, the oldest first; a line that was cut off is left out."""
        path = self.folder / "history.jsonl"
        versions = []
        if path.exists():
            for line in path.read_bytes().split(b"\n"):
                with suppress(ValueError, TypeError):
                    versions.append(Version(**json.loads(line)))
        return versions

    def _serve(
        self,
        name: str,
        action: str,
        why: str,
        facts: Mapping[str, Any],
        champion: str | None = None,
    ) -> str:
        as_word(action, _ACTIONS, name="action")
        text = self._text(name)
        with self._changing():
            if champion is not None and (serving := self.current()) != champion:
                msg = (
                    f"{self.folder}: {serving[: len(_PREFIX) + _SHORT]} serves by now, not the one "
                    "that the new one was compared with: fit again."
                )
                raise StoreError(msg)
            write_text(self.current_path, text)
            line = {
                "id": name, "action": action, "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "who": _user(), "why": why, "facts": dict(facts),
            }  # fmt: skip
            with (self.folder / "history.jsonl").open("ab+") as file:
                if file.seek(0, os.SEEK_END) and file.seek(-1, os.SEEK_END) >= 0:
                    whole = file.read(1) == b"\n"  # or the last one was cut off: it stays alone
                    file.write(b"" if whole else b"\n")
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        return name

    def _text(self, name: str) -> str:
        self._loaded.pop(name, None)
        self.load(name)  # nothing serves that cannot be read
        return self._path(name).read_text(encoding="utf-8")

    def _path(self, name: str) -> Path:
        return self.folder / "calibrators" / f"{name.removeprefix(_PREFIX)}.json"

    def _serving(self) -> str | None:
        """Return the id of what serves; None where its file cannot be read."""
        try:
            return content_id(load(self.current_path))
        except (FileFormatError, InvalidInputError):
            return None

    def _is_good(self, name: str) -> bool:
        try:
            json_file(self._path(name))
            self.load(name)
        except (FileFormatError, InvalidInputError):
            return False
        return True

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Let one process change what serves at a time; the lock of one that was killed is gone."""
        try:
            lock = lock_of(self.folder / ".lock", wait=_WAIT)
        except sqlite3.Error as error:
            msg = f"{self.folder}: another process is changing what serves ({error}); try again."
            raise StoreError(msg) from error
        with lock:
            yield


def _refuse_other_rows(calibrator: Calibrator) -> None:
    """Raise unless a row of a calibrator is of one model and has one label."""
    if calibrator.kind == "multilabel":
        msg = (
            "a monitor weighs one label per row, and this calibrator is of a matrix of labels: fit "
            "a calibrator per label, and watch each in a store of its own."
        )
        raise InvalidInputError(msg)
    if calibrator.n_models > 1:
        msg = (
            f"a monitor weighs rows of one model, and this calibrator takes the outputs of "
            f"{calibrator.n_models}: pool them first, and fit and log what comes of it."
        )
        raise InvalidInputError(msg)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"
