"""The live routes of one proxy, over its admin socket.

    ProxyClient(name: str, socket_path: Path | str, timeout: float = 3.0)    # a context manager; close()
      .routes() -> dict[str, RouteState]
      .set_route(domain: str, epoch: int, owner: Side | str) -> RouteState      # ends a hold; RouteRefused
      .hold(domain: str, epoch: int, ttl: float) -> RouteState                # ttl in seconds; RouteRefused
      .release(domain: str, epoch: int) -> RouteState                             # RouteRefused
      .inflight(domain: str) -> int                                         # writes, living workers only
      .applied(domain: str, side: Side | str, through_ms: int) -> RouteState
      .metrics() -> str                                                           # Prometheus text
    RouteState(epoch, owner, hold: Hold | None, writes_in_flight, applied: {Side: unix ms})
    Hold(epoch: the one that is awaited, left: seconds)

Errors (proxy/errors.py): ProxyUnreachable (no answer: the state is unknown; every call may be repeated),
RouteRefused (.current: RouteState), ProxyRejected (unknown domain, malformed value); after those two, nothing changed.
A client may be shared by threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from proxy.config import Side
from proxy.errors import ProxyRejected, ProxyUnreachable, RouteRefused


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

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> RouteState:
        hold = document["hold"]
        return cls(
            epoch=document["epoch"],
            owner=Side(document["owner"]),
            hold=Hold(hold["epoch"], hold["left_ms"] / 1000) if hold else None,
            writes_in_flight=document["inflight"]["writes"],
            applied={Side(side): ms for side, ms in document["applied"].items()},
        )


class ProxyClient:
    """One proxy. Connections are kept; each step of a call waits at most `timeout` seconds."""

    def __init__(self, name: str, socket_path: Path | str, timeout: float = 3.0) -> None:
        self.name = name
        self.socket_path = str(socket_path)
        # The socket is guarded by its folder, not by TLS; loading certificates would only cost time.
        transport = httpx.HTTPTransport(uds=self.socket_path, verify=False)
        self._http = httpx.Client(
            transport=transport, base_url="http://proxy", timeout=timeout, trust_env=False
        )

    def routes(self) -> dict[str, RouteState]:
        return {domain: RouteState.parse(state) for domain, state in self._call("GET", "/routes").items()}

    def set_route(self, domain: str, epoch: int, owner: Side | str) -> RouteState:
        return self._state(f"/routes/{domain}", {"epoch": epoch, "owner": str(owner)})

    def hold(self, domain: str, epoch: int, ttl: float) -> RouteState:
        return self._state(f"/hold/{domain}", {"epoch": epoch, "ttl_ms": round(ttl * 1000)})

    def release(self, domain: str, epoch: int) -> RouteState:
        return self._state(f"/release/{domain}", {"epoch": epoch})

    def inflight(self, domain: str) -> int:
        return int(self._call("GET", f"/inflight/{domain}")["writes"])

    def applied(self, domain: str, side: Side | str, through_ms: int) -> RouteState:
        return self._state(f"/applied/{domain}", {"side": str(side), "through_ms": through_ms})

    def metrics(self) -> str:
        return self._send("GET", "/metrics", None).text

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> ProxyClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _state(self, path: str, body: Mapping[str, Any]) -> RouteState:
        return RouteState.parse(self._call("POST", path, body))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        response = self._send(method, path, body)
        if response.status_code >= 500:
            reason = f"status {response.status_code}: {response.text[:500]}"
            raise ProxyUnreachable(self.name, self.socket_path, reason)
        try:
            document = response.json()
        except ValueError as error:
            reason = f"status {response.status_code} without JSON"
            raise ProxyUnreachable(self.name, self.socket_path, reason) from error
        if response.status_code == 409:
            raise RouteRefused(self.name, document["detail"], RouteState.parse(document["current"]))
        if response.status_code != 200:
            raise ProxyRejected(self.name, response.status_code, document)
        return dict(document)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        try:
            try:
                return self._http.request(method, path, json=body)
            except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
                # A kept connection of an nginx that has restarted since; every call here may be repeated.
                return self._http.request(method, path, json=body)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ProxyUnreachable(self.name, self.socket_path, reason) from error
