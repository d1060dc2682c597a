"""Ports: which are free, and a refusal that names all that are not."""

from __future__ import annotations

import socket

from migration_plan.local.errors import PortTaken
from migration_plan.local.site import Site


def is_free(port: int) -> bool:
    """Does nobody listen there? Connections that linger from before are no reason to refuse."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def check(site: Site, running: set[str]) -> None:
    """Every port of what does not run yet must be free."""
    taken = [
        (process, name, site.port(offset))
        for process, name, offset in site.stack.ports()
        if process not in running and not is_free(site.port(offset))
    ]
    if taken:
        raise PortTaken(taken, site.base)
