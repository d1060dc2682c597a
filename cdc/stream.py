"""A stream that runs: sessions one after the other, and what each way of ending means."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import nullcontext
from dataclasses import replace

from cdc import attempts, decoding
from cdc.attempts import Attempt
from cdc.capture.heartbeat import Heartbeat
from cdc.message_errors import Untranslatable
from cdc.session import CAREFUL, Checkpoint, Pace, Session
from cdc.spec import OnProgress, Progress, StreamSpec, StreamState
from cdc.stream_errors import ConnectionLost
from cdc.target.errors import ApplyMismatch, ForeignWrite, GuardRefused, PoisonRow

_log = logging.getLogger(__name__)

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0
STEADY_SECONDS = 10.0
"""A session that lasted so long was a good one: the next pause is short again."""


class Stream:
    """Carries one domain's rows from its source to its target."""

    def __init__(
        self,
        spec: StreamSpec,
        on_progress: OnProgress = lambda progress: None,
        checkpoint: Checkpoint = lambda name: None,
        pace: Pace | None = None,
    ) -> None:
        self._spec = spec
        self._on_progress = on_progress
        self._checkpoint = checkpoint
        self._pace = pace or Pace()

    def run(self, stop: threading.Event) -> None:
        """Until `stop` is set. Lost connections are made again; any other error stops the stream and is raised."""
        pause = FIRST_PAUSE
        refused: GuardRefused | None = None
        careful_until: int | None = None
        attempt = Attempt()
        if self._spec.kafka is None:
            _log.info("stream %s: the decoder is %s", self._spec.name, decoding.means())
        # Through Kafka the publisher, who is near the source, sends them.
        with Heartbeat(self._spec) if self._spec.kafka is None else nullcontext():
            while not stop.is_set():
                began = time.monotonic()
                session: Session | None = None
                self._on_progress(Progress(StreamState.CONNECTING))
                try:
                    session = self._session(attempt)
                    session.run(stop, careful_until)
                    careful_until = refused = None
                    attempt = attempt.done
                except ConnectionLost as error:
                    pause = FIRST_PAUSE if time.monotonic() - began > STEADY_SECONDS else pause
                    _log.warning("stream %s: %s; again in %.2g s", self._spec.name, error.message, pause)
                    stop.wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                except GuardRefused as error:
                    if refused is not None and not (session and session.applied_rows):
                        raise self._foreign(error) from error
                    _log.warning("stream %s: %s; reading the epoch again", self._spec.name, error.message)
                    refused, careful_until = error, session.received + 1 if session else None
                    attempt = replace(attempt, is_careful=session is not None)
                except (ApplyMismatch, PoisonRow, Untranslatable) as error:
                    following = attempts.after(attempt, error)
                    if following is None or session is None:
                        raise
                    _log.warning("stream %s: %s; once more, %s", self._spec.name, error.message, following)
                    attempt, careful_until = following, session.received + 1 if following.is_careful else None
                finally:
                    if session is not None:
                        session.close()
                    self._on_progress(Progress(StreamState.STOPPED))

    def _session(self, attempt: Attempt) -> Session:
        pace = replace(CAREFUL if attempt.is_careful else self._pace, parked=attempt.parked)
        return Session(self._spec, pace, self._on_progress, self._checkpoint)

    def _foreign(self, error: GuardRefused) -> GuardRefused | ForeignWrite:
        return ForeignWrite(self._spec.name, error.place) if error.state == "owner" else error
