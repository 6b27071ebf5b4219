"""What `GET /metrics` shows: counters, gauges and histograms for Prometheus.

Labels are routes, status codes and verdicts: few values, and none that a client chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from harness.runner.execution import Execution
from harness.types import Outcome

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Meters:
    """The meters of one server."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter(
            "rltf_http_requests", "Requests answered", ["route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "rltf_http_request_seconds", "From the first byte to the answer", ["route"], registry=registry
        )
        self._programs = Counter(
            "rltf_programs", "Programs run, by how they ended", ["status"], registry=registry
        )
        self._failures = Counter(
            "rltf_grader_failures", "Programs that the grader failed on", registry=registry
        )
        self._cached = Counter("rltf_cached_verdicts", "Verdicts that were known", registry=registry)
        self._cpu = Counter("rltf_program_cpu_seconds", "CPU time of programs", registry=registry)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is asked when it is read."""
        Gauge(name, text, registry=self._registry).set_function(value)

    def count(self, answers: Iterable[Outcome | Execution]) -> None:
        """Programs that have been graded or executed."""
        for answer in answers:
            if answer.infrastructure_error is not None:
                self._failures.inc()
                continue
            cached = isinstance(answer, Outcome) and answer.cached
            self._programs.labels(_status(answer)).inc()
            if cached:
                self._cached.inc()
            else:
                self._cpu.inc(answer.cpu_seconds)

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self._registry)


def _status(answer: Outcome | Execution) -> str:
    if isinstance(answer, Execution):
        return answer.status.value
    return next((status.value for status in answer.verdicts.values()), "not_run")
