"""What this service answers, for Prometheus: fig_app_…{app, side}, at /internal/metrics.

Names and labels are those of the monolith's figures, so that one expression compares both sides.
"""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from werkzeug.wrappers import Response

PATH = "/internal/metrics"
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SIDE = "service"
_SAFE = ("GET", "HEAD", "OPTIONS")


class Figures:
    """Of one service; every process shows its own."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "fig_app_requests", "Requests answered.", ("app", "side", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "fig_app_request_seconds", "Time until an answer begins.", ("app", "side", "method"),
            buckets=BOUNDS, registry=self._registry,
        )  # fmt: skip
        self._fenced = Counter(
            "fig_app_fenced_requests",
            "Requests that failed at a fence, and whether they were handed back to the proxy or refused.",
            ("app", "side", "domain", "answer"), registry=self._registry,
        )  # fmt: skip

    def answered(self, method: str, response: Response, seconds: float) -> None:
        kind = "read" if method in _SAFE else "write"
        self._requests.labels(self._app, _SIDE, kind, f"{response.status_code // 100}xx").inc()
        self._seconds.labels(self._app, _SIDE, kind).observe(seconds)

    def fenced(self, domain: str, is_handed_back: bool) -> None:
        self._fenced.labels(self._app, _SIDE, domain, "handed_back" if is_handed_back else "refused").inc()

    def page(self) -> Response:
        text = generate_latest(self._registry)
        return Response(text, content_type=CONTENT_TYPE_LATEST, headers={"Cache-Control": "no-store"})
