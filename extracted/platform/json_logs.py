"""One JSON object a line on standard error; a request's lines carry its id. No personal data goes in."""

from __future__ import annotations

import json
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

from extracted.platform.trace import trace_id

request_id: ContextVar[str] = ContextVar("request_id", default="")

_ORDINARY = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if current := request_id.get():
            line["request_id"] = current
        if trace := trace_id():
            line["trace_id"] = trace
        # What was passed as `extra=` becomes members of the line.
        line.update((name, value) for name, value in vars(record).items() if name not in _ORDINARY)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json(service: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)
    # Each lost broker connection would otherwise come with pages of detail, each call to others with its parameters:
    # phone numbers among them.
    for noisy in ("amqp", "kombu", "httpx", "stripe", "twilio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
