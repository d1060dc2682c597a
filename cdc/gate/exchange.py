"""The asking end of an exchange with a stream's applier; the protocol is in `cdc.gate.exact`."""

from __future__ import annotations

import json
import logging
import time
from uuid import uuid4

import psycopg
from psycopg import sql

from cdc import servers
from cdc.errors import GateError

_log = logging.getLogger(__name__)

HOLD_SECONDS = 2.0
"""How long an applier stays held without hearing `snapshot_at`."""

SNAPSHOT_SECONDS = 10.0
"""How long an applier keeps an exported snapshot without hearing `done`."""


STAND_SECONDS = 15.0
"""How long an applier stands at a point without hearing `done`; less than it may be silent towards its source."""


def request_channel(stream: str) -> str:
    """Where the applier listens."""
    return f"fig_gate_{stream}"


def answer_channel(stream: str) -> str:
    """Where the verifier listens."""
    return f"fig_gate_{stream}_answer"


class Exchange:
    """The verifier's end of one exchange."""

    def __init__(self, target_dsn: str, stream: str) -> None:
        self._stream = stream
        self._id = ""
        self._connection = servers.connect(target_dsn, "target", "fig-verify")

    def __enter__(self) -> Exchange:
        self._connection.execute(sql.SQL("listen {}").format(sql.Identifier(answer_channel(self._stream))))
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is not None:
                self.ask("done")  # Lets the applier go at once instead of at its limit.
        except psycopg.OperationalError as lost:
            _log.warning("stream %s: %s; its applier lets go by itself", self._stream, str(lost).strip())
        finally:
            self._connection.close()

    def hold(self, patience: float) -> None:
        """Until the applier stands still for us."""
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            self._id = uuid4().hex
            self.ask("hold")
            if self._answer("held", min(left, HOLD_SECONDS)) is not None:
                return
            self.ask("done")
        raise self._silent("held", patience)

    def ask(self, what: str, **more: str) -> None:
        request = json.dumps({"id": self._id, "do": what, **more})
        self._connection.execute("select pg_notify(%s, %s)", [request_channel(self._stream), request])

    def answer(self, expected: str, patience: float, value: str = "") -> str:
        """The value of `expected`, or of `value` beside it, in the applier's answer."""
        answered = self._answer(expected, patience, value or expected)
        if answered is None:
            raise self._silent(expected, patience)
        return answered

    def _answer(self, expected: str, patience: float, value: str = "") -> str | None:
        deadline = time.monotonic() + patience
        while (left := deadline - time.monotonic()) > 0:
            for notice in self._connection.notifies(timeout=left, stop_after=1):
                answer = json.loads(notice.payload)
                if answer.get("id") != self._id:
                    continue
                if "refused" in answer:
                    raise GateError(
                        f"stream {self._stream} refuses: {answer['refused']}", "Wait a moment, then verify again"
                    )
                if expected in answer:
                    return str(answer[value or expected])
        return None

    def _silent(self, expected: str, patience: float) -> GateError:
        return GateError(
            f'stream {self._stream} has not answered "{expected}" within {patience:g} s',
            "See that the stream runs and how far it is behind: fig status",
        )
