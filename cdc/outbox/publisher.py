"""From a domain's outbox to the broker: inserts of one table, in commit order, each at least once.

The way of an event: `source` (its own slot) -> `pgoutput` -> a message -> the broker, and back: the slot forgets a
transaction only once the broker has confirmed all its events. Rows with an origin of ours were published where they
were first written. The broker may be away for as long as there is room for the log; an idle outbox needs none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing

from cdc.outbox.figures import Figures
from cdc.outbox.session import FIRST_PAUSE, LONGEST_PAUSE, Checkpoint, Session
from cdc.outbox.spec import OutboxSpec
from cdc.stream_errors import ConnectionLost


class Publisher:
    """One outbox of one side. `run` returns when told to stop; an OutboxError or StreamError needs a person."""

    def __init__(
        self,
        spec: OutboxSpec,
        on_figures: Callable[[Figures], None] = lambda figures: None,
        checkpoint: Checkpoint = lambda name: None,
    ) -> None:
        self._spec, self._on_figures, self._checkpoint = spec, on_figures, checkpoint

    def run(self, stop: threading.Event) -> None:
        """Lost connections are made again, to the database and to the broker."""
        pause = FIRST_PAUSE
        while not stop.is_set():
            began = time.monotonic()
            try:
                with closing(Session(self._spec, self._on_figures, self._checkpoint)) as session:
                    session.run(stop)
            except ConnectionLost as error:
                self._on_figures(Figures(0, 0, error.message))
                pause = FIRST_PAUSE if time.monotonic() - began > LONGEST_PAUSE else pause
                stop.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
