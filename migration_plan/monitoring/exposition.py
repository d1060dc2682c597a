"""A collector's figures at http://ADDRESS/metrics, for as long as a process runs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.registry import Collector

_log = logging.getLogger("fig.figures")


@contextmanager
def shown(address: str, collector: Collector) -> Iterator[bool]:
    """Whether they are shown: an address that is taken stops nothing, for work that nobody can measure is better
    than none."""
    registry = CollectorRegistry()
    registry.register(collector)
    host, _, port = address.rpartition(":")
    try:
        server, thread = start_http_server(int(port), addr=host, registry=registry)
    except OSError as error:
        _log.error("%s", json.dumps({"alarm": "figures", "address": address, "message": str(error)}))
        yield False
        return
    try:
        yield True
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
