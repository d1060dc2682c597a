"""What an application answers, for Prometheus: fig_app_…{app, side}, at /internal/metrics.

`proxy.middleware.guard` puts this around the application where prometheus_client is installed. The proxy shows nothing
below /internal to the public, so whoever reads the figures asks the application itself.

An application of several processes names a folder in PROMETHEUS_MULTIPROC_DIR, which is empty when the first of them
starts; any of them then answers for all. FIG_APP names the application; without it, it is "monolith".
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

PATH = "/internal/metrics"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SAFE = ("GET", "HEAD", "OPTIONS")
_PROBES = ("/livez", "/readyz")


class AppFigures:
    """The figures of one application, in a registry of their own."""

    def __init__(self, app: str, side: str) -> None:
        self._labels = (app, side)
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "fig_app_requests", "Requests answered.", ("app", "side", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "fig_app_request_seconds", "Time until an answer begins.", ("app", "side", "method"),
            buckets=BOUNDS, registry=self.registry,
        )  # fmt: skip
        self._fenced = Counter(
            "fig_app_fenced_requests",
            "Requests that failed at a fence, and whether they were handed back to the proxy or refused.",
            ("app", "side", "domain", "answer"), registry=self.registry,
        )  # fmt: skip

        self.collectors: tuple[Counter | Histogram, ...] = (self._requests, self._seconds, self._fenced)

    def answered(self, method: str, status: str, seconds: float) -> None:
        """`status` as in the answer's first line."""
        kind = "read" if method in _SAFE else "write"
        self._requests.labels(*self._labels, kind, f"{status[:1]}xx").inc()
        self._seconds.labels(*self._labels, kind).observe(seconds)

    def fenced(self, domain: str, is_handed_back: bool) -> None:
        self._fenced.labels(*self._labels, domain, "handed_back" if is_handed_back else "refused").inc()

    def text(self) -> bytes:
        """As Prometheus reads it; of all processes, where they share a folder."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        all_processes = CollectorRegistry()
        MultiProcessCollector(all_processes)  # type: ignore[no-untyped-call,unused-ignore]
        return generate_latest(all_processes)


class Counted:
    """The middleware itself."""

    def __init__(self, application: Application, figures: AppFigures) -> None:
        self.application, self.figures = application, figures

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO")
        if path == PATH:
            start_response("200 OK", [("Content-Type", CONTENT_TYPE_LATEST), ("Cache-Control", "no-store")])
            return [self.figures.text()]
        if path in _PROBES:
            return self.application(environ, start_response)
        status = ["500"]
        began = time.perf_counter()

        def start(line: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            status[0] = line
            return start_response(line, headers, *exc_info)

        try:
            return self.application(environ, start)
        finally:
            self.figures.answered(environ.get("REQUEST_METHOD", ""), status[0], time.perf_counter() - began)
            if met := environ.get("fig.fenced"):
                self.figures.fenced(*met)


def counted(application: Application) -> Counted:
    """The application, and its figures around it."""
    return Counted(application, AppFigures(os.environ.get("FIG_APP") or "monolith", "monolith"))
