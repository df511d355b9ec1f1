"""What a service counts, as Prometheus scrapes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

if TYPE_CHECKING:
    from temperance.serving.served import Served

__all__ = ["CONTENT_TYPE_LATEST", "ServiceMetrics"]

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class ServiceMetrics:
    """Counts of one service, in a registry of its own: other metrics of the process stay apart."""

    def __init__(self, served: Served) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self.requests = Counter(
            "temperance_requests", "Requests by path and HTTP status.", ["path", "status"],
            registry=registry,
        )  # fmt: skip
        self.rows = Counter("temperance_rows", "Rows that were calibrated.", registry=registry)
        self.accepted = Counter(
            "temperance_accepted_rows", "Rows that the policy accepts.", registry=registry
        )
        self.seconds = Histogram(
            "temperance_request_seconds", "From the head of a request to its answer.", ["path"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.in_progress = Gauge(
            "temperance_requests_in_progress", "Requests without an answer yet.", registry=registry
        )
        self.hang_ups = Counter(
            "temperance_hang_ups", "Requests whose client left before its body was there.",
            registry=registry,
        )  # fmt: skip
        self.reloads = Counter(
            "temperance_reloads", "Changes of the file: taken, or refused.", ["result"],
            registry=registry,
        )  # fmt: skip
        for result in ("taken", "refused"):
            self.reloads.labels(result)
        self._info = Gauge(
            "temperance_calibrator_info", "1 for the map that is served.",
            ["id", "method", "temperature", "library"], registry=registry,
        )  # fmt: skip
        self.describe(served)

    def describe(self, served: Served) -> None:
        """Tell of the map that is served from now on, and of no other."""
        self._info.clear()
        labels = {
            name: "" if v is None else str(v)
            for name, v in served.description["calibrator"].items()
        }
        self._info.labels(**labels).set(1.0)

    def text(self) -> bytes:
        """Return all counts in Prometheus's text format."""
        return generate_latest(self._registry)
