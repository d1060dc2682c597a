"""A double as a process: threads behind one loopback port, gone at once on SIGTERM."""

from __future__ import annotations

import signal
import threading

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

LOOPBACK = "127.0.0.1"
_ENDINGS = frozenset({signal.SIGTERM, signal.SIGINT})


class _QuietHandler(WSGIRequestHandler):
    """The record knows what was asked; the log is for what went wrong."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return None

    def connection_dropped(self, error: BaseException, environ: object = None) -> None:
        """A caller that left, or one that was dropped on purpose: nothing to report."""


def hold_back_endings() -> None:
    """Called before any thread is started, so that SIGTERM reaches `serve_until_told_to_stop` and nobody else."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDINGS)


def serve_until_told_to_stop(app: Flask, port: int, host: str = LOOPBACK) -> None:
    """Serve until SIGTERM or SIGINT. What is in progress then is cut off, as by a real outage."""
    server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    signal.sigwait(_ENDINGS)
