"""A stream in parallel: several appliers share the partitions of its topics as a consumer group.

Each batch of an applier commits its rows together with the places of their partitions, by compare-and-set: whatever a
rebalance does, of two that believe to have a partition one is refused, reads the place again and goes on from there.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import closing

import psycopg

from cdc import position, servers
from cdc.kafka.parallel_applier import Applier
from cdc.kafka.topic_start import require_transport
from cdc.session import Checkpoint
from cdc.spec import OnProgress, Progress, StreamSpec, StreamState
from cdc.stream_errors import ConnectionLost, StreamError
from cdc.target.errors import GuardRefused, StalePosition

_log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE, STEADY_SECONDS = 0.05, 5.0, 10.0
LOOK_EVERY = 0.05


class ParallelStream:
    """All appliers of this process."""

    def __init__(
        self, spec: StreamSpec, on_progress: OnProgress = lambda progress: None,
        checkpoint: Checkpoint = lambda name: None,
    ) -> None:  # fmt: skip
        self._spec = spec
        self._transport = require_transport(spec)
        self._on_progress = on_progress
        self._checkpoint = checkpoint
        self._errors: list[BaseException] = []

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set, or one applier meets what does not pass by itself; its error is raised."""
        ended = threading.Event()
        appliers = [
            threading.Thread(target=self._keep, args=(number, ended), name=f"{self._spec.name} {number}", daemon=True)
            for number in range(self._transport.appliers)
        ]
        self._on_progress(Progress(StreamState.CONNECTING))
        for applier in appliers:
            applier.start()
        try:
            while not (stop.wait(LOOK_EVERY) or ended.is_set()):
                self._report()
        finally:
            ended.set()
            for applier in appliers:
                applier.join()
            self._on_progress(Progress(StreamState.STOPPED))
        if self._errors:
            raise self._errors[0]

    def _keep(self, number: int, ended: threading.Event) -> None:
        pause = FIRST_PAUSE
        refused = False
        while not ended.is_set():
            began = time.monotonic()
            try:
                with closing(Applier(self._spec, number, self._checkpoint)) as applier:
                    applier.run(ended)
            except GuardRefused as error:  # The epoch may have moved: once more with the one of now.
                if refused:
                    self._errors.append(error)
                    ended.set()
                refused = True
            except (ConnectionLost, StalePosition) as error:
                refused = False
                pause = FIRST_PAUSE if time.monotonic() - began > STEADY_SECONDS else pause
                _log.warning("stream %s, applier %s: %s; again in %.2g s", self._spec.name, number, error, pause)
                ended.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            except BaseException as error:  # noqa: BLE001  Raised by `run`.
                self._errors.append(error)
                ended.set()

    def _report(self) -> None:
        try:
            with servers.connect(self._spec.target_dsn, "target", f"fig-report {self._spec.name}") as target:
                found = position.read(target, self._spec.name)
        except (StreamError, psycopg.Error) as error:
            _log.debug("stream %s: %s", self._spec.name, error)
            return
        if found is not None:
            self._on_progress(Progress(StreamState.STREAMING, found.lsn, found.lsn, found.source_time))
