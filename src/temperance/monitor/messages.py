"""What a monitor tells other programs: webhooks, JUnit XML, Prometheus."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from temperance.errors import InvalidInputError
from temperance.gates import summary
from temperance.gates.summary import JUnitCase
from temperance.monitor.lock import lock_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from temperance.monitor.checking import Check
    from temperance.monitor.overview import Overview
    from temperance.monitor.store import Store

__all__ = ["as_webhook", "deliver", "junit_xml", "prometheus_text"]

_TRIES, _PAUSE, _TIMEOUT = 3, 0.5, 10.0  # seconds
_FIRST_ERROR = 300  # status codes from here on say that it was not taken
_NAMES = " !#$&'()*+,/:;=?@[]"  # what stays as it is in a head, beside letters and digits


def as_webhook(url: str) -> str:
    """Return the address of a webhook.

    Raises
    ------
    InvalidInputError
        It is none of http or https, or none at all.
    """
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        good = good and (parts.port is None or parts.port > 0)  # raises where it is no number
    except ValueError:
        good = False
    if not good or not url.isprintable() or " " in url:
        msg = f"`--webhook` must be an address of http:// or https://, got {url!r}."
        raise InvalidInputError(msg)
    return url


class _NoRedirects(HTTPRedirectHandler):
    """Leaves an answer that sends elsewhere as it is: what follows would be a GET, without it."""

    def redirect_request(self, *_: object) -> None:
        """Return no request."""


def deliver(store: Store, url: str) -> tuple[str, ...]:
    """Post each alarm that has not been taken yet; return what went wrong, in words.

    Each is one JSON object with a name, `Idempotency-Key` in the head, by which a receiver that was
    cut off in between knows it again. What is not taken after three tries is tried by the next
    check; what is taken is never posted again, nor by two checks of one registry at once.

    Raises
    ------
    InvalidInputError
        The address is none of http or https.
    """
    parts = urlsplit(as_webhook(url))
    with _alone(Path(store.settings.registry)) as alone:
        if not alone:
            return ("another check is posting alarms; the next one posts what that leaves.",)
        for name, content in store.undelivered():
            body = json.dumps({"name": name, **content}).encode()
            if (reason := _posted(url, name, body)) is not None:
                where = f"{parts.scheme}://{parts.hostname}"
                return (f"{where} did not take the alarm ({reason}); the next check tries again.",)
            store.mark_delivered(name)
    return ()


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Say whether no other process posts; a folder that cannot be locked keeps no alarm back."""
    try:
        lock = lock_of(folder / ".posting", wait=0.0)
    except sqlite3.Error as error:
        yield "locked" not in str(error)
        return
    with lock:
        yield True


def _posted(url: str, name: str, body: bytes) -> str | None:
    """Post a message, some times if need be; return why it was not taken, or None."""
    reason: str | None = None
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE * 2**attempt)
        key = quote(name, safe=_NAMES)
        head = {"Content-Type": "application/json", "Idempotency-Key": key}
        request = Request(url, data=body, headers=head, method="POST")  # noqa: S310  (http alone)
        try:
            with build_opener(_NoRedirects).open(request, timeout=_TIMEOUT) as answer:
                if answer.status < _FIRST_ERROR:
                    return None
                reason = f"status {answer.status}"
        except HTTPError as error:
            reason = f"status {error.code}"
        except (OSError, ValueError, HTTPException) as error:
            reason = " ".join(str(getattr(error, "reason", error)).split()) or repr(error)
    return reason


def junit_xml(check: Check) -> str:
    """Return a check as a suite of tests: one per model and calibrator, failed by an alarm."""
    cases = [
        JUnitCase(
            f"{each.model} {each.calibrator[:19]}",
            failure=str(each.cause) if each.alarm else None,
            text=f"{each.cause} {each.advice} {json.dumps(each.since)}" if each.alarm else "",
        )
        for each in check.streams
    ]
    return summary.junit_xml("temperance monitor", cases, classname="temperance.monitor")


def prometheus_text(state: Overview) -> str:
    """Return counts, evidence and alarms in Prometheus's text format."""
    counts = state.counts
    lines: list[str] = []

    def add(name: str, kind: str, what: str, *values: tuple[str, float]) -> None:
        lines.extend([f"# HELP temperance_monitor_{name} {what}",
                      f"# TYPE temperance_monitor_{name} {kind}"])  # fmt: skip
        lines.extend(f"temperance_monitor_{name}{of} {value:.17g}" for of, value in values)

    add("predictions", "gauge", "Predictions in the store.", ("", counts.predictions))
    add("labels", "gauge", "Predictions with a label.", ("", counts.labels))
    add("labels_waiting", "gauge", "Labels that no check has weighed.", ("", counts.waiting))
    add("labels_parked", "gauge", "Labels without a prediction.", ("", counts.parked))
    add("matured", "gauge", "Predictions older than the delay.", ("", counts.matured))
    add("matured_labelled", "gauge", "Of these, with a label.", ("", counts.matured_labelled))
    add("store_bytes", "gauge", "Bytes of the database.", ("", counts.bytes))
    if counts.median_delay is not None:
        add("label_delay_seconds", "gauge", "Median from prediction to label, of late.",
            ("", counts.median_delay))  # fmt: skip
    labels = [
        (_names(each.model, each.calibrator, str(each.serving).lower()), each)
        for each in state.streams
    ]
    if labels:
        add("log_evidence", "gauge", "Natural log of the evidence against what was served.",
            *((of, each.log_evidence) for of, each in labels))  # fmt: skip
        add("alarm_threshold", "gauge", "What raises an alarm.",
            *((of, each.threshold) for of, each in labels))  # fmt: skip
        add("alarm", "gauge", "1 while there is an alarm.",
            *((of, float(each.alarm is not None)) for of, each in labels))  # fmt: skip
        add("labels_weighed", "counter", "Labels that evidence is made of.",
            *((of, each.n_labels) for of, each in labels))  # fmt: skip
    return "\n".join([*lines, ""])


def _names(model: str, calibrator: str, serving: str) -> str:
    return f'{{model="{_quoted(model)}",calibrator="{calibrator}",serving="{serving}"}}'


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
