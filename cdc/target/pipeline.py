"""A pipeline of libpq on one connection: commands go out at once, answers come back later, each with what it is of."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import psycopg
from psycopg import pq

from cdc.target.group import Group
from cdc.target.parking import ParkedRows
from cdc.target.skip import Omission
from cdc.target.statements import Shape
from cdc.target.transaction import WholeTable


class Sent(NamedTuple):
    """What an answer belongs to."""

    what: str
    group: Group | None = None
    about: Shape | WholeTable | Omission | ParkedRows | None = None
    ordinal: int = 0


class Pipeline:
    """From now on the connection is for this alone, and nothing waits for it but `settle`."""

    def __init__(self, connection: psycopg.Connection[Any], judge: Callable[[pq.abc.PGresult, Sent], None]) -> None:
        self._pgconn = connection.pgconn
        self._judge = judge
        self._waiting: deque[Sent] = deque()
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()

    @property
    def socket(self) -> int:
        return self._pgconn.socket

    def __len__(self) -> int:
        """Commands that are not answered yet."""
        return len(self._waiting)

    def prepare(self, name: bytes, sql: str, sent: Sent) -> None:
        self._pgconn.send_prepare(name, sql.encode())
        self._waiting.append(sent)

    def query(self, name: bytes, parameters: Sequence[Any], sent: Sent) -> None:
        """Something prepared."""
        self._pgconn.send_query_prepared(name, parameters)
        self._waiting.append(sent)

    def send(self, sql: str, sent: Sent) -> None:
        """Something that is sent once."""
        self._pgconn.send_query_params(sql.encode(), None)
        self._waiting.append(sent)

    def sync(self, group: Group | None) -> None:
        """The end of what is decided together."""
        self._pgconn.pipeline_sync()
        self._waiting.append(Sent("sync", group))

    def flush(self) -> bool:
        """Push out what waits in our buffer; True when the server takes no more for now."""
        return self._pgconn.flush() == 1

    def collect(self) -> None:
        """Judge the answers that have arrived."""
        self._pgconn.consume_input()
        while self._waiting and not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            if result is not None:
                self._judge(result, self._waiting.popleft())

    def leave(self) -> None:
        """Once nothing is unanswered: the connection may be used as any other one again."""
        self._pgconn.exit_pipeline_mode()

    def settle(self, seconds: float) -> None:
        """Wait for the answers to all that was committed. An open transaction will be rolled back."""
        self.sync(None)
        deadline = time.monotonic() + seconds
        while self._waiting and (left := deadline - time.monotonic()) > 0:
            writable = [self.socket] if self.flush() else []
            select.select([self.socket], writable, [], left)
            self.collect()
