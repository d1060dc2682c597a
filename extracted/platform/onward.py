"""What a call to another domain carries of the request that it belongs to."""

from __future__ import annotations

from contextvars import ContextVar

from extracted.platform import trace
from extracted.platform.json_logs import request_id

# The domains whose hold this request was let through; only the proxy sets it.
admitted: ContextVar[str] = ContextVar("admitted", default="")


def onward_headers() -> dict[str, str]:
    """Its id; and that it was let in during a hold, so that it may finish what it began."""
    headers = {"X-Request-Id": request_id.get() or "background"}
    if traceparent := trace.onward():
        headers[trace.HEADER] = traceparent
    if domains := admitted.get():
        headers["X-Fig-Admitted"] = domains
    return headers
