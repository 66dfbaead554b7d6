"""What the server counts, for Prometheus. Every series is there from the start, at zero."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from collections.abc import Iterable

_SECONDS = [0.001 * 2**n for n in range(16)]  # 1 ms to 33 s
_POWERS = [2**n for n in range(16)]

GONE = 499  # the status of a request whose client went away, as nginx counts it


class Metrics:
    """Counters, gauges and histograms of one server; of all its workers, where these are several
    (then PROMETHEUS_MULTIPROC_DIR names the folder that they share).
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "gtenp_requests", "Requests answered.", ["route", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "gtenp_request_seconds", "From a request's first byte to its answer's.", ["route"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.queue_seconds = Histogram(
            "gtenp_queue_seconds", "A request's wait for the model.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.compute_seconds = Histogram(
            "gtenp_compute_seconds", "From a request's first text in the model to its last.",
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self.texts = Counter("gtenp_texts", "Texts, or pairs of texts, read.", registry=registry)
        self.tokens = Counter("gtenp_tokens", "Their tokens.", registry=registry)
        self.truncated = Counter(
            "gtenp_truncated_texts", "Texts that were cut, being too long.", registry=registry
        )
        self.batch_texts = Histogram(
            "gtenp_batch_texts", "Texts of a batch.", buckets=_POWERS, registry=registry
        )
        self.batch_tokens = Histogram(
            "gtenp_batch_tokens", "Tokens of a batch.", buckets=_POWERS, registry=registry
        )
        self.queue_requests = Gauge(
            "gtenp_queue_requests", "Requests with texts that wait for the model.",
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip
        self.in_flight = Gauge(
            "gtenp_requests_in_flight", "Requests that are not answered yet.",
            multiprocess_mode="livesum", registry=registry,
        )  # fmt: skip

    def register(self, route: str, statuses: Iterable[int]) -> None:
        """Have the series of a route, for each status that it may have."""
        self.request_seconds.labels(route)
        for status in statuses:
            self.requests.labels(route, str(status))

    def batch(self, texts: int, tokens: int) -> None:
        """A batch goes to the model."""
        self.batch_texts.observe(texts)
        self.batch_tokens.observe(tokens)

    def written(self) -> bytes:
        """In Prometheus' text format."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return bytes(generate_latest(self.registry))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return bytes(generate_latest(registry))
