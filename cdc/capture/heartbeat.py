"""A small message in the source's WAL every few moments, so that an idle stream moves on and can say how far."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from contextlib import closing, suppress

import psycopg

from cdc import servers
from cdc.capture.beats import Counting
from cdc.masking import said
from cdc.spec import StreamSpec
from cdc.stream_errors import StreamError

_log = logging.getLogger(__name__)
_RETRY_SECONDS = 1.0
_LAST_BEAT_SECONDS = 1.0


class Heartbeat:
    """A thread with a connection of its own. A source that is away is told once, and waited for."""

    def __init__(self, spec: StreamSpec) -> None:
        self._spec = spec
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"heartbeat {spec.name}", daemon=True)
        self._wire: socket.socket | None = None

    def __enter__(self) -> Heartbeat:
        if self._spec.heartbeat:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_BEAT_SECONDS)
            self._hang_up()
            self._thread.join()

    def _hang_up(self) -> None:
        """A beat under way may wait for a standby of the source, or for a source that is frozen: for as long as that
        takes. Whether it is counted does not matter: nothing was made of it yet."""
        if self._wire is not None:
            with suppress(OSError):  # It has ended meanwhile.
                self._wire.shutdown(socket.SHUT_RDWR)

    def _run(self) -> None:
        complained = False
        while not self._stop.is_set():
            try:
                self._beat()
            except (StreamError, psycopg.Error) as error:
                if not complained and not self._stop.is_set():
                    _log.warning("stream %s: no heartbeat: %s", self._spec.name, said(error))
                complained = True
                self._stop.wait(_RETRY_SECONDS)
            else:
                complained = False

    def _beat(self) -> None:
        """Until told to stop. Transactional: only such messages are sent in commit order and at once."""
        message = json.dumps({"kind": "heartbeat", "domain": self._spec.domain})
        with (
            servers.connect(self._spec.source_dsn, "source", f"fig-heartbeat {self._spec.name}") as connection,
            closing(Counting(self._spec, connection)) as counting,
            closing(socket.socket(fileno=os.dup(connection.fileno()))) as self._wire,
        ):
            while not self._stop.wait(self._spec.heartbeat):
                connection.execute("select pg_logical_emit_message(true, 'fig', %s)", [message], prepare=True)
                if self._spec.kafka is None:  # A publisher is near its source, and need not reach the target.
                    counting.tick()
