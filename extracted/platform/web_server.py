"""Nameko's web server, made to stop without dropping a request and to survive broken clients.

Stopping: every answer says `Connection: close` while new connections are still taken (the lame duck, in which
proxies notice); then connections that the kernel has queued are taken, the port is closed, idle connections
end, and what runs may finish.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

import eventlet
from eventlet import wsgi
from eventlet.event import Event
from eventlet.greenio import GreenSocket
from nameko.web.server import HttpOnlyProtocol, WebServer
from werkzeug.routing import BaseConverter, Map

from extracted.platform.errors import PortTaken
from extracted.platform.identity import IdentityCheck
from extracted.platform.validation import PATH_ID, PATH_KEY
from extracted.platform.wsgi_app import Application

log = logging.getLogger(__name__)

LISTENER = "LISTENER"
"""Key of the listening socket in the container's configuration; the runner opens it, to fail early."""

BACKLOG = 1024
LAME_DUCK_S = 1.0
DRAIN_S = 10.0
# Longer than proxies keep idle connections, so that it is never we who close one that is about to be used.
IDLE_S = 75
SOCKET_S = 30


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. (eventlet.listen() would share the port with a stale process, unnoticed.)"""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise PortTaken(host, port) from None
    return listener


class IdConverter(BaseConverter):
    regex = PATH_ID

    def to_python(self, value: str) -> int:
        return int(value)


class KeyConverter(BaseConverter):
    regex = PATH_KEY

    def to_python(self, value: str) -> UUID:
        return UUID(value)


class DrainingServer(WebServer):  # type: ignore[misc,unused-ignore]
    def __init__(self) -> None:
        super().__init__()
        self._starting = False
        self.draining = False
        self._drained = Event()
        self._connections: dict[int, list[Any]] = {}

    def setup(self) -> None:
        # Here and not in start(), which waits for the broker before it tells of errors.
        self._identity_check = IdentityCheck.from_environment()

    def start(self) -> None:
        if self._starting:
            return
        self._starting = True
        self._sock = self.container.config[LISTENER]
        self._serv = wsgi.Server(
            self._sock,
            self._sock.getsockname(),
            Application(self, self._identity_check),
            protocol=HttpOnlyProtocol,
            keepalive=IDLE_S,
            socket_timeout=SOCKET_S,
            log_output=False,
            debug=False,
        )
        self._gt = self.container.spawn_managed_thread(self._accept_connections)

    def make_url_map(self) -> Map:
        """The entrypoints by path; what `<id:…>` or `<key:…>` does not match does not exist."""
        rules = []
        for provider in self._providers:
            rule = provider.get_url_rule()
            rule.endpoint = provider
            rules.append(rule)
        return Map(rules, converters={"id": IdConverter, "key": KeyConverter})

    def _accept_connections(self) -> None:
        while self._is_accepting:
            try:
                connection, address = self._sock.accept()
            except OSError as error:
                # Usually no file descriptor is left; some come back as connections end.
                log.warning("cannot accept a connection: %s", error)
                eventlet.sleep(0.05)
                continue
            self._serve(connection, address)

    def _serve(self, connection: GreenSocket, address: Any) -> None:
        connection.settimeout(SOCKET_S)
        state = [address, connection, wsgi.STATE_IDLE]
        self._connections[id(state)] = state
        # Not a managed thread: an error in one of those ends the whole service.
        eventlet.spawn(self._converse, state)

    def _converse(self, state: list[Any]) -> None:
        try:
            self._serv.process_request(state)
        except (OSError, ValueError) as error:
            log.info("a client broke off: %s", error)
        finally:
            self._connections.pop(id(state), None)
            state[1].close()

    def drain(self) -> None:
        """Stop taking requests; return when those that were taken are answered. May be called repeatedly."""
        if self.draining:
            self._drained.wait()
            return
        self.draining = True
        if self._starting:
            self._serv.keepalive = False
            eventlet.sleep(LAME_DUCK_S)
            self._is_accepting = False
            self._gt.kill()
            self._take_queued_connections()
            self._sock.close()
            self._end_idle_connections()
            _wait_while(lambda: bool(self._connections), DRAIN_S)
        self._drained.send(True)

    def _take_queued_connections(self) -> None:
        listener = self._sock.fd
        listener.setblocking(False)
        while True:
            try:
                connection, address = listener.accept()
            except OSError:
                return
            self._serve(GreenSocket(connection), address)

    def _end_idle_connections(self) -> None:
        # One turn for connections whose request has arrived but was not yet looked at.
        eventlet.sleep(0)
        for _, connection, state in list(self._connections.values()):
            if state == wsgi.STATE_IDLE:
                try:
                    # What the client has sent until now is still read.
                    connection.shutdown(socket.SHUT_RD)
                except OSError as error:
                    log.debug("an idle connection had already ended: %s", error)

    def stop(self) -> None:
        self.drain()
        self.wait_for_providers()

    def kill(self) -> None:
        self._is_accepting = False
        if self._gt:
            self._gt.kill()
        if self._sock:
            self._sock.close()


def _wait_while(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while condition() and time.monotonic() < end:
        eventlet.sleep(0.02)
