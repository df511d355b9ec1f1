"""What is served: the map of a file, its id, and the file watched for a newer one."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from temperance.calibrators import temperature_of
from temperance.checks.arrays import row_name
from temperance.checks.label_matrix import label_logits_from_probs
from temperance.checks.probs import logits_from_probs
from temperance.decisions.bands import Bands
from temperance.decisions.cascade_json import CASCADE_FORMAT, cascade_id, cascade_of
from temperance.decisions.policy import FORMAT as POLICY_FORMAT
from temperance.decisions.policy import DecisionPolicy, policy_id, policy_of
from temperance.errors import InvalidInputError, TemperanceError
from temperance.formats.calibrator_json import calibrator_of, content_id
from temperance.numerics import as_float64
from temperance.printable import digits_text, first_few
from temperance.readers.json_object import json_file
from temperance.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import stat_result
    from pathlib import Path

    from numpy.typing import ArrayLike, NDArray

    from temperance.calibrators import Calibrator
    from temperance.decisions.cascade_policy import CascadePolicy

__all__ = ["Answered", "Reply", "RequestRows", "Served", "WatchedFile"]

_SHOWN = 5  # names in a warning
_OLD = 2.0  # seconds: what was written to later than that may change without a new time


class RequestRows(NamedTuple):
    """The rows of a request, as their sender says what they are."""

    kind: str  # "logits", "probs" or "scores"
    values: Any  # (n, k) or (n,); of an ensemble a tuple of them
    groups: ArrayLike | None = None
    mask: Any = None  # options that do not exist, where `values` has any; of an ensemble a tuple
    refuse_probs: bool = True
    clusters: ArrayLike | None = None  # which rows are parts of one answer


class Reply(NamedTuple):
    """The body of an answer, and how many rows it answers."""

    content: bytes
    rows: int
    accepted: int = 0  # by the policy, if there is one


class Answered(NamedTuple):
    """What becomes of the rows: as of `Calibrator.apply`, and which of them a policy accepts."""

    probs: NDArray[Any]
    accepted: NDArray[np.bool_] | None
    bands: NDArray[np.str_] | None = None  # of a policy: accept, review or reject

    def reply(self, content: bytes) -> Reply:
        """Return the answer in some form."""
        accepted = 0 if self.accepted is None else int(np.count_nonzero(self.accepted))
        return Reply(content, len(self.probs), accepted)


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """A calibrator or a policy, the JSON that it was read from, and what answers say of it."""

    calibrator: Calibrator
    policy: DecisionPolicy | None
    content: dict[str, Any]
    cascade: CascadePolicy | None = None  # its first calibrator is `calibrator` then
    description: dict[str, Any] = field(init=False)  # keys of every answer, and what was applied
    description_json: bytes = field(init=False)  # the same, as the last keys of an object

    def __post_init__(self) -> None:
        description: dict[str, Any] = {
            "calibrator": {
                "id": content_id(self.calibrator),
                "method": self.calibrator.name,
                "temperature": temperature_of(self.calibrator),
                "library": f"temperance {__version__}",
            }
        }
        if self.policy is not None:
            rule = self.policy.rule
            description["policy"] = {"id": policy_id(self.policy), "threshold": rule.threshold}
            if isinstance(rule, Bands) and not rule.per_group:
                description["policy"]["reject_to"] = rule.parts[0].reject_to
        if self.cascade is not None:
            of_all = {"id": cascade_id(self.cascade), "method": "cascade", "temperature": None}
            description["calibrator"] |= of_all
            description["cascade"] = {"models": list(self.cascade.names)}
        text = json.dumps(description, separators=(",", ":"))
        object.__setattr__(self, "description", description)
        object.__setattr__(self, "description_json", text[1:].encode())

    @property
    def id(self) -> str:
        """The name of the map by what it does, `content_id`; of a cascade `cascade_id`."""
        name: str = self.description["calibrator"]["id"]
        return name

    @property
    def words(self) -> str:
        """The ids, as the log tells of them."""
        if self.policy is None:
            return self.id
        return f"{self.id} with the policy {self.description['policy']['id']}"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a calibrator.json, a policy.json or a cascade.json, all of it at once."""
        top = json_file(path)
        content = top.values
        if content.get("format") == CASCADE_FORMAT:
            cascade = cascade_of(top)
            return cls(cascade.calibrators[0], None, content, cascade)
        if content.get("format") == POLICY_FORMAT:
            policy = policy_of(top)
            return cls(policy.calibrator, policy, content)
        return cls(calibrator_of(top), None, content)

    def answer(self, request: RequestRows) -> Answered:
        """Return the calibrated probabilities of the rows, or raise InvalidInputError."""
        calibrator = self.calibrator
        refuse_probs = request.refuse_probs and request.kind == "logits"
        logits = self._logits(request)
        if self.policy is not None:
            probs, bands = self.policy.decide(
                logits,
                groups=request.groups,
                clusters=request.clusters,
                refuse_probs=refuse_probs,
            )
            return Answered(probs, bands == "accept", bands)
        probs = calibrator.apply(logits, groups=request.groups, refuse_probs=refuse_probs)
        return Answered(probs, None)

    def _logits(self, request: RequestRows) -> Any:  # noqa: ANN401  (arrays, or a tuple of them)
        """Return what the calibrator's `apply` takes."""
        of_answers = self.calibrator.kind == "answers"
        if of_answers != (request.kind == "scores"):
            what = "scores" if of_answers else "logits` or `probs"
            msg = f"`{what}` must be given: the calibrator is of {self.calibrator.kind}."
            raise InvalidInputError(msg)
        if request.kind != "probs":
            return request.values
        if isinstance(request.values, tuple):
            masks = request.mask or (None,) * len(request.values)
            return tuple(map(self.from_probs, request.values, masks))
        return self.from_probs(request.values, request.mask)

    def from_probs(
        self, probs: NDArray[Any], mask: NDArray[np.bool_] | None
    ) -> NDArray[np.float64]:
        """Return the logits of probabilities, raised to what those of the fit were."""
        floor = self.floor
        if self.calibrator.kind == "multilabel":
            if mask is not None:
                row = int(mask.any(axis=1).argmax())
                msg = f"`probs` of labels must be numbers; {row_name(row)} has null."
                raise InvalidInputError(msg)
            return label_logits_from_probs(probs, floor=floor)
        if mask is None or not floor:
            return logits_from_probs(probs, floor=floor)
        logits = logits_from_probs(probs)  # checks all rows
        sizes = np.count_nonzero(~mask, axis=1)
        for size in np.unique(sizes[sizes > 1]):  # an option that does not exist is not raised
            rows = np.flatnonzero(sizes == size)
            block, options = logits[rows], ~mask[rows]
            own = probs[rows][options].reshape(-1, size)
            block[options] = logits_from_probs(own, floor=floor).ravel()
            logits[rows] = block
        return logits

    @property
    def composite(self) -> bool:
        """Whether rows are decided together, as parts of one answer."""
        return self.policy is not None and self.policy.rule.event.composite is not None

    @property
    def has_bands(self) -> bool:
        """Whether rows are accepted, reviewed or rejected."""
        return self.policy is not None and isinstance(self.policy.rule, Bands)

    @property
    def thresholds_per_group(self) -> bool:
        """Whether rows are accepted by their group's threshold."""
        return self.policy is not None and self.policy.rule.per_group

    @property
    def floor(self) -> float:
        """What smaller probabilities are raised to, as those of the fit were; 0: none."""
        record = self.calibrator.record
        return 0.0 if record is None or record.floor is None else record.floor

    def warnings(self, groups: ArrayLike | None) -> tuple[str, ...]:
        """Return what to say of rows whose groups the map, or the policy, does not know."""
        if not self.calibrator.traits.groups:
            return ()
        temperature = temperature_of(self.calibrator)
        assert temperature is not None  # noqa: S101  (of groups there is a pooled one)
        pooled = f"get the pooled temperature, {digits_text(temperature, 4)}"
        if groups is None:
            return (f"no `groups` are given: all rows {pooled}.",)
        unseen = self.calibrator.unseen(groups)
        if not unseen:
            return ()
        names = first_few(unseen, _SHOWN)
        return (f"groups not seen in the fit: {names}. Their rows {pooled}.",)

    def check_replaces(self, other: Served) -> None:
        """Raise where a request that the other one takes may be refused, or answered in less.

        Raises InvalidInputError that says what differs: only a restart may change what callers
        must send.
        """
        was, now = other._inputs(), self._inputs()
        for name, value in was.items():
            if now[name] != value:
                msg = f"{name}: {now[name]} where {value} is served"
                raise InvalidInputError(msg)
        traits, served = self.calibrator.traits, other.calibrator.traits
        for name, of_one, of_other in (
            ("groups", traits.groups, served.groups),
            ("options that do not exist", traits.masks, served.masks),
        ):
            if of_other and not of_one:
                msg = f"it takes no {name}, which the one that is served does"
                raise InvalidInputError(msg)

    def _inputs(self) -> dict[str, object]:
        calibrator = self.calibrator
        return {
            "kind": calibrator.kind,
            "models": calibrator.n_models,
            "classes": calibrator.n_classes,
            "names of classes": calibrator.classes,
            "scores": calibrator.answer_scale,
            "policy": self.policy is not None,
            "thresholds per group": self.thresholds_per_group,
            "bands": self.has_bands,
            "composite answers": self.composite,
            "models of a cascade": None if self.cascade is None else self.cascade.names,
        }

    def try_out(self) -> None:
        """Apply the map once: what it loads is loaded, and it gives probabilities."""
        calibrator = self.calibrator
        if self.cascade is not None:
            zeros = np.zeros((1, self.calibrator.n_classes or 2))
            routed = self.cascade.apply(dict.fromkeys(self._models_with_outputs, zeros))
            _check_probs(routed.probs)
            return
        groups = ["a"] if self.thresholds_per_group else None
        clusters = ["a"] if self.composite else None
        k = calibrator.n_classes or 2
        row: Any = np.zeros((1, k))
        if calibrator.kind == "answers":
            request = RequestRows("scores", np.zeros(1), groups, clusters=clusters)
        elif calibrator.traits.members:
            request = RequestRows("logits", (row,) * calibrator.n_models, groups, clusters=clusters)
        else:
            request = RequestRows("logits", row, groups, clusters=clusters)
        _check_probs(as_float64(self.answer(request).probs))

    @property
    def _models_with_outputs(self) -> tuple[str, ...]:
        """The models of a cascade that have a calibrator of their own."""
        assert self.cascade is not None  # noqa: S101  (asked of a cascade only)
        return self.cascade.names if self.cascade.last else self.cascade.names[:-1]


