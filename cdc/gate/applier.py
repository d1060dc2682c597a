"""The applier's side of exact work (the protocol is in `cdc.gate.exact`): hold, go to a point, export or stand."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import pq, sql

from cdc import servers
from cdc.gate.exchange import HOLD_SECONDS, SNAPSHOT_SECONDS, STAND_SECONDS, answer_channel, request_channel
from cdc.position import lsn_text, parse_lsn
from cdc.spec import StreamSpec


@dataclass
class _Request:
    """The one exchange in progress."""

    id: str
    began: float
    exporter: psycopg.Connection[Any]
    """Connected at the hold, so that exporting costs the stream no connection time."""
    held: bool = False
    goal: int | None = None
    """What has a commit LSN below it belongs to the snapshot."""
    stands: bool = False
    """Wait at the goal until told to go on, instead of exporting a snapshot there."""
    arrived: float | None = None


class Gate:
    """Asked by the loop at every boundary; never waits for anybody."""

    def __init__(self, spec: StreamSpec) -> None:
        self._spec = spec
        self._request: _Request | None = None
        self._exports: dict[str, tuple[float, psycopg.Connection[Any]]] = {}
        self._listener = servers.connect(spec.target_dsn, "target", f"fig-gate {spec.name}")
        self._listener.execute(sql.SQL("listen {}").format(sql.Identifier(request_channel(spec.name))))

    @property
    def socket(self) -> int:
        return self._listener.fileno()

    def close(self) -> None:
        self._end_request()
        for _, connection in self._exports.values():
            connection.close()
        self._exports.clear()
        self._listener.close()

    def listen(self) -> None:
        """Take the requests that have arrived, end what has lasted too long."""
        self._listener.pgconn.consume_input()
        while (notification := self._listener.pgconn.notifies()) is not None:
            self._hear(*_request(notification.extra))
        now = time.monotonic()
        if self._request is not None and self._has_lasted_too_long(self._request, now):
            self._end_request()
        for name in [n for n, (began, _) in self._exports.items() if now - began > SNAPSHOT_SECONDS]:
            self._end_export(name)

    def stops(self, lsn: int) -> bool:
        """Whether nothing at or after `lsn` may be applied now."""
        return self._request is not None and (self._request.goal is None or lsn >= self._request.goal)

    def reached(self, applied: int) -> None:
        """The loop stands at the boundary with everything before it applied: say so, or export and let it go on."""
        request = self._request
        if request is None:
            return
        if request.goal is None:
            if not request.held:
                self._answer({"id": request.id, "held": True, "lsn": lsn_text(applied)})
            request.held = True
            return
        if request.stands:
            if request.arrived is None:
                request.arrived = time.monotonic()
                self._answer({"id": request.id, "stands": True, "lsn": lsn_text(applied)})
            return
        exporter = request.exporter
        exporter.execute("begin isolation level repeatable read read only")
        row = exporter.execute("select pg_export_snapshot()").fetchone()
        self._exports[request.id] = (time.monotonic(), exporter)
        self._request = None
        self._answer({"id": request.id, "snapshot": row[0] if row else "", "lsn": lsn_text(applied)})

    def _hear(self, name: str, what: str, lsn: str) -> None:
        request = self._request if self._request and self._request.id == name else None
        match what:
            case "hold" if self._request is not None:
                self._answer({"id": name, "refused": "another exchange holds this stream already"})
            case "hold":
                exporter = servers.connect(self._spec.target_dsn, "target", f"fig-gate {self._spec.name}")
                self._request = _Request(name, time.monotonic(), exporter)
            case "snapshot_at" | "stand_at" if request is not None and request.held:
                request.goal, request.stands = parse_lsn(lsn), what == "stand_at"
            case "snapshot_at" | "stand_at":
                self._answer({"id": name, "refused": "the stream is not held for this exchange"})
            case "done" if request is not None:
                self._end_request()
            case "done":
                self._end_export(name)

    def _has_lasted_too_long(self, request: _Request, now: float) -> bool:
        if request.goal is None:
            return now - request.began > HOLD_SECONDS
        return request.arrived is not None and now - request.arrived > STAND_SECONDS

    def _answer(self, answer: dict[str, Any]) -> None:
        """Past psycopg, which would keep requests that arrive with the server's answer to itself."""
        said = [answer_channel(self._spec.name).encode(), json.dumps(answer).encode()]
        result = self._listener.pgconn.exec_params(b"select pg_notify($1, $2)", said)
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise psycopg.OperationalError(result.get_error_message())

    def _end_request(self) -> None:
        if self._request is not None:
            self._request.exporter.close()
            self._request = None

    def _end_export(self, name: str) -> None:
        if name in self._exports:
            self._exports.pop(name)[1].close()


def _request(content: bytes) -> tuple[str, str, str]:
    """(id, what to do, LSN). Anybody may notify; what is no request asks for nothing."""
    try:
        said = json.loads(content)
        return str(said["id"]), str(said["do"]), str(said.get("lsn", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", "", ""
