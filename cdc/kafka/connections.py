"""The connections of a Kafka client, closed when it is, or when it could not be made. kafka-python leaves some: those
of a client that finds no broker, with its thread, which tries on for ever; those whose broker does not take what was
written; those that were refused. A stream tries again for as long as Kafka is away.
"""

from __future__ import annotations

import socket
from typing import Any

from kafka.net.compat import KafkaNetClient
from kafka.net.inet import KafkaNetSocket

DIRECT = "direct://"
"""The `proxy_url` of a client without a proxy."""


class DirectSocket(KafkaNetSocket):  # type: ignore[misc, unused-ignore]
    """One that is closed if it does not reach its broker. Found by its scheme."""

    SCHEMES = ("direct",)

    async def sock_connect(
        self, net: Any, sock: socket.socket, sockaddr: Any, timeout_at: float | None = None
    ) -> socket.socket:
        try:
            await super().sock_connect(net, sock, sockaddr, timeout_at=timeout_at)
        except BaseException:
            sock.close()
            raise
        return sock


class Connections(KafkaNetClient):  # type: ignore[misc, unused-ignore]
    """Of one client. Closed, it has neither a thread nor a socket."""

    def close(self, node_id: str | None = None) -> None:
        if node_id is None:
            # Its thread first: what that is writing just then would stay open for its sake.
            self._net.stop()
            for connection in list(self._manager._conns.values()):
                if connection.transport is not None:
                    connection.transport._write_buffer.clear()
        super().close(node_id)
