"""The live routes of one proxy, over its admin socket.

    ProxyClient(name: str, socket_path: Path | str, timeout: float = 3.0)
      .routes() -> dict[str, RouteState]
      .set_route(domain: str, epoch: int, owner: Side | str) -> RouteState      # ends a hold; RouteRefused
      .hold(domain: str, epoch: int, ttl: float) -> RouteState                # ttl in seconds; RouteRefused
      .release(domain: str, epoch: int) -> RouteState                             # RouteRefused
      .canary(domain: str, epoch: int, revision: int, share: int) -> RouteState   # share in 1/100 %; RouteRefused
      .inflight(domain: str) -> int                                         # writes, living workers only
      .applied({domain: {side: unix ms}}) -> None                                 # how far copies have come
      .sample(domain: str, share: float, ttl: float) -> None  # of reads, for the shadow comparer; ttl in seconds
      .date() -> datetime                                                         # its clock, to the second
      .metrics() -> str                                                           # Prometheus text
    RouteState(epoch, owner, hold: Hold | None, writes_in_flight, applied: {Side: unix ms}, share, revision)
    Hold(epoch: the one that is awaited, left: seconds)

Errors (proxy/errors.py): ProxyUnreachable (no answer: the state is unknown; every call may be repeated; OtherProtocol
is one of them: it is of another version),
RouteRefused (.current: RouteState), ProxyRejected (unknown domain, malformed value); both change nothing.
Nothing is kept open between calls; a client may be shared by threads.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from proxy.errors import OtherProtocol, ProxyRejected, ProxyUnreachable, RouteRefused
from proxy.routes import Side

PROTOCOL = "1"
"""What admin.js says of itself; no other one is spoken to."""


@dataclass(frozen=True)
class Hold:
    """Writes wait: until the route has this epoch, or for `left` seconds more."""

    epoch: int
    left: float


@dataclass(frozen=True)
class RouteState:
    """What one proxy does with one domain at this moment."""

    epoch: int
    owner: Side
    hold: Hold | None
    writes_in_flight: int
    applied: Mapping[Side, int]
    share: int = 0
    """Of the users whose reads the service answers while the monolith owns, in 1/100 %; 0: no canary."""
    revision: int = 0
    """Of that share: a later decision has a higher one."""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> RouteState:
        hold, canary = document["hold"], document.get("canary", {})
        return cls(
            epoch=document["epoch"],
            owner=Side(document["owner"]),
            hold=Hold(hold["epoch"], hold["left_ms"] / 1000) if hold else None,
            writes_in_flight=document["inflight"]["writes"],
            applied={Side(side): ms for side, ms in document["applied"].items()},
            share=canary.get("share", 0),
            revision=canary.get("revision", 0),
        )


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Message
    content: bytes


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket. (httpx can as well, but leaks the socket of a refused connection.)"""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("proxy", timeout=timeout)
        self.path = path

    def connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(self.timeout)
            connection.connect(self.path)
        except OSError:
            connection.close()
            raise
        self.sock = connection


class ProxyClient:
    """One proxy. Each call has a connection of its own and waits at most `timeout` seconds for each step."""

    def __init__(self, name: str, socket_path: Path | str, timeout: float = 3.0) -> None:
        self.name = name
        self.socket_path = str(socket_path)
        self.timeout = timeout

    def routes(self) -> dict[str, RouteState]:
        return {domain: RouteState.parse(state) for domain, state in self._call("GET", "/routes").items()}

    def set_route(self, domain: str, epoch: int, owner: Side | str) -> RouteState:
        return self._state(f"/routes/{domain}", {"epoch": epoch, "owner": str(owner)})

    def hold(self, domain: str, epoch: int, ttl: float) -> RouteState:
        return self._state(f"/hold/{domain}", {"epoch": epoch, "ttl_ms": round(ttl * 1000)})

    def release(self, domain: str, epoch: int) -> RouteState:
        return self._state(f"/release/{domain}", {"epoch": epoch})

    def canary(self, domain: str, epoch: int, revision: int, share: int) -> RouteState:
        """Have the service answer this share of the users' reads, in 1/100 %. Ends with the epoch."""
        return self._state(f"/canary/{domain}", {"epoch": epoch, "revision": revision, "share": share})

    def inflight(self, domain: str) -> int:
        return int(self._call("GET", f"/inflight/{domain}")["writes"])

    def applied(self, news: Mapping[str, Mapping[str, int]]) -> None:
        """How far copies have come: by domain and side, up to which moment (ms since 1970) it has applied all."""
        self._call("POST", "/applied", news)

    def sample(self, domain: str, share: float, ttl: float) -> None:
        """Show this share (0 to 1) of the domain's reads to the shadow comparer, for `ttl` seconds."""
        self._call("POST", f"/shadow/{domain}", {"parts": round(share * 10_000), "ttl_ms": round(ttl * 1000)})

    def metrics(self) -> str:
        return self._send("GET", "/metrics", None)[1].decode()

    def date(self) -> datetime:
        """The proxy's clock: the second that had begun there when it answered."""
        return parsedate_to_datetime(self._ask("GET", "/routes", None).headers["Date"])

    def _state(self, path: str, body: Mapping[str, Any]) -> RouteState:
        return RouteState.parse(self._call("POST", path, body))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        status, content = self._send(method, path, body)
        if status >= 500:
            raise self._unreachable(f"status {status}: {content[:500]!r}")
        try:
            document = json.loads(content)
        except ValueError as error:
            raise self._unreachable(f"status {status} without JSON") from error
        if status == 409:
            raise RouteRefused(self.name, document["detail"], RouteState.parse(document["current"]))
        if status != 200:
            raise ProxyRejected(self.name, status, document)
        return dict(document)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, bytes]:
        answer = self._ask(method, path, body)
        return answer.status, answer.content

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None) -> _Answer:
        connection = UnixConnection(self.socket_path, self.timeout)
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = _Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(str(error) or type(error).__name__) from error
        finally:
            connection.close()
        found = response.headers.get("X-Fig-Protocol", "")
        if path != "/metrics" and response.status < 500 and found != PROTOCOL:
            raise OtherProtocol(self.name, self.socket_path, found, PROTOCOL)
        return answer

    def _unreachable(self, reason: str) -> ProxyUnreachable:
        return ProxyUnreachable(self.name, self.socket_path, reason)
