"""What goes back to the source: how far it may forget, and a sign of life. What goes out: progress."""

from __future__ import annotations

import time

from cdc.capture.changes import ChangeSource
from cdc.spec import OnProgress, Progress, StreamState
from cdc.stream_errors import ConnectionLost
from cdc.target.apply import TargetSession

STATUS_EVERY = 1.0
CONFIRM_EVERY = 0.1
FLUSH_CHECK_EVERY = 0.1
PROGRESS_EVERY = 0.025
ASK_AFTER_SILENCE = 10.0
GONE_AFTER_SILENCE = 30.0
"""A source that says nothing for so long, even when asked, is gone."""


def confirmable(target: TargetSession) -> int:
    """Only what the target has flushed: a slot that confirmed more would skip it after a crash of the target."""
    return target.flushed


class Confirmation:
    """Status messages to the source."""

    def __init__(self, source: ChangeSource, target: TargetSession) -> None:
        self._source = source
        self._target = target
        self._sent_at = self._asked_at = 0.0
        self.confirmed = target.flushed
        self.asked = False
        """The source wants an answer now."""

    def tick(self) -> bool:
        """Send what is due; True if something was confirmed."""
        if self._target.applied > self._target.flushed:
            self._target.ask_flushed(FLUSH_CHECK_EVERY)
        now, flushed, silence = time.monotonic(), confirmable(self._target), self._source.silence()
        if silence > GONE_AFTER_SILENCE:
            raise ConnectionLost("source", f"no word for {GONE_AFTER_SILENCE:g} s, though asked")
        is_news = flushed > self.confirmed
        ask = silence > ASK_AFTER_SILENCE and now - self._asked_at > ASK_AFTER_SILENCE / 2
        if self.asked or ask or now - self._sent_at > (CONFIRM_EVERY if is_news else STATUS_EVERY):
            self._source.send_status(flushed, self._target.applied, ask)
            self.confirmed, self._sent_at, self.asked = flushed, now, False
            self._asked_at = now if ask else self._asked_at
            return is_news
        return False


class Report:
    """Progress to whoever listens, not too often."""

    def __init__(self, target: TargetSession, confirmation: Confirmation, on_progress: OnProgress) -> None:
        self._target = target
        self._confirmation = confirmation
        self._on_progress = on_progress
        self._told_at = 0.0
        self._told: tuple[int, int, StreamState] | None = None
        self.state = StreamState.STREAMING

    @property
    def is_due(self) -> bool:
        """There is something to tell, now or in a moment."""
        return self._told != (self._target.applied, self._confirmation.confirmed, self.state)

    def tick(self) -> None:
        target = self._target
        if not self.is_due or time.monotonic() - self._told_at < PROGRESS_EVERY:
            return
        confirmed = self._confirmation.confirmed
        self._told, self._told_at = (target.applied, confirmed, self.state), time.monotonic()
        self._on_progress(
            Progress(
                self.state, target.applied, confirmed, target.source_time, target.lag, target.rows,
                target.transactions,
            )
        )  # fmt: skip
