"""Keeps one outbox's publisher at work, for as long as the outbox has a slot; says once what is in its way."""

from __future__ import annotations

import json
import logging
import threading

import psycopg

from cdc import outbox_install
from cdc.errors import CdcError
from cdc.outbox import Figures, Publisher
from cdc.outbox_errors import OutboxNotPrepared
from cdc.outbox_install import OutboxSpec
from migration_plan.errors import JournalUnreachable
from migration_plan.parts import Parts

_log = logging.getLogger("fig.publishers")

AFTER_ERROR = 5.0
"""Seconds; what was published since the last confirmed transaction is published again each time."""


class PublisherKeeper(threading.Thread):
    """Runs one publisher, and starts it again after it stopped."""

    def __init__(self, parts: Parts, spec: OutboxSpec, stop: threading.Event) -> None:
        super().__init__(name=spec.name, daemon=True)
        self._parts, self._spec, self._stop_event = parts, spec, stop
        self._said = ""

    def run(self) -> None:
        while not self._stop_event.is_set():
            try:
                outbox_install.wait_until_prepared(self._spec, self._stop_event)
                Publisher(self._spec, self._tell).run(self._stop_event)
            except OutboxNotPrepared:
                continue  # Its slot was taken away under it: the sync has ended, which is no alarm.
            except (CdcError, psycopg.Error) as error:
                self._alarm(error)
                self._stop_event.wait(AFTER_ERROR)

    def _tell(self, figures: Figures) -> None:
        """What passes by itself is told when it begins and when it is over."""
        if figures.trouble == self._said:
            return
        said = {"publisher": self.name, "message": figures.trouble or "goes on", "published": figures.published}
        (_log.warning if figures.trouble else _log.info)("%s", json.dumps(said))
        self._said = figures.trouble

    def _alarm(self, error: Exception) -> None:
        message = str(error).strip()
        if message == self._said:
            return
        self._said = message
        _log.error("%s", json.dumps({"alarm": "publisher", "publisher": self.name, "message": message}))
        if isinstance(error, CdcError) and error.code != "connection-lost":
            try:
                self._parts.journal.record(
                    self._parts.domain, "alarm", case=error.code, publisher=self.name, reason=message
                )
            except JournalUnreachable as unreachable:
                _log.error("%s", json.dumps({"alarm": "journal", "message": str(unreachable)}))
