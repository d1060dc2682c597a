"""Tells the proxies how far each copy is, off the streams' threads: a proxy that hangs delays no row."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence

from migration_plan.lifecycle import Side
from proxy.client import ProxyClient
from proxy.errors import ProxyRejected, ProxyUnreachable

_log = logging.getLogger("fig.streams")

PUSH_EVERY = 0.03
"""Seconds between two rounds of news for the proxies: a user's own write is waited for at about this pace."""


class AppliedThrough(threading.Thread):
    """Tells the proxies how far each copy is, off the streams' threads: a proxy that hangs delays no row."""

    def __init__(self, proxies: Sequence[ProxyClient]) -> None:
        super().__init__(name="applied-through", daemon=True)
        self._proxies = proxies
        self._news: dict[str, dict[str, int]] = {}
        self._wake = threading.Condition()

    def tell(self, domain: str, side: Side, through_ms: int) -> None:
        with self._wake:
            self._news.setdefault(domain, {})[str(side)] = through_ms
            self._wake.notify()

    def run(self) -> None:
        silent: set[str] = set()
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._news)
                news, self._news = self._news, {}
            for proxy in self._proxies:
                try:
                    proxy.applied(news)
                    silent.discard(proxy.name)
                except (ProxyUnreachable, ProxyRejected) as error:
                    if proxy.name not in silent:
                        _log.warning("%s", json.dumps({"proxy": proxy.name, "message": str(error)}))
                    silent.add(proxy.name)
            time.sleep(PUSH_EVERY)