def _check_probs(probs: NDArray[np.float64]) -> None:
    if not (np.isfinite(probs).all() and ((probs >= 0.0) & (probs <= 1.0)).all()):
        msg = f"it gives {probs.tolist()}, which are no probabilities"
        raise InvalidInputError(msg)


class WatchedFile:
    """The map of a file, the newest good one; what the file holds else is told of, and ignored.

    Parameters
    ----------
    path : path
        A calibrator.json or policy.json, which other processes may write at any time.
    on_reload : callable
        Called with True and a sentence when a newer map is served, with False where the file
        holds none that may be.
    """

    def __init__(self, path: Path, on_reload: Callable[[bool, str], None]) -> None:
        self.path = path
        self._signature_read = self._signature()
        self.current = Served.read(path)
        self.current.try_out()
        self._on_reload = on_reload
        self._settled = False  # whether the file was looked at when it was old enough
        self._refused = ""

    def check(self) -> None:
        """Read the file if it has changed, and serve what it holds if that is good."""
        signature = self._signature()
        if signature == self._signature_read and self._settled and not self._refused:
            return
        self._settled = signature is not None and _is_old(signature)
        self._signature_read = signature
        try:
            served = Served.read(self.path)
            if self._signature() != signature:
                return  # it was written to meanwhile: the next look will tell
            if served.content == self.current.content:
                self._refused = ""
                return
            served.check_replaces(self.current)
            served.try_out()
        except TemperanceError as error:
            self._refuse(str(error))
        except Exception as error:  # noqa: BLE001  (whatever a file may do, the last map is served)
            self._refuse(f"{type(error).__name__}: {error}")
        else:
            before, self.current, self._refused = self.current, served, ""
            words = f"now serving {served.words} of {self.path}, before {before.words}"
            self._on_reload(True, words)  # noqa: FBT003

    def _refuse(self, why: str) -> None:
        """Tell of a file that cannot be served, once for each reason."""
        if why == self._refused:
            return
        self._refused = why
        reason = why.removeprefix(f"{self.path}: ").rstrip(".")
        self._on_reload(  # still the last good one
            False,  # noqa: FBT003
            f"{self.path} is not taken: {reason}. Still serving {self.current.words}.",
        )

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            status: stat_result = self.path.stat()
        except (OSError, ValueError):
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def _is_old(signature: tuple[int, int, int]) -> bool:
    return time.time() - signature[2] * 1e-9 > _OLD
