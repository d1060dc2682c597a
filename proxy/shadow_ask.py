"""Ask a side itself, past the proxy, in a way that it must not act upon.

    Asker(servers: {Side: addresses}, timeout).ask(side, sample) -> Answer
    Asker.is_fenced(side) -> bool               # every process of the side says that it fences shadow requests

The protocol with a side (proxy/shadow_fence.py speaks it for WSGI applications):

- `X-Fig-Shadow: probe`: answer 204 with `X-Fig-Shadow: fenced` at once, without looking at the request.
- `X-Fig-Shadow: ask`: answer as ever, but with databases that refuse every write and with no effect outside. The answer
  carries `X-Fig-Shadow: fenced`, or `X-Fig-Shadow: refused` where the request tried to write or to act.

Nothing is asked of a side that does not answer a probe. The proxy lets no X-Fig-Shadow in from outside.
"""

from __future__ import annotations

import http.client
import itertools
import threading
from collections.abc import Mapping, Sequence

from proxy.client import UnixConnection
from proxy.routes import Side
from proxy.shadow_compare import Answer
from proxy.shadow_sample import Sample

HEADER = "x-fig-shadow"
PROBE_SECONDS = 1.0
"""Who does not answer a probe so soon would not answer much else."""
LARGEST_BODY = 1024 * 1024
"""Of an answer that is compared; a longer one is left out, and counted."""


class NotFenced(Exception):
    """A side answered a shadow request without saying that it fences it: it must not be asked any more."""


class TooLarge(Exception):
    """An answer longer than LARGEST_BODY."""


class WroteInRead(Exception):
    """A side refused what a request wanted to write or do: the route is not pure."""

    def __init__(self, side: Side) -> None:
        super().__init__(f"the {side} side wanted to write")
        self.side = side


class Asker:
    """Both sides of one domain. Thread-safe; each question has a connection of its own."""

    def __init__(self, servers: Mapping[Side, Sequence[str]], timeout: float) -> None:
        self._servers = {side: tuple(addresses) for side, addresses in servers.items()}
        self._turns = {side: itertools.cycle(addresses) for side, addresses in self._servers.items()}
        self._turn = threading.Lock()
        self._timeout = timeout

    def ask(self, side: Side, sample: Sample) -> Answer:
        """Status 0 where the side cannot be reached or breaks off. Raises NotFenced, TooLarge, WroteInRead."""
        with self._turn:
            address = next(self._turns[side])
        try:
            answer = _get(address, sample.uri, {**sample.headers, "X-Fig-Shadow": "ask"}, self._timeout)
        except (OSError, http.client.HTTPException):
            return Answer(0)
        said = answer.headers.get(HEADER)
        if said == "refused":
            raise WroteInRead(side)
        if said != "fenced":
            raise NotFenced(side)
        return answer

    def is_fenced(self, side: Side) -> bool:
        """False, too, where a process of the side does not answer: nobody knows what it would do."""
        try:
            return all(
                _get(address, "/", {"Host": "shadow", "X-Fig-Shadow": "probe"}, PROBE_SECONDS).headers.get(HEADER)
                == "fenced"
                for address in self._servers[side]
            )
        except (OSError, http.client.HTTPException, TooLarge):
            return False


def _get(address: str, uri: str, headers: Mapping[str, str], timeout: float) -> Answer:
    connection = _connection(address, timeout)
    try:
        # By hand: the address goes out exactly as the client wrote it, and only these headers do.
        connection.putrequest("GET", uri, skip_host=True, skip_accept_encoding=True)
        for name, value in {**headers, "Connection": "close"}.items():
            connection.putheader(name, value.encode())
        connection.endheaders()
        response = connection.getresponse()
        body = response.read(LARGEST_BODY + 1)
        if len(body) > LARGEST_BODY:
            raise TooLarge
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
    finally:
        connection.close()


def _connection(address: str, timeout: float) -> http.client.HTTPConnection:
    if address.startswith("unix:"):
        return UnixConnection(address.removeprefix("unix:"), timeout)
    host, _, port = address.rpartition(":")
    return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)
